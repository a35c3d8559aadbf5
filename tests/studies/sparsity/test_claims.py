"""The rules of the sparsity study come out either way, and say so."""

import numpy as np
import pytest
import xarray as xr

from analysis.claims import FAILS, HOLDS, NOT_COMPARABLE, NOT_MEASURED, PARTLY, UNDECIDED
from sweeps._studies.sparsity import claims, cost_claims, further_claims
from sweeps._studies.sparsity import measures as sparsity
from tests.studies.sparsity import synthetic

PERCENT = np.array(synthetic.TEN)
FINE = np.arange(100)
SHIFTS = np.array([-0.3, 0.0, 0.3])


def made(weights=72.0, units=47.0, epochs=(20,), shifts=SHIFTS, others=(), units_left=None):
    """Curves flat to an end and falling by 2 points a per cent from there; one a network, ends shifted by `shifts`.

    `weights` and `units` are ends, one or one for each of `epochs`; `others` are rows (kind, by, scope, end).
    """
    rows = [("weights", "magnitude", "layer", weights), ("units", "norm", "layer", units), *others]
    accuracy = np.empty((len(rows), len(epochs), len(shifts), FINE.size))
    left = np.empty_like(accuracy)
    for at, (kind, _, _, end) in enumerate(rows):
        ends = np.broadcast_to(end, len(epochs))
        for column, network in np.ndindex(len(epochs), len(shifts)):
            # The fall of one point is reached half a per cent after the bend.
            bend = ends[column] + shifts[network] - 0.5
            accuracy[at, column, network] = 0.9 - np.clip(0.02 * (FINE - bend), 0, 0.8)
        left[at] = 1 - FINE / 100 if kind == "weights" or units_left is None else units_left(FINE / 100)
    dims = ("pruned_by", "epochs", "network", "percent")
    coords = {**synthetic.coords(rows), "epochs": list(epochs), "network": np.arange(len(shifts)), "percent": FINE}
    return xr.Dataset({"accuracy": (dims, accuracy), "left": (dims, left)}, coords=coords)


@pytest.mark.parametrize(
    ("kind", "end", "shifts", "verdict"),
    [
        ("weights", 72, SHIFTS, HOLDS),
        ("weights", 85, SHIFTS, FAILS),
        ("weights", 40, SHIFTS, FAILS),
        ("weights", 80, SHIFTS, UNDECIDED),
        ("weights", 72, 30 * SHIFTS, UNDECIDED),
        ("weights", 72, np.zeros(1), UNDECIDED),
        ("units", 47, SHIFTS, HOLDS),
        ("units", 55, SHIFTS, FAILS),
        ("units", 50, SHIFTS, UNDECIDED),
    ],
)
def test_where_plateaus_end(kind, end, shifts, verdict):
    summary = sparsity.summary(made(**{kind: end}, shifts=shifts))
    claim = claims.plateau(summary, kind)
    assert claim.verdict == verdict
    assert claim.values["20"]["ends"][0.01].mean == pytest.approx(end, abs=0.05)
    assert 100 * claim.measured.mean == pytest.approx(end, abs=0.05)
    # 2 points a per cent, up to the bend within a step: the other falls lie about it as they must
    assert claim.values["20"]["ends"][0.05].mean == pytest.approx(end + 2, abs=0.05)


def test_plateaus_after_several_lengths_of_training():
    claim = claims.plateau(sparsity.summary(made(weights=(72, 90), epochs=(5, 20))), "weights")
    assert claim.cases == {"5": HOLDS, "20": FAILS} and claim.verdict == PARTLY and claim.measured is None


@pytest.mark.parametrize(("weights", "units", "verdict"), [(72, 47, HOLDS), (47, 72, FAILS)])
def test_weights_against_units_at_equal_sparsity(weights, units, verdict):
    claim = claims.better_at_equal_percent(sparsity.summary(made(weights, units)))
    assert claim.verdict == verdict and claim.cases == {"end": verdict, "mean": verdict}


def test_weights_and_units_that_are_alike_are_not_told_apart():
    data = made(60, 60)
    data["accuracy"][1] = data["accuracy"][0].values[:, [1, 2, 0]]
    assert claims.better_at_equal_percent(sparsity.summary(data)).verdict == UNDECIDED


@pytest.mark.parametrize(("units", "verdict"), [(47, FAILS), (20, HOLDS)])
def test_weights_against_units_at_equal_weights(units, verdict):
    # 47 % of the units are 72 % of the weights by the square law; weights end at 60 %
    data = made(60, units, units_left=lambda k: (1 - k) ** 2)
    assert claims.better_at_equal_percent(sparsity.summary(data)).verdict == HOLDS
    claim = claims.better_at_equal_weights(sparsity.at_equal_weights(sparsity.at_last(data)))
    assert claim.cases["end"] == verdict
    assert claim.values["end"]["differences"][0.01].mean == pytest.approx(
        60 - 100 * (1 - (1 - units / 100) ** 2), abs=0.3
    )


def test_falling_consistently_and_not():
    assert claims.falling(made()).verdict == HOLDS
    data = made()
    at = {"pruned_by": "units_norm_layer", "percent": [70, 90, 97]}
    data["accuracy"].loc[at] = data["accuracy"].loc[at] + 0.3 + 0.01 * xr.DataArray(np.arange(3), dims="network")
    claim = claims.falling(data)
    assert claim.cases == {"weights": HOLDS, "units": FAILS} and claim.verdict == PARTLY


@pytest.mark.parametrize(("factors", "verdict"), [((0.1, 1.0), HOLDS), ((1.0, 0.1), FAILS)])
def test_nodes_more_variable_and_less(factors, verdict):
    noise = np.random.default_rng(0).normal(0, 0.03, (8, 100))
    data = made(shifts=np.zeros(8))
    data["accuracy"] = data["accuracy"] + np.reshape(factors, (2, 1, 1, 1)) * noise
    claim = claims.variable(data)
    assert claim.cases == {"networks": verdict, "along": verdict} and claim.verdict == verdict
    assert abs(claim.values["networks"]["measured"].mean) == pytest.approx(np.log(10), rel=1e-6)


def test_the_spread_over_networks_needs_two_of_them():
    assert claims.variable(made(shifts=np.zeros(1))).cases["networks"] == NOT_MEASURED


def test_the_jackknife_of_the_spread_of_two_independent_sets():
    random = np.random.default_rng(3)
    covered = 0
    for _ in range(200):
        one, other = random.normal(0, 1, (2, 12, 30))
        found = sparsity.spread_ratio(one, 2 * other)
        covered += found.low <= np.log(2) <= found.high
    # 200 trials at 0.95; below 0.86 by chance less than once in a million if the interval covers 0.95
    assert covered / 200 > 0.86


def test_training_for_longer():
    summary = sparsity.summary(made((72, 71), (47, 46), (5, 20)))
    alike = claims.epochs_accuracy(summary)
    assert alike.verdict == HOLDS and (alike.measured.mean, alike.unit) == (0, "points")
    assert claims.epochs_end(summary).verdict == HOLDS
    assert claims.epochs_end(sparsity.summary(made((72, 60), (47, 46), (5, 20)))).verdict == FAILS
    lower = made(epochs=(5, 20))
    lower["accuracy"].loc[{"epochs": 5}] = lower["accuracy"].loc[{"epochs": 5}] - 0.05
    assert claims.epochs_accuracy(sparsity.summary(lower)).verdict == FAILS
    alone = sparsity.summary(made())
    assert claims.epochs_accuracy(alone).verdict == claims.epochs_end(alone).verdict == NOT_MEASURED


@pytest.mark.parametrize(("end", "verdict"), [(60, HOLDS), (40, FAILS), (47, FAILS)])
def test_another_heuristic(end, verdict):
    others = [
        ("units", "activation", "layer", end),
        ("units", "random", "layer", 90),
        ("units", "norm", "global_raw", 95),
    ]
    claim = claims.alternative(sparsity.summary(made(others=others)))
    # Neither random choice nor another scope counts.
    assert claim.cases.keys() == {"units_activation_layer"} and claim.verdict == verdict


def test_bonferroni_widens_with_the_number_of_heuristics():
    one = made(others=[("units", "activation", "layer", 50)])
    two = made(others=[("units", "activation", "layer", 50), ("units", "gradient", "layer", 50)])
    for data in (one, two):
        place = xr.DataArray([0.0, 0.02, 0.05], dims="network")
        data["accuracy"].loc[{"pruned_by": "units_activation_layer"}] = (
            data["accuracy"].loc[{"pruned_by": "units_activation_layer"}] - place
        )
    wide, wider = (
        sparsity.differences(sparsity.at_last(sparsity.summary(data))["mean_accuracy"], "units")[
            "units_activation_layer"
        ]
        for data in (one, two)
    )
    assert wide.mean == pytest.approx(wider.mean) and wider.half > 1.3 * wide.half


@pytest.mark.parametrize(("end", "verdict"), [(47, HOLDS), (60, FAILS)])
def test_heuristics_after_fine_tuning(end, verdict):
    data = sparsity.at_last(sparsity.summary(made(others=[("units", "activation", "layer", end)])))
    assert claims.evened(data).verdict == verdict and claims.evened(None).verdict == NOT_MEASURED
    # MNIST: no other heuristic is fine-tuned.
    assert claims.evened(data.sel({"pruned_by": list(synthetic.MAIN)})).verdict == NOT_MEASURED


def test_cost_either_way():
    data = synthetic.cost()
    assert cost_claims.zeroed(sparsity.cost_summary(data)).verdict == HOLDS
    assert cost_claims.removed(sparsity.cost_summary(data)).verdict == HOLDS
    sparse = data.copy(deep=True)
    sparse["seconds"][:] = sparse["seconds"].values[::-1]
    sparse["bytes"][:] = sparse["bytes"].values[::-1]
    assert cost_claims.zeroed(sparsity.cost_summary(sparse)).cases == {"time": FAILS, "bytes": FAILS}
    assert cost_claims.removed(sparsity.cost_summary(sparse)).verdict == FAILS
    noisy = data.copy(deep=True)
    noisy["seconds"][:, :, 0] *= 30
    noisy["seconds"][:, -1, 1] /= 30
    assert cost_claims.removed(sparsity.cost_summary(noisy)).verdict == UNDECIDED
    uneven = data.copy(deep=True)
    uneven["seconds"].loc[{"how": "zeroed", "percent": 50}] *= 1.3
    assert cost_claims.zeroed(sparsity.cost_summary(uneven)).verdict == UNDECIDED
    whole = sparsity.cost_summary(data.isel(percent=[0]))
    assert cost_claims.zeroed(whole).verdict == cost_claims.removed(whole).verdict == NOT_MEASURED


def crucial(held, implied=0.24, harm=0.0, networks=5):
    """Connections with shares of crucial weights in weak nodes, and so much more loss with those nodes off."""
    noise = 1e-3 * np.arange(networks)
    layer = xr.Dataset({name: (("network", "layer"), (value + noise)[:, None]) for name, value in
                        (("magnitude", held), ("loss", held), ("implied", implied))})  # fmt: skip
    both = np.stack([0.3 + harm + noise, 0.3 - noise])
    worse = xr.Dataset({"loss": (("nodes", "network"), both), "accuracy": (("nodes", "network"), 1 - both)},
                       {"nodes": ["with", "without"]})  # fmt: skip
    return sparsity.Connections(layer, layer, worse, layer)


@pytest.mark.parametrize(
    ("held", "harm", "verdicts"),
    [
        (0.4, 0.1, (HOLDS, HOLDS, HOLDS)),
        (0.01, -0.1, (FAILS, FAILS, FAILS)),
        (0.24, -2e-3, (HOLDS, UNDECIDED, UNDECIDED)),
    ],
)
def test_crucial_connections_either_way(held, harm, verdicts):
    others = [("units", "largest", "layer", 47 + 100 * harm)]
    mean = sparsity.at_last(sparsity.summary(made(others=others)))["mean_accuracy"]
    judged = further_claims.of_connections(crucial(held, 0.24 + 1e-3 * (held == 0.24), harm), mean)
    assert (judged["hidden"].verdict, judged["missed"].verdict) == (verdicts[0], verdicts[1])
    # Shares that are alike to a thousandth in every network differ by exactly that.
    assert judged["beyond_norm"].verdict == (FAILS if held < 0.3 else HOLDS)
    assert judged["largest"].verdict == (HOLDS if harm > 0 else FAILS)
    assert judged["missed"].values["loss"]["unit"] == "nats"


def test_overfitting_either_way():
    data = synthetic.overfitting()
    judged = further_claims.of_overfitting(data)
    gains = {case for case, verdict in judged["overfit_test"].cases.items() if verdict == HOLDS}
    assert gains == {"weights noisy tuned", "units noisy tuned"} and judged["overfit_test"].verdict == PARTLY
    # The test accuracy falls with the others' gap; nothing is gained where the labels are right.
    assert judged["overfit_gap"].cases["units noisy tuned"] == HOLDS
    assert judged["memorised"].verdict == HOLDS and len(judged["memorised"].cases) == 8
    first = data.assign(flipped=data["right"], right=data["flipped"])
    assert further_claims.of_overfitting(first)["memorised"].cases["units noisy right"] == FAILS
    worse = data.assign(test=data["test"] - 0.1 * (data["percent"] > 0), train=data["train"])
    assert set(further_claims.of_overfitting(worse)["overfit_gap"].cases.values()) == {FAILS}
    alone = further_claims.of_overfitting(data.isel(network=[0]))
    assert {one.verdict for one in alone.values()} == {UNDECIDED}


def test_retraining_either_way():
    judged = further_claims.of_reactivated(synthetic.reactivated())
    assert judged["back"].cases == {"units_anew": FAILS, "units_freed": FAILS, "units_outgoing": HOLDS}
    assert judged["for_a_time"].cases == {"units_anew": HOLDS, "units_freed": FAILS, "units_outgoing": FAILS}
    assert judged["weights_for_a_time"].verdict == PARTLY
    assert {one.verdict for one in further_claims.of_reactivated(None).values()} == {NOT_MEASURED}
    assert {one.verdict for one in further_claims.of_overfitting(None).values()} == {NOT_MEASURED}


def test_outputs_sizes_and_training_times_either_way():
    cost = sparsity.cost_summary(synthetic.cost())
    assert cost_claims.same(cost).verdict == HOLDS and cost_claims.training_time(cost).verdict == HOLDS
    turned = cost.assign(difference=cost["difference"] + 1e-3, training_seconds=1 / cost["training_seconds"])
    assert cost_claims.same(turned).verdict == FAILS and cost_claims.training_time(turned).verdict == FAILS
    data = made(
        others=[("weights", "gradient", "layer", 60), *((kind, "random", "layer", 30) for kind in sparsity.KINDS)]
    )
    numbers = sparsity.at_last(sparsity.summary(data))
    assert claims.criteria(numbers["mean_accuracy"]).verdict == HOLDS
    assert claims.criteria(1 - numbers["mean_accuracy"]).verdict == FAILS
    same = data.isel(epochs=0, pruned_by=0, drop=True)
    worse = same.assign(accuracy=same["accuracy"] - 0.1 * (data["percent"] > 0))
    assert claims.logits(worse, numbers).verdict == HOLDS and claims.logits(same + 0.01, numbers).verdict == FAILS
    assert claims.has_plateau(sparsity.summary(data)).verdict == HOLDS
    assert claims.has_plateau(sparsity.summary(made(4, 5))).verdict == FAILS


def test_published_values_are_compared_for_the_published_network_alone():
    summary = sparsity.summary(made())
    found = claims.plateau(summary, "units", comparable=False)
    assert found.verdict == NOT_COMPARABLE and found.measured.mean == pytest.approx(0.47, abs=1e-3)
