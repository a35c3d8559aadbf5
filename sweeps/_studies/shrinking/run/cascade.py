"""Cascade Correlation: networks that grow node by node, each node trained for the errors that are left, then frozen."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr
from jaxtyping import Array, Float

from sweeps import _seeds
from sweeps._batches import Batch, Task
from sweeps._networks import ACTIVATIONS

ACTIVATION = "sigmoid"
# Fahlman and Lebiere trained by Quickprop, which sees all examples at each step and limits how fast its steps grow. So
# does this one; a step of more than 1 could carry a sigmoid so far that no gradient brings it back.
OPTIMIZER = optax.rprop(0.01, max_step_size=1.0)


class Growth(NamedTuple):
    """How networks grow.

    Attributes
    ----------
    nodes : int
        Hidden nodes that a network gets in the end.
    candidates : int
        Nodes that are trained each time, of which the best one stays.
    steps : int
        Of training the outputs after each new node, and of training candidates.
    """

    nodes: int
    candidates: int = 8
    steps: int = 100


def grown(task: Task, numbers: Sequence[int], growth: Growth, direct: bool = True) -> xr.Dataset:
    r"""Grow networks on a task with squared error, from different seeds.

    Parameters
    ----------
    task : sweeps.Task
        Classes get a sigmoid output each, as the other networks of this study have them.
    numbers : sequence of int
        Seeds.
    growth : Growth
    direct : bool
        Whether the outputs read the inputs, as published; else they read the hidden nodes alone, as in a perceptron.

    Returns
    -------
    xarray.Dataset
        `loss`, `accuracy`, `test_loss`, `test_accuracy`, `parameters` (network, size), where the size is the number of
        hidden nodes; `incoming` (network, node, feature) and `outgoing` (network, size, feature, output), weights of
        the features, which are 1, the inputs and the hidden nodes in their order.

    Notes
    -----
    Candidates climb the sum over outputs of the size of the covariance of their value with the output's error,
    :math:`S = \sum_o |\sum_p (V_p - \bar V)(E_{po} - \bar E_o)|`.

    References
    ----------
    S. E. Fahlman, C. Lebiere (1990), The Cascade-Correlation Learning Architecture, NIPS 2.
    """
    inputs, outputs = task.train.inputs.shape[1], task.classes or 1
    width = 1 + inputs + growth.nodes
    reads = np.ones(width, bool)
    reads[1 : 1 + inputs] = direct
    data = [_data(batch, outputs, growth.nodes) for batch in (task.train, task.test)]
    keys = jnp.stack([_seeds.key(number) for number in numbers])
    with jax.default_matmul_precision("highest"), jax.numpy_dtype_promotion("standard"):
        found = _grow_all(keys, *data, jnp.asarray(reads), growth, task.classes is not None)
    size = np.arange(growth.nodes + 1)
    incoming = inputs + 1 + np.arange(growth.nodes)
    own = outputs * (1 + direct * inputs + size) + np.concatenate([[0], np.cumsum(incoming)])
    over = ("network", "size")
    names = ("loss", "accuracy", "test_loss", "test_accuracy")
    variables = {name: (over, np.asarray(values)) for name, values in zip(names, found, strict=False)}
    return xr.Dataset(
        variables
        | {
            "parameters": ("size", own),
            "incoming": (("network", "node", "feature"), np.asarray(found[4])[:, :-1]),
            "outgoing": ((*over, "feature", "output"), np.asarray(found[5])),
        },
        dict(size=size),
    )


def cascades(task: Task, numbers: Sequence[int], growth: Growth) -> xr.Dataset:
    """Grow networks whose outputs read the inputs too, and others whose outputs read nodes alone.

    Returns
    -------
    xarray.Dataset
        As `grown`, with a first dimension `direct`, 1 and 0, of all but the coordinates.
    """
    data = [grown(task, numbers, growth, direct) for direct in (True, False)]
    attributes = dict(task=task.name, candidates=growth.candidates, steps=growth.steps, activation=ACTIVATION)
    return xr.concat(data, "direct").assign_coords(direct=[1, 0]).assign_attrs(attributes)


class Data(NamedTuple):
    """Features, of which those of nodes to come are zero, and targets.

    Attributes
    ----------
    features : array, (examples, features)
    targets : array, (examples, outputs)
        Values, or ones and zeros for classes.
    """

    features: Float[Array, "examples features"]
    targets: Float[Array, "examples outputs"]

    def with_node(self, incoming: Float[Array, " features"], place: Array) -> "Data":
        """Return the data with the values of one more node."""
        value = ACTIVATIONS[ACTIVATION](self.features @ incoming)
        return self._replace(features=self.features.at[:, place].set(value))


def _data(batch: Batch, outputs: int, nodes: int) -> Data:
    inputs, targets = np.asarray(batch.inputs), np.asarray(batch.targets)
    features = np.concatenate([np.ones((len(inputs), 1)), inputs, np.zeros((len(inputs), nodes))], axis=1)
    values = targets[:, None] == np.arange(outputs) if outputs > 1 else targets[:, None]
    return Data(*(jnp.asarray(one, jnp.float32) for one in (features, values)))


@partial(jax.jit, static_argnames=("growth", "has_classes"))
def _grow_all(keys: Array, data: Data, test: Data, reads: Array, growth: Growth, has_classes: bool) -> Any:
    return jax.lax.map(lambda key: _grow(key, data, test, reads, growth, has_classes), keys)


def _grow(key: Array, data: Data, test: Data, reads: Array, growth: Growth, has_classes: bool) -> Any:
    """Grow one network: measures and weights, stacked over sizes; the node after the last one is of no use."""
    width, outputs = data.features.shape[1], data.targets.shape[1]
    first = width - growth.nodes
    squash = ACTIVATIONS["sigmoid" if has_classes else "identity"]

    def answers(outgoing: Array, one: Data) -> Array:
        return squash(one.features @ outgoing)

    def add(carry: Any, given: Any) -> Any:
        data, test, outgoing = carry
        key, place = given
        there = jnp.arange(width) < place
        can = (there & reads)[:, None]
        outgoing = (
            _trained(
                lambda weights: _error(answers(jnp.where(can, weights, 0), data), data.targets), outgoing, growth.steps
            )
            * can
        )
        error = answers(outgoing, data) - data.targets
        measured = [_measured(answers(outgoing, one), one.targets, has_classes) for one in (data, test)]
        pool = jax.random.uniform(key, (growth.candidates, width), minval=-1, maxval=1)

        def worst(weights: Array) -> Array:
            return -covariance(data.features, weights * there[None], error).sum()

        pool = _trained(worst, pool, growth.steps) * there[None]
        best = pool[covariance(data.features, pool, error).argmax()]
        after = data.with_node(best, place), test.with_node(best, place), outgoing
        return after, (*measured[0], *measured[1], best, outgoing)

    start = data, test, jnp.zeros((width, outputs))
    places = first + jnp.arange(growth.nodes + 1)
    return jax.lax.scan(add, start, (jax.random.split(key, growth.nodes + 1), places))[1]


def covariance(
    features: Float[Array, "examples features"],
    weights: Float[Array, "candidates features"],
    error: Float[Array, "examples outputs"],
) -> Float[Array, " candidates"]:
    """Sum over outputs of the size of the covariance of a candidate's value and the error, for each candidate."""
    error = error - error.mean(axis=0, keepdims=True)

    def of_one(own: Array) -> Array:
        return jnp.abs(ACTIVATIONS[ACTIVATION](features @ own) @ error).sum() / len(features)

    return jax.vmap(of_one)(weights)


def _trained(loss: Callable[[Array], Array], start: Array, steps: int) -> Array:
    """Go down a loss by all examples at once."""

    def step(carry: Any, _: None) -> Any:
        weights, memory = carry
        updates, memory = OPTIMIZER.update(jax.grad(loss)(weights), memory, weights)
        return (optax.apply_updates(weights, updates), memory), None

    return jax.lax.scan(step, (start, OPTIMIZER.init(start)), length=steps)[0][0]


def _error(outputs: Array, targets: Array) -> Array:
    return jnp.square(outputs - targets).sum(axis=1).mean()


def _measured(outputs: Array, targets: Array, has_classes: bool) -> tuple[Array, Array]:
    right = jnp.mean(outputs.argmax(axis=1) == targets.argmax(axis=1)) if has_classes else jnp.nan
    return _error(outputs, targets), jnp.asarray(right)
