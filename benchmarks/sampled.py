"""Sampled masks: loss and gate gradients of a 2-20-2 network, against alternatives and the machine's limit."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import sweeps
from benchmarks import in_keras, in_torch, plain, problems
from benchmarks.compiled import Unavailable
from benchmarks.machine import rates
from benchmarks.problems import Problem
from benchmarks.report import Report, Table, Target, timing_table
from benchmarks.timing import Answer, Contender, Timing, in_turn

# Answers of each contender that are compared with float64.
SOME = 8
NOTES = [
    "`sweep` draws its masks, evaluates them and returns labelled arrays on the host, log loss and its gradient too; "
    "all others evaluate given masks and return loss and gradient.",
    "JAX's alternatives are compiled with XLA's defaults and with the engine's compiler options; the faster counts.",
    "Limit: two matrix products of 2 x nodes x examples operations a mask at the fastest rate of a large product, and "
    "one exponential an example at the fastest rate in cache, whoever reaches it, one after the other.",
]


class Sizes(NamedTuple):
    """Numbers of masks for each contender, for runs of some tenths of a second, and of repeats."""

    ours: int
    vmap: int
    mapped: int
    torch: int
    torch_loop: int
    keras: int
    batches: list[int]
    repeats: int


def sizes(quick: bool) -> Sizes:
    """Choose sizes for the device."""
    if quick:
        return Sizes(2**13, 2**9, 2**9, 2**8, 32, 8, [16, 256], 2)
    if jax.default_backend() == "cpu":
        return Sizes(2**17, 2**12, 2**12, 2**11, 512, 32, [2**power for power in range(13)], 25)
    return Sizes(2**22, 2**15, 2**12, 2**15, 512, 32, [2**power for power in range(6, 15)], 25)


def run(quick: bool = False) -> Report:
    """Time the sampled sweep against every alternative at hand.

    Parameters
    ----------
    quick : smaller sizes and fewer repeats
    """
    chosen, problem = sizes(quick), problems.circle()
    gates = problems.random_masks(problem, chosen.ours)
    ours = {"sweep": swept(problem, chosen.ours), "evaluate": evaluated(problem, gates)}
    others, tried, notes = _others(problem, gates, chosen)
    timings = in_turn(ours | others, chosen.repeats, partial(problems.checked, problem))
    limit = limit_table(problem, [timings[name] for name in ours])
    return Report(
        "Sampled masks: 2-20-2, 1,000 examples, loss and gate gradients",
        [
            timing_table("In turn, in one run (`sweep` against each)", list(timings.values()), timings["sweep"]),
            limit,
            *rates().tables,
        ],
        [target for name in ours for target in _targets(name, timings)]
        + [
            Target(f"{name}: share of the limit", row[3], 60.0, unit="%")
            for name, row in zip(ours, limit.rows, strict=True)
        ],
        [*notes, *NOTES],
        dict(timings=[one._asdict() for one in timings.values()], batches_tried=[one._asdict() for one in tried]),
    )


def swept(problem: Problem, draws: int) -> Contender:
    """Return a whole sweep: masks drawn, evaluated, labelled and on the host."""

    def answer(data: Any) -> Answer:
        first = data.isel(probability=0, chain=0, draw=slice(SOME))
        return Answer(first.gates.values, first.loss.values, first.loss_gradient.values)

    design = sweeps.Bernoulli(probability=0.5, draws=draws)
    return Contender(
        "gatesweep: sweep, masks drawn, end to end", lambda: sweeps.sweep(problem.objective, design), draws, answer
    )


def evaluated(problem: Problem, gates: np.ndarray) -> Contender:
    """Return ``objective.evaluate`` on given masks that are already on the device."""
    masks = jnp.asarray(gates)
    return Contender(
        "gatesweep: evaluate, masks given",
        lambda: problem.objective.evaluate(masks),
        len(gates),
        lambda result: Answer(gates[:SOME], result.loss[:SOME], result.loss_gradient[:SOME]),
    )


def _others(problem: Problem, gates: np.ndarray, chosen: Sizes) -> tuple[dict[str, Contender], list[Timing], list[str]]:
    """Return the alternatives that can run, the trials for their best batches, and why others were skipped."""
    made, tried = plain.vmapped(problem, gates[: chosen.vmap], chosen.batches, SOME)
    makers: dict[str, Callable[[], tuple[Contender, list[Timing]]]] = {
        "lax.map": lambda: (plain.mapped(problem, gates[: chosen.mapped], SOME), []),
        "torch vmap": lambda: in_torch.vmapped(problem, gates[: chosen.torch], chosen.batches, SOME),
        "torch loop": lambda: (in_torch.loop(problem, gates[: chosen.torch_loop], SOME), []),
        "Keras": lambda: (in_keras.loop(problem, gates[: chosen.keras], SOME), []),
    }
    notes = []
    for name, make in makers.items():
        try:
            made[name], more = make()
            tried += more
        except Unavailable as reason:
            notes.append(f"Skipped, {name}: {reason}.")
    return made, tried, notes


def _targets(ours: str, timings: dict[str, Timing]) -> list[Target]:
    """Return the speed of a contender of ours relative to each timed alternative."""
    wanted = {
        "plain vmap at its best batch": ([name for name in timings if name.startswith("vmap")], 15.0),
        "lax.map over single masks": (["lax.map"], 15.0),
        "PyTorch, the better of loop and vmap": (["torch vmap", "torch loop"], 30.0),
        "Keras in a loop": (["Keras"], 2000.0),
    }
    targets = []
    for what, (names, least) in wanted.items():
        rates = [timings[name].rate for name in names if name in timings]
        if rates:
            targets.append(Target(f"{ours} against {what}", timings[ours].rate / max(rates), least))
    return targets


def limit_table(problem: Problem, timings: list[Timing]) -> Table:
    """Return a table of our contenders' speed in per cent of the machine's limit."""
    machine, nodes, examples = rates(), problem.nodes, len(problem.inputs)
    least = machine.seconds_per_mask(nodes, examples)
    more = least + examples / machine.log1p + examples / machine.division
    # Traffic that must leave the chip: reading gates, writing loss and gradient.
    moved = 4 * (2 * nodes + 1)
    rows = [
        [
            one.name,
            one.rate,
            1 / least,
            100 * one.rate * least,
            100 * one.rate * more,
            100 * one.rate * 4 * nodes * examples / machine.gemm,
            100 * one.rate * moved / machine.bandwidth,
        ]
        for one in timings
    ]
    columns = ["how", "masks/s", "limit, masks/s", "% of it", "% with log1p and division"]
    return Table("Against the limit", [*columns, "% of GEMM rate", "% of memory bandwidth"], rows)
