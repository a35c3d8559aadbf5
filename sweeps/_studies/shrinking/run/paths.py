"""Paths: all nodes removed by each method; error surfaces of single choices; pairs of nodes."""

from collections.abc import Callable

import numpy as np
import xarray as xr

from sweeps import ranking
from sweeps._store import datasets
from sweeps._studies.shrinking.names import METHODS
from sweeps._studies.shrinking.run.training import Kind

_KEPT = ("loss", "accuracy", "order", "predicted", "change", "best", "best_change", "is_best")


def removal_paths(kind: Kind, seed: int, count: Callable[[int], None] = lambda number: None) -> xr.Dataset:
    """Remove all nodes of each network by each method, ranked once and again after each removal.

    Parameters
    ----------
    kind : Kind
    seed : int
        Of random choices: each network has its own.
    count : callable
        Called with the number of paths that were walked.

    Returns
    -------
    xarray.Dataset
        What `sweeps.ranking.RemovalPath` has, and `test_accuracy`; (network, ranked_by, ranking, step or removal).
    """
    job, first = kind.job, kind.objectives[0]
    found = []
    for index, (objective, test) in enumerate(zip(kind.objectives, kind.tests, strict=True)):
        for method in job.methods:
            for name in job.rankings:
                path = ranking.removal_path(objective, method=method, rerank=name == "reranked", seed=seed + index)
                accuracy = np.asarray(test.accuracy(ranking.masks_along(path.order)))
                found.append(path.to_dataset()[list(_KEPT)].drop_vars(["name", "layer"], errors="ignore"))
                found[-1]["test_accuracy"] = "step", accuracy
                count(1)
    shape = len(kind.objectives), len(job.methods), len(job.rankings)
    over = ("network", "ranked_by", "ranking")
    data = xr.Dataset(
        {
            name: ((*over, *one.dims), np.stack([part[name] for part in found]).reshape(*shape, -1), one.attrs)
            for name, one in found[0].data_vars.items()
        },
        {name: found[0][name].values for name in ("step", "removal")}
        | dict(network=range(shape[0]), ranked_by=datasets.names(job.methods), ranking=datasets.names(job.rankings))
        | dict(node=datasets.names(first.nodes), layer=("node", datasets.names(first.layers))),
        dict(seed=seed),
    )
    data.test_accuracy.attrs.update(long_name="share of right classes on the test set", units="1")
    return data


def surfaces(kind: Kind, paths: xr.Dataset, every: int) -> xr.Dataset:
    """Loss against the gain of the chosen node at every tenth or so removal of the re-ranked paths."""
    removed = np.arange(0, len(kind.objectives[0].nodes), every)
    found = []
    for index, objective in enumerate(kind.objectives):
        for method in METHODS:
            order = paths.order.sel({"network": index, "ranked_by": method, "ranking": "reranked"}).values
            masks = ranking.masks_along(order)
            found += [ranking.gain_curve(objective, int(order[step]), gates=masks[step]) for step in removed]
    shape = len(kind.objectives), len(METHODS), len(removed)
    over = ("network", "ranked_by", "removed")
    data = xr.Dataset(
        {
            name: ((*over, "gain"), np.stack([getattr(curve, name) for curve in found]).reshape(*shape, -1))
            for name in ("loss", "first_order", "second_order")
        },
        dict(network=range(shape[0]), ranked_by=datasets.names(METHODS), removed=removed, gain=found[0].gain),
    )
    data["node"] = over, np.reshape([curve.node for curve in found], shape)
    for name, words in dict(loss="mean loss", first_order="tangent", second_order="parabola").items():
        data[name].attrs.update(long_name=words, units=kind.objectives[0].unit)
    return data


def pairs(kind: Kind) -> xr.Dataset:
    """Correlation of activations and interaction of removals, for each two nodes of each network."""
    first = kind.objectives[0]
    nodes = datasets.names(first.nodes)
    measures = dict(correlation=ranking.activation_correlation, interaction=ranking.pair_interaction)
    data = xr.Dataset(
        {
            name: (("network", "node", "other"), np.stack([measure(one) for one in kind.objectives]))
            for name, measure in measures.items()
        }
        | {"change": (("network", "node"), np.stack([ranking.scores(one) for one in kind.objectives]))},
        dict(network=range(len(kind.objectives)), node=nodes, other=nodes)
        | dict(layer=("node", datasets.names(first.layers))),
    )
    data.correlation.attrs.update(long_name="correlation of activations", units="1")
    for name, words in dict(interaction="change beyond the sum", change="change of the loss").items():
        data[name].attrs.update(long_name=words, units=first.unit)
    return data
