"""Covariance along flip paths without sampling error, from the whole cube, and the sampled one compared with it."""

from typing import Any

import numpy as np
import xarray as xr
from scipy import linalg, stats

from analysis import _checks, hypercube
from analysis._errors import InputError
from analysis.paths._products import in_standard_errors, joint_test


def exact(values: Any, *, steps: int | None = None) -> xr.DataArray:
    r"""Compute the covariance matrix along a flip path without sampling error, from the whole cube.

    Parameters
    ----------
    values : array_like or xarray.DataArray, (2**N,)
        The value at each mask, such as the log loss; mask number m has node i on when bit i of m is 1.
    steps : int, optional
        Masks of the path, its start among them, 2 to N + 1; N + 1, a whole path, when left out.

    Returns
    -------
    xarray.DataArray, (step, step_other)
        In the squared unit of the values.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If their number is not a power of two, one is not finite, or `steps` is out of range.

    See Also
    --------
    covariance : The same from sampled paths.
    compare : Sets both side by side.
    analysis.hypercube.covariance_by_distance : The entries.

    Notes
    -----
    With a uniform start, and nodes flipped in random order, steps i and j are a uniform mask and the same with
    ``|i - j|`` random nodes flipped: the entry is that of `analysis.hypercube.covariance_by_distance` at ``|i - j|``.
    It does not hold for another start probability than 0.5, nor for paths that flip the nodes of one layer only.

    Examples
    --------
    >>> from analysis import paths
    >>> paths.exact([0.0, 1.0, 1.0, 0.0]).values.tolist()
    [[0.25, -0.25, 0.25], [-0.25, 0.25, -0.25], [0.25, -0.25, 0.25]]
    """
    by_distance = hypercube.covariance_by_distance(values)
    steps = by_distance.size if steps is None else _checks.whole("steps", steps, 2, by_distance.size)
    place = np.arange(steps)
    return xr.DataArray(
        linalg.toeplitz(by_distance[:steps]),
        dims=("step", "step_other"),
        coords={"step": place, "step_other": place},
        name="covariance",
    )


def compare(sampled: xr.Dataset, exact: Any) -> xr.Dataset:
    r"""Compare sampled covariances with the exact ones.

    Parameters
    ----------
    sampled : xarray.Dataset
        What `covariance` returns.
    exact : xarray.DataArray or array_like, (step, step_other)
        What `exact` returns.

    Returns
    -------
    xarray.Dataset
        In the squared unit of the values, or in standard errors:

        - `difference` (step, step_other): sampled less exact
        - `standard_errors` (step, step_other): that over the standard error
        - `largest`: the largest of them without its sign, among `entries` different ones, with `largest_p_value`
        - `distance_difference`, `distance_standard_errors` (distance,): the same of `by_distance`, by number of flips
        - `statistic`, `degrees`, `p_value`: of all distances at once, see `JointTest`

    Raises
    ------
    TypeError
        If `sampled` is no Dataset or the exact covariances are not real numbers.
    ValueError
        If a variable is missing, or the shapes differ.

    See Also
    --------
    covariance, exact : Make the arguments.

    Notes
    -----
    The entries of the matrix are strongly correlated, so the sum of their squares in standard errors is not
    chi-square with as many degrees of freedom as there are entries. Two summaries are honest about that. The largest
    entry's p-value is Bonferroni's, entries times that of one: too large rather than too small, whatever the
    correlations are. And the means over equal distances are tested together, with the full covariance of their
    errors.

    Both take the errors to be normal, and products of log losses are skewed: with few paths read the p-values as
    approximate.

    Examples
    --------
    >>> from analysis import paths
    >>> sampled = paths.covariance([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.5]])
    >>> found = paths.compare(sampled, paths.exact([0.0, 1.0]))
    >>> found["difference"].values.round(3).tolist(), round(float(found["largest_p_value"]), 2)
    ([[0.083, 0.167], [0.167, -0.021]], 0.93)
    """
    dims = ("step", "step_other", "distance", "distance_other")
    needed = ("covariance", "covariance_error", "by_distance", "by_distance_error", "by_distance_covariance", "paths")
    _checks.dataset_with("sampled", sampled, needed, dims)
    wanted = _checks.real_numbers("exact", exact)
    if wanted.shape != sampled["covariance"].shape:
        raise InputError(f"exact must have shape {sampled['covariance'].shape}, as sampled, got {wanted.shape}")
    difference = sampled["covariance"].values - wanted
    ratio = in_standard_errors(difference, sampled["covariance_error"].values)
    entries = np.abs(ratio[np.tril_indices_from(ratio)])
    entries = entries[np.isfinite(entries)]
    largest = float(entries.max(initial=0.0)) if entries.size else float("nan")

    along = np.array([np.diagonal(wanted, k).mean() for k in range(len(wanted))])
    shift = sampled["by_distance"].values - along
    error = sampled["by_distance_error"].values
    test = joint_test(shift, sampled["by_distance_covariance"].values, int(sampled["paths"]), error)
    return xr.Dataset(
        {
            "difference": (("step", "step_other"), difference),
            "standard_errors": (("step", "step_other"), ratio),
            "largest": largest,
            "entries": entries.size,
            "largest_p_value": min(1.0, entries.size * 2 * float(stats.norm.sf(largest))),
            "distance_difference": ("distance", shift),
            "distance_standard_errors": ("distance", in_standard_errors(shift, error)),
            "statistic": test.statistic,
            "degrees": test.degrees,
            "p_value": test.p_value,
        },
        coords={name: sampled[name] for name in ("step", "step_other", "distance")},
    )
