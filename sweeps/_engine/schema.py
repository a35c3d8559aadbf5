"""Schema: the axes, names, units and coordinates of a sweep's dataset, and its arrays on disk.

With ``keep="summary"`` the dataset has the design's axes without the last, and

- ``draws``, ``nonpositive``, ``nonfinite``: numbers of masks: all, of loss zero or less, of a loss that is not finite
- for q in ``loss`` (of finite losses) and ``log_loss`` (of positive ones): ``q_count``, ``q_mean``, ``q_variance``
  (divisor n - 1), ``q_skewness`` and ``q_excess_kurtosis`` (of the sample, as moments of it)
- ``loss_histogram`` over ``loss_bin`` and ``log_loss_histogram`` over ``log_loss_bin``: numbers of masks; the
  coordinates are the centres of the bins, ``..._below`` and ``..._above`` count what fell outside
- ``loss_gradient_count``, ``..._mean``, ``..._variance`` over (``state``, ``node``), and the same of
  ``log_loss_gradient``: moments of gate gradients where the node is off and where it is on
- the moments of each metric, of finite values, as of the loss
- ``best_loss``, ``best_draw``, ``best_gates`` over ``rank``: the distinct masks of lowest loss, and for each the first
  draw that is this mask
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import jax
import numpy as np
import xarray as xr

from analysis import _derived
from analysis._errors import InputError
from sweeps._engine import summaries
from sweeps._engine.layout import Layout
from sweeps._masks.designs import Design
from sweeps._objective import Objective
from sweeps._store.record import Array, Place

Keep = Literal["draws", "examples", "summary"]
LONG_NAMES = {
    "loss": "mean loss",
    "loss_gradient": "d loss / d gate",
    "gates": "gate: 1 on, 0 off",
    "example_loss": "loss of each example",
    "full_example_loss": "loss of each example with all gates on",
}


def check_names(names: Iterable[str]) -> None:
    """Raise InputError for a name that no file can hold: half of a pair of surrogates."""
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"nodes must have names in Unicode to be stored, got {name!r}") from error


def named(result: Any) -> dict[str, Any]:
    """Name the arrays of a result: ``loss``, a metric, ``gates``, ..., or ``loss.mean``, ... of a summary."""
    leaves = jax.tree_util.tree_flatten_with_path(result)[0]
    return {
        jax.tree_util.keystr(path, simple=True, separator=".").removeprefix("metrics."): leaf for path, leaf in leaves
    }


@dataclass(frozen=True)
class Schema:
    """What the dataset of a sweep looks like.

    Attributes
    ----------
    layout : Layout
        The design's axes and the sweep's items.
    keep : str
        ``"draws"``, ``"examples"`` or ``"summary"``.
    inner : dict
        Names and lengths of the axes within a draw.
    labels : dict
        Coordinates of the design's axes where they are not 0, 1, 2, ...
    nodes, layers : tuple of str
        Name and layer of each node.
    words : dict
        Attributes of each variable: its long name and unit.
    counted : array of int, (examples,), or None
        How many values of each example count, where the losses of examples are kept.
    """

    layout: Layout
    keep: Keep
    inner: dict[str, int]
    labels: dict[str, Any]
    nodes: tuple[str, ...]
    layers: tuple[str, ...]
    words: dict[str, dict[str, str]]
    counted: np.ndarray | None

    @classmethod
    def of(cls, objective: Objective, design: Design, layout: Layout, keep: Keep) -> "Schema":
        """Return the schema of an objective's sweep; the design is bound."""
        inner = design.inner(len(objective.nodes))
        units = {name: objective.unit for name in LONG_NAMES} | {"gates": "1"}
        words = {name: dict(long_name=LONG_NAMES[name], units=unit) for name, unit in units.items()}
        words["log_loss"] = _derived.ATTRIBUTES["log_loss"] | dict(units=f"log {objective.unit}")
        words |= {name: dict(long_name=one.long_name, units=one.unit) for name, one in objective.metrics.items()}
        counted = objective._counted if keep == "examples" else None
        return cls(layout, keep, inner, design.coordinates(), objective.nodes, objective.layers, words, counted)

    @property
    def axes(self) -> dict[str, int]:
        """Names and lengths of the design's axes."""
        return self.layout.axes

    def dims(self, name: str, number: int) -> tuple[str, ...]:
        """Names of a variable's axes, of which ``number`` lie within a draw."""
        return (*self.axes, *(*self.inner, "example" if name == "example_loss" else self._gate_axis)[:number])

    @property
    def _gate_axis(self) -> str:
        """Name of the axis of gates; a leave-one-out sweep already has an axis called node."""
        return "gate" if "node" in self.axes else "node"

    def coordinates(self) -> xr.Dataset:
        """Return a dataset of the coordinates of all draws alone."""
        found = self._coordinates_of({**self.axes, **self.inner})
        if self.counted is None:
            return found
        return found.assign_coords(example=np.arange(len(self.counted)), counted=("example", self.counted))

    def _coordinates_of(self, sizes: Mapping[str, int]) -> xr.Dataset:
        counted = {name: np.arange(size) for name, size in sizes.items() if name in ("chain", "draw", "step")}
        found: dict[str, Any] = counted | {name: values for name, values in self.labels.items() if name in sizes}
        for name in dict.fromkeys((self._gate_axis, *({"node"} & set(sizes)))):
            found[name] = np.asarray(self.nodes, object)
            found["layer" if name == "node" else f"{name}_layer"] = (name, np.asarray(self.layers, object))
        return xr.Dataset(coords=found)

    def arrays(self, values: Mapping[str, Any]) -> dict[str, Array]:
        """Return the arrays on disk: of all draws, or of the items' summaries.

        Parameters
        ----------
        values : dict
            What an item's values look like, by name: arrays, or their shapes and types.
        """
        if self.keep != "summary":
            names = {name: self.dims(name, part.ndim - 1)[len(self.axes) :] for name, part in values.items()}
            return {
                name: self.layout.array(part.shape[1:], names[name], part.dtype)._replace(words=self.words[name])
                for name, part in values.items()
            }
        items = len(self.layout.items)
        return {
            name: Array(
                ("item", *(f"{name}.{axis}" for axis in range(part.ndim))),
                (items, *part.shape),
                (1, *part.shape),
                part.dtype,
            )
            for name, part in values.items()
        }

    def place(self, item: int, array: Array) -> Place:
        """Return where the values of an item, given its number, lie in an array on disk."""
        if self.keep != "summary":
            return self.layout.place(self.layout.items[item], array.shape[len(self.axes) :])
        inner = array.shape[1:]
        return Place((item,), inner, (item, *(0 for _ in inner)))

    def of_draws(self, values: Mapping[str, np.ndarray], attributes: Mapping[str, Any]) -> xr.Dataset:
        """Label values of leading shape (draws,), of all streams, and add what follows from them.

        Parameters
        ----------
        values : dict
            Arrays by name.
        attributes : dict
            Of the dataset.
        """
        variables: dict[str, xr.Variable] = {}
        for name, array in values.items():
            label = "gates" if name == "masks" else name
            dims, whole = self.dims(name, array.ndim - 1), array.reshape(*self.axes.values(), *array.shape[1:])
            variable = _derived.masks(whole, dims, len(self.nodes)) if name == "masks" else xr.Variable(dims, whole)
            variable.attrs = dict(self.words[label])
            variables[label] = variable
        return _derived.with_logs(xr.Dataset(variables, self.coordinates().coords, attributes))

    def of_all_on(self, losses: np.ndarray) -> xr.Dataset:
        """Label the losses of the examples with all gates on, beside the coordinates of all draws."""
        name = "full_example_loss"
        return self.coordinates().assign({name: ("example", losses, self.words[name])})

    def of_summary(self, streams: Sequence[summaries.Summary], top: float) -> xr.Dataset:
        """Label the merged summaries of the streams.

        Parameters
        ----------
        streams : sequence of Summary
            One for each stream.
        top : float
            End of the histogram of the loss.
        """
        outer = dict(list(self.axes.items())[:-1])

        def stacked(*parts: np.ndarray) -> np.ndarray:
            return np.stack(parts).reshape((*outer.values(), *np.shape(parts[0])))

        inner = _variables_of(jax.tree.map(stacked, *streams))
        data = xr.Dataset({name: ((*outer, *dims), array) for name, (dims, array) in inner.items()})
        # Of the outer axes alone: numbers of draws would take more memory than the summary.
        found = self._coordinates_of(outer)
        data = data.assign_coords({name: found[name] for name in found.coords if {*found[name].dims} <= {*data.dims}})
        return data.assign_coords(
            node=np.asarray(self.nodes, object),
            layer=("node", np.asarray(self.layers, object)),
            state=np.asarray(["off", "on"], object),
            rank=np.arange(summaries.BEST),
            loss_bin=_centres(0.0, top, summaries.LOSS_BINS),
            log_loss_bin=_centres(summaries.LOG_LOW, summaries.LOG_HIGH, summaries.LOG_BINS),
        )


def _variables_of(summary: summaries.Summary) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
    """Variables of the dataset of a summary, with the names of the axes that they have more than the streams."""
    values: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
    for name in ("draws", "nonpositive", "nonfinite"):
        values[name] = ((), getattr(summary, name))
    for name in ("loss", "log_loss"):
        values |= {f"{name}_{moment}": ((), array) for moment, array in _shape_of(getattr(summary, name)).items()}
        histogram = getattr(summary, f"{name}_histogram")
        values[f"{name}_histogram"] = ((f"{name}_bin",), histogram[..., 1:-1])
        values[f"{name}_below"] = ((), histogram[..., 0])
        values[f"{name}_above"] = ((), histogram[..., -1])
        spread = getattr(summary, f"{name}_gradient")
        if spread is not None:
            variance = _ratio(spread.m2, spread.number - 1)
            for moment, array in dict(count=spread.number, mean=spread.mean, variance=variance).items():
                values[f"{name}_gradient_{moment}"] = (("state", "node"), array)
    for name, of_metric in summary.metrics.items():
        values |= {f"{name}_{moment}": ((), array) for moment, array in _shape_of(of_metric).items()}
    assert summary.best is not None  # it is None in a single batch alone
    for name, array in summary.best._asdict().items():
        values[f"best_{name}"] = (("rank", "node") if name == "gates" else ("rank",), array)
    return values


def _shape_of(moments: summaries.Moments) -> dict[str, np.ndarray]:
    number, mean, m2, m3, m4 = (np.asarray(part) for part in moments)
    variance = _ratio(m2, number)
    return dict(
        count=number,
        mean=mean,
        variance=_ratio(m2, number - 1),
        skewness=_ratio(_ratio(m3, number), variance**1.5),
        excess_kurtosis=_ratio(_ratio(m4, number), variance**2) - 3,
    )


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """Quotient, NaN where it is not defined."""
    return np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1), np.nan)


def _centres(low: float, high: float, bins: int) -> np.ndarray:
    return low + (np.arange(bins) + 0.5) * (high - low) / bins
