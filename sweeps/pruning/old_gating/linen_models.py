"""Gates on flax.linen modules: calls are intercepted, and gates lie among the parameters of the gated layer."""

import itertools
from typing import Any, NamedTuple

import flax.linen as nn
import jax
from flax.core import unfreeze
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Array

from sweeps.examples import on_device
from sweeps.pruning.old_gating import flow
from sweeps.pruning.old_gating.recording import Callee, Recorder, Shape, first_argument
from sweeps.pruning.old_gating.site import Site, multiplied

# What multiplies its input by a kernel: where activations are read and made.
LAYERS = (nn.Dense, nn.DenseGeneral, nn.Einsum, nn.Conv, nn.ConvLocal, nn.ConvTranspose)
_CONVOLUTIONS = (nn.Conv, nn.ConvLocal, nn.ConvTranspose)
_times_recorded = itertools.count()


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
                flat["params", *path.split("/"), _name(site)] = values
                sites[path, site.at] = site

        def gated(run: Any, arguments: tuple[Any, ...], options: dict[str, Any], context: Any) -> Any:
            path = _path(context)
            if site := sites.get((path, "input")):
                first, with_first = first_argument(arguments, options)
                values = context.module.get_variable("params", _name(site))
                arguments, options = with_first(multiplied(first, values, site.spread))
            outputs = run(*arguments, **options)
            if site := sites.get((path, "output")):
                values = context.module.get_variable("params", _name(site))
                outputs = multiplied(outputs, values, site.spread)
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
            callee = Callee(
                path,
                type(module),
                is_layer,
                is_embedding,
                tuple(leaves[0].shape) if leaves else None,
                axes if isinstance(axes, tuple | list) else (axes,),
            )
            return recorder.call(callee, run, arguments, options)

        with nn.intercept_methods(recording):
            return _applied(self._module, self._marked(), self._call, inputs)

    def _marked(self) -> Any:
        """Return the variables with marked kernels."""
        flat = flatten_dict(unfreeze(self._variables))
        # Another structure every time: JAX does not run a function again that it traced with the same one.
        once = f"recorded_{next(_times_recorded)}"
        for key, value in list(flat.items()):
            if key[0] == "params" and key[-1] == "kernel":
                path = "/".join(key[1:-1])
                flat[key] = jax.tree.map(lambda kernel, path=path: flow.mark(kernel, "holds", path), value)
                for length in range(1, len(key)):
                    flat[*key[:length], once] = ()
        return unflatten_dict(flat)

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
        """Paths of all layers, called or not, with the number of nodes that they make.

        What has a kernel and was never called is taken for a layer; of what was called, the type is known.
        """
        kernels = {"/".join(key[:-1]): value for key, value in self._parameters.items() if key[-1] == "kernel"}
        return {
            path: jax.tree.leaves(kernel)[0].shape[-1]
            for path, kernel in kernels.items()
            if issubclass(self._kinds.get(path, nn.Dense), LAYERS)
        }

    def gated(self, sites: tuple[Site, ...]) -> tuple[Any, LinenForward]:
        """Return the variables, and what makes outputs of them."""
        return jax.tree.map(on_device, unfreeze(self._variables)), LinenForward(self._module, self._call)


def _name(site: Site) -> str:
    """Name of a site's gates: another one where they spread in another way, as JAX keeps what it has traced."""
    return "_".join(map(str, (site.at, "gate", *site.spread)))


def _path(context: Any) -> str:
    """Path of the module whose ``__call__`` it is; empty for other methods and the whole network."""
    return "/".join(context.module.path) if context.method_name == "__call__" else ""


def _applied(module: nn.Module, variables: Any, call: Any, inputs: Any) -> Any:
    def apply(*arguments: Any, **options: Any) -> Any:
        return module.apply(variables, *arguments, **options)

    return apply(inputs) if call is None else call(apply, inputs)
