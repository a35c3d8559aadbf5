"""Network: a function of parameters and inputs, whose nodes are known and can have gates."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from analysis.errors import InputError, InputTypeError, UnsupportedError
from sweeps.program import sites as sites_
from sweeps.program import tracing
from sweeps.program.placing import Placing
from sweeps.program.reading import Reader
from sweeps.program.running import Runner
from sweeps.program.sites import Site


class Read(NamedTuple):
    """What was read for inputs of one shape."""

    program: tracing.Program
    sites: tuple[Site, ...]
    opaque: tuple[str, ...]


class Network:
    """A network as a function of parameters, inputs and gates. ``print`` shows the table of its sites.

    Attributes
    ----------
    sites : everything that makes nodes, in program order, gated or not
    opaque : names of operations that were met with nodes and taken for mixing them
    """

    def __init__(self, apply: Callable[[Any, Any], Any], params: Any, inputs: Any):
        self._apply = apply
        self._known: dict[Any, Read] = {}
        first = self._read(params, inputs)
        self.sites, self.opaque = first.sites, first.opaque

    @property
    def hidden(self) -> tuple[Site, ...]:
        """The sites that are gated when nothing is asked for.

        Raises
        ------
        InputError
            If there are none.
        """
        found = tuple(site for site in self.sites if site.default)
        if not found:
            reasons = "; ".join(f"{site.path}: {site.reason}" for site in self.sites if site.reason)
            listed = ", ".join(site.path for site in self.sites if not site.reason)
            raise InputError(
                "network has no hidden nodes to gate"
                + (f"; what can be gated when it is asked for: {listed}" if listed else "")
                + (f"; what cannot: {reasons}" if reasons else "")
            )
        return found

    def run(self, params: Any, inputs: Any, gates: Mapping[Site | str, Any]) -> Any:
        """Return the outputs with gates on some of the nodes; all others are on.

        Parameters
        ----------
        params, inputs : as the network takes them; inputs of any number of examples
        gates : of each site, or of its key, shape (*site.stack, site.nodes)

        Raises
        ------
        InputError
            If there is no such site, it cannot be gated, its gates have another shape, or the network has other nodes
            with inputs of this shape.
        """
        read = self._read(params, inputs)
        by_key = {site.key: site for site in read.sites}
        if {key: site.size for key, site in by_key.items()} != {site.key: site.size for site in self.sites}:
            raise InputError("inputs: with inputs of this shape the network has other nodes")
        places, parts = {}, {}
        for name, values in gates.items():
            site = by_key.get(name if isinstance(name, str) else name.key)
            values = _checked(name, site, jnp.asarray(values))
            for place in site.places if site is not None else ():
                places[place.key], parts[place.key] = place, values
        jaxpr, consts = read.program.jaxpr, read.program.consts
        leaves = [jnp.asarray(leaf) for leaf in jax.tree.leaves((params, inputs))]
        results = Runner(places).run(jaxpr, consts, leaves, (), parts)
        return jax.tree.unflatten(read.program.outputs, results)

    def _read(self, params: Any, inputs: Any) -> Read:
        shapes = jax.tree.map(_shape, (params, inputs))
        leaves, tree = jax.tree.flatten(shapes)
        # With another default precision, the same function is another program.
        kinds = tuple((leaf.shape, leaf.dtype, leaf.weak_type) for leaf in leaves)
        at = tree, kinds, jax.dtypes.canonicalize_dtype(float)
        if at not in self._known:
            program = tracing.trace(self._apply, *shapes)
            reader = Reader(program)
            if own := reader.own_maxima():
                reader = Reader(program, own)
            found = Placing(reader).sites(program)
            if not found:
                raise UnsupportedError(
                    "network: no parameter makes nodes: no product or convolution with one reaches the outputs"
                )
            # What the function closes over is never found by its path.
            if all(site.path.startswith("constant ") for site in found):
                raise UnsupportedError(
                    "network: its kernels are closed over, as constants of the function; give them as params: "
                    "apply(params, inputs) -> outputs"
                )
            self._known[at] = Read(program, found, tuple(sorted(reader.opaque)))
        return self._known[at]

    def __str__(self) -> str:
        return sites_.table(self.sites, self.opaque)

    __repr__ = __str__


def read(apply: Callable[[Any, Any], Any], params: Any, inputs: Any) -> Network:
    """Read a network as one program.

    Parameters
    ----------
    apply : (params, inputs) -> outputs, any function that JAX can trace
    params : a pytree of arrays or of their shapes; of a mapping with the key "params", only what is below it makes
        nodes, and the rest is state
    inputs : a pytree of arrays or of their shapes

    Raises
    ------
    InputTypeError
        If apply is no function.
    UnsupportedError
        If no parameter makes nodes.
    """
    if not callable(apply):
        raise InputTypeError(f"network must be a function (params, inputs) -> outputs, got {type(apply).__name__}")
    return Network(apply, params, inputs)


def _shape(leaf: Any) -> jax.ShapeDtypeStruct:
    if isinstance(leaf, jax.ShapeDtypeStruct):
        return leaf
    try:
        aval = jax.typeof(leaf)
    except TypeError:
        raise InputTypeError(f"params and inputs must be arrays or shapes, got {type(leaf).__name__}") from None
    return jax.ShapeDtypeStruct(aval.shape, aval.dtype, weak_type=aval.weak_type)


def _checked(name: Site | str, site: Site | None, values: jax.Array) -> jax.Array:
    """Gates of a site, or the reason why it has none."""
    if site is None:
        raise InputError(f"gates: there is no site {name if isinstance(name, str) else name.key!r}")
    if site.reason:
        raise InputError(f"gates: {site.path} cannot be gated: {site.reason}")
    if values.shape != (*site.stack, site.nodes):
        raise InputError(f"gates: of {site.path}, expected shape {(*site.stack, site.nodes)}, got {values.shape}")
    return values
