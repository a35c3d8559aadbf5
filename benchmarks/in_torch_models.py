"""The encoder in PyTorch: heads multiplied by hand, by hooks of TransformerLens, and by interventions of pyvene."""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.timing import Contender


def contenders(model: Any, gates: np.ndarray, gradients: bool) -> dict[str, Callable[[], Contender]]:
    """Return makers of what PyTorch has for a model: the encoder's tools."""
    return {}
