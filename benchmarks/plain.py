"""The alternatives in JAX: the plain loss under vmap at its best batch, and under lax.map."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from benchmarks.problems import Problem
from benchmarks.timing import Answer, Contender, best_batch, best_of, fastest
from sweeps import _compiling


def loss_of(problem: Problem) -> Callable[[Float[Array, " nodes"]], Float[Array, ""]]:
    """Return the mean cross-entropy as a plain function of a gate vector, multiplied in float32 on any device.

    A GPU multiplies in TF32 by default, which differs from float64 by 2e-4.
    """
    kernels, biases = ([jnp.asarray(one) for one in many] for many in (problem.kernels, problem.biases))
    inputs, targets = jnp.asarray(problem.inputs), jnp.asarray(problem.targets)
    cuts = np.cumsum([len(kernel) for kernel in problem.kernels[1:]])[:-1]

    def loss(gates: Float[Array, " nodes"]) -> Float[Array, ""]:
        values = inputs
        with jax.default_matmul_precision("highest"):
            for gate, kernel, bias in zip(jnp.split(gates, cuts), kernels[:-1], biases[:-1], strict=True):
                values = jax.nn.relu(values @ kernel + bias) * gate
            logits = jax.nn.log_softmax(values @ kernels[-1] + biases[-1])
        return -jnp.take_along_axis(logits, targets[:, None], axis=1).mean()

    return loss


def vmapped(problem: Problem, gates: np.ndarray, batches: list[int], some: int) -> dict[str, Callable[[], Contender]]:
    """Return makers of plain vmap at its best batch, compiled with XLA's defaults and with our options.

    Every batch is tried both as one jitted call a batch and as one call with ``lax.map`` over batches inside.

    Parameters
    ----------
    problem, gates : what to evaluate
    batches : candidates; each must divide the number of masks
    some : answers to check
    """

    def best(options: dict[str, Any]) -> Contender:
        function, masks = jax.value_and_grad(loss_of(problem)), jnp.asarray(gates, jnp.float32)
        calls, mapped_calls = (partial(make, function, masks, some, options) for make in (_calls, _mapped_calls))
        # ``mapped`` returns the contender with a batch of one.
        several = [batch for batch in batches if batch > 1]
        return best_of([best_batch(calls, batches), best_batch(mapped_calls, several)])

    return {f"vmap{_said(options)}": partial(best, options) for options in compilers()}


def mapped(problem: Problem, gates: np.ndarray, some: int) -> Contender:
    """Return a jitted ``lax.map`` over single masks, with the faster options."""
    function, masks = jax.value_and_grad(loss_of(problem)), jnp.asarray(gates, jnp.float32)

    def contender(options: dict[str, Any]) -> Contender:
        run = jax.jit(lambda masks: jax.lax.map(function, masks), compiler_options=options)
        name = f"jitted lax.map, one mask at a time{_said(options)}"
        return Contender(name, lambda: run(masks), len(gates), _answer(masks, some))

    return min(map(contender, compilers()), key=lambda one: fastest(one.run))


def compilers() -> list[dict[str, Any]]:
    """Return the compiler's options to try: none, and those of the engine if it sets any."""
    return [{}, ours] if (ours := _compiling.options()) else [{}]


def _said(options: dict[str, Any]) -> str:
    return ", compiled with our options" if options else ""


def _calls(function: Callable, gates: Array, some: int, options: dict[str, Any], batch: int) -> Contender:
    run = jax.jit(jax.vmap(function), compiler_options=options)
    # Cut before the timer starts; the first batches hold the masks whose answers are checked.
    parts = [gates[start : start + batch] for start in range(0, len(gates), batch)]

    def answer(results: list[tuple[Array, Array]]) -> Answer:
        loss, gradient = (np.concatenate(part) for part in zip(*results[:some], strict=True))
        return Answer(gates[:some], loss[:some], gradient[:some])

    name = f"plain jitted jax.vmap, {batch} masks a call{_said(options)}"
    return Contender(name, lambda: [run(part) for part in parts], len(gates), answer)


def _mapped_calls(function: Callable, gates: Array, some: int, options: dict[str, Any], batch: int) -> Contender:
    run = jax.jit(lambda masks: jax.lax.map(function, masks, batch_size=batch), compiler_options=options)
    name = f"plain jax.vmap of {batch} masks in a jitted lax.map{_said(options)}"
    return Contender(name, lambda: run(gates), len(gates), _answer(gates, some))


def _answer(gates: Array, some: int) -> Callable[[tuple[Array, Array]], Answer]:
    return lambda results: Answer(gates[:some], results[0][:some], results[1][:some])
