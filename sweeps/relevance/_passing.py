"""Passing: how relevance goes back through one step, by the rule for its kind."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from sweeps._losses import widened
from sweeps.relevance._layers import Arrays, Layer, times
from sweeps.relevance._matrices import Gradient
from sweeps.relevance._methods import Rules
from sweeps.relevance._nonlinearities import Derivative, Guided, Repeat
from sweeps.relevance._numbers import divided, scaled
from sweeps.relevance._steps import Program, Step

Values = Mapping[int, Any]


class Pass(NamedTuple):
    """A backward pass through a program.

    Attributes
    ----------
    values, baseline : Values
        Of the network, by number, at the input and at the baseline; rules act on these.
    ends : tuple or None
        Values at the end and at the beginning of a difference; None if nothing is compared.
    """

    program: Program
    rules: Rules
    values: Values
    baseline: Values
    ends: tuple[Values, Values] | None = None

    def relevance(self, number: int, quantity: Array) -> Array:
        """Return the relevance of an activation, in float32 at least for the sums that follow."""
        return jnp.real(self._relevance(number, widened(quantity)))

    def _relevance(self, number: int, quantity: Array) -> Array:
        if self.ends is not None:
            # Differences of neighbours on a path need the bits to sum to the difference of its ends.
            return scaled(widened(self.ends[0][number]) - widened(self.ends[1][number]), quantity)
        return scaled(widened(self.values[number]), quantity) if self.rules.quantity == "factor" else quantity

    @property
    def compares(self) -> bool:
        """Whether input and baseline are compared, so that biases, equal for both, have no relevance."""
        return self.rules.needs_baseline


class Passed(NamedTuple):
    """The quantity of a step's output, passed on; ``bias`` and ``offset`` are relevance.

    Attributes
    ----------
    sources : Arrays
        To each source.
    bias, offset : array or None
        To a layer's bias, and to the constant part of another step; of the shape of the output, or None.
    absorbed : array or None
        By a stabiliser, of the shape of the output, or None.
    """

    sources: Arrays
    bias: Array | None = None
    offset: Array | None = None
    absorbed: Array | None = None


def through_layer(run: Pass, step: Step, received: Array) -> Passed:
    """Pass on what a layer, or a sum without parameters, received."""
    layer = Layer(step, run.values)
    passed = run.rules.matrix_of(step)(layer, received)
    if not step.offsets:
        return Passed(passed.sources, absorbed=passed.absorbed)
    bias = jnp.zeros_like(passed.bias) if run.compares else passed.bias
    return Passed(passed.sources, bias, absorbed=passed.absorbed)


def through_copy(run: Pass, step: Step, received: Array) -> Passed:
    """Pass on what moved numbers received; constants among them keep theirs."""
    layer = Layer(step, run.values)
    sources = layer.back(received)
    if not step.offsets:
        return Passed(sources)
    if run.compares:
        return Passed(sources, jnp.zeros_like(received))
    if run.rules.quantity != "relevance":
        return Passed(sources, scaled(layer.bias, received))
    # With ones as constants and zeros as sources, the step marks the places of constants.
    ones = dict(run.values) | {at: jnp.ones_like(run.values[at]) for at in step.offsets}
    return Passed(sources, received * step.run(ones, tuple(map(jnp.zeros_like, layer.sources))))


class _Parts(NamedTuple):
    """A sum of what sources and a constant contribute, as a layer."""

    sources: Arrays
    bias: Array
    output: Array
    back: Any


def through_nonlinearity(run: Pass, step: Step, received: Array) -> Passed:
    """Pass on what an elementwise function received, f(a) - f(0) and the offset f(0) as parts of a sum."""
    (source,) = step.sources

    def function(a: Array) -> Array:
        return step.run(run.values, (a,))

    offset = absorbed = None
    if not run.compares and step.name in run.program.offsets:
        at_zero, output = function(jnp.zeros_like(run.values[source])), run.values[step.output]
        # Minus infinity, as in a mask that is added, has no difference to itself.
        own = jnp.where(jnp.isfinite(at_zero), output - at_zero, run.values[source])
        passed = run.rules.matrix.plain(_Parts((own,), at_zero, output, lambda share: (share,)), received)  # type: ignore[arg-type]
        (received,), offset, absorbed = passed
    rule = run.rules.nonlinearity
    if step.is_statistic and isinstance(rule, Repeat | Guided):
        # The square root of what goes back has no meaning.
        rule = Derivative()
    below = rule(function, run.values[source], run.baseline[source], received)
    return Passed((below,), offset=offset, absorbed=absorbed)


def through_product(run: Pass, step: Step, received: Array) -> Passed:
    """Pass on what a product received, to each factor with the others as its weights."""
    rule, operation = run.rules.product, step.operations[-1]
    sources = tuple(run.values[at] for at in step.sources)
    if rule.is_halfway:
        return Passed(_halfway(run, step, sources, received))
    shares = [jnp.asarray(share, source.dtype) for share, source in zip(rule.shares(step), sources, strict=True)]
    if (
        run.rules.quantity == "relevance"
        and operation.name == "mul"
        and not isinstance(run.rules.matrix.plain, Gradient)
    ):
        # A single term, whose share is all.
        back = _spread_back(sources, received)
        return Passed(tuple(share * one for share, one in zip(shares, back, strict=True)))
    output, vjp = jax.vjp(lambda *sources: step.run(run.values, sources), *sources)
    whole = _Parts(sources, jnp.zeros_like(output), output, vjp)
    passed = run.rules.matrix.plain(whole, received)  # type: ignore[arg-type]
    taken = tuple(share * one for share, one in zip(shares, passed.sources, strict=True))
    return Passed(taken, absorbed=passed.absorbed)


def _spread_back(sources: Sequence[Array], received: Array) -> Arrays:
    """Return what each source takes of a product to whose shape it is broadcast, if it takes all."""
    shape = received.shape
    return jax.vjp(lambda *given: tuple(jnp.broadcast_to(one, shape) for one in given), *sources)[1](
        (received,) * len(sources)
    )


def _halfway(run: Pass, step: Step, sources: Arrays, received: Array) -> Arrays:
    """Return the quantity of the factors, with weights halfway between input and baseline."""
    others = tuple(run.baseline[at] for at in step.sources)
    if step.operations[-1].name == "div":
        sources, others = ((one[0], 1 / one[1]) for one in (sources, others))
    middle = tuple((one + other) / 2 for one, other in zip(sources, others, strict=True))
    if step.operations[-1].name != "div":
        return jax.vjp(lambda *given: step.run(run.values, given), *middle)[1](received)
    above, below = jax.vjp(lambda one, other: one * other, *middle)[1](received)
    # 1 / b - 1 / b0 = -(b - b0) / (b b0).
    return above, -below * sources[1] * others[1]


def through_function(run: Pass, step: Step, received: Sequence[Array]) -> Passed:
    """Pass on what any other function received, by its derivative or by its Taylor expansion."""
    sources = tuple(run.values[at] for at in step.sources)
    outputs, back = jax.vjp(lambda *given: tuple(step.run_all(run.values, given)), *sources)
    if run.rules.differentiates:
        return Passed(back(tuple(received)))
    # A masked score is minus infinity, and has no derivative.
    finite = tuple(jnp.where(jnp.isfinite(one), one, 0.0) for one in sources)
    linear = jax.jvp(lambda *given: tuple(step.run_all(run.values, given)), sources, finite)[1]
    rests = [output - part for output, part in zip(outputs, linear, strict=True)]
    if run.rules.quantity == "factor":
        return Passed(back(tuple(received)), offset=_one([*map(scaled, rests, received)]))
    shares = tuple(map(divided, received, outputs))
    absorbed = [come - scaled(output, share) for come, output, share in zip(received, outputs, shares, strict=True)]
    return Passed(times(finite, back(shares)), offset=_one([*map(scaled, rests, shares)]), absorbed=_one(absorbed))


def _one(arrays: Sequence[Array]) -> Array:
    """Join the arrays of several outputs to a row."""
    return arrays[0] if len(arrays) == 1 else jnp.concatenate([one.reshape(1, -1) for one in arrays], axis=1)
