"""Numbers of train first and prune first: against plain loops and closed forms, and every rule either way."""

from collections import defaultdict
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from analysis.intervals import NO_INTERVAL, Interval, interval
from sweeps._studies.spiral import claims
from sweeps._studies.spiral.measures import adam, commuting, deviations, kernels, moves, outcomes
from tests.studies.spiral import synthetic


def between(low, high):
    return Interval((low + high) / 2, (high - low) / 2, 9)


@pytest.fixture(scope="module")
def store():
    tree = synthetic.make_tree()
    return {name: tree[name].to_dataset() for name in ("task", "nodes", "full", "pruned")}


@pytest.fixture(scope="module")
def inside(store):
    return outcomes.data_square(store["task"], store["full"])


@pytest.fixture(scope="module")
def main(store):
    return kernels.read(store["full"], store["pruned"], store["nodes"])


def test_agreement_counts_points_of_the_square(store, inside):
    full, reach = store["full"], float(np.abs(store["task"]["train_inputs"]).max())
    points = [(y, x) for y in range(15) for x in range(15) if max(abs(synthetic.SIDE[[y, x]])) <= reach]
    assert 0 < len(points) < 225 and int(inside.sum()) == len(points)
    found = outcomes.references(full, inside)
    decision = full["decision"].transpose("arm", "network", "y", "x").values
    for network in range(3):
        same = np.mean([decision[1, network][at] == decision[2, network][at] for at in points])
        assert float(found["agreement"].sel(arm="reshuffled")[network]) == pytest.approx(same)
        other = np.mean([decision[1, network][at] == decision[1, 0][at] for at in points])
        assert float(found["others"][network, 0]) == pytest.approx(other)
    assert (found["agreement"].sel(arm="trained") == 1).all()
    with pytest.raises(ValueError, match="plane must have points within"):
        outcomes.data_square(store["task"] * 0, full.isel(x=[0], y=[0]))


def test_choices_are_averaged_by_kind(store, inside):
    found = outcomes.outcomes(store["full"], store["pruned"], inside)
    means = outcomes.by_kind(found)
    assert means["kind"].values.tolist() == ["random", "smallest deviation"]
    two = [found["loss"].sel(choice=f"random {number}").values for number in (0, 1)]
    np.testing.assert_allclose(means["loss"].sel(kind="random").values, (two[0] + two[1]) / 2)
    found["loss"][0, 0, 0, 0] = np.nan
    assert np.isnan(outcomes.by_kind(found)["loss"].sel(kind="random")[0, 0, 0])


def test_failed_trainings_are_left_aside(store):
    full, pruned = store["full"].copy(deep=True), store["pruned"].copy(deep=True)
    full["accuracy"][:] = 1.0
    pruned["accuracy"][:] = 0.5
    pruned["accuracy"].loc[{"arm": "prune_first", "choice": "random 0"}] = 1.0
    found = outcomes.without_failures(full, pruned)
    np.testing.assert_array_equal(found.sel(kind="random"), [-0.5] * 3)
    assert np.isnan(found.sel(kind="smallest deviation")).all()
    full["accuracy"][:, 1] = 0.5
    assert np.isnan(outcomes.without_failures(full, pruned).sel(kind="random")).values.tolist() == [False, True, False]


def test_kernels_are_compared_on_what_stays(store, main):
    found, still = kernels.correlations(main), kernels.unmoved(main)
    nodes, full, pruned = store["nodes"], store["full"], store["pruned"]
    for choice in range(3):
        for network in range(3):
            keep = nodes["keep"].transpose("network", "choice", "node").values[network, choice]
            rows, columns = np.flatnonzero(keep[:12]), np.flatnonzero(keep[12:])
            of = {}
            for arm in ("initial", "trained", "reshuffled"):
                of[arm] = full["layers.1.kernel"].sel(arm=arm).isel(network=network)
            cut = pruned["layers.1.kernel"].sel(compensation="with").isel(choice=choice, network=network)
            of |= {arm: cut.sel(arm=arm) for arm in ("prune_first", "finetuned")}
            of = {arm: one.values[np.ix_(rows, columns)].astype(float) for arm, one in of.items()}
            at = {"choice": choice, "network": network}
            expected = np.corrcoef(of["trained"].ravel(), of["prune_first"].ravel())[0, 1]
            assert float(found.isel(at).sel(pair="prune_first", of="weights")) == pytest.approx(expected)
            changes = [(of[arm] - of["initial"]).ravel() for arm in ("finetuned", "prune_first")]
            expected = np.corrcoef(*changes)[0, 1]
            assert float(found.isel(at).sel(pair="finetuned", of="changes")) == pytest.approx(expected)
            same = (of["trained"] == of["initial"]) & (of["prune_first"] == of["initial"])
            assert float(still.isel(at).sel(arm="both")) == pytest.approx(same.mean())
    assert np.isnan(found.sel(pair="initial", of="changes")).all()
    np.testing.assert_allclose(still.sel(arm="chance"), still.sel(arm="trained") * still.sel(arm="prune_first"))
    # A tenth of the weights stays; five standard errors of a share of 3 x 144 weights.
    all_of_them = np.mean([main.full["trained"][i] == main.full["initial"][i] for i in range(3)])
    assert abs(all_of_them - synthetic.STILL) < 5 * np.sqrt(0.1 * 0.9 / 432)
    assert np.isnan(kernels.pearson(np.ones(3), np.arange(3.0)))


def test_a_peak_is_found_where_it_is_and_only_there():
    random = np.random.default_rng(0)
    around = np.concatenate(
        [random.normal(0, 0.3, 3000), random.choice([-1, 1], 1500) * random.normal(0.6, 0.02, 1500)]
    )
    found = moves.peak(around, 0.03)
    assert found.at == pytest.approx(0.6, abs=0.01) and found.valley < 0.5
    # One hump at zero has ripples far out, which are no peaks; nor has a hump that goes flat to zero.
    for changes in (random.normal(0, 0.3, 3000), random.uniform(-1, 1, 20000), [0.5] * 5):
        assert np.isnan(moves.peak(changes, 0.1).at)
    lone = moves.peak([0.5] * 50, 0.05)
    assert lone.at == pytest.approx(0.5, abs=0.001) and lone.valley < 1e-6
    by_sign = moves.peaks({"trained": [np.array([0.5] * 50 + [-0.9] * 30)]}, 0.05).sel(source="trained")
    np.testing.assert_allclose(by_sign.isel(network=0), [0.5, 0.5, 0.9], atol=0.001)


def test_moves_and_those_alike(main):
    trained = main.full["trained"][1].astype(float) - main.full["initial"][1]
    np.testing.assert_array_equal(moves.moves(main, "trained", 1), trained[trained != 0])
    one, other = main.pair("prune_first", 0, 1)
    np.testing.assert_array_equal(moves.moves(main, "difference", 1, [0]), (one - other)[one != other])
    assert moves.moves(main, "prune_first", 1, [0, 1]).size > moves.moves(main, "prune_first", 1, [0]).size
    start = main.full["initial"][1][main.kept[0, 1]].astype(float)
    np.testing.assert_array_equal(moves.moves(main, "prune_first", 1, [0]), (other - start)[other != start])
    alike = [
        abs(abs(a - s) - 0.6) <= 0.06 and abs(abs(b - s) - 0.6) <= 0.06 and (a - s) * (b - s) > 0
        for a, b, s in zip(one, other, start, strict=True)
    ]
    assert moves.moved_alike(main, 0, 1, 0.6).tolist() == alike and any(alike)
    shares = moves.alike_shares(main, [0.6, 0.6, np.nan])
    assert float(shares[0, 1]) == pytest.approx(np.mean(alike)) and np.isnan(shares[0, 2])


@pytest.mark.parametrize("at", [1, 2, 5])
def test_adam_moves_a_weight_with_one_gradient_by_a_distance_of_its_own(at):
    rates_, distance = 0.1, []
    for gradient in (1e-3, -7.0):
        weight = first = second = 0.0
        for step in range(1, at + 2000):
            now = gradient if step == at else 0.0
            first, second = 0.9 * first + 0.1 * now, 0.999 * second + 0.001 * now**2
            if second:
                weight -= rates_ * (first / (1 - 0.9**step)) / np.sqrt(second / (1 - 0.999**step))
        distance.append(-weight * np.sign(gradient) / rates_)
    assert distance == pytest.approx([adam.single_gradient(at)] * 2)


def test_weights_that_settle_early_are_told_from_those_that_do_not():
    way = np.zeros((11, 4))
    way[1:, 0] = way[1:, 1] = 0.6
    way[1:, 2] = np.linspace(0.1, 2, 10)
    way[1:, 3] = 1e-3
    assert adam.settled(way, 0.6, 0.1) == adam.Settled(near=1.0, further=0.0, checkpoint=1)
    assert np.isnan(adam.settled(way, 9.0, 0.1).near)


def test_removed_nodes_are_described(store):
    found = deviations.removed(store["nodes"])
    keep = store["nodes"]["keep"].transpose("network", "choice", "node").values
    deviation = store["nodes"]["deviation"].transpose("network", "node").values
    for network in range(3):
        gone = deviation[network][~keep[network, 2]]
        at = {"choice": 2, "network": network}
        assert float(found["constant"][at]) == pytest.approx(np.mean(gone == 0))
        assert float(found["variance"][at]) == pytest.approx(np.sum(gone**2) / np.sum(deviation[network] ** 2))
        assert float(found["largest"][at]) == pytest.approx(gone.max())
    assert (found["largest"][2] <= found["largest"].max("choice")).all()
    silent = deviations.removed(store["nodes"].assign(deviation=xr.zeros_like(store["nodes"]["deviation"])))
    assert np.isnan(silent["variance"]).all() and (silent["constant"] == 1).all()
    assert float(deviations.constant(store["nodes"])[1, 0]) == pytest.approx(np.mean(deviation[0, 12:] == 0))


def test_differences_are_paired(store, inside, main):
    found = commuting.commuting(store["full"], store["pruned"], inside, kernels.correlations(main))
    cut = store["pruned"].sel(compensation="with")
    by_network = []
    for network in range(3):
        both = [cut["accuracy"].isel(network=network).sel(arm=arm) for arm in ("pruned", "prune_first")]
        by_network.append(
            np.mean([float(both[0].sel(choice=c) - both[1].sel(choice=c)) for c in ("random 0", "random 1")])
        )
    assert found["random", "pruned", "accuracy"].difference.half == pytest.approx(interval(by_network).half)
    decisions = found["smallest deviation", "finetuned", "decisions"]
    assert decisions.difference.mean == pytest.approx(decisions.value.mean - decisions.control.mean)


@pytest.mark.parametrize(
    ("quantity", "low", "high", "verdict"),
    [
        ("accuracy", -0.009, 0.009, "commutes"),
        ("accuracy", 0.02, 0.03, "does not commute"),
        ("accuracy", -0.03, -0.02, "does not commute"),
        ("accuracy", -0.02, 0.0, "undecided"),
        ("decisions", -0.009, 0.3, "commutes"),
        ("decisions", -0.3, -0.02, "does not commute"),
        ("decisions", -0.3, 0.3, "undecided"),
        ("weights", -0.04, 0.3, "commutes"),
        ("weights", -0.3, -0.06, "does not commute"),
    ],
)
def test_rules_of_commuting_either_way(quantity, low, high, verdict):
    assert commuting.in_words(commuting.judge(quantity, between(low, high))) == verdict
    assert commuting.judge(quantity, NO_INTERVAL) == "not measured"


@pytest.mark.parametrize(
    ("peaks", "verdict"),
    [
        ([0.58, 0.6, 0.59], "holds"),
        ([0.06, 0.061, 0.059], "does not hold"),
        ([0.3, 0.6, 0.9], "undecided"),
        ([0.59, np.nan, np.nan], "does not hold"),
        ([0.59], "undecided"),
        ([np.nan], "not measured"),
    ],
)
def test_peaks_are_near_a_distance_or_not(peaks, verdict):
    assert claims.near(peaks, 0.59, 0.05)[0] == verdict


def test_the_distance_of_a_single_gradient_goes_with_the_learning_rate():
    assert claims.single_gradient([0.06, 0.0601, 0.0599], 0.01)[0] == "holds"
    assert claims.single_gradient([0.06, 0.0601, 0.0599], 0.1)[0] == "does not hold"
    assert claims.single_gradient([6.0, 6.01, 5.99])[0] == "holds"


@pytest.mark.parametrize("good", [True, False])
def test_every_claim_comes_out_either_way(good):
    def pick(yes, no):
        return yes if good else no

    small, large, lost, same = between(-0.001, 0.001), between(0.3, 0.4), between(-0.4, -0.3), between(0.995, 0.999)
    one = commuting.Commuting(small, pick(large, lost), small, pick("does not hold", "holds"))

    def three(value, *dims, **labels):
        """The same number everywhere, three networks with a little noise."""
        array = xr.DataArray(value + np.array([-1e-10, 0, 1e-10]), dims="network")
        return array.expand_dims({dim: [labels[dim]] if isinstance(labels[dim], str) else labels[dim] for dim in dims})

    def roles_of(own, same):
        where = dict(pair=["prune_first", "beyond_start"], kind="smallest deviation")
        return xr.Dataset({"own": three(own, *where, **where), "same": three(same, *where, **where)}).assign(
            other=three(0.1, *where, **where)
        )

    arms = dict(arm=["pruned", "prune_first"], kind=["random", "smallest deviation"])
    rated = xr.Dataset(
        {
            "accuracy": three(pick(0.99, 0.5), *arms, **arms),
            "agreement": three(pick(1.0, 0.5), *arms, **arms),
            "trained": three(1.0),
        }
    )
    found_roles = roles_of(pick(0.8, 0.1), pick(0.9, 0.05))
    shares = {"confident": 0.99, "constant": 0.5, "stays": 0.99} if good else dict(confident=0.5, constant=0, stays=0.1)
    strange = pick(np.eye(4) + 1e-3 * np.arange(4), 1 - np.eye(4) + 1e-3 * np.arange(4))
    kinds = dict(kind="random")
    lost_plane = dict(arm="pruned", compensation="with", kind="random")
    results = SimpleNamespace(
        run=SimpleNamespace(config={"learning_rate": 0.1}),
        against=lambda measure, arm, *rest: pick(small, lost) if arm == "prune_first" else pick(lost, small),
        outcome=lambda measure, arm, kind: pick(same, large) if arm == "pruned" else pick(large, same),
        commuting=defaultdict(lambda: one),
        unmoved=three(pick(0.3, 0.0), "arm", "kind", arm="both", kind="random"),
        peaks=three(pick(0.6, 0.1), "of", "source", of="all", source="trained"),
        outcomes=xr.Dataset({"agreement": three(pick(0.5, 1.0), *lost_plane, **lost_plane)}),
        spread=three(pick(0.5, 0.2), "of", "kind", of=["positive", "inner"], **kinds),
        idle=xr.Dataset({name: three(share) for name, share in shares.items()}).assign(removed=three(pick(0.0, 0.1))),
        roles=found_roles,
        strangers=xr.DataArray([strange], {"kind": ["smallest deviation"]}, ("kind", "network", "other")),
        rates=SimpleNamespace(
            data=rated.expand_dims(learning_rate=[0.001]), roles=found_roles.expand_dims(learning_rate=[0.001])
        ),
    )
    found = claims.all_claims(results)
    assert list(found) == list(claims.STATEMENTS) and len(found) == 27
    assert {claim.verdict for claim in found.values()} == {pick("holds", "does not hold")}
    assert [claim.statement.source for claim in found.values()].count("ours") == 8
    assert found["random_bad"].measured.mean == pytest.approx(pick(0.35, 0.0))


@pytest.mark.parametrize(
    ("accuracy", "decisions", "verdict"),
    [
        ("undecided", "does not hold", "holds"),
        ("holds", "holds", "does not hold"),
        ("holds", "undecided", "undecided"),
    ],
)
def test_order_matters_where_one_of_the_two_does_not_commute(accuracy, decisions, verdict):
    assert claims.opposite(claims.everywhere([accuracy, decisions])) == verdict
