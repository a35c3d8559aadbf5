"""How the tests run: strict JAX, checked shape annotations, reproducible Hypothesis."""

import gc
import os
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

# Devices of the host platform, set before JAX is imported, here and nowhere else. Small programs are compiled by the
# thousand, and run for no time: they are compiled the quick way. What XLA_FLAGS says comes later and wins:
# XLA_FLAGS="--xla_backend_optimization_level=3 --xla_cpu_use_fusion_emitters=true" compiles as users do.
DEVICES = 1
QUICK = "--xla_backend_optimization_level=0"
# Later versions know no such flag, and refuse to start.
if version("jaxlib").startswith("0.10."):
    QUICK += " --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
FLAGS = f"--xla_force_host_platform_device_count={DEVICES} {QUICK}"
# Processes test side by side: more threads would wait for each other.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
os.environ["XLA_FLAGS"] = f"{FLAGS} {os.environ.get('XLA_FLAGS', '')}".strip()

import hypothesis  # noqa: E402
import jax  # noqa: E402
import pytest  # noqa: E402

from tests import shapes  # noqa: E402

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

# Arrays are checked against the packages' shape annotations at every call, unless SHAPE_CHECKS=0.
if os.environ.get("SHAPE_CHECKS", "1") != "0":
    shapes.install("sweeps")

if jax.default_backend() != "cpu":
    from sweeps import _device

    # Products that tests make themselves are of float32; the package asks for what it needs. The fused kernel, which is
    # chosen wherever it fits, has tests of its own; all others are of the plans that any device has.
    jax.config.update("jax_default_matmul_precision", "highest")
    without_triton = replace(_device.here(), has_triton=False)
    _device.here = lambda: without_triton

# Programs are traced and compiled by the thousand, and nearly all that they hold stays: looking through it for what may
# be freed takes a share of the time.
gc.set_threshold(200_000, 50, 100)

# The same examples on every run, and no deadline: compilation makes the first one slow.
hypothesis.settings.register_profile("reproducible", derandomize=True, deadline=None, max_examples=30)
hypothesis.settings.load_profile("reproducible")


# Linux allows a process 65,530 maps, and every compiled program takes some: all of the suite's are too many for one.
MAPS, MOST_MAPS = Path("/proc/self/maps"), 40_000


@pytest.fixture(autouse=True, scope="module")
def forgotten():
    """Forget the compiled programs in time."""
    yield
    if MAPS.exists() and MAPS.read_bytes().count(b"\n") > MOST_MAPS:
        jax.clear_caches()


@pytest.fixture
def x64():
    """Double precision, for comparison with the reference to 1e-10."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def compiled():
    """Names of the programs that were lowered for XLA since the test began; clear it to count anew."""
    names = []

    def listen(event, _, **about):
        if event == "/jax/core/compile/jaxpr_to_mlir_module_duration":
            names.append(about["fun_name"])

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield names
    jax.monitoring.unregister_event_duration_listener(listen)
