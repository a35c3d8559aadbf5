"""Which rules agree with each other, and where one becomes unstable: what the demonstrations' numbers say."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from sweeps._studies.relevance.names import keys

#: Factors and shares are the same within this.
SAME = 1e-6
#: What was published: a matrix rule, and the nonlinearity rules that it is consistent with under scaling.
PUBLISHED = {"gradient": ("gradient", "slope", "repeat"), "normalised": ("ignore",)}
#: Variables that hold the largest relevance, by rule: the normalised rule with biases left out, the same with biases as
#: inputs, and the slope rule; of the network as a stabiliser shrinks, and of a toy as two inputs cancel.
NETWORK = {"unblamed": "unblamed_largest", "blamed": "lrp_largest", "slope": "slope_largest"}
TOY = {"unblamed": "lrp", "blamed": "lrp_blamed", "slope": "slope"}


class Consistent(NamedTuple):
    """A matrix rule beside a nonlinearity rule, under scaling.

    Attributes
    ----------
    matrix, nonlinearity : str
    matrix_factor, nonlinearity_factor : float
        What each multiplies relevance by on its way back through b = alpha a.
    agree, published : bool
        Whether the factors are the same here, and whether that was published.
    """

    matrix: str
    nonlinearity: str
    matrix_factor: float
    nonlinearity_factor: float
    agree: bool
    published: bool


def factors(consistency: xr.Dataset, kind: str) -> dict[str, float]:
    """Return the factors of all rules of a kind, "matrix" or "nonlinearity", by the rule's name."""
    rows = zip(*(consistency[name].values for name in ("kind", "name", "factor")), strict=True)
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
            found.append(Consistent(matrix, nonlinearity, own, its, agree, published))
    return found


def agreeing(constants: xr.Dataset) -> list[tuple[str, str]]:
    """List the pairs of a maximum rule and a nonlinearity rule that treat maxima with constants alike.

    Parameters
    ----------
    constants : xarray.Dataset
        `difference` (maximum, nonlinearity): the largest difference of the two.
    """
    rows, columns = keys(constants, "maximum"), keys(constants, "nonlinearity")
    return [(rows[a], columns[b]) for a, b in np.argwhere(constants["difference"].values <= SAME)]


class Gap(NamedTuple):
    """The largest difference of two curves.

    Attributes
    ----------
    size, at : float
        How large it is, and at which ratio.
    slope, radial : float
        Both curves there.
    near : float
        Share of the ratios at which they differ by no more than a given number.
    """

    size: float
    at: float
    slope: float
    radial: float
    near: float


def two_objects(data: xr.Dataset, near: float = 0.0) -> Gap:
    """Return how far the radial share is from the slope at most, over the ratios.

    Parameters
    ----------
    data : xarray.Dataset
        `share` (rule, ratio) with the rules "slope" and "radial".
    near : float
        See `Gap`.
    """
    slope, radial = (data["share"].sel(rule=rule).values.astype(float) for rule in ("slope", "radial"))
    apart = np.abs(slope - radial)
    place = int(np.argmax(apart))
    size, at, first, second = (float(values[place]) for values in (apart, data["ratio"].values, slope, radial))
    return Gap(size, at, first, second, float((apart <= near).mean()))


def forms(data: xr.Dataset) -> float:
    """Return how far the forms of a maximum are apart in the share of any object."""
    return float(np.ptp(data["share"].transpose("form", "object").values.astype(float), axis=0).max())


def largest(data: xr.Dataset) -> dict[str, npt.NDArray[np.float64]]:
    """Return the largest relevance by rule, see `NETWORK` and `TOY`, as the stabiliser or the difference falls."""
    variables = NETWORK if "eps" in data.dims else TOY
    return {rule: np.abs(data[name].values.astype(float)) for rule, name in variables.items()}


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


def growths(data: xr.Dataset) -> dict[str, Growth]:
    """Return how the largest relevance grows, by rule."""
    return {rule: Growth(float(values[0]), float(values[-1])) for rule, values in largest(data).items()}


def blip_error(drawn: xr.Dataset) -> float:
    """Return how far the blip is from x + eps sign(x) at most; sign(0) is 1.

    Parameters
    ----------
    drawn : xarray.Dataset
        `blip` (value,) and the attribute `eps`.
    """
    value = drawn["value"].values.astype(float)
    sign = np.where(value >= 0, 1.0, -1.0)
    return float(np.abs(drawn["blip"].values - (value + drawn.attrs["eps"] * sign)).max())


def radial_errors(drawn: xr.Dataset) -> dict[str, float]:
    """Return how far the radial shares are from what was published at most, in each of its cases.

    Parameters
    ----------
    drawn : xarray.Dataset
        `share` (second, first), of the first, over one and the same values of both.

    Returns
    -------
    dict of str to float
        "one negative", "positive", "negative": the three cases; "sum": of both shares, from 1, and any share below 0.
        Pairs in which an object is zero are left out.
    """
    share = drawn["share"].transpose("second", "first").values.astype(float)
    first, second = np.meshgrid(drawn["first"].values.astype(float), drawn["second"].values.astype(float))
    with np.errstate(divide="ignore", invalid="ignore"):
        cases = {
            "one negative": ((first > 0) != (second > 0), (first > 0).astype(float)),
            "positive": ((first > 0) & (second > 0), first / (first + second)),
            "negative": ((first < 0) & (second < 0), (1 / first) / (1 / first + 1 / second)),
        }
    known = (np.abs(first) > SAME) & (np.abs(second) > SAME)
    found = {name: float(np.abs(share - value)[where & known].max()) for name, (where, value) in cases.items()}
    # Both axes have the same values, so the share of the second is that of the first, turned.
    total = np.abs(share + share.T - 1)[known].max()
    return found | {"sum": float(max(total, -share[known].min()))}
