"""Steps: the operations of a network put together to layers, nonlinearities, maxima and sums, each with a rule."""

import math
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from analysis.errors import InputError
from sweeps.program import rules
from sweeps.program.flat import Flat, Operation
from sweeps.program.operations import ADDING
from sweeps.relevance.reading import Reading

Kind = Literal["layer", "nonlinearity", "maximum", "linear", "copy"]

_IDENTITIES = ("convert_element_type", "copy", "copy_p")
# What scales a number.
_SCALINGS = rules.LINEAR - ADDING
_MAXIMA = ("reduce_max", "reduce_window_max")
# What puts numbers in other places, and what adds them up.
_RESHAPING = ("reshape", "transpose", "squeeze", "expand_dims", *_IDENTITIES)
_COPYING = rules.MOVING.union(("concatenate", "select_n"), _IDENTITIES)
_LINEAR = _COPYING.union(("reduce_sum", "reduce_window_sum", "cumsum"))
_WORDS = {
    "dot_general": "a matrix product of two activations, as in attention (dot_general)",
    "mul": "a product of two activations, as in a normalisation or a gate that is computed (mul)",
    "div": "a quotient of two activations, as in a softmax or a normalisation (div)",
    "scan": "a loop (scan)",
    "while": "a loop (while)",
}


class Step(NamedTuple):
    """What has one rule.

    Attributes
    ----------
    kind : of rule: a ``layer`` multiplies by its parameters and adds its biases, ``linear`` adds up without parameters,
        ``copy`` moves numbers to other places
    name : in the ledger
    layer : path of the layer, as in gating, or of the one that makes what is read; ``inputs`` before the first
    sources, output : numbers of the activations that it reads and of what it makes
    operations : in order
    kernel : number of the kernel, or None where the weights are the operations' own
    made : number of the product with the kernel, without biases
    offsets : numbers of what is added: the biases
    bias_axes, bias_shape : axes of the output that the bias is the same along, and the bias's own shape
    is_first : whether no layer comes before it
    """

    kind: Kind
    name: str
    layer: str
    sources: tuple[int, ...]
    output: int
    operations: tuple[Operation, ...]
    kernel: int | None = None
    made: int | None = None
    offsets: tuple[int, ...] = ()
    bias_axes: tuple[int, ...] = ()
    bias_shape: tuple[int, ...] | None = None
    is_first: bool = False

    def run(self, values: Mapping[int, Any], sources: Sequence[Any]) -> Any:
        """Return the output for other sources, and for what else stands in ``values``."""
        own = dict(zip(self.sources, sources, strict=True))
        for operation in self.operations:
            results = operation.run([own[one] if one in own else values[one] for one in operation.operands])
            own.update(zip(operation.results, results, strict=True))
        return own[self.output]


class Activations(NamedTuple):
    """Where the nodes of a layer are.

    Attributes
    ----------
    numbers : of one value, or of several with some nodes each
    axis : of the nodes, along which several values are put together
    order : of all nodes, in what was put together
    """

    numbers: tuple[int, ...]
    axis: int = 0
    order: tuple[int, ...] = ()


class Program(NamedTuple):
    """A network as steps.

    Attributes
    ----------
    flat : its operations
    steps : in order
    activations : where the nodes of each layer are, by the layer's name
    offsets : names of the nonlinearities whose value at zero is a bias
    """

    flat: Flat
    steps: tuple[Step, ...]
    activations: dict[str, Activations]
    offsets: frozenset[str] = frozenset()


class _Block(NamedTuple):
    """How a value comes from activations that are made by earlier steps."""

    sources: tuple[int, ...]
    operations: tuple[int, ...] = ()
    is_elementwise: bool = True
    layer: str | None = None
    kernel: int | None = None
    made: int | None = None
    offsets: tuple[int, ...] = ()


def program_of(reading: Reading) -> Program:
    """Put a network's operations together to steps.

    Raises
    ------
    ValueError
        If an operation has no rule; the message names the layer.
    """
    builder, written = _Builder(reading), reading.flat
    for index, operation in enumerate(written.operations):
        builder.add(index, operation)
    if written.output not in builder.blocks:
        raise InputError("the network's output does not depend on its inputs")
    builder.made(written.output)
    steps = tuple(builder.steps)
    return Program(written, steps, _activations(reading, steps))


def _activations(reading: Reading, steps: Sequence[Step]) -> dict[str, Activations]:
    """Where the nodes have their own values; of what has none, such as a normalisation, what it makes.

    Layers that share their nodes, as their results are added before anything reads them, are one.
    """
    makers = {number: nodes.name for nodes in reading.nodes for number in nodes.makers}
    own = _own_values(reading, steps)
    found: dict[str, Activations] = {}
    for step in steps:
        if step.kind == "layer":
            name = step.name if step.made is None else makers.get(step.made, step.name)
            where = _put_together(reading, own.get(name, []))
            found.setdefault(name, where or Activations((_after(step, steps),)))
    return found


def _own_values(reading: Reading, steps: Sequence[Step]) -> dict[str, list[int | None]]:
    """Values of nodes after their nonlinearity, before they are only moved, pooled or scaled; None if unknown."""
    by_output = {step.output: step for step in steps}
    makers = {result: one for one in reading.flat.operations for result in one.results}
    values = reading.values

    def own(number: int | None) -> int | None:
        while number is not None:
            step = by_output.get(number)
            if step is not None and (step.kind in ("layer", "nonlinearity") or len(step.sources) > 1):
                return number
            before = makers[number].operands if number in makers else ()
            same = {one for one in before if one in values and values[one].sources == values[number].sources}
            if len(same) != 1:
                return None if step is None else number
            (number,) = same
        return None

    found: dict[str, list[int | None]] = {}
    for nodes in reading.nodes:
        found.setdefault(nodes.name, []).append(own(nodes.place))
    return found


def _put_together(reading: Reading, numbers: Sequence[int | None]) -> Activations | None:
    """All nodes of a layer, by the numbers of their values; None if they do not fit together along one axis."""
    known = tuple(number for number in numbers if number is not None)
    if len(known) < len(numbers) or not known:
        return None
    if len(known) == 1:
        return Activations(known)
    values = [reading.values[number] for number in known]
    axes = {axis for value in values for axis, size in enumerate(value.ids.shape) if size > 1}
    shapes = {tuple(n for axis, n in enumerate(value.aval.shape) if axis not in axes) for value in values}
    labels = np.concatenate([value.first.labels[value.ids.ravel()] for value in values])
    if len(axes) != 1 or len(shapes) != 1 or len(np.unique(labels)) < len(labels):
        return None
    return Activations(known, axes.pop(), tuple(np.argsort(labels).tolist()))


def _after(layer: Step, steps: Sequence[Step]) -> int:
    """What a layer makes, after its nonlinearity if that alone reads the layer."""
    readers = [step for step in steps if layer.output in step.sources]
    return readers[0].output if [step.kind for step in readers] == ["nonlinearity"] else layer.output


class _Builder:
    """Steps, made while going through the operations.

    A value that no step has made is kept as a block, to which operations are added as long as all of them are of one
    kind: a whole nonlinearity such as x * sigmoid(x) then is one function.
    """

    def __init__(self, reading: Reading):
        self._layers, self.flat = reading.layers, reading.flat
        self._own_names: dict[int | None, str] = {
            nodes.makers[0]: nodes.name for nodes in reading.nodes if len(nodes.makers) == 1
        }
        self.steps: list[Step] = []
        self.blocks = {self.flat.input: _Block((self.flat.input,))}
        self._makers = {self.flat.input: "inputs"}
        self._names: dict[str, int] = {}
        # Leaves of the state that a value depends on which does not depend on the inputs.
        self._uses = {number: frozenset([number]) for number in self.flat.paths}

    def add(self, index: int, operation: Operation) -> None:
        """Take one operation."""
        passive = [operand for operand in operation.operands if operand not in self.blocks]
        if len(passive) == len(operation.operands):
            uses = frozenset().union(*(self._used(one) for one in passive))
            self._uses.update((result, uses) for result in operation.results)
            return
        active = [operand for operand in dict.fromkeys(operation.operands) if operand in self.blocks]
        if operation.name in rules.PRODUCTS and len(active) == len(passive) == 1:
            made = operation.results[0]
            layer = self._layers.get(made) or self._layer_of(passive)
            block = _Block(self._made_all(active), (index,), False, layer, passive[0], made)
        elif operation.name in _MAXIMA:
            self._emit("maximum", operation.results[0], _Block(self._made_all(active), (index,)))
            return
        elif operation.is_elementwise and self._keeps_shape(operation, active):
            found = self._elementwise(index, operation, active, passive)
            if found is None:
                return
            block = found
        elif operation.name in ADDING and not passive:
            # Of activations of different shapes, one of which is the same along an axis.
            block = self._linear(index, operation, active)
        elif operation.name in _LINEAR and operation.operands[0] in (*active, *self._predicates(operation)):
            block = self._linear(index, operation, active)
        else:
            self._refuse(operation, active)
        self.blocks.update((result, block) for result in operation.results)

    def made(self, number: int) -> int:
        """Let a step make a value, and return its number."""
        block = self.blocks[number]
        if block.operations:
            self._emit(self._kind(block), number, block)
        return number

    def _made_all(self, numbers: Iterable[int]) -> tuple[int, ...]:
        return tuple(map(self.made, numbers))

    def _elementwise(self, index: int, operation: Operation, active: list[int], passive: list[int]) -> _Block | None:
        """The block of a function of each number by itself; None where it is a maximum, which is a step of its own."""
        blocks, name = [self.blocks[one] for one in active], operation.name
        single = len(active) == 1
        if single and passive and any(map(self._used, passive)) and name in (*ADDING, "mul"):
            return self._of_layer(index, operation, active[0], passive)
        sources = {source for block in blocks for source in block.sources}
        alone = single or name in ADDING
        if (
            len(sources) == 1
            and all(block.is_elementwise for block in blocks)
            and not (alone and any(block.layer is not None for block in blocks))
        ):
            return self._joined(index, active)
        if single:
            block = blocks[0]
            if self._scales(operation, active) and not block.is_elementwise and block.layer is None:
                return block._replace(operations=(*block.operations, index))
            return _Block(self._made_all(active), (index,))
        if name in ADDING or (name == "select_n" and operation.operands[0] in passive):
            return self._linear(index, operation, active)
        if name == "max" and not passive:
            self._emit("maximum", operation.results[0], _Block(self._made_all(active), (index,)))
            return None
        return self._refuse(operation, active)

    def _of_layer(self, index: int, operation: Operation, active: int, passive: list[int]) -> _Block:
        """The block of a bias that is added, or of a scale that is multiplied by."""
        block, scales = self.blocks[active], operation.name == "mul"
        own = [one for one in (block.kernel, *block.offsets) if one is not None]
        # A batch normalisation subtracts, multiplies and adds: one layer.
        if not self._is_bias(block, operation, passive) and (
            self._home(own) != self._home(passive) or (scales and block.kernel is not None)
        ):
            block = _Block((self.made(active),), layer=self._layer_of(passive))
        block = block._replace(operations=(*block.operations, index))
        return block._replace(kernel=passive[0]) if scales else block._replace(offsets=(*block.offsets, *passive))

    def _linear(self, index: int, operation: Operation, active: list[int]) -> _Block:
        block = self.blocks[active[0]]
        if operation.name in _RESHAPING and block.layer is not None and not block.offsets:
            return block._replace(operations=(*block.operations, index), is_elementwise=False)
        for one in active:
            if self.blocks[one].is_elementwise or self.blocks[one].layer is not None:
                self.made(one)
        added = [one for one in operation.operands if one not in active and one not in self._predicates(operation)]
        added = added if operation.name in ("concatenate", "pad", "select_n") else []
        block = self._joined(index, active)
        return block._replace(
            is_elementwise=False, offsets=(*block.offsets, *(one for one in added if not self._is_zero(one)))
        )

    def _joined(self, index: int, active: Iterable[int]) -> _Block:
        blocks = [self.blocks[one] for one in active]
        return _Block(
            tuple(dict.fromkeys(source for block in blocks for source in block.sources)),
            tuple(sorted({index, *(one for block in blocks for one in block.operations)})),
            offsets=tuple(dict.fromkeys(one for block in blocks for one in block.offsets if block.layer is None)),
        )

    def _emit(self, kind: Kind, output: int, block: _Block) -> None:
        layer = block.layer if block.layer is not None else self._makers[block.sources[0]]
        operations = tuple(self.flat.operations[index] for index in block.operations)
        if not jnp.issubdtype(self.flat.avals[output].dtype, jnp.floating):
            self._refuse(operations[-1], block.sources)
        name = self._own_names.get(block.made, layer) if kind == "layer" else f"{layer} {kind}"
        self._names[name] = self._names.get(name, 0) + 1
        name = name if self._names[name] == 1 else f"{name} ({self._names[name]})"
        step = Step(kind, name, layer, block.sources, output, operations, block.kernel, block.made, block.offsets)
        step = step._replace(is_first=self._makers[block.sources[0]] == "inputs")
        self.steps.append(self._with_bias(step) if kind == "layer" and block.offsets else step)
        self._makers[output], self.blocks[output] = layer, _Block((output,))

    def _with_bias(self, step: Step) -> Step:
        """Say where a layer's bias is broadcast along, and what shape it has in the layer."""
        bias = step.offsets[-1]
        whole, shape = self.flat.avals[step.output].shape, self.flat.avals[bias].shape
        aligned = (1,) * (len(whole) - len(shape)) + shape
        axes = tuple(axis for axis, (a, b) in enumerate(zip(aligned, whole, strict=True)) if a == 1 and b != 1)
        own = [self.flat.avals[leaf].shape for leaf in self._used(bias)]
        if len(own) == 1 and math.prod(own[0]) == math.prod(shape):
            shape = own[0]
        return step._replace(bias_axes=axes, bias_shape=shape)

    def _kind(self, block: _Block) -> Kind:
        if block.layer is not None:
            return "layer"
        operations = [self.flat.operations[index] for index in block.operations]
        if block.is_elementwise:
            made = {result for operation in operations for result in operation.results} | set(block.sources)
            scales = (self._scales(one, [number for number in one.operands if number in made]) for one in operations)
            return "linear" if all(scales) else "nonlinearity"
        return "copy" if all(operation.name in _COPYING for operation in operations) else "linear"

    @staticmethod
    def _scales(operation: Operation, active: Sequence[int]) -> bool:
        """Whether an operation multiplies one activation by something else."""
        once = sum(operation.operands.count(one) for one in active) == 1
        return operation.name in _SCALINGS and once and (operation.name != "div" or operation.operands[0] in active)

    def _keeps_shape(self, operation: Operation, active: Iterable[int]) -> bool:
        shape = self.flat.avals[operation.results[0]].shape
        return all(self.flat.avals[one].shape == shape for one in active)

    @staticmethod
    def _predicates(operation: Operation) -> tuple[int, ...]:
        return operation.operands[:1] if operation.name == "select_n" else ()

    def _is_zero(self, number: int) -> bool:
        value = self.flat.constants.get(number)
        return value is not None and not isinstance(value, jax.core.Tracer) and not np.any(np.asarray(value))

    def _used(self, number: int) -> frozenset[int]:
        return self._uses.get(number, frozenset())

    def _paths(self, numbers: Iterable[int]) -> list[str]:
        return sorted({self.flat.paths[leaf] for one in numbers for leaf in self._used(one)})

    def _home(self, numbers: Iterable[int]) -> str | None:
        """Where the parameters lie that values depend on; None if they depend on none."""
        above = [posixpath.dirname(path) for path in self._paths(numbers)]
        if not above:
            return None
        return posixpath.commonpath(above) if all(above) else ""

    def _layer_of(self, passive: Iterable[int]) -> str:
        """Name of a layer that makes no nodes: where its parameters lie, or a parameter if a layer with nodes does."""
        home, paths = self._home(passive), self._paths(passive)
        if home is None:
            return "constant"
        return home if home and home not in self._layers.values() else paths[0]

    def _is_bias(self, block: _Block, operation: Operation, passive: Sequence[int]) -> bool:
        """Whether a parameter of one axis is the first thing that is added to a product: its bias, wherever it lies."""
        is_first = block.made is not None and not block.offsets and operation.name in ("add", "add_any")
        leaves = [leaf for one in passive for leaf in self._used(one)]
        return is_first and len(leaves) == 1 and len(self.flat.avals[leaves[0]].shape) == 1

    def _refuse(self, operation: Operation, active: Iterable[int]) -> Any:
        blocks = [self.blocks[one] for one in active]
        after = [self._makers[block.sources[0]] if block.layer is None else block.layer for block in blocks]
        word = _WORDS.get(operation.name, operation.name)
        raise InputError(f"the network after {' and '.join(dict.fromkeys(after))} has no rule for {word}")
