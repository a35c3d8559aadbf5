"""Scaling: masks a second as examples, nodes or masks grow, against the limit of the arithmetic alone."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import sweeps
from analysis._errors import TooLargeError
from benchmarks import problems
from benchmarks.machine import rates
from benchmarks.report import Report, Table, Target
from benchmarks.timing import seconds
from sweeps import _device

# The common point of the axes.
EXAMPLES, NODES = 1000, 20
# Allowed excess of a slope over that of the arithmetic: 0.02 over a factor of 1,000 is 15 %, as timings vary.
NOISE = 0.02


class Point(NamedTuple):
    """Sizes of a sweep, its seconds, and those of its arithmetic alone."""

    examples: int
    nodes: int
    masks: int
    seconds: float
    least: float


class Axis(NamedTuple):
    """A growing size, with its values and the number of masks of each sweep."""

    name: str
    values: list[int]
    masks: Callable[[int], int]


def run(quick: bool = False) -> Report:
    """Time sweeps along the three axes.

    Parameters
    ----------
    quick : fewer and smaller points
    """
    measured = {axis.name: _measure(axis, quick) for axis in axes(quick)}
    notes = [
        "Times are those of whole sweeps with loss and gate gradients, masks drawn and results labelled on the host.",
        "Slope: of log(time) against log(size); for examples and nodes the time of one mask, for masks that of all. "
        f"The arithmetic's slope is that of the limit at the same sizes; timings vary by {NOISE} of a slope.",
    ]
    tables, targets = [], []
    for name, points in measured.items():
        sizes = [getattr(point, name) for point in points]
        # Masks share nothing but the call: their axis counts whole sweeps.
        share = [1 if name == "masks" else point.masks for point in points]
        times = [point.seconds / part for point, part in zip(points, share, strict=True)]
        took, last = slope(sizes, times), slope(sizes[-2:], times[-2:])
        least = slope(sizes, [point.least / part for point, part in zip(points, share, strict=True)])
        tables.append(_table(name, points, (took, last, least)))
        targets.append(Target(f"slope of time over {name}", took, least + NOISE, False, ""))
    evidence = {name: [point._asdict() for point in points] for name, points in measured.items()}
    return Report("Scaling from 1,000 examples, 20 nodes", tables, targets, notes, evidence)


def axes(quick: bool) -> list[Axis]:
    """Choose the sizes; sweeps of the first two axes have some hundredths of a second of arithmetic."""

    def enough(examples: int, nodes: int) -> int:
        # A gigabyte of gradients at most.
        most = min(2_000_000, 2**30 // (9 * nodes))
        return int(np.clip(0.05 / rates().seconds_per_mask(nodes, examples), 1000, most))

    if quick:
        return [
            Axis("examples", [100, 1000, 10_000], lambda _: 1000),
            Axis("nodes", [10, 100], lambda _: 1000),
            Axis("masks", [1000, 10_000], lambda masks: masks),
        ]
    return [
        Axis("examples", [100, 300, 1000, 3000, 10_000, 30_000, 100_000], lambda size: enough(size, NODES)),
        Axis("nodes", [10, 30, 100, 300, 1000], lambda size: enough(EXAMPLES, size)),
        Axis("masks", [10**power for power in range(3, 8 if _device.here().is_cpu else 9)], lambda masks: masks),
    ]


def _measure(axis: Axis, quick: bool) -> list[Point]:
    points = []
    for value in axis.values:
        examples = value if axis.name == "examples" else EXAMPLES
        nodes = value if axis.name == "nodes" else NODES
        masks = axis.masks(value)
        # An untrained network has moderate margins at every size.
        problem = problems.circle((2, nodes, 2), examples, trained=False)
        design = sweeps.Bernoulli(probability=0.5, draws=masks)

        def work(problem: Any = problem, design: Any = design) -> Any:
            return sweeps.sweep(problem.objective, design)

        try:
            first = seconds(work)  # compiles
        except TooLargeError:
            break
        runs = [seconds(work) for _ in range(2 if quick else 5 if first < 5 else 1)]
        least = masks * rates().seconds_per_mask(nodes, examples)
        points.append(Point(examples, nodes, masks, min(runs), least))
    return points


def slope(sizes: list[int], times: list[float]) -> float:
    """Return the exponent of times in the size, by least squares of logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def _table(name: str, points: list[Point], slopes: tuple[float, float, float]) -> Table:
    rows = [
        [
            point.examples,
            point.nodes,
            point.masks,
            point.seconds,
            point.masks / point.seconds,
            100 * point.least / point.seconds,
        ]
        for point in points
    ]
    took, last, least = slopes
    # Overheads of small sweeps flatten the slope; the last step shows its limit.
    title = f"As {name} grow: time with slope {took:.2f}, {last:.2f} in the last step; the arithmetic with {least:.2f}"
    return Table(title, ["examples", "nodes", "masks", "seconds", "masks/s", "% of the limit"], rows)
