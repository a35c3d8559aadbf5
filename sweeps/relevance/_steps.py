"""Steps: layers, nonlinearities, maxima, products and sums of a network; relevance has a rule for each."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from sweeps._program.flat import Flat, Loop, Operation, evaluated

Kind = Literal["layer", "nonlinearity", "maximum", "linear", "copy", "product", "function", "loop"]


class Step(NamedTuple):
    """Operations that go back by a common rule.

    Attributes
    ----------
    kind : of rule: a ``layer`` multiplies by parameters and adds biases, ``linear`` sums without parameters, ``copy``
        moves numbers, a ``product`` multiplies activations, a ``function`` is any other, a ``loop`` has steps
    name : in the ledger
    layer : path of the layer, as in gating, or of the last layer before the step; ``inputs`` before the first
    sources, output : numbers of the activations that it reads, and of its output
    operations : in order
    others : numbers of further outputs, of a function or a loop
    steps, start : of a loop: the steps within, and the carried values that begin as constants
    gate, divisor : numbers of the source of a product that is a gate, and of that by which is divided; None if there
        is none
    is_statistic : whether the output depends on it by what divides alone, as on the deviation in a normalisation
    has_data : whether it reads values that depend on the inputs and are taken as constants
    slices : numbers of the slices of parameters, in loops, that its bias depends on
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
    others: tuple[int, ...] = ()
    steps: tuple["Step", ...] = ()
    start: tuple[int, ...] = ()
    gate: int | None = None
    divisor: int | None = None
    is_statistic: bool = False
    has_data: bool = False
    slices: frozenset[int] = frozenset()

    @property
    def outputs(self) -> tuple[int, ...]:
        """Numbers of all outputs."""
        return (self.output, *self.others)

    @property
    def loop(self) -> Loop | None:
        """What a loop runs."""
        return self.operations[0].loop if self.kind == "loop" else None

    def run(self, values: Mapping[int, Any], sources: Sequence[Any]) -> Any:
        """Return the output for other sources; ``values`` holds the other operands."""
        return self.run_all(values, sources)[0]

    def run_all(self, values: Mapping[int, Any], sources: Sequence[Any]) -> list[Any]:
        """Return all outputs for other sources."""
        own = evaluated(self.operations, dict(values) | dict(zip(self.sources, sources, strict=True)))
        return [own[at] for at in self.outputs]


def every(steps: Iterable[Step]) -> list[Step]:
    """Return steps with those in loops."""
    return [each for step in steps for each in (*every(step.steps), step)]


class Activations(NamedTuple):
    """Where the nodes of a layer are.

    Attributes
    ----------
    numbers : of a value, or of several with some nodes each
    axis : of the nodes, along which several values are joined
    ndim : number of axes of a value; those within loops get more
    order : of the nodes in the joined values
    """

    numbers: tuple[int, ...]
    axis: int = 0
    ndim: int = 0
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
