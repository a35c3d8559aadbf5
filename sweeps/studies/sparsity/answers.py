"""What was published about pruning, in words: the claim, what was measured here, and by which rule it is answered."""

from collections.abc import Callable

import numpy as np

from analysis.reports.wording import capitalised, enumerate_words, number, percent
from sweeps.studies.shrinking.claims import HOLDS, OPEN, Claim
from sweeps.studies.sparsity import claims
from sweeps.studies.sparsity.measures import DROPS, MAIN_DROP, Interval, method_name, methods
from sweeps.studies.sparsity.results import Results

#: Each claim in a few words.
TITLES = {
    "weights_plateau": "Weight pruning costs nothing up to 70 to 75 %",
    "units_plateau": "Unit pruning costs nothing up to just under 50 %",
    "equal_percent": "Weight pruning is more effective than unit pruning (at equal sparsity)",
    "equal_weights": "Weight pruning is more effective at equal numbers of weights, too",
    "falling": "Accuracy falls consistently with sparsity",
    "variable": "Unit pruning is more variable",
    "epochs_accuracy": "Training for longer changes the accuracy little",
    "epochs_end": "Training for longer moves the plateaus little",
    "alternative": "Another heuristic than the lowest norm prunes units better",
    "evened": "After fine-tuning the heuristic matters little",
    "zeroed": "Zeroed units save neither time nor memory",
    "removed": "Removed units save time",
}
#: Where a claim comes from, other than from the published experiment.
OURS = ("equal_weights", "evened", "zeroed", "removed")


def points(drop: float) -> str:
    """Write a fall of accuracy in percentage points.

    Examples
    --------
    >>> points(0.01), points(0.005)
    ('1 point', '0.5 points')
    """
    return f"{100 * drop:g} point{'' if np.isclose(drop, 0.01) else 's'}"


def _zone(kind: str) -> str:
    low, high = claims.ZONES[kind]
    return (
        f"it holds where the 95\u00a0% interval of the end of the plateau, at {points(MAIN_DROP)}, lies within {low:g} "
        f"to {high:g}\u00a0%, and does not where it lies wholly outside"
    )


_TWO = (
    f"it holds where the interval of the paired difference is above zero for both the end of the plateau, at "
    f"{points(MAIN_DROP)}, and the mean accuracy, does not hold where below zero, and holds partly where one of each"
)
#: The rule by which each claim is answered.
RULES = {
    "weights_plateau": _zone("weights"),
    "units_plateau": _zone("units"),
    "equal_percent": f"{_TWO}; the mean is over all sparsities",
    "equal_weights": f"{_TWO}; both against the share of the prunable weights that are gone",
    "falling": (
        f"at the published sparsities the interval of the share of all movement that is upwards lies below "
        f"{percent(claims.UPWARDS, 0)}, for weights and for units; above it, it does not hold"
    ),
    "variable": (
        "it holds where two intervals lie above zero: that of the logarithm of the ratio of the standard deviations "
        "over networks (root mean square over the sparsities, jackknife), and that of the paired difference of the "
        "shares of movement that are upwards; does not hold where both lie below"
    ),
    "epochs_accuracy": (
        f"it holds where all intervals of the difference of the unpruned networks' test accuracy to that after the "
        f"longest training lie within ±{points(claims.LITTLE_ACCURACY)}, and does not where one lies wholly outside"
    ),
    "epochs_end": (
        f"the same of the ends of the plateaus, at {points(MAIN_DROP)}, and ±{claims.LITTLE_END:g} per cent sparsity"
    ),
    "alternative": (
        f"it holds where the interval of the paired difference in mean accuracy lies above zero for one heuristic or "
        f"more, and does not where all end below {points(claims.MINOR)}; the intervals hold together with probability "
        "0.95 (Bonferroni)"
    ),
    "evened": (
        f"it holds where all intervals of the paired differences in mean accuracy to the published heuristic of the "
        f"same kind lie within ±{points(claims.MINOR)} (Bonferroni; random choice set aside), and does not where one "
        "lies wholly outside"
    ),
    "zeroed": (
        f"it holds where at every sparsity the median time is within {percent(claims.SAME_TIME, 0)} of that of the "
        "whole network and no byte less is stored; does not where all repeats at the highest sparsity are faster by "
        "more than that"
    ),
    "removed": (
        "it holds where at the highest sparsity all repeats are faster than all of the zeroed network, and does not "
        "where all are slower"
    ),
}


def said(one: Interval, decimals: int = 1, unit: str = "", signed: bool = False) -> str:
    """Write a mean with its interval, or say that there is none.

    Examples
    --------
    >>> said(Interval(71.234, 1.5, 5, 70.0, 73.0), unit=" %").replace("\u00a0", " ")
    '71.2 ± 1.5 %'
    >>> said(Interval(2.0, float("nan"), 1, 2.0, 2.0))
    '2.0 (no interval)'
    """
    if not one.networks:
        return "not known"
    mean = number(one.mean, decimals=decimals)
    if signed and one.mean > 0:
        mean = f"+{mean}"
    unit = unit.replace(" %", "\u00a0%")
    # No line of the page ends within the number.
    return f"{mean}\u00a0±\u00a0{one.half:.{decimals}f}{unit}" if one.known else f"{mean}{unit} (no interval)"


def in_points(one: Interval, decimals: int = 2, signed: bool = True) -> str:
    """Write a difference of shares in percentage points."""
    return said(one.times(100), decimals, " points", signed)


def _plateau(claim: Claim, results: Results) -> str:
    kind = claim.name.removesuffix("_plateau")
    parts = []
    for epochs, values in claim.values.items():
        parts.append(f"{said(values['ends'][MAIN_DROP], unit=' %')} after {epochs} epochs ({claim.cases[epochs]})")
    last = list(claim.values.values())[-1]
    rest = [
        f"{said(last['ends'][drop], unit=' %')} at {points(drop)} ({last['verdicts'][drop]})"
        for drop in DROPS
        if drop != MAIN_DROP
    ]
    low, high = claims.PUBLISHED_ENDS[kind]
    theirs = f"{low:g} to {high:g}\u00a0%" if low < high else f"just under {high:g}\u00a0%"
    return (
        f"at {points(MAIN_DROP)} the plateau ends at {enumerate_words(parts)}; published: {theirs}, read from a curve "
        f"after 5 epochs. With other falls, after the longest training: {enumerate_words(rest)}"
    )


def _two(claim: Claim, results: Results) -> str:
    end, mean = (claim.values[key]["difference"] for key in ("end", "mean"))
    of = "of the prunable weights" if claim.name == "equal_weights" else "sparsity"
    others = [
        f"{said(one, unit=' per cent', signed=True)} at {points(drop)} ({claims.above(one)})"
        for drop, one in claim.values["end"]["others"].items()
    ]
    return (
        f"weights less units, the plateau ends {said(end, unit=' per cent', signed=True)} {of} later "
        f"({claim.cases['end']}), and the mean accuracy differs by {in_points(mean)} ({claim.cases['mean']}). With "
        f"other falls the plateau ends later by {enumerate_words(others)}"
    )


def _falling(claim: Claim, results: Results) -> str:
    return "of all movement is upwards: " + enumerate_words(
        [f"{said(values['upwards'].times(100), unit=' %')} ({kind})" for kind, values in claim.values.items()]
    )


def _variable(claim: Claim, results: Results) -> str:
    ratio, along = claim.values["networks"]["log_ratio"], claim.values["along"]["difference"]
    parts = []
    if ratio.networks:
        bounds = ""
        if ratio.known:
            bounds = f" (95\u00a0% interval {np.exp(ratio.low):.2f} to {np.exp(ratio.high):.2f})"
        parts.append(
            f"networks are {np.exp(ratio.mean):.2f} times as far apart under unit pruning as under weight "
            f"pruning{bounds} ({claim.cases['networks']})"
        )
    if along.networks:
        parts.append(
            f"the share of a curve's movement that is upwards differs by {in_points(along)} ({claim.cases['along']})"
        )
    return "; ".join(parts)


def _epochs(claim: Claim, results: Results) -> str:
    last = results.epochs[-1]
    if claim.name == "epochs_accuracy":
        parts = [f"{in_points(values['difference'])} after {key}" for key, values in claim.values.items()]
        return f"against {last} epochs the accuracy is {enumerate_words(parts)}"
    parts = []
    for key, values in claim.values.items():
        kind, epochs = key.split()
        parts.append(f"{said(values['difference'], unit=' per cent', signed=True)} after {epochs} ({kind})")
    return f"against {last} epochs the plateau ends at {enumerate_words(parts)}"


def _named(results: Results) -> dict[str, str]:
    return {one.key: method_name(one.kind, one.by) for one in methods(results.curves)}


def _differences(claim: Claim, results: Results) -> str:
    names = _named(results)
    parts = [
        f"{in_points(values['difference'])} ({names.get(key, key)}: {claim.cases[key]})"
        for key, values in claim.values.items()
    ]
    what = {"alternative": "above the lowest norm", "evened": f"within ±{points(claims.MINOR)}"}[claim.name]
    return f"mean accuracy less that of the published heuristic, and whether it is {what}: {enumerate_words(parts)}"


def _zeroed(claim: Claim, results: Results) -> str:
    time = claim.values["time"]
    stored = "as many bytes are stored" if claim.cases["bytes"] == HOLDS else "fewer bytes are stored"
    return (
        f"zeroed, the median time is {time['least']:.2f} to {time['most']:.2f} times that of the whole network, and "
        f"{stored}"
    )


def _removed(claim: Claim, results: Results) -> str:
    values = claim.values["time"]
    return (
        f"at {values['percent']:g}\u00a0% of the units removed, the median time is {values['ratio']:.2f} times that of "
        f"the zeroed network, with {number(values['bytes'], digits=2)} times the bytes"
    )


_EVIDENCE: dict[str, Callable[[Claim, Results], str]] = {
    "weights_plateau": _plateau,
    "units_plateau": _plateau,
    "equal_percent": _two,
    "equal_weights": _two,
    "falling": _falling,
    "variable": _variable,
    "epochs_accuracy": _epochs,
    "epochs_end": _epochs,
    "alternative": _differences,
    "evened": _differences,
    "zeroed": _zeroed,
    "removed": _removed,
}


def verdict(claim: Claim) -> str:
    """Say whether a claim holds, in one line."""
    return f"{TITLES[claim.name]}: {claim.verdict}{'' if claim.verdict == OPEN else ' here'}."


def answer(claim: Claim, results: Results) -> str:
    """Answer a claim: verdict, numbers, rule."""
    if claim.verdict == OPEN:
        return verdict(claim)
    return f"{verdict(claim)} {capitalised(_EVIDENCE[claim.name](claim, results))}. The rule: {RULES[claim.name]}."
