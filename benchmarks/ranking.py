"""Removal of nodes: brute force, re-ranked after each removal, against a PyTorch loop that caches activations."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import optax

import sweeps
from benchmarks import in_torch
from benchmarks.problems import TOLERANCE, images
from benchmarks.report import Report, Table, against, timing_table
from benchmarks.timing import Answer, Contender, Timing, evidence, fastest, gathered, in_turn
from sweeps import _device, ranking
from sweeps._batches import Batch, Task

# Target of the speed relative to PyTorch for the network of the paper.
WANTED = 20.0


class Case(NamedTuple):
    """A network whose nodes are removed.

    Attributes
    ----------
    sizes : of the layers; hidden layers are sigmoid
    loss, output : names of the loss and of the outputs' nonlinearity
    examples : over which the loss is averaged
    """

    sizes: tuple[int, ...]
    loss: str = "squared_error"
    output: str = "sigmoid"
    examples: int = 8000

    @property
    def nodes(self) -> int:
        """Number of hidden nodes."""
        return sum(self.sizes[1:-1])

    @property
    def removals(self) -> int:
        """Number of removals that a re-ranked path evaluates."""
        return self.nodes * (self.nodes + 1) // 2

    def __str__(self) -> str:
        outputs = "linear" if self.output == "identity" else self.output
        return f"{'-'.join(map(str, self.sizes))}, {self.loss.replace('_', ' ')}, {outputs} outputs"


class Problem(NamedTuple):
    """A case with its network and examples, as an objective and as plain arrays."""

    case: Case
    objective: sweeps.Objective
    kernels: list[np.ndarray]
    biases: list[np.ndarray]
    hidden: np.ndarray
    targets: np.ndarray


def run(quick: bool = False) -> Report:
    """Time whole removal paths.

    Parameters
    ----------
    quick : smaller sizes and fewer repeats
    """
    data, source = images()
    examples, repeats = (500, 2) if quick else (8000, 9)
    wide = (784, 20, 10) if quick else (784, 100, 10)
    deep = (784, 10, 10, 10) if quick else (784, 50, 50, 10)
    cases = [
        Case(wide, examples=examples),
        Case(wide, output="identity", examples=examples),
        Case(wide, "cross_entropy", "identity", examples),
        Case(deep, examples=examples),
    ]
    tables, targets, notes, stored = [], [], [f"Images: {source}."], {}
    for case in cases:
        timings, said, stored[str(case)] = _beside(problem_of(case, data, trained=not quick), repeats)
        tables.append(timing_table(f"{case}: {case.removals:,} removals", timings.values(), timings["ours"]))
        notes += said
        if case == cases[0] and _device.here().is_cpu:
            others = [timings[name] for name in {"least"} & {*timings}]
            targets += against(f"{case}: against PyTorch's fastest evaluation", timings["ours"], others, WANTED)
    tables.append(_methods(problem_of(cases[0], data, trained=not quick)))
    tables += [_growth(name, grown, data) for name, grown in _axes(quick).items()]
    notes += [
        "Times are of whole paths: every removal of every node that is left is measured at every step; ours has the "
        "accuracy at each step too. Compilation lies outside, and so does the first hidden layer, which both keep.",
        "PyTorch has the number of threads that is fastest for it. Its fastest evaluation, times the removals, is what "
        "the loop would take were the machine quiet all along and everything but the losses free.",
        "Losses along each contender's own path are held against float64.",
    ]
    return Report("Removal paths: brute force after every removal", tables, targets, notes, stored)


def _beside(problem: Problem, repeats: int) -> tuple[dict[str, Timing], list[str], dict[str, Any]]:
    """Time a case's contenders, and check whether they chose the same nodes; return also notes and what is stored."""
    contenders, notes = gathered({"ours": lambda: _ours(problem), "torch": lambda: _torch(problem)})
    timings = in_turn(contenders, repeats, partial(_checked, problem))
    if "torch" in timings and not any(one.failed for one in timings.values()):
        ours, theirs = (np.asarray(one.run().order) for one in contenders.values())
        same = int((ours == theirs).sum())
        notes.append(f"{problem.case}: {same} of {problem.case.nodes} choices are the same as PyTorch's.")
        timings["least"] = contenders["torch"].tried[0]
    return timings, notes, evidence(contenders, timings)


def problem_of(case: Case, data: Task, trained: bool) -> Problem:
    """Make a case's network and objective; images repeat if the case needs more."""
    few = np.arange(case.examples) % len(data.train.targets)
    batch = Batch(data.train.inputs[few], data.train.targets[few])
    network = sweeps.MLP(case.sizes, activation="sigmoid", output_activation=case.output)
    if trained:
        sweeps.train(network, data, optimizer=optax.adam(3e-3), epochs=10, batch_size=100, loss=case.loss)
    objective = sweeps.Objective(network, batch, loss=case.loss)
    kernels, biases = (
        [np.asarray(getattr(layer, kind)[...]) for layer in network.layers] for kind in ("kernel", "bias")
    )
    hidden = 1 / (1 + np.exp(-(batch.inputs @ kernels[0] + biases[0])))
    return Problem(case, objective, kernels[1:], biases[1:], hidden, batch.targets)


class Path(NamedTuple):
    """Return the order of the removals, and the loss before each and after the last."""

    order: Any
    loss: Any


def _ours(problem: Problem) -> Contender:
    def path() -> Path:
        found = ranking.removal_path(problem.objective)
        return Path(found.order, found.loss)

    return Contender("gatesweep: removal_path", path, problem.case.removals, _answer)


def _torch(problem: Problem) -> Contender:
    """Return the PyTorch loop with its fastest number of threads; tried is a lower bound of its time."""
    torch, where = in_torch.imported()
    case = problem.case
    kernels, biases = ([torch.tensor(one, device=where) for one in many] for many in (problem.kernels, problem.biases))
    hidden, labels = torch.tensor(problem.hidden, device=where), torch.tensor(problem.targets, device=where).long()
    goal = torch.nn.functional.one_hot(labels, case.sizes[-1]).float()
    cuts = list(case.sizes[1:-1])

    def loss(gates: Any) -> Any:
        values = hidden
        for layer, gate in enumerate(gates.split(cuts)):
            values = (values * gate) @ kernels[layer] + biases[layer]
            if layer < len(cuts) - 1 or case.output == "sigmoid":
                values = torch.sigmoid(values)
        if case.loss == "cross_entropy":
            return torch.nn.functional.cross_entropy(values, labels)
        return (values - goal).square().sum(1).mean()

    def path() -> Path:
        gates = torch.ones(case.nodes, device=where)
        order: list[int] = []
        losses = [loss(gates)]
        while len(order) < case.nodes:
            left = [node for node in range(case.nodes) if node not in order]
            tried = []
            for node in left:
                gates[node] = 0
                tried.append(loss(gates))
                gates[node] = 1
            lowest = int(torch.stack(tried).argmin())
            order.append(left[lowest])
            losses.append(tried[lowest])
            gates[left[lowest]] = 0
        return Path(order, np.asarray([float(one) for one in losses]))

    def with_threads(threads: int, work: Callable[[], Any]) -> Any:
        torch.set_num_threads(threads)
        with torch.no_grad():
            return work()

    one = torch.ones(case.nodes, device=where)
    took = {
        threads: fastest(partial(with_threads, threads, lambda: float(loss(one))), span=1.0)
        for threads in {1, torch.get_num_threads()}
    }
    best = min(took, key=lambda threads: took[threads])
    name = f"PyTorch loop, hidden activations cached ({where}, {best} threads)"
    least = Timing("PyTorch: its fastest evaluation, times the removals", case.removals, (took[best] * case.removals,))
    return Contender(name, partial(with_threads, best, path), case.removals, _answer, tried=(least,))


def _answer(path: Path) -> Answer:
    """Return the masks along a path with their losses."""
    order = np.asarray(path.order)
    masks = np.argsort(order)[None] >= np.arange(len(order) + 1)[:, None]
    return Answer(masks, path.loss)


def _checked(problem: Problem, answer: Answer) -> float:
    """Return the largest relative error of the losses against float64; ArithmeticError if it is too large."""
    exact = np.asarray([_exact(problem, gates) for gates in answer.gates])
    error = float(np.max(np.abs(np.asarray(answer.loss) - exact) / exact))
    if not error <= TOLERANCE:
        raise ArithmeticError(f"losses differ from float64 by {error:.1e}, more than {TOLERANCE:.0e}")
    return error


def _exact(problem: Problem, gates: np.ndarray) -> float:
    """Return the loss of a gate vector in float64."""
    case, values = problem.case, problem.hidden.astype(np.float64)
    pieces = np.split(gates.astype(np.float64), np.cumsum(case.sizes[1:-1])[:-1])
    for layer, (gate, kernel, bias) in enumerate(zip(pieces, problem.kernels, problem.biases, strict=True)):
        values = (values * gate) @ kernel.astype(np.float64) + bias
        if layer < len(pieces) - 1 or case.output == "sigmoid":
            values = 1 / (1 + np.exp(-values))
    rows = np.arange(len(values))
    if case.loss == "cross_entropy":
        values = values - values.max(axis=1, keepdims=True)
        return float((np.log(np.exp(values).sum(axis=1)) - values[rows, problem.targets]).mean())
    values[rows, problem.targets] -= 1
    return float(np.square(values).sum(axis=1).mean())


def _methods(problem: Problem) -> Table:
    """Return the seconds of a path by each criterion, and the loss without half of the nodes."""
    rows = []
    for method in ("brute_force", "first_order", "second_order", "magnitude"):
        for rerank in (True, False):
            work = partial(ranking.removal_path, problem.objective, method=method, rerank=rerank)
            seconds, path, half = fastest(work, least=3), work(), problem.case.nodes // 2
            rows.append(
                [method, "yes" if rerank else "no", seconds, float(path.loss[half]), float(path.accuracy[half])]
            )
    columns = ["method", "re-ranked", "seconds", "loss at half", "accuracy at half"]
    return Table(f"{problem.case}: methods, the best choice measured at each step too", columns, rows)


def _axes(quick: bool) -> dict[str, list[Case]]:
    """Return the cases along each growing size."""
    if quick:
        return {"nodes": [Case((784, nodes, 10), examples=500) for nodes in (10, 20)]}
    return {
        "nodes": [Case((784, nodes, 10)) for nodes in (25, 50, 100, 200, 400)],
        "layers": [Case((784, *[100 // layers] * layers, 10)) for layers in (1, 2, 3, 4, 5)],
        "examples": [Case((784, 100, 10), examples=examples) for examples in (500, 2000, 8000, 32_000)],
    }


def _growth(name: str, cases: list[Case], data: Task) -> Table:
    """Return the seconds of a brute-force path as a size grows; training would not change them."""
    rows = []
    for case in cases:
        problem = problem_of(case, data, trained=False)
        seconds = fastest(lambda problem=problem: ranking.removal_path(problem.objective), least=3)
        rows.append([str(case), case.examples, case.removals, seconds, case.removals / seconds])
    return Table(f"As {name} grow", ["network", "examples", "removals", "seconds", "removals/s"], rows)
