"""Read programs: a traced network with its sites, for inputs of one shape."""

import math
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import jax.numpy as jnp

from sweeps._program import tracing
from sweeps._program.optional import OptionalSites
from sweeps._program.placing import Placing
from sweeps._program.sites import Site


class ReadProgram:
    """A program with its sites.

    Attributes
    ----------
    program : tracing.Program
        The traced function.
    placing : Placing
        Where the nodes have their gates.
    reader : Reader
        What the program does with nodes.
    makers : sequence of Site
        The sites of layers that make nodes, in program order.
    sites : tuple of Site
        The same, each followed by its residual stream; then the inputs.
    opaque : tuple of str
        Names of operations without a rule, which are taken to mix the nodes that they read.
    """

    def __init__(self, program: tracing.Program, inputs: Any):
        self.program, self.placing = program, Placing.of(program)
        self.reader, self._optional = self.placing.reader, OptionalSites(self.placing)
        self.makers = self.placing.sites(program)
        paths = tracing.parameter_paths({"inputs": inputs})
        self.sites = (*self._with_streams(), *self._optional.inputs(paths))
        self.opaque = tuple(sorted(self.reader.opaque))
        self._known: dict[str, Site | None] = {site.key: site for site in self.sites}

    def _with_streams(self) -> Iterable[Site]:
        writers = [site for site in self.makers if "a sum" in site.reads and site.places]
        streams = {site.key: stream for site in writers if (stream := self._optional.stream_of(site)) is not None}
        # A sum is named after the last layer that was added to it.
        last = {tuple(place.key for place in stream.places): key for key, stream in streams.items()}
        for site in self.makers:
            yield site
            if site.key in last.values():
                yield streams[site.key]

    @cached_property
    def readers(self) -> list[str]:
        """Names of the layers that read something."""
        return self._optional.readers()

    def site(self, key: str) -> Site | None:
        """Return the site of a key; ``input:path`` and ``output:path`` are made at their first use."""
        if key not in self._known:
            at, _, path = key.partition(":")
            makers = [site for site in self.makers if site.path == path and site.kind != "head"]
            if at == "input":
                self._known[key] = self._optional.read_by(path)
            else:
                self._known[key] = self._optional.made_by(makers[0]) if at == "output" and makers else None
        return self._known[key]

    @property
    def dtype(self) -> Any:
        """The widest type of what layers read, at least float32."""
        dtypes = [read.value.aval.dtype for read in self.reader.reads.values()]
        return widest(dtype for dtype in dtypes if jnp.issubdtype(dtype, jnp.floating))

    @property
    def floats(self) -> int:
        """How many numbers all arrays that layers read hold, with the outputs."""
        avals = [read.value.aval for read in self.reader.reads.values()]
        return sum(math.prod(aval.shape) for aval in [*avals, *(v.aval for v in self.program.jaxpr.outvars)])


def widest(dtypes: Iterable[Any]) -> Any:
    """Return the widest of some floating-point types, at least float32."""
    return max([jnp.dtype(jnp.float32), *dtypes], key=lambda dtype: dtype.itemsize)
