"""The encoder in PyTorch: its heads multiplied by hand, as ``head_mask`` does, and by interventions of pyvene."""

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.compiled import Unavailable
from benchmarks.in_torch import imported
from benchmarks.model_networks import Encoder
from benchmarks.timing import Answer, Contender


def contenders(model: Any, gates: np.ndarray, gradients: bool) -> dict[str, Callable[[], Contender]]:
    """Return makers of what PyTorch has for a model: none but for the encoder.

    Parameters
    ----------
    model : of ``benchmarks.models``
    gates : shape (masks, nodes)
    gradients : whether gate gradients are wanted
    """
    if not isinstance(model.network, Encoder):
        return {}
    makers = {"PyTorch, heads multiplied as by head_mask": _by_hand, "pyvene": _by_pyvene}
    return {name: partial(_contender, name, make, model, gates, gradients) for name, make in makers.items()}


def _contender(name: str, make: Callable, model: Any, gates: np.ndarray, gradients: bool) -> Contender:
    torch, device = imported()
    network = _network(torch, model.network, device)
    inputs, targets, masks = (torch.tensor(part, device=device) for part in (model.inputs, model.targets, gates))
    outputs = make(network)

    def one(mask: Any) -> tuple[Any, Any]:
        mask = mask.clone().requires_grad_(gradients)
        with torch.set_grad_enabled(gradients):
            loss = torch.nn.functional.cross_entropy(outputs(inputs, mask), targets.long())
        return loss.detach(), torch.autograd.grad(loss, mask)[0] if gradients else None

    def run() -> list[tuple[Any, Any]]:
        found = [one(mask) for mask in masks]
        if device == "cuda":
            torch.cuda.synchronize()
        return found

    def answer(found: list[tuple[Any, Any]]) -> Answer:
        loss, gradient = zip(*((loss.cpu(), None if part is None else part.cpu()) for loss, part in found), strict=True)
        return Answer(gates[:2], np.stack(loss[:2]), np.stack(gradient[:2]) if gradients else None)

    return Contender(name, run, len(gates), answer)


def _by_hand(network: Any) -> Callable[[Any, Any], Any]:
    def outputs(inputs: Any, mask: Any) -> Any:
        for block, part in zip(network.blocks, mask.chunk(len(network.blocks)), strict=True):
            block.gates = part[:, None]
        return network(inputs)

    return outputs


def _by_pyvene(network: Any) -> Callable[[Any, Any], Any]:
    try:
        import pyvene
    except ImportError:
        raise Unavailable("it is not installed") from None
    parts: list[Any] = [None] * len(network.blocks)

    def multiplying(number: int) -> Callable:
        return lambda base, source: base * parts[number][:, None]

    where = [
        dict(component=f"blocks[{number}].heads.output", intervention=multiplying(number))
        for number in range(len(parts))
    ]
    wrapped = pyvene.IntervenableModel(where, network)

    def outputs(inputs: Any, mask: Any) -> Any:
        parts[:] = mask.chunk(len(parts))
        return wrapped({"words": inputs})[1]

    return outputs


def _network(torch: Any, encoder: Encoder, device: str) -> Any:
    """Return the encoder as a module of PyTorch with the same weights."""
    functional = torch.nn.functional

    def tensor(param: Any) -> Any:
        return torch.tensor(np.asarray(param[...]), device=device)

    def linear(layer: Any, inputs: int = 1) -> Callable[[Any], Any]:
        kernel = tensor(layer.kernel)
        weight = kernel.reshape(int(np.prod(kernel.shape[:inputs])), -1).T.contiguous()
        return partial(functional.linear, weight=weight, bias=tensor(layer.bias).reshape(-1))

    def norm(layer: Any) -> Callable[[Any], Any]:
        scale, bias = tensor(layer.scale), tensor(layer.bias)
        return lambda values: functional.layer_norm(values, scale.shape, scale, bias, layer.epsilon)

    class Heads(torch.nn.Module):
        def forward(self, values: Any) -> Any:
            # A copy, since pyvene writes into it.
            return values.contiguous()

    class Block(torch.nn.Module):
        def __init__(self, block: Any):
            super().__init__()
            attention = block.attention
            self.count, self.gates, self.heads = attention.num_heads, None, Heads()
            self.projections = [linear(part) for part in (attention.query, attention.key, attention.value)]
            self.out, self.up, self.down = linear(attention.out, 2), linear(block.up), linear(block.down)
            self.norms = [norm(one) for one in block.norms]

        def forward(self, values: Any) -> Any:
            shape = (*values.shape[:2], self.count, -1)
            operands = [part(values).reshape(shape).transpose(1, 2) for part in self.projections]
            heads = self.heads(functional.scaled_dot_product_attention(*operands).transpose(1, 2))
            heads = heads if self.gates is None else heads * self.gates
            values = self.norms[0](values + self.out(heads.flatten(2)))
            return self.norms[1](values + self.down(functional.gelu(self.up(values), approximate="tanh")))

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.config = SimpleNamespace()  # pyvene asks for one
            self.table, self.positions = tensor(encoder.words.embedding), tensor(encoder.positions.embedding)
            self.norm, self.classes = norm(encoder.norm), linear(encoder.classes)
            self.blocks = torch.nn.ModuleList([Block(block) for block in encoder.blocks])

        def forward(self, words: Any) -> Any:
            values = self.norm(self.table[words.long()] + self.positions[: words.shape[1]])
            for block in self.blocks:
                values = block(values)
            return self.classes(values.mean(dim=1))

    return Whole().to(device)
