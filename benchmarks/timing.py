"""Timing: contenders in turn, compiled before and finished within the timer, the fastest of several repeats."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks.compiled import Unavailable

# Most seconds for the repeats of a contender.
PATIENCE = 10.0
# Most letters of an error that a report shows.
MOST_SAID = 200


class Answer(NamedTuple):
    """Some of a contender's numbers, for comparison with a slow exact evaluation.

    Attributes
    ----------
    gates : shape (some, nodes)
    loss : shape (some,)
    gradient : d loss / d gate, shape (some, nodes), or None where only losses were asked for
    """

    gates: Any
    loss: Any
    gradient: Any = None


class Timing(NamedTuple):
    """Times of a contender.

    Attributes
    ----------
    name, masks : the contender's
    repeats : seconds of each run
    deviation : largest relative error of its answer against float64, or None where it was not checked
    failed : what went wrong, the answer or an error while it ran, or None; no speed is claimed then
    """

    name: str
    masks: int
    repeats: tuple[float, ...]
    deviation: float | None = None
    failed: str | None = None

    @property
    def seconds(self) -> float:
        """Seconds of the fastest run, which other processes disturbed least; NaN of one that failed."""
        return np.nan if self.failed else min(self.repeats)

    @property
    def rate(self) -> float:
        """Masks a second in the fastest run."""
        return self.masks / self.seconds

    @property
    def spread(self) -> float:
        """Ratio of median to fastest run: 1 on a quiet machine."""
        return np.nan if self.failed else float(np.median(self.repeats)) / self.seconds


class Contender(NamedTuple):
    """A way to do the work.

    Attributes
    ----------
    name : as shown in the tables
    run : does the whole work once; arrays that are still being computed may be returned
    masks : gate vectors that one run evaluates
    answer : what ``run`` returned -> what the check of the benchmark takes, an Answer for most
    tried : of other batches and of this one, while the best was sought
    """

    name: str
    run: Callable[[], Any]
    masks: int
    answer: Callable[[Any], Any] | None = None
    tried: tuple[Timing, ...] = ()

    @property
    def known(self) -> tuple[float, ...]:
        """Seconds of runs that were timed before, while its best batch was sought."""
        return tuple(second for one in self.tried if one.name == self.name for second in one.repeats)


def gathered(makers: dict[str, Callable[[], Contender]]) -> tuple[dict[str, Contender], list[str]]:
    """Make contenders; return them, and why others are skipped.

    One that cannot be made for any other reason than that something is not installed is a contender that fails.
    """
    made, skipped = {}, []
    for name, make in makers.items():
        try:
            made[name] = make()
        except Unavailable as reason:
            skipped.append(f"Skipped, {name}: {reason}.")
        except Exception as error:  # named in the report; the others go on
            made[name] = Contender(name, partial(_raise, error), 0)
    return made, skipped


def _raise(error: Exception) -> None:
    raise error


def seconds(run: Callable[[], Any]) -> float:
    """Return the seconds of a run until all its results are there."""
    start = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - start


def fastest(run: Callable[[], Any], least: int = 5, span: float = 0.3) -> float:
    """Return the seconds of the fastest of several runs, after a run that compiles.

    Parameters
    ----------
    run : the work
    least : runs at least
    span : seconds to go on for: short runs are repeated until the machine was quiet for one of them
    """
    seconds(run)
    end = time.perf_counter() + span
    times = [seconds(run) for _ in range(least)]
    while time.perf_counter() < end:
        times.append(seconds(run))
    return min(times)


def in_turn(
    contenders: dict[str, Contender], repeats: int, check: Callable[[Any], float | None] | None = None
) -> dict[str, Timing]:
    """Time contenders in turn, run by run, so that a slower machine slows them all.

    One that raises an error, or whose answer is wrong, is timed no further, and its Timing says so.

    Parameters
    ----------
    contenders : what to time
    repeats : runs of each, fewer where they take longer than ``PATIENCE``
    check : answer -> largest relative error, or None if it has none; raises where the answer is wrong

    Returns
    -------
    dict with a Timing for each contender, in their order
    """
    timings = {name: _first(contender, check) for name, contender in contenders.items()}
    for _ in range(repeats):
        for name, contender in contenders.items():
            runs = timings[name].repeats
            if timings[name].failed or (runs and sum(runs) + runs[-1] > PATIENCE):
                continue
            try:
                timings[name] = timings[name]._replace(repeats=(*runs, seconds(contender.run)))
            except Exception as error:
                timings[name] = timings[name]._replace(failed=_said(error))
    return {name: one._replace(repeats=(*contenders[name].known, *one.repeats)) for name, one in timings.items()}


def _first(contender: Contender, check: Callable[[Any], float | None] | None) -> Timing:
    """Run a contender once, which compiles, and check its answer."""
    timing = Timing(contender.name, contender.masks, ())
    try:
        result = jax.block_until_ready(contender.run())
        return timing._replace(deviation=check(contender.answer(result)) if check and contender.answer else None)
    except Exception as error:
        return timing._replace(failed=_said(error))


def _said(error: Exception) -> str:
    """Name an error in a line."""
    return f"{type(error).__name__}: {error}".splitlines()[0][:MOST_SAID].replace("|", "/")


def best_batch(make: Callable[[int], Contender], batches: Sequence[int], repeats: int = 2) -> Contender:
    """Return a contender at its fastest batch, with all trials.

    Every other batch is tried first, then those on both sides of the best one. Batches that fail, as those that are
    too large for the memory, are passed over.

    Parameters
    ----------
    make : batch -> Contender
    batches : which batches to try, in order
    repeats : runs of each
    """
    tried: dict[int, Timing] = {}

    def try_all(indices: list[int]) -> int:
        for index in indices:
            if 0 <= index < len(batches):
                tried[index] = in_turn({"": make(batches[index])}, repeats)[""]
        return min(tried, key=lambda index: np.nan_to_num(tried[index].seconds, nan=np.inf))

    near = try_all(list(range(0, len(batches), 2)))
    best = try_all([near - 1, near + 1])
    return make(batches[best])._replace(tried=tuple(tried[index] for index in sorted(tried)))


def best_of(contenders: Sequence[Contender]) -> Contender:
    """Return the contender with the fastest trial; it takes over the trials of the others."""
    best = min(contenders, key=lambda one: min(one.known, default=np.inf))
    return best._replace(tried=tuple(trial for one in contenders for trial in one.tried))


def evidence(contenders: dict[str, Contender], timings: dict[str, Timing]) -> dict[str, Any]:
    """Return every repeat and every batch tried, to be stored."""
    tried = [trial._asdict() for one in contenders.values() for trial in one.tried]
    return dict(timings=[one._asdict() for one in timings.values()], batches_tried=tried)
