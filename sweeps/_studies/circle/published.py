"""The numbers that the circle study was published with."""

import numpy as np
import numpy.typing as npt
import xarray as xr

SOURCE = "Neural Networks, More than you wanted to Show: Exploring toy neural nets under node removal"

#: Published means and standard deviations are equal if they differ by this at most. It allows for rounding, and for a
#: share of nodes that are on that is not exactly p among the masks drawn.
ROUNDING = 0.002


def circle() -> xr.Dataset:
    """Give the numbers that the circle study was published with.

    Returns
    -------
    xarray.Dataset, (probability,)
        `mean_loss` (nats), `mean_log_loss`, `sd_log_loss`, from one network and 1,000 masks at each
        probability. The scalars `full_loss` (nats, given to three digits), `distinct_masks` (out of 1,000)
        and `full_masks` (how often the full mask came) at probability 0.75 and `expected_full_masks`
        there; `smallest_single_removal_loss` (nats): the loss with only node `smallest_single_removal_node` missing,
        called barely noticeable, and `node_14_masks`, how often that came at 0.75. The attributes `source`, `nodes` and
        `draws`.

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
            "smallest_single_removal_node": 14,
            "node_14_masks": 3,
        },
        coords={over: [0.25, 0.5, 0.75]},
        attrs={"source": SOURCE, "nodes": 20, "draws": 1000},
    )


def masks() -> dict[float, npt.NDArray[np.bool_]]:
    """Draw the masks of the published study again, as its code does: NumPy's generator, one p after the other.

    Returns
    -------
    dict of float to numpy.ndarray of bool, (1000, 20)
        By the probability that a node is on.
    """
    random = np.random.RandomState(17)
    return {p: np.array([random.rand(20) < p for _ in range(1000)]) for p in (0.25, 0.5, 0.75)}


def drawn_again() -> dict[str, int]:
    """Count, at p = 0.75, what the source counts, by its names in `circle`, among the masks of `masks`."""
    drawn = masks()[0.75]
    alone = (drawn.sum(axis=1) == 19) & ~drawn[:, int(circle()["smallest_single_removal_node"])]
    found = dict(full_masks=drawn.all(axis=1).sum(), node_14_masks=alone.sum())
    return {"distinct_masks": len(np.unique(drawn, axis=0))} | {key: int(count) for key, count in found.items()}


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


def split_quantity(published: xr.Dataset) -> str:
    r"""Say which quantity the published split by state is of: the one that it adds up to.

    Parameters
    ----------
    published : xarray.Dataset
        In the form of `circle_gradients`.

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
    p = float(published.attrs["state_probability"])
    off, on = (published.sel(state=state) for state in ("off", "on"))
    mean = float(p * on["state_mean"] + (1 - p) * off["state_mean"])
    apart = float(on["state_mean"] - off["state_mean"])
    sd = float(p * on["state_sd"] ** 2 + (1 - p) * off["state_sd"] ** 2 + p * (1 - p) * apart**2) ** 0.5
    whole = published.sel(probability=p)
    equal = (abs(whole["mean"] - mean) <= ROUNDING) & (abs(whole["sd"] - sd) <= ROUNDING)
    found = [str(quantity) for quantity in published["quantity"].values[equal.values]]
    return found[0] if len(found) == 1 else ""
