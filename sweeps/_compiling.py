"""Compiling: jit with options that make CPUs faster, and without a wrong step of XLA's CPU compiler."""

import re
from collections.abc import Callable, Sequence
from functools import cache, partial, wraps
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sweeps import _device

# XLA's CPU compiler gives some operations to a library, YNN. It makes gradients of large networks up to 2.5 times as
# fast. Loops over small arrays are faster without it, since they are not fused then. Up to jaxlib 0.10.2 at least it
# takes a logarithm for one that came before, of other numbers, where both belong to one fusion. Empty: none are given.
WITHOUT_YNN = {"xla_cpu_experimental_ynn_fusion_type": ""}
OF_YNN = "__ynn_fusion"
# What YNN confuses: log, log1p and expm1, as compiled programs name them.
CONFUSED = re.compile(r" (?:log|log-plus-one|exponential-minus-one)\(")
# XLA uses 256-bit vectors on processors that have 512-bit ones. Measured on two cores of an AMD EPYC: sampled masks
# 1.15 times as fast with gradients and 1.35 times without, brute-force removal 1.4 to 1.8 times (0.75 times with
# cross-entropy), the cube and several gated layers the same.
WIDE = {"xla_cpu_prefer_vector_width": 512}

# Stands for an array among arguments.
_ARRAY = object()


def _never(*args: Any, **kwargs: Any) -> bool:
    return False


def jit(
    function: Callable[..., Any],
    static_argnames: Sequence[str] = (),
    gains: Callable[..., bool] = _never,
    **more: Any,
) -> Callable[..., Any]:
    """Jit a function, with the options of this module unless it is a part of a larger program.

    Parameters
    ----------
    function, static_argnames, more
        As for ``jax.jit``.
    gains
        (arguments) -> whether XLA's library makes the program faster; it is used then where it makes no mistake.
    """
    inner = jax.jit(function, static_argnames=static_argnames, **more)
    outer = cache(
        lambda known: jax.jit(function, static_argnames=static_argnames, compiler_options=dict(known), **more)
    )
    with_library = cache(lambda: _WithLibrary(function, more))

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        # JAX takes options for whole programs only.
        leaves = [*jax.tree.leaves((args, kwargs)), jnp.zeros(())]
        if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
            return inner(*args, **kwargs)
        if _device.here().is_cpu and gains(*args, **kwargs) and _shows_mistakes():
            program, arrays = with_library().program(args, kwargs)
            if program is not None:
                return program(arrays)
        return outer(tuple(options().items()))(*args, **kwargs)

    return call


class _WithLibrary:
    """A function compiled with XLA's library, call by call, where that makes no mistake.

    Parameters
    ----------
    function : callable
        What to compile.
    more : dict of str to object
        For ``jax.jit``.
    """

    def __init__(self, function: Callable[..., Any], more: dict[str, Any]):
        def of_arrays(rest: tuple[Any, tuple[Any, ...]], arrays: list[Any]) -> Any:
            tree, others = rest
            left = iter(arrays)
            args, kwargs = jax.tree.unflatten(tree, [next(left) if one is _ARRAY else one for one in others])
            return function(*args, **kwargs)

        of_arrays.__name__ = getattr(function, "func", function).__name__  # of a partial too
        # Flat lists, since JAX describes the arguments of a program in copies of their containers, which check types.
        self._jitted = jax.jit(of_arrays, static_argnums=0, compiler_options=options(True), **more)
        self._is_right: dict[Any, bool] = {}

    def program(self, args: Any, kwargs: Any) -> tuple[Callable[[list[Any]], Any] | None, list[Any]]:
        """Return the program of a call, or None if it is wrong, and the arrays that it takes."""
        leaves, tree = jax.tree.flatten((args, kwargs))
        is_array = [hasattr(leaf, "shape") for leaf in leaves]
        arrays = [leaf for leaf, one in zip(leaves, is_array, strict=True) if one]
        rest = tree, tuple(_ARRAY if one else leaf for leaf, one in zip(leaves, is_array, strict=True))
        precision = jax.config.jax_default_matmul_precision  # type: ignore[attr-defined]
        key = rest, tuple((leaf.shape, leaf.dtype) for leaf in arrays), precision
        if key not in self._is_right:
            # A call takes what is compiled here.
            self._is_right[key] = is_right(self._jitted.lower(rest, arrays).compile().as_text() or "")
        return (partial(self._jitted, rest) if self._is_right[key] else None), arrays


def is_right(program: str) -> bool:
    """Whether no part of a compiled program that the library computes holds two operations that it confuses."""
    bodies = dict(re.findall(r"^%?([\w.-]+) \([^\n]*\{\n(.*?)^\}", program, re.MULTILINE | re.DOTALL))
    names = re.findall(rf"calls=%?([\w.-]+)[^\n]*{OF_YNN}", program)
    return all(len(CONFUSED.findall(bodies.get(name, 2 * " log("))) < 2 for name in names)


@cache
def _shows_mistakes() -> bool:
    """Whether the library's mistake, where there is one, is seen in the text of a compiled program."""
    values = np.linspace(0, 1, 4096, dtype=np.float32)
    right = np.log1p(values.astype(float)).sum() + np.log1p(1.5 * values.astype(float)).sum()
    program = jax.jit(lambda x: (jnp.log1p(x) + jnp.log1p(1.5 * x)).sum(), compiler_options=options(True))
    text = program.lower(values).compile().as_text() or ""
    return not is_right(text) or bool(np.isclose(float(program(values)), right, rtol=1e-4))


def options(with_library: bool = False) -> dict[str, Any]:
    """Return the options that this machine's compiler knows.

    Parameters
    ----------
    with_library
        Whether the compiler may give operations to its library.
    """
    return _of_cpu(with_library) if _device.here().is_cpu else {}


@cache
def _of_cpu(with_library: bool) -> dict[str, Any]:
    wanted = ({} if with_library else WITHOUT_YNN) | (WIDE if _has_avx512() else {})
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
