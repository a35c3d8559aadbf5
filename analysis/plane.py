"""The input plane of a network with two inputs: certainty, loss and gate gradients on a grid of points."""

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from analysis import _checks, perceptron
from analysis._errors import InputError
from analysis.perceptron import Perceptron

__all__ = ["LIMIT", "grid", "maps", "true_classes"]

#: Half the side of the grid, and its points along a side.
LIMIT, _POINTS = 2.0, 161


def grid(*, limit: float = LIMIT, points: int = _POINTS) -> xr.Dataset:
    """Make a square grid about the origin.

    Parameters
    ----------
    limit : float
        Half the side, above 0, in the unit of the inputs.
    points : int
        Points a side, 2 or more; the network is evaluated at their square.

    Returns
    -------
    xarray.Dataset, (y, x)
        Coordinates only, `x` and `y`, from -limit to limit.

    Raises
    ------
    ValueError
        If the limit is not above 0 or there are fewer than 2 points a side.

    See Also
    --------
    maps : Evaluates a network there.

    Examples
    --------
    >>> from analysis import plane
    >>> plane.grid(limit=1.0, points=3)["x"].values.tolist()
    [-1.0, 0.0, 1.0]
    """
    limit, points = _checks.positive("limit", limit), _checks.whole("points", points, 2)
    side = np.linspace(-limit, limit, points)
    return xr.Dataset(coords={"y": side, "x": side})


def _points(plane: xr.Dataset) -> npt.NDArray[np.float64]:
    x, y = np.meshgrid(plane["x"].values, plane["y"].values)
    return np.stack([x.ravel(), y.ravel()], axis=1)


def true_classes(task: xr.Dataset, plane: xr.Dataset) -> xr.DataArray:
    """Say which class each point of a grid belongs to by the task's own rule.

    Parameters
    ----------
    task : xarray.Dataset
        A run's group ``task``, as `analysis.runs.Run.group` reads it.
    plane : xarray.Dataset, (y, x)
        What `grid` returns.

    Returns
    -------
    xarray.DataArray of int, (y, x)
        0 inside the circle, 1 outside.

    Raises
    ------
    TypeError
        If `task` or `plane` is no Dataset.
    ValueError
        If the task has no rule for every point of the plane; the circle has: class 1 outside its radius.

    See Also
    --------
    maps : Takes the classes for the loss.

    Examples
    --------
    >>> from analysis import plane
    >>> task = xr.Dataset(attrs={"name": "circle", "radius": 1.2})
    >>> plane.true_classes(task, plane.grid(limit=1.0, points=3)).values.tolist()
    [[1, 0, 1], [0, 0, 0], [1, 0, 1]]
    """
    _checks.dataset_with("task", task, (), ())
    _checks.dataset_with("plane", plane, (), ("y", "x"))
    if task.attrs.get("name") != "circle":
        raise InputError(
            f"task must be the circle, whose rule holds in the whole plane, got {task.attrs.get('name')!r}"
        )
    outside = np.square(_points(plane)).sum(axis=1) > float(task.attrs["radius"]) ** 2
    return xr.DataArray(outside.astype(int).reshape(plane.sizes["y"], plane.sizes["x"]), plane.coords, ("y", "x"))


def maps(
    network: Perceptron, plane: xr.Dataset, *, classes: xr.DataArray | None = None, gates: Any = None
) -> xr.Dataset:
    """Evaluate a network at every point of a grid.

    Parameters
    ----------
    network : Perceptron
        With two inputs and two classes.
    plane : xarray.Dataset, (y, x)
        What `grid` returns.
    classes : xarray.DataArray of int, (y, x), optional
        The true class of every point; without it there is no loss.
    gates : array_like, (nodes,), optional
        1 on, 0 off, between a partial gain, layer after layer; all on when left out.

    Returns
    -------
    xarray.Dataset, (y, x)
        `certainty`, the probability that the network gives to class 1. With classes: `loss`, cross-entropy in nats,
        and `gate_gradient` (node, y, x), d loss / d gate, below 0 where more of the node helps.

    Raises
    ------
    TypeError
        If `network` is no Perceptron or `plane` no Dataset.
    ValueError
        If the network has not two inputs and one or two outputs, or the gates have another shape.

    See Also
    --------
    true_classes : Makes the classes.
    analysis.figures.plane.overview : Draws the maps.

    Examples
    --------
    >>> from analysis import plane
    >>> kernels = np.array([[1.0], [0.0]]), np.array([[2.0]])
    >>> network = Perceptron(kernels, (np.zeros(1), np.zeros(1)), "relu", "identity")
    >>> found = plane.maps(network, plane.grid(limit=1.0, points=3))
    >>> found["certainty"].sel(y=0).values.round(3).tolist()  # certain of class 1 on the right
    [0.5, 0.5, 0.881]
    """
    _checks.instance("network", network, Perceptron, see="perceptron.from_dataset")
    _checks.dataset_with("plane", plane, (), ("y", "x"))
    if len(network.kernels[0]) != 2 or network.kernels[-1].shape[1] > 2:
        raise InputError(
            "network must have two inputs and one or two outputs, "
            f"got {len(network.kernels[0])} and {network.kernels[-1].shape[1]}"
        )
    points, shape = _points(plane), (plane.sizes["y"], plane.sizes["x"])
    chance = perceptron.probabilities(network, points, gates=gates)[:, 1]
    data = plane.assign(certainty=(("y", "x"), chance.reshape(shape)))
    if classes is None:
        return data
    targets = classes.values.ravel()
    gradient = perceptron.gate_gradients(network, points, targets, gates=gates)
    return data.assign(
        loss=(("y", "x"), perceptron.losses(network, points, targets, gates=gates).reshape(shape)),
        gate_gradient=(("node", "y", "x"), gradient.T.reshape(-1, *shape)),
    )
