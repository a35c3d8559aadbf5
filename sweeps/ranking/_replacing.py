"""Replacing: nodes removed one after the other while others take over what they did, by least squares.

A node h of the last hidden layer is predicted from what stands in for it, h ~ sum_k a_k h_k + b, on some examples.
When it goes, the outgoing weights of node k get a_k times its own, and the biases get b times them. Its removal then
changes the sums of the outputs by -(h - prediction) w, a matrix of rank one: all choices of a node and all stand-ins
share one formula, in which only the prediction differs.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from analysis._errors import InputError
from sweeps import _checks, _compiling, _examples, _losses
from sweeps._networks import ACTIVATIONS, MLP, is_plain
from sweeps.gating._attaching import output_shape
from sweeps.ranking import _rows
from sweeps.ranking._removal import cheapest

#: What takes over from a node that goes: nothing, the biases alone, the node most correlated with it, all that remain.
STAND_INS = ("nothing", "bias", "partner", "rest")
#: By what the next node is chosen; see ``replacement_paths``.
REPLACEMENT_METHODS = ("brute_force", "second_order", "correlation", "contribution", "random")
# Added to the diagonal of the correlations: nodes that repeat each other would have no unique weights.
RIDGE = 1e-4


class ReplacementPaths(NamedTuple):
    """Nodes of the last hidden layer removed one after the other, others taking over from them.

    Attributes
    ----------
    order : numpy.ndarray of int, (networks, nodes)
        Node that each removal takes.
    loss : numpy.ndarray, (networks, nodes + 1)
        Mean loss before the first removal and after each, in the loss's unit.
    accuracy : numpy.ndarray, (networks, nodes + 1)
        Share of right classes, from 0 to 1; NaN for a regression.
    test_loss : numpy.ndarray, (networks, nodes + 1)
        The loss on the test batch; NaN where none was given.
    test_accuracy : numpy.ndarray, (networks, nodes + 1)
        The accuracy on the test batch; NaN where none was given.
    kernels : numpy.ndarray, (networks, nodes + 1, nodes, outputs)
        Outgoing weights at each step, zero for nodes that went.
    biases : numpy.ndarray, (networks, nodes + 1, outputs)
        Biases of the outputs at each step.

    See Also
    --------
    replacement_paths : Makes them.
    """

    order: Int[np.ndarray, "networks nodes"]
    loss: Float[np.ndarray, "networks steps"]
    accuracy: Float[np.ndarray, "networks steps"]
    test_loss: Float[np.ndarray, "networks steps"]
    test_accuracy: Float[np.ndarray, "networks steps"]
    kernels: Float[np.ndarray, "networks steps nodes outputs"]
    biases: Float[np.ndarray, "networks steps outputs"]


def replacement_paths(
    networks: Sequence[MLP],
    batch: Any,
    *,
    method: str = "correlation",
    stand_in: str = "partner",
    loss: str | None = None,
    test: Any = None,
    seed: int = 0,
) -> ReplacementPaths:
    """Remove all nodes of the last hidden layer, one after the other, choosing anew after each removal.

    Each time another part of the network takes over what the node did, as well as least squares can.

    Parameters
    ----------
    networks : sequence of sweeps.MLP
        Networks of one structure, with biases; they are not changed.
    batch : tuple
        Examples by which nodes are chosen and replaced, as for ``sweeps.Objective``.
    method : {"correlation", "brute_force", "second_order", "contribution", "random"}
        By what the next node is chosen: the first one with the lowest

        - ``"brute_force"``: change of the loss when the node goes and the stand-in takes over
        - ``"second_order"``: that change, predicted from the first two derivatives along it
        - ``"correlation"``: of the two nodes with the greatest correlation of activations, by size, the lower
          contribution
        - ``"contribution"``: mean square of what the removal changes in the sums of the outputs
        - ``"random"``: place in a random order, the same for the same seed and another for each network
    stand_in : {"partner", "rest", "bias", "nothing"}
        What takes over: the node with the greatest correlation with the one that goes; all that remain, with a ridge of
        1e-4 of each node's variance; the biases alone, by the node's mean; or nothing.
    loss : str, optional
        ``"squared_error"``, ``"cross_entropy"`` or ``"binary_cross_entropy"``; None as for ``sweeps.Objective``.
    test : tuple, optional
        Examples to measure on as well.
    seed : int, default 0
        For ``"random"``.

    Returns
    -------
    ReplacementPaths
        Orders, losses, and the weights at each step.

    Raises
    ------
    InputError
        If a method, a stand-in or a loss is unknown, networks differ in structure or have no hidden layer or no biases,
        or a batch does not fit.

    See Also
    --------
    removal_path : Removes nodes of any network, and replaces nothing.
    activation_correlation : What ``"correlation"`` and ``"partner"`` go by.

    Notes
    -----
    A node h is predicted from what stands in for it: ``h ~ sum_k a_k h_k + b``. When it goes, the outgoing weights of
    node k get ``a_k`` times its own, and the biases get b times them.

    References
    ----------
    S. Srinivas, R. V. Babu (2015), Data-free parameter pruning for deep neural networks, BMVC, where a node goes and
    another one takes its outgoing weights.

    Examples
    --------
    >>> import sweeps
    >>> task = sweeps.tasks.circle(train_examples=50)
    >>> networks = [sweeps.MLP((2, 4, 2), seed=0)]
    >>> paths = sweeps.ranking.replacement_paths(networks, task.train, method="brute_force", stand_in="rest")
    >>> paths.loss.shape, paths.kernels.shape
    ((1, 5), (1, 5, 4, 2))
    """
    codes = [
        one.index(_checks.one_of(name, given, one))
        for name, given, one in (("method", method, REPLACEMENT_METHODS), ("stand_in", stand_in, STAND_INS))
    ]
    first, seed = _checked(networks), _checks.seed("seed", seed)
    data = [_examples.checked(one) for one in (batch, batch if test is None else test)]
    named = _losses.find(loss, output_shape(first, data[0].inputs), data[0].targets, data[0].mask)
    if named.name not in _rows.LOSSES or any(one.mask is not None for one in data):
        raise InputError(f"loss must be one of {', '.join(_rows.LOSSES)}, and batches must have no mask")
    with jax.default_matmul_precision("highest"):
        parts = [_hidden(networks, one) for one in data]
        walked = _walk_all(
            jax.tree.map(lambda *leaves: jnp.stack(leaves), *_starts(networks, np.asarray(parts[0].hidden), seed)),
            *parts,
            *codes,
            settings=_Settings(first.output_activation, named.name),
        )
    found = ReplacementPaths(*map(np.asarray, walked))
    found = found._replace(order=found.order[:, :-1])
    unknown = np.full(found.loss.shape, np.nan)
    return found if test is not None else found._replace(test_loss=unknown, test_accuracy=unknown)


def _checked(networks: Any) -> MLP:
    """Return the first of the networks, after checking that they are alike."""
    if not networks or not all(is_plain(one) and len(one.layers) > 1 for one in networks):
        raise InputError("networks must be a list of sweeps.MLP networks with a hidden layer, at least 1")
    if any(one.layers[-1].bias is None for one in networks):
        raise InputError("networks must have biases, which take over the means of nodes that go")
    first = networks[0]
    if any(nnx.graphdef(one) != nnx.graphdef(first) for one in networks):
        raise InputError("networks must have one structure: the same sizes and nonlinearities")
    return first


class _Settings(NamedTuple):
    """Static to jit: the nonlinearity of the outputs, and the name of the loss."""

    activation: str
    loss: str


class _Part(NamedTuple):
    """Activations of the last hidden layer on some examples, and what the outputs should be.

    Attributes
    ----------
    hidden : array, (networks, nodes, examples)
        The activations.
    targets : array, (outputs, examples)
        Values, or ones and zeros for classes.
    has_classes : array of bool, ()
        Whether they are classes.
    """

    hidden: Float[Array, "*networks nodes examples"]
    targets: Float[Array, "outputs examples"]
    has_classes: Bool[Array, ""]


def _hidden(networks: Sequence[MLP], data: _examples.Examples) -> _Part:
    values = []
    for one in networks:
        hidden = data.inputs
        for layer in one.layers[:-1]:
            hidden = ACTIVATIONS[one.activation](layer(hidden))
        values.append(hidden.T)
    targets, outputs = np.asarray(data.targets), networks[0].sizes[-1]
    whole = targets.dtype.kind in "biu" and outputs > 1
    made = targets[None] == np.arange(outputs)[:, None] if whole else targets.reshape(len(targets), outputs).T
    return _Part(jnp.stack(values), jnp.asarray(made, jnp.float32), jnp.asarray(targets.dtype.kind in "biu"))


class Likeness(NamedTuple):
    """How alike the activations of nodes are.

    Attributes
    ----------
    mean : array, (..., nodes)
        Over the examples.
    sd : array, (..., nodes)
        Standard deviation over the examples; 1 for a node of constant activation.
    correlation : array, (..., nodes, nodes)
        Zero on the diagonal and with such a node.
    inverse : array, (..., nodes, nodes)
        Of the correlations with ones and the ridge on the diagonal.
    """

    mean: Float[Array, "*networks nodes"]
    sd: Float[Array, "*networks nodes"]
    correlation: Float[Array, "*networks nodes nodes"]
    inverse: Float[Array, "*networks nodes nodes"]


def likeness(hidden: Float[np.ndarray, "nodes examples"]) -> Likeness:
    """Measure how alike the activations of nodes are, in float64; the deviations of a constant are rounding errors."""
    values = hidden.astype(np.float64)
    mean, sd = values.mean(axis=1), values.std(axis=1)
    varies = sd > 8 * np.finfo(hidden.dtype).eps * np.abs(mean)
    sd = np.where(varies, sd, 1)
    scaled = np.where(varies, (values.T - mean) / sd, 0)
    # A product of a matrix and itself is symmetric to the last digit, so that a pair is found from either node.
    product = scaled.T @ scaled / len(scaled)
    np.fill_diagonal(product, 0)
    inverse = np.linalg.inv(product + (1 + RIDGE) * np.eye(len(mean)))
    return Likeness(*(jnp.asarray(one, jnp.float32) for one in (mean, sd, product, inverse)))


class _Start(NamedTuple):
    """Where a network stands before the first removal; of several networks, stacked along a first axis.

    Attributes
    ----------
    kernel : array, (nodes, outputs)
        Outgoing weights.
    bias : array, (outputs,)
        Of the outputs.
    order : array, (nodes,)
        Places of the nodes in a random order.
    like : Likeness
        Of its activations.
    """

    kernel: Float[Array, "*networks nodes outputs"]
    bias: Float[Array, "*networks outputs"]
    order: Float[Array, "*networks nodes"]
    like: Likeness


def _starts(networks: Sequence[MLP], hidden: np.ndarray, seed: int) -> list[_Start]:
    found = []
    for index, network in enumerate(networks):
        kernel, bias = network.layers[-1].kernel[...], network.layers[-1].bias
        assert bias is not None
        order = np.random.default_rng([seed, index]).random(len(kernel)).astype(np.float32)
        found.append(_Start(kernel, bias[...], jnp.asarray(order), likeness(hidden[index])))
    return found


@partial(_compiling.jit, static_argnames="settings")
def _walk_all(
    starts: _Start, part: _Part, test: _Part, method: Int[Array, ""], stand_in: Int[Array, ""], settings: _Settings
) -> ReplacementPaths:
    """Remove the nodes of one network after the other: a switch runs one of its branches only, unlike under vmap."""

    def one(given: tuple[_Start, Array, Array]) -> ReplacementPaths:
        start, hidden, tested = given
        parts = part._replace(hidden=hidden), test._replace(hidden=tested)
        return ReplacementPaths(*_walk(start, *parts, method, stand_in, settings))

    return jax.lax.map(one, (starts, part.hidden, test.hidden))


class Prediction(NamedTuple):
    """What predicts each node from the others: h_i ~ sum_k weights[i, k] h_k + constant[i]."""

    weights: Float[Array, "nodes nodes"]
    constant: Float[Array, " nodes"]


def prediction(like: Likeness, on: Bool[Array, " nodes"], stand_in: Int[Array, ""]) -> Prediction:
    """Predict each node that is on by one of ``STAND_INS``, in the order of that tuple, by least squares.

    ``like.inverse`` is that of the nodes that are on; rows and columns of the others are those of the identity.
    """
    known = jnp.where(on[:, None] & on[None], like.correlation, 0)

    def none() -> Array:
        return jnp.zeros_like(known)

    def partner() -> Array:
        best = jnp.argmax(jnp.abs(known), axis=1)
        return known * jax.nn.one_hot(best, len(known), dtype=known.dtype)

    def rest() -> Array:
        return jnp.eye(len(known)) - like.inverse / jnp.diagonal(like.inverse)[:, None]

    weights = jax.lax.switch(stand_in, (none, none, partner, rest)) * (like.sd[:, None] / like.sd[None])
    return Prediction(weights, jnp.where(stand_in > 0, like.mean - weights @ like.mean, 0))


def without(inverse: Float[Array, "nodes nodes"], node: Int[Array, ""]) -> Float[Array, "nodes nodes"]:
    """Inverse of the correlations without a node, given that with it: a Schur complement."""
    smaller = inverse - jnp.outer(inverse[:, node], inverse[node]) / inverse[node, node]
    row = jnp.zeros(len(inverse)).at[node].set(1)
    return smaller.at[node].set(row).at[:, node].set(row)


def _walk(
    start: _Start, part: _Part, test: _Part, method: Int[Array, ""], stand_in: Int[Array, ""], settings: _Settings
) -> tuple[Any, ...]:
    """Remove all nodes of one network."""
    like = start.like

    def step(carry: tuple[Array, ...], _: None) -> tuple[Any, tuple[Array, ...]]:
        kernel, bias, on, inverse = carry
        predicted = prediction(like._replace(inverse=inverse), on, stand_in)
        missed = part.hidden - predicted.weights @ part.hidden - predicted.constant[:, None]
        # Mean squares are over examples and summed over outputs.
        contribution = jnp.square(missed).mean(axis=1) * jnp.square(kernel).sum(axis=1)
        state = _State(kernel, kernel.T @ part.hidden + bias[:, None], missed, part.targets, settings)
        score = jax.lax.switch(
            method,
            (
                lambda: _changes(state),
                lambda: _predicted_changes(state),
                lambda: _of_closest_pair(like, on, contribution),
                lambda: contribution,
                lambda: start.order,
            ),
        )
        node = cheapest(score, on)
        gone = kernel[node]
        after = (
            (kernel + jnp.outer(predicted.weights[node], gone)).at[node].set(0),
            bias + predicted.constant[node] * gone,
            on.at[node].set(False),
            without(inverse, node),
        )
        measured = [_measured(kernel, bias, one, settings) for one in (part, test)]
        return after, (node, *measured[0], *measured[1], kernel, bias)

    on = jnp.ones(len(start.kernel), bool)
    return jax.lax.scan(step, (start.kernel, start.bias, on, like.inverse), length=len(on) + 1)[1]


def _measured(kernel: Array, bias: Array, part: _Part, settings: _Settings) -> tuple[Array, Array]:
    """Mean loss, and the share of right classes."""
    outputs = ACTIVATIONS[settings.activation](kernel.T @ part.hidden + bias[:, None])[:, None]
    blank = jnp.zeros_like(outputs[0])
    loss = _rows.LOSSES[settings.loss](lambda c: outputs[c], part.targets, blank)
    right = _rows.is_right(lambda c: outputs[c], part.targets, blank)
    return loss.mean(), jnp.where(part.has_classes, right.mean(), jnp.nan)


class _State(NamedTuple):
    """What the removal of a node changes: the outputs' sums by -missed[i] kernel[i], an outer product.

    Attributes
    ----------
    kernel : array, (nodes, outputs)
        Outgoing weights.
    sums : array, (outputs, examples)
        Of the outputs.
    missed : array, (nodes, examples)
        Of each node, what nothing takes over.
    targets : array, (outputs, examples)
        What the outputs should be.
    settings : _Settings
        Of the walk.
    """

    kernel: Array
    sums: Array
    missed: Array
    targets: Array
    settings: _Settings

    def losses(self, change: Callable[[Any], Array], like: Array) -> Array:
        """Losses of the examples when the sums of output c change by change(c), of the shape of ``like``."""
        activated = ACTIVATIONS[self.settings.activation]
        outputs = lambda c: activated(self.sums[c][None] + change(c))  # noqa: E731
        return _rows.LOSSES[self.settings.loss](outputs, self.targets, jnp.zeros_like(like))


def _changes(state: _State) -> Float[Array, " nodes"]:
    """Change of the mean loss when each node goes."""
    before = state.losses(lambda c: jnp.zeros_like(state.missed[:1]), state.missed[:1])
    after = state.losses(lambda c: -state.missed * state.kernel[:, c][:, None], state.missed)
    return (after - before).mean(axis=1)


def _predicted_changes(state: _State) -> Float[Array, " nodes"]:
    """Predict that change from the first two derivatives by the sums, example by example."""

    def of_example(sums: Array, targets: Array) -> Array:
        one = state._replace(sums=sums[:, None], targets=targets[:, None])
        blank = jnp.zeros((1, 1), sums.dtype)
        return one.losses(lambda c: blank, blank)[0, 0]

    each = state.sums.T, state.targets.T
    slope = jax.vmap(jax.grad(of_example))(*each)
    bend = jax.vmap(jax.hessian(of_example))(*each)
    first = -jnp.einsum("ne,ec,nc->n", state.missed, slope, state.kernel)
    second = jnp.einsum("ne,ecd,nc,nd->n", jnp.square(state.missed), bend, state.kernel, state.kernel)
    return (first + second / 2) / state.missed.shape[1]


def _of_closest_pair(
    like: Likeness, on: Bool[Array, " nodes"], contribution: Float[Array, " nodes"]
) -> Float[Array, " nodes"]:
    """The contributions of the two most correlated nodes that are on, infinite for all others."""
    strength = jnp.max(jnp.where(on[:, None] & on[None], jnp.abs(like.correlation), -1), axis=1)
    return jnp.where(strength >= strength.max(), contribution, jnp.inf)
