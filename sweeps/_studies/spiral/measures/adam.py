"""How far Adam moves a weight that has one gradient and no further one: a distance that no gradient's size changes."""

from typing import Any, NamedTuple

import numpy as np

from analysis import _checks

#: Adam's usual decay rates, and how many steps are summed: the rest is below rounding.
BETAS, STEPS = (0.9, 0.999), 2000


def single_gradient(at: int = 1) -> float:
    r"""Return how far a weight goes that has one gradient, at one step, and zero at all others.

    Parameters
    ----------
    at : int
        The step of the gradient, from 1.

    Returns
    -------
    float
        In learning rates; the direction is against the gradient.

    Raises
    ------
    ValueError
        If `at` is below 1.

    Notes
    -----
    With a gradient g at step s, Adam's moments at a later step t are :math:`(1 - \beta_1) \beta_1^{t-s} g` and
    :math:`(1 - \beta_2) \beta_2^{t-s} g^2`, each divided by :math:`1 - \beta^t`. In the quotient of the first by the
    root of the second g cancels but for its sign. The small number that Adam adds to the root is left out.

    References
    ----------
    D. P. Kingma, J. Ba (2015), Adam: A Method for Stochastic Optimization, arXiv 1412.6980.

    Examples
    --------
    >>> round(single_gradient(), 3)
    6.006
    """
    at, since = _checks.whole("at", at, 1), np.arange(STEPS)
    first, second = ((1 - beta) * beta**since / (1 - beta ** (since + at)) for beta in BETAS)
    return float((first / np.sqrt(second)).sum())


class Settled(NamedTuple):
    """Which weights have their final value early in a training.

    Attributes
    ----------
    near : float
        Share of those that moved by about a certain distance; NaN where there are none.
    further : float
        Share of those that moved more than twice as far.
    checkpoint : int
        Place of the early checkpoint.
    """

    near: float
    further: float
    checkpoint: int


def settled(weights: Any, distance: float, tolerance: float, early: float = 0.1) -> Settled:
    """Tell whether weights that moved by a certain distance stop earlier than those that went further.

    Parameters
    ----------
    weights : array_like, (checkpoints, ...)
        From the start to the end of a training.
    distance : float
    tolerance : float
        How near to the distance counts as moved by it, as a share of it.
    early : float
        Which share of the checkpoints is early.

    Returns
    -------
    Settled
    """
    values = np.asarray(weights)
    last = len(values) - 1
    checkpoint = min(max(round(early * last), 1), last)
    moved = np.abs(values[-1].astype(np.float64) - values[0])
    still = values[checkpoint] == values[-1]
    groups = (np.abs(moved - distance) <= tolerance * distance, moved > 2 * distance)
    near, further = (float(still[group].mean()) if group.any() else float("nan") for group in groups)
    return Settled(near, further, checkpoint)
