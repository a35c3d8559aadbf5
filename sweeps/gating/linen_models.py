"""Gates on flax.linen modules: calls are intercepted, and gates lie among the parameters of the gated layer."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.core import unfreeze
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Array

from sweeps.gating.recording import Recorder, Shape, first_argument
from sweeps.gating.site import Site, multiplied

# What multiplies its input by a kernel: where activations are read and made.
LAYERS = (nn.Dense, nn.DenseGeneral, nn.Einsum, nn.Conv, nn.ConvLocal, nn.ConvTranspose)
_CONVOLUTIONS = (nn.Conv, nn.ConvLocal, nn.ConvTranspose)


class LinenForward(NamedTuple):
    """How outputs come from a module's variables, its gates and inputs; static to jit.

    Attributes
    ----------
    module : the module
    call : (apply, inputs) -> outputs, or None for ``module.apply(variables, inputs)``
    """

    module: nn.Module
    call: Any

    def __call__(self, variables: Any, gates: list[tuple[Site, Array]], inputs: Any) -> Any:
        """Return the outputs."""
        flat = flatten_dict(unfreeze(variables))
        sites: dict[tuple[str, str], Site] = {}
        for site, values in gates:
            for path in site.layers:
                # Among the parameters, so that a scan over copies of a block takes each copy's own.
                flat["params", *path.split("/"), f"{site.at}_gate"] = values
                sites[path, site.at] = site

        def gated(run: Any, arguments: tuple[Any, ...], options: dict[str, Any], context: Any) -> Any:
            path = _path(context)
            if (path, "input") in sites:
                first, with_first = first_argument(arguments, options)
                values = context.module.get_variable("params", "input_gate")
                arguments, options = with_first(multiplied(first, values, sites[path, "input"].spread))
            outputs = run(*arguments, **options)
            if (path, "output") in sites:
                values = context.module.get_variable("params", "output_gate")
                outputs = multiplied(outputs, values, sites[path, "output"].spread)
            return outputs

        with nn.intercept_methods(gated):
            return _applied(self.module, unflatten_dict(flat), self.call, inputs)


class LinenModel:
    """A flax.linen module with its variables, as gating sees it.

    Parameters
    ----------
    module : unbound
    variables : what ``module.init`` returned, or training made of it
    call : (apply, inputs) -> outputs, or None for ``module.apply(variables, inputs)``
    """

    def __init__(self, module: nn.Module, variables: Any, call: Any = None):
        self._module, self._variables, self._call = module, variables, call
        self._parameters = flatten_dict(unfreeze(variables).get("params", {}))
        self._kinds: dict[str, type] = {}

    @property
    def convolutions(self) -> tuple[type, ...]:
        """Types of layers whose nodes are channels."""
        return _CONVOLUTIONS

    def recorded(self, recorder: Recorder, inputs: Any) -> Any:
        """Return the outputs for traced inputs; the recorder writes down the calls."""

        def recording(run: Any, arguments: tuple[Any, ...], options: dict[str, Any], context: Any) -> Any:
            path, module = _path(context), context.module
            if not path:
                return run(*arguments, **options)
            self._kinds[path] = type(module)
            is_layer, is_embedding = isinstance(module, LAYERS), isinstance(module, nn.Embed)
            if not recorder.wants(path, is_layer or is_embedding):
                return run(*arguments, **options)
            leaves = jax.tree.leaves(module.variables.get("params", {}))
            axes = getattr(module, "axis", -1) if isinstance(module, nn.DenseGeneral) else -1
            return recorder.call(
                path,
                type(module),
                is_layer,
                is_embedding,
                tuple(leaves[0].shape) if leaves else None,
                axes if isinstance(axes, tuple | list) else (axes,),
                run,
                arguments,
                options,
            )

        with nn.intercept_methods(recording):
            return _applied(self._module, self._variables, self._call, inputs)

    def stored(self, path: str) -> Shape | None:
        """Shape of a module's first parameter."""
        steps = tuple(path.split("/"))
        within = {key: value for key, value in self._parameters.items() if key[: len(steps)] == steps}
        leaves = jax.tree.leaves(unflatten_dict(within))
        return tuple(leaves[0].shape) if leaves else None

    def kind_of(self, path: str) -> type:
        """Type of the module at a path, once it has been called."""
        return self._kinds.get(path, type(self._module))

    def layers(self) -> dict[str, int]:
        """Paths of all modules with a kernel, called or not, with the number of nodes that they make."""
        return {"/".join(key[:-1]): value.shape[-1] for key, value in self._parameters.items() if key[-1] == "kernel"}

    def gated(self, sites: tuple[Site, ...]) -> tuple[Any, LinenForward]:
        """Return the variables, and what makes outputs of them."""
        return jax.tree.map(jnp.asarray, unfreeze(self._variables)), LinenForward(self._module, self._call)


def _path(context: Any) -> str:
    """Path of the module whose ``__call__`` it is; empty for other methods and the whole network."""
    return "/".join(context.module.path) if context.method_name == "__call__" else ""


def _applied(module: nn.Module, variables: Any, call: Any, inputs: Any) -> Any:
    def apply(*arguments: Any, **options: Any) -> Any:
        return module.apply(variables, *arguments, **options)

    return apply(inputs) if call is None else call(apply, inputs)
