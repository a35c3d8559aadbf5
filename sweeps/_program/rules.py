"""Rules of operations; those that only move numbers are run on the numbers of the nodes."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import JaxprEqn

from sweeps._program import tracing
from sweeps._program.values import Value, placed

LINEAR = frozenset(
    """add add_any copy copy_p convert_element_type div mul name neg optimization_barrier real reduce_precision reshard
    sharding_constraint stop_gradient sub""".split()  # noqa: SIM905 - names by the dozen
)
ELEMENTWISE = LINEAR | frozenset(
    """abs acos acosh and asin asinh atan atan2 atanh cbrt ceil clamp cos cosh digamma eq erf erf_inv erfc exp exp2
    expm1 floor ge gt imag integer_pow is_finite le lgamma log log1p logistic lt max min ne nextafter not or pow rem
    round rsqrt select_n sign sin sinh sqrt square tan tanh xor""".split()  # noqa: SIM905
)
SCALING = frozenset(["mul", "div", "select_n", "and", "or"])  # by these, data scale or mask nodes
MOVING = frozenset(
    """broadcast_in_dim dynamic_slice expand_dims gather pad reshape rev slice split squeeze transpose
    unstack""".split()  # noqa: SIM905
)
REDUCING = frozenset(
    ["argmax", "argmin", "reduce_and", "reduce_max", "reduce_min", "reduce_or", "reduce_prod", "reduce_sum"]
)
# A gate may as well stand before these, for each position or with another scale; an off value belongs there.
SPREADING = (
    MOVING
    | SCALING
    | frozenset(
        """conv_general_dilated convert_element_type copy cumsum dot_general neg reduce_max reduce_min reduce_sum
        reduce_window reduce_window_max reduce_window_min reduce_window_sum""".split()  # noqa: SIM905
    )
)
CUMULATIVE = frozenset(["cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"])
ORDERING = frozenset(["top_k", "approx_top_k", "sort", "argmax", "argmin"])
PRODUCTS = frozenset(["dot_general", "conv_general_dilated"])
JOINING = frozenset(["concatenate", "stack"])
SCATTERING = frozenset(["scatter", "scatter-add", "scatter-sub", "scatter-mul", "scatter-min", "scatter-max"])
KNOWN = ELEMENTWISE | MOVING | REDUCING | CUMULATIVE | ORDERING | PRODUCTS | JOINING | SCATTERING


def _aval(variable: Any) -> Any:
    """Shape and type of a variable."""
    return variable.aval


def moved(equation: JaxprEqn, operands: list[Value]) -> list[np.ndarray] | None:
    """Return the numbers of nodes that an operation only moves, -1 where there is none; None if they are unknown."""
    name, params, ids, shape = equation.primitive.name, equation.params, operands[0].ids, operands[0].aval.shape
    out = _aval(equation.outvars[0]).shape
    if name == "transpose":
        return [ids.transpose(params["permutation"])]
    if name == "broadcast_in_dim":
        return [placed(ids, list(params["broadcast_dimensions"]), len(out))]
    if name == "squeeze":
        return [ids.squeeze(params["dimensions"])]
    if name == "reshape":
        return [ids.reshape([1] * len(out)) if ids.size == 1 else _reshaped(ids, shape, out)]
    if name == "slice":
        strides = params["strides"] or (1,) * ids.ndim
        cuts = zip(params["start_indices"], params["limit_indices"], strides, ids.shape, strict=True)
        return [ids[tuple(slice(a, b, c) if n > 1 else slice(None) for a, b, c, n in cuts)]]
    if name == "rev":
        return [np.flip(ids, params["dimensions"])]
    if name == "split":
        axis = params["axis"]
        parts = [ids] * len(params["sizes"])
        return np.split(ids, np.cumsum(params["sizes"])[:-1], axis) if ids.shape[axis] > 1 else parts
    if name == "unstack":
        axis, along = params["axis"], len(equation.outvars)
        return [ids.take(0 if ids.shape[axis] == 1 else number, axis) for number in range(along)]
    if name == "pad":
        return [_padded(ids, shape, params["padding_config"])]
    return _taken(equation, operands)


def _reshaped(ids: np.ndarray, old: tuple[int, ...], new: tuple[int, ...]) -> np.ndarray:
    """Reshape ids; leading axes that stay and along which nodes do not vary keep the length one."""
    kept = 0
    while kept < min(len(old), len(new)) and old[kept] == new[kept] and ids.shape[kept] == 1:
        kept += 1
    return np.broadcast_to(ids, (1,) * kept + old[kept:]).reshape((1,) * kept + new[kept:])


def _padded(ids: np.ndarray, shape: tuple[int, ...], config: Any) -> np.ndarray:
    for axis, (low, high, inner) in enumerate(config):
        if low or high or inner:
            ids = np.broadcast_to(ids, (*ids.shape[:axis], shape[axis], *ids.shape[axis + 1 :]))
            apart = np.full((*ids.shape[:axis], (ids.shape[axis] - 1) * (inner + 1) + 1, *ids.shape[axis + 1 :]), -1)
            apart[(slice(None),) * axis + (slice(None, None, inner + 1),)] = ids
            widths = [(0, 0)] * ids.ndim
            widths[axis] = (max(low, 0), max(high, 0))
            wide = np.pad(apart, widths, constant_values=-1)
            stop = wide.shape[axis] + min(high, 0)
            ids = wide[(slice(None),) * axis + (slice(-min(low, 0), stop),)]
    return ids


def _taken(equation: JaxprEqn, operands: list[Value]) -> list[np.ndarray] | None:
    """Run a gather or dynamic slice on ids; data may choose places along axes without nodes alone."""
    operand, sizes = operands[0], equation.params["slice_sizes"]
    shape = operand.aval.shape
    indices = [value(other) for other in operands[1:]]
    if any(index is None for index in indices):
        if any(n > 1 and size != whole for n, size, whole in zip(operand.ids.shape, sizes, shape, strict=True)):
            return None
        indices = [np.zeros(other.aval.shape, other.aval.dtype) for other in operands[1:]]
    if math.prod(shape) > 1e9:
        return None
    params = dict(equation.params) | ({"fill_value": -1} if equation.primitive.name == "gather" else {})
    full = np.ascontiguousarray(np.broadcast_to(operand.ids, shape)).astype(np.int32)
    with jax.ensure_compile_time_eval():
        result = equation.primitive.bind(jnp.asarray(full), *map(jnp.asarray, indices), **params)
    return [np.asarray(result)]


def value(operand: Value) -> Any:
    """Return the numbers of a constant value, or None."""
    return None if operand.known is None else operand.known()


def computed(equation: JaxprEqn, operands: list[Value], number: int) -> Any:
    """Return a function that computes a result of constant operands; None if it is no constant."""
    aval = _aval(equation.outvars[number])
    small = math.prod(aval.shape) <= 1e6
    if equation.effects or not small or tracing.bodies(equation) or any(operand.known is None for operand in operands):
        return None
    if jnp.issubdtype(aval.dtype, jax.dtypes.extended):
        return None

    def compute() -> Any:
        numbers = [value(operand) for operand in operands]
        if any(operand is None for operand in numbers):
            return None
        with jax.ensure_compile_time_eval():
            return np.asarray(tracing.bind(equation, [jnp.asarray(operand) for operand in numbers])[number])

    return compute


def reduced_axes(equation: JaxprEqn) -> tuple[int, ...] | None:
    """Return the axes along which a reduction, sort, cumulative sum or pooling runs; None for other operations."""
    name, params = equation.primitive.name, equation.params
    if name in REDUCING:
        return tuple(params["axes"])
    if name in CUMULATIVE:
        return (params["axis"],)
    if name == "sort" and len(equation.invars) == 1:
        return (params["dimension"],)
    if name == "top_k":
        return (params.get("axis", params.get("dimension", -1)) % len(_aval(equation.invars[0]).shape),)
    if name.startswith("reduce_window") and len(equation.outvars) == 1:
        return tuple(axis for axis, size in enumerate(params["window_dimensions"]) if size > 1)
    return None


def repeated(equation: JaxprEqn, operands: list[Value]) -> frozenset[int]:
    """Return the axes along which a result of weights was broadcast."""
    name, params, out = equation.primitive.name, equation.params, _aval(equation.outvars[0]).shape
    operand = operands[0]
    if name == "broadcast_in_dim":
        places = {axis: out_axis for axis, out_axis in enumerate(params["broadcast_dimensions"])}
        varies = [o for a, o in places.items() if operand.aval.shape[a] > 1 and a not in operand.repeated]
        return frozenset(axis for axis, size in enumerate(out) if size > 1 and axis not in varies)
    if name == "transpose":
        return frozenset(new for new, old in enumerate(params["permutation"]) if old in operand.repeated)
    if name == "reshape":
        kept = next((a for a, (m, n) in enumerate(zip(operand.aval.shape, out, strict=False)) if m != n), len(out))
        return frozenset(axis for axis in operand.repeated if axis < kept)
    if name == "dot_general":
        both = zip(operands, axes_of_product(equation, operands[0], operands[1])[0], strict=True)
        varies = [o for side, of in both for a, o in of.items() if a not in side.repeated]
        return frozenset(axis for axis in range(len(out)) if axis not in varies)
    if name in ELEMENTWISE:
        whole = [other for other in operands if other.aval.shape == out]
        return frozenset.intersection(*[other.repeated for other in whole]) if whole else frozenset()
    return frozenset()


def scattered(equation: JaxprEqn, updates: Value) -> np.ndarray | None:
    """Return the numbers of nodes that are written or added to places of an array; None where that mixes them."""
    numbers, shape = equation.params["dimension_numbers"], _aval(equation.outvars[0]).shape
    gone = (*numbers.inserted_window_dims, *numbers.operand_batching_dims)
    window = [axis for axis in range(len(shape)) if axis not in gone]
    places, sizes = dict(zip(numbers.update_window_dims, window, strict=True)), [1] * len(shape)
    for axis, size in enumerate(updates.ids.shape):
        if size > 1 and (axis not in places or size != shape[places[axis]]):
            return None
        if axis in places:
            sizes[places[axis]] = size
    return updates.ids.reshape(sizes)


def one_to_one(both: np.ndarray) -> bool:
    """Whether pairs (2, pairs) match the nodes of both sides one to one."""
    return len(np.unique(both[0])) == len(np.unique(both[1])) == both.shape[1]


def closed_groups(both: np.ndarray, count: int) -> np.ndarray:
    """Label the connected groups of nodes: those of a pair have the same label."""
    label = np.arange(count)
    while True:
        old, low = label.copy(), np.minimum(label[both[0]], label[both[1]])
        np.minimum.at(label, both[0], low)
        np.minimum.at(label, both[1], low)
        if (old == label).all():
            return np.unique(label, return_inverse=True)[1]


def axes_of_product(equation: JaxprEqn, left: Value, right: Value) -> tuple[list[dict[int, int]], bool]:
    """Return the place of each free axis of both operands in the product, and whether the product sums or is outer."""
    if equation.primitive.name == "conv_general_dilated":
        numbers = equation.params["dimension_numbers"]
        return [{}, {numbers.rhs_spec[0]: numbers.out_spec[1]}], True
    (summed, batch), ndim = equation.params["dimension_numbers"], len(_aval(equation.outvars[0]).shape)
    free = [
        [axis for axis in range(len(operand.aval.shape)) if axis not in (*gone, *both)]
        for operand, gone, both in zip((left, right), summed, batch, strict=True)
    ]
    shared = len(batch[0])
    places = [range(shared, shared + len(free[0])), range(shared + len(free[0]), ndim)]
    axes = [dict(zip([*batch[side], *free[side]], [*range(shared), *places[side]], strict=True)) for side in range(2)]
    return axes, bool(summed[0]) or bool(free[0] and free[1])
