"""Loops on the way back: the steps of a scan, the last first, by the rules of the operations within."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from sweeps._losses import widened
from sweeps.relevance._passing import Pass, Passed
from sweeps.relevance._results import Flow
from sweeps.relevance._steps import Step, every

At = dict[int, Array]


class Found(NamedTuple):
    """What steps left on the way back.

    Attributes
    ----------
    bias : dict of str to array
        Relevance of biases and offsets, by name.
    flows : dict of str to Flow
        By step.
    within : At
        Relevance of activations within loops, by number; the steps are the axis behind that for examples.
    """

    bias: dict[str, Array]
    flows: dict[str, Flow]
    within: At

    def add(self, other: "Found") -> None:
        """Add what other steps left."""
        self.bias.update(other.bias)
        self.flows.update(other.flows)
        self.within.update(other.within)


Through = Callable[[Pass, Sequence[Step], At], Found]


def through_loop(run: Pass, step: Step, received: Sequence[Array], through: Through) -> tuple[Passed, Found]:
    """Go back through a scan; ``through`` goes back through the steps of a network, or here of a loop's body."""
    loop, (operation,) = step.loop, step.operations
    assert loop is not None
    come, count = dict(zip(step.outputs, received, strict=True)), len(loop.carried)
    made = list(zip(loop.results, operation.results, strict=True))
    # Carried values that have a quantity: before and after a step, and after the loop.
    carried = [(at, *pair) for at, pair in zip(loop.carried, made[:count], strict=True) if pair[1] in come]
    outs = {number: come[outside] for number, outside in made[count:] if outside in come}
    points = {id(values): values for values in (run.values, run.baseline, *(run.ends or ()))}
    inside = {key: loop.values(operation.operands, values) for key, values in points.items()}

    def back(arrived: list[Array], given: Any) -> Any:
        slices, own_outs = given
        views = {key: dict(values) | slices[key] for key, values in points.items()}
        at = dict(own_outs)
        for (_, number, _), quantity in zip(carried, arrived, strict=True):
            at[number] = at[number] + quantity if number in at else quantity
        body = _seen(run, views)
        found = through(body, step.steps, at)
        before = [_quantity(run, at, number) for number, _, _ in carried]
        below = {number: _quantity(run, at, number) for number in (*step.sources, *loop.sliced)}
        relevance = {at_node: body.relevance(at_node, at[at_node]) for at_node in _nodes(run) & at.keys()}
        return before, (below, found._replace(within=found.within | relevance))

    begin = [come[outside] for _, _, outside in carried]
    first, (below, found) = lax.scan(back, begin, (inside, outs), loop.length, reverse=not loop.reverse)
    to = {number: jnp.sum(below[number], axis=0) for number in step.sources}
    operands = operation.operands[loop.constants :]
    entered = dict(zip((at for at, _, _ in carried), first, strict=True))
    for number, within in zip(operands, (*loop.carried, *loop.sliced), strict=True):
        quantity = entered.get(within) if within in loop.carried else below[within]
        if number in to and quantity is not None:
            to[number] = to[number] + quantity
    left = _summed(step, found)
    starts = dict(zip(loop.carried, operands[:count], strict=True))
    for place, within in enumerate(step.start):
        name = f"{step.name} start" if len(step.start) == 1 else f"{step.name} start {place}"
        _note_start(name, run.relevance(starts[within], entered[within]), left)
    return Passed(tuple(to[number] for number in step.sources)), left


def _seen(run: Pass, views: dict[int, dict[int, Any]]) -> Pass:
    """Return the pass with the values of one step of a loop."""
    ends = None if run.ends is None else (views[id(run.ends[0])], views[id(run.ends[1])])
    return run._replace(values=views[id(run.values)], baseline=views[id(run.baseline)], ends=ends)


def _quantity(run: Pass, at: At, number: int) -> Array:
    """Return the quantity of an activation, zero where nothing arrived; its type stays the same in all steps."""
    aval = run.program.flat.avals[number]
    dtype = aval.dtype if jnp.issubdtype(aval.dtype, jnp.inexact) else jnp.float32
    return at[number].astype(dtype) if number in at else jnp.zeros(aval.shape, dtype)


def _nodes(run: Pass) -> set[int]:
    return {number for where in run.program.activations.values() for number in where.numbers}


def _summed(step: Step, found: Found) -> Found:
    """Sum what the steps of a loop left; biases that are sliced, and nodes, keep a number for each step."""
    assert step.loop is not None
    sliced = set(step.loop.sliced)
    shared = {each.name for each in every(step.steps) if each.bias_shape is not None and not each.slices & sliced}
    bias = {name: jnp.sum(one, axis=0) if name in shared else one for name, one in found.bias.items()}
    flows = {name: Flow(*(jnp.sum(part, axis=0) for part in flow)) for name, flow in found.flows.items()}
    within = {number: jnp.moveaxis(one, 0, 1) if one.ndim > 1 else one for number, one in found.within.items()}
    return Found(bias, flows, within)


def _note_start(name: str, relevance: Array, left: Found) -> None:
    """Count what arrives at constants with which a loop starts as that of a bias."""
    total, nothing = jnp.sum(relevance), jnp.zeros((), widened(relevance).dtype)
    left.bias[name] = relevance[0] if relevance.ndim and len(relevance) == 1 else relevance
    left.flows[name] = Flow(total, nothing, total, nothing, nothing, nothing, nothing)
