"""Where the output's relevance went: to inputs, biases, offsets and stabilisers, or nowhere."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from sweeps._studies.relevance.names import keys

TOTAL = "total"
FIELDS = ("received", "inputs", "biases", "offsets", "absorbed", "error", "not_conserved")
#: Conserved where nothing more than this is missing, over the output's size.
TOLERANCE = 1e-5
_OF = "biases of "


def shares(ledger: xr.Dataset) -> xr.DataArray:
    """Give each part's share of what came in at the output, means over the images.

    Parameters
    ----------
    ledger : xarray.Dataset
        `received`, `inputs`, `biases`, `offsets`, `absorbed`, `not_conserved` (attributed_by, step), with a step
        "total".

    Returns
    -------
    xarray.DataArray, (attributed_by, part)
        Parts: "inputs", "biases of" each step that has any, "offsets", "absorbed", "not conserved". They add up to 1,
        but for rounding. NaN of a method whose output has no relevance.
    """
    total, biases = ledger.sel(step=TOTAL), ledger["biases"].fillna(0)
    layers = [step for step in keys(ledger, "step") if step != TOTAL and (biases.sel(step=step) != 0).any()]
    parts = {"inputs": total["inputs"]}
    parts |= {_OF + step: biases.sel(step=step) for step in layers}
    parts |= {name.replace("_", " "): total[name].fillna(0) for name in ("offsets", "absorbed", "not_conserved")}
    received = total["received"].values.astype(np.float64)
    values = np.stack([part.values for part in parts.values()], axis=1).astype(np.float64)
    known = (received != 0)[:, None]
    values = np.divide(values, received[:, None], out=np.full_like(values, np.nan), where=known)
    coords = {"attributed_by": keys(ledger), "part": list(parts)}
    return xr.DataArray(values, dims=("attributed_by", "part"), coords=coords)


def biases_by_layer(shares: xr.DataArray) -> xr.DataArray:
    """Return what the biases of each layer took: (attributed_by, layer), from `shares`."""
    parts = [part for part in keys(shares, "part") if part.startswith(_OF)]
    return shares.sel(part=parts).assign_coords(part=[part.removeprefix(_OF) for part in parts]).rename(part="layer")


class Worst(NamedTuple):
    """The largest error of a method, over the output's size, and the step that has it."""

    error: float
    step: str


def worst(conservation: xr.Dataset) -> dict[str, Worst]:
    """Find each method's largest error.

    Parameters
    ----------
    conservation : xarray.Dataset
        `worst` (attributed_by, step), over the output's size; NaN where a method has no such step.

    Returns
    -------
    dict of str to Worst
    """
    names, found = keys(conservation, "step"), {}
    for key, row in zip(keys(conservation), conservation["worst"].values.astype(np.float64), strict=True):
        place = int(np.nanargmax(row))
        found[key] = Worst(float(row[place]), names[place])
    return found
