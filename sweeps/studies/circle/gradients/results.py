"""What the gate gradients of a Bernoulli sweep say: everything their section needs, computed once."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from analysis import gradients, samples
from analysis.figures import style

#: Bootstrap samples and coverage of the intervals.
RESAMPLES, LEVEL = 999, 0.95
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
        What `analysis.gradients.bootstrap` returns; empty for a summary.
    slope : xarray.Dataset or None
        What `analysis.gradients.slope_check` returns; None with fewer than three probabilities.
    published : xarray.Dataset or None
        Published numbers in the form of `analysis.published.circle_gradients`.
    shown : float
        The probability at which states and nodes are shown.
    unit : str
        Of the loss.
    convex : bool
        Whether the loss is known to be convex along every gate.
    """

    statistics: dict[str, xr.Dataset]
    intervals: dict[str, xr.Dataset]
    slope: xr.Dataset | None
    published: xr.Dataset | None
    shown: float
    unit: str
    convex: bool

    @property
    def summary(self) -> bool:
        """Whether there are no draws, hence no figures."""
        return not self.intervals

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

    def theirs(self, name: str, key: str) -> list[float]:
        """Published `mean` or `sd` of a quantity at each of our probabilities; NaN where none was published."""
        if self.published is None:
            return [float("nan")] * len(self.probabilities)
        row = self.published[key].sel(quantity=name)
        found = [np.flatnonzero(np.isclose(row["probability"], p)) for p in self.probabilities]
        return [float(row[one[0]]) if one.size else float("nan") for one in found]


def measure(
    sweep: xr.Dataset,
    cube_loss: Any = None,
    published: xr.Dataset | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> GradientResults | None:
    """Compute the statistics of the gate gradients.

    Parameters
    ----------
    sweep : xarray.Dataset
        A Bernoulli sweep with its gradients, or its summary; variables on disk are read when they are used.
    cube_loss : array_like, (2**N,), optional
        The loss of every mask of the same network.
    published : xarray.Dataset, optional
        Published numbers, in the form of `analysis.published.circle_gradients`.
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    GradientResults or None
        None for a sweep without gradients.

    Raises
    ------
    TypeError
        If the gradients are no real numbers or the gates not boolean.
    ValueError
        If `cube_loss` is of another number of nodes.
    """
    held = samples.is_summary(sweep)
    if any((f"{name}_mean" if held else name) not in sweep for name in gradients.NAMES):
        return None
    chances = sweep["probability"].values.astype(np.float64)
    wanted = 0.5 if published is None else float(published.attrs["state_probability"])
    loss, plan = str(sweep.attrs.get("loss", "")), str(sweep.attrs.get("plan", ""))
    return GradientResults(
        statistics={name: gradients.statistics(sweep, name) for name in gradients.NAMES},
        intervals={}
        if held
        else {name: gradients.bootstrap(sweep, name, resamples, seed, LEVEL) for name in gradients.NAMES},
        slope=gradients.slope_check(sweep, cube_loss) if chances.size > 2 else None,
        published=published,
        shown=float(chances[np.argmin(np.abs(chances - wanted))]),
        unit=style.unit_of(sweep),
        convex=plan.startswith("affine") and loss in ("cross_entropy", "squared_error"),
    )
