"""Statistics of node removal: what a Bernoulli sweep and a leave-one-out sweep say about the loss.

`losses` takes a sweep of any design, `statistics` adds which masks were drawn, `leave_one_out` says what each node
is worth.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from scipy import special

from analysis import _checks, _samples
from analysis._errors import InputError, InputTypeError

__all__ = ["QUANTILES", "distinct_masks", "expected_distinct_masks", "leave_one_out", "losses", "statistics"]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def distinct_masks(gates: Any) -> int:
    """Count the distinct masks.

    Parameters
    ----------
    gates : array_like of bool, (..., nodes)
        True where a node is on; every dimension but the last is pooled.

    Returns
    -------
    int
        From 1 to the number of masks; far fewer than there are draws means that many draws say the same.

    Raises
    ------
    TypeError
        If the masks are not boolean.
    ValueError
        If they have no dimension.

    See Also
    --------
    expected_distinct_masks : What chance gives.

    Examples
    --------
    >>> from analysis import removal
    >>> removal.distinct_masks([[True, False], [True, False], [True, True]])
    2
    """
    masks = _checks.array("gates", gates)
    if masks.dtype != np.bool_:
        raise InputTypeError(f"gates must be boolean masks, got dtype {masks.dtype}")
    if not masks.ndim:
        raise InputError("gates must have shape (..., nodes), got one truth value")
    masks = masks.reshape(-1, masks.shape[-1])
    # Eight bytes to a word: a mask of up to 64 nodes is one number, which sorts fast.
    packed = np.packbits(masks, axis=1)
    packed = np.pad(packed, ((0, 0), (0, -packed.shape[1] % 8)))
    words = np.ascontiguousarray(packed).view(np.uint64)
    return len(np.unique(words[:, 0]) if words.shape[1] == 1 else np.unique(words, axis=0))


def expected_distinct_masks(nodes: int, probability: float, draws: int) -> float:
    r"""Compute how many distinct masks are expected among independent Bernoulli draws.

    Parameters
    ----------
    nodes : int
        Number of nodes N.
    probability : float
        Probability p that a node stays, between 0 and 1, both included: then all masks are one.
    draws : int
        Number of masks drawn, n.

    Returns
    -------
    float
        From 0 to the lesser of `draws` and ``2**N``.

    Raises
    ------
    TypeError
        If a count is no whole number or the probability no number.
    ValueError
        If a count is negative or the probability not between 0 and 1.

    See Also
    --------
    distinct_masks : Counts them.

    Notes
    -----
    There are ``C(N, k)`` masks with k nodes on, and each is drawn at least once with probability
    ``1 - (1 - p^k (1 - p)^(N - k))^n``; the expectation is the sum over all masks.

    Examples
    --------
    >>> from analysis import removal
    >>> removal.expected_distinct_masks(nodes=1, probability=0.5, draws=2)
    1.5
    """
    nodes, draws = _checks.whole("nodes", nodes), _checks.whole("draws", draws)
    probability = _checks.number("probability", probability, 0, 1)
    on = np.arange(nodes + 1)
    chance = probability**on * (1 - probability) ** (nodes - on)
    with np.errstate(divide="ignore"):  # a mask that is certain gives log(0), and exp(-inf) = 0 is right
        missed = -np.expm1(draws * np.log1p(-chance))
    return float(np.sum(special.comb(nodes, on) * missed))


def _of_losses(data: Any, quantiles: Sequence[float], population: bool) -> dict[str, Any]:
    sample = _samples.losses(data, "sweep")
    count, shape = sample.count, sample.shape
    sd = shape.sd if population else shape.sd * np.sqrt(count / max(count - 1, 1))
    return {
        "draws": count + sample.nonfinite,
        "mean_loss": shape.mean,
        "mean_loss_error": float("nan") if population else sd / np.sqrt(max(count, 1)),
        "sd_loss": sd,
        "skewness_loss": shape.skewness,
        "excess_kurtosis_loss": shape.excess_kurtosis,
        "loss_quantile": sample.quantile(quantiles),
        "quantile_resolution": sample.width / 2,
        "nonpositive": sample.nonpositive,
        "nonfinite": sample.nonfinite,
    }


def losses(
    sweep: xr.Dataset,
    *,
    dim: str | None = "probability",
    quantiles: Sequence[float] = QUANTILES,
    population: bool = False,
) -> xr.Dataset:
    r"""Summarise the loss of a sweep of any design.

    Parameters
    ----------
    sweep : xarray.Dataset
        With `loss`, or the summary of a sweep.
    dim : str or None
        The dimension that is kept, every other one is pooled; None pools everything, which a sweep without this
        dimension needs.
    quantiles : sequence of float
        Which quantiles of the loss, between 0 and 1.
    population : bool
        Whether these are all masks that there are, each once, and not draws: then there is no standard error,
        and the divisor of the standard deviation is n.

    Returns
    -------
    xarray.Dataset, (dim,)
        Over the finite losses of each part, in their unit where they have one:

        - `mean_loss`, and its standard error `mean_loss_error`
        - `sd_loss` (divisor n - 1), `skewness_loss`, `excess_kurtosis_loss`
        - `loss_quantile` (dim, quantile), which is off by `quantile_resolution` at most: by half a bin of a summary's
          histogram, and not at all for draws
        - the counts `draws`; `nonpositive`, finite losses that are 0 or below, part of the mean; and `nonfinite`, left
        out
          of the mean

    Raises
    ------
    TypeError
        If `sweep` is no Dataset or its losses are no real numbers.
    ValueError
        If a variable or a dimension is missing, or a quantile is out of range.

    See Also
    --------
    statistics : With the masks that were drawn.
    analysis.lognormal.fit_each : The law of the losses.

    Notes
    -----
    Of n independent draws the effective sample size is n itself and the Monte Carlo standard error of the mean
    is s / sqrt(n). It says how well these masks determine the mean for this one network; it says
    nothing about other networks. Steps of one flip path are not independent, and the error is then too small.

    Examples
    --------
    >>> from analysis import removal
    >>> sweep = xr.Dataset({"loss": (("probability", "draw"), [[0.1, 0.3], [0.2, 0.6]])}, {"probability": [0.5, 0.9]})
    >>> found = removal.losses(sweep, quantiles=[0.5])
    >>> found["mean_loss"].values.tolist(), found["mean_loss_error"].values.round(3).tolist()
    ([0.2, 0.4], [0.1, 0.2])
    """
    _checks.dataset_with("sweep", sweep, () if _samples.is_summary(sweep) else ("loss",), ())
    quantiles, population = _checks.quantiles(quantiles), _checks.flag("population", population)
    rows = [_of_losses(part, quantiles, population) for part in _samples.parts(sweep, dim, "sweep")]
    variables: dict[str, Any] = {}
    for key in rows[0]:
        over = ([] if dim is None else [dim]) + (["quantile"] if key == "loss_quantile" else [])
        column = np.array([row[key] for row in rows])
        variables[key] = (over, column[0] if dim is None else column)
    coords: dict[str, Any] = {"quantile": list(quantiles)}
    if dim in sweep.coords:
        coords[str(dim)] = sweep[dim].values
    return xr.Dataset(variables, coords=coords)


def statistics(sweep: xr.Dataset, *, quantiles: Sequence[float] = QUANTILES) -> xr.Dataset:
    r"""Summarise a Bernoulli sweep at each probability.

    Parameters
    ----------
    sweep : xarray.Dataset
        With `loss` (probability, ...) and boolean `gates` (probability, ..., node); or the summary of a sweep.
    quantiles : sequence of float
        Which quantiles of the loss, between 0 and 1.

    Returns
    -------
    xarray.Dataset, (probability,)
        What `losses` returns, and the numbers of `distinct_masks`, `full_masks` (every node on) and
        `empty_masks` (every node off), each beside what is expected, such as `expected_full_masks`. A summary
        does not hold the masks that were drawn: it has only what is expected.

    Raises
    ------
    TypeError
        If `sweep` is no Dataset, its losses are no real numbers or its gates not boolean.
    ValueError
        If a variable or a dimension is missing, or a quantile is out of range.

    See Also
    --------
    losses : Of a sweep of any design.
    analysis.gradients.statistics : The same of gate gradients.

    Notes
    -----
    The draws are independent and identically distributed. The full mask is expected ``n * p^N`` times among
    n draws of N nodes.

    Examples
    --------
    >>> from analysis import removal
    >>> gates = [[[True, True], [True, False], [True, True]]]
    >>> dims = ("probability", "draw", "node")
    >>> variables = {"loss": (dims[:2], [[0.1, 0.4, 0.1]]), "gates": (dims, gates)}
    >>> found = removal.statistics(xr.Dataset(variables, {"probability": [0.5]}))
    >>> found["distinct_masks"].values.tolist(), found["expected_distinct_masks"].values.round(2).tolist()
    ([2], [2.31])
    """
    held = _samples.is_summary(sweep)
    _checks.dataset_with("sweep", sweep, () if held else ("loss", "gates"), ("probability", "node"))
    data = losses(sweep, dim="probability", quantiles=quantiles)
    nodes = sweep.sizes["node"]
    chances = [float(p) for p in sweep["probability"]]
    drawn = [int(draws) for draws in data["draws"]]
    expected = {
        "distinct_masks": [expected_distinct_masks(nodes, p, n) for p, n in zip(chances, drawn, strict=True)],
        "full_masks": [n * p**nodes for p, n in zip(chances, drawn, strict=True)],
        "empty_masks": [n * (1 - p) ** nodes for p, n in zip(chances, drawn, strict=True)],
    }
    if not held:
        counts = [_of_masks(part["gates"].transpose(..., "node")) for part in _samples.parts(sweep, "probability")]
        data = data.assign({key: ("probability", [one[key] for one in counts]) for key in expected})
    return data.assign({f"expected_{key}": ("probability", values) for key, values in expected.items()})


def _of_masks(gates: xr.DataArray) -> dict[str, int]:
    masks = np.asarray(gates)
    return {
        "distinct_masks": distinct_masks(masks),
        "full_masks": int(np.count_nonzero(masks.all(axis=-1))),
        "empty_masks": int(np.count_nonzero(~masks.any(axis=-1))),
    }


def leave_one_out(sweep: xr.Dataset, *, full_loss: float | None = None) -> xr.Dataset:
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
        With the attributes `full_loss` and, if `sweep` has it, `unit`:

        - `loss`, in its unit
        - `change`: the loss less the full loss, positive when the node was of use
        - `log_change`: the same of their natural logarithms, NaN where one of them is 0 or below
        - `rank`: 1 for the node whose removal raises the loss most, 0 for one with a NaN loss

    Raises
    ------
    TypeError
        If `sweep` is no Dataset or its losses are no real numbers.
    ValueError
        If a variable is missing, the loss is not one number a node, or there is no full loss.

    See Also
    --------
    analysis.layers.removals : Layer by layer.
    analysis.figures.removal.leave_one_out : Draws the changes.
    analysis.hypercube.shapley : What a node is worth whichever others are on.

    Notes
    -----
    It asks of each node what the whole network loses without it. Of two nodes that do the same either can go for
    nothing, so a change of 0 does not say that both can.

    Examples
    --------
    >>> from analysis import removal
    >>> sweep = xr.Dataset({"loss": ("node", [0.5, 0.2])}, {"node": ["unit 0", "unit 1"]})
    >>> found = removal.leave_one_out(sweep, full_loss=0.25)
    >>> found["change"].values.round(3).tolist(), found["rank"].values.tolist()
    ([0.25, -0.05], [1, 2])
    """
    _checks.dataset_with("sweep", sweep, ("loss",), ("node",))
    if sweep["loss"].dims != ("node",):
        raise InputError(
            f"sweep must be of sweeps.LeaveOneOut, with a loss of dimensions ('node',), got {sweep['loss'].dims}"
        )
    if full_loss is None:
        full_loss = sweep.attrs.get("full_loss")
    if full_loss is None:
        raise InputError("full_loss must be a number, or an attribute 'full_loss' of the sweep, got neither")
    loss = _checks.real_numbers("sweep.loss", sweep["loss"])
    full = _checks.number("full_loss", full_loss, finite=False)
    change = loss - full
    # A loss of 0 has no logarithm, so there is no change of the logarithm.
    log_change = np.log(np.where(loss > 0, loss, np.nan)) - np.log(full if full > 0 else np.nan)
    rank = np.zeros(loss.size, dtype=np.int64)
    known = np.flatnonzero(~np.isnan(change))
    rank[known[np.argsort(-change[known], kind="stable")]] = np.arange(1, known.size + 1)
    variables = {"loss": loss, "change": change, "log_change": log_change, "rank": rank}
    return xr.Dataset(
        {name: ("node", values) for name, values in variables.items()},
        coords={name: sweep[name] for name in sweep.coords if sweep[name].dims == ("node",)},
        attrs={"full_loss": full, **{key: sweep.attrs[key] for key in ("unit", "off") if key in sweep.attrs}},
    )
