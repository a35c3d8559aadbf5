"""The part of a page on the input plane: certainty, loss, what nodes do where, chosen masks, a film of the training."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.figure import Figure

from analysis import figures, perceptron, plane
from analysis.perceptron import Perceptron
from analysis.reports.cube_results import CubeResults
from analysis.reports.page import Block, Picture, Section, Text
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
        With every node on.
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
    network: xr.Dataset, task: xr.Dataset, training: xr.Dataset, sweep: xr.Dataset, cube: CubeResults | None
) -> PlaneResults:
    """Evaluate a stored network with two inputs over the plane.

    Parameters
    ----------
    network, task, training : xarray.Dataset
        Groups of the store.
    sweep : xarray.Dataset
        The Bernoulli sweep, of which one mask is shown.
    cube : CubeResults or None
        Best masks are shown where it is known.

    Raises
    ------
    ValueError
        If the network has not two inputs and two classes.
    """
    trained = perceptron.of_network(network)
    grid, coarse = plane.grid(), plane.grid(points=COARSE)
    inputs, targets = task["test_inputs"].values, task["test_targets"].values

    def titled(name: str, gates: npt.NDArray[np.bool_]) -> tuple[str, xr.Dataset]:
        loss = float(perceptron.losses(trained, inputs, targets, gates).mean())
        return f"{name}\nloss {loss:.3f}", plane.maps(trained, coarse, gates=gates)

    return PlaneResults(
        task,
        plane.maps(trained, grid, plane.true_classes(task, grid)),
        dict(titled(name, gates) for name, gates in _chosen(trained, sweep, cube).items()),
        _checkpoints(network, training, coarse),
        [str(label) for label in sweep["node"].values],
    )


def _chosen(network: Perceptron, sweep: xr.Dataset, cube: CubeResults | None) -> dict[str, npt.NDArray[np.bool_]]:
    """Return the masks to show, by name."""
    nodes = network.nodes
    found = {f"all {nodes} on": np.ones(nodes, bool)}
    if cube is not None:
        half = nodes // 2
        numbers = {f"best {half} on": cube.best.mask[half], f"greedy, {half} on": cube.greedy.mask[nodes - half]}
        found |= {name: (int(mask) >> np.arange(nodes)) & 1 == 1 for name, mask in numbers.items()}
    drawn = sweep["gates"].isel({dim: 0 for dim in sweep["loss"].dims if dim != "probability"})
    nearest = int(np.abs(sweep["probability"].values - 0.5).argmin())
    gates = drawn.isel(probability=nearest).values.astype(bool)
    found[f"a draw, $p$ = {float(sweep['probability'][nearest]):g}"] = gates
    if cube is None:
        found["its opposite"] = ~gates
    return found


def _checkpoints(network: xr.Dataset, training: xr.Dataset, grid: xr.Dataset) -> list[xr.Dataset]:
    if "checkpoint" not in training.dims:
        return []
    return [
        plane.maps(
            perceptron.of_network(training.isel(checkpoint=index).assign_attrs(network.attrs)), grid
        ).assign_coords(epoch=int(training["checkpoint"][index]))
        for index in range(training.sizes["checkpoint"])
    ]


def draw(results: PlaneResults) -> dict[str, Figure]:
    """Draw the figures, by file name."""
    return {
        "plane": figures.plane.overview(results.maps, results.task),
        "plane_masks": figures.plane.masks(results.masks, results.task),
        "plane_nodes": figures.plane.nodes(results.maps, results.labels, results.task),
    }


def films(results: PlaneResults) -> dict[str, Callable[[Path], Path]]:
    """Return what writes the animation to a path, by file name; nothing where there are no checkpoints."""
    if not results.checkpoints:
        return {}
    return {"training_film": lambda path: figures.plane.animation(results.checkpoints, path, results.task)}


def section(results: PlaneResults, pictures: Mapping[str, Path]) -> Section:
    """Put the section together."""
    certainty, loss = results.maps["certainty"].values, results.maps["loss"].values
    # Cells of equal size, so that shares of cells are shares of the area.
    uncertain = float(((certainty > 0.05) & (certainty < 0.95)).mean())
    held = float(loss[(certainty > 0.05) & (certainty < 0.95)].sum() / loss.sum()) if loss.sum() > 0 else float("nan")
    limit = float(results.maps["x"].max())
    blocks: list[Block] = [
        Text(
            f"On the square from −{limit:g} to {limit:g} the network is uncertain (probability between 0.05 and 0.95) "
            f"on {percent(uncertain)} of the area, about the boundary, and {percent(held)} of the loss over the square "
            "lies there. The data lie between −1 and 1; beyond, the network extrapolates."
        ),
        Picture(
            pictures["plane"],
            "(a) Probability of class 1 with every node on; white the true boundary, dashed where the network changes "
            "its mind; test points by class. (b) Loss of each point, if it is labelled by the true rule.",
            wide=True,
        ),
        Picture(
            pictures["plane_masks"],
            "The same probability under chosen masks; losses are those of the test set.",
            wide=True,
        ),
        Picture(
            pictures["plane_nodes"],
            "Gate gradient of each node at each point, with every node on: blue where more of the node would lower the "
            "loss, yellow where it would raise it. One scale for all nodes.",
            wide=True,
        ),
    ]
    if "training_film" in pictures:
        blocks.append(Picture(pictures["training_film"], "Film of the training, a frame an epoch."))
    return Section("The input plane", blocks)
