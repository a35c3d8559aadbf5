"""Weight and node pruning at equal numbers of weights: nodes that go take their weights at both ends."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from analysis.curves import mean_height
from sweeps._studies.sparsity.measures import plateaus
from sweeps._studies.sparsity.measures.methods import KINDS, PUBLISHED
from sweeps._studies.sparsity.measures.summary import DROPS

Floats = npt.NDArray[np.float64]


def square_law(share: Floats | float) -> Floats:
    r"""Share of the weights between two pruned layers that go with a share of the nodes of both.

    Parameters
    ----------
    share : numpy.ndarray of float64 or float
        Of the nodes of each layer, from 0 to 1.

    Returns
    -------
    numpy.ndarray of float64
        :math:`1 - (1 - k)^2`: a weight stays where the nodes at both its ends do.

    Examples
    --------
    >>> float(square_law(0.5))
    0.75
    """
    return np.asarray(1 - (1 - share) ** 2)


def weights_gone(sizes: Sequence[int], share: float) -> float:
    """Share of the prunable weights that go with a share of the nodes of every hidden layer.

    Parameters
    ----------
    sizes : sequence of int
        Inputs, hidden layers, outputs; the last weight matrix is never pruned and does not count.
    share : float
        Of the nodes, from 0 to 1; floor(share * nodes) go.

    Returns
    -------
    float
        Less than by the square law, because all inputs stay.

    Examples
    --------
    >>> weights_gone([10, 20, 5], 0.5), round(weights_gone([10, 20, 20, 5], 0.5), 4)
    (0.5, 0.6667)
    """
    widths = [sizes[0], *(size - int(np.floor(share * size + 1e-9)) for size in sizes[1:-1])]
    stay = sum(a * b for a, b in zip(widths[:-1], widths[1:], strict=True))
    return 1 - stay / sum(a * b for a, b in zip(sizes[:-2], sizes[1:-1], strict=True))


class EqualWeights(NamedTuple):
    """The published ways of pruning weights and nodes at equal numbers of weights.

    Attributes
    ----------
    curves : xarray.Dataset
        `accuracy` (kind, network, gone): by linear interpolation at shares of the prunable weights that are gone, in
        per cent, up to what both reach; `difference` (network, gone), weights less nodes.
    numbers : xarray.Dataset
        `end` (kind, network, fall): where the plateau ends, in per cent of the weights gone; at the
        last share where it never does. `mean_accuracy` (kind, network): mean over the shares of weights gone.
    measured : xarray.DataArray, (network, percent)
        Share of the prunable weights that went with so many per cent of the nodes.
    """

    curves: xr.Dataset
    numbers: xr.Dataset
    measured: xr.DataArray

    @property
    def until(self) -> float:
        """The largest share of weights gone that both reach in all networks, in per cent."""
        return float(self.curves["gone"][-1])


def at_equal_weights(data: xr.Dataset, points: int = 397) -> EqualWeights:
    """Compare weight pruning with node pruning at equal numbers of weights, network by network.

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

    Notes
    -----
    Ends of plateaus are interpolated between the measured points themselves, the curves on the common axis serve the
    difference and the mean only.
    """
    both = data[["accuracy", "left"]].transpose("pruned_by", "network", "percent")
    both = both.sel({"pruned_by": [PUBLISHED[kind] for kind in KINDS]}).astype(np.float64)
    gone, accuracy = 100 * (1 - both["left"].values), both["accuracy"].values
    axis = np.linspace(0, gone.max(axis=-1).min(), points)
    heights = np.empty((*accuracy.shape[:2], points))
    ends = np.empty((*accuracy.shape[:2], len(DROPS)))
    for place in np.ndindex(*accuracy.shape[:2]):
        heights[place] = np.interp(axis, gone[place], accuracy[place])
        ends[place] = [plateaus.end(gone[place], accuracy[place], drop) for drop in DROPS]
    coords = {"kind": list(KINDS), "network": data["network"].values}
    curves = xr.Dataset(
        {
            "accuracy": (("kind", "network", "gone"), heights),
            "difference": (("network", "gone"), heights[0] - heights[1]),
        },
        coords=coords | {"gone": axis},
    )
    numbers = xr.Dataset(
        {
            "end": (("kind", "network", "fall"), np.minimum(ends, gone.max(axis=-1)[..., None])),
            "mean_accuracy": (("kind", "network"), mean_height(heights, along=axis)),
        },
        coords=coords | {"fall": list(DROPS)},
    )
    units = both["left"].sel({"pruned_by": PUBLISHED["units"]}, drop=True)
    return EqualWeights(curves, numbers, 1 - units)
