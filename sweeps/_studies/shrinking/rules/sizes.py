"""Rules on networks that are not trained to the end, on larger networks, and on memory."""

import numpy as np

from analysis._reports.wording import percent
from analysis.claims import Claim, Statement, above, within
from analysis.intervals import interval
from sweeps._studies.shrinking.measures import Results
from sweeps._studies.shrinking.measures.budgets import pruned_less_trained, sources, within_budget
from sweeps._studies.shrinking.measures.early import FIRST, accuracy_change, worst_error_change
from sweeps._studies.shrinking.names import METHODS, method_name
from sweeps._studies.shrinking.rules.judging import NEAR, Parts, claim_of

#: An advantage is more accuracy than this, on the test set.
ADVANTAGE = 0.01

_FIRST = f"{100 * FIRST[0]:g} to {percent(FIRST[1], 0)}"


def early_worse(results: Results) -> Claim:
    """Judge by how many more of the nodes go from networks that were trained to the end."""
    statement = Statement(
        "Networks not trained to near-perfect accuracy suffer more from pruning",
        f"it holds where they lose fewer nodes before the accuracy falls by more than {NEAR} below their own start, by "
        "every method, and does not hold where they lose more by every method",
    )
    whole = results.networks["1"]
    parts = {
        f"{one.name}, {method_name(method)}": interval(whole.removable(method) - one.removable(method))
        for one in results.early
        for method in METHODS
    }
    return claim_of(statement, parts, above, unit="points")


def early_error(results: Results) -> Claim:
    """Judge by the change of the error of networks stopped early."""
    statement = Statement(
        f"In such networks the first {_FIRST} of removals lower the error",
        f"it holds where the error after {percent(FIRST[0], 0)} and after {percent(FIRST[1], 0)} of the removals is "
        "below its start, by every method, and does not hold where it is above at one of the two by every method",
    )
    parts = {
        f"{one.name}, {method_name(method)}": interval(worst_error_change(one, method))
        for one in results.early
        for method in METHODS
    }
    return claim_of(statement, parts, lambda found: above(found.negated()), unit="%")


def early_accuracy(results: Results) -> Claim:
    """Judge by the change of the accuracy of networks stopped early."""
    statement = Statement(
        "And they do not raise the accuracy",
        f"it holds where the accuracy after {percent(FIRST[1], 0)} of the removals is not above its start, by every "
        "method, and does not hold where it is above by every method",
    )
    parts = {
        f"{one.name}, {method_name(method)}": interval(accuracy_change(one, method, FIRST[1]))
        for one in results.early
        for method in METHODS
    }
    return claim_of(statement, parts, lambda found: within(found, -np.inf, 0.0), unit="points")


def _against_trained(results: Results, trained_on: bool) -> Parts:
    if results.budgets is None:
        return {}
    return {
        f"{source} nodes pruned to {int(one['nodes'])}": interval(one.values)
        for source in sources(results.budgets)
        for one in pruned_less_trained(results.budgets, source, trained_on).transpose("budget", "network")
    }


def larger(results: Results) -> Claim:
    """Judge by what pruned networks have more in test accuracy than networks trained at their size."""
    statement = Statement(
        "Larger networks have no advantage once they are pruned",
        f"it holds where networks pruned by brute force, without retraining, are at most {percent(ADVANTAGE, 0)} "
        "better on the test set than networks that were trained at that size, at every size, and does not hold where "
        "they are better by more at every size",
    )
    parts = _against_trained(results, False)
    return claim_of(statement, parts, lambda found: within(found, -np.inf, ADVANTAGE), unit="points")


def larger_trained_on(results: Results) -> Claim:
    """Judge the same after both were trained on."""
    statement = Statement(
        "Nor have they when both are trained on",
        f"it holds where pruned networks that are trained on are at most {percent(ADVANTAGE, 0)} better on the test "
        "set than networks trained at that size and trained on for as long, at every size, and does not hold where "
        "they are better by more at every size",
        source="ours",
    )
    parts = _against_trained(results, True)
    return claim_of(statement, parts, lambda found: within(found, -np.inf, ADVANTAGE), unit="points")


def memory(results: Results) -> Claim:
    """Judge by what the best other way to choose nodes has more in test accuracy, at each budget of memory."""
    statement = Statement(
        "Brute force makes the best of a budget of memory",
        f"it holds where no other way to choose the nodes of the same networks, re-ranked, has a mean test accuracy "
        f"more than {percent(ADVANTAGE, 0)} higher at any budget, and does not hold where one has at every budget",
    )
    parts = {}
    if results.budgets is not None:
        found = within_budget(results.networks["1"], results.budgets["budget"].values).sel(ranking="reranked")
        for one in found.transpose("budget", "ranked_by", "network"):
            others = one.sel({"ranked_by": [name for name in one["ranked_by"].values if name != "brute_force"]})
            best = others[int(others.mean("network").values.argmax())]
            gap = best - one.sel({"ranked_by": "brute_force"})
            name = f"{int(one['budget'])} bytes, {method_name(str(best['ranked_by'].item()))}"
            parts[name] = interval(gap.values)
    return claim_of(statement, parts, lambda one: within(one, -np.inf, ADVANTAGE), unit="points")


def tradeoff(results: Results) -> Claim:
    """Judge by what networks trained within a budget have more than those that brute force pruned to it."""
    statement = Statement(
        "Pruning allows the best trade-off of size and accuracy",
        f"it holds where networks pruned to a budget by brute force, without retraining, are at most "
        f"{percent(ADVANTAGE, 0)} worse on the test set than networks trained within it, at every budget, and does not "
        "hold where they are worse by more at every budget",
    )
    parts = {}
    if results.budgets is not None:
        source = sources(results.budgets)[0]
        gap = -pruned_less_trained(results.budgets, source, False)
        parts = {
            f"{int(one['budget'])} bytes ({int(one['nodes'])} of {source} nodes)": interval(one.values)
            for one in gap.transpose("budget", "network")
        }
    return claim_of(statement, parts, lambda one: within(one, -np.inf, ADVANTAGE), unit="points")
