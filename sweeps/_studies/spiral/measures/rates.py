"""What depends on the learning rate: constant nodes, what pruning costs, the preferred distance, roles of nodes."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from analysis.intervals import Interval, interval
from sweeps._studies.spiral.measures import kernels, moves, roles
from sweeps._studies.spiral.measures.deviations import constant
from sweeps._studies.spiral.measures.networks import Networks
from sweeps._studies.spiral.measures.outcomes import by_kind, outcomes
from sweeps._studies.spiral.measures.roles import Likeness
from sweeps._studies.spiral.names import COMPENSATED

#: Width of the kernel of densities of distances, in learning rates.
WIDTH = 0.5
#: Bins of distances, in learning rates.
DISTANCES = np.linspace(0, 20, 201)
GROUPS = ("full", "pruned", "nodes")


@dataclass(frozen=True)
class Rates:
    """The study at several learning rates.

    Attributes
    ----------
    data : xarray.Dataset
        `trained` (learning_rate, network): accuracy. `accuracy`, `agreement` (learning_rate, arm, kind, network): of
        pruned networks, and with the trained one. `constant` (learning_rate, layer, network): share of nodes. `moved`
        (learning_rate, network, distance): how many weights moved so far, in learning rates. `peak` (learning_rate,
        network): the preferred distance, in learning rates; NaN where there is none.
    roles : xarray.Dataset, (learning_rate, pair, kind, network)
        What `roles.roles` returns, mean over the choices of a kind.
    strangers : xarray.DataArray, (learning_rate, kind, network, other)
        What `roles.strangers` returns.
    likeness : Likeness
        Roles.Likeness At the smallest learning rate.
    """

    data: xr.Dataset
    roles: xr.Dataset
    strangers: xr.DataArray
    likeness: Likeness

    @property
    def smallest(self) -> float:
        """The smallest learning rate, at which the fewest nodes become constant."""
        return float(self.data["learning_rate"].values[0])


def measure(groups: Mapping[str, xr.Dataset], task: xr.Dataset, inside: xr.DataArray) -> Rates:
    """Measure every learning rate.

    Parameters
    ----------
    groups : mapping of str to xarray.Dataset, (learning_rate, ...)
        The store's groups of `GROUPS`.
    task : xarray.Dataset
    inside : xarray.DataArray of bool, (y, x)
        Where decisions count.

    Returns
    -------
    Rates
    """
    data: list[xr.Dataset] = []
    alike: list[xr.Dataset] = []
    apart: list[xr.DataArray] = []
    likeness: list[Likeness] = []
    values = groups["nodes"]["learning_rate"].values.astype(float)
    for place, rate in enumerate(values):
        full, pruned, nodes = (groups[name].isel(learning_rate=place, drop=True) for name in GROUPS)
        data.append(_at(full, pruned, nodes, inside, float(rate)))
        inputs = task["train_inputs"].values
        whole, cut = Networks(full, inputs), Networks(pruned.sel(compensation=COMPENSATED, drop=True), inputs)
        alike.append(by_kind(roles.roles(whole, cut, nodes), skipna=True))
        apart.append(roles.strangers(whole, cut, nodes))
        if not likeness:
            likeness.append(roles.likeness(whole, cut, nodes))
    along = xr.Variable("learning_rate", values)
    return Rates(xr.concat(data, along), xr.concat(alike, along), xr.concat(apart, along), likeness[0])


def _at(full: xr.Dataset, pruned: xr.Dataset, nodes: xr.Dataset, inside: xr.DataArray, rate: float) -> xr.Dataset:
    main = kernels.read(full, pruned, nodes)
    networks = range(nodes.sizes["network"])
    changes = [np.abs(moves.moves(main, "trained", network)) / rate for network in networks]
    counts = [np.histogram(one, DISTANCES)[0] for one in changes]
    found = by_kind(outcomes(full, pruned, inside).sel(compensation=COMPENSATED, drop=True))
    return found.assign(
        trained=full["accuracy"].sel(arm="trained", drop=True).astype(np.float64),
        constant=constant(nodes),
        moved=(("network", "distance"), np.array(counts)),
        peak=("network", [moves.peak(one, WIDTH).at for one in changes]),
    ).assign_coords(distance=(DISTANCES[1:] + DISTANCES[:-1]) / 2)


def each(data: xr.DataArray, **where: str) -> list[Interval]:
    """Give the mean over networks at each learning rate, at labels of the other dimensions."""
    return [interval(row) for row in data.sel(where).transpose("learning_rate", "network").values]
