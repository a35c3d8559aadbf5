"""Statistics of node removal: what a Bernoulli sweep and a leave-one-out sweep say about the loss."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy import special

from analysis import _validate

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def distinct_masks(gates: Any) -> int:
    """Count the distinct masks.

    Parameters
    ----------
    gates : array_like of bool, (..., nodes)
        Masks; every dimension but the last is pooled.

    Returns
    -------
    int

    Raises
    ------
    TypeError
        If the masks are not boolean.

    Examples
    --------
    >>> distinct_masks([[True, False], [True, False], [True, True]])
    2
    """
    masks = np.asarray(gates)
    if masks.dtype != np.bool_:
        raise TypeError(f"gates: expected boolean masks, got dtype {masks.dtype}")
    masks = masks.reshape(-1, masks.shape[-1])
    return len(np.unique(np.packbits(masks, axis=1), axis=0))


def expected_distinct_masks(nodes: int, probability: float, draws: int) -> float:
    r"""Compute how many distinct masks are expected among independent Bernoulli draws.

    Parameters
    ----------
    nodes : int
        Number of nodes N.
    probability : float
        Probability p that a node stays, between 0 and 1.
    draws : int
        Number of masks drawn, n.

    Returns
    -------
    float

    Notes
    -----
    There are :math:`\binom{N}{k}` masks with k nodes on, and each is drawn at least once with probability
    :math:`1 - (1 - p^k (1 - p)^{N - k})^n`; the expectation is the sum over all masks.

    Examples
    --------
    >>> expected_distinct_masks(nodes=1, probability=0.5, draws=2)
    1.5
    """
    on = np.arange(nodes + 1)
    chance = probability**on * (1 - probability) ** (nodes - on)
    with np.errstate(divide="ignore"):  # a mask that is certain gives log(0), and exp(-inf) = 0 is right
        missed = -np.expm1(draws * np.log1p(-chance))
    return float(np.sum(special.comb(nodes, on) * missed))


def _one_probability(
    losses: npt.NDArray[np.float64],
    masks: npt.NDArray[np.bool_],
    probability: float,
    quantiles: Sequence[float],
) -> dict[str, Any]:
    finite = losses[np.isfinite(losses)]
    draws, nodes = masks.shape
    nan = float("nan")
    sd = float(finite.std(ddof=1)) if finite.size > 1 else nan
    return {
        "draws": draws,
        "mean_loss": float(finite.mean()) if finite.size else nan,
        "mean_loss_error": sd / np.sqrt(finite.size) if finite.size > 1 else nan,
        "sd_loss": sd,
        "loss_quantile": np.quantile(finite, quantiles) if finite.size else np.full(len(quantiles), nan),
        "nonpositive": int(np.count_nonzero(finite <= 0)),
        "nonfinite": draws - finite.size,
        "distinct_masks": distinct_masks(masks),
        "expected_distinct_masks": expected_distinct_masks(nodes, probability, draws),
        "full_masks": int(np.count_nonzero(masks.all(axis=1))),
        "expected_full_masks": draws * probability**nodes,
        "empty_masks": int(np.count_nonzero(~masks.any(axis=1))),
        "expected_empty_masks": draws * (1 - probability) ** nodes,
    }


def statistics(sweep: xr.Dataset, quantiles: Sequence[float] = QUANTILES) -> xr.Dataset:
    r"""Summarise a Bernoulli sweep at each probability.

    Parameters
    ----------
    sweep : xarray.Dataset
        With `loss` (probability, chain, draw) and boolean `gates` (probability, chain, draw, node).
    quantiles : sequence of float
        Which quantiles of the loss, between 0 and 1.

    Returns
    -------
    xarray.Dataset, (probability,)
        In the loss's unit: `mean_loss`, its standard error `mean_loss_error`, `sd_loss` (divisor n - 1) and
        `loss_quantile` (probability, quantile), all over the finite losses. Counts: `draws`;
        `nonpositive` (finite losses that are 0 or below, part of the mean); `nonfinite` (left out of the
        mean); `distinct_masks`, `full_masks` (every node on) and `empty_masks` (every node off), each
        beside what is expected, such as `expected_full_masks`.

    Raises
    ------
    TypeError
        If `sweep` is no Dataset, its losses are no real numbers or its gates not boolean.
    ValueError
        If a variable or a dimension is missing, or a quantile is out of range.

    Notes
    -----
    The draws are independent and identically distributed. So the effective sample size is n itself and the
    Monte Carlo standard error of the mean is :math:`s / \sqrt n`. It says how well these masks determine the
    mean for this one network; it says nothing about other networks. The full mask is expected
    :math:`n p^N` times among n draws of N nodes.
    """
    dims = ("probability", "chain", "draw")
    _validate.dataset_with("sweep", sweep, ("loss", "gates"), (*dims, "node"))
    if not all(0 <= q <= 1 for q in quantiles):
        raise ValueError(f"quantiles: expected numbers between 0 and 1, got {tuple(quantiles)}")
    losses = _validate.real_numbers("sweep.loss", sweep["loss"].transpose(*dims))
    masks = np.asarray(sweep["gates"].transpose(*dims, "node"))
    probabilities = np.asarray(sweep["probability"], dtype=np.float64)
    rows = [
        _one_probability(losses[i].ravel(), masks[i].reshape(-1, masks.shape[-1]), float(p), quantiles)
        for i, p in enumerate(probabilities)
    ]
    variables: dict[str, Any] = {}
    for key in rows[0]:
        over = ("probability", "quantile") if key == "loss_quantile" else ("probability",)
        variables[key] = (over, np.array([row[key] for row in rows]))
    return xr.Dataset(variables, coords={"probability": probabilities, "quantile": list(quantiles)})


def leave_one_out(sweep: xr.Dataset, full_loss: float | None = None) -> xr.Dataset:
    """Say what each node is worth when it alone goes off.

    Parameters
    ----------
    sweep : xarray.Dataset
        With `loss` (node,), the loss when that node is off.
    full_loss : float, optional
        Loss with every node on; the attribute `full_loss` of `sweep` when left out.

    Returns
    -------
    xarray.Dataset, (node,)
        `loss`; `change`, the loss less the full loss (both in the loss's unit; positive when the node was
        of use); `rank`, 1 for the node whose removal raises the loss most. The attribute `full_loss`.
        A node with a NaN loss has rank 0.

    Raises
    ------
    TypeError
        If `sweep` is no Dataset or its losses are no real numbers.
    ValueError
        If a variable is missing, or there is no full loss.
    """
    _validate.dataset_with("sweep", sweep, ("loss",), ("node",))
    if full_loss is None:
        full_loss = sweep.attrs.get("full_loss")
    if full_loss is None:
        raise ValueError("full_loss: expected a number, or an attribute 'full_loss' of the sweep, got neither")
    loss = _validate.real_numbers("sweep.loss", sweep["loss"])
    change = loss - float(full_loss)
    rank = np.zeros(loss.size, dtype=np.int64)
    known = np.flatnonzero(~np.isnan(change))
    rank[known[np.argsort(-change[known], kind="stable")]] = np.arange(1, known.size + 1)
    return xr.Dataset(
        {"loss": ("node", loss), "change": ("node", change), "rank": ("node", rank)},
        coords={name: sweep[name] for name in sweep.coords if sweep[name].dims == ("node",)},
        attrs={"full_loss": float(full_loss)},
    )
