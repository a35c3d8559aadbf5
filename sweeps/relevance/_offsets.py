"""Offsets: nonlinearities with f(0) != 0."""

from typing import Any

import jax
import numpy as np

from analysis._errors import InputError
from sweeps._program import rules
from sweeps._program.flat import Operation
from sweeps._program.flat import every as every_operation
from sweeps.relevance._methods import Rules
from sweeps.relevance._steps import Program, Step, every


def offsets_of(program: Program, chosen: Rules) -> frozenset[str]:
    """Return the names of the nonlinearities with f(0) != 0, or with an f(0) that depends on the inputs.

    One that is not finite at zero has none where it is differentiated or expanded.

    Random numbers stand for parameters: the slope of a PReLU, say, makes no offset.

    Raises
    ------
    ValueError
        If a nonlinearity is not finite at zero.
    """
    steps = [step for step in every(program.steps) if step.kind == "nonlinearity"]
    return frozenset(step.name for step in steps if _has_offset(program, step, chosen))


def _has_offset(program: Program, step: Step, chosen: Rules) -> bool:
    flat, random = program.flat, np.random.default_rng(0)
    makers = {result: operation for operation in every_operation(flat.operations) for result in operation.results}

    def value(number: int) -> Any:
        if number in flat.constants:
            return flat.constants[number]
        aval = flat.avals[number]
        if number not in makers:
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
        if chosen.differentiates:
            return False
        if all(_is_affine(operation, made) for operation in step.operations):
            # A mask that is added is minus infinity where it hides a score.
            return True
        raise InputError(
            f"{step.name} is not finite at 0, and so has no offset that could be counted as a bias: "
            f"method='gradient_x_input' or 'integrated_gradients' works, as it needs none"
        )
    return bool(np.asarray(at_zero).any())


def _is_affine(operation: Operation, made: set[int]) -> bool:
    return operation.name in rules.LINEAR and not (operation.name == "div" and operation.operands[1] in made)
