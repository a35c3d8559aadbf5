"""Structure: the hidden nodes of a network, with the entries of parameters that belong to each."""

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Bool, Shaped

from analysis._errors import InputError, UnsupportedError
from sweeps import _checks, _program
from sweeps._networks import ACTIVATIONS, MLP
from sweeps._program import cuts, tracing
from sweeps._program.cuts import Cut
from sweeps.pruning import _parameters

# Examples for tracing a network, and for comparing it with a changed copy.
FEW = 8


class Part(NamedTuple):
    """The hidden nodes of one site.

    Attributes
    ----------
    site : Site
        With its name and number of nodes.
    cuts : tuple of Cut
        The entries of parameters that belong to its nodes.
    ends : tuple of str
        Uses of the nodes other than by kernels that read each by itself, in words.
    reason : str
        Why the cuts do not make up whole nodes; empty if they do.
    fires : bool
        Whether a node is not zero although its own parameters are, as after a sigmoid.
    """

    site: _program.Site
    cuts: tuple[Cut, ...]
    ends: tuple[str, ...] = ()
    reason: str = ""
    fires: bool = False

    @property
    def own(self) -> list[Cut]:
        """The kernels that make the nodes, and the biases beside them."""
        return self._makers + [cut for cut in self.cuts if cut.role == "bias"]

    @property
    def is_added_to(self) -> bool:
        """Whether parameters are added to the nodes later, as by a normalisation."""
        return any(cut.role == "added" for cut in self.cuts)

    @property
    def reads(self) -> list[Cut]:
        """The kernels that read the nodes."""
        return [cut for cut in self.cuts if cut.role == "reads"]

    @property
    def makes(self) -> list[Cut]:
        """The kernels that make the nodes.

        Raises
        ------
        NotImplementedError
            If no entries of parameters do.
        """
        self._refuse("scored by their weights", [] if self._makers else [self.reason])
        return self._makers

    @property
    def _makers(self) -> list[Cut]:
        makers = [cut for cut in self.cuts if cut.role == "makes"]
        # Of a kernel that is divided by its norm, only the factor that multiplies it counts.
        return [cut for cut in makers if not cut.is_normalised] or makers

    @property
    def can_be_zeroed(self) -> bool:
        """Whether ``zeroed`` raises nothing."""
        return not self._why_not_zeroed

    @property
    def why_not_zeroed(self) -> str:
        """Why the nodes cannot be zeroed, in words; empty if they can."""
        return "; ".join(dict.fromkeys(self._why_not_zeroed))

    def zeroed(self) -> list[Cut]:
        """Return the cuts to zero: those that make the nodes, and those that read them if they would still fire.

        Raises
        ------
        NotImplementedError
            If some have entries of other nodes.
        """
        self._refuse("zeroed", self._why_not_zeroed, ": keep all of them")
        return self._zeroed

    def removed(self) -> tuple[Cut, ...]:
        """Return the cuts to remove.

        Raises
        ------
        NotImplementedError
            If something else depends on the number of nodes.
        """
        several = [f"they lie along several axes of {cut.path}" for cut in self.cuts if cut.axis is None]
        instead = ": keep all of them" + (", or zero them (zero_nodes)" if self.can_be_zeroed else "")
        self._refuse("removed", self._reasons(self.cuts, (*self.ends, *several)), instead)
        return self.cuts

    def compensated(self) -> list[Cut]:
        """Return the cuts that read the nodes.

        Raises
        ------
        NotImplementedError
            If anything else reads the nodes.
        """
        self._refuse("made up for in biases", self._reasons(self.reads, self.ends))
        return self.reads

    @property
    def _zeroed(self) -> list[Cut]:
        return self.own + (self.reads if self.fires else [])

    @property
    def _why_not_zeroed(self) -> list[str]:
        ends = [f"{end}, and what is off there still fires" for end in self.ends] if self.fires else []
        return self._reasons(self._zeroed, ends)

    def _reasons(self, chosen: Sequence[Cut], ends: Sequence[str]) -> list[str]:
        """Return why some cuts cannot be used for these nodes alone."""
        return [self.reason] if self.reason else [f"{cut.path}: {cut.reason}" for cut in chosen if cut.reason] + [*ends]

    def _refuse(self, how: str, reasons: Sequence[str], instead: str = "") -> None:
        if reasons:
            listed = "; ".join(dict.fromkeys(reasons))
            raise UnsupportedError(f"nodes of {self.site.path} cannot be {how}: {listed}{instead}")


class Structure(NamedTuple):
    """The hidden nodes of a network.

    Attributes
    ----------
    parts : tuple of Part
        In the order of the gate vector.
    network, params : Network or None or object
        The network as a function, and its parameters; None of a ``sweeps.MLP``, which is not traced.
    inputs : object
        A few examples.
    """

    parts: tuple[Part, ...]
    network: _program.Network | None
    params: Any
    inputs: Any

    @property
    def nodes(self) -> int:
        """Number of hidden nodes."""
        return sum(part.site.size for part in self.parts)

    def split(self, values: Shaped[np.ndarray, "... nodes"]) -> dict[str, Shaped[np.ndarray, "... _"]]:
        """Cut an array over the nodes into pieces by key of the site."""
        ends = np.cumsum([part.site.size for part in self.parts])[:-1]
        return dict(zip((part.site.key for part in self.parts), np.split(values, ends, axis=-1), strict=True))

    def checked_keep(self, keep: Any, leading: bool = False) -> Bool[np.ndarray, "... nodes"]:
        """Return which nodes stay, as bools.

        Raises
        ------
        ValueError
            If it is not true or false for each node.
        """
        values = _checks.numbers("keep", keep)
        if values.ndim == 0 or values.shape[-1] != self.nodes or (values.ndim > 1 and not leading):
            shape = f"({'..., ' if leading else ''}{self.nodes}{'' if leading else ','})"
            raise InputError(f"keep must have shape {shape}, one a node, got {values.shape}")
        return _parameters.as_bools("keep", values)

    def gated(self, keep: Bool[np.ndarray, " nodes"]) -> Any:
        """Return the outputs with gates on the nodes, for the few examples."""
        assert self.network is not None
        gates, pieces = {}, self.split(keep)
        for part in self.parts:
            gates[part.site] = jnp.asarray(pieces[part.site.key], self.network.first.dtype)
        return self.network.run(self.params, self.inputs, gates)


def of(network: nnx.Module, inputs: Any = None) -> Structure:
    """Read the structure of a network off its program.

    Parameters
    ----------
    network : flax.nnx.Module
        A flax.nnx module.
    inputs : object
        Examples, of which a few are used; not needed for a ``sweeps.MLP`` or an ``nnx.Sequential`` that begins with a
        dense layer.

    Raises
    ------
    TypeError
        If the network is no flax.nnx module.
    ValueError
        If inputs are needed, or do not fit, or there are no hidden nodes.
    """
    if type(network) is MLP:
        if len(network.sizes) < 3:
            raise InputError(f"network has no hidden nodes: its sizes are {network.sizes}")
        return Structure(_of_perceptron(network), None, None, None)
    structure = read(network, few_inputs(network, inputs))
    with jax.default_matmul_precision("highest"):
        return structure._replace(parts=_with_fires(structure))


def read(network: nnx.Module, inputs: Any) -> Structure:
    """Read the structure of any network as ``of`` does, without whether its nodes fire."""
    with jax.default_matmul_precision("highest"):
        traced, params = read_of(network, inputs)
        return Structure(tuple(Part(*nodes) for nodes in _nodes(traced, names_of(params))), traced, params, inputs)


def read_of(network: nnx.Module, inputs: Any) -> tuple[_program.Network, Any]:
    """Return a network read with some inputs, and its parameters; networks of equal structure are read once."""
    apply, params = _program.of_nnx(network)
    leaves, tree = jax.tree.flatten(jax.tree.map(jax.typeof, (params, jax.tree.map(jnp.asarray, inputs))))
    shapes = tuple(jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, weak_type=leaf.weak_type) for leaf in leaves)
    config: Any = jax.config
    return _read(apply, tree, shapes, config.jax_default_matmul_precision), params


@lru_cache(maxsize=16)
def _read(apply: Any, tree: Any, shapes: tuple[Any, ...], precision: Any) -> _program.Network:
    return _program.read(apply, *jax.tree.unflatten(tree, shapes))


_nodes = lru_cache(maxsize=16)(cuts.of)


def names_of(params: Any) -> tuple[str, ...]:
    """Return the paths of all variables of a network, parameters first."""
    return tuple(
        path or "" for kind in ("params", "state") for path in tracing.parameter_paths({"params": params[kind]})
    )


def _with_fires(of: Structure) -> tuple[Part, ...]:
    """Return the parts with ``fires`` set, by a trial with zero parameters."""
    assert of.network is not None
    masks: dict[str, Any] = {}
    for cut in (cut for part in of.parts for cut in part.own):
        masks[cut.path] = masks.get(cut.path, True) & jnp.asarray(cut.ids < 0)
    silent = dict(of.params, params=_parameters.with_masks(of.params["params"], masks))
    parts = []
    for part in of.parts:
        fires = part.is_added_to
        try:
            values = of.network.values(silent, of.inputs, [place.key for place in part.site.places])
            fires = fires or any(bool((np.asarray(value) != 0).any()) for value in values.values())
        except UnsupportedError:
            fires = True  # cannot be tried; zeroing the readers is right in any case
        parts.append(part._replace(fires=fires))
    return tuple(parts)


def _of_perceptron(network: MLP) -> tuple[Part, ...]:
    return tuple(
        _of_layer(index, size, network.layers[index].bias is not None, _fires_at_zero(network.activation))
        for index, size in enumerate(network.sizes[1:-1])
    )


def _of_layer(index: int, size: int, has_bias: bool, fires: bool) -> Part:
    path, after, ids = f"layers/{index}", f"layers/{index + 1}", np.arange(size)
    site = _program.Site(path, "unit", size, path, (), tuple(range(size)), (path,))
    own = [Cut(f"{path}/kernel", "makes", ids[None]), Cut(f"{after}/kernel", "reads", ids[:, None])]
    own += [Cut(f"{path}/bias", "bias", ids)] if has_bias else []
    return Part(site, tuple(own), fires=fires)


@cache
def _fires_at_zero(activation: str) -> bool:
    return bool(ACTIVATIONS[activation](jnp.zeros(())) != 0)


def few_inputs(network: nnx.Module, inputs: Any = None) -> Any:
    """Return a few of the inputs, or random ones that fit the network where none are given.

    Raises
    ------
    TypeError
        If the network is no flax.nnx module.
    ValueError
        If none are given and the network does not determine their shape.
    """
    _parameters.checked_network(network)
    if inputs is not None:
        return jax.tree.map(lambda leaf: jnp.asarray(leaf[:FEW]), inputs)
    layers: Any = getattr(network, "layers", ()) if isinstance(network, MLP | nnx.Sequential) else ()
    if len(layers) == 0 or not isinstance(layers[0], nnx.Linear):
        raise InputError(
            f"give inputs=, or batch= where that is the argument: without them nothing says which layers of a "
            f"{type(network).__name__} read which; only a sweeps.MLP, or an nnx.Sequential that begins with an "
            "nnx.Linear, can do without"
        )
    values = np.random.default_rng(0).normal(size=(FEW, layers[0].in_features))
    return jnp.asarray(values, layers[0].kernel.dtype)
