"""Alike: gate vectors like those of a design, made without a compiler, to foresee what their evaluation costs."""

import numpy as np
from jaxtyping import Shaped

from sweeps._masks import samplers
from sweeps._masks.samplers import Sampler


def like(sampler: Sampler, nodes: int, masks: int) -> Shaped[np.ndarray, "masks nodes"] | None:
    """Return some gate vectors, in an order like that of a sweep's draws; None for a sampler of another kind.

    Parameters
    ----------
    sampler : Sampler
        Of the design.
    nodes : int
        Length of a gate vector.
    masks : int
        About how many.
    """
    random = np.random.default_rng(0)
    if isinstance(sampler, samplers.LeaveOneOutSampler):
        off = np.unique(np.linspace(0, nodes - 1, masks).astype(int))
        return np.arange(nodes) != off[:, None]
    if isinstance(sampler, samplers.FlipPathsSampler):
        return np.concatenate([_path(sampler, random)[:masks] for _ in range(max(1, masks // sampler.steps))])
    if isinstance(sampler, samplers.MasksSampler):
        return np.asarray(sampler.array[0, :masks])
    if isinstance(sampler, samplers.BernoulliSampler):
        probabilities = np.where(sampler.possible, (np.asarray(sampler.last) + 1.0) / 2.0**32, 0)
        return random.random((masks, nodes)) < np.sort(np.resize(probabilities, masks))[:, None]
    if isinstance(sampler, samplers.FixedSizeSampler):
        return random.permuted(np.tile(np.arange(nodes) < int(sampler.on), (masks, 1)), axis=1)
    if isinstance(sampler, samplers.HypercubeSampler):
        return (np.arange(min(masks, 2**nodes))[:, None] >> np.arange(nodes)) & 1 == 1
    return None


def _path(sampler: samplers.FlipPathsSampler, random: np.random.Generator) -> Shaped[np.ndarray, "steps nodes"]:
    flippable = np.asarray(sampler.flippable)
    steps = np.full(len(flippable), sampler.steps)
    steps[flippable] = random.permutation(int(flippable.sum()))
    return (random.random(len(flippable)) < 0.5) ^ (steps < np.arange(sampler.steps)[:, None])
