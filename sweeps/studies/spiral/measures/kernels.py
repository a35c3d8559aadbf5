"""The main kernels against each other: their correlation, and which weights training never moved."""

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from analysis import _validate

#: Pairs of networks whose kernels are compared, by name.
PAIRS = {
    "prune_first": "trained against pruned, then trained",
    "reshuffled": "trained against trained in another order",
    "finetuned": "fine-tuned against pruned, then trained",
    "initial": "trained against its start",
}
#: Arms whose weights are held against their start.
MOVED = ("trained", "reshuffled", "prune_first", "finetuned")


class Kernels(NamedTuple):
    """The main kernels of all networks, and which of their weights stay.

    Attributes
    ----------
    layer : int
        Number of the layer.
    full : dict of str to numpy.ndarray, (network, inputs, outputs)
        By arm: "initial", "trained", "reshuffled".
    pruned : dict of str to numpy.ndarray, (choice, network, inputs, outputs)
        By arm: "prune_first", "finetuned", ...
    kept : numpy.ndarray of bool, (choice, network, inputs, outputs)
    choices : list of str
    """

    layer: int
    full: dict[str, np.ndarray]
    pruned: dict[str, np.ndarray]
    kept: np.ndarray
    choices: list[str]


def main_kernel(sizes: Any) -> int:
    """Return which kernel is the main one: that between the first two hidden layers, or the first if there is one.

    Examples
    --------
    >>> main_kernel([2, 50, 50, 2]), main_kernel([2, 20, 2])
    (1, 0)
    """
    return 1 if len(np.atleast_1d(sizes)) > 3 else 0


def read(full: xr.Dataset, pruned: xr.Dataset, nodes: xr.Dataset, compensation: str = "with") -> Kernels:
    """Read the main kernels of a run.

    Parameters
    ----------
    full, pruned, nodes : xarray.Dataset
        Groups of the store.
    compensation : str
        Which of the pruned networks.

    Returns
    -------
    Kernels

    Raises
    ------
    TypeError
        If an argument is no Dataset.
    ValueError
        If a variable or a dimension is missing.
    """
    index = main_kernel(full.attrs.get("sizes", []))
    name = f"layers.{index}.kernel"
    inner = (f"layers.{index}.inputs", f"layers.{index}.outputs")
    _validate.dataset_with("full", full, (name,), ("arm", "network", *inner))
    _validate.dataset_with("pruned", pruned, (name,), ("arm", "compensation", "choice", "network", *inner))
    _validate.dataset_with("nodes", nodes, ("keep",), ("network", "choice", "node"))
    keep = nodes["keep"].transpose("choice", "network", "node").values.astype(bool)
    layer = nodes["layer"].values
    columns = keep[..., layer == f"layers/{index}"][..., None, :]
    rows = keep[..., layer == f"layers/{index - 1}"][..., :, None] if index else True
    kernel = full[name].transpose("arm", "network", *inner)
    cut = pruned[name].sel(compensation=compensation).transpose("arm", "choice", "network", *inner)
    kept = np.broadcast_to(rows & columns, cut.shape[1:])
    return Kernels(
        index,
        {str(arm): kernel.sel(arm=arm).values for arm in kernel["arm"].values},
        {str(arm): cut.sel(arm=arm).values for arm in cut["arm"].values},
        kept,
        [str(choice) for choice in nodes["choice"].values],
    )


def pearson(one: Any, other: Any) -> float:
    """Correlate two lists of numbers; NaN where one side is constant or there are fewer than two.

    Examples
    --------
    >>> round(pearson([1, 2, 3], [2, 4, 6.0]), 9)
    1.0
    """
    first, second = _validate.real_numbers("one", one).ravel(), _validate.real_numbers("other", other).ravel()
    if first.size < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def pair(kernels: Kernels, name: str, choice: int, network: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights that stay, of the two networks of a pair, each (weights,)."""
    kept = kernels.kept[choice, network]
    trained = kernels.full["trained"][network]
    first = kernels.pruned["finetuned"][choice, network] if name == "finetuned" else trained
    if name in ("prune_first", "finetuned"):
        second = kernels.pruned["prune_first"][choice, network]
    else:
        second = kernels.full[name][network]
    return first[kept], second[kept]


def correlations(kernels: Kernels) -> xr.DataArray:
    """Correlate the weights that stay, and their changes from the shared start.

    Parameters
    ----------
    kernels : Kernels

    Returns
    -------
    xarray.DataArray, (pair, of, choice, network)
        `pair` as in `PAIRS`; `of` is "weights" or "changes". NaN where one side is constant.
    """
    choices, networks = kernels.kept.shape[:2]
    found = np.full((len(PAIRS), 2, choices, networks), np.nan)
    for row, name in enumerate(PAIRS):
        for choice in range(choices):
            for network in range(networks):
                start = kernels.full["initial"][network][kernels.kept[choice, network]].astype(np.float64)
                first, second = (one.astype(np.float64) for one in pair(kernels, name, choice, network))
                found[row, 0, choice, network] = pearson(first, second)
                if name != "initial":
                    found[row, 1, choice, network] = pearson(first - start, second - start)
    coords = {"pair": list(PAIRS), "of": ["weights", "changes"], "choice": np.array(kernels.choices, object)}
    return xr.DataArray(found, coords, ("pair", "of", "choice", "network"))


def unmoved(kernels: Kernels) -> xr.DataArray:
    """Share of the weights that stay which equal their start bit for bit.

    Parameters
    ----------
    kernels : Kernels

    Returns
    -------
    xarray.DataArray, (arm, choice, network)
        `arm` as in `MOVED`; "both": in "trained" and in "prune_first"; "chance": the product of these two shares, which
        both would have if one said nothing of the other. NaN where nothing stays.
    """
    start = kernels.full["initial"]
    same = {
        arm: np.broadcast_to(
            (kernels.full[arm] == start) if arm in kernels.full else kernels.pruned[arm] == start, kernels.kept.shape
        )
        for arm in MOVED
    }
    same["both"] = same["trained"] & same["prune_first"]
    count = kernels.kept.sum(axis=(2, 3))
    shares = [
        np.divide((one & kernels.kept).sum(axis=(2, 3)), count, out=np.full(count.shape, np.nan), where=count > 0)
        for one in same.values()
    ]
    shares.append(shares[MOVED.index("trained")] * shares[MOVED.index("prune_first")])
    coords = {"arm": [*same, "chance"], "choice": np.array(kernels.choices, object)}
    return xr.DataArray(np.array(shares), coords, ("arm", "choice", "network"))
