"""Chains: networks that are, from their first gates on, gates, affine maps and elementwise functions in turn."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import JaxprEqn, Literal
from jaxtyping import Array, Float

from sweeps._program import rules, tracing
from sweeps._program.flat import Flat, Operation, flat
from sweeps._program.network import Network, outline
from sweeps._program.sites import Place, Site
from sweeps._program.values import Key, is_in_order

# Operations that leave values as they are.
SAME = frozenset(["copy", "copy_p", "name", "transpose"])


class Unchained(Exception):
    """A network is no chain, and why."""


class Piece(NamedTuple):
    """A function of each example's values, as operations of a program for a single example.

    Attributes
    ----------
    operations : tuple of int
        Numbers in the program's list, in order.
    start, stop : int
        Numbers of the value that it takes, and of its result.
    axes : tuple
        Of the nodes, in the first and in the second; None where a result has them anywhere.
    constants : tuple of int
        Numbers of the arrays that it reads.
    """

    operations: tuple[int, ...]
    start: int
    stop: int
    axes: tuple[int, int | None]
    constants: tuple[int, ...]


class Step(NamedTuple):
    """Gates, an affine map and a function in turn, each of which may be missing.

    Attributes
    ----------
    site : int or None
        Number of the gated site; None without gates.
    kernel, bias : int or None
        Numbers of arrays.
    is_turned : bool
        Whether the kernel has shape (outputs, inputs).
    piece : Piece or None
        What is done with the sums.
    """

    site: int | None = None
    kernel: int | None = None
    bias: int | None = None
    is_turned: bool = False
    piece: Piece | None = None


class Affine(NamedTuple):
    """The arrays of an affine map."""

    kernel: Float[Array, "inputs outputs"]
    bias: Float[Array, " outputs"]


class Weights(NamedTuple):
    """The arrays of a step.

    Attributes
    ----------
    affine : Affine or None
        Of its affine map, None without one.
    constants : tuple of array
        What its function reads.
    """

    affine: Affine | None
    constants: tuple[Array, ...]


@dataclass(frozen=True)
class Chain:
    """A network with gates as a chain; equal to that of an equal network with the same gates.

    Attributes
    ----------
    network, sites, own : Network or tuple of Site or bool
        What it was read from.
    steps : tuple of Step
        In order.
    places : tuple of tuple
        Of the values with gates, site by site, each with the axis of its nodes.
    program : Flat
        For a single example.
    """

    network: Network
    sites: tuple[Site, ...]
    own: bool
    steps: tuple[Step, ...] = field(compare=False)
    places: tuple[tuple[Key, int], ...] = field(compare=False)
    program: Flat = field(compare=False, repr=False)

    @property
    def first(self) -> int:
        """Number of the site whose gates come first."""
        return next(step.site for step in self.steps if step.site is not None)

    def values(self, params: Any, inputs: Any, chosen: Sequence[int]) -> list[Float[Array, "nodes examples"]]:
        """Return the values of some sites, by their numbers, with all gates on."""
        places = [self.places[site] for site in chosen]
        found = self.network.values(params, inputs, [key for key, _ in places])
        return [found[key].T if axis else found[key] for key, axis in places]

    def weights(self, params: Any) -> tuple[Weights, ...]:
        """Return the arrays of each step, given all parameters and state."""
        known = self.program.weights(jax.tree.leaves(params))
        return tuple(self._weights(step, known) for step in self.steps)

    def _weights(self, step: Step, known: dict[int, Any]) -> Weights:
        constants = tuple(known[number] for number in step.piece.constants) if step.piece else ()
        if step.kernel is None:
            return Weights(None, constants)
        kernel = known[step.kernel].T if step.is_turned else known[step.kernel]
        bias = jnp.zeros((), kernel.dtype) if step.bias is None else known[step.bias].reshape(-1)
        return Weights(Affine(kernel, jnp.broadcast_to(bias, kernel.shape[1])), constants)

    def run(
        self, piece: Piece, values: Float[Array, "masks nodes examples"], constants: Sequence[Array]
    ) -> Float[Array, "masks ... examples"]:
        """Run a function of each example's values."""

        def of_example(value: Array) -> Array:
            known = dict(zip(piece.constants, constants, strict=True)) | {piece.start: value}
            for operation in (self.program.operations[number] for number in piece.operations):
                operands = [known[o] if o in known else self.program.constants[o] for o in operation.operands]
                known.update(zip(operation.results, operation.run(operands), strict=True))
            return known[piece.stop]

        before, after = piece.axes
        # The axis of examples has the length one in the program.
        of_mask = jax.vmap(of_example, in_axes=-1, out_axes=-1)
        results = jax.vmap(of_mask)(jnp.expand_dims(values, 2 - before))
        return jnp.squeeze(results, 1 if after is None else 2 - after)


def read(network: Network, sites: tuple[Site, ...], own: bool, params: Any, inputs: Any) -> Chain:
    """Read a network with gates on some sites as a chain.

    Parameters
    ----------
    network : Network
        Read with inputs of these shapes.
    sites : tuple of Site
        With gates.
    own : bool
        Whether gates stand at the nodes' own values.
    params, inputs : object
        As the network takes them.

    Raises
    ------
    Unchained
        If it is none.
    """
    program = network.first.program
    if len(program.jaxpr.outvars) != 1:
        raise Unchained("network has several outputs")
    single = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((1, *leaf.shape[1:]), leaf.dtype), inputs)
    try:
        one = tracing.trace(network.apply, params, single)
    except Exception as error:  # whatever the user's own code raises
        raise Unchained(f"network takes no single example ({type(error).__name__})") from error
    if outline(one.jaxpr) != outline(program.jaxpr):
        raise Unchained("network is another program for a single example")
    walk = _Walk(flat(program, has_derivatives=True), sites, own)
    steps, places = walk.steps(), tuple(walk.places[number] for number in range(len(sites)))
    return Chain(network, sites, own, steps, places, flat(one, has_derivatives=True))


@dataclass
class _Segment:
    """Values computed from one, the root, without another product or gate.

    ``plain`` are the values that are the root itself.
    """

    root: int
    axis: int
    step: Step
    operations: list[int] = field(default_factory=list)
    plain: set[int] = field(default_factory=set)
    stop: int = -1

    def __post_init__(self) -> None:
        self.plain.add(self.root)
        self.stop = self.root


class _Walk:
    """Follows a program from its first gates to its output.

    Parameters
    ----------
    program : Flat
        For all examples.
    sites, own : sequence of Site or bool
        As for ``read``.
    """

    def __init__(self, program: Flat, sites: Sequence[Site], own: bool):
        self._program, self._weights = program, program.numbers_of_weights()
        self._sites, self._places = sites, [_place(site, own) for site in sites]
        self._gated = {self._number(number): number for number in range(len(sites))}
        self._segments: list[_Segment] = []
        # Of each value: the axis of its nodes, None where they are anywhere.
        self._axes: dict[int, int | None] = {}
        self._of: dict[int, _Segment] = {}
        self.places: dict[int, tuple[Key, int]] = {}

    def _number(self, site: int) -> int:
        """Return the number of the value on which a site's gates act."""
        place, nodes = self._places[site], self._sites[site].nodes
        number = place.key[2] if place.key[:2] == ((), "in") else self._program.numbers.get(place.key)
        shape = () if number is None else self._program.avals[number].shape
        if number is None or len(shape) != 2 or not is_in_order(place.ids) or place.ids.size != nodes:
            raise Unchained(f"{self._sites[site].path} is no layer of units with one value an example")
        return int(number)

    def steps(self) -> tuple[Step, ...]:
        """Return the chain's steps."""
        for number in range(len(self._program.paths), self._program.input + 1):
            self._cut(number)
        for place, operation in enumerate(self._program.operations):
            self._follow(place, operation)
        last = self._of.get(self._program.output)
        if len([s for s in self._segments if s.step.site is not None]) < len(self._gated) or last is None:
            raise Unchained("gated layers do not follow one another")
        last.stop = self._program.output
        examples, shape = self._examples(last), self._program.avals[last.stop].shape
        if last is not self._segments[-1] or self._axes[last.stop] == 0 or shape[:1] != (examples,):
            raise Unchained("its output is not that of its last layer")
        return self._joined()

    def _follow(self, place: int, operation: Operation) -> None:
        read = [number for number in operation.operands if number in self._of]
        if read:
            segment = self._segment_of(operation, read)
            axes = {self._axes[number] for number in read}
            axis = axes.pop() if len(axes) == 1 else None
            if operation.name in rules.PRODUCTS:
                self._multiply(operation, read, segment, axis)
            else:
                self._apply(place, operation, read, segment, axis)
        for result in operation.results:
            self._cut(result)

    def _segment_of(self, operation: Operation, read: list[int]) -> _Segment:
        """Return the segment whose values an operation reads, and nothing else but weights."""
        segment = self._of[read[0]]
        is_one = segment is self._segments[-1] and all(self._of[number] is segment for number in read)
        if not is_one or any(o not in self._of and o not in self._weights for o in operation.operands):
            raise Unchained(f"{operation.name} reads values of several layers, as a skip connection does")
        return segment

    def _cut(self, number: int) -> None:
        """Begin a segment where gates act on a value."""
        if number not in self._gated:
            return
        site = self._gated[number]
        if number in self._of:
            axis = self._axes[number]
            if axis is None:
                raise Unchained(f"what comes before {self._sites[site].path} is no elementwise function")
            self._of[number].stop = number
        elif self._segments:
            raise Unchained("gated layers do not follow one another")
        else:
            # Nodes lie along the axis along which the gates do; of a single node they lie along that of length one.
            ids, shape = self._places[site].ids, self._program.avals[number].shape
            axis = 0 if ids.shape[0] > 1 or (ids.size == 1 and shape[1] > 1) else 1
        self.places[site] = self._places[site].key, axis
        self._begin(_Segment(number, axis, Step(site=site)))

    def _begin(self, segment: _Segment) -> None:
        aval = self._program.avals[segment.root]
        if jnp.finfo(aval.dtype).bits < 32:
            raise Unchained("network computes in less than single precision")
        self._segments.append(segment)
        self._of[segment.root], self._axes[segment.root] = segment, segment.axis

    def _multiply(self, operation: Operation, read: list[int], segment: _Segment, axis: int | None) -> None:
        """Begin a segment with a product of a value and a kernel."""
        if operation.name != "dot_general" or len(read) != 1:
            raise Unchained(f"{operation.name} is no dense layer")
        if axis is None:
            raise Unchained("what comes before a product mixes nodes, as a normalisation over them does")
        side = operation.operands.index(read[0])
        summed, batch = operation.params["dimension_numbers"]
        kernel = operation.operands[1 - side]
        if batch[0] or tuple(summed[side]) != (axis,) or len(self._program.avals[kernel].shape) != 2:
            raise Unchained("a product with a parameter is no dense layer")
        segment.stop = read[0]
        step = Step(kernel=kernel, is_turned=tuple(summed[1 - side]) == (1,))
        # Examples are the free axis of the value.
        self._check_type(operation, segment)
        self._begin(_Segment(operation.results[0], 1 - side, step))

    def _apply(self, place: int, operation: Operation, read: list[int], segment: _Segment, axis: int | None) -> None:
        """Go on in a segment."""
        (shape, *_), results = (self._program.avals[number].shape for number in read), operation.results
        is_same = operation.name in SAME or _is_cast_to_itself(operation)
        if operation.name == "transpose" and axis is not None:
            axis = 1 - axis
        elif not operation.is_elementwise or self._program.avals[results[0]].shape != shape:
            axis = None
        if axis is None and tracing.bodies(operation.equation) and operation.name not in tracing.OWN_DERIVATIVE:
            raise Unchained(f"{operation.name} is no elementwise function")
        self._check_type(operation, segment)
        bias = self._bias(operation, segment, axis)
        if bias is not None:
            segment.step, segment.root = segment.step._replace(bias=bias), results[0]
            segment.plain = {results[0]}
        else:
            segment.operations.append(place)
            if is_same and axis is not None and read[0] in segment.plain:
                segment.plain.add(results[0])
        for result in results:
            self._of[result], self._axes[result] = segment, axis

    def _check_type(self, operation: Operation, segment: _Segment) -> None:
        dtype = self._program.avals[segment.root].dtype
        made = [self._program.avals[number].dtype for number in operation.results]
        if any(jnp.issubdtype(one, jnp.floating) and one != dtype for one in made):
            raise Unchained("network computes in several floating-point types")

    def _bias(self, operation: Operation, segment: _Segment, axis: int | None) -> int | None:
        """Return the number of a bias that an operation adds to sums that nothing else reads."""
        if operation.name != "add" or axis is None or segment.step.kernel is None or segment.step.bias is not None:
            return None
        others = [number for number in operation.operands if number != segment.root]
        if segment.operations or len(others) != 1 or self._readers(segment.root) > 1:
            return None
        return others[0] if others[0] in self._weights else None

    def _examples(self, segment: _Segment) -> int:
        return self._program.avals[segment.root].shape[1 - segment.axis]

    def _readers(self, number: int) -> int:
        return sum(operation.operands.count(number) for operation in self._program.operations)

    def _joined(self) -> tuple[Step, ...]:
        """Return the steps of all segments; gates join the product that reads them as they are."""
        steps: list[Step] = []
        for segment in self._segments:
            step, waits = segment.step, steps and steps[-1].site is not None and steps[-1].piece is None
            if waits and steps[-1].kernel is None and step.kernel is not None:
                step = step._replace(site=steps.pop().site)
            steps.append(step._replace(piece=self._piece(segment)))
        return tuple(steps)

    def _piece(self, segment: _Segment) -> Piece | None:
        axes = segment.axis, self._axes[segment.stop]
        if segment.stop in segment.plain and (segment is not self._segments[-1] or axes[1] == 1):
            return None
        read = [number for at in segment.operations for number in self._program.operations[at].operands]
        # Numbers in the program's text are no arrays.
        texts = {number for number in self._program.constants if not self._program.avals[number].shape}
        arrays = [number for number in dict.fromkeys(read) if number in self._weights - texts]
        return Piece(tuple(segment.operations), segment.root, segment.stop, axes, tuple(arrays))


def _place(site: Site, own: bool) -> Place:
    places = site.gated_places(own)
    if len(places) != 1 or site.stack:
        raise Unchained(f"{site.path} has gates in several places")
    return places[0]


def _is_cast_to_itself(operation: Operation) -> bool:
    return (
        operation.name == "convert_element_type"
        and operation.params["new_dtype"] == operation.equation.invars[0].aval.dtype  # type: ignore[attr-defined]
    )


def is_maximum_with_zero(piece: Piece, program: Flat) -> bool:
    """Whether a function is the larger of zero and its argument; its derivative may be its own."""
    if len(piece.operations) != 1 or piece.constants:
        return False
    operation = program.operations[piece.operations[0]]
    operands = [None if number == piece.start else program.constants.get(number) for number in operation.operands]
    return _result(operation.equation, operands) == "maximum"


def _result(equation: JaxprEqn, operands: Sequence[Any]) -> Any:
    """Return what an operation makes of an argument, None, and of numbers: "maximum", or something else."""
    inner = tracing.body(equation)
    if inner is not None:
        known = dict(zip(inner.jaxpr.invars, operands, strict=True))
        for one in inner.jaxpr.eqns:
            read = [atom.val if isinstance(atom, Literal) else known.get(atom, "other") for atom in one.invars]
            known[one.outvars[0]] = _result(one, read)
        (result,) = inner.jaxpr.outvars
        return "other" if isinstance(result, Literal) else known.get(result, "other")
    numbers = [operand for operand in operands if operand is not None]
    is_one = equation.primitive.name == "max" and len(numbers) == 1 and not isinstance(numbers[0], str)
    return "maximum" if is_one and np.ndim(numbers[0]) == 0 and numbers[0] == 0 else "other"
