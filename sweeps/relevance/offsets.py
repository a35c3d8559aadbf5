"""Offsets: nonlinearities with f(0) != 0."""

from typing import Any

import jax
import numpy as np

from analysis.errors import InputError
from sweeps.relevance.steps import Program, Step


def offsets_of(program: Program) -> frozenset[str]:
    """Return the names of the nonlinearities with f(0) != 0, or with an f(0) that depends on the inputs.

    Random numbers stand for parameters: the slope of a PReLU, say, makes no offset.

    Raises
    ------
    ValueError
        If a nonlinearity is not finite at zero.
    """
    return frozenset(step.name for step in program.steps if step.kind == "nonlinearity" and _has_offset(program, step))


def _has_offset(program: Program, step: Step) -> bool:
    flat, random = program.flat, np.random.default_rng(0)
    makers = {result: operation for operation in flat.operations for result in operation.results}

    def value(number: int) -> Any:
        if number in flat.constants:
            return flat.constants[number]
        aval = flat.avals[number]
        if number in flat.paths:
            return random.uniform(0.5, 1.5, aval.shape).astype(aval.dtype)
        operation = makers[number]
        results = operation.run([value(operand) for operand in operation.operands])
        return dict(zip(operation.results, results, strict=True))[number]

    made = {result for operation in step.operations for result in operation.results} | set(step.sources)
    needed = {operand for operation in step.operations for operand in operation.operands} - made
    with jax.ensure_compile_time_eval():
        values = {number: value(number) for number in needed}
        if any(isinstance(number, jax.core.Tracer) for number in values.values()):
            return True
        aval = flat.avals[step.sources[0]]
        at_zero = step.run(values, (np.zeros(aval.shape, aval.dtype),))
    if isinstance(at_zero, jax.core.Tracer):
        return True
    if not np.isfinite(np.asarray(at_zero)).all():
        raise InputError(f"{step.name} is not finite at 0, and so has no offset that could be counted as a bias")
    return bool(np.asarray(at_zero).any())
