"""The machine's limit: measured rates of matrix products, elementwise functions and memory."""

import ctypes
import os
import platform
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.compiled import Unavailable, library
from benchmarks.report import Table
from benchmarks.timing import fastest

PACKAGES = ("gatesweep", "jax", "jaxlib", "flax", "numpy", "torch", "keras", "tensorflow-cpu")
# Elements of the arrays for elementwise functions, which fit in a CPU's cache.
CPU_ELEMENTS, ACCELERATOR_ELEMENTS = 2**20, 2**26
# Uses of each loaded number, enough for the time of loading to vanish.
USES = 8


class Rates(NamedTuple):
    """Rates of the machine, a second.

    Attributes
    ----------
    gemm : floating-point operations of a large matrix product in float32, the fastest library's
    exp, log1p, division : elements, the fastest library's or compiler's
    bandwidth : bytes of memory, read and written
    tables : all that was measured
    """

    gemm: float
    exp: float
    log1p: float
    division: float
    bandwidth: float
    tables: list[Table]

    def seconds_per_mask(self, nodes: int, examples: int) -> float:
        """Return the time of the arithmetic that any one-layer affine evaluation with gradients needs.

        Margins are one matrix product and gradients another, of 2 nodes examples operations each a mask; loss and
        gradient share one exponential an example.
        """
        return 4 * nodes * examples / self.gemm + examples / self.exp


def describe() -> dict[str, Any]:
    """Return device, versions and date, which are stored with every result."""
    device = jax.devices()[0].device_kind
    if jax.default_backend() == "cpu":
        device = f"{_processor()}, {os.cpu_count()} cores"
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    slug = re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")
    return dict(device=device, slug=slug, backend=jax.default_backend(), versions=versions, date=str(date.today()))


def load() -> float | None:
    """Return the mean number of runnable processes over the last minute; None if the system does not report it."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", path.read_text()) if path.exists() else None
    return found[1].strip() if found else platform.processor() or platform.machine()


@cache
def rates() -> Rates:
    """Measure the machine, once for a run."""
    gemms = _gemm_table()
    elements = _element_table()
    largest = max(value for row in gemms.rows if row[0].startswith("large") for value in row[1:] if value)
    exp, log1p, division = (1e9 * max(value for value in row[1:] if value) for row in elements.rows)
    return Rates(1e9 * largest, exp, log1p, division, _bandwidth(), [gemms, elements])


def _gemm_table() -> Table:
    on_cpu = jax.default_backend() == "cpu"
    batch = 4096
    shapes = {
        "margins, 20 nodes": (1000, 20, batch),
        "gradients, 20 nodes": (20, 1000, batch),
        "dense layer, 50 nodes": (50 * 128, 50, 1000),
        **{f"large, {size}": (size,) * 3 for size in ((1024, 2048) if on_cpu else (4096, 8192))},
    }
    rows: list[list[Any]] = []
    for name, shape in shapes.items():
        other = _numpy_gemm_rate(shape) / 1e9 if on_cpu else None
        rows.append([f"{name}: {' x '.join(map(str, shape))}", gemm_rate(shape) / 1e9, other])
    return Table("Matrix products in float32, Gflop/s", ["product", "JAX", "NumPy"], rows)


def gemm_rate(shape: tuple[int, int, int]) -> float:
    """Operations a second of a matrix product (rows, inner, columns) in full float32 precision."""
    rows, inner, columns = shape
    left, right = (jnp.asarray(one) for one in _factors(shape))
    # Without "highest" a GPU multiplies in TF32, unlike the engine.
    product = jax.jit(lambda left, right: jnp.matmul(left, right, precision="highest"))
    return 2 * rows * inner * columns / fastest(lambda: product(left, right))


def _factors(shape: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return random factors: products of constants draw less power and run faster than real ones."""
    random, (rows, inner, columns) = np.random.default_rng(0), shape
    return (
        random.standard_normal((rows, inner), np.float32),
        random.standard_normal((inner, columns), np.float32),
    )


def _numpy_gemm_rate(shape: tuple[int, int, int]) -> float:
    rows, inner, columns = shape
    left, right = _factors(shape)
    return 2 * rows * inner * columns / fastest(lambda: left @ right)


def _element_table() -> Table:
    # Name; in JAX and in NumPy, written alike; NumPy's own function, to be timed; the C function.
    functions: list[tuple[str, Callable[..., Any], Callable[..., Any], Callable[..., Any], str]] = [
        ("exponential", lambda x: jnp.exp(-x), lambda x: np.exp(-x), np.exp, "exponentials"),
        ("log1p", jnp.log1p, np.log1p, np.log1p, "logarithms"),
        ("division", lambda x: 1 / (1 + x), lambda x: 1 / (1 + x), np.reciprocal, "divisions"),
    ]
    rows: list[list[Any]] = []
    for name, in_jax, check, in_numpy, in_c in functions:
        others = [_numpy_rate(in_numpy), _c_rate(in_c)] if jax.default_backend() == "cpu" else [None, None]
        rows.append([name, *(rate and rate / 1e9 for rate in (_jax_rate(in_jax, check), *others))])
    return Table("Elementwise functions of float32 in cache, 10^9 a second", ["function", "JAX", "NumPy", "C"], rows)


def _jax_rate(operation: Callable[[Any], Any], check: Callable[[Any], Any]) -> float | None:
    """Return elements a second, the better of storing and summing the results, if they are right."""
    elements = CPU_ELEMENTS if jax.default_backend() == "cpu" else ACCELERATOR_ELEMENTS
    values = jnp.linspace(0.0, 1.0, elements)

    def several(values: Any, operation: Callable[[Any], Any]) -> Any:
        return sum(operation(values * (1 + use / USES)) for use in range(USES))

    total = several(np.asarray(values, np.float64), check).sum()
    rates = []
    for finish in (lambda results: results, jnp.sum):
        run = jax.jit(lambda values, finish=finish: finish(several(values, operation)))
        # JAX 0.10 on CPUs sums several log1p of an array fast and wrongly: no rate.
        if np.isclose(np.asarray(run(values), np.float64).sum(), total, rtol=1e-4):
            rates.append(USES * elements / fastest(partial(run, values)))
    return max(rates, default=None)


def _numpy_rate(operation: Callable[..., Any], elements: int = 2**14, rounds: int = 100) -> float:
    """Return elements a second of all cores, each on its own numbers in its own cache."""
    cores = os.cpu_count() or 1
    arrays = [(np.linspace(0.1, 1, elements, dtype=np.float32), np.empty(elements, np.float32)) for _ in range(cores)]

    def work(pair: tuple[np.ndarray, np.ndarray]) -> None:
        for _ in range(rounds):
            operation(pair[0], out=pair[1])

    with ThreadPoolExecutor(cores) as pool:
        return cores * elements * rounds / fastest(lambda: list(pool.map(work, arrays)))


def _c_rate(name: str) -> float | None:
    try:
        function = getattr(library("rates"), name)
        function.restype = ctypes.c_double
        return max(function() for _ in range(100))
    except Unavailable:
        return None


def _bandwidth() -> float:
    """Return bytes a second of passes that read and write an array larger than any cache."""
    elements = 2**26 if jax.default_backend() == "cpu" else 2**29
    # In place, since the system takes time to hand out new memory.
    step = jax.jit(lambda values: values + 1, donate_argnums=0)
    held = [jnp.ones(elements, jnp.float32)]

    def run() -> jax.Array:
        held.append(step(held.pop()))
        return held[0]

    return 2 * 4 * elements / fastest(run)
