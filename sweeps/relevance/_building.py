"""Building: puts the operations of a network together to steps."""

import posixpath
from collections.abc import Callable, Sequence
from copy import copy
from typing import Any

from analysis._errors import InputError
from sweeps._program import rules
from sweeps._program.flat import Operation
from sweeps._program.operations import ADDING
from sweeps.relevance._blocks import COPYING, JOINING, RESHAPING, Block, Blocks
from sweeps.relevance._methods import Rules
from sweeps.relevance._node_values import activations_of
from sweeps.relevance._patterns import SOFTMAX, together, without_stops
from sweeps.relevance._products import Half
from sweeps.relevance._reading import Reading
from sweeps.relevance._refusing import refuse, refuse_choice
from sweeps.relevance._steps import Program, Step, every

Emit = Callable[[int, Operation, list[int]], None]
_MAXIMA = ("reduce_max", "reduce_window_max", "reduce_min", "reduce_window_min")
# Operations that move or sum numbers.
_LINEAR = COPYING.union(("reduce_sum", "reduce_window_sum", "cumsum", "scatter-add", "scatter-sub"))
# What changes while operations are added.
_STATE = ("steps", "blocks", "_makers", "_names", "_uses", "_fixed", "_data")
_ORDERING = ("sort", "top_k", "approx_top_k")


def program_of(reading: Reading, chosen: Rules | None = None) -> Program:
    """Put a network's operations together to steps, for rules; by default those of layer-wise relevance propagation.

    Raises
    ------
    ValueError
        If an operation has no rule; the message names the layer.
    """
    chosen = Rules() if chosen is None else chosen
    written = (without_stops if chosen.quantity == "difference" else together)(reading.flat)
    builder = _Builder(reading._replace(flat=written), chosen)
    for operation in written.operations:
        builder.add(operation)
    if written.output not in builder.blocks:
        raise InputError("the network's output does not depend on its inputs")
    builder.made(written.output)
    steps = _reached(builder.steps, {written.output}, {written.output})
    return Program(written, steps, activations_of(reading._replace(flat=written), steps))


def _reached(steps: Sequence[Step], wanted: set[int], signals: set[int]) -> tuple[Step, ...]:
    """Return the steps that the output depends on, and all layers with parameters.

    A step is a statistic if the output depends on it by what divides alone; ``signals`` are read by others.
    """
    kept = []
    for step in reversed(steps):
        is_signal = bool(signals.intersection(step.outputs))
        if not wanted.intersection(step.outputs) and step.made is None:
            continue
        if step.loop is not None:
            results = set(step.loop.results)
            step = step._replace(steps=_reached(step.steps, wanted | results, signals | results))
        kept.append(step._replace(is_statistic=not is_signal))
        wanted.update(step.sources)
        signals.update(set(step.sources) - {step.divisor} if is_signal else ())
    return tuple(reversed(kept))


class _Builder(Blocks):
    """Builds steps in a pass over the operations."""

    def add(self, operation: Operation, constants: frozenset[int] = frozenset()) -> None:
        """Add an operation, some of whose operands may count as constants."""
        active = [at for at in dict.fromkeys(operation.operands) if at in self.blocks and at not in constants]
        fixed = self._fixed.intersection(active)
        if fixed and not self._is_joined(operation, active):
            return self.add(operation, constants | fixed)
        passive = [operand for operand in operation.operands if operand not in active]
        has_data = bool(constants or self._data.intersection(passive))
        if not active:
            uses = frozenset[int]().union(*map(self._used, passive))
            self._uses.update((result, uses) for result in operation.results)
            self._data.update(operation.results if has_data else ())
            return None
        if has_data and self._rules.quantity == "difference":
            refuse_choice(operation, self._after(active))
        block = self._block(operation, active, passive)
        if block is not None:
            for result in operation.results:
                self._keep(result, operation, block._replace(has_data=block.has_data or has_data), active)
            self._made_all(self._stops.intersection(operation.results))
        return None

    def _keep(self, result: int, operation: Operation, block: Block, active: Sequence[int]) -> None:
        """Note the block of a result; one without a derivative is a constant unless it belongs to a function."""
        is_fixed = operation.name == "stop_gradient" or not self._is_float(result) or self._fixed.issuperset(active)
        if is_fixed and not (block.is_elementwise and block.layer is None):
            self._data.add(result)
            return
        self.blocks[result] = block
        if is_fixed:
            self._fixed.add(result)

    def _block(self, operation: Operation, active: list[int], passive: list[int]) -> Block | None:
        """Return the block of an operation; None if it is a step of its own, or its results are constants."""
        name = operation.name
        starts = operation.is_elementwise and len(active) == 1 and self._keeps_shape(operation, active)
        if not any(map(self._is_float, operation.results)) and not (starts or self._is_joined(operation, active)):
            self._data.update(operation.results)
            return None
        if not self._rules.differentiates and any(map(self._is_complex, (*active, *operation.results))):
            refuse(operation, self._after(active), False)
        index = len(self._operations)
        self._operations.append(operation)
        emit = self._own_step(operation, active, passive)
        if emit is not None:
            emit(index, operation, active)
            return None
        if name in rules.PRODUCTS:
            made = operation.results[0]
            layer = self._layers.get(made) or self._layer_of(passive)
            return Block(self._made_all(active), (index,), False, layer, passive[0], made)
        if operation.is_elementwise and self._keeps_shape(operation, active):
            return self._elementwise(index, operation, active, passive)
        if operation.is_elementwise and len(active) == 1:
            return self._of_layer(index, operation, active[0], passive)
        return self._linear(index, operation, active)

    def _own_step(self, operation: Operation, active: list[int], passive: list[int]) -> Emit | None:
        """Return what emits an operation that is always a step of its own; None for others."""
        name, is_joined = operation.name, self._is_joined(operation, active)
        is_pair = len(active) == 2 and not is_joined
        if name in _MAXIMA or (name in ("max", "min") and is_pair):
            return self._maximum
        if operation.loop is not None:
            return self._loop
        if name in _ORDERING:
            return self._ordered
        if (name in ("mul", "div") and is_pair) or (name in rules.PRODUCTS and not passive):
            return self._product
        if name in _LINEAR.union(rules.PRODUCTS, ADDING) or is_joined:
            return None
        keeps = self._keeps_shape(operation, active) or self._scales(operation, active)
        return None if operation.is_elementwise and len(active) == 1 and keeps else self._function

    def _elementwise(self, index: int, operation: Operation, active: list[int], passive: list[int]) -> Block:
        """Return the block of an elementwise function."""
        blocks, name = [self.blocks[number] for number in active], operation.name
        single = len(active) == 1
        if name == "select_n" and operation.operands[0] in passive:
            # A mask: its constants are biases.
            return self._linear(index, operation, active)
        is_layer = any(self._used(at) or (name in ADDING and at in self._data) for at in passive)
        if single and name in (*ADDING, "mul") and is_layer:
            return self._of_layer(index, operation, active[0], passive)
        alone = single or name in ADDING
        if self._is_joined(operation, active) and not (alone and any(block.layer is not None for block in blocks)):
            return self._joined(index, active)
        if single:
            block = blocks[0]
            if self._scales(operation, active) and not block.is_elementwise and block.layer is None:
                return block._replace(operations=(*block.operations, index))
            return Block(self._made_all(active), (index,))
        return self._linear(index, operation, active)

    def _of_layer(self, index: int, operation: Operation, active: int, passive: list[int]) -> Block:
        """Return the block with a bias added, or multiplied by a scale."""
        block, scales = self.blocks[active], operation.name not in ADDING
        own = [number for number in (block.kernel, *block.offsets) if number is not None]
        # The subtraction, product and sum of a batch normalisation are one layer.
        if not self._is_bias(block, operation, passive) and (
            self._home(own) != self._home(passive) or (scales and block.kernel is not None)
        ):
            block = Block((self.made(active),), layer=self._layer_of(passive))
        block = block._replace(operations=(*block.operations, index))
        return block._replace(kernel=passive[0]) if scales else block._replace(offsets=(*block.offsets, *passive))

    def _linear(self, index: int, operation: Operation, active: list[int]) -> Block:
        block = self.blocks[active[0]]
        if operation.name in RESHAPING and block.layer is not None and not block.offsets:
            return block._replace(operations=(*block.operations, index), is_elementwise=False)
        for number in active:
            if self.blocks[number].is_elementwise or self.blocks[number].layer is not None:
                self.made(number)
        block = self._joined(index, active)
        passive = [at for at in operation.operands if at not in active and self._is_float(at) and not self._is_zero(at)]
        added = passive if operation.name in JOINING.union(ADDING, ("scatter-add", "scatter-sub")) else []
        return block._replace(is_elementwise=False, offsets=(*block.offsets, *added))

    def _maximum(self, index: int, operation: Operation, active: list[int]) -> None:
        """Emit a maximum or a minimum of activations."""
        self._emit("maximum", operation.results[0], Block(self._made_all(active), (index,)))

    def _product(self, index: int, operation: Operation, active: list[int]) -> None:
        """Emit a product of activations; what divides is a constant where the rule shares relevance."""
        divisor = None
        if operation.name in ("mul", "div"):
            above, below = operation.operands
            divisor = below if operation.name == "div" else next(filter(self._divides, (below, above)), None)
            if divisor is not None and isinstance(self._rules.product, Half):
                return self.add(operation, frozenset([divisor]))
        gates = [number for number in active if self._is_gate(number)]
        gate = gates[0] if len(gates) == 1 else None
        name = self._layer_of([divisor]) if divisor is not None and self._used(divisor) else None
        block = Block(self._made_all(active), (index,), layer=name, kernel=None if name is None else divisor)
        held = [nodes.place for nodes in self._nodes if operation.results[0] in nodes.makers]
        self._stops.update(place for place in held if place is not None)
        self._emit("product", operation.results[0], block, gate=gate, divisor=divisor)
        return None

    def _is_gate(self, number: int) -> bool:
        """Whether an activation comes from a sigmoid or a softmax, perhaps moved or scaled, or is one minus it."""
        while (operation := self._operators.get(number)) is not None:
            if operation.name in ("logistic", "softmax"):
                return True
            active = [at for at in operation.operands if at in self.blocks]
            is_one_minus = operation.name == "sub" and active == [operation.operands[1]]
            if len(active) != 1 or not (operation.name in COPYING.union(("mul", "div")) or is_one_minus):
                return False
            (number,) = active
        return False

    def _ordered(self, index: int, operation: Operation, active: list[int]) -> None:
        """Emit a copy for each result of a sort or a choice of the largest; their places are constants."""
        if self._rules.quantity == "difference":
            refuse_choice(operation, self._after(active))
        sources = self._made_all(active)
        for result in operation.results:
            if self._is_float(result):
                self._emit("copy", result, Block(sources, (index,), False, has_data=True))
            else:
                self._data.add(result)

    def _function(self, index: int, operation: Operation, active: list[int]) -> None:
        """Emit any other function, if it is differentiated or expanded."""
        is_difference, expands = self._rules.quantity == "difference", self._rules.expand == "all"
        has_rule = not is_difference and (expands or operation.name in SOFTMAX)
        if operation.name == "while" or not (self._rules.differentiates or has_rule):
            refuse(operation, self._after(active), not is_difference)
        sources = self._made_all(filter(self._is_float, active))
        made = tuple(filter(self._is_float, operation.results))
        self._data.update(set(operation.results).difference(made))
        self._emit("function", made[0], Block(sources, (index,), False), others=made[1:])

    def _loop(self, index: int, operation: Operation, active: list[int]) -> None:
        """Emit a scan, whose steps are built with what is carried from step to step."""
        loop = operation.loop
        assert loop is not None
        sources = self._made_all(filter(self._is_float, active))
        outside, self.steps = self.steps, []
        start = operation.operands[loop.constants : loop.constants + len(loop.carried)]
        for number, inside in zip(operation.operands[loop.constants + len(start) :], loop.sliced, strict=True):
            self._within(number, inside, number in sources)
            self._uses[inside] = self._used(number) | {inside} if self._used(number) else frozenset()
        # What becomes active within the loop is found by building it again, until no more does.
        carried: set[int] = set()
        before = self._state()
        while True:
            for number, inside in zip(start, loop.carried, strict=True):
                self._within(number, inside, number in sources or inside in carried)
            for each in loop.operations:
                self.add(each)
            pairs = zip(loop.carried, loop.results, strict=False)
            more = {at for at, made in pairs if made in self.blocks and at not in self.blocks and self._is_float(at)}
            if not more:
                break
            carried |= more
            self._restore(before)
        wanted = [at for at in loop.results if at in self.blocks and self._is_float(at)]
        self._made_all(wanted)
        steps, self.steps = tuple(self.steps), outside
        made = tuple(at for at, inside in zip(operation.results, loop.results, strict=True) if inside in wanted)
        self._data.update(set(operation.results).difference(made))
        if made:
            layers = [step.layer for step in every(steps) if step.kind == "layer" and step.layer != "constant"]
            block = Block(sources, (index,), False, posixpath.commonpath(layers) or None if layers else None)
            self._emit("loop", made[0], block, others=made[1:], steps=steps, start=tuple(sorted(carried)))

    def _within(self, number: int, inside: int, is_active: bool) -> None:
        """Note what a slice, or a carried value, is within a loop."""
        if is_active:
            self.blocks[inside], self._makers[inside] = Block((inside,)), self._makers.get(number, "start")
        elif number in self.blocks or number in self._data:
            self._data.add(inside)

    def _state(self) -> dict[str, Any]:
        return {name: copy(getattr(self, name)) for name in _STATE}

    def _restore(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, copy(value))
