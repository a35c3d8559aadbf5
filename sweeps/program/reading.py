"""Reading: one pass over a program, from where nodes are made to where they are read, mixed or put out.

Values are vertices of a graph. An edge leads on to a result in which the nodes of an operand live on, and to EXIT where
they do not. What an operation does with nodes is in ``rules``; an unknown operation mixes.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

from sweeps.program import rules, tracing
from sweeps.program.tracing import Program
from sweeps.program.values import EXIT, Frame, Key, Source, Value, pairs, placed, squeezed


class Edge(NamedTuple):
    """From one value to another, or to EXIT; in words how; and the vertex that tells more, where nodes are regrouped."""

    before: int
    after: int
    word: str
    onward: int = EXIT


class Reader:
    """What a program does with nodes.

    Attributes
    ----------
    values, edges : the graph
    flow : every operand and result, whether nodes live on or not
    sources : by key and result, where nodes are made
    read_by_makers : values that a parameter's product reads
    added : values that are added to others, as in a residual stream
    opaque : names of operations that were met with nodes and taken for mixing
    prefixes : of each loop over layers, what the paths of the parameters that it slices have in common
    closed : operations within which no gate can stand
    maxima : maxima over some of the axes of nodes, and where they stand

    Parameters
    ----------
    program : what is read
    making : the maxima that make nodes of their own, as in maxout; others come back to the nodes they are of
    """

    def __init__(self, program: Program, making: frozenset[Key] = frozenset()):
        self.values: list[Value] = []
        self.edges: list[Edge] = []
        self.flow: list[tuple[int, int]] = []
        self.sources: dict[Any, Source] = {}
        self.read_by_makers: set[int] = set()
        self.added: set[int] = set()
        self.opaque: set[str] = set()
        self.prefixes: dict[Frame, str] = {}
        self.closed: set[Frame] = set()
        self.maxima: dict[Key, int] = {}
        self._making = making
        jaxpr, paths = program.jaxpr, program.paths
        consts = [self._constant(v.aval, const) for v, const in zip(jaxpr.constvars, program.consts, strict=True)]
        inputs = [
            self.new("weights", v.aval, path=paths[i], axes=tuple(range(len(v.aval.shape)))) if i < len(paths) else self.new("data", v.aval)
            for i, v in enumerate(jaxpr.invars)
        ]
        for result in self._walk(jaxpr, consts, inputs, ()):
            self._exit(result, "output")

    # The graph

    def new(self, kind: Any, aval: Any, **more: Any) -> Value:
        """Add a value to the graph."""
        self.values.append(Value(kind, aval, len(self.values), **more))
        return self.values[-1]

    def _constant(self, aval: Any, array: Any) -> Value:
        is_known = not isinstance(array, jax.core.Tracer) and not jnp.issubdtype(aval.dtype, jax.dtypes.extended)
        is_kernel = len(aval.shape) > 1 and jnp.issubdtype(aval.dtype, jnp.floating)
        known = (lambda: np.asarray(array)) if is_known else None
        return self.new("weights", aval, known=known, is_constant=is_kernel)

    def _exit(self, value: Value, word: str) -> None:
        self.flow.append((value.vertex, EXIT))
        if value.holds_nodes:
            self.edges.append(Edge(value.vertex, EXIT, word))

    def _lead(self, before: Value, after: Value, name: str) -> None:
        """Add the edge from an operand to a result."""
        self.flow.append((before.vertex, after.vertex))
        if not before.holds_nodes:
            return
        if after.holds_nodes and before.sources <= after.sources and not after.is_made:
            self.edges.append(Edge(before.vertex, after.vertex, name))
            return
        children = {source.parent for source in after.sources}
        word = "part" if children & before.sources else after.word or name
        regrouped = after.kind == "nodes" and (name in rules.ELEMENTWISE or name == "concatenate")
        self.edges.append(Edge(before.vertex, EXIT, "" if regrouped else word, after.vertex if regrouped else EXIT))

    def made(self, key: Key, aval: Any, ids: np.ndarray, like: Source, word: str = "", result: int = 0) -> Value:
        """Add a value with nodes that are new, numbered from 0 by ids; ``like`` describes them, but for their place."""
        source = self.sources.get((key, result))
        if source is None:
            source = self.sources[key, result] = like
            source.order = len(self.sources)
        source.path, source.vertex = like.path, len(self.values)  # a loop's later passes know more
        return self.new("nodes", aval, key=(*key, result), sources=frozenset([source]), ids=squeezed(ids), word=word, is_made=True)

    def like(self, path: str, kind: str, count: int, **more: Any) -> Source:
        """Describe new nodes."""
        return Source(0, path, more.pop("axes", ()), kind, more.pop("labels", np.arange(count)), **more)

    # The walk

    def _walk(self, jaxpr: Jaxpr, consts: Sequence[Value], inputs: Sequence[Value], frame: Frame) -> list[Value]:
        known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *inputs], strict=True))

        def of(variable: Any) -> Value:
            return self._constant(variable.aval, variable.val) if isinstance(variable, Literal) else known[variable]

        for number, equation in enumerate(jaxpr.eqns):
            operands, key = [of(variable) for variable in equation.invars], (frame, number)
            results = self._results(equation, operands, key)
            known.update(zip(equation.outvars, results, strict=True))
        return [of(variable) for variable in jaxpr.outvars]

    def _results(self, equation: JaxprEqn, operands: list[Value], key: Key) -> list[Value]:
        name, inner = equation.primitive.name, tracing.body(equation)
        if name == "scan":
            return self._scan(equation, operands, key)
        if inner is not None:
            if name in tracing.OWN_DERIVATIVE:
                self.closed.add((*key[0], key[1]))
            results = self._walk(inner.jaxpr, self._consts(inner), operands, (*key[0], key[1]))
            return [
                self._alias(one, v.aval, (*key, j))
                for j, (one, v) in enumerate(zip(results, equation.outvars, strict=True))
            ]
        if all(one.kind == "weights" for one in operands):
            return self._weights(equation, operands)
        if name == "while":
            return self._while(equation, operands, key)
        if name == "cond":
            return self._cond(equation, operands, key)
        results = self._operation(equation, name, operands, key)
        if name not in rules.KNOWN and not name.startswith("reduce_window"):
            self._unknown(equation, name, operands, results, key)
        for one in operands:
            for result in results:
                self._lead(one, result, name)
        return results

    def _unknown(self, equation: JaxprEqn, name: str, operands: list[Value], results: list[Value], key: Key) -> None:
        """Note an operation without a rule, and list what is made in its functions."""
        if any(one.kind == "nodes" for one in operands):
            self.opaque.add(name)
        frame = (*key[0], key[1])
        for number, inner in enumerate(tracing.bodies(equation)):
            self.closed.add(frame)
            count = len(inner.jaxpr.invars)
            if count == len(operands) and all(
                a.aval.shape == v.aval.shape for a, v in zip(operands, inner.jaxpr.invars, strict=True)
            ):
                found = self._walk(
                    inner.jaxpr, self._consts(inner), [self._plain(one) for one in operands], (*frame, number)
                )
                for one in found:
                    self._exit(one, name)

    def _plain(self, one: Value) -> Value:
        """The same value within a function that is not taken apart: nodes do not live on in it."""
        if one.kind == "weights":
            return one
        plain = self.new("data", one.aval)
        self.flow.append((one.vertex, plain.vertex))
        return plain

    def _consts(self, inner: ClosedJaxpr) -> list[Value]:
        return [self._constant(v.aval, const) for v, const in zip(inner.jaxpr.constvars, inner.consts, strict=True)]

    def _alias(self, one: Value, aval: Any, key: Key, ids: Any = None, dropped: Frame | None = None) -> Value:
        """Add the same value, as it is seen from outside of a loop or call or within it; without ids to a loop, data."""
        leaves = dropped is not None and any(at == dropped for source in one.sources for at, _ in source.stack)
        kind = "data" if one.holds_nodes and leaves else one.kind
        if kind == "nodes":
            ids = one.ids if ids is None else ids
            kind = "nodes" if ids is not False else "data"
        more: dict[str, Any] = dict(sources=one.sources) if kind in ("nodes", "statistic") else {}
        more |= dict(ids=ids, is_bent=one.is_bent) if kind == "nodes" else {}
        known = one.known if one.aval.shape == aval.shape else None
        result = self.new(
            kind, aval, key=key, path=one.path, stack=one.stack, axes=one.axes, known=known, is_constant=one.is_constant, **more
        )
        self._lead(one, result, "loop")
        return result

    # Loops

    def _scan(self, equation: JaxprEqn, operands: list[Value], key: Key) -> list[Value]:
        params, inner, frame = equation.params, equation.params["jaxpr"], (*key[0], key[1])
        fixed, carried = params["num_consts"], params["num_carry"]
        sliced, slices = operands[fixed + carried :], []
        paths = [one.path.rpartition("/")[0] for one in sliced if one.kind == "weights" and one.path]
        self.prefixes[frame] = common(paths)
        for j, (one, v) in enumerate(zip(sliced, inner.jaxpr.invars[fixed + carried :], strict=True)):
            ids = one.ids[0] if one.kind == "nodes" and one.ids.shape[0] == 1 else False
            slices.append(self._alias(one, v.aval, (frame, "in", fixed + carried + j), ids))
            if one.kind == "weights" and (one.path or one.stack):
                slices[-1].stack = (*one.stack, (frame, params["length"]))
                slices[-1].axes = one.axes[1:]
        results = self._carried(inner, operands[:fixed], operands[fixed : fixed + carried], slices, frame)
        outside = []
        for j, (one, v) in enumerate(zip(results, equation.outvars, strict=True)):
            ids = one.ids[None] if one.kind == "nodes" and j >= carried else None
            outside.append(self._alias(one, v.aval, (*key, j), ids, dropped=frame))
            if one.path and j >= carried:
                outside[-1].path = None
        return outside

    def _while(self, equation: JaxprEqn, operands: list[Value], key: Key) -> list[Value]:
        params, frame = equation.params, (*key[0], key[1])
        ahead, fixed = params["cond_nconsts"], params["body_nconsts"]
        start = operands[ahead + fixed :]
        results = self._carried(params["body_jaxpr"], operands[ahead : ahead + fixed], start, [], frame)
        for one in operands[:ahead]:
            self._exit(one, "while")
        test = params["cond_jaxpr"]
        self.closed.add((*frame, -1))
        decided = self._walk(test.jaxpr, self._consts(test), [*operands[:ahead], *results], (*frame, -1))
        for one in decided:
            self._exit(one, "while")
        return [
            self._alias(one, v.aval, (*key, j))
            for j, (one, v) in enumerate(zip(results, equation.outvars, strict=True))
        ]

    def _carried(
        self, inner: ClosedJaxpr, fixed: list[Value], start: list[Value], slices: list[Value], frame: Frame
    ) -> list[Value]:
        """Walk a loop's body until the kinds of what it carries are settled; return what it makes at the end."""
        avals = [v.aval for v in inner.jaxpr.invars[len(fixed) : len(fixed) + len(start)]]
        carry, settled = [self.new("weights", aval) for aval in avals], None
        consts = self._consts(inner)
        for number in range(10):
            mark = len(self.edges), len(self.flow)
            results = self._walk(inner.jaxpr, consts, [*fixed, *carry, *slices], frame)
            state = [(one.kind, one.sources, one.is_bent) for one in results[: len(start)]]
            if state == settled:
                break
            settled = state
            del self.edges[mark[0] :], self.flow[mark[1] :]
            carry = [
                self._settled(before, after, aval, frame, number < 8)
                for before, after, aval in zip(start, results, avals, strict=False)
            ]
        for before, one, after in zip(start, carry, results, strict=False):
            self.flow.append((before.vertex, one.vertex))
            if one.vertex in self.added:
                self.added.add(before.vertex)
            self._exit(before, "loop")
            self._lead(after, one, "loop")
        return results

    def _settled(self, before: Value, after: Value, aval: Any, frame: Frame, may_live: bool) -> Value:
        """What a loop carries, by what it starts with and what a step makes of it."""
        stays = not any(at == frame for source in after.sources for at, _ in source.stack)
        if after.kind == "nodes" and stays and may_live:
            return self.new("nodes", aval, sources=after.sources, ids=after.ids, is_bent=after.is_bent)
        return self.new("weights" if before.kind == after.kind == "weights" else "data", aval)

    def _cond(self, equation: JaxprEqn, operands: list[Value], key: Key) -> list[Value]:
        """Read all branches: nodes that each of them makes by the same parameter live on."""
        frame = (*key[0], key[1])
        self.closed.add(frame)
        if any(one.kind == "nodes" for one in operands):
            self.opaque.add("cond")
        inside = [self._plain(one) for one in operands]
        ways = [
            self._walk(branch.jaxpr, self._consts(branch), inside[1:], (*frame, number))
            for number, branch in enumerate(equation.params["branches"])
        ]
        results = []
        for j, v in enumerate(equation.outvars):
            ends = [way[j] for way in ways]
            results.append(self._branched(ends, v.aval, (*key, j)))
            for one in [*operands, *ends]:
                self._lead(one, results[-1], "cond")
        return results

    def _branched(self, ends: list[Value], aval: Any, key: Key) -> Value:
        first = ends[0]
        same = all(
            one.kind == "nodes"
            and {(s.path, s.axes) for s in one.sources} == {(s.path, s.axes) for s in first.sources}
            and one.ids.shape == first.ids.shape
            and (one.ids == first.ids).all()
            for one in ends
        )
        if not same:
            return self.new("data", aval)
        sources = frozenset().union(*[one.sources for one in ends])
        return self.new("nodes", aval, key=key, sources=sources, ids=first.ids, is_bent=any(e.is_bent for e in ends))

    def own_maxima(self) -> frozenset[Key]:
        """Maxima that never come back to the nodes that they are of."""
        after: dict[int, list[int]] = {}
        for edge in self.edges:
            after.setdefault(edge.before, []).append(edge.after)

        def comes_back(vertex: int) -> bool:
            seen = [vertex]
            for one in seen:
                seen += [next_ for next_ in after.get(one, []) if next_ != EXIT and next_ not in seen]
            return any(self.values[one].kind == "nodes" for one in seen)

        return frozenset(
            key for key, vertex in self.maxima.items() if key not in self._making and not comes_back(vertex)
        )

    # Operations

    def _weights(self, equation: JaxprEqn, operands: list[Value]) -> list[Value]:
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
                known=rules.computed(equation, operands, j),
            )
            for j, v in enumerate(equation.outvars)
        ]

    @staticmethod
    def _axes_of(equation: JaxprEqn, one: Value, aval: Any) -> tuple[int, ...]:
        """Which axis of its parameter each axis of a result is."""
        if equation.primitive.name == "transpose":
            return tuple(one.axes[axis] for axis in equation.params["permutation"])
        return one.axes if one.aval.shape == aval.shape else tuple(-1 - axis for axis in range(len(aval.shape)))

    def _operation(self, equation: JaxprEqn, name: str, operands: list[Value], key: Key) -> list[Value]:
        avals, first = [v.aval for v in equation.outvars], operands[0]
        if name in rules.PRODUCTS:
            return [self._product(equation, name, operands[0], operands[1], avals[0], key)]
        if name == "optimization_barrier":
            return [self._same(one, aval, (*key, j)) for j, (one, aval) in enumerate(zip(operands, avals, strict=True))]
        if name in rules.ELEMENTWISE and len(avals) == 1:
            return [self._elementwise(name, operands, avals[0], key)]
        if name == "concatenate":
            return [self._joined(equation, operands, avals[0], key)]
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
        return self.new(one.kind, aval, key=key, sources=one.sources, ids=one.ids, is_bent=one.is_bent)

    def _elementwise(self, name: str, operands: list[Value], aval: Any, key: Key) -> Value:
        nodes = [one for one in operands if one.kind == "nodes"]
        if name in ("add", "sub", "add_any") and sum(one.kind != "weights" for one in operands) > 1:
            self.added.update(one.vertex for one in operands if one.kind == "data")
        if not nodes:
            helps = [one for one in operands if one.kind == "statistic"]
            if helps and all(one.kind in ("weights", "statistic") for one in operands):
                return self.new("statistic", aval, sources=frozenset().union(*[one.sources for one in helps]))
            return self.new("data", aval)
        sources = frozenset().union(*[one.sources for one in nodes])
        first = min(nodes, key=lambda one: (-one.ids.ndim, one.first.order))
        for one in operands:
            if one.kind == "nodes" and one is not first:
                both = pairs(first.ids, one.ids)
                if one.sources & first.sources and not (both[0] == both[1]).all():
                    return self._coarser(first, both, aval, key)
                stays = rules.one_to_one(both)
            elif one.kind == "data":
                spread = len(one.aval.shape) == first.ids.ndim
                apart = all(a == 1 or b == 1 for a, b in zip(one.aval.shape, first.ids.shape, strict=False))
                stays = name in rules.SCALING or not spread or apart
            else:
                stays = one.kind == "weights" or one.sources <= sources
            if not stays:
                return self.new("data", aval, word="added" if name in ("add", "sub") else name)
        bends = name not in rules.LINEAR or (len(nodes) > 1 and name in rules.SCALING)
        is_bent = bends or any(one.is_bent for one in nodes)
        return self.new("nodes", aval, key=(*key, 0), sources=sources, ids=first.ids, is_bent=is_bent)

    def _coarser(self, first: Value, both: np.ndarray, aval: Any, key: Key) -> Value:
        """Nodes of one source that are mixed with each other: groups that are not mixed, such as heads, live on."""
        if first.ids.min() < 0 or both.min() < 0:
            return self.new("data", aval)
        label = rules.closed_groups(both, int(both.max()) + 1)
        if label.max() == 0:
            return self.new("data", aval)
        source = first.first
        like = self.like(source.path, "mixed", int(label.max()) + 1, stack=source.stack)
        return self.made(key, aval, label[first.ids], like)

    def _moved(self, equation: JaxprEqn, operands: list[Value], avals: list[Any], key: Key) -> list[Value]:
        one, found = operands[0], rules.moved(equation, operands)
        if found is None:
            return [self.new("data", aval) for aval in avals]
        count, results = int(one.ids.max()) + 1, []
        for j, (ids, aval) in enumerate(zip(found, avals, strict=True)):
            here = np.unique(ids[ids >= 0])
            if len(here) == count or not len(here):
                results.append(
                    self.new("nodes", aval, key=(*key, j), sources=one.sources, ids=squeezed(ids), is_bent=one.is_bent)
                )
                continue
            old, paths = one.first, sorted({source.path for source in one.sources})
            path = old.path if len(paths) == 1 or not common(paths) else common(paths) + "/*"
            labels = old.labels[here] if len(old.labels) == count else here
            like = self.like(
                path, old.kind, len(here), axes=old.axes, labels=labels, stack=old.stack, parent=old, within=here
            )
            like.is_embedding, like.reason = old.is_embedding, old.reason
            part = np.where(ids >= 0, np.searchsorted(here, ids), -1)
            results.append(self.made(key, aval, part, like, result=j))
            results[-1].is_bent = one.is_bent
        return results

    def _reduced(self, name: str, one: Value, axes: tuple[int, ...], avals: list[Any], key: Key) -> list[Value]:
        """Results of an operation that runs along some axes and treats all others alike."""
        if all(one.ids.shape[axis] == 1 for axis in axes):
            ids = one.ids.squeeze(axes) if name in rules.REDUCING else one.ids
            bends = name not in ("reduce_sum", "reduce_window_sum", "cumsum")
            more = dict(sources=one.sources, ids=ids, is_bent=one.is_bent or bends)
            results = [self.new("nodes", avals[0], key=(*key, 0), **more)]
            return results + [self.new("data", aval) for aval in avals[1:]]
        if name in rules.REDUCING and name not in rules.ORDERING:
            kept = one.ids[tuple(slice(0, 1) if a in axes else slice(None) for a in range(one.ids.ndim))].squeeze(axes)
            if name == "reduce_max" and kept.size > 1 and kept.min() >= 0:
                self.maxima[key] = len(self.values)
                if key in self._making:
                    ids = np.unique(kept, return_inverse=True)[1].reshape(kept.shape)
                    like = self.like(
                        one.first.path, one.first.kind, int(ids.max()) + 1, stack=one.first.stack, parent=one.first
                    )
                    value = self.made(key, avals[0], ids, like)
                    value.is_bent = True
                    return [value]
            return [self.new("statistic", avals[0], sources=one.sources, word=name)]
        return [self.new("data", aval, word=name) for aval in avals]

    def _joined(self, equation: JaxprEqn, operands: list[Value], aval: Any, key: Key) -> Value:
        """Parts of the same nodes put together again, or nodes beside parameters and constants along another axis."""
        axis, nodes = equation.params["dimension"], [one for one in operands if one.kind == "nodes"]
        if not nodes or any(one.kind not in ("nodes", "weights") for one in operands):
            return self.new("data", aval, word="concatenate")
        roots = {one.first.parent or one.first for one in nodes}
        if len(roots) != 1:
            return self.new("data", aval, word="concatenate")
        whole = []
        for one in operands:
            shape = list(one.aval.shape)
            if one.kind == "weights":
                whole.append(np.full([n if a == axis else 1 for a, n in enumerate(shape)], -1))
                continue
            within = one.first.within
            ids = one.ids if within is None else np.where(one.ids >= 0, within[one.ids], -1)
            whole.append(
                np.broadcast_to(
                    ids, [n if a == axis else k for a, (n, k) in enumerate(zip(shape, ids.shape, strict=True))]
                )
            )
        sizes = [max(ids.shape[a] for ids in whole) for a in range(whole[0].ndim)]
        whole = [np.broadcast_to(ids, [ids.shape[a] if a == axis else n for a, n in enumerate(sizes)]) for ids in whole]
        sources = nodes[0].sources if all(one.sources == nodes[0].sources for one in nodes) else frozenset(roots)
        ids = squeezed(np.concatenate(whole, axis))
        bent = all(one.is_bent for one in nodes)
        return self.new("nodes", aval, key=(*key, 0), sources=sources, ids=ids, is_bent=bent)

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
        return self.new("nodes", aval, sources=update.sources, ids=update.ids, is_bent=update.is_bent)

    # Products

    def _product(self, equation: JaxprEqn, name: str, left: Value, right: Value, aval: Any, key: Key) -> Value:
        axes, is_summed = rules.axes_of_product(equation, left, right)
        sides, ndim = [(left, right, axes[0]), (right, left, axes[1])], len(aval.shape)
        if name == "conv_general_dilated":
            sides = sides[1:]
        for one, other, places in sides if is_summed else []:
            if one.kind == "weights" and (one.path or one.is_constant):
                return self._made_by(one, other, places, name, aval, key)
        if name == "conv_general_dilated":
            return self._filtered(equation, left, right, aval, key)
        nodes = [(one, places) for one, _, places in sides if one.kind == "nodes"]
        heads = [(one, places) for one, places in nodes if all(source.kind == "head" for source in one.sources)]
        on = heads if len(heads) == 1 else nodes
        if len(on) == 1 and not _is_summed(*on[0]):
            one, places = on[0]
            word = "attention" if len(nodes) == 2 else ""
            return self.new(
                "nodes",
                aval,
                key=(*key, 0),
                sources=one.sources,
                ids=_rest(one, places, ndim),
                is_bent=one.is_bent,
                word=word,
            )
        batch = range(len(equation.params["dimension_numbers"][1][0]))
        shared = [any(one.ids.shape[a] > 1 for a, out in places.items() if out in batch) for one, places in nodes]
        if nodes and all(shared) and all(_is_summed(one, places) or len(nodes) == 2 for one, places in nodes):
            return self._head(nodes, batch, aval, key)
        all_summed = len(nodes) == 2 and all(_rest(one, places, ndim).size == 1 for one, places in nodes)
        return self.new("data", aval, word="attention" if all_summed else "product with data")

    def _made_by(self, one: Value, other: Value, places: dict[int, int], name: str, aval: Any, key: Key) -> Value:
        """Nodes that a parameter makes: its axes that are not summed over number them."""
        self.read_by_makers.add(other.vertex)
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
        return self.new("nodes", aval, key=(*key, 0), sources=left.sources, ids=ids, is_bent=left.is_bent)

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


def _is_summed(one: Value, places: dict[int, int]) -> bool:
    """Whether a product sums over the nodes of an operand."""
    return any(n > 1 for axis, n in enumerate(one.ids.shape) if axis not in places)


def _rest(one: Value, places: dict[int, int], ndim: int) -> np.ndarray:
    """Ids of what is left of an operand in a product, at the first place of what is summed over."""
    small = one.ids[tuple(slice(None) if axis in places else slice(0, 1) for axis in range(one.ids.ndim))]
    small = small.squeeze(tuple(axis for axis in range(small.ndim) if axis not in places))
    return placed(small, [places[axis] for axis in sorted(places)], ndim)


def common(paths: Sequence[str]) -> str:
    """The parts with which all paths begin."""
    if not paths:
        return ""
    parts = [path.split("/") for path in paths]
    same = next((i for i, column in enumerate(zip(*parts, strict=False)) if len(set(column)) > 1), min(map(len, parts)))
    return "/".join(parts[0][:same])
