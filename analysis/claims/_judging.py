"""The verdicts: a statement, what it becomes when it is judged, and the rules."""

from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import numpy as np

from analysis.intervals import Interval

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


@dataclass(frozen=True)
class Statement:
    """What is claimed, and when it counts as true.

    Attributes
    ----------
    title : str
        The claim in a few words.
    rule : str
        When it holds and when it does not, decided before anything is measured; follows "The rule: ".
    published : str
        The published value in the source's own words; empty where there is none.
    source : str
        "published", or "ours" for what the source leaves open.

    See Also
    --------
    Claim : A statement with its verdict.

    Examples
    --------
    >>> from analysis import claims
    >>> claims.Statement("A mask and its opposite are alike", "It holds if the correlation is above 0.").source
    'published'
    """

    title: str
    rule: str
    _: KW_ONLY
    published: str = ""
    source: str = "published"


@dataclass(frozen=True)
class Claim:
    """A statement and its verdict.

    Attributes
    ----------
    statement : Statement
        What is claimed.
    verdict : str
        One of `VERDICTS`.
    measured : Interval or None
        The number that decided, with its interval where it has one; None for claims of several parts.
    unit : str
        Unit of the number. Shares are multiplied by 100 where it is "%" or "points" (percentage points).
    cases : mapping of str to str
        Verdicts of the parts, by name.
    values : mapping of str to mapping
        The numbers behind each part; intervals under "measured" stand in the table of the claims, in the unit of the
        claim or in that under "unit".

    See Also
    --------
    judged : Makes one of several parts.
    analysis.claims.table : Shows claims.

    Examples
    --------
    >>> from analysis import claims
    >>> of = claims.Statement("Half the nodes can go", "It holds if the share is above 0.5.")
    >>> found = Interval(0.62, 0.04, 8)
    >>> claims.Claim(of, claims.above(found, bound=0.5), measured=found, unit="%").verdict
    'holds'
    """

    statement: Statement
    verdict: str
    _: KW_ONLY
    measured: Interval | None = None
    unit: str = ""
    cases: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def known(self) -> bool:
        """Whether anything was measured."""
        return self.verdict != NOT_MEASURED


def judged(
    statement: Statement, parts: Mapping[str, tuple[str, Mapping[str, Any]]], *, verdict: str | None = None
) -> Claim:
    """Make the claim of several parts, each with a verdict and its numbers.

    Parameters
    ----------
    statement : Statement
        What is claimed.
    parts : mapping of str to tuple of str and mapping
        By the name of the part its verdict and its numbers.
    verdict : str, optional
        Of the whole; what `combined` makes of the parts when left out. Pass ``everywhere(...)`` where one part that
        fails refutes the whole.

    Returns
    -------
    Claim
        With the verdicts of the parts in `cases` and their numbers in `values`.

    See Also
    --------
    combined, everywhere : Two ways to join verdicts.

    Examples
    --------
    >>> from analysis import claims
    >>> of = claims.Statement("Wide networks lose less", "It holds if the change is below 0.")
    >>> claims.judged(of, {"width 10": (claims.HOLDS, {}), "width 20": (claims.FAILS, {})}).verdict
    'holds partly'
    """
    cases = {name: one for name, (one, _) in parts.items()}
    values = {name: numbers for name, (_, numbers) in parts.items()}
    return Claim(statement, combined(cases.values()) if verdict is None else verdict, cases=cases, values=values)


def combined(verdicts: Iterable[str]) -> str:
    """Join verdicts of parts: where some hold and some do not, the whole holds partly.

    An undecided part beside others leaves the whole undecided; parts that were not measured do not count.

    Parameters
    ----------
    verdicts : iterable of str
        Of `VERDICTS`.

    Returns
    -------
    str
        One of `VERDICTS`; "not measured" where no part was.

    See Also
    --------
    everywhere : For what is claimed of every case.

    Examples
    --------
    >>> from analysis import claims
    >>> claims.combined(["holds", "does not hold", "undecided"]), claims.combined(["holds", "undecided"])
    ('holds partly', 'undecided')
    >>> claims.combined(["holds", "not measured"])
    'holds'
    """
    known = {verdict for verdict in verdicts if verdict != NOT_MEASURED}
    if len(known) < 2:
        return known.pop() if known else NOT_MEASURED
    return PARTLY if {HOLDS, FAILS} <= known or PARTLY in known else UNDECIDED


def everywhere(verdicts: Iterable[str]) -> str:
    """Join verdicts on what is claimed of every case: one case in which it fails is enough.

    Parameters
    ----------
    verdicts : iterable of str
        Of `VERDICTS`, one a case.

    Returns
    -------
    str
        "does not hold" as soon as one case fails, "holds" if all hold, otherwise "undecided"; "not measured" where no
        case was.

    See Also
    --------
    combined : Where a claim may hold partly.

    Examples
    --------
    >>> from analysis import claims
    >>> claims.everywhere(["holds", "does not hold", "undecided"]), claims.everywhere(["holds", "undecided"])
    ('does not hold', 'undecided')
    >>> claims.everywhere([])
    'not measured'
    """
    known = {verdict for verdict in verdicts if verdict != NOT_MEASURED}
    if not known:
        return NOT_MEASURED
    return FAILS if FAILS in known else HOLDS if known == {HOLDS} else UNDECIDED


def above(found: Interval, *, bound: float = 0.0) -> str:
    """Judge that a mean is above a bound, by its whole interval.

    Parameters
    ----------
    found : Interval
        The mean and its interval.
    bound : float
        In the unit of the mean.

    Returns
    -------
    str
        "holds" where the interval lies above the bound, "does not hold" where it lies below, "undecided" where it
        reaches to both sides or there is none, and "not measured" for no networks.

    See Also
    --------
    within : Between two bounds.
    graded : With a verdict between.

    Examples
    --------
    >>> from analysis import claims
    >>> claims.above(Interval(0.3, 0.02, 9), bound=0.1), claims.above(Interval(0.1, 0.02, 9), bound=0.1)
    ('holds', 'undecided')
    >>> claims.above(Interval(0.3, float("nan"), 1))
    'undecided'
    """
    if not found.networks:
        return NOT_MEASURED
    if not found.known:
        return UNDECIDED
    return HOLDS if found.low > bound else FAILS if found.high < bound else UNDECIDED


def within(found: Interval, low: float, high: float) -> str:
    """Judge that a mean lies between two bounds, by its whole interval.

    Parameters
    ----------
    found : Interval
        The mean and its interval.
    low, high : float
        The bounds, in the unit of the mean.

    Returns
    -------
    str
        "holds" where the whole interval lies between the bounds, "does not hold" where it lies outside, "undecided"
        where it lies across a bound or there is none, and "not measured" for no networks.

    See Also
    --------
    above : With one bound.

    Examples
    --------
    >>> from analysis import claims
    >>> [claims.within(Interval(mean, 0.02, 9), low=0.5, high=0.7) for mean in (0.6, 0.5, 0.4)]
    ['holds', 'undecided', 'does not hold']
    """
    if not found.networks:
        return NOT_MEASURED
    if not found.known:
        return UNDECIDED
    if low <= found.low and found.high <= high:
        return HOLDS
    return FAILS if found.high < low or found.low > high else UNDECIDED


def by_share(share: float, holds: float, fails: float) -> str:
    """Judge from the share of cases in which something is so.

    Parameters
    ----------
    share : float
        From 0 to 1; NaN for no cases.
    holds, fails : float
        From which share on the claim holds, and up to which share it does not.

    Returns
    -------
    str
        "holds", "holds partly" between the two, "does not hold", or "not measured" for NaN.

    See Also
    --------
    graded : The same from a mean with its interval.

    Examples
    --------
    >>> from analysis import claims
    >>> [claims.by_share(share, holds=0.9, fails=0.5) for share in (0.95, 0.7, 0.5)]
    ['holds', 'holds partly', 'does not hold']
    """
    if np.isnan(share):
        return NOT_MEASURED
    return HOLDS if share >= holds else FAILS if share <= fails else PARTLY


def graded(found: Interval, holds: float, fails: float) -> str:
    """Judge as `by_share`, from the whole interval of a mean.

    Parameters
    ----------
    found : Interval
        The mean share, from 0 to 1, and its interval.
    holds, fails : float
        From which share on the claim holds, and up to which share it does not.

    Returns
    -------
    str
        As `by_share`, or "undecided" where the interval reaches over `holds` or `fails` or there is none.

    See Also
    --------
    by_share : From a share that is known.

    Examples
    --------
    >>> from analysis import claims
    >>> claims.graded(Interval(0.95, 0.02, 9), holds=0.9, fails=0.5)
    'holds'
    >>> claims.graded(Interval(0.7, 0.1, 9), holds=0.9, fails=0.5)
    'holds partly'
    >>> claims.graded(Interval(0.9, 0.05, 9), holds=0.9, fails=0.5)
    'undecided'
    """
    if not found.networks:
        return NOT_MEASURED
    low, high = by_share(found.low, holds, fails), by_share(found.high, holds, fails)
    return low if found.known and low == high else UNDECIDED
