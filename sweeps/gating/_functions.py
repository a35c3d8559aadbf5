"""Functions (gates, inputs) -> outputs, which apply the gates themselves."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from sweeps._program import Site


class GateFunction(NamedTuple):
    """A function of gates in the place of a network; static to jit.

    Attributes
    ----------
    function : callable
        (gates (nodes,), inputs) -> outputs.
    """

    function: Callable[[Array, Any], Any]

    def run(self, params: Any, inputs: Any, gates: Mapping[Site, Array], off: Any = None, reference: Any = None) -> Any:
        """Return the outputs; the function decides what its nodes are when they are off."""
        return self.function(jnp.concatenate(list(gates.values())), inputs)
