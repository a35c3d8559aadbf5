"""The cube: all masks of an affine plan, from two half-cubes of partial sums; no mask is ever formed.

Cut the nodes in a low and a high part. The margin of an example at mask (high h, low l) is u[l] + v[h], one addition
for each of 2^N masks. For the cross-entropy even the exponentials factor, log(1 + e^(u+v)) = log(1 + e^u e^v): a mask
costs a product, and several examples share one logarithm of their product. The running product minus one,
p <- p + t + p t, keeps the accuracy of small losses, which a product near one would lose.

e^(u+v) overflows when margins are large. So the largest margin of every example over the cube is bounded first.
Examples within the bounds, called tame, take products; the others, called wild, take an exponential for every mask.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt32

from sweeps import _device
from sweeps._logarithms import log1p_of_positive
from sweeps._plans import Computed, Plan, blocks
from sweeps._plans.affine import NEVER_WRONG, AffineMargins, AffineSquares, loss_and_wrong

# Nodes in the low part, whose table has 2^LOW_NODES rows, and the most numbers that table may hold.
LOW_NODES = 10
MOST_TABLE = 2**26
# Largest exponents in float32: of a product, which overflows at e^88, and of the table's factor alone.
MOST_EXPONENT, MOST_FACTOR = 80.0, 60.0
# Examples that share a logarithm: the most whose product stays within the exponents.
GROUPS = (4, 2, 1)
# Columns (groups of examples) that are summed at once.
LARGEST_BLOCK = 512
# Rows of the cube that a CPU evaluates together, and those of its batches without gradients and with them: enough to
# keep every core busy, few enough for their results to fit in cache. An accelerator takes all rows of a batch together.
ROWS, BATCH, BATCH_WITH_GRADIENTS = 4, 64, 4
# The compiled program repeats its steps for every class: many classes would make it long.
MOST_CLASSES = 32


class Part(NamedTuple):
    """Margins of some examples, u + v, cut at the low nodes; class first, examples last.

    Attributes
    ----------
    offsets : object
        U with the low nodes off, shape (others, examples).
    slopes : object
        D margin / d gate, shape (nodes, others, examples).
    """

    offsets: Any
    slopes: Any


class Place(NamedTuple):
    """The examples at one place of all groups, in arrays of their own: slices would be copied.

    Attributes
    ----------
    low : array, (blocks, others, columns, lows)
        e^(u - centre), shape (blocks, others, columns, 2^low).
    high_slopes : array, (blocks, highs, others, columns)
        Shape (blocks, high nodes, others, columns).
    centres : array, (blocks, others, columns)
        Moved from u to v to keep both factors within range.
    """

    low: Float[Array, "blocks others columns lows"]
    high_slopes: Float[Array, "blocks highs others columns"]
    centres: Float[Array, "blocks others columns"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Tame:
    """Examples whose exponentials factor, in groups that share a logarithm.

    Attributes
    ----------
    places : tuple of Place
        As many as there are examples in a group.
    slopes : array, (blocks, nodes, terms)
        Of all places, others and columns, one after the other.
    """

    places: tuple[Place, ...]
    slopes: Float[Array, "blocks nodes terms"]

    def floats_per_mask(self, gradients: bool) -> int:
        """Return how many numbers are held in memory for each mask: probabilities, or the high nodes' factors."""
        return self.slopes.shape[2] if gradients else -(-self.slopes.shape[2] // self.places[0].low.shape[3])

    def sums(self, bits: Float[Array, "rows highs"], gradients: bool) -> tuple[Array, Array | None]:
        """Sums over the examples of losses (rows, lows) and gradients (rows, lows, nodes)."""
        return _sum_over((self.places, self.slopes), lambda block: _sums_of_groups(block, bits, gradients))


def _sums_of_groups(
    block: tuple[tuple[Place, ...], Float[Array, "nodes terms"]], bits: Array, gradients: bool
) -> tuple[Array, Array | None]:
    places, slopes = block
    # Terms e^u e^v, (columns, rows, lows) for every place and class. In this form the compiler keeps them out of
    # memory: it fuses them into the sum over the columns, which runs along vectors of lows.
    terms = []
    for place in places:
        high = jnp.exp(_of_rows(bits, place.high_slopes) + place.centres[:, :, None])
        terms.append([low[:, None] * factor[:, :, None] for low, factor in zip(place.low, high, strict=True)])
    totals = [sum(classes[1:], start=classes[0]) for classes in terms]
    product = totals[0]
    for total in totals[1:]:
        product = product + total + product * total
    losses = log1p_of_positive(product).sum(axis=0)
    if not gradients:
        return losses, None
    wrong = [term / (1 + total) for classes, total in zip(terms, totals, strict=True) for term in classes]
    return losses, _weighted(jnp.concatenate(wrong), slopes)


def _of_rows(
    bits: Float[Array, "rows highs"], high_slopes: Float[Array, "highs others columns"]
) -> Float[Array, "others columns rows"]:
    """High nodes' part of the margins."""
    return jnp.einsum("rh,hcj->cjr", bits, high_slopes)


def _weighted(
    wrong: Float[Array, "terms rows lows"], slopes: Float[Array, "nodes terms"]
) -> Float[Array, "rows lows nodes"]:
    """Sum of slopes over examples and classes, weighted by each class's probability.

    One product of two matrices: several smaller ones, and a batched one even more, are slower on CPUs.
    """
    _, rows, lows = wrong.shape
    # Without a barrier the compiler moves the transposition into the product, which takes twice as long on a CPU.
    product = jax.lax.optimization_barrier(slopes @ wrong.reshape(-1, rows * lows))
    return product.T.reshape(rows, lows, -1)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Wild:
    """Examples with margins too large for exponentials to factor.

    Attributes
    ----------
    low : array, (blocks, others, columns, lows)
        u, shape (blocks, others, columns, 2^low).
    high_slopes : array, (blocks, highs, others, columns)
        Shape (blocks, high nodes, others, columns).
    slopes : array, (blocks, nodes, terms)
        Of all others and columns, one after the other.
    """

    low: Float[Array, "blocks others columns lows"]
    high_slopes: Float[Array, "blocks highs others columns"]
    slopes: Float[Array, "blocks nodes terms"]

    def floats_per_mask(self, gradients: bool) -> int:
        """Return how many numbers are held in memory for each mask: margins or probabilities, more than once used."""
        return self.slopes.shape[2]

    def sums(self, bits: Float[Array, "rows highs"], gradients: bool) -> tuple[Array, Array | None]:
        """Sums over the examples of losses (rows, lows) and gradients (rows, lows, nodes)."""
        blocked = (self.low, self.high_slopes, self.slopes)
        return _sum_over(blocked, lambda block: self._block(block, bits, gradients))

    def _block(self, block: tuple[Array, ...], bits: Array, gradients: bool) -> tuple[Array, Array | None]:
        low, high_slopes, slopes = block
        losses, wrong = loss_and_wrong(low[:, :, None] + _of_rows(bits, high_slopes)[..., None])
        if not gradients:
            return losses.sum(axis=0), None
        return losses.sum(axis=0), _weighted(wrong.reshape(-1, *losses.shape[1:]), slopes)


def _sum_over(blocked: Any, evaluate: Any) -> tuple[Array, Array | None]:
    """Sum what a function says of each block."""
    first = evaluate(jax.tree.map(lambda leaf: leaf[0], blocked))
    rest = jax.tree.map(lambda leaf: leaf[1:], blocked)
    if len(jax.tree.leaves(rest)[0]) == 0:
        return first
    return jax.lax.scan(lambda sums, block: (jax.tree.map(jnp.add, sums, evaluate(block)), None), first, rest)[0]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Squares:
    """Squared error: residuals R (g, 1) are affine too, and few.

    Attributes
    ----------
    low : array, (lows, residuals)
        Residuals' part of the low nodes, shape (2^low, residuals).
    slopes : array, (nodes, residuals)
    """

    low: Float[Array, "lows residuals"]
    slopes: Float[Array, "nodes residuals"]

    def floats_per_mask(self, gradients: bool) -> int:
        """Return how many numbers are held in memory for each mask: the residuals that a product reads."""
        return self.slopes.shape[1] if gradients else 0

    def sums(self, bits: Float[Array, "rows highs"], gradients: bool) -> tuple[Array, Array | None]:
        """Sums of squares (rows, lows) and their gradients (rows, lows, nodes)."""
        high = bits @ self.slopes[len(self.slopes) - bits.shape[1] :]
        residuals = self.low[None] + high[:, None]
        gradient = 2 * jnp.einsum("rlj,nj->rln", residuals, self.slopes) if gradients else None
        return jnp.square(residuals).sum(axis=-1), gradient


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Cube:
    """All masks of an affine plan, in rows: a row is one setting of the high nodes and all of the low ones.

    Attributes
    ----------
    parts : tuple of Tame or Wild or Squares
        Tame, Wild or Squares, whose sums add up.
    nodes, low_nodes : int
        Numbers of nodes.
    examples : int
        Number of examples.
    dtype : object
        Type of the losses.
    """

    name: ClassVar[str] = "cube"
    parts: tuple[Tame | Wild | Squares, ...]
    nodes: int = field(metadata=dict(static=True))
    low_nodes: int = field(metadata=dict(static=True))
    examples: int = field(metadata=dict(static=True))
    dtype: Any = field(metadata=dict(static=True))

    def evaluate(self, first: UInt32[Array, ""], masks: int, gradients: bool) -> Computed:
        """Return mean losses, and gate gradients when asked, of masks number ``first`` and on.

        ``first`` and ``masks`` are multiples of 2^low_nodes.
        """
        rows = (first >> self.low_nodes) + jnp.arange(masks >> self.low_nodes, dtype=jnp.uint32)
        highs = jnp.arange(self.nodes - self.low_nodes, dtype=jnp.uint32)
        bits = ((rows[:, None] >> highs[None]) & 1).astype(self.dtype)
        together = min(ROWS, len(bits)) if _device.here().is_cpu else len(bits)
        losses, gradient = jax.lax.map(
            lambda rows: self._sums(rows, gradients), bits.reshape(len(bits) // together, together, bits.shape[1])
        )
        losses = losses.reshape(-1) / self.examples
        return Computed(losses, None if gradient is None else gradient.reshape(-1, self.nodes) / self.examples)

    def _sums(self, bits: Float[Array, "rows highs"], gradients: bool) -> tuple[Array, Array | None]:
        sums = [part.sums(bits, gradients) for part in self.parts]
        return jax.tree.map(lambda *values: sum(values[1:], start=values[0]), *sums)

    def prepared(self) -> Self:
        """Nothing is left to prepare."""
        return self

    def batch(self, gradients: bool, most: int, wish: int | None) -> int:
        """Return the masks of a batch: whole rows, a power of two of them.

        An accelerator takes as many as its memory allows.
        """
        rows = BATCH_WITH_GRADIENTS if gradients else BATCH
        if not _device.here().is_cpu:
            floats = 1 + self.nodes + max(part.floats_per_mask(gradients) for part in self.parts)
            rows = max(1, _device.here().batch // floats >> self.low_nodes)
        size = min(wish or rows << self.low_nodes, most)
        return max(1 << (size.bit_length() - 1), 1 << self.low_nodes)


def fits(plan: Plan) -> tuple[bool, str]:
    """Return whether a plan has a cube, and the reason in words."""
    reason = "every mask is evaluated, and outputs are affine in the gates"
    if isinstance(plan, AffineSquares):
        return True, reason
    if not isinstance(plan, AffineMargins):
        return False, "outputs are not known to be affine in the gates"
    if plan.offsets.shape[1] >= MOST_CLASSES:
        return False, f"it is for {MOST_CLASSES} classes at most"
    _, wild = _tame_and_wild(_reach(_part_of(plan)))
    if wild:
        reason += f"; {len(wild)} of {plan.examples} examples have margins too large for products of exponentials"
    return True, reason


def build(plan: AffineMargins | AffineSquares) -> Cube:
    """Return the cube of a plan that has one."""
    if isinstance(plan, AffineMargins):
        return _of_margins(_part_of(plan), plan)
    factor = np.asarray(plan.factor)
    low_nodes = min(plan.nodes, LOW_NODES)
    low = _table(factor[:, -1], factor[:, :low_nodes].T)
    part = Squares(jnp.asarray(low), jnp.asarray(factor[:, :-1].T))
    return Cube((part,), plan.nodes, low_nodes, plan.examples, plan.dtype)


def _part_of(plan: AffineMargins) -> Part:
    """All examples of a plan, without the padding."""
    offsets = np.moveaxis(np.asarray(plan.offsets), 1, 0).reshape(plan.offsets.shape[1], -1)
    slopes = np.moveaxis(np.asarray(plan.slopes), (3, 1), (0, 1)).reshape(plan.nodes, len(offsets), -1)
    return Part(offsets[:, : plan.examples], slopes[:, :, : plan.examples])


# Parameters may be infinite or NaN: such examples are wild, and their losses are not finite either.
@np.errstate(invalid="ignore", over="ignore")
def _of_margins(part: Part, plan: AffineMargins) -> Cube:
    reach, low_nodes = _reach(part), _low_nodes(part)
    tame, wild = _tame_and_wild(reach)
    parts: list[Tame | Wild] = []
    if tame:
        parts.append(_tame(_pick(part, tame), reach[tame], low_nodes))
    if wild:
        parts.append(_wild(_pick(part, wild), low_nodes))
    return Cube(tuple(parts), plan.nodes, low_nodes, plan.examples, plan.dtype)


def _low_nodes(part: Part) -> int:
    """Nodes in the low part; a table for many examples gets fewer rows."""
    room = max(1, MOST_TABLE // part.offsets.size).bit_length() - 1
    return min(len(part.slopes), LOW_NODES, room)


def _tame_and_wild(reach: np.ndarray) -> tuple[list[int], list[int]]:
    """Numbers of the examples within the bounds and beyond them, each by their largest margin, largest first."""
    order = np.argsort(-reach, kind="stable")
    within = reach[order] <= MOST_EXPONENT
    return order[within].tolist(), order[~within].tolist()


def _pick(part: Part, index: list[int]) -> Part:
    return Part(part.offsets[:, index], part.slopes[:, :, index])


@np.errstate(invalid="ignore", over="ignore")
def _reach(part: Part) -> np.ndarray:
    """Bound log(1 + sum_c e^margin_c) of each example over the cube.

    The bound is infinite where a factor alone would leave its range, and NaN for what is not finite.
    """
    low_nodes = _low_nodes(part)
    up, down = np.maximum(part.slopes, 0), np.minimum(part.slopes, 0)
    spread = (up[:low_nodes] - down[:low_nodes]).sum(axis=0) / 2
    high = _centres(part, low_nodes) + up[low_nodes:].sum(axis=0)
    top = (part.offsets + up.sum(axis=0)).max(axis=0)
    reach = np.maximum(top, 0) + np.log(len(part.offsets) + 1)
    lowest = _centres(part, low_nodes) + down[low_nodes:].sum(axis=0)
    in_range = ((spread <= MOST_FACTOR) & (high <= MOST_EXPONENT) & (lowest >= -MOST_EXPONENT)).all(axis=0)
    return np.where(in_range | ~np.isfinite(reach), reach, np.inf)


def _centres(part: Part, low_nodes: int) -> np.ndarray:
    """Middle of the range of u, shape (others, examples)."""
    return part.offsets + part.slopes[:low_nodes].sum(axis=0) / 2


def _tame(part: Part, reach: np.ndarray, low_nodes: int) -> Tame:
    """Group sorted examples, one of each quantile in a group, so that no group holds all the large margins."""
    examples = len(reach)
    for group in GROUPS:
        columns = -(-examples // group)
        sums = np.pad(reach, (0, group * columns - examples)).reshape(group, columns).sum(axis=0)
        if sums.max() <= MOST_EXPONENT or group == 1:
            break
    centres = _centres(part, low_nodes)
    low = np.exp(_table(part.offsets - centres, part.slopes[:low_nodes]))

    def at(place: int, values: np.ndarray, fill: float = 0.0) -> Array:
        padding = [(0, 0)] * (values.ndim - 1) + [(0, group * columns - examples)]
        padded = np.pad(values, padding, constant_values=fill)[..., place * columns : (place + 1) * columns]
        return blocks.split(padded, LARGEST_BLOCK)

    places = tuple(
        Place(
            jnp.moveaxis(at(place, low), 1, 3),
            at(place, part.slopes[low_nodes:]),
            at(place, centres, NEVER_WRONG),
        )
        for place in range(group)
    )
    slopes = [_terms(at(place, part.slopes)) for place in range(group)]
    return Tame(places, jnp.concatenate(slopes, axis=2))


def _terms(slopes: Float[Array, "blocks nodes others columns"]) -> Float[Array, "blocks nodes terms"]:
    return slopes.reshape(*slopes.shape[:2], -1)


def _wild(part: Part, low_nodes: int) -> Wild:
    def split(values: np.ndarray, fill: float = 0.0) -> Array:
        return blocks.split(values, LARGEST_BLOCK, fill)

    low = _table(part.offsets, part.slopes[:low_nodes])
    return Wild(jnp.moveaxis(split(low, NEVER_WRONG), 1, 3), split(part.slopes[low_nodes:]), _terms(split(part.slopes)))


def _table(offsets: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """All partial sums: row l holds offsets plus the slopes of the bits of l."""
    table = offsets[None]
    for slope in slopes:
        # Each bit doubles the table: first the rows without it, then those with it.
        table = np.concatenate([table, table + slope[None]])
    return table
