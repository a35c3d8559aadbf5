"""The vmapped plan: any loss that is a JAX function of the gates."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from analysis._errors import InputError
from sweeps import _calling, _checks, _compiling, _device
from sweeps._examples import Examples, counted
from sweeps._losses import LOSSES, Loss, of_examples, sum_of_counted
from sweeps._metrics import Metric
from sweeps._plans import Computed, as_floats, hoisting, separable
from sweeps._program import widest
from sweeps.gating._attaching import GatedNetwork

# Most bytes to keep of values that do not depend on the gates.
MOST_KEPT = 2**29
# What the steps of a loop keep is read back in a row, so that a CPU's cache serves a batch this many times as large.
READ_AHEAD = 4


class Extras(NamedTuple):
    """What is computed of a part of the data beside the sum of its losses.

    Attributes
    ----------
    sums : dict of str to object
        Of metrics, by name; they are added up over parts.
    example_loss : array, (examples,) or None
        Losses of the part's examples, or None.
    """

    sums: dict[str, Any] = {}
    example_loss: Float[Array, " examples"] | None = None


class PartedLoss(Protocol):
    """A loss that is a sum over parts of the data, divided by a number."""

    @property
    def count(self) -> int:
        """The divisor of the sum."""
        ...

    @property
    def needs_outputs(self) -> bool:
        """Whether metrics or losses of examples are computed beside the sum."""
        ...

    def parts(self) -> Any:
        """Return the data of the parts: a pytree of arrays with leading axis (parts,)."""
        ...

    def of_part(self, gates: Float[Array, " nodes"], part: Any) -> tuple[Float[Array, ""], Extras]:
        """Return the sum over a part, and what else is computed of it."""
        ...

    def in_all(self, extras: Extras) -> Extras:
        """Return metrics in place of their sums over all parts, and losses of all examples for (parts, examples)."""
        ...


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class NetworkLoss:
    """Mean loss of a gated network on its examples, as a sum over micro-batches.

    Within a part the sum is differentiated, not the mean: in float16, derivatives of a mean over many examples would
    underflow.

    Attributes
    ----------
    network, examples, loss : object or Examples or Loss
        The gated network or what stands for it, its examples and its loss.
    micro_batch : int
        Examples evaluated together.
    count : int
        Number of values of which the mean is taken.
    metrics : tuple of Metric
        What else is computed from the same outputs.
    keeps_examples : bool
        Whether the losses of examples are kept.
    """

    network: Any
    examples: Examples
    loss: Loss = field(metadata=dict(static=True))
    micro_batch: int = field(metadata=dict(static=True))
    count: int = field(metadata=dict(static=True))
    metrics: tuple[Metric, ...] = field(default=(), metadata=dict(static=True))
    keeps_examples: bool = field(default=False, metadata=dict(static=True))

    @property
    def needs_outputs(self) -> bool:
        """Whether metrics or losses of examples are computed beside the sum."""
        return bool(self.metrics) or self.keeps_examples

    @property
    def counted(self) -> np.ndarray:
        """How many values of each example count, (examples,)."""
        examples, number = self.examples, len(self.examples)
        marks = np.ones((number, 1), bool) if examples.mask is None else np.asarray(examples.mask).reshape(number, -1)
        return marks.sum(axis=1) * (self.count // int(marks.sum()))

    def parts(self) -> Examples:
        """Return the examples in micro-batches."""
        return self.examples.micro_batches(self.micro_batch)

    def of_part(self, gates: Float[Array, " nodes"], part: Examples) -> tuple[Float[Array, ""], Extras]:
        """Return the sum of the losses of a micro-batch, and what else is computed from the outputs."""
        outputs = self.network(gates, part.inputs, part.reference)
        values = self.loss.each(outputs, part.targets).astype(self.network.dtype)
        fixed = jax.lax.stop_gradient(outputs)
        sums = {one.name: one.sums(fixed, part.targets, part.whole, part.mask) for one in self.metrics}
        each = of_examples(jax.lax.stop_gradient(values), part.mask) if self.keeps_examples else None
        return sum_of_counted(values, part.mask), Extras(sums, each)

    def in_all(self, extras: Extras) -> Extras:
        """Return metrics in place of their sums over all parts, and losses of all examples for (parts, examples)."""
        found = {one.name: one.value(extras.sums[one.name], self.network.dtype) for one in self.metrics}
        each = extras.example_loss
        return Extras(found, None if each is None else each.reshape(-1)[: len(self.examples)])


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class FunctionLoss:
    """A user's function of a gate vector, as a loss of a single part."""

    function: Callable[[Array], Array] = field(metadata=dict(static=True))

    @property
    def count(self) -> int:
        """The divisor: 1."""
        return 1

    @property
    def needs_outputs(self) -> bool:
        """A function has nothing but its value."""
        return False

    def parts(self) -> Array:
        """Return a part without data."""
        return jnp.zeros((1, 0))

    def of_part(self, gates: Float[Array, " nodes"], part: Array) -> tuple[Float[Array, ""], Extras]:
        """Return the function's value."""
        return self.function(gates).astype(gates.dtype), Extras()

    def in_all(self, extras: Extras) -> Extras:
        """Return nothing more."""
        return extras


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Vmapped:
    """Evaluate the scalar loss of every gate vector under vmap, part after part of the data.

    Attributes
    ----------
    loss : PartedLoss
        A pytree.
    nodes : int
        Length of a gate vector.
    size : int
        Approximate count of numbers that an evaluation writes to memory.
    kept : int
        Approximate count of numbers that it keeps for a gradient.
    weights : int
        How many numbers a batch reads from memory, whatever its size.
    dtype : object
        Type of the gates.
    """

    name: ClassVar[str] = "vmapped"

    loss: PartedLoss
    nodes: int = field(metadata=dict(static=True))
    size: int = field(metadata=dict(static=True))
    kept: int = field(metadata=dict(static=True))
    weights: int = field(metadata=dict(static=True))
    dtype: Any = field(metadata=dict(static=True))

    def prepared(self) -> "Prepared":
        """Return the plan with all values that do not depend on the gates, unless they are too large to keep."""
        gates, parts = jax.ShapeDtypeStruct((self.nodes,), self.dtype), self.loss.parts()
        first = jax.tree.map(lambda leaf: leaf[0], parts)
        before, rest, size = hoisting.split(self.loss.of_part, gates, first)
        kept, number = of_parts(before, parts, size)
        return Prepared(self.loss.of_part if kept is None else rest, parts if kept is None else kept, number, self)

    def evaluate(self, gates: Shaped[Array, "masks nodes"], gradients: bool) -> Computed:
        """Return mean losses and, when asked, their gate gradients."""
        return self.prepared().evaluate(gates, gradients)

    def floats_per_mask(self, gradients: bool) -> int:
        """Return how many numbers are held in memory for each gate vector of a batch."""
        return self.size + (self.kept if gradients else 0)


def of_parts(before: Callable[[Any], hoisting.Values], parts: Any, size: int) -> tuple[hoisting.Values | None, int]:
    """Return what does not depend on the gates, or None if it is too large to keep, and the number of parts.

    Parameters
    ----------
    before : callable
        Data of a part -> values.
    parts : object
        Data with leading axis (parts,).
    size : int
        Of a part's values, in bytes.
    """
    number = jax.tree.leaves(parts)[0].shape[0]
    if number == 1:
        return [value[None] for value in before(jax.tree.map(lambda leaf: leaf[0], parts))], number
    return jax.lax.map(before, parts) if number * size <= MOST_KEPT else None, number


@dataclass(frozen=True)
class Prepared:
    """A vmapped plan within a trace: it holds traced values, and is no pytree.

    Attributes
    ----------
    of_part : callable
        (gates, values) -> sum over a part, and its extras.
    values : object
        Of each part, with leading axis (parts,).
    parts : int
        Number of parts.
    plan : Vmapped
        The plan that was prepared.
    """

    name: ClassVar[str] = "vmapped"

    of_part: Callable[[Array, Any], tuple[Array, Extras]]
    values: Any
    parts: int
    plan: Vmapped

    @property
    def nodes(self) -> int:
        """Length of a gate vector."""
        return self.plan.nodes

    @property
    def weights(self) -> int:
        """How many numbers a batch reads from memory, whatever its size."""
        return self.plan.weights

    @property
    def dtype(self) -> Any:
        """Floating-point type of gates and losses."""
        return self.plan.dtype

    def prepared(self) -> "Prepared":
        """Nothing is left to prepare."""
        return self

    def evaluate(self, gates: Shaped[Array, "masks nodes"], gradients: bool) -> Computed:
        """Return mean losses and, when asked, their gate gradients; metrics and losses of examples if there are any."""
        gates = as_floats(gates, self.dtype)

        def of_part(values: Any) -> tuple[Any, Any]:
            """Sums of a part over which parts are added up, and losses of its examples."""
            (loss, extras), gradient = self.sums(gates, values, gradients)
            return (loss, gradient, extras.sums), extras.example_loss

        if self.parts == 1:
            sums, each = of_part(jax.tree.map(lambda leaf: leaf[0], self.values))
            each = None if each is None else each[None]
        else:
            # Gradients part by part: a gradient of the whole loop would keep the activations of all parts.
            first = jax.eval_shape(of_part, jax.tree.map(lambda leaf: leaf[0], self.values))[0]
            nothing = jax.tree.map(lambda part: jnp.zeros(part.shape, part.dtype), first)

            def add(sums: Any, values: Any) -> tuple[Any, Any]:
                found, each = of_part(values)
                return jax.tree.map(jnp.add, sums, found), each

            sums, each = jax.lax.scan(add, nothing, self.values)
        loss, gradient, extras = sums
        in_all = jax.vmap(lambda sums, each: self.plan.loss.in_all(Extras(sums, each)), (0, 1), axis_size=len(gates))
        if self.plan.loss.count > 1:
            loss, gradient = jax.tree.map(lambda total: total / self.plan.loss.count, (loss, gradient))
        return Computed(loss, gradient, *in_all(extras, each))

    def sums(
        self, gates: Float[Array, "masks nodes"], values: Any, gradients: bool
    ) -> tuple[tuple[Float[Array, " masks"], Extras], Float[Array, "masks nodes"] | None]:
        """Return the sum over a part for each gate vector, its extras, and the gradient of the sum."""
        with_gradient = jax.value_and_grad(self.of_part, has_aux=True)
        function = with_gradient if gradients else lambda *arguments: (self.of_part(*arguments), None)
        if len(gates) == 1:
            # Without vmap, which makes programs for a single gate vector slower.
            return jax.tree.map(lambda result: result[None], function(gates[0], values))
        return jax.vmap(lambda vector: function(vector, values))(gates)

    def floats_per_mask(self, gradients: bool) -> int:
        """Return how many numbers are held in memory for each gate vector of a batch."""
        return self.plan.floats_per_mask(gradients)


def runs_network(plan: Any, *others: Any, **more: Any) -> bool:
    """Whether a plan, the first argument of a function, runs the network itself."""
    return plan.name in ("vmapped", "shared")


def loss_of(
    network: GatedNetwork,
    examples: Examples,
    loss: Loss,
    micro_batch: int | None = None,
    is_separable: bool = False,
    metrics: tuple[Metric, ...] = (),
) -> NetworkLoss:
    """Return the mean loss of a network on examples.

    Parameters
    ----------
    network, examples, loss : GatedNetwork or Examples or Loss
        The network, its examples and its loss.
    micro_batch : int or None
        Examples evaluated together; None takes as many as fit in a cache or in an accelerator's memory, or all if
        examples may depend on each other.
    is_separable : bool
        Whether it is known that no example's loss depends on the others; if not, this is tested before the examples are
        cut or some are replaced.
    metrics : tuple of Metric
        What else is computed from the outputs.

    Raises
    ------
    InputError
        If ``micro_batch`` is not positive, or less than all examples for a loss or a metric that is a mean over all,
        or whose examples depend on each other.
    """
    number, is_named = len(examples), all(metric.is_named for metric in metrics)
    whole = loss not in LOSSES.values() or not is_named
    of_all = [loss.name] * loss.is_mean + [one.name for one in metrics if one.is_mean]
    if micro_batch is not None:
        micro_batch = _checks.whole("micro_batch", micro_batch, least=1)
    if of_all and micro_batch is not None and micro_batch < number:
        raise InputError(f"micro_batch needs a number of each example, and {of_all[0]} returns one for all of them")
    here = _device.here()
    together = max(1, here.room(here.micro_batch, network.weights) // network.floats)
    size = min(number, micro_batch or (number if of_all else together))
    spare = examples.has_spare_inputs
    is_separable = is_separable and is_named
    if not is_separable and (size < number or spare):
        is_separable = separable.is_shown_for(network, examples, loss, metrics, size, separable.WHOLE * together)
        if not is_separable and micro_batch is not None and size < number:
            raise InputError(
                f"micro_batch must be left out, or be all {number} examples, where examples depend on the others of "
                f"their batch, as with normalisation over the batch; got {micro_batch}"
            )
        size = size if is_separable else number
    examples = examples.with_uncounted_replaced(whole, apart=is_separable or not spare)
    gates = jax.ShapeDtypeStruct((network.nodes,), network.dtype)
    outputs = jax.eval_shape(network, gates, examples.inputs, examples.reference)
    values = jax.eval_shape(loss.each, outputs, examples.targets)
    if any(metric.needs_whole for metric in metrics):
        examples = replace(examples, whole=_whole(network, examples))
    return NetworkLoss(network, examples, loss, size, counted(values, examples.mask), metrics)


@_compiling.jit
def _whole(network: GatedNetwork, examples: Examples) -> Any:
    """Return the outputs with all gates on."""
    return network(jnp.ones(network.nodes, network.dtype), examples.inputs, examples.reference)


def build(loss: NetworkLoss) -> Vmapped:
    """Build the plan that evaluates a gated network under vmap."""
    network = loss.network
    activations = loss.micro_batch * network.floats
    size = activations + len(loss.examples) * loss.keeps_examples
    return Vmapped(loss, network.nodes, size, max(activations, _kept_by_loops(loss)), network.weights, network.dtype)


def _kept_by_loops(loss: NetworkLoss) -> int:
    """Count the numbers that a network with loops over steps keeps for a gradient of a part; 0 for other networks."""
    gates = jax.ShapeDtypeStruct((loss.network.nodes,), loss.network.dtype)

    def first(gates: Float[Array, " nodes"]) -> Array:
        return loss.of_part(gates, jax.tree.map(lambda leaf: leaf[0], loss.parts()))[0]

    if not hoisting.has_loops(jax.make_jaxpr(first)(gates).jaxpr):
        return 0
    # The function that JAX returns is a pytree of what it keeps.
    backward = jax.eval_shape(lambda gates: jax.vjp(first, gates)[1], gates)
    kept = sum(leaf.size for leaf in jax.tree.leaves(backward))
    return kept // READ_AHEAD if _device.here().is_cpu else kept


def build_for_function(function: Callable[[Array], Array], nodes: int, dtype: Any = jnp.float32) -> Vmapped:
    """Return the plan for a function of the gates.

    Raises
    ------
    ValueError
        If the function does not return a scalar float.
    """
    with _calling.noted(f"the function, with gates of shape ({nodes},)"):
        value = jax.eval_shape(function, jax.ShapeDtypeStruct((nodes,), dtype))
    scalar = isinstance(value, jax.ShapeDtypeStruct) and value.shape == ()
    if not scalar or not jnp.issubdtype(value.dtype, jnp.floating):
        raise InputError(f"fn must return a scalar float for gates of shape ({nodes},), got {value}")
    return Vmapped(FunctionLoss(function), nodes, 16 * nodes, 16 * nodes, 0, widest([jnp.dtype(dtype), value.dtype]))
