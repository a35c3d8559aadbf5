"""Networks of each library as functions of parameters and inputs.

Functions from equal modules are equal, so that jit compiles once for all of them.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from analysis._errors import InputTypeError

Apply = Callable[[Any, Any], Any]
Call = Callable[[Any, Any], Any] | None
ARRAY = "an array"


class OfNnx(NamedTuple):
    """A flax.nnx module as a function of its parameters and inputs.

    Attributes
    ----------
    graph : object
        The module's structure.
    call : Call
        (model, inputs) -> outputs, or None for ``model(inputs)``.
    """

    graph: Any
    call: Call

    def __call__(self, params: Any, inputs: Any) -> Any:
        """Return the outputs."""
        from flax import nnx

        # Without copy=True, modules that use nnx.scan fail to merge inside a traced function.
        module = nnx.merge(self.graph, params["params"], params["state"], copy=True)
        return module(inputs) if self.call is None else self.call(module, inputs)

    def kinds(self, params: Any, inputs: Any) -> dict[str, type]:
        """Return the type of the module at each path."""
        from flax import nnx

        modules = nnx.iter_modules(nnx.merge(self.graph, params["params"], params["state"], copy=True))
        return {"/".join(map(str, path)): type(module) for path, module in modules}


class OfLinen(NamedTuple):
    """A flax.linen module as a function of its variables and inputs.

    Attributes
    ----------
    module : object
        Unbound.
    call : Call
        (apply, inputs) -> outputs, with ``apply(inputs, ...)`` the bound module; or None for ``apply(inputs)``.
    """

    module: Any
    call: Call

    def __call__(self, variables: Any, inputs: Any) -> Any:
        """Return the outputs."""

        def bound(*arguments: Any, **options: Any) -> Any:
            return self.module.apply(variables, *arguments, **options)

        return bound(inputs) if self.call is None else self.call(bound, inputs)

    def kinds(self, variables: Any, inputs: Any) -> dict[str, type]:
        """Return the type of the module at each path, of the modules that are called."""
        import flax.linen as nn

        kinds: dict[str, type] = {}

        def note(run: Any, arguments: Any, options: Any, context: Any) -> Any:
            kinds["/".join(context.module.path)] = type(context.module)
            return run(*arguments, **options)

        with nn.intercept_methods(note):
            jax.eval_shape(lambda variables, inputs: self(variables, inputs), variables, inputs)
        return kinds


class OfFunction(NamedTuple):
    """A function of a pytree that also holds settings, activations and the like.

    Attributes
    ----------
    function : Apply
        (params, inputs) -> outputs.
    tree : object
        Structure of its parameters.
    rest : tuple of object
        Leaves that are no arrays, with ARRAY in the place of arrays.
    """

    function: Apply
    tree: Any
    rest: tuple[Any, ...]

    def __call__(self, params: Any, inputs: Any) -> Any:
        """Return the outputs."""
        arrays = iter(jax.tree.leaves(params))
        leaves = [next(arrays) if leaf is ARRAY else leaf for leaf in self.rest]
        return self.function(jax.tree.unflatten(self.tree, leaves), inputs)


def of_function(function: Apply, params: Any) -> tuple[Any, Any]:
    """Return a function of arrays, and the arrays, of a function of any pytree, such as an Equinox module.

    Parameters
    ----------
    function : Apply
        (params, inputs) -> outputs.
    params : object
        Pytree of arrays and of constants of any kind.
    """
    if not callable(function):
        raise InputTypeError(f"network must be a function (params, inputs) -> outputs, got {type(function).__name__}")
    leaves, tree = jax.tree.flatten(params)
    rest = tuple(ARRAY if isinstance(leaf, jax.Array | np.ndarray | np.generic) else leaf for leaf in leaves)
    if all(leaf is ARRAY for leaf in rest):
        return function, params
    # JAX counts no None as a leaf, so that the arrays keep their paths.
    return OfFunction(function, tree, rest), jax.tree.map(
        lambda leaf, mark: leaf if mark is ARRAY else None, params, jax.tree.unflatten(tree, rest)
    )


def of_nnx(model: Any, call: Call = None) -> tuple[OfNnx, Any]:
    """Return a flax.nnx module in evaluation mode as a function and its parameters; the module is not changed.

    Parameters
    ----------
    model : flax.nnx.Module
    call : Call
        (model, inputs) -> outputs, or None for ``model(inputs)``.

    Returns
    -------
    apply, params : OfNnx or object
        params["params"] holds the parameters, which make nodes, and params["state"] the rest.
    """
    from flax import nnx

    if not isinstance(model, nnx.Module):
        raise InputTypeError(f"model must be a flax.nnx.Module, got {type(model).__name__}")
    clone = nnx.clone(model)
    clone.eval()
    graph, *states = nnx.split(clone, nnx.Any(nnx.Param, _is_kernel), ...)
    return OfNnx(graph, call), {"params": states[0], "state": states[1]}


def _is_kernel(_: Any, variable: Any) -> bool:
    """Whether a variable of a user's own kind may be a kernel: floats that are no statistic, cache or random state."""
    from flax import nnx

    kind, dtype = getattr(variable, "type", type(variable)), getattr(variable, "dtype", None)
    is_state = issubclass(kind, nnx.RngState | nnx.BatchStat | nnx.Cache | nnx.Intermediate)
    return not is_state and dtype is not None and jnp.issubdtype(dtype, jnp.floating)


def of_linen(module: Any, variables: Any, call: Call = None) -> tuple[OfLinen, Any]:
    """Return a flax.linen module with its variables as a function and its parameters.

    Parameters
    ----------
    module : flax.linen.Module
    variables : object
        As ``module.init`` returns them; or their entry "params" alone, or a ``TrainState`` of Flax.
    call : Call
        See ``OfLinen``.
    """
    if hasattr(variables, "apply_fn") and hasattr(variables, "params"):  # a TrainState
        further = {"batch_stats": variables.batch_stats} if hasattr(variables, "batch_stats") else {}
        variables = variables.params if "params" in variables.params else {"params": variables.params, **further}
    if not isinstance(variables, Mapping) or not variables:
        raise InputTypeError(
            "variables must be what module.init returns, a dict with the key 'params' in it, its value of 'params', or "
            f"a TrainState, got {type(variables).__name__}"
        )
    if "params" not in variables:
        variables = {"params": variables}
    return OfLinen(module, call), variables
