"""Retraining: removals with some training after every few of them, the removed nodes staying off."""

from collections.abc import Sequence

import numpy as np
import optax
import xarray as xr
from flax import nnx

from sweeps import ranking
from sweeps.networks import MLP
from sweeps.objective import Objective
from sweeps.pruning import Masked, masks_of_nodes
from sweeps.studies.shrinking.settings import Shrinking
from sweeps.tasks import Task
from sweeps.training import train_many

# Times the learning rate of the first training: the network starts close to where it should be.
SLOWER = 0.3
KEPT = ("loss", "accuracy", "test_accuracy")


def retrained(network: MLP, task: Task, paths: xr.Dataset, methods: Sequence[str], settings: Shrinking) -> xr.Dataset:
    """Remove nodes again, re-ranked, with training after every few removals.

    Parameters
    ----------
    network : sweeps.networks.MLP
        Trained with squared error; it is not changed.
    task : sweeps.tasks.Task
        What it was trained on.
    paths : xarray.Dataset
        Removal paths of the same network without retraining; the result has them at ``every`` 0.
    methods : sequence of str
        By which nodes are ranked.
    settings : sweeps.studies.shrinking.settings.Shrinking

    Returns
    -------
    xarray.Dataset
        `loss`, `accuracy` and `test_accuracy` (every, ranked_by, step).
    """
    plain = paths[list(KEPT)].sel({"ranking": "reranked", "ranked_by": list(methods)}).drop_vars("ranking")
    data = [plain] + [_path(network, task, methods, every, settings) for every in settings.retrain_every]
    return (
        xr.concat(data, "every")
        .assign_coords(every=[0, *settings.retrain_every])
        .assign_attrs(network="1", epochs=settings.retrain_epochs, learning_rate=SLOWER * settings.learning_rate)
    )


def _path(network: MLP, task: Task, methods: Sequence[str], every: int, settings: Shrinking) -> xr.Dataset:
    """Remove every node by each method, with training after every so many removals."""
    nodes = sum(network.sizes[1:-1])
    networks = [nnx.clone(network) for _ in methods]
    gates = np.ones((len(methods), nodes), np.float32)
    # One object: training compiles anew for another one.
    optimizer = optax.adam(SLOWER * settings.learning_rate)
    found = np.zeros((len(KEPT), len(methods), nodes + 1))
    pairs = [_objectives(one, task) for one in networks]
    for step in range(nodes + 1):
        if step and step % every == 0 and step < nodes:
            masked = [Masked(one, masks_of_nodes(one, mask)) for one, mask in zip(networks, gates, strict=True)]
            _train_on(masked, task, optimizer, settings, settings.seed + step)
            pairs = [_objectives(one, task) for one in networks]
        for index, method in enumerate(methods):
            objective, test = pairs[index]
            found[:, index, step] = (
                float(objective.evaluate(gates[index], gradients=False).loss),
                float(objective.accuracy(gates[index])),
                float(test.accuracy(gates[index])),
            )
            if step < nodes:
                gates[index, ranking.scores(objective, method, gates[index]).argmin()] = 0
    return xr.Dataset(
        {name: (("ranked_by", "step"), values) for name, values in zip(KEPT, found, strict=True)},
        dict(ranked_by=np.asarray(methods, object), step=np.arange(nodes + 1)),
    )


def _train_on(
    networks: Sequence[Masked], task: Task, optimizer: optax.GradientTransformation, settings: Shrinking, seed: int
) -> None:
    """Train networks in place; the nodes that are masked stay off."""
    tasks, seeds = [task] * len(networks), [seed] * len(networks)
    epochs, batch_size = settings.retrain_epochs, settings.batch_size
    train_many(networks, tasks, optimizer, epochs, batch_size, seeds, "squared_error")


def _objectives(network: MLP, task: Task) -> tuple[Objective, Objective]:
    train, test = (Objective(network, batch, loss="squared_error") for batch in (task.train, task.test))
    return train, test
