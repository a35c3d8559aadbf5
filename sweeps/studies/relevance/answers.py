"""The claims of the relevance study in words: what was said, what was measured, and by which rule it is answered."""

from collections.abc import Callable

import numpy as np

from analysis.reports.wording import capitalised, enumerate_words, number, percent
from sweeps.studies.relevance import claims
from sweeps.studies.relevance.measures import demonstrations, heat, ledger, nodes, supervised
from sweeps.studies.relevance.names import measure_name, names_of
from sweeps.studies.relevance.results import Results
from sweeps.studies.shrinking.claims import FAILS, HOLDS, OPEN, PARTLY, Claim
from sweeps.studies.sparsity.answers import in_points, said

#: Each claim in a few words.
TITLES = {
    "conserved": "Nothing disappears: inputs, biases and what is absorbed add up to the output",
    "one_method": "With biases as inputs, LRP is the slope rule, and this gradient × input",
    "scaling": "Under scaling, gradient goes with gradient, slope and repeat; normalised with ignore",
    "constants": "Under maxima with constants, gradient goes with gradient alone",
    "radial": "The radial maximum matches the slope for two objects",
    "forms": "Softmax limit and relu form of a maximum disagree",
    "unstable": "The normalised rule with biases left out is unstable, the slope rule is not",
    "blamed": "With biases as inputs the normalised rule is stable, too",
    "beats_random": "Every method finds relevant regions better than chance",
    "same_ranking": "The ranking of the methods does not depend on the replacement",
    "node_relevance": "A relevance ranks hidden nodes better than the gate gradient does",
    "helps": "Training relevance into the region helps where the patch misleads",
    "beats_penalty": "It helps more than a gradient penalty",
    "gamed": "At the chosen strength the network games the trained measure",
    "gamed_somewhere": "There are strengths at which the network games it",
}
#: What the seed document did not say.
OURS = ("blamed", "beats_random", "same_ranking", "node_relevance", "helps", "beats_penalty")

_ENOUGH = (
    f"it holds where for one training or more the interval of the paired difference, at the chosen strengths, lies "
    f"above zero, and does not where all end below {100 * claims.MINOR:g} points (Bonferroni over the trainings)"
)
#: The rule by which each claim is answered.
RULES = {
    "conserved": (
        "it holds where the largest error of any step and any image is at most "
        f"{number(ledger.TOLERANCE, digits=None)} of the output, for every method that promises it; one that is above "
        "is enough for it not to hold"
    ),
    "one_method": (
        f"two methods are the same where no pixel of any stored image differs by more than {heat.SAME:g} of the "
        "largest relevance of both"
    ),
    "scaling": (
        "for every matrix rule beside every nonlinearity rule, the factors through b = αa agree where they were said "
        f"to and differ where not (within {number(demonstrations.SAME, digits=None)}); it holds partly where some do "
        "otherwise"
    ),
    "constants": (
        f"gradient agrees with gradient (within {number(demonstrations.SAME, digits=None)}), and no other pair does; "
        "the relu form is the "
        "gradient rule in other steps and does not count as another"
    ),
    "radial": f"the shares differ by at most {claims.MATCH:g} at every ratio",
    "forms": f"the share of an object differs by more than {claims.MATCH:g}",
    "unstable": (
        f"the largest relevance grows {claims.UNSTABLE:g}-fold or more, from the largest stabiliser (difference) to "
        f"the smallest, while that of the slope rule grows less than {claims.STABLE:g}-fold; it does not hold where "
        f"the first grows less than {claims.STABLE:g}-fold or the second {claims.UNSTABLE:g}-fold or more, and is "
        "undecided between"
    ),
    "blamed": (
        f"it grows less than {claims.STABLE:g}-fold; it does not hold where it grows {claims.UNSTABLE:g}-fold or more"
    ),
    "beats_random": (
        "it holds where the interval of the area between, less that of random order, image by image, lies above zero "
        "for all methods and replacements, and does not where one lies below (Bonferroni over the methods)"
    ),
    "same_ranking": (
        "it does not hold where two methods are told apart in opposite ways (Bonferroni over all pairs); it holds "
        f"where none are and the interval of the rank correlation lies above {claims.ALIKE:g}"
    ),
    "node_relevance": (
        "it holds where for one relevance or more the interval of the paired difference of rank correlations lies "
        "above zero, and does not where for all it lies below (Bonferroni over the relevances)"
    ),
    "helps": _ENOUGH,
    "beats_penalty": _ENOUGH,
    "gamed": (
        f"three things of plain training’s, network by network, of which no more than {percent(claims.HALF, 0)} is to "
        "be left: the share outside of the region by the trained measure; the same by the other measure; and reliance "
        "on the patch, the accuracy where it tells the class less that where it misleads. Gamed is where the interval "
        "of what is left lies below the bound for the first and above it for the other two; not gamed where below for "
        "all three, or where not even the first goes below; partly where the other two differ"
    ),
    "gamed_somewhere": (
        "the same at every strength that was tried; it holds where a training is gamed at one of them. The intervals "
        "are not corrected for the number of strengths, but three have to agree"
    ),
}


def _conserved(claim: Claim, results: Results) -> str:
    key = max(claim.values, key=lambda key: claim.values[key]["error"])
    worst = claim.values[key]
    good = sum(verdict == HOLDS for verdict in claim.cases.values())
    return (
        f"{good} of {len(claim.cases)} methods stay within the bound at every step; the largest error is "
        f"{number(worst['error'], digits=2)} of the output ({results.names.get(key, key)}, at {worst['step']})"
    )


def _one_method(claim: Claim, results: Results) -> str:
    parts = []
    for key, values in claim.values.items():
        one, other = key.split()
        apart = f"differ by {number(values['difference'], digits=2)} of the largest relevance at most"
        said_of = apart if values["difference"] > 0 else "do not differ"
        parts.append(f"{results.names[one]} and {results.names[other]} {said_of} ({claim.cases[key]})")
    return "; ".join(parts)


def _scaling(claim: Claim, results: Results) -> str:
    pairs = [values["pair"] for values in claim.values.values()]
    parts = []
    for matrix in dict.fromkeys(pair.matrix for pair in pairs):
        own = [pair for pair in pairs if pair.matrix == matrix]
        agree = [f"{pair.nonlinearity}" for pair in own if pair.agree]
        with_ = enumerate_words(agree) if agree else "no nonlinearity rule"
        parts.append(f"the matrix rule {matrix} (factor {number(own[0].factors[0], digits=2)}) goes with {with_}")
    alpha = results["consistency"].attrs.get("alpha")
    at = f"at α = {float(alpha):g}, " if alpha is not None else ""
    return at + "; ".join(parts)


def _constants(claim: Claim, results: Results) -> str:
    agree = claim.values["gradient"]["agree"]
    listed = [f"{maximum.replace('_', ' ')} with {nonlinearity}" for maximum, nonlinearity in agree]
    return f"these agree: {enumerate_words(listed)}" if listed else "no two rules agree"


def _radial(claim: Claim, results: Results) -> str:
    gap = claim.values["gap"]["gap"]
    share = demonstrations.only(results["two_objects"], "share").transpose("rule", "ratio")
    both = share.sel(ratio=gap.at, method="nearest")
    each = [f"{float(value):.2f} by {rule}" for rule, value in zip(both["rule"].values, both.values, strict=True)]
    near = float((abs(share[0] - share[1]) <= claims.MATCH).mean())
    return (
        f"the shares differ by up to {gap.size:.2f}, at a ratio of {number(gap.at, digits=2)}, where the first object "
        f"takes {enumerate_words(each)}; they match at {percent(near, 0)} of the ratios"
    )


def _forms(claim: Claim, results: Results) -> str:
    return f"an object's share differs by up to {claim.values['gap']['gap']:.2f}"


def _unstable(claim: Claim, results: Results) -> str:
    words = {"network": "in the network, as ε goes", "toy": "in relu(x₁ − x₂ + 1), as the inputs cancel"}
    parts = []
    for key, values in claim.values.items():
        own = values["own"]
        text = (
            f"{words[key]}, the largest relevance goes from {number(own.first, digits=2)} to "
            f"{number(own.last, digits=2)}, {number(own.times, digits=2)} times as large"
        )
        if "slope" in values:
            text += f"; that of the slope rule is {number(values['slope'].times, digits=2)} times as large"
        parts.append(f"{text} ({claim.cases[key]})")
    return "; ".join(parts)


def _beats_random(claim: Claim, results: Results) -> str:
    parts = []
    for replacement in results.replacements:
        own = {key: values for key, values in claim.values.items() if values["replacement"] == replacement}
        better = [key for key in own if claim.cases[key] == HOLDS]
        rest = [
            f"{results.names[values['method']]} {said(values['difference'], 3, signed=True)}"
            for key, values in own.items()
            if key not in better
        ]
        text = f"by {replacement}, {len(better)} of {len(own)} methods are above random order"
        parts.append(text + (f"; not so: {enumerate_words(rest)}" if rest else ""))
    return ". ".join(map(capitalised, parts))


def _same_ranking(claim: Claim, results: Results) -> str:
    parts = []
    for values in claim.values.values():
        one = values["agreement"]
        bounds = " (no interval)"
        if np.isfinite(one.low):
            low, high = (number(end, decimals=2) for end in (one.low, one.high))
            bounds = f" (95\u00a0% interval {low} to {high})"
        turned = [f"{results.names[a]} before {results.names[b]}" for a, b in one.turned[:4]]
        more = f" and {len(one.turned) - 4} more" if len(one.turned) > 4 else ""
        pairs = "pair is" if len(one.turned) == 1 else "pairs are"
        parts.append(
            f"between replacement by {one.one} and by {one.other} the mean areas of {one.methods} methods have a rank "
            f"correlation of {number(one.correlation, decimals=2)}{bounds}, and {len(one.turned)} {pairs} told apart "
            "in opposite ways"
            + (f" (by {one.one} {', '.join(turned)}{more}; the other way round by {one.other})" if turned else "")
        )
    return "; ".join(parts)


def _nodes(claim: Claim, results: Results) -> str:
    parts, names = [], names_of(results["nodes"], "measure")
    correlation = results.correlation
    assert correlation is not None
    for reference, values in claim.values.items():
        key = max(values["gaps"], key=lambda key: values["gaps"][key].mean)
        own, base = (nodes.mean_of(correlation, one, reference) for one in (key, "gate_gradient"))
        parts.append(
            f"with {measure_name(reference)} the best relevance is {names[key]}, ρ {said(own, 2)}, where the gate "
            f"gradient has {said(base, 2)}; difference {said(values['gaps'][key], 2, signed=True)} "
            f"({claim.cases[reference]})"
        )
    return "; ".join(parts)


def _differences(claim: Claim, results: Results) -> str:
    names = names_of(results["supervised"], "training")
    base = names[supervised.PLAIN if claim.name == "helps" else supervised.PENALTY]
    parts = [
        f"{names[key]} {in_points(values['difference'])} ({claim.cases[key]})" for key, values in claim.values.items()
    ]
    return f"accuracy on misleading images, less that of {base}: {enumerate_words(parts)}"


def _gamed(claim: Claim, results: Results) -> str:
    names = names_of(results["supervised"], "training")
    words = {HOLDS: "gamed", PARTLY: "partly gamed", FAILS: "not gamed", claims.UNDECIDED: "undecided"}
    parts = []
    for verdict_, word in words.items():
        own = [names[key] for key, one in claim.cases.items() if one == verdict_]
        parts += [f"{word}: {enumerate_words(own)}"] if own else []
    return f"at the chosen strengths, {'; '.join(parts)} (numbers in the table above)"


def _gamed_somewhere(claim: Claim, results: Results) -> str:
    names = names_of(results["supervised"], "training")
    parts, never = [], []
    for key, values in claim.values.items():
        at = [f"{strength:g}" for strength, verdict in values["verdicts"].items() if verdict == HOLDS]
        if at:
            parts.append(f"{names[key]} is gamed at λ\u00a0=\u00a0{enumerate_words(at)}")
        else:
            never.append(names[key])
    if never:
        parts.append(f"at no strength that was tried is this shown of {enumerate_words(never)}")
    return "; ".join(parts)


_EVIDENCE: dict[str, Callable[[Claim, Results], str]] = {
    "conserved": _conserved,
    "one_method": _one_method,
    "scaling": _scaling,
    "constants": _constants,
    "radial": _radial,
    "forms": _forms,
    "unstable": _unstable,
    "blamed": _unstable,
    "beats_random": _beats_random,
    "same_ranking": _same_ranking,
    "node_relevance": _nodes,
    "helps": _differences,
    "beats_penalty": _differences,
    "gamed": _gamed,
    "gamed_somewhere": _gamed_somewhere,
}


def verdict(claim: Claim) -> str:
    """Say whether a claim holds, in one line."""
    return f"{TITLES[claim.name]}: {claim.verdict}{'' if claim.verdict == OPEN else ' here'}."


def evidence(claim: Claim, results: Results) -> str:
    """Give the numbers behind the answer to a claim, as a sentence without its end."""
    return capitalised(_EVIDENCE[claim.name](claim, results))


def answer(claim: Claim, results: Results) -> str:
    """Answer a claim: verdict, numbers, rule."""
    if claim.verdict == OPEN:
        return verdict(claim)
    return f"{verdict(claim)} {evidence(claim, results)}. The rule: {RULES[claim.name]}."
