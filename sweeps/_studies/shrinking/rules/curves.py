"""Rules on curves: error and accuracy along the paths, by method, ranking, depth and criterion."""

import numpy as np

from analysis import _ranks
from analysis._reports.wording import percent
from analysis.claims import FAILS, NOT_COMPARABLE, Claim, Statement, above, graded
from analysis.intervals import Interval, interval
from sweeps._studies.shrinking.measures import Network, Results
from sweeps._studies.shrinking.measures.paths import DROPS
from sweeps._studies.shrinking.names import METHODS, RANKING_NAMES, RANKINGS, TAYLOR, method_name
from sweeps._studies.shrinking.rules.judging import (
    CHANCE,
    CONSISTENT,
    FAR_DROP,
    NEAR,
    claim_of,
    losses_along,
    lower,
    worst,
)

#: "Far better": at most so much of the mean error.
FAR = 0.5
#: Shares of the nodes that can go, as the paper says.
REMOVABLE = (0.4, 0.8)
#: Rank correlation of error and accuracy: a proxy at the first or below, none at the second or above.
PROXY, NO_PROXY = -0.9, -0.5
#: The Taylor methods fail where they can remove less than so much of the nodes.
FEW = 0.1
#: One method is superior where it alone has the lowest error at so many of the steps; none is where it is at fewer.
OFTEN = 0.75
#: "The first 20" removals of a two-layer network.
FIRST = 20
#: A curve is flat where it has made at most so much of its rise, and is not where it has made so much.
LITTLE, MUCH = 0.1, 0.5
#: Removals after which the paper sees brute force's curves rise, as a share of the nodes.
LATE = 0.9


def second_over_first(results: Results) -> Claim:
    """Judge by the share of the steps at which the error of second order is the lower one."""
    statement = Statement(
        "Second order is consistently better than first",
        f"it holds where the error of second order is the lower one at {percent(CONSISTENT, 0)} of the steps or more, "
        f"and does not hold where it is the lower one at {percent(CHANCE, 0)} or fewer (a step is one removal)",
    )
    first, second = TAYLOR
    parts = {one.name: lower(losses_along(one, second), losses_along(one, first)) for one in results.paper}
    return claim_of(statement, parts, lambda found: graded(found, CONSISTENT, CHANCE), unit="%")


def second_later(results: Results) -> Claim:
    """Judge the two halves of "except for the first 20", with two layers."""
    statement = Statement(
        f"With two layers second order is better but for the first {FIRST}",
        f"it holds where the error of first order is the lower one at more than {percent(CHANCE, 0)} of the first "
        f"{FIRST} removals, and that of second order at more than {percent(CHANCE, 0)} of the later ones",
    )
    parts = {}
    for one in results.only("2"):
        first, second = (losses_along(one, method) for method in TAYLOR)
        parts = {
            f"first order, the first {FIRST}": lower(first[:, :FIRST], second[:, :FIRST]),
            "second order, later": lower(second[:, FIRST:], first[:, FIRST:]),
        }
    return claim_of(statement, parts, lambda found: above(found, bound=CHANCE), unit="%")


def _ratio(network: Network) -> Interval:
    """Mean error of brute force over the path, as a multiple of that of the better Taylor method."""
    best = np.minimum(*(network.values("mean_loss", method) for method in TAYLOR))
    return interval(network.values("mean_loss", "brute_force") / best)


def _far_better(found: Interval) -> str:
    return graded(found.negated(), -FAR, -1.0)


_FAR_RULE = (
    f"it holds where the mean error over the path is at most {FAR:g} times that of the better of the two, holds partly "
    "where it is lower at all, and does not hold otherwise"
)


def brute_force(results: Results) -> Claim:
    """Judge by the mean error over the path, as a multiple of that of the better Taylor method."""
    statement = Statement("Brute force is far better than both", _FAR_RULE)
    return claim_of(statement, {one.name: _ratio(one) for one in results.paper}, _far_better)


def brute_force_elsewhere(results: Results) -> Claim:
    """Judge the same with another criterion, for a regression and in deeper networks."""
    statement = Statement(
        "Brute force is far better with cross-entropy, in a regression, in deeper networks",
        _FAR_RULE,
        source="ours",
    )
    deeper = [one for one in results.depths if one not in results.paper]
    return claim_of(statement, {one.name: _ratio(one) for one in (*results.others, *deeper)}, _far_better)


def removable(results: Results) -> Claim:
    """Judge by the share of the nodes that go before the accuracy falls; more than 80 % is no objection."""
    least, most = REMOVABLE
    here = str(results.task.attrs["name"])
    statement = Statement(
        "40 to 80 % of the nodes can go by brute force",
        f"it holds where {percent(least, 0)} of the nodes or more go before the accuracy on the examples of the "
        f"ranking falls by more than {NEAR}, and does not hold where fewer do; with fewer on another task than the "
        "paper's MNIST its number cannot be compared",
        published=f"{100 * least:g} to {100 * most:g} %",
    )

    def judge(found: Interval) -> str:
        verdict = above(found, bound=least)
        return NOT_COMPARABLE if verdict == FAILS and here != "mnist" else verdict

    parts = {one.name: interval(one.removable("brute_force")) for one in results.paper}
    return claim_of(statement, parts, judge, unit="%")


def harder(results: Results) -> Claim:
    """Judge by what goes by every method and ranking, with two layers less with one."""
    statement = Statement(
        "Two layers are harder to prune than one",
        "it holds where with two layers the mean error over the path is higher by every method, ranked once and "
        "re-ranked, and does not hold where it is higher by none",
    )
    parts = {}
    if len(results.paper) > 1:
        one, two = results.paper
        for ranking in RANKINGS:
            for method in METHODS:
                more = two.values("mean_loss", method, ranking) - one.values("mean_loss", method, ranking)
                parts[f"{method_name(method)}, {RANKING_NAMES[ranking]}"] = interval(more)
    return claim_of(statement, parts, above)


def single_pass(results: Results) -> Claim:
    """Judge by the share of the steps at which one method alone has the lowest error, ranked once."""
    statement = Statement(
        "Ranked once, no method is superior (one layer)",
        f"it holds where each method alone has the lowest error at fewer than {percent(OFTEN, 0)} of the steps, and "
        f"does not hold where one has it at {percent(CONSISTENT, 0)} or more",
    )
    losses = np.stack([losses_along(results.networks["1"], method, "single_pass") for method in METHODS])
    lowest = losses <= losses.min(axis=0) * (1 + 1e-6)
    alone = (lowest & (lowest.sum(axis=0) == 1)).mean(axis=-1)
    parts = {method_name(method): interval(one) for method, one in zip(METHODS, alone, strict=True)}
    return claim_of(statement, parts, lambda one: graded(one.negated(), -OFTEN, -CONSISTENT), worst, "%")


def proxy(results: Results) -> Claim:
    """Judge by the rank correlation of error and accuracy along the path."""
    statement = Statement(
        "Squared error is a decent proxy for accuracy",
        f"it holds where the rank correlation of error and accuracy along the path is −{-PROXY:g} or below by every "
        f"method, and does not hold where it is −{-NO_PROXY:g} or above by any",
    )
    parts = {f"{one.name}, {method_name(m)}": one.number("proxy", m) for one in results.paper for m in METHODS}
    return claim_of(statement, parts, lambda found: graded(found.negated(), -PROXY, -NO_PROXY), worst)


def clearer(results: Results) -> Claim:
    """Judge, by method, whether less of the movement of the accuracy than of the error goes the wrong way."""
    statement = Statement(
        "Accuracy is the clearer signal",
        "the clearer signal is the one of which less moves the wrong way, upwards for accuracy and downwards for "
        "error; the claim holds where this is the accuracy by all three methods, and does not hold where it is by none",
    )
    parts = {}
    for one in results.paper:
        for method in METHODS:
            less = one.values("loss_wrong_way", method) - one.values("accuracy_wrong_way", method)
            parts[f"{one.name}, {method_name(method)}"] = interval(less)
    return claim_of(statement, parts, above, unit="points")


def taylor_beyond(results: Results) -> Claim:
    """Judge by how many of the two Taylor methods fail, in all networks of two layers and more."""
    statement = Statement(
        "First and second order fail miserably beyond one layer",
        f"a method fails where the accuracy falls by more than {FAR_DROP} before {percent(FEW, 0)} of the nodes are "
        "gone; the claim holds where both fail with every number of layers from two on, and does not hold where "
        "neither fails with any",
    )
    parts = {
        f"{one.name}, {method_name(method)}": interval(one.removable(method, fall=DROPS[1]))
        for one in results.several
        for method in TAYLOR
    }
    return claim_of(statement, parts, lambda found: above(found.negated(), bound=-FEW), unit="%")


def deeper(results: Results) -> Claim:
    """Judge by the rank correlation of depth with the nodes that brute force can remove, seed by seed."""
    statement = Statement(
        "Deeper networks are harder to prune",
        "it holds where the rank correlation of the number of layers with the nodes that brute force can remove before "
        f"the accuracy falls by more than {NEAR}, over the networks of one seed, is below zero, and does not hold "
        "where it is above",
        published="as we should expect",
    )
    parts = {}
    if len(results.depths) > 1:
        count = min(one.count for one in results.depths)
        shares = np.stack([one.removable("brute_force")[:count] for one in results.depths], axis=1)
        depths = np.broadcast_to([len(one.hidden) for one in results.depths], shares.shape)
        # Where all are alike there is no relation.
        parts = {"all depths": interval(np.nan_to_num(_ranks.correlation(depths, shares)))}
    return claim_of(statement, parts, lambda found: above(found.negated()))


def flat(results: Results) -> Claim:
    """Judge by how much of the rise of the error has come by the ninetieth of a hundred removals."""
    statement = Statement(
        "By brute force the error stays low until the 90th of 100 nodes",
        f"it holds where {percent(LATE, 0)} of the nodes are gone before {percent(LITTLE, 0)} of the whole rise of the "
        f"error have come, and does not hold where {percent(MUCH, 0)} have come by then (one layer)",
    )
    one = results.networks["1"]
    loss = one.curves("loss", "brute_force").values.astype(float)
    risen = (loss[:, round(LATE * one.nodes)] - loss[:, 0]) / (loss[:, -1] - loss[:, 0])
    return claim_of(statement, {one.name: interval(risen)}, lambda x: graded(x.negated(), -LITTLE, -MUCH), unit="%")


def cross_entropy(results: Results) -> Claim:
    """Judge by how many more nodes go, by brute force, with cross-entropy than with squared error."""
    statement = Statement(
        "Cross-entropy makes better decisions for classes",
        "it holds where networks trained with cross-entropy and ranked by it lose more nodes by brute force before the "
        f"accuracy falls by more than {NEAR} than those of squared error, and does not hold where they lose fewer",
        source="ours",
    )
    parts = {}
    if "cross_entropy" in results.networks:
        one, other = (results.networks[key].removable("brute_force") for key in ("cross_entropy", "1"))
        parts = {"cross-entropy": interval(one - other)}
    return claim_of(statement, parts, above, unit="points")
