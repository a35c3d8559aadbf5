"""Products: what makes nodes, and what a product does with those of its operands."""

import math
from typing import Any

import numpy as np
from jax.extend.core import JaxprEqn

from sweeps.program import rules
from sweeps.program.flow import Flow, Read
from sweeps.program.values import Key, Value, common, placed


class Products(Flow):
    """Rules of products and convolutions."""

    def product(self, equation: JaxprEqn, name: str, left: Value, right: Value, aval: Any, key: Key) -> Value:
        """The result of a product or convolution: of new nodes, of those of an operand, of heads, or of data."""
        axes, is_summed = rules.axes_of_product(equation, left, right)
        sides, ndim = [(left, right, axes[0]), (right, left, axes[1])], len(aval.shape)
        if is_summed:
            for one, other, places in sides[1:] if name == "conv_general_dilated" else sides:
                if one.kind == "weights" and _is_kernel(equation, one, other, one is left):
                    self._note_read(equation, left, right, one is left, key)
                    return self._made_by(one, other, places, name, aval, key)
        if name == "conv_general_dilated":
            return self._filtered(equation, left, right, aval, key)
        nodes = [(one, places) for one, _, places in sides if one.kind == "nodes"]
        heads = [(one, places) for one, places in nodes if all(source.kind == "head" for source in one.sources)]
        on = heads if len(heads) == 1 else nodes
        if len(on) == 1 and not _is_summed(*on[0]):
            one, places = on[0]
            word = "attention" if len(nodes) == 2 else ""
            more = dict(ids=_rest(one, places, ndim), traits=one.traits, word=word)
            return self.new("nodes", aval, key=(*key, 0), sources=one.sources, **more)
        batch = range(len(equation.params["dimension_numbers"][1][0]))
        shared = [any(one.ids.shape[a] > 1 for a, out in places.items() if out in batch) for one, places in nodes]
        if nodes and all(shared) and all(_is_summed(one, places) or len(nodes) == 2 for one, places in nodes):
            return self._head(nodes, batch, aval, key)
        rests = [_rest(one, places, ndim).size for one, places in nodes]
        if self._has_heads_in_queries(nodes, rests, len(batch)):
            return self._head([nodes[int(np.argmax(rests))]], batch, aval, key)
        all_summed = len(nodes) == 2 and max(rests) == 1
        return self.new("data", aval, word="attention" if all_summed else "product with data")

    @staticmethod
    def _has_heads_in_queries(nodes: list[Any], rests: list[int], batch: int) -> bool:
        """Whether queries have heads of their own, and keys, one a position, are the same for all."""
        if len(nodes) != 2 or not all(_is_summed(*one) for one in nodes) or not min(rests) == 1 < max(rests):
            return False
        _, places = nodes[int(np.argmin(rests))]
        return len(places) > batch

    def _note_read(self, equation: JaxprEqn, left: Value, right: Value, reads_right: bool, key: Key) -> None:
        summed = _summed_axes(equation)
        operand = int(reads_right)
        kernel, value = (left, right) if reads_right else (right, left)
        self.reads[key] = Read(key, operand, value, summed[operand], kernel, summed[1 - operand])

    def _made_by(self, one: Value, other: Value, places: dict[int, int], name: str, aval: Any, key: Key) -> Value:
        """Nodes that a parameter makes: its axes that are not summed over number them."""
        order = sorted(places)
        sizes = [one.aval.shape[axis] for axis in order]
        ids = placed(np.arange(math.prod(sizes)).reshape(sizes), [places[axis] for axis in order], len(aval.shape))
        kind = "channel" if name == "conv_general_dilated" else "unit"
        path, reason = one.path, ""
        if path is None:
            shape = "x".join(map(str, one.aval.shape))
            path, reason = f"constant {shape}", "its kernel is closed over: give it as a part of params"
        axes = tuple(one.axes[axis] for axis in order) if one.axes else tuple(order)
        like = self.like(path, kind, ids.size, axes=axes, stack=one.stack, reason=reason)
        return self.made(key, aval, ids, like, word=f"read by {path}")

    def _filtered(self, equation: JaxprEqn, left: Value, right: Value, aval: Any, key: Key) -> Value:
        """A convolution with a kernel that is no parameter: nodes live on where each channel has its own."""
        numbers, groups = equation.params["dimension_numbers"], equation.params["feature_group_count"]
        axis, out = numbers.lhs_spec[1], numbers.out_spec[1]
        alone = left.kind == "nodes" and right.kind == "weights" and groups == left.aval.shape[axis] == aval.shape[out]
        if not alone or any(n > 1 for a, n in enumerate(left.ids.shape) if a != axis):
            return self.new("data", aval)
        ids = placed(left.ids.reshape(-1), [out], len(aval.shape))
        return self.new("nodes", aval, key=(*key, 0), sources=left.sources, ids=ids, traits=left.traits)

    def _head(self, nodes: list[Any], batch: range, aval: Any, key: Key) -> Value:
        """Heads: what a product of data with data keeps apart. Of grouped queries, the queries' heads."""
        joint = np.zeros([1] * len(aval.shape), int)
        for one, places in nodes:
            ids = _rest(one, places, len(aval.shape))
            if not _is_summed(one, places):
                ids = ids[(slice(None),) * len(batch) + (slice(0, 1),) * (ids.ndim - len(batch))]
            joint = joint * (int(ids.max()) + 1) + ids
        joint = np.unique(joint, return_inverse=True)[1].reshape(joint.shape)
        by_size = sorted((one.first for one, _ in nodes), key=lambda source: (-len(source.labels), source.order))
        path = common([source.path for source in by_size]) or by_size[0].path
        if len(nodes) == 1:
            path = path.rpartition("/")[0].rpartition("/")[0] or path
        like = self.like(path, "head", int(joint.max()) + 1, stack=by_size[0].stack)
        return self.made(key, aval, joint, like, word="attention")


def _is_kernel(equation: JaxprEqn, one: Value, other: Value, is_left: bool) -> bool:
    """Whether weights make nodes in a product.

    Arrays that the function closes over may as well mix positions, as a graph's adjacency does: these make nodes of
    features alone, which come last.
    """
    if one.path or equation.primitive.name == "conv_general_dilated":
        return (bool(one.path) or one.is_constant) and not _is_query(equation, one, is_left)
    return one.is_constant and len(other.aval.shape) - 1 in _summed_axes(equation)[is_left]


def _is_query(equation: JaxprEqn, one: Value, is_left: bool) -> bool:
    """Whether parameters take part in a product as values do, such as learned queries, and make no nodes."""
    if equation.primitive.name == "conv_general_dilated":
        return False
    batch = equation.params["dimension_numbers"][1][not is_left]
    return bool(batch) and (one.is_made_of_weights or bool(one.repeated & set(batch)))


def _summed_axes(equation: JaxprEqn) -> list[tuple[int, ...]]:
    """Axes of both operands that a product sums over, but for the pixels of a convolution."""
    if equation.primitive.name == "conv_general_dilated":
        numbers = equation.params["dimension_numbers"]
        return [(numbers.lhs_spec[1],), (numbers.rhs_spec[1],)]
    return [tuple(axes) for axes in equation.params["dimension_numbers"][0]]


def _is_summed(one: Value, places: dict[int, int]) -> bool:
    """Whether a product sums over the nodes of an operand."""
    return any(n > 1 for axis, n in enumerate(one.ids.shape) if axis not in places)


def _rest(one: Value, places: dict[int, int], ndim: int) -> np.ndarray:
    """Ids of what is left of an operand in a product, at the first place of what is summed over."""
    small = one.ids[tuple(slice(None) if axis in places else slice(0, 1) for axis in range(one.ids.ndim))]
    small = small.squeeze(tuple(axis for axis in range(small.ndim) if axis not in places))
    return placed(small, [places[axis] for axis in sorted(places)], ndim)
