"""Operations: what each of them does with the nodes of its operands, but for calls and loops."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.extend.core import JaxprEqn

from sweeps.program import graph, rules
from sweeps.program.flow import Sum
from sweeps.program.products import Products
from sweeps.program.values import BENT, MEMORY, SCALED, Key, Value, common, pairs, placed, root_of, squeezed

ADDING = frozenset(["add", "sub", "add_any"])


class Operations(Products):
    """Rules of operations."""

    def of_weights(self, equation: JaxprEqn, operands: list[Value]) -> list[Value]:
        """Results of parameters and constants alone."""
        named = sorted((one for one in operands if one.path), key=lambda one: -len(one.aval.shape))
        stack = max((one.stack for one in operands), key=len, default=())
        return [
            self.new(
                "weights",
                v.aval,
                path=named[0].path if named else None,
                axes=self._axes_of(equation, named[0], v.aval) if named else (),
                stack=stack,
                is_constant=not named and any(one.is_constant for one in operands),
                repeated=rules.repeated(equation, operands) if named else frozenset(),
                is_made_of_weights=self._is_product(equation, operands),
                known=rules.computed(equation, operands, j),
            )
            for j, v in enumerate(equation.outvars)
        ]

    @staticmethod
    def _is_product(equation: JaxprEqn, operands: list[Value]) -> bool:
        """Whether weights are a product of parameters, or made of such alone."""
        if equation.primitive.name in rules.PRODUCTS:
            return all(one.path for one in operands)
        return all(one.is_made_of_weights for one in operands if one.path)

    @staticmethod
    def _axes_of(equation: JaxprEqn, one: Value, aval: Any) -> tuple[int, ...]:
        """Which axis of its parameter each axis of a result is."""
        if equation.primitive.name == "transpose":
            return tuple(one.axes[axis] for axis in equation.params["permutation"])
        return one.axes if one.aval.shape == aval.shape else tuple(-1 - axis for axis in range(len(aval.shape)))

    def operation(self, equation: JaxprEqn, name: str, operands: list[Value], key: Key) -> list[Value]:
        """Results of an operation with operands that are not all weights."""
        avals, first = [v.aval for v in equation.outvars], operands[0]
        if name in rules.PRODUCTS:
            return [self.product(equation, name, operands[0], operands[1], avals[0], key)]
        if name == "optimization_barrier":
            return [self._same(one, aval, (*key, j)) for j, (one, aval) in enumerate(zip(operands, avals, strict=True))]
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
        others_known = all(one.kind == "weights" for one in operands[1:])
        if first.kind == "statistic" and others_known and name in rules.MOVING | rules.REDUCING:
            return [self.new("statistic", aval, sources=first.sources) for aval in avals]
        return [self.new("data", aval) for aval in avals]

    def _same(self, one: Value, aval: Any, key: Key) -> Value:
        if not one.holds_nodes:
            return self.new(one.kind, aval)
        return self.new(one.kind, aval, key=key, sources=one.sources, ids=one.ids, traits=one.traits)

    def _elementwise(self, name: str, operands: list[Value], aval: Any, key: Key) -> Value:
        nodes = [one for one in operands if one.kind == "nodes"]
        others = [one for one in operands if one.kind != "weights"]
        if name in ADDING and len(others) > 1:
            self.added.update(one.vertex for one in operands if one.kind == "data")
            made = {root_of(one.first) if one.kind == "nodes" else None for one in others if one.kind != "statistic"}
            if nodes and len(made) > 1:
                # The result's number is the next one.
                self.sums[len(self.values)] = Sum((*key, 0), aval, max(nodes, key=lambda one: one.ids.ndim).ids)
        if not nodes:
            helps = [one for one in operands if one.kind == "statistic"]
            if helps and all(one.kind in ("weights", "statistic") for one in operands):
                return self.new("statistic", aval, sources=frozenset().union(*[one.sources for one in helps]))
            return self.new("data", aval)
        before = [one for one in nodes if any(self._is_earlier(one, other) for other in nodes if other is not one)]
        if before and len(before) < len(nodes):
            # Memory of an earlier call of the same layer ends here: this call makes it anew.
            kept = [one if one not in before else self._plain(one) for one in operands]
            value = self._elementwise(name, kept, aval, key)
            value.word = "added" if name in ADDING else "memory"
            return value
        if name in ADDING and self._are_apart(nodes):
            return self.new("data", aval, word="added")
        sources = frozenset().union(*[one.sources for one in nodes])
        first = min(nodes, key=lambda one: (-one.ids.ndim, one.first.order))
        for number, one in enumerate(operands):
            if one.kind == "nodes" and one is not first:
                both = pairs(first.ids, one.ids)
                if one.sources & first.sources and not (both[0] == both[1]).all():
                    return self._coarser(first, both, aval, key)
                stays = rules.one_to_one(both)
            elif one.kind == "data":
                spread = len(one.aval.shape) == first.ids.ndim
                apart = all(a == 1 or b == 1 for a, b in zip(one.aval.shape, first.ids.shape, strict=False))
                scales = name in rules.SCALING and not (name == "select_n" and number > 0)
                stays = scales or not spread or apart
            else:
                stays = one.kind == "weights" or one.sources <= sources
            if not stays:
                return self.new("data", aval, word="added" if name in ADDING else name)
        self.beside[len(self.values)] = [one for one in operands if one.kind == "weights" and one.path]
        traits = self._traits(name, operands, aval).union(*[one.traits for one in nodes])
        return self.new("nodes", aval, key=(*key, 0), sources=sources, ids=first.ids, traits=traits)

    @staticmethod
    def _traits(name: str, operands: list[Value], aval: Any) -> frozenset[str]:
        """Return what an elementwise operation does to nodes: see ``Value.traits``."""
        kinds, scales = [one.kind for one in operands], name in rules.SCALING
        # A whole array of constants or parameters is a memory before its first step.
        begins = any(one.kind == "weights" and one.aval.shape == aval.shape and not one.repeated for one in operands)
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
        several = len({frozenset(map(root_of, one.sources)) for one in nodes}) > 1
        if not several or any(BENT in one.traits and SCALED not in one.traits for one in nodes):
            return several
        # A gate chooses between two layers, each with a product of its own and neither a memory.
        own = all(one.sources - other.sources for one in nodes for other in nodes if other is not one)
        return own and all(SCALED in one.traits and MEMORY not in one.traits for one in nodes)

    def _plain(self, one: Value) -> Value:
        """The same value where nodes do not live on in it."""
        if one.kind == "weights":
            return one
        plain = self.new("data", one.aval)
        self.arrow(one.vertex, plain.vertex)
        return plain

    def _is_earlier(self, one: Value, other: Value) -> bool:
        """Whether the nodes of a value are of an earlier call of the layer that makes those of another value."""
        roots = [root_of(source) for source in other.sources]
        made = {(root.path, root.axes): root for root in roots if root.axes}
        calls = [root for root in map(root_of, one.sources) if made.get((root.path, root.axes), root) is not root]
        later = {call.vertex for call in (*roots, *other.sources)}
        return any(
            vertex in later
            for root in calls
            for vertex in graph.reached([root.vertex], lambda at: self.after.get(at, ()))
        )

    def _coarser(self, first: Value, both: np.ndarray, aval: Any, key: Key) -> Value:
        """Nodes of one source that are mixed with each other: groups that are not mixed, such as heads, live on."""
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
        one, found = operands[0], rules.moved(equation, operands)
        if found is None:
            return [self.new("data", aval) for aval in avals]
        count, results = int(one.ids.max()) + 1, []
        for j, (ids, aval) in enumerate(zip(found, avals, strict=True)):
            here = np.unique(ids[ids >= 0])
            if len(here) == count or not len(here):
                more = dict(sources=one.sources, ids=squeezed(ids), traits=one.traits)
                results.append(self.new("nodes", aval, key=(*key, j), **more))
                continue
            old, paths = one.first, sorted({source.path for source in one.sources})
            path = old.path if len(paths) == 1 or not common(paths) else common(paths) + "/*"
            labels = old.labels[here] if len(old.labels) == count else here
            like = self.like(
                path, old.kind, len(here), axes=old.axes, labels=labels, stack=old.stack, parent=old, within=here
            )
            like.is_embedding, like.reason = old.is_embedding, old.reason
            part = np.where(ids >= 0, np.searchsorted(here, ids), -1)
            results.append(self.made(key, aval, part, like, result=j, traits=one.traits))
        return results

    def _reduced(self, name: str, one: Value, axes: tuple[int, ...], avals: list[Any], key: Key) -> list[Value]:
        """Results of an operation that runs along some axes and treats all others alike."""
        # Beside the nodes there may be padding.
        same = one.ids.max(axes, keepdims=True)
        if ((one.ids == same) | (one.ids < 0)).all():
            ids = same.squeeze(axes) if name in rules.REDUCING else same
            bends = name not in ("reduce_sum", "reduce_window_sum", "cumsum")
            traits = one.traits | {BENT} if bends else one.traits
            results = [self.new("nodes", avals[0], key=(*key, 0), sources=one.sources, ids=ids, traits=traits)]
            return results + [self.new("data", aval) for aval in avals[1:]]
        if name in rules.REDUCING and name not in rules.ORDERING:
            kept = one.ids[tuple(slice(0, 1) if a in axes else slice(None) for a in range(one.ids.ndim))].squeeze(axes)
            if name == "reduce_max" and kept.size > 1 and kept.min() >= 0:
                self.maxima[key] = len(self.values)
                if key in self.making:
                    ids = np.unique(kept, return_inverse=True)[1].reshape(kept.shape)
                    like = self.like(
                        one.first.path, one.first.kind, int(ids.max()) + 1, stack=one.first.stack, parent=one.first
                    )
                    return [self.made(key, avals[0], ids, like, traits=frozenset([BENT]))]
            return [self.new("statistic", avals[0], sources=one.sources, word=name)]
        return [self.new("data", aval, word=name) for aval in avals]

    def _joined(self, equation: JaxprEqn, operands: list[Value], aval: Any, key: Key) -> Value:
        """Parts of the same nodes put together again, or nodes beside parameters and constants along another axis."""
        is_new = equation.primitive.name == "stack"
        axis = equation.params["axis" if is_new else "dimension"]
        nodes = [one for one in operands if one.kind == "nodes"]
        if not nodes or any(one.kind not in ("nodes", "weights") for one in operands):
            return self.new("data", aval, word="concatenate")
        roots = {one.first.parent or one.first for one in nodes}
        if len(roots) != 1:
            return self.new("data", aval, word="concatenate")
        whole = []
        for one in operands:
            shape = [*one.aval.shape[:axis], 1, *one.aval.shape[axis:]] if is_new else list(one.aval.shape)
            if one.kind == "weights":
                whole.append(np.full([n if a == axis else 1 for a, n in enumerate(shape)], -1))
                continue
            within = one.first.within
            ids = one.ids if within is None else np.where(one.ids >= 0, within[one.ids], -1)
            ids = np.expand_dims(ids, axis) if is_new else ids
            whole.append(
                np.broadcast_to(
                    ids, [n if a == axis else k for a, (n, k) in enumerate(zip(shape, ids.shape, strict=True))]
                )
            )
        sizes = [max(ids.shape[a] for ids in whole) for a in range(whole[0].ndim)]
        whole = [np.broadcast_to(ids, [ids.shape[a] if a == axis else n for a, n in enumerate(sizes)]) for ids in whole]
        same = all(one.sources == nodes[0].sources for one in nodes)
        joined = np.concatenate(whole, axis)
        if not same and any(source.kind == "mixed" for one in nodes for source in one.sources):
            groups, numbers = np.unique(joined, return_inverse=True)
            if groups[0] < 0:
                return self.new("data", aval, word="concatenate")
            (root,) = roots
            like = self.like(root.path, "mixed", len(groups), stack=root.stack, parent=root, within=groups)
            return self.made(key, aval, numbers.reshape(joined.shape), like)
        sources, ids = nodes[0].sources if same else frozenset(roots), squeezed(joined)
        # Traits are of all nodes: what happened to some parts alone did not happen to the whole.
        traits = frozenset.intersection(*[one.traits for one in nodes])
        return self.new("nodes", aval, key=(*key, 0), sources=sources, ids=ids, traits=traits)

    def _scattered(self, equation: JaxprEqn, name: str, operands: list[Value], aval: Any, key: Key) -> Value:
        """Nodes that are written or added to places of constants or of the same nodes, as in sums over neighbours."""
        whole, _, updates = operands
        nodes = [one for one in (whole, updates) if one.kind == "nodes"]
        ids: list[Any] = [rules.scattered(equation, updates) if one is updates else one.ids for one in nodes]
        known = bool(nodes) and all(one.kind in ("nodes", "weights") for one in (whole, updates))
        if not known or not all(one is not None and np.array_equal(one, ids[0]) for one in ids):
            return self.new("data", aval)
        sources = frozenset().union(*[one.sources for one in nodes])
        bends = name not in ("scatter", "scatter-add", "scatter-sub")
        traits = frozenset([BENT] if bends else []).union(*[one.traits for one in nodes])
        return self.new("nodes", aval, key=(*key, 0), sources=sources, ids=ids[0], traits=traits)

    def _looked_up(self, equation: JaxprEqn, table: Value, aval: Any, key: Key) -> Value:
        """Rows of a parameter that data choose: an embedding, or a kernel."""
        numbers, sizes = equation.params["dimension_numbers"], equation.params["slice_sizes"]
        kept = [
            a for a in range(len(sizes)) if a not in (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
        ]
        taken = [(a, out) for a, out in zip(kept, numbers.offset_dims, strict=True) if sizes[a] == table.aval.shape[a]]
        if not taken or not jnp.issubdtype(aval.dtype, jnp.inexact):
            return self.new("data", aval)
        shape = [sizes[a] for a, _ in taken]
        count = math.prod(shape)
        reason = "" if len(sizes) < 3 else "its kernel is chosen by data: run all kernels, and weigh what they make"
        ids = placed(np.arange(count).reshape(shape), [out for _, out in taken], len(aval.shape))
        axes = tuple(table.axes[a] for a, _ in taken)
        like = self.like(
            table.path or "", "unit", count, axes=axes, stack=table.stack, is_embedding=True, reason=reason
        )
        return self.made(key, aval, ids, like)

    def _written(self, operands: list[Value], aval: Any) -> Value:
        """A cache with nodes written to it: no gate can stand there, as what was there before is not known."""
        cache, update = operands[0], operands[1]
        sizes = zip(cache.aval.shape, update.aval.shape, update.ids.shape, strict=True)
        if any(n > 1 and whole != size for whole, size, n in sizes):
            return self.new("data", aval)
        return self.new("nodes", aval, sources=update.sources, ids=update.ids, traits=update.traits)
