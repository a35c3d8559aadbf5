"""Following: where the nodes of a program and the entries of its parameters go, number by number.

What the reader finds are the nodes and where they end as values of their own. Nodes that end in a concatenation or a
sum are followed on here, up to the parameters that read them.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

from sweeps.program import entries, rules, tracing
from sweeps.program.entries import Part, Seen
from sweeps.program.operations import ADDING
from sweeps.program.reading import Reader
from sweeps.program.tracing import Program
from sweeps.program.values import Frame, Key, Source, placed, root_of, squeezed

PASSES = 6  # over a loop, until what it carries is settled


class Label(NamedTuple):
    """What weights do at the places where an operation takes them.

    Attributes
    ----------
    role : ``makes``, ``reads``, ``bias``, ``added`` or ``beside``
    ids : number of the element at each place, -1 where there is none
    """

    role: str
    ids: np.ndarray


class Use(NamedTuple):
    """Weights as an operation takes them.

    Attributes
    ----------
    parts : the parameters of which they are made
    labels : what they do for elements
    """

    parts: tuple[Part, ...]
    labels: list[Label]


class Follower:
    """Follows elements and parameters through a program.

    Attributes
    ----------
    start : of each source that no other is a part of, the number of its first element
    count : number of elements
    uses : by operation and operand, weights that meet data
    pairs : elements that come together as one node
    ends : elements that end otherwise than by being read, and how, for people
    at : elements at each place that was asked for

    Parameters
    ----------
    program, reader : the program, and what was read of it
    site_of : number of the site of each source's nodes, -1 if they have none
    places : keys of the places whose elements are kept
    """

    def __init__(self, program: Program, reader: Reader, site_of: dict[Source, np.ndarray], places: set[Key]):
        self._reader, self._places = reader, places
        self.start: dict[Source, int] = {}
        self.count, owners = 0, []
        for source in reader.sources.values():
            if source.parent is None and source.kind in ("unit", "channel"):
                self.start[source] = self.count
                self.count += len(source.labels)
                owners.append(site_of.get(source, np.full(len(source.labels), -1)))
        self.owner = np.concatenate([*owners, np.zeros(0, int)])
        self._live = {value.key: value for value in reader.values if value.kind == "nodes"}
        self.uses: dict[tuple[Key, int], Use] = {}
        self.pairs: list[np.ndarray] = []
        self.ends: list[tuple[np.ndarray, str]] = []
        self.at: dict[Key, np.ndarray] = {}
        params = len(program.paths)
        avals: list[Any] = [v.aval for v in program.jaxpr.invars]
        inputs = [
            Seen(aval, parts=(entries.whole(i, aval.shape),) if i < params else None) for i, aval in enumerate(avals)
        ]
        consts = [_constant(v.aval, one) for v, one in zip(program.jaxpr.constvars, program.consts, strict=True)]
        for j, one in enumerate(self._walk(program.jaxpr, consts, inputs, ())):
            self._ends(one, "they are outputs of the network")
            self._use(one, (((), "out"), j))

    # Walking

    def _walk(self, jaxpr: Jaxpr, consts: Sequence[Seen], inputs: Sequence[Seen], frame: Frame) -> list[Seen]:
        for j, one in enumerate(inputs):
            self._note((frame, "in", j), one)
        known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *inputs], strict=True))

        def of(variable: Any) -> Seen:
            return _constant(variable.aval, variable.val) if isinstance(variable, Literal) else known[variable]

        for number, equation in enumerate(jaxpr.eqns):
            results = self._results(equation, [of(v) for v in equation.invars], (frame, number))
            for j, (variable, one) in enumerate(zip(equation.outvars, results, strict=True)):
                known[variable] = self._note((frame, number, j), one)
        return [of(variable) for variable in jaxpr.outvars]

    def _note(self, key: Key, one: Seen) -> Seen:
        source = self._reader.sources.get((key[:2], key[2]))
        if source in self.start:
            self._ends(one, f"{source.path} reads them at every place of its own")
            one = Seen(one.aval, self.start[source] + self._reader.values[source.vertex].ids, is_new=True)
        if key in self._places and one.ids is not None:
            self.at[key] = one.ids
        return one

    def _results(self, equation: JaxprEqn, operands: list[Seen], key: Key) -> list[Seen]:
        name, inner = equation.primitive.name, tracing.body(equation)
        frame, avals = (*key[0], key[1]), [v.aval for v in equation.outvars]
        if name in ("scan", "while"):
            return self._loop(equation, name, operands, key, frame)
        if inner is not None:
            return self._walk(inner.jaxpr, _consts(inner), operands, frame)
        if all(one.parts is not None for one in operands):
            return self._of_weights(equation, name, operands, avals)
        if name in rules.PRODUCTS:
            return [self._product(equation, name, operands, avals[0], key)]
        if name in rules.ELEMENTWISE and len(avals) == 1:
            return [self._elementwise(name, operands, avals[0], key)]
        for j, one in enumerate(operands):
            self._use(one, (key, j))
        if name == "optimization_barrier":
            return operands
        if name == "concatenate":
            return [self._joined(equation.params["dimension"], operands, avals[0])]
        if operands[0].ids is not None and name in rules.MOVING - {"pad"}:
            found = entries.moved(equation, operands, operands[0].ids)
            if found is not None:
                new = operands[0].is_new
                return [Seen(aval, squeezed(ids), is_new=new) for aval, ids in zip(avals, found, strict=True)]
        first, axes = operands[0].ids, rules.reduced_axes(equation)
        if first is not None and axes is not None and all(first.shape[axis] == 1 for axis in axes):
            ids = first.squeeze(axes) if name in rules.REDUCING else first
            return [Seen(aval, ids) for aval in avals]
        results = [self._as_read((*key, j), aval) for j, aval in enumerate(avals)]
        for one in operands if all(one.ids is None for one in results) else ():
            self._ends(one, f"{name} takes several of them together")
        return results

    def _as_read(self, key: Key, aval: Any) -> Seen:
        """A result as the reader knows it."""
        value = self._live.get(key)
        if value is None or (root := root_of(value.first)) not in self.start:
            return Seen(aval)
        return Seen(aval, np.where(value.ids >= 0, self.start[root] + within(value.first)[value.ids], -1))

    def _use(self, one: Seen, place: tuple[Key, int], labels: list[Label] | None = None) -> None:
        if one.parts:
            self.uses[place] = Use(one.parts, labels or [])

    def _ends(self, one: Seen, word: str) -> None:
        if one.ids is not None:
            self.ends.append((np.unique(one.ids[one.ids >= 0]), word))

    # Operations on nodes

    def _product(self, equation: JaxprEqn, name: str, operands: list[Seen], aval: Any, key: Key) -> Seen:
        left, right = operands
        places, _ = rules.axes_of_product(equation, left, right)  # type: ignore[arg-type]
        batch = equation.params["dimension_numbers"][1] if name == "dot_general" else ((), ())
        source, read, ids = self._reader.sources.get((key, 0)), self._reader.reads.get(key), None
        in_groups = equation.params.get("feature_group_count", 1) * equation.params.get("batch_group_count", 1) > 1
        for side, (one, other) in enumerate([(left, right), (right, left)]):
            labels = []
            if source in self.start and one.parts is not None:
                labels.append(Label("makes", self._makers(source, sorted(places[side]), one)))
                if in_groups:
                    self._ends(Seen(aval, labels[0].ids), f"{source.path} makes them in groups")
            if other.ids is not None:
                onto = dict(zip(batch[1 - side], batch[side], strict=True))
                if read is not None and read.operand != side:
                    onto |= dict(zip(read.axes, read.kernel_axes, strict=True))
                varied = {axis for axis, size in enumerate(other.ids.shape) if size > 1}
                if varied <= set(places[1 - side]) and varied:
                    ids = entries.along(other.ids, places[1 - side], len(aval.shape))
                elif in_groups:
                    self._ends(other, f"{read.kernel.path if read else 'a convolution'} reads them in groups")
                elif one.parts and varied <= set(onto):
                    labels.append(Label("reads", entries.along(other.ids, onto, len(one.aval.shape))))
                else:
                    self._ends(other, "a product with what is no parameter takes several of them together")
            self._use(one, (key, side), labels)
        return Seen(aval, ids)

    def _makers(self, source: Source, free: list[int], kernel: Seen) -> np.ndarray:
        sizes = [kernel.aval.shape[axis] for axis in free]
        numbers = self.start[source] + np.arange(len(source.labels)).reshape(sizes)
        return placed(numbers, free, len(kernel.aval.shape))

    def _elementwise(self, name: str, operands: list[Seen], aval: Any, key: Key) -> Seen:
        ids: np.ndarray | None = None
        is_new = all(one.is_new or one.parts is not None for one in operands)
        for one in operands:
            if one.ids is not None:
                ids = one.ids if ids is None else self._merged(ids, one.ids)
        for number, one in enumerate(operands):
            if one.parts is None and one.ids is None and ids is not None:
                scales = name in rules.SCALING and not (name == "select_n" and number > 0)
                apart = all(a == 1 or b == 1 for a, b in zip(one.aval.shape, ids.shape, strict=False))
                if not scales and not apart:
                    self._ends(Seen(aval, ids), "they are added to others" if name in ADDING else f"{name} mixes them")
                    ids = None
            role = ("bias" if is_new and name == "add" else "added") if name in ADDING else "beside"
            self._use(one, (key, number), [] if ids is None else [Label(role, ids)])
        stays_new = is_new and name in ("add", "convert_element_type")
        return Seen(aval, None if ids is None or ids.max(initial=-1) < 0 else ids, is_new=stays_new)

    def _merged(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Elements at each place of two values that come together; -1 where they are no one node."""
        one, other = np.broadcast_arrays(one, other)
        apart = one != other
        if not apart.any():
            return one
        same = apart & (one >= 0) & (other >= 0) & (self.owner[one] == self.owner[other]) & (self.owner[one] >= 0)
        if same.any():
            self.pairs.append(np.unique(np.stack([one[same], other[same]]), axis=1))
        mixed = apart & ~same
        for ids in (one, other):
            if (ids[mixed] >= 0).any():
                self._ends(Seen(None, ids[mixed]), "they are added to others, or multiplied with them")
        return squeezed(np.where(mixed, -1, one))

    def _joined(self, axis: int, operands: list[Seen], aval: Any) -> Seen:
        if all(one.ids is None for one in operands):
            return Seen(aval)
        return Seen(aval, entries.concatenated([(one.aval.shape, one.ids) for one in operands], axis))

    # Parameters

    def _of_weights(self, equation: JaxprEqn, name: str, operands: list[Seen], avals: list[Any]) -> list[Seen]:
        values, results = [entries.as_value(one) for one in operands], []
        for j, aval in enumerate(avals):
            parts: list[Part] = []
            for number, one in enumerate(operands):
                for part in one.parts or ():
                    axes = [entries.led(equation, name, operands, number, index, j, aval) for index in part.axes]
                    parts.append(Part(part.number, tuple(axes)))
            results.append(Seen(aval, parts=tuple(parts), known=rules.computed(equation, values, j)))
        return results

    # Loops

    def _loop(self, equation: JaxprEqn, name: str, operands: list[Seen], key: Key, frame: Frame) -> list[Seen]:
        if name == "scan":
            (inner,), ahead, (fixed, carried) = tracing.bodies(equation), 0, tracing.constants_and_carry(equation)
        else:
            params = equation.params
            inner, ahead, fixed = params["body_jaxpr"], params["cond_nconsts"], params["body_nconsts"]
            carried = len(operands) - ahead - fixed
        for j, one in enumerate(operands):
            if not ahead <= j < ahead + fixed:
                self._use(one, (key, j))
                is_kept = j >= ahead + fixed + carried and one.ids is not None and one.ids.shape[0] == 1
                if not is_kept:
                    self._ends(one, "a loop begins with them")
        begin = operands[ahead + fixed :]
        slices = [
            entries.sliced(one, v.aval)
            for one, v in zip(begin[carried:], inner.jaxpr.invars[fixed + carried :], strict=True)
        ]
        carry = [Seen(v.aval) for v in inner.jaxpr.invars[fixed : fixed + carried]]
        for _ in range(PASSES):
            results = self._walk(
                inner.jaxpr, _consts(inner), [*operands[ahead : ahead + fixed], *carry, *slices], frame
            )
            after = [Seen(one.aval, one.ids) for one in results[:carried]]
            if all(_same(one.ids, other.ids) for one, other in zip(carry, after, strict=True)):
                break
            carry = after
        else:
            for one in carry:
                self._ends(one, "a loop mixes them")
        for before, one in zip(begin, carry, strict=False):
            if before.parts != ():
                self._ends(one, "a loop begins with others in their place")
        out = []
        for j, (one, v) in enumerate(zip(results, equation.outvars, strict=True)):
            out.append(Seen(v.aval, one.ids if j < carried or one.ids is None else one.ids[None]))
        return out


def within(source: Source) -> np.ndarray:
    """Numbers of a source's nodes in all that its parameter makes."""
    if source.parent is None or source.within is None:
        return np.arange(len(source.labels))
    return within(source.parent)[source.within]


def _constant(aval: Any, array: Any) -> Seen:
    is_known = not isinstance(array, jax.core.Tracer) and not jnp.issubdtype(aval.dtype, jax.dtypes.extended)
    return Seen(aval, parts=(), known=(lambda: np.asarray(array)) if is_known else None)


def _consts(inner: ClosedJaxpr) -> list[Seen]:
    return [_constant(v.aval, one) for v, one in zip(inner.jaxpr.constvars, inner.consts, strict=True)]


def _same(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    return np.array_equal(one, other) if one is not None and other is not None else one is other
