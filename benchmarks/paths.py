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
from benchmarks.report import Report, Table, Target, timing_table
from benchmarks.timing import Answer, Contender, Timing, best_batch, in_turn, seconds
from sweeps.plans import walk

# Answers of each contender, spread over all paths and steps, that are compared with float64.
SOME = 16
SEED = 17


def run(quick: bool = False) -> Report:
    """Time flip paths in networks of several sizes.

    Parameters
    ----------
    quick : smaller sizes and fewer repeats
    """
    on_cpu = jax.default_backend() == "cpu"
    sizes = (20, 100) if quick else (20, 100, 300, 1000)
    masks, repeats = (2**13, 2) if quick else (2**16, 9) if on_cpu else (2**18, 9)
    tables, targets, evidence = [], [], {}
    for nodes in sizes:
        # Fewer of the longer paths; a power of two, so that batches are full.
        paths = 1 << ((masks // (nodes + 1)).bit_length() - 1)
        timings, tried = _timed(nodes, paths, repeats, quick)
        mine = timings["sweep"]
        tables.append(
            timing_table(f"{nodes} nodes, in turn, in one run (`sweep` against each)", [*timings.values()], mine)
        )
        if nodes >= walk.FEWEST_NODES and on_cpu:
            ratio = mine.rate / timings["products"].rate
            targets.append(Target(f"{nodes} nodes: sweep against the same by full products", ratio, 1.3))
        evidence[str(nodes)] = dict(
            timings=[one._asdict() for one in timings.values()], batches_tried=[one._asdict() for one in tried]
        )
    paths, taken = _summarised(quick)
    columns = ["paths", "masks", "seconds", "masks/s"]
    row = [paths, 21 * paths, taken, 21 * paths / taken]
    tables.append(Table('Paths of the 2-20-2 network, `keep="summary"`', columns, [row]))
    return Report(
        "Flip paths: one hidden layer, 1,000 examples, loss only",
        tables,
        targets,
        [
            "`sweep` draws its paths, evaluates them and returns labelled arrays on the host, gates and log loss too; "
            "the others evaluate given masks, those of the same paths; `evaluate` returns the log loss too.",
            f"Below {walk.FEWEST_NODES} nodes, and on anything but a CPU, both sweeps are the same: full products.",
            "Plain vmap evaluates the first of the masks only, as many as take a fraction of a second.",
            "The last table is of one run; compilation is inside its time.",
        ],
        evidence,
    )


def _timed(nodes: int, paths: int, repeats: int, quick: bool) -> tuple[dict[str, Timing], list[Timing]]:
    """Time all contenders in a network of some nodes; return the trials for their best batches, too."""
    # Times do not depend on training unless margins are extreme.
    problem = problems.circle((2, nodes, 2), trained=nodes <= 20)
    design = sweeps.FlipPaths(paths=paths)
    first = sweeps.sweep(problem.objective, design, seed=SEED, gradients=False)
    gates = first.gates.values.reshape(-1, nodes).astype(np.float32)
    del first
    vmap, tried = _vmapped(
        problem, gates[: 2**8 if quick else 2**11], [16, 64] if quick else [2**p for p in range(3, 10)]
    )
    contenders = {
        "sweep": _swept(problem, design),
        "products": _by_products(_swept(problem, design)),
        "evaluate": _evaluated(problem, gates),
        "vmap": vmap,
    }
    return in_turn(contenders, repeats, partial(problems.checked, problem)), tried


def _swept(problem: Problem, design: sweeps.FlipPaths) -> Contender:
    """Return a whole sweep: paths drawn, evaluated, labelled and on the host."""

    def answer(data: Any) -> Answer:
        gates = data.gates.values.reshape(-1, problem.nodes)
        some = _some(len(gates))
        return Answer(gates[some], data.loss.values.ravel()[some])

    return Contender(
        "gatesweep: sweep, paths drawn, end to end",
        lambda: sweeps.sweep(problem.objective, design, seed=SEED, gradients=False),
        design.paths * (problem.nodes + 1),
        answer,
    )


def _by_products(swept: Contender) -> Contender:
    """Return the same sweep without the walk: every mask costs a full product."""

    def run() -> Any:
        with patch.object(walk, "FEWEST_NODES", walk.MOST_NODES + 1):
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


def _vmapped(problem: Problem, gates: np.ndarray, batches: list[int]) -> tuple[Contender, list[Timing]]:
    """Return plain vmap of the loss, in a jitted ``lax.map``, compiled the faster way and at its best batch."""
    masks, some, loss = jnp.asarray(gates), _some(len(gates)), plain.loss_of(problem)

    def contender(options: dict[str, str], batch: int) -> Contender:
        run = jax.jit(lambda masks: jax.lax.map(loss, masks, batch_size=batch), compiler_options=options)
        name = f"plain jax.vmap of {batch} masks in a jitted lax.map{', compiled with our options' if options else ''}"
        return Contender(
            name, lambda: run(masks), len(gates), lambda result: Answer(gates[some], np.asarray(result)[some])
        )

    found = [best_batch(partial(contender, options), batches) for options in plain.compilers()]
    tried = [one for _, timings in found for one in timings]
    return min((best for best, _ in found), key=lambda one: min(one.known)), tried


def _summarised(quick: bool) -> tuple[int, float]:
    """Return the number of paths of the 2-20-2 network, and the seconds of a summary."""
    paths = 10**3 if quick else 10**6
    objective, design = problems.circle().objective, sweeps.FlipPaths(paths=paths)
    return paths, seconds(lambda: sweeps.sweep(objective, design, seed=SEED, gradients=False, keep="summary"))


def _some(masks: int) -> np.ndarray:
    """Numbers of some masks, first and last among them."""
    return np.linspace(0, masks - 1, SOME).astype(int)
