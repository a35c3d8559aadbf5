"""Removals with others taking over: every choice of the next node with everything that may stand in for it."""

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr

from sweeps import ranking
from sweeps._batches import Task
from sweeps._networks import MLP
from sweeps._store import datasets
from sweeps.ranking._replacing import RIDGE

# Paths of each network.
WAYS = len(ranking.STAND_INS) * len(ranking.REPLACEMENT_METHODS)
CURVES = ("loss", "accuracy", "test_loss", "test_accuracy")


def replaced(
    networks: Sequence[MLP], task: Task, loss: str, seed: int, count: Callable[[int], None] = lambda paths: None
) -> xr.Dataset:
    """Remove all nodes of networks of one layer by each choice, with each stand-in.

    Parameters
    ----------
    networks : sequence of MLP
        They are not changed.
    task : sweeps.Task
    loss : str
        By which nodes are ranked.
    seed : int
        Of random choices.
    count : callable
        Called with the number of paths that were walked.

    Returns
    -------
    xarray.Dataset
        `loss`, `accuracy`, `test_loss`, `test_accuracy` (stand_in, choice, network, step) and `order`
        (stand_in, choice, network, removal).
    """
    shape = len(ranking.STAND_INS), len(ranking.REPLACEMENT_METHODS), len(networks)
    nodes = networks[0].sizes[-2]
    found = {name: np.zeros((*shape, nodes + 1), np.float32) for name in CURVES}
    order = np.zeros((*shape, nodes), np.int64)
    for row, stand_in in enumerate(ranking.STAND_INS):
        for column, choice in enumerate(ranking.REPLACEMENT_METHODS):
            paths = ranking.replacement_paths(
                networks, task.train, method=choice, stand_in=stand_in, loss=loss, test=task.test, seed=seed
            )
            for name in CURVES:
                found[name][row, column] = getattr(paths, name)
            order[row, column] = paths.order
            count(len(networks))
    over = ("stand_in", "choice", "network")
    return xr.Dataset(
        {name: ((*over, "step"), values) for name, values in found.items()} | {"order": ((*over, "removal"), order)},
        {
            "stand_in": datasets.names(ranking.STAND_INS),
            "choice": datasets.names(ranking.REPLACEMENT_METHODS),
            "network": np.arange(len(networks)),
            "step": np.arange(nodes + 1),
            "removal": np.arange(1, nodes + 1),
        },
        dict(ridge=RIDGE, seed=seed),
    )
