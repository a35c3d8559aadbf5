"""The claims of the paper in words: what was said, what was measured here, and by which rule it is answered."""

from collections.abc import Callable
from typing import Any

import numpy as np

from analysis.reports.wording import capitalised, enumerate_words, number, percent
from sweeps.studies.shrinking import claims
from sweeps.studies.shrinking.claims import MEASURED, TAYLOR, Claim
from sweeps.studies.shrinking.measures import DROPS, method_name, network_name
from sweeps.studies.shrinking.measures.pairs import CANCELLED
from sweeps.studies.shrinking.results import Results

#: Each claim in a few words.
TITLES = {
    "second_over_first": "Second order is consistently better than first",
    "brute_force": "Brute force is far better than both",
    "removable": "40 to 70 % of the nodes can go",
    "error_first": "The error rises before the accuracy falls",
    "proxy": "Squared error is a decent proxy for accuracy",
    "clearer": "Accuracy is the clearer signal",
    "taylor_layers": "First and second order prefer neither of two layers",
    "outer_layer": "Brute force takes the outer layer first",
    "deeper": "Deeper networks are harder to prune",
    "taylor_beyond": "First and second order fail beyond one layer",
    "single_pass": "Ranked once, no method is superior (one layer)",
    "cancelling": "Nodes group together to cancel each other",
    "retraining": "Ranks say little of accuracy after retraining",
}
_NEAR, _FAR = (f"{100 * drop:g} percentage point{'' if drop == 0.01 else 's'}" for drop in DROPS)
_PROXY, _NO_PROXY = (number(bound, digits=None) for bound in (claims.PROXY, claims.NO_PROXY))
#: The rule by which each claim is answered.
RULES = {
    "second_over_first": (
        f"it holds where the error of second order is the lower one at {percent(claims.CONSISTENT, 0)} of the steps or "
        f"more, and does not where it is at {percent(claims.CHANCE, 0)} or fewer (re-ranked; a step is one removal)"
    ),
    "brute_force": (
        f"it holds where the mean error over the path is at most {claims.FAR:g} times that of the better of the two, "
        "holds partly where it is lower at all, and does not hold otherwise (re-ranked)"
    ),
    "removable": (
        f"it holds where brute force, re-ranked, removes {percent(claims.PAPER_SHARES[0], 0)} or more before the "
        f"accuracy falls by more than {_NEAR}, and partly where before it falls by more than {_FAR}"
    ),
    "error_first": (
        f"it holds where by all three methods, re-ranked, the error has doubled before the accuracy has fallen by more "
        f"than {_NEAR}, and does not where by none"
    ),
    "proxy": (
        f"it holds where the rank correlation of error and accuracy along the path is {_PROXY} or below by all three "
        f"methods, and does not where it is above {_NO_PROXY} by any (re-ranked)"
    ),
    "clearer": (
        "the clearer signal is taken to be the one of which less moves the wrong way, upwards for accuracy and "
        "downwards for error; it holds where by all three methods, and does not where by none"
    ),
    "taylor_layers": (
        "the claim stands unless a random order would give mean places of the layers as unequal with a chance below "
        f"{claims.LEVEL / 2:g} ({claims.LEVEL:g} shared over the two); not rejected does not mean proven"
    ),
    "outer_layer": (
        "it holds where more than half of the first quarter of the removals are of the last hidden layer, and a random "
        f"order would have as many with a chance below {claims.LEVEL:g}; where that chance is not, it does not hold"
    ),
    "deeper": (
        f"it holds where each layer more leaves fewer nodes that brute force, re-ranked, can remove before the "
        f"accuracy falls by more than {_NEAR}, and does not where their rank correlation with depth is not negative"
    ),
    "taylor_beyond": (
        f"a method fails where the accuracy falls by more than {_FAR} before {percent(claims.FEW, 0)} of the nodes are "
        "gone (re-ranked); it holds where both do in every network of two layers and more, and does not where none does"
    ),
    "single_pass": (
        f"it does not hold where one method alone has the lowest error at {percent(claims.CONSISTENT, 0)} of the "
        f"steps or more, holds partly from {percent(claims.OFTEN, 0)} on, and holds otherwise"
    ),
    "cancelling": (
        f"it holds where {percent(claims.MOST_CANCEL, 0)} or more of the nodes that cost something alone have a "
        f"partner with which they cost at most {CANCELLED:g} times what the costlier of the two costs alone, and does "
        f"not where {percent(claims.FEW_CANCEL, 0)} or fewer have"
    ),
    "retraining": (
        f"it holds where the better of two methods without retraining is the better with it in fewer than "
        f"{percent(claims.AGREEMENT, 0)} of the cases, and retraining leaves less than {percent(claims.SPREAD, 0)} of "
        "the distance of the best from the worst; partly where one is so"
    ),
}


def _each(claim: Claim, say: Callable[[dict[str, Any]], str]) -> str:
    """Say the same of each network."""
    return "; ".join(f"with {network_name(key)} {say(values)}" for key, values in claim.values.items())


def _after(count: float) -> str:
    return "never" if np.isinf(count) else f"after {count:.0f}"


def _by_method(values: dict[str, Any], say: Callable[[str], str], methods: tuple[str, ...] = MEASURED) -> str:
    return enumerate_words([f"{say(method)} ({method_name(method)})" for method in methods])


def _removed(values: dict[str, Any], methods: tuple[str, ...]) -> str:
    return _by_method(values, lambda method: f"{values[f'removable_{method}']:.0f}", methods)


def _second_over_first(claim: Claim, results: Results) -> str:
    return _each(
        claim,
        lambda one: (
            f"its error is the lower one at {percent(one['share'], 0)} of the steps, and the nodes that can go "
            f"are {_removed(one, TAYLOR)}"
        ),
    )


def _brute_force(claim: Claim, results: Results) -> str:
    said = _each(
        claim,
        lambda one: (
            f"its mean error is {number(one['ratio'], digits=3)} times that of the better of the two, and the nodes "
            f"that can go are {_removed(one, MEASURED)}"
        ),
    )
    if any(one["ratio"] >= 1 for one in claim.values.values()):
        said += ". It takes the cheapest removal at each step, which need not make the cheapest path"
    return said


def _removable(claim: Claim, results: Results) -> str:
    return _each(
        claim,
        lambda one: (
            f"{percent(one['near'], 0)} go before the accuracy falls by more than {_NEAR}, {percent(one['far'], 0)} by "
            f"more than {_FAR}; on the test set {percent(one['test'], 0)} by more than {_NEAR}"
        ),
    )


def _error_first(claim: Claim, results: Results) -> str:
    return _each(
        claim,
        lambda one: (
            "the error has doubled and the accuracy has fallen "
            + _by_method(one, lambda method: f"{_after(one[f'risen_{method}'])} and {_after(one[f'fallen_{method}'])}")
            + " removals"
        ),
    )


def _proxy(claim: Claim, results: Results) -> str:
    return "rank correlations " + _each(
        claim, lambda one: _by_method(one, lambda method: number(one[method], decimals=2))
    )


def _clearer(claim: Claim, results: Results) -> str:
    return _each(
        claim,
        lambda one: (
            "error and accuracy move the wrong way by "
            + _by_method(
                one,
                lambda method: f"{percent(one[f'loss_{method}'])} and {percent(one[f'accuracy_{method}'])}",
            )
        ),
    )


def _taylor_layers(claim: Claim, results: Results) -> str:
    return _each(
        claim, lambda one: "the p-values are " + _by_method(one, lambda method: number(one[method], digits=2), TAYLOR)
    )


def _outer_layer(claim: Claim, results: Results) -> str:
    return _each(
        claim,
        lambda one: (
            f"{one['early']:.0f} of the first {one['beginning']} removals are of it, "
            f"{number(one['expected'], decimals=1)} are expected of a random order, which has as many with a "
            f"chance of {number(one['p_value'], digits=2)}"
        ),
    )


def _deeper(claim: Claim, results: Results) -> str:
    (values,) = claim.values.values()
    counts = [f"{count:.0f} with {network_name(str(depth))}" for depth, count in values["counts"].items()]
    start = [network.attrs["accuracy"] for network in results.depths.values()]
    return (
        f"nodes that can go are {enumerate_words(counts)}. The networks do not start alike: their accuracies run from "
        f"{percent(min(start), 2)} to {percent(max(start), 2)}"
    )


def _taylor_beyond(claim: Claim, results: Results) -> str:
    return f"before the accuracy falls by more than {_FAR} there go " + _each(
        claim, lambda one: _by_method(one, lambda method: percent(one[method], 0), TAYLOR)
    )


def _single_pass(claim: Claim, results: Results) -> str:
    return _each(
        claim,
        lambda one: (
            "a method alone has the lowest error at "
            + _by_method(one, lambda method: percent(one[method], 0))
            + " of the steps"
        ),
    )


def _cancelling(claim: Claim, results: Results) -> str:
    return _each(
        claim,
        lambda one: (
            f"{one['cancelling_nodes']} of {one['costly_nodes']} nodes have such a partner, in "
            f"{one['cancelling_pairs']:,} of {one['pairs']:,} pairs"
        ),
    )


def _retraining(claim: Claim, results: Results) -> str:
    (values,) = claim.values.values()
    assert results.retrained is not None
    compared = int(results.retrained.data["compared"].sel(every=results.retrained.often))
    agrees = {
        claims.HOLDS: "This agrees with the literature",
        claims.FAILS: "This does not agree with the literature",
        claims.PARTLY: "This agrees with the literature in one of the two",
        claims.OPEN: "This leaves open whether the literature is right",
    }[claim.verdict]
    return (
        f"retrained after every {results.retrained.often} removals, the better of two methods without retraining is "
        f"the better one in {percent(values['agreement'], 0)} of {compared:,} cases (of one network, and so not "
        f"independent), and {percent(values['spread_left'], 0)} of the distance of the best from the worst is left. "
        f"{agrees}"
    )


_EVIDENCE: dict[str, Callable[[Claim, Results], str]] = {
    "second_over_first": _second_over_first,
    "brute_force": _brute_force,
    "removable": _removable,
    "error_first": _error_first,
    "proxy": _proxy,
    "clearer": _clearer,
    "taylor_layers": _taylor_layers,
    "outer_layer": _outer_layer,
    "deeper": _deeper,
    "taylor_beyond": _taylor_beyond,
    "single_pass": _single_pass,
    "cancelling": _cancelling,
    "retraining": _retraining,
}


def verdict(claim: Claim) -> str:
    """Say whether a claim holds, in one line."""
    return f"{TITLES[claim.name]}: {claim.verdict}{'' if claim.verdict == claims.OPEN else ' here'}."


def answer(claim: Claim, results: Results) -> str:
    """Answer a claim: verdict, numbers, rule."""
    if claim.verdict == claims.OPEN:
        return verdict(claim)
    numbers = capitalised(_EVIDENCE[claim.name](claim, results))
    return f"{verdict(claim)} {numbers}. The rule: {RULES[claim.name]}."
