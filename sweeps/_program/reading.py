"""Reading: a pass over a program, from where nodes are made to where they are read, mixed or put out.

``operations`` and ``products`` hold the rules of operations; an operation without a rule mixes. A loop is read until
its carry no longer changes.
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

from sweeps._program import rules, tracing
from sweeps._program.operations import Operations
from sweeps._program.tracing import Program
from sweeps._program.values import EXIT, Frame, Key, Value, common


class Reader(Operations):
    """What a program does with nodes.

    Parameters
    ----------
    program : Program
        The program.
    making : set of Key
        See ``Flow``.
    """

    def __init__(self, program: Program, making: frozenset[Key] = frozenset()):
        super().__init__(making)
        jaxpr, paths = program.jaxpr, program.paths
        consts = [self.constant(v.aval, const) for v, const in zip(jaxpr.constvars, program.consts, strict=True)]
        inputs = []
        v: Any
        for i, v in enumerate(jaxpr.invars):
            more: dict[str, Any] = dict(path=paths[i], axes=tuple(range(len(v.aval.shape)))) if i < len(paths) else {}
            inputs.append(self.new("weights" if i < len(paths) else "data", v.aval, **more))
        self.inputs = list(enumerate(inputs))[len(paths) :]
        for result in self._walk(jaxpr, consts, inputs, ()):
            self.ends(result, "output")

    def _walk(self, jaxpr: Jaxpr, consts: Sequence[Value], inputs: Sequence[Value], frame: Frame) -> list[Value]:
        known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *inputs], strict=True))

        def of(variable: Any) -> Value:
            return self.constant(variable.aval, variable.val) if isinstance(variable, Literal) else known[variable]

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
                self._alias(value, v.aval, (*key, j))
                for j, (value, v) in enumerate(zip(results, equation.outvars, strict=True))
            ]
        if all(value.kind == "weights" for value in operands):
            return self.of_weights(equation, operands)
        if name == "while":
            return self._while(equation, operands, key)
        if name == "cond":
            return self._cond(equation, operands, key)
        results = self.operation(equation, name, operands, key)
        if name not in rules.KNOWN and not name.startswith("reduce_window"):
            self._unknown(equation, name, operands, results, key)
        for value in operands:
            for result in results:
                self.leads(value, result, name)
        return results

    def _unknown(self, equation: JaxprEqn, name: str, operands: list[Value], results: list[Value], key: Key) -> None:
        """Note an operation without a rule, and read the functions that it holds."""
        if any(value.kind == "nodes" for value in operands) and not any(value.kind == "nodes" for value in results):
            self.opaque.add(name)
        functions, shapes = tracing.bodies(equation), [value.aval.shape for value in operands]
        if functions:
            self.opaque.add(name)
        for value in [] if functions else operands:
            if value.path and value.aval.ndim > 1 and jnp.issubdtype(value.aval.dtype, jnp.floating):
                reason = f"{name} reads it, and has no rule: write it as a product or convolution"
                axes = (value.aval.ndim - 1,)
                source = self.like(
                    value.path, "unit", value.aval.shape[-1], axes=axes, stack=value.stack, reason=reason
                )
                source.order = self.sources.setdefault((key, value.path), source).order or len(self.sources)
        for number, inner in enumerate(functions):
            frame = (*key[0], key[1], number)
            self.closed.add(frame)
            if [v.aval.shape for v in inner.jaxpr.invars] == shapes:
                inputs = [self._plain(value) for value in operands]
                for value in self._walk(inner.jaxpr, self._consts(inner), inputs, frame):
                    self.ends(value, name)

    def _consts(self, inner: ClosedJaxpr) -> list[Value]:
        return [self.constant(v.aval, const) for v, const in zip(inner.jaxpr.constvars, inner.consts, strict=True)]

    def _alias(self, value: Value, aval: Any, key: Key, ids: Any = None, dropped: Frame | None = None) -> Value:
        """Carry a value into or out of a call or loop; it becomes data if its nodes do not live on.

        Parameters
        ----------
        value : Value
            The value.
        aval, key : object or Key
            Its shape and place on the other side.
        ids : object
            Of the nodes there; None if they are the same, False if nodes do not live on.
        dropped : Frame or None
            A loop over layers that ends here, and whose layers' nodes end with it.
        """
        leaves = dropped is not None and any(at == dropped for source in value.sources for at, _ in source.stack)
        kind = "data" if value.holds_nodes and leaves else value.kind
        if kind == "nodes":
            ids = value.ids if ids is None else ids
            kind = "nodes" if ids is not False else "data"
        more: dict[str, Any] = dict(sources=value.sources) if kind in ("nodes", "statistic") else {}
        more |= dict(ids=ids, traits=value.traits) if kind == "nodes" else {}
        known = value.known if value.aval.shape == aval.shape else None
        result = self.new(
            kind,
            aval,
            key=key,
            path=value.path,
            stack=value.stack,
            axes=value.axes,
            known=known,
            is_constant=value.is_constant,
            repeated=value.repeated if value.aval.shape == aval.shape else frozenset(),
            is_made_of_weights=value.is_made_of_weights,
            **more,
        )
        self.leads(value, result, "loop")
        return result

    # Loops

    def _scan(self, equation: JaxprEqn, operands: list[Value], key: Key) -> list[Value]:
        params, (inner,), frame = equation.params, tracing.bodies(equation), (*key[0], key[1])
        fixed, carried = tracing.constants_and_carry(equation)
        sliced, slices = operands[fixed + carried :], []
        paths = [value.path.rpartition("/")[0] for value in sliced if value.kind == "weights" and value.path]
        self.prefixes[frame] = common(paths)
        for j, (value, v) in enumerate(zip(sliced, inner.jaxpr.invars[fixed + carried :], strict=True)):
            ids = value.ids[0] if value.kind == "nodes" and value.ids.shape[0] == 1 else False
            slices.append(self._alias(value, v.aval, (frame, "in", fixed + carried + j), ids))
            if value.kind == "weights" and (value.path or value.stack):
                slices[-1].stack = (*value.stack, (frame, params["length"]))
                slices[-1].axes = value.axes[1:]
        results = self._carried(inner, operands[:fixed], operands[fixed : fixed + carried], slices, frame)
        outside = []
        for j, (value, v) in enumerate(zip(results, equation.outvars, strict=True)):
            ids = value.ids[None] if value.kind == "nodes" and j >= carried else None
            outside.append(self._alias(value, v.aval, (*key, j), ids, dropped=frame))
            if value.path and j >= carried:
                outside[-1].path = None
        return outside

    def _while(self, equation: JaxprEqn, operands: list[Value], key: Key) -> list[Value]:
        params, frame = equation.params, (*key[0], key[1])
        ahead, fixed = params["cond_nconsts"], params["body_nconsts"]
        start = operands[ahead + fixed :]
        results = self._carried(params["body_jaxpr"], operands[ahead : ahead + fixed], start, [], frame)
        for value in operands[:ahead]:
            self.ends(value, "while")
        test = params["cond_jaxpr"]
        self.closed.add((*frame, -1))
        decided = self._walk(test.jaxpr, self._consts(test), [*operands[:ahead], *results], (*frame, -1))
        for value in decided:
            self.ends(value, "while")
        return [
            self._alias(value, v.aval, (*key, j))
            for j, (value, v) in enumerate(zip(results, equation.outvars, strict=True))
        ]

    def _carried(
        self, inner: ClosedJaxpr, fixed: list[Value], start: list[Value], slices: list[Value], frame: Frame
    ) -> list[Value]:
        """Read a loop's body until its carry no longer changes; return the results of the last pass."""
        avals = [v.aval for v in inner.jaxpr.invars[len(fixed) : len(fixed) + len(start)]]
        same = [
            before.kind == "weights" and inner.jaxpr.outvars[j] is inner.jaxpr.invars[len(fixed) + j]
            for j, before in enumerate(start)
        ]
        carry = [
            before if is_same else self.new("weights", aval)
            for before, aval, is_same in zip(start, avals, same, strict=True)
        ]
        consts, settled, begin = self._consts(inner), None, 0
        for number in range(10):
            mark, begin = self.mark, len(self.values)
            results = self._walk(inner.jaxpr, consts, [*fixed, *carry, *slices], frame)
            state = [(value.kind, value.sources, value.traits) for value in results[: len(start)]]
            if state == settled:
                break
            settled = state
            self.forget(mark)
            carry = [
                before if is_same else self._settled(before, after, aval, frame, number < 8)
                for before, after, aval, is_same in zip(start, results, avals, same, strict=False)
            ]
        # Drop sources of early passes that the last pass did not make again.
        within = [place for place in self.sources if place[0][0][: len(frame)] == frame]
        for place in within:
            if EXIT < self.sources[place].vertex < begin:
                del self.sources[place]
        for before, value, after in zip(start, carry, results, strict=False):
            self.arrow(before.vertex, value.vertex)
            if value.vertex in self.added:
                self.added.add(before.vertex)
            self.ends(before, "loop")
            self.leads(after, value, "loop")
        return results

    def _settled(self, before: Value, after: Value, aval: Any, frame: Frame, may_live: bool) -> Value:
        """Return the carry for the next pass, from the first carry and the result of a step."""
        stays = not any(at == frame for source in after.sources for at, _ in source.stack)
        if after.kind == "nodes" and stays and may_live:
            return self.new("nodes", aval, sources=after.sources, ids=after.ids, traits=after.traits)
        return self.new("weights" if before.kind == after.kind == "weights" else "data", aval)

    def _cond(self, equation: JaxprEqn, operands: list[Value], key: Key) -> list[Value]:
        """Read all branches; nodes that every branch makes by the same parameter live on."""
        frame = (*key[0], key[1])
        self.closed.add(frame)
        if any(value.kind == "nodes" for value in operands):
            self.opaque.add("cond")
        inside = [self._plain(value) for value in operands]
        ways = [
            self._walk(branch.jaxpr, self._consts(branch), inside[1:], (*frame, number))
            for number, branch in enumerate(equation.params["branches"])
        ]
        results = []
        for j, v in enumerate(equation.outvars):
            ends = [way[j] for way in ways]
            results.append(self._branched(ends, v.aval, (*key, j)))
            for value in [*operands, *ends]:
                self.leads(value, results[-1], "cond")
        return results

    def _branched(self, ends: list[Value], aval: Any, key: Key) -> Value:
        first = ends[0]
        same = all(
            value.kind == "nodes"
            and {(s.path, s.axes) for s in value.sources} == {(s.path, s.axes) for s in first.sources}
            and value.ids.shape == first.ids.shape
            and (value.ids == first.ids).all()
            for value in ends
        )
        if not same:
            return self.new("data", aval)
        sources = frozenset().union(*[value.sources for value in ends])
        traits = frozenset().union(*[value.traits for value in ends])
        return self.new("nodes", aval, key=key, sources=sources, ids=first.ids, traits=traits)
