"""The example of MiniLM's heads runs as it stands, on a small network."""

import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pytest

import analysis

DOCS = Path(__file__).parents[2] / "docs"


def example(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def small_weights(width=8, layers=2, words=11, tokens=5):
    """Random parameters of an encoder by the names and shapes of Hugging Face's files."""
    shapes = {
        "embeddings.word_embeddings.weight": (words, width),
        "embeddings.position_embeddings.weight": (tokens, width),
        "embeddings.token_type_embeddings.weight": (2, width),
        "embeddings.position_ids": (1, tokens),
        "pooler.dense.weight": (width, width),
    }
    norms = ["embeddings"]
    for layer in range(layers):
        at = f"encoder.layer.{layer}"
        dense = {f"{at}.attention.self.{name}": (width, width) for name in ("query", "key", "value")}
        dense |= {f"{at}.attention.output.dense": (width, width)}
        dense |= {f"{at}.intermediate.dense": (3 * width, width), f"{at}.output.dense": (width, 3 * width)}
        for name, shape in dense.items():
            shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
        norms += [f"{at}.attention.output", f"{at}.output"]
    for name in norms:
        shapes |= {f"{name}.LayerNorm.weight": (width,), f"{name}.LayerNorm.bias": (width,)}
    random = np.random.default_rng(0)
    return {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def normalised(values, layer):
    centred = values - values.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-12) * layer["weight"] + layer["bias"]


def test_heads_of_a_small_encoder():
    minilm = example("minilm_heads")
    params = minilm.nested(small_weights())
    tokens = np.random.default_rng(1).integers(0, 11, size=(6, 5))
    mask = (np.arange(5)[None] < np.array([5, 3, 4, 2, 5, 4])[:, None]).astype(int)
    inputs = dict(tokens=tokens, mask=mask)

    def network(params, inputs):
        return minilm.encode(params, inputs, heads=2)

    data = minilm.sweep_heads(params, (inputs, np.arange(6) ^ 1), network)
    assert list(data.node.values) == [f"encoder/layer/{n}/attention/self head {h}" for n in (0, 1) for h in (0, 1)]
    # By hand: a head of the last layer whose rows of the output's kernel meet its mean over the words.
    whole = np.asarray(network(params, inputs))
    assert data.attrs["full_loss"] == pytest.approx(loss_by_hand(whole), rel=1e-5)
    layer = params["encoder"]["layer"]["1"]
    mixed, before = last_attention(minilm, params, inputs)
    for head in (0, 1):
        columns = slice(4 * head, 4 * head + 4)
        changed = mixed.copy()
        changed[:, :, columns] = mixed[mask > 0][:, columns].mean(axis=0)
        output = layer["attention"]["output"]
        hidden = normalised(before + changed @ output["dense"]["weight"] + output["dense"]["bias"], output["LayerNorm"])
        inner = np.asarray(jax.nn.gelu(minilm._dense(jnp.asarray(hidden), layer["intermediate"]["dense"]), False))
        hidden = normalised(hidden + minilm._dense(inner, layer["output"]["dense"]), layer["output"]["LayerNorm"])
        mean = (np.asarray(hidden) * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        expected = loss_by_hand(mean / np.linalg.norm(mean, axis=1, keepdims=True))
        assert float(data.loss[2 + head]) == pytest.approx(expected, rel=1e-4)
    analysis.figures.nodes.grid(data, kind="head")
    plt.close("all")


def last_attention(minilm, params, inputs):
    """What the heads of the last layer give, (sentences, tokens, features), and the values before that layer."""
    layers = params["encoder"]["layer"]
    captured = {}

    def noting(values, layer):
        captured.setdefault(id(layer), []).append(np.asarray(values))
        return values @ layer["weight"] + layer["bias"]

    original, minilm._dense = minilm._dense, noting
    try:
        minilm.encode(params, inputs, heads=2)
    finally:
        minilm._dense = original
    attention = layers["1"]["attention"]
    return captured[id(attention["output"]["dense"])][0], captured[id(attention["self"]["query"])][0]


def loss_by_hand(outputs):
    similarity = 10 * outputs @ outputs.T
    np.fill_diagonal(similarity, -np.inf)
    shares = np.exp(similarity) / np.exp(similarity).sum(axis=1, keepdims=True)
    return -np.log(shares[np.arange(6), np.arange(6) ^ 1]).mean()
