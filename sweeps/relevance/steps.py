"""Steps: layers, nonlinearities, maxima and sums of a network; relevance has a rule for each."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from sweeps.program.flat import Flat, Operation

Kind = Literal["layer", "nonlinearity", "maximum", "linear", "copy"]


class Step(NamedTuple):
    """Operations that go back by a common rule.

    Attributes
    ----------
    kind : of rule: a ``layer`` multiplies by parameters and adds biases, ``linear`` sums without parameters, ``copy``
        moves numbers
    name : in the ledger
    layer : path of the layer, as in gating, or of the last layer before the step; ``inputs`` before the first
    sources, output : numbers of the activations that it reads, and of its output
    operations : in order
    kernel : number of the kernel; None if the operations have no parameters
    made : number of the product with the kernel, without biases
    offsets : numbers of the added biases
    bias_axes, bias_shape : axes of the output along which the bias is broadcast, and the bias's own shape
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
        """Return the output for other sources; ``values`` holds the other operands."""
        own = dict(zip(self.sources, sources, strict=True))
        for operation in self.operations:
            results = operation.run([own[at] if at in own else values[at] for at in operation.operands])
            own.update(zip(operation.results, results, strict=True))
        return own[self.output]


class Activations(NamedTuple):
    """Where the nodes of a layer are.

    Attributes
    ----------
    numbers : of a value, or of several with some nodes each
    axis : of the nodes, along which several values are joined
    order : of the nodes in the joined values
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
