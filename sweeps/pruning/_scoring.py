"""Scoring: scores of nodes and weights; those with the lowest go first."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from analysis._errors import InputError, UnsupportedError
from sweeps import _checks, _compiling, _examples, _losses, _precision, ranking
from sweeps._networks import MLP
from sweeps._objective import Objective
from sweeps._program import graph
from sweeps.gating._attaching import output_shape
from sweeps.pruning import _evaluation, _parameters, _reading, _structure

UNIT_METHODS = ("norm", *ranking.METHODS)
WEIGHT_METHODS = ("magnitude", "gradient", "random")
# For networks that compute with less than float32: most examples that depend on each other, most other examples in a
# batch, and most numbers in the gradients of such a batch.
FEW, MOST_TOGETHER, FLOATS = 64, 256, 2**22


def unit_scores(
    network: nnx.Module, *, method: Any = "norm", batch: Any = None, loss: Any = None, seed: int = 0
) -> Float[np.ndarray, " nodes"]:
    """Score every hidden node; nodes with low scores should go first.

    Parameters
    ----------
    network : flax.nnx.Module
        Its hidden nodes are those that ``sweeps.Objective`` gates. It is not changed.
    method : str or array_like, (nodes,), default "norm"
        One of ``UNIT_METHODS``, or the scores themselves.

        - ``"norm"``: Euclidean norm of the node's incoming weights, without the bias; of a channel, over all positions
          and inputs
        - a method of ``sweeps.ranking.scores``: ``"gradient"`` is the gate gradient, ``"magnitude"`` the norm of the
          *outgoing* weights, ``"activation"`` the standard deviation of the node's value at its gate over the examples,
          and over the positions for a channel
    batch : tuple, optional
        As for ``sweeps.Objective``. Ranking methods need a batch, and so do networks other than a ``sweeps.MLP`` or an
        ``nnx.Sequential`` that begins with a dense layer.
    loss : str or callable, optional
        As for ``sweeps.Objective``, with a batch.
    seed : int, default 0
        For ``"random"``.

    Returns
    -------
    numpy.ndarray of float64, (nodes,)
        In the order of the gate vector.

    Raises
    ------
    TypeError
        If the network is no flax.nnx module.
    InputError
        If the method is unknown, the scores have another shape or a batch is needed; as ``sweeps.ranking.scores``.
    NotImplementedError
        For ``"norm"``, if some nodes have no parameters of their own, such as attention heads.

    See Also
    --------
    unit_masks : The nodes that stay at a sparsity.
    sweeps.ranking.scores : Scores of any objective's nodes, some of them off.

    Examples
    --------
    >>> import sweeps
    >>> sweeps.pruning.unit_scores(sweeps.MLP((2, 4, 2), seed=0), method="norm").shape
    (4,)
    """
    _, scores = by_site(network, method, batch=batch, loss=loss, seed=seed, of_zeroed=False)
    return np.concatenate(list(scores.values()))


def by_site(
    network: nnx.Module, method: Any, *, batch: Any, loss: Any, seed: int, of_zeroed: bool
) -> tuple[_structure.Structure, dict[str, Float[np.ndarray, " _"]]]:
    """Return the structure of a network, and the scores of ``unit_scores`` by key of the site.

    Parameters
    ----------
    network : flax.nnx.Module
        As for ``unit_scores``, like all that is not below.
    method : str or array_like
        As there.
    batch : tuple or None
        As there.
    loss : str or callable or None
        As there.
    seed : int
        As there.
    of_zeroed : bool
        Whether to leave out the sites whose nodes cannot be zeroed.
    """
    seed = _checked(network, method, UNIT_METHODS, "scores of shape (nodes,)", batch, loss, seed)
    of = _structure.of(network, inputs_of(batch))
    parts = [part for part in of.parts if part.can_be_zeroed or not of_zeroed]
    if isinstance(method, str) and method == "norm":
        variables = _parameters.by_path(network)
        return of, {part.site.key: _norms(variables, part) for part in parts}
    if isinstance(method, str) and method == "activation" and of.network is not None:
        # ``ranking`` has the activations of plain perceptrons only.
        places = {part.site.key: part.site.places for part in parts}
        return of, _reading.deviations(network, (of.network, of.params), inputs_of(batch), places)
    if not isinstance(method, str):
        scores = _checked_scores("method", method, (of.nodes,))
    elif method == "random":
        scores = np.random.default_rng(seed).random(of.nodes)
    else:
        scores = ranking.scores(Objective(network, batch, loss=loss), method=method, seed=seed)
    pieces = of.split(scores)
    return of, {part.site.key: pieces[part.site.key] for part in parts}


def _norms(variables: Mapping[str, Any], part: _structure.Part) -> Float[np.ndarray, " nodes"]:
    """Return the norm of all entries of kernels that make each node."""
    squares = np.zeros(part.site.nodes)
    for cut in part.makes:
        alike = tuple(axis for axis, size in enumerate(cut.ids.shape) if size == 1)
        sums, ids = np.square(_as_doubles(variables[cut.path])).sum(axis=alike, keepdims=True), cut.ids
        squares += np.bincount(ids[ids >= 0], sums[ids >= 0], part.site.nodes)
    return np.sqrt(squares)


def weight_scores(
    network: nnx.Module,
    *,
    method: Any = "magnitude",
    batch: Any = None,
    loss: Any = None,
    seed: int = 0,
    include_outputs: bool = False,
) -> dict[str, Float[np.ndarray, "..."]]:
    """Score every weight; weights with low scores should go first.

    Parameters
    ----------
    network : flax.nnx.Module
        It is not changed.
    method : str or dict of str to array_like, default "magnitude"
        One of ``WEIGHT_METHODS``, or the scores themselves, arrays of the kernels' shapes by path.

        - ``"magnitude"``: |w|
        - ``"gradient"``: |d loss / d w|, of the mean loss on the batch
        - ``"random"``: uniform numbers from [0, 1), the same for the same seed
    batch : tuple, optional
        As for ``sweeps.Objective``; needed for ``"gradient"``, and for networks other than a ``sweeps.MLP`` or an
        ``nnx.Sequential`` that begins with a dense layer.
    loss : str or callable, optional
        As for ``sweeps.Objective``, with a batch.
    seed : int, default 0
        For ``"random"``.
    include_outputs : bool, default False
        Whether to score the layers that no other layer reads, which make the outputs.

    Returns
    -------
    dict of str to numpy.ndarray of float64
        By path of the kernel, such as ``layers/0/kernel``, in the order in which the layers are called; biases have
        none.

    Raises
    ------
    TypeError
        If the network is no flax.nnx module.
    InputError
        If the method is unknown, the scores do not fit the kernels, or a batch is needed.

    See Also
    --------
    weight_masks : The weights that stay at a sparsity.

    Examples
    --------
    >>> import sweeps
    >>> scores = sweeps.pruning.weight_scores(sweeps.MLP((2, 4, 2), seed=0), method="magnitude")
    >>> {path: values.shape for path, values in scores.items()}
    {'layers/0/kernel': (2, 4)}
    """
    seed = _checked(network, method, WEIGHT_METHODS, "a dict of scores", batch, loss, seed)
    kernels, _ = prunable(network, inputs_of(batch), _checks.flag("include_outputs", include_outputs))
    if not isinstance(method, str):
        if not isinstance(method, Mapping) or set(method) != set(kernels):
            given = ", ".join(map(str, method)) if isinstance(method, Mapping) else type(method).__name__
            raise InputError(f"method must be a dict of scores of the kernels {', '.join(kernels)}; got {given}")
        return {
            path: _checked_scores(f"method: {path}", method[path], kernel.shape) for path, kernel in kernels.items()
        }
    if method == "magnitude":
        return {path: np.abs(_as_doubles(kernel)) for path, kernel in kernels.items()}
    if method == "random":
        random = np.random.default_rng(seed)
        return {path: random.random(kernel.shape) for path, kernel in kernels.items()}
    gradients = _gradients(network, batch, loss)
    return {path: np.abs(_as_doubles(gradients[path])) for path in kernels}


def prunable(network: nnx.Module, inputs: Any, include_outputs: bool) -> tuple[dict[str, nnx.Param], dict[str, str]]:
    """Return the kernels of layers that other layers read, in order of the program, and what else makes nodes.

    Parameters
    ----------
    network : flax.nnx.Module
        It is not changed.
    inputs : array or pytree or None
        A few examples, where the network has to be traced.
    include_outputs : bool
        Whether to return layers too that no other layer reads.

    Returns
    -------
    kernels : dict of str to flax.nnx.Param
        By path, the parameter.
    left : dict of str to str
        By path, why it is not pruned.

    Raises
    ------
    InputError
        As ``structure.few_inputs``.
    """
    few, variables = _structure.few_inputs(network, inputs), _parameters.by_path(network)
    if type(network) is MLP:
        layers = range(len(network.layers) - (not include_outputs))
        return {path: variables[path] for path in (f"layers/{index}/kernel" for index in layers)}, {}
    reader = _structure.read_of(network, few)[0].first.reader
    hidden = graph.ancestors((read.value.vertex for read in reader.reads.values()), reader.after)
    sources = sorted(reader.sources.values(), key=lambda source: source.order)
    sources = [source for source in sources if source.parent is None and source.path in variables]
    sources = [source for source in sources if include_outputs or source.vertex in hidden]
    made = [source for source in sources if source.kind in ("unit", "channel") and not source.is_embedding]
    kernels = {source.path: variables[source.path] for source in made}
    others = {source.path: source for source in sources if source.path not in kernels}
    left = {
        path: "it is a table of rows, no kernel" if other.is_embedding else f"it makes no nodes but {other.kind}s"
        for path, other in others.items()
    }
    return kernels, left


def inputs_of(batch: Any) -> Any:
    """Return the inputs of the examples of a batch that count; None without a batch."""
    if batch is None:
        return None
    data = _examples.checked(batch)
    if data.mask is None:
        return data.inputs
    counts = np.asarray(data.mask).reshape(len(data), -1).any(axis=1)
    return jax.tree.map(lambda leaf: leaf[counts], data.inputs)


def _checked(
    network: Any, method: Any, criteria: tuple[str, ...], otherwise: str, batch: Any, loss: Any, seed: Any
) -> int:
    """Refuse arguments that do not fit, before any work; return the seed."""
    _parameters.checked_network(network)
    if isinstance(method, str) and method not in criteria:
        raise InputError(f"method must be one of {', '.join(criteria)}, or {otherwise}, got {method!r}")
    # The first criterion of each tuple reads nothing but weights.
    if batch is None and isinstance(method, str) and method not in (criteria[0], "random"):
        raise InputError(f"method={method!r} needs a batch: give batch=")
    if batch is None and loss is not None:
        raise InputError("loss is of a batch: give batch=")
    if loss is not None:
        # The loss is checked even if the criterion does not use it.
        data = _examples.checked(batch)
        _losses.find(loss, output_shape(network, data.inputs), data.targets, data.mask)
    return _checks.seed("seed", seed)


def _checked_scores(name: str, scores: Any, shape: tuple[int, ...]) -> Float[np.ndarray, "..."]:
    values = _checks.numbers(name, scores)
    if values.shape != shape:
        raise InputError(f"{name}: scores must have shape {shape}, got {values.shape}")
    return values.astype(np.float64)


def _as_doubles(values: Any) -> Float[np.ndarray, "..."]:
    array = values[...] if isinstance(values, nnx.Variable) else values
    return np.asarray(array).astype(np.float64)


def _gradients(network: nnx.Module, batch: Any, loss: Any) -> dict[str, Array]:
    """Return the gradient of the mean loss by path of the parameter, summed over examples in float32 at least."""
    data = _examples.checked(batch)
    named = _losses.find(loss, output_shape(network, data.inputs), data.targets, data.mask)
    graph, *states = _evaluation.evaluating(network)
    narrow = _precision.is_narrow(partial(_evaluation.values, graph, named), *states, data)
    apart = (data.has_spare_inputs or narrow) and _evaluation.is_separable(network, named, data, 1)
    data = data.with_uncounted_replaced(
        whole=named not in _losses.LOSSES.values(), apart=apart or not data.has_spare_inputs
    )
    if narrow and not apart and len(data) > FEW:
        raise UnsupportedError(
            f"method='gradient' of a network that computes with less than float32, whose {len(data)} examples depend "
            f"on each other, would be lost in rounding; give it a batch of at most {FEW} examples"
        )
    with jax.default_matmul_precision("highest"):
        if narrow and apart:
            size = sum(leaf.size for leaf in jax.tree.leaves(states[0]))
            parts = data.micro_batches(max(1, min(MOST_TOGETHER, len(data), FLOATS // max(1, size))))
            values, _ = jax.eval_shape(partial(_evaluation.values, graph, named), *states, data)
            number = _losses.number_counted(values.shape, data.mask)
            gradient = _gradient_of_parts(graph, named, *states, parts, number)
        else:
            gradient = _gradient(graph, named, *states, data)
    flat: Any = nnx.to_flat_state(gradient)
    return {"/".join(map(str, path)): variable[...] for path, variable in flat}


@partial(jax.jit, static_argnums=(0, 1))
def _gradient(graph: Any, loss: _losses.Loss, weights: Any, rest: Any, data: _examples.Examples) -> Any:
    def of(weights: Any) -> Array:
        values, _ = _evaluation.values(graph, loss, weights, rest, data)
        total, number = _losses.summed(values, data.mask)
        return total / number

    return jax.grad(of)(weights)


@partial(_compiling.jit, static_argnames=("graph", "loss"))
def _gradient_of_parts(
    graph: Any, loss: _losses.Loss, weights: Any, rest: Any, parts: _examples.Examples, number: Array
) -> Any:
    """Sum gradients of single examples, which have the network's own type, in float32 at least."""

    def of_one(weights: Any, example: _examples.Examples) -> Array:
        values, _ = _evaluation.values(graph, loss, weights, rest, example)
        return _losses.summed(values, example.mask)[0]

    def add(sums: Any, part: _examples.Examples) -> tuple[Any, None]:
        each = jax.vmap(jax.grad(of_one), in_axes=(None, 0))(weights, jax.tree.map(lambda leaf: leaf[:, None], part))
        return jax.tree.map(lambda total, part: total + _losses.widened(part).sum(axis=0), sums, each), None

    nothing = jax.tree.map(lambda leaf: jnp.zeros_like(_losses.widened(leaf)), weights)
    sums, _ = jax.lax.scan(add, nothing, parts)
    return jax.tree.map(lambda total: total / number.astype(total.dtype), sums)
