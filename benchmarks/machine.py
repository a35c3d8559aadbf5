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

import sweeps
from benchmarks.compiled import Unavailable, library
from benchmarks.report import Table
from benchmarks.timing import fastest
from sweeps import _device

PACKAGES = ("jax", "jaxlib", "flax", "numpy", "torch", "keras", "tensorflow-cpu", "cupy-cuda13x")
# Elements of the arrays for elementwise functions, which fit in a CPU's cache; and of those that check them.
CPU_ELEMENTS, ACCELERATOR_ELEMENTS, CHECKED = 2**20, 2**26, 2**16
# Uses of each loaded number, enough for the time of loading to vanish.
USES = 8
# Numbers of an array that crosses the bus.
CROSSING = 2**26
# Products of TF32 numbers that float32 digits need: slopes in two parts for margins, and for gradients also wrong
# probabilities, without the product of the two small parts.
TF32_PRODUCTS = 2 + 3


class Rates(NamedTuple):
    """Rates of the machine, a second.

    Attributes
    ----------
    gemm : floating-point operations of a large matrix product in float32, the fastest library's
    tf32 : floating-point operations of a large product of TF32 numbers; None without tensor cores
    exp, log1p, division : elements, the fastest library's or compiler's
    bandwidth : bytes of memory, read and written
    bus : bytes from the device to the host's memory, the fastest way; None on a CPU
    tables : all that was measured
    """

    gemm: float
    tf32: float | None
    exp: float
    log1p: float
    division: float
    bandwidth: float
    bus: float | None
    tables: list[Table]

    def seconds_per_mask(self, nodes: int, examples: int) -> float:
        """Return the time of the arithmetic that any one-layer affine evaluation with gradients needs.

        Margins are one matrix product and gradients another, of 2 nodes examples operations each a mask; loss and
        gradient share one exponential an example.
        """
        return 4 * nodes * examples / self.gemm + examples / self.exp

    def seconds_per_mask_in_tf32(self, nodes: int, examples: int) -> float | None:
        """Return the same time where TF32 numbers are multiplied, in parts; None without tensor cores."""
        return self.tf32 and 2 * TF32_PRODUCTS * nodes * examples / self.tf32 + examples / self.exp


def describe() -> dict[str, Any]:
    """Return device, versions and date, which are stored with every result."""
    name = jax.devices()[0].device_kind
    if _device.here().is_cpu:
        name = f"{_processor()}, {os.cpu_count()} cores"
    versions = {"python": platform.python_version(), "gatesweep": sweeps.__version__}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return dict(device=name, slug=slug, backend=_device.here().platform, versions=versions, date=str(date.today()))


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
    gemms, elements, bandwidth = _gemm_table(), _element_table(), _bandwidth()
    large = [dict(zip(gemms.columns, row, strict=True)) for row in gemms.rows if row[0].startswith("large")]
    gemm = max(row[how] for row in large for how in ("JAX", "NumPy") if row.get(how))
    tf32 = max((row["TF32"] for row in large if row.get("TF32")), default=None)
    exp, log1p, division = (1e9 * max(value for value in row[1:] if value) for row in elements.rows)
    buses = _bus_rates()
    tables = [gemms, elements, _memory_table(bandwidth, buses)]
    bus = max(buses.values(), default=None)
    return Rates(1e9 * gemm, tf32 and 1e9 * tf32, exp, log1p, division, bandwidth, bus, tables)


def _gemm_table() -> Table:
    here = _device.here()
    batch = 4096 if here.is_cpu else 2**17
    shapes = {
        "margins, 20 nodes": (1000, 20, batch),
        "gradients, 20 nodes": (20, 1000, batch),
        "dense layer, 50 nodes": (50 * 128, 50, 1000),
        "margins, 1,000 nodes": (18_000, 1000, batch // 16),
        **{f"large, {size}": (size,) * 3 for size in ((1024, 2048) if here.is_cpu else (8192,))},
    }
    ways: dict[str, Callable[[tuple[int, int, int]], float]] = {"JAX": gemm_rate}
    if here.is_cpu:
        ways["NumPy"] = _numpy_gemm_rate
    if here.has_tensor_cores:
        ways |= {"TF32": partial(gemm_rate, how="TF32"), "bfloat16": partial(gemm_rate, how="bfloat16")}
    rows: list[list[Any]] = [
        [f"{name}: {' x '.join(map(str, shape))}", *(rate(shape) / 1e9 for rate in ways.values())]
        for name, shape in shapes.items()
    ]
    return Table("Matrix products in float32 where not said otherwise, Gflop/s", ["product", *ways], rows)


def gemm_rate(shape: tuple[int, int, int], how: str = "float32") -> float:
    """Operations a second of a matrix product (rows, inner, columns), added up in float32.

    Parameters
    ----------
    shape : of the product
    how : what is multiplied, ``"float32"``, ``"TF32"`` or ``"bfloat16"``
    """
    rows, inner, columns = shape
    left, right = (jnp.asarray(one, jnp.bfloat16 if how == "bfloat16" else jnp.float32) for one in _factors(shape))
    # By default a GPU multiplies float32 numbers in TF32.
    precision = "default" if how == "TF32" else "highest"
    product = jax.jit(partial(jnp.matmul, precision=precision, preferred_element_type=jnp.float32))
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
        others = [_numpy_rate(in_numpy), _c_rate(in_c)] if _device.here().is_cpu else [None, None]
        rows.append([name, *(rate and rate / 1e9 for rate in (_jax_rate(in_jax, check), *others))])
    return Table("Elementwise functions of float32 in cache, 10^9 a second", ["function", "JAX", "NumPy", "C"], rows)


def _jax_rate(operation: Callable[[Any], Any], check: Callable[[Any], Any]) -> float | None:
    """Return elements a second, the better of storing and summing the results, if they are right."""
    elements = CPU_ELEMENTS if _device.here().is_cpu else ACCELERATOR_ELEMENTS
    values = jnp.linspace(0.0, 1.0, elements)

    def several(values: Any, operation: Callable[[Any], Any]) -> Any:
        return sum(operation(values * (1 + use / USES)) for use in range(USES))

    mean = several(np.linspace(0, 1, CHECKED), check).mean()
    rates = []
    for finish in (lambda results: results, jnp.sum):
        run = jax.jit(lambda values, finish=finish: finish(several(values, operation)))
        # JAX 0.10 on CPUs sums several log1p of an array fast and wrongly: no rate.
        if np.isclose(np.asarray(run(values)).sum(dtype=np.float64) / elements, mean, rtol=1e-4):
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
    elements = 2**26 if _device.here().is_cpu else 2**29
    # In place, since the system takes time to hand out new memory.
    step = jax.jit(lambda values: values + 1, donate_argnums=0)
    held = [jnp.ones(elements, jnp.float32)]

    def run() -> jax.Array:
        held.append(step(held.pop()))
        return held[0]

    return 2 * 4 * elements / fastest(run)


def _memory_table(bandwidth: float, buses: dict[str, float]) -> Table:
    rows: list[list[Any]] = [["memory, read and written", bandwidth / 1e9]]
    rows += [[f"bus, device to {kind} memory of the host", rate / 1e9] for kind, rate in buses.items()]
    return Table("Memory, 10^9 bytes a second", ["what", "rate"], rows)


def _bus_rates() -> dict[str, float]:
    """Return bytes a second to each kind of host memory in which results land; none on a CPU."""
    here = _device.here()
    if here.is_cpu:
        return {}
    kinds = {"pageable": None} | ({here.landing: here.landing} if here.landing else {})
    return {name: _bus_rate(kind) for name, kind in kinds.items()}


def _bus_rate(landing: str | None) -> float:
    """Return bytes a second of results that a jitted call leaves in a kind of host memory, or that NumPy copies."""
    where = landing and jax.sharding.SingleDeviceSharding(jax.devices()[0], memory_kind=landing)
    make = jax.jit(lambda values: values + 1, out_shardings=where)
    values = jax.block_until_ready(jnp.ones(CROSSING, jnp.float32))
    # Its first runs allocate the memory in which results land. A run makes a new array: JAX keeps a copy of one that
    # was read. Making it costs little: the device's memory is a hundred times as fast as the bus.
    return 4 * CROSSING / fastest(lambda: np.asarray(make(values)))
