"""Reading: one pass over a program, from where nodes are made to where they are read, mixed or put out.

What an operation does with nodes is in ``operations`` and ``products``; an unknown operation mixes. Loops are passed
until what they carry is settled.
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

from sweeps.program import rules, tracing
from sweeps.program.operations import Operations
from sweeps.program.tracing import Program
from sweeps.program.values import EXIT, Frame, Key, Value, common


class Reader(Operations):
    """What a program does with nodes.

    Parameters
    ----------
    program : what is read
    making : see ``Flow``
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
                self._alias(one, v.aval, (*key, j))
                for j, (one, v) in enumerate(zip(results, equation.outvars, strict=True))
            ]
        if all(one.kind == "weights" for one in operands):
            return self.of_weights(equation, operands)
        if name == "while":
            return self._while(equation, operands, key)
        if name == "cond":
            return self._cond(equation, operands, key)
        results = self.operation(equation, name, operands, key)
        if name not in rules.KNOWN and not name.startswith("reduce_window"):
            self._unknown(equation, name, operands, results, key)
        for one in operands:
            for result in results:
                self.leads(one, result, name)
        return results

    def _unknown(self, equation: JaxprEqn, name: str, operands: list[Value], results: list[Value], key: Key) -> None:
        """Note an operation without a rule, and list what is made in its functions."""
        if any(one.kind == "nodes" for one in operands) and not any(one.kind == "nodes" for one in results):
            self.opaque.add(name)
        functions, shapes = tracing.bodies(equation), [one.aval.shape for one in operands]
        if functions:
            self.opaque.add(name)
        for one in [] if functions else operands:
            if one.path and one.aval.ndim > 1 and jnp.issubdtype(one.aval.dtype, jnp.floating):
                reason = f"{name} reads it, and it is not known what that makes: write it as a product or convolution"
                axes = (one.aval.ndim - 1,)
                source = self.like(one.path, "unit", one.aval.shape[-1], axes=axes, stack=one.stack, reason=reason)
                source.order = self.sources.setdefault((key, one.path), source).order or len(self.sources)
        for number, inner in enumerate(functions):
            frame = (*key[0], key[1], number)
            self.closed.add(frame)
            if [v.aval.shape for v in inner.jaxpr.invars] == shapes:
                inputs = [self._plain(one) for one in operands]
                for one in self._walk(inner.jaxpr, self._consts(inner), inputs, frame):
                    self.ends(one, name)

    def _consts(self, inner: ClosedJaxpr) -> list[Value]:
        return [self.constant(v.aval, const) for v, const in zip(inner.jaxpr.constvars, inner.consts, strict=True)]

    def _alias(self, one: Value, aval: Any, key: Key, ids: Any = None, dropped: Frame | None = None) -> Value:
        """Add a value as it is seen on the other side of a call or loop; data where nodes do not live on.

        Parameters
        ----------
        one, aval, key : the value, and its shape and place on the other side
        ids : of the nodes there, None if they are the same, False if nodes do not live on
        dropped : a loop that is left, out of which nodes of one layer do not live on
        """
        leaves = dropped is not None and any(at == dropped for source in one.sources for at, _ in source.stack)
        kind = "data" if one.holds_nodes and leaves else one.kind
        if kind == "nodes":
            ids = one.ids if ids is None else ids
            kind = "nodes" if ids is not False else "data"
        more: dict[str, Any] = dict(sources=one.sources) if kind in ("nodes", "statistic") else {}
        more |= dict(ids=ids, traits=one.traits) if kind == "nodes" else {}
        known = one.known if one.aval.shape == aval.shape else None
        result = self.new(
            kind,
            aval,
            key=key,
            path=one.path,
            stack=one.stack,
            axes=one.axes,
            known=known,
            is_constant=one.is_constant,
            repeated=one.repeated if one.aval.shape == aval.shape else frozenset(),
            is_made_of_weights=one.is_made_of_weights,
            **more,
        )
        self.leads(one, result, "loop")
        return result

    # Loops

    def _scan(self, equation: JaxprEqn, operands: list[Value], key: Key) -> list[Value]:
        params, (inner,), frame = equation.params, tracing.bodies(equation), (*key[0], key[1])
        fixed, carried = tracing.constants_and_carry(equation)
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
            self.ends(one, "while")
        test = params["cond_jaxpr"]
        self.closed.add((*frame, -1))
        decided = self._walk(test.jaxpr, self._consts(test), [*operands[:ahead], *results], (*frame, -1))
        for one in decided:
            self.ends(one, "while")
        return [
            self._alias(one, v.aval, (*key, j))
            for j, (one, v) in enumerate(zip(results, equation.outvars, strict=True))
        ]

    def _carried(
        self, inner: ClosedJaxpr, fixed: list[Value], start: list[Value], slices: list[Value], frame: Frame
    ) -> list[Value]:
        """Walk a loop's body until the kinds of what it carries are settled; return what it makes at the end."""
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
            state = [(one.kind, one.sources, one.traits) for one in results[: len(start)]]
            if state == settled:
                break
            settled = state
            self.forget(mark)
            carry = [
                before if is_same else self._settled(before, after, aval, frame, number < 8)
                for before, after, aval, is_same in zip(start, results, avals, same, strict=False)
            ]
        # What only an early pass made is not there.
        within = [place for place in self.sources if place[0][0][: len(frame)] == frame]
        for place in within:
            if EXIT < self.sources[place].vertex < begin:
                del self.sources[place]
        for before, one, after in zip(start, carry, results, strict=False):
            self.arrow(before.vertex, one.vertex)
            if one.vertex in self.added:
                self.added.add(before.vertex)
            self.ends(before, "loop")
            self.leads(after, one, "loop")
        return results

    def _settled(self, before: Value, after: Value, aval: Any, frame: Frame, may_live: bool) -> Value:
        """What a loop carries, by what it starts with and what a step makes of it."""
        stays = not any(at == frame for source in after.sources for at, _ in source.stack)
        if after.kind == "nodes" and stays and may_live:
            return self.new("nodes", aval, sources=after.sources, ids=after.ids, traits=after.traits)
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
                self.leads(one, results[-1], "cond")
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
        traits = frozenset().union(*[one.traits for one in ends])
        return self.new("nodes", aval, key=key, sources=sources, ids=first.ids, traits=traits)
