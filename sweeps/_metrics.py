"""Metrics: further numbers of a gate vector, from the same pass through the network that gives its loss."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from analysis._errors import InputError, InputTypeError
from sweeps import _broadcasting, _calling, _checks, _losses
from sweeps._losses import Answers, widened

# Variables, dimensions and coordinates of a sweep's dataset, and the group that a store has beside them.
TAKEN = frozenset(
    ("loss", "log_loss", "loss_gradient", "log_loss_gradient", "gates", "example_loss", "full_example_loss", "counted")
    + ("node", "gate", "layer", "gate_layer", "probability", "chain", "draw", "step", "mask", "example")
    + ("draws", "nonpositive", "nonfinite", "state", "rank", "loss_bin", "log_loss_bin")
    + ("best_loss", "best_draw", "best_gates", "items")
)
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
Function = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Metric:
    """A number of a gate vector, from the outputs of the network; equal for equal functions, so that jit traces once.

    Attributes
    ----------
    name : str
        Of the dataset's variable.
    long_name, unit : str
        In words.
    each : callable
        (outputs, targets, outputs with all gates on) -> a value of each example, or of each position of each example,
        or a single number.
    is_mean : bool
        Whether ``each`` returns a single number.
    is_named : bool
        Whether it is one of ``NAMED``, which treat each position by itself.
    needs_whole : bool
        Whether ``each`` reads the outputs with all gates on; it gets None otherwise.
    """

    name: str
    long_name: str
    unit: str
    each: Callable[[Any, Any, Any], Array]
    is_mean: bool = False
    is_named: bool = True
    needs_whole: bool = False

    def sums(self, outputs: Any, targets: Any, whole: Any, mask: Array | None) -> Any:
        """Return sums over what counts of a part of the examples, which can be added up over parts."""
        values = self.each(outputs, targets, whole)
        counts = mask if values.ndim else None
        return _losses.sum_of_counted(values, counts), _losses.number_counted(values.shape, counts)

    def value(self, sums: Any, dtype: Any) -> Float[Array, ""]:
        """Return the metric from its sums over all parts, in a floating-point type: the mean."""
        # A compiler that sees that the number is a constant multiplies by its reciprocal, which rounds 0.49 down.
        total, number = jax.lax.optimization_barrier(sums)
        return total.astype(dtype) / number.astype(dtype)


class Accuracy(Metric):
    """The share of right classes, counted in integers."""

    def sums(self, outputs: Any, targets: Any, whole: Any, mask: Array | None) -> Answers:
        """Return numbers of answers."""
        return _losses.answers(outputs, targets, mask)

    def value(self, sums: Answers, dtype: Any) -> Float[Array, ""]:
        """Return the share of right ones."""
        right, none, number = jax.lax.optimization_barrier(sums)
        return jnp.where(none > 0, jnp.nan, right.astype(dtype) / number.astype(dtype))


@dataclass(frozen=True)
class _Users:
    """A user's function with outputs in float32 at least, and truth values and whole numbers as numbers."""

    function: Function

    def __call__(self, outputs: Any, targets: Any, whole: Any = None) -> Array:
        values = jnp.asarray(self.function(widened(outputs), widened(targets)))
        return values if jnp.issubdtype(values.dtype, jnp.floating) else values.astype(jnp.float32)


def right_answers(outputs: Float[Array, "*shape classes"], targets: Any, whole: Any) -> Float[Array, "*shape"]:
    """Return 1 where the class is right, 0 where it is wrong, NaN where an output is not finite."""
    return _losses.rightly_answered(outputs, targets)


def divergence(
    outputs: Float[Array, "*shape classes"], targets: Any, whole: Float[Array, "*shape classes"]
) -> Float[Array, "*shape"]:
    """Return KL(p || q) = sum_c p_c (log p_c - log q_c), p the softmax of the whole network's outputs, in nats.

    A single output is the logit of the second of two classes.
    """
    before, after = (jax.nn.log_softmax(_logits(one), axis=-1) for one in (whole, outputs))
    # A class without probability adds nothing, whatever its logarithms are.
    terms = jnp.where(before == -jnp.inf, 0, jnp.exp(before) * (before - after))
    return terms.sum(axis=-1)


def logit_difference(
    outputs: Float[Array, "*shape classes"], targets: Shaped[Array, "*shape"], whole: Any
) -> Float[Array, "*shape"]:
    """Return the right class's output minus the largest other; of a single output the signed margin."""
    logits = _logits(outputs)
    is_right = jax.nn.one_hot(targets, logits.shape[-1], dtype=bool)
    right = jnp.where(is_right, logits, 0).sum(axis=-1)
    return right - jnp.where(is_right, -jnp.inf, logits).max(axis=-1)


def _logits(outputs: Float[Array, "*shape classes"]) -> Float[Array, "*shape logits"]:
    """Logits of at least two classes, in float32 at least: a single output stands beside a zero."""
    outputs = widened(outputs)
    return jnp.concatenate([jnp.zeros_like(outputs), outputs], axis=-1) if outputs.shape[-1] == 1 else outputs


NAMED: dict[str, Metric] = {
    "accuracy": Accuracy("accuracy", "share of right classes", "1", right_answers),
    "kl": Metric("kl", "KL divergence from the whole network", "nats", divergence, needs_whole=True),
    "logit_difference": Metric(
        "logit_difference", "right logit minus the largest other", "logit units", logit_difference
    ),
}
Given = None | str | Function | Sequence[str | Function] | Mapping[str, str | Function]


def find(metrics: Given, loss: _losses.Loss, outputs: Any, targets: Any, mask: Any = None) -> tuple[Metric, ...]:
    """Return metrics after checking that they fit a network's outputs and the targets.

    Parameters
    ----------
    metrics : Given
        A name of ``NAMED``; a function (outputs, targets) -> a value of each example or position, or one number;
        several of these; or a dict of them by name.
    loss : Loss
        The loss beside them.
    outputs : object
        Shape and type of the network's outputs, (examples, ..., outputs); any pytree for a function.
    targets, mask : object
        Arrays, as for ``losses.find``.

    Raises
    ------
    TypeError
        If one is neither a name nor a function.
    InputError
        If a name is unknown, taken or there twice, or a metric does not fit the outputs, targets or mask.
    """
    found = [_metric(name, one, loss, outputs, targets, mask) for name, one in _by_name(metrics)]
    names = [metric.name for metric in found]
    if len(set(names)) < len(names):
        raise InputError(f"metrics must have different names, got {', '.join(names)}; give a dict name -> function")
    return tuple(found)


def _by_name(metrics: Given) -> list[tuple[str, Any]]:
    if metrics is None:
        return []
    if isinstance(metrics, Mapping):
        return list(metrics.items())
    several = metrics if isinstance(metrics, Sequence) and not isinstance(metrics, str) else [metrics]
    return [(one if isinstance(one, str) else getattr(one, "__name__", type(one).__name__), one) for one in several]


def _metric(name: Any, given: Any, loss: _losses.Loss, outputs: Any, targets: Any, mask: Any) -> Metric:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise InputError(
            f"metrics: a name must be letters, digits and underscores, got {_checks.shown(name)}; give a dict name -> "
            "function"
        )
    if name in TAKEN:
        raise InputError(f"metrics: the name {name} is taken by the sweep's own variables; give a dict with another")
    if callable(given):
        return _of_function(name, given, outputs, targets, mask)
    if not isinstance(given, str):
        raise InputTypeError(
            f"metrics must be names ({', '.join(NAMED)}) or functions (outputs, targets), got {_checks.shown(given)}"
        )
    _checks.one_of("metrics", given, tuple(NAMED))
    _check_fits(given, loss, outputs, targets, mask)
    chosen = NAMED[given]
    return type(chosen)(name, chosen.long_name, chosen.unit, chosen.each, needs_whole=chosen.needs_whole)


def _check_fits(name: str, loss: _losses.Loss, outputs: Any, targets: Any, mask: Any) -> None:
    """Raise InputError where a named metric has no meaning."""
    shape: tuple[int, ...] = getattr(outputs, "shape", ())
    if len(shape) < 2 or not jnp.issubdtype(outputs.dtype, jnp.floating):
        raise InputError(
            f"metrics: {name} needs outputs of shape (examples, ..., classes); give a function (outputs, targets)"
        )
    values = np.asarray(targets) if hasattr(targets, "dtype") else None
    are_classes = values is not None and np.issubdtype(values.dtype, np.integer) and values.shape == shape[:-1]
    if name == "kl":
        if loss.name == "squared_error" and not are_classes:
            raise InputError("metrics: kl needs outputs that are logits of classes, and these are values")
        _losses.check_mask(mask, shape[:-1])
        return
    if values is None or not are_classes:
        raise InputError(f"metrics: {name} needs targets that are class numbers of shape {shape[:-1]}")
    _losses.check_mask(mask, shape[:-1])
    _losses.check_labels(values, mask, shape[-1])


def _of_function(name: str, function: Function, outputs: Any, targets: Any, mask: Any) -> Metric:
    shapes = f"outputs of shape {_calling.shapes(outputs)} and targets of shape {_calling.shapes(targets)}"
    users = _Users(function)
    with _calling.noted(f"the metric {name}, with {shapes}"):
        values = jax.eval_shape(lambda outputs, targets: function(widened(outputs), widened(targets)), outputs, targets)
        _broadcasting.check(f"metric {name}", function, outputs, targets)
    kinds = (jnp.floating, jnp.integer, jnp.bool_)
    if not hasattr(values, "shape") or not any(jnp.issubdtype(values.dtype, kind) for kind in kinds):
        raise InputError(f"metric {name} must return one array of numbers, got {values}")
    _losses.check_values(f"metric {name}", values, outputs, mask)
    return Metric(name, name.replace("_", " "), "metric units", users, is_mean=not values.shape, is_named=False)
