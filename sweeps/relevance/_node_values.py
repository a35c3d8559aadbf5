"""Node values: where the nodes of each layer have their own values among the activations of a network."""

from collections.abc import Sequence

import numpy as np

from sweeps._program import rules
from sweeps._program.flat import every as every_operation
from sweeps._program.operations import ADDING
from sweeps.relevance._reading import Reading
from sweeps.relevance._steps import Activations, Step, every


def activations_of(reading: Reading, steps: Sequence[Step]) -> dict[str, Activations]:
    """Return where the nodes of each layer have their own values; for a layer without nodes, where its output is.

    Layers that share nodes, because their results are added before anything reads them, have a common entry.
    """
    steps = every(steps)
    makers = _makers(reading)
    own = _own_values(reading, steps)
    found: dict[str, tuple[int, Activations]] = {}
    for place, step in enumerate(steps):
        if step.kind == "layer" and not step.is_statistic:
            name = step.name if step.made is None else makers.get(step.made, makers.get(step.output, step.name))
            where = _put_together(reading, own.get(name, []))
            found.setdefault(name, (place, where or Activations((_after(step, steps),))))
    # Nodes of products, such as heads, and normalisations whose deviation is no constant.
    places = {output: place for place, step in enumerate(steps) for output in step.outputs}
    for nodes in reading.nodes:
        if nodes.place in places:
            found.setdefault(nodes.name, (places[nodes.place], Activations((nodes.place,))))
    for place, step in enumerate(steps):
        if step.kind == "product" and step.kernel is not None:
            found.setdefault(step.layer, (place, Activations((step.output,))))
    return {name: where for name, (_, where) in sorted(found.items(), key=lambda item: item[1][0])}


def _makers(reading: Reading) -> dict[int, str]:
    """Return the name of the nodes that a value holds, for what makes them, and for whatever that is a part of."""
    operators = {result: each for each in every_operation(reading.flat.operations) for result in each.results}
    makers = {number: nodes.name for nodes in reading.nodes for number in nodes.makers}
    left = list(makers)
    while left:
        number = left.pop()
        operation = operators.get(number)
        if operation is not None and operation.name in rules.MOVING | ADDING:
            # Parts of a sum of layers, as in a cell with fused kernels, are parts of each layer.
            new = [at for at in operation.operands if at not in makers]
            makers.update((at, makers[number]) for at in new)
            left.extend(new)
    return makers


def _own_values(reading: Reading, steps: Sequence[Step]) -> dict[str, list[int | None]]:
    """Return the values of nodes behind their nonlinearity, before any move, pooling or scaling; None if unknown."""
    by_output = {output: step for step in steps for output in step.outputs}
    makers = {
        result: operation for operation in every_operation(reading.flat.operations) for result in operation.results
    }
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
    return Activations(known, axes.pop(), len(values[0].aval.shape), tuple(np.argsort(labels).tolist()))


def _after(layer: Step, steps: Sequence[Step]) -> int:
    """Return the output of a layer, behind its nonlinearity if nothing else reads the layer."""
    readers = [step for step in steps if layer.output in step.sources]
    return readers[0].output if [step.kind for step in readers] == ["nonlinearity"] else layer.output
