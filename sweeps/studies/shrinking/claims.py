"""The claims of the paper, each answered from the numbers by a rule that is stated beside it.

Every function takes the measured networks and returns a `Claim`. A claim about several networks holds where it holds in
each of them, does not hold where it holds in none, and holds partly otherwise.

References
----------
N. Wolfe, A. Sharma, B. Raj (2016), The Incredible Shrinking Neural Network: Pruning to Operate in Constrained Memory
Environments.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from analysis import curves, ranks
from sweeps.studies.shrinking.measures.networks import PAPER, Network
from sweeps.studies.shrinking.measures.pairs import PairSummary
from sweeps.studies.shrinking.measures.paths import DROPS
from sweeps.studies.shrinking.measures.retraining import RetrainingSummary

HOLDS, PARTLY, FAILS, OPEN = "holds", "holds partly", "does not hold", "not measured"

#: "Consistently": at so many of the steps; not at all where it is no more than every other one.
CONSISTENT, CHANCE = 0.9, 0.5
#: "Far better": at most so much of the mean error.
FAR = 0.5
#: Shares of the nodes that the paper says can go.
PAPER_SHARES = (0.4, 0.7)
#: Rank correlation of error and accuracy from which on the one is a proxy of the other, and below which it is none.
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

TAYLOR = ("first_order", "second_order")
MEASURED = ("brute_force", *TAYLOR)
Networks = Mapping[str, Network]


class Claim(NamedTuple):
    """A claim and its answer.

    Attributes
    ----------
    name : str
    verdict : {"holds", "holds partly", "does not hold", "not measured"}
    cases : dict of str to str
        Verdict by key of the network.
    values : dict of str to dict
        The numbers behind it, by key of the network.
    """

    name: str
    verdict: str
    cases: dict[str, str]
    values: dict[str, dict[str, Any]]


def combined(verdicts: Iterable[str]) -> str:
    """Join verdicts into one: those that were not measured do not count."""
    known = {verdict for verdict in verdicts if verdict != OPEN}
    if not known:
        return OPEN
    return known.pop() if len(known) == 1 else PARTLY


def _claim(name: str, found: Mapping[str, tuple[str, dict[str, Any]]]) -> Claim:
    cases = {key: verdict for key, (verdict, _) in found.items()}
    return Claim(name, combined(cases.values()), cases, {key: values for key, (_, values) in found.items()})


def _paper(networks: Networks) -> dict[str, Network]:
    """The networks that the paper reports on, as far as they are there."""
    return {key: networks[key] for key in PAPER if key in networks}


def by_depth(networks: Networks) -> dict[int, Network]:
    """Return the networks of one criterion by their number of hidden layers."""
    return {int(key): network for key, network in sorted(networks.items()) if key.isdigit()}


def _losses(network: Network, methods: Iterable[str], ranking: str) -> np.ndarray:
    """Losses of the methods, (methods, steps), without the first and the last step, which all have in common."""
    data = network.paths["loss"].sel(ranking=ranking)
    return np.array([data.sel({"ranked_by": method}).values for method in methods], float)[:, 1:-1]


def _lower(one: np.ndarray, other: np.ndarray) -> float:
    """Share of the steps, of those that differ by more than rounding, at which one loss is lower than the other."""
    differ = ~np.isclose(one, other, rtol=1e-6, atol=0)
    return float(np.mean(one[differ] < other[differ])) if differ.any() else float("nan")


def _by_share(share: float, holds: float, fails: float) -> str:
    if np.isnan(share):
        return OPEN
    return HOLDS if share >= holds else FAILS if share <= fails else PARTLY


def second_over_first(networks: Networks) -> Claim:
    """Second order is consistently better than first, with re-ranking.

    Holds where its error is the lower one at `CONSISTENT` of the steps or more, not where it is at no more than
    `CHANCE` of them.
    """
    found = {}
    for key, network in _paper(networks).items():
        first, second = _losses(network, TAYLOR, "reranked")
        share = _lower(second, first)
        found[key] = (
            _by_share(share, CONSISTENT, CHANCE),
            {
                "share": share,
                **{f"removable_{method}": network.number("removable", method, fall=DROPS[0]) for method in TAYLOR},
            },
        )
    return _claim("second_over_first", found)


def brute_force(networks: Networks) -> Claim:
    """Brute force is far better than both Taylor methods, with re-ranking.

    Holds where its mean error over the path is at most `FAR` of the better one's, not where it is no lower.
    """
    found = {}
    for key, network in _paper(networks).items():
        mean = {method: network.number("mean_loss", method) for method in MEASURED}
        ratio = mean["brute_force"] / min(mean[method] for method in TAYLOR)
        verdict = OPEN if np.isnan(ratio) else HOLDS if ratio <= FAR else FAILS if ratio >= 1 else PARTLY
        removed = {f"removable_{method}": network.number("removable", method, fall=DROPS[0]) for method in MEASURED}
        found[key] = verdict, {"ratio": ratio, **removed}
    return _claim("brute_force", found)


def removable(networks: Networks) -> Claim:
    """Brute force can remove 40 to 70 % of the nodes.

    Holds where the accuracy falls by no more than `DROPS`[0] until at least 40 % of the nodes are gone (more is
    no objection), partly where it does by no more than `DROPS`[1], not otherwise.
    """
    found = {}
    for key, network in _paper(networks).items():
        near, far = (network.number("removable", "brute_force", fall=drop) / network.nodes for drop in DROPS)
        test = network.number("test_removable", "brute_force", fall=DROPS[0]) / network.nodes
        least = PAPER_SHARES[0] - curves.ROUNDING
        verdict = OPEN if np.isnan(near) else HOLDS if near >= least else PARTLY if far >= least else FAILS
        found[key] = verdict, {"near": near, "far": far, "test": test}
    return _claim("removable", found)


def error_first(networks: Networks) -> Claim:
    """The error rises before the accuracy falls, with re-ranking.

    By method: the error has doubled in fewer removals than the accuracy has fallen by more than `DROPS`[0]. Holds in a
    network where it is so for all three methods, not where it is for none.
    """
    found = {}
    for key, network in _paper(networks).items():
        values: dict[str, float] = {}
        verdicts = []
        for method in MEASURED:
            risen = network.number("risen", method)
            fallen = network.number("removable", method, fall=DROPS[0]) + 1
            # One more than all removals: it never fell.
            fallen = np.inf if fallen > network.nodes else fallen
            values |= {f"risen_{method}": risen, f"fallen_{method}": fallen}
            verdicts.append(OPEN if np.isnan(risen + fallen) else HOLDS if risen < fallen else FAILS)
        found[key] = combined(verdicts), values
    return _claim("error_first", found)


def proxy(networks: Networks) -> Claim:
    """Squared error is a decent proxy for accuracy.

    By method, with re-ranking: the rank correlation of both along the path is at most `PROXY`; none where it is above
    `NO_PROXY`. The network has the worst of the three.
    """
    found = {}
    for key, network in _paper(networks).items():
        values = {method: network.number("proxy", method) for method in MEASURED}
        known = [value for value in values.values() if not np.isnan(value)]
        worst = max(known, default=np.nan)
        verdict = OPEN if np.isnan(worst) else HOLDS if worst <= PROXY else FAILS if worst > NO_PROXY else PARTLY
        found[key] = verdict, values
    return _claim("proxy", found)


def clearer(networks: Networks) -> Claim:
    """Accuracy is the clearer signal of the two.

    By method, with re-ranking: less of the movement of the accuracy than of the error goes the wrong way. Holds in a
    network where it is so for all three methods, not where it is for none.
    """
    found = {}
    for key, network in _paper(networks).items():
        values: dict[str, float] = {}
        verdicts = []
        for method in MEASURED:
            loss, accuracy = (network.number(f"{name}_wrong_way", method) for name in ("loss", "accuracy"))
            values |= {f"loss_{method}": loss, f"accuracy_{method}": accuracy}
            verdicts.append(OPEN if np.isnan(loss + accuracy) else HOLDS if accuracy < loss else FAILS)
        found[key] = combined(verdicts), values
    return _claim("clearer", found)


def taylor_layers(networks: Networks) -> Claim:
    """The Taylor methods prefer neither layer of a two-layer network, with re-ranking.

    Holds, that is, is not rejected, where neither method's p-value is below `LEVEL` / 2; does not hold where both are.
    """
    if "2" not in networks:
        return _claim("taylor_layers", {})
    found = networks["2"].layers["p_value"].sel(ranking="reranked")
    values = {method: float(found.sel({"ranked_by": method})) for method in TAYLOR}
    rejected = [FAILS if p_value < LEVEL / len(TAYLOR) else HOLDS for p_value in values.values()]
    return _claim("taylor_layers", {"2": (combined(rejected), values)})


def outer_layer(networks: Networks) -> Claim:
    """Brute force takes the outer layer of a two-layer network first, with re-ranking.

    The outer layer is the last hidden one. Does not hold where a random order would have as many of its nodes among the
    first quarter of the removals with a chance of `LEVEL` or more; otherwise holds where more than half of these
    removals are of it, and partly where not.
    """
    if "2" not in networks:
        return _claim("outer_layer", {})
    data = networks["2"].layers
    one = data.isel(layer=-1).sel({"ranked_by": "brute_force", "ranking": "reranked"})
    early, expected, p_value = (float(one[name]) for name in ("early", "expected_early", "early_p_value"))
    beginning = int(data["beginning"])
    verdict = FAILS if p_value >= LEVEL else HOLDS if early > beginning / 2 else PARTLY
    values = {"early": early, "expected": expected, "beginning": beginning, "p_value": p_value}
    return _claim("outer_layer", {"2": (verdict, values)})


def deeper(networks: Networks) -> Claim:
    """Deeper networks of as many nodes are harder to prune, by brute force with re-ranking.

    Holds where every hidden layer more leaves fewer nodes that can go before the accuracy falls by more than
    `DROPS`[0]; does not hold where the rank correlation of layers and such nodes is 0 or above; partly otherwise.
    """
    depths = by_depth(networks)
    counts = {depth: one.number("removable", "brute_force", fall=DROPS[0]) for depth, one in depths.items()}
    counts = {depth: count for depth, count in counts.items() if not np.isnan(count)}
    if len(counts) < 2:
        return _claim("deeper", {})
    falls = (np.diff(list(counts.values())) < 0).all()
    correlation = float(ranks.correlation(list(counts), list(counts.values())))
    correlation = 0.0 if np.isnan(correlation) else correlation  # all alike: no relation
    verdict = HOLDS if falls else FAILS if correlation >= 0 else PARTLY
    values = {"counts": counts, "correlation": correlation}
    return _claim("deeper", {"all depths": (verdict, values)})


def taylor_beyond(networks: Networks) -> Claim:
    """Both Taylor methods fail beyond one layer in terms of accuracy, with re-ranking.

    A method fails where the accuracy has fallen by more than `DROPS`[1] before `FEW` of the nodes are gone. Holds in a
    network where both fail, not where neither does; of all networks of two layers and more.
    """
    found = {}
    for depth, network in by_depth(networks).items():
        shares = {
            method: network.number("removable", method, fall=DROPS[1]) / network.nodes for method in TAYLOR if depth > 1
        }
        verdicts = [OPEN if np.isnan(share) else HOLDS if share < FEW else FAILS for share in shares.values()]
        if verdicts:
            found[str(depth)] = combined(verdicts), shares
    return _claim("taylor_beyond", found)


def single_pass(networks: Networks) -> Claim:
    """Ranked in a single pass, no method is superior in a one-layer network.

    Does not hold where one of the three has the lowest error at `CONSISTENT` of the steps or more, partly where at
    `OFTEN` of them; holds otherwise.
    """
    if "1" not in networks:
        return _claim("single_pass", {})
    losses = _losses(networks["1"], MEASURED, "single_pass")
    lowest = losses <= losses.min(axis=0) * (1 + 1e-6)
    alone = lowest & (lowest.sum(axis=0) == 1)
    shares = dict(zip(MEASURED, alone.mean(axis=1).tolist(), strict=True))
    best = max(shares.values())
    verdict = FAILS if best >= CONSISTENT else PARTLY if best >= OFTEN else HOLDS
    return _claim("single_pass", {"1": (verdict, shares)})


def cancelling(pairs: Mapping[str, PairSummary]) -> Claim:
    """Nodes group together to cancel each other's effects.

    Holds where `MOST_CANCEL` or more of the nodes whose removal alone raises the error have a partner with which it
    raises it less (by a tenth of the costlier one or more), not where `FEW_CANCEL` or fewer do.
    """
    found = {}
    for key in PAPER:
        if key in pairs:
            one = pairs[key]
            share = one.cancelling_nodes / one.costly_nodes if one.costly_nodes else float("nan")
            found[key] = _by_share(share, MOST_CANCEL, FEW_CANCEL), {"share": share, **one._asdict()}
    return _claim("cancelling", found)


def retraining(summary: RetrainingSummary | None) -> Claim:
    """Rankings without retraining are weakly related to the accuracy after it.

    That is what "Is Oracle Pruning the True Oracle?" (2024), arXiv 2412.00143, reports. Holds where agreement is below
    `AGREEMENT` and retraining leaves less than `SPREAD` of the spread of the methods, does not hold where neither is
    so; partly where one is.
    """
    if summary is None or not summary.often:
        return _claim("retraining", {})
    values = {"agreement": summary.agreement, "spread_left": summary.spread_left}
    weak = [values["agreement"] < AGREEMENT, values["spread_left"] < SPREAD]
    known = [value for value in values.values() if not np.isnan(value)]
    verdict = OPEN if len(known) < 2 else HOLDS if all(weak) else PARTLY if any(weak) else FAILS
    return _claim("retraining", {"retrained": (verdict, values)})


def all_claims(
    networks: Networks, pairs: Mapping[str, PairSummary], retrained: RetrainingSummary | None
) -> dict[str, Claim]:
    """Answer every claim.

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
    of_networks = (
        *(second_over_first, brute_force, removable, error_first, proxy, clearer, taylor_layers, outer_layer),
        *(deeper, taylor_beyond, single_pass),
    )
    found = [*(rule(networks) for rule in of_networks), cancelling(pairs), retraining(retrained)]
    return {claim.name: claim for claim in found}
