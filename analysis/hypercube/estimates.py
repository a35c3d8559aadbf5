"""Quantities of the N-cube estimated from sampled masks, with standard errors, where ``2**N`` values are too many.

There is no estimator of the best mask of every size, which `analysis.hypercube.best_masks` finds in a table: the lowest
value of a sample only bounds the lowest of all from above, and no sample says how far above. The lowest that were seen
are in `analysis.best`.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr

from analysis import _checks, _jackknife
from analysis._errors import InputError
from analysis.hypercube import _sampled
from analysis.hypercube._table import Floats, checked_probability

__all__ = ["along_paths", "first_order", "shapley"]

#: Deviations of the values (rows,) and of the basis functions (rows, nodes), a part of the draws at a time.
_Pieces = Iterator[tuple[Floats, Floats]]


def first_order(values: Any, gates: Any, *, probability: float = 0.5) -> xr.Dataset:
    r"""Estimate what single nodes do, and which share of the variance that is, from independent Bernoulli(p) draws.

    Parameters
    ----------
    values : array_like or xarray.DataArray, (..., draws)
        Such as the loss or the log loss; all dimensions are pooled, such as (chain, draw).
    gates : array_like or xarray.DataArray, (..., draws, nodes)
        The mask of each value, booleans or zeros and ones; labelled ones with the dimension `node`, in any place.
    probability : float
        Probability p that a node is on, above 0 and below 1: the one that all the draws were made with. Masks drawn
        with another would make the estimates wrong, so a share of gates on that does not fit is refused.

    Returns
    -------
    xarray.Dataset
        Each estimate with its standard error, such as `effect_error`:

        - `coefficient` (node,): that of the node alone in the basis of `analysis.hypercube.biased`, in the unit of the
          values, above 0 for a node that raises the value when it goes on
        - `effect` (node,): the mean with the node on less the mean with it off, in the unit of the values; at p = 0.5
        the
          Banzhaf value
        - `sobol_first` (node,): a share of the variance, see `analysis.hypercube.sobol`
        - `additive_share`: their sum, see `analysis.hypercube.additive_share`
        - `draws`, and `left_out`, draws with a value that is not finite

        NaN for a node that is on, or off, in all draws; the shares are NaN for a constant.

    Raises
    ------
    TypeError
        If the values or gates are not numbers.
    ValueError
        If shapes do not fit, a gate is neither 0 nor 1, there are several probabilities, steps of paths or fewer than 4
        finite draws, or as many gates on would be next to impossible at this probability.

    See Also
    --------
    analysis.hypercube.sobol, analysis.hypercube.banzhaf : The exact quantities.
    along_paths : What flip paths tell in addition.

    Notes
    -----
    With ``z_i = (m_i - p) / sqrt(p (1 - p))``, the products ``w_r = (f_r - mean f) (z_ri - mean z_i)`` of n draws r,
    and the variance V with divisor n - 1, the coefficient c, the effect, the standard error e of c and the first-order
    index of node i are

        c_i = sum_r w_r / (n - 1)
        effect_i = c_i / sqrt(p (1 - p))
        e_i^2 = n / ((n - 1) (n - 2)^2) sum_r (w_r - mean w)^2
        sobol_first_i = (c_i^2 - e_i^2) / V

    The coefficient and the effect are unbiased; without the mean of f, their variance would grow by its square. Less
    the error variance, the squared coefficient is unbiased up to O(n^-2), so that many nodes which do nothing add
    nothing to the additive share; either share can come out below 0.

    The error is that of the delete-one jackknife, exactly. That of the shares starts from the jackknife, with the error
    variance without draw r taken about the means of all draws. Where a coefficient c is as small as its error e, a
    jackknife fails: the variance of ``c^2 - e^2`` is ``4 c^2 e^2 + 2 e^4`` with the true c, and the jackknife's is near
    the same with the estimated c in the first term alone, on average too large by ``2 e^4`` but next to 0 where the
    estimate is by chance. So ``2 e^4`` is subtracted, summed over nodes for the additive share, and no less than that
    is left: it is what chance alone does. Time is O(n N), and the gates are read three times, in parts.

    References
    ----------
    - R. O'Donnell (2014), Analysis of Boolean Functions, section 8.4, doi:10.1017/CBO9781139814782.
    - B. Efron, C. Stein (1981), The jackknife estimate of variance, doi:10.1214/aos/1176345462.

    Examples
    --------
    >>> from analysis.hypercube import estimates
    >>> gates = np.random.default_rng(0).random((100_000, 3)) < 0.5
    >>> result = estimates.first_order(gates @ [1.0, 2.0, 0.5], gates, probability=0.5)
    >>> result["effect"].values.round(1).tolist(), float(result["additive_share"].round(1))
    ([1.0, 2.0, 0.5], 1.0)
    """
    chance = checked_probability(probability, inside=True)
    if chance.ndim:
        raise InputError(f"probability must be one number, got shape {chance.shape}")
    values, gates, nodes = _sampled.paired(values, gates, ())
    loss = _checks.real_numbers("values", values).ravel()
    finite = _sampled.finite(loss, 4, "draws")
    n, on, kept_on = int(np.count_nonzero(finite)), 0, np.zeros(gates.shape[-1], np.int64)
    for rows, bits in _sampled.parts(gates, 1):
        on += int(np.count_nonzero(bits))
        kept_on += np.count_nonzero(bits[finite[rows]], axis=0)
    _sampled.check_share(on, gates.size, float(chance))
    share = kept_on / n

    # Measured from one of the draws, a constant has deviations of exactly 0.
    deviation = loss - loss[finite][0]
    deviation -= deviation[finite].mean()
    spread = np.sqrt(chance * (1 - chance))

    def pieces() -> _Pieces:
        for rows, bits in _sampled.parts(gates, 1):
            kept = finite[rows]
            yield deviation[rows][kept], (bits[kept] - share) / spread

    total, square = np.zeros((2, share.size))
    for d, phi in pieces():
        total += d @ phi
        square += d**2 @ phi**2
    total[(share == 0) | (share == 1)] = np.nan
    coefficient = total / (n - 1)
    falls = (n / ((n - 1) * (n - 2))) ** 2 * np.maximum(square - total**2 / n, 0)
    error = np.sqrt((n - 1) / n * falls)
    variance = float(np.sum(deviation[finite] ** 2)) / (n - 1)
    sobol = (coefficient**2 - error**2) / (variance if variance > 0 else np.nan)
    by_jackknife = _jackknife.error(_share_changes(pieces(), coefficient, falls, variance, sobol, n), n)
    chance_alone = 2 * np.append(error**4, np.sum(error**4)) / variance**2 if variance > 0 else np.nan
    shares_error = np.sqrt(np.maximum(by_jackknife**2 - chance_alone, chance_alone))
    by_node = {
        "coefficient": coefficient,
        "coefficient_error": error,
        "effect": coefficient / spread,
        "effect_error": error / spread,
        "sobol_first": sobol,
        "sobol_first_error": shares_error[:-1],
    }
    single = {"additive_share": sobol.sum(), "additive_share_error": shares_error[-1]}
    return _dataset(by_node, nodes, {**single, "draws": n, "left_out": loss.size - n})


def _share_changes(
    pieces: _Pieces, coefficient: Floats, falls: Floats, variance: float, sobol: Floats, n: int
) -> Iterator[Floats]:
    r"""Yield what leaving out each of n draws changes in the shares of the variance, of each node and of all of them.

    A coefficient falls by ``n (w_r - mean w) / ((n - 1) (n - 2))``; `falls` is the sum of the squares of that.
    """
    scale, scale_without = n / ((n - 1) * (n - 2)), (n - 1) / ((n - 2) * (n - 3))
    for d, phi in pieces:
        fall = scale * (d[:, np.newaxis] * phi) - coefficient / (n - 2)
        falls_without = (scale_without / scale) ** 2 * (falls - n / (n - 1) * fall**2)
        square_without = (coefficient - fall) ** 2 - (n - 2) / (n - 1) * falls_without
        change = square_without / _sampled.variance_without(d**2, variance, n)[:, np.newaxis] - sobol
        yield np.column_stack([change, change.sum(axis=1)])


def along_paths(values: Any, gates: Any) -> xr.Dataset:
    r"""Estimate Banzhaf values and total Sobol indices at p = 0.5 from whole flip paths with a uniform start.

    Parameters
    ----------
    values : array_like or xarray.DataArray, (..., paths, nodes + 1)
        Such as the loss or the log loss. Labelled values need the dimension `step`; all others, such as (chain, draw),
        are pooled.
    gates : array_like or xarray.DataArray, (..., paths, nodes + 1, nodes)
        The mask of each value, booleans or zeros and ones; labelled ones with the dimension `node`, in any place.

    Returns
    -------
    xarray.Dataset
        Each estimate with its standard error, such as `banzhaf_error`:

        - `banzhaf` (node,): in the unit of the values, see `analysis.hypercube.banzhaf`
        - `sobol_total` (node,): a share of the variance, see `analysis.hypercube.sobol`; NaN for a constant
        - `paths`, and `left_out`, paths with a value that is not finite

    Raises
    ------
    TypeError
        If the values or gates are not numbers.
    ValueError
        If shapes do not fit, a gate is neither 0 nor 1, a path does not flip every node once, the starts are not
        uniform, or there are fewer than 3 finite paths.

    See Also
    --------
    shapley : From paths that start with every node off.
    analysis.hypercube.banzhaf, analysis.hypercube.sobol : The exact quantities.
    analysis.paths.covariance : The covariance along the same paths.

    Notes
    -----
    Node i of a path is flipped at a mask m that is uniform, whatever the order. So with the effect
    ``d_i = f(m, i on) - f(m, i off)`` and the Walsh coefficients c, the Banzhaf value b and the total index T are

        b_i = E d_i
        T_i = E d_i^2 / (4 Var f),  since  E d_i^2 = 4 sum_{S holds i} c(S)^2

    The second is Jansen's estimator: there node i is drawn anew, which flips it every other time, and half the mean
    square is taken. The variance is the mean over steps of that over paths, divisor n - 1. Steps of one path
    are dependent: errors are those of the delete-one jackknife over paths, exactly, also that of the ratio. The
    effects of all paths, as large as the values, are kept in memory; the gates are read once, in parts.

    References
    ----------
    M. J. W. Jansen (1999), Analysis of variance designs for model output, doi:10.1016/S0010-4655(98)00154-4.

    Examples
    --------
    >>> from analysis.hypercube import estimates
    >>> gates = np.array([[[0, 0], [1, 0], [1, 1]], [[1, 0], [0, 0], [0, 1]], [[0, 1], [0, 0], [1, 0]]])
    >>> estimates.along_paths(gates @ [1.0, 2.0], gates)["banzhaf"].values.tolist()
    [1.0, 2.0]
    """
    values, gates, nodes = _sampled.paired(values, gates, ("step",))
    loss, effects, start, left_out = _sampled.effects(values, gates, 3)
    _sampled.check_share(
        int(np.count_nonzero(start)), start.size, 0.5, " at the start; sweep FlipPaths(probability=0.5)"
    )
    n = len(loss)
    deviation = loss - loss[0]
    deviation -= deviation.mean(axis=0)
    path = np.mean(deviation**2, axis=1)  # of each path, its part of the variance
    variance = path.sum() / (n - 1)
    square = np.mean(effects**2, axis=0)
    sobol = square / (4 * variance if variance > 0 else np.nan)
    variance_without = _sampled.variance_without(path, variance, n)

    def changes() -> Iterator[Floats]:
        for rows in _sampled.slices(n, effects.shape[1]):
            square_without = (n * square - effects[rows] ** 2) / (n - 1)
            yield square_without / (4 * variance_without[rows, np.newaxis]) - sobol

    mean, error = _sampled.mean(effects)
    by_node = {"banzhaf": mean, "banzhaf_error": error, "sobol_total": sobol}
    by_node["sobol_total_error"] = _jackknife.error(changes(), n)
    return _dataset(by_node, nodes, {"paths": n, "left_out": left_out})


def shapley(values: Any, gates: Any) -> xr.Dataset:
    r"""Estimate Shapley values from whole flip paths that start with every node off, or with every node on.

    Parameters
    ----------
    values : array_like or xarray.DataArray, (..., paths, nodes + 1)
        Such as the loss or the log loss, from paths such as those of ``sweeps.FlipPaths(probability=0)``. Labelled
        values need the dimension `step`; all others, such as (chain, draw), are pooled.
    gates : array_like or xarray.DataArray, (..., paths, nodes + 1, nodes)
        The mask of each value, booleans or zeros and ones; labelled ones with the dimension `node`, in any place.

    Returns
    -------
    xarray.Dataset
        By `node`: `shapley`, in the unit of the values, and its standard error `shapley_error`. `paths`, and
        `left_out`, paths with a value that is not finite.

    Raises
    ------
    TypeError
        If the values or gates are not numbers.
    ValueError
        If shapes do not fit, a gate is neither 0 nor 1, a path does not flip every node once or starts elsewhere, or
        there are fewer than 2 finite paths.

    See Also
    --------
    analysis.hypercube.shapley : The exact values.
    along_paths : Banzhaf values, from paths with a uniform start.

    Notes
    -----
    The Shapley value is the mean effect of a node that is switched on after those that come before it in random order,
    so the mean over paths is unbiased; read backwards, a path from every node on is one from every node off. The
    effects along each path sum to the value with all on less that with all off, and so do the estimates. Paths are
    independent, and each has one effect of a node: the error is the standard deviation over the square root of their
    number.

    References
    ----------
    J. Castro, D. Gomez, J. Tejada (2009), Polynomial calculation of the Shapley value based on sampling,
    doi:10.1016/j.cor.2008.04.004.

    Examples
    --------
    >>> from analysis.hypercube import estimates
    >>> gates = np.array([[[0, 0], [1, 0], [1, 1]], [[0, 0], [0, 1], [1, 1]]])
    >>> estimates.shapley([[0.0, 1.0, 5.0], [0.0, 2.0, 5.0]], gates)["shapley"].values.tolist()
    [2.0, 3.0]
    """
    values, gates, nodes = _sampled.paired(values, gates, ("step",))
    loss, effects, start, left_out = _sampled.effects(values, gates, 2)
    mixed = int(np.count_nonzero((start != start[:, :1]).any(axis=1)))
    if mixed:
        raise InputError(
            f"gates must be paths that start with every node off, or every node on, got {mixed} of {len(start)} that "
            "do not; sweep FlipPaths(probability=0)"
        )
    mean, error = _sampled.mean(effects)
    return _dataset({"shapley": mean, "shapley_error": error}, nodes, {"paths": len(loss), "left_out": left_out})


def _dataset(by_node: dict[str, Floats], nodes: Any, single: dict[str, Any]) -> xr.Dataset:
    return xr.Dataset({**{name: ("node", data) for name, data in by_node.items()}, **single}, {"node": nodes})
