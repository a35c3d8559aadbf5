"""Gates of a pure function (gates, inputs) -> outputs, which applies them itself."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from sweeps.pruning.old_gating.site import Site


class FunctionForward(NamedTuple):
    """How outputs come from a function, its gates and inputs; static to jit.

    Attributes
    ----------
    function : (gates (nodes,), inputs) -> outputs
    """

    function: Callable[[Array, Any], Any]

    def __call__(self, state: Any, gates: list[tuple[Site, Array]], inputs: Any) -> Any:
        """Return the outputs."""
        return self.function(jnp.concatenate([values.reshape(-1) for _, values in gates]), inputs)
