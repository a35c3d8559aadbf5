"""Every verdict comes from the numbers: each can come out either way."""

import numpy as np
import pytest
import xarray as xr

from analysis.claims import FAILS, HOLDS, NOT_MEASURED, PARTLY
from sweeps.studies.shrinking import claims
from sweeps.studies.shrinking.measures import Network, PairSummary, retraining_summary
from tests.studies.shrinking import synthetic

NODES = 20
STEP = np.arange(NODES + 1)


def network(loss=None, accuracy=None, sizes=(NODES,), order=None, key="1"):
    """A network with given curves: by method, the same of both rankings; without one, a straight line."""
    count = sum(sizes)
    shape, steps = (3, 2, count), np.arange(count + 1)
    over = ("ranked_by", "ranking", "removal")
    layer = np.array([f"layers/{n}" for n, size in enumerate(sizes) for _ in range(size)], object)
    order = {method: (order or {}).get(method, np.arange(count)) for method in synthetic.METHODS}
    orders = np.stack([np.stack([order[method]] * 2) for method in synthetic.METHODS])

    def curve(given, plain):
        return np.stack([np.stack([(given or {}).get(method, plain)] * 2) for method in synthetic.METHODS])

    variables = {
        "loss": (("ranked_by", "ranking", "step"), curve(loss, 0.1 + steps / count)),
        "accuracy": (("ranked_by", "ranking", "step"), curve(accuracy, 1 - steps / count)),
        "order": (over, orders),
        "layer": (over, layer[orders]),
        **{name: (over, np.ones(shape)) for name in ("predicted", "change", "best", "best_change", "is_best")},
    }
    variables["test_accuracy"] = variables["accuracy"]
    coords = {"ranked_by": list(synthetic.METHODS), "ranking": list(synthetic.RANKINGS)}
    attrs = {"criterion": "squared_error", "unit": "squared units", "accuracy": 1.0, "sizes": [4, *sizes, 3]}
    return Network(key, attrs, xr.Dataset(variables, coords=coords))


def both(**options):
    return {key: network(key=key, **options) for key in ("1", "2")}


def falling_after(count):
    """An accuracy that stays 1 for so many removals."""
    return np.where(count >= STEP, 1.0, 0.2)


PLAIN = 0.1 + STEP / NODES


@pytest.mark.parametrize(
    ("second", "verdict"),
    [
        (PLAIN - 0.05, HOLDS),
        (PLAIN + 0.05, FAILS),
        (PLAIN + np.where(STEP < 15, -0.05, 0.05), PARTLY),
        (PLAIN, NOT_MEASURED),
    ],
)
def test_second_order_over_first(second, verdict):
    assert claims.second_over_first(both(loss={"second_order": second})).verdict == verdict


def test_two_networks_that_disagree_hold_partly():
    networks = {"1": network(loss={"second_order": PLAIN - 0.05}), "2": network(loss={"second_order": PLAIN + 0.05})}
    claim = claims.second_over_first(networks)
    assert claim.verdict == PARTLY and claim.cases == {"1": HOLDS, "2": FAILS}
    assert claim.values["1"]["share"] == 1 and claim.values["2"]["share"] == 0


@pytest.mark.parametrize(("factor", "verdict"), [(0.4, HOLDS), (0.7, PARTLY), (1.0, FAILS), (1.3, FAILS)])
def test_brute_force_far_better(factor, verdict):
    found = claims.brute_force(both(loss={"brute_force": factor * PLAIN}))
    assert found.verdict == verdict and found.values["1"]["ratio"] == pytest.approx(factor)


@pytest.mark.parametrize(
    ("accuracy", "verdict"),
    [
        (falling_after(8), HOLDS),  # 8 of 20 are 40 %
        (falling_after(20), HOLDS),
        (np.minimum(falling_after(10), 1 - 0.03 * (STEP > 2)), PARTLY),
        (falling_after(7), FAILS),
    ],
)
def test_how_many_nodes_can_go(accuracy, verdict):
    assert claims.removable(both(accuracy={"brute_force": accuracy})).verdict == verdict


def test_error_before_accuracy_and_after_it():
    late = dict.fromkeys(synthetic.METHODS, falling_after(10))
    assert claims.error_first(both(accuracy=late)).verdict == HOLDS
    found = claims.error_first(both())  # the error has doubled after 3 removals, the accuracy fallen after 1
    assert found.verdict == FAILS and found.values["1"]["fallen first_order"] == 1
    assert claims.error_first(both(accuracy={"brute_force": falling_after(10)})).verdict == PARTLY
    never = dict.fromkeys(synthetic.METHODS, np.ones(NODES + 1))
    assert claims.error_first(both(accuracy=never)).values["1"]["fallen first_order"] == np.inf


def test_the_error_as_a_proxy_and_as_none():
    assert claims.proxy(both()).verdict == HOLDS
    swinging = np.where(STEP % 2 == 0, 1.0, 0.2)
    assert claims.proxy(both(accuracy={"first_order": swinging})).verdict == FAILS
    rough = 1 - STEP / NODES + 0.3 * (-1.0) ** STEP
    assert claims.proxy(both(accuracy={"first_order": rough})).verdict == PARTLY


def test_which_signal_is_the_clearer_one():
    rough = dict.fromkeys(synthetic.METHODS, PLAIN + 0.1 * (-1.0) ** STEP)
    assert claims.clearer(both(loss=rough)).verdict == HOLDS
    shaken = dict.fromkeys(synthetic.METHODS, 1 - STEP / NODES + 0.1 * (-1.0) ** STEP)
    assert claims.clearer(both(accuracy=shaken)).verdict == FAILS
    assert (
        claims.clearer(
            both(loss={"brute_force": rough["brute_force"]}, accuracy={"first_order": shaken["first_order"]})
        ).verdict
        == PARTLY
    )


IN_TURN = np.arange(NODES).reshape(2, -1).T.ravel()
OUTER_FIRST = np.arange(NODES)[::-1]


@pytest.mark.parametrize(
    ("order", "verdict"),
    [
        ({}, FAILS),  # all of the first layer first
        (dict.fromkeys(claims.TAYLOR, IN_TURN), HOLDS),
        ({"first_order": IN_TURN}, PARTLY),
    ],
)
def test_preference_of_the_taylor_methods(order, verdict):
    assert claims.taylor_layers({"2": network(sizes=(10, 10), order=order)}).verdict == verdict


@pytest.mark.parametrize(
    ("order", "sizes", "verdict"),
    [
        (OUTER_FIRST, (10, 10), HOLDS),
        (IN_TURN, (10, 10), FAILS),
        (np.arange(NODES), (10, 10), FAILS),
        # 3 of the first 10 are of an outer layer of 3 nodes among 40: more than chance, and less than half
        (np.array([37, 38, 39, *range(37)]), (37, 3), PARTLY),
    ],
)
def test_the_outer_layer_first(order, sizes, verdict):
    assert claims.outer_layer({"2": network(sizes=sizes, order={"brute_force": order})}).verdict == verdict


@pytest.mark.parametrize(
    ("counts", "verdict", "correlation"),
    [((12, 9, 5), HOLDS, -1), ((12, 5, 9), PARTLY, -0.5), ((5, 9, 12), FAILS, 1), ((9, 9, 9), FAILS, 0)],
)
def test_deeper_is_harder(counts, verdict, correlation):
    networks = {
        str(depth): network(accuracy={"brute_force": falling_after(count)}, key=str(depth))
        for depth, count in enumerate(counts, start=1)
    }
    claim = claims.deeper(networks)
    assert claim.verdict == verdict and claim.measured.mean == pytest.approx(correlation)


@pytest.mark.parametrize(("first", "second", "verdict"), [(1, 0, HOLDS), (1, 10, PARTLY), (10, 10, FAILS)])
def test_failing_beyond_one_layer(first, second, verdict):
    accuracy = {"first_order": falling_after(first), "second_order": falling_after(second)}
    sizes = {"1": (20,), "2": (10, 10), "3": (8, 6, 6)}
    found = claims.taylor_beyond({key: network(None, accuracy, one, key=key) for key, one in sizes.items()})
    assert found.verdict == verdict and set(found.cases) == {"2", "3"}


def test_superior_in_a_single_pass():
    assert claims.single_pass(both()).verdict == HOLDS
    assert claims.single_pass(both(loss={"brute_force": PLAIN - 0.05})).verdict == FAILS
    mostly = PLAIN + np.where(STEP < 17, -0.05, 0.05)
    assert claims.single_pass(both(loss={"first_order": mostly})).verdict == PARTLY


@pytest.mark.parametrize(("nodes", "verdict"), [(10, HOLDS), (9, PARTLY), (2, FAILS)])
def test_nodes_that_cancel(nodes, verdict):
    summary = PairSummary(190, 20, 30, nodes, 0.5, 0.1, 0.1, 0.5, 0.5)
    assert claims.cancelling({"1": summary}).verdict == verdict


@pytest.mark.parametrize(
    ("turned", "left", "verdict"), [(True, 0.1, HOLDS), (False, 1.0, FAILS), (False, 0.1, PARTLY), (True, 1.0, PARTLY)]
)
def test_ranks_and_retraining(turned, left, verdict):
    apart = np.array([[0.0], [-0.05], [-0.1]]) * (STEP > 0) * (STEP < NODES)
    line = 1 - STEP / NODES
    values = np.stack([line + apart, line + left * (apart[::-1] if turned else apart)], axis=1)
    data = xr.Dataset(
        {"test_accuracy": (("ranked_by", "every", "step"), values)},
        coords={"ranked_by": list(synthetic.METHODS), "every": [0, 5]},
    )
    assert claims.retraining(retraining_summary(data)).verdict == verdict
    assert claims.retraining(None).verdict == NOT_MEASURED


def test_what_was_not_measured_is_not_judged():
    found = claims.all_claims({"1": network()}, {}, None)
    missing = {name for name, claim in found.items() if claim.verdict == NOT_MEASURED}
    assert {"taylor_layers", "outer_layer", "deeper", "taylor_beyond", "cancelling", "retraining"} < missing
    assert "single_pass" not in missing and "proxy" not in missing
    assert len(found) == 13 and all(claim.statement.rule for claim in found.values())
