"""Examples: what an objective averages over, checked, and cut into micro-batches."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Shaped

from analysis.errors import InputError

WHAT_A_BATCH_IS = "batch must be a pair (inputs, targets) such as task.test, or a triple (inputs, targets, mask)"


class MaskedBatch(NamedTuple):
    """Examples with their targets, of which some positions do not count, as in padded sequences.

    Attributes
    ----------
    inputs : array of shape (examples, ...), or a pytree of such arrays
    targets : array of shape (examples, ...)
    mask : array of shape (examples,) or (examples, positions, ...), true for what counts
    """

    inputs: Any
    targets: Any
    mask: Shaped[np.ndarray, "examples ..."]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Examples:
    """Inputs and targets on the device.

    Attributes
    ----------
    inputs, targets : arrays, or pytrees of arrays, with leading axis (examples,)
    mask : true for what counts, shape (examples,) or (examples, positions, ...); None where everything does
    """

    inputs: Any
    targets: Any
    mask: Bool[Array, "examples ..."] | None

    def __len__(self) -> int:
        """Return the number of examples."""
        return examples_in(self.inputs)

    def harmless(self, whole: bool) -> "Examples":
        """Return the same, with numbers in what does not count that spoil no gradient, as 0 times infinity would.

        Parameters
        ----------
        whole : whether targets may be replaced in whole examples only, because a loss may mix positions
        """
        if self.mask is None:
            return self
        counts = np.asarray(self.mask).reshape(len(self), -1).any(axis=1)
        # Examples that do not count become copies of one that does.
        rows = np.where(counts, np.arange(len(self)), counts.argmax())
        inputs, targets = self.inputs, self.targets
        if not counts.all():
            inputs, targets = jax.tree.map(lambda leaf: leaf[rows], (inputs, targets))
        if not whole:
            mask = self.mask.reshape(*self.mask.shape, *(1,) * (targets.ndim - self.mask.ndim))
            targets = jnp.where(mask, targets, jnp.zeros_like(targets))
        return Examples(inputs, targets, self.mask)

    def micro_batches(self, size: int) -> "Examples":
        """Cut into equal micro-batches: all arrays with leading axes (micro-batches, size).

        What fills up the last one is its last example, which the mask says does not count. A single micro-batch is
        the examples as they are.
        """
        examples = len(self)
        if size >= examples:
            return jax.tree.map(lambda leaf: leaf[None], self)
        batches = -(-examples // size)
        mask = jnp.ones(examples, bool) if self.mask is None else self.mask
        extra = batches * size - examples

        def cut(leaf: Array, **how: Any) -> Array:
            padded = jnp.pad(leaf, [(0, extra), *[(0, 0)] * (leaf.ndim - 1)], **how)
            return padded.reshape(batches, size, *leaf.shape[1:])

        inputs, targets = jax.tree.map(lambda leaf: cut(leaf, mode="edge"), (self.inputs, self.targets))
        return Examples(inputs, targets, cut(mask))


def checked(batch: Any) -> Examples:
    """Return a batch as examples, on the device; class numbers of any width become int32.

    Raises
    ------
    ValueError
        If it is no pair or triple of arrays of one length, holds no numbers, or its mask is not true or false.
    """
    if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
        raise InputError(f"{WHAT_A_BATCH_IS}, got {_in_words(batch)}")
    inputs, targets, *rest = batch
    for name, values in dict(inputs=inputs, targets=targets).items():
        for leaf in jax.tree.leaves(values):
            if not hasattr(leaf, "dtype") and np.asarray(leaf).dtype.kind not in "biuf":
                raise InputError(f"batch: {name} must be numbers, got {np.asarray(leaf).dtype}")
            if hasattr(leaf, "dtype") and not (leaf.dtype == bool or jnp.issubdtype(leaf.dtype, jnp.number)):
                raise InputError(f"batch: {name} must be numbers, got {leaf.dtype}")
    inputs, targets = jax.tree.map(on_device, inputs), jax.tree.map(_as_targets, targets)
    lengths = {leaf.shape[0] if leaf.ndim else None for leaf in jax.tree.leaves((inputs, targets))}
    if len(lengths) != 1 or lengths & {None, 0} or not jax.tree.leaves(inputs) or not jax.tree.leaves(targets):
        raise InputError(
            "batch must hold inputs (examples, ...) and as many targets (examples, ...), at least one: "
            f"got inputs {_shapes(inputs)} and targets {_shapes(targets)}"
        )
    return Examples(inputs, targets, _checked_mask(rest[0], lengths.pop()) if rest and rest[0] is not None else None)


def _checked_mask(mask: Any, examples: int | None) -> Bool[Array, "examples ..."]:
    values = np.asarray(mask)
    if values.dtype.kind not in "biuf" or not np.isin(values, (0, 1)).all():
        raise InputError("batch: mask must be true or false (1 or 0) everywhere; weights between are not supported")
    if not values.ndim or len(values) != examples:
        raise InputError(f"batch: mask must have shape (examples, ...) = ({examples}, ...), got {values.shape}")
    if not values.any():
        raise InputError("batch: mask must be true somewhere, or nothing counts")
    return jnp.asarray(values.astype(bool))


def counted(values: Any, mask: Bool[Array, "examples ..."] | None) -> int:
    """Return how many of some values count, given their shape and a mask over its first axes."""
    if mask is None:
        return math.prod(values.shape)
    return int(np.asarray(mask).sum()) * math.prod(values.shape[mask.ndim :])


def examples_in(inputs: Any) -> int:
    """Return the number of examples, the length of the leading axis."""
    return jax.tree.leaves(inputs)[0].shape[0]


def on_device(leaf: Any) -> Array:
    """Return an array on the device; one of NumPy's is copied, whose memory the caller may write to later."""
    return leaf if isinstance(leaf, jax.Array) else jnp.array(leaf)


def _as_targets(leaf: Any) -> Array:
    values = on_device(leaf)
    whole = values.dtype == bool or jnp.issubdtype(values.dtype, jnp.integer)
    return values.astype(jnp.int32) if whole else values


def _shapes(values: Any) -> Any:
    return jax.tree.map(lambda leaf: tuple(leaf.shape), values)


def _in_words(batch: Any) -> str:
    return f"{len(batch)} parts" if isinstance(batch, tuple | list) else type(batch).__name__
