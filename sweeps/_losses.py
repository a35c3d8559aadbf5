"""Losses of examples, in numerically stable forms."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped

from analysis._errors import InputError
from sweeps import _broadcasting, _calling, _checks
from sweeps._logarithms import exp_of_negative, log1p_of_positive


class Loss(NamedTuple):
    """A loss of each example.

    Attributes
    ----------
    name : str
        Its name.
    unit : str
        Unit of its values.
    each : callable
        (outputs, targets) -> the loss of each example, or of each position of each example; for the named losses
        outputs (*shape, outputs) and targets (*shape,) or (*shape, outputs) -> (*shape,). Floats narrower than float32
        are widened first.
    is_mean : bool
        Whether ``each`` returns a single number, the mean over its examples.
    """

    name: str
    unit: str
    each: Callable[[Any, Any], jax.Array]
    is_mean: bool = False


def widened(values: Any) -> Any:
    """Convert floats narrower than float32 to float32, and leave other arrays unchanged.

    Means over many examples need this: float16 ends at 65,504, and a sum in bfloat16 keeps 8 bits.
    """

    def of_leaf(leaf: Any) -> Any:
        dtype = getattr(leaf, "dtype", None)
        narrow = dtype is not None and jnp.issubdtype(dtype, jnp.floating) and jnp.finfo(dtype).bits < 32
        return leaf.astype(jnp.float32) if narrow else leaf

    return jax.tree.map(of_leaf, values)


def cross_entropy(outputs: Float[Array, "*shape classes"], targets: Shaped[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return -log softmax(outputs)[target], in nats: log(sum_c exp(z_c)) - z_target."""
    outputs = widened(outputs)
    chosen = jnp.take_along_axis(outputs, targets[..., None], axis=-1)[..., 0]
    return jax.nn.logsumexp(outputs, axis=-1) - chosen


def binary_cross_entropy(outputs: Float[Array, "*shape 1"], targets: Shaped[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return -log sigmoid(+-output), in nats, + for target 1 and - for target 0: softplus of minus that margin."""
    margin = widened(outputs[..., 0])
    return softplus(jnp.where(targets.astype(bool), -margin, margin))


@jax.custom_jvp
def softplus(margin: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return log(1 + exp(margin)) = max(margin, 0) + log(1 + exp(-|margin|)); twice as fast on CPUs as jax.nn.softplus.

    Its derivative is one quotient, which the compiler computes once and keeps.
    """
    return jnp.maximum(margin, 0) + log1p_of_positive(exp_of_negative(-jnp.abs(margin)))


softplus.defjvps(lambda tangent, _, margin: tangent * jax.nn.sigmoid(margin))


def squared_error(outputs: Float[Array, "*shape outputs"], targets: Shaped[Array, "..."]) -> Float[Array, "*shape"]:
    """Return the sum over outputs of (output - target)^2; class numbers become one-hot vectors."""
    outputs = widened(outputs)
    return jnp.square(outputs - target_values(targets, outputs)).sum(axis=-1)


def target_values(
    targets: Shaped[Array, "..."], outputs: Float[Array, "*shape outputs"]
) -> Float[Array, "*shape outputs"]:
    """Return targets in the shape of the outputs: one-hot for class numbers, a column for values."""
    if jnp.issubdtype(targets.dtype, jnp.integer) and outputs.shape[-1] > 1:
        return jax.nn.one_hot(targets, outputs.shape[-1], dtype=outputs.dtype)
    return targets.reshape(outputs.shape).astype(outputs.dtype)


LOSSES = {
    "cross_entropy": Loss("cross_entropy", "nats", cross_entropy),
    "binary_cross_entropy": Loss("binary_cross_entropy", "nats", binary_cross_entropy),
    "squared_error": Loss("squared_error", "squared units", squared_error),
}


def find(loss: str | Callable[[Any, Any], Any] | None, outputs: Any, targets: Any, mask: Any = None) -> Loss:
    """Return a loss after checking that it fits a network's outputs and the targets.

    Parameters
    ----------
    loss : str or callable or None
        A key of ``LOSSES``; or a function (outputs, targets), such as Optax's, that returns values whose mean is the
        loss, or that mean; or None: cross-entropy for integer targets, binary cross-entropy where the network has a
        single output, squared error for floats.
    outputs : object
        Shape and type of the network's outputs, (examples, ..., outputs), or (examples,) for one number each; any
        pytree for a function.
    targets : object
        Array of shape (examples, ...) or (examples, ..., outputs); any pytree for a function.
    mask : object
        Array of shape (examples, ...), or None.

    Raises
    ------
    ValueError
        If the name is unknown, or the targets or the mask do not fit the outputs.
    """
    if callable(loss):
        return _of_function(loss, outputs, targets, mask)
    _check_arrays(outputs, targets)
    shape = _with_outputs(outputs.shape)
    if not jnp.issubdtype(outputs.dtype, jnp.floating):
        raise InputError(
            f"network must return floats of shape (examples, ..., outputs), got {outputs.dtype} of shape {shape}"
        )
    check_mask(mask, shape[:-1])
    found = _named(loss, shape, np.asarray(targets), mask)
    return found if shape == outputs.shape else found._replace(each=_OfColumn(found.each))


def class_numbers(loss: Any, outputs: Any, targets: Any, mask: Any = None) -> Any:
    """Return targets that say class numbers in another way as class numbers, and others as they are.

    For a named loss of classes: rows with a single one among zeros, a column (examples, 1) for a single output, and
    for binary cross-entropy zeros and ones of any type.

    Parameters
    ----------
    loss, outputs, targets, mask : object
        As for ``find``.

    Raises
    ------
    InputError
        If targets have the shape of the outputs and are not one-hot where they count.
    """
    if callable(loss) or not hasattr(outputs, "shape") or not hasattr(targets, "dtype"):
        return targets
    values, shape = np.asarray(targets), _with_outputs(outputs.shape)
    if loss == "squared_error" or (loss is None and values.dtype.kind not in "biu"):
        return targets
    if values.shape == shape and shape[-1] > 1:
        rows = values if mask is None else values[np.asarray(mask)]
        if not np.isin(rows, (0, 1)).all() or (rows.sum(axis=-1) != 1).any():
            raise InputError(
                f"targets of shape {values.shape} must be one-hot, a one among zeros in each row; for probabilities, "
                "or several classes at once, give loss= a function, such as optax.softmax_cross_entropy"
            )
        return jnp.asarray(values.argmax(axis=-1), jnp.int32)
    if values.shape == shape:
        values = values[..., 0]
    counted = values if mask is None or mask.shape != values.shape[: mask.ndim] else values[np.asarray(mask)]
    if values.dtype.kind in "biu" or (loss == "binary_cross_entropy" and np.isin(counted, (0, 1)).all()):
        return jnp.asarray(np.nan_to_num(values), jnp.int32)
    return targets


def _with_outputs(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of outputs with an axis of outputs: a network may return one number an example."""
    return (*shape, 1) if len(shape) == 1 else shape


@dataclass(frozen=True)
class _OfColumn:
    """A named loss of outputs (examples,), one number an example."""

    each: Callable[[Any, Any], jax.Array]

    def __call__(self, outputs: Any, targets: Any) -> jax.Array:
        return self.each(outputs[:, None], targets)


def _check_arrays(outputs: Any, targets: Any) -> None:
    """Raise InputError unless outputs and targets are one array each; say how to choose one."""
    if not hasattr(outputs, "shape"):
        leaves = [(jax.tree_util.keystr(path), leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(outputs)]
        path = max(leaves, key=lambda one: len(one[1].shape) > 1, default=("", None))[0]
        raise InputError(
            f"network returns several arrays, {', '.join(f'outputs{path}' for path, _ in leaves)}: choose one by "
            f"call=lambda network, inputs: network(inputs){path} (a function returns one itself), or give loss= a "
            "function (outputs, targets) of all"
        )
    if not hasattr(targets, "dtype"):
        raise InputError("targets are several arrays, and a named loss takes one; give loss= a function of all")
    if not outputs.shape:
        raise InputError("network must return outputs of shape (examples, ..., outputs), got a single number")


def check_mask(mask: Any, shape: tuple[int, ...]) -> None:
    """Raise InputError for a mask that has other first axes than values of a shape."""
    if mask is not None and mask.shape != shape[: mask.ndim]:
        raise InputError(f"batch: mask must have the first axes of {shape}, got {mask.shape}")


def _named(name: str | None, shape: tuple[int, ...], targets: np.ndarray, mask: Any) -> Loss:
    whole = np.issubdtype(targets.dtype, np.integer) or targets.dtype == bool
    outputs = shape[-1]
    if name is None:
        of_classes = "cross_entropy" if outputs > 1 else "binary_cross_entropy"
        if not whole:
            _refuse_either(of_classes, shape, targets, mask)
        name = of_classes if whole else "squared_error"
    if not isinstance(name, str) or name not in LOSSES:
        raise InputError(
            f"loss must be one of {', '.join(LOSSES)}, or a function (outputs, targets), got {_checks.shown(name)}"
        )
    if name == "squared_error" and not (whole and outputs > 1):
        wanted = _in_words((*shape[:-1], outputs))
        _check(
            targets.shape == shape or (outputs == 1 and targets.shape == shape[:-1]),
            f"a target shape of {wanted} for a network with {outputs} output{'s' * (outputs > 1)}",
            f"shape {targets.shape}{_advice(targets, shape)}",
        )
        return LOSSES[name]
    _check(
        whole and targets.shape == shape[:-1],
        f"class numbers: integers of shape {_in_words(shape[:-1])}",
        f"{targets.dtype} of shape {targets.shape}{_advice(targets, shape)}",
    )
    if name == "cross_entropy":
        one = f"{outputs} output: loss='binary_cross_entropy' takes one"
        _check(outputs > 1, "a network with two outputs or more for cross_entropy", one)
    if name == "binary_cross_entropy":
        several = f"{outputs} outputs: loss='cross_entropy' takes several"
        _check(outputs == 1, "a network with one output for binary_cross_entropy", several)
    check_labels(targets, mask, outputs)
    return LOSSES[name]


def _refuse_either(of_classes: str, shape: tuple[int, ...], targets: np.ndarray, mask: Any) -> None:
    """Raise InputError for floats that may be classes as well as values: zeros and ones of one output, one-hot rows."""
    rows = targets if mask is None or mask.shape != targets.shape[: mask.ndim] else targets[np.asarray(mask)]
    if not np.isin(rows, (0, 1)).all() or rows.size == 0 or rows.min() == rows.max():
        return
    if shape[-1] == 1 or (targets.shape == shape and (rows.sum(axis=-1) == 1).all()):
        form = "zeros and ones" if shape[-1] == 1 else "one-hot rows"
        raise InputError(
            f"targets are {form} in {targets.dtype}, classes or values: give loss={of_classes!r} or "
            "loss='squared_error'"
        )


def check_labels(targets: np.ndarray, mask: Any, outputs: int) -> None:
    """Raise InputError for labels that a network with so many outputs does not have; a single output has two."""
    # Labels that do not count may be any number, such as -100 for padding.
    labels = targets if mask is None else targets[np.asarray(mask)]
    numbers = ": numbers that are no classes need loss='squared_error'" if outputs == 1 else ""
    _check(
        labels.min() >= 0 and labels.max() < max(outputs, 2),
        f"labels from 0 to {max(outputs, 2) - 1} for a network with {outputs} output{'s' * (outputs > 1)}",
        f"labels from {labels.min()} to {labels.max()}{numbers}",
    )


def _advice(targets: np.ndarray, shape: tuple[int, ...]) -> str:
    """Return what to write instead of targets that do not fit outputs of a shape, where that can be told."""
    is_whole = targets.dtype.kind in "biu" or bool((targets == np.round(targets)).all())
    if targets.shape == (*shape[:-1], 1):
        return ": give targets[..., 0]" if is_whole and shape[-1] > 1 else ""
    if targets.shape == shape[:-1] and is_whole and targets.dtype.kind == "f":
        return ": class numbers are integers, give targets.astype(int)"
    if targets.shape == shape and targets.dtype.kind in "biu":
        return ": give values as floats, targets.astype(float)"
    return ""


@dataclass(frozen=True)
class _Widened:
    """A user's loss with outputs in float32 at least; equal for equal functions, so that jit traces once."""

    function: Callable[[Any, Any], Any]

    def __call__(self, outputs: Any, targets: Any) -> Any:
        return self.function(widened(outputs), widened(targets))


def _of_function(function: Callable[[Any, Any], Any], outputs: Any, targets: Any, mask: Any) -> Loss:
    name = getattr(function, "__name__", type(function).__name__)
    shapes = f"outputs of shape {_calling.shapes(outputs)} and targets of shape {_calling.shapes(targets)}"
    with _calling.noted(f"the loss {name}, with {shapes}"):
        values = jax.eval_shape(_Widened(function), outputs, targets)
        _broadcasting.check(f"loss {name}", _Widened(function), outputs, targets)
    if not hasattr(values, "shape") or not jnp.issubdtype(values.dtype, jnp.floating):
        raise InputError(f"loss {name} must return one array of floats, got {values}")
    check_values(f"loss {name}", values, outputs, mask)
    return Loss(name, "loss units", _Widened(function), is_mean=not values.shape)


def check_values(what: str, values: Any, outputs: Any, mask: Any) -> None:
    """Raise InputError for the shape of what a user's function makes of outputs, in a batch with a mask."""
    examples = jax.tree.leaves(outputs)[0].shape[0]
    if values.shape and values.shape[0] != examples:
        raise InputError(
            f"{what} must return one number, or one of each example in shape (examples, ...) = ({examples}, ...); "
            f"got shape {values.shape}"
        )
    if mask is not None and not values.shape:
        raise InputError(f"{what} returns one number; a mask needs one of each example or position")
    if mask is not None and mask.shape != values.shape[: mask.ndim]:
        raise InputError(
            f"batch: mask must have the first axes of the values of {what}, {values.shape}, got {mask.shape}"
        )


def of_examples(values: Float[Array, "examples ..."], mask: Bool[Array, "..."] | None) -> Float[Array, " examples"]:
    """Return the mean of each example's values that count, in float32 at least; NaN where none counts."""
    values = widened(values)
    counts = jnp.ones(values.shape, bool) if mask is None else _spread(mask, values.ndim)
    axes = tuple(range(1, values.ndim))
    number = jnp.broadcast_to(counts, values.shape).sum(axis=axes, dtype=jnp.int32).astype(values.dtype)
    return jnp.where(counts, values, 0).sum(axis=axes) / number


def sum_of_counted(values: Float[Array, "..."], mask: Bool[Array, "..."] | None) -> Float[Array, ""]:
    """Return the sum of the values that count, in float32 at least.

    Values that do not count may be infinite or NaN; their gradients may not.
    """
    values = widened(values)
    if mask is None:
        return values.sum()
    return jnp.where(_spread(mask, values.ndim), values, 0).sum()


def number_counted(shape: tuple[int, ...], mask: Bool[Array, "..."] | None) -> Int[Array, ""]:
    """Return how many values of a shape count, an integer; a loss that is a mean counts as one value."""
    if mask is None or not shape:
        return jnp.asarray(math.prod(shape), jnp.int32)
    return mask.sum(dtype=jnp.int32) * math.prod(shape[mask.ndim :])


def summed(values: Float[Array, "..."], mask: Array | None) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Return the sum of the values that count, and their number in the sum's type."""
    if values.ndim == 0:
        mask = None
    total = sum_of_counted(values, mask)
    return total, number_counted(values.shape, mask).astype(total.dtype)


def rightly_answered(outputs: Any, targets: Any) -> Float[Array, "..."]:
    """Return 1 where the network's class is right, 0 where it is wrong, and NaN without a class.

    The class is the first of the largest outputs; of a single output, whether it is positive. Regressions and outputs
    that are not finite have no class. ``answers`` counts right classes.
    """
    if not isinstance(outputs, jax.Array) or not isinstance(targets, jax.Array):
        return jnp.full(jax.tree.leaves(outputs)[0].shape[:1], jnp.nan, jnp.float32)
    outputs = outputs.reshape(_with_outputs(outputs.shape))
    if not jnp.issubdtype(targets.dtype, jnp.integer) or targets.shape != outputs.shape[:-1]:
        return jnp.full(outputs.shape[:1], jnp.nan, jnp.float32)
    if outputs.shape[-1] == 1:
        right = (outputs[..., 0] > 0) == (targets > 0)
    else:
        right = outputs.argmax(axis=-1).astype(targets.dtype) == targets
    return jnp.where(jnp.isfinite(outputs).all(axis=-1), right.astype(jnp.float32), jnp.nan)


class Answers(NamedTuple):
    """Numbers of examples or positions that count, as integers, which can be summed over batches.

    Attributes
    ----------
    right : array of int, (...)
        With the right class.
    none : array of int, (...)
        Without a class.
    all : array of int, (...)
        Right, wrong and without a class.
    """

    right: Int[Array, "..."]
    none: Int[Array, "..."]
    all: Int[Array, "..."]

    @property
    def accuracy(self) -> Float[Array, "..."]:
        """Share of right classes; NaN if any example has no class, or none counts."""
        share = self.right / self.all
        return jnp.where(self.none > 0, jnp.nan, share)


def answers(outputs: Any, targets: Any, mask: Array | None) -> Answers:
    """Count the answers of a network where the mask is true; a mask with more axes than the answers is ignored."""
    hits = rightly_answered(outputs, targets)
    if mask is not None and mask.ndim > hits.ndim:
        mask = None
    counts = jnp.ones(hits.shape, bool) if mask is None else _spread(mask, hits.ndim)

    def number(chosen: Bool[Array, "..."]) -> Int[Array, ""]:
        return (chosen & counts).sum(dtype=jnp.int32)

    return Answers(number(hits == 1), number(jnp.isnan(hits)), number_counted(hits.shape, mask))


def _spread(mask: Bool[Array, "..."], axes: int) -> Bool[Array, "..."]:
    """Give a mask axes of length one behind its own."""
    return mask.reshape(mask.shape + (1,) * (axes - mask.ndim))


def _check(good: bool, expected: str, came: str) -> None:
    if not good:
        raise InputError(f"targets do not fit the network: expected {expected}, got {came}")


def _in_words(shape: tuple[int, ...]) -> str:
    return f"({', '.join(['examples', *map(str, shape[1:])])}{',' if len(shape) == 1 else ''})"
