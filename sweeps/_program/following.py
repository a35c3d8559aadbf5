"""Following: tracks each node and each entry of a parameter through a program.

For the reader, nodes end in a concatenation or a sum. Here they go on, up to the parameters that read them.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

from sweeps._program import entries, rules, tracing
from sweeps._program.entries import Part, Tracked
from sweeps._program.operations import ADDING
from sweeps._program.reading import Reader
from sweeps._program.tracing import Program
from sweeps._program.values import Frame, Key, Source, concatenated, placed, root_of, squeezed

PASSES = 6  # over a loop, until its carry no longer changes


class Label(NamedTuple):
    """What weights do to elements in an operation.

    Attributes
    ----------
    role : str
        ``makes``, ``reads``, ``bias``, ``added`` or ``beside``.
    ids : numpy.ndarray
        Number of the element at each place, -1 where there is none.
    """

    role: str
    ids: np.ndarray


class Use(NamedTuple):
    """Weights as operands of an operation.

    Attributes
    ----------
    parts : tuple of Part
        The parameters of which they are made.
    labels : list of Label
        What they do to elements.
    """

    parts: tuple[Part, ...]
    labels: list[Label]


class Follower:
    """Follows elements and parameters through a program.

    Attributes
    ----------
    start : dict of Source to int
        Number of the first element of each source that is no part of another.
    count : int
        Number of elements.
    uses : dict of tuple to Use
        By operation and operand, weights that meet data.
    pairs : list of numpy.ndarray
        Elements that are the same node.
    ends : list of tuple
        Elements with another use than a kernel that reads each by itself, and that use in words.
    at : dict of Key to numpy.ndarray
        By key, the elements at the wanted places.

    Parameters
    ----------
    program, reader : Program or Reader
        The program and its reader.
    site_of : dict of Source to numpy.ndarray
        Number of the site of each source's nodes, -1 if they have none.
    places : set of Key
        Keys of the wanted places.
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
            Tracked(aval, parts=(entries.whole(i, aval.shape),) if i < params else None) for i, aval in enumerate(avals)
        ]
        consts = [_constant(v.aval, const) for v, const in zip(program.jaxpr.constvars, program.consts, strict=True)]
        for j, output in enumerate(self._walk(program.jaxpr, consts, inputs, ())):
            self._ends(output, "they are outputs of the network")
            self._use(output, (((), "out"), j))

    # Walking

    def _walk(self, jaxpr: Jaxpr, consts: Sequence[Tracked], inputs: Sequence[Tracked], frame: Frame) -> list[Tracked]:
        for j, value in enumerate(inputs):
            self._note((frame, "in", j), value)
        known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *inputs], strict=True))

        def of(variable: Any) -> Tracked:
            return _constant(variable.aval, variable.val) if isinstance(variable, Literal) else known[variable]

        for number, equation in enumerate(jaxpr.eqns):
            results = self._results(equation, [of(v) for v in equation.invars], (frame, number))
            for j, (variable, value) in enumerate(zip(equation.outvars, results, strict=True)):
                known[variable] = self._note((frame, number, j), value)
        return [of(variable) for variable in jaxpr.outvars]

    def _note(self, key: Key, value: Tracked) -> Tracked:
        source = self._reader.sources.get((key[:2], key[2]))
        if source in self.start:
            self._ends(value, f"{source.path} reads them at every place of its own")
            value = Tracked(value.aval, self.start[source] + self._reader.values[source.vertex].ids, is_new=True)
        if key in self._places and value.ids is not None:
            self.at[key] = value.ids
        return value

    def _results(self, equation: JaxprEqn, operands: list[Tracked], key: Key) -> list[Tracked]:
        name, inner = equation.primitive.name, tracing.body(equation)
        frame, avals = (*key[0], key[1]), [v.aval for v in equation.outvars]
        if name in ("scan", "while"):
            return self._loop(equation, name, operands, key, frame)
        if inner is not None:
            return self._walk(inner.jaxpr, _consts(inner), operands, frame)
        if all(value.parts is not None for value in operands):
            return self._of_weights(equation, name, operands, avals)
        if name in rules.PRODUCTS:
            return [self._product(equation, name, operands, avals[0], key)]
        if name in rules.ELEMENTWISE and len(avals) == 1:
            return [self._elementwise(name, operands, avals[0], key)]
        for j, value in enumerate(operands):
            self._use(value, (key, j))
        if name == "optimization_barrier":
            return operands
        if name == "concatenate":
            return [self._joined(equation.params["dimension"], operands, avals[0])]
        if operands[0].ids is not None and name in rules.MOVING - {"pad"}:
            moved = entries.moved(equation, operands, operands[0].ids)
            if moved is not None:
                new = operands[0].is_new
                return [Tracked(aval, squeezed(ids), is_new=new) for aval, ids in zip(avals, moved, strict=True)]
        first, axes = operands[0].ids, rules.reduced_axes(equation)
        if first is not None and axes is not None and all(first.shape[axis] == 1 for axis in axes):
            ids = first.squeeze(axes) if name in rules.REDUCING else first
            return [Tracked(aval, ids) for aval in avals]
        results = [self._as_read((*key, j), aval) for j, aval in enumerate(avals)]
        for value in operands if all(value.ids is None for value in results) else ():
            self._ends(value, f"{name} takes several of them together")
        return results

    def _as_read(self, key: Key, aval: Any) -> Tracked:
        """Return a result with the nodes that the reader has there."""
        value = self._live.get(key)
        if value is None or (root := root_of(value.first)) not in self.start:
            return Tracked(aval)
        return Tracked(aval, np.where(value.ids >= 0, self.start[root] + within(value.first)[value.ids], -1))

    def _use(self, value: Tracked, place: tuple[Key, int], labels: list[Label] | None = None) -> None:
        if value.parts:
            self.uses[place] = Use(value.parts, labels or [])

    def _ends(self, value: Tracked, word: str) -> None:
        if value.ids is not None:
            self.ends.append((np.unique(value.ids[value.ids >= 0]), word))

    # Operations on nodes

    def _product(self, equation: JaxprEqn, name: str, operands: list[Tracked], aval: Any, key: Key) -> Tracked:
        left, right = operands
        places, _ = rules.axes_of_product(equation, left, right)  # type: ignore[arg-type]
        batch = equation.params["dimension_numbers"][1] if name == "dot_general" else ((), ())
        source, read, ids = self._reader.sources.get((key, 0)), self._reader.reads.get(key), None
        in_groups = equation.params.get("feature_group_count", 1) * equation.params.get("batch_group_count", 1) > 1
        for side, (value, other) in enumerate([(left, right), (right, left)]):
            labels = []
            if source in self.start and value.parts is not None:
                labels.append(Label("makes", self._makers(source, sorted(places[side]), value)))
                if in_groups:
                    self._ends(Tracked(aval, labels[0].ids), f"{source.path} makes them in groups")
            if other.ids is not None:
                onto = dict(zip(batch[1 - side], batch[side], strict=True))
                if read is not None and read.operand != side:
                    onto |= dict(zip(read.axes, read.kernel_axes, strict=True))
                varied = {axis for axis, size in enumerate(other.ids.shape) if size > 1}
                if varied <= set(places[1 - side]) and varied:
                    ids = entries.along(other.ids, places[1 - side], len(aval.shape))
                elif in_groups:
                    self._ends(other, f"{read.kernel.path if read else 'a convolution'} reads them in groups")
                elif value.parts and varied <= set(onto):
                    labels.append(Label("reads", entries.along(other.ids, onto, len(value.aval.shape))))
                else:
                    self._ends(other, "a product with what is no parameter takes several of them together")
            self._use(value, (key, side), labels)
        return Tracked(aval, ids)

    def _makers(self, source: Source, free: list[int], kernel: Tracked) -> np.ndarray:
        sizes = [kernel.aval.shape[axis] for axis in free]
        numbers = self.start[source] + np.arange(len(source.labels)).reshape(sizes)
        return placed(numbers, free, len(kernel.aval.shape))

    def _elementwise(self, name: str, operands: list[Tracked], aval: Any, key: Key) -> Tracked:
        ids: np.ndarray | None = None
        is_new = all(value.is_new or value.parts is not None for value in operands)
        for value in operands:
            if value.ids is not None:
                ids = value.ids if ids is None else self._merged(ids, value.ids)
        for number, value in enumerate(operands):
            if value.parts is None and value.ids is None and ids is not None:
                scales = name in rules.SCALING and not (name == "select_n" and number > 0)
                apart = all(a == 1 or b == 1 for a, b in zip(value.aval.shape, ids.shape, strict=False))
                if not scales and not apart:
                    self._ends(
                        Tracked(aval, ids), "they are added to others" if name in ADDING else f"{name} mixes them"
                    )
                    ids = None
            role = ("bias" if is_new and name == "add" else "added") if name in ADDING else "beside"
            self._use(value, (key, number), [] if ids is None else [Label(role, ids)])
        stays_new = is_new and name in ("add", "convert_element_type")
        return Tracked(aval, None if ids is None or ids.max(initial=-1) < 0 else ids, is_new=stays_new)

    def _merged(self, value: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Return the elements at each place of two values that are combined; -1 where they are different nodes."""
        value, other = np.broadcast_arrays(value, other)
        apart = value != other
        if not apart.any():
            return value
        same = apart & (value >= 0) & (other >= 0) & (self.owner[value] == self.owner[other]) & (self.owner[value] >= 0)
        if same.any():
            self.pairs.append(np.unique(np.stack([value[same], other[same]]), axis=1))
        mixed = apart & ~same
        for ids in (value, other):
            if (ids[mixed] >= 0).any():
                self._ends(Tracked(None, ids[mixed]), "they are added to others, or multiplied with them")
        return squeezed(np.where(mixed, -1, value))

    def _joined(self, axis: int, operands: list[Tracked], aval: Any) -> Tracked:
        if all(value.ids is None for value in operands):
            return Tracked(aval)
        return Tracked(aval, concatenated([(value.aval.shape, value.ids) for value in operands], axis))

    # Parameters

    def _of_weights(self, equation: JaxprEqn, name: str, operands: list[Tracked], avals: list[Any]) -> list[Tracked]:
        values, results = [entries.as_value(value) for value in operands], []
        for j, aval in enumerate(avals):
            parts: list[Part] = []
            for number, value in enumerate(operands):
                for part in value.parts or ():
                    axes = [entries.led(equation, name, operands, number, index, j, aval) for index in part.axes]
                    parts.append(Part(part.number, tuple(axes)))
            results.append(Tracked(aval, parts=tuple(parts), known=rules.computed(equation, values, j)))
        return results

    # Loops

    def _loop(self, equation: JaxprEqn, name: str, operands: list[Tracked], key: Key, frame: Frame) -> list[Tracked]:
        if name == "scan":
            (inner,), ahead, (fixed, carried) = tracing.bodies(equation), 0, tracing.constants_and_carry(equation)
        else:
            params = equation.params
            inner, ahead, fixed = params["body_jaxpr"], params["cond_nconsts"], params["body_nconsts"]
            carried = len(operands) - ahead - fixed
        for j, value in enumerate(operands):
            if not ahead <= j < ahead + fixed:
                self._use(value, (key, j))
                is_kept = j >= ahead + fixed + carried and value.ids is not None and value.ids.shape[0] == 1
                if not is_kept:
                    self._ends(value, "a loop begins with them")
        begin = operands[ahead + fixed :]
        slices = [
            entries.sliced(value, v.aval)
            for value, v in zip(begin[carried:], inner.jaxpr.invars[fixed + carried :], strict=True)
        ]
        carry = [Tracked(v.aval) for v in inner.jaxpr.invars[fixed : fixed + carried]]
        for _ in range(PASSES):
            results = self._walk(
                inner.jaxpr, _consts(inner), [*operands[ahead : ahead + fixed], *carry, *slices], frame
            )
            after = [Tracked(value.aval, value.ids) for value in results[:carried]]
            if all(_same(value.ids, other.ids) for value, other in zip(carry, after, strict=True)):
                break
            carry = after
        else:
            for value in carry:
                self._ends(value, "a loop mixes them")
        for before, value in zip(begin, carry, strict=False):
            if before.parts != ():
                self._ends(value, "a loop begins with others in their place")
        out = []
        for j, (value, v) in enumerate(zip(results, equation.outvars, strict=True)):
            out.append(Tracked(v.aval, value.ids if j < carried or value.ids is None else value.ids[None]))
        return out


def within(source: Source) -> np.ndarray:
    """Return the numbers of a source's nodes among all that its parameter makes."""
    if source.parent is None or source.within is None:
        return np.arange(len(source.labels))
    return within(source.parent)[source.within]


def _constant(aval: Any, array: Any) -> Tracked:
    is_known = not isinstance(array, jax.core.Tracer) and not jnp.issubdtype(aval.dtype, jax.dtypes.extended)
    return Tracked(aval, parts=(), known=(lambda: np.asarray(array)) if is_known else None)


def _consts(inner: ClosedJaxpr) -> list[Tracked]:
    return [_constant(v.aval, value) for v, value in zip(inner.jaxpr.constvars, inner.consts, strict=True)]


def _same(value: np.ndarray | None, other: np.ndarray | None) -> bool:
    return np.array_equal(value, other) if value is not None and other is not None else value is other
