"""The published numbers of the circle study, and where they fall among our trained networks."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from analysis import _validate
from analysis.errors import InputError
from sweeps.studies.circle import spread as spread_module

SOURCE = "Neural Networks, More than you wanted to Show: Exploring toy neural nets under node removal"

#: What `compare` looks up, and what to call it.
LABELS = {
    "mean_loss": "mean loss",
    "mean_log_loss": "mean log loss",
    "sd_log_loss": "sd of log loss",
    "full_loss": "full-network loss",
}


def circle() -> xr.Dataset:
    """Give the numbers that the circle study was published with.

    Returns
    -------
    xarray.Dataset, (probability,)
        `mean_loss` (nats), `mean_log_loss`, `sd_log_loss`, from one network and 1,000 masks at each
        probability. The scalars `full_loss` (nats, given to three digits), `distinct_masks` (out of 1,000)
        and `full_masks` (how often the full mask came) at probability 0.75 and `expected_full_masks`
        there, and `smallest_single_removal_loss` (nats): the loss with only node 14 missing, called barely
        noticeable. The attributes `source`, `nodes` and `draws`.

    References
    ----------
    "Neural Networks, More than you wanted to Show", section "Exploring toy neural nets under node removal".
    """
    over = "probability"
    return xr.Dataset(
        {
            "mean_loss": (over, [1.0277158, 0.87821335, 0.584365]),
            "mean_log_loss": (over, [-0.08020699, -0.28468585, -0.7286095]),
            "sd_log_loss": (over, [0.44782004, 0.5544732, 0.6133959]),
            "full_loss": 0.117,
            "distinct_masks": 952,
            "full_masks": 5,
            "expected_full_masks": 3.17,
            "smallest_single_removal_loss": 0.119,
        },
        coords={over: [0.25, 0.5, 0.75]},
        attrs={"source": SOURCE, "nodes": 20, "draws": 1000},
    )


def circle_gradients() -> xr.Dataset:
    """Give what the circle study was published with on gate gradients.

    Returns
    -------
    xarray.Dataset
        `mean` and `sd` (quantity, probability) over all nodes and masks, of the quantities "loss_gradient" (nats) and
        "log_loss_gradient". `state_mean` and `state_sd` (state,) of nodes that are "off" and "on", at the probability
        in the attribute `state_probability`; the source does not say of which quantity, see `split_quantity`. The
        scalars `predicted`, ten times the mean loss gradient at 0.5, and `change`, mean loss at 0.75 less that at
        0.25 (nats). The attributes `source`, `nodes` and `draws`.

    References
    ----------
    "Neural Networks, More than you wanted to Show", section "Exploring toy neural nets under node removal".
    """
    over = ("quantity", "probability")
    return xr.Dataset(
        {
            "mean": (over, [[-0.0693, -0.0475, 0.0270], [-0.0747, -0.0584, -0.0467]]),
            "sd": (over, [[0.368, 0.335, 0.267], [0.361, 0.384, 0.446]]),
            "state_mean": ("state", [-0.1726, 0.0558]),
            "state_sd": ("state", [0.373, 0.359]),
            "predicted": -0.475,
            "change": -0.443,
        },
        coords={
            "quantity": ["loss_gradient", "log_loss_gradient"],
            "probability": [0.25, 0.5, 0.75],
            "state": ["off", "on"],
        },
        attrs={"source": SOURCE, "nodes": 20, "draws": 1000, "state_probability": 0.5},
    )


def split_quantity(published: xr.Dataset, rounding: float = 0.002) -> str:
    r"""Say which quantity the published split by state is of: the one that it adds up to.

    Parameters
    ----------
    published : xarray.Dataset
        In the form of `circle_gradients`.
    rounding : float
        Mean and standard deviation are equal if they differ by this at most. It allows for rounding and for a share
        of nodes that are on that is not exactly p among the masks drawn.

    Returns
    -------
    str
        One of the quantities; empty if the split adds up to none of them or to several.

    Notes
    -----
    A share p of the nodes is on, so all entries have mean :math:`m = p m_1 + (1 - p) m_0` and variance
    :math:`p s_1^2 + (1 - p) s_0^2 + p (1 - p) (m_1 - m_0)^2`.

    Examples
    --------
    >>> split_quantity(circle_gradients())
    'log_loss_gradient'
    """
    _validate.dataset_with("published", published, ("mean", "sd", "state_mean", "state_sd"), ("state", "quantity"))
    rounding = _validate.number("rounding", rounding, 0)
    p = float(published.attrs["state_probability"])
    off, on = (published.sel(state=state) for state in ("off", "on"))
    mean = float(p * on["state_mean"] + (1 - p) * off["state_mean"])
    apart = float(on["state_mean"] - off["state_mean"])
    sd = float(p * on["state_sd"] ** 2 + (1 - p) * off["state_sd"] ** 2 + p * (1 - p) * apart**2) ** 0.5
    whole = published.sel(probability=p)
    equal = (abs(whole["mean"] - mean) <= rounding) & (abs(whole["sd"] - sd) <= rounding)
    found = [str(quantity) for quantity in published["quantity"].values[equal.values]]
    return found[0] if len(found) == 1 else ""


def _place(value: float, ours: np.ndarray) -> dict[str, Any]:
    known = ours[np.isfinite(ours)]
    row: dict[str, Any] = {"published": value, "networks": known.size}
    if known.size == 0:
        nan = float("nan")
        return row | dict.fromkeys(("min", "q25", "median", "q75", "max", "rank", "z"), nan) | {"inside": False}
    for name, q in (("min", 0), ("q25", 0.25), ("median", 0.5), ("q75", 0.75), ("max", 1)):
        row[name] = float(np.quantile(known, q))
    row["rank"] = stats.percentileofscore(known, value, kind="mean") / 100
    sd = float(known.std(ddof=1)) if known.size > 1 else 0.0
    row["z"] = (value - float(known.mean())) / sd if sd > 0 else float("nan")
    row["inside"] = bool(known.min() <= value <= known.max())
    return row


def compare(spread: xr.Dataset, published: xr.Dataset | None = None) -> pd.DataFrame:
    """Say where each published number falls in the spread of trained networks.

    Parameters
    ----------
    spread : xarray.Dataset
        Either the draws, `loss` ([boundary,] network, probability, chain, draw) and `full_loss`
        ([boundary,] network), or what `analysis.spread.statistics` made of them.
    published : xarray.Dataset, optional
        The published numbers in the form of `circle`, which is the default.

    Returns
    -------
    pandas.DataFrame
        A row for each boundary rule (if there is that dimension), quantity and probability. Columns:
        `boundary` (if there), `quantity` (a key of `LABELS`), `probability` (NaN for the full network),
        `published`, `networks` (how many have a finite value), `min`, `q25`, `median`, `q75`, `max` of ours,
        `rank` (fraction of our networks below the published value, ties counted half; it moves in steps of
        1 / networks), `z` (distance from our mean in standard deviations, divisor n - 1) and `inside`
        (between our smallest and largest).

    Raises
    ------
    TypeError
        If `spread` is no Dataset.
    ValueError
        If `spread` lacks a variable or a dimension, or shares no probability with the published numbers.

    Notes
    -----
    If the published network were one more draw from the same population as our n networks, each of its
    numbers would fall outside our range with probability 2 / (n + 1): see `chance_outside`. The numbers of
    one network go up and down together, so several outside are far from independent evidence.
    """
    published = circle() if published is None else published
    _validate.dataset_with("spread", spread, (), ("network",))
    ours = spread if "mean_loss" in spread else spread_module.statistics(spread)
    wanted = ("mean_loss", "mean_log_loss", "sd_log_loss", "full_loss")
    _validate.dataset_with("spread", ours, wanted, ("network", "probability"))
    rows = []
    for boundary in ours["boundary"].values if "boundary" in ours.dims else [None]:
        one = ours if boundary is None else ours.sel(boundary=boundary)
        head = {} if boundary is None else {"boundary": str(boundary)}
        for quantity in wanted[:3]:
            for p in published["probability"].values:
                near = np.flatnonzero(np.isclose(one["probability"], p))
                if near.size:
                    values = one[quantity].isel(probability=near[0]).values
                    place = _place(float(published[quantity].sel(probability=p)), values)
                    rows.append({**head, "quantity": quantity, "probability": float(p), **place})
        if not rows:
            raise InputError(
                f"spread: expected a probability among {published['probability'].values.tolist()}, "
                f"got {ours['probability'].values.tolist()}"
            )
        place = _place(float(published["full_loss"]), one["full_loss"].values)
        rows.append({**head, "quantity": "full_loss", "probability": float("nan"), **place})
    return pd.DataFrame(rows)


def chance_outside(networks: int) -> float:
    """Give the probability that one more network of the same population falls outside our range.

    Parameters
    ----------
    networks : int
        How many networks span the range, 1 or more.

    Returns
    -------
    float
        2 / (networks + 1), at most 1: of `networks` + 1 exchangeable numbers each is equally likely to be
        the smallest, and the largest.

    Raises
    ------
    ValueError
        If `networks` is below 1.
    """
    return min(1.0, 2 / (_validate.whole("networks", networks, 1) + 1))
