"""Timing: contenders in turn, compiled before and finished within the timer, the fastest of several repeats."""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

# Most seconds for the repeats of a contender.
PATIENCE = 10.0


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


class Contender(NamedTuple):
    """A way to do the work.

    Attributes
    ----------
    name : as shown in the tables
    run : does the whole work once; arrays that are still being computed may be returned
    masks : gate vectors that one run evaluates
    answer : what ``run`` returned -> Answer
    known : seconds of runs that were timed before, while its best batch was sought
    """

    name: str
    run: Callable[[], Any]
    masks: int
    answer: Callable[[Any], Answer] | None = None
    known: tuple[float, ...] = ()


class Timing(NamedTuple):
    """Times of a contender.

    Attributes
    ----------
    name, masks : the contender's
    repeats : seconds of each run
    deviation : largest relative error of its answer against float64, or None where it was not checked
    """

    name: str
    masks: int
    repeats: tuple[float, ...]
    deviation: float | None = None

    @property
    def seconds(self) -> float:
        """Seconds of the fastest run, which other processes disturbed least."""
        return min(self.repeats)

    @property
    def rate(self) -> float:
        """Masks a second in the fastest run."""
        return self.masks / self.seconds

    @property
    def spread(self) -> float:
        """Ratio of median to fastest run: 1 on a quiet machine."""
        return float(np.median(self.repeats)) / self.seconds


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
    contenders: dict[str, Contender], repeats: int, check: Callable[[Answer], float] | None = None
) -> dict[str, Timing]:
    """Time contenders in turn, run by run, so that a slower machine slows them all.

    Parameters
    ----------
    contenders : what to time
    repeats : runs of each, fewer where they take longer than ``PATIENCE``
    check : Answer -> largest relative error; raises where the answer is wrong

    Returns
    -------
    dict with a Timing for each contender, in their order
    """
    deviations = {}
    for name, contender in contenders.items():
        result = jax.block_until_ready(contender.run())  # compiles
        deviations[name] = check(contender.answer(result)) if check and contender.answer else None
        del result
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, contender in contenders.items():
            runs = times[name]
            if not runs or sum(runs) + runs[-1] < PATIENCE:
                runs.append(seconds(contender.run))
    return {
        name: Timing(contender.name, contender.masks, (*contender.known, *times[name]), deviations[name])
        for name, contender in contenders.items()
    }


def best_batch(
    make: Callable[[int], Contender], batches: Sequence[int], repeats: int = 2
) -> tuple[Contender, list[Timing]]:
    """Return a contender at its fastest batch, with all trials.

    Every other batch is tried first, then those on both sides of the best one.

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
                contender = make(batches[index])
                jax.block_until_ready(contender.run())  # compiles
                runs = tuple(seconds(contender.run) for _ in range(repeats))
                tried[index] = Timing(contender.name, contender.masks, runs)
        return min(tried, key=lambda index: tried[index].seconds)

    near = try_all(list(range(0, len(batches), 2)))
    best = try_all([near - 1, near + 1])
    return make(batches[best])._replace(known=tried[best].repeats), [tried[index] for index in sorted(tried)]
