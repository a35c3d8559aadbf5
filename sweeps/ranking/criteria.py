"""Criteria: what says which node to remove next, measured, predicted or merely cheap."""

from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from analysis.errors import InputError, InputTypeError
from sweeps import checks, compiling
from sweeps.engine.runner import sweep
from sweeps.masks.designs import Hypercube
from sweeps.objective import Objective
from sweeps.plans import Plan
from sweeps.ranking import layered, removal

METHODS = (
    "brute_force",
    "first_order",
    "second_order",
    "gradient",
    "magnitude",
    "activation",
    "random",
    "shapley",
)
# Nodes whose whole hypercube is evaluated for Shapley values.
MOST_CUBE_NODES = 20


def scores(
    objective: Objective, method: str = "brute_force", gates: Any = None, *, seed: int = 0
) -> Float[np.ndarray, " nodes"]:
    """Score every node that is on: the change of the loss when it goes off, or what stands for it.

    The lower, the sooner a node should go.

    Parameters
    ----------
    objective : a network's or any function's, with any loss
    method : one of ``METHODS``; with g the gate of node k (1 if it is on) and E the mean loss

        - ``"brute_force"``: the change, measured
        - ``"first_order"``: -g dE/dg, the tangent's prediction
        - ``"second_order"``: -g dE/dg + g^2/2 d^2E/dg^2, the parabola's, with the true second derivative; exact for
          squared error where the outputs are affine in the gates
        - ``"gradient"``: |dE/dg|
        - ``"magnitude"``: Euclidean norm of the weights that leave the node, those that its gate multiplies
        - ``"activation"``: standard deviation over the examples of the activation, before the gate
        - ``"random"``: uniform numbers from [0, 1), the same for the same seed
        - ``"shapley"``: minus the Shapley value of switching the node on, among the nodes that are on; from all masks

    gates : shape (nodes,), the state that nodes are removed from; all on by default
    seed : of the method ``"random"``

    Returns
    -------
    array of shape (nodes,); of the unit of the loss for brute_force, first_order, second_order, gradient and shapley.
    A node whose gate is zero scores infinity: it cannot be removed again.

    Raises
    ------
    ValueError
        If the method is unknown; if it needs weights or activations and the objective is not that of a ``sweeps.MLP``
        with all hidden nodes gated; if shapley is asked of too many nodes or of gates between 0 and 1; if the gates
        are not one vector of one gate a node.

    References
    ----------
    N. Wolfe, A. Sharma, B. Raj (2016), The Incredible Shrinking Neural Network: Pruning to Operate in Constrained
    Memory Environments, for brute force and the first two orders; M. C. Mozer, P. Smolensky (1989), Skeletonization,
    NIPS 1, for the first order; L. S. Shapley (1953), A value for n-person games.

    Examples
    --------
    >>> objective = Objective.from_function(lambda gates: (1 - gates[0]) ** 2 + 0.25 * (1 - gates[1]), nodes=2)
    >>> scores(objective).tolist(), scores(objective, "first_order").tolist()
    ([1.0, 0.25], [0.0, 0.25])
    """
    return Scorer(objective, method, seed)(checked_gates(objective, gates))


def check_objective(objective: Any) -> None:
    """Raise TypeError for what is no objective."""
    if not isinstance(objective, Objective):
        raise InputTypeError(f"objective must be a sweeps.Objective, got {type(objective).__name__}")


def checked_gates(objective: Objective, gates: Any) -> np.ndarray:
    """Return one gate vector, all on for None.

    Raises
    ------
    ValueError
        If it is not one vector of one gate a node.
    """
    check_objective(objective)
    vector = np.asarray(objective.checked_gates(np.ones(len(objective.nodes)) if gates is None else gates))
    if vector.ndim != 1:
        raise InputError(f"gates must be one vector of shape ({len(objective.nodes)},), got shape {vector.shape}")
    return vector


# The layers of objectives that are still in use: their activations are computed once.
_KNOWN: WeakKeyDictionary[Objective, layered.Layered | None] = WeakKeyDictionary()


def layers_of(objective: Objective) -> layered.Layered | None:
    """Return the layers of an objective's network, or None where it has none.

    At one random gate vector the layers have to agree with the objective, which may call the network in a way of its
    own.
    """
    if objective not in _KNOWN:
        network = layered.of_network(objective)
        _KNOWN[objective] = network if network is not None and _agree(network, objective) else None
    return _KNOWN[objective]


def _agree(network: layered.Layered, objective: Objective) -> bool:
    gates = np.random.default_rng(0).uniform(0.5, 1, size=network.nodes)
    with jax.default_matmul_precision(objective.precision):
        said = removal.measured(network, objective.checked_gates(gates)).loss
    # A wrong reading is off by far more than rounding, but for networks that round to fewer bits themselves.
    close = 1e-3 if network.is_exact else 0.1
    return np.allclose(objective.evaluate(gates, gradients=False).loss, said, rtol=close, equal_nan=True)


class Scorer:
    """A criterion for one objective, which keeps what does not change from one removal to the next.

    Parameters
    ----------
    objective, method, seed : as for ``scores``

    Raises
    ------
    ValueError
        As ``scores``.
    """

    def __init__(self, objective: Objective, method: str, seed: int = 0):
        check_objective(objective)
        self.objective, self.method = objective, checks.one_of("method", method, METHODS)
        self.seed = checks.seed("seed", seed)
        if method in ("magnitude", "activation"):
            _ = self.needed_network
        if method == "shapley" and len(objective.nodes) > MOST_CUBE_NODES:
            raise InputError(
                f"method 'shapley' evaluates all masks of at most {MOST_CUBE_NODES} nodes, got {len(objective.nodes)}"
            )

    def __call__(self, gates: Float[np.ndarray, " nodes"]) -> Float[np.ndarray, " nodes"]:
        """Return the scores at a gate vector, infinite where a gate is zero."""
        with jax.default_matmul_precision(self.objective.precision):
            found = getattr(self, f"_{self.method}")(gates)
        return np.where(gates != 0, np.asarray(found), np.inf)

    @cached_property
    def network(self) -> layered.Layered | None:
        """The layers of the objective's network, or None where only the objective itself can be asked."""
        found = layers_of(self.objective)
        return found if found is not None and found.is_exact else None

    @property
    def needed_network(self) -> layered.Layered:
        """The layers, which say at least what they are made of, or ValueError where there are none."""
        found = layers_of(self.objective)
        if found is None:
            raise InputError(
                f"method {self.method!r} needs the weights and activations of a sweeps.MLP with all hidden nodes gated"
            )
        return found

    def _brute_force(self, gates: np.ndarray) -> Array | np.ndarray:
        if self.network is not None:
            return removal.measured(self.network, self.objective.checked_gates(gates)).change
        masks = np.concatenate([gates[None], gates[None] * (1 - np.eye(len(gates), dtype=gates.dtype))])
        loss = np.asarray(self.objective.evaluate(masks, gradients=False).loss)
        return loss[1:] - loss[0]

    def _first_order(self, gates: np.ndarray) -> np.ndarray:
        return 0 - gates * np.asarray(self.objective.evaluate(gates).loss_gradient)

    def _second_order(self, gates: np.ndarray) -> np.ndarray:
        vector = self.objective.checked_gates(gates)
        if self.network is not None:
            second = removal.second_derivatives(self.network, vector)
        else:
            second = second_derivatives(self.objective.plan.tree, vector, jnp.arange(len(gates)))
        return self._first_order(gates) + np.square(gates) / 2 * np.asarray(second)

    def _gradient(self, gates: np.ndarray) -> np.ndarray:
        return np.abs(np.asarray(self.objective.evaluate(gates).loss_gradient))

    def _magnitude(self, _: np.ndarray) -> np.ndarray:
        return np.concatenate([np.linalg.norm(np.asarray(kernel), axis=1) for kernel in self.needed_network.kernels])

    def _activation(self, gates: np.ndarray) -> np.ndarray:
        values = activations(self.needed_network, self.objective.checked_gates(gates))
        # Of infinite activations it is NaN.
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
        found = np.zeros(len(gates))
        found[on] = -shapley_values(self._cube[numbers])
        return found

    @cached_property
    def _cube(self) -> Float[np.ndarray, " masks"]:
        """Loss of every mask; mask number m has node i on when bit i of m is 1."""
        return sweep(self.objective, Hypercube(), gradients=False).loss.values.astype(np.float64)


def activations(network: layered.Layered, gates: Float[Array, " nodes"]) -> Float[np.ndarray, "nodes examples"]:
    """Return the activation of every node on every example, before its gate."""
    present = np.asarray(network.present).ravel() > 0
    return np.asarray(layered.all_activations(network, gates))[:, present]


@compiling.jit
def second_derivatives(plan: Plan, gates: Float[Array, " nodes"], nodes: Int[Array, " some"]) -> Float[Array, " some"]:
    """d^2 loss / d gate^2 of some nodes for any plan: forward over reverse, one row of the Hessian at a time."""
    plan = plan.prepared()
    gradient = jax.grad(lambda vector: plan.evaluate(vector[None], False)[0][0])

    def curvature(node: Array) -> Array:
        direction = jnp.zeros_like(gates).at[node].set(1)
        return jax.jvp(gradient, (gates,), (direction,))[1][node]

    return jax.lax.map(curvature, nodes)


def shapley_values(values: Float[np.ndarray, " masks"]) -> Float[np.ndarray, " nodes"]:
    """Shapley value of switching each node on.

    phi_k = sum over the sets S without k of |S|! (n - |S| - 1)! / n! (values[S and k] - values[S]).

    Parameters
    ----------
    values : shape (2^n,), of mask number m with node i on when bit i of m is 1

    Returns
    -------
    array of shape (n,)
    """
    nodes = len(values).bit_length() - 1
    others = np.bitwise_count(np.arange(len(values) // 2))
    # |S|! (n - |S| - 1)! / n! = 1 / (n binomial(n - 1, |S|)), made one from the other.
    weights = np.ones(max(nodes, 1)) / max(nodes, 1)
    for size in range(1, nodes):
        weights[size] = weights[size - 1] * size / (nodes - size)
    found = np.empty(nodes)
    for node in range(nodes):
        # Leaving the node's bit out of the mask's number leaves the numbers of the other nodes' masks, in order.
        pairs = values.reshape(-1, 2, 2**node)
        found[node] = weights[others] @ (pairs[:, 1] - pairs[:, 0]).ravel()
    return found
