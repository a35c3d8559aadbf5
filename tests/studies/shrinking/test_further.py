"""Nodes that take over and Cascade Correlation: measures by hand, verdicts either way, figures, tables."""

import numpy as np
import pytest
import xarray as xr

from analysis.claims import FAILS, HOLDS, NOT_MEASURED, PARTLY, UNDECIDED
from sweeps._studies.shrinking import figures, tables
from sweeps._studies.shrinking.measures.cascade import Grown
from sweeps._studies.shrinking.measures.networks import Network
from sweeps._studies.shrinking.measures.replacing import CORRELATED, PLAIN, Replacing
from sweeps._studies.shrinking.rules import further
from tests.studies.shrinking import synthetic
from tests.studies.shrinking.test_claims import network, results

NODES, COUNT = 20, 3


def falling(counts):
    """Accuracies that stay 1 for so many removals, (networks, steps)."""
    return np.where(np.arange(NODES + 1) <= np.asarray(counts)[:, None], 1.0, 0.5)


def replacing(plain=10, **others):
    """Ways that let so many nodes go: named <stand_in>_<choice>, a number for all networks or one for each."""
    counts = np.full((4, 5, COUNT), plain)
    for name, count in others.items():
        stand_in, choice = name.split("_", 1)
        counts[synthetic.STAND_INS.index(stand_in), synthetic.CHOICES.index(choice)] = count
    accuracy = falling(counts.reshape(-1)).reshape(*counts.shape, -1)
    dims = ("stand_in", "choice", "network", "step")
    variables = {name: (dims, accuracy) for name in ("accuracy", "test_accuracy")} | {"loss": (dims, 2 - accuracy)}
    coords = {"stand_in": list(synthetic.STAND_INS), "choice": list(synthetic.CHOICES), "network": range(COUNT)}
    return Replacing(xr.Dataset(variables, coords | {"step": range(NODES + 1)}))


def test_differences_are_paired_by_network():
    found = replacing(partner_correlation=[11, 13, 15], nothing_brute_force=[10, 12, 14])
    assert found.mean(CORRELATED).mean == 13 and found.mean(CORRELATED).half > 1
    difference = found.difference(CORRELATED, PLAIN)
    assert (difference.mean, difference.half) == (1, 0)
    assert found.mean(CORRELATED, "mean_accuracy").mean == pytest.approx((13.5 + 0.5 * 6.5) / NODES)


@pytest.mark.parametrize(
    ("others", "choice", "removal"),
    [
        (dict(partner_correlation=[14, 14, 15]), HOLDS, HOLDS),
        (dict(partner_correlation=[4, 4, 5]), FAILS, FAILS),
        (dict(partner_correlation=[14, 14, 15], partner_brute_force=18), PARTLY, HOLDS),
        (dict(partner_correlation=[4, 14, 9]), UNDECIDED, UNDECIDED),
    ],
)
def test_whether_correlations_choose_better(others, choice, removal):
    data = results({"1": network()}, replacing=replacing(**others))
    assert further.correlated_choice(data).verdict == choice
    assert further.correlated_removal(data).verdict == removal


@pytest.mark.parametrize(("partner", "rest", "verdict"), [(12, 15, HOLDS), (8, 6, FAILS), (12, 11, PARTLY)])
def test_whether_taking_over_helps(partner, rest, verdict):
    data = replacing(partner_brute_force=[partner] * 3, rest_brute_force=[rest] * 3)
    assert further.taking_over(results({"1": network()}, replacing=data)).verdict == verdict


def grown(loss, accuracy=None, key="1"):
    """Networks that grow, beside ones whose accuracy falls after 12 removals and whose loss rises by 0.1 with each."""
    steps = np.arange(NODES + 1)
    curves = dict.fromkeys(synthetic.METHODS, 1 + 0.1 * steps)
    accuracies = dict.fromkeys(synthetic.METHODS, np.where(steps <= 12, 1.0, 0.5) if accuracy is not None else np.nan)
    one = network(loss=curves, accuracy=accuracies, sizes=(NODES,), key=key)
    data = one.data.assign(accuracy=("network", np.full(3, 1.0 if accuracy is not None else np.nan)))
    data = data.assign_attrs(sizes=[4, NODES, 3], task="digits")
    values = np.broadcast_to(loss, (2, COUNT, len(loss)))
    shares = np.broadcast_to(np.nan if accuracy is None else accuracy, values.shape)
    dims = ("direct", "network", "size")
    variables = {"loss": (dims, values), "accuracy": (dims, shares), "test_accuracy": (dims, shares)}
    variables["parameters"] = (("direct", "size"), np.tile(10 * (1 + np.arange(len(loss))), (2, 1)))
    found = xr.Dataset(variables, coords={"direct": [1, 0], "size": range(len(loss))})
    # Without the small differences of these networks.
    return Grown(found, Network(key, data, one.paths.map(lambda values: values.round(6) if values.ndim else values)))


def test_levels_by_hand():
    one = grown([3.0, 2.5, 2.1, 2.0], [0.9, 1.0, 1.0, 1.0])
    # 12 removals leave 8 nodes, at the loss 2.2 and the accuracy 1.
    level = one.level("loss")
    assert level.pruned.tolist() == [8] * 3 and level.grown.tolist() == [2] * 3 and level.reached == 3
    # 4 inputs, 8 nodes, 3 outputs, and biases.
    assert (
        level.pruned_parameters.tolist() == [4 * 8 + 8 + 8 * 3 + 3] * 3 and level.grown_parameters.tolist() == [30] * 3
    )
    assert one.level("accuracy").grown.tolist() == [1] * 3
    # Never so low: one more than there were.
    never = grown([3.0, 2.5], [0.9, 0.9])
    assert never.level("loss").grown.tolist() == [2] * 3 and never.level("loss").reached == 0


def test_levels_of_a_regression_are_where_the_loss_has_risen():
    one = grown([3.0, 1.05, 1.0], key="regression")
    # Above 1.1 times its start after 2 removals: 1 removal leaves 19 nodes at the loss 1.1.
    assert one.names == ["loss"] and one.level("loss").pruned.tolist() == [19] * 3
    assert one.level("loss").grown.tolist() == [1] * 3


@pytest.mark.parametrize(
    ("loss", "accuracy", "verdict"),
    [
        ([3.0] * 8 + [2.0], [0.9] * 7 + [1.0] * 2, HOLDS),
        ([2.0] * 9, [1.0] * 9, FAILS),
        ([3.0] * 8 + [2.0], [1.0] * 9, PARTLY),
        # Not reached: at least 9 of 8 nodes, which may be many more.
        ([3.0] * 9, [0.9] * 9, UNDECIDED),
        ([3.0] * 12, [0.9] * 12, FAILS),
    ],
)
def test_whether_cascade_correlation_needs_as_many_nodes(loss, accuracy, verdict):
    one = grown(loss, accuracy)
    claim = further.cascade(results({"1": one.pruned}, grown={"1": one}))
    assert claim.verdict == verdict and len(claim.cases) == 2


def test_what_was_left_out_is_neither_judged_nor_shown():
    data = results({"1": network()})
    rules = (further.correlated_choice, further.correlated_removal, further.taking_over, further.cascade)
    assert {rule(data).verdict for rule in rules} == {NOT_MEASURED}
    assert tables.replacing(data) is None and tables.cascade(data) is None


def test_lines_are_told_apart_without_colour():
    one = grown([3.0, 2.5, 2.1, 2.0], [0.9, 1.0, 1.0, 1.0])
    drawn = (figures.replacing.overview(replacing(), "loss"), figures.cascade.overview(one, None, "loss"))
    for figure, lines in zip(drawn, (4, 3), strict=True):
        for ax in [ax for ax in figure.axes if ax.get_visible()]:
            dashes = {str(line._unscaled_dash_pattern) for line in ax.get_lines()}
            assert len(ax.get_lines()) == len(dashes) == lines
    # Without a regression its panel stays empty.
    assert [ax.get_visible() for ax in drawn[1].axes] == [True, True, True, False]
