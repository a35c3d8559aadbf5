"""The part of a page on the input plane: certainty, loss, what nodes do where, chosen masks, a film of the training."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.figure import Figure

from analysis import figures, perceptron, plane
from analysis.reports._old_page import Block, Picture, Section, Text
from analysis.reports.wording import percent

#: Points a side of the small pictures and of the film.
COARSE = 101


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


def measure(
    network: xr.Dataset,
    task: xr.Dataset,
    training: xr.Dataset | None,
    labels: list[str],
    masks: Mapping[str, npt.NDArray[Any]],
) -> PlaneResults | None:
    """Evaluate a stored network over the plane, if it is an MLP, every hidden unit gated, of two inputs and classes.

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
    trained = perceptron.of_network(network)
    inputs, targets = task["test_inputs"].values, task["test_targets"].values
    if trained.kernels[-1].shape[1] > 2 or targets.dtype.kind not in "iu" or len(labels) != trained.nodes:
        return None
    grid, coarse = plane.grid(), plane.grid(points=COARSE)
    ruled = task.attrs.get("name") == "circle"

    def titled(name: str, gates: npt.NDArray[Any]) -> tuple[str, xr.Dataset]:
        loss = float(perceptron.losses(trained, inputs, targets, gates).mean())
        return f"{name}\nloss {loss:.3f}", plane.maps(trained, coarse, gates=gates)

    shown = {f"all {trained.nodes} on": np.ones(trained.nodes, bool), **masks}
    return PlaneResults(
        task,
        plane.maps(trained, grid, plane.true_classes(task, grid) if ruled else None),
        dict(titled(name, gates) for name, gates in shown.items()),
        _checkpoints(network, training, coarse),
        labels,
    )


def _checkpoints(network: xr.Dataset, training: xr.Dataset | None, grid: xr.Dataset) -> list[xr.Dataset]:
    if training is None or "checkpoint" not in training.dims:
        return []
    return [
        plane.maps(
            perceptron.of_network(training.isel(checkpoint=index).assign_attrs(network.attrs)), grid
        ).assign_coords(epoch=int(training["checkpoint"][index]))
        for index in range(training.sizes["checkpoint"])
    ]


def draw(results: PlaneResults | None) -> dict[str, Figure]:
    """Draw the figures that the results allow, by file name."""
    if results is None:
        return {}
    drawn = {"plane_masks": figures.plane.masks(results.masks, results.task)}
    if "loss" not in results.maps:
        return drawn | {"plane": figures.style.figure_of(figures.plane.certainty(results.maps, results.task))}
    return drawn | {
        "plane": figures.plane.overview(results.maps, results.task),
        "plane_nodes": figures.plane.nodes(results.maps, results.labels, results.task),
    }


def films(results: PlaneResults | None) -> dict[str, Callable[[Path], Path]]:
    """Return what writes the animation to a path, by file name; nothing where there are no checkpoints."""
    if results is None or not results.checkpoints:
        return {}
    return {"training_film": lambda path: figures.plane.animation(results.checkpoints, path, results.task)}


def section(results: PlaneResults | None, pictures: Mapping[str, Path]) -> list[Section]:
    """Put the section together: one, or none without results."""
    if results is None:
        return []
    blocks: list[Block] = [
        Text(_certainty(results)),
        Picture(
            pictures["plane"],
            "Probability of class 1 with every node on, dashed where the network changes its mind; test points by "
            "class."
            if "loss" not in results.maps
            else "(a) Probability of class 1 with every node on; white the true boundary, dashed where the network "
            "changes its mind; test points by class. (b) Loss of each point, if it is labelled by the true rule.",
            wide="loss" in results.maps,
        ),
        Picture(
            pictures["plane_masks"],
            "The same probability under chosen masks; losses are those of the test set.",
            wide=True,
        ),
    ]
    if "plane_nodes" in pictures:
        blocks.append(
            Picture(
                pictures["plane_nodes"],
                "Gate gradient of each node at each point, with every node on: blue where more of the node would lower "
                "the loss, yellow where it would raise it. One scale for all nodes.",
                wide=True,
            )
        )
    if "training_film" in pictures:
        blocks.append(Picture(pictures["training_film"], "Film of the training, a frame an epoch."))
    return [Section("The input plane", blocks)]


def _certainty(results: PlaneResults) -> str:
    certainty = results.maps["certainty"].values
    limit, reach = float(results.maps["x"].max()), float(np.abs(results.task["test_inputs"]).max())
    # Cells of equal size, so that shares of cells are shares of the area.
    open_ = (certainty > 0.05) & (certainty < 0.95)
    text = (
        f"On the square from −{limit:g} to {limit:g} the network is uncertain (probability between 0.05 and 0.95) on "
        f"{percent(float(open_.mean()))} of the area"
    )
    if "loss" in results.maps and float(results.maps["loss"].sum()) > 0:
        loss = results.maps["loss"].values
        text += f", where {percent(float(loss[open_].sum() / loss.sum()))} of the loss over the square lies"
    beyond = "; beyond, the network extrapolates" if reach < limit else ""
    return f"{text}. The test points reach {reach:.2g} from the origin along an axis{beyond}."
