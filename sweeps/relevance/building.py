"""Building: puts the operations of a network together to steps."""

import math
import posixpath
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from analysis.errors import InputError
from sweeps.program import rules
from sweeps.program.flat import Operation
from sweeps.program.operations import ADDING
from sweeps.relevance.node_values import activations_of
from sweeps.relevance.reading import Reading
from sweeps.relevance.steps import Kind, Program, Step

_IDENTITIES = ("convert_element_type", "copy", "copy_p")
# Operations that scale a number.
_SCALINGS = rules.LINEAR - ADDING
_MAXIMA = ("reduce_max", "reduce_window_max")
# Operations that move numbers, and that sum them.
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


class _Block(NamedTuple):
    """The operations from the outputs of earlier steps to a value."""

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
    return Program(written, steps, activations_of(reading, steps))


class _Builder:
    """Builds steps in a pass over the operations.

    A value that is no step's output has a block, which takes more operations as long as all are of the same kind: a
    nonlinearity such as x * sigmoid(x) becomes a single function.
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
        # For values that do not depend on the inputs: the leaves of the state that they depend on.
        self._uses = {number: frozenset([number]) for number in self.flat.paths}

    def add(self, index: int, operation: Operation) -> None:
        """Add an operation."""
        passive = [operand for operand in operation.operands if operand not in self.blocks]
        if len(passive) == len(operation.operands):
            uses = frozenset().union(*(self._used(number) for number in passive))
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
            joined = self._elementwise(index, operation, active, passive)
            if joined is None:
                return
            block = joined
        elif operation.name in ADDING and not passive:
            # A sum of activations that broadcast.
            block = self._linear(index, operation, active)
        elif operation.name in _LINEAR and operation.operands[0] in (*active, *self._predicates(operation)):
            block = self._linear(index, operation, active)
        else:
            self._refuse(operation, active)
        self.blocks.update((result, block) for result in operation.results)

    def made(self, number: int) -> int:
        """Emit the step that makes a value, and return the value's number."""
        block = self.blocks[number]
        if block.operations:
            self._emit(self._kind(block), number, block)
        return number

    def _made_all(self, numbers: Iterable[int]) -> tuple[int, ...]:
        return tuple(map(self.made, numbers))

    def _elementwise(self, index: int, operation: Operation, active: list[int], passive: list[int]) -> _Block | None:
        """Return the block of an elementwise function; None for a maximum, which is emitted as a step."""
        blocks, name = [self.blocks[number] for number in active], operation.name
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
        """Return the block with a bias added, or multiplied by a scale."""
        block, scales = self.blocks[active], operation.name == "mul"
        own = [number for number in (block.kernel, *block.offsets) if number is not None]
        # The subtraction, product and sum of a batch normalisation are one layer.
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
        for number in active:
            if self.blocks[number].is_elementwise or self.blocks[number].layer is not None:
                self.made(number)
        added = [
            number
            for number in operation.operands
            if number not in active and number not in self._predicates(operation)
        ]
        added = added if operation.name in ("concatenate", "pad", "select_n") else []
        block = self._joined(index, active)
        return block._replace(
            is_elementwise=False, offsets=(*block.offsets, *(number for number in added if not self._is_zero(number)))
        )

    def _joined(self, index: int, active: Iterable[int]) -> _Block:
        blocks = [self.blocks[number] for number in active]
        return _Block(
            tuple(dict.fromkeys(source for block in blocks for source in block.sources)),
            tuple(sorted({index, *(number for block in blocks for number in block.operations)})),
            offsets=tuple(dict.fromkeys(number for block in blocks for number in block.offsets if block.layer is None)),
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
        """Set the axes along which a layer's bias is broadcast, and its own shape."""
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
            scales = (self._scales(each, [number for number in each.operands if number in made]) for each in operations)
            return "linear" if all(scales) else "nonlinearity"
        return "copy" if all(operation.name in _COPYING for operation in operations) else "linear"

    @staticmethod
    def _scales(operation: Operation, active: Sequence[int]) -> bool:
        """Whether an operation multiplies an activation by anything else."""
        once = sum(operation.operands.count(number) for number in active) == 1
        return operation.name in _SCALINGS and once and (operation.name != "div" or operation.operands[0] in active)

    def _keeps_shape(self, operation: Operation, active: Iterable[int]) -> bool:
        shape = self.flat.avals[operation.results[0]].shape
        return all(self.flat.avals[number].shape == shape for number in active)

    @staticmethod
    def _predicates(operation: Operation) -> tuple[int, ...]:
        return operation.operands[:1] if operation.name == "select_n" else ()

    def _is_zero(self, number: int) -> bool:
        value = self.flat.constants.get(number)
        return value is not None and not isinstance(value, jax.core.Tracer) and not np.any(np.asarray(value))

    def _used(self, number: int) -> frozenset[int]:
        return self._uses.get(number, frozenset())

    def _paths(self, numbers: Iterable[int]) -> list[str]:
        return sorted({self.flat.paths[leaf] for number in numbers for leaf in self._used(number)})

    def _home(self, numbers: Iterable[int]) -> str | None:
        """Return the common path of the parameters that values depend on; None if there are none."""
        above = [posixpath.dirname(path) for path in self._paths(numbers)]
        if not above:
            return None
        return posixpath.commonpath(above) if all(above) else ""

    def _layer_of(self, passive: Iterable[int]) -> str:
        """Return the name of a layer that makes no nodes: the path of its parameters, or of one if that is taken."""
        home, paths = self._home(passive), self._paths(passive)
        if home is None:
            return "constant"
        return home if home and home not in self._layers.values() else paths[0]

    def _is_bias(self, block: _Block, operation: Operation, passive: Sequence[int]) -> bool:
        """Whether a parameter is a product's bias: it has one axis, and nothing was added before."""
        is_first = block.made is not None and not block.offsets and operation.name in ("add", "add_any")
        leaves = [leaf for number in passive for leaf in self._used(number)]
        return is_first and len(leaves) == 1 and len(self.flat.avals[leaves[0]].shape) == 1

    def _refuse(self, operation: Operation, active: Iterable[int]) -> Any:
        blocks = [self.blocks[number] for number in active]
        after = [self._makers[block.sources[0]] if block.layer is None else block.layer for block in blocks]
        word = _WORDS.get(operation.name, operation.name)
        raise InputError(f"the network after {' and '.join(dict.fromkeys(after))} has no rule for {word}")
