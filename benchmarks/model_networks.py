"""The networks of the benchmark of models: an encoder, a residual convolution and a recurrent network.

Each is called as ``network(inputs)``, and by the alternatives as ``network(inputs, gates)``, which multiplies the
values of its nodes by gates as a user would do it by hand. Weights are random: times do not depend on them.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int


class Block(nnx.Module):
    """Attention and two layers behind it, each added to what came in and normalised, as in BERT."""

    def __init__(self, width: int, heads: int, hidden: int, rngs: nnx.Rngs):
        self.attention = nnx.MultiHeadAttention(heads, width, decode=False, rngs=rngs)
        self.norms = nnx.List([nnx.LayerNorm(width, rngs=rngs) for _ in range(2)])
        self.up, self.down = nnx.Linear(width, hidden, rngs=rngs), nnx.Linear(hidden, width, rngs=rngs)

    def __call__(self, values: Array, gates: Float[Array, " heads"] | None = None) -> Array:
        """Return the next layer's values; gates multiply the heads."""
        if gates is not None:
            self.attention.attention_fn = partial(_gated_attention, gates)
        values = self.norms[0](values + self.attention(values))
        return self.norms[1](values + self.down(nnx.gelu(self.up(values))))


def _gated_attention(gates: Float[Array, " heads"], *operands: Array, **options: Any) -> Array:
    return nnx.dot_product_attention(*operands, **options) * gates[:, None]


class Encoder(nnx.Module):
    """A classifier of sequences: embeddings, blocks, and a layer on the mean over positions."""

    def __init__(self, blocks: int, width: int, heads: int, hidden: int, length: int, words: int, rngs: nnx.Rngs):
        self.words, self.positions = nnx.Embed(words, width, rngs=rngs), nnx.Embed(length, width, rngs=rngs)
        self.norm = nnx.LayerNorm(width, rngs=rngs)
        self.blocks = nnx.List([Block(width, heads, hidden, rngs) for _ in range(blocks)])
        self.classes = nnx.Linear(width, 2, rngs=rngs)

    def __call__(self, words: Int[Array, "examples length"], gates: Float[Array, " nodes"] | None = None) -> Array:
        """Return the logits of each sequence."""
        values = self.norm(self.words(words) + self.positions(jnp.arange(words.shape[1])))
        parts = [None] * len(self.blocks) if gates is None else jnp.split(gates, len(self.blocks))
        for block, part in zip(self.blocks, parts, strict=True):
            values = block(values, part)
        return self.classes(values.mean(axis=1))


class Residual(nnx.Module):
    """Two convolutions, added to what came in, or to its projection where shapes differ."""

    def __init__(self, before: int, channels: int, stride: int, rngs: nnx.Rngs):
        conv = partial(nnx.Conv, use_bias=False, rngs=rngs)
        self.first, self.second = conv(before, channels, (3, 3), stride), conv(channels, channels, (3, 3))
        self.norms = nnx.List([nnx.BatchNorm(channels, rngs=rngs) for _ in range(2)])
        same = before == channels and stride == 1
        self.around = None if same else conv(before, channels, (1, 1), stride)

    def __call__(self, values: Array, gates: Float[Array, " channels"] | None = None) -> Array:
        """Return the next layer's values; gates multiply the channels between the convolutions."""
        hidden = nnx.relu(self.norms[0](self.first(values)))
        hidden = hidden if gates is None else hidden * gates
        around = values if self.around is None else self.around(values)
        return nnx.relu(around + self.norms[1](self.second(hidden)))


class Residuals(nnx.Module):
    """A classifier of small images, as ResNet18 is for CIFAR: four stages of two blocks."""

    def __init__(self, channels: tuple[int, ...], rngs: nnx.Rngs):
        self.stem = nnx.Conv(3, channels[0], (3, 3), use_bias=False, rngs=rngs)
        before = (channels[0], *channels)
        self.blocks = nnx.List(
            [
                Residual(before[stage + second], width, 2 if stage and not second else 1, rngs)
                for stage, width in enumerate(channels)
                for second in (0, 1)
            ]
        )
        self.classes = nnx.Linear(channels[-1], 10, rngs=rngs)

    def __call__(self, images: Array, gates: Float[Array, " nodes"] | None = None) -> Array:
        """Return the logits of each image."""
        values = nnx.relu(self.stem(images))
        cuts = np.cumsum([block.first.out_features for block in self.blocks])[:-1]
        parts = [None] * len(self.blocks) if gates is None else jnp.split(gates, cuts)
        for block, part in zip(self.blocks, parts, strict=True):
            values = block(values, part)
        return self.classes(values.mean(axis=(1, 2)))


class Recurrent(nnx.Module):
    """A gated recurrent unit, with a layer on its last state."""

    def __init__(self, features: int, hidden: int, rngs: nnx.Rngs):
        self.recurrent = nnx.RNN(nnx.GRUCell(features, hidden, rngs=rngs))
        self.classes = nnx.Linear(hidden, 2, rngs=rngs)

    def __call__(self, inputs: Array, gates: Float[Array, " nodes"] | None = None) -> Array:
        """Return the logits of each sequence; gates multiply the state at every step."""
        if gates is None:
            return self.classes(self.recurrent(inputs)[:, -1])
        cell = self.recurrent.cell

        def step(state: Array, inputs: Array) -> tuple[Array, None]:
            return cell(state, inputs)[0] * gates, None

        start = jnp.zeros((len(inputs), cell.hidden_features), inputs.dtype)
        state, _ = jax.lax.scan(step, start, inputs.swapaxes(0, 1))
        return self.classes(state)
