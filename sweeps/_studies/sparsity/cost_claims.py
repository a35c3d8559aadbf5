"""Statements on what pruning saves, and how they are judged; see `claims`."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from analysis.claims import FAILS, HOLDS, NOT_MEASURED, UNDECIDED, Claim, Statement, everywhere, judged
from analysis.intervals import Interval

#: Two outputs are the same where they differ by so much of the largest output at most: rounding in single precision.
SAME_OUTPUT = 1e-5
#: Zeroed nodes save nothing where the time stays within so much of that of the whole network, as a share.
SAME_TIME = 0.1

STATEMENTS = {
    "zeroed": Statement(
        "Zeroed nodes save neither time nor memory",
        f"it holds where at every sparsity the median time is within {100 * SAME_TIME:g}\u00a0% of that of the whole "
        "network and no byte less is stored; it does not hold where all repeats at the highest sparsity are faster by "
        "more than that",
        published="“may still require the same number of calculations”",
    ),
    "removed": Statement(
        "Removed nodes save time and memory",
        "it holds where at the highest sparsity all repeats are faster than all of the zeroed network, and fewer bytes "
        "are stored, and does not hold where all are slower and no byte less is stored",
        published="“inherently simpler and faster”",
    ),
    "same": Statement(
        "Nodes that are zeroed and nodes that are removed leave the same outputs",
        f"it holds where no output differs by more than {SAME_OUTPUT:g} of the largest one, at any sparsity",
        published="“the same functional outcome”",
    ),
    "training_time": Statement(
        "A pruned network is faster to train",
        "it holds where all repeats of an epoch with most nodes removed are faster than all of the whole network, and "
        "does not hold where all are slower",
        published="“faster to train”",
    ),
}


def zeroed(cost: xr.Dataset) -> Claim:
    """Judge that zeroed nodes save no time and no bytes."""
    if cost.sizes["percent"] < 2:
        return Claim(STATEMENTS["zeroed"], NOT_MEASURED)
    one = cost.sel(how="zeroed")
    ratio, whole = one["of_full"].values[1:], one.isel(percent=0)
    if (np.abs(ratio - 1) <= SAME_TIME).all():
        time = HOLDS
    else:
        time = FAILS if float(one["most"][-1]) < (1 - SAME_TIME) * float(whole["least"]) else UNDECIDED
    size = HOLDS if (one["bytes"].values >= float(whole["bytes"])).all() else FAILS
    shares = float(ratio[-1]), float(one["bytes"][-1] / whole["bytes"])
    slower, larger = ({"measured": Interval(share, float("nan"), 1)} for share in shares)
    claim = judged(
        STATEMENTS["zeroed"], {"time": (time, slower), "bytes": (size, larger)}, verdict=everywhere((time, size))
    )
    return replace(claim, unit="%")


def removed(cost: xr.Dataset) -> Claim:
    """Judge that removed nodes save time and bytes, at the highest sparsity."""
    if cost.sizes["percent"] < 2:
        return Claim(STATEMENTS["removed"], NOT_MEASURED)
    there, gone = (cost.isel(percent=-1).sel(how=how) for how in ("zeroed", "removed"))
    time, size = (Interval(float(gone[name] / there[name]), float("nan"), 1) for name in ("median", "bytes"))
    parts: dict[str, tuple[str, Mapping[str, Any]]] = {
        "time": (_faster(gone["least"], gone["most"], there["least"], there["most"]), {"measured": time}),
        "bytes": (HOLDS if size.mean < 1 else FAILS, {"measured": size}),
    }
    return replace(judged(STATEMENTS["removed"], parts), unit="%")


def _faster(least: xr.DataArray, most: xr.DataArray, other_least: xr.DataArray, other_most: xr.DataArray) -> str:
    """Judge that all repeats of one are faster than all of the other."""
    return HOLDS if bool(most < other_least) else FAILS if bool(least > other_most) else UNDECIDED


def same(cost: xr.Dataset) -> Claim:
    """Judge whether zeroed and removed nodes leave the same outputs."""
    if "difference" not in cost:
        return Claim(STATEMENTS["same"], NOT_MEASURED)
    most = float(cost["difference"].max())
    return Claim(STATEMENTS["same"], HOLDS if most <= SAME_OUTPUT else FAILS, measured=Interval(most, float("nan"), 1))


def training_time(cost: xr.Dataset) -> Claim:
    """Judge whether an epoch of a network with most nodes removed is faster than one of the whole network."""
    if "training_seconds" not in cost:
        return Claim(STATEMENTS["training_time"], NOT_MEASURED)
    whole, gone = (cost["training_seconds"].sel(network=name) for name in ("whole", "removed"))
    ratio = Interval(float(gone.median() / whole.median()), float("nan"), 1)
    verdict = _faster(gone.min(), gone.max(), whole.min(), whole.max())
    return Claim(STATEMENTS["training_time"], verdict, measured=ratio, unit="%")
