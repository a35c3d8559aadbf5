"""Summaries: running moments, histograms and the best masks of a sweep, in constant memory.

The device sums a batch up, in two passes over its values. The host merges batches in float64, by formulas that never
subtract large sums from one another (see ``analysis.moments``).
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped, UInt32

from analysis import moments
from analysis.moments import Moments
from sweeps.objective import Evaluation

# Bins of the histogram of the log loss: 1/256 wide, from e^-32 to e^32; only float32 losses that under- or overflow
# lie outside. Those of the loss lie between 0 and a power of two well above a pilot's largest loss.
LOG_BINS, LOG_LOW, LOG_HIGH = 2**14, -32.0, 32.0
LOSS_BINS = 2**13
# Masks of lowest loss that are kept.
BEST = 16
# Masks whose gradients are summed side by side, where a batch has a multiple of them.
MASKS_A_ROW = 16


# Summaries live on the device while a batch is summed up and on the host once they are merged.
Values = Array | np.ndarray


class Spread(NamedTuple):
    """Moments up to the second of gate gradients, by whether the node is off (0) or on (1); shape (2, nodes)."""

    number: Shaped[Values, "... 2 nodes"]
    mean: Shaped[Values, "... 2 nodes"]
    m2: Shaped[Values, "... 2 nodes"]


class Best(NamedTuple):
    """Masks of lowest loss, lowest first; a loss of infinity fills the places of masks that are not there.

    Attributes
    ----------
    loss : shape (..., BEST)
    draw : number of the draw in its stream
    gates : shape (..., BEST, nodes)
    """

    loss: Shaped[Values, "... best"]
    draw: Shaped[Values, "... best"]
    gates: Shaped[Values, "... best nodes"]


class Summary(NamedTuple):
    """What is kept of a batch of masks, or of many batches merged.

    Attributes
    ----------
    draws, nonpositive, nonfinite : numbers of masks: all, of loss zero or less, of a loss that is not finite
    loss, log_loss : moments, of finite losses, and of those that are positive too
    loss_histogram : counts (LOSS_BINS + 2,), the first below 0 and the last above the top
    log_loss_histogram : counts (LOG_BINS + 2,) likewise
    loss_gradient, log_loss_gradient : moments by node and by off or on, or None
    best : masks of lowest loss

    A single batch has None for the histograms and the best masks: ``Running`` holds them.
    """

    draws: Shaped[Values, "..."]
    nonpositive: Shaped[Values, "..."]
    nonfinite: Shaped[Values, "..."]
    loss: Moments
    log_loss: Moments
    loss_histogram: Shaped[Values, "... loss_bins"] | None
    log_loss_histogram: Shaped[Values, "... log_bins"] | None
    loss_gradient: Spread | None
    log_loss_gradient: Spread | None
    best: Best | None


def size(nodes: int, gradients: bool) -> int:
    """Return the bytes of a stream's summary, about."""
    return 8 * (LOSS_BINS + LOG_BINS) + nodes * (BEST + 96 * gradients)


def of_batch(
    gates: Shaped[Array, "masks nodes"],
    evaluation: Evaluation,
    counted: Bool[Array, " masks"],
) -> Summary:
    """Sum up a batch on the device, except for histograms and best masks (see ``Running``).

    Parameters
    ----------
    gates : a node counts as on when its gate is above one half
    evaluation : of the gates
    counted : whether a draw counts; the last batch of a sweep runs over its end
    """
    loss, log_loss = evaluation.loss, evaluation.log_loss
    finite = jnp.isfinite(loss) & counted
    positive = finite & (loss > 0)
    on = gates if gates.dtype == bool else gates > 0.5
    return Summary(
        counted.sum(),
        (counted & (loss <= 0)).sum(),
        (counted & ~jnp.isfinite(loss)).sum(),
        _moments(loss, finite),
        _moments(log_loss, positive),
        None,
        None,
        None if evaluation.loss_gradient is None else _spread(evaluation.loss_gradient, on, finite),
        None if evaluation.log_loss_gradient is None else _spread(evaluation.log_loss_gradient, on, positive),
        None,
    )


def _moments(values: Float[Array, " masks"], counted: Bool[Array, " masks"]) -> Moments:
    count = counted.sum()
    size = jnp.maximum(count, 1).astype(values.dtype)
    mean = jnp.where(counted, values, 0).sum() / size
    deviation = jnp.where(counted, values - mean, 0)
    # Subtract the mean's own rounding error, so that the deviations sum to zero.
    slip = deviation.sum() / size
    mean, deviation = mean + slip, jnp.where(counted, deviation - slip, 0)
    square = jnp.square(deviation)
    return Moments(count, mean, square.sum(), (square * deviation).sum(), jnp.square(square).sum())


def _spread(values: Float[Array, "masks nodes"], on: Bool[Array, "masks nodes"], counted: Array) -> Spread:
    # Sum rows of several masks at once: vectors of a few nodes would leave most lanes of a CPU idle.
    masks, nodes = values.shape
    group = math.gcd(masks, MASKS_A_ROW)
    valid = counted[:, None] & jnp.isfinite(values)

    def total(terms: Array) -> Shaped[Array, " nodes"]:
        return terms.reshape(-1, group * nodes).sum(axis=0).reshape(group, nodes).sum(axis=0)

    def of_state(chosen: Array) -> Spread:
        count = total(chosen.astype(jnp.int32))
        mean = total(jnp.where(chosen, values, 0)) / jnp.maximum(count, 1).astype(values.dtype)
        return Spread(count, mean, total(jnp.where(chosen, jnp.square(values - mean[None]), 0)))

    return jax.tree.map(lambda *states: jnp.stack(states), of_state(~on & valid), of_state(on & valid))


class Running(NamedTuple):
    """The part of a summary that the device carries from batch to batch.

    Attributes
    ----------
    loss_histogram, log_loss_histogram : counts (LOSS_BINS + 2,) and (LOG_BINS + 2,)
    best : masks of lowest loss so far
    """

    loss_histogram: Int[Array, " loss_bins"]
    log_loss_histogram: Int[Array, " log_bins"]
    best: Best


def nothing_yet(gates: jax.ShapeDtypeStruct, dtype: Any) -> Running:
    """Return the summary of no batch.

    Parameters
    ----------
    gates : shape (..., nodes) and type of the gates to come
    dtype : type of the losses to come
    """
    return Running(
        jnp.zeros(LOSS_BINS + 2, jnp.int32),
        jnp.zeros(LOG_BINS + 2, jnp.int32),
        Best(
            jnp.full(BEST, jnp.inf, dtype),
            jnp.zeros(BEST, jnp.uint32),
            jnp.zeros((BEST, gates.shape[-1]), gates.dtype),
        ),
    )


def with_batch(
    running: Running,
    gates: Shaped[Array, "masks nodes"],
    evaluation: Evaluation,
    draw: UInt32[Array, " masks"],
    counted: Bool[Array, " masks"],
    top: Float[Array, ""] | np.floating,
) -> Running:
    """Return the histograms and best masks with those of a batch added.

    Parameters
    ----------
    gates, evaluation, counted : as for ``of_batch``
    draw : number of each draw in its stream, larger than any before
    top : end of the histogram of the loss
    """
    loss, log_loss = evaluation.loss, evaluation.log_loss
    finite = counted & jnp.isfinite(loss)
    usable = jnp.where(finite, loss, jnp.inf)
    return Running(
        running.loss_histogram.at[_place(loss / top, LOSS_BINS)].add(finite.astype(jnp.int32)),
        running.log_loss_histogram.at[_place((log_loss - LOG_LOW) / (LOG_HIGH - LOG_LOW), LOG_BINS)].add(
            (finite & (loss > 0)).astype(jnp.int32)
        ),
        # Skip the search unless the batch's lowest loss beats the highest that is kept.
        jax.lax.cond(
            usable.min() < running.best.loss[-1],
            _best_of,
            lambda best, *_: best,
            running.best,
            usable,
            draw,
            gates,
        ),
    )


def _best_of(
    best: Best, loss: Float[Array, " masks"], draw: UInt32[Array, " masks"], gates: Shaped[Array, "masks nodes"]
) -> Best:
    """Best masks of those kept so far and of a batch: take the lowest again and again."""
    losses, draws, masks = (jnp.concatenate(pair) for pair in zip(best, (loss, draw, gates), strict=True))
    codes = _codes(masks)

    def take(left: Float[Array, " candidates"], _: None) -> tuple[Array, tuple[Array, Array]]:
        # Two draws of one mask may have losses that are rounded differently: keep the first draw.
        same = (codes == codes[:, jnp.argmin(left), None]).all(axis=0) & jnp.isfinite(left)
        return jnp.where(same, jnp.inf, left), (jnp.argmax(same), same.any())

    _, (where, there) = jax.lax.scan(take, losses, None, length=BEST)
    return Best(jnp.where(there, losses[where], jnp.inf), draws[where], masks[where])


def _codes(gates: Shaped[Array, "masks nodes"]) -> UInt32[Array, "2 masks"]:
    """Hash each mask to 64 bits; equal masks have equal hashes."""
    bits = (
        gates.astype(jnp.uint32)
        if gates.dtype == bool
        else jax.lax.bitcast_convert_type(gates.astype(jnp.float32), jnp.uint32)
    )
    weights = jnp.asarray(np.random.default_rng(0).integers(2**32, size=(2, gates.shape[1]), dtype=np.uint32))
    # Mix products before they are added up, so that gates between 0 and 1 hash as well as zeros and ones.
    products = bits[None] * (2 * weights[:, None] + 1)
    return ((products ^ (products >> 15)) * weights[:, None]).sum(axis=2, dtype=jnp.uint32)


def _place(share: Float[Array, " masks"], bins: int) -> Int[Array, " masks"]:
    """Bin of values given as shares of the range; a value that is not finite goes to any bin, and adds zero to it."""
    return 1 + jnp.clip(jnp.nan_to_num(jnp.floor(share * bins)), -1, bins).astype(jnp.int32)


def stacked(parts: Sequence[Summary]) -> Summary:
    """Stack summaries along a leading axis of parts."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *parts)


def merged(parts: Summary) -> Summary:
    """Merge summaries along their leading axis, on the host and in float64.

    The result depends on the parts and their order alone, not on how they were grouped before: the sweep's batches
    are merged within an item first, then its items in order.

    Parameters
    ----------
    parts : arrays with a leading axis of parts
    """
    parts = jax.tree.map(np.asarray, parts)
    return Summary(
        _total(parts.draws),
        _total(parts.nonpositive),
        _total(parts.nonfinite),
        moments.merged(*parts.loss),
        moments.merged(*parts.log_loss),
        None if parts.loss_histogram is None else _total(parts.loss_histogram),
        None if parts.log_loss_histogram is None else _total(parts.log_loss_histogram),
        _merged_spread(parts.loss_gradient),
        _merged_spread(parts.log_loss_gradient),
        None if parts.best is None else _merged_best(parts.best),
    )


def _total(counts: Values) -> np.ndarray:
    return np.asarray(np.sum(np.asarray(counts), axis=0, dtype=np.int64))


def _merged_spread(parts: Spread | None) -> Spread | None:
    if parts is None:
        return None
    zeros = np.zeros_like(parts.mean)
    whole = moments.merged(parts.number, parts.mean, parts.m2, zeros, zeros)
    return Spread(whole.number, whole.mean, whole.m2)


def _merged_best(parts: Best) -> Best:
    nodes = parts.gates.shape[-1]
    loss, draw = np.asarray(parts.loss).reshape(-1), np.asarray(parts.draw).reshape(-1)
    gates = np.asarray(parts.gates).reshape(-1, nodes)
    # Two draws of one mask may have losses that are rounded differently: keep the first draw.
    order = np.argsort(draw, kind="stable")
    order = order[np.isfinite(loss[order])]
    _, first = np.unique(gates[order], axis=0, return_index=True)
    kept = order[np.sort(first)]
    chosen = kept[np.lexsort((draw[kept], loss[kept]))][:BEST]
    missing = BEST - len(chosen)
    return Best(
        np.pad(loss[chosen], (0, missing), constant_values=np.inf),
        np.pad(draw[chosen], (0, missing)),
        np.pad(gates[chosen], ((0, missing), (0, 0))),
    )


def top_for(losses: Shaped[np.ndarray, "*masks"]) -> np.float32:
    """Return the end of the histogram of the loss: a power of two, at least twice mean + 8 sd of a pilot's losses."""
    usable = losses[np.isfinite(losses)].astype(np.float64)
    reach = usable.mean() + 8 * usable.std() if len(usable) else 0.0
    return np.float32(2.0 ** min(np.ceil(np.log2(reach)) + 1, 120) if reach > 0 else 1.0)
