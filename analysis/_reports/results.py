"""The results of one sweep of one network: everything its report says, computed once from the store."""

import ast
import json
import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from analysis import _samples, best, density, figures, layers, lognormal, removal, runs
from analysis._reports import examples, measures, plane, walks, wording
from analysis.figures import _names
from analysis.layers import Groups

#: Significance level of the tests of log-normality, shared over the probabilities (Bonferroni).
LEVEL = 0.05
#: Where `sweeps run` puts the sweep.
GROUP = "sweeps/main"
#: Variables that are large and of which a report needs little or nothing: they stay on disk.
LARGE = ("gates", "log_loss", "loss_gradient", "log_loss_gradient", "example_loss")
#: Designs that evaluate all masks of a kind, each once.
ENUMERATIONS = ("Hypercube", "LeaveOneOut")
#: Designs whose masks are independent draws, or may be.
DRAWN = ("Bernoulli", "FixedSize", "Masks")
#: Designs whose draws are several masks that depend on each other.
WALKS = ("FlipPaths",)
#: The dimension of results where the sweep has no probabilities; of length 1.
ROW = "row"
#: Most nodes of a layer that is drawn in a heat map.
GRID = 64


@dataclass(frozen=True)
class SweepResults:
    """Everything that tables, figures and sentences draw on.

    Attributes
    ----------
    run : analysis.runs.Run
        Settings, seeds, versions.
    task, network : xarray.Dataset
        Groups of the store; where it has none the task is empty, and the network has its attribute `full_loss` alone.
    training : xarray.Dataset or None
        Group of the store; None where the network was not trained in this run.
    sweep : xarray.Dataset
        The sweep's draws, or its summary.
    losses : xarray.Dataset, (probability,) or (row,)
        What `analysis.removal` says of the loss.
    fits : xarray.Dataset, (probability,) or (row,)
        Log-normal fits of the loss.
    nodes : xarray.Dataset or None, (node,)
        What each node is worth when it alone goes off, where that is known.
    layers : xarray.Dataset or None, (layer,) or (probability, layer)
        What `analysis.layers.summary` says of the layers, where there are several and the sweep tells.
    best : xarray.Dataset or None, (probability, rank) or (row, rank)
        The masks of lowest loss.
    loss_width, log_loss_width : float
        Widths of the kernel in the figures of the densities, in the unit of the loss and of the log loss.
    plane : PlaneResults or None
        The network over its input plane, where it has two inputs.
    """

    run: runs.Run
    task: xr.Dataset
    network: xr.Dataset
    training: xr.Dataset | None
    sweep: xr.Dataset
    losses: xr.Dataset
    fits: xr.Dataset
    nodes: xr.Dataset | None
    layers: xr.Dataset | None
    best: xr.Dataset | None
    loss_width: float
    log_loss_width: float
    plane: plane.PlaneResults | None

    @cached_property
    def design(self) -> str:
        """Name of the design."""
        return str(self.sweep.attrs["design"]).partition("(")[0]

    @property
    def unit(self) -> str:
        """Unit of the loss."""
        return str(self.sweep.attrs["unit"])

    @property
    def off(self) -> str:
        """What an off node's value is, in words; zero where the sweep does not say."""
        words = str(self.sweep.attrs.get("off", "zero"))
        return f"its {words}" if words.startswith("mean") else words

    @property
    def off_note(self) -> str:
        """A sentence that says what an off node's value is, for captions; empty where it is zero."""
        return "" if self.off == "zero" else f"An off node's value is {self.off}."

    @property
    def population(self) -> bool:
        """Whether the sweep holds all masks of its kind, each once, and not draws of them."""
        return self.design in ENUMERATIONS

    @property
    def summary(self) -> bool:
        """Whether the sweep is a summary."""
        return _samples.is_summary(self.sweep)

    @property
    def independent(self) -> bool:
        """Whether the masks are independent draws, or may be."""
        return not (self.population or self.design in WALKS)

    @property
    def tested(self) -> bool:
        """Whether log-normality can be tested: the sweep holds independent draws."""
        return self.independent and not self.summary

    @property
    def has_errors(self) -> bool:
        """Whether the mean losses have standard errors."""
        return bool(self.losses["mean_loss_error"].notnull().any())

    @cached_property
    def walks(self) -> walks.WalkResults | None:
        """What flip paths show, where the sweep holds their draws."""
        return walks.measure(self.sweep) if self.design in WALKS and not self.summary else None

    @cached_property
    def metrics(self) -> xr.Dataset | None:
        """What `measures.measure` says of the metrics, where there are some."""
        return measures.measure(self.sweep, "probability" if self.probabilities else None, self.independent)

    @cached_property
    def examples(self) -> examples.ExampleResults | None:
        """What the losses of examples show, where the sweep keeps them."""
        return examples.measure(self.sweep, self.design == "LeaveOneOut")

    @property
    def probabilities(self) -> list[float]:
        """The probabilities that a node stays; none if the design has none."""
        return [float(p) for p in self.losses["probability"]] if self.dim == "probability" else []

    @property
    def dim(self) -> str:
        """The dimension of `losses` and `fits`."""
        return "probability" if "probability" in self.losses.dims else ROW

    @cached_property
    def design_options(self) -> dict[str, Any]:
        """Arguments of the design, by name; none where they are no plain values."""
        try:
            call = ast.parse(str(self.sweep.attrs["design"]), mode="eval").body
        except SyntaxError:
            return {}
        return (
            {one.arg: ast.literal_eval(one.value) for one in call.keywords if one.arg}
            if isinstance(call, ast.Call)
            else {}
        )

    @property
    def task_name(self) -> str:
        """Name of the task; empty where the store has no task."""
        return str(self.task.attrs.get("name", "task" if self.task else ""))

    @property
    def task_settings(self) -> dict[str, Any]:
        """Settings of the task."""
        return wording.own_attributes(self.task)

    @cached_property
    def sites(self) -> list[dict[str, Any]]:
        """Where the network is gated, if the store says: for each site path, at, kind, nodes and source."""
        found = json.loads(str(self.network.attrs.get("sites", "[]")))
        return [dict(site) for site in found]

    @property
    def full_loss(self) -> float:
        """Loss with every node on, on the test set."""
        return float(self.network.attrs["full_loss"])

    @property
    def full_accuracy(self) -> float | None:
        """Accuracy with every node on, on the test set; None for a regression."""
        value = self.network.attrs.get("full_accuracy")
        return None if value is None else float(value)

    def probabilities_where(self, chosen: np.ndarray) -> list[float]:
        """Pick the probabilities of some rows, a boolean for each."""
        return [p for p, this in zip(self.probabilities, chosen, strict=False) if this]

    @property
    def rejected(self) -> np.ndarray:
        """Whether a log-normal law is rejected, for each row; bool."""
        tested = ~self.untested
        return tested & (self.fits["p_value"].values < LEVEL / max(1, int(tested.sum())))

    @property
    def untested(self) -> np.ndarray:
        """Whether there was nothing to test, for each row; bool."""
        return self.fits["p_value"].isnull().values

    @property
    def kept(self) -> np.ndarray:
        """Whether a log-normal law was tested and is not rejected, for each row; bool."""
        return ~self.rejected & ~self.untested

    @cached_property
    def groups(self) -> Groups | None:
        """Return the layers by which single removals are drawn; None for few nodes of one layer."""
        if self.nodes is None or "layer" not in self.nodes.coords:
            return None
        found = layers.groups(self.nodes)
        return None if len(found.names) == 1 and len(found.labels) <= _names.NAMED else found

    @property
    def maps(self) -> list["Map"]:
        """Heat maps of single removals that are worth a figure, one for each kind of node."""
        if self.groups is None:
            return []
        kinds = self.groups.kinds
        names: dict[str, str] = {}
        for kind in dict.fromkeys(kinds):
            name = "_".join(["nodes", *re.findall("[A-Za-z0-9]+", kind)])[:60]
            taken = name.lower() in map(str.lower, names)
            names[f"{name}_{len(names)}" if taken else name] = kind
        rows = {kind: self.groups.layer[[its == kind for its in kinds]] for kind in kinds}
        sizes = {kind: np.unique(row, return_counts=True)[1] for kind, row in rows.items()}
        # A map of one row, or of rows of many nodes, says no more than the strips do.
        return [
            Map(name, kind, bool(sizes[kind].max() > figures.nodes.NARROW))
            for name, kind in names.items()
            if kind and sizes[kind].size > 1 and sizes[kind].max() <= GRID
        ]


class Map(NamedTuple):
    """A heat map of the layers of one kind of node: its file name, the kind, and whether it takes the page's width."""

    name: str
    kind: str
    wide: bool


def measure(run: runs.Run) -> SweepResults:
    """Compute the results of a configured sweep, of any design, kept as draws or as a summary.

    Parameters
    ----------
    run : analysis.runs.Run
        A run of the study "sweep".

    Returns
    -------
    SweepResults

    Raises
    ------
    ValueError
        If the store lacks a group or a variable.
    """
    sweep = run.group(GROUP, on_disk=LARGE)
    name = str(sweep.attrs.get("design", "")).partition("(")[0]
    population, single = name in ENUMERATIONS, name == "LeaveOneOut" and not _samples.is_summary(sweep)
    dim = "probability" if "probability" in sweep.dims else None
    # Neither has masks that are independent draws.
    no_draws = population or name in WALKS
    losses = removal.statistics(sweep) if name == "Bernoulli" else removal.losses(sweep, dim=dim, population=no_draws)
    fits = lognormal.fit_each(sweep, dim=dim, population=no_draws)
    lowest = None if single else best.best_masks(sweep, dim=dim, count=5 if dim else 10)
    if dim is None:
        losses, fits = losses.expand_dims(ROW), fits.expand_dims(ROW)
        lowest = None if lowest is None else lowest.expand_dims(ROW)
    parts = _samples.parts(sweep, dim)
    groups = set(run.tree.children)
    # A data set may be large, and little of it is read.
    task = run.group("task", on_disk=_variables(run, "task")) if "task" in groups else xr.Dataset()
    training = run.group("training") if "training" in groups else None
    network = (
        run.group("network") if "network" in groups else sweep[[]].assign_attrs(full_loss=sweep.attrs["full_loss"])
    )
    shown = {} if lowest is None else {"lowest seen": lowest["gates"].isel({dim or ROW: -1, "rank": 0}).values}
    found = SweepResults(
        run=run,
        task=task,
        network=network,
        training=training,
        sweep=sweep,
        losses=losses,
        fits=fits,
        nodes=removal.leave_one_out(sweep) if single else None,
        layers=_layers(sweep, name),
        best=lowest,
        loss_width=density.kernel_width(_samples.losses(part) for part in parts),
        log_loss_width=density.kernel_width(_samples.log_losses(part) for part in parts),
        plane=None,
    )
    if found.off == "zero":  # the plane is computed here, where off nodes are zero
        labels = [str(label) for label in sweep["node"].values]
        found = replace(found, plane=plane.measure(network, task, training, labels, shown))
    if found.walks is not None:
        found.losses["mean_loss_error"] = found.losses["mean_loss_error"].copy(data=[found.walks.mean_error])
    return found


def _variables(run: runs.Run, group: str) -> list[str]:
    return [str(name) for name in run.tree[group].data_vars] if group in run.tree.children else []


def _layers(sweep: xr.Dataset, design: str) -> xr.Dataset | None:
    """Summarise a sweep by layer, if it has several layers and holds something that tells them apart."""
    if "layer" not in sweep.coords or len(set(map(str, sweep["layer"].values))) < 2:
        return None
    if _samples.is_summary(sweep):
        return layers.summary(sweep) if "log_loss_gradient_mean" in sweep else None
    if design == "LeaveOneOut" or (design in DRAWN and "gates" in sweep):
        return layers.summary(sweep)
    return None
