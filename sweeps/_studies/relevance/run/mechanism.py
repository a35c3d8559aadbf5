"""Mechanism: how a network meets a demand on its relevance, by what that demand does not look at."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from sweeps._program import OfNnx
from sweeps._store import datasets
from sweeps._studies.relevance.run.patches import Patched
from sweeps._studies.relevance.run.supervision import parts
from sweeps.relevance import attribute_function

# Test images whose pixels are taken out one by one.
OCCLUDED = 32
# What maps the relevance of the right logit, and of the margin: the right logit less the mean of the others.
MAPS = ("slope", "slope_margin", "occlusion", "occlusion_margin")


def _margin(targets: Array, classes: int) -> Float[Array, "examples classes"]:
    """Weights of the right logit less the mean of the others."""
    right = jax.nn.one_hot(targets, classes)
    return right - (1 - right) / (classes - 1)


@partial(jax.jit, static_argnums=0)
def maps_of(network: Any, state: Any, batch: Any) -> Float[Array, "maps examples pixels"]:
    """Return heat maps of images: relevance by the slope rule, and what the outputs lose without each pixel."""
    before = network(state, batch.images)
    right, margin = jax.nn.one_hot(batch.targets, before.shape[1]), _margin(batch.targets, before.shape[1])
    slopes = [
        attribute_function(network, state, batch.images, target=each, method="slope").inputs for each in (right, margin)
    ]

    def without(pixel: Array) -> Array:
        return before - network(state, jnp.where(pixel[None], 0.0, batch.images))

    lost = jax.lax.map(without, jnp.eye(batch.images.shape[1], dtype=bool))
    occluded = [jnp.einsum("pec,ec->ep", lost, each) for each in (right, margin)]
    return jnp.stack([*slopes, *occluded])


@partial(jax.jit, static_argnums=0)
def _numbers(network: Any, state: Any, plain: Any, clean: Any) -> dict[str, Array]:
    """Amounts of relevance of the right logit, how much of it cancels, and which logits the patch acts through."""
    found = attribute_function(network, state, plain.images, target=plain.targets, method="slope")
    sizes = parts(jnp.abs(found.inputs), plain.regions)
    net = jnp.abs(parts(found.inputs, plain.regions)[0])
    taken = [jnp.abs(one).reshape(len(one), -1).sum(axis=1) for one in found.bias.values()]
    biases = jnp.stack(taken).sum(axis=0)
    change = network(state, plain.images) - network(state, clean.images)
    right = jax.nn.one_hot(plain.targets, change.shape[1])
    return dict(
        slope_inside=sizes[0].mean(),
        slope_outside=sizes[1].mean(),
        cancelling=1 - net.mean() / jnp.maximum(sizes[0].mean(), 1e-9),
        biases=biases.mean() / jnp.maximum((biases + sizes[0] + sizes[1]).mean(), 1e-9),
        patch_right=(right * change).sum(axis=1).mean(),
        patch_others=-((1 - right) * change).sum(axis=1).mean() / (change.shape[1] - 1),
    )


def numbers_of(network: OfNnx, state: Any, plain: Patched, clean: Patched) -> dict[str, Any]:
    """Return what shows how a network does it.

    Parameters
    ----------
    network, state : OfNnx or object
        As a function, and its parameters.
    plain, clean : Patched
        The same images with a patch of the right class, and without.
    """
    some = Patched(*(part[:OCCLUDED] for part in plain))
    shares = [outside / (inside + outside + 1e-9) for inside, outside in _split(network, state, some)]
    return _numbers(network, state, plain, clean) | {
        f"outside_{name}": share for name, share in zip(MAPS, shares, strict=True)
    }


def _split(network: OfNnx, state: Any, some: Patched) -> list[tuple[float, float]]:
    """Mean amounts inside and outside of the region, by each map."""
    sizes = np.abs(np.asarray(maps_of(network, state, some)))
    regions = np.asarray(some.regions)
    return [(float(one[regions].sum() / len(regions)), float(one[~regions].sum() / len(regions))) for one in sizes]


def shown(network: OfNnx, states: Any, plain: Patched, side: int, which: int = 0) -> xr.Dataset:
    """Return the maps of one image by the first network of each strength.

    Parameters
    ----------
    network, states : OfNnx or object
        As a function, and its parameters, whose first axes are strengths and networks.
    plain : Patched
        Images with a patch of the right class.
    side : int
        Pixels along a side.
    which : int
        Number of the image.
    """
    image = Patched(*(part[which : which + 1] for part in plain))
    strengths = len(jax.tree.leaves(states)[0])
    maps = [
        np.asarray(maps_of(network, jax.tree.map(lambda leaf, at=at: leaf[at, 0], states), image))
        for at in range(strengths)
    ]
    values = np.stack(maps).reshape(strengths, len(MAPS), side, side)
    return xr.Dataset({"relevance": (("strength", "map", "row", "column"), values)}, dict(map=datasets.names(MAPS)))
