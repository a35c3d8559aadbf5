"""Probes of why a criterion errs: gain curves, interactions of pairs, correlated activations."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Float

from analysis._errors import InputError
from sweeps import _checks
from sweeps._objective import Objective
from sweeps.ranking import _neighbours
from sweeps.ranking._criteria import Scorer, activations, checked_gates, second_derivatives

# From -0.25 to 1.25 in steps of 0.05.
GAINS = tuple((np.arange(-5, 26) / 20).tolist())


class GainCurve(NamedTuple):
    """The loss against the gain of a node.

    Attributes
    ----------
    gain : numpy.ndarray of float64, (points,)
        The gate of the node: 1 = on, 0 = off.
    loss : numpy.ndarray of float64, (points,)
        Mean loss at each gain, in the loss's unit.
    first_order : numpy.ndarray of float64, (points,)
        The tangent at the node's own gate.
    second_order : numpy.ndarray of float64, (points,)
        The parabola there.
    node : int
        Number of the node.
    name : str
        Its name.
    layer : str
        The name of its layer.
    unit : str
        Unit of the loss, such as ``nats``.

    See Also
    --------
    gain_curve : Makes one.
    analysis.figures.removal.gain : Draws one.
    """

    gain: Float[np.ndarray, " points"]
    loss: Float[np.ndarray, " points"]
    first_order: Float[np.ndarray, " points"]
    second_order: Float[np.ndarray, " points"]
    node: int
    name: str
    layer: str
    unit: str

    def to_dataset(self) -> xr.Dataset:
        """Return the curve with labels.

        Returns
        -------
        xarray.Dataset
            ``loss``, ``first_order`` and ``second_order`` lie along ``gain``; the name of the node and its layer are
            attributes.
        """
        lines = {name: ("gain", getattr(self, name), {"units": self.unit}) for name in self._fields[1:4]}
        return xr.Dataset(lines, {"gain": self.gain}, {"node": self.name, "layer": self.layer})


def gain_curve(objective: Objective, node: int, *, gates: Any = None, gains: Any = GAINS) -> GainCurve:
    """Evaluate the loss along the gain of a node, with its predictions to first and second order.

    These are ``E(g) + (gain - g) dE/dg``, and the same plus ``(gain - g)^2 / 2 d^2E/dg^2``, with g the node's own gate.
    Where the curve bends away from them, a criterion of that order errs.

    Parameters
    ----------
    objective : sweeps.Objective
        Of a network or any function.
    node : int
        Number of the node.
    gates : array_like, (nodes,), optional
        Point of expansion; None takes all on.
    gains : array_like, (points,), optional
        Gates of the node; by default from -0.25 to 1.25 in steps of 0.05.

    Returns
    -------
    GainCurve
        The loss and both predictions.

    Raises
    ------
    InputError
        If there is no such node, the gains are no vector, or the gates have another shape.

    See Also
    --------
    scores : Predictions at a gain of 0, for all nodes.

    References
    ----------
    N. Wolfe, A. Sharma, B. Raj (2016), The Incredible Shrinking Neural Network: Pruning to Operate in Constrained
    Memory Environments, figures 3 to 5.

    Examples
    --------
    >>> import sweeps
    >>> objective = sweeps.Objective.from_function(lambda gates: (gates**2).sum(), nodes=2)
    >>> curve = sweeps.ranking.gain_curve(objective, 0, gains=(0, 1, 2))
    >>> curve.loss.tolist(), curve.first_order.tolist(), curve.second_order.tolist()
    ([1.0, 2.0, 5.0], [0.0, 2.0, 4.0], [1.0, 2.0, 5.0])
    """
    vector = checked_gates(objective, gates)
    node, gains = _checks.whole("node", node, 0, len(vector) - 1), _checks.numbers("gains", gains).astype(float)
    if gains.ndim != 1 or not np.isfinite(gains).all():
        raise InputError(f"gains must be one vector of finite numbers, got {_checks.shown(gains)}")
    masks = np.tile(vector, (len(gains), 1))
    masks[:, node] = gains
    here = objective.evaluate(vector)
    with jax.default_matmul_precision(objective.precision):
        second = second_derivatives(objective.plan.tree, jnp.asarray(vector), jnp.asarray([node]))
    away = gains - vector[node]
    tangent = float(here.loss) + away * float(np.asarray(here.loss_gradient)[node])
    return GainCurve(
        gains,
        np.asarray(objective.evaluate(masks, gradients=False).loss, float),
        tangent,
        tangent + away**2 / 2 * float(second[0]),
        node,
        objective.nodes[node],
        objective.layers[node],
        objective.unit,
    )


def pair_interaction(objective: Objective, *, gates: Any = None) -> Float[np.ndarray, "nodes nodes"]:
    """Change of the loss when two nodes go off together, minus the changes when each goes off alone.

    Negative if the effects of two nodes cancel: removing both costs less than the sum. Positive if they stand in for
    each other: each alone is spared, and both are not.

    Parameters
    ----------
    objective : sweeps.Objective
        Of a network or any function.
    gates : array_like, (nodes,), optional
        Gates before the removal; None takes all on.

    Returns
    -------
    numpy.ndarray of float64, (nodes, nodes)
        Symmetric, in the loss's unit; zero with a node that is off already, and NaN on the diagonal.

    Raises
    ------
    InputError
        If the gates have another shape.

    See Also
    --------
    activation_correlation : Which nodes do alike.

    Examples
    --------
    >>> import sweeps
    >>> objective = sweeps.Objective.from_function(lambda gates: gates[0] * gates[1], nodes=2)
    >>> sweeps.ranking.pair_interaction(objective).tolist()
    [[nan, 1.0], [1.0, nan]]
    """
    vector = checked_gates(objective, gates)
    without = vector[None] * (1 - np.eye(len(vector), dtype=vector.dtype))

    def losses(masks: np.ndarray) -> np.ndarray:
        return _neighbours.losses(objective, masks).astype(float)

    # A row at a time: all masks together would have shape (nodes, nodes, nodes). First comes the row's node alone.
    rows = [losses(np.concatenate([mask[None], without * mask[None]])) for mask in without]
    alone = np.asarray([row[0] for row in rows])
    both = np.stack([row[1:] for row in rows])
    together = (both + both.T) / 2 + losses(vector[None]) - alone[:, None] - alone[None]
    np.fill_diagonal(together, np.nan)
    return together


def activation_correlation(objective: Objective, *, gates: Any = None) -> Float[np.ndarray, "nodes nodes"]:
    """Return the Pearson correlation over the examples of the activations of each two nodes.

    Parameters
    ----------
    objective : sweeps.Objective
        Of a ``sweeps.MLP`` with all hidden nodes gated.
    gates : array_like, (nodes,), optional
        None takes all on. Gates change the correlations of nodes in later layers only.

    Returns
    -------
    numpy.ndarray of float64, (nodes, nodes)
        Symmetric, 1 on the diagonal; NaN for a node whose activation is constant or not finite.

    Raises
    ------
    InputError
        If the objective has no such network, or the gates have another shape.

    See Also
    --------
    replacement_paths : Lets correlated nodes take over from those that go.

    Examples
    --------
    >>> import sweeps
    >>> task = sweeps.tasks.circle(test_examples=8)
    >>> objective = sweeps.Objective(sweeps.MLP((2, 3, 2), seed=0), task.test)
    >>> sweeps.ranking.activation_correlation(objective).shape
    (3, 3)
    """
    vector = checked_gates(objective, gates)
    values = activations(Scorer(objective, "activation").needed_network, jnp.asarray(vector)).astype(np.float64)
    # The deviations of a constant are rounding errors.
    rounding = 8 * np.finfo(vector.dtype).eps * np.linalg.norm(values, axis=1)
    with np.errstate(invalid="ignore"):
        values -= values.mean(axis=1, keepdims=True)
        size = np.linalg.norm(values, axis=1)
        scaled = values / np.where(size <= rounding, np.nan, size)[:, None]
        return scaled @ scaled.T
