"""Criteria: measured, predicted or cheap scores of the next node to remove."""

from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from analysis._errors import InputError, InputTypeError
from analysis.hypercube import shapley
from sweeps import _checks, _compiling
from sweeps._engine.runner import sweep
from sweeps._masks.designs import Hypercube
from sweeps._objective import Objective
from sweeps._plans import Plan
from sweeps.ranking import _layered, _neighbours, _removal

METHODS: tuple[str, ...] = (
    "brute_force",
    "first_order",
    "second_order",
    "gradient",
    "magnitude",
    "activation",
    "random",
    "shapley",
)
# Most nodes for Shapley values, which need the whole hypercube.
MOST_CUBE_NODES = 20


def scores(
    objective: Objective, method: str = "brute_force", *, gates: Any = None, seed: int = 0
) -> Float[np.ndarray, " nodes"]:
    """Score every node that is on, by the change of the loss when it goes off or by a criterion in its place.

    Nodes with low scores should go first.

    Parameters
    ----------
    objective : sweeps.Objective
        Of a network or any function, with any loss.
    method : {"brute_force", "first_order", "second_order", "gradient", "magnitude", "activation", "random", "shapley"}
        With g the gate of node k (1 if it is on) and E the mean loss:

        - ``"brute_force"``: the measured change, which is right for one removal and costs an evaluation a node
        - ``"first_order"``: ``-g dE/dg``, predicted by the tangent
        - ``"second_order"``: ``-g dE/dg + g^2/2 d^2E/dg^2``, predicted by the parabola with the true second derivative;
          exact for squared error if the outputs are affine in the gates
        - ``"gradient"``: ``|dE/dg|``
        - ``"magnitude"``: Euclidean norm of the node's outgoing weights
        - ``"activation"``: standard deviation of the activation over the examples, before the gate
        - ``"random"``: uniform numbers from [0, 1), the same for the same seed
        - ``"shapley"``: minus the Shapley value of switching the node on, among the nodes that are on; from all masks,
          so for 20 nodes at most
    gates : array_like, (nodes,), optional
        Gates before the removal; None takes all on.
    seed : int, default 0
        For ``"random"``.

    Returns
    -------
    numpy.ndarray, (nodes,)
        In the loss's unit for brute_force, first_order, second_order, gradient and shapley. A node whose gate is zero
        scores infinity: it cannot be removed again.

    Raises
    ------
    InputError
        If the method is unknown; if it needs weights or activations and the objective is not of a ``sweeps.MLP`` with
        all hidden nodes gated; for shapley, if nodes are too many or gates between 0 and 1; if the gates have another
        shape.

    See Also
    --------
    removal_path : Removes one node after the other by these scores.
    sweeps.pruning.unit_scores : Scores the nodes of a network, layer by layer.

    References
    ----------
    N. Wolfe, A. Sharma, B. Raj (2016), The Incredible Shrinking Neural Network: Pruning to Operate in Constrained
    Memory Environments, for brute force and the first two orders; M. C. Mozer, P. Smolensky (1989), Skeletonization,
    NIPS 1, for the first order; L. S. Shapley (1953), A value for n-person games.

    Examples
    --------
    >>> import sweeps
    >>> objective = sweeps.Objective.from_function(lambda gates: (1 - gates[0]) ** 2 + 0.25 * (1 - gates[1]), nodes=2)
    >>> sweeps.ranking.scores(objective, method="brute_force").tolist()
    [1.0, 0.25]
    >>> sweeps.ranking.scores(objective, method="first_order").tolist()
    [0.0, 0.25]
    """
    return Scorer(objective, method, seed)(checked_gates(objective, gates))


def check_objective(objective: Any) -> None:
    """Raise TypeError if the argument is no objective."""
    if not isinstance(objective, Objective):
        raise InputTypeError(f"objective must be a sweeps.Objective, got {type(objective).__name__}")


def checked_gates(objective: Objective, gates: Any) -> np.ndarray:
    """Return a gate vector; None stands for all nodes on.

    Raises
    ------
    InputError
        If it is not a vector with a gate for each node.
    """
    check_objective(objective)
    vector = np.asarray(objective._checked_gates(np.ones(len(objective.nodes)) if gates is None else gates))
    if vector.ndim != 1:
        raise InputError(f"gates must be one vector of shape ({len(objective.nodes)},), got shape {vector.shape}")
    return vector


# Layers by objective, while the objective lives, so that their activations are computed once.
_KNOWN: WeakKeyDictionary[Objective, _layered.Layered | None] = WeakKeyDictionary()


def layers_of(objective: Objective) -> _layered.Layered | None:
    """Return the layers of an objective's network, or None if it is no plain MLP.

    The layers must agree with the objective at a random gate vector: the objective may call the network in its own way.
    """
    if objective not in _KNOWN:
        network = _layered.from_objective(objective)
        _KNOWN[objective] = network if network is not None and _agree(network, objective) else None
    return _KNOWN[objective]


def _agree(network: _layered.Layered, objective: Objective) -> bool:
    gates = np.random.default_rng(0).uniform(0.5, 1, size=network.nodes)
    with jax.default_matmul_precision(objective.precision):
        loss = _removal.measured(network, objective._checked_gates(gates)).loss
    # Wrong layers make far larger differences than rounding; networks with narrow floats round more.
    close = 1e-3 if network.is_exact else 0.1
    return np.allclose(objective.evaluate(gates, gradients=False).loss, loss, rtol=close, equal_nan=True)


class Scorer:
    """A criterion for an objective, which keeps the constants of all removals.

    Parameters
    ----------
    objective : sweeps.Objective
        As for ``scores``.
    method : str
        As for ``scores``.
    seed : int, default 0
        As for ``scores``.

    Raises
    ------
    InputError
        As ``scores``.
    """

    def __init__(self, objective: Objective, method: str, seed: int = 0):
        check_objective(objective)
        self.objective, self.method = objective, _checks.one_of("method", method, METHODS)
        self.seed = _checks.seed("seed", seed)
        if method in ("magnitude", "activation"):
            _ = self.needed_network
        if method == "shapley" and len(objective.nodes) > MOST_CUBE_NODES:
            raise InputError(
                f"method 'shapley' evaluates all masks of at most {MOST_CUBE_NODES} nodes, got {len(objective.nodes)}"
            )

    def __call__(self, gates: Float[np.ndarray, " nodes"]) -> Float[np.ndarray, " nodes"]:
        """Return the scores at a gate vector, infinite where a gate is zero."""
        with jax.default_matmul_precision(self.objective.precision):
            values = getattr(self, f"_{self.method}")(gates)
        return np.where(gates != 0, np.asarray(values), np.inf)

    @cached_property
    def network(self) -> _layered.Layered | None:
        """The layers of the objective's network if they are exact, or else None."""
        layers = layers_of(self.objective)
        return layers if layers is not None and layers.is_exact else None

    @property
    def needed_network(self) -> _layered.Layered:
        """The layers of the objective's network, exact or not; ValueError if there are none."""
        layers = layers_of(self.objective)
        if layers is None:
            raise InputError(
                f"method {self.method!r} needs the weights and activations of a sweeps.MLP with all hidden nodes gated"
            )
        return layers

    def _brute_force(self, gates: np.ndarray) -> Array | np.ndarray:
        if self.network is not None:
            return _removal.measured(self.network, self.objective._checked_gates(gates)).change
        masks = np.concatenate([gates[None], gates[None] * (1 - np.eye(len(gates), dtype=gates.dtype))])
        loss = _neighbours.losses(self.objective, masks)
        return loss[1:] - loss[0]

    def _first_order(self, gates: np.ndarray) -> np.ndarray:
        return 0 - gates * np.asarray(self.objective.evaluate(gates).loss_gradient)

    def _second_order(self, gates: np.ndarray) -> np.ndarray:
        vector = self.objective._checked_gates(gates)
        if self.network is not None:
            second = _removal.second_derivatives(self.network, vector)
        else:
            second = second_derivatives(self.objective.plan.tree, vector, jnp.arange(len(gates)))
        return self._first_order(gates) + np.square(gates) / 2 * np.asarray(second)

    def _gradient(self, gates: np.ndarray) -> np.ndarray:
        return np.abs(np.asarray(self.objective.evaluate(gates).loss_gradient))

    def _magnitude(self, _: np.ndarray) -> np.ndarray:
        return np.concatenate([np.linalg.norm(np.asarray(kernel), axis=1) for kernel in self.needed_network.kernels])

    def _activation(self, gates: np.ndarray) -> np.ndarray:
        values = activations(self.needed_network, self.objective._checked_gates(gates))
        # Infinite activations give NaN.
        with np.errstate(invalid="ignore"):
            return values.std(axis=1)

    def _random(self, gates: np.ndarray) -> np.ndarray:
        return np.random.default_rng(self.seed).random(len(gates)).astype(gates.dtype)

    def _shapley(self, gates: np.ndarray) -> np.ndarray:
        if not np.isin(gates, (0, 1)).all():
            raise InputError("method 'shapley' needs gates of 0 and 1: between them there is no hypercube")
        on = np.flatnonzero(gates)
        numbers = np.zeros(1, np.int64)
        for node in on:
            numbers = np.concatenate([numbers, numbers + (1 << node)])
        values = np.zeros(len(gates))
        cube = self._cube[numbers]
        # One loss that is not finite leaves no node's value known.
        values[on] = -shapley(cube) if np.isfinite(cube).all() else np.nan
        return values

    @cached_property
    def _cube(self) -> Float[np.ndarray, " masks"]:
        """Loss of every mask; mask number m has node i on when bit i of m is 1."""
        return sweep(self.objective, Hypercube(), gradients=False).loss.values.astype(np.float64)


def activations(network: _layered.Layered, gates: Float[Array, " nodes"]) -> Float[np.ndarray, "nodes examples"]:
    """Return the activation of every node on every example, before its gate."""
    present = np.asarray(network.present).ravel() > 0
    return np.asarray(_layered.all_activations(network, gates))[:, present]


@_compiling.jit
def second_derivatives(plan: Plan, gates: Float[Array, " nodes"], nodes: Int[Array, " some"]) -> Float[Array, " some"]:
    """Return d^2 loss / d gate^2 of some nodes for any plan: forward over reverse, a row of the Hessian at a time."""
    plan = plan.prepared()
    gradient = jax.grad(lambda vector: plan.evaluate(vector[None], False).loss[0])

    def curvature(node: Array) -> Array:
        direction = jnp.zeros_like(gates).at[node].set(1)
        return jax.jvp(gradient, (gates,), (direction,))[1][node]

    return jax.lax.map(curvature, nodes)
