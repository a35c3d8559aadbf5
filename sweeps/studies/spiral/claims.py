"""The claims of the published study, and one of ours: what is claimed, by which rule, and what this run says."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from analysis.claims import FAILS, HOLDS, Claim, Statement, above, everywhere, within
from analysis.intervals import Interval, interval
from sweeps.studies.spiral.measures import Results, adam, learning_rate
from sweeps.studies.spiral.measures.commuting import MARGINS, judge
from sweeps.studies.spiral.measures.outcomes import mean
from sweeps.studies.spiral.names import CHOSEN, RANDOM

#: A network is bad from so much accuracy below the full trained one; pictures look the same from so much agreement.
BAD, SAME = 0.05, 0.99
#: A diagonal line shows from so many of the weights on it.
SHARP = 0.01
#: The published size of the changes, and how near to it still counts as it.
PUBLISHED_PEAK, NEAR = 0.59, 0.05
#: How near to the distance of a single gradient the peak has to be, as a share of it.
SINGLE = 0.1
Peaks = Sequence[float] | npt.NDArray[np.float64]
_CORRELATED = "it holds where the mean correlation of the changes from the start is above 0, with its whole interval"

STATEMENTS = {
    "random_bad": Statement(
        "Random pruning after training leaves bad networks",
        f"it holds where the accuracy falls by more than {100 * BAD:g} percentage points, with its whole interval",
        "bad",
    ),
    "prune_first_good": Statement(
        "Networks pruned at random first train well",
        f"it holds where the accuracy is no more than {100 * BAD:g} percentage points below that of the full network "
        "of the same seed, with its whole interval",
        "good",
    ),
    "random_order_matters": Statement(
        "Random pruning does not commute with training",
        "it holds where accuracy or decisions do not commute, by the rules of the table of train first against prune "
        "first; the number is the accuracy, train first less prune first",
        "does not commute",
    ),
    "random_kernels": Statement("The kernels correlate all the same (random nodes)", _CORRELATED, "correlated"),
    "diagonal": Statement(
        "Some weights never move in either network: the sharp diagonal",
        f"it holds where more than {100 * SHARP:g} % of the weights that stay equal their start in both networks, with "
        "the whole interval",
        "a sharp diagonal",
    ),
    "peaks": Statement(
        f"Weights prefer to move by about ±{PUBLISHED_PEAK:g}",
        "it holds where more than half of the networks have a peak, and the interval of its place lies within "
        f"{PUBLISHED_PEAK:g} ± {NEAR:g}",
        f"±{PUBLISHED_PEAK:g}",
    ),
    "single_gradient": Statement(
        "That distance is what Adam makes of a single gradient",
        "it holds where more than half of the networks have a peak, and the interval of its place lies within "
        f"{100 * SINGLE:g} % of the distance that Adam gives",
        source="ours",
    ),
    "chosen_same": Statement(
        "Pruning the nodes of smallest deviation changes no image",
        f"it holds where the agreement with the trained network is above {100 * SAME:g} %, with its whole interval",
        "no change",
    ),
    "chosen_similar": Statement(
        "The networks pruned first of those nodes give a similar image",
        "it holds where the agreement with the trained network is not below that of a training in another order by "
        f"more than {100 * MARGINS['decisions']:g} percentage point, with its whole interval; the number is the "
        "difference",
        "similar",
    ),
    "chosen_different": Statement(
        "That image is slightly different",
        f"it holds where the agreement with the trained network is below {100 * SAME:g} %, with its whole interval",
        "slightly different",
    ),
    "chosen_kernels": Statement("The kernels correlate (nodes of smallest deviation)", _CORRELATED, "correlated"),
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
    correlations = {kind: results.commuting[kind, "pruned", "weights"].value for kind in (RANDOM, CHOSEN)}
    found = {
        "random_bad": (above(lost, BAD), lost, "points"),
        "prune_first_good": (above(gained, -BAD), gained, "points"),
        "random_order_matters": (opposite(everywhere(one.verdict for one in order)), order[0].difference, "points"),
        "random_kernels": (above(correlations[RANDOM]), correlations[RANDOM], ""),
        "diagonal": (above(still, SHARP), still, "%"),
        "peaks": (*near(peaks, PUBLISHED_PEAK, NEAR), ""),
        "single_gradient": (*single_gradient(peaks, learning_rate(results.run)), ""),
        "chosen_same": (above(same, SAME), same, "%"),
        "chosen_similar": (judge("decisions", like), like, "points"),
        "chosen_different": (above(first.negated(), -SAME), first, "%"),
        "chosen_kernels": (above(correlations[CHOSEN]), correlations[CHOSEN], ""),
    }
    return {name: Claim(STATEMENTS[name], *one) for name, one in found.items()}
