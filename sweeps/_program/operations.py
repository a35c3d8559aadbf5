"""Operations: what each does with the nodes of its operands; ``reading`` has calls and loops."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.extend.core import JaxprEqn

from sweeps._program import graph, rules
from sweeps._program.flow import Sum
from sweeps._program.products import Products
from sweeps._program.values import (
    BENT,
    MEMORY,
    SCALED,
    Key,
    Value,
    common,
    concatenated,
    pairs,
    placed,
    root_of,
    squeezed,
)

ADDING = frozenset(["add", "sub", "add_any"])


class Operations(Products):
    """Rules of operations."""

    def of_weights(self, equation: JaxprEqn, operands: list[Value]) -> list[Value]:
        """Return the results of an operation on parameters and constants alone."""
        named = sorted((value for value in operands if value.path), key=lambda value: -len(value.aval.shape))
        stack = max((value.stack for value in operands), key=len, default=())
        return [
            self.new(
                "weights",
                v.aval,
                path=named[0].path if named else None,
                axes=self._axes_of(equation, named[0], v.aval) if named else (),
                stack=stack,
                is_constant=not named and any(value.is_constant for value in operands),
                repeated=rules.repeated(equation, operands) if named else frozenset(),
                is_made_of_weights=self._is_product(equation, operands),
                known=rules.computed(equation, operands, j),
            )
            for j, v in enumerate(equation.outvars)
        ]

    @staticmethod
    def _is_product(equation: JaxprEqn, operands: list[Value]) -> bool:
        """Whether weights are a product of parameters, or made of such products alone."""
        if equation.primitive.name in rules.PRODUCTS:
            return all(value.path for value in operands)
        return all(value.is_made_of_weights for value in operands if value.path)

    @staticmethod
    def _axes_of(equation: JaxprEqn, value: Value, aval: Any) -> tuple[int, ...]:
        """Return the axis of the parameter that each axis of a result is."""
        if equation.primitive.name == "transpose":
            return tuple(value.axes[axis] for axis in equation.params["permutation"])
        return value.axes if value.aval.shape == aval.shape else tuple(-1 - axis for axis in range(len(aval.shape)))

    def operation(self, equation: JaxprEqn, name: str, operands: list[Value], key: Key) -> list[Value]:
        """Return the results of an operation whose operands are not all weights."""
        avals, first = [v.aval for v in equation.outvars], operands[0]
        if name in rules.PRODUCTS:
            return [self.product(equation, name, operands[0], operands[1], avals[0], key)]
        if name == "optimization_barrier":
            return [
                self._same(value, aval, (*key, j)) for j, (value, aval) in enumerate(zip(operands, avals, strict=True))
            ]
        if name in rules.ELEMENTWISE and len(avals) == 1:
            return [self._elementwise(name, operands, avals[0], key)]
        if name in rules.JOINING:
            return [self._joined(equation, operands, avals[0], key)]
        if name in rules.SCATTERING:
            return [self._scattered(equation, name, operands, avals[0], key)]
        if name == "gather" and first.kind == "weights" and first.path:
            return [self._looked_up(equation, first, avals[0], key)]
        if name == "dynamic_update_slice" and operands[1].kind == "nodes" and first.kind != "nodes":
            return [self._written(operands, avals[0])]
        if first.kind == "nodes" and name in rules.MOVING:
            return self._moved(equation, operands, avals, key)
        if first.kind == "nodes" and (axes := rules.reduced_axes(equation)) is not None:
            return self._reduced(name, first, axes, avals, key)
        others_known = all(value.kind == "weights" for value in operands[1:])
        if first.kind == "statistic" and others_known and name in rules.MOVING | rules.REDUCING:
            return [self.new("statistic", aval, sources=first.sources) for aval in avals]
        return [self.new("data", aval) for aval in avals]

    def _same(self, value: Value, aval: Any, key: Key) -> Value:
        if not value.holds_nodes:
            return self.new(value.kind, aval)
        return self.new(value.kind, aval, key=key, sources=value.sources, ids=value.ids, traits=value.traits)

    def _elementwise(self, name: str, operands: list[Value], aval: Any, key: Key) -> Value:
        nodes = [value for value in operands if value.kind == "nodes"]
        others = [value for value in operands if value.kind != "weights"]
        if name in ADDING and len(others) > 1:
            self.added.update(value.vertex for value in operands if value.kind == "data")
            made = {
                root_of(value.first) if value.kind == "nodes" else None for value in others if value.kind != "statistic"
            }
            if nodes and len(made) > 1:
                # The vertex of the result, which is made below.
                self.sums[len(self.values)] = Sum((*key, 0), aval, max(nodes, key=lambda value: value.ids.ndim).ids)
        if not nodes:
            helps = [value for value in operands if value.kind == "statistic"]
            if helps and all(value.kind in ("weights", "statistic") for value in operands):
                return self.new("statistic", aval, sources=frozenset().union(*[value.sources for value in helps]))
            return self.new("data", aval)
        before = [
            value for value in nodes if any(self._is_earlier(value, other) for other in nodes if other is not value)
        ]
        if before and len(before) < len(nodes):
            # The nodes of an earlier call of the layer end here: the later call makes them anew.
            kept = [value if value not in before else self._plain(value) for value in operands]
            value = self._elementwise(name, kept, aval, key)
            value.word = "added" if name in ADDING else "memory"
            return value
        if name in ADDING and self._are_apart(nodes):
            return self.new("data", aval, word="added")
        sources = frozenset().union(*[value.sources for value in nodes])
        first = min(nodes, key=lambda value: (-value.ids.ndim, value.first.order))
        for number, value in enumerate(operands):
            if value.kind == "nodes" and value is not first:
                both = pairs(first.ids, value.ids)
                if value.sources & first.sources and not (both[0] == both[1]).all():
                    return self._coarser(first, both, aval, key)
                stays = rules.one_to_one(both)
            elif value.kind == "data":
                spread = len(value.aval.shape) == first.ids.ndim
                apart = all(a == 1 or b == 1 for a, b in zip(value.aval.shape, first.ids.shape, strict=False))
                scales = name in rules.SCALING and not (name == "select_n" and number > 0)
                stays = scales or not spread or apart
            else:
                stays = value.kind == "weights" or value.sources <= sources
            if not stays:
                return self.new("data", aval, word="added" if name in ADDING else name)
        self.beside[len(self.values)] = [value for value in operands if value.kind == "weights" and value.path]
        traits = self._traits(name, operands, aval).union(*[value.traits for value in nodes])
        return self.new("nodes", aval, key=(*key, 0), sources=sources, ids=first.ids, traits=traits)

    @staticmethod
    def _traits(name: str, operands: list[Value], aval: Any) -> frozenset[str]:
        """Return what an elementwise operation does to nodes: see ``Value.traits``."""
        kinds, scales = [value.kind for value in operands], name in rules.SCALING
        # A whole array of constants or parameters is a memory before its first step.
        begins = any(
            value.kind == "weights" and value.aval.shape == aval.shape and not value.repeated for value in operands
        )
        happens = {
            BENT: name not in rules.LINEAR or (scales and kinds.count("nodes") > 1),
            SCALED: scales and (begins or len(kinds) - kinds.count("weights") > 1),
            MEMORY: scales and (begins or "data" in kinds),
        }
        return frozenset(trait for trait, is_true in happens.items() if is_true)

    @staticmethod
    def _are_apart(nodes: list[Value]) -> bool:
        """Whether terms of a sum are nodes of their own: those of several layers behind their activations.

        The terms of a cell's sum, which its gates scale, are parts of one node.
        """
        several = len({frozenset(map(root_of, value.sources)) for value in nodes}) > 1
        if not several or any(BENT in value.traits and SCALED not in value.traits for value in nodes):
            return several
        # A gate chooses between two layers, each with a product of its own and neither a memory.
        own = all(value.sources - other.sources for value in nodes for other in nodes if other is not value)
        return own and all(SCALED in value.traits and MEMORY not in value.traits for value in nodes)

    def _plain(self, value: Value) -> Value:
        """Return a value as data: its nodes do not live on."""
        if value.kind == "weights":
            return value
        plain = self.new("data", value.aval)
        self.arrow(value.vertex, plain.vertex)
        return plain

    def _is_earlier(self, value: Value, other: Value) -> bool:
        """Whether the nodes of a value are of an earlier call of the layer that makes those of another value."""
        roots = [root_of(source) for source in other.sources]
        made = {(root.path, root.axes): root for root in roots if root.axes}
        calls = [root for root in map(root_of, value.sources) if made.get((root.path, root.axes), root) is not root]
        later = {call.vertex for call in (*roots, *other.sources)}
        return any(
            vertex in later
            for root in calls
            for vertex in graph.reached([root.vertex], lambda at: self.after.get(at, ()))
        )

    def _coarser(self, first: Value, both: np.ndarray, aval: Any, key: Key) -> Value:
        """Return the groups of a source's nodes that do not mix with each other, such as heads, as new nodes."""
        if first.ids.min() < 0 or both.min() < 0:
            return self.new("data", aval)
        label = rules.closed_groups(both, int(both.max()) + 1)
        if label.max() == 0:
            return self.new("data", aval)
        source, one_of_each = first.first, np.unique(label, return_index=True)[1]
        within = one_of_each if source.within is None else source.within[one_of_each]
        parent = source.parent or source
        like = self.like(source.path, "mixed", len(within), stack=source.stack, parent=parent, within=within)
        return self.made(key, aval, label[first.ids], like)

    def _moved(self, equation: JaxprEqn, operands: list[Value], avals: list[Any], key: Key) -> list[Value]:
        value, moved = operands[0], rules.moved(equation, operands)
        if moved is None:
            return [self.new("data", aval) for aval in avals]
        count, results = int(value.ids.max()) + 1, []
        for j, (ids, aval) in enumerate(zip(moved, avals, strict=True)):
            here = np.unique(ids[ids >= 0])
            if len(here) == count or not len(here):
                more = dict(sources=value.sources, ids=squeezed(ids), traits=value.traits)
                results.append(self.new("nodes", aval, key=(*key, j), **more))
                continue
            old, paths = value.first, sorted({source.path for source in value.sources})
            path = old.path if len(paths) == 1 or not common(paths) else common(paths) + "/*"
            labels = old.labels[here] if len(old.labels) == count else here
            like = self.like(
                path, old.kind, len(here), axes=old.axes, labels=labels, stack=old.stack, parent=old, within=here
            )
            like.is_embedding, like.reason = old.is_embedding, old.reason
            part = np.where(ids >= 0, np.searchsorted(here, ids), -1)
            results.append(self.made(key, aval, part, like, result=j, traits=value.traits))
        return results

    def _reduced(self, name: str, value: Value, axes: tuple[int, ...], avals: list[Any], key: Key) -> list[Value]:
        """Return the results of an operation that runs along some axes, such as a sum or a sort."""
        # Places of padding have the number -1.
        same = value.ids.max(axes, keepdims=True)
        if ((value.ids == same) | (value.ids < 0)).all():
            ids = same.squeeze(axes) if name in rules.REDUCING else same
            bends = name not in ("reduce_sum", "reduce_window_sum", "cumsum")
            traits = value.traits | {BENT} if bends else value.traits
            results = [self.new("nodes", avals[0], key=(*key, 0), sources=value.sources, ids=ids, traits=traits)]
            return results + [self.new("data", aval) for aval in avals[1:]]
        if name in rules.REDUCING and name not in rules.ORDERING:
            kept = value.ids[tuple(slice(0, 1) if a in axes else slice(None) for a in range(value.ids.ndim))].squeeze(
                axes
            )
            if name == "reduce_max" and kept.size > 1 and kept.min() >= 0:
                self.maxima[key] = len(self.values)
                if key in self.making:
                    ids = np.unique(kept, return_inverse=True)[1].reshape(kept.shape)
                    like = self.like(
                        value.first.path,
                        value.first.kind,
                        int(ids.max()) + 1,
                        stack=value.first.stack,
                        parent=value.first,
                    )
                    return [self.made(key, avals[0], ids, like, traits=frozenset([BENT]))]
            return [self.new("statistic", avals[0], sources=value.sources, word=name)]
        return [self.new("data", aval, word=name) for aval in avals]

    def _joined(self, equation: JaxprEqn, operands: list[Value], aval: Any, key: Key) -> Value:
        """Join parts of the same nodes, or nodes with parameters and constants along another axis."""
        is_new = equation.primitive.name == "stack"
        axis = equation.params["axis" if is_new else "dimension"]
        nodes = [value for value in operands if value.kind == "nodes"]
        if not nodes or any(value.kind not in ("nodes", "weights") for value in operands):
            return self.new("data", aval, word="concatenate")
        roots = {value.first.parent or value.first for value in nodes}
        if len(roots) != 1:
            return self.new("data", aval, word="concatenate")
        parts: list[Any] = []
        for value in operands:
            shape, ids = list(value.aval.shape), None
            if is_new:
                shape.insert(axis, 1)
            if value.kind == "nodes":
                within = value.first.within
                ids = value.ids if within is None else np.where(value.ids >= 0, within[value.ids], -1)
                ids = np.expand_dims(ids, axis) if is_new else ids
            parts.append((tuple(shape), ids))
        joined = concatenated(parts, axis)
        same = all(value.sources == nodes[0].sources for value in nodes)
        if not same and any(source.kind == "mixed" for value in nodes for source in value.sources):
            groups, numbers = np.unique(joined, return_inverse=True)
            if groups[0] < 0:
                return self.new("data", aval, word="concatenate")
            (root,) = roots
            like = self.like(root.path, "mixed", len(groups), stack=root.stack, parent=root, within=groups)
            return self.made(key, aval, numbers.reshape(joined.shape), like)
        sources = nodes[0].sources if same else frozenset(roots)
        # Traits are of all nodes: what happened to some parts alone did not happen to the whole.
        traits = frozenset.intersection(*[value.traits for value in nodes])
        return self.new("nodes", aval, key=(*key, 0), sources=sources, ids=joined, traits=traits)

    def _scattered(self, equation: JaxprEqn, name: str, operands: list[Value], aval: Any, key: Key) -> Value:
        """Write or add nodes to places of constants or of the same nodes, as in sums over neighbours."""
        whole, _, updates = operands
        nodes = [value for value in (whole, updates) if value.kind == "nodes"]
        ids: list[Any] = [rules.scattered(equation, updates) if value is updates else value.ids for value in nodes]
        known = bool(nodes) and all(value.kind in ("nodes", "weights") for value in (whole, updates))
        if not known or not all(value is not None and np.array_equal(value, ids[0]) for value in ids):
            return self.new("data", aval)
        sources = frozenset().union(*[value.sources for value in nodes])
        bends = name not in ("scatter", "scatter-add", "scatter-sub")
        traits = frozenset([BENT] if bends else []).union(*[value.traits for value in nodes])
        return self.new("nodes", aval, key=(*key, 0), sources=sources, ids=ids[0], traits=traits)

    def _looked_up(self, equation: JaxprEqn, table: Value, aval: Any, key: Key) -> Value:
        """Return the rows of a parameter that data choose: an embedding, or a kernel."""
        numbers, sizes = equation.params["dimension_numbers"], equation.params["slice_sizes"]
        kept = [
            a for a in range(len(sizes)) if a not in (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
        ]
        taken = [(a, out) for a, out in zip(kept, numbers.offset_dims, strict=True) if sizes[a] == table.aval.shape[a]]
        if not taken or not jnp.issubdtype(aval.dtype, jnp.inexact):
            return self.new("data", aval)
        shape = [sizes[a] for a, _ in taken]
        count = math.prod(shape)
        reason = "" if len(sizes) < 3 else "data choose its kernel: run all kernels, and weight their outputs"
        ids = placed(np.arange(count).reshape(shape), [out for _, out in taken], len(aval.shape))
        axes = tuple(table.axes[a] for a, _ in taken)
        like = self.like(
            table.path or "", "unit", count, axes=axes, stack=table.stack, is_embedding=True, reason=reason
        )
        return self.made(key, aval, ids, like)

    def _written(self, operands: list[Value], aval: Any) -> Value:
        """Write nodes to a cache; no gate can stand there, as the cache's earlier contents are unknown."""
        cache, update = operands[0], operands[1]
        sizes = zip(cache.aval.shape, update.aval.shape, update.ids.shape, strict=True)
        if any(n > 1 and whole != size for whole, size, n in sizes):
            return self.new("data", aval)
        return self.new("nodes", aval, sources=update.sources, ids=update.ids, traits=update.traits)
