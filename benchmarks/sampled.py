"""Sampled masks: loss and gate gradients of a 2-20-2 network, against alternatives and the machine's limit."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

import sweeps
from benchmarks import in_cuda, in_keras, in_torch, plain, problems
from benchmarks.machine import rates
from benchmarks.problems import Problem
from benchmarks.report import Report, Table, Target, against, timing_table
from benchmarks.timing import Answer, Contender, Timing, evidence, gathered, in_turn
from sweeps import _device

# Answers of each contender that are compared with float64.
SOME = 8
NOTES = [
    "`sweep` draws its masks, evaluates them and returns labelled arrays on the host; all others evaluate given masks "
    "and return loss and gradient. The log loss and its gradient, which `evaluate` returns too, follow from these when "
    "they are read.",
    "All multiply in float32, or to its digits. JAX's alternatives are compiled with XLA's defaults and with the "
    "engine's compiler options; the faster counts.",
    "Limit: two matrix products of 2 x nodes x examples operations a mask at the fastest rate of a large product, and "
    "one exponential an example at the fastest rate in cache, whoever reaches it, one after the other.",
]
# What each speed is to be, relative to those of alternatives.
WANTED_OF_CPU = {
    "plain vmap at its best batch": (("vmap", "vmap, compiled with our options"), 15.0),
    "lax.map over single masks": (("lax.map",), 15.0),
    "PyTorch, the better of loop and vmap": (("torch vmap", "torch loop"), 30.0),
    "Keras in a loop": (("Keras",), 2000.0),
}
WANTED_OF_ACCELERATOR = {
    "a CUDA kernel by hand": (("CUDA",), 0.5),
    "plain vmap at its best batch": (("vmap",), 60.0),
}


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
    if _device.here().is_cpu:
        return Sizes(2**17, 2**12, 2**12, 2**11, 512, 32, [2**power for power in range(13)], 25)
    return Sizes(2**24, 2**15, 2**11, 2**15, 512, 32, [2**power for power in range(7, 16, 2)], 15)


def run(quick: bool = False) -> Report:
    """Time the sampled sweep against every alternative at hand.

    Parameters
    ----------
    quick : smaller sizes and fewer repeats
    """
    chosen, problem = sizes(quick), problems.circle()
    gates = problems.random_masks(problem, chosen.ours)
    contenders, skipped = gathered(
        {
            "sweep": lambda: swept(problem, chosen.ours),
            "evaluate": lambda: evaluated(problem, gates),
            **_by_products(problem, gates),
            "CUDA": lambda: in_cuda.evaluated(problem, gates, SOME),
            **plain.vmapped(problem, gates[: chosen.vmap], chosen.batches, SOME),
            "lax.map": lambda: plain.mapped(problem, gates[: chosen.mapped], SOME),
            "torch vmap": lambda: in_torch.vmapped(problem, gates[: chosen.torch], chosen.batches, SOME),
            "torch loop": lambda: in_torch.loop(problem, gates[: chosen.torch_loop], SOME),
            "Keras": lambda: in_keras.loop(problem, gates[: chosen.keras], SOME),
        }
    )
    timings = in_turn(contenders, chosen.repeats, partial(problems.checked, problem))
    return Report(
        "Sampled masks: 2-20-2, 1,000 examples, loss and gate gradients",
        [
            timing_table("In turn, in one run (`sweep` against each)", timings.values(), timings["sweep"]),
            limit_table(problem, [timings["sweep"], timings["evaluate"]]),
            *rates().tables,
        ],
        _targets(problem, timings),
        [*skipped, *NOTES, f"Plan: {problem.objective.plan}."],
        evidence(contenders, timings),
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


def _by_products(problem: Problem, gates: np.ndarray) -> dict[str, Callable[[], Contender]]:
    """Return the maker of the same without the fused kernel, where that is the plan."""
    if problem.objective.plan.name != "fused":
        return {}
    name = 'gatesweep: evaluate by matrix products, plan="affine"'
    return {"affine": lambda: evaluated(problems.circle(plan="affine"), gates)._replace(name=name)}


def _targets(problem: Problem, timings: dict[str, Timing]) -> list[Target]:
    """Return the speeds of ours relative to alternatives; on a CPU also to the machine's limit."""
    ours, is_cpu = ("sweep", "evaluate"), _device.here().is_cpu
    targets = []
    for one in ours if is_cpu else ours[1:]:
        for what, (names, wanted) in (WANTED_OF_CPU if is_cpu else WANTED_OF_ACCELERATOR).items():
            others = [timings[name] for name in names if name in timings]
            targets += against(f"{one} against {what}", timings[one], others, wanted)
    if is_cpu:
        share = 100 * rates().seconds_per_mask(problem.nodes, len(problem.inputs))
        targets += [Target(f"{one}: share of the limit", share * timings[one].rate, 60.0, unit="%") for one in ours]
    return targets


def limit_table(problem: Problem, timings: list[Timing]) -> Table:
    """Return a table of our contenders' speed in per cent of the machine's limit."""
    machine, nodes, examples = rates(), problem.nodes, len(problem.inputs)
    least = machine.seconds_per_mask(nodes, examples)
    more = least + examples / machine.log1p + examples / machine.division
    # Traffic that must leave the chip: reading gates, writing loss and gradient.
    moved = 4 * (2 * nodes + 1)
    in_parts = machine.seconds_per_mask_in_tf32(nodes, examples)
    rows = [
        [
            one.name,
            one.rate,
            1 / least,
            100 * one.rate * least,
            100 * one.rate * more,
            100 * one.rate * 4 * nodes * examples / machine.gemm,
            100 * one.rate * moved / machine.bandwidth,
            *([100 * one.rate * in_parts] if in_parts else []),
        ]
        for one in timings
    ]
    columns = ["how", "masks/s", "limit, masks/s", "% of it", "% with log1p and division", "% of GEMM rate"]
    columns += ["% of memory bandwidth", *(["% of the limit in TF32 parts"] if in_parts else [])]
    return Table("Against the limit", columns, rows)
