"""The alternative in PyTorch: an autograd loop over masks, and torch.func.vmap at its best batch."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.compiled import Unavailable
from benchmarks.problems import Problem
from benchmarks.timing import Answer, Contender, best_batch, best_of
from sweeps import _device


def imported() -> tuple[Any, str]:
    """Return PyTorch, which multiplies in float32 then, and the name of its device: JAX's, if it has that, or "cpu".

    Raises
    ------
    Unavailable
        If PyTorch is not installed.
    """
    try:
        import torch
    except ImportError:
        raise Unavailable("PyTorch is not installed") from None
    # It would be TF32 on a GPU after "high".
    torch.set_float32_matmul_precision("highest")
    return torch, "cuda" if _device.here().platform == "gpu" and torch.cuda.is_available() else "cpu"


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
        self.torch, self.device = imported()
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
    masks = [loss.tensor(mask).float().requires_grad_() for mask in gates]

    def one(mask: Any) -> tuple[Any, Any]:
        value = loss(mask)
        return value.detach(), loss.torch.autograd.grad(value, mask)[0]

    def answer(results: list[tuple[Any, Any]]) -> Answer:
        pairs = [(value.cpu().numpy(), gradient.cpu().numpy()) for value, gradient in results[:some]]
        return Answer(gates[:some], *map(np.stack, zip(*pairs, strict=True)))

    name = f"PyTorch autograd loop ({loss.device})"
    return Contender(name, lambda: loss.with_threads(threads, one, masks), len(gates), answer)


def vmapped(problem: Problem, gates: np.ndarray, batches: list[int], some: int) -> Contender:
    """Return ``torch.func.vmap(grad_and_value)`` at its best batch and threads."""
    loss = TorchLoss(problem)
    function = loss.torch.func.vmap(loss.torch.func.grad_and_value(loss))
    masks = loss.tensor(gates).float()

    def make(threads: int, batch: int) -> Contender:
        parts = masks.split(batch)

        def answer(results: list[tuple[Any, Any]]) -> Answer:
            gradient, value = (np.concatenate([one.cpu() for one in part]) for part in zip(*results, strict=True))
            return Answer(gates[:some], value[:some], gradient[:some])

        name = f"torch.func.vmap, {batch} masks a call ({loss.device}, {threads} threads)"
        return Contender(name, lambda: loss.with_threads(threads, function, parts), len(gates), answer)

    # A GPU needs one thread to feed it.
    threads = {1} if loss.device == "cuda" else {1, loss.torch.get_num_threads()}
    return best_of([best_batch(partial(make, number), batches) for number in threads])
