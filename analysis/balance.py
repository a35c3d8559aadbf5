"""Whether the nodes of a mask balance: what role each node has, and how much of the log loss that explains.

Of a network with one hidden layer of ReLU nodes and two classes. A *bias node* is active on every input: it is affine
there, much like a bias. A *slicing node* is active on one side of a line only, and pushes what lies there towards one
class. Masks balance where slicing nodes push in all directions alike, and bias nodes offset them.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from analysis import _checks
from analysis._errors import InputError
from analysis.hypercube import _table
from analysis.perceptron import Perceptron

__all__ = [
    "BIAS",
    "DEAD",
    "PARTS",
    "REST",
    "SLICING",
    "along_imbalance",
    "explain",
    "imbalance",
    "mean_by_numbers",
    "roles",
    "sums",
]

_Floats = npt.NDArray[np.float64]

BIAS, SLICING, DEAD = "bias", "slicing", "dead"
#: What is added to a regression one after another: numbers of nodes, their squares and product, the imbalance.
PARTS = ("numbers", "products", "imbalance")
REST = "rest"


def roles(network: Perceptron, inputs: Any) -> xr.Dataset:
    """Say what role each hidden node has, from the weights.

    Parameters
    ----------
    network : Perceptron
        With one hidden layer of ReLU nodes, and two classes.
    inputs : array_like, (examples, features)
        Where the network is used, such as its test set.

    Returns
    -------
    xarray.Dataset, (node,)
        By the label of the node:

        - `role`: "bias" if the node is active on every input, "dead" if on none, otherwise "slicing"
        - `active`: the share of the inputs on which it is
        - `effect`: its outgoing weight to class 1 less that to class 0
        - `push` (node, feature): `effect` times its incoming weights, the slope that the node, where it is active,
        gives to
          the log odds of class 1

    Raises
    ------
    TypeError
        If `network` is no Perceptron or the inputs are not real numbers.
    ValueError
        If the network has more hidden layers or classes, or another activation, or the inputs another shape.

    See Also
    --------
    explain : How much of the variance over masks these roles explain.
    analysis.perceptron.from_dataset : Reads the network from a run's store.

    Examples
    --------
    >>> from analysis import balance
    >>> kernels = np.array([[1.0, 0.0, 0.0], [0.0, 0.1, 0.1]]), np.array([[0.0, 2.0], [1.0, 0.0], [0.0, 1.0]])
    >>> network = Perceptron(kernels, (np.array([0.0, 5.0, -5.0]), np.zeros(2)), "relu", "identity")
    >>> found = balance.roles(network, inputs=[[-1.0, 0.0], [1.0, 0.0]])
    >>> found["role"].values.tolist(), found["active"].values.tolist(), found["effect"].values.tolist()
    (['slicing', 'bias', 'dead'], [0.5, 1.0, 0.0], [2.0, -1.0, 1.0])
    """
    _checks.instance("network", network, Perceptron, see="perceptron.from_dataset")
    if len(network.kernels) != 2 or network.kernels[1].shape[1] > 2 or network.activation != "relu":
        layers, classes = len(network.kernels) - 1, max(network.kernels[-1].shape[1], 2)
        raise InputError(
            "network must have one hidden layer of relu nodes and two classes, "
            f"got {layers} of {network.activation} nodes and {classes} classes"
        )
    points = _checks.real_numbers("inputs", inputs)
    if points.ndim != 2 or points.shape[1] != len(network.kernels[0]) or not len(points):
        raise InputError(f"inputs must have shape (examples, {len(network.kernels[0])}), got {points.shape}")
    active = (points @ network.kernels[0] + network.biases[0] > 0).mean(axis=0)
    out = network.kernels[1]
    effect = out[:, -1] - out[:, 0] if out.shape[1] == 2 else out[:, 0]
    role = np.select([active == 1, active == 0], [BIAS, DEAD], SLICING)
    variables = {"role": ("node", role), "active": ("node", active), "effect": ("node", effect)}
    push = (network.kernels[0] * effect).T
    return xr.Dataset(variables | {"push": (("node", "feature"), push)}, coords={"node": network.labels})


def sums(weights: Any) -> _Floats:
    """Sum, for every mask, a number of each node that is on.

    It turns what is known of nodes, such as a weight or a cost, into a table that can be set beside the losses of a
    whole hypercube.

    Parameters
    ----------
    weights : array_like, (N,)
        One number a node, in the order of the gate vector, in any unit. Memory doubles with every node.

    Returns
    -------
    numpy.ndarray of float64, (2**N,)
        At mask number m the sum over the nodes i whose bit in m is 1, in the unit of the weights.

    Raises
    ------
    TypeError
        If the weights are not real numbers.

    See Also
    --------
    imbalance : The length of the sum of vectors, for every mask.

    Examples
    --------
    >>> from analysis import balance
    >>> balance.sums([1.0, 10.0]).tolist()
    [0.0, 1.0, 10.0, 11.0]
    """
    found = np.zeros(1)
    for weight in _checks.real_numbers("weights", weights):
        found = np.concatenate([found, found + weight])
    return found


def imbalance(roles: xr.Dataset) -> _Floats:
    """Say, for every mask, how far its slicing nodes are from pushing in all directions alike.

    Parameters
    ----------
    roles : xarray.Dataset, (node,)
        What `roles` returns.

    Returns
    -------
    numpy.ndarray of float64, (2**N,)
        Length of the sum of the pushes of the slicing nodes that are on, as a share of the lengths of all slicing
        nodes' pushes together: 0 where they cancel, 1 if all nodes were on and pushed one way. Bias nodes have no part
        in it.

    See Also
    --------
    roles : Makes the argument.
    explain : How much of the log loss the imbalance explains.

    Examples
    --------
    >>> from analysis import balance
    >>> push = [[1.0, 0.0], [-1.0, 0.0], [0.0, 3.0]]
    >>> roles = xr.Dataset({"role": ("node", ["slicing", "slicing", "bias"]), "push": (("node", "feature"), push)})
    >>> balance.imbalance(roles).tolist()  # the bias node, whose bit is the third, has no part in it
    [0.0, 0.5, 0.5, 0.0, 0.0, 0.5, 0.5, 0.0]
    """
    push = roles["push"].values * (roles["role"].values == SLICING)[:, np.newaxis]
    whole = np.linalg.norm(push, axis=1).sum()
    square = sum((sums(along) ** 2 for along in push.T), np.zeros(2 ** len(push)))
    length: _Floats = np.sqrt(square) / (whole or 1.0)
    return length


def explain(values: Any, roles: xr.Dataset) -> xr.Dataset:
    r"""Say how much of the variance over all masks the balance of the nodes explains, by least squares.

    Parameters
    ----------
    values : array_like or xarray.DataArray, (2**N,)
        The value at each mask, such as the log loss.
    roles : xarray.Dataset, (node,)
        What `roles` returns.

    Returns
    -------
    xarray.Dataset
        NaN for a constant.

        - `r_squared` (part,): the share of the variance that is explained by the "numbers" of slicing and of bias nodes
          that are on, with their squares and product ("products"), and with the "imbalance" as well
        - `any_numbers`: what any function of the two numbers would explain
        - `carried` (source,): what each part, and the "rest", contributes to `correlation`; they add up to it
        - `correlation`: that of a mask's value with its opposite's, from -1 to 1
        - `slope`: change of the value when the imbalance goes from 0 to 1, the rest of the regression as it is
        - `whole_imbalance`, `mean_imbalance`: of the mask with every node on, and the mean over all masks

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If their number is not ``2**N`` for the N nodes of `roles`, or a value is not finite.

    See Also
    --------
    along_imbalance : The same regression, seen along its last part.
    mean_by_numbers : What any function of the two numbers can explain.
    analysis.hypercube.opposite : The correlation of opposites from the spectrum.

    Notes
    -----
    All masks weigh alike, so this is p = 0.5 without sampling error. Numbers less their means change their sign
    between a mask and its opposite: what they explain, by itself, makes opposites *anti*correlated. Products of two
    keep theirs, and so does the imbalance where the whole network balances, since then the sum of the pushes that are
    off is minus that of those that are on. Every part is what the fit gains by it, and contributes the covariance of
    that gain with itself at the opposite mask, as a share of the variance.

    Examples
    --------
    >>> from analysis import balance
    >>> roles = xr.Dataset({"role": ("node", ["slicing"] * 2), "push": (("node", "feature"), [[1.0], [-1.0]])})
    >>> found = balance.explain([0.0, 1.0, 1.0, 0.0], roles)
    >>> found["r_squared"].values.round(3).tolist(), round(float(found["correlation"]), 3)
    ([0.0, 1.0, 1.0], 1.0)
    """
    target = _table.checked(values)
    if target.size != 2 ** roles.sizes["node"]:
        raise InputError(f"values must be 2**{roles.sizes['node']} numbers, one for each mask, got {target.size}")
    constant = np.var(target) <= _table.rounding(target) ** 2
    target -= target.mean()
    variance = np.nan if constant else float(np.mean(target**2))
    numbers, unbalanced = _numbers(roles), imbalance(roles)
    fits, slope = _fits(target, [*numbers, unbalanced])
    gains = [fit - before for before, fit in zip([np.zeros(1), *fits], fits, strict=False)]
    correlation = float(np.mean(target * target[::-1])) / variance
    carried = [float(np.mean(gain * gain[::-1])) / variance for gain in gains]
    return xr.Dataset(
        {
            "r_squared": ("part", [float(np.mean(fit**2)) / variance for fit in fits]),
            "any_numbers": float(np.mean(_at_masks(mean_by_numbers(target, roles), numbers) ** 2)) / variance,
            "carried": ("source", [*carried, correlation - sum(carried)]),
            "correlation": correlation,
            "slope": slope,
            "whole_imbalance": unbalanced[-1],
            "mean_imbalance": unbalanced.mean(),
        },
        coords={"part": list(PARTS), "source": [*PARTS, REST]},
    )


def along_imbalance(values: Any, roles: xr.Dataset, *, bins: int = 20) -> xr.Dataset:
    """Say how the values go with the imbalance, once the numbers of nodes that are on are allowed for.

    Parameters
    ----------
    values : array_like or xarray.DataArray, (2**N,)
        The value at each mask, such as the log loss; mask number m has node i on when bit i of m is 1.
    roles : xarray.Dataset, (node,)
        What `roles` returns.
    bins : int
        Number of bins of equal width between 0 and the largest imbalance, 1 or more. Bins without a mask are left out.

    Returns
    -------
    xarray.Dataset, (imbalance,)
        Over the middle of each bin that holds masks, in the unit of the values:

        - `masks`: how many it holds
        - `mean`, `sd`: of the value less what the numbers of nodes, their squares and product explain in the full
          regression of `explain`
        - `fitted`: the line of that regression

    Raises
    ------
    TypeError
        If the values are not real numbers or `bins` is no whole number.
    ValueError
        If their number is no power of two, a value is not finite, or `bins` is below 1.

    See Also
    --------
    explain : The regression whose line this is.
    analysis.figures.balance.along_imbalance : Draws it.

    Examples
    --------
    >>> from analysis import balance
    >>> roles = xr.Dataset({"role": ("node", ["slicing"] * 2), "push": (("node", "feature"), [[1.0], [-2.0]])})
    >>> found = balance.along_imbalance([0.0, 1.0, 2.0, 1.0], roles, bins=2)
    >>> found["imbalance"].values.round(3).tolist(), found["masks"].values.tolist()
    ([0.167, 0.5], [1, 3])
    """
    target, count = _table.checked(values), _checks.whole("bins", bins, 1)
    unbalanced = imbalance(roles)
    target -= target.mean()
    fits, slope = _fits(target, [*_numbers(roles), unbalanced])
    line = slope * (unbalanced - unbalanced.mean())
    left = target - fits[-1] + line
    width = (unbalanced.max() or 1.0) / count
    place = np.minimum((unbalanced / width).astype(np.int64), count - 1)
    masks = np.bincount(place, minlength=count)
    held = np.flatnonzero(masks)
    mean, square, fitted = (np.bincount(place, one)[held] / masks[held] for one in (left, left**2, line))
    return xr.Dataset(
        {
            "masks": ("imbalance", masks[held]),
            "mean": ("imbalance", mean),
            "sd": ("imbalance", np.sqrt(np.maximum(square - mean**2, 0))),
            "fitted": ("imbalance", fitted),
        },
        coords={"imbalance": (held + 0.5) * width},
    )


def mean_by_numbers(values: Any, roles: xr.Dataset) -> xr.DataArray:
    """Average a table over the masks with so many bias and so many slicing nodes on.

    Parameters
    ----------
    values : array_like or xarray.DataArray, (2**N,)
        The value at each mask, such as the log loss; mask number m has node i on when bit i of m is 1.
    roles : xarray.Dataset, (node,)
        What `roles` returns.

    Returns
    -------
    xarray.DataArray, (bias, slicing)
        The mean at each number of bias nodes on, 0 to all, and of slicing nodes on, in the unit of the values.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    ValueError
        If their number is no power of two or a value is not finite.

    See Also
    --------
    analysis.hypercube.mean_by_size : The mean by the number of nodes on, whatever their role.
    analysis.figures.balance.by_numbers : Draws it.

    Examples
    --------
    >>> from analysis import balance
    >>> roles = xr.Dataset({"role": ("node", ["slicing", "bias"]), "push": (("node", "feature"), [[1.0], [1.0]])})
    >>> balance.mean_by_numbers([0.0, 1.0, 2.0, 5.0], roles).values.tolist()
    [[0.0, 1.0], [2.0, 5.0]]
    """
    target = _table.checked(values)
    slicing, bias = (number.astype(np.int64) for number in _numbers(roles))
    shape = bias[-1] + 1, slicing[-1] + 1
    cells = bias * shape[1] + slicing
    mean = np.bincount(cells, target) / np.bincount(cells)
    return xr.DataArray(mean.reshape(shape), dims=("bias", "slicing"))


def _numbers(roles: xr.Dataset) -> list[_Floats]:
    """Numbers of slicing and of bias nodes that are on, at every mask."""
    return [sums((roles["role"].values == role).astype(np.float64)) for role in (SLICING, BIAS)]


def _fits(target: _Floats, regressors: list[_Floats]) -> tuple[list[_Floats], float]:
    """Fit the target by one part after another; return the fits and the slope of the imbalance in the last."""
    slicing, bias, unbalanced = (one - one.mean() for one in regressors)
    columns = [slicing, bias, slicing**2, slicing * bias, bias**2, unbalanced]
    columns = [column - column.mean() for column in columns]
    scale = np.array([column.std() or 1.0 for column in columns])
    stacked = np.stack([column / one for column, one in zip(columns, scale, strict=True)])
    gram, product = stacked @ stacked.T / target.size, stacked @ target / target.size
    fits, weights = [], np.zeros(0)
    for last in (2, 5, 6):
        # Not a plain solve: without bias nodes some columns are zero.
        weights = np.linalg.lstsq(gram[:last, :last], product[:last], rcond=1e-9)[0]
        fits.append(weights @ stacked[:last])
    return fits, float(weights[-1] / scale[-1])


def _at_masks(cells: xr.DataArray, numbers: list[_Floats]) -> _Floats:
    slicing, bias = (number.astype(np.int64) for number in numbers)
    found: _Floats = cells.values[bias, slicing]
    return found
