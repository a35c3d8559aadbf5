"""Blocks: what a builder knows of each value of a network, and the steps that it has made so far."""

import math
import posixpath
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from sweeps._program import rules
from sweeps._program.flat import Operation, every
from sweeps._program.operations import ADDING
from sweeps.relevance._methods import Rules
from sweeps.relevance._patterns import is_zero
from sweeps.relevance._reading import Reading
from sweeps.relevance._steps import Kind, Step

IDENTITIES = ("convert_element_type", "copy", "copy_p")
# Operations that scale a number.
_SCALINGS = rules.LINEAR - ADDING
# Operations that move numbers; those that put several arrays together may add constants.
RESHAPING = ("reshape", "transpose", "squeeze", "expand_dims", *IDENTITIES)
JOINING = rules.JOINING.union(("pad", "select_n", "dynamic_update_slice", "scatter"))
COPYING = rules.MOVING.union(JOINING, IDENTITIES, ["tile"])


class Block(NamedTuple):
    """The operations from the outputs of earlier steps to a value.

    Attributes
    ----------
    has_data : bool
        Whether they read values that depend on the inputs and are taken as constants.
    """

    sources: tuple[int, ...]
    operations: tuple[int, ...] = ()
    is_elementwise: bool = True
    layer: str | None = None
    kernel: int | None = None
    made: int | None = None
    offsets: tuple[int, ...] = ()
    has_data: bool = False


class Blocks:
    """The blocks of values, and the steps that are made of them.

    A value that is no step's output has a block, which takes more operations as long as all are of the same kind: a
    nonlinearity such as x * sigmoid(x) becomes a single function. Values without a block are constants.
    """

    def __init__(self, reading: Reading, chosen: Rules):
        self._layers, self.flat, self._rules = reading.layers, reading.flat, chosen
        self._own_names: dict[int | None, str] = {
            nodes.makers[0]: nodes.name for nodes in reading.nodes if len(nodes.makers) == 1
        }
        self._nodes = reading.nodes
        # Nodes of products, such as heads, have their own value where their gate is.
        self._stops: set[int] = set()
        self._operators = {result: each for each in every(self.flat.operations) for result in each.results}
        self._operations: list[Operation] = []
        self.steps: list[Step] = []
        self.blocks = {self.flat.input: Block((self.flat.input,))}
        self._makers = {self.flat.input: "inputs"}
        self._names: dict[str, int] = {}
        # For values that do not depend on the inputs: the leaves of the state, and their slices, that they depend on.
        self._uses = {number: frozenset([number]) for number in self.flat.paths}
        # Values that depend on the inputs and have no derivative: whole numbers, choices, and what is stopped.
        self._fixed: set[int] = set()
        # Those that have no block, and are constants for what reads them.
        self._data: set[int] = set()

    def made(self, number: int) -> int:
        """Emit the step that makes a value, and return the value's number."""
        block = self.blocks[number]
        if block.operations:
            self._emit(self._kind(block), number, block)
        return number

    def _made_all(self, numbers: Iterable[int]) -> tuple[int, ...]:
        return tuple(map(self.made, numbers))

    def _joined(self, index: int, active: Iterable[int]) -> Block:
        blocks = [self.blocks[number] for number in active]
        return Block(
            tuple(dict.fromkeys(source for block in blocks for source in block.sources)),
            tuple(sorted({index, *(number for block in blocks for number in block.operations)})),
            offsets=tuple(dict.fromkeys(number for block in blocks for number in block.offsets if block.layer is None)),
            has_data=any(block.has_data for block in blocks),
        )

    def _emit(self, kind: Kind, output: int, block: Block, **more: Any) -> None:
        """Make a block a step; ``more`` are further fields of the step."""
        layer = block.layer if block.layer is not None else self._makers[block.sources[0]]
        operations = tuple(self._operations[index] for index in block.operations)
        word = operations[-1].name if kind == "function" else kind
        if kind == "layer" and block.made is None and self._divides(output):
            word = "scale"
        name = self._own_names.get(block.made, layer) if kind == word == "layer" else f"{layer} {word}"
        self._names[name] = self._names.get(name, 0) + 1
        name = name if self._names[name] == 1 else f"{name} ({self._names[name]})"
        step = Step(kind, name, layer, block.sources, output, operations, block.kernel, block.made, block.offsets)
        is_first = self._makers[block.sources[0]] == "inputs"
        step = step._replace(is_first=is_first, has_data=block.has_data, **more)
        self.steps.append(self._with_bias(step) if kind == "layer" and block.offsets else step)
        for made in step.outputs:
            self._makers[made], self.blocks[made] = layer, Block((made,))

    def _with_bias(self, step: Step) -> Step:
        """Set the axes along which a layer's bias is broadcast, and its own shape."""
        bias = step.offsets[-1]
        whole, shape = self.flat.avals[step.output].shape, self.flat.avals[bias].shape
        aligned = (1,) * (len(whole) - len(shape)) + shape
        axes = tuple(axis for axis, (a, b) in enumerate(zip(aligned, whole, strict=True)) if a == 1 and b != 1)
        leaves = self._leaves([bias])
        own = [self.flat.avals[leaf].shape for leaf in leaves]
        if len(own) == 1 and math.prod(own[0]) == math.prod(shape):
            shape = own[0]
        return step._replace(bias_axes=axes, bias_shape=shape, slices=leaves - self.flat.paths.keys())

    def _kind(self, block: Block) -> Kind:
        if block.layer is not None:
            return "layer"
        operations = [self._operations[index] for index in block.operations]
        if block.is_elementwise:
            made = {result for operation in operations for result in operation.results} | set(block.sources)
            scales = (self._scales(each, [number for number in each.operands if number in made]) for each in operations)
            return "linear" if all(scales) else "nonlinearity"
        return "copy" if all(operation.name in COPYING for operation in operations) else "linear"

    @staticmethod
    def _scales(operation: Operation, active: Sequence[int]) -> bool:
        """Whether an operation multiplies an activation by anything else."""
        once = sum(operation.operands.count(number) for number in active) == 1
        return operation.name in _SCALINGS and once and (operation.name != "div" or operation.operands[0] in active)

    def _is_joined(self, operation: Operation, active: Sequence[int]) -> bool:
        """Whether an operation continues a single elementwise function."""
        blocks = [self.blocks[number] for number in active]
        is_one = len({source for block in blocks for source in block.sources}) == 1
        is_elementwise = operation.is_elementwise and all(block.is_elementwise for block in blocks)
        return is_one and is_elementwise and self._keeps_shape(operation, active)

    def _keeps_shape(self, operation: Operation, active: Iterable[int]) -> bool:
        shape = self.flat.avals[operation.results[0]].shape
        return all(self.flat.avals[number].shape == shape for number in active)

    def _is_float(self, number: int) -> bool:
        return jnp.issubdtype(self.flat.avals[number].dtype, jnp.inexact)

    def _is_complex(self, number: int) -> bool:
        return jnp.issubdtype(self.flat.avals[number].dtype, jnp.complexfloating)

    def _is_zero(self, number: int) -> bool:
        return is_zero(self.flat.constants.get(number))

    def _is_negative(self, number: int) -> bool:
        value = self.flat.constants.get(number)
        return value is not None and not isinstance(value, jax.core.Tracer) and bool(np.all(np.asarray(value) < 0))

    def _used(self, number: int) -> frozenset[int]:
        return self._uses.get(number, frozenset())

    def _leaves(self, numbers: Iterable[int]) -> frozenset[int]:
        """Return the parameters that values depend on; of those that a loop slices, the slices."""
        used = frozenset().union(*map(self._used, numbers))
        return used - self.flat.paths.keys() or used

    def _paths(self, numbers: Iterable[int]) -> list[str]:
        return sorted({self.flat.paths[at] for number in numbers for at in self._used(number) if at in self.flat.paths})

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

    def _is_bias(self, block: Block, operation: Operation, passive: Sequence[int]) -> bool:
        """Whether a parameter is a product's bias: it has one axis, and nothing was added before."""
        is_first = block.made is not None and not block.offsets and operation.name in ("add", "add_any")
        leaves = list(self._leaves(passive))
        return is_first and len(leaves) == 1 and len(self.flat.avals[leaves[0]].shape) == 1

    def _divides(self, number: int) -> bool:
        """Whether a factor is one over an activation, perhaps scaled by parameters, which it then uses."""
        start, uses = number, frozenset[int]()
        while (operation := self._operators.get(number)) is not None and number in self.blocks:
            name, active = operation.name, [at for at in operation.operands if at in self.blocks]
            uses = uses.union(*(self._used(at) for at in operation.operands if at not in active))
            inverts = name == "rsqrt" or (name == "integer_pow" and operation.params["y"] < 0)
            inverts = inverts or (name == "pow" and self._is_negative(operation.operands[1]))
            if inverts or (name == "div" and active == [operation.operands[1]]):
                self._uses[start] = uses
                return True
            if len(active) != 1 or name not in (*RESHAPING, "broadcast_in_dim", "mul", "div"):
                return False
            (number,) = active
        return False

    def _after(self, active: Iterable[int]) -> str:
        """Return the names of the layers from which activations come."""
        blocks = [self.blocks[number] for number in active]
        after = [self._makers[block.sources[0]] if block.layer is None else block.layer for block in blocks]
        return " and ".join(dict.fromkeys(after))
