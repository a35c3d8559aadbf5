"""Covariance along flip paths, estimated from sampled paths, with errors from whole paths."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr
from scipy import stats

from analysis import _jackknife
from analysis._errors import InputError
from analysis.paths._products import Floats, Products, checked, chunks, in_standard_errors, joint_test, variance_of_sum

#: A correlation is significant if a two-sided test at this level says so.
LEVEL = 0.05


def _mean(log_loss: Any) -> tuple[Floats, int, int]:
    """Return the mean of each step, (steps,), and how many paths are finite and how many are not."""
    paths, left_out, total, origin = 0, 0, np.zeros(log_loss.shape[-1]), None
    for rows, bad in chunks(log_loss):
        if origin is None and rows.shape[0]:
            origin = rows[0]  # measured from one of the paths, what never varies has deviations of exactly 0
        paths, left_out = paths + rows.shape[0], left_out + bad
        total += np.sum(rows - origin, axis=0) if origin is not None else 0
    return (total if origin is None else origin + total / paths), paths, left_out


def _by_distance(deviation: Floats) -> Floats:
    """Average the products of two steps of a path over all pairs that are d steps apart, (rows, steps)."""
    steps = deviation.shape[1]
    products = np.empty_like(deviation)
    for distance in range(steps):
        early, late = deviation[:, : steps - distance], deviation[:, distance:]
        products[:, distance] = np.einsum("ri,ri->r", early, late) / (steps - distance)
    return products


def _correlation(log_loss: Any, mean: Floats, scatter: Floats, paths: int) -> tuple[Floats, Floats]:
    """Return the correlation of step 0 with every step and its jackknife error, each (steps,)."""
    factor = paths / (paths - 1)

    def changes() -> Iterator[Floats]:
        for rows, _ in chunks(log_loss):
            deviation = rows - mean
            own = np.diag(scatter) - factor * deviation**2
            both = scatter[0] - factor * deviation[:, :1] * deviation
            yield both / np.sqrt(own[:, :1] * own) - correlation

    with np.errstate(divide="ignore", invalid="ignore"):  # a step that never varies has no correlation: NaN
        correlation = scatter[0] / np.sqrt(scatter[0, 0] * np.diag(scatter))
        error = _jackknife.error(changes(), paths)
    return correlation, error


def covariance(log_loss: Any) -> xr.Dataset:
    r"""Estimate the covariance of the log loss between the steps of flip paths, with errors from the paths.

    Parameters
    ----------
    log_loss : array_like or xarray.DataArray, (..., paths, steps)
        Independent paths; labelled data need the dimension `step`, in any place, and are read a part at a time. All
        other dimensions, such as (chain, draw), are pooled. Step 0 is the start, and of a whole path over N nodes
        step N the opposite mask.

    Returns
    -------
    xarray.Dataset
        In the squared unit of the values, each with its standard error, such as `from_start_error`. A path with a value
        that is not finite is left out; `left_out` counts them, and `paths` the rest.

        - `mean` (step,), in the unit of the values
        - `covariance` (step, step_other)
        - `from_start` (distance,): covariance of step 0 with step k, by the number k of flips
        - `from_end` (distance,): covariance of the last step with the k-th before
        - `by_distance` (distance,): the mean over all pairs of steps that are k apart, which has the smallest error but
          holds for a start probability of 0.5 only
        - `by_distance_covariance` (distance, distance_other): that of the errors of `by_distance`
        - `correlation_from_start` (distance,), and `opposite_correlation`, its last: of the first step with the last
        - `first_insignificant`: the lowest k of 1 or more at which the correlation with the start is within 1.96
        standard
          errors of 0 (a two-sided test at level 0.05); NaN if there is none. It speaks of the paths as much as of the
          network: more paths resolve smaller correlations
        - `reversal_difference` (distance,): `from_start` less `from_end`, with `reversal_error`, and
          `reversal_standard_errors`, their ratio (NaN at the last step, where both are one number)
        - `reversal_statistic`, `reversal_degrees`, `reversal_p_value`: of all steps at once, see `JointTest`

    Raises
    ------
    TypeError
        If the log losses are not real numbers.
    ValueError
        If there are fewer than 2 dimensions, 2 steps or 3 finite paths, or there is no dimension `step`.

    See Also
    --------
    exact : Without sampling error, from the whole cube.
    compare : Whether both agree.
    analysis.figures.paths.overview : Draws it.

    Notes
    -----
    Covariances have the divisor n - 1 and are unbiased, as are differences and means of them. The steps of one path
    are dependent, so all errors are from whole paths, by the delete-one jackknife over paths. For a covariance it needs
    no resampling: with the products ``w_r = d_ri d_rj`` of deviations from the mean of each step,

        C_ij = sum_r w_r / (n - 1)
        error^2 = n / ((n - 1) (n - 2)^2) sum_r (w_r - mean w)^2

    The same holds for any sum of such products. That of the reversal is ``w_r = d_r0 d_rk - d_rN d_r(N-k)``: the
    difference is taken path by path, so what both ends of one path have in common counts as it should. A path read
    backwards is as likely as the path itself if the start is uniform, and the difference then is sampling error. The
    correlation's jackknife leaves out each path in turn. Time is O(n steps^2) in matrix products; beside the paths
    themselves, memory is that of 4,096 of them.

    References
    ----------
    - R. G. Miller (1974), The jackknife - a review, doi:10.1093/biomet/61.1.1.
    - H. Hotelling (1931), The generalization of Student's ratio, doi:10.1214/aoms/1177732979.

    Examples
    --------
    >>> from analysis import paths
    >>> result = paths.covariance([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0], [6.0, 12.0]])
    >>> result["from_start"].values.round(6).tolist(), float(result["opposite_correlation"].round(6))
    ([4.666667, 9.333333], 1.0)
    """
    log_loss = checked(log_loss)
    steps = log_loss.shape[-1]
    mean, paths, left_out = _mean(log_loss)
    if paths < 3:
        raise InputError(f"log_loss must be 3 or more paths of finite numbers, got {paths} and {left_out} others")

    scatter, fourth = np.zeros((2, steps, steps))
    reversal, distance = Products(steps), Products(steps)
    for rows, _ in chunks(log_loss):
        deviation = rows - mean
        square = deviation**2
        scatter += deviation.T @ deviation
        fourth += square.T @ square
        reversal.add(deviation[:, :1] * deviation - deviation[:, -1:] * deviation[:, ::-1])
        distance.add(_by_distance(deviation))
    matrix = scatter / (paths - 1)
    error = np.sqrt(np.maximum(variance_of_sum(fourth - scatter**2 / paths, paths), 0))
    correlation, correlation_error = _correlation(log_loss, mean, scatter, paths)
    significant = np.abs(correlation) > stats.norm.isf(LEVEL / 2) * correlation_error
    insignificant = np.flatnonzero(~significant[1:] & np.isfinite(correlation[1:])) + 1
    test = joint_test(reversal.estimate, reversal.covariance, paths, np.hypot(error[0], error[-1, ::-1]))

    by_step: dict[str, Floats] = {
        "from_start": matrix[0],
        "from_start_error": error[0],
        "from_end": matrix[-1, ::-1],
        "from_end_error": error[-1, ::-1],
        "by_distance": distance.estimate,
        "by_distance_error": distance.error,
        "correlation_from_start": correlation,
        "correlation_from_start_error": correlation_error,
        "reversal_difference": reversal.estimate,
        "reversal_error": reversal.error,
        "reversal_standard_errors": in_standard_errors(reversal.estimate, reversal.error),
    }
    place = np.arange(steps)
    return xr.Dataset(
        {
            "mean": ("step", mean),
            "mean_error": ("step", np.sqrt(np.diag(matrix) / paths)),
            "covariance": (("step", "step_other"), matrix),
            "covariance_error": (("step", "step_other"), error),
            **{name: ("distance", values) for name, values in by_step.items()},
            "by_distance_covariance": (("distance", "distance_other"), distance.covariance),
            "reversal_statistic": test.statistic,
            "reversal_degrees": test.degrees,
            "reversal_p_value": test.p_value,
            "opposite_correlation": correlation[-1],
            "opposite_correlation_error": correlation_error[-1],
            "first_insignificant": float(insignificant[0]) if insignificant.size else float("nan"),
            "paths": paths,
            "left_out": left_out,
        },
        coords={name: place for name in ("step", "step_other", "distance", "distance_other")},
    )
