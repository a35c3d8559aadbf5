"""Ways of pruning: what goes, by which heuristic, what is ranked together, and what all of this is called."""

from typing import NamedTuple

import xarray as xr

KINDS = ("weights", "units")
#: What the kinds are called: units are nodes.
KIND_NAMES = {"weights": "weights", "units": "nodes"}

BY_NAMES = {
    "magnitude": "magnitude",
    "norm": "norm of incoming weights",
    "largest": "largest incoming weight",
    "activation": "activation s.d.",
    "gradient": "size of gradient",
    "first_order": "first order",
    "second_order": "second order",
    "brute_force": "brute force",
    "random": "random",
}
SCOPE_NAMES = {
    "layer": "within each layer",
    "global_raw": "global, raw",
    "global_normalised": "global, normalised",
}


class Method(NamedTuple):
    """A way of pruning.

    Attributes
    ----------
    kind : {"weights", "units"}
        What goes, a key of `KIND_NAMES`.
    by : str
        The heuristic, a key of `BY_NAMES`: a criterion of ``sweeps.pruning``, or "largest" in place of the norm.
    scope : str
        What is ranked together, a key of `SCOPE_NAMES` and one of ``sweeps.pruning.SCOPES``.
    """

    kind: str
    by: str
    scope: str

    @property
    def key(self) -> str:
        """Its name in the store."""
        return "_".join(self)

    @property
    def kind_name(self) -> str:
        """What the kind is called."""
        return KIND_NAMES[self.kind]

    @property
    def by_name(self) -> str:
        """What the heuristic is called."""
        return BY_NAMES[self.by]

    @property
    def scope_name(self) -> str:
        """What the scope is called."""
        return SCOPE_NAMES[self.scope]

    @property
    def name(self) -> str:
        """What it is called; the published scope, within each layer, is not named.

        Examples
        --------
        >>> Method("weights", "magnitude", "layer").name, Method("units", "norm", "global_raw").name
        ('weights, magnitude', 'nodes, norm of incoming weights (global, raw)')
        """
        return f"{self.kind_name}, {self.by_name}" + ("" if self.scope == "layer" else f" ({self.scope_name})")

    @property
    def published(self) -> bool:
        """Whether it is one of the two that were published."""
        return self in MAIN


#: The published ways: smallest weights, and nodes of smallest norm of incoming weights, within each layer.
MAIN = (Method("weights", "magnitude", "layer"), Method("units", "norm", "layer"))
PUBLISHED = {one.kind: one.key for one in MAIN}


def methods(data: xr.Dataset | xr.DataArray, kind: str | None = None, scope: str | None = None) -> list[Method]:
    """List the ways of pruning, the published ones first and random ones last, otherwise in the store's order.

    Parameters
    ----------
    data : xarray.Dataset or xarray.DataArray
        With the coordinates `kind`, `by` and `scope` (pruned_by,).
    kind, scope : str, optional
        Only those.

    Returns
    -------
    list of Method
    """
    columns = [data[name].values for name in Method._fields]
    found = [Method(*map(str, row)) for row in zip(*columns, strict=True)]
    found = [one for one in found if kind in (None, one.kind) and scope in (None, one.scope)]
    return sorted(found, key=lambda one: (KINDS.index(one.kind), not one.published, one.by == "random"))


def compared(data: xr.Dataset | xr.DataArray, kind: str, across: str = "by") -> list[Method]:
    """List the ways that differ from the published one of a kind in one respect, and the published one.

    Parameters
    ----------
    data : xarray.Dataset or xarray.DataArray
        As for `methods`.
    kind : {"weights", "units"}
    across : {"by", "scope"}
        Heuristics within each layer, or scopes of the published heuristic.

    Returns
    -------
    list of Method
        The published one first.
    """
    found = methods(data, kind)
    same = "scope" if across == "by" else "by"
    return [one for one in found if getattr(one, same) == getattr(found[0], same)]


def layer_name(layer: str, kind: str, sizes: list[int]) -> str:
    """Return what a layer is called, with the size of its weight matrix or its number of nodes.

    Examples
    --------
    >>> layer_name("layers/1", "weights", [64, 200, 100, 10]), layer_name("layers/1", "units", [64, 200, 100, 10])
    ('layer 2 (200 × 100)', 'layer 2 (100)')
    """
    place = layer.rpartition("/")[2]
    if not place.isdigit():
        return layer
    first, second = sizes[int(place)], sizes[int(place) + 1]
    return f"layer {int(place) + 1} ({f'{first} × {second}' if kind == 'weights' else second})"
