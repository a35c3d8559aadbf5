"""The main kernels, between the first two hidden layers: correlations, and which weights training never moved."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from sweeps._studies.spiral.names import COMPENSATED

#: The main kernel in the store.
MAIN = "layers.1.kernel"
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
    full : dict of str to numpy.ndarray, (network, inputs, outputs)
        By arm: "initial", "trained", "reshuffled".
    pruned : dict of str to numpy.ndarray, (choice, network, inputs, outputs)
        By arm: "pruned", "finetuned", "prune_first".
    kept : numpy.ndarray of bool, (choice, network, inputs, outputs)
    choices : list of str
    """

    full: dict[str, np.ndarray]
    pruned: dict[str, np.ndarray]
    kept: np.ndarray
    choices: list[str]

    def start(self, choice: int, network: int) -> npt.NDArray[np.float64]:
        """Return what the weights that stay started from, (weights,)."""
        return self.full["initial"][network][self.kept[choice, network]].astype(np.float64)

    def pair(self, name: str, choice: int, network: int) -> list[npt.NDArray[np.float64]]:
        """Return the weights that stay of the two networks of a pair of `PAIRS`, each (weights,)."""
        trained, first = self.full["trained"][network], self.pruned["prune_first"][choice, network]
        pairs = {"prune_first": (trained, first), "finetuned": (self.pruned["finetuned"][choice, network], first)}
        both = pairs.get(name) or (trained, self.full[name][network])
        return [one[self.kept[choice, network]].astype(np.float64) for one in both]


def read(full: xr.Dataset, pruned: xr.Dataset, nodes: xr.Dataset) -> Kernels:
    """Read the main kernels from groups of the store."""
    inner = ("layers.1.inputs", "layers.1.outputs")
    keep, layer = nodes["keep"].transpose("choice", "network", "node").values, nodes["layer"].values
    rows, columns = (keep[..., layer == name] for name in ("layers/0", "layers/1"))
    whole = full[MAIN].transpose("arm", "network", *inner)
    cut = pruned[MAIN].sel(compensation=COMPENSATED).transpose("arm", "choice", "network", *inner)
    return Kernels(
        {str(arm): whole.sel(arm=arm).values for arm in whole["arm"].values},
        {str(arm): cut.sel(arm=arm).values for arm in cut["arm"].values},
        rows[..., :, None] & columns[..., None, :],
        cut["choice"].values.tolist(),
    )


def pearson(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """Correlate two lists of numbers; NaN where one of them is constant."""
    if one.size < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])


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
        for choice, network in np.ndindex(choices, networks):
            start = kernels.start(choice, network)
            first, second = kernels.pair(name, choice, network)
            found[row, 0, choice, network] = pearson(first, second)
            found[row, 1, choice, network] = pearson(first - start, second - start)
    coords = {"pair": list(PAIRS), "of": ["weights", "changes"], "choice": np.array(kernels.choices, object)}
    return xr.DataArray(found, coords, ("pair", "of", "choice", "network"))


def _still(kernels: Kernels) -> dict[str, npt.NDArray[np.bool_]]:
    """Which of the weights that stay never moved, by arm, and in both "trained" and "prune_first"."""
    start = kernels.full["initial"]
    same = {arm: ((kernels.full | kernels.pruned)[arm] == start) & kernels.kept for arm in MOVED}
    return same | {"both": same["trained"] & same["prune_first"]}


def unmoved(kernels: Kernels) -> xr.DataArray:
    """Share of the weights that stay which equal their start bit for bit.

    Parameters
    ----------
    kernels : Kernels

    Returns
    -------
    xarray.DataArray, (arm, choice, network)
        `arm` as in `MOVED`; "both": in "trained" and in "prune_first"; "chance": the product of these two shares, which
        "both" would be if the two networks were independent.
    """
    kept, same = kernels.kept, _still(kernels)
    shares = {arm: one.sum(axis=(2, 3)) / kept.sum(axis=(2, 3)) for arm, one in same.items()}
    shares["chance"] = shares["trained"] * shares["prune_first"]
    coords = {"arm": list(shares), "choice": np.array(kernels.choices, object)}
    return xr.DataArray(np.array(list(shares.values())), coords, ("arm", "choice", "network"))


def spread(kernels: Kernels) -> xr.DataArray:
    """Tell how the weights that moved in neither network are spread over the range of all initial weights.

    Parameters
    ----------
    kernels : Kernels

    Returns
    -------
    xarray.DataArray, (of, choice, network)
        "positive": share above zero; "inner": share in the inner half of the range. Both are a half where weights are
        spread evenly, as the initial ones are; NaN where no weight stayed.
    """
    start, still = kernels.full["initial"], _still(kernels)["both"]
    inner = np.abs(start) < np.abs(start).max(axis=(1, 2), keepdims=True) / 2
    count = still.sum(axis=(2, 3))
    parts = [(still & one).sum(axis=(2, 3)) / np.where(count, count, np.nan) for one in (start > 0, inner)]
    coords = {"of": ["positive", "inner"], "choice": np.array(kernels.choices, object)}
    return xr.DataArray(np.array(parts), coords, ("of", "choice", "network"))
