"""Summaries: running moments, histograms and the best masks of a sweep, in constant memory.

The device sums up small groups of a batch's masks and merges them, the host merges batches in float64: all by formulas
that never subtract large sums from one another (see ``analysis._moments``).
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped, UInt32

from analysis import _moments
from analysis._moments import Moments
from sweeps._evaluation import Evaluation

# Bins of the histogram of the log loss: 1/256 wide, from e^-32 to e^32; only float32 losses that under- or overflow
# lie outside. Those of the loss lie between 0 and a power of two well above a pilot's largest loss.
LOG_BINS, LOG_LOW, LOG_HIGH = 2**14, -32.0, 32.0
LOSS_BINS = 2**13
# Masks of lowest loss that are kept.
BEST = 16
# Where a batch has a multiple of them: masks that are summed up side by side, since vectors of a few nodes leave most
# lanes of a processor idle, and masks of a group, which are read once. Sums of few numbers also keep their digits.
SIDE_BY_SIDE, GROUP = 16, 16


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
    loss : Values, (..., best)
        Shape (..., BEST).
    draw : Values, (..., best)
        Number of the draw in its stream.
    gates : Values, (..., best, nodes)
        Shape (..., BEST, nodes).
    """

    loss: Shaped[Values, "... best"]
    draw: Shaped[Values, "... best"]
    gates: Shaped[Values, "... best nodes"]


class Summary(NamedTuple):
    """What is kept of a batch of masks, or of many batches merged.

    Attributes
    ----------
    draws, nonpositive, nonfinite : Values, (...)
        Numbers of masks: all, of loss zero or less, of a loss that is not finite.
    loss, log_loss : Moments
        Moments, of finite losses, and of those that are positive too.
    loss_histogram : Values, (..., loss_bins) or None
        Counts (LOSS_BINS + 2,), the first below 0 and the last above the top.
    log_loss_histogram : Values, (..., log_bins) or None
        Counts (LOG_BINS + 2,) likewise.
    loss_gradient, log_loss_gradient : Spread or None
        Moments by node and by off or on, or None.
    best : Best or None
        Masks of lowest loss.
    metrics : dict of str to Moments
        Moments of finite values, by name.

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
    metrics: dict[str, Moments] = {}


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
    gates : array, (masks, nodes)
        A node counts as on when its gate is above one half.
    evaluation : Evaluation
        Of the gates.
    counted : array of bool, (masks,)
        Whether a draw counts; the last batch of a sweep runs over its end.
    """
    loss, gradient = evaluation.loss, evaluation.loss_gradient
    finite = jnp.isfinite(loss) & counted
    positive = finite & (loss > 0)
    on = gates if gates.dtype == bool else gates > 0.5
    return Summary(
        counted.sum(),
        (counted & (loss <= 0)).sum(),
        (counted & ~jnp.isfinite(loss)).sum(),
        _moments_of(loss, finite),
        _moments_of(evaluation.log_loss, positive),
        None,
        None,
        None if gradient is None else _spread(gradient, jnp.ones_like(loss), on, finite),
        # From the gradient again: the evaluation's own need not be written to memory.
        None if gradient is None else _spread(gradient, loss, on, positive),
        None,
        {name: _moments_of(values, jnp.isfinite(values) & counted) for name, values in evaluation.metrics.items()},
    )


def _moments_of(values: Float[Array, " masks"], counted: Bool[Array, " masks"]) -> Moments:
    return jax.tree.map(lambda part: part[0], _of_groups(values[:, None], counted[:, None], highest=4))


def _spread(
    values: Float[Array, "masks nodes"],
    unit: Float[Array, " masks"],
    on: Bool[Array, "masks nodes"],
    counted: Bool[Array, " masks"],
) -> Spread:
    """Moments of values / unit by state."""
    # A quotient of whole arrays is what the compiler computes once and keeps. Anything else it computes anew for each
    # sum, and a number of a mask, spread over the nodes, costs more than a sum.
    values = values / jnp.where(counted[:, None] & jnp.isfinite(values), unit[:, None], jnp.nan)
    valid = jnp.isfinite(values)
    states = (_of_groups(values, chosen & valid, highest=2) for chosen in (~on, on))
    both = jax.tree.map(lambda *parts: jnp.stack(parts), *states)
    return Spread(both.number, both.mean, both.m2)


def _of_groups(values: Float[Array, "masks nodes"], counted: Bool[Array, "masks nodes"], highest: int) -> Moments:
    """Moments by node, up to the second or the fourth: of small groups of masks, merged."""
    masks, nodes = values.shape
    side = math.gcd(masks, SIDE_BY_SIDE)
    group = math.gcd(masks // side, GROUP)
    values, counted = (part.reshape(-1, group, side * nodes) for part in (values, counted))
    number = counted.astype(jnp.int32).sum(axis=1)
    mean = jnp.where(counted, values, 0).sum(axis=1) / jnp.maximum(number, 1).astype(values.dtype)
    deviation = jnp.where(counted, values - mean[:, None], 0)
    powers = [(deviation**power).sum(axis=1) for power in range(2, highest + 1)]
    rest = [jnp.zeros_like(mean)] * (4 - highest)
    return _merged_groups(Moments(*(part.reshape(-1, nodes) for part in (number, mean, *powers, *rest))), side)


def _merged_groups(parts: Moments, side: int) -> Moments:
    """Moments of all groups, along the leading axis, in the type that the device computes in."""
    number, mean, m2, m3, m4 = parts

    def total(terms: Array) -> Array:
        # A product, not a sum: XLA's CPU compiler would fuse a sum with those that make its terms, and slow both down.
        rows = terms.reshape(len(terms) // side, -1)
        columns = jnp.dot(jnp.ones(len(rows), rows.dtype), rows, precision="highest")
        return columns.reshape(side, -1).sum(axis=0)

    count = number.astype(mean.dtype)
    whole = number.sum(axis=0)
    size = jnp.maximum(whole, 1).astype(mean.dtype)
    centre = total(count * mean) / size
    # Take the rounding error of the centre off, so that deviations from it sum to zero.
    centre = centre + total(count * (mean - centre[None])) / size
    shift = mean - centre[None]
    return Moments(
        whole,
        centre,
        total(m2 + count * shift**2),
        total(m3 + 3 * shift * m2 + count * shift**3),
        total(m4 + 4 * shift * m3 + 6 * shift**2 * m2 + count * shift**4),
    )


class Running(NamedTuple):
    """The part of a summary that the device carries from batch to batch.

    Attributes
    ----------
    loss_histogram, log_loss_histogram : array of int, (loss_bins,) or array of int, (log_bins,)
        Counts (LOSS_BINS + 2,) and (LOG_BINS + 2,).
    best : Best
        Masks of lowest loss so far.
    """

    loss_histogram: Int[Array, " loss_bins"]
    log_loss_histogram: Int[Array, " log_bins"]
    best: Best


def nothing_yet(gates: jax.ShapeDtypeStruct, dtype: Any) -> Running:
    """Return the summary of no batch.

    Parameters
    ----------
    gates : jax.ShapeDtypeStruct
        Shape (..., nodes) and type of the gates to come.
    dtype : object
        Type of the losses to come.
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
    gates, evaluation, counted : array, (masks, nodes) or Evaluation or array of bool, (masks,)
        As for ``of_batch``.
    draw : array, (masks,)
        Number of each draw in its stream, larger than any before.
    top : array, () or np.floating
        End of the histogram of the loss.
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
    """Best masks of those kept so far and of a batch, each with the draw that found it first."""
    codes, kept = _codes(gates), _codes(jnp.asarray(best.gates))
    is_kept = _equal(kept, codes) & jnp.isfinite(best.loss)[:, None]

    def with_lowest(state: tuple[Best, Array]) -> tuple[Best, Array]:
        # Two draws of one mask may have losses that are rounded differently: the first counts, and the others go.
        best, left = state
        candidates = jax.lax.top_k(-left, min(BEST, len(left)))[1]
        same = _equal(codes[:, candidates], codes) & jnp.isfinite(left)[None]
        first = jnp.where(same, jnp.arange(len(left)), len(left)).min(axis=1)
        is_new = (first < len(left)) & ~jnp.tril(first[:, None] == first[None], -1).any(axis=1)
        found = Best(jnp.where(is_new, loss[first], jnp.inf), draw[first], gates[first])
        both = jax.tree.map(lambda *parts: jnp.concatenate(parts), best, found)
        order = jax.lax.top_k(-both.loss, BEST)[1]
        return jax.tree.map(lambda part: part[order], both), jnp.where(same.any(axis=0), jnp.inf, left)

    return jax.lax.while_loop(
        lambda state: state[1].min() < state[0].loss[-1],
        with_lowest,
        (best, jnp.where(is_kept.any(axis=0), jnp.inf, loss)),
    )[0]


def _equal(few: UInt32[Array, "2 few"], codes: UInt32[Array, "2 masks"]) -> Bool[Array, "few masks"]:
    return (few[:, :, None] == codes[:, None]).all(axis=0)


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
    parts : Summary
        Arrays with a leading axis of parts.
    """
    parts = jax.tree.map(np.asarray, parts)
    return Summary(
        _total(parts.draws),
        _total(parts.nonpositive),
        _total(parts.nonfinite),
        _moments.merged(*parts.loss),
        _moments.merged(*parts.log_loss),
        None if parts.loss_histogram is None else _total(parts.loss_histogram),
        None if parts.log_loss_histogram is None else _total(parts.log_loss_histogram),
        _merged_spread(parts.loss_gradient),
        _merged_spread(parts.log_loss_gradient),
        None if parts.best is None else _merged_best(parts.best),
        {name: _moments.merged(*of_metric) for name, of_metric in parts.metrics.items()},
    )


def _total(counts: Values) -> np.ndarray:
    return np.asarray(np.sum(np.asarray(counts), axis=0, dtype=np.int64))


def _merged_spread(parts: Spread | None) -> Spread | None:
    if parts is None:
        return None
    zeros = np.zeros_like(parts.mean)
    whole = _moments.merged(parts.number, parts.mean, parts.m2, zeros, zeros)
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
