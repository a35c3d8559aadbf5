"""Compiling: jit, without a step of XLA's that is wrong and slow on CPUs."""

from collections.abc import Callable, Sequence
from functools import cache, wraps
from typing import Any

import jax
import jax.numpy as jnp

# XLA's CPU compiler hands some sums over to a library, YNN; up to jaxlib 0.10.2 at least they may come out wrong
# (jnp.sum(log1p(x) + log1p(1.5 x)) is 15 % off), and they keep loops from being fused. Empty: hand nothing over.
WITHOUT_YNN = {"xla_cpu_experimental_ynn_fusion_type": ""}


def jit(function: Callable[..., Any], static_argnames: Sequence[str] = ()) -> Callable[..., Any]:
    """Like ``jax.jit``, with the options of this module where the function is not part of a larger program."""
    inner = jax.jit(function, static_argnames=static_argnames)
    outer = cache(lambda: jax.jit(function, static_argnames=static_argnames, compiler_options=options()))

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        # JAX takes options for whole programs only; whoever compiles a larger one chooses for it.
        leaves = [*jax.tree.leaves((args, kwargs)), jnp.zeros(())]
        if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
            return inner(*args, **kwargs)
        return outer()(*args, **kwargs)

    return call


@cache
def options() -> dict[str, str]:
    """The options that this machine's compiler knows."""
    if jax.default_backend() != "cpu":
        return {}
    try:
        jax.jit(lambda x: x, compiler_options=WITHOUT_YNN)(0)
    except jax.errors.JaxRuntimeError:
        return {}
    return WITHOUT_YNN
