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

# Of the step size of the first training: the network is where it should be, but for what is missing.
SLOWER = 0.3
KEPT = ("loss", "accuracy", "test_accuracy")


def of_network(network: MLP, task: Task, paths: xr.Dataset, methods: Sequence[str], settings: Shrinking) -> xr.Dataset:
    """Loss and accuracy along re-ranked removals, with training after every so many, by method.

    Parameters
    ----------
    network, task : trained, on it, with squared error; the network is not changed
    paths : of the same network without retraining, which are the ones of ``every`` zero
    methods : of ranking
    settings : how often, how long
    """
    plain = paths[list(KEPT)].sel({"ranking": "reranked", "ranked_by": list(methods)}).drop_vars("ranking")
    data = [plain] + [_path(network, task, methods, every, settings) for every in settings.retrain_every]
    return (
        xr.concat(data, "every")
        .assign_coords(every=[0, *settings.retrain_every])
        .assign_attrs(network="1", epochs=settings.retrain_epochs, learning_rate=SLOWER * settings.learning_rate)
    )


def _path(network: MLP, task: Task, methods: Sequence[str], every: int, settings: Shrinking) -> xr.Dataset:
    nodes = sum(network.sizes[1:-1])
    networks = [nnx.clone(network) for _ in methods]
    gates = np.ones((len(methods), nodes), np.float32)
    optimizer = optax.adam(SLOWER * settings.learning_rate)
    found = np.zeros((len(KEPT), len(methods), nodes + 1))
    pairs = [_objectives(one, task) for one in networks]
    for step in range(nodes + 1):
        if step and step % every == 0 and step < nodes:
            masked = [Masked(one, masks_of_nodes(one, mask)) for one, mask in zip(networks, gates, strict=True)]
            train_many(
                masked,
                [task] * len(methods),
                optimizer,
                settings.retrain_epochs,
                settings.batch_size,
                [settings.seed + step] * len(methods),
                "squared_error",
            )
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


def _objectives(network: MLP, task: Task) -> tuple[Objective, Objective]:
    train, test = (Objective(network, batch, loss="squared_error") for batch in (task.train, task.test))
    return train, test
