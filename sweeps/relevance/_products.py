"""Product rules: shares of the a_i in the relevance of a product of activations, c = a_1 a_2.

Matrix products of activations, as in attention, and sums of products are of the same kind: c_j = sum_i a_i w_ij, where
each factor is, for the other, the weights w.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol

from sweeps.relevance._steps import Step


class ProductRule(Protocol):
    """A rule for products.

    Attributes
    ----------
    conserves : tuple of str
        The quantities whose sum the rule keeps: see ``Rules``.
    is_halfway : bool
        Whether weights are taken halfway between input and baseline.
    """

    conserves: ClassVar[tuple[str, ...]]
    is_halfway: ClassVar[bool]

    def shares(self, step: Step) -> tuple[float, ...]:
        """Return what each source takes of all that it would take if the others were constants."""
        ...


@dataclass(frozen=True)
class Both:
    """All to each factor: the rule "gradient"."""

    conserves: ClassVar[tuple[str, ...]] = ()
    is_halfway: ClassVar[bool] = False

    def shares(self, step: Step) -> tuple[float, ...]:
        """See ``ProductRule``."""
        return (1.0,) * len(step.sources)


@dataclass(frozen=True)
class Half:
    """Half to each factor. What divides, as the deviation in a layer normalisation, is a constant and takes nothing.

    A factor a_i of c_j = sum_i a_i w_ij takes sum_j a_i w_ij / blip(c_j) R(c_j) / 2.

    References
    ----------
    R. Achtibat, S. M. V. Hatefi, M. Dreyer, A. Jain, T. Wiegand, S. Lapuschkin, W. Samek (2024), AttnLRP:
    attention-aware layer-wise relevance propagation for transformers, ICML.
    """

    conserves: ClassVar[tuple[str, ...]] = ("relevance", "factor")
    is_halfway: ClassVar[bool] = False

    def shares(self, step: Step) -> tuple[float, ...]:
        """See ``ProductRule``."""
        return (0.5,) * len(step.sources) if len(step.sources) > 1 or _is_square(step) else (1.0,)


def _is_square(step: Step) -> bool:
    """Whether an activation is multiplied by itself."""
    return step.operations[-1].operands.count(step.sources[0]) > 1


@dataclass(frozen=True)
class Signal(Half):
    """Nothing to a gate, that is to what comes from a sigmoid or a softmax; all to the other factor.

    Products without a gate, or of two gates, are shared half and half.

    References
    ----------
    L. Arras, G. Montavon, K.-R. Müller, W. Samek (2017), Explaining recurrent neural network predictions in sentiment
    analysis, WASSA; A. Ali et al. (2022), XAI for transformers: better explanations through conservative propagation,
    ICML.
    """

    def shares(self, step: Step) -> tuple[float, ...]:
        """See ``ProductRule``."""
        if step.gate is None:
            return super().shares(step)
        return tuple(float(source != step.gate) for source in step.sources)


@dataclass(frozen=True)
class RescaleProduct:
    """Weights halfway between input and baseline: a b - a0 b0 = (a - a0) (b + b0) / 2 + (b - b0) (a + a0) / 2.

    For a quotient b is one over the divisor.
    """

    conserves: ClassVar[tuple[str, ...]] = ("difference",)
    is_halfway: ClassVar[bool] = True

    def shares(self, step: Step) -> tuple[float, ...]:
        """See ``ProductRule``."""
        return (1.0,) * len(step.sources)


PRODUCT_RULES: dict[str, ProductRule] = {
    "gradient": Both(),
    "half": Half(),
    "signal": Signal(),
    "rescale": RescaleProduct(),
}
