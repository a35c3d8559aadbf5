"""The alternative in CUDA: loss and gate gradients of given masks by a hand-written kernel."""

import ctypes
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.compiled import CUDA_FLAGS, Unavailable, cuda_library, source
from benchmarks.problems import Problem
from benchmarks.timing import Answer, Contender
from sweeps import _device
from sweeps._masks import bits

# Threads of a block, masks of a thread, and blocks that a multiprocessor holds: 167 registers a thread, none spilled.
SIZES = dict(THREADS=128, MASKS=4, BLOCKS=3)
# Takes pointers to the bits, offsets, slopes, the numbers of examples and masks, and pointers to losses and gradients.
Launch = Callable[..., None]


def evaluated(problem: Problem, gates: np.ndarray, some: int) -> Contender:
    """Return the kernel on masks that are already on the device, as bits.

    Parameters
    ----------
    problem : the network; one hidden layer of 32 nodes at most, and two classes
    gates : masks
    some : answers to check

    Raises
    ------
    Unavailable
        If there is no NVIDIA GPU, or neither nvcc nor CuPy.
    """
    launch, compiler = _launcher(problem.nodes)
    offsets, slopes = (jnp.asarray(part * np.log2(np.e), jnp.float32) for part in problem.margins)
    words = jax.jit(bits.packed)(jnp.asarray(gates))[:, 0]
    loss, gradient = jnp.zeros(len(gates)), jnp.zeros((len(gates), problem.nodes))
    # The kernel writes into arrays that JAX made; nobody has read them before.
    arrays = jax.block_until_ready((words, offsets, slopes, loss, gradient))

    def run() -> None:
        words, offsets, slopes, loss, gradient = (array.unsafe_buffer_pointer() for array in arrays)
        launch(words, offsets, slopes, len(problem.inputs), len(gates), loss, gradient)

    def answer(_: None) -> Answer:
        return Answer(gates[:some], np.asarray(loss[:some]), np.asarray(gradient[:some]))

    return Contender(f"CUDA by hand: `affine.cu`, {compiler}", run, len(gates), answer)


def _launcher(nodes: int) -> tuple[Launch, str]:
    """Return what runs the kernel until it is done, and who compiled it."""
    capability = str(getattr(jax.local_devices()[0], "compute_capability", ""))
    if _device.here().platform != "gpu" or not re.fullmatch(r"\d+\.\d+", capability):
        raise Unavailable("no NVIDIA GPU")
    macros = tuple(f"-D{name}={value}" for name, value in dict(SIZES, NODES=nodes).items())
    try:
        return _with_nvcc((*macros, f"-arch=sm_{capability.replace('.', '')}")), f"nvcc {' '.join(CUDA_FLAGS[:2])}"
    except Unavailable as reason:
        return _with_cupy(macros, str(reason)), "CuPy"


def _with_nvcc(options: tuple[str, ...]) -> Launch:
    function = cuda_library("affine", options).evaluate
    function.restype = ctypes.c_char_p
    pointer, number = ctypes.c_void_p, ctypes.c_uint
    function.argtypes = [pointer, pointer, pointer, ctypes.c_int, number, pointer, pointer]

    def launch(*arguments: int) -> None:
        error = function(*arguments)
        if error:
            raise RuntimeError(f"the kernel failed: {error.decode()}")

    return launch


def _with_cupy(macros: tuple[str, ...], why: str) -> Launch:
    try:
        import cupy
    except ImportError:
        raise Unavailable(f"{why}, and CuPy is not installed") from None
    module = cupy.RawModule(code=source("affine.cu").read_text(), options=("--use_fast_math", *macros))
    kernel: Any = module.get_function("affine")

    def launch(words: int, offsets: int, slopes: int, examples: int, masks: int, loss: int, gradient: int) -> None:
        blocks = -(-masks // (SIZES["THREADS"] * SIZES["MASKS"]))
        numbers = np.int32(examples), np.uint32(masks)
        arguments = (*map(np.uint64, (words, offsets, slopes)), *numbers, *map(np.uint64, (loss, gradient)))
        kernel((blocks,), (SIZES["THREADS"],), arguments)
        cupy.cuda.runtime.deviceSynchronize()

    return launch
