"""Pruning: many networks at many sparsities evaluated and trained in one call, and nodes zeroed against removed."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import sweeps
from benchmarks import in_torch
from benchmarks.problems import TOLERANCE
from benchmarks.report import Report, Table, timing_table
from benchmarks.timing import Answer, Contender, Timing, evidence, fastest, gathered, in_turn
from sweeps import _compiling, _losses, _training, pruning

HIDDEN = (200, 200, 100, 40)
RATE, BATCH = 1e-3, 32
# Tolerance for losses of an epoch of training, whose rounding grows from step to step.
TRAINED_TOLERANCE = 1e-2


class Problem(NamedTuple):
    """Networks with their masks.

    Attributes
    ----------
    task : digits
    networks : of different seeds, trained
    masks : of the weights, one dict a network, leading axis (sparsities,)
    """

    task: sweeps.Task
    networks: list[sweeps.MLP]
    masks: list[dict[str, np.ndarray]]

    @property
    def pairs(self) -> list[tuple[list[np.ndarray], int]]:
        """Yield the network's number and its masked kernels, for every network and sparsity."""
        found = []
        for number, (network, masks) in enumerate(zip(self.networks, self.masks, strict=True)):
            kernels = [np.asarray(layer.kernel[...]) for layer in network.layers]
            for index in range(len(masks["layers/0/kernel"])):
                whole = [masks[f"layers/{layer}/kernel"][index] for layer in range(len(kernels) - 1)]
                kept = [kernel * mask for kernel, mask in zip(kernels, whole, strict=False)]
                found.append(([*kept, kernels[-1]], number))
        return found


def run(quick: bool = False) -> Report:
    """Time evaluation and training under masks, and forward passes of networks zeroed and removed.

    Parameters
    ----------
    quick : smaller sizes and fewer repeats
    """
    sizes, repeats = ((16, 12), 2) if quick else (HIDDEN, 7)
    networks, many, few = (2, 5, 3) if quick else (8, 100, 5)
    tables, stored, notes = [], {}, []
    for title, number, time in (
        ("evaluated on 359 digits", many, partial(_evaluated, repeats=repeats)),
        ("trained for one epoch of 1,438 digits under the masks", few, partial(_trained, repeats=repeats)),
    ):
        problem = problem_of(sizes, networks, number)
        timings, said, stored[title] = time(problem)
        what = f"64-{'-'.join(map(str, sizes))}-10, {networks} networks at {number} sparsities each, {title}"
        tables.append(timing_table(what, timings.values(), timings["ours"]))
        notes += said
    tables += [_costs((64, *sizes, 10), 1797)] + ([] if quick else [_costs((784, 1000, 1000, 500, 200, 10), 1000)])
    notes += [
        "Weights are pruned by magnitude in each layer; each pair of a network and a sparsity counts as one mask. "
        "One at a time, every network is one jitted call, compiled once; PyTorch has the number of threads that is "
        "fastest for it.",
        "Losses of evaluation are held against float64. The mean losses of the epoch are held against each other: all "
        "see the same examples in the same order.",
    ]
    return Report("Pruning: many masks in one call, and networks that are smaller", tables, [], notes, stored)


def problem_of(hidden: tuple[int, ...], networks: int, sparsities: int) -> Problem:
    """Train networks without biases on digits and choose masks at even sparsities from 0 on."""
    task = sweeps.tasks.digits()
    made = [sweeps.MLP((64, *hidden, 10), seed=seed, use_bias=False) for seed in range(networks)]
    _training.train_many(made, [task] * networks, optimizer=optax.adam(RATE), epochs=5, batch_size=BATCH)
    shares = np.arange(sparsities) / sparsities
    return Problem(task, made, [pruning.weight_masks(one, shares) for one in made])


def _evaluated(problem: Problem, repeats: int) -> tuple[dict[str, Timing], list[str], dict[str, Any]]:
    """Return timings, why others are skipped, and what is stored."""
    batch, pairs = problem.task.test, problem.pairs
    number, targets = len(pairs), jnp.asarray(problem.task.test.targets)

    def answer(values: Any) -> Answer:
        return Answer(np.arange(number), np.asarray(values, np.float64).reshape(-1))

    @_compiling.jit
    def one(kernels: list[Any]) -> Any:
        return _losses.LOSSES["cross_entropy"].each(_forward(kernels, batch.inputs), targets).mean()

    on_device = jax.tree.map(jnp.asarray, [kernels for kernels, _ in pairs])

    def ours() -> Any:
        return pruning.evaluate(problem.networks, problem.masks, batch).loss

    def loop() -> list[Any]:
        return [*map(one, on_device)]

    contenders, skipped = gathered(
        {
            "ours": lambda: Contender("gatesweep: evaluate", ours, number, answer),
            "loop": lambda: Contender("JAX, one at a time, masks applied before", loop, number, answer),
            "torch": lambda: _torch_evaluation(problem, answer),
        }
    )
    exact = np.array([_exact(kernels, batch) for kernels, _ in pairs])

    def check(found: Answer) -> float:
        error = float(np.max(np.abs(found.loss - exact) / exact))
        if not error <= TOLERANCE:
            raise ArithmeticError(f"losses differ from float64 by {error:.1e}, more than {TOLERANCE:.0e}")
        return error

    timings = in_turn(contenders, repeats, check)
    return timings, skipped, evidence(contenders, timings)


def _forward(kernels: list[Any], values: Any) -> Any:
    for kernel in kernels[:-1]:
        values = jax.nn.relu(jnp.dot(values, kernel, precision="highest"))
    return jnp.dot(values, kernels[-1], precision="highest")


def _exact(kernels: list[np.ndarray], batch: sweeps.Batch) -> float:
    values = batch.inputs.astype(np.float64)
    for kernel in kernels[:-1]:
        values = np.maximum(values @ kernel.astype(np.float64), 0)
    outputs = values @ kernels[-1].astype(np.float64)
    outputs = outputs - outputs.max(axis=1, keepdims=True)
    right = outputs[np.arange(len(outputs)), batch.targets]
    return float((np.log(np.exp(outputs).sum(axis=1)) - right).mean())


def _torch_evaluation(problem: Problem, answer: Callable[[Any], Answer]) -> Contender:
    torch, threads, tensor = _torch()
    inputs, targets = tensor(problem.task.test.inputs), tensor(problem.task.test.targets).long()
    tensors = [[tensor(kernel) for kernel in kernels] for kernels, _ in problem.pairs]

    def one(kernels: list[Any]) -> float:
        values = inputs
        for kernel in kernels[:-1]:
            values = torch.relu(values @ kernel)
        return float(torch.nn.functional.cross_entropy(values @ kernels[-1], targets))

    def work(threads: int) -> list[float]:
        torch.set_num_threads(threads)
        with torch.no_grad():
            return [*map(one, tensors)]

    best = min(threads, key=lambda number: fastest(partial(work, number), least=2))
    name = f"PyTorch, one at a time, masks applied before ({inputs.device.type}, {best} threads)"
    return Contender(name, partial(work, best), len(tensors), answer)


def _torch() -> tuple[Any, set[int], Callable[[Any], Any]]:
    """Return PyTorch, the numbers of threads to try, and what makes its tensors; it runs where JAX does."""
    torch, where = in_torch.imported()
    return torch, {1, torch.get_num_threads()}, partial(torch.tensor, device=where)


def _trained(problem: Problem, repeats: int) -> tuple[dict[str, Timing], list[str], dict[str, Any]]:
    """Return timings, why others are skipped, and what is stored."""
    sparsities = len(problem.masks[0]["layers/0/kernel"])
    optimizer, task = optax.adam(RATE), problem.task
    cases = [
        (number, network, {path: mask[index] for path, mask in masks.items()})
        for number, (network, masks) in enumerate(zip(problem.networks, problem.masks, strict=True))
        for index in range(sparsities)
    ]

    def together(some: list[Any]) -> np.ndarray:
        masked = [pruning.Masked(nnx.clone(network), masks) for _, network, masks in some]
        seeds = [number for number, *_ in some]
        # A GPU would multiply in TF32, and PyTorch does not.
        with jax.default_matmul_precision("highest"):
            return _training.train_many(
                masked, [task] * len(some), optimizer=optimizer, epochs=1, batch_size=BATCH, seeds=seeds
            ).loss[:, 0]

    def answer(values: Any) -> Answer:
        return Answer(np.arange(len(cases)), np.asarray(values, np.float64).reshape(-1))

    def loop() -> list[Any]:
        return [together([case]) for case in cases]

    contenders, skipped = gathered(
        {
            "ours": lambda: Contender("gatesweep: train_many of Masked", partial(together, cases), len(cases), answer),
            "loop": lambda: Contender("the same, one at a time", loop, len(cases), answer),
            "torch": lambda: _torch_training(problem, cases, answer),
        }
    )
    expected = together(cases)

    def check(found: Answer) -> float:
        error = float(np.max(np.abs(found.loss - expected) / expected))
        if not error <= TRAINED_TOLERANCE:
            raise ArithmeticError(f"losses of the epoch differ by {error:.1e}, more than {TRAINED_TOLERANCE:.0e}")
        return error

    timings = in_turn(contenders, repeats, check)
    return timings, skipped, evidence(contenders, timings)


def _torch_training(problem: Problem, cases: list[Any], answer: Callable[[Any], Answer]) -> Contender:
    """Train each network for an epoch; the mask multiplies the weights in every step, as in torch.nn.utils.prune."""
    torch, threads, tensor = _torch()
    inputs, targets = tensor(problem.task.train.inputs), tensor(problem.task.train.targets).long()
    examples, orders = len(inputs), []
    for number, *_ in cases:
        key = jax.random.split(jax.random.key(number, impl="threefry2x32"), 1)[0]
        orders.append(tensor(np.asarray(jax.random.permutation(key, examples))))

    def one(case: Any, order: Any) -> float:
        _, network, masks = case
        weights = [tensor(np.asarray(layer.kernel[...])).requires_grad_() for layer in network.layers]
        kept = [tensor(masks[f"layers/{layer}/kernel"]) for layer in range(len(weights) - 1)]
        optimizer = torch.optim.Adam(weights, lr=RATE)
        total = 0.0
        for some in order.split(BATCH):
            values = inputs[some]
            for weight, mask in zip(weights, kept, strict=False):
                values = torch.relu(values @ (weight * mask))
            loss = torch.nn.functional.cross_entropy(values @ weights[-1], targets[some])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += float(loss.detach()) * len(some)
        return total / examples

    def work(threads: int) -> list[float]:
        torch.set_num_threads(threads)
        return [one(case, order) for case, order in zip(cases, orders, strict=True)]

    best = min(threads, key=lambda number: fastest(partial(work, number), least=1, span=0))
    return Contender(
        f"PyTorch, one at a time ({inputs.device.type}, {best} threads)", partial(work, best), len(cases), answer
    )


def _costs(sizes: tuple[int, ...], examples: int) -> Table:
    """Return size and time of forward passes with 1/2 and 9/10 of the nodes of each layer zeroed, or removed."""
    network = sweeps.MLP(sizes, use_bias=False)
    inputs = np.random.default_rng(0).random((examples, sizes[0]), np.float32)
    rows = []
    for share in (0.5, 0.9):
        keep = pruning.unit_masks(network, share)
        for how, make in dict(zeroed=pruning.zero_nodes, removed=pruning.remove_nodes).items():
            cost = pruning.cost(make(network, keep), inputs, repeats=100)
            rows.append([f"{100 * share:.0f} % {how}", cost.parameters, cost.nonzero, cost.bytes, cost.seconds])
    columns = ["units", "parameters", "not zero", "bytes", "seconds, median"]
    return Table(f"{'-'.join(map(str, sizes))}, a forward pass over {examples:,} examples", columns, rows)
