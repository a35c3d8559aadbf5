"""The whole hypercube: gatesweep against a hand-written C loop, loss only and with all gate gradients."""

from functools import partial
from typing import Any

import numpy as np

import sweeps
from benchmarks import problems
from benchmarks.compiled import FLAGS, Unavailable
from benchmarks.in_c import CubeLoop
from benchmarks.problems import Problem
from benchmarks.report import Report, Table, Target, timing_table
from benchmarks.timing import Answer, Contender, Timing, evidence, fastest, gathered, in_turn
from sweeps import _device

# Masks, spread over the cube, whose answers are compared with float64.
SOME = 16
# Largest difference of a mask's loss between the C loop and gatesweep.
AGREEMENT = 2e-5
# Nodes of the cube that an accelerator sums up.
LARGEST = 30


def run(quick: bool = False) -> Report:
    """Time the whole hypercube.

    Parameters
    ----------
    quick : 2^12 masks in place of 2^20
    """
    nodes, repeats = (12, 2) if quick else (20, 15)
    problem, is_cpu = problems.circle((2, nodes, 2)), _device.here().is_cpu
    contenders, skipped = gathered(
        {
            "loss": lambda: ours(problem, gradients=False),
            "gradients": lambda: ours(problem, gradients=True),
            **{f"C {terms}": partial(in_c, problem, terms) for terms in (1, 2, 4, 8)},
        }
    )
    timings = in_turn(contenders, repeats, partial(problems.checked, problem))
    tables = [timing_table("In turn, in one run (loss only against each)", timings.values(), timings["loss"])]
    targets = _targets_of_cpu(timings) if is_cpu else []
    if not is_cpu and not quick:
        whole = _summarised()
        tables.append(whole)
        targets = [
            Target(f"loss only, 2^{nodes} masks on the host", 1e3 * timings["loss"].seconds, 5.0, False, "ms"),
            Target(f"2^{LARGEST} masks as a summary", whole.rows[0][2], 3.0, False, "s"),
        ]
    return Report(
        f"Whole hypercube: 2-{nodes}-2, 1,000 examples, 2^{nodes} masks",
        tables,
        targets,
        [
            *skipped,
            f"The C loop is `benchmarks/cube.c`, compiled with `{' '.join(FLAGS)}`; its tables are made inside the "
            f"time. Where it runs, the loss of every mask of ours is held against it, within {AGREEMENT:.0e}.",
        ],
        evidence(contenders, timings),
    )


def _targets_of_cpu(timings: dict[str, Timing]) -> list[Target]:
    """Return the targets in seconds, with gradients, and against the C loops that run."""
    loss, gradients = timings["loss"].seconds, timings["gradients"].seconds
    targets = [
        Target("loss only: seconds", loss, 0.5, False, "s"),
        Target("loss and all gradients against loss only", gradients / loss, 4.0, False),
    ]
    loops = {name: one.seconds for name, one in timings.items() if name.startswith("C") and not one.failed}
    if loops:
        targets.append(Target("loss only: time against the best C loop", loss / min(loops.values()), 2.0, False))
    if "C 1" in loops:
        what = "loss only: time against the C loop with a logarithm for each example"
        targets.append(Target(what, loss / loops["C 1"], 2.0, False))
    return targets


def _summarised() -> Table:
    """Time the summary of a cube whose losses would fill the memory, and check its best mask."""
    problem = problems.circle((2, LARGEST, 2))

    def run() -> Any:
        return sweeps.sweep(problem.objective, sweeps.Hypercube(), gradients=False, keep="summary")

    taken, data = fastest(run, least=2, span=0), run()
    problems.checked(problem, Answer(data.best_gates.values, data.best_loss.values))
    if int(data.draws) != 2**LARGEST:
        raise ArithmeticError(f"the summary counts {int(data.draws)} masks")
    columns = ["nodes", "masks", "seconds", "masks/s"]
    return Table('As `keep="summary"`, loss only', columns, [[LARGEST, 2**LARGEST, taken, 2**LARGEST / taken]])


def ours(problem: Problem, gradients: bool) -> Contender:
    """Return a sweep over the hypercube, end to end."""

    def answer(data: Any) -> Answer:
        _held(data.loss.values, problem)
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


def _held(losses: np.ndarray, problem: Problem) -> None:
    """Raise ArithmeticError if the loss of any mask differs from the C loop's, where that runs."""
    try:
        difference = float(np.max(np.abs(losses / CubeLoop(problem, 4)() - 1)))
    except Unavailable:
        return
    if not difference <= AGREEMENT:
        raise ArithmeticError(f"the C loop differs by {difference:.1e}, more than {AGREEMENT:.0e}")


def _some(problem: Problem) -> np.ndarray:
    """Numbers of some masks, first and last among them."""
    return np.linspace(0, 2**problem.nodes - 1, SOME).astype(int)


def _gates(problem: Problem) -> np.ndarray:
    return (_some(problem)[:, None] >> np.arange(problem.nodes)) & 1
