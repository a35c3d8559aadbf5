"""Steps: layers, nonlinearities, maxima, products and sums of a network; relevance has a rule for each."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from sweeps._program.flat import Flat, Loop, Operation, evaluated

Kind = Literal["layer", "nonlinearity", "maximum", "linear", "copy", "product", "function", "loop"]


class Step(NamedTuple):
    """Operations that go back by a common rule.

    Attributes
    ----------
    kind : Kind
        Of rule: a ``layer`` multiplies by parameters and adds biases, ``linear`` sums without parameters, ``copy``
        moves numbers, a ``product`` multiplies activations, a ``function`` is any other, a ``loop`` has steps.
    name : str
        In the ledger.
    layer : str
        Path of the layer, as in gating, or of the last layer before the step; ``inputs`` before the first.
    sources, output : tuple of int or int
        Numbers of the activations that it reads, and of its output.
    operations : tuple of Operation
        In order.
    others : tuple of int
        Numbers of further outputs, of a function or a loop.
    steps, start : tuple of Step or tuple of int
        Of a loop: the steps within, and the carried values that begin as constants.
    gate, divisor : int or None
        Numbers of the source of a product that is a gate, and of that by which is divided; None if there is none.
    is_statistic : bool
        Whether the output depends on it by what divides alone, as on the deviation in a normalisation.
    has_data : bool
        Whether it reads values that depend on the inputs and are taken as constants.
    slices : set of int
        Numbers of the slices of parameters, in loops, that its bias depends on.
    kernel : int or None
        Number of the kernel; None if the operations have no parameters.
    made : int or None
        Number of the product with the kernel, without biases.
    offsets : tuple of int
        Numbers of the added biases.
    bias_axes, bias_shape : tuple of int or tuple of int or None
        Axes of the output along which the bias is broadcast, and the bias's own shape.
    is_first : bool
        Whether no layer comes before it.
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
    numbers : tuple of int
        Of a value, or of several with some nodes each.
    axis : int
        Of the nodes, along which several values are joined.
    ndim : int
        Number of axes of a value; those within loops get more.
    order : tuple of int
        Of the nodes in the joined values.
    """

    numbers: tuple[int, ...]
    axis: int = 0
    ndim: int = 0
    order: tuple[int, ...] = ()


class Program(NamedTuple):
    """A network as steps.

    Attributes
    ----------
    flat : Flat
        Its operations.
    steps : tuple of Step
        In order.
    activations : dict of str to Activations
        Where the nodes of each layer are, by the layer's name.
    offsets : set of str
        Names of the nonlinearities whose value at zero is a bias.
    """

    flat: Flat
    steps: tuple[Step, ...]
    activations: dict[str, Activations]
    offsets: frozenset[str] = frozenset()
