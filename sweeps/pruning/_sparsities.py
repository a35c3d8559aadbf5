"""Sparsities: the nodes or weights that stay when an exact share of them goes."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from math import floor
from numbers import Rational
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from analysis._errors import InputError
from sweeps import _checks

SCOPES = ("layer", "global_raw", "global_normalised")


def kept(
    scores: Mapping[str, Float[np.ndarray, "..."]], sparsity: Any, scope: str = "layer"
) -> dict[str, Bool[np.ndarray, "..."]]:
    """Return which items stay: those with the lowest scores go, of equal scores the lowest index first.

    Parameters
    ----------
    scores : mapping of str to numpy.ndarray, (...)
        Of each layer, arrays of any shape, in the order of the layers.
    sparsity : object
        k, a number in [0, 1] or an array of these: exactly floor(k n) of n items go, for the decimal k (floor(0.29 *
        100) is 28 in binary floating point, and 29 here).
    scope : str
        One of ``SCOPES``.

        - ``"layer"``: n counts a layer's items, and each layer loses its own floor(k n)
        - ``"global_raw"``: n counts the items of all layers, whose scores are compared directly; of equal scores that
          of the earlier layer goes first
        - ``"global_normalised"``: the same, after division of each layer's scores by their root mean square, if that is
          not zero

    Returns
    -------
    dict of str to numpy.ndarray of bool, (...)
        True for what stays, by layer, shape (*sparsity.shape, *scores.shape); the items of a larger sparsity are among
        those of a smaller one.

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
        # Behind the last end is an empty rest.
        masks = dict(zip(flat, np.split(whole, ends, axis=-1)[:-1], strict=True))
    return {layer: mask.reshape(*shares.shape, *np.shape(scores[layer])) for layer, mask in masks.items()}


def check(sparsity: Any, scope: str) -> np.ndarray:
    """Return sparsities as ``checked_sparsity`` does; ValueError if the scope is none of ``SCOPES``."""
    _checks.one_of("scope", scope, SCOPES)
    return checked_sparsity(sparsity)


def checked_sparsity(sparsity: Any) -> np.ndarray:
    """Return sparsities as an array of the exact fractions of their shortest decimal forms.

    Raises
    ------
    ValueError
        If a sparsity is no number between 0 and 1.
    """
    try:
        given = np.asarray(sparsity)
    except ValueError:  # lists of unequal lengths
        given = np.asarray(None)
    # Fractions and decimals come as objects.
    numbers = given.dtype.kind in "iuf" or given.dtype == jnp.bfloat16
    if not (numbers or all(isinstance(share, Rational | Decimal) for share in given.reshape(-1))) or not all(
        0 <= share <= 1 for share in given.reshape(-1)
    ):
        raise InputError(f"sparsity must be numbers between 0 and 1, got {_checks.shown(sparsity)}")
    exact = np.empty(given.shape, object)
    for index in np.ndindex(given.shape):
        exact[index] = Fraction(str(given[index]))
    return exact


def _normalised(layer: str, scores: Float[np.ndarray, " items"]) -> Float[np.ndarray, " items"]:
    if not np.isfinite(scores).all():
        raise InputError(f"scores must be finite for scope 'global_normalised', got infinity in {layer}")
    largest = np.abs(scores).max(initial=0)
    if largest == 0:
        return scores
    # The squares of very large and very small scores would leave the range of floats.
    scaled = scores.astype(np.float64) / largest
    return scaled / np.sqrt(np.mean(np.square(scaled)))


def _ranks(scores: Float[np.ndarray, " items"]) -> Int[np.ndarray, " items"]:
    ranks = np.empty(len(scores), np.int64)
    ranks[np.argsort(scores, kind="stable")] = np.arange(len(scores))
    return ranks


def _of_ranks(ranks: Int[np.ndarray, " items"], shares: np.ndarray) -> Bool[np.ndarray, "..."]:
    gone = np.array([floor(share * len(ranks)) for share in shares.reshape(-1)], np.int64).reshape(shares.shape)
    return ranks >= gone[..., None]
