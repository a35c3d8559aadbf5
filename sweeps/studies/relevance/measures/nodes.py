"""Relevance of hidden nodes against what their removal does: rank correlations over the nodes of each network."""

from typing import Any

import numpy as np
import xarray as xr

from analysis import _validate, ranks
from analysis.intervals import LEVEL, Interval, interval
from sweeps.studies.relevance.names import keys

#: What relevance is held to: the effect of removal alone, on average over all masks, and by the gradient.
REFERENCES = ("brute_force", "shapley", "gate_gradient")
#: What is held to a removal that is no relevance.
OTHERS = ("gate_gradient", "first_order", "second_order", "brute_force", "shapley")


def checked(nodes: Any) -> xr.Dataset:
    """Return the measures with their dimensions in order.

    Raises
    ------
    TypeError
        If `nodes` is no Dataset.
    ValueError
        If the variable or a dimension is missing.
    """
    _validate.dataset_with("nodes", nodes, ("value",), ("measure", "network", "node"))
    data: xr.Dataset = nodes.transpose("measure", "network", "node", ...)
    if "network" not in data.coords:
        data = data.assign_coords(network=np.arange(data.sizes["network"]))
    return data


def references(nodes: xr.Dataset) -> list[str]:
    """List which of `REFERENCES` are there."""
    return [key for key in REFERENCES if key in keys(nodes, "measure")]


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
    found = ranks.correlation(values[:, None], values[None])
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
        What each has more than `base`; empty where the base or the reference is not there, or both are the same.
    """
    there = keys(correlation, "measure")
    if base not in there or reference not in there or base == reference:
        return {}
    own = correlation.sel(measure=base, other=reference).values
    found = {key: correlation.sel(measure=key, other=reference).values - own for key in names if key in there}
    known = {key: values for key, values in found.items() if np.isfinite(values).any()}
    each = 1 - (1 - level) / max(len(known), 1)
    return {key: interval(values, each) for key, values in known.items()}


def telling(correlation: xr.DataArray, names: list[str], reference: str) -> list[str]:
    """Choose two measures to be shown against a reference: of the highest and the lowest rank correlation.

    Parameters
    ----------
    correlation : xarray.DataArray, (measure, other, network)
    names : list of str
        Those to choose from.
    reference : str

    Returns
    -------
    list of str
        One, where there is one only.
    """
    means = {key: mean_of(correlation, key, reference).mean for key in names if key != reference}
    means = {key: mean for key, mean in means.items() if np.isfinite(mean)}
    if not means:
        return []
    return list(dict.fromkeys((max(means, key=lambda key: means[key]), min(means, key=lambda key: means[key]))))
