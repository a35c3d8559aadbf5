"""Networks: a function of parameters and inputs, and its parameters, from each library's own kind of network.

Functions that are made here are equal where they do the same, so that what was compiled for one serves others.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from analysis.errors import InputTypeError

Apply = Callable[[Any, Any], Any]
Call = Callable[[Any, Any], Any] | None
ARRAY = "an array"


class OfNnx(NamedTuple):
    """A flax.nnx module as a function of its parameters and inputs.

    Attributes
    ----------
    graph : the module's structure
    call : (model, inputs) -> outputs, or None for ``model(inputs)``
    """

    graph: Any
    call: Call

    def __call__(self, params: Any, inputs: Any) -> Any:
        """Return the outputs."""
        from flax import nnx

        # copy=True: without it, modules that use nnx.scan fail to merge inside a traced function.
        module = nnx.merge(self.graph, params["params"], params["state"], copy=True)
        return module(inputs) if self.call is None else self.call(module, inputs)

    def kinds(self, params: Any, inputs: Any) -> dict[str, type]:
        """Type of the module at each path."""
        from flax import nnx

        found = nnx.iter_modules(nnx.merge(self.graph, params["params"], params["state"], copy=True))
        return {"/".join(map(str, path)): type(module) for path, module in found}


class OfLinen(NamedTuple):
    """A flax.linen module as a function of its variables and inputs.

    Attributes
    ----------
    module : unbound
    call : (apply, inputs) -> outputs, with ``apply(inputs, ...)`` the bound module; or None for ``apply(inputs)``
    """

    module: Any
    call: Call

    def __call__(self, variables: Any, inputs: Any) -> Any:
        """Return the outputs."""

        def bound(*arguments: Any, **options: Any) -> Any:
            return self.module.apply(variables, *arguments, **options)

        return bound(inputs) if self.call is None else self.call(bound, inputs)

    def kinds(self, variables: Any, inputs: Any) -> dict[str, type]:
        """Type of the module at each path, of those that are called."""
        import flax.linen as nn

        found: dict[str, type] = {}

        def note(run: Any, arguments: Any, options: Any, context: Any) -> Any:
            found["/".join(context.module.path)] = type(context.module)
            return run(*arguments, **options)

        with nn.intercept_methods(note):
            jax.eval_shape(lambda variables, inputs: self(variables, inputs), variables, inputs)
        return found


class OfFunction(NamedTuple):
    """A function of a pytree in which there are other things than arrays, such as settings and activations.

    Attributes
    ----------
    function : (params, inputs) -> outputs
    tree : structure of its parameters
    rest : what is no array, and ARRAY in the place of arrays
    """

    function: Apply
    tree: Any
    rest: tuple[Any, ...]

    def __call__(self, params: Any, inputs: Any) -> Any:
        """Return the outputs."""
        arrays = iter(jax.tree.leaves(params))
        leaves = [next(arrays) if one is ARRAY else one for one in self.rest]
        return self.function(jax.tree.unflatten(self.tree, leaves), inputs)


def of_function(function: Apply, params: Any) -> tuple[Any, Any]:
    """Return a function of parameters, and these without what is no array: an Equinox module is such a pytree.

    Parameters
    ----------
    function : (params, inputs) -> outputs
    params : pytree whose leaves are arrays, or anything else that does not change
    """
    if not callable(function):
        raise InputTypeError(f"network must be a function (params, inputs) -> outputs, got {type(function).__name__}")
    leaves, tree = jax.tree.flatten(params)
    rest = tuple(ARRAY if isinstance(leaf, jax.Array | np.ndarray | np.generic) else leaf for leaf in leaves)
    if all(one is ARRAY for one in rest):
        return function, params
    # None is no leaf: the paths of the arrays stay.
    return OfFunction(function, tree, rest), jax.tree.map(
        lambda leaf, one: leaf if one is ARRAY else None, params, jax.tree.unflatten(tree, rest)
    )


def of_nnx(model: Any, call: Call = None) -> tuple[OfNnx, Any]:
    """Return a flax.nnx module as a function and its parameters; the module is not changed, and evaluates.

    Parameters
    ----------
    model : flax.nnx.Module
    call : (model, inputs) -> outputs, or None for ``model(inputs)``

    Returns
    -------
    apply, params : params["params"] are those that make nodes, params["state"] is the rest
    """
    from flax import nnx

    if not isinstance(model, nnx.Module):
        raise InputTypeError(f"model must be a flax.nnx.Module, got {type(model).__name__}")
    clone = nnx.clone(model)
    clone.eval()
    graph, *states = nnx.split(clone, nnx.Any(nnx.Param, _is_kernel), ...)
    return OfNnx(graph, call), {"params": states[0], "state": states[1]}


def _is_kernel(_: Any, variable: Any) -> bool:
    """Whether a variable of a user's own kind may be a kernel: numbers that are no statistics, caches or masks."""
    from flax import nnx

    kind, dtype = getattr(variable, "type", type(variable)), getattr(variable, "dtype", None)
    is_state = issubclass(kind, nnx.RngState | nnx.BatchStat | nnx.Cache | nnx.Intermediate)
    return not is_state and dtype is not None and jnp.issubdtype(dtype, jnp.floating)


def of_linen(module: Any, variables: Any, call: Call = None) -> tuple[OfLinen, Any]:
    """Return a flax.linen module with its variables as a function and its parameters.

    Parameters
    ----------
    module : flax.linen.Module
    variables : what ``module.init`` returned, or training made of it
    call : see ``OfLinen``
    """
    if not isinstance(variables, Mapping) or "params" not in variables:
        raise InputTypeError("variables must be what module.init returns, a dict with the key 'params' in it")
    return OfLinen(module, call), variables
