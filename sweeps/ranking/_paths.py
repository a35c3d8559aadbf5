"""Removal paths: nodes removed one after the other, by scores that may be computed anew after each removal."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int

from analysis._errors import InputError
from sweeps import _checks
from sweeps._objective import Objective
from sweeps.ranking import _neighbours, _removal
from sweeps.ranking._criteria import Scorer


class RemovalPath(NamedTuple):
    """Nodes removed one after the other until none is left.

    Attributes
    ----------
    order : numpy.ndarray of int64, (nodes,)
        Node that each removal switches off.
    loss : numpy.ndarray of float64, (nodes + 1,)
        Mean loss before the first removal and after each, in the loss's unit.
    accuracy : numpy.ndarray of float64, (nodes + 1,)
        Share of the examples whose class is right, from 0 to 1; NaN where there are no classes.
    predicted : numpy.ndarray of float64, (nodes,)
        Score of the removed node when it was chosen: the predicted change of the loss, or the method's criterion.
    change : numpy.ndarray of float64, (nodes,)
        Measured change of the loss by each removal.
    best : numpy.ndarray of int64, (nodes,)
        Node with the lowest change of the loss; -1 where that was not measured.
    best_change : numpy.ndarray of float64, (nodes,)
        The change by that node; NaN where that was not measured.
    names : tuple of str
        Name of the node that each removal switches off.
    layers : tuple of str
        Layer of that node.
    method : str
        As given.
    rerank : bool
        As given.
    unit : str
        Unit of the loss, such as ``nats``.

    See Also
    --------
    removal_path : Makes one.
    analysis.removal : Compares several.
    """

    order: Int[np.ndarray, " nodes"]
    loss: Float[np.ndarray, " steps"]
    accuracy: Float[np.ndarray, " steps"]
    predicted: Float[np.ndarray, " nodes"]
    change: Float[np.ndarray, " nodes"]
    best: Int[np.ndarray, " nodes"]
    best_change: Float[np.ndarray, " nodes"]
    names: tuple[str, ...]
    layers: tuple[str, ...]
    method: str
    rerank: bool
    unit: str

    @property
    def is_best(self) -> Bool[np.ndarray, " nodes"]:
        """Whether no other node would have cost less, shape (nodes,); false where that was not measured."""
        return self.change <= self.best_change

    def to_dataset(self) -> xr.Dataset:
        """Return the path with labels.

        Returns
        -------
        xarray.Dataset
            ``loss`` and ``accuracy`` lie along ``step``, the number of removed nodes; ``order``, ``predicted``,
            ``change``, ``best``, ``best_change`` and ``is_best`` along ``removal``, which leads to the step of the same
            number. ``name`` and ``layer`` of the removed node are coordinates; method and rerank are attributes.
        """
        steps = {"loss": self.loss, "accuracy": self.accuracy}
        removals = {
            field: getattr(self, field) for field in ("order", "predicted", "change", "best", "best_change", "is_best")
        }
        data = xr.Dataset(
            {name: ("step", values) for name, values in steps.items()}
            | {name: ("removal", values) for name, values in removals.items()},
            coords=dict(
                step=np.arange(len(self.loss)),
                removal=np.arange(1, len(self.loss)),
                name=("removal", np.asarray(self.names, object)),
                layer=("removal", np.asarray(self.layers, object)),
            ),
            attrs=dict(method=self.method, rerank=int(self.rerank)),
        )
        for name, words in LONG_NAMES.items():
            data[name].attrs.update(long_name=words, units=self.unit if name in IN_LOSS_UNITS else "1")
        return data


LONG_NAMES = {
    "loss": "mean loss",
    "accuracy": "share of right classes",
    "order": "number of the removed node",
    "predicted": "score of the removed node",
    "change": "change of the loss",
    "best": "number of the node that would have cost least",
    "best_change": "least change of the loss by any removal",
    "is_best": "whether no other removal would have cost less",
}
IN_LOSS_UNITS = ("loss", "change", "best_change")


def removal_path(
    objective: Objective, method: str = "brute_force", *, rerank: bool = True, measure: bool = True, seed: int = 0
) -> RemovalPath:
    """Remove all nodes, one after the other, each time the first node with the lowest score.

    Parameters
    ----------
    objective : sweeps.Objective
        Of a network or any function, with any loss.
    method : str, default "brute_force"
        How nodes are scored: one of ``sweeps.ranking.METHODS``, see ``scores``.
    rerank : bool, default True
        Whether to score the remaining nodes anew after each removal. Otherwise they are scored once, all on: cheaper,
        and blind to nodes that stand in for each other.
    measure : bool, default True
        Whether to measure the best removal at each step, which costs as much as ``"brute_force"`` and tells how far the
        method is from it.
    seed : int, default 0
        For ``"random"``.

    Returns
    -------
    RemovalPath
        Order, losses, scores and measured changes.

    Raises
    ------
    InputError
        As ``scores``.

    See Also
    --------
    scores : The scores of one step.
    masks_along : The gates at each step.
    analysis.removal : Compares several paths.

    Notes
    -----
    For a ``sweeps.MLP`` with all hidden nodes gated, brute force is one compiled program. A removal changes the sums of
    the next layer by a matrix of rank one and nothing before them, so that a candidate of the last hidden layer costs
    an elementwise pass over (outputs, examples) and no matrix product. Other objectives are evaluated on all masks with
    one node less, batch by batch.

    References
    ----------
    N. Wolfe, A. Sharma, B. Raj (2016), The Incredible Shrinking Neural Network: Pruning to Operate in Constrained
    Memory Environments.

    Examples
    --------
    >>> import sweeps
    >>> objective = sweeps.Objective.from_function(lambda gates: (1 - gates[0]) ** 2 + 0.25 * (1 - gates[1]), nodes=2)
    >>> path = sweeps.ranking.removal_path(objective, method="first_order")
    >>> path.order.tolist(), path.loss.tolist(), path.is_best.tolist()
    ([0, 1], [0.0, 1.0, 1.25], [False, True])
    """
    rerank, measure = _checks.flag("rerank", rerank), _checks.flag("measure", measure)
    scorer = Scorer(objective, method, seed)
    if measure and scorer.network is not None:
        return _walked(scorer, rerank)
    return _evaluated(scorer, rerank, measure)


def _walked(scorer: Scorer, rerank: bool) -> RemovalPath:
    """Return the path of a layered network, measured by a compiled program."""
    network, greedy = scorer.needed_network, rerank and scorer.method == "brute_force"
    order, predicted = (np.arange(network.nodes), None) if greedy else _ranked(scorer, rerank)
    with jax.default_matmul_precision(scorer.objective.precision):
        walked = _removal.walk(network, jnp.asarray(order, jnp.int32), jnp.asarray(not greedy))
    steps = jax.tree.map(np.asarray, walked)
    change = steps.change[:-1]
    return _labelled(
        scorer,
        rerank,
        order=steps.node[:-1],
        loss=steps.loss,
        accuracy=steps.accuracy,
        predicted=change if predicted is None else predicted,
        change=change,
        best=steps.best[:-1],
        best_change=steps.best_change[:-1],
    )


def _evaluated(scorer: Scorer, rerank: bool, measure: bool) -> RemovalPath:
    """Return the path of any objective, from its values at single masks."""
    order, predicted = _ranked(scorer, rerank)
    nodes = len(order)
    masks = masks_along(order)
    loss = _neighbours.losses(scorer.objective, masks)
    change, best, best_change = np.diff(loss), np.full(nodes, -1), np.full(nodes, np.nan)
    if measure:
        brute = Scorer(scorer.objective, "brute_force")
        for step, mask in enumerate(masks[:-1]):
            changes = brute(np.asarray(scorer.objective._checked_gates(mask)))
            best[step] = lowest(changes, mask != 0)
            change[step], best_change[step] = changes[order[step]], changes[best[step]]
    return _labelled(
        scorer,
        rerank,
        order=order,
        loss=loss,
        accuracy=_accuracy(scorer.objective, masks),
        predicted=predicted,
        change=change,
        best=best,
        best_change=best_change,
    )


def masks_along(order: Any) -> Float[np.ndarray, "steps nodes"]:
    """Return the gates at each step of a path: at step s the first s nodes of the order are off.

    Parameters
    ----------
    order : array_like, (nodes,)
        Number of the node that each removal switches off, such as ``order`` of a ``RemovalPath``.

    Returns
    -------
    numpy.ndarray of float32, (nodes + 1, nodes)
        From all on to all off.

    Raises
    ------
    InputError
        If the order is no permutation of the nodes.

    See Also
    --------
    removal_path : Finds an order.
    sweeps.Masks : Sweeps over gate vectors of one's own.

    Examples
    --------
    >>> import sweeps
    >>> sweeps.ranking.masks_along([1, 0]).tolist()
    [[1.0, 1.0], [1.0, 0.0], [0.0, 0.0]]
    """
    given = _checks.numbers("order", order)
    if given.ndim != 1 or not np.array_equal(np.sort(given), np.arange(len(given))):
        raise InputError(f"order must hold the number of each node once, got {_checks.shown(order)}")
    return (np.argsort(given)[None] >= np.arange(len(given) + 1)[:, None]).astype(np.float32)


def _ranked(scorer: Scorer, rerank: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the order of the removals and the score of each."""
    nodes = len(scorer.objective.nodes)
    gates = np.array(scorer.objective._checked_gates(np.ones(nodes)))
    order, predicted = np.zeros(nodes, np.int64), np.zeros(nodes)
    scores = scorer(gates)
    for step in range(nodes):
        if rerank and step:
            scores = scorer(gates)
        node = lowest(scores, gates != 0)
        order[step], predicted[step], gates[node] = node, scores[node], 0
    return order, predicted


def lowest(values: Float[np.ndarray, " nodes"], on: Bool[np.ndarray, " nodes"]) -> int:
    """Return the first node with the lowest value among those that are on; NaN comes last."""
    return int(_removal.cheapest(jnp.asarray(values), jnp.asarray(on)))


def _accuracy(objective: Objective, masks: Float[np.ndarray, "steps nodes"]) -> Float[np.ndarray, " steps"]:
    """Return the share of right classes with each mask; NaN without classes."""
    return np.full(len(masks), np.nan) if objective.batch is None else np.asarray(objective.accuracy(masks))


def _labelled(scorer: Scorer, rerank: bool, order: np.ndarray, **parts: np.ndarray) -> RemovalPath:
    objective = scorer.objective
    return RemovalPath(
        order=order.astype(np.int64),
        **{name: np.asarray(part, np.int64 if name == "best" else np.float64) for name, part in parts.items()},
        names=tuple(objective.nodes[node] for node in order),
        layers=tuple(objective.layers[node] for node in order),
        method=scorer.method,
        rerank=rerank,
        unit=objective.unit,
    )
