"""Flip paths, losses only: updates between neighbours, against full products for each mask and plain vmap."""

from functools import partial
from typing import Any
from unittest.mock import patch

import jax
import jax.numpy as jnp
import numpy as np

import sweeps
from benchmarks import plain, problems
from benchmarks.problems import Problem
from benchmarks.report import Report, Table, Target, against, timing_table
from benchmarks.timing import (
    Answer,
    Contender,
    Timing,
    best_batch,
    best_of,
    evidence,
    gathered,
    in_turn,
    seconds,
)
from sweeps import _device
from sweeps._plans import walk

# Answers of each contender, spread over all paths and steps, that are compared with float64.
SOME = 16
SEED = 17
# Most masks, about, that are given to ``evaluate``.
MOST_GIVEN = 2**18


def run(quick: bool = False) -> Report:
    """Time flip paths in networks of several sizes.

    Parameters
    ----------
    quick : smaller sizes and fewer repeats
    """
    tables, targets, notes, stored = [], [], [], {}
    sizes = (20, 100) if quick else (20, 100, 300, 1000) if _device.here().is_cpu else (20, 1000)
    for nodes in sizes:
        timings, aimed, said, stored[str(nodes)] = _timed(nodes, quick)
        title = f"{nodes} nodes, in turn, in one run (`sweep` against each)"
        tables.append(timing_table(title, timings.values(), timings["sweep"]))
        targets, notes = [*targets, *aimed], [*notes, *said]
    paths, taken = _summarised(quick)
    columns = ["paths", "masks", "seconds", "masks/s"]
    row = [paths, 21 * paths, taken, 21 * paths / taken]
    tables.append(Table('Paths of the 2-20-2 network, `keep="summary"`', columns, [row]))
    return Report(
        "Flip paths: one hidden layer, 1,000 examples, loss only",
        tables,
        targets,
        [
            *notes,
            "`sweep` draws its paths, evaluates them and returns labelled arrays on the host, masks as bits; with "
            '`keep="summary"` only what sums them up. The others evaluate given masks, those of the same paths.',
            "By full products: the same sweep without its walk from mask to mask.",
            "Plain vmap evaluates the first of the masks only, as many as take a fraction of a second.",
            "The last table is of one run; compilation is inside its time.",
        ],
        stored,
    )


def _timed(nodes: int, quick: bool) -> tuple[dict[str, Timing], list[Target], list[str], dict[str, Any]]:
    """Time all contenders in a network of some nodes; return timings, targets, notes, and what is stored."""
    masks, repeats = (2**13, 2) if quick else (2**16, 9) if _device.here().is_cpu else (2**22, 9)
    # Fewer of the longer paths; a power of two, so that batches are full.
    paths = 1 << ((masks // (nodes + 1)).bit_length() - 1)
    design = sweeps.FlipPaths(paths=paths)
    # Times do not depend on training unless margins are extreme.
    problem = problems.circle((2, nodes, 2), trained=nodes <= 20)
    first = sweeps.sweep(problem.objective, design, seed=SEED, gradients=False)
    plan, some = first.attrs["plan"], first.isel(draw=slice(-(-MOST_GIVEN // (nodes + 1))))
    gates = some.gates.values.reshape(-1, nodes)
    few, batches = (gates[: 2**8], [16, 64]) if quick else (gates[: 2**11], [2**p for p in range(3, 10)])
    del first, some
    contenders, skipped = gathered(
        {
            "sweep": lambda: _swept(problem, design),
            "summary": lambda: _summary(problem, design),
            "products": lambda: _by_products(_swept(problem, design)),
            "evaluate": lambda: _evaluated(problem, gates),
            "vmap": lambda: _vmapped(problem, few, batches),
        }
    )
    timings = in_turn(contenders, repeats, partial(problems.checked, problem))
    notes = [*skipped, f"{nodes} nodes, plan: {plan}."]
    return timings, _targets(nodes, timings, plan), notes, evidence(contenders, timings)


def _targets(nodes: int, timings: dict[str, Timing], plan: str) -> list[Target]:
    if _device.here().is_cpu:
        walked = [timings["products"]] if plan.startswith("walk") else []
        return against(f"{nodes} nodes: sweep against the same by full products", timings["sweep"], walked, 1.3)
    if nodes < 1000:
        return []
    return [Target(f"{nodes:,} nodes: sweep", timings["sweep"].rate / 1e6, 40.0, unit="M masks/s")]


def _swept(problem: Problem, design: sweeps.FlipPaths) -> Contender:
    """Return a whole sweep: paths drawn, evaluated, labelled and on the host."""

    def answer(data: Any) -> Answer:
        places = np.unravel_index(_some(design.paths * (problem.nodes + 1)), (design.paths, problem.nodes + 1))
        some = [data.isel(chain=0, draw=path, step=step) for path, step in zip(*places, strict=True)]
        return Answer(np.stack([one.gates.values for one in some]), np.stack([one.loss.values for one in some]))

    return Contender(
        "gatesweep: sweep, paths drawn, end to end",
        lambda: sweeps.sweep(problem.objective, design, seed=SEED, gradients=False),
        design.paths * (problem.nodes + 1),
        answer,
    )


def _summary(problem: Problem, design: sweeps.FlipPaths) -> Contender:
    """Return a whole sweep that keeps a summary, whose best masks are checked."""

    def run() -> Any:
        return sweeps.sweep(problem.objective, design, seed=SEED, gradients=False, keep="summary")

    def answer(data: Any) -> Answer:
        one = data.isel(chain=0)
        return Answer(one.best_gates.values, one.best_loss.values)

    masks = design.paths * (problem.nodes + 1)
    return Contender('gatesweep: sweep, keep="summary"', run, masks, answer)


def _by_products(swept: Contender) -> Contender:
    """Return the same sweep without the walk: every mask costs a full product."""

    def run() -> Any:
        with patch.object(walk, "fits", lambda *_: (False, "full products are to be timed")):
            return swept.run()

    return swept._replace(name="gatesweep: the same by full products", run=run)


def _evaluated(problem: Problem, gates: np.ndarray) -> Contender:
    """Return ``objective.evaluate`` on given masks that are already on the device."""
    masks, some = jnp.asarray(gates), _some(len(gates))
    return Contender(
        "gatesweep: evaluate, the same masks given",
        lambda: problem.objective.evaluate(masks, gradients=False),
        len(gates),
        lambda result: Answer(gates[some], np.asarray(result.loss)[some]),
    )


def _vmapped(problem: Problem, gates: np.ndarray, batches: list[int]) -> Contender:
    """Return plain vmap of the loss, in a jitted ``lax.map``, compiled the faster way and at its best batch."""
    masks, some, loss = jnp.asarray(gates, jnp.float32), _some(len(gates)), plain.loss_of(problem)

    def contender(options: dict[str, Any], batch: int) -> Contender:
        run = jax.jit(lambda masks: jax.lax.map(loss, masks, batch_size=batch), compiler_options=options)
        name = f"plain jax.vmap of {batch} masks in a jitted lax.map{', compiled with our options' if options else ''}"
        return Contender(
            name, lambda: run(masks), len(gates), lambda result: Answer(gates[some], np.asarray(result)[some])
        )

    return best_of([best_batch(partial(contender, options), batches) for options in plain.compilers()])


def _summarised(quick: bool) -> tuple[int, float]:
    """Return the number of paths of the 2-20-2 network, and the seconds of a summary."""
    paths = 10**3 if quick else 10**6
    objective, design = problems.circle().objective, sweeps.FlipPaths(paths=paths)
    return paths, seconds(lambda: sweeps.sweep(objective, design, seed=SEED, gradients=False, keep="summary"))


def _some(masks: int) -> np.ndarray:
    """Numbers of some masks, first and last among them."""
    return np.linspace(0, masks - 1, SOME).astype(int)
