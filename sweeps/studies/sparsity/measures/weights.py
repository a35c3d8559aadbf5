"""Weight and unit pruning at equal numbers of weights: units that go take their weights at both ends."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from analysis import _validate
from analysis.errors import InputError
from sweeps.studies.sparsity.measures import plateaus
from sweeps.studies.sparsity.measures.summary import DROPS, KINDS, PUBLISHED, mean_height

Floats = npt.NDArray[np.float64]


def square_law(share: Any) -> Floats:
    r"""Share of the weights between two pruned layers that go with a share of the units of both.

    Parameters
    ----------
    share : array_like
        Of the units of each layer, from 0 to 1.

    Returns
    -------
    numpy.ndarray of float64
        :math:`1 - (1 - k)^2`: a weight stays where the units at both its ends do.

    Examples
    --------
    >>> float(square_law(0.5))
    0.75
    """
    return np.asarray(1 - (1 - _validate.real_numbers("share", share)) ** 2)


def weights_gone(sizes: Sequence[int], share: float) -> float:
    """Share of the prunable weights that go with a share of the units of every hidden layer.

    Parameters
    ----------
    sizes : sequence of int
        Inputs, hidden layers, outputs; the last weight matrix is never pruned and does not count.
    share : float
        Of the units, from 0 to 1; floor(share * units) go.

    Returns
    -------
    float
        Less than by the square law, because all inputs stay.

    Raises
    ------
    ValueError
        If there is no hidden layer, or `share` is not from 0 to 1.

    Examples
    --------
    >>> weights_gone([10, 20, 5], 0.5), round(weights_gone([10, 20, 20, 5], 0.5), 4)
    (0.5, 0.6667)
    """
    if len(sizes) < 3:
        raise InputError(f"sizes: expected inputs, one hidden layer or more and outputs, got {list(sizes)}")
    share = _validate.number("share", share, 0, 1)
    widths = [sizes[0], *(size - int(np.floor(share * size + 1e-9)) for size in sizes[1:-1])]
    stay = sum(a * b for a, b in zip(widths[:-1], widths[1:], strict=True))
    return 1 - stay / sum(a * b for a, b in zip(sizes[:-2], sizes[1:-1], strict=True))


class EqualWeights(NamedTuple):
    """The published weight and unit pruning at equal numbers of weights.

    Attributes
    ----------
    curves : xarray.Dataset
        `accuracy` (kind, network, gone): by linear interpolation at shares of the prunable weights that are gone, in
        per cent, up to what both reach; `difference` (network, gone), weights less units.
    numbers : xarray.Dataset
        `end` (kind, network, fall): where the plateau ends, in per cent of the weights gone, and `fallen`, whether it
        does; `mean_accuracy` (kind, network): mean over the shares of weights gone.
    measured : xarray.DataArray, (network, percent)
        Share of the prunable weights that went with so many per cent of the units.
    """

    curves: xr.Dataset
    numbers: xr.Dataset
    measured: xr.DataArray

    @property
    def until(self) -> float:
        """The largest share of weights gone that both reach in all networks, in per cent."""
        return float(self.curves["gone"][-1])


def at_equal_weights(data: xr.Dataset, points: int = 397) -> EqualWeights:
    """Hold weight pruning against unit pruning at equal numbers of weights, network by network.

    Parameters
    ----------
    data : xarray.Dataset
        `accuracy` and `left` (pruned_by, network, percent) of one length of training; `left`, the share of the
        prunable weights that stay.
    points : int
        Of the common axis.

    Returns
    -------
    EqualWeights

    Raises
    ------
    TypeError
        If `data` is no Dataset.
    ValueError
        If a variable, a dimension or a published way of pruning is missing, or no network is known.

    Notes
    -----
    Ends of plateaus are interpolated between the measured points themselves, the curves on the common axis only serve
    the difference and the mean.
    """
    _validate.dataset_with("data", data, ("accuracy", "left"), ("pruned_by", "network", "percent"))
    points = _validate.whole("points", points, 2)
    both = data[["accuracy", "left"]].transpose("pruned_by", "network", "percent")
    both = both.sel({"pruned_by": [PUBLISHED[kind] for kind in KINDS]})
    gone = 100 * (1 - both["left"].values.astype(np.float64))
    accuracy = both["accuracy"].values.astype(np.float64)
    known = np.isfinite(gone) & np.isfinite(accuracy)
    complete = np.asarray(known.all(axis=(0, 2)))
    if not complete.any():
        raise InputError("data: expected a network of which both curves are known, got none")
    until = float(gone[:, complete].max(axis=-1).min())
    axis = np.linspace(0, until, points)
    heights = np.full((*accuracy.shape[:2], points), np.nan)
    ends = np.full((*accuracy.shape[:2], len(DROPS)), np.nan)
    for kind, network in np.ndindex(*accuracy.shape[:2]):
        if complete[network]:
            heights[kind, network] = np.interp(axis, gone[kind, network], accuracy[kind, network])
            ends[kind, network] = [plateaus.end(gone[kind, network], accuracy[kind, network], drop) for drop in DROPS]
    furthest = np.where(known, gone, -np.inf).max(axis=-1)[..., None]
    coords = {"kind": list(KINDS), "network": data["network"].values, "gone": axis}
    curves = xr.Dataset(
        {
            "accuracy": (("kind", "network", "gone"), heights),
            "difference": (("network", "gone"), heights[0] - heights[1]),
        },
        coords=coords,
    )
    numbers = xr.Dataset(
        {
            "end": (("kind", "network", "fall"), np.where(np.isinf(ends), furthest, ends)),
            "fallen": (("kind", "network", "fall"), np.isfinite(ends)),
            "mean_accuracy": (("kind", "network"), mean_height(axis, heights)),
        },
        coords={"kind": list(KINDS), "network": data["network"].values, "fall": list(DROPS)},
    )
    measured = xr.DataArray(
        gone[1] / 100,
        dims=("network", "percent"),
        coords={"network": data["network"].values, "percent": data["percent"].values},
    )
    return EqualWeights(curves, numbers, measured)
