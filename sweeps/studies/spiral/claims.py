"""The claims of the published study, each answered from intervals over networks by a rule that the page states."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from analysis.intervals import Interval, interval
from sweeps.studies.spiral.measures import adam
from sweeps.studies.spiral.measures.compare import COMMUTES, DIFFERS, MARGINS, OPEN, UNDECIDED, Commuting, not_below
from sweeps.studies.spiral.names import CHOSEN, RANDOM

HOLDS, FAILS = "holds", "does not hold"
#: A network is bad from so much accuracy below the full trained one; pictures look the same from so much agreement.
BAD, SAME = 0.05, 0.99
#: A diagonal line shows from so many of the weights on it.
SHARP = 0.01
#: The published size of the changes, and how near to it still counts as it.
PUBLISHED_PEAK, NEAR = 0.59, 0.05
#: How near to the distance of a single gradient the peak has to be, as a share of it.
SINGLE = 0.1


class Claim(NamedTuple):
    """A claim and its answer.

    Attributes
    ----------
    name : str
    verdict : {"holds", "does not hold", "undecided", "not measured"}
    evidence : Interval
        The number that decided; for claims of several, the first of them.
    """

    name: str
    verdict: str
    evidence: Interval


def above(interval: Interval, bound: float) -> str:
    """Judge whether a mean is above a bound: its whole interval is, is not, or it lies across.

    Examples
    --------
    >>> above(Interval(0.3, 0.02, 9), 0.1)
    'holds'
    """
    if not np.isfinite(interval.low):
        return OPEN
    if interval.low > bound:
        return HOLDS
    return FAILS if interval.high <= bound else UNDECIDED


def not_commuting(accuracy: str, decisions: str) -> str:
    """Judge that pruning does not commute: it does not in one of the two, or it does in both.

    Examples
    --------
    >>> not_commuting("does not commute", "undecided"), not_commuting("commutes", "commutes")
    ('holds', 'does not hold')
    """
    if DIFFERS in (accuracy, decisions):
        return HOLDS
    if accuracy == decisions == COMMUTES:
        return FAILS
    return OPEN if OPEN in (accuracy, decisions) else UNDECIDED


def near_published(peaks: Sequence[float]) -> Claim:
    """Judge whether the weights prefer to move by the published distance.

    Parameters
    ----------
    peaks : sequence of float, (networks,)
        Where the density of the sizes of changes peaks; NaN where it has no peak.

    Returns
    -------
    Claim
        It does not hold either where half of the networks or more have no peak.

    Examples
    --------
    >>> near_published([0.58, 0.6, 0.59]).verdict, near_published([0.1, 0.11, 0.1]).verdict
    ('holds', 'does not hold')
    """
    return _near("peaks", peaks, PUBLISHED_PEAK, NEAR)


def single_gradient(peaks: Sequence[float], learning_rate: float) -> Claim:
    """Judge whether the weights prefer to move by what Adam makes of one gradient at the first step.

    Parameters
    ----------
    peaks : sequence of float, (networks,)
        As for `near_published`.
    learning_rate : float

    Returns
    -------
    Claim

    Examples
    --------
    >>> single_gradient([0.0598, 0.0602, 0.06], 0.01).verdict, single_gradient([0.3, 0.31, 0.3], 0.01).verdict
    ('holds', 'does not hold')
    """
    expected = adam.single_gradient() * learning_rate
    return _near("single_gradient", peaks, expected, SINGLE * expected)


def single_gradient_verdict(peaks: Sequence[float]) -> str:
    """Judge the same of peaks in learning rates."""
    return single_gradient(peaks, 1.0).verdict


def _near(name: str, peaks: Sequence[float], at: float, margin: float) -> Claim:
    found = interval(list(peaks))
    if len(peaks) < 2:
        return Claim(name, OPEN, found)
    if found.networks <= len(peaks) / 2:
        return Claim(name, FAILS, found)
    if not np.isfinite(found.low):
        return Claim(name, OPEN, found)
    if at - margin <= found.low and found.high <= at + margin:
        return Claim(name, HOLDS, found)
    return Claim(name, FAILS if found.high < at - margin or found.low > at + margin else UNDECIDED, found)


def all_claims(
    against_trained: Mapping[tuple[str, str, str], Interval],
    from_control: Mapping[str, Interval],
    commuting: Mapping[tuple[str, str, str], Commuting],
    unmoved: Mapping[str, Interval],
    peaks: Sequence[float],
    learning_rate: float | None = None,
) -> dict[str, Claim]:
    """Answer every claim that the run has the numbers for.

    Parameters
    ----------
    against_trained : mapping of (measure, arm, kind) to Interval
        "accuracy": less that of the full trained network; "agreement": with it.
    from_control : mapping of kind to Interval
        Agreement of the pruned-first with the full trained network, less that of two trainings of the full one.
    commuting : mapping
        What `compare.commuting` returns.
    unmoved : mapping of kind to Interval
        Share of weights equal to their start in both networks.
    peaks : sequence of float
        As for `near_published`.
    learning_rate : float, optional
        Of Adam, where the run states one.

    Returns
    -------
    dict of str to Claim
    """
    found: list[Claim] = []
    if ("accuracy", "pruned", RANDOM) in against_trained:
        loss = against_trained["accuracy", "pruned", RANDOM].negated()
        found.append(Claim("random_bad", above(loss, BAD), loss))
        gain = against_trained["accuracy", "prune_first", RANDOM]
        found.append(Claim("prune_first_good", above(gain, -BAD), gain))
        parts = [commuting[RANDOM, "pruned", name] for name in ("accuracy", "decisions", "weights")]
        verdict = not_commuting(parts[0].verdict, parts[1].verdict)
        found.append(Claim("random_order_matters", verdict, parts[0].difference))
        found.append(Claim("random_kernels", above(parts[2].value, 0), parts[2].value))
        found.append(Claim("diagonal", above(unmoved[RANDOM], SHARP), unmoved[RANDOM]))
    found.append(near_published(peaks))
    if learning_rate is not None:
        found.append(single_gradient(peaks, learning_rate))
    if ("agreement", "pruned", CHOSEN) in against_trained:
        same = against_trained["agreement", "pruned", CHOSEN]
        found.append(Claim("chosen_same", above(same, SAME), same))
        like = not_below(from_control[CHOSEN], MARGINS["decisions"])
        answers = {COMMUTES: HOLDS, DIFFERS: FAILS}
        found.append(Claim("chosen_similar", answers.get(like, like), from_control[CHOSEN]))
        unlike = against_trained["agreement", "prune_first", CHOSEN].negated()
        found.append(Claim("chosen_different", above(unlike, -SAME), unlike.negated()))
        value = commuting[CHOSEN, "pruned", "weights"].value
        found.append(Claim("chosen_kernels", above(value, 0), value))
    return {claim.name: claim for claim in found}
