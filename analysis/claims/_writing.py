"""Claims as papers and reports show them: a table, the number that decided, a sentence, named numbers."""

from collections import Counter
from collections.abc import Mapping

import numpy as np

from analysis._formatting import enumerate_words, format_number
from analysis.claims._judging import FAILS, HOLDS, NOT_COMPARABLE, NOT_MEASURED, PARTLY, UNDECIDED, VERDICTS, Claim
from analysis.intervals import Interval
from analysis.numbers import Numbers
from analysis.tables import Column, Table

#: Of more parts, the table of the claims shows the lowest and the highest number only.
_MOST_PARTS = 4
_TALLIED = {
    HOLDS: ("holds", "hold"),
    PARTLY: ("holds partly", "hold partly"),
    FAILS: ("does not hold", "do not hold"),
    UNDECIDED: ("is undecided", "are undecided"),
    NOT_COMPARABLE: ("cannot be compared", "cannot be compared"),
    NOT_MEASURED: ("was not measured", "were not measured"),
}


def table(claims: Mapping[str, Claim], caption: str) -> Table:
    """Make the table of the claims: claim, verdict, measured value with its interval, published value, source, rule.

    Parameters
    ----------
    claims : mapping of str to Claim
        Claims by name, in the order of the rows.
    caption : str
        Where the claims are from.

    Returns
    -------
    Table
        Named "claims". The rules stand in the CSV file alone, and a column that says nothing, or the same of every
        claim, is left out.

    See Also
    --------
    tally : One sentence in place of a table.
    measured : How the numbers are written.

    Examples
    --------
    >>> from analysis import claims
    >>> of = claims.Statement("Half the nodes can go", "It holds if the share is above 0.5.")
    >>> half = claims.Claim(of, claims.HOLDS, measured=Interval(0.62, 0.04, 8), unit="%")
    >>> made = claims.table({"half": half}, caption="Claims.")
    >>> [column.header for column in made.columns]
    ['claim', 'verdict', 'measured', 'rule']
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
    """Write the number that decided, with its interval.

    Of a claim of several parts it writes those of all of them, of many the lowest and the highest, or else how many of
    the parts hold. Digits go as far as the first one of half the interval, and one behind the point at least.

    Parameters
    ----------
    claim : Claim
        What was judged.

    Returns
    -------
    str
        With spaces that do not break; empty where nothing was measured.

    See Also
    --------
    analysis.intervals.Interval.text : Writes one interval.

    Examples
    --------
    >>> from analysis import claims
    >>> of, mean = claims.Statement("Half the nodes can go", "..."), Interval(0.123, 0.004, 8)
    >>> claims.measured(claims.Claim(of, claims.HOLDS, measured=mean, unit="points")).replace("\u00a0", " ")
    '12.3 ± 0.4 points'
    >>> claims.measured(claims.Claim(of, claims.HOLDS, measured=mean)).replace("\u00a0", " ")
    '0.123 ± 0.004'
    >>> alone = Interval(8.0, float("nan"), 1)
    >>> claims.measured(claims.Claim(of, claims.HOLDS, measured=alone, unit="flips")).replace("\u00a0", " ")
    '8 flips'
    >>> parts = {str(mean): (claims.HOLDS, {"measured": Interval(mean, 0.5, 8)}) for mean in (1, 3, 2, 5, 4)}
    >>> claims.measured(claims.judged(of, parts)).replace("\u00a0", " ")
    '1.0 ± 0.5 to 5.0 ± 0.5 (5 parts)'
    """
    if claim.measured is not None:
        return _with_unit(claim.measured, claim.unit)
    parts = [(part.get("measured"), part.get("unit", claim.unit)) for part in claim.values.values()]
    found = [(one, unit) for one, unit in parts if isinstance(one, Interval)]
    if claim.known and parts and len(found) == len(parts):
        if len(parts) <= _MOST_PARTS:
            return ", ".join(_with_unit(one, unit) for one, unit in found)
        ends = (pick(found, key=lambda pair: pair[0].mean) for pick in (min, max))
        return " to ".join(_with_unit(one, unit) for one, unit in ends) + f" ({len(parts)} parts)"
    if len(claim.cases) < 2 or not claim.known:
        return ""
    return f"{sum(one == HOLDS for one in claim.cases.values())} of {len(claim.cases)} parts hold"


def tally(claims: Mapping[str, Claim]) -> str:
    """Count the verdicts in one sentence.

    Parameters
    ----------
    claims : mapping of str to Claim
        Claims by name.

    Returns
    -------
    str
        A sentence of plain text.

    See Also
    --------
    add_numbers : The same counts as numbers of a report.

    Examples
    --------
    >>> from analysis import claims
    >>> of = claims.Statement("Half the nodes can go", "It holds if the share is above 0.5.")
    >>> claims.tally({"half": claims.Claim(of, claims.HOLDS), "most": claims.Claim(of, claims.UNDECIDED)})
    'Of 2 claims 1 holds and 1 is undecided here.'
    """
    counts = Counter(claim.verdict for claim in claims.values())
    parts = [
        f"{counts[verdict]} {words[counts[verdict] > 1]}" for verdict, words in _TALLIED.items() if counts[verdict]
    ]
    count = f"{len(claims)} claim{'s' * (len(claims) != 1)}"
    return f"Of {count} {enumerate_words(parts)} here."


def add_numbers(numbers: Numbers, claims: Mapping[str, Claim]) -> None:
    """Add to the numbers of a report every verdict, and how many claims have each.

    Parameters
    ----------
    numbers : Numbers
        They are added to in place.
    claims : mapping of str to Claim
        Claims by name; the number of one is called "claim" and its name.

    Raises
    ------
    ValueError
        If the numbers hold claims already.

    See Also
    --------
    tally : The same counts as a sentence.

    Examples
    --------
    >>> from analysis import claims
    >>> found, of = Numbers("mine"), claims.Statement("Half the nodes can go", "...")
    >>> claims.add_numbers(found, {"half": claims.Claim(of, claims.HOLDS)})
    >>> found("claim half").value, found("claims holds").value, found("claims undecided").value
    ('holds', 1, 0)
    """
    for name, claim in claims.items():
        numbers.add(f"claim {name}", claim.verdict)
    counts = Counter(claim.verdict for claim in claims.values())
    numbers.add("claims", len(claims))
    for verdict in VERDICTS:
        numbers.add(f"claims {verdict}", counts[verdict])
