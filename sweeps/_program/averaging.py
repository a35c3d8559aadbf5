"""Averaging: the mean of what stands at the places of nodes, over examples and positions."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from analysis._errors import InputError
from sweeps import _compiling
from sweeps._program.network import Network
from sweeps._program.running import scans_around
from sweeps._program.sites import Place, Site
from sweeps._program.values import Key
from sweeps._program.vectors import vector_axes


def noted(
    network: Network, params: Any, inputs: Any, keys: Collection[Key], size: int
) -> Iterator[tuple[slice, Mapping[Key, Float[np.ndarray, "..."]]]]:
    """Yield the values at some places in double precision, some examples at a time.

    Parameters
    ----------
    network, params : Network or object
        The network.
    inputs : object
        Examples, arrays with leading axis (examples,).
    keys : sequence of Key
        Of the places; see ``Network.values``.
    size : int
        Examples together.
    """
    for start in range(0, _examples(inputs), size):
        chosen = slice(start, start + size)
        part = jax.tree.map(lambda leaf, chosen=chosen: leaf[chosen], inputs)
        with jax.default_matmul_precision("highest"):
            values = _values(params, part, network=network, keys=tuple(keys))
        yield chosen, {key: np.asarray(value).astype(np.float64) for key, value in zip(keys, values, strict=True)}


@partial(_compiling.jit, static_argnames=("network", "keys"))
def _values(params: Any, inputs: Any, network: Network, keys: tuple[Key, ...]) -> list[Array]:
    return list(network.values(params, inputs, keys).values())


def by_node(values: Float[np.ndarray, "..."], ids: Int[np.ndarray, "..."]) -> tuple[np.ndarray, np.ndarray]:
    """Return the sum over all places of each node, and their number, both of shape (nodes,)."""
    axes = tuple(axis for axis in range(values.ndim) if ids.shape[axis] == 1)
    number, sums = ids.ravel(), values.sum(axis=axes).ravel()
    count = np.bincount(number) * (values.size // max(1, number.size))
    return np.bincount(number, sums), count


class Axes(NamedTuple):
    """What the axes of a noted value are.

    Attributes
    ----------
    place : Place
        The value's.
    layers : tuple of int
        Loops over layers, whose means are apart.
    example : int or None
        The axis of examples; None if there is none, or it is merged with positions.
    is_merged : bool
        Whether an axis counts examples times positions.
    features : tuple of int
        Along which nodes vary, or the numbers of a node that is a vector, as a head is.
    """

    place: Place
    layers: tuple[int, ...]
    example: int | None
    is_merged: bool
    features: tuple[int, ...]

    def positions(self, ndim: int) -> tuple[int, ...]:
        """Return the axes over which a node's values are positions of an example."""
        return tuple(axis for axis in range(ndim) if axis not in (*self.layers, *self.features, self.example))


def averages(
    network: Network,
    params: Any,
    inputs: Any,
    sites: Sequence[Site],
    size: int,
    mask: Bool[np.ndarray, "examples ..."] | None = None,
    positions: bool = True,
) -> dict[Site, tuple[Float[np.ndarray, "..."], ...]]:
    """Return the mean of what stands at each place of some sites, as ``Network.run`` takes it.

    A node that is a vector, such as a head, has a mean of each of its numbers.

    Parameters
    ----------
    network, params : Network or object
        The network.
    inputs : object
        Examples.
    sites : sequence of Site
        Whose places.
    size : int
        Examples that are evaluated together.
    mask : numpy.ndarray of bool, (examples, ...) or None
        True for the examples, or positions of examples, that count; None if all do.
    positions : bool
        Whether the mean is taken over positions too, or each position has its own.

    Raises
    ------
    InputError
        If it cannot be told which axis of a value counts examples or positions.
    NotImplementedError
        If a place is within a while loop.
    """
    axes = {place.key: found for site in sites for place, found in _axes_of(network, params, inputs, site)}
    for site in sites:
        for place in site.gated_places(own=True):
            _check_known(site, axes[place.key], mask, positions)
    sums: dict[Key, Any] = dict.fromkeys(axes, 0.0)
    counts: dict[Key, Any] = dict.fromkeys(axes, 0.0)
    for chosen, values in noted(network, params, inputs, list(axes), size):
        part = None if mask is None else mask[chosen]
        for key, value in values.items():
            weights = _weights(axes[key], value.shape, part)
            over = _averaged(axes[key], value.ndim, positions)
            sums[key] = sums[key] + np.where(weights > 0, value, 0).sum(axis=over, keepdims=True)
            counts[key] = counts[key] + np.broadcast_to(weights, value.shape).sum(axis=over, keepdims=True)
    means = {key: sums[key] / np.maximum(counts[key], 1) for key in sums}
    return {
        site: tuple(
            _spread(means[place.key], site, axes[place.key], network, positions)
            for place in site.gated_places(own=True)
        )
        for site in sites
    }


def _axes_of(network: Network, params: Any, inputs: Any, site: Site) -> Iterator[tuple[Place, Axes]]:
    """Yield what the axes at each place of a site are: examples are those whose number follows that of the inputs."""
    places = site.gated_places(own=True)
    keys = [place.key for place in places]
    shapes = [_shapes(network, params, inputs, keys, number) for number in (2, 3)]
    first = network.first
    for place in places:
        scans = scans_around(first.program.jaxpr, place.key[0])
        two, three = (found[place.key] for found in shapes)
        grows = [axis for axis, (a, b) in enumerate(zip(two, three, strict=True)) if a != b]
        alone = len(grows) == 1 and two[grows[0]] == 2
        inner = range(len(scans), len(two))
        varied = {axis for axis in inner if place.ids.shape[axis - len(scans)] > 1}
        if site.kind == "head":
            varied |= {axis + len(scans) for axis in vector_axes(first.placing, first.program.jaxpr, place)}
        layers = tuple(axis for axis, (frame, _) in enumerate(scans) if frame in place.frames)
        yield place, Axes(place, layers, grows[0] if alone else None, bool(grows) and not alone, tuple(sorted(varied)))


def _shapes(network: Network, params: Any, inputs: Any, keys: list[Key], number: int) -> dict[Key, tuple[int, ...]]:
    few = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((number, *leaf.shape[1:]), leaf.dtype), inputs)
    found = jax.eval_shape(lambda params, inputs: list(network.values(params, inputs, keys).values()), params, few)
    return dict(zip(keys, [value.shape for value in found], strict=True))


def _check_known(site: Site, axes: Axes, mask: Any, positions: bool) -> None:
    """Refuse a mean over what cannot be told apart."""
    if axes.is_merged and (mask is not None or not positions):
        raise InputError(
            f"off: at {site.path} examples and positions share an axis, so that "
            + ("what does not count cannot be left out" if mask is not None else "each position has no mean of its own")
            + ": give sweeps.off.Mean(data=...)"
            + (" without a mask" if mask is not None else " with positions=True")
        )
    if site.kind == "head" and positions and len(axes.features) < 2 and not _is_joined(axes):
        raise InputError(
            f"off: at {site.path} it cannot be told which axis counts positions: give sweeps.off.Mean(positions=False)"
        )


def _is_joined(axes: Axes) -> bool:
    """Whether a node has several places along the nodes' axis, as a head has that is one row of numbers there."""
    ids = axes.place.ids
    return len(np.unique(ids)) < ids.size


def _averaged(axes: Axes, ndim: int, positions: bool) -> tuple[int, ...]:
    of_examples = () if axes.example is None else (axes.example,)
    return tuple(sorted({*of_examples, *axes.positions(ndim)})) if positions else of_examples


def _weights(axes: Axes, shape: tuple[int, ...], mask: np.ndarray | None) -> np.ndarray:
    """Return one where a value counts and zero elsewhere, in a shape that broadcasts to the value's."""
    weights = np.ones([1] * len(shape))
    if mask is None or axes.example is None:
        return weights
    found = [axes.example]
    for size in mask.shape[1:]:
        fits = [axis for axis in axes.positions(len(shape)) if shape[axis] == size and axis not in found]
        if len(fits) > 1:
            raise InputError(
                f"off: it cannot be told which of {len(fits)} axes of length {size} the mask's positions are: give "
                "sweeps.off.Mean(data=...) without a mask"
            )
        if not fits:
            # Positions have been put together before.
            found, mask = [axes.example], np.asarray(mask.reshape(len(mask), -1).any(axis=1))
            break
        found += fits
    spread = np.transpose(mask, np.argsort(found)).astype(np.float64)
    return spread.reshape([size if axis in found else 1 for axis, size in enumerate(shape)])


def _spread(mean: np.ndarray, site: Site, axes: Axes, network: Network, positions: bool) -> np.ndarray:
    """Return a mean with an axis for each step of a loop, as one number a node if it is taken over positions."""
    scans, ids = scans_around(network.first.program.jaxpr, axes.place.key[0]), axes.place.ids
    if positions and site.kind != "head" and _is_joined(axes):
        inner = mean.reshape(-1, ids.size)
        sums = np.stack([np.bincount(ids.ravel(), row) for row in inner]) / np.bincount(ids.ravel())
        mean = sums[:, ids.ravel()].reshape(mean.shape)
    return np.broadcast_to(mean, (*(length for _, length in scans), *mean.shape[len(scans) :]))


def _examples(inputs: Any) -> int:
    return jax.tree.leaves(inputs)[0].shape[0]
