"""Off values of the nodes of a network: the classes of ``sweeps.off``, and what an objective makes of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from analysis._errors import InputError, InputTypeError, UnsupportedError
from sweeps import _checks, _program
from sweeps._examples import Examples, as_array, checked, checked_inputs, examples_in
from sweeps._plans import separable
from sweeps.gating._attaching import GatedNetwork

_NAMES = ("zero", "mean", "resample")
# Most bytes of activations that are in memory together while means are taken, and most examples.
_BYTES, _MOST = 2**29, 1024


@dataclass(frozen=True, eq=False)
class Mean:
    """The mean of a node's value over examples, with all nodes on.

    An off node then says what it says on average, and the network loses only what the node tells of an example.

    Parameters
    ----------
    data : array or pytree, (examples, ...), optional
        Inputs over which the mean is taken, of the network's own kind. None takes the objective's batch, where its mask
        is true.
    mask : array, (examples, ...), optional
        True for the examples, or positions of examples, of ``data`` that count. None counts all.
    positions : bool, default True
        Whether the mean is taken over positions too: tokens, pixels, steps of a loop. Otherwise each position of an
        example has a mean of its own, so that an off node still knows where it is.

    Examples
    --------
    >>> import sweeps
    >>> task = sweeps.tasks.circle(train_examples=8, test_examples=4)
    >>> off = sweeps.off.Mean(data=task.train.inputs)
    >>> sweeps.Objective(sweeps.MLP((2, 3, 2)), task.test, off=off).off
    'mean over 8 examples and positions'
    """

    data: Any = None
    _: KW_ONLY
    mask: Any = None
    positions: bool = True


@dataclass(frozen=True, eq=False)
class Resample:
    """A node's value for another example: of the objective's batch, or of other data.

    An off node then keeps the distribution of its values, and loses what they tell of an example.

    Parameters
    ----------
    data : array or pytree, (examples, ...), optional
        Inputs among which each example of the batch draws one, none twice where there are enough. None permutes the
        batch's examples that count in one cycle: each takes another's value, and none its own.
    seed : int, default 0
        Of the permutation or the draws, from 0 to 2^64 - 1.

    Examples
    --------
    >>> import sweeps
    >>> sweeps.off.Resample(seed=1)  # for sweeps.Objective(..., off=)
    Resample(data=None, seed=1)
    """

    data: Any = None
    _: KW_ONLY
    seed: int = 0


@dataclass(frozen=True, eq=False)
class From:
    """A node's value for other inputs: those of corrupted or counterfactual examples.

    Parameters
    ----------
    inputs : array or pytree, (examples, ...)
        As many examples as the batch, of which each belongs to one of the batch; or a single one for all.

    Examples
    --------
    >>> import sweeps
    >>> task = sweeps.tasks.circle(test_examples=4)
    >>> mirrored = sweeps.off.From(inputs=-task.test.inputs)  # for sweeps.Objective(..., task.test, off=mirrored)
    >>> mirrored.inputs.shape
    (4, 2)
    """

    inputs: Any


def given(off: Any, network: GatedNetwork, data: Examples) -> tuple[GatedNetwork, Examples, str]:
    """Return a network and its examples with the off values that a user names, and these in words.

    Parameters
    ----------
    off : str, array_like, Mean, Resample, From or tuple
        As for ``sweeps.Objective``.
    network : GatedNetwork
        Without off values.
    data : Examples
        Without off values.

    Returns
    -------
    network : GatedNetwork
        With values, where these are the same for all examples.
    data : Examples
        With other inputs, where off values are those of other inputs.
    words : str
        What nodes are when they are off.

    Raises
    ------
    TypeError
        If ``off`` is none of these.
    InputError
        If it does not fit the network or the batch, or nodes have places whose values cannot be told apart.
    """
    if isinstance(off, str):
        _checks.one_of("off", off, _NAMES)
        off = {"mean": Mean(), "resample": Resample()}.get(off)
    if off is None:
        return network, data, "zero"
    if not isinstance(network.network, _program.Network):
        raise InputError("off must be zero for a function of (gates, inputs), which applies its gates itself")
    if isinstance(off, Mean):
        return _with_means(off, network, data)
    if isinstance(off, Resample):
        return _resampled(off, network, data)
    if isinstance(off, tuple) and len(off) in (2, 3) and all(map(np.ndim, jax.tree.leaves(off[0]))):
        off = From(checked(off).inputs)
    if isinstance(off, From):
        inputs = _like(data.inputs, off.inputs)
        number = examples_in(inputs)
        if number not in (1, len(data)):
            raise InputError(f"off: other inputs must be one example, or {len(data)} as the batch has, got {number}")
        rows = np.zeros(len(data), int) if number == 1 else np.arange(number)
        return *_seen(network, data, inputs, rows), "its value for other inputs"
    return replace(network, off=_numbers(off, network)), data, "values of the user's own"


def _with_means(off: Mean, network: GatedNetwork, data: Examples) -> tuple[GatedNetwork, Examples, str]:
    positions, mask = _checks.flag("off: positions", off.positions), data.mask
    if off.data is None and off.mask is not None:
        raise InputError("off: a mask belongs to data of its own; that of the batch counts where data is left out")
    inputs = data.inputs
    if off.data is not None:
        inputs = _like(data.inputs, off.data)
        mask = checked((inputs, np.zeros(examples_in(inputs), np.float32), off.mask)).mask
    read, number = network.network, examples_in(inputs)
    assert isinstance(read, _program.Network)
    size = separable.together(read, network.params, inputs, max(1, min(_MOST, _BYTES // (4 * network.floats))))
    with _naming():
        means = _program.averages(
            *(read, network.params, inputs, network.wiring.sites, size),
            None if mask is None else np.asarray(mask),
            positions,
        )
    for site, parts in means.items():
        if not all(np.isfinite(part).all() for part in parts):
            raise InputError(f"off: the mean of {site.path} is not finite")
    arrays = tuple(tuple(jnp.asarray(part, network.dtype) for part in means[site]) for site in network.wiring.sites)
    where = "examples and positions" if positions else "examples, at each position"
    return replace(network, off=arrays), data, f"mean over {number} {where}"


def _resampled(off: Resample, network: GatedNetwork, data: Examples) -> tuple[GatedNetwork, Examples, str]:
    random = np.random.default_rng(_checks.seed("off: seed", off.seed))
    if off.data is not None:
        inputs = _like(data.inputs, off.data)
        number = examples_in(inputs)
        rows = random.choice(number, len(data), replace=number < len(data))
        return *_seen(network, data, inputs, rows), f"its value for one of {number} other examples, seed {off.seed}"
    counts = np.ones(len(data), bool)
    if data.mask is not None:
        counts = np.asarray(np.asarray(data.mask).reshape(len(data), -1).any(axis=1))
    order = random.permutation(np.flatnonzero(counts))
    if len(order) < 2:
        raise InputError("off: to resample, a batch needs two examples that count, or give sweeps.off.Resample(data=)")
    rows = np.arange(len(data))
    rows[order] = np.roll(order, 1)
    # What does not count need not be finite.
    finite = jax.tree.map(_finite, data.inputs)
    return *_seen(network, data, finite, rows), f"its value for another of {len(order)} examples, seed {off.seed}"


def _seen(network: GatedNetwork, data: Examples, inputs: Any, rows: np.ndarray) -> tuple[GatedNetwork, Examples]:
    """Return the network and its examples with the rows of other inputs as their reference."""
    data = replace(data, reference=jax.tree.map(lambda leaf: leaf[rows], inputs))
    with _naming():
        jax.eval_shape(network, jax.ShapeDtypeStruct((network.nodes,), network.dtype), data.inputs, data.reference)
    return network, data


def _like(own: Any, inputs: Any) -> Any:
    """Return inputs on the device after checking that they are of the network's kind."""
    inputs = checked_inputs(inputs)
    kinds = [jax.tree.map(lambda leaf: (leaf.shape[1:], leaf.dtype), tree) for tree in (own, inputs)]
    if kinds[0] != kinds[1]:
        shapes = [jax.tree.map(lambda leaf: f"{leaf.dtype}{list(leaf.shape[1:])}", tree) for tree in (own, inputs)]
        raise InputError(f"off: inputs must be examples like the batch's, {shapes[0]} each, got {shapes[1]}")
    return inputs


def _numbers(off: Any, network: GatedNetwork) -> Array:
    values = as_array("off", off)
    if values.dtype.kind not in "biuf":
        raise InputTypeError(
            f"off must be one of {', '.join(_NAMES)}, numbers (nodes,), a batch, or one of sweeps.off's, got "
            f"{_checks.shown(off)}"
        )
    if values.shape != (network.nodes,):
        raise InputError(f"off must hold one number a node, shape ({network.nodes},), got {values.shape}")
    if not np.isfinite(values).all():
        raise InputError("off must be finite, got NaN or infinity")
    return jnp.asarray(values, network.dtype)


def _finite(leaf: Array) -> Array:
    return (
        jnp.where(jnp.isfinite(leaf), leaf, jnp.zeros_like(leaf)) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf
    )


@contextmanager
def _naming() -> Iterator[None]:
    """Context that says what to do where the values at a place are not to be seen."""
    try:
        yield
    except UnsupportedError as error:
        raise UnsupportedError(f'off: {error}: give off="zero" or numbers (nodes,)') from None
