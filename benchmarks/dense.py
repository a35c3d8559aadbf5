"""Two gated layers: loss and gradients of a 2-50-50-2 network with 100 gates, against plain vmap and the GEMM rate."""

from functools import partial

from benchmarks import plain, problems
from benchmarks.machine import rates
from benchmarks.report import Report, Table, against, timing_table
from benchmarks.sampled import SOME, evaluated, swept
from benchmarks.timing import evidence, gathered, in_turn
from sweeps import _device

SIZES = (2, 50, 50, 2)


def run(quick: bool = False) -> Report:
    """Time the dense plan against plain vmap.

    Parameters
    ----------
    quick : smaller sizes and fewer repeats
    """
    is_cpu = _device.here().is_cpu
    masks, few, repeats = (2**7, 2**7, 2) if quick else (2**11, 2**11, 9) if is_cpu else (2**17, 2**12, 9)
    batches = [16, 64] if quick else [2**power for power in (range(9) if is_cpu else range(4, 13, 2))]
    problem = problems.circle(SIZES, plan="dense")
    gates = problems.random_masks(problem, masks)
    vmaps = plain.vmapped(problem, gates[:few], batches, SOME)
    contenders, skipped = gathered(
        {
            "evaluate": lambda: evaluated(problem, gates),
            "sweep": lambda: swept(problem, masks),
            "lax.map": lambda: plain.mapped(problem, gates[:few], SOME),
            **vmaps,
        }
    )
    named = in_turn(contenders, repeats, partial(problems.checked, problem))
    mine, timings = named["evaluate"], list(named.values())
    # Forward, the second hidden layer and the margin; backward, the same layer by transposition and both gates.
    examples, nodes = len(problem.inputs), SIZES[1]
    operations = examples * (4 * nodes * nodes + 6 * nodes)
    gemm = rates().gemm
    rows = [[one.name, one.rate * operations / 1e9, 100 * one.rate * operations / gemm] for one in timings]
    return Report(
        "Two gated layers: 2-50-50-2, 100 gates, 1,000 examples, loss and gate gradients",
        [
            timing_table("In turn, in one run (`evaluate` against each)", timings, mine),
            Table(f"Against the fastest large matrix product, {gemm / 1e9:.0f} Gflop/s", ["how", "Gflop/s", "%"], rows),
        ],
        [
            target
            for name in (vmaps if is_cpu else ())
            for target in against(f"evaluate against plain {name} at its best batch", mine, [named[name]], 2.0)
        ],
        [
            *skipped,
            f"Counted for a mask: {operations / 1e6:.1f} million operations that no way of doing it avoids, "
            "examples x (4 nodes^2 + 6 nodes).",
            f"Plan: {problem.objective.plan}.",
        ],
        evidence(contenders, named),
    )
