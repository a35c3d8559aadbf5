"""Claims: what a source says, what was measured, by which rule it is judged, and the verdict.

One language for all studies: every claim is a `Statement`, judged into a `Claim` with one of six verdicts, from an
interval against a bound, from a share of cases, or from the verdicts of its parts.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from analysis._formatting import enumerate_words, format_number
from analysis.intervals import Interval
from analysis.numbers import Numbers
from analysis.tables import Column, Table

HOLDS = "holds"
PARTLY = "holds partly"
FAILS = "does not hold"
#: The interval reaches to both sides of the bound, or there is no interval.
UNDECIDED = "undecided"
#: What was measured here is of another kind than what the source measured.
NOT_COMPARABLE = "not comparable"
#: The run has no numbers for it.
NOT_MEASURED = "not measured"
VERDICTS = (HOLDS, PARTLY, FAILS, UNDECIDED, NOT_COMPARABLE, NOT_MEASURED)
#: Of more parts, the table of the claims shows the lowest and the highest number only.
MOST_PARTS = 4


@dataclass(frozen=True)
class Statement:
    """What is claimed.

    Attributes
    ----------
    title : str
        The claim in a few words.
    rule : str
        When it holds, when it does not; follows "The rule: ".
    published : str
        The published value in the source's own words, where there is one.
    source : str
        "published", or "ours" for what the source leaves open.
    """

    title: str
    rule: str
    published: str = ""
    source: str = "published"


@dataclass(frozen=True)
class Claim:
    """A statement and its verdict.

    Attributes
    ----------
    statement : Statement
    verdict : str
        One of `VERDICTS`.
    measured : Interval or None
        The number that decided, with its interval where it has one; None for claims of several parts.
    unit : str
        Unit of the number: "%" and "points" (percentage points) for shares, which are multiplied by 100.
    cases : mapping of str to str
        Verdicts of the parts, by name.
    values : mapping of str to mapping
        The numbers behind each part; intervals under "measured" stand in the table of the claims, in the unit of the
        claim or in that under "unit".
    """

    statement: Statement
    verdict: str
    measured: Interval | None = None
    unit: str = ""
    cases: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def known(self) -> bool:
        """Whether anything was measured."""
        return self.verdict != NOT_MEASURED


def judged(
    statement: Statement, parts: Mapping[str, tuple[str, Mapping[str, Any]]], verdict: str | None = None
) -> Claim:
    """Return the claim with parts, each a verdict and its numbers.

    Parameters
    ----------
    statement : Statement
    parts : mapping of str to (str, mapping)
    verdict : str, optional
        Of the whole; by default what `combined` makes of the parts.
    """
    cases = {name: one for name, (one, _) in parts.items()}
    values = {name: numbers for name, (_, numbers) in parts.items()}
    return Claim(statement, combined(cases.values()) if verdict is None else verdict, cases=cases, values=values)


def combined(verdicts: Iterable[str]) -> str:
    """Join verdicts of parts: where some hold and some do not, it holds partly; an undecided part leaves it undecided.

    Parts that were not measured do not count.

    Examples
    --------
    >>> combined([HOLDS, FAILS, UNDECIDED]), combined([HOLDS, UNDECIDED]), combined([HOLDS, NOT_MEASURED])
    ('holds partly', 'undecided', 'holds')
    """
    known = {verdict for verdict in verdicts if verdict != NOT_MEASURED}
    if len(known) < 2:
        return known.pop() if known else NOT_MEASURED
    return PARTLY if {HOLDS, FAILS} <= known or PARTLY in known else UNDECIDED


def everywhere(verdicts: Iterable[str]) -> str:
    """Join verdicts on what is claimed of every case: one case in which it fails is enough.

    Examples
    --------
    >>> everywhere([HOLDS, FAILS, UNDECIDED]), everywhere([HOLDS, UNDECIDED]), everywhere([])
    ('does not hold', 'undecided', 'not measured')
    """
    known = {verdict for verdict in verdicts if verdict != NOT_MEASURED}
    if not known:
        return NOT_MEASURED
    return FAILS if FAILS in known else HOLDS if known == {HOLDS} else UNDECIDED


def above(found: Interval, bound: float = 0.0) -> str:
    """Judge that a mean is above a bound: its whole interval is (holds), is below (does not hold), or lies across.

    Examples
    --------
    >>> above(Interval(0.3, 0.02, 9), 0.1), above(Interval(0.1, 0.02, 9), 0.1), above(Interval(0.3, float("nan"), 1))
    ('holds', 'undecided', 'undecided')
    """
    if not found.networks:
        return NOT_MEASURED
    if not found.known:
        return UNDECIDED
    return HOLDS if found.low > bound else FAILS if found.high < bound else UNDECIDED


def within(found: Interval, low: float, high: float) -> str:
    """Judge that a mean lies within bounds: its whole interval does (holds), lies outside (does not hold), or across.

    Examples
    --------
    >>> within(Interval(0.6, 0.02, 9), 0.5, 0.7), within(Interval(0.5, 0.02, 9), 0.5, 0.7)
    ('holds', 'undecided')
    """
    if not found.networks:
        return NOT_MEASURED
    if not found.known:
        return UNDECIDED
    if low <= found.low and found.high <= high:
        return HOLDS
    return FAILS if found.high < low or found.low > high else UNDECIDED


def by_share(share: float, holds: float, fails: float) -> str:
    """Judge from a share of cases: `holds` or more, `fails` or fewer, or partly between; NaN was not measured.

    Examples
    --------
    >>> by_share(0.95, 0.9, 0.5), by_share(0.7, 0.9, 0.5), by_share(0.5, 0.9, 0.5)
    ('holds', 'holds partly', 'does not hold')
    """
    if np.isnan(share):
        return NOT_MEASURED
    return HOLDS if share >= holds else FAILS if share <= fails else PARTLY


def table(claims: Mapping[str, Claim], caption: str) -> Table:
    """Make the table of the claims: claim, verdict, measured value with its interval, published value, source, rule.

    Parameters
    ----------
    claims : mapping of str to Claim
    caption : str
        Where the claims are from.

    Returns
    -------
    Table
        Named "claims". The rules stand in the CSV file alone.
    """
    found = list(claims.values())
    columns = [
        Column("claim", "claim", [one.statement.title for one in found]),
        Column("verdict", "verdict", [one.verdict for one in found]),
        Column("measured", "measured", [measured(one) for one in found]),
        Column("published", "published", [one.statement.published for one in found]),
        Column("source", "from", [one.statement.source for one in found]),
        Column("rule", "rule", [one.statement.rule for one in found], csv_only=True),
    ]
    # A column that says the same of every claim, or nothing, is left out.
    told = {"source": len({one.statement.source for one in found}) > 1}
    kept = [one for one in columns if told.get(one.key, any(one.values))]
    return Table("claims", caption, kept)


def _with_unit(found: Interval, unit: str) -> str:
    found = found.times(100) if unit in ("%", "points") else found
    if not found.known:
        if not found.networks:
            return "not known"
        # A number of one network, or an exact one, stands alone.
        digits = None if float(found.mean).is_integer() else 3
        alone = format_number(found.mean, digits=digits, style="html")
        return f"{alone}\u00a0{unit}".rstrip()
    decimals = -int(np.floor(np.log10(found.half))) if found.half > 0 else 1 if unit else 3
    return found.text(max(1, min(decimals, 4)), unit)


def measured(claim: Claim) -> str:
    """Write the number that decided with its interval, those of all parts, or how many of the parts hold.

    Digits go as far as the first one of half the interval, and one behind the point at least.

    Examples
    --------
    >>> measured(Claim(Statement("t", "r"), HOLDS, Interval(0.123, 0.004, 8), "points")).replace("\u00a0", " ")
    '12.3 ± 0.4 points'
    >>> measured(Claim(Statement("t", "r"), HOLDS, Interval(0.123, 0.004, 8))).replace("\u00a0", " ")
    '0.123 ± 0.004'
    >>> measured(Claim(Statement("t", "r"), HOLDS, Interval(8.0, float("nan"), 1), "flips")).replace("\u00a0", " ")
    '8 flips'
    >>> parts = {str(mean): (HOLDS, {"measured": Interval(mean, 0.5, 8)}) for mean in (1, 3, 2, 5, 4)}
    >>> measured(judged(Statement("t", "r"), parts)).replace("\u00a0", " ")
    '1.0 ± 0.5 to 5.0 ± 0.5 (5 parts)'
    """
    if claim.measured is not None:
        return _with_unit(claim.measured, claim.unit)
    parts = [(part.get("measured"), part.get("unit", claim.unit)) for part in claim.values.values()]
    found = [(one, unit) for one, unit in parts if isinstance(one, Interval)]
    if claim.known and parts and len(found) == len(parts):
        if len(parts) <= MOST_PARTS:
            return ", ".join(_with_unit(one, unit) for one, unit in found)
        ends = (pick(found, key=lambda pair: pair[0].mean) for pick in (min, max))
        return " to ".join(_with_unit(one, unit) for one, unit in ends) + f" ({len(parts)} parts)"
    if len(claim.cases) < 2 or not claim.known:
        return ""
    return f"{sum(one == HOLDS for one in claim.cases.values())} of {len(claim.cases)} parts hold"


_TALLIED = {
    HOLDS: ("holds", "hold"),
    PARTLY: ("holds partly", "hold partly"),
    FAILS: ("does not hold", "do not hold"),
    UNDECIDED: ("is undecided", "are undecided"),
    NOT_COMPARABLE: ("cannot be compared", "cannot be compared"),
    NOT_MEASURED: ("was not measured", "were not measured"),
}


def tally(claims: Mapping[str, Claim]) -> str:
    """Count the verdicts in one sentence."""
    counts = Counter(claim.verdict for claim in claims.values())
    parts = [
        f"{counts[verdict]} {words[counts[verdict] > 1]}" for verdict, words in _TALLIED.items() if counts[verdict]
    ]
    count = f"{len(claims)} claim{'s' * (len(claims) != 1)}"
    return f"Of {count} {enumerate_words(parts)} here."


def graded(found: Interval, holds: float, fails: float) -> str:
    """Judge as `by_share`, from the whole interval of a mean: undecided where it reaches over `holds` or `fails`.

    Examples
    --------
    >>> graded(Interval(0.95, 0.02, 9), 0.9, 0.5), graded(Interval(0.7, 0.1, 9), 0.9, 0.5)
    ('holds', 'holds partly')
    >>> graded(Interval(0.9, 0.05, 9), 0.9, 0.5), graded(Interval(0.3, 0.1, 9), 0.9, 0.5)
    ('undecided', 'does not hold')
    """
    if not found.networks:
        return NOT_MEASURED
    low, high = by_share(found.low, holds, fails), by_share(found.high, holds, fails)
    return low if found.known and low == high else UNDECIDED


def add_numbers(numbers: Numbers, claims: Mapping[str, Claim]) -> None:
    """Add every verdict, and how many claims have each of the verdicts."""
    for name, claim in claims.items():
        numbers.add(f"claim {name}", claim.verdict)
    counts = Counter(claim.verdict for claim in claims.values())
    numbers.add("claims", len(claims))
    for verdict in VERDICTS:
        numbers.add(f"claims {verdict}", counts[verdict])
