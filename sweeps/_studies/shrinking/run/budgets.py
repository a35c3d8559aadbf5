"""Budgets of memory: networks pruned to so many bytes, beside networks that were trained at that size."""

from collections.abc import Callable, Sequence

import numpy as np
import optax
import xarray as xr
from flax import nnx

from analysis._errors import InputError
from sweeps import pruning, ranking
from sweeps._batches import Task
from sweeps._networks import MLP
from sweeps._store import datasets
from sweeps._studies.shrinking.names import METHODS, RANKINGS
from sweeps._studies.shrinking.run.paths import removal_paths
from sweeps._studies.shrinking.run.retraining import SLOWER
from sweeps._studies.shrinking.run.training import Kind, described, trained, untrained
from sweeps._studies.shrinking.settings import Shrinking
from sweeps._training import train_many

# Bytes of a parameter.
FLOAT = 4
# By default, shares of a network's own bytes.
SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2)
# Epochs of the training after pruning, as a share of those before.
AFTERWARDS = 0.25
TRAINED = "trained"


def sizes_of(settings: Shrinking, task: Task) -> dict[int, int]:
    """Return the nodes of the largest network of one layer within each budget, by budget, from the smallest.

    Raises
    ------
    InputError
        If a budget that was asked for has room for no node, or for all.
    """
    inputs, outputs = task.train.inputs.shape[1], task.classes or 1
    each, rest = FLOAT * (inputs + 1 + outputs), FLOAT * outputs
    own = rest + each * settings.nodes
    asked = settings.budgets if settings.budgets is not None else tuple(int(own * share) for share in SHARES)
    found = {budget: (budget - rest) // each for budget in sorted(asked)}
    if settings.budgets is None:  # of a network of few nodes some shares are too small
        return {budget: nodes for budget, nodes in found.items() if 1 <= nodes < settings.nodes}
    wrong = [budget for budget, nodes in found.items() if not 1 <= nodes < settings.nodes]
    if wrong:
        raise InputError(
            f"budgets must be from {rest + each} to {own - 1} bytes for {settings.nodes} nodes, got {wrong[0]}"
        )
    return found


def wide_of(settings: Shrinking) -> int:
    """Return the nodes of the wider networks; 0 for none."""
    return 2 * settings.nodes if settings.wide_nodes is None else settings.wide_nodes


def in_budgets(
    kind: Kind, paths: xr.Dataset, settings: Shrinking, count: Callable[[int], None]
) -> dict[str, xr.Dataset]:
    """Prune networks to each budget by brute force, and train networks of that size; all are then trained on.

    Parameters
    ----------
    kind : Kind
        Networks of one layer.
    paths : xarray.Dataset
        Their removal paths.
    settings : Shrinking
    count : callable
        Called with the number of paths that were walked.

    Returns
    -------
    dict of str to xarray.Dataset
        By group: ``budgets``, with `loss`, `accuracy`, `test_loss`, `test_accuracy` (network, source, trained_on,
        budget) and the coordinates `nodes` and `bytes` (budget,); networks and paths of the wide networks; and the
        parameters of the networks of each size, before and after they were trained on.
    """
    sizes = sizes_of(settings, kind.job.task)
    if not sizes:
        return {}
    sources, found = {str(settings.nodes): (kind.networks, paths)}, {}
    if wide_nodes := wide_of(settings):
        job = kind.job._replace(key="wide", hidden=(wide_nodes,), methods=METHODS[:1], rankings=RANKINGS[1:])
        wide = trained(settings, job)
        own = removal_paths(wide, settings.seed, count)
        found = {"networks/wide": described(wide, settings.epochs), "paths/wide": own}
        sources[str(wide_nodes)] = wide.networks, own
    parts = []
    for nodes in sizes.values():
        before = _train(untrained(kind.job, (nodes,)), kind, settings, 1.0, settings.epochs)
        for networks, own in sources.values():
            before += [_pruned(one, own.isel(network=index), nodes) for index, one in enumerate(networks)]
        epochs = max(1, round(AFTERWARDS * settings.epochs))
        later = _train([nnx.clone(one) for one in before], kind, settings, SLOWER, epochs)
        for name, networks in (("pruned", before), ("trained_on", later)):
            found[f"{name}/{nodes}"] = datasets.of_parameters(networks).assign_attrs(datasets.structure(networks[0]))
        parts.append([_evaluated(networks, kind) for networks in (before, later)])
    names = [TRAINED, *sources]
    values = np.asarray(parts).reshape(len(sizes), 2, 4, len(names), settings.networks)
    over = ("network", "source", "trained_on", "budget")
    data = xr.Dataset(
        {
            name: (over, values[:, :, index].transpose(3, 2, 1, 0))
            for index, name in enumerate(("loss", "accuracy", "test_loss", "test_accuracy"))
        },
        dict(network=range(settings.networks), source=datasets.names(names), trained_on=[0, epochs])
        | dict(budget=list(sizes), nodes=("budget", list(sizes.values()))),
        dict(epochs=epochs, learning_rate=SLOWER * settings.learning_rate),
    )
    return found | {"budgets": data}


def _train(networks: list[MLP], kind: Kind, settings: Shrinking, slower: float, epochs: int) -> list[MLP]:
    """Train networks of one structure in place, those of each source from the seeds of the study."""
    count = len(networks)
    seeds = kind.job.seeds * (count // len(kind.job.seeds))
    optimizer = optax.adam(slower * settings.learning_rate)
    train_many(
        networks,
        [kind.job.task] * count,
        optimizer=optimizer,
        epochs=epochs,
        batch_size=settings.batch_size,
        seeds=seeds,
        loss=kind.job.loss,
    )
    return networks


def _pruned(network: MLP, paths: xr.Dataset, nodes: int) -> MLP:
    """Return a smaller network, with the nodes that brute force, re-ranked, leaves to the last."""
    order = paths.order.sel({"ranked_by": "brute_force", "ranking": "reranked"}).values
    keep = ranking.masks_along(order)[len(order) - nodes] > 0
    smaller: MLP = pruning.remove_nodes(network, keep)
    return smaller


def _evaluated(networks: Sequence[MLP], kind: Kind) -> np.ndarray:
    """Return loss, accuracy, test loss and test accuracy of networks of one structure, (4, networks)."""
    task = kind.job.task
    found = [
        pruning.evaluate(networks, [{}] * len(networks), batch, loss=kind.job.loss) for batch in (task.train, task.test)
    ]
    return np.stack([values for one in found for values in one])
