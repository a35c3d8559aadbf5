"""Every verdict comes from the numbers: each can come out either way, or undecided."""

import numpy as np
import pytest
import xarray as xr

from analysis.claims import FAILS, HOLDS, NOT_COMPARABLE, NOT_MEASURED, PARTLY, UNDECIDED
from sweeps._studies.shrinking.claims import all_claims
from sweeps._studies.shrinking.measures import Network, Results, retraining_summary
from sweeps._studies.shrinking.rules import choices, curves, sizes
from tests.studies.shrinking import synthetic

NODES = 40
STEP = np.arange(NODES + 1)
PLAIN = 0.1 + STEP / NODES
#: Networks differ by so little that no verdict hangs on it.
NOISE = 1 + 1e-9 * np.arange(3)[:, None]
METHODS = synthetic.METHODS


def network(loss=None, accuracy=None, sizes=(NODES,), order=None, key="1", **numbers):
    """A kind of three networks with given curves: by method, the same of both rankings; else a straight line."""
    count = sum(sizes)
    steps = np.arange(count + 1)
    over = ("network", "ranked_by", "ranking", "removal")
    layer = np.array([f"layers/{n}" for n, size in enumerate(sizes) for _ in range(size)], object)
    order = {method: (order or {}).get(method, np.arange(count)) for method in METHODS}
    orders = np.broadcast_to(np.stack([order[method] for method in METHODS])[None, :, None], (3, 3, 2, count))

    def curve(given, plain):
        rows = [np.broadcast_to((given or {}).get(method, plain), (3, count + 1)) * NOISE for method in METHODS]
        return ("network", "ranked_by", "ranking", "step"), np.stack([np.stack(rows, 1)] * 2, 2)

    variables = {"loss": curve(loss, 0.1 + steps / count), "accuracy": curve(accuracy, 1 - steps / count)}
    variables["test_accuracy"] = variables["accuracy"]
    plain = {name: np.ones(orders.shape) for name in ("predicted", "change", "best", "best_change", "is_best")}
    variables |= {name: (over, numbers.get(name, values)) for name, values in plain.items()} | {"order": (over, orders)}
    coords = {"network": range(3), "ranked_by": list(METHODS), "ranking": list(synthetic.RANKINGS)}
    attrs = {"criterion": "squared_error", "unit": "squared units", "sizes": [4, *sizes, 3]}
    coords["layer"] = ("node", layer)
    return Network(key, xr.Dataset(attrs=attrs), xr.Dataset(variables, coords=coords))


def results(networks, task="digits", **parts):
    empty = dict(surfaces={}, pairs={}, pair_summaries={}, gaps=None, retraining=None, retrained=None)
    return Results(xr.Dataset(attrs={"name": task}), networks, **(empty | parts))


def both(**options):
    return results({key: network(key=key, **options) for key in ("1", "2")})


def falling_after(count):
    """An accuracy that stays 1 for so many removals."""
    return np.where(count >= STEP, 1.0, 0.2)


def apart(one, other):
    """Curves of three networks, the last of which is unlike the others."""
    return np.stack([one, one, other])


@pytest.mark.parametrize(
    ("second", "verdict"),
    [
        (PLAIN - 0.05, HOLDS),
        (PLAIN + 0.05, FAILS),
        (PLAIN + np.where(STEP < 30, -0.05, 0.05), PARTLY),
        (apart(PLAIN - 0.05, PLAIN + 0.05), UNDECIDED),
        (PLAIN, NOT_MEASURED),
    ],
)
def test_second_order_over_first(second, verdict):
    assert curves.second_over_first(both(loss={"second_order": second})).verdict == verdict


def test_one_network_decides_nothing():
    one = network(loss={"second_order": PLAIN - 0.05})
    alone = Network("1", one.data, one.paths.isel(network=[0]))
    assert curves.second_over_first(results({"1": alone})).verdict == UNDECIDED


def test_two_kinds_that_disagree_hold_partly():
    kinds = {"1": network(loss={"second_order": PLAIN - 0.05}), "2": network(loss={"second_order": PLAIN + 0.05})}
    kinds["2"] = Network("2", kinds["2"].data, kinds["2"].paths)
    claim = curves.second_over_first(results(kinds))
    assert claim.verdict == PARTLY and claim.cases == {"1 layer": HOLDS, "2 layers": FAILS}
    assert claim.values["1 layer"]["found"].mean == 1 and claim.values["2 layers"]["found"].mean == 0


@pytest.mark.parametrize(
    ("late", "verdict"), [(np.where(STEP <= 20, 0.05, -0.05), HOLDS), (-0.05, PARTLY), (0.05, PARTLY)]
)
def test_second_order_but_for_the_first_20(late, verdict):
    claim = curves.second_later(both(loss={"second_order": PLAIN + late}))
    assert claim.verdict == verdict and len(claim.cases) == 2


@pytest.mark.parametrize(("factor", "verdict"), [(0.4, HOLDS), (0.7, PARTLY), (1.3, FAILS)])
def test_brute_force_far_better(factor, verdict):
    found = curves.brute_force(both(loss={"brute_force": factor * PLAIN}))
    assert found.verdict == verdict and found.values["1 layer"]["found"].mean == pytest.approx(factor)
    deep = results({"1": network(), "3": network(loss={"brute_force": factor * PLAIN}, key="3")})
    assert curves.brute_force_elsewhere(deep).cases == {"3 layers": verdict}


@pytest.mark.parametrize(
    ("accuracy", "task", "verdict"),
    [
        (falling_after(18), "digits", HOLDS),
        (falling_after(40), "digits", HOLDS),
        (apart(falling_after(18), falling_after(12)), "digits", UNDECIDED),
        (falling_after(12), "digits", NOT_COMPARABLE),
        (falling_after(12), "mnist", FAILS),
    ],
)
def test_how_many_nodes_can_go(accuracy, task, verdict):
    kinds = both(accuracy={"brute_force": accuracy}).networks
    assert curves.removable(results(kinds, task)).verdict == verdict


@pytest.mark.parametrize(("more", "verdict"), [(0.1, HOLDS), (-0.05, FAILS), (0, UNDECIDED)])
def test_two_layers_are_harder(more, verdict):
    kinds = {"1": network(), "2": network(loss=dict.fromkeys(METHODS, PLAIN + more), key="2")}
    claim = curves.harder(results(kinds))
    assert claim.verdict == verdict and len(claim.cases) == 6


def test_the_error_as_a_proxy_and_as_none():
    assert curves.proxy(both()).verdict == HOLDS
    swinging = np.where(STEP % 2 == 0, 1.0, 0.2)
    assert curves.proxy(both(accuracy={"first_order": swinging})).verdict == FAILS
    rough = 1 - STEP / NODES + 0.3 * (-1.0) ** STEP
    assert curves.proxy(both(accuracy={"first_order": rough})).verdict == PARTLY


def test_which_signal_is_the_clearer_one():
    rough = dict.fromkeys(METHODS, PLAIN + 0.1 * (-1.0) ** STEP)
    assert curves.clearer(both(loss=rough)).verdict == HOLDS
    shaken = dict.fromkeys(METHODS, 1 - STEP / NODES + 0.1 * (-1.0) ** STEP)
    assert curves.clearer(both(accuracy=shaken)).verdict == FAILS


IN_TURN = np.arange(NODES).reshape(2, -1).T.ravel()
OUTER_FIRST = np.arange(NODES)[::-1]


@pytest.mark.parametrize(
    ("order", "taylor", "brute"),
    [
        ({}, FAILS, FAILS),  # all of the first layer first
        (dict.fromkeys(METHODS, IN_TURN), HOLDS, UNDECIDED),  # as many of each among the first quarter
        ({"first_order": IN_TURN, "brute_force": OUTER_FIRST}, PARTLY, HOLDS),
    ],
)
def test_which_layer_goes_first(order, taylor, brute):
    kinds = results({"1": network(), "2": network(sizes=(20, 20), order=order, key="2")})
    assert choices.taylor_layers(kinds).verdict == taylor and choices.outer_layer(kinds).verdict == brute


@pytest.mark.parametrize(
    ("counts", "verdict", "correlation"),
    [((12, 9, 5), HOLDS, -1), ((5, 9, 12), FAILS, 1), ((9, 9, 9), UNDECIDED, 0)],
)
def test_deeper_is_harder(counts, verdict, correlation):
    kinds = {
        str(depth): network(accuracy={"brute_force": falling_after(count)}, sizes=sizes, key=str(depth))
        for depth, (count, sizes) in enumerate(zip(counts, [(40,), (20, 20), (20, 10, 10)], strict=True), start=1)
    }
    claim = curves.deeper(results(kinds))
    assert claim.verdict == verdict and claim.values["all depths"]["found"].mean == pytest.approx(correlation)


@pytest.mark.parametrize(("first", "second", "verdict"), [(1, 0, HOLDS), (1, 10, PARTLY), (10, 10, FAILS)])
def test_failing_beyond_one_layer(first, second, verdict):
    accuracy = {"first_order": falling_after(first), "second_order": falling_after(second)}
    sizes = {"1": (40,), "2": (20, 20), "3": (20, 10, 10)}
    kinds = {key: network(None, accuracy, one, key=key) for key, one in sizes.items()}
    found = curves.taylor_beyond(results(kinds))
    assert found.verdict == verdict and len(found.cases) == 4


def test_superior_in_a_single_pass():
    assert curves.single_pass(both()).verdict == HOLDS
    assert curves.single_pass(both(loss={"brute_force": PLAIN - 0.05})).verdict == FAILS
    mostly = PLAIN + np.where(STEP < 34, -0.05, 0.05)
    assert curves.single_pass(both(loss={"first_order": mostly})).verdict == PARTLY


@pytest.mark.parametrize(
    ("loss", "verdict"), [(np.where(STEP > 36, 1.0, 0.1), HOLDS), (PLAIN, FAILS), ((STEP / NODES) ** 10 + 0.1, PARTLY)]
)
def test_flat_until_late(loss, verdict):
    assert curves.flat(both(loss={"brute_force": loss})).verdict == verdict


@pytest.mark.parametrize(("second", "accurate", "convex"), [(0.05, HOLDS, HOLDS), (-0.4, FAILS, FAILS)])
def test_error_surfaces(second, accurate, convex):
    """Parabolas with a slope of -1 and a small or large, positive or negative, second derivative."""
    gain = np.array([0.0, 0.5, 1.0])
    tangent = 1 - (gain - 1)
    parabola = tangent + second * (gain - 1) ** 2
    shape = (3, 3, 2, 3)
    values = {"loss": parabola, "first_order": tangent, "second_order": parabola}
    dims = ("network", "ranked_by", "removed", "gain")
    data = xr.Dataset(
        {name: (dims, np.broadcast_to(one, shape)) for name, one in values.items()},
        {"ranked_by": list(METHODS), "gain": gain},
    )
    kinds = results({"1": network()}, surfaces={"1": data})
    assert choices.accurate(kinds).verdict == accurate and choices.convexity(kinds).verdict == convex


def test_choices_of_the_first_order():
    best = np.zeros((3, 3, 2, NODES))
    best[:, 0], best[:, 2] = 1, 1
    kinds = results({"1": network(is_best=best)})
    assert choices.poor_choices(kinds).verdict == HOLDS and choices.closer(kinds).verdict == HOLDS
    assert choices.poor_choices(both()).verdict == FAILS and choices.closer(both()).verdict == UNDECIDED


@pytest.mark.parametrize(
    ("share", "cancel", "spread"), [(0.6, HOLDS, HOLDS), (0.3, PARTLY, PARTLY), (0.05, FAILS, FAILS)]
)
def test_nodes_that_cancel_and_uneven_ones(share, cancel, spread):
    summary = xr.Dataset({name: ("network", [share] * 3) for name in ("cancelling", "concentrated")})
    kinds = results({"1": network()}, pair_summaries={"1": summary})
    assert choices.cancelling(kinds).verdict == cancel and choices.uneven(kinds).verdict == spread


@pytest.mark.parametrize(
    ("early", "error", "verdicts"),
    [
        (falling_after(5), np.where(STEP < 10, 0.2 - STEP / 100, 0.2), [HOLDS, HOLDS, HOLDS]),
        (np.where(STEP < 30, 0.5 + STEP / 100, 0.2), PLAIN, [FAILS, FAILS, FAILS]),
    ],
)
def test_networks_stopped_early(early, error, verdicts):
    whole = network(accuracy=dict.fromkeys(METHODS, falling_after(20)))
    part = network(dict.fromkeys(METHODS, error), dict.fromkeys(METHODS, early), key="early_3")
    kinds = results({"1": whole, "early_3": part})
    found = [rule(kinds).verdict for rule in (sizes.early_worse, sizes.early_error, sizes.early_accuracy)]
    assert found == verdicts


@pytest.mark.parametrize(("more", "larger", "tradeoff"), [(0.05, FAILS, HOLDS), (-0.05, HOLDS, FAILS)])
def test_networks_within_budgets(more, larger, tradeoff):
    """Networks pruned to a size are as much better, or worse, than those trained at it; the others not."""
    accuracy = np.full((3, 2, 2, 2), 0.9) * NOISE[:, :, None, None]
    accuracy[:, 1, 0] += more
    over = ("network", "source", "trained_on", "budget")
    coords = {"source": ["trained", "40"], "budget": [400, 800], "nodes": ("budget", [12, 24])}
    data = xr.Dataset({"test_accuracy": (over, accuracy)}, coords)
    slow = {method: falling_after(4) for method in METHODS[1:]} | {"brute_force": falling_after(30)}
    kinds = results({"1": network(accuracy=slow)}, budgets=data)
    assert sizes.larger(kinds).verdict == larger and sizes.tradeoff(kinds).verdict == tradeoff
    assert sizes.larger_trained_on(kinds).verdict == HOLDS and sizes.memory(kinds).verdict == HOLDS
    worse = network(accuracy={"brute_force": falling_after(4), "first_order": falling_after(35)})
    assert sizes.memory(results({"1": worse}, budgets=data)).verdict == FAILS


@pytest.mark.parametrize(
    ("turned", "left", "verdict"), [(True, 0.1, HOLDS), (False, 1.0, FAILS), (False, 0.1, PARTLY), (True, 1.0, PARTLY)]
)
def test_ranks_and_retraining(turned, left, verdict):
    lower = np.array([[0.0], [-0.05], [-0.1]]) * (STEP > 0) * (STEP < NODES)
    line = 1 - STEP / NODES
    values = np.stack([line + lower, line + left * (lower[::-1] if turned else lower)])
    data = xr.Dataset(
        {"test_accuracy": (("network", "every", "ranked_by", "step"), np.stack([values] * 3))},
        coords={"network": range(3), "ranked_by": list(METHODS), "every": [0, 5]},
    )
    kinds = results({"1": network()}, retrained=retraining_summary(data))
    assert choices.retraining(kinds).verdict == verdict
    assert choices.retraining(both()).verdict == NOT_MEASURED


def test_what_was_not_measured_is_not_judged():
    found = all_claims(results({"1": network()}))
    missing = {name for name, claim in found.items() if claim.verdict == NOT_MEASURED}
    assert {"taylor_layers", "outer_layer", "deeper", "taylor_beyond", "cancelling", "retraining", "greedy"} < missing
    assert "single_pass" not in missing and "proxy" not in missing
    assert all(claim.statement.rule for claim in found.values())
