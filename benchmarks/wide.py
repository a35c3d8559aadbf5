"""A wide layer: loss and gradients of a 784-1000-10 network with 1,000 gates, and how exact they are."""

from collections.abc import Iterable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from benchmarks import plain, problems
from benchmarks.machine import rates
from benchmarks.problems import Problem
from benchmarks.report import Report, Table, Target, timing_table
from benchmarks.sampled import evaluated
from benchmarks.timing import Answer, Contender, Timing, evidence, gathered, in_turn
from sweeps import _device

# Answers of each contender that are compared with float64.
SOME = 16
SIZES = (784, 1000, 10)
# Least speed on an accelerator, in millions of masks a second; and most error, relative to that of float32 products.
WANTED, MOST_ERROR = 1.5, 2.0


def run(quick: bool = False) -> Report:
    """Time the affine plan of a wide layer and hold its errors against those of plain float32 products.

    Parameters
    ----------
    quick : smaller sizes and fewer repeats
    """
    is_cpu = _device.here().is_cpu
    sizes, examples = ((784, 100, 10), 200) if quick else (SIZES, 2000)
    masks, few, repeats = (2**7, 2**5, 2) if quick else (2**10, 2**5, 9) if is_cpu else (2**18, 2**10, 9)
    problem = problems.digits(sizes, examples, plan="affine")
    gates = problems.random_masks(problem, masks)
    batches = [2**power for power in (range(4) if is_cpu else range(1, 10, 2))]
    contenders, skipped = gathered(
        {
            "evaluate": lambda: evaluated(problem, gates),
            "float32": lambda: in_float32(problem, gates),
            **plain.vmapped(problem, gates[:few], batches, SOME),
        }
    )
    timings = in_turn(contenders, repeats, partial(problems.checked, problem))
    errors = {
        name: problems.errors(problem, contenders[name].answer(contenders[name].run()))
        for name in ("evaluate", "float32")
        if not timings[name].failed
    }
    return Report(
        f"A wide layer: {'-'.join(map(str, sizes))}, {examples:,} examples, 10 classes, loss and gate gradients",
        [
            timing_table("In turn, in one run (`evaluate` against each)", timings.values(), timings["evaluate"]),
            _rate_table(problem, timings.values()),
            Table(
                "Largest errors against float64, of losses relative to each, of gradients to the mask's largest",
                ["how", "loss", "gradient"],
                [[timings[name].name, *both] for name, both in errors.items()],
            ),
        ],
        [] if is_cpu else _targets(timings["evaluate"], errors),
        [
            *skipped,
            f"Images: {problems.images()[1]}. The network is untrained.",
            f"Plan: {problem.objective.plan}.",
            "Rates count the 4 x (classes - 1) x examples x nodes operations of a mask's margins and their gradient.",
        ],
        evidence(contenders, timings) | dict(errors=errors),
    )


def in_float32(problem: Problem, gates: np.ndarray) -> Contender:
    """Return margins and gradients as two plain float32 products a batch, in a jitted ``lax.map``."""
    masks, (offsets, slopes) = jnp.asarray(gates, jnp.float32), _margins(problem)
    fitting = max(1, _device.here().batch // offsets.size)
    batch = min(len(gates), 1 << (fitting.bit_length() - 1))

    def evaluate(offsets: Array, slopes: Array, gates: Float[Array, "masks nodes"]) -> tuple[Array, Array]:
        margins = jnp.einsum("ken,mn->kem", slopes, gates, precision="highest") + offsets[:, :, None]
        whole = jnp.concatenate([jnp.zeros_like(margins[:1]), margins])
        wrong = jax.nn.softmax(whole, axis=0)[1:]
        gradient = jnp.einsum("ken,kem->mn", slopes, wrong, precision="highest")
        return jax.nn.logsumexp(whole, axis=0).mean(axis=0), gradient / offsets.shape[1]

    @jax.jit
    def run(offsets: Array, slopes: Array, masks: Array) -> tuple[Array, Array]:
        return jax.lax.map(partial(evaluate, offsets, slopes), masks.reshape(-1, batch, masks.shape[1]))

    def answer(results: tuple[Array, Array]) -> Answer:
        loss, gradient = (part.reshape(len(gates), *part.shape[2:]) for part in results)
        return Answer(gates[:SOME], loss[:SOME], gradient[:SOME])

    name = f"plain float32 products, {batch} masks together"
    return Contender(name, lambda: run(offsets, slopes, masks), len(gates), answer)


def _margins(problem: Problem) -> tuple[Array, Array]:
    """Return margins of the wrong classes, (others, examples), and their slopes, (others, examples, nodes)."""
    kernel, bias, targets = problem.kernels[-1], problem.biases[-1], problem.targets
    others = np.arange(len(bias) - 1)[:, None]
    wrong = np.where(others < targets, others, others + 1)
    slopes = problem.hidden * (kernel.T[wrong] - kernel.T[targets])
    return jnp.asarray(bias[wrong] - bias[targets]), jnp.asarray(slopes)


def _targets(mine: Timing, errors: dict[str, tuple[float, float]]) -> list[Target]:
    """Return the targets of an accelerator."""
    targets = [Target("evaluate", mine.rate / 1e6, WANTED, unit="M masks/s")]
    if "float32" in errors:
        ours = errors.get("evaluate", (np.nan, np.nan))
        targets += [
            Target(f"error of the {what} against that of float32 products", one / other, MOST_ERROR, False)
            for what, one, other in zip(("loss", "gradient"), ours, errors["float32"], strict=True)
        ]
    return targets


def _rate_table(problem: Problem, timings: Iterable[Timing]) -> Table:
    """Return a table of operations a second, against the fastest large products."""
    machine = rates()
    operations = 4 * (len(problem.biases[-1]) - 1) * len(problem.inputs) * problem.nodes
    rows = [[one.name, one.rate * operations / 1e9, 100 * one.rate * operations / machine.gemm] for one in timings]
    fastest = f"{machine.gemm / 1e9:,.0f} Gflop/s in float32"
    return Table(f"Against the fastest large matrix product, {fastest}", ["how", "Gflop/s", "%"], rows)
