"""The claims of the paper, each judged from the numbers by a rule that the page states beside it.

A claim about several networks holds where it holds in each of them, does not hold where it holds in none, and holds
partly otherwise. "Re-ranked" is meant throughout, but for `single_pass`.

References
----------
N. Wolfe, A. Sharma, B. Raj (2016), The Incredible Shrinking Neural Network: Pruning to Operate in Constrained Memory
Environments.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from analysis import curves, ranks
from analysis.claims import FAILS, HOLDS, NOT_MEASURED, PARTLY, Claim, Statement, by_share, combined, judged
from analysis.intervals import Interval
from analysis.reports.wording import percent
from sweeps.studies.shrinking.measures.networks import Network
from sweeps.studies.shrinking.measures.pairs import CANCELLED, PairSummary
from sweeps.studies.shrinking.measures.paths import DROPS
from sweeps.studies.shrinking.measures.retraining import RetrainingSummary
from sweeps.studies.shrinking.names import METHODS, PAPER, TAYLOR

#: "Consistently": at so many of the steps; the claim fails where it is no more than every other one.
CONSISTENT, CHANCE = 0.9, 0.5
#: "Far better": at most so much of the mean error.
FAR = 0.5
#: Share of the nodes that can go at least, as the paper says.
LEAST_REMOVABLE = 0.4
#: Rank correlation of error and accuracy: a proxy at the first or below, none at the second or above.
PROXY, NO_PROXY = -0.9, -0.5
#: Level of the tests of a preference for a layer, shared over the methods that are tested.
LEVEL = 0.05
#: The Taylor methods fail where they can remove less than so much of the nodes.
FEW = 0.1
#: A method is superior where it has the lowest error at `CONSISTENT` of the steps; at so many it is nearly so.
OFTEN = 0.75
#: Shares of the nodes that have a partner which cancels them: most, and few.
MOST_CANCEL, FEW_CANCEL = 0.5, 0.1
#: Retraining leaves a weak relation where agreement is below the one or the spread that is left below the other.
AGREEMENT, SPREAD = 0.75, 0.5

_NEAR, _FAR = (f"{100 * drop:g} percentage point{'' if drop == 0.01 else 's'}" for drop in DROPS)
Networks = Mapping[str, Network]


def _paper(networks: Networks) -> dict[str, Network]:
    """The networks that the paper reports on, as far as they are there."""
    return {key: networks[key] for key in PAPER if key in networks}


def _one(value: float) -> Interval:
    """A number of one network, which has no interval."""
    return Interval(value, float("nan"), 1)


def _losses(network: Network, methods: Iterable[str], ranking: str) -> np.ndarray:
    """Losses of the methods, (methods, steps), without the first and the last step, which all have in common."""
    data = network.paths["loss"].sel({"ranked_by": list(methods), "ranking": ranking})
    return data.transpose("ranked_by", "step").values[:, 1:-1]


def _lower(one: np.ndarray, other: np.ndarray) -> float:
    """Share of the steps, of those that differ by more than rounding, at which one loss is lower than the other."""
    differ = ~np.isclose(one, other, rtol=1e-6, atol=0)
    return float(np.mean(one[differ] < other[differ])) if differ.any() else float("nan")


def second_over_first(networks: Networks) -> Claim:
    """Judge by the share of the steps at which the error of second order is the lower one."""
    statement = Statement(
        "Second order is consistently better than first",
        f"it holds where the error of second order is the lower one at {percent(CONSISTENT, 0)} of the steps or more, "
        f"and does not hold where it is the lower one at {percent(CHANCE, 0)} or fewer (re-ranked; a step is one "
        "removal)",
    )
    parts = {}
    for key, network in _paper(networks).items():
        first, second = _losses(network, TAYLOR, "reranked")
        share = _lower(second, first)
        parts[key] = by_share(share, CONSISTENT, CHANCE), {"share": share}
    return judged(statement, parts)


def brute_force(networks: Networks) -> Claim:
    """Judge by the mean error over the path, as a multiple of that of the better Taylor method."""
    statement = Statement(
        "Brute force is far better than both",
        f"it holds where the mean error over the path is at most {FAR:g} times that of the better of the two, holds "
        "partly where it is lower at all, and does not hold otherwise (re-ranked)",
    )
    parts = {}
    for key, network in _paper(networks).items():
        ratio = network.number("mean_loss", "brute_force") / min(network.number("mean_loss", one) for one in TAYLOR)
        parts[key] = HOLDS if ratio <= FAR else FAILS if ratio >= 1 else PARTLY, {"ratio": ratio}
    return judged(statement, parts)


def removable(networks: Networks) -> Claim:
    """Judge by the share of the nodes that go before the accuracy falls; more than 70 % is no objection."""
    statement = Statement(
        "40 to 70 % of the nodes can go",
        f"it holds where brute force, re-ranked, removes {percent(LEAST_REMOVABLE, 0)} or more before the accuracy "
        f"falls by more than {_NEAR}, and partly where it does so before the accuracy falls by more than {_FAR}",
        published="40 to 70 %",
    )
    parts = {}
    for key, network in _paper(networks).items():
        near, far = (network.removable("brute_force", fall=drop) / network.nodes for drop in DROPS)
        test = network.number("test_removable", "brute_force", fall=DROPS[0]) / network.nodes
        least = LEAST_REMOVABLE - curves.ROUNDING
        verdict = HOLDS if near >= least else PARTLY if far >= least else FAILS
        parts[key] = verdict, {"near": near, "far": far, "test": test}
    return judged(statement, parts)


def error_first(networks: Networks) -> Claim:
    """Judge, by method, whether the error has doubled in fewer removals than the accuracy has fallen."""
    statement = Statement(
        "The error rises before the accuracy falls",
        f"it holds where by all three methods, re-ranked, the error has doubled before the accuracy has fallen by more "
        f"than {_NEAR}, and does not hold where this is so by none",
    )
    parts = {}
    for key, network in _paper(networks).items():
        counts = {method: network.removable(method) for method in METHODS}
        fallen = {method: np.inf if count == network.nodes else count + 1 for method, count in counts.items()}
        verdicts = [HOLDS if network.number("risen", method) < fallen[method] else FAILS for method in METHODS]
        parts[key] = combined(verdicts), {f"fallen {method}": count for method, count in fallen.items()}
    return judged(statement, parts)


def proxy(networks: Networks) -> Claim:
    """Judge by the rank correlation of error and accuracy along the path, the worst of the three methods."""
    statement = Statement(
        "Squared error is a decent proxy for accuracy",
        f"it holds where the rank correlation of error and accuracy along the path is −{-PROXY:g} or below by all "
        f"three methods, and does not hold where it is −{-NO_PROXY:g} or above by any (re-ranked)",
    )
    parts = {}
    for key, network in _paper(networks).items():
        values = {method: network.number("proxy", method) for method in METHODS}
        parts[key] = by_share(-max(values.values()), -PROXY, -NO_PROXY), values
    return judged(statement, parts)


def clearer(networks: Networks) -> Claim:
    """Judge, by method, whether less of the movement of the accuracy than of the error goes the wrong way."""
    statement = Statement(
        "Accuracy is the clearer signal",
        "the clearer signal is the one of which less moves the wrong way, upwards for accuracy and downwards for "
        "error; the claim holds where this is the accuracy by all three methods, and does not hold where it is by none",
    )
    parts = {}
    for key, network in _paper(networks).items():
        loss, accuracy = (
            {method: network.number(f"{name}_wrong_way", method) for method in METHODS} for name in ("loss", "accuracy")
        )
        verdicts = [HOLDS if accuracy[method] < loss[method] else FAILS for method in METHODS]
        values = {f"loss {method}": share for method, share in loss.items()}
        values |= {f"accuracy {method}": share for method, share in accuracy.items()}
        parts[key] = combined(verdicts), values
    return judged(statement, parts)


def taylor_layers(networks: Networks) -> Claim:
    """Judge by the p-values of the order of the layers, at a level that the two methods share."""
    statement = Statement(
        "First and second order prefer neither of two layers",
        "the claim stands unless a random order would give mean places of the layers as unequal with a chance below "
        f"{LEVEL / 2:g} ({LEVEL:g} shared over the two); not rejected does not mean proven",
    )
    if "2" not in networks:
        return Claim(statement, NOT_MEASURED)
    p_values = {method: networks["2"].p_value(method) for method in TAYLOR}
    parts = {
        method: (FAILS if p_value < LEVEL / len(TAYLOR) else HOLDS, {"p value": p_value})
        for method, p_value in p_values.items()
    }
    return judged(statement, parts)


def outer_layer(networks: Networks) -> Claim:
    """Judge by how many of the first quarter of the removals are of the last hidden layer."""
    statement = Statement(
        "Brute force takes the outer layer first",
        "it holds where more than half of the first quarter of the removals are of the last hidden layer, and a random "
        f"order would have as many with a chance below {LEVEL:g}; it does not hold where that chance is not below it",
    )
    if "2" not in networks:
        return Claim(statement, NOT_MEASURED)
    data = networks["2"].layers
    one = data.isel(layer=-1).sel({"ranked_by": "brute_force", "ranking": "reranked"})
    early, beginning, p_value = int(one["early"]), int(data["beginning"]), float(one["early_p_value"])
    verdict = FAILS if p_value >= LEVEL else HOLDS if early > beginning / 2 else PARTLY
    values = {"early": early, "expected": float(one["expected_early"]), "beginning": beginning, "p value": p_value}
    return Claim(statement, verdict, _one(early / beginning), "%", values={"2": values})


def deeper(networks: Networks) -> Claim:
    """Judge by the nodes that brute force can remove, network by network of growing depth."""
    statement = Statement(
        "Deeper networks are harder to prune",
        f"it holds where each layer more leaves fewer nodes that brute force, re-ranked, can remove before the "
        f"accuracy falls by more than {_NEAR}, and does not hold where their rank correlation with depth is not "
        "negative",
    )
    counts = {int(key): one.removable("brute_force") for key, one in networks.items() if key.isdigit()}
    if len(counts) < 2:
        return Claim(statement, NOT_MEASURED)
    falls = (np.diff(list(counts.values())) < 0).all()
    # Where all are alike there is no correlation, and no relation.
    correlation = float(np.nan_to_num(ranks.correlation(list(counts), list(counts.values()))))
    verdict = HOLDS if falls else FAILS if correlation >= 0 else PARTLY
    return Claim(statement, verdict, _one(correlation), values={"all depths": {"correlation": correlation}})


def taylor_beyond(networks: Networks) -> Claim:
    """Judge by how many of the two Taylor methods fail, in all networks of two layers and more."""
    statement = Statement(
        "First and second order fail beyond one layer",
        f"a method fails where the accuracy falls by more than {_FAR} before {percent(FEW, 0)} of the nodes are gone "
        "(re-ranked); the claim holds where both fail in every network of two layers and more, and does not hold where "
        "neither fails in any",
    )
    parts = {}
    for key, network in networks.items():
        if key.isdigit() and len(network.hidden) > 1:
            shares = {method: network.removable(method, fall=DROPS[1]) / network.nodes for method in TAYLOR}
            parts[key] = combined(HOLDS if share < FEW else FAILS for share in shares.values()), shares
    return judged(statement, parts)


def single_pass(networks: Networks) -> Claim:
    """Judge by the share of the steps at which one method alone has the lowest error, ranked once."""
    statement = Statement(
        "Ranked once, no method is superior (one layer)",
        f"it does not hold where one method alone has the lowest error at {percent(CONSISTENT, 0)} of the steps or "
        f"more, holds partly from {percent(OFTEN, 0)} on, and holds otherwise",
    )
    losses = _losses(networks["1"], METHODS, "single_pass")
    lowest = losses <= losses.min(axis=0) * (1 + 1e-6)
    alone = lowest & (lowest.sum(axis=0) == 1)
    shares = dict(zip(METHODS, alone.mean(axis=1).tolist(), strict=True))
    best = max(shares.values())
    verdict = FAILS if best >= CONSISTENT else PARTLY if best >= OFTEN else HOLDS
    return Claim(statement, verdict, _one(best), "%", values={"1": shares})


def cancelling(pairs: Mapping[str, PairSummary]) -> Claim:
    """Judge by the share of the costly nodes that have a partner which cancels them."""
    statement = Statement(
        "Nodes group together to cancel each other",
        f"it holds where {percent(MOST_CANCEL, 0)} or more of the nodes that cost something alone have a partner with "
        f"which they cost at most {CANCELLED:g} times what the costlier of the two costs alone, and does not hold "
        f"where {percent(FEW_CANCEL, 0)} or fewer have one",
    )
    parts = {}
    for key, one in pairs.items():
        share = one.cancelling_nodes / one.costly_nodes if one.costly_nodes else float("nan")
        parts[key] = by_share(share, MOST_CANCEL, FEW_CANCEL), {"share": share}
    return judged(statement, parts)


def retraining(summary: RetrainingSummary | None) -> Claim:
    """Judge by agreement with and without retraining, and by what retraining leaves of the spread of the methods."""
    statement = Statement(
        "Ranks say little of accuracy after retraining",
        f"it holds where the better of two methods without retraining is the better one with it in fewer than "
        f"{percent(AGREEMENT, 0)} of the cases, and retraining leaves less than {percent(SPREAD, 0)} of the distance "
        "of the best from the worst; it holds partly where one of the two is so",
        published="weakly related",
    )
    if summary is None:
        return Claim(statement, NOT_MEASURED)
    weak = [summary.agreement < AGREEMENT, summary.spread_left < SPREAD]
    known = np.isfinite([summary.agreement, summary.spread_left]).all()
    verdict = combined(HOLDS if one else FAILS for one in weak) if known else NOT_MEASURED
    return Claim(statement, verdict, _one(summary.agreement), "%")


def all_claims(
    networks: Networks, pairs: Mapping[str, PairSummary], retrained: RetrainingSummary | None
) -> dict[str, Claim]:
    """Judge every claim.

    Parameters
    ----------
    networks : mapping of str to Network
        By key.
    pairs : mapping of str to PairSummary
        By key of the network.
    retrained : RetrainingSummary or None

    Returns
    -------
    dict of str to Claim
        By name, in the order of the page.
    """
    rules = (second_over_first, brute_force, removable, error_first, proxy, clearer, taylor_layers, outer_layer)
    found = {rule.__name__: rule(networks) for rule in (*rules, deeper, taylor_beyond, single_pass)}
    return found | {"cancelling": cancelling(pairs), "retraining": retraining(retrained)}
