"""Device: the one place that knows what arrays are computed on, how much of it to use at a time, and its kernels.

Numbers for CPUs were measured on two cores: working sets stay in their caches. An accelerator takes as much as its
memory allows; launching its programs costs more than any cache saves.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import jax

# Share of an accelerator's memory that a batch may hold: about a gigabyte of a large one. Larger batches were no faster
# on an H200, and calls in flight, tables and results need room beside them.
SHARE = 1 / 128
# Memory that an accelerator is taken to have where it does not say, in bytes.
UNKNOWN_MEMORY = 2**34
# Oldest NVIDIA GPUs whose tensor cores multiply TF32 and bfloat16.
LEAST_CAPABILITY = 8.0


@dataclass(frozen=True)
class Device:
    """What the local devices are like; all are taken to be of one kind.

    Attributes
    ----------
    platform : str
        ``"cpu"``, ``"gpu"`` or ``"tpu"``.
    batch : int
        Most numbers that a batch of gate vectors holds in memory.
    micro_batch : int
        Most numbers that a network writes for one gate vector on the examples evaluated together.
    networks : int
        About as many parameters and activations have the networks that are evaluated together.
    block : int
        Most examples in a block, over which plans loop.
    candidates, candidate_block, most_candidates : int
        Numbers in a chunk of candidates on a block of examples when nodes are ranked, examples in such a block, and
        most candidates in a chunk.
    walk_margins, walk_segments, walk_gates : int
        Margins and segments of flip paths that are walked side by side, and the most gates of their masks.
    in_flight : int
        Calls that are sent ahead while the results of earlier ones are taken over, each by a thread.
    landing : str or None
        Kind of memory in which a call leaves its results; None leaves them where they are.
    has_tensor_cores : bool
        Whether products of bfloat16 and TF32 numbers are several times as fast as those of float32.
    has_triton : bool
        Whether kernels written in Triton run.
    """

    platform: str
    batch: int
    micro_batch: int
    networks: int
    block: int
    candidates: int
    candidate_block: int
    most_candidates: int
    walk_margins: int
    walk_segments: int
    walk_gates: int
    in_flight: int
    landing: str | None
    has_tensor_cores: bool
    has_triton: bool

    @property
    def is_cpu(self) -> bool:
        """Whether arrays lie in the host's memory."""
        return self.platform == "cpu"

    def room(self, cache: int, weights: int) -> int:
        """Return how many numbers to write at a time: what stays in a cache, or as many as the weights.

        Weights that are larger than a cache are read from memory at each step, whatever its size.
        """
        return max(cache, min(weights, self.networks))


CPU = Device(
    platform="cpu",
    batch=2**20,
    micro_batch=2**21,
    networks=2**24,
    block=1024,
    candidates=2**18,
    candidate_block=4096,
    most_candidates=16,
    walk_margins=2**18,
    walk_segments=512,
    walk_gates=2**30,
    in_flight=1,
    landing=None,
    has_tensor_cores=False,
    has_triton=False,
)


def here() -> Device:
    """Return what JAX computes on by default in this process."""
    return _of(jax.default_backend())


@cache
def _of(platform: str) -> Device:
    if platform == "cpu":
        return CPU
    first = jax.local_devices(backend=platform)[0]
    return accelerator(platform, _memory(first), _capability(first), {one.kind for one in first.addressable_memories()})


def accelerator(platform: str, memory: int, capability: float | None, kinds: set[str]) -> Device:
    """Return what an accelerator is like.

    Parameters
    ----------
    platform : str
        ``"gpu"`` or ``"tpu"``.
    memory : int
        Bytes that JAX may use.
    capability : float or None
        Compute capability of an NVIDIA GPU, such as 9.0; None for others.
    kinds : set of str
        Kinds of memory that its results can lie in.
    """
    floats = int(memory * SHARE) // 4
    has_tensor_cores = capability is not None and capability >= LEAST_CAPABILITY
    return Device(
        platform=platform,
        batch=floats,
        micro_batch=floats,
        networks=floats,
        block=2**14,
        candidates=2**24,
        candidate_block=2**14,
        most_candidates=1024,
        # A step moves a hundred megabytes or more, which takes longer than to launch it.
        walk_margins=min(floats, 2**25),
        walk_segments=floats,
        walk_gates=4 * floats,
        in_flight=4,
        # Results reach pinned memory at the speed of the bus, and pageable memory at a thirtieth of it.
        landing="pinned_host" if "pinned_host" in kinds else None,
        has_tensor_cores=has_tensor_cores,
        has_triton=has_tensor_cores,
    )


def _memory(device: Any) -> int:
    """Bytes of a device that JAX may use."""
    return (device.memory_stats() or {}).get("bytes_limit", UNKNOWN_MEMORY)


def _capability(device: Any) -> float | None:
    """Compute capability of an NVIDIA GPU; those of other makers are no numbers."""
    try:
        return float(device.compute_capability)
    except (AttributeError, TypeError, ValueError):
        return None
