"""Batches: the jitted call that draws gate vectors and evaluates them, on every local device."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Shaped, UInt32

from analysis.errors import InputError
from sweeps import compiling
from sweeps.engine import summaries
from sweeps.masks.samplers import FlipPathsSampler, HypercubeSampler, Sampler
from sweeps.objective import Evaluation, with_logs
from sweeps.plans import Plan, cube, preferred_batch, walk

# What a call returns of a batch: every draw, every draw with its gates, or a summary.
Kept = Literal["draws", "draws and gates", "summary"]


class Draws(NamedTuple):
    """Every draw of a call.

    Attributes
    ----------
    gates : shape (draws, nodes), or (draws, steps, nodes) for paths, or None
    evaluation : parts of leading shape (draws,) or (draws, steps)
    """

    gates: Shaped[Array, "draws ... nodes"] | None
    evaluation: Evaluation


class Source(Protocol):
    """What makes a batch: gate vectors from a design, evaluated by a plan."""

    @property
    def sampler(self) -> Sampler:
        """Maker of the gate vectors of a draw."""
        ...

    @property
    def dtype(self) -> Any:
        """Floating-point type of the losses."""
        ...

    def prepared(self) -> "Source":
        """Return the source with what no batch changes computed."""
        ...

    def evaluate(self, gates: Array, first: Array, gradients: bool) -> tuple[Array, Array | None]:
        """Losses and gate gradients of a batch, given its gates and the number of its first draw."""
        ...


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Sampled:
    """Gate vectors are made, then evaluated."""

    plan: Plan
    sampler: Sampler

    @property
    def dtype(self) -> Any:
        """Floating-point type of the losses."""
        return self.plan.dtype

    def prepared(self) -> "Sampled":
        """Return the source with its plan prepared."""
        return Sampled(self.plan.prepared(), self.sampler)

    def evaluate(self, gates: Array, first: Array, gradients: bool) -> tuple[Array, Array | None]:
        """Losses and gate gradients of a batch."""
        return self.plan.evaluate(gates.astype(self.plan.dtype), gradients)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class WholeCube:
    """All masks of an affine plan, evaluated without being made."""

    cube: cube.Cube
    sampler: Sampler
    batch_size: int = field(metadata=dict(static=True))

    @property
    def dtype(self) -> Any:
        """Floating-point type of the losses."""
        return self.cube.dtype

    def prepared(self) -> "WholeCube":
        """Nothing is left to prepare."""
        return self

    def evaluate(self, gates: Array, first: Array, gradients: bool) -> tuple[Array, Array | None]:
        """Losses and gate gradients of a batch."""
        return self.cube.evaluate(first, self.batch_size, gradients)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Walked:
    """Flip paths over an affine plan, evaluated by the differences between neighbours; losses only."""

    walk: walk.Walk
    sampler: FlipPathsSampler

    @property
    def dtype(self) -> Any:
        """Floating-point type of the losses."""
        return self.walk.dtype

    def prepared(self) -> "Walked":
        """Nothing is left to prepare."""
        return self

    def evaluate(self, gates: Array, first: Array, gradients: bool) -> tuple[Array, Array | None]:
        """Losses of a batch."""
        if gradients:
            raise InputError("gate gradients cannot be walked along a path")
        return self.walk.evaluate(gates.reshape(-1, self.sampler.steps, gates.shape[-1])).reshape(-1), None


def source_of(
    plan: Plan, sampler: Sampler, steps: int, total: int, gradients: bool, batch_size: int | None
) -> tuple[Source, int]:
    """Return the source of a sweep's batches, and the draws in one.

    Parameters
    ----------
    plan, sampler : what evaluates and what makes gate vectors
    steps : gate vectors of a draw
    total : number of draws
    gradients : whether gate gradients are wanted
    batch_size : the user's wish in gate vectors, or None
    """
    if isinstance(sampler, FlipPathsSampler) and not gradients and (walked := walk.of_plan(plan)) is not None:
        paths = walked.preferred_paths(steps) if batch_size is None else max(1, batch_size // steps)
        return Walked(walked, sampler), min(paths, total)
    whole = cube.of_plan(plan) if isinstance(sampler, HypercubeSampler) else None
    if whole is None:
        return Sampled(plan, sampler), min(max(1, (batch_size or preferred_batch(plan, gradients)) // steps), total)
    wish = min(batch_size or whole.preferred_batch(gradients), total)
    # Whole rows of the cube, a power of two of them.
    size = max(1 << (wish.bit_length() - 1), 1 << whole.low_nodes)
    return WholeCube(whole, sampler, size), size


def local_mesh() -> Mesh:
    """All devices of this process in a row; Auto axes, since Explicit ones break lax.map over the sharded axis."""
    return jax.make_mesh((len(jax.local_devices()),), ("batches",), (AxisType.Auto,), devices=jax.local_devices())


def replicated(source: Source, mesh: Mesh) -> Source:
    """Return the source with its arrays on every device of the mesh."""
    return jax.device_put(source, NamedSharding(mesh, PartitionSpec())) if mesh.size > 1 else source


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


@partial(compiling.jit, static_argnames=("batch_size", "gradients", "keep", "precision", "mesh"))
def evaluate(
    source: Source,
    key: Array,
    bases: UInt32[Array, "batches 2"],
    draws: UInt32[Array, ""],
    stop: UInt32[Array, ""],
    bins: summaries.Bins,
    *,
    batch_size: int,
    gradients: bool,
    keep: Kept,
    precision: str,
    mesh: Mesh,
) -> Draws | summaries.Batch:
    """Draw and evaluate batches, shared out over the devices.

    Parameters
    ----------
    source : what makes a batch
    key : random key of the sweep
    bases : (stream, draw) at which each batch starts; as many batches as the devices can share evenly
    draws : draws in a stream; a batch that runs over the end goes on in the next stream
    stop : draws from this one on are not counted in a summary
    bins : range of a summary's histogram of the loss
    batch_size : draws in a batch
    gradients, keep : what is wanted
    precision : of matrix products
    mesh : the local devices

    Returns
    -------
    Draws with leading axis (batches x batch_size), or a summary with leading axis (batches,), its histograms and best
    masks with leading axis (devices,)
    """

    def on_one_device(source: Source, bases: Array) -> Draws | summaries.Batch:
        source = source.prepared()

        def drawn(base: UInt32[Array, " 2"]) -> tuple[Array, Array, Evaluation]:
            position = base[1] + jnp.arange(batch_size, dtype=jnp.uint32)
            # Of a cube for a summary only; the compiler drops them where nobody looks.
            gates = jax.vmap(source.sampler, in_axes=(None, 0, 0))(key, base[0] + position // draws, position % draws)
            vectors = gates.reshape(-1, gates.shape[-1])
            return position, gates, with_logs(*source.evaluate(vectors, base[1], gradients))

        def every_draw(base: UInt32[Array, " 2"]) -> Draws:
            _, gates, evaluation = drawn(base)
            evaluation = jax.tree.map(lambda part: part.reshape(*gates.shape[:-1], *part.shape[1:]), evaluation)
            return Draws(gates if keep == "draws and gates" else None, evaluation)

        def summed_up(
            running: summaries.Running, base: UInt32[Array, " 2"]
        ) -> tuple[summaries.Running, summaries.Batch]:
            position, gates, evaluation = drawn(base)
            vectors = gates.reshape(-1, gates.shape[-1])
            position = jnp.repeat(position, len(vectors) // len(position))
            counted = position < stop
            running = summaries.with_batch(running, vectors, evaluation, position, counted, bins)
            return running, summaries.of_batch(vectors, evaluation, counted)

        if keep == "summary":
            _, gates, evaluation = jax.eval_shape(drawn, bases[0])
            start = summaries.nothing_yet(gates, evaluation.loss.dtype)
            running, parts = jax.lax.scan(summed_up, start, bases)
            return parts._replace(**jax.tree.map(lambda part: part[None], running)._asdict())
        return jax.tree.map(lambda part: part.reshape(-1, *part.shape[2:]), jax.lax.map(every_draw, bases))

    with jax.default_matmul_precision(precision):
        if mesh.size == 1:
            return on_one_device(source, bases)
        spread, whole = PartitionSpec("batches"), PartitionSpec()
        return jax.shard_map(on_one_device, mesh=mesh, in_specs=(whole, spread), out_specs=spread, check_vma=False)(
            source, bases
        )
