"""Node values: where the nodes of each layer have their own values among the activations of a network."""

from collections.abc import Sequence

import numpy as np

from sweeps.relevance.reading import Reading
from sweeps.relevance.steps import Activations, Step


def activations_of(reading: Reading, steps: Sequence[Step]) -> dict[str, Activations]:
    """Return where the nodes of each layer have their own values; for a layer without nodes, where its output is.

    Layers that share nodes, because their results are added before anything reads them, have a common entry.
    """
    makers = {number: nodes.name for nodes in reading.nodes for number in nodes.makers}
    own = _own_values(reading, steps)
    values: dict[str, Activations] = {}
    for step in steps:
        if step.kind == "layer":
            name = step.name if step.made is None else makers.get(step.made, step.name)
            where = _put_together(reading, own.get(name, []))
            values.setdefault(name, where or Activations((_after(step, steps),)))
    return values


def _own_values(reading: Reading, steps: Sequence[Step]) -> dict[str, list[int | None]]:
    """Return the values of nodes behind their nonlinearity, before any move, pooling or scaling; None if unknown."""
    by_output = {step.output: step for step in steps}
    makers = {result: operation for operation in reading.flat.operations for result in operation.results}
    values = reading.values

    def own(number: int | None) -> int | None:
        while number is not None:
            step = by_output.get(number)
            if step is not None and (step.kind in ("layer", "nonlinearity") or len(step.sources) > 1):
                return number
            before = makers[number].operands if number in makers else ()
            same = {at for at in before if at in values and values[at].sources == values[number].sources}
            if len(same) != 1:
                return None if step is None else number
            (number,) = same
        return None

    by_name: dict[str, list[int | None]] = {}
    for nodes in reading.nodes:
        by_name.setdefault(nodes.name, []).append(own(nodes.place))
    return by_name


def _put_together(reading: Reading, numbers: Sequence[int | None]) -> Activations | None:
    """Return all nodes of a layer, given the numbers of their values; None if they do not join along an axis."""
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
    """Return the output of a layer, behind its nonlinearity if nothing else reads the layer."""
    readers = [step for step in steps if layer.output in step.sources]
    return readers[0].output if [step.kind for step in readers] == ["nonlinearity"] else layer.output
