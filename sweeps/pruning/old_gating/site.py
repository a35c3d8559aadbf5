"""Sites: where gates multiply activations, and what their nodes are called."""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped


class Site(NamedTuple):
    """An activation whose nodes have gates.

    Attributes
    ----------
    path : what makes the nodes, such as ``layers/0`` or ``blocks/1/attention``; ``X input`` for what the layer X reads
        where no single layer makes it (a residual stream), ``X output`` for the output of X
    kind : of its nodes: ``unit``, ``channel``, ``head``, ``feature`` or ``group``
    nodes : number of nodes, of each copy
    at : whether the layers' input is gated, or their output
    layers : paths of the gated layers, all of which read (or make) the activation
    tiles, inner : the features of the activation are (tiles, nodes, inner), flattened: a head has several features in
        a row, and a channel of a flattened image comes back in every pixel
    trailing : number of axes, the last ones, that hold the features
    stack : numbers of copies of the layers, where they are made with ``nnx.scan`` or ``nnx.vmap``; empty otherwise
    stacked_at : path of the module that holds the copies
    copies : numbers of the gated copies, of all counted in a row; empty for all
    """

    path: str
    kind: str
    nodes: int
    at: Literal["input", "output"]
    layers: tuple[str, ...]
    tiles: int = 1
    inner: int = 1
    trailing: int = 1
    stack: tuple[int, ...] = ()
    stacked_at: str = ""
    copies: tuple[int, ...] = ()

    def joined(self, other: "Site") -> "Site":
        """The same site with the copies of another beside its own."""
        copies = sorted({*self.copies, *other.copies}) if self.copies and other.copies else []
        return self._replace(copies=tuple(copies) if len(copies) < math.prod(self.stack) else ())

    @property
    def groups(self) -> list[str]:
        """What makes the nodes, copy by copy: ``blocks/0/attention``, ``blocks/1/attention``, ..."""
        if not self.stack:
            return [self.path]
        rest = self.path.removeprefix(self.stacked_at)
        return [f"{self.stacked_at}/{copy}{rest}" for copy in self._chosen]

    @property
    def layer_of_nodes(self) -> list[str]:
        """The group of each node."""
        return [group for group in self.groups for _ in range(self.nodes)]

    @property
    def labels(self) -> list[str]:
        """Names of the nodes, such as ``layers/0 unit 3``."""
        return [f"{group} {self.kind} {node}" for group in self.groups for node in range(self.nodes)]

    @property
    def size(self) -> int:
        """Number of gates."""
        return len(self.groups) * self.nodes

    @property
    def _chosen(self) -> Sequence[int]:
        return self.copies or range(math.prod(self.stack))

    @property
    def spread(self) -> tuple[int, int, int]:
        """How gates spread over the features: tiles, inner, trailing."""
        return self.tiles, self.inner, self.trailing

    def stacked(self, gates: Float[Array, " size"]) -> Float[Array, "... nodes"]:
        """Return the gates of each copy, shape (*stack, nodes); copies that are not gated have ones."""
        if self.copies:
            whole = jnp.ones((math.prod(self.stack), self.nodes), gates.dtype)
            gates = whole.at[jnp.asarray(self.copies)].set(gates.reshape(-1, self.nodes))
        return gates.reshape(*self.stack, self.nodes)


def multiplied(
    activation: Shaped[Array, "..."], gates: Float[Array, " nodes"], spread: tuple[int, int, int]
) -> Shaped[Array, "..."]:
    """Multiply an activation's features by the gates of their nodes; the result has the activation's own type.

    The product is taken in the type of the gates, and so is the sum over all examples that is its gradient. A node
    that is off contributes nothing, whatever its activation: zero times infinity is zero here.

    Parameters
    ----------
    activation : shape (..., features), or with the features on several axes
    gates : one a node
    spread : ``Site.spread``
    """
    tiles, inner, trailing = spread
    whole = jnp.tile(jnp.repeat(gates, inner), tiles)
    whole = whole.reshape((1,) * (activation.ndim - trailing) + activation.shape[-trailing:])
    wide = activation.astype(gates.dtype)
    lost = (whole == 0) & ~jnp.isfinite(wide)
    return (jnp.where(lost, 0, wide) * whole).astype(activation.dtype)
