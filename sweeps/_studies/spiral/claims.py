"""The claims of the published study, and some of ours: what is claimed, by which rule, and what this run says."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr

from analysis.claims import FAILS, HOLDS, NOT_MEASURED, Claim, Statement, above, by_share, everywhere, within
from analysis.intervals import NO_INTERVAL, Interval, interval, over_pairs
from sweeps._studies.spiral.measures import Results, adam, learning_rate
from sweeps._studies.spiral.measures.commuting import MARGINS, judge
from sweeps._studies.spiral.measures.idle import CONFIDENT, SMALL
from sweeps._studies.spiral.measures.outcomes import mean
from sweeps._studies.spiral.measures.rates import Rates
from sweeps._studies.spiral.measures.roles import against_strangers
from sweeps._studies.spiral.names import CHOSEN, COMPENSATED, RANDOM

#: A network is bad from so much accuracy below the full trained one; pictures look the same from so much agreement.
BAD, SAME = 0.05, 0.99
#: A diagonal line shows from so many of the weights on it.
SHARP = 0.01
#: The published size of the changes, and how near to it still counts as it.
PUBLISHED_PEAK, NEAR = 0.59, 0.05
#: How near to the distance of a single gradient the peak has to be, as a share of it.
SINGLE = 0.1
#: Almost all, of shares; a large part of the plane, and a significant share of the nodes, each at least.
ALMOST_ALL, LARGE = 0.95, 0.1
#: The outputs are unchanged up to so much of the largest: rounding of sums of a hundred summands stays below it.
ROUNDING = 1e-9
#: Weights are spread evenly where half of them, give or take so much, lie in either half.
EVEN = 0.05
#: Roles are similar from so much more correlation with the same node than with others; often is more than half.
ALIKE, OFTEN = 0.1, 0.5
Peaks = Sequence[float] | npt.NDArray[np.float64]
_CORRELATED = "it holds where the mean correlation of the changes from the start is above 0, with its whole interval"

_GOOD = (
    f"it holds where the accuracy is no more than {100 * BAD:g} percentage points below that of the full network "
    "of the same seed, with its whole interval"
)
_NO_CHANGE = f"it holds where the agreement with the trained network is above {100 * SAME:g} %, with its whole interval"
_SIMILAR = (
    f"it holds where activations of the same node correlate by more than {ALIKE:g} above those of other nodes of its "
    "layer, with the whole interval; the number is the difference"
)
_BEYOND = (
    "it holds where, once what follows linearly from its activation at the start is taken out of a node in both "
    "networks, the same node still correlates more than other nodes do, with the whole interval; the number is the "
    "difference"
)
_OFTEN = (
    f"it holds where more than {100 * OFTEN:g} % of the nodes that vary in both networks are matched with themselves, "
    "where the sum of correlations is largest, with the whole interval"
)

STATEMENTS = {
    "confident": Statement(
        "The trained network is confidently right on almost all points",
        f"it holds where the right class has a probability above {CONFIDENT:g} on more than {100 * ALMOST_ALL:g} % of "
        "the training examples, with the whole interval",
        published="almost all points",
    ),
    "constant_nothing": Statement(
        "Removing constant nodes, with compensation, changes nothing",
        f"it holds where no output on the training data changes by more than {ROUNDING:g} of the largest, in any "
        "network; the number is the change",
        published="no change",
    ),
    "random_bad": Statement(
        "Random pruning after training leaves bad networks",
        f"it holds where the accuracy falls by more than {100 * BAD:g} percentage points, with its whole interval",
        published="bad",
    ),
    "random_space": Statement(
        "A large part of the plane is then classed otherwise",
        f"it holds where the decisions differ from those of the trained network on more than {100 * LARGE:g} % of the "
        "square that holds the data, with the whole interval",
        published="a large chunk",
    ),
    "finetuned_bad": Statement(
        "Fine-tuning does not make these networks good",
        f"it holds where the accuracy stays more than {100 * BAD:g} percentage points below that of the full network "
        "of the same seed, with its whole interval",
        published="not high scoring",
    ),
    "prune_first_good": Statement(
        "Networks pruned at random first train well",
        _GOOD,
        published="good",
    ),
    "random_order_matters": Statement(
        "Random pruning does not commute with training",
        "it holds where accuracy or decisions do not commute, by the rules of the table of train first against prune "
        "first; the number is the accuracy, train first less prune first",
        published="does not commute",
    ),
    "random_kernels": Statement(
        "The kernels correlate all the same (random nodes)", _CORRELATED, published="correlated"
    ),
    "diagonal": Statement(
        "Some weights never move in either network: the sharp diagonal",
        f"it holds where more than {100 * SHARP:g} % of the weights that stay equal their start in both networks, with "
        "the whole interval",
        published="a sharp diagonal",
    ),
    "uniform": Statement(
        "The middle of the diagonal is spread as the initial weights are",
        f"it holds where {100 * (0.5 - EVEN):g} to {100 * (0.5 + EVEN):g} % of the weights that moved in neither are "
        "above zero, and as many lie in the inner half of the initial range, with both whole intervals",
        published="uniform",
    ),
    "peaks": Statement(
        f"Weights prefer to move by about ±{PUBLISHED_PEAK:g}",
        "it holds where more than half of the networks have a peak, and the interval of its place lies within "
        f"{PUBLISHED_PEAK:g} ± {NEAR:g}",
        published=f"±{PUBLISHED_PEAK:g}",
    ),
    "single_gradient": Statement(
        "That distance is what Adam makes of a single gradient",
        "it holds where more than half of the networks have a peak, and the interval of its place lies within "
        f"{100 * SINGLE:g} % of the distance that Adam gives",
        source="ours",
    ),
    "idle": Statement(
        "A significant share of the nodes does nothing",
        f"it holds where more than {100 * LARGE:g} % of the hidden nodes are constant on the training data, with the "
        "whole interval",
        published="a significant fraction",
    ),
    "no_small_change": Statement(
        "No small change makes these nodes helpful",
        f"it holds where more than {100 * ALMOST_ALL:g} % of the constant nodes are off on all training data under "
        f"every change of their weights and bias by up to {100 * SMALL:g} % of each, with the whole interval: no such "
        "change has an effect, and no gradient leads out",
        published="no small change",
    ),
    "chosen_same": Statement(
        "Pruning the nodes of smallest deviation changes no image",
        _NO_CHANGE,
        published="no change",
    ),
    "chosen_similar": Statement(
        "The networks pruned first of those nodes give a similar image",
        "it holds where the agreement with the trained network is not below that of a training in another order by "
        f"more than {100 * MARGINS['decisions']:g} percentage point, with its whole interval; the number is the "
        "difference",
        published="similar",
    ),
    "chosen_different": Statement(
        "That image is slightly different",
        f"it holds where the agreement with the trained network is below {100 * SAME:g} %, with its whole interval",
        published="slightly different",
    ),
    "chosen_kernels": Statement(
        "The kernels correlate (nodes of smallest deviation)", _CORRELATED, published="correlated"
    ),
    "roles": Statement("The nodes that stay end up in similar roles", _SIMILAR, published="similar roles"),
    "roles_often": Statement("And that they do so often", _OFTEN, published="often"),
    "roles_beyond": Statement("That likeness goes beyond what both keep of their start", _BEYOND, source="ours"),
    "roles_start": Statement(
        "Their networks match better than networks of other starts",
        "it holds where the mean correlation of matched nodes of the trained network and the one pruned first is above "
        "that of networks of two seeds, with its whole interval, by jackknife; the number is the difference",
        source="ours",
    ),
    "small_prune_first": Statement(
        "At the smallest learning rate, networks pruned at random first train well",
        _GOOD,
        source="ours",
    ),
    "small_chosen_same": Statement(
        "At the smallest learning rate, pruning the nodes of smallest deviation changes no image",
        _NO_CHANGE,
        source="ours",
    ),
    "small_roles": Statement(
        "At the smallest learning rate, the nodes that stay end up in similar roles", _SIMILAR, source="ours"
    ),
    "small_roles_beyond": Statement(
        "At that rate, that likeness goes beyond what both keep of their start", _BEYOND, source="ours"
    ),
    "small_roles_often": Statement("And that they do so often, at that rate", _OFTEN, source="ours"),
}


def near(peaks: Peaks, at: float, margin: float) -> tuple[str, Interval]:
    """Judge whether weights prefer to move by a distance.

    Parameters
    ----------
    peaks : array_like, (networks,)
        Where the density of the sizes of changes peaks; NaN for a network without a peak.
    at, margin : float
        The distance, and how near to it counts as it.

    Returns
    -------
    verdict : str
        It does not hold either where half of several networks or more have no peak.
    found : Interval
        Of the peaks.

    Examples
    --------
    >>> near([0.58, 0.6, 0.59], 0.59, 0.05)[0], near([0.59, float("nan"), float("nan")], 0.59, 0.05)[0]
    ('holds', 'does not hold')
    """
    found = interval(peaks)
    few = len(peaks) > 1 and found.networks <= len(peaks) / 2
    return FAILS if few else within(found, at - margin, at + margin), found


def single_gradient(peaks: Peaks, learning_rate: float = 1.0) -> tuple[str, Interval]:
    """Judge whether that distance is what Adam makes of one gradient at the first step.

    Examples
    --------
    >>> single_gradient([0.0598, 0.0602, 0.06], 0.01)[0], single_gradient([3.0, 3.1, 3.0])[0]
    ('holds', 'does not hold')
    """
    expected = adam.single_gradient() * learning_rate
    return near(peaks, expected, SINGLE * expected)


def opposite(verdict: str) -> str:
    """Return the verdict on the opposite of a statement."""
    return {HOLDS: FAILS, FAILS: HOLDS}.get(verdict, verdict)


def all_claims(results: Results) -> dict[str, Claim]:
    """Judge every claim, by name.

    Parameters
    ----------
    results : Results

    Returns
    -------
    dict of str to Claim
    """
    peaks = results.peaks.sel(source="trained", of="all").values
    lost = results.against("accuracy", "pruned", RANDOM).negated()
    gained = results.against("accuracy", "prune_first", RANDOM)
    order = [results.commuting[RANDOM, "pruned", quantity] for quantity in ("accuracy", "decisions")]
    still = mean(results.unmoved, arm="both", kind=RANDOM)
    same, first = (results.outcome("agreement", arm, CHOSEN) for arm in ("pruned", "prune_first"))
    like = results.against("agreement", "prune_first", CHOSEN, "reshuffled")
    tuned = results.against("accuracy", "finetuned", RANDOM).negated()
    differ = mean(1 - results.outcomes["agreement"], arm="pruned", kind=RANDOM, compensation=COMPENSATED)
    even = [mean(results.spread, of=of, kind=RANDOM) for of in ("positive", "inner")]
    idle = {name: interval(one.values) for name, one in results.idle.items()}
    exact = results.idle["removed"].dropna("network") <= ROUNDING
    correlations = {kind: results.commuting[kind, "pruned", "weights"].value for kind in (RANDOM, CHOSEN)}
    found = {
        "confident": (above(idle["confident"], bound=ALMOST_ALL), idle["confident"], "%"),
        "constant_nothing": (by_share(float(exact.mean()), 1, 0), idle["removed"], ""),
        "random_bad": (above(lost, bound=BAD), lost, "points"),
        "random_space": (above(differ, bound=LARGE), differ, "%"),
        "finetuned_bad": (above(tuned, bound=BAD), tuned, "points"),
        "prune_first_good": (above(gained, bound=-BAD), gained, "points"),
        "random_order_matters": (opposite(everywhere(one.verdict for one in order)), order[0].difference, "points"),
        "random_kernels": (above(correlations[RANDOM]), correlations[RANDOM], ""),
        "diagonal": (above(still, bound=SHARP), still, "%"),
        "uniform": (everywhere(within(one, 0.5 - EVEN, 0.5 + EVEN) for one in even), even[0], "%"),
        "peaks": (*near(peaks, PUBLISHED_PEAK, NEAR), ""),
        "single_gradient": (*single_gradient(peaks, learning_rate(results.run)), ""),
        "idle": (above(idle["constant"], bound=LARGE), idle["constant"], "%"),
        "no_small_change": (above(idle["stays"], bound=ALMOST_ALL), idle["stays"], "%"),
        "chosen_same": (above(same, bound=SAME), same, "%"),
        "chosen_similar": (judge("decisions", like), like, "points"),
        "chosen_different": (above(first.negated(), bound=-SAME), first, "%"),
        "chosen_kernels": (above(correlations[CHOSEN]), correlations[CHOSEN], ""),
        **_roles(results),
        **_at_the_smallest_rate(results.rates),
    }
    return {
        name: Claim(STATEMENTS[name], verdict, measured=one, unit=unit) for name, (verdict, one, unit) in found.items()
    }


def _roles(results: Results) -> dict[str, tuple[str, Interval, str]]:
    closer, own = alike(results.roles), mean(results.roles["own"], pair="prune_first", kind=CHOSEN)
    further = alike(results.roles, "beyond_start")
    better = over_pairs(against_strangers(results.strangers.sel(kind=CHOSEN)))
    return {
        "roles": (above(closer, bound=ALIKE), closer, ""),
        "roles_often": (above(own, bound=OFTEN), own, "%"),
        "roles_beyond": (above(further), further, ""),
        "roles_start": (above(better), better, ""),
    }


def alike(roles: xr.Dataset, pair: str = "prune_first", kind: str = CHOSEN) -> Interval:
    """How much more a node correlates with itself than with others."""
    return mean(roles["same"] - roles["other"], pair=pair, kind=kind)


def _at_the_smallest_rate(rates: Rates | None) -> dict[str, tuple[str, Interval, str]]:
    if rates is None:
        nothing = (NOT_MEASURED, NO_INTERVAL, "")
        return {name: nothing for name in STATEMENTS if name.startswith("small")}
    data, roles = (one.isel(learning_rate=0, drop=True) for one in (rates.data, rates.roles))
    gained = mean(data["accuracy"] - data["trained"], arm="prune_first", kind=RANDOM)
    same = mean(data["agreement"], arm="pruned", kind=CHOSEN)
    own, closer = mean(roles["own"], pair="prune_first", kind=CHOSEN), alike(roles)
    further = alike(roles, "beyond_start")
    return {
        "small_prune_first": (above(gained, bound=-BAD), gained, "points"),
        "small_chosen_same": (above(same, bound=SAME), same, "%"),
        "small_roles": (above(closer, bound=ALIKE), closer, ""),
        "small_roles_beyond": (above(further), further, ""),
        "small_roles_often": (above(own, bound=OFTEN), own, "%"),
    }
