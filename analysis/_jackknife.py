"""The delete-one jackknife, a part of the draws at a time."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def error(changes: Iterable[Floats], count: int) -> Floats:
    """Return standard errors (m,) from what leaving out each of `count` draws changes, parts of (count, m)."""
    total, square = 0.0, 0.0
    for change in changes:
        total = total + change.sum(axis=0)
        square = square + np.sum(change**2, axis=0)
    return np.sqrt((count - 1) / count * np.maximum(square - total**2 / count, 0))
