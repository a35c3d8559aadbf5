"""Structure: which layers make a network's hidden nodes, which read them, and what lies between."""

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Bool, Shaped

from analysis.errors import InputError, UnsupportedError
from sweeps import checks, gating
from sweeps.gating.flow import NOWHERE, Flow, Origins, mark
from sweeps.gating.nnx_models import LAYERS, NnxModel
from sweeps.gating.recording import Callee, Recorder, errors_of_inputs, first_argument
from sweeps.networks import ACTIVATIONS, MLP
from sweeps.pruning import parameters, reading

# Examples with which a network is traced, and on which what is made of it is compared with it.
FEW = 8


class Part(NamedTuple):
    """The hidden nodes that one layer makes.

    Attributes
    ----------
    path : of the layer, dense or a convolution
    nodes : number of nodes
    readers : paths of the layers that read them, dense or convolutions
    tiles : their inputs are (tiles, nodes), flattened: a channel of a flattened image comes back in every pixel
    norms : paths of the batch normalisations between
    fires : whether a node with weights and bias of zero still is not zero where it is read, as after a sigmoid
    """

    path: str
    nodes: int
    readers: tuple[str, ...]
    tiles: int
    norms: tuple[str, ...]
    fires: bool

    def features(self, keep: Shaped[np.ndarray, "... nodes"]) -> Shaped[np.ndarray, "... features"]:
        """Spread what is said of the nodes over the features that are read."""
        return np.concatenate([keep] * self.tiles, axis=-1)


class Structure(NamedTuple):
    """The hidden nodes of a network.

    Attributes
    ----------
    parts : in the order of the gate vector
    gated : the network as a function of its gates; None of a ``sweeps.MLP``, whose structure needs no trial
    inputs : a few examples
    """

    parts: tuple[Part, ...]
    gated: gating.GatedNetwork | None
    inputs: Any

    @property
    def nodes(self) -> int:
        """Number of hidden nodes."""
        return sum(part.nodes for part in self.parts)

    def split(self, values: Shaped[np.ndarray, "... nodes"]) -> dict[str, Shaped[np.ndarray, "... _"]]:
        """Cut what is said of the nodes into one piece a layer."""
        ends = np.cumsum([part.nodes for part in self.parts])[:-1]
        return dict(zip((part.path for part in self.parts), np.split(values, ends, axis=-1), strict=True))

    def checked_keep(self, keep: Any, leading: bool = False) -> Bool[np.ndarray, "... nodes"]:
        """Return which nodes stay, as bools.

        Raises
        ------
        ValueError
            If it is not true or false for each node.
        """
        values = checks.numbers("keep", keep)
        if values.ndim == 0 or values.shape[-1] != self.nodes or (values.ndim > 1 and not leading):
            shape = f"({'..., ' if leading else ''}{self.nodes}{'' if leading else ','})"
            raise InputError(f"keep must have shape {shape}, one a node, got {values.shape}")
        return parameters.as_bools("keep", values)


def of(network: nnx.Module, inputs: Any = None) -> Structure:
    """Read the structure of a network off its calls on some inputs.

    Parameters
    ----------
    network : a flax.nnx module whose hidden nodes come from ``nnx.Linear`` or ``nnx.Conv`` and are read by such
    inputs : examples, of which a few are used; not needed for a ``sweeps.MLP`` and for an ``nnx.Sequential`` that
        begins with a dense layer

    Raises
    ------
    TypeError
        If the network is no flax.nnx module.
    ValueError
        If inputs are needed, or do not fit, or there are no hidden nodes.
    NotImplementedError
        If a node is no column of one layer's kernel that others read one by one.
    """
    few = few_inputs(network, inputs)
    if type(network) is MLP:
        if len(network.sizes) < 3:
            raise InputError(f"network has no hidden nodes: its sizes are {network.sizes}")
        return Structure(tuple(_of_perceptron(network)), None, few)
    gated = gating.attach(network, few)
    modules, (_, reads) = parameters.modules(network), traced(network, few)
    for site in gated.sites:
        _check(site, modules)
    fires = reading.fires(network, few, {site.path: site.layers for site in gated.sites})
    parts = []
    for site in gated.sites:
        norms = _between(site.path, modules, reads)
        parts.append(Part(site.path, site.nodes, site.layers, site.tiles, norms, bool(norms) or fires[site.path]))
    return Structure(tuple(parts), gated, few)


def _of_perceptron(network: MLP) -> Iterator[Part]:
    for index, size in enumerate(network.sizes[1:-1]):
        yield Part(f"layers/{index}", size, (f"layers/{index + 1}",), 1, (), _fires(network.activation))


@cache
def _fires(activation: str) -> bool:
    return bool(ACTIVATIONS[activation](jnp.zeros(())) != 0)


def few_inputs(network: nnx.Module, inputs: Any = None) -> Any:
    """Return a few of the inputs, or some that fit the network where none are given.

    Raises
    ------
    TypeError
        If the network is no flax.nnx module.
    ValueError
        If none are given and the network does not say what would fit.
    """
    parameters.checked_network(network)
    if inputs is not None:
        return jax.tree.map(lambda leaf: jnp.asarray(leaf[:FEW]), inputs)
    layers: Any = getattr(network, "layers", ()) if isinstance(network, MLP | nnx.Sequential) else ()
    if len(layers) == 0 or not isinstance(layers[0], nnx.Linear):
        raise InputError(
            f"inputs (or a batch) are needed to see which layers of a {type(network).__name__} read which: only a "
            "sweeps.MLP, and an nnx.Sequential that begins with an nnx.Linear, say what they read"
        )
    values = np.random.default_rng(0).normal(size=(FEW, layers[0].in_features))
    return jnp.asarray(values, layers[0].kernel.dtype)


def traced(network: nnx.Module, inputs: Any) -> tuple[list[str], dict[str, Origins]]:
    """Return the layers that a network calls, in order, and for each that reads what others make these others.

    Modules that are no layers and hold arrays of their own, such as normalisations, are among the readers, but not
    among those that make anything.
    """
    others = [path for path, module in parameters.modules(network).items() if _has_arrays(module)]
    model, recorder = NnxModel(network), _Tracer(others)
    with errors_of_inputs(inputs):
        program = jax.make_jaxpr(lambda inputs: model.recorded(recorder, inputs))(inputs)
    layers = list(dict.fromkeys(call.path for call in recorder.calls if call.is_layer))
    return layers, Flow(program).reads


class _Tracer(Recorder):
    """What marks the inputs of all modules that it is called with."""

    def __init__(self, others: list[str]):
        super().__init__(lambda path: None, others)

    def call(self, callee: Callee, run: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        first, with_first = first_argument(arguments, options)
        if not callee.is_layer and isinstance(first, jax.Array):
            arguments, options = with_first(mark(first, "reads", callee.path))
        return super().call(callee, run, arguments, options)


def _has_arrays(module: Any) -> bool:
    """Whether a module that is no layer holds variables of its own, other than single numbers."""
    if isinstance(module, (*LAYERS, nnx.Embed)) or not callable(module):
        return False
    own = [value for value in vars(module).values() if isinstance(value, nnx.Variable)]
    return any(np.size(leaf) > 1 for variable in own for leaf in jax.tree.leaves(variable))


def _check(site: gating.Site, modules: dict[str, Any]) -> None:
    """Refuse nodes that are no columns of one kernel, or not read one by one."""
    maker = modules.get(site.path)
    if site.stack:
        raise UnsupportedError(f"nodes of {site.path} cannot be pruned: its layers are copies, made by scan or vmap")
    if maker is None or type(maker) not in (nnx.Linear, nnx.Conv):
        what = "no single layer makes them" if maker is None else f"it is a {type(maker).__name__}"
        raise UnsupportedError(f"nodes of {site.path} cannot be pruned: {what}, no nnx.Linear or nnx.Conv")
    if site.kind not in ("unit", "channel") or site.inner != 1:
        raise UnsupportedError(
            f"nodes of {site.path} cannot be pruned: {', '.join(site.layers)} reads several features of each, or mixes "
            "of them"
        )
    for path in (site.path, *site.layers):
        layer = modules[path]
        if type(layer) not in (nnx.Linear, nnx.Conv):
            raise UnsupportedError(
                f"nodes of {site.path} cannot be pruned: {path}, which reads them, is a {type(layer).__name__}, no "
                "nnx.Linear or nnx.Conv"
            )
        if isinstance(layer, nnx.Conv) and (layer.feature_group_count != 1 or layer.mask is not None):
            raise UnsupportedError(
                f"nodes of {site.path} cannot be pruned: {path} is a convolution in groups or with a mask"
            )


def _between(maker: str, modules: dict[str, Any], reads: dict[str, Origins]) -> tuple[str, ...]:
    """Batch normalisations of what a layer makes; anything else that holds arrays there is refused."""
    found = []
    for path, origins in reads.items():
        module = modules[path]
        if maker not in origins or isinstance(module, LAYERS):
            continue
        if type(module) is not nnx.BatchNorm or module.axis != -1 or origins - NOWHERE != {maker}:
            raise UnsupportedError(
                f"nodes of {maker} cannot be pruned: {path}, a {type(module).__name__}, has the size of its layer or "
                "mixes its nodes"
            )
        found.append(path)
    return tuple(found)
