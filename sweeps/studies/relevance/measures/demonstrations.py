"""Which rules agree with each other, and where one becomes unstable: what the demonstrations' numbers say."""

from typing import NamedTuple

import numpy as np
import xarray as xr

#: Factors and shares are the same within this.
SAME = 1e-6
#: What was published: a matrix rule, and the nonlinearity rules that it is consistent with under scaling.
PUBLISHED = {"gradient": ("gradient", "slope", "repeat"), "normalised": ("ignore",)}


class Consistent(NamedTuple):
    """A matrix rule beside a nonlinearity rule, under scaling.

    Attributes
    ----------
    matrix, nonlinearity : str
    factors : (float, float)
        What each multiplies relevance by on its way back through b = alpha a.
    agree, published : bool
        Whether the factors are the same here, and whether they were said to be.
    """

    matrix: str
    nonlinearity: str
    factors: tuple[float, float]
    agree: bool
    published: bool


def factors(consistency: xr.Dataset, kind: str) -> dict[str, float]:
    """Return the factors of all rules of a kind, "matrix" or "nonlinearity", by the rule's name."""
    kinds, names = consistency["kind"].values, consistency["name"].values
    rows = zip(kinds, names, consistency["factor"].values, strict=True)
    return {str(name): float(factor) for of, name, factor in rows if str(of) == kind}


def pairs(consistency: xr.Dataset) -> list[Consistent]:
    """Set every matrix rule beside every nonlinearity rule.

    Parameters
    ----------
    consistency : xarray.Dataset
        `kind`, `name`, `factor` (rule,).

    Returns
    -------
    list of Consistent
    """
    found = []
    for matrix, own in factors(consistency, "matrix").items():
        for nonlinearity, its in factors(consistency, "nonlinearity").items():
            agree = bool(abs(own - its) <= SAME * max(abs(own), abs(its), 1.0))
            published = nonlinearity in PUBLISHED.get(matrix, ())
            found.append(Consistent(matrix, nonlinearity, (own, its), agree, published))
    return found


def only(data: xr.Dataset, name: str) -> xr.DataArray:
    """Return the variable of that name, or the one that there is."""
    return data[name] if name in data else data[next(iter(data.data_vars))]


def agreeing(constants: xr.Dataset) -> list[tuple[str, str]]:
    """List the pairs of a maximum rule and a nonlinearity rule that treat maxima with constants alike.

    Parameters
    ----------
    constants : xarray.Dataset
        `difference` (maximum, nonlinearity): the largest difference of the two.
    """
    values = only(constants, "difference").transpose("maximum", "nonlinearity")
    rows, columns = ([str(name) for name in values[dim].values] for dim in ("maximum", "nonlinearity"))
    return [(rows[a], columns[b]) for a, b in np.argwhere(values.values <= SAME)]


class Gap(NamedTuple):
    """The largest difference of two curves, and where it is."""

    size: float
    at: float


def two_objects(data: xr.Dataset) -> Gap:
    """Return how far the radial share is from the slope at most, over the ratios.

    Parameters
    ----------
    data : xarray.Dataset
        `share` (rule, ratio) with the rules "slope" and "radial", or two others.
    """
    share = only(data, "share").transpose("rule", "ratio").values.astype(float)
    apart = np.abs(share[0] - share[1])
    if not np.isfinite(apart).any():
        return Gap(float("nan"), float("nan"))
    place = int(np.nanargmax(apart))
    return Gap(float(apart[place]), float(data["ratio"].values[place]))


def forms(data: xr.Dataset) -> float:
    """Return how far the forms of a maximum are apart in the share of any object."""
    share = only(data, "share").transpose("form", "object").values.astype(float)
    return float(np.nanmax(np.nanmax(share, axis=0) - np.nanmin(share, axis=0)))


class Growth(NamedTuple):
    """How the largest relevance grows from one end of an axis to the other.

    Attributes
    ----------
    first, last : float
        At the start and at the end.
    """

    first: float
    last: float

    @property
    def times(self) -> float:
        """How many times as large it is at the end."""
        return self.last / self.first if self.first > 0 else float("nan")


def rules_of(data: xr.Dataset) -> dict[str, str]:
    """Say which variables hold the largest relevance by which rule.

    Parameters
    ----------
    data : xarray.Dataset
        The network's (`..._largest`) or the toy's.

    Returns
    -------
    dict of str to str
        By variable: "unblamed" (the normalised rule that leaves biases out), "blamed" (it takes them as inputs),
        "normalised" where the store does not say which of the two, or "slope"; in this order.
    """
    names = {str(name): str(name).removesuffix("_largest") for name in data.data_vars}
    there = set(names.values())
    # "lrp" is whichever of the two has no name of its own.
    plain = "blamed" if "unblamed" in there else "unblamed" if {"lrp_blamed", "blamed"} & there else "normalised"
    rules = {"lrp": plain, "unblamed": "unblamed", "all_to_inputs": "unblamed", "blamed": "blamed"}
    rules |= {"lrp_blamed": "blamed", "lrp_unblamed": "unblamed", "slope": "slope"}
    # A store lists its variables in no order of its own.
    order = ("unblamed", "blamed", "normalised", "slope")
    found = {name: rules[key] for name, key in sorted(names.items()) if key in rules}
    return dict(sorted(found.items(), key=lambda item: order.index(item[1])))


def growth(data: xr.Dataset, name: str, dim: str) -> Growth:
    """Return how a number grows as `dim` falls from its largest value to its smallest."""
    order = np.argsort(-data[dim].values.astype(float))
    values = np.abs(data[name].values.astype(float))[order]
    return Growth(float(values[0]), float(values[-1]))
