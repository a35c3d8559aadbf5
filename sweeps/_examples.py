"""Examples: what an objective averages over, checked, and cut into micro-batches."""

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Shaped

from analysis._errors import InputError, InputTypeError

WHAT_A_BATCH_IS = "batch must be a pair (inputs, targets) such as task.test, or a triple (inputs, targets, mask)"


class MaskedBatch(NamedTuple):
    """Examples with their targets, of which some positions do not count, as in padded sequences.

    Attributes
    ----------
    inputs : array or pytree, (examples, ...)
        Inputs of each example.
    targets : array, (examples, ...)
        Class numbers or values, of each example or each of its positions.
    mask : array, (examples,) or (examples, positions, ...)
        True for what counts in means.

    See Also
    --------
    sweeps.Batch : Examples that all count.
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
    inputs : array or pytree, (examples, ...)
        Inputs of each example.
    targets : array or pytree, (examples, ...)
        Class numbers or values.
    mask : array, (examples,) or (examples, positions, ...)
        True for what counts; None where everything does.
    reference : array or pytree, (examples, ...)
        Inputs of which nodes that are off have their values, example by example; None where they have others.
    whole : array, (examples, ...), or None
        Outputs of the network with all gates on, where a metric compares outputs with them.
    """

    inputs: Any
    targets: Any
    mask: Bool[Array, "examples ..."] | None
    reference: Any = None
    whole: Any = None

    def __len__(self) -> int:
        """Return the number of examples."""
        return examples_in(self.inputs)

    def with_uncounted_replaced(self, whole: bool, apart: bool = True) -> "Examples":
        """Return the examples with other numbers in what does not count: 0 times infinity would spoil a gradient.

        Parameters
        ----------
        whole : bool
            Whether targets may be replaced in whole examples only, because a loss may mix positions.
        apart : bool
            Whether no example's loss depends on the other examples; where it may, inputs stay as they are.

        Raises
        ------
        InputError
            If inputs that do not count and have to stay are not finite.
        """
        if self.mask is None:
            return self
        inputs, targets, reference = self.inputs, self.targets, self.reference
        if apart:
            inputs = jax.tree.map(partial(_finite_where_left_out, mask=np.asarray(self.mask)), inputs)
        elif not _all_finite((inputs, targets) if whole else inputs):
            raise InputError(
                "batch: inputs and targets that do not count must be finite too where the losses of examples depend "
                "on the other examples of the batch"
            )
        counts = np.asarray(self.mask).reshape(len(self), -1).any(axis=1)
        if apart and not counts.all():
            # Examples that do not count become copies of one that does.
            rows = np.where(counts, np.arange(len(self)), counts.argmax())
            inputs, targets, reference = jax.tree.map(lambda leaf: leaf[rows], (inputs, targets, reference))
        if not whole:
            mask = self.mask.reshape(*self.mask.shape, *(1,) * (targets.ndim - self.mask.ndim))
            targets = jnp.where(mask, targets, jnp.zeros_like(targets))
        return replace(self, inputs=inputs, targets=targets, reference=reference)

    def only(self, present: Bool[Array, " examples"]) -> "Examples":
        """Return the examples, of which those that are not present do not count."""
        if self.mask is not None:
            present = self.mask & present.reshape(-1, *(1,) * (self.mask.ndim - 1))
        return replace(self, mask=present)

    @property
    def has_spare_inputs(self) -> bool:
        """Whether there are inputs that do not count and would be replaced."""
        if self.mask is None:
            return False
        if not np.asarray(self.mask).reshape(len(self), -1).any(axis=1).all():
            return True
        return not _all_finite(self.inputs)

    def micro_batches(self, size: int) -> "Examples":
        """Cut into equal micro-batches: all arrays with leading axes (micro-batches, size).

        Copies of the last example, which do not count, fill up the last micro-batch. A single micro-batch is the
        examples as they are.
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

        filled = jax.tree.map(lambda leaf: cut(leaf, mode="edge"), replace(self, mask=None))
        return replace(filled, mask=cut(mask))


def checked(batch: Any) -> Examples:
    """Return a batch as examples, on the device; class numbers of any width become int32.

    Raises
    ------
    InputError
        If it is no pair or triple of arrays of one length, holds no real numbers, its mask is not true or false, or
        what counts is not finite or does not fit the device's types.
    """
    if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
        raise InputError(f"{WHAT_A_BATCH_IS}, got {_in_words(batch)}")
    inputs, targets, *rest = batch
    inputs, targets = _arrays("inputs", inputs), _arrays("targets", targets)
    lengths = {leaf.shape[0] if leaf.ndim else None for leaf in jax.tree.leaves((inputs, targets))}
    if len(lengths) != 1 or lengths & {None, 0} or not jax.tree.leaves(inputs) or not jax.tree.leaves(targets):
        raise InputError(
            "batch must hold inputs (examples, ...) and as many targets (examples, ...), at least one: "
            f"got inputs {_shapes(inputs)} and targets {_shapes(targets)}{_advice(inputs, targets)}"
        )
    mask = _checked_mask(rest[0], lengths.pop()) if rest and rest[0] is not None else None
    for path, leaf in jax.tree_util.tree_leaves_with_path(dict(inputs=inputs, targets=targets)):
        name = f"{path[0].key}{jax.tree_util.keystr(path[1:])}"
        _check_values(name, leaf, mask, _type_on_device(leaf, is_target=path[0].key == "targets"))
    inputs, targets = jax.tree.map(on_device, inputs), jax.tree.map(_as_targets, targets)
    return Examples(inputs, targets, None if mask is None else jnp.asarray(mask))


def checked_inputs(inputs: Any) -> Any:
    """Return inputs on the device.

    Raises
    ------
    ValueError
        If they are no arrays of finite numbers with one leading axis (examples,).
    """
    first, *_ = *jax.tree.leaves(_arrays("inputs", inputs)), 0
    return checked((inputs, np.zeros(np.shape(first)[:1], np.float32))).inputs


def as_array(name: str, values: Any) -> np.ndarray:
    """Return NumPy's array of values, or raise InputError for lists of different lengths."""
    try:
        return np.asarray(values)
    except ValueError as error:
        raise InputError(f"{name} must be an array, with rows of one length") from error


def _arrays(name: str, values: Any) -> Any:
    """Return arrays of real numbers; nested lists of numbers are one array."""
    is_list = isinstance(values, list) and all(isinstance(leaf, int | float) for leaf in jax.tree.leaves(values))
    return jax.tree.map(partial(_numbers, name), as_array(f"batch: {name}", values) if is_list else values)


def _from_torch(name: str, values: Any) -> Any:
    """Return NumPy's array of a tensor of PyTorch, without its gradient, and other values as they are."""
    if not (hasattr(values, "detach") and hasattr(values, "cpu")):
        return values
    try:
        return values.detach().cpu().numpy()
    except TypeError as error:
        raise InputTypeError(f"{name} of type {values.dtype} are no array of NumPy: give .float()") from error


def _numbers(name: str, leaf: Any) -> Any:
    """Return an array, JAX's as it is."""
    array = leaf if isinstance(leaf, jax.Array) else as_array(f"batch: {name}", _from_torch(f"batch: {name}", leaf))
    if not (array.dtype == bool or any(jnp.issubdtype(array.dtype, kind) for kind in (jnp.integer, jnp.floating))):
        raise InputTypeError(f"batch: {name} must be real numbers, got {array.dtype}")
    return array


def _type_on_device(leaf: Any, is_target: bool) -> Any:
    return jnp.dtype(jnp.int32) if is_target and _is_whole(leaf) else jax.dtypes.canonicalize_dtype(leaf.dtype)


def _check_values(name: str, leaf: Any, mask: np.ndarray | None, dtype: Any) -> None:
    """Raise InputError for a value that counts and is not finite, or becomes another one, in a type."""
    values = np.asarray(leaf)
    if _is_whole(values):
        if values.dtype == bool or np.can_cast(values.dtype, dtype):
            return
        some, limits = values[_counts(values.shape, mask)], np.iinfo(dtype)
        for value in (some.min(), some.max()) if some.size else ():
            if not limits.min <= int(value) <= limits.max:
                raise InputError(f"batch: {name} must be whole numbers that fit {dtype}, got {value}")
        return
    with np.errstate(over="ignore"):
        good = np.isfinite(values.astype(dtype, copy=False))
    if not good.all() and not (good | ~_counts(values.shape, mask)).all():
        where = tuple(int(index) for index in np.argwhere(~good & _counts(values.shape, mask))[0])
        raise InputError(
            f"batch: {name} must be finite where they count, and fit {dtype}, got {values[where]} at index {where}"
        )


def _counts(shape: tuple[int, ...], mask: np.ndarray | None) -> np.ndarray:
    """Return what counts of an array of a shape: positions, where the mask has them, or whole examples."""
    if mask is None:
        return np.ones(shape, bool)
    if mask.shape != shape[: mask.ndim]:
        mask = np.asarray(mask.reshape(len(mask), -1).any(axis=1))
    return np.broadcast_to(mask.reshape(mask.shape + (1,) * (len(shape) - mask.ndim)), shape)


def _all_finite(values: Any) -> bool:
    return all(_is_whole(leaf) or np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(values))


def _finite_where_left_out(leaf: Array, mask: np.ndarray) -> Array:
    """Put zeros where values do not count and are not finite."""
    bad = np.zeros(leaf.shape, bool) if _is_whole(leaf) else ~np.isfinite(np.asarray(leaf))
    return jnp.where(bad & ~_counts(leaf.shape, mask), jnp.zeros_like(leaf), leaf) if bad.any() else leaf


def _checked_mask(mask: Any, examples: int | None) -> np.ndarray:
    values = as_array("batch: mask", _from_torch("batch: mask", mask))
    if values.dtype.kind not in "biuf" or not np.isin(values, (0, 1)).all():
        raise InputError("batch: mask must be true or false (1 or 0) everywhere; weights between are not supported")
    if not values.ndim or len(values) != examples:
        raise InputError(f"batch: mask must have shape (examples, ...) = ({examples}, ...), got {values.shape}")
    if not values.any():
        raise InputError("batch: mask must be true somewhere, or nothing counts")
    return values.astype(bool)


def counted(values: Any, mask: Bool[Array, "examples ..."] | None) -> int:
    """Return how many of some values count, given their shape and a mask over its first axes."""
    if mask is None:
        return math.prod(values.shape)
    return int(np.asarray(mask).sum()) * math.prod(values.shape[mask.ndim :])


def examples_in(inputs: Any) -> int:
    """Return the number of examples, the length of the leading axis."""
    return jax.tree.leaves(inputs)[0].shape[0]


def on_device(leaf: Any) -> Array:
    """Return an array on the device; NumPy's is copied, since the caller may write to its memory later."""
    return leaf if isinstance(leaf, jax.Array) else jax.device_put(np.array(leaf))


def _as_targets(leaf: Any) -> Array:
    # In NumPy: without 64 bits JAX makes other types before it is asked for one.
    return on_device(leaf.astype(np.int32) if _is_whole(leaf) else leaf)


def _is_whole(leaf: Any) -> bool:
    return leaf.dtype == bool or jnp.issubdtype(leaf.dtype, jnp.integer)


def _shapes(values: Any) -> Any:
    shapes = jax.tree.map(lambda leaf: tuple(leaf.shape), values)
    return f"[{shapes[0]}, ..., {len(shapes)} in all]" if isinstance(shapes, list) and len(shapes) > 3 else shapes


def _advice(inputs: Any, targets: Any) -> str:
    """Return what to write instead of a list of one array an example."""
    for name, values in dict(inputs=inputs, targets=targets).items():
        if isinstance(values, list) and len({leaf.shape for leaf in jax.tree.leaves(values)}) == 1:
            return f"; a list of arrays is several {name} of an example: give np.stack({name}) for an array an example"
    return ""


def _in_words(batch: Any) -> str:
    return f"{len(batch)} parts" if isinstance(batch, tuple | list) else type(batch).__name__
