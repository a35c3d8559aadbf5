"""The summary of a sweep, made from its draws in plain NumPy and in double precision."""

import numpy as np
import xarray as xr

LOG_BINS, LOG_LOW, LOG_HIGH, LOSS_BINS, BEST = 2**14, -32.0, 32.0, 2**13, 16


def moments(values):
    """Count, mean, variance, skewness and excess kurtosis."""
    nan = float("nan")
    count = len(values)
    mean = values.mean() if count else nan
    variance = values.var(ddof=1) if count > 1 else nan
    spread = values.std() if count else nan
    if not spread > 0:
        return count, mean, variance, nan, nan
    scaled = (values - mean) / spread
    return count, mean, variance, (scaled**3).mean(), (scaled**4).mean() - 3


def histogram(values, low, high, bins):
    """Counts in the bins, below them and above them."""
    place = np.floor((values - low) / (high - low) * bins).astype(int)
    inside = place[(place >= 0) & (place < bins)]
    return np.bincount(inside, minlength=bins), (place < 0).sum(), (place >= bins).sum()


def best(loss, gates):
    """The distinct masks of lowest finite loss, padded with losses of infinity."""
    seen, rows = set(), []
    for draw in np.argsort(loss, kind="stable"):
        if np.isfinite(loss[draw]) and tuple(gates[draw]) not in seen and len(rows) < BEST:
            seen.add(tuple(gates[draw]))
            rows.append(draw)
    lowest, masks = np.full(BEST, np.inf), np.zeros((BEST, gates.shape[1]), gates.dtype)
    lowest[: len(rows)], masks[: len(rows)] = loss[rows], gates[rows]
    return lowest, masks


def summary_of(sweep, gates=None, top=16.0):
    """Summarise a sweep along the last axis of its loss; `gates` (..., node) where the sweep has none."""
    dims = sweep["loss"].dims[:-1]
    shape = sweep["loss"].shape[:-1]
    gates = sweep["gates"].values if gates is None else gates
    gates = gates.reshape(-1, *gates.shape[-2:])
    found = {}

    def add(name, value, *inner):
        found.setdefault(name, (inner, []))[1].append(value)

    for index, loss in enumerate(sweep["loss"].values.astype(np.float64).reshape(-1, sweep["loss"].shape[-1])):
        finite = loss[np.isfinite(loss)]
        add("draws", loss.size)
        add("nonpositive", (finite <= 0).sum())
        add("nonfinite", loss.size - finite.size)
        for name, values, low, high, bins in (
            ("loss", finite, 0.0, top, LOSS_BINS),
            ("log_loss", np.log(finite[finite > 0]), LOG_LOW, LOG_HIGH, LOG_BINS),
        ):
            parts = ("count", "mean", "variance", "skewness", "excess_kurtosis")
            for part, value in zip(parts, moments(values), strict=True):
                add(f"{name}_{part}", value)
            counts, below, above = histogram(values, low, high, bins)
            add(f"{name}_histogram", counts, f"{name}_bin")
            add(f"{name}_below", below)
            add(f"{name}_above", above)
        lowest, masks = best(loss, gates[index])
        add("best_loss", lowest, "rank")
        add("best_gates", masks, "rank", "node")
    data = xr.Dataset(
        {
            name: ((*dims, *inner), np.array(values).reshape((*shape, *np.shape(values[0]))))
            for name, (inner, values) in found.items()
        },
        attrs=sweep.attrs,
    )
    kept = {name: sweep[name] for name in sweep.coords if set(sweep[name].dims) <= {*dims, "node"}}
    return data.assign_coords(
        **kept,
        rank=np.arange(BEST),
        loss_bin=(np.arange(LOSS_BINS) + 0.5) * top / LOSS_BINS,
        log_loss_bin=LOG_LOW + (np.arange(LOG_BINS) + 0.5) * (LOG_HIGH - LOG_LOW) / LOG_BINS,
    )
