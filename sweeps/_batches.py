"""Batches and tasks: examples with their targets, and the sets that a network is trained and tested on."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped


class Batch(NamedTuple):
    """Examples with their targets.

    Attributes
    ----------
    inputs : numpy.ndarray of float32, (examples, features)
        Inputs of each example.
    targets : numpy.ndarray, (examples,)
        Class numbers (int32) or values (float32).

    See Also
    --------
    sweeps.MaskedBatch : Examples of which some positions do not count.
    """

    inputs: Float[np.ndarray, "examples features"]
    targets: Shaped[np.ndarray, " examples"]


class Task(NamedTuple):
    """A training set, a test set, and their settings.

    Attributes
    ----------
    name : str
        What reports call it: of those in ``sweeps.tasks``, the function that makes the task.
    train : Batch
        What ``sweeps.train`` trains on; (inputs, targets) will do.
    test : Batch
        What objectives are usually evaluated on.
    classes : int, optional
        Number of classes; None for a regression, or where the targets tell.
    settings : mapping
        The arguments that define the data, as stored with a run.
    """

    name: str
    train: Batch
    test: Batch
    classes: int | None = None
    settings: Mapping[str, Any] = MappingProxyType({})
