"""Models: an encoder, a residual convolution and a recurrent network, against plain JAX and tools in PyTorch."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

import sweeps
from benchmarks import in_torch_models
from benchmarks.model_networks import Encoder, Recurrent, Residuals
from benchmarks.report import Report, against, timing_table
from benchmarks.timing import Answer, Contender, evidence, gathered, in_turn

# Least speed against the best plain JAX.
WANTED = 0.95
# Largest relative error of a float32 answer of a deep network: a loss relative to itself, a gradient to its largest.
# Units near zero that float32 and float64 put on different sides of a ReLU change gradients by 8e-4 in plain JAX too.
TOLERANCE = 2e-3
# Masks that plain JAX evaluates together: one by one in ``lax.map``, or under vmap.
BATCHES = (1, 2, 4, 8)
# Answers of each contender that are compared with float64.
SOME = 2


class Model(NamedTuple):
    """A network with its examples.

    Attributes
    ----------
    name : in words
    network : called as ``network(inputs)``, or by the alternatives with gates too
    inputs, targets : of the examples
    sites : which nodes have gates
    masks : gate vectors of a run
    """

    name: str
    network: nnx.Module
    inputs: np.ndarray
    targets: np.ndarray
    sites: str
    masks: int


def run(quick: bool = False) -> Report:
    """Time losses, and losses with gate gradients, of each model.

    Parameters
    ----------
    quick : smaller sizes and fewer repeats
    """
    tables, targets, notes, found = [], [], [], {}
    for model in models(quick):
        objective = sweeps.Objective(model.network, (model.inputs, model.targets), sites=model.sites)
        shape = (model.masks, len(objective.nodes))
        gates = np.random.default_rng(1).integers(2, size=shape).astype(np.float32)
        wanted = exact(model, gates[:SOME])
        for gradients in (False, True):
            what = f"{model.name}, {'loss and gate gradients' if gradients else 'loss'}"
            contenders, skipped = gathered(
                {
                    "ours": partial(ours, objective, gates, gradients),
                    **{f"plain {batch}": partial(plain, model, gates, gradients, batch) for batch in BATCHES},
                    **in_torch_models.contenders(model, gates, gradients),
                }
            )
            named = in_turn(contenders, 2 if quick else 7, partial(checked, wanted))
            tables.append(timing_table(f"{what}, {shape[1]} gates", named.values(), named["ours"]))
            best = [named[f"plain {batch}"] for batch in BATCHES]
            targets += against(f"{what}: against the best plain JAX", named["ours"], best, WANTED)
            notes += skipped
            found[what] = evidence(contenders, named)
        notes.append(f"Plan of the {model.name}: {objective.plan}.")
    return Report("Models: random weights, ours with default settings", tables, targets, notes, found)


def models(quick: bool) -> list[Model]:
    """Return the models, in small sizes for a smoke run."""
    random, rngs = np.random.default_rng(0), nnx.Rngs(0)
    blocks, width, heads, examples, words = (2, 24, 3, 2, 50) if quick else (6, 384, 12, 16, 1000)
    channels, images = ((4, 8, 8, 8), 2) if quick else ((64, 128, 256, 512), 8)
    hidden, sequences = (8, 4) if quick else (64, 64)
    residuals = Residuals(channels, rngs)
    residuals.eval()
    return [
        Model(
            f"encoder of {blocks} layers with {heads} heads, width {width}, {examples} sequences of 32 tokens",
            Encoder(blocks, width, heads, 4 * width, 32, words, rngs),
            random.integers(words, size=(examples, 32)).astype(np.int32),
            random.integers(2, size=examples).astype(np.int32),
            "blocks/*/attention",
            2 if quick else 16,
        ),
        Model(
            f"residual network of 18 layers, {images} images of 32 x 32",
            residuals,
            random.normal(size=(images, 32, 32, 3)).astype(np.float32),
            random.integers(10, size=images).astype(np.int32),
            "blocks/*/first",
            2 if quick else 8,
        ),
        Model(
            f"gated recurrent unit of {hidden} nodes, {sequences} sequences of 20 steps",
            Recurrent(16, hidden, rngs),
            random.normal(size=(sequences, 20, 16)).astype(np.float32),
            random.integers(2, size=sequences).astype(np.int32),
            "recurrent/cell",
            4 if quick else 512,
        ),
    ]


def ours(objective: sweeps.Objective, gates: np.ndarray, gradients: bool) -> Contender:
    """Return ``objective.evaluate`` on all masks."""

    def answer(found: sweeps.Evaluation) -> Answer:
        return Answer(gates[:SOME], found.loss[:SOME], found.loss_gradient[:SOME] if gradients else None)

    return Contender("gatesweep, evaluate", lambda: objective.evaluate(gates, gradients=gradients), len(gates), answer)


def plain(model: Model, gates: np.ndarray, gradients: bool, batch: int) -> Contender:
    """Return a jitted ``lax.map`` over masks, or over batches of them under vmap, compiled with XLA's defaults."""
    graph, state = nnx.split(model.network)
    together = None if batch == 1 else batch

    @jax.jit
    def all_masks(state: Any, inputs: Array, targets: Array, gates: Float[Array, "masks nodes"]) -> Any:
        loss = partial(plain_loss, graph, state, inputs, targets)
        return jax.lax.map(jax.value_and_grad(loss) if gradients else loss, gates, batch_size=together)

    # Arguments, since the compiler would compute what depends on constants alone, for minutes.
    data = (state, *map(jnp.asarray, (model.inputs, model.targets, gates)))
    name = "plain JAX, lax.map" if batch == 1 else f"plain JAX, vmap of {batch} in lax.map"
    return Contender(name, lambda: all_masks(*data), len(gates), partial(_answer, gates, gradients))


def plain_loss(graph: Any, state: Any, inputs: Array, targets: Array, gates: Float[Array, " nodes"]) -> Array:
    """Return the mean cross-entropy of the network with its gates multiplied by hand."""
    with jax.default_matmul_precision("highest"):
        outputs = nnx.merge(graph, state)(inputs, gates)
    chosen = jnp.take_along_axis(outputs, targets[:, None], axis=1)[:, 0]
    return (jax.nn.logsumexp(outputs, axis=1) - chosen).mean()


def _answer(gates: np.ndarray, gradients: bool, found: Any) -> Answer:
    loss, gradient = found if gradients else (found, None)
    return Answer(gates[:SOME], loss[:SOME], gradient[:SOME] if gradients else None)


def exact(model: Model, gates: np.ndarray) -> Answer:
    """Return losses and gate gradients in float64."""
    with jax.enable_x64(True):

        def widened(leaf: Any) -> Array:
            if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
                return leaf
            wide = np.asarray(leaf)
            return jnp.asarray(wide.astype(np.float64) if wide.dtype == np.float32 else wide)

        graph, state = nnx.split(model.network)
        data = jax.tree.map(widened, (state, model.inputs, model.targets))

        @jax.jit
        def all_masks(data: Any, gates: Array) -> Any:
            return jax.lax.map(jax.value_and_grad(partial(plain_loss, graph, *data)), gates)

        return Answer(gates, *map(np.asarray, all_masks(data, widened(gates))))


def checked(wanted: Answer, answer: Answer) -> float:
    """Return the largest relative error of an answer.

    Raises
    ------
    ArithmeticError
        If it is larger than ``TOLERANCE``.
    """
    error = np.abs(np.asarray(answer.loss) / wanted.loss - 1).max()
    if answer.gradient is not None:
        scale = np.abs(wanted.gradient).max(axis=1, keepdims=True)
        error = np.maximum(error, (np.abs(np.asarray(answer.gradient) - wanted.gradient) / scale).max())
    if not error <= TOLERANCE:
        raise ArithmeticError(f"answer differs from float64 by {error:.1e}, more than {TOLERANCE:.0e}")
    return float(error)
