"""Networks: a function of parameters and inputs, and its parameters, from each library's own kind of network."""

from collections.abc import Callable, Mapping
from typing import Any

from analysis.errors import InputTypeError

Apply = Callable[[Any, Any], Any]


def of_nnx(model: Any, call: Callable[[Any, Any], Any] | None = None) -> tuple[Apply, Any]:
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
    graph, *states = nnx.split(clone, nnx.Param, ...)

    def apply(params: Any, inputs: Any) -> Any:
        # copy=True: without it, modules that use nnx.scan fail to merge inside a traced function.
        module = nnx.merge(graph, params["params"], params["state"], copy=True)
        return module(inputs) if call is None else call(module, inputs)

    return apply, {"params": states[0], "state": states[1]}


def of_linen(module: Any, variables: Any, call: Callable[[Any, Any], Any] | None = None) -> tuple[Apply, Any]:
    """Return a flax.linen module with its variables as a function and its parameters.

    Parameters
    ----------
    module : flax.linen.Module
    variables : what ``module.init`` returned, or training made of it
    call : (apply, inputs) -> outputs, with ``apply(inputs, ...)`` the bound module; or None for ``apply(inputs)``
    """
    if not isinstance(variables, Mapping) or "params" not in variables:
        raise InputTypeError("variables must be what module.init returns, a dict with the key 'params' in it")

    def apply(variables: Any, inputs: Any) -> Any:
        def bound(*arguments: Any, **options: Any) -> Any:
            return module.apply(variables, *arguments, **options)

        return bound(inputs) if call is None else call(bound, inputs)

    return apply, variables
