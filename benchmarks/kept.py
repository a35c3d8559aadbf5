"""Kept draws and summaries: what a sweep of a 2-20-2 network costs beside its evaluation."""

from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import xarray as xr

import sweeps
from benchmarks import problems
from benchmarks.machine import rates
from benchmarks.problems import TOLERANCE, Problem
from benchmarks.report import Report, Table, Target, against, timing_table
from benchmarks.timing import Answer, Contender, Timing, evidence, gathered, in_turn
from sweeps import _device

# Answers that are compared with float64.
SOME = 8
# Draws whose gradients are added up together.
TOGETHER = 2**20
# Least speeds on an accelerator with gradients, in millions of masks a second.
WANTED = {"summary": 100.0, "sweep": 80.0}


class Means(NamedTuple):
    """What a summary says, to be compared with the kept draws.

    Attributes
    ----------
    loss, spread : mean and standard deviation of the loss
    gradient : means of the gate gradients over the masks in which the node is on, shape (nodes,), or None
    """

    loss: float
    spread: float
    gradient: np.ndarray | None


def run(quick: bool = False) -> Report:
    """Time sweeps that keep their draws, sweeps that keep a summary, and the evaluation alone.

    Parameters
    ----------
    quick : fewer masks and repeats
    """
    masks, repeats = (2**13, 2) if quick else (2**17, 25) if _device.here().is_cpu else (2**24, 10)
    problem = problems.circle()
    tables, targets, stored, notes = [], [], {}, []
    for name, gradients in {"loss and gate gradients": True, "loss only": False}.items():
        contenders, skipped = gathered(_makers(problem, masks, gradients))
        timings = in_turn(contenders, repeats, partial(_checked, problem, _means_of_draws(problem, masks, gradients)))
        title = f"{name.capitalize()} (`evaluate` against each)"
        tables.append(timing_table(title, timings.values(), timings["evaluate"]))
        targets += _targets(name, timings, gradients)
        stored[name], notes = evidence(contenders, timings), [*notes, *skipped]
        if gradients and not _device.here().is_cpu:
            tables.append(_bus_table(problem, [timings["sweep"], timings["everything"]]))
    notes += [
        "`evaluate` has its masks given and leaves its results on the device; sweeps draw theirs, and bring draws that "
        "they keep to the host. What follows from the rest, as the log loss does, may be computed when it is read: one "
        "row reads all.",
        "The summary is held against the kept draws of the same seed: mean and spread of the loss, mean gradients.",
    ]
    return Report(f"Kept draws and summaries: 2-20-2, 1,000 examples, {masks:,} masks", tables, targets, notes, stored)


def _makers(problem: Problem, masks: int, gradients: bool) -> dict[str, Any]:
    design = sweeps.Bernoulli(probability=0.5, draws=masks)
    gates = problems.random_masks(problem, masks)
    given = jnp.asarray(gates)

    def swept(keep: str) -> Any:
        return sweeps.sweep(problem.objective, design, gradients=gradients, keep=keep)

    def everything() -> xr.Dataset:
        data = swept("draws")
        for variable in data.variables.values():
            variable.values  # noqa: B018  what is computed when it is read is computed
        return data

    def kept(data: xr.Dataset) -> Answer:
        some = data.isel(probability=0, chain=0, draw=slice(SOME))
        return Answer(some.gates.values, some.loss.values, some.loss_gradient.values if gradients else None)

    def evaluation(result: Any) -> Answer:
        return Answer(gates[:SOME], result.loss[:SOME], result.loss_gradient[:SOME] if gradients else None)

    def evaluate() -> Any:
        return problem.objective.evaluate(given, gradients=gradients)

    def summarised(data: xr.Dataset) -> Means:
        one = data.isel(probability=0, chain=0)
        gradient = one.loss_gradient_mean.sel(state="on").values if gradients else None
        return Means(float(one.loss_mean), float(one.loss_variance) ** 0.5, gradient)

    return {
        "evaluate": lambda: Contender("evaluate, masks given", evaluate, masks, evaluation),
        "sweep": lambda: Contender("sweep, draws kept", partial(swept, "draws"), masks, kept),
        "everything": lambda: Contender("sweep, draws kept, every variable read", everything, masks, kept),
        "summary": lambda: Contender('sweep, keep="summary"', partial(swept, "summary"), masks, summarised),
    }


def _means_of_draws(problem: Problem, masks: int, gradients: bool) -> Means:
    """Return what the summary should say, in float64 from the kept draws."""
    data = sweeps.sweep(problem.objective, sweeps.Bernoulli(probability=0.5, draws=masks), gradients=gradients)
    loss = data.loss.values.reshape(-1)
    mean, spread = float(loss.mean(dtype=np.float64)), float(loss.std(dtype=np.float64, ddof=1))
    if not gradients:
        return Means(mean, spread, None)
    on, gradient = (data[name].values.reshape(masks, -1) for name in ("gates", "loss_gradient"))
    parts = [slice(start, start + TOGETHER) for start in range(0, masks, TOGETHER)]
    total = sum(np.where(on[part], gradient[part], 0).sum(axis=0, dtype=np.float64) for part in parts)
    return Means(mean, spread, total / on.sum(axis=0))


def _checked(problem: Problem, expected: Means, answer: Answer | Means) -> float:
    """Return the largest relative error of draws against float64, or of a summary against the draws."""
    if isinstance(answer, Answer):
        return problems.checked(problem, answer)
    errors = [abs(answer.loss / expected.loss - 1), abs(answer.spread / expected.spread - 1)]
    if expected.gradient is not None:
        largest = np.abs(expected.gradient).max()
        errors.append(float(np.abs(np.asarray(answer.gradient) - expected.gradient).max() / largest))
    # NaN is no error that may pass.
    error = float(np.max(errors))
    if not error <= TOLERANCE:
        raise ArithmeticError(f"the summary differs from the draws by {error:.1e}, more than {TOLERANCE:.0e}")
    return error


def _targets(name: str, timings: dict[str, Timing], gradients: bool) -> list[Target]:
    """Return the targets of the device at hand."""
    if not _device.here().is_cpu:
        return [
            Target(f"{timings[one].name}, {name}", timings[one].rate / 1e6, wanted, unit="M masks/s")
            for one, wanted in WANTED.items()
            if gradients
        ]
    evaluate, summary = timings["evaluate"], timings["summary"]
    cost = 100 * (evaluate.rate / summary.rate - 1)
    return [
        *against(f"{name}: sweep, draws kept, against evaluate", timings["sweep"], [evaluate], 90.0, percent=True),
        Target(f"{name}: what a summary costs beside its evaluation", cost, 50.0, False, "%"),
    ]


def _bus_table(problem: Problem, timings: list[Timing]) -> Table:
    """Return a table of the traffic over the bus."""
    # Loss and gradient as float32, and the mask in words of 32 bits.
    sent = 4 * (1 + problem.nodes + -(-problem.nodes // 32))
    bus = rates().bus
    assert bus is not None  # it is None on a CPU alone
    rows = [[one.name, sent, one.rate * sent / 1e9, 100 * one.rate * sent / bus] for one in timings]
    columns = ["how", "bytes a mask", "10^9 bytes a second", "% of the bus"]
    return Table("Over the bus at least: loss, gradient and the mask as bits", columns, rows)
