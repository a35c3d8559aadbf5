"""Where the log losses of many masks lie: of all masks, and of random ones for each probability."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from analysis import _samples, hypercube
from analysis.runs import Run

Floats = npt.NDArray[np.float64]

#: Most losses that the page holds of one sample, beside those at the ends of all masks, and how many these are.
QUANTILES, ENDS = 1001, 1000
#: Bins of the histograms of the log loss, about.
BINS = 48


@dataclass(frozen=True)
class Distribution:
    """The log losses of many masks.

    Attributes
    ----------
    probability : float or None
        With which each node is on; None for all masks, each once.
    count : int
        Masks of a finite loss above 0.
    ranks : numpy.ndarray of float64, (levels,)
        How many masks come before each of the losses in `quantiles`: all ranks where there are few masks, equally
        spaced ones where there are many, and of all masks also every rank at both ends.
    quantiles : numpy.ndarray of float64, (levels,)
        Log losses at these ranks; NaN where a summary does not know them.
    histogram : numpy.ndarray of int64, (bins,)
        Masks in each bin.
    """

    probability: float | None
    count: int
    ranks: Floats
    quantiles: Floats
    histogram: npt.NDArray[np.int64]

    def to_json(self) -> dict[str, Any]:
        """Return what the page's script reads; numbers that are not finite become None."""
        return {
            "probability": self.probability,
            "count": self.count,
            "ranks": self.ranks.tolist(),
            "quantiles": [round(value, 9) if np.isfinite(value) else None for value in self.quantiles.tolist()],
            "histogram": self.histogram.tolist(),
        }


def of_run(run: Run, sweeps: dict[str, xr.Dataset]) -> tuple[list[Distribution], Floats, list[str] | None]:
    """Read the losses of all masks and of random ones, and the best masks.

    Parameters
    ----------
    run : analysis.runs.Run
    sweeps : dict of str to xarray.Dataset
        Its sweeps by path, their arrays still on disk.

    Returns
    -------
    distributions : list of Distribution
        That of all masks first, if the run has them, without zeros and values that are not finite.
    edges : numpy.ndarray of float64, (bins + 1,)
        Log losses that bound the bins of all histograms; empty without masks.
    best : list of str or None
        For each number of nodes on, from 0, the mask of lowest loss, "1" for a node that is on.
    """
    known, best = _sampled(run, sweeps), None
    cube = _cube(run, sweeps)
    if cube is not None:
        known = {None: _samples.log_losses(cube), **known}
        best = _best(cube)
    if not known:
        return [], np.zeros(0), None
    edges = _edges(list(known.values()))
    return [_distribution(probability, sample, edges) for probability, sample in known.items()], edges, best


def _of_design(sweeps: dict[str, xr.Dataset], design: str) -> str | None:
    """Path of the first sweep of that design."""
    return next((path for path, data in sweeps.items() if str(data.attrs.get("design")).startswith(design)), None)


def _sampled(run: Run, sweeps: dict[str, xr.Dataset]) -> dict[float | None, _samples.Sample]:
    path = _of_design(sweeps, "Bernoulli(")
    if path is None:
        return {}
    names = set(map(str, sweeps[path].data_vars))
    data = run.group(path, on_disk=names - {name for name in names if "loss" in name and "gradient" not in name})
    parts = {float(part["probability"]): _samples.log_losses(part) for part in _samples.parts(data, "probability")}
    return {probability: sample for probability, sample in parts.items() if sample.values.size}


def _cube(run: Run, sweeps: dict[str, xr.Dataset]) -> xr.Dataset | None:
    path = _of_design(sweeps, "Hypercube(")
    # The summary of a hypercube keeps the best of all masks only, not those of each size.
    if path is None or "loss" not in sweeps[path]:
        return None
    data = run.group(path, on_disk=set(map(str, sweeps[path].data_vars)) - {"loss"})
    return data if np.isfinite(data["loss"]).all() and (data["loss"] > 0).all() else None


def _best(cube: xr.Dataset) -> list[str]:
    masks = hypercube.best_masks(cube["loss"]).mask
    on = masks[:, None] >> np.arange(cube.sizes["node"]) & 1
    return ["".join(map(str, gates)) for gates in on.tolist()]


def _distribution(probability: float | None, sample: _samples.Sample, edges: Floats) -> Distribution:
    last = sample.count - 1
    ranks = np.linspace(0, last, min(sample.count, QUANTILES))
    if probability is None:
        # Of so many masks a share says little at the ends: how many are lower is counted there.
        ends = np.arange(min(sample.count, ENDS))
        ranks = np.union1d(np.round(ranks), [ends, last - ends])
    histogram = np.histogram(sample.values, edges, weights=sample.counts)[0].astype(np.int64)
    return Distribution(probability, sample.count, ranks, sample.quantile(ranks / max(last, 1)), histogram)


def _edges(parts: list[_samples.Sample]) -> Floats:
    """Bins for all samples; whole numbers of the bins of a summary, whose edges they share."""
    width = max(part.width for part in parts)
    low = min(float(part.values[0]) for part in parts) - width / 2
    high = max(float(part.values[-1]) for part in parts) + width / 2
    step = (high - low) / BINS
    if width:
        step = float(np.ceil(step / width)) * width
    bins = max(int(np.ceil((high - low) / step - 1e-9)), 1) if step > 0 else 1
    return np.asarray(low + (step or 1.0) * np.arange(bins + 1), np.float64)
