"""Log-normal fits of a loss: parameters, their errors, and how good the fit is.

The loss of random masks is often close to log-normal: its logarithm to normal. `analysis.families` asks whether another
family describes it better, `analysis.qq` shows where the law fails.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy import stats

from analysis import _checks, _samples

__all__ = ["RESAMPLES", "LogNormalFit", "fit", "fit_each", "ks_distance_by_chance"]

#: Draws that the goodness-of-fit test looks at, at most.
_SAMPLE = 1000
#: Samples of the parametric bootstrap; the smallest p-value that can come out is 1 / (RESAMPLES + 1).
RESAMPLES = 999


class LogNormalFit(NamedTuple):
    """A log-normal law with location 0 fitted to a sample of losses.

    NaN in a field means that the usable draws do not determine it: everything with no draw; everything but
    `mu` with one; with draws that are all equal, `sigma` and both errors are 0 and the shape fields
    (skewness to p-value) are NaN, because a law of no width has no shape. Of a population both errors and the
    p-value are NaN, of a summary the p-value.

    Attributes
    ----------
    mu : float
        Mean of the log loss (natural logarithm of the loss in its own unit).
    sigma : float
        Standard deviation of the log loss, divisor `count`: the maximum likelihood estimate.
    mu_error : float
        Standard error of `mu`.
    sigma_error : float
        Standard error of `sigma`, valid for non-normal logs as well.
    count : int
        Usable draws: finite and above 0.
    nonpositive : int
        Finite draws that are 0 or below; left out of the fit.
    skewness : float
        Third standardised moment of the logs; 0 for a log-normal law.
    excess_kurtosis : float
        Fourth standardised moment of the logs less 3; 0 for a log-normal law.
    ks_distance : float
        Largest distance between the empirical distribution function of the logs and the fitted one. Of a
        summary it is a lower bound, see `ks_resolution`.
    p_value : float
        Calibrated p-value of the hypothesis that the draws are log-normal.
    nonfinite : int
        Draws that are NaN or infinite; left out of the fit.
    ks_resolution : float
        The KS distance is larger than `ks_distance` by this at most; 0 for draws.
    """

    mu: float
    sigma: float
    mu_error: float
    sigma_error: float
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody needs here
    nonpositive: int
    skewness: float
    excess_kurtosis: float
    ks_distance: float
    p_value: float
    nonfinite: int
    ks_resolution: float


def _p_value(standardised: npt.NDArray[np.float64], sample: int, resamples: int, seed: int) -> float:
    if standardised.size < 3 or resamples == 0:  # two standardised draws are always -1 and 1
        return float("nan")
    random = np.random.default_rng(seed)
    if standardised.size > sample:
        standardised = random.choice(standardised, size=sample, replace=False)
    test = stats.goodness_of_fit(stats.norm, standardised, statistic="ad", n_mc_samples=resamples, rng=random)
    return float(test.pvalue)


def fit(
    loss: Any, *, population: bool = False, sample: int = _SAMPLE, resamples: int = RESAMPLES, seed: int = 0
) -> LogNormalFit:
    r"""Fit a log-normal law with location 0, and say how good the fit is.

    The fit is that of a normal law to the logarithms of the losses. At many draws read the effect sizes and not the
    p-value: every real loss departs from the law a little, and enough draws make that significant.

    Parameters
    ----------
    loss : array_like, xarray.DataArray or xarray.Dataset
        Independent draws of a loss, in its own unit, of any shape; or a sweep, or the summary of one. All
        dimensions are pooled. Steps of one flip path are not independent: the errors are then too small.
    population : bool
        Whether these are all masks that there are, each once, and not draws: then there are no standard
        errors and no p-value.
    sample : int
        The p-value is computed from at most this many draws, chosen by `seed` without replacement. At very
        many draws every departure is significant: read the effect sizes (`ks_distance`, `skewness`,
        `excess_kurtosis`), which use all of them.
    resamples : int
        Samples of the parametric bootstrap; 0 leaves `p_value` NaN, as a summary does, which has no draws.
    seed : int
        Seed of the subsample and of the bootstrap. Fits with one seed share the bootstrap's random numbers.

    Returns
    -------
    LogNormalFit
        Parameters, their errors, and how far the logs are from normal.

    Raises
    ------
    TypeError
        If the losses are not real numbers.
    ValueError
        If `sample` is below 3 or `resamples` negative, or a Dataset is neither a sweep nor a summary.

    See Also
    --------
    fit_each : One fit at each probability.
    ks_distance_by_chance : What `ks_distance` is compared with.
    analysis.families.compare : Whether another family predicts better.
    analysis.qq.normal_quantiles : Where the law fails.

    Notes
    -----
    With the location fixed at 0 the likelihood is that of normal logs x_i, so its maximum is at

        mu = 1/n * sum_i x_i        sigma^2 = 1/n * sum_i (x_i - mu)^2

    with divisor n: that is the maximum likelihood estimate, and what the published tables hold. (A free location is not
    identified well and drifts away.) The standard errors are

        mu_error = sigma / sqrt(n - 1)        sigma_error = sigma * sqrt((2 + k) / (4 n))

    the second by the delta method from the variance of sigma^2, with the excess kurtosis k: for normal logs it is the
    usual ``sigma / sqrt(2 n)``, and it stays right, to first order, for logs with heavier or lighter tails.

    The p-value is that of the Anderson-Darling statistic with both parameters fitted, by parametric
    bootstrap. The statistic does not depend on location and scale, so under the hypothesis the p-value is
    uniform on multiples of ``1 / (resamples + 1)`` at any sample size. A Kolmogorov-Smirnov test
    against the fitted law would hardly ever reject, because the fit has already moved the law to the data.

    A summary gives the same moments as its draws, to rounding. Its KS distance is taken at the edges of the
    histogram's bins, where the empirical distribution function is known. Within a bin of width w the
    fitted law grows by ``w / (sigma * sqrt(2 pi))`` at most, so the distance of the draws is larger
    by that at most (and by the share of logs outside the histogram, if there are any): `ks_resolution`. With
    bins of 1/256 and sigma = 0.5 it is 0.003.

    References
    ----------
    M. A. Stephens (1974), EDF statistics for goodness of fit and some comparisons,
    doi:10.1080/01621459.1974.10480196.

    Examples
    --------
    >>> from analysis import lognormal
    >>> result = lognormal.fit(np.exp([-1.0, 0.0, 1.0, 2.0]))
    >>> round(result.mu, 6), round(result.sigma, 6), result.count
    (0.5, 1.118034, 4)
    """
    population, seed = _checks.flag("population", population), _checks.whole("seed", seed)
    sample, resamples = _checks.whole("sample", sample, 3), _checks.whole("resamples", resamples)
    logs = _samples.log_losses(loss)
    nan = float("nan")
    mu, sigma, skewness, kurtosis = logs.shape
    mu_error = sigma_error = distance = resolution = p_value = nan
    if sigma == 0:
        mu_error = sigma_error = 0.0
    elif sigma > 0:
        mu_error = sigma / np.sqrt(logs.count - 1)
        # The moments' inequality gives kurtosis >= -2; rounding may fall just below it.
        sigma_error = sigma * np.sqrt(max(0.0, 2 + kurtosis) / (4 * logs.count))
        distance = logs.distance(stats.norm(mu, sigma).cdf)
        resolution = logs.width / (sigma * np.sqrt(2 * np.pi)) + max(logs.below, logs.above) / logs.count
        if not population and logs.width == 0:
            p_value = _p_value((logs.values - mu) / sigma, sample, resamples, seed)
    return LogNormalFit(
        mu=mu,
        sigma=sigma,
        mu_error=nan if population else float(mu_error),
        sigma_error=nan if population else float(sigma_error),
        count=logs.count,
        nonpositive=logs.nonpositive,
        skewness=skewness,
        excess_kurtosis=kurtosis,
        ks_distance=distance,
        p_value=p_value,
        nonfinite=logs.nonfinite,
        ks_resolution=float(resolution),
    )


def ks_distance_by_chance(count: int) -> float:
    r"""Give the KS distance that a truly log-normal sample exceeds with probability 0.05 when it is fitted.

    Parameters
    ----------
    count : int
        Number of independent draws, 5 or more.

    Returns
    -------
    float
        A distance between distribution functions, from 0 to 1.

    Raises
    ------
    ValueError
        If `count` is below 5.

    See Also
    --------
    fit : Its `ks_distance` is compared with this.

    Notes
    -----
    Stephens' approximation for a normal law with both parameters fitted is

        0.895 / (sqrt(n) - 0.01 + 0.85 / sqrt(n))

    References
    ----------
    M. A. Stephens (1974), EDF statistics for goodness of fit and some comparisons,
    doi:10.1080/01621459.1974.10480196, table 1A.

    Examples
    --------
    >>> from analysis import lognormal
    >>> round(lognormal.ks_distance_by_chance(1000), 4)
    0.0283
    """
    root = float(np.sqrt(_checks.whole("count", count, 5)))
    return 0.895 / (root - 0.01 + 0.85 / root)


def fit_each(loss: xr.DataArray | xr.Dataset, *, dim: str | None = "probability", **options: Any) -> xr.Dataset:
    """Fit a log-normal law at each value of one dimension.

    Parameters
    ----------
    loss : xarray.DataArray or xarray.Dataset, (dim, ...)
        Independent draws of a loss, a sweep, or the summary of one; every dimension but `dim` is pooled.
    dim : str or None
        The dimension that is kept; None for one fit of everything.
    **options : object
        Options of `fit`: `population`, `sample`, `resamples`, `seed`.

    Returns
    -------
    xarray.Dataset, (dim,)
        One variable for each field of `LogNormalFit`.

    Raises
    ------
    ValueError
        If `loss` has no dimension `dim`, or is a Dataset that is neither a sweep nor a summary.
    TypeError
        If the losses are not real numbers.

    See Also
    --------
    fit : One fit of everything.

    Examples
    --------
    >>> from analysis import lognormal
    >>> loss = xr.DataArray(np.exp([[0.0, 2.0], [1.0, 3.0]]), [("probability", [0.25, 0.75]), ("draw", [0, 1])])
    >>> lognormal.fit_each(loss, dim="probability")["mu"].values.tolist()
    [1.0, 2.0]
    """
    fits = [fit(part, **options) for part in _samples.parts(loss, dim, "loss")]
    if dim is None:
        return xr.Dataset(fits[0]._asdict())
    variables = {field: (dim, [getattr(one, field) for one in fits]) for field in LogNormalFit._fields}
    return xr.Dataset(variables, coords={dim: loss[dim]} if dim in loss.coords else None)
