"""A network over its input plane: certainty, loss, what nodes do where, chosen masks, a film of the training."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.figure import Figure

from analysis import figures, perceptron, plane
from analysis.figures import _axes
from analysis.numbers import Numbers

#: Points a side of the small pictures and of the film.
COARSE = 101
#: The network is uncertain where the probability of either class is above this.
UNCERTAIN = 0.05


@dataclass(frozen=True)
class PlaneResults:
    """A network with two inputs on a grid of points.

    Attributes
    ----------
    task : xarray.Dataset
        Group of the store.
    maps : xarray.Dataset, (y, x)
        With every node on; with losses and gate gradients where the task has a rule for every point.
    masks : dict of str to xarray.Dataset
        Certainty under chosen masks, by their titles.
    checkpoints : list of xarray.Dataset
        Certainty at the start and after every epoch; empty where the store has no parameters of them.
    labels : list of str
        Names of the nodes.
    """

    task: xr.Dataset
    maps: xr.Dataset
    masks: dict[str, xr.Dataset]
    checkpoints: list[xr.Dataset]
    labels: list[str]

    @property
    def uncertain(self) -> npt.NDArray[np.bool_]:
        """Where the network is uncertain, (y, x); all cells have one size, so a share of cells is one of the area."""
        certainty = self.maps["certainty"].values
        found: npt.NDArray[np.bool_] = (certainty > UNCERTAIN) & (certainty < 1 - UNCERTAIN)
        return found

    @property
    def loss_where_uncertain(self) -> float | None:
        """Share of the loss over the square where the network is uncertain; None where that has no loss."""
        if "loss" not in self.maps or not float(self.maps["loss"].sum()) > 0:
            return None
        loss = self.maps["loss"].values
        return float(loss[self.uncertain].sum() / loss.sum())


def measure(
    network: xr.Dataset,
    task: xr.Dataset,
    training: xr.Dataset | None,
    labels: list[str],
    masks: Mapping[str, npt.NDArray[Any]],
) -> PlaneResults | None:
    """Evaluate a stored network over the plane, if it is an MLP, a gate on each hidden node, of two inputs and classes.

    Parameters
    ----------
    network, task : xarray.Dataset
        Groups of the store. Another network than an MLP has no `sizes`, and the store not its parameters.
    training : xarray.Dataset or None
        Group of the store, if there is one.
    labels : list of str
        Names of the nodes.
    masks : mapping of str to numpy.ndarray, (nodes,)
        Gate vectors to show beside the full one, by name.
    """
    if "sizes" not in network.attrs or not {"test_inputs", "test_targets"} <= set(task.data_vars):
        return None
    if task["test_inputs"].shape[1:] != (2,) or task["test_targets"].ndim != 1 or "test_mask" in task:
        return None
    trained = perceptron.from_dataset(network)
    inputs, targets = task["test_inputs"].values, task["test_targets"].values
    if trained.kernels[-1].shape[1] > 2 or targets.dtype.kind not in "iu" or labels != trained.labels:
        return None
    grid, coarse = plane.grid(), plane.grid(points=COARSE)
    ruled = task.attrs.get("name") == "circle"

    def titled(name: str, gates: npt.NDArray[Any]) -> tuple[str, xr.Dataset]:
        loss = float(perceptron.losses(trained, inputs, targets, gates=gates).mean())
        return f"{name}\nloss {loss:.3f}", plane.maps(trained, coarse, gates=gates)

    shown = {f"all {trained.nodes} on": np.ones(trained.nodes, bool), **masks}
    return PlaneResults(
        task,
        plane.maps(trained, grid, classes=plane.true_classes(task, grid) if ruled else None),
        dict(titled(name, gates) for name, gates in shown.items()),
        _checkpoints(network, training, coarse),
        labels,
    )


def _checkpoints(network: xr.Dataset, training: xr.Dataset | None, grid: xr.Dataset) -> list[xr.Dataset]:
    if training is None or "checkpoint" not in training.dims:
        return []
    return [
        plane.maps(
            perceptron.from_dataset(training.isel(checkpoint=index).assign_attrs(network.attrs)), grid
        ).assign_coords(epoch=int(training["checkpoint"][index]))
        for index in range(training.sizes["checkpoint"])
    ]


def draw(results: PlaneResults | None) -> dict[str, Figure]:
    """Draw the figures that the results allow, by file name."""
    if results is None:
        return {}
    drawn = {"plane_masks": figures.plane.masks(results.masks, task=results.task)}
    if "loss" not in results.maps:
        return drawn | {"plane": _axes.figure_of(figures.plane.certainty(results.maps, task=results.task))}
    return drawn | {
        "plane": figures.plane.overview(results.maps, task=results.task),
        "plane_nodes": figures.plane.nodes(results.maps, labels=results.labels, task=results.task),
    }


def films(results: PlaneResults | None) -> dict[str, Callable[[Path], Path]]:
    """Return what writes the animation to a path, by file name; nothing where there are no checkpoints."""
    if results is None or not results.checkpoints:
        return {}
    return {"training_film": lambda path: figures.plane.animation(results.checkpoints, path, task=results.task)}


def add_numbers(n: Numbers, results: PlaneResults | None) -> None:
    """Add where on the plane the network is uncertain, and how far its examples reach."""
    if results is None:
        return
    n.add("plane limit", float(results.maps["x"].max()), digits=None)
    n.add("test reach", float(np.abs(results.task["test_inputs"]).max()), digits=2, comment="along an axis")
    n.add("uncertain area", float(results.uncertain.mean()), digits=3, comment="share of the square")
    if results.loss_where_uncertain is not None:
        n.add("loss where uncertain", results.loss_where_uncertain, digits=3, comment="share")
