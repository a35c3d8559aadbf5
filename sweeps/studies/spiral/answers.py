"""The published claims in words: what was said, what was measured here, and by which rule it is answered."""

from analysis.reports.wording import percent, whole
from sweeps.studies.spiral.claims import BAD, FAILS, HOLDS, NEAR, PUBLISHED_PEAK, SAME, SHARP, SINGLE, Claim
from sweeps.studies.spiral.measures.compare import MARGINS, OPEN
from sweeps.studies.spiral.results import Results
from sweeps.studies.spiral.text import points, share, value

#: Each claim in a few words.
TITLES = {
    "random_bad": "Random pruning after training leaves bad networks",
    "prune_first_good": "Networks pruned at random first train well",
    "random_order_matters": "Random pruning does not commute with training",
    "random_kernels": "The kernels correlate all the same (random nodes)",
    "diagonal": "Some weights never move in either: the sharp diagonal",
    "peaks": f"Weights like to move by about ±{PUBLISHED_PEAK:g}",
    "single_gradient": "It is what Adam makes of a single gradient (ours)",
    "chosen_same": "Pruning those of smallest deviation changes no image",
    "chosen_similar": "Those pruned first give a similar image",
    "chosen_different": "That image is slightly different",
    "chosen_kernels": "The kernels correlate (nodes of smallest deviation)",
}
#: The rule by which each claim is answered; between its two sides a claim is undecided.
RULES = {
    "random_bad": f"the accuracy falls by more than {100 * BAD:g} percentage points, with its whole interval",
    "prune_first_good": (
        f"the accuracy is no more than {100 * BAD:g} percentage points below that of the full network of the same "
        "seed, with its whole interval"
    ),
    "random_order_matters": "accuracy or decisions do not commute, by the rules of the table of train and prune first",
    "random_kernels": "the mean correlation of the changes from the start is above 0, with its whole interval",
    "diagonal": (
        f"more than {percent(SHARP, 0)} of the weights that stay equal their start in both, with the whole interval"
    ),
    "peaks": (
        f"more than half of the networks have a peak, and the interval of its place lies within {PUBLISHED_PEAK:g} ± "
        f"{NEAR:g}"
    ),
    "single_gradient": (
        f"more than half of the networks have a peak, and the interval of its place lies within {percent(SINGLE, 0)} "
        "of the distance that Adam gives"
    ),
    "chosen_same": f"agreement with the trained network is above {percent(SAME, 0)}, with its whole interval",
    "chosen_similar": (
        "agreement with the trained network is not below that of a training in another order by more than "
        f"{100 * MARGINS['decisions']:g} percentage point, with its whole interval"
    ),
    "chosen_different": f"agreement with the trained network is below {percent(SAME, 0)}, with its whole interval",
    "chosen_kernels": "the mean correlation of the changes from the start is above 0, with its whole interval",
}


def measured(claim: Claim, results: Results) -> str:
    """Give the number that decided, in a few words."""
    found = claim.evidence
    if claim.name == "random_bad":
        return f"accuracy falls by {points(found, False)}"
    if claim.name == "prune_first_good":
        return f"accuracy against full: {points(found)}"
    if claim.name == "random_order_matters":
        return f"accuracy, train first less prune first: {points(found)}"
    if claim.name in ("peaks", "single_gradient"):
        return f"{value(found)}, in {whole(found.networks)} of {whole(results.networks)} networks"
    if claim.name in ("random_kernels", "chosen_kernels"):
        return f"correlation of changes {value(found, 2)}"
    if claim.name == "diagonal":
        return f"{share(found)} of the weights that stay"
    if claim.name == "chosen_similar":
        return f"agreement less that of the control: {points(found)}"
    return f"agreement {share(found, 2)}"


def brief(claim: Claim) -> str:
    """Give the number alone, for a table."""
    found = claim.evidence
    if claim.name in ("random_bad", "prune_first_good", "random_order_matters", "chosen_similar"):
        return points(found, claim.name != "random_bad").replace("percentage points", "points")
    if claim.name in ("peaks", "single_gradient"):
        return value(found)
    return value(found, 2) if claim.name.endswith("kernels") else share(found, 2)


def verdict(claim: Claim) -> str:
    """Say whether a claim holds, in one line."""
    return f"{TITLES[claim.name]}: {claim.verdict}{' here' if claim.verdict in (HOLDS, FAILS) else ''}."


def answer(claim: Claim, results: Results) -> str:
    """Answer a claim: verdict, number, rule."""
    said = measured(claim, results)
    why = "There are too few seeds for an interval. " if claim.verdict == OPEN else ""
    return f"{verdict(claim)} {why}{said[:1].upper() + said[1:]}. It holds where {RULES[claim.name]}."


def tally(results: Results) -> str:
    """Count the answers."""
    found = [claim.verdict for claim in results.claims.values() if claim.name != "single_gradient"]
    words = [f"{one}: {found.count(one)}" for one in dict.fromkeys(found)]
    return f"The {len(found)} published claims that this run can be asked about, by verdict: {', '.join(words)}."
