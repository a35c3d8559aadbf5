"""Neighbours: losses of masks that differ in few nodes, which share what lies before the first gate that differs."""

from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import jax
import numpy as np
from jaxtyping import Float

from sweeps._masks import alike
from sweeps._masks.samplers import LeaveOneOutSampler
from sweeps._objective import Objective
from sweeps._plans import choosing, shared

# Plans by objective, while the objective lives.
_KNOWN: WeakKeyDictionary[Objective, choosing.Choice] = WeakKeyDictionary()


def losses(objective: Objective, masks: Any) -> Float[np.ndarray, " masks"]:
    """Return the loss of each gate vector, of any objective.

    Parameters
    ----------
    objective : Objective
        Of a network or any function.
    masks : object
        Shape (masks, nodes).
    """
    if objective not in _KNOWN:
        nodes = len(objective.nodes)
        _KNOWN[objective] = choosing.for_masks(objective.plan, partial(alike.like, LeaveOneOutSampler(nodes), nodes))
    plan = _KNOWN[objective].tree
    if not isinstance(plan, shared.Shared):
        return np.asarray(objective.evaluate(masks, gradients=False).loss)
    with jax.default_matmul_precision(objective.precision):
        return np.asarray(shared.losses(plan, objective._checked_gates(masks)))
