"""Claims: what a source says, what was measured, by which rule it is judged, and the verdict.

One language for all studies: every claim is a `Statement`, judged into a `Claim` with one of six verdicts, from an
interval against a bound, from a share of cases, or from the verdicts of its parts. `VERDICTS` are

- "holds", "holds partly", "does not hold"
- "undecided": the interval reaches to both sides of the bound, or there is none
- "not comparable": what was measured is of another kind than what the source measured
- "not measured": the run has no numbers for it
"""

from analysis.claims._judging import (
    FAILS,
    HOLDS,
    NOT_COMPARABLE,
    NOT_MEASURED,
    PARTLY,
    UNDECIDED,
    VERDICTS,
    Claim,
    Statement,
    above,
    by_share,
    combined,
    everywhere,
    graded,
    judged,
    within,
)
from analysis.claims._writing import add_numbers, measured, table, tally

__all__ = [
    "FAILS",
    "HOLDS",
    "NOT_COMPARABLE",
    "NOT_MEASURED",
    "PARTLY",
    "UNDECIDED",
    "VERDICTS",
    "Claim",
    "Statement",
    "above",
    "add_numbers",
    "by_share",
    "combined",
    "everywhere",
    "graded",
    "judged",
    "measured",
    "table",
    "tally",
    "within",
]
