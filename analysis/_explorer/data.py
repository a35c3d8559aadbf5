"""What the interactive page needs of a run: the network, the test points, the sampled losses and the best masks."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from analysis import perceptron, plane
from analysis._errors import InputError
from analysis._explorer import distributions, networks, scales
from analysis._explorer.distributions import Distribution
from analysis._explorer.scales import Scales
from analysis._formatting import short_labels
from analysis._places import Place
from analysis.perceptron import Perceptron
from analysis.runs import Run

Floats = npt.NDArray[np.float64]

#: Most test points that the page evaluates, and most classes that it has colours for.
POINTS, CLASSES = 2000, 6
#: Points a side of the grid over the plane from which the ranges of the colours are taken.
SIDE = 41
LOSS = "cross_entropy"


@dataclass(frozen=True)
class Explorable:
    """Everything that the page shows or computes with.

    Attributes
    ----------
    task : str
        Name of the task.
    command : str
        What made the run.
    chosen : str
        Which of the run's networks it is; empty where the run has one.
    network : Perceptron
    labels, nodes : list of str, (nodes,)
        Label of each gate in the store, and a shorter one.
    inputs : numpy.ndarray of float64, (examples, 2)
    targets : numpy.ndarray of int64, (examples,)
    test_examples : int
        Points in the test set; those beyond `POINTS` are left out.
    classes : list of str, (classes,)
    extent : tuple of float
        Left, right, bottom and top edge of the maps.
    radius : float or None
        Radius of the true boundary, a circle about the origin; None where the true rule is not known.
    scales : Scales
        What the colours of the maps stand for.
    distributions : list of Distribution
        Of all masks and of random ones; empty where the run has neither.
    edges : numpy.ndarray of float64, (bins + 1,)
        Log losses that bound the bins of the histograms; empty without masks.
    best : list of str or None
        For each number of nodes on, from 0, the mask of lowest loss, "1" for a node that is on; None where not all
        masks were evaluated, or a loss is not finite or 0.
    """

    task: str
    command: str
    chosen: str
    network: Perceptron
    labels: list[str]
    nodes: list[str]
    inputs: Floats
    targets: npt.NDArray[np.int64]
    test_examples: int
    classes: list[str]
    extent: tuple[float, float, float, float]
    radius: float | None
    scales: Scales
    distributions: list[Distribution]
    edges: Floats
    best: list[str] | None

    @property
    def sizes(self) -> list[int]:
        """Numbers of inputs, of nodes of every hidden layer, and of outputs."""
        return [len(kernel) for kernel in self.network.kernels] + [len(self.classes)]

    def to_json(self) -> dict[str, Any]:
        """Return what the page's script reads; numbers that are not finite become None."""
        return {
            "activation": self.network.activation,
            "output_activation": self.network.output_activation,
            "kernels": [kernel.tolist() for kernel in self.network.kernels],
            "biases": [bias.tolist() for bias in self.network.biases],
            "nodes": self.nodes,
            "classes": self.classes,
            "inputs": self.inputs.tolist(),
            "targets": self.targets.tolist(),
            "cut": len(self.inputs) < self.test_examples,
            "extent": list(self.extent),
            "radius": self.radius,
            "edges": self.edges.tolist(),
            "palette": scales.palette(len(self.classes)),
            "scales": self.scales._asdict(),
            "distributions": [one.to_json() for one in self.distributions],
            "best": self.best,
        }


def collect(run: Run, network: int = 0) -> Explorable:
    """Read from a run what the page needs.

    Parameters
    ----------
    run : analysis.runs.Run
    network : int
        Number of the network, where the run has several.

    Returns
    -------
    Explorable

    Raises
    ------
    ValueError
        If the run has no stored task and network, the network is no multilayer perceptron, has not two inputs or too
        many outputs, the loss is not the cross-entropy, or not every hidden node is gated.
    """
    chosen, words = networks.choose(run, network)
    _check("task" in run.tree.children, networks.SHOWN, "no task", run.folder)
    # Sweeps are of the only network of a run.
    task, sweeps = run.group("task"), {} if words else _sweeps(run)
    _check("sizes" in chosen.attrs and "layers.0.kernel" in chosen, networks.SHOWN, _named(chosen, task), run.folder)
    parts = [name for name in ("test_inputs", "test_targets") if name not in task]
    _check(not parts, "one array of inputs and one of targets", f"no {' and no '.join(parts)}", run.folder)
    sizes = [int(size) for size in chosen.attrs["sizes"]]
    _check(sizes[0] == 2, "a network with two inputs", sizes[0], run.folder)
    found = {str(sweep.attrs["loss"]) for sweep in sweeps.values() if "loss" in sweep.attrs}
    if "criterion" in chosen.attrs:
        found.add(str(chosen.attrs["criterion"]))
    whole = np.issubdtype(task["test_targets"].dtype, np.integer)
    found = found or {LOSS if whole and sizes[-1] > 1 else "another loss"}
    _check(found == {LOSS}, f"the loss {LOSS}", ", ".join(sorted(found)), run.folder)
    _check(2 <= sizes[-1] <= CLASSES, f"2 to {CLASSES} classes", sizes[-1], run.folder)
    shown = perceptron.from_dataset(chosen)
    for sweep in sweeps.values():
        gates = sweep.sizes.get("node", shown.nodes)
        _check(gates == shown.nodes, f"{shown.nodes} gates, one a hidden node", gates, run.folder)
        labels = [str(label) for label in sweep["node"].values] if "node" in sweep.coords else shown.labels
        _check(
            labels == shown.labels, "a gate on each hidden node", f"the nodes {', '.join(labels[:3])}, …", run.folder
        )
        off = str(sweep.attrs.get("off", "zero"))
        _check(off == "zero", "off nodes of value zero, as the page computes them", off, run.folder)
    inputs = task["test_inputs"].values[:POINTS].astype(np.float64)
    numbers = np.concatenate([np.ravel(part) for part in (inputs, *shown.kernels, *shown.biases)])
    bad = np.count_nonzero(~np.isfinite(numbers))
    _check(not bad, "finite weights and test inputs", f"{bad} that are not", run.folder)
    targets = task["test_targets"].values[:POINTS].astype(np.int64)
    masks, edges, best = distributions.of_run(run, sweeps)
    circle = task.attrs.get("name") == "circle" and "radius" in task.attrs
    drawn = _drawn(task) if circle else (inputs, targets)
    return Explorable(
        task=str(task.attrs.get("name", "task")),
        command=run.command,
        chosen=words,
        network=shown,
        labels=shown.labels,
        nodes=_short(shown.labels),
        inputs=inputs,
        targets=targets,
        test_examples=task.sizes["test_example"],
        classes=["inside", "outside"] if circle else [f"class {number}" for number in range(sizes[-1])],
        extent=_extent(inputs),
        radius=float(task.attrs["radius"]) if circle else None,
        scales=scales.of_network(shown, *drawn),
        distributions=masks,
        edges=edges,
        best=best,
    )


def _named(data: xr.Dataset, task: xr.Dataset) -> str:
    """Name what is stored of a network that is no multilayer perceptron."""
    features = f" of {task.sizes['feature']} inputs" if "feature" in task.sizes else ""
    return f"{data.attrs.get('network', 'a network of another kind')}{features}"


def _check(good: bool, expected: str, came: object, folder: Place) -> None:
    if not good:
        raise InputError(f"folder must be a run with {expected}, got {came} in {folder}")


def _sweeps(run: Run) -> dict[str, xr.Dataset]:
    """Every sweep of the run by its path, its arrays still on disk."""
    if "sweeps" not in run.tree.children:
        return {}
    return {f"sweeps/{name}": node.to_dataset() for name, node in run.tree["sweeps"].children.items()}


def _extent(inputs: Floats) -> tuple[float, float, float, float]:
    """Square of side 2 plane.LIMIT about the origin, or a wider one around data that do not fit into it."""
    centre, half = np.zeros(2), plane.LIMIT
    if np.abs(inputs).max() > plane.LIMIT:
        low, high = inputs.min(axis=0), inputs.max(axis=0)
        centre, half = (low + high) / 2, 0.6 * float((high - low).max())
    left, bottom = (centre - half).tolist()
    right, top = (centre + half).tolist()
    return left, right, bottom, top


def _drawn(task: xr.Dataset) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Points of the whole plane, and the class of each by the task's own rule."""
    grid = plane.grid(points=SIDE)
    x, y = np.meshgrid(grid["x"].values, grid["y"].values)
    return np.stack([x.ravel(), y.ravel()], axis=1), plane.true_classes(task, grid).values.ravel()


def _short(labels: list[str]) -> list[str]:
    """Numbers of nodes, with the number of the layer in front where there are several."""
    nodes, _ = short_labels(labels)
    return [label.removeprefix("layers/").replace(" unit ", ".") for label in nodes]
