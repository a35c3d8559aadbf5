"""Reading: a network's program as a list of operations, with the values that hold nodes, named as in gating."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jaxtyping import Array

from analysis._errors import InputError
from sweeps._program import tracing
from sweeps._program.flat import Flat, flat
from sweeps._program.placing import Placing
from sweeps._program.sites import Site
from sweeps._program.values import Value


class Nodes(NamedTuple):
    """Nodes of a call of a layer, or of several layers that share them.

    Attributes
    ----------
    name : str
        Path of the site, with the number of the call where there are several, as in ``sites="path@1"``.
    path : str
        Of the site.
    makers : tuple of int
        Numbers of the values that its parameters make.
    place : int or None
        Number of the value at which the nodes have their gate; None if there is none.
    """

    name: str
    path: str
    makers: tuple[int, ...]
    place: int | None


class Reading(NamedTuple):
    """A network's operations and nodes.

    Attributes
    ----------
    flat : Flat
        Its operations.
    nodes : tuple of Nodes
        In program order.
    layers : dict of int to str
        Path of the layer that makes a value, by the value's number.
    values : dict of int to Value
        Those that hold nodes, by number.
    """

    flat: Flat
    nodes: tuple[Nodes, ...]
    layers: dict[int, str]
    values: dict[int, Value]


def read(function: Callable[[Any, Array], Any], state: Any, inputs: Any, has_derivatives: bool = False) -> Reading:
    """Trace a network and list its operations.

    Parameters
    ----------
    function : callable
        (state, inputs) -> one array.
    state : object
        Pytree of parameters; their paths name the layers.
    inputs : object
        Array, or its shape and type.
    has_derivatives : bool
        Whether functions with a derivative of their own stay single operations.

    Raises
    ------
    ValueError
        If the network returns anything but one array.
    """
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), (state, inputs))
    program = tracing.trace(function, *shapes)
    if len(program.jaxpr.outvars) != 1:
        raise InputError(f"the network must return one array, got {len(program.jaxpr.outvars)}")
    written, placing = flat(program, has_derivatives), Placing.of(program)
    numbers, reader = written.numbers, placing.reader
    places = {source: (*key, result) for (key, result), source in reader.sources.items()}
    makers = {source: numbers[place] for source, place in places.items() if place in numbers}
    nodes = tuple(own for site in placing.sites(program) for own in _nodes_of(site, placing, makers, numbers))
    layers = {number: placing.name_of(source.path) for source, number in makers.items()}
    layers |= {own.makers[0]: own.path for own in nodes if len(own.makers) == 1}
    values = {numbers[value.key]: value for value in reader.values if value.kind == "nodes" and value.key in numbers}
    return Reading(written, nodes, layers, values)


def _nodes_of(site: Site, placing: Placing, makers: dict[Any, int], numbers: dict[Any, int]) -> list[Nodes]:
    """Return the nodes of each call of a site."""
    group = placing.group_of(site)
    if group is None:
        return []
    places = {call: placing.reader.values[vertex].key for vertex, _, call in reversed(group.vertices)}
    nodes = []
    for call, sources in enumerate(group.sources):
        name = f"{site.path}@{call}" if group.has_calls else site.path
        made = tuple(makers[source] for source in sources if source in makers)
        nodes.append(Nodes(name, site.path, made, numbers.get(places.get(call))))
    return nodes
