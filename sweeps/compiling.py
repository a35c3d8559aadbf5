"""Compiling: jit with options that make CPUs faster, and without a wrong step of XLA's CPU compiler."""

from collections.abc import Callable, Sequence
from functools import cache, wraps
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from sweeps import device

# XLA's CPU compiler gives some sums to a library, YNN; up to jaxlib 0.10.2 at least their results may be wrong
# (jnp.sum(log1p(x) + log1p(1.5 x)) by 15 %), and they prevent the fusion of loops. Empty: none are given.
WITHOUT_YNN = {"xla_cpu_experimental_ynn_fusion_type": ""}
# XLA uses 256-bit vectors on processors that have 512-bit ones. Measured on two cores of an AMD EPYC: sampled masks
# 1.15 times as fast with gradients and 1.35 times without, brute-force removal 1.4 to 1.8 times (0.75 times with
# cross-entropy), the cube and several gated layers the same.
WIDE = {"xla_cpu_prefer_vector_width": 512}


def jit(function: Callable[..., Any], static_argnames: Sequence[str] = (), **more: Any) -> Callable[..., Any]:
    """Jit a function, with the options of this module unless it is a part of a larger program.

    Parameters
    ----------
    function, static_argnames, more
        As for ``jax.jit``.
    """
    inner = jax.jit(function, static_argnames=static_argnames, **more)
    outer = cache(
        lambda known: jax.jit(function, static_argnames=static_argnames, compiler_options=dict(known), **more)
    )

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        # JAX takes options for whole programs only.
        leaves = [*jax.tree.leaves((args, kwargs)), jnp.zeros(())]
        if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
            return inner(*args, **kwargs)
        return outer(tuple(options().items()))(*args, **kwargs)

    return call


def options() -> dict[str, Any]:
    """Return the options that this machine's compiler knows."""
    return _of_cpu() if device.here().is_cpu else {}


@cache
def _of_cpu() -> dict[str, Any]:
    wanted = WITHOUT_YNN | (WIDE if _has_avx512() else {})
    return {name: value for name, value in wanted.items() if _is_known(name, value)}


def _is_known(name: str, value: Any) -> bool:
    try:
        jax.jit(lambda x: x, compiler_options={name: value})(0)
    except jax.errors.JaxRuntimeError:
        return False
    return True


def _has_avx512() -> bool:
    """Whether the processor has 512-bit vectors, as Linux reports it."""
    try:
        return " avx512f " in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
