"""The whole hypercube: gatesweep against a hand-written C loop, loss only and with all gate gradients."""

from functools import partial
from typing import Any

import jax
import numpy as np

import sweeps
from benchmarks import problems
from benchmarks.compiled import FLAGS, Unavailable
from benchmarks.in_c import CubeLoop
from benchmarks.problems import Problem
from benchmarks.report import Report, Target, timing_table
from benchmarks.timing import Answer, Contender, in_turn

# Masks, spread over the cube, whose answers are compared with float64.
SOME = 16
# Largest difference of a mask's loss between the C loop and gatesweep.
AGREEMENT = 2e-5


def run(quick: bool = False) -> Report:
    """Time the whole hypercube.

    Parameters
    ----------
    quick : 2^12 masks in place of 2^20
    """
    nodes, repeats = (12, 2) if quick else (20, 15)
    problem = problems.circle((2, nodes, 2))
    contenders = {"loss": ours(problem, gradients=False), "gradients": ours(problem, gradients=True)}
    notes = [
        f"The C loop is `benchmarks/cube.c`, compiled with `{' '.join(FLAGS)}`; its tables are made inside the time."
    ]
    try:
        contenders |= {f"C {terms}": in_c(problem, terms) for terms in (1, 2, 4, 8)}
        notes.append(f"The engine and the C loop agree within {_disagreement(problem):.1e} on every mask.")
    except Unavailable as reason:
        contenders = {name: one for name, one in contenders.items() if not name.startswith("C")}
        notes.append(f"Skipped, the C loop: {reason}.")
    timings = in_turn(contenders, repeats, partial(problems.checked, problem))
    loss, loops = timings["loss"], [one for name, one in timings.items() if name.startswith("C")]
    targets = [
        Target("loss and all gradients against loss only", timings["gradients"].seconds / loss.seconds, 4.0, False)
    ]
    if loops:
        best = min(loops, key=lambda one: one.seconds)
        what = {"the best C loop": best, "the C loop with a logarithm for each example": timings["C 1"]}
        targets += [
            Target(f"loss only: time against {name}", loss.seconds / one.seconds, 2.0, False)
            for name, one in what.items()
        ]
    if nodes == 20 and jax.default_backend() == "cpu":
        targets.insert(0, Target("loss only: seconds", loss.seconds, 0.5, False, "s"))
    return Report(
        f"Whole hypercube: 2-{nodes}-2, 1,000 examples, 2^{nodes} masks",
        [timing_table("In turn, in one run (loss only against each)", list(timings.values()), loss)],
        targets,
        notes,
        dict(timings=[one._asdict() for one in timings.values()]),
    )


def ours(problem: Problem, gradients: bool) -> Contender:
    """Return a sweep over the hypercube, end to end."""

    def answer(data: Any) -> Answer:
        some = data.isel(mask=_some(problem))
        return Answer(
            _gates(problem),
            some.loss.values,
            some.loss_gradient.transpose("mask", "node").values if gradients else None,
        )

    def run() -> Any:
        return sweeps.sweep(problem.objective, sweeps.Hypercube(), gradients=gradients)

    what = "loss and all gate gradients" if gradients else "loss only"
    return Contender(f"gatesweep: sweep, {what}", run, 2**problem.nodes, answer)


def in_c(problem: Problem, terms: int) -> Contender:
    """Return the C loop, with a number of examples to a logarithm."""
    name = "C, a logarithm for each example" if terms == 1 else f"C, a logarithm for {terms} examples"
    return Contender(
        name,
        CubeLoop(problem, terms),
        2**problem.nodes,
        lambda losses: Answer(_gates(problem), losses[_some(problem)]),
    )


def _disagreement(problem: Problem) -> float:
    """Largest relative difference of the engine's and the C loop's loss of any mask.

    Raises
    ------
    ArithmeticError
        If it is larger than ``AGREEMENT``.
    """
    mine = sweeps.sweep(problem.objective, sweeps.Hypercube(), gradients=False).loss.values
    difference = float(np.max(np.abs(mine / CubeLoop(problem, 4)() - 1)))
    if not difference <= AGREEMENT:
        raise ArithmeticError(f"engine and C loop differ by {difference:.1e}, more than {AGREEMENT:.0e}")
    return difference


def _some(problem: Problem) -> np.ndarray:
    """Numbers of some masks, first and last among them."""
    return np.linspace(0, 2**problem.nodes - 1, SOME).astype(int)


def _gates(problem: Problem) -> np.ndarray:
    return (_some(problem)[:, None] >> np.arange(problem.nodes)) & 1
