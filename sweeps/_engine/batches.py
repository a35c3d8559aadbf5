"""Batches: the jitted call that draws gate vectors and evaluates them, on every local device."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Shaped, UInt32

from sweeps import _compiling
from sweeps._engine import summaries
from sweeps._evaluation import with_logs
from sweeps._masks import bits
from sweeps._masks.samplers import Sampler
from sweeps._plans import Computed, in_batches, preferred_batch, vmapped
from sweeps._plans.choosing import SweepPlan
from sweeps._plans.cube import Cube
from sweeps._plans.shared import PreparedShared, Shared
from sweeps._plans.walk import Walk


class Draws(NamedTuple):
    """What is kept of every draw of a call; log loss, its gradient and masks follow from it (``analysis._derived``).

    Attributes
    ----------
    masks : array, (draws, ..., words) or None
        Bits of the gates where all are zeros and ones, shape (draws, words), or (draws, steps, words) for paths.
    gates : array, (draws, ..., nodes) or None
        Gates that may lie between, shape (draws, nodes).
    loss : array, (draws, ...)
        Shape (draws,) or (draws, steps).
    loss_gradient : array, (draws, ..., nodes) or None
        Shape (draws, nodes) or (draws, steps, nodes), or None.
    metrics : dict of str to array, (draws, ...)
        Of the loss's shape, by name.
    example_loss : array, (draws, ..., examples) or None
        Shape (draws, examples) or (draws, steps, examples), or None.
    """

    masks: UInt32[Array, "draws ... words"] | None
    gates: Float[Array, "draws ... nodes"] | None
    loss: Float[Array, "draws ..."]
    loss_gradient: Float[Array, "draws ... nodes"] | None
    metrics: dict[str, Float[Array, "draws ..."]]
    example_loss: Float[Array, "draws ... examples"] | None


def draws_together(plan: SweepPlan, steps: int, gradients: bool, most: int, wish: int | None, devices: int = 1) -> int:
    """Return the number of draws in a batch.

    Parameters
    ----------
    plan : SweepPlan
        Of the sweep.
    steps : int
        Gate vectors of a draw.
    gradients : bool
        Whether gate gradients are wanted.
    most : int
        Draws in a call.
    wish : int or None
        The user's wish in gate vectors, or None.
    devices : int
        Those that share out the draws of a call.
    """
    if isinstance(plan, Cube):
        return plan.batch(gradients, most, wish)
    if isinstance(plan, Walk) and wish is None:
        return min(plan.preferred_paths(steps), most)
    if isinstance(plan, Shared):
        # Every device has a share of the draws, and a draw more in a batch costs less than one in another batch.
        return min(max(1, (wish or plan.masks) // steps), -(-most // devices))
    return min(max(1, (wish or preferred_batch(plan, gradients)) // steps), most)  # type: ignore[arg-type]


def local_mesh() -> Mesh:
    """All devices of this process in a row; Auto axes, since Explicit ones break lax.map over the sharded axis."""
    return jax.make_mesh((len(jax.local_devices()),), ("batches",), (AxisType.Auto,), devices=jax.local_devices())


def replicated(tree: Any, mesh: Mesh) -> Any:
    """Return a pytree with its arrays on every device of the mesh."""
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec())) if mesh.size > 1 else tree


def bases(start: int, batches: int, batch_size: int, draws: int, wraps: bool = True) -> UInt32[np.ndarray, "batches 2"]:
    """Return (stream, draw) at which each of consecutive batches starts, from the flat number of the first.

    Batches beyond the end of a stream go on in the next one if they wrap; otherwise their draws have numbers that the
    stream does not have.
    """
    steps = batch_size * np.arange(batches)
    if wraps:
        return np.stack(np.divmod(start + steps, draws), axis=1).astype(np.uint32)
    stream, first = divmod(start, draws)
    return np.stack([np.full(batches, stream), first + steps], axis=1).astype(np.uint32)


@cache
def program(mesh: Mesh, landing: str | None) -> Callable[..., Draws | summaries.Summary]:
    """Return ``evaluate``, jitted, for the devices of a mesh.

    Parameters
    ----------
    mesh : Mesh
        The local devices.
    landing : str or None
        Kind of memory in which results are left, or None for the devices' own.
    """
    names = ("batch_size", "gradients", "keep", "keeps_gates", "precision")
    if landing is None:
        return _compiling.jit(partial(evaluate, mesh), names, gains=vmapped.runs_network)
    there = NamedSharding(mesh, PartitionSpec("batches"), memory_kind=landing)
    return _compiling.jit(partial(evaluate, mesh), names, out_shardings=there)


def evaluate(
    mesh: Mesh,
    plan: SweepPlan,
    sampler: Sampler,
    key: Array,
    bases: UInt32[Array, "batches 2"],
    draws: UInt32[Array, ""],
    stop: UInt32[Array, ""],
    top: Float[Array, ""] | np.floating,
    *,
    batch_size: int,
    gradients: bool,
    keep: Literal["draws", "summary"],
    keeps_gates: bool,
    precision: str,
) -> Draws | summaries.Summary:
    """Draw and evaluate batches, shared out over the devices.

    Parameters
    ----------
    mesh : Mesh
        The local devices.
    plan : SweepPlan
        What evaluates gate vectors.
    sampler : Sampler
        What makes them.
    key : array
        Random key of the sweep.
    bases : array, (batches, 2)
        (stream, draw) at which each batch starts; as many batches as the devices can share evenly.
    draws : array, ()
        Draws in a stream; a batch that runs over the end goes on in the next stream.
    stop : array, ()
        A summary counts the draws before this number.
    top : array, () or np.floating
        End of a summary's histogram of the loss.
    batch_size : int
        Draws in a batch.
    gradients : bool
        Whether gate gradients are wanted.
    keep : {"draws", "summary"}
        ``"draws"`` or ``"summary"``.
    keeps_gates : bool
        Whether draws come with their gates.
    precision : str
        Of matrix products.

    Returns
    -------
    Draws or summaries.Summary
        Draws with leading axis (batches x batch_size), or a summary with leading axis (batches,), its histograms and
        best masks with leading axis (devices,).
    """

    def on_one_device(plan: SweepPlan, sampler: Sampler, bases: Array) -> Draws | summaries.Summary:
        # JAX 0.11.2 crashes while it compiles where devices share an array without elements.
        plan, sampler = jax.tree.map(lambda leaf: leaf if leaf.size else jnp.zeros_like(leaf), (plan, sampler))
        plan = plan.prepared()

        def drawn(base: UInt32[Array, " 2"]) -> tuple[Array, Array, Computed]:
            """Numbers of a batch's draws in their stream, their gates, and what is computed of each gate vector."""
            position = base[1] + jnp.arange(batch_size, dtype=jnp.uint32)
            # The compiler drops the gates of a cube where no summary needs them.
            gates = sampler(key, base[0] + position // draws, position % draws)
            return position, gates, _evaluated(plan, gates, base[1], gradients)

        def every_draw(base: UInt32[Array, " 2"]) -> Draws:
            _, gates, found = drawn(base)
            masks = bits.packed(gates) if keeps_gates and gates.dtype == bool else None
            gains = gates if keeps_gates and gates.dtype != bool else None
            found = jax.tree.map(lambda part: part.reshape(*gates.shape[:-1], *part.shape[1:]), found)
            return Draws(masks, gains, found.loss, found.gradient, found.metrics, found.example_loss)

        def summed_up(
            running: summaries.Running, base: UInt32[Array, " 2"]
        ) -> tuple[summaries.Running, summaries.Summary]:
            position, gates, found = drawn(base)
            evaluation = with_logs(found)
            vectors = gates.reshape(-1, gates.shape[-1])
            position = jnp.repeat(position, len(vectors) // len(position))
            counted = position < stop
            running = summaries.with_batch(running, vectors, evaluation, position, counted, top)
            return running, summaries.of_batch(vectors, evaluation, counted)

        if keep == "draws":
            return jax.tree.map(lambda part: part.reshape(-1, *part.shape[2:]), jax.lax.map(every_draw, bases))
        _, gates, found = jax.eval_shape(drawn, bases[0])
        start = summaries.nothing_yet(gates, found.loss.dtype)
        running, parts = jax.lax.scan(summed_up, start, bases)
        return parts._replace(**jax.tree.map(lambda part: part[None], running)._asdict())

    with jax.default_matmul_precision(precision):
        if mesh.size == 1:
            return on_one_device(plan, sampler, bases)
        spread, whole = PartitionSpec("batches"), PartitionSpec()
        spread_out = jax.shard_map(
            on_one_device, mesh=mesh, in_specs=(whole, whole, spread), out_specs=spread, check_vma=False
        )
        return spread_out(plan, sampler, bases)


def _evaluated(plan: SweepPlan, gates: Shaped[Array, "draws ... nodes"], first: Array, gradients: bool) -> Computed:
    """Evaluate a batch's gate vectors, (draws x ...,); a cube needs the number of the first mask alone."""
    if isinstance(plan, Cube):
        return plan.evaluate(first, len(gates), gradients)
    if isinstance(plan, Walk):
        return Computed(plan.evaluate(gates).loss.reshape(-1), None)
    vectors = gates.reshape(-1, gates.shape[-1])
    if isinstance(plan, vmapped.Prepared) and not isinstance(plan, PreparedShared) and len(gates) == 1:
        # The steps of a single path may be more than fit together.
        together = preferred_batch(plan, gradients)
        parts = -(-len(vectors) // together)
        return in_batches(lambda batch: plan.evaluate(batch, gradients), vectors, -(-len(vectors) // parts))
    return plan.evaluate(vectors, gradients)
