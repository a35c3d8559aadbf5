"""How far Adam moves a weight that has a gradient once and never again: a distance that does not know the gradient."""

from typing import Any

import numpy as np

from analysis import _validate

#: Adam's usual decay rates, and how many steps are summed: the rest is below rounding.
BETAS, STEPS = (0.9, 0.999), 2000


def single_gradient(at: int = 1, betas: tuple[float, float] = BETAS, steps: int = STEPS) -> float:
    r"""Return how far a weight goes that has one gradient, at one step, and zero at all others.

    Parameters
    ----------
    at : int
        The step of the gradient, from 1.
    betas : tuple of float
        Decay rates of the two moments.
    steps : int
        Steps from the gradient on.

    Returns
    -------
    float
        In learning rates; the direction is against the gradient.

    Raises
    ------
    ValueError
        If `at` or `steps` is below 1, or a rate not between 0 and 1.

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
    at, steps = _validate.whole("at", at, 1), _validate.whole("steps", steps, 1)
    rates = [_validate.number("betas", beta, above=0, below=1) for beta in betas]
    since = np.arange(steps)
    first, second = ((1 - beta) * beta**since / (1 - beta ** (since + at)) for beta in rates)
    return float((first / np.sqrt(second)).sum())


def settled(weights: Any, near: float, tolerance: float, by: float = 0.1) -> tuple[float, float, int]:
    """Tell which weights stop moving early: those that moved by a certain distance, or those that went further.

    Parameters
    ----------
    weights : array_like, (checkpoints, ...)
        From the start to the end of a training.
    near : float
        The distance.
    tolerance : float
        How near to it is near, as a share of it.
    by : float
        Which share of the checkpoints is early.

    Returns
    -------
    near : float
        Of the weights that moved by about the distance, the share that equal their end already at the early checkpoint.
    further : float
        The same of those that moved by more than twice the distance. NaN where there are none.
    checkpoint : int
        Place of the early checkpoint.
    """
    near, tolerance = _validate.number("near", near, 0), _validate.number("tolerance", tolerance, 0)
    by, values = _validate.number("by", by, 0, 1), np.asarray(weights)
    early = min(max(round(by * (len(values) - 1)), 1), len(values) - 1)
    distance = np.abs(values[-1].astype(np.float64) - values[0])
    still = values[early] == values[-1]
    groups = (np.abs(distance - near) <= tolerance * near, distance > 2 * near)
    shares = [float(still[group].mean()) if group.any() else float("nan") for group in groups]
    return shares[0], shares[1], early
