"""Attributing: relevance of inputs, hidden nodes and biases for the output of a network."""

import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array

from analysis._errors import InputError, InputTypeError
from sweeps import _calling, _checks, _compiling
from sweeps._examples import on_device
from sweeps._program import of_nnx
from sweeps.relevance import _reading
from sweeps.relevance._alone import check_alone, check_single
from sweeps.relevance._building import program_of
from sweeps.relevance._methods import METHODS, Rules
from sweeps.relevance._offsets import offsets_of
from sweeps.relevance._propagating import propagate
from sweeps.relevance._results import Relevance


def attribute(
    network: nnx.Module,
    inputs: Any,
    target: Any = None,
    method: str | Rules = "lrp",
    *,
    rules: Rules | None = None,
    baseline: Any = None,
    steps: int | None = None,
) -> Relevance:
    """Attribute the outputs of a network to its inputs, hidden nodes and biases.

    The network is evaluated in evaluation mode (dropout off). The result is a function of parameters and inputs that
    ``jax.jit``, ``jax.vmap`` (over masks of the inputs, say) and ``jax.grad`` or ``nnx.grad`` (relevance as a part of a
    loss) can transform.

    Parameters
    ----------
    network : flax.nnx.Module
        A module, such as an ``MLP`` or an ``nnx.Sequential``, of dense and convolution layers, attention,
        normalisations, gated units, scans (recurrent cells), maxima, minima and sums, sorts, elementwise
        nonlinearities, and operations that move or add activations. The first four methods differentiate all others,
        and so does ``"integrated_gradients"``.
    inputs : array_like of float, (examples, ...)
        Examples. Of tokens, attribute the rest of the network to their embeddings, by ``attribute_function``.
    target : int or array_like, (examples,) or (examples, outputs), optional
        Number of the output to attribute, one for all or one for each example; None takes the largest output of each.
        Or floating-point start values of shape (examples, outputs): for ``"lrp"`` and other rules for relevance R, the
        relevance of each output; for all others, the weights of a weighted sum of outputs.
    method : str or Rules, default "lrp"
        A key of ``METHODS``, or rules. With b the output to attribute:

        - ``"gradient"``: the derivative db/da; starts as 1
        - ``"gradient_x_input"``: a db/da; a bias has bias db/dbias; starts as b
        - ``"deconvnet"``: transposed matrices, and nonlinearities applied to what goes back; starts as 1
        - ``"guided_backprop"``: the same, times the derivative of each nonlinearity; starts as 1
        - ``"lrp"``: layer-wise relevance propagation, the epsilon rule with biases as inputs; starts as b. Factors of a
          product share halves, what divides is a constant, and softmax goes by its Taylor expansion, as in AttnLRP
        - ``"slope"``: the same without division by sums: Q = R / a goes back by transposed matrices and slopes of
          nonlinearities; starts as b. Equal to ``"lrp"`` with eps = 0
        - ``"deeplift"``: slopes between the activations of the input and of a baseline, the rescale rule; starts as b -
          b0. In a maximum each object gets the share of the straight path on which it is the largest; each factor of a
          product gets the mean of the other over both
        - ``"integrated_gradients"``: gradients at the middles of ``steps`` pieces of the path from a baseline; starts
          as b - b0. Hidden nodes get their conductance
    rules : Rules, optional
        In place of a method.
    baseline : str or array_like, optional
        For the last two methods, what an input is compared with: an example, or an array of the shape of the inputs;
        None and ``"zeros"`` take zeros. An input that equals its baseline gets no relevance.
    steps : int, optional
        Number of pieces of the path of ``"integrated_gradients"``; None takes 64. More are more exact:
        ``ledger()`` shows what these leave.

    Returns
    -------
    Relevance
        Of ``inputs``, hidden nodes in ``layers``, ``bias``, and what stabilisers ``absorbed``; ``ledger()`` lists the
        sums.

    Raises
    ------
    TypeError
        If the network is no nnx.Module.
    InputError
        If an operation has no rule (the message names it, the layer, and a method that works), a rule or method is
        unknown, inputs, target or baseline do not fit or are not finite, an option belongs to another method, or
        outputs for an example depend on other examples.

    Warns
    -----
    UserWarning
        If a nonlinearity is not 0 at 0: its offset f(0) is counted as a bias.

    See Also
    --------
    attribute_function : Attributes any function of parameters and inputs.
    Rules : Combines rules of one's own choice.
    sweeps.ranking.scores : Nodes ranked by what their removal costs.

    References
    ----------
    S. Bach et al. (2015), On pixel-wise explanations, PLoS ONE 10 (lrp); R. Achtibat et al. (2024), AttnLRP, ICML (lrp
    in transformers); W. Samek, A. Binder, G. Montavon, S. Bach, K.-R. Müller (2017), Evaluating the visualization of
    what a deep neural network has learned, IEEE TNNLS 28; M. D. Zeiler, R. Fergus (2014), ECCV (deconvnet); J. T.
    Springenberg et al. (2015), Striving for simplicity (guided_backprop); A. Shrikumar, P. Greenside, A. Kundaje
    (2017), ICML (deeplift, rescale); M. Sundararajan, A. Taly, Q. Yan (2017), ICML (integrated_gradients); K.
    Dhamdhere, M. Sundararajan, Q. Yan (2019), ICLR (conductance).

    Examples
    --------
    >>> import sweeps, jax.numpy as jnp
    >>> network = sweeps.MLP((2, 3, 2), seed=0)
    >>> found = sweeps.relevance.attribute(network, jnp.array([[1.0, 2.0]]), target=0, method="slope")
    >>> found.inputs.shape, found.layers["layers/0"].shape, found.bias["layers/1"].shape
    ((1, 2), (1, 3), (1, 2))
    >>> [row.step for row in found.ledger()]
    ['layers/1', 'layers/0 nonlinearity', 'layers/0', 'total']
    """
    if not isinstance(network, nnx.Module):
        raise InputTypeError(
            f"network must be an nnx.Module, got {type(network).__name__}; attribute_function takes any (state, inputs)"
        )
    function: Any
    function, state = of_nnx(network)
    return attribute_function(
        function, state, inputs, target=target, method=method, rules=rules, baseline=baseline, steps=steps
    )


def attribute_function(
    function: Callable[[Any, Array], Any],
    state: Any,
    inputs: Any,
    target: Any = None,
    method: str | Rules = "lrp",
    *,
    rules: Rules | None = None,
    baseline: Any = None,
    steps: int | None = None,
) -> Relevance:
    """Attribute the outputs of a function of parameters and inputs, such as ``module.apply`` of a linen module.

    Parameters
    ----------
    function : callable
        (state, inputs) -> outputs, shape (examples, outputs).
    state : pytree
        Parameters, whose paths name the layers: those of ``layers/0/kernel`` and ``layers/0/bias`` are the layer
        ``layers/0``. Of a mapping with the key "params", the other entries are state.
    inputs : array_like of float, (examples, ...)
        As for ``attribute``.
    target : int or array_like, (examples,) or (examples, outputs), optional
        As for ``attribute``.
    method : str or Rules, default "lrp"
        As for ``attribute``.
    rules : Rules, optional
        As for ``attribute``.
    baseline : str or array_like, optional
        As for ``attribute``.
    steps : int, optional
        As for ``attribute``.

    Returns
    -------
    Relevance
        As ``attribute``.

    Raises
    ------
    TypeError
        If the function is none, or the rules are of another type.
    InputError
        As ``attribute``.

    Warns
    -----
    UserWarning
        As ``attribute``.

    See Also
    --------
    attribute : Attributes a module of flax.nnx.

    Examples
    --------
    >>> import sweeps, jax.numpy as jnp
    >>> function = lambda state, inputs: inputs @ state["kernel"]
    >>> state = {"kernel": jnp.array([[1.0], [2.0]])}
    >>> sweeps.relevance.attribute_function(function, state, jnp.array([[3.0, 4.0]]), method="gradient_x_input").inputs
    Array([[3., 8.]], dtype=float32)
    """
    if not callable(function):
        raise InputTypeError(f"function must be (state, inputs) -> outputs, got {type(function).__name__}")
    if rules is not None and method != "lrp":
        raise InputError(f"rules are in place of a method: leave out one, got also method={_checks.shown(method)}")
    rules = method_of(method) if rules is None else rules
    if not isinstance(rules, Rules):
        raise InputTypeError(f"rules must be sweeps.relevance.Rules, got {_checks.shown(rules)}")
    steps = _steps(steps, rules)
    inputs = _floating("inputs", inputs)
    if inputs.ndim < 2 or 0 in inputs.shape:
        raise InputError(f"inputs must have shape (examples, ...), got {inputs.shape}")
    state = jax.tree.map(lambda leaf: leaf if hasattr(leaf, "dtype") else _checks.numbers("state", leaf), state)
    baseline = _baseline(baseline, inputs, rules)
    target = None if target is None else _target(target, function, state, inputs)
    # With less precision, sums of relevance would have larger errors than the ledger allows.
    with jax.default_matmul_precision("highest"):
        check_single(function, state, inputs)
        check_alone(function, state, inputs)
        relevance = _attributed(
            function=function, state=state, inputs=inputs, target=target, baseline=baseline, rules=rules, steps=steps
        )
    for name in relevance.bias:
        if name.endswith(" offset"):
            warnings.warn(
                f"{name.removesuffix(' offset')} is not 0 at 0: its offset is counted as a bias, bias[{name!r}]",
                UserWarning,
                stacklevel=3,
            )
    return relevance


def method_of(method: str | Rules) -> Rules:
    """Return the rules of a method; rules are returned as they are."""
    if isinstance(method, Rules):
        return method
    if not isinstance(method, str) or method not in METHODS:
        raise InputError(f"method must be one of {', '.join(METHODS)}, or Rules, got {_checks.shown(method)}")
    return METHODS[method]


def _steps(steps: Any, rules: Rules) -> int:
    if rules.quantity == "path":
        return 64 if steps is None else _checks.whole("steps", steps, 1)
    if steps is not None:
        raise InputError("steps is for a method with a path: integrated_gradients")
    return 1


def _floating(argument: str, values: Any) -> Array:
    with np.errstate(over="ignore"):
        array = on_device(values if isinstance(values, jax.Array) else _checks.numbers(argument, values))
    if not jnp.issubdtype(array.dtype, jnp.floating):
        more = ""
        if argument == "inputs" and jnp.issubdtype(array.dtype, jnp.integer):
            more = "; of tokens, attribute the rest of the network to their embeddings, by attribute_function"
        raise InputError(f"{argument} must be floating-point numbers, got {array.dtype}{more}")
    return _finite(argument, array)


def _finite(argument: str, array: Array) -> Array:
    """Return an array; InputError if it is known not to be finite."""
    if not isinstance(array, jax.core.Tracer) and not np.isfinite(np.asarray(array)).all():
        raise InputError(f"{argument} must be finite numbers that fit {array.dtype}")
    return array


def _baseline(baseline: Any, inputs: Array, rules: Rules) -> Array:
    if baseline is not None and not rules.needs_baseline:
        raise InputError("baseline is for methods that compare with a baseline: deeplift, integrated_gradients")
    if baseline is None or (isinstance(baseline, str) and baseline == "zeros"):
        return jnp.zeros_like(inputs)
    if isinstance(baseline, str):
        raise InputError(f"baseline must be 'zeros' or an array, such as the mean of the data, got {baseline!r}")
    array = _finite("baseline", _floating("baseline", baseline).astype(inputs.dtype))
    if array.shape not in (inputs.shape, inputs.shape[1:]):
        raise InputError(f"baseline must have shape {inputs.shape[1:]} or {inputs.shape}, got {array.shape}")
    return array if array.ndim == inputs.ndim else jnp.broadcast_to(array[None], inputs.shape)


def _target(target: Any, function: Any, state: Any, inputs: Array) -> Array:
    array = target if isinstance(target, jax.Array) else _checks.numbers("target", target)
    with _calling.network(inputs):
        outputs = jax.eval_shape(lambda state, inputs: function(state, inputs), state, inputs)
    if not getattr(outputs, "shape", ()):
        raise InputError("the network must return one array, (examples, outputs)")
    examples, number = len(inputs), outputs.shape[-1]
    if jnp.issubdtype(array.dtype, jnp.floating):
        if array.shape != outputs.shape:
            raise InputError(f"target of floating-point numbers must have shape {outputs.shape}, got {array.shape}")
        return _finite("target", on_device(array).astype(outputs.dtype))
    if not jnp.issubdtype(array.dtype, jnp.integer) or array.shape not in ((), (examples,)):
        raise InputError(
            f"target must be a whole number, or one for each of {examples} examples, "
            f"got {array.dtype} of shape {array.shape}"
        )
    if not isinstance(array, jax.core.Tracer) and not ((np.asarray(array) >= 0) & (np.asarray(array) < number)).all():
        raise InputError(f"target must be from 0 to {number - 1}, got {np.asarray(array).tolist()}")
    return jnp.broadcast_to(on_device(array.astype(np.int32)), (examples,))


def _attributed_(
    function: Any, state: Any, inputs: Array, target: Array | None, baseline: Array, rules: Rules, steps: int
) -> Relevance:
    """Attribute each example by itself, under vmap, so that no example changes the relevance of another."""
    single = jax.ShapeDtypeStruct((1, *inputs.shape[1:]), inputs.dtype)
    program = program_of(_reading.read(function, state, single, rules.differentiates), rules)
    rules.check_layers(program)
    if not rules.needs_baseline:
        program = program._replace(offsets=offsets_of(program, rules))
    leaves = jax.tree.leaves(state)

    def of_example(inputs: Array, baseline: Array, target: Array | None) -> Relevance:
        def start(outputs: Array) -> Array:
            return _start(outputs, target, rules)

        return propagate(program, rules, leaves, inputs[None], baseline[None], start, steps)

    return jax.vmap(of_example)(inputs, baseline, target)


_attributed = _compiling.jit(_attributed_, static_argnames=("function", "rules", "steps"))


def _start(outputs: Array, target: Array | None, rules: Rules) -> Array:
    """Return the start values of the outputs of an example."""
    if target is not None and jnp.issubdtype(target.dtype, jnp.floating):
        return target[None]
    if outputs.ndim != 2:
        raise InputError(
            f"the network must return shape (examples, outputs), got (examples, {str(outputs.shape[1:])[1:]}: "
            f"give the start values of its outputs as target"
        )
    chosen = jnp.argmax(outputs, axis=-1) if target is None else target[None]
    ones = jax.nn.one_hot(chosen, outputs.shape[-1], dtype=outputs.dtype)
    return ones * outputs if rules.quantity == "relevance" else ones
