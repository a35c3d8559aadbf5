"""Products and convolutions: they make nodes, end them, or carry them on."""

import math
from typing import Any

import numpy as np
from jax.extend.core import JaxprEqn

from sweeps._program import rules
from sweeps._program.flow import Flow, Read
from sweeps._program.values import Key, Value, common, placed


class Products(Flow):
    """Rules of products and convolutions."""

    def product(self, equation: JaxprEqn, name: str, left: Value, right: Value, aval: Any, key: Key) -> Value:
        """Return the result: new nodes, those of an operand, heads, or data."""
        axes, is_summed = rules.axes_of_product(equation, left, right)
        sides, ndim = [(left, right, axes[0]), (right, left, axes[1])], len(aval.shape)
        if is_summed:
            for value, other, places in sides[1:] if name == "conv_general_dilated" else sides:
                if value.kind == "weights" and _is_kernel(equation, value, other, value is left):
                    self._note_read(equation, left, right, value is left, key)
                    return self._made_by(value, other, places, name, aval, key)
        if name == "conv_general_dilated":
            return self._filtered(equation, left, right, aval, key)
        nodes = [(value, places) for value, _, places in sides if value.kind == "nodes"]
        batch = range(len(equation.params["dimension_numbers"][1][0]))
        heads = [(value, places) for value, places in nodes if all(source.kind == "head" for source in value.sources)]
        on = heads if len(heads) == 1 else nodes
        if len(on) == 1 and not _is_summed(*on[0]):
            value, places = on[0]
            _note_heads(nodes, batch)
            word = "attention" if len(nodes) == 2 else ""
            more = dict(ids=_rest(value, places, ndim), traits=value.traits, word=word)
            return self.new("nodes", aval, key=(*key, 0), sources=value.sources, **more)
        shared = [any(value.ids.shape[a] > 1 for a, out in places.items() if out in batch) for value, places in nodes]
        if nodes and all(shared) and all(_is_summed(value, places) or len(nodes) == 2 for value, places in nodes):
            _note_heads(nodes, batch)
            return self._head(nodes, batch, aval, key)
        rests = [_rest(value, places, ndim).size for value, places in nodes]
        if self._has_heads_in_queries(nodes, rests, len(batch)):
            _note_heads(nodes, batch)
            return self._head([nodes[int(np.argmax(rests))]], batch, aval, key)
        all_summed = len(nodes) == 2 and max(rests) == 1
        _note_heads(nodes if all_summed else [], batch)
        return self.new("data", aval, word="attention" if all_summed else "product with data")

    @staticmethod
    def _has_heads_in_queries(nodes: list[Any], rests: list[int], batch: int) -> bool:
        """Whether queries have heads of their own, and all heads share the keys."""
        if len(nodes) != 2 or not all(_is_summed(*value) for value in nodes) or not min(rests) == 1 < max(rests):
            return False
        _, places = nodes[int(np.argmin(rests))]
        return len(places) > batch

    def _note_read(self, equation: JaxprEqn, left: Value, right: Value, reads_right: bool, key: Key) -> None:
        summed = _summed_axes(equation)
        side = int(reads_right)
        kernel, value = (left, right) if reads_right else (right, left)
        self.reads[key] = Read(key, side, value, summed[side], kernel, summed[1 - side])

    def _made_by(self, value: Value, other: Value, places: dict[int, int], name: str, aval: Any, key: Key) -> Value:
        """Return the nodes that a parameter makes, numbered along its axes that are not summed over."""
        order = sorted(places)
        sizes = [value.aval.shape[axis] for axis in order]
        ids = placed(np.arange(math.prod(sizes)).reshape(sizes), [places[axis] for axis in order], len(aval.shape))
        kind = "channel" if name == "conv_general_dilated" else "unit"
        path, reason = value.path, ""
        if path is None:
            shape = "x".join(map(str, value.aval.shape))
            path, reason = f"constant {shape}", "its kernel is closed over: give it as a part of params"
        axes = tuple(value.axes[axis] for axis in order) if value.axes else tuple(order)
        like = self.like(path, kind, ids.size, axes=axes, stack=value.stack, reason=reason, sizes=tuple(sizes))
        return self.made(key, aval, ids, like, word=f"read by {path}")

    def _filtered(self, equation: JaxprEqn, left: Value, right: Value, aval: Any, key: Key) -> Value:
        """Return a convolution with a kernel that is no parameter; nodes live on in a depthwise one."""
        numbers, groups = equation.params["dimension_numbers"], equation.params["feature_group_count"]
        axis, out = numbers.lhs_spec[1], numbers.out_spec[1]
        alone = left.kind == "nodes" and right.kind == "weights" and groups == left.aval.shape[axis] == aval.shape[out]
        if not alone or any(n > 1 for a, n in enumerate(left.ids.shape) if a != axis):
            return self.new("data", aval)
        ids = placed(left.ids.reshape(-1), [out], len(aval.shape))
        return self.new("nodes", aval, key=(*key, 0), sources=left.sources, ids=ids, traits=left.traits)

    def _head(self, nodes: list[Any], batch: range, aval: Any, key: Key) -> Value:
        """Return heads: the nodes that a product of two activations does not sum; of grouped queries, their heads."""
        joint = np.zeros([1] * len(aval.shape), int)
        for value, places in nodes:
            ids = _rest(value, places, len(aval.shape))
            if not _is_summed(value, places):
                ids = ids[(slice(None),) * len(batch) + (slice(0, 1),) * (ids.ndim - len(batch))]
            joint = joint * (int(ids.max()) + 1) + ids
        joint = np.unique(joint, return_inverse=True)[1].reshape(joint.shape)
        by_size = sorted((value.first for value, _ in nodes), key=lambda source: (-len(source.labels), source.order))
        path = common([source.path for source in by_size]) or by_size[0].path
        if len(nodes) == 1:
            path = path.rpartition("/")[0].rpartition("/")[0] or path
        like = self.like(path, "head", int(joint.max()) + 1, stack=by_size[0].stack)
        return self.made(key, aval, joint, like, word="attention")


def _is_kernel(equation: JaxprEqn, value: Value, other: Value, is_left: bool) -> bool:
    """Whether weights make nodes in a product.

    An array that the function closes over may mix positions, as a graph's adjacency does; it makes nodes only if it
    sums over the last axis, that of features.
    """
    if value.path or equation.primitive.name == "conv_general_dilated":
        return (bool(value.path) or value.is_constant) and not _is_query(equation, value, is_left)
    return value.is_constant and len(other.aval.shape) - 1 in _summed_axes(equation)[is_left]


def _is_query(equation: JaxprEqn, value: Value, is_left: bool) -> bool:
    """Whether parameters are operands like data, such as learned queries, and make no nodes."""
    if equation.primitive.name == "conv_general_dilated":
        return False
    batch = equation.params["dimension_numbers"][1][not is_left]
    return bool(batch) and (value.is_made_of_weights or bool(value.repeated & set(batch)))


def _summed_axes(equation: JaxprEqn) -> list[tuple[int, ...]]:
    """Return the axes of both operands that a product sums over, without the pixels of a convolution."""
    if equation.primitive.name == "conv_general_dilated":
        numbers = equation.params["dimension_numbers"]
        return [(numbers.lhs_spec[1],), (numbers.rhs_spec[1],)]
    return [tuple(axes) for axes in equation.params["dimension_numbers"][0]]


def _note_heads(nodes: list[Any], batch: range) -> None:
    """Note the head of each query, key or value in a product of two activations that takes all of them."""
    for value, places in nodes if len(nodes) == 2 else []:
        source = value.first
        if source.kind == "head" or len(np.unique(value.ids)) < len(source.labels) or value.ids.min() < 0:
            continue
        is_summed = _is_summed(value, places)
        shape = [n if a in places and (is_summed or places[a] in batch) else 1 for a, n in enumerate(value.ids.shape)]
        at = np.broadcast_to(np.arange(math.prod(shape)).reshape(shape), value.ids.shape)
        # Keys that several heads share stand at the places of all: the first one counts.
        first = np.full(len(source.labels), at.size)
        np.minimum.at(first, value.ids.ravel(), at.ravel())
        source.head_of = np.unique(first, return_inverse=True)[1]


def _is_summed(value: Value, places: dict[int, int]) -> bool:
    """Whether a product sums over the nodes of an operand."""
    return any(n > 1 for axis, n in enumerate(value.ids.shape) if axis not in places)


def _rest(value: Value, places: dict[int, int], ndim: int) -> np.ndarray:
    """Return the ids of an operand's free axes, at the first place of the summed axes."""
    small = value.ids[tuple(slice(None) if axis in places else slice(0, 1) for axis in range(value.ids.ndim))]
    small = small.squeeze(tuple(axis for axis in range(small.ndim) if axis not in places))
    return placed(small, [places[axis] for axis in sorted(places)], ndim)
