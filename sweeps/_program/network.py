"""Network: a function of parameters and inputs with gates on its nodes."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Jaxpr

from analysis._errors import InputError, InputTypeError, UnsupportedError
from sweeps._program import tracing
from sweeps._program.read_program import ReadProgram
from sweeps._program.running import Noter, Part, Runner, scans_around, taken
from sweeps._program.sites import Place, Site
from sweeps._program.values import Key


class Network:
    """A network as a function of parameters, inputs and gates; equal to others of the same function and shapes.

    Attributes
    ----------
    apply : callable
        The function (params, inputs) -> outputs.
    first : ReadProgram
        The program for the inputs that it was made with.
    """

    def __init__(self, apply: Callable[[Any, Any], Any], params: Any, inputs: Any):
        self.apply = apply
        self._known: dict[Any, ReadProgram] = {}
        leaves, tree = jax.tree.flatten(jax.tree.map(_shape, (params, inputs)))
        self._identity = apply, tree, tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        self.first = self._read(params, inputs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Network) and self._identity == other._identity

    def __hash__(self) -> int:
        # Modules may hold what cannot be hashed.
        return hash(self._identity[2])

    @property
    def sites(self) -> tuple[Site, ...]:
        """Everything that makes nodes, in program order, gated or not."""
        return self.first.sites

    @property
    def opaque(self) -> tuple[str, ...]:
        """Names of operations without a rule, which are taken to mix the nodes that they read."""
        return self.first.opaque

    @property
    def hidden(self) -> tuple[Site, ...]:
        """The sites that are gated by default.

        Raises
        ------
        InputError
            If there are none.
        """
        hidden = tuple(site for site in self.sites if site.default)
        if not hidden:
            reasons = "; ".join(f"{site.path}: {site.reason}" for site in self.sites if site.reason)
            listed = ", ".join(site.path for site in self.sites if not site.reason)
            raise InputError(
                "network has no hidden nodes to gate"
                + (f"; what can be gated when it is asked for: {listed}" if listed else "")
                + (f"; what cannot: {reasons}" if reasons else "")
            )
        return hidden

    def run(
        self,
        params: Any,
        inputs: Any,
        gates: Mapping[Site, Any],
        off: Mapping[Site, Any] | None = None,
        reference: Any = None,
    ) -> Any:
        """Return the outputs with gates on some nodes; all other nodes are on.

        Parameters
        ----------
        params, inputs : object
            As the network takes them; inputs of any number of examples.
        gates : mapping of Site to object
            Of each node of each site, site.size numbers in any shape.
        off : mapping of Site to object or None
            Of each site, what its nodes are when they are off: site.size numbers, or a tuple of arrays, one for each
            place, as ``averages`` returns them; None for zero.
        reference : object
            Inputs of the same shapes, in place of ``off``: nodes that are off have the values they have there.

        Raises
        ------
        InputError
            If a site is unknown, cannot be gated or has another number of gates, or if inputs of this shape give the
            network other nodes.
        """
        read = self._read(params, inputs)
        if read is not self.first:
            self._check_same(read)
        places, parts = {}, {}
        for site, values in gates.items():
            own, spread = _checked(site, read.site(site.key), values), site.spread(values)
            here = own.with_call(site.call) if site.call is not None else own
            # ``gating._choosing`` refuses two sites that share a place.
            for number, place in enumerate(here.gated_places(own=off is not None or reference is not None)):
                places[place.key] = place
                parts[place.key] = Part(spread, None if off is None else _off_at(place, number, site, off[site], read))
        if reference is not None:
            noted = self._noted(read, params, reference, places)
            parts = {key: part._replace(off=noted[key]) for key, part in parts.items()}
        jaxpr, consts = read.program.jaxpr, read.program.consts
        results = Runner(places).run(jaxpr, consts, _leaves(params, inputs), (), parts)
        return jax.tree.unflatten(read.program.outputs, results)

    def values(self, params: Any, inputs: Any, keys: Collection[Key]) -> dict[Key, jax.Array]:
        """Return the values at some places, without gates.

        Parameters
        ----------
        params, inputs : object
            As the network takes them; inputs of any number of examples.
        keys : sequence of Key
            Of the places, such as ``place.key`` of the places of sites.

        Returns
        -------
        dict of Key to array
            By key; a value within a scan has an axis for its steps in front.

        Raises
        ------
        InputError
            If inputs of this shape give another program.
        NotImplementedError
            If a place is within a while loop.
        """
        read = self._read(params, inputs)
        if read is not self.first and outline(read.program.jaxpr) != outline(self.first.program.jaxpr):
            raise InputError("inputs: with inputs of this shape the network is another program")
        return self._noted(read, params, inputs, keys)

    @staticmethod
    def _noted(read: ReadProgram, params: Any, inputs: Any, keys: Collection[Key]) -> dict[Key, jax.Array]:
        noted: Any = {key: [] for key in keys}
        Noter({}).run(read.program.jaxpr, read.program.consts, _leaves(params, inputs), (), noted)
        return {key: values[-1] for key, values in noted.items()}

    def _check_same(self, read: ReadProgram) -> None:
        here, there = ({site.key: site.size for site in program.sites} for program in (read, self.first))
        if here != there:
            raise InputError("inputs: with inputs of this shape the network has other nodes")

    def _read(self, params: Any, inputs: Any) -> ReadProgram:
        shapes = jax.tree.map(_shape, (params, inputs))
        leaves, tree = jax.tree.flatten(shapes)
        kinds = tuple((leaf.shape, leaf.dtype, leaf.weak_type) for leaf in leaves)
        # These settings of JAX change the program of a function.
        config: Any = jax.config
        settings = jax.dtypes.canonicalize_dtype(float), config.jax_default_matmul_precision
        at = tree, kinds, settings
        if at not in self._known:
            program = tracing.trace(self.apply, *shapes)
            if tracing.is_differentiated(program.jaxpr):
                raise UnsupportedError(
                    "network: it takes derivatives of itself (jax.grad, jax.jvp), and gates would not be "
                    "differentiated with it; give the function without them"
                )
            read = ReadProgram(program, shapes[1])
            if not read.makers:
                raise UnsupportedError(
                    "network: no parameter makes nodes: no product or convolution with one reaches the outputs"
                )
            # Arrays that the function closes over have no paths.
            if all(site.path.startswith("constant ") for site in read.makers):
                raise UnsupportedError(
                    "network: its kernels are closed over, as constants of the function; give them as params: "
                    "apply(params, inputs) -> outputs"
                )
            self._known[at] = read
        return self._known[at]


def read(apply: Callable[[Any, Any], Any], params: Any, inputs: Any) -> Network:
    """Read a network as one program.

    Parameters
    ----------
    apply : callable
        (params, inputs) -> outputs, any function that JAX can trace.
    params : object
        A pytree of arrays or of their shapes; of a mapping with the key "params", that entry makes nodes and the others
        are state.
    inputs : object
        A pytree of arrays or of their shapes.

    Raises
    ------
    TypeError
        If apply is no function.
    NotImplementedError
        If no parameter makes nodes.
    """
    if not callable(apply):
        raise InputTypeError(f"network must be a function (params, inputs) -> outputs, got {type(apply).__name__}")
    return Network(apply, params, inputs)


def _leaves(params: Any, inputs: Any) -> list[jax.Array]:
    return [jnp.asarray(leaf) for leaf in jax.tree.leaves((params, inputs))]


def _off_at(place: Place, number: int, site: Site, off: Any, read: ReadProgram) -> jax.Array:
    """Return what a value becomes where nodes are off, with an axis for each scan around it."""
    if isinstance(off, tuple):
        return off[number]
    whole, scans = taken(site.spread(off), place.ids), scans_around(read.program.jaxpr, place.key[0])
    lengths = [length for _, length in scans]
    steps = [axis for axis, (frame, _) in enumerate(scans) if frame not in place.frames]
    inner = whole.shape[len(scans) - len(steps) :]
    return jnp.broadcast_to(jnp.expand_dims(whole, steps), (*lengths, *inner))


def outline(jaxpr: Jaxpr) -> list[Any]:
    """Return the nested names of operations: programs of equal outlines have the same places."""
    return [(eqn.primitive.name, [outline(body.jaxpr) for body in tracing.bodies(eqn)]) for eqn in jaxpr.eqns]


def _shape(leaf: Any) -> jax.ShapeDtypeStruct:
    if isinstance(leaf, jax.ShapeDtypeStruct):
        return leaf
    try:
        aval = jax.typeof(leaf)
    except TypeError:
        raise InputTypeError(f"params and inputs must be arrays or shapes, got {type(leaf).__name__}") from None
    return jax.ShapeDtypeStruct(aval.shape, aval.dtype, weak_type=aval.weak_type)


def _checked(site: Site, own: Site | None, values: Any) -> Site:
    """Return the site as it is in a program; InputError if the gates do not fit it."""
    if own is None:
        raise InputError(f"gates: there is no site {site.path!r}")
    if own.reason:
        raise InputError(f"gates: {site.path} cannot be gated: {own.reason}")
    if values.size != site.size:
        raise InputError(f"gates: of {site.path}, expected {site.size} numbers, got shape {values.shape}")
    return own
