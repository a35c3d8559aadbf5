"""The alternative in PyTorch: an autograd loop over masks, and torch.func.vmap at its best batch."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import jax
import numpy as np

from benchmarks.compiled import Unavailable
from benchmarks.problems import Problem
from benchmarks.timing import Answer, Contender, Timing, best_batch


class TorchLoss:
    """Mean cross-entropy of a gate vector; values that no gate changes are computed before.

    Parameters
    ----------
    problem : the network; one hidden layer

    Raises
    ------
    Unavailable
        If PyTorch is not installed.
    """

    def __init__(self, problem: Problem):
        try:
            import torch
        except ImportError:
            raise Unavailable("PyTorch is not installed") from None
        self.torch: Any = torch
        self.device = "cuda" if jax.default_backend() == "gpu" and torch.cuda.is_available() else "cpu"
        self.hidden = self.tensor(problem.hidden)
        self.kernel = self.tensor(problem.kernels[-1])
        self.bias = self.tensor(problem.biases[-1])
        self.targets = self.tensor(problem.targets).long()

    def tensor(self, values: np.ndarray) -> Any:
        """Copy an array to the device."""
        return self.torch.tensor(values, device=self.device)

    def __call__(self, gates: Any) -> Any:
        """Return the mean loss."""
        logits = (self.hidden * gates) @ self.kernel + self.bias
        return self.torch.nn.functional.cross_entropy(logits, self.targets)

    def with_threads(self, threads: int, function: Callable[[Any], Any], parts: Iterable[Any]) -> list[Any]:
        """Return the function of each part, computed with so many threads and finished on the device."""
        before = self.torch.get_num_threads()
        self.torch.set_num_threads(threads)
        results = [function(part) for part in parts]
        if self.device == "cuda":
            self.torch.cuda.synchronize()
        self.torch.set_num_threads(before)
        return results


def loop(problem: Problem, gates: np.ndarray, some: int, threads: int = 1) -> Contender:
    """Return the autograd loop over masks, single-threaded: threads slow down its small arrays."""
    loss = TorchLoss(problem)
    masks = [loss.tensor(mask).requires_grad_() for mask in gates]

    def one(mask: Any) -> tuple[Any, Any]:
        value = loss(mask)
        return value.detach(), loss.torch.autograd.grad(value, mask)[0]

    def answer(results: list[tuple[Any, Any]]) -> Answer:
        pairs = [(value.cpu().numpy(), gradient.cpu().numpy()) for value, gradient in results[:some]]
        return Answer(gates[:some], *map(np.stack, zip(*pairs, strict=True)))

    name = f"PyTorch autograd loop ({loss.device})"
    return Contender(name, lambda: loss.with_threads(threads, one, masks), len(gates), answer)


def vmapped(problem: Problem, gates: np.ndarray, batches: list[int], some: int) -> tuple[Contender, list[Timing]]:
    """Return ``torch.func.vmap(grad_and_value)`` at its best batch and threads, and all trials."""
    loss = TorchLoss(problem)
    function = loss.torch.func.vmap(loss.torch.func.grad_and_value(loss))
    masks = loss.tensor(gates)

    def make(threads: int, batch: int) -> Contender:
        parts = masks.split(batch)

        def answer(results: list[tuple[Any, Any]]) -> Answer:
            gradient, value = (np.concatenate([one.cpu() for one in part]) for part in zip(*results, strict=True))
            return Answer(gates[:some], value[:some], gradient[:some])

        name = f"torch.func.vmap, {batch} masks a call ({loss.device}, {threads} threads)"
        return Contender(name, lambda: loss.with_threads(threads, function, parts), len(gates), answer)

    found = [best_batch(partial(make, threads), batches) for threads in {1, loss.torch.get_num_threads()}]
    winner = min(found, key=lambda pair: min(one.seconds for one in pair[1]))
    return winner[0], [one for pair in found for one in pair[1]]
