"""Separable losses: tests whether an example's loss depends on the other examples, before a batch is cut.

With normalisation over the batch, contrastive losses, or networks that use an example's place in the batch, parts of a
batch would give other numbers without any sign of it.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sweeps import _compiling
from sweeps._examples import Examples, examples_in
from sweeps._losses import LOSSES, Loss
from sweeps._metrics import Metric
from sweeps._program import Network
from sweeps.gating._attaching import GatedNetwork

# Examples of the first tests: few, so that each has a large weight in a mean over all.
FEW = 16
# Factor on the inputs of other examples, which shows weak dependence.
LOUD = 1000
# Number of parts that are compared with the whole, and least number of parts in a whole that is not all examples.
COMPARED, WHOLE = 4, 8
TYPES = dict(f64=jnp.float64, f32=jnp.float32, f16=jnp.float16, bf16=jnp.bfloat16)


def is_shown(values: Callable[[Examples], Array], data: Examples, size: int, most: int | None = None) -> bool:
    """Whether tests show that the values of examples do not depend on the other examples.

    A few examples are evaluated together, in two parts in another order, and with the inputs of every second example a
    thousand times as large. Then all examples are compared with parts of the wanted size: an example may depend on a
    distant example, or on its place.

    Parameters
    ----------
    values : callable
        Examples -> their values, shape (examples, ...); jitted.
    data : Examples
        Examples; those without anything that counts are not tested.
    size : int
        Examples in a part of the wanted cut, at most all.
    most : int or None
        Number of examples, the first ones, to evaluate together at most; None takes as many as WHOLE parts hold.

    Returns
    -------
    bool
        True if all agree to the square root of the narrowest type's rounding; NaN agrees with NaN.
    """
    usable = np.arange(len(data))
    if data.mask is not None:
        usable = np.flatnonzero(np.asarray(data.mask).reshape(len(data), -1).any(axis=1))
    if len(usable) < 2:
        return False
    few = usable[np.unique(np.linspace(0, len(usable) - 1, FEW).astype(int))]
    mixed = np.random.default_rng(0).permutation(len(few))
    every_second = np.arange(len(few)) % 2 == 1
    together = values(_rows(data, few))
    in_parts = [values(_rows(data, part)) for part in np.split(few[mixed], [len(few) // 2])]
    close = partial(_are_close, precision=_rounding(values, _rows(data, few)))
    if not close(np.asarray(together)[mixed], np.concatenate(in_parts)):
        return False
    if not close(together[~every_second], values(_rows(data, few, every_second))[~every_second]):
        return False
    if len(usable) <= FEW:
        return True
    whole = usable[: max(most or WHOLE * max(size, FEW), 2 * size, FEW)]
    size = min(size, len(whole) // 2)
    starts = np.unique(np.linspace(0, len(whole) - size, COMPARED).astype(int))
    parts = [slice(start, start + size) for start in starts]
    uncut = np.asarray(values(_rows(data, whole)))
    return all(close(uncut[part], values(_rows(data, whole[part]))) for part in parts)


def together(network: Network, params: Any, inputs: Any, most: int) -> int:
    """Return how many examples to evaluate together: all, unless outputs are shown not to depend on other examples.

    Parameters
    ----------
    network, params, inputs : Network or object
        The network, evaluated with all nodes on.
    most : int
        Examples to evaluate together where they may be cut.
    """
    number = examples_in(inputs)
    if number <= most:
        return number
    data = Examples(inputs, jnp.zeros(number), None)
    with jax.default_matmul_precision("highest"):
        apart = is_shown(lambda part: _flat_outputs(params, part.inputs, network=network), data, most)
    return most if apart else number


@partial(_compiling.jit, static_argnames=("network",))
def _flat_outputs(params: Any, inputs: Any, network: Network) -> Float[Array, "examples numbers"]:
    outputs = jax.tree.leaves(network.apply(params, inputs))
    flat = [leaf.reshape(examples_in(inputs), -1).astype(jnp.float32) for leaf in outputs]
    return jnp.concatenate(flat, axis=1)


def _rows(data: Examples, rows: np.ndarray, loud: np.ndarray | None = None) -> Examples:
    """Return some examples, without a mask, some of them with larger inputs."""

    def louder(leaf: Array) -> Array:
        if loud is None or not jnp.issubdtype(leaf.dtype, jnp.floating):
            return leaf
        factors = np.where(loud, LOUD, 1).astype(leaf.dtype)
        return leaf * factors.reshape(-1, *(1,) * (leaf.ndim - 1))

    # NumPy, since JAX would compile a program for each shape.
    whole = data.inputs, data.targets, data.reference
    inputs, targets, reference = jax.tree.map(lambda leaf: np.asarray(leaf)[rows], whole)
    with np.errstate(over="ignore"):
        inputs, reference = jax.tree.map(louder, (inputs, reference))
    inputs, targets, reference = jax.tree.map(jnp.asarray, (inputs, targets, reference))
    return Examples(inputs, targets, None, reference)


def _rounding(values: Callable[[Examples], Array], data: Examples) -> float:
    """Return the relative spacing of the narrowest floating-point type in a function."""
    names = set(re.findall(r"\b(b?f\d\d)\[", str(jax.make_jaxpr(values)(data))))
    return max(float(jnp.finfo(TYPES[name]).eps) for name in names)


def _are_close(a: Any, b: Any, precision: float) -> bool:
    a, b = (np.asarray(values, np.float64) for values in (a, b))
    finite = np.isfinite(a) & np.isfinite(b)
    allowed = np.sqrt(precision) * np.abs(a[finite]).max(initial=0)
    with np.errstate(invalid="ignore"):
        return bool(((np.abs(a - b) <= allowed) | (a == b) | (np.isnan(a) & np.isnan(b))).all())


def is_shown_for(
    network: GatedNetwork, data: Examples, loss: Loss, metrics: tuple[Metric, ...], size: int, most: int
) -> bool:
    """Whether tests show that losses and metrics of a gated network are separable, with all gates on and random ones.

    Named ones are functions of a position's outputs: in place of them the outputs themselves are tested.
    """
    of_outputs = loss in LOSSES.values() or any(metric.is_named for metric in metrics)
    functions: list[Callable[..., Array] | None] = [None] if of_outputs else []
    functions += [loss.each] if loss not in LOSSES.values() else []
    functions += [metric.each for metric in metrics if not metric.is_named]
    random = np.random.default_rng(0).random(network.nodes)
    gates = jnp.asarray(np.stack([np.ones(network.nodes), random]), network.dtype)
    # Highest precision always: products of low precision may round differently for other shapes.
    with jax.default_matmul_precision("highest"):
        return all(is_shown(partial(_values, network, each, gates), data, size, most) for each in functions)


@partial(jax.jit, static_argnames="each")
def _values(
    network: GatedNetwork, each: Callable[..., Array] | None, gates: Float[Array, "vectors nodes"], data: Examples
) -> Float[Array, "examples ..."]:
    """Return what a function makes of examples, or their outputs."""

    def of(vector: Float[Array, " nodes"]) -> Array:
        outputs = network(vector, data.inputs, data.reference)
        return outputs if each is None else each(outputs, data.targets)

    return jnp.moveaxis(jax.lax.map(of, gates), 0, 1)
