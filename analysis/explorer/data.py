"""What the interactive page needs of a run: the network, the test points, the sampled losses and the best masks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from analysis import hypercube, perceptron, plane, samples
from analysis.errors import InputError
from analysis.formatting import short_labels
from analysis.perceptron import Perceptron
from analysis.runs import Run

Floats = npt.NDArray[np.float64]

#: Most test points that the page evaluates, most quantiles that it holds, and most classes that it has colours for.
POINTS, QUANTILES, CLASSES = 2000, 1001, 6
#: Bins of the histograms of the log loss, about.
BINS = 48
LOSS = "cross_entropy"


@dataclass(frozen=True)
class Sampled:
    """The log losses of random masks, each node on with one probability.

    Attributes
    ----------
    probability : float
    count : int
        Masks of a finite loss above 0.
    quantiles : numpy.ndarray of float64, (levels,)
        Of the log loss, at equally spaced levels from 0 to 1; every draw where there are few. NaN where a summary
        does not know them.
    histogram : numpy.ndarray of int64, (bins,)
        Masks in each bin of `Explorable.edges`.
    """

    probability: float
    count: int
    quantiles: Floats
    histogram: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Explorable:
    """Everything that the page shows or computes with.

    Attributes
    ----------
    task : str
        Name of the task.
    command : str
        What made the run.
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
    sampled : list of Sampled
        Empty where the run has no random masks.
    edges : numpy.ndarray of float64, (bins + 1,)
        Log losses that bound the bins of the histograms; empty without random masks.
    best : list of str or None
        For each number of nodes on, from 0, the mask of lowest loss, "1" for a node that is on; None where not all
        masks were evaluated, or a loss is not finite or 0.
    """

    task: str
    command: str
    network: Perceptron
    labels: list[str]
    nodes: list[str]
    inputs: Floats
    targets: npt.NDArray[np.int64]
    test_examples: int
    classes: list[str]
    extent: tuple[float, float, float, float]
    radius: float | None
    sampled: list[Sampled]
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
            "extent": list(self.extent),
            "radius": self.radius,
            "edges": self.edges.tolist(),
            "sampled": [
                {
                    "probability": one.probability,
                    "count": one.count,
                    "quantiles": [value if np.isfinite(value) else None for value in one.quantiles.tolist()],
                    "histogram": one.histogram.tolist(),
                }
                for one in self.sampled
            ],
            "best": self.best,
        }


def collect(run: Run) -> Explorable:
    """Read from a run what the page needs.

    Parameters
    ----------
    run : analysis.runs.Run

    Returns
    -------
    Explorable

    Raises
    ------
    ValueError
        If the run has no stored task and network, the network is no multilayer perceptron, has not two inputs or too
        many outputs, the loss is not the cross-entropy, or not every hidden node is gated.
    """
    missing = [name for name in ("task", "network") if name not in run.tree.children]
    if missing:
        raise InputError(
            f"folder must be a run with the groups task and network, got {sorted(run.tree.children)} in {run.folder}"
        )
    task, data, sweeps = run.group("task"), run.group("network"), _sweeps(run)
    named = str(data.attrs.get("network", "another network"))
    _check("sizes" in data.attrs and "layers.0.kernel" in data, "a stored multilayer perceptron", named, run.folder)
    parts = [name for name in ("test_inputs", "test_targets") if name not in task]
    _check(not parts, "one array of inputs and one of targets", f"no {' and no '.join(parts)}", run.folder)
    sizes = [int(size) for size in data.attrs["sizes"]]
    _check(sizes[0] == 2, "a network with two inputs", sizes[0], run.folder)
    found = {str(sweep.attrs["loss"]) for sweep in sweeps.values() if "loss" in sweep.attrs}
    whole = np.issubdtype(task["test_targets"].dtype, np.integer)
    found = found or {LOSS if whole and sizes[-1] > 1 else "another loss"}
    _check(found == {LOSS}, f"the loss {LOSS}", ", ".join(sorted(found)), run.folder)
    _check(2 <= sizes[-1] <= CLASSES, f"2 to {CLASSES} classes", sizes[-1], run.folder)
    network = perceptron.from_dataset(data)
    for sweep in sweeps.values():
        gates = sweep.sizes.get("node", network.nodes)
        _check(gates == network.nodes, f"{network.nodes} gates, one a hidden node", gates, run.folder)
        labels = [str(label) for label in sweep["node"].values] if "node" in sweep.coords else network.labels
        _check(
            labels == network.labels, "a gate on each hidden node", f"the nodes {', '.join(labels[:3])}, …", run.folder
        )
        off = str(sweep.attrs.get("off", "zero"))
        _check(off == "zero", "off nodes of value zero, as the page computes them", off, run.folder)
    inputs = task["test_inputs"].values[:POINTS].astype(np.float64)
    numbers = np.concatenate([np.ravel(part) for part in (inputs, *network.kernels, *network.biases)])
    bad = np.count_nonzero(~np.isfinite(numbers))
    _check(not bad, "finite weights and test inputs", f"{bad} that are not", run.folder)
    sampled, edges = _sampled(run, sweeps)
    circle = task.attrs.get("name") == "circle" and "radius" in task.attrs
    return Explorable(
        task=str(task.attrs.get("name", "task")),
        command=run.command,
        network=network,
        labels=network.labels,
        nodes=_short(network.labels),
        inputs=inputs,
        targets=task["test_targets"].values[:POINTS].astype(np.int64),
        test_examples=task.sizes["test_example"],
        classes=["inside", "outside"] if circle else [f"class {number}" for number in range(sizes[-1])],
        extent=_extent(inputs),
        radius=float(task.attrs["radius"]) if circle else None,
        sampled=sampled,
        edges=edges,
        best=_best(run, sweeps),
    )


def _check(good: bool, expected: str, came: object, folder: Path) -> None:
    if not good:
        raise InputError(f"folder must be a run with {expected}, got {came} in {folder}")


def _sweeps(run: Run) -> dict[str, xr.Dataset]:
    """Every sweep of the run by its path, its arrays still on disk."""
    if "sweeps" not in run.tree.children:
        return {}
    return {f"sweeps/{name}": node.to_dataset() for name, node in run.tree["sweeps"].children.items()}


def _of_design(sweeps: dict[str, xr.Dataset], design: str) -> str | None:
    """Path of the first sweep of that design."""
    return next((path for path, data in sweeps.items() if str(data.attrs.get("design")).startswith(design)), None)


def _extent(inputs: Floats) -> tuple[float, float, float, float]:
    """Square of side 2 plane.LIMIT about the origin, or a wider one around data that do not fit into it."""
    centre, half = np.zeros(2), plane.LIMIT
    if np.abs(inputs).max() > plane.LIMIT:
        low, high = inputs.min(axis=0), inputs.max(axis=0)
        centre, half = (low + high) / 2, 0.6 * float((high - low).max())
    left, bottom = (centre - half).tolist()
    right, top = (centre + half).tolist()
    return left, right, bottom, top


def _short(labels: list[str]) -> list[str]:
    """Numbers of nodes, with the number of the layer in front where there are several."""
    nodes, _ = short_labels(labels)
    return [label.removeprefix("layers/").replace(" unit ", ".") for label in nodes]


def _sampled(run: Run, sweeps: dict[str, xr.Dataset]) -> tuple[list[Sampled], Floats]:
    path = _of_design(sweeps, "Bernoulli(")
    if path is None:
        return [], np.zeros(0)
    names = set(map(str, sweeps[path].data_vars))
    data = run.group(path, on_disk=names - {name for name in names if "loss" in name and "gradient" not in name})
    parts = {float(part["probability"]): samples.log_losses(part) for part in samples.parts(data, "probability")}
    known = {probability: sample for probability, sample in parts.items() if sample.values.size}
    if not known:
        return [], np.zeros(0)
    edges = _edges(list(known.values()))
    return [
        Sampled(
            probability,
            sample.count,
            sample.quantile(np.linspace(0, 1, min(sample.count, QUANTILES))),
            np.histogram(sample.values, edges, weights=sample.counts)[0].astype(np.int64),
        )
        for probability, sample in known.items()
    ], edges


def _edges(parts: list[samples.Sample]) -> Floats:
    """Bins for all samples; whole numbers of the bins of a summary, whose edges they share."""
    width = max(part.width for part in parts)
    low = min(float(part.values[0]) for part in parts) - width / 2
    high = max(float(part.values[-1]) for part in parts) + width / 2
    step = (high - low) / BINS
    if width:
        step = float(np.ceil(step / width)) * width
    bins = max(int(np.ceil((high - low) / step - 1e-9)), 1) if step > 0 else 1
    return np.asarray(low + (step or 1.0) * np.arange(bins + 1), np.float64)


def _best(run: Run, sweeps: dict[str, xr.Dataset]) -> list[str] | None:
    path = _of_design(sweeps, "Hypercube(")
    # The summary of a hypercube keeps the best of all masks only, not those of each size.
    if path is None or "log_loss" not in sweeps[path]:
        return None
    data = run.group(path, on_disk=set(map(str, sweeps[path].data_vars)) - {"log_loss"})
    if not np.isfinite(data["log_loss"]).all():
        return None
    masks = hypercube.best_masks(data["log_loss"]).mask
    on = masks[:, None] >> np.arange(data.sizes["node"]) & 1
    return ["".join(map(str, gates)) for gates in on.tolist()]
