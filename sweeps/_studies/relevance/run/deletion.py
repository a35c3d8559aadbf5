"""Deletion: regions of images are replaced, the most or the least relevant first, and the network classifies again."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from flax import nnx
from jaxtyping import Array, Float, Int

from sweeps._store import datasets

ORDERS = ("most", "least")
# Most points of a curve: MNIST has more regions.
POINTS = 65


def curves(
    network: nnx.Module,
    inputs: Float[np.ndarray, "examples pixels"],
    relevance: Mapping[str, Float[np.ndarray, "examples pixels"]],
    mean: Float[np.ndarray, " pixels"],
    region: int,
    orders: int,
    seed: int,
) -> xr.Dataset:
    """Return probability and logit of the class predicted at first, as more and more regions are removed.

    Parameters
    ----------
    network : flax.nnx.Module
        With the images as flat inputs.
    inputs : numpy.ndarray, (examples, pixels)
        Images.
    relevance : mapping of str to numpy.ndarray, (examples, pixels)
        Of each pixel, by method.
    mean : numpy.ndarray, (pixels,)
        Of the training images: what removed pixels become, or zeros.
    region : int
        Pixels along a side of a region; those at the edges may be smaller.
    orders, seed : int
        Of random orders, whose mean is the method ``random``.
    """
    graph, state = nnx.split(network)
    regions = _regions(inputs.shape[1], region)
    number = int(regions.max()) + 1
    removed = np.unique(np.linspace(0, number, min(POINTS, number + 1)).round().astype(int))
    replacements = {"zeros": np.zeros_like(mean), "mean": mean}
    # One program for all methods: the order of the regions is an argument.
    measure = partial(_measured, graph, state, jnp.asarray(inputs), jnp.asarray(regions), jnp.asarray(removed))

    def both(
        ranks: Int[np.ndarray, "examples regions"],
    ) -> Float[np.ndarray, "orders replacements kinds examples points"]:
        # The last comes first.
        return np.stack(
            [
                [np.stack(measure(jnp.asarray(one), jnp.asarray(new))) for new in replacements.values()]
                for one in (ranks, number - 1 - ranks)
            ]
        )

    found = [both(ranks_of(values, regions)) for values in relevance.values()]
    random = np.random.default_rng(seed)
    drawn = [random.permuted(np.tile(np.arange(number), (len(inputs), 1)), axis=1) for _ in range(orders)]
    whole = np.stack([*found, np.mean([both(one) for one in drawn], axis=0)])
    dims = ("attributed_by", "order", "replacement", "example", "removed")
    data = xr.Dataset(
        dict(probability=(dims, whole[:, :, :, 0]), logit=(dims, whole[:, :, :, 1])),
        dict(
            attributed_by=datasets.names([*relevance, "random"]),
            order=datasets.names(ORDERS),
            replacement=datasets.names(replacements),
            removed=removed,
        ),
        dict(region=region, regions=number, random_orders=orders),
    )
    data.probability.attrs.update(long_name="probability of the class predicted at first", units="1")
    data.logit.attrs.update(long_name="logit of the class predicted at first", units="logit")
    return data


def ranks_of(
    relevance: Float[np.ndarray, "examples pixels"], regions: Int[np.ndarray, " pixels"]
) -> Int[np.ndarray, "examples regions"]:
    """Return the place of each region in the order of removal, by the sum of its relevance, the largest first."""
    total = np.stack([relevance[:, regions == one].sum(axis=1) for one in range(regions.max() + 1)], axis=1)
    order = np.argsort(-total, axis=1, kind="stable")
    return np.argsort(order, axis=1)


def _regions(pixels: int, size: int) -> Int[np.ndarray, " pixels"]:
    """Return the number of the region that each pixel is in."""
    side = round(pixels**0.5)
    along = -(-side // size)
    row, column = np.divmod(np.arange(pixels), side)
    return row // size * along + column // size


@partial(jax.jit, static_argnums=0)
def _measured(
    graph: Any, state: Any, inputs: Array, regions: Array, removed: Array, ranks: Array, replacement: Array
) -> tuple[Array, Array]:
    """Probability and logit of the first prediction by example and number of removed regions."""
    network = nnx.merge(graph, state, copy=True)
    chosen = network(inputs).argmax(axis=-1)
    place = ranks[:, regions]

    def at(number: Array) -> tuple[Array, Array]:
        logits = network(jnp.where(place < number, replacement[None], inputs))
        probabilities = jax.nn.softmax(logits, axis=-1)
        each = [jnp.take_along_axis(one, chosen[:, None], axis=1)[:, 0] for one in (probabilities, logits)]
        return each[0], each[1]

    return jax.tree.map(jnp.transpose, jax.vmap(at)(removed))
