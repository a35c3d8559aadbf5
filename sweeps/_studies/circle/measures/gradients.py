"""What the gate gradients of a Bernoulli sweep say."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from analysis import gradients
from analysis.figures import _axes
from sweeps._studies.circle import published

#: Bootstrap samples and coverage of the intervals.
RESAMPLES, LEVEL = 999, 0.95
#: A difference counts from so many standard errors on.
CLEAR = 3.0
#: What the quantities are called.
LABELS = {"loss_gradient": "loss gradient", "log_loss_gradient": "log-loss gradient"}


@dataclass(frozen=True)
class GradientResults:
    """Statistics of the gate gradients of one network.

    Attributes
    ----------
    statistics : dict of str to xarray.Dataset
        What `analysis.gradients.statistics` returns, by quantity: "loss_gradient" and "log_loss_gradient".
    intervals : dict of str to xarray.Dataset
        What `analysis.gradients.bootstrap` returns.
    slope : xarray.Dataset or None
        What `analysis.gradients.slope_check` returns; None with fewer than three probabilities.
    published : xarray.Dataset
        What was published on gate gradients.
    shown : float
        The probability at which states and nodes are shown.
    unit : str
        Of the loss.
    convex : bool
        Whether the loss is known to be convex along every gate: outputs are affine in the gates, and the cross-entropy
        is convex in the outputs.
    """

    statistics: dict[str, xr.Dataset]
    intervals: dict[str, xr.Dataset]
    slope: xr.Dataset | None
    published: xr.Dataset
    shown: float
    unit: str
    convex: bool

    @property
    def probabilities(self) -> list[float]:
        """Probabilities that a node stays."""
        return [float(p) for p in self.statistics["loss_gradient"]["probability"].values]

    @property
    def labels(self) -> list[str]:
        """Labels of the nodes, in the order of the gate vector."""
        return [str(label) for label in self.statistics["loss_gradient"]["node"].values]

    def at_shown(self, name: str) -> xr.Dataset:
        """Statistics of one quantity at the probability that is shown."""
        return self.statistics[name].isel(probability=self.probabilities.index(self.shown))

    def strength(self, name: str) -> npt.NDArray[np.float64]:
        """Root mean square of each node's gradient at the probability that is shown, (node,)."""
        data = self.at_shown(name)
        count = data["node_entries"].values.astype(np.float64)
        square = np.where(count > 0, count * (data["node_mean"].values ** 2 + data["node_sd"].values ** 2), 0)
        total = count.sum(axis=0)
        return np.sqrt(square.sum(axis=0) / np.where(total > 0, total, np.nan))

    def tails(self, name: str) -> dict[str, list[float]]:
        """Probabilities at which the tails of a quantity are heavier or lighter than, or like those of a normal law."""
        data = self.statistics[name]
        value, error = data["excess_kurtosis"].values, data["excess_kurtosis_error"].values
        known = np.isfinite(value) & np.isfinite(error)
        groups = {
            "heavier": known & (value > CLEAR * error),
            "lighter": known & (value < -CLEAR * error),
            "like": known & (np.abs(value) <= CLEAR * error),
        }
        return {word: self._at(chosen) for word, chosen in groups.items() if chosen.any()}

    def troughs(self, name: str) -> dict[str, list[float]]:
        """Probabilities at which the density of a quantity has a trough at 0, and at which it has none."""
        data = self.statistics[name]
        value, error = data["trough"].values, data["trough_error"].values
        known = np.isfinite(value) & np.isfinite(error)
        there = known & (1 - value > CLEAR * error)
        groups = {"there": there, "absent": known & ~there}
        return {word: self._at(chosen) for word, chosen in groups.items() if chosen.any()}

    def signs(self) -> tuple[int, list[tuple[str, float]]]:
        """Count published means with the sign of ours, and list quantity and probability of those with another."""
        same, differ = 0, []
        for name, data in self.statistics.items():
            for p, ours, theirs in zip(self.probabilities, data["mean"].values, self.theirs(name, "mean"), strict=True):
                if theirs * ours < 0:
                    differ.append((name, p))
                elif np.isfinite(theirs * ours):
                    same += 1
        return same, differ

    def _at(self, chosen: npt.NDArray[np.bool_]) -> list[float]:
        return [p for p, this in zip(self.probabilities, chosen, strict=True) if this]

    def theirs(self, name: str, key: str) -> list[float]:
        """Published `mean` or `sd` of a quantity at each of our probabilities; NaN where none was published."""
        row = self.published[key].sel(quantity=name)
        found = [np.flatnonzero(np.isclose(row["probability"], p)) for p in self.probabilities]
        return [float(row[one[0]]) if one.size else float("nan") for one in found]


def measure(sweep: xr.Dataset, cube_loss: Any = None, resamples: int = RESAMPLES, seed: int = 0) -> GradientResults:
    """Compute the statistics of the gate gradients.

    Parameters
    ----------
    sweep : xarray.Dataset
        A Bernoulli sweep with its gradients; variables on disk are read when they are used.
    cube_loss : array_like, (2**N,), optional
        The loss of every mask of the same network.
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    GradientResults

    Raises
    ------
    ValueError
        If `cube_loss` is of another number of nodes.
    """
    chances, theirs = sweep["probability"].values.astype(np.float64), published.circle_gradients()
    nearest = np.argmin(np.abs(chances - theirs.attrs["state_probability"]))
    return GradientResults(
        statistics={name: gradients.statistics(sweep, variable=name) for name in LABELS},
        intervals={
            name: gradients.bootstrap(sweep, variable=name, resamples=resamples, seed=seed, level=LEVEL)
            for name in LABELS
        },
        slope=gradients.slope_check(sweep, cube_loss=cube_loss) if chances.size > 2 else None,
        published=theirs,
        shown=float(chances[nearest]),
        unit=_axes.unit_of(sweep),
        convex=str(sweep.attrs["plan"]).startswith(("fused", "affine")),
    )


def of_network(sweep: xr.Dataset) -> xr.Dataset:
    """Reduce the gate gradients of one of many networks to a few numbers.

    Parameters
    ----------
    sweep : xarray.Dataset
        A Bernoulli sweep with its gradients.

    Returns
    -------
    xarray.Dataset, (quantity, probability)
        `mean`, `sd`, `excess_kurtosis` and `trough` as `analysis.gradients.statistics` has them, and with a dimension
        `state` `state_mean`, and `state_trough` from the entries of nodes in that state alone; `weakest`, the root
        mean square of the weakest node as a share of that of the strongest.
    """
    return xr.concat([_of_quantity(sweep, name) for name in LABELS], "quantity").assign_coords(quantity=list(LABELS))


def _of_quantity(sweep: xr.Dataset, name: str) -> xr.Dataset:
    found = gradients.statistics(sweep, variable=name)
    states = [
        gradients.statistics(
            sweep.assign({name: sweep[name].where(sweep["gates"] == on)}), variable=name, width=found.attrs["width"]
        )
        for on in (False, True)
    ]
    square = (found["node_mean"] ** 2 + found["node_sd"] ** 2).mean("state")
    strongest = square.max("node")
    return xr.Dataset(
        {
            **{key: found[key] for key in ("mean", "sd", "excess_kurtosis", "trough", "state_mean")},
            "state_trough": xr.concat([one["trough"] for one in states], "state").transpose("probability", "state"),
            "weakest": np.sqrt(square.min("node") / strongest.where(strongest > 0)),
        }
    ).drop_vars("node", errors="ignore")
