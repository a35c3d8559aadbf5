"""Where the output's relevance went: to inputs, biases, offsets and stabilisers, or nowhere."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from analysis import _validate
from analysis.errors import InputError
from sweeps.studies.relevance.names import keys

TOTAL = "total"
FIELDS = ("received", "inputs", "biases", "offsets", "absorbed", "error", "not_conserved")
#: Conserved where nothing more than this is missing, over the output's size.
TOLERANCE = 1e-5


def steps(ledger: xr.Dataset) -> list[str]:
    """List the steps from the output to the inputs, without the total."""
    return [step for step in keys(ledger, "step") if step != TOTAL]


def shares(ledger: xr.Dataset, prefix: str = "") -> xr.DataArray:
    """Give each part's share of what came in at the output.

    Parameters
    ----------
    ledger : xarray.Dataset
        `received`, `inputs`, `biases`, `offsets`, `absorbed`, `error`, `not_conserved` (attributed_by, step), with a
        step "total".
    prefix : {"", "shown_"}
        Means over images, or the shown image.

    Returns
    -------
    xarray.DataArray, (attributed_by, part)
        Parts: "inputs", "biases of" each step that has any, "offsets", "absorbed", "not conserved". They add up to 1,
        but for rounding. NaN of a method that has no total, or whose output has no relevance.

    Raises
    ------
    TypeError
        If `ledger` is no Dataset.
    ValueError
        If a variable, a dimension or the total is missing.
    """
    _validate.dataset_with("ledger", ledger, [prefix + name for name in FIELDS], ("attributed_by", "step"))
    if TOTAL not in keys(ledger, "step"):
        raise InputError(f"ledger: expected the step {TOTAL!r}, got {keys(ledger, 'step')}")
    of = {name: ledger[prefix + name].transpose("attributed_by", "step").sel(step=TOTAL) for name in FIELDS}
    biases = ledger[f"{prefix}biases"].transpose("attributed_by", "step")
    layers = [step for step in steps(ledger) if (np.nan_to_num(biases.sel(step=step).values) != 0).any()]
    found = {"inputs": of["inputs"].values}
    found |= {f"biases of {step}": np.nan_to_num(biases.sel(step=step).values) for step in layers}
    found |= {name.replace("_", " "): np.nan_to_num(of[name].values) for name in ("offsets", "absorbed")}
    found["not conserved"] = np.nan_to_num(of["not_conserved"].values)
    received = of["received"].values.astype(np.float64)
    usable = np.isfinite(received) & (received != 0) & np.isfinite(of["inputs"].values)
    values = np.stack(list(found.values()), axis=1).astype(np.float64)
    values = np.where(usable[:, None], values / np.where(usable, received, 1.0)[:, None], np.nan)
    coords = {"attributed_by": keys(ledger), "part": list(found)}
    return xr.DataArray(values, dims=("attributed_by", "part"), coords=coords)


class Worst(NamedTuple):
    """The largest error of a method, over the output's size, and the step that has it."""

    error: float
    step: str


def worst(conservation: xr.Dataset) -> dict[str, Worst]:
    """Find each method's largest error.

    Parameters
    ----------
    conservation : xarray.Dataset
        `worst` (attributed_by, step), over the output's size.

    Returns
    -------
    dict of str to Worst
        Without methods that have no error at any step: those that promise nothing.
    """
    values = conservation["worst"].transpose("attributed_by", "step").values.astype(np.float64)
    names, found = keys(conservation, "step"), {}
    for key, row in zip(keys(conservation), values, strict=True):
        if np.isfinite(row).any():
            place = int(np.nanargmax(row))
            found[key] = Worst(float(row[place]), names[place])
    return found
