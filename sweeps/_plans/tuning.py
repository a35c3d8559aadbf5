"""Tuning: measures a few batch sizes at the start of a long sweep, and keeps the fastest.

A batch size changes no mask, and losses only in their rounding. It is no part of what a sweep is, and a sweep that goes
on after a pause may take another one.
"""

import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from sweeps import _device
from sweeps._plans import preferred_batch
from sweeps._plans.vmapped import Vmapped

# Seconds that a sweep has to take at least, at this many numbers written a second, which few networks reach.
LONG, NUMBERS_A_SECOND = 30.0, 1e9
# Most of a sweep's expected time that a measurement may take.
SHARE = 0.02
# A batch is better if it takes less than this share of another's time; timings differ by that from run to run.
BETTER = 0.97
# Measured batches lie within this factor of the preferred one.
FARTHEST = 4
RUNS = 3

# The best batches of this process.
_known: dict[Any, int] = {}


def batch_size(
    plan: Vmapped,
    gradients: bool,
    masks: int,
    evaluate: Callable[[np.ndarray, int], Any],
    clock: Callable[[], float] = time.perf_counter,
) -> int:
    """Return how many gate vectors to evaluate together.

    It is the preferred number, unless the sweep is long and another one that was measured is faster. The next larger
    and smaller powers of two are measured, and go on in the direction that is faster.

    Parameters
    ----------
    plan, gradients : Vmapped or bool
        Of the sweep.
    masks : int
        Its gate vectors.
    evaluate : callable
        (gates (some, nodes), batch size) -> what is computed.
    clock : callable
        Seconds.
    """
    preferred = preferred_batch(plan, gradients)
    if not _is_long(plan, gradients, masks):
        return preferred
    leaves, tree = jax.tree.flatten(plan)
    key = tree, tuple((leaf.shape, leaf.dtype) for leaf in leaves), gradients, _device.here().platform
    if key not in _known:
        _known[key] = _fastest(plan.nodes, preferred, masks, evaluate, clock)
    return _known[key]


def _is_long(plan: Vmapped, gradients: bool, masks: int) -> bool:
    """Whether a sweep takes long by what it writes alone."""
    parts = jax.eval_shape(lambda: jax.tree.leaves(plan.loss.parts())[0]).shape[0]
    return masks * parts * plan.floats_per_mask(gradients) > LONG * NUMBERS_A_SECOND


def _fastest(
    nodes: int, preferred: int, masks: int, evaluate: Callable[[np.ndarray, int], Any], clock: Callable[[], float]
) -> int:
    """Measure batches from the preferred one on, as long as that pays."""

    def measured(batch: int) -> tuple[float, float]:
        """Seconds of a gate vector, and of the whole measurement."""
        gates = np.random.default_rng(0).integers(2, size=(2 * batch, nodes), dtype=bool)
        begun = clock()
        jax.block_until_ready(evaluate(gates, batch))
        times = []
        for _ in range(RUNS):
            start = clock()
            jax.block_until_ready(evaluate(gates, batch))
            times.append(clock() - start)
        return min(times) / len(gates), clock() - begun

    best = preferred
    least, cost = measured(best)
    for factor in (2.0, 0.5):
        batch = int(best * factor)
        while 1 <= batch <= FARTHEST * preferred and batch * FARTHEST >= preferred and cost < SHARE * masks * least:
            seconds, cost = measured(batch)
            if seconds > BETTER * least:
                break
            best, least, batch = batch, seconds, int(batch * factor)
        if best != preferred:
            break
    return best
