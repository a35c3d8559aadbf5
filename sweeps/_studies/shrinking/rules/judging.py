"""How the claims of this study are judged: parts with a number each, and what several rules read."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np

from analysis.claims import FAILS, PARTLY, Claim, Statement, combined, everywhere, judged
from analysis.intervals import Interval, interval
from sweeps._studies.shrinking.measures import Network
from sweeps._studies.shrinking.measures.paths import DROPS, Floats

#: "Consistently": at so many of the steps; the claim fails where it is no more than every other one.
CONSISTENT, CHANCE = 0.9, 0.5
#: How far the accuracy may fall, in words.
NEAR, FAR_DROP = (f"{100 * drop:g} percentage point{'' if drop == 0.01 else 's'}" for drop in DROPS)
Parts = Mapping[str, Interval]
#: More numbers than this are counted in the table of the claims, not listed.
LISTED = 3


def claim_of(
    statement: Statement,
    parts: Parts,
    judge: Callable[[Interval], str],
    join: Callable[[Iterable[str]], str] = combined,
    unit: str = "",
) -> Claim:
    """Judge a claim on several parts, each by one number with its interval.

    Parameters
    ----------
    statement : Statement
    parts : mapping of str to Interval
        By what the page calls the part.
    judge : callable
        Interval -> verdict.
    join : callable
        Verdicts of the parts -> verdict of the whole.
    unit : str
        "%" and "points" for shares.

    Returns
    -------
    Claim
        Its `values` have the interval of each part under "found".
    """
    names = ("found", "measured") if len(parts) <= LISTED else ("found",)
    judgements = {name: (judge(one), dict.fromkeys(names, one)) for name, one in parts.items()}
    found = judged(statement, judgements, verdict=join(verdict for verdict, _ in judgements.values()))
    return replace(found, unit=unit)


def worst(verdicts: Iterable[str]) -> str:
    """Join verdicts on what is claimed of every part; one that holds partly leaves the whole at that."""
    known = list(verdicts)
    return PARTLY if PARTLY in known and FAILS not in known else everywhere(known)


def losses_along(network: Network, method: str, ranking: str = "reranked") -> Floats:
    """Losses along the paths, (networks, steps), without the first and last step, which all methods have in common."""
    return network.curves("loss", method, ranking).values[:, 1:-1].astype(float)


def lower(one: Floats, other: Floats) -> Interval:
    """Share of the steps, of those that differ by more than rounding, at which one loss is lower than the other."""
    differ = ~np.isclose(one, other, rtol=1e-6, atol=0)
    count = differ.sum(axis=-1)
    lower = (differ & (one < other)).sum(axis=-1)
    return interval(np.divide(lower, count, out=np.full(count.shape, np.nan), where=count > 0))


def at(method: str) -> dict[str, str]:
    """Return where the re-ranked path of a method lies in a dataset."""
    return {"ranked_by": method, "ranking": "reranked"}
