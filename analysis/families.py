"""Which family of laws describes a loss best: log-normal against others, by how well each predicts held-out draws.

A goodness-of-fit test rejects every family once there are draws enough; the score of held-out draws says which one
is the best description, and by how much.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy import special, stats
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from analysis import _checks, _samples
from analysis._errors import InputError, InputTypeError

__all__ = ["FAMILIES", "Law", "comparable", "compare", "fit"]

_Floats = npt.NDArray[np.float64]

#: Families in the order of the report; the others are compared with the first.
FAMILIES = ("log-normal", "normal", "gamma", "Weibull", "log-normal mixture")
#: Parts that the draws are cut into.
_FOLDS = 10
#: Starts of the mixture's fit.
_STARTS = 3
#: Draws that a fold needs at least.
_FEWEST = 5


class Law(NamedTuple):
    """A law fitted to losses.

    `fit` makes it. Its methods give densities and draws, so that a law can be set beside the losses it was fitted to.

    Attributes
    ----------
    family : str
        One of `FAMILIES`, as in `fit`.
    parameters : dict of str to float or tuple of float
        By name: `mu` and `sigma` of the log loss for the log-normal, `mean` and `sd` for the normal, `shape` and
        `scale` for gamma and Weibull, and for the mixture `weights`, `means` and `sds` of the log loss of both
        components, the component of the lower mean first.
    """

    family: str
    parameters: dict[str, Any]

    def log_density(self, loss: Any) -> _Floats:
        """Give the logarithm of the density at losses.

        Parameters
        ----------
        loss : array_like, (...)
            Above 0.

        Returns
        -------
        numpy.ndarray of float64, (...)
            In nats: logarithms of densities in 1/unit of the loss.
        """
        loss = np.asarray(loss, np.float64)
        if self.family != "log-normal mixture":
            return np.asarray(_LAWS[self.family](**self.parameters).logpdf(loss))
        weights, means, sds = (np.asarray(self.parameters[name]) for name in ("weights", "means", "sds"))
        log = np.log(loss)[..., np.newaxis]
        each = np.log(weights) + stats.norm.logpdf(log, means, sds) - log
        return special.logsumexp(each, axis=-1)

    def draw(self, count: int, random: np.random.Generator) -> _Floats:
        """Draw losses from the law.

        Parameters
        ----------
        count : int
            How many, 0 or more.
        random : numpy.random.Generator
            Where the randomness comes from; it is advanced.

        Returns
        -------
        numpy.ndarray of float64, (count,)
            In the unit of the loss; a normal law also gives losses of 0 and below.

        Raises
        ------
        ValueError
            If `count` is negative.
        """
        count = _checks.whole("count", count)
        if self.family != "log-normal mixture":
            return np.asarray(_LAWS[self.family](**self.parameters).rvs(count, random_state=random))
        weights, means, sds = (np.asarray(self.parameters[name]) for name in ("weights", "means", "sds"))
        part = random.choice(weights.size, count, p=weights / weights.sum())
        return np.exp(random.normal(means[part], sds[part]))


_LAWS: dict[str, Any] = {
    "log-normal": lambda mu, sigma: stats.lognorm(sigma, scale=np.exp(mu)),
    "normal": lambda mean, sd: stats.norm(mean, sd),
    "gamma": lambda shape, scale: stats.gamma(shape, scale=scale),
    "Weibull": lambda shape, scale: stats.weibull_min(shape, scale=scale),
}


def fit(loss: Any, family: str, *, seed: int = 0) -> Law:
    """Fit a family to losses by maximum likelihood.

    Parameters
    ----------
    loss : array_like, xarray.DataArray or xarray.Dataset
        Losses of any shape, or a sweep with draws; those that are not finite or not above 0 are left out.
    family : str
        One of `FAMILIES`: "log-normal", "normal", "gamma", "Weibull", "log-normal mixture". Gamma and Weibull have
        their origin at 0; the mixture has two components.
    seed : int
        Seed of the starts of the mixture, whose likelihood has several maxima; the best of three is taken. The other
        families do not depend on it.

    Returns
    -------
    Law
        The family and its parameters.

    Raises
    ------
    TypeError
        If the losses are no real numbers, or a summary, which has no draws.
    ValueError
        If the family is unknown, or there are fewer than 5 usable losses or all are equal.

    See Also
    --------
    compare : Which family describes the losses best.
    analysis.lognormal.fit : The log-normal with errors, and how good the fit is.

    Notes
    -----
    The log-normal and the normal law have their maximum in closed form (standard deviations with divisor n); gamma and
    Weibull are fitted numerically with their location fixed at 0; the mixture by expectation maximisation.

    Examples
    --------
    >>> from analysis import families
    >>> law = families.fit(np.exp([-1.0, 0.0, 0.0, 1.0, 2.0]), family="log-normal")
    >>> {name: round(value, 3) for name, value in law.parameters.items()}
    {'mu': 0.4, 'sigma': 1.02}
    """
    if family not in FAMILIES:
        raise InputError(f"family must be one of {', '.join(FAMILIES)}, got {family!r}")
    return _fit(_usable(loss, _FEWEST), family, _seed(seed))


def _seed(value: int) -> int:
    return _checks.whole("seed", value, 0, 2**32 - 1)  # what the fit of the mixture takes


def comparable(loss: Any, *, folds: int = _FOLDS) -> bool:
    """Tell whether there are losses enough for `compare`.

    Parameters
    ----------
    loss : array_like, xarray.DataArray or xarray.Dataset
        Draws, as for `compare`.
    folds : int
        Parts of the draws, 2 or more.

    Returns
    -------
    bool
        True for 5 losses above 0 a fold, or more, that are not all equal.

    Raises
    ------
    TypeError
        If the losses are no real numbers, or a summary, which has no draws.
    ValueError
        If there are fewer than 2 folds.

    See Also
    --------
    compare : Refuses what this says no to.

    Examples
    --------
    >>> from analysis import families
    >>> families.comparable(np.arange(1.0, 21.0), folds=4), families.comparable(np.arange(1.0, 20.0), folds=4)
    (True, False)
    """
    return _enough(_above_zero(loss), _FEWEST * _checks.whole("folds", folds, 2))


def _enough(values: _Floats, fewest: int) -> bool:
    return values.size >= fewest and bool(np.ptp(values) > 0)


def _above_zero(loss: Any) -> _Floats:
    if _samples.is_summary(loss):
        raise InputTypeError("loss must be draws, got a summary, which keeps none")
    values = _samples.losses(loss).values
    return values[values > 0]


def _usable(loss: Any, fewest: int) -> _Floats:
    values = _above_zero(loss)
    if not _enough(values, fewest):
        raise InputError(f"loss must be {fewest} or more losses above 0 that are not all equal, got {values.size}")
    return values


def _fit(values: _Floats, family: str, seed: int) -> Law:
    log = np.log(values)
    if family == "log-normal":
        return Law(family, {"mu": float(log.mean()), "sigma": float(log.std())})
    if family == "normal":
        return Law(family, {"mean": float(values.mean()), "sd": float(values.std())})
    if family in ("gamma", "Weibull"):
        law = stats.gamma if family == "gamma" else stats.weibull_min
        shape, _, scale = law.fit(values, floc=0)
        return Law(family, {"shape": float(shape), "scale": float(scale)})
    # On arrays this small, threads cost more time than they save.
    with threadpool_limits(1):
        mixture = GaussianMixture(2, n_init=_STARTS, tol=1e-4, max_iter=500, random_state=seed).fit(log[:, np.newaxis])
    order = np.argsort(mixture.means_[:, 0])
    found = {"weights": mixture.weights_, "means": mixture.means_[:, 0], "sds": np.sqrt(mixture.covariances_[:, 0, 0])}
    return Law(family, {name: tuple(float(value) for value in part[order]) for name, part in found.items()})


def compare(loss: Any, *, folds: int = _FOLDS, seed: int = 0) -> xr.Dataset:
    r"""Compare families by the log density that each, fitted to the other draws, gives to draws held out.

    Parameters
    ----------
    loss : array_like, xarray.DataArray or xarray.Dataset
        Independent draws, as for `fit`.
    folds : int
        Parts of the draws, 2 or more; each is held out once. More folds fit to more of the draws and take longer.
    seed : int
        Seed of the assignment of draws to parts, and of the mixture's starts.

    Returns
    -------
    xarray.Dataset, (family,)
        Compare by `difference`: the errors of two scores are strongly correlated.

        - `score`: the mean log density of a held-out draw, in nats, with its standard error `score_error`
        - `difference`: that of the score from the score of the log-normal, above 0 where the family predicts better,
        with
          its standard error `difference_error`
        - `count`: usable draws

    Raises
    ------
    TypeError
        If the losses are no real numbers, or a summary, which has no draws.
    ValueError
        If there are fewer than 2 folds or fewer than 5 usable draws a fold, or all are equal.

    See Also
    --------
    fit : One family.
    comparable : Whether there are draws enough.
    analysis.figures.families.scores : Draws the differences.

    Notes
    -----
    With the fit f_k to all draws but those of fold k, the score of draw i in fold k is ``s_i = log f_k(x_i)``. Both
    families score the same draws, so the error of a difference is that of the mean of ``s_i - s'_i``: their common part
    cancels. Errors are sd / sqrt(n), which takes the scores to be independent; they share their fits, so the errors are
    slightly too small.

    References
    ----------
    T. Gneiting, A. E. Raftery (2007), Strictly proper scoring rules, prediction, and estimation,
    doi:10.1198/016214506000001437.

    Examples
    --------
    >>> from analysis import families
    >>> loss = np.exp(np.random.default_rng(0).normal(size=200))
    >>> found = families.compare(loss, folds=2, seed=0)
    >>> bool(found["difference"].sel(family="normal") < 0)  # a normal law predicts log-normal losses worse
    True
    """
    folds, seed = _checks.whole("folds", folds, 2), _seed(seed)
    values = _usable(loss, _FEWEST * folds)
    fold = np.random.default_rng(seed).permutation(np.arange(values.size) % folds)
    scores = np.empty((len(FAMILIES), values.size))
    for held in range(folds):
        out = fold == held
        for row, family in enumerate(FAMILIES):
            scores[row, out] = _fit(values[~out], family, seed).log_density(values[out])
    difference = scores - scores[0]

    def error(rows: _Floats) -> _Floats:
        return rows.std(axis=1, ddof=1) / np.sqrt(values.size)

    return xr.Dataset(
        {
            "score": ("family", scores.mean(axis=1)),
            "score_error": ("family", error(scores)),
            "difference": ("family", difference.mean(axis=1)),
            "difference_error": ("family", error(difference)),
            "count": values.size,
        },
        coords={"family": list(FAMILIES)},
    )
