"""Sparsities: which of some scored things stay, when an exact share of them goes."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from math import floor
from numbers import Rational
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from analysis.errors import InputError
from sweeps import checks

SCOPES = ("layer", "global_raw", "global_normalised")


def kept(
    scores: Mapping[str, Float[np.ndarray, "..."]], sparsity: Any, scope: str = "layer"
) -> dict[str, Bool[np.ndarray, "..."]]:
    """Return what stays of scored things: those with the lowest scores go, the lowest index first among equals.

    Parameters
    ----------
    scores : of each layer, arrays of any shape, in the order of the layers
    sparsity : k, a number in [0, 1] or an array of these: exactly floor(k n) of n things go, for k as it is written
        (floor(0.29 * 100) is 28 in binary floating point, and 29 here)
    scope : one of ``SCOPES``

        - ``"layer"``: n counts a layer's things, and each layer loses its own floor(k n)
        - ``"global_raw"``: n counts the things of all layers, whose scores are compared as they are; among equals the
          earlier layer's goes first
        - ``"global_normalised"``: the same, after each layer's scores are divided by their root mean square; a layer
          of zeros stays one of zeros

    Returns
    -------
    true for what stays, by layer, shape (*sparsity.shape, *scores.shape); a larger sparsity keeps a part of what a
    smaller one keeps

    Raises
    ------
    ValueError
        If a sparsity is not between 0 and 1, the scope is unknown, or a score is no number.
    """
    shares = check(sparsity, scope)
    flat = {layer: np.asarray(values).reshape(-1) for layer, values in scores.items()}
    for layer, values in flat.items():
        if np.isnan(values).any():
            raise InputError(f"scores must be numbers, got NaN in {layer}")
    if scope == "global_normalised":
        flat = {layer: _normalised(layer, values) for layer, values in flat.items()}
    if scope == "layer":
        masks = {layer: _of_ranks(_ranks(values), shares) for layer, values in flat.items()}
    else:
        whole = _of_ranks(_ranks(np.concatenate([*flat.values(), np.zeros(0)])), shares)
        ends = np.cumsum([len(values) for values in flat.values()], dtype=int)
        # What comes after the last end is nothing; of no layers that is all.
        masks = dict(zip(flat, np.split(whole, ends, axis=-1)[:-1], strict=True))
    return {layer: mask.reshape(*shares.shape, *np.shape(scores[layer])) for layer, mask in masks.items()}


def check(sparsity: Any, scope: str) -> np.ndarray:
    """Return sparsities as ``checked_sparsity`` does, for a scope that is one of ``SCOPES``; ValueError otherwise."""
    checks.one_of("scope", scope, SCOPES)
    return checked_sparsity(sparsity)


def checked_sparsity(sparsity: Any) -> np.ndarray:
    """Return sparsities as an array of exact fractions, those that their shortest decimal forms say.

    Raises
    ------
    ValueError
        If one is no number between 0 and 1.
    """
    try:
        given = np.asarray(sparsity)
    except ValueError:  # lists of unequal lengths
        given = np.asarray(None)
    # Fractions and decimals come as objects.
    numbers = given.dtype.kind in "iuf" or given.dtype == jnp.bfloat16
    if not (numbers or all(isinstance(one, Rational | Decimal) for one in given.reshape(-1))) or not all(
        0 <= one <= 1 for one in given.reshape(-1)
    ):
        raise InputError(f"sparsity must be numbers between 0 and 1, got {checks.shown(sparsity)}")
    exact = np.empty(given.shape, object)
    for index in np.ndindex(given.shape):
        exact[index] = Fraction(str(given[index]))
    return exact


def _normalised(layer: str, scores: Float[np.ndarray, " things"]) -> Float[np.ndarray, " things"]:
    if not np.isfinite(scores).all():
        raise InputError(f"scores must be finite for scope 'global_normalised', got infinity in {layer}")
    largest = np.abs(scores).max(initial=0)
    if largest == 0:
        return scores
    # The squares of very large and very small scores would leave the range of floats.
    scaled = scores.astype(np.float64) / largest
    return scaled / np.sqrt(np.mean(np.square(scaled)))


def _ranks(scores: Float[np.ndarray, " things"]) -> Int[np.ndarray, " things"]:
    ranks = np.empty(len(scores), np.int64)
    ranks[np.argsort(scores, kind="stable")] = np.arange(len(scores))
    return ranks


def _of_ranks(ranks: Int[np.ndarray, " things"], shares: np.ndarray) -> Bool[np.ndarray, "..."]:
    gone = np.array([floor(share * len(ranks)) for share in shares.reshape(-1)], np.int64).reshape(shares.shape)
    return ranks >= gone[..., None]
