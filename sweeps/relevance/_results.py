"""Results: relevance of inputs, hidden nodes and biases, and the ledger of sums by step."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float

from sweeps import _checks


class Flow(NamedTuple):
    """Relevance that a step received and passed on, a number for each example.

    All are in the unit of the output. ``received`` is the sum of the six others.

    Attributes
    ----------
    received : array, (examples,)
        Relevance of the step's output.
    inputs : array, (examples,)
        What went to the step's inputs.
    biases : array, (examples,)
        What went to a layer's biases.
    offsets : array, (examples,)
        What went to a nonlinearity's offset f(0), or to the rest of an expansion.
    absorbed : array, (examples,)
        What a stabiliser took.
    error : array, (examples,)
        The remainder for rules that conserve relevance, which is rounding; 0 for other rules.
    not_conserved : array, (examples,)
        The remainder for rules that do not conserve relevance; 0 for other rules.
    """

    received: Float[Array, " *examples"]
    inputs: Float[Array, " *examples"]
    biases: Float[Array, " *examples"]
    offsets: Float[Array, " *examples"]
    absorbed: Float[Array, " *examples"]
    error: Float[Array, " *examples"]
    not_conserved: Float[Array, " *examples"]


class Row(NamedTuple):
    """A row of the ledger: numbers of an example, or means over examples and the largest absolute error.

    Attributes
    ----------
    step : str
        Name of the step; ``total`` is the whole network.
    received : float
        Relevance of the step's output, in the unit of the output, like all below.
    inputs : float
        What went to the step's inputs.
    biases : float
        What went to a layer's biases.
    offsets : float
        What went to offsets of nonlinearities and rests of expansions.
    absorbed : float
        What stabilisers took.
    error : float
        The remainder for rules that conserve relevance.
    not_conserved : float
        The remainder for rules that do not.
    """

    step: str
    received: float
    inputs: float
    biases: float
    offsets: float
    absorbed: float
    error: float
    not_conserved: float


class Ledger(tuple[Row, ...]):
    """Rows of numbers, a tuple of ``Row`` that prints as a table; the last is the total."""

    def __repr__(self) -> str:
        """The rows as text in columns."""
        titles = ["step", "received", "inputs", "biases", "offsets", "absorbed", "error", "not conserved"]
        lines = [titles] + [[row.step, *map(_printed, row[1:6]), f"{row.error:.0e}", _printed(row[7])] for row in self]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(_aligned(line, widths) for line in lines)


def _printed(number: float) -> str:
    # Adding zero turns minus zero into zero.
    return f"{round(number, 5) + 0.0:.5f}" if abs(number) < 1e5 else f"{number:.4e}"


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (cell.rjust(width) for cell, width in zip(line, widths, strict=True))
    return "  ".join([line[0].ljust(len(first)), *others])


class Relevance(NamedTuple):
    """Relevance in a network, for each example.

    Attributes
    ----------
    inputs : array, (examples, ...)
        Relevance of each input, in the shape of the inputs; in float32 at least, like all below.
    layers : dict of str to array
        By path of the layer, as in gating, the relevance of its nodes at their own values: after bias, normalisation
        and nonlinearity, and before they are moved, pooled or read. Shape (examples, ...), numbered as in gating.
        Layers whose results are added before anything reads them share nodes and an entry; a layer with several calls
        has ``path@0``, ``path@1``, and so on. The last entry is that of the outputs. A normalisation or scale has an
        entry for its output. In a loop there is an axis for its steps, or for its layers, behind that for examples.
    bias : dict of str to array
        By path of the layer, the relevance of each of its biases, ``(examples, *shape)`` with the shape of the bias.
        With ``offset`` after the name: of a nonlinearity's f(0), in the shape of its result; with ``rest``: of what an
        expansion leaves; with ``start``: of the constants with which a loop begins.
    absorbed : dict of str to array
        By step, what its stabiliser took, shape (examples,).
    output : array, (examples,)
        Where the backward pass started: the attributed output, or the sum of the start values.
    flows : dict of str to Flow
        By step, what it received and passed on; ``ledger`` prints it.

    See Also
    --------
    attribute : Makes one of a network.

    Notes
    -----
    For rules that conserve relevance, ``output`` = sum of ``inputs`` + sum of ``bias`` + sum of ``absorbed``, for every
    example, up to rounding.
    """

    inputs: Float[Array, "..."]
    layers: dict[str, Float[Array, "..."]]
    bias: dict[str, Float[Array, "..."]]
    absorbed: dict[str, Float[Array, " *examples"]]
    output: Float[Array, " *examples"]
    flows: dict[str, Flow]

    def ledger(self, example: int | None = None) -> Ledger:
        """Return the sums of relevance, step by step from the output to the inputs; ``print`` them.

        Parameters
        ----------
        example : int, optional
            Number of an example. None takes means over examples, and the largest absolute error.

        Returns
        -------
        Ledger
            Of ``Row``. The last row, ``total``, is the whole network: what the output received, what arrived at the
            inputs, and the sums of the other columns. Its error is the difference.

        Raises
        ------
        InputError
            If there is no such example.
        """
        if example is not None:
            # Within ``jax.vmap`` there is no axis of examples.
            example = _checks.whole("example", example, 0, max(np.size(self.output), 1) - 1)
        flows = [(name, np.stack([np.asarray(part, np.float64) for part in flow])) for name, flow in self.flows.items()]
        rows = [Row(name, *_summed(flow, example)) for name, flow in reversed(flows)]
        output = np.asarray(self.output, np.float64)
        inputs = np.asarray(self.inputs, np.float64).reshape(*output.shape, -1).sum(axis=-1)
        taken = sum((flow for _, flow in flows), start=np.zeros((len(Flow._fields), *output.shape)))[2:]
        left = output - inputs - taken[:3].sum(axis=0) - taken[4]
        total = np.stack([output, inputs, *taken[:3], left, taken[4]])
        return Ledger([*rows, Row("total", *_summed(total, example))])


def _summed(flow: np.ndarray, example: int | None) -> list[float]:
    """Return the numbers of an example, or of all."""
    if example is not None or flow.ndim == 1:
        chosen = flow if flow.ndim == 1 else flow[:, example]
    else:
        chosen = flow.mean(axis=-1)
        chosen[5] = np.abs(flow[5]).max(initial=0)
    return [float(number) for number in chosen]
