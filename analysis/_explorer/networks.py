"""The choice of the network that the interactive page shows: a run's only one, or one of many that are alike."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from analysis import _checks
from analysis._errors import InputError
from analysis.runs import Run

#: The group of a run with one network, and the dimension of networks from several seeds in other groups.
GROUP, DIM = "network", "network"
#: The label of the networks that are shown where a dimension tells apart how networks were made.
TRAINED = "trained"
#: What the page can show, in words.
SHOWN = "a stored multilayer perceptron of two inputs, trained on the stored task"


class Choice(NamedTuple):
    """A stored network.

    Attributes
    ----------
    data : xarray.Dataset
        Of one network, as a run's group ``network`` has it.
    words : str
        Which one of the run's networks it is; empty where the run has one.
    """

    data: xr.Dataset
    words: str


def choose(run: Run, network: int = 0) -> Choice:
    """Return a network of a run, with its arrays.

    A run's group ``network`` comes first, since its sweeps are of that one. Otherwise it is a group of networks from
    several seeds whose inputs are the task's; of networks made in several ways those labelled "trained", or the first.

    Parameters
    ----------
    run : analysis.runs.Run
    network : int
        Number of the network, where the run has several.

    Raises
    ------
    InputError
        If the run has no network that the page can show, or not that many.
    """
    if GROUP in run.tree.children:
        _checks.whole("network", network, 0, 0)
        return Choice(run.group(GROUP), "")
    sizes = _sizes(run)
    features = run.tree["task"].sizes.get("feature") if "task" in run.tree.children else None
    fitting = [path for path, found in sizes.items() if found[0] == features == 2]
    if not fitting:
        raise InputError(f"folder must be a run with {SHOWN}, got {_in_words(sizes)} in {run.folder}")
    path = min(fitting, key=lambda path: (path.count("/"), path))
    names = [f"layers.{layer}.{kind}" for layer in range(len(sizes[path])) for kind in ("kernel", "bias")]
    data = run.group(path, on_disk=[str(name) for name in run.tree[path].data_vars])
    data = data[[name for name in names if name in data]]
    _checks.whole("network", network, 0, data.sizes[DIM] - 1)
    words = [f"number {network} of {data.sizes[DIM]} in {path}"]
    data = data.isel({DIM: network})
    for dim in [str(dim) for dim in data.dims if not str(dim).startswith("layers.")]:
        labels = data[dim].values.tolist()
        place = labels.index(TRAINED) if TRAINED in labels else 0
        data = data.isel({dim: place})
        words.append(f"{dim} {labels[place]}")
    return Choice(data.load(), ", ".join(words))


def _sizes(run: Run) -> dict[str, tuple[int, ...]]:
    """Sizes of the layers of all stored multilayer perceptrons with a dimension of networks, by group."""
    found = {node.path.strip("/"): node.to_dataset(inherit=False) for node in run.tree.subtree}
    return {
        path: tuple(int(size) for size in np.atleast_1d(data.attrs["sizes"]))
        for path, data in found.items()
        if "sizes" in data.attrs and "layers.0.kernel" in data and DIM in data["layers.0.kernel"].dims
    }


def _in_words(sizes: dict[str, tuple[int, ...]]) -> str:
    if not sizes:
        return "no network"
    different = sorted({"-".join(map(str, found)) for found in sizes.values()}, key=lambda text: (len(text), text))
    more = f" and {len(different) - 1} other kinds" if len(different) > 2 else ""
    return f"networks {different[0] if more else ' and '.join(different)}{more}"
