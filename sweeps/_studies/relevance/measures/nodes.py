"""Relevance of hidden nodes against what their removal does: rank correlations over the nodes of each network."""

import numpy as np
import xarray as xr

from analysis import _ranks
from analysis.intervals import LEVEL, Interval, interval
from sweeps._studies.relevance.names import keys

#: Effects of removal: of the node alone, and its mean over all masks of the others.
REMOVALS = ("brute_force", "shapley")
#: Measures that relevance is compared with.
REFERENCES = (*REMOVALS, "gate_gradient")
#: Measures that are no relevance.
OTHERS = ("gate_gradient", "first_order", "second_order", *REMOVALS)


def relevances(nodes: xr.Dataset) -> list[str]:
    """List the measures that are relevances."""
    return [key for key in keys(nodes, "measure") if key not in OTHERS]


def correlations(nodes: xr.Dataset) -> xr.DataArray:
    """Give Spearman's rank correlation of every two measures over the nodes, one of each network.

    Parameters
    ----------
    nodes : xarray.Dataset
        `value` (measure, network, node).

    Returns
    -------
    xarray.DataArray, (measure, other, network)
        NaN where a measure is not known, or the same for all nodes.
    """
    values = nodes["value"].transpose("measure", "network", "node").values.astype(np.float64)
    found = _ranks.correlation(values[:, None], values[None])
    names = keys(nodes, "measure")
    coords = {"measure": names, "other": names, "network": nodes["network"].values}
    return xr.DataArray(found, dims=("measure", "other", "network"), coords=coords)


def mean_of(correlation: xr.DataArray, measure: str, reference: str) -> Interval:
    """Return the mean over networks of one rank correlation."""
    return interval(correlation.sel(measure=measure, other=reference).values)


def ahead(
    correlation: xr.DataArray, names: list[str], reference: str, base: str = "gate_gradient", level: float = LEVEL
) -> dict[str, Interval]:
    """Compare the rank correlations of some measures with a reference to those of one, network by network.

    Parameters
    ----------
    correlation : xarray.DataArray, (measure, other, network)
    names : list of str
        Measures.
    reference, base : str
    level : float
        With so much probability the intervals cover together (Bonferroni).

    Returns
    -------
    dict of str to Interval
        What each has more than `base`; without those whose difference is not known of any network.
    """
    own = correlation.sel(measure=base, other=reference).values
    found = {key: correlation.sel(measure=key, other=reference).values - own for key in names}
    known = {key: values for key, values in found.items() if np.isfinite(values).any()}
    each = 1 - (1 - level) / max(len(known), 1)
    return {key: interval(values, level=each) for key, values in known.items()}


def extremes(correlation: xr.DataArray, names: list[str], reference: str) -> tuple[str, str] | None:
    """Find the measures of the highest and of the lowest mean rank correlation with a reference.

    Parameters
    ----------
    correlation : xarray.DataArray, (measure, other, network)
    names : list of str
        Those to choose from.
    reference : str

    Returns
    -------
    (str, str) or None
        The highest and the lowest; None where no rank correlation is known.
    """
    means = {key: mean_of(correlation, key, reference).mean for key in names}
    means = {key: mean for key, mean in means.items() if np.isfinite(mean)}
    if not means:
        return None
    return max(means, key=lambda key: means[key]), min(means, key=lambda key: means[key])
