"""Problems that the tests share, and the objectives made of them."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

import sweeps
from sweeps import _device
from sweeps._engine.summaries import BEST
from tests import reference

SINGLE = float(np.finfo(np.float32).eps)


def set_device(monkeypatch, **changes):
    """Let the package believe that it computes on a device that differs from a CPU in these attributes."""
    monkeypatch.setattr(_device, "here", lambda: replace(_device.CPU, **changes))


def problem(sizes, activation, loss, targets, examples=12, seed=0):
    """Return a random problem; targets is a number of classes, or None for values of the outputs' shape.

    Everything is rounded to float32, so that both precisions evaluate the same network.
    """
    random = np.random.default_rng(seed)

    def normal(shape, scale):
        return random.normal(scale=scale, size=shape).astype(np.float32).astype(float)

    layers = tuple(
        (normal((inputs, outputs), 1.5 / np.sqrt(inputs)), normal(outputs, 0.3))
        for inputs, outputs in zip(sizes[:-1], sizes[1:], strict=True)
    )
    inputs = normal((examples, sizes[0]), 1.0)
    if targets is None:
        values = normal((examples, sizes[-1]), 1.0)
    else:
        # Every class at least once.
        values = random.permutation(np.arange(examples) % targets).astype(np.int32)
    return reference.Problem(layers, activation, inputs, values, loss)


AFFINE = {
    "two classes": problem((2, 6, 2), "relu", "cross_entropy", 2, seed=1),
    "four classes": problem((3, 5, 4), "tanh", "cross_entropy", 4, seed=2),
    "binary": problem((2, 5, 1), "sigmoid", "binary_cross_entropy", 2, seed=3),
    "one value": problem((2, 6, 1), "tanh", "squared_error", None, seed=4),
    "one-hot": problem((2, 5, 3), "relu", "squared_error", 3, seed=5),
    "several values": problem((2, 4, 3), "identity", "squared_error", None, seed=6),
}
LAYERED = {
    "two layers": problem((2, 4, 3, 2), "relu", "cross_entropy", 2, seed=7),
    "three layers": problem((2, 3, 2, 3, 1), "tanh", "squared_error", None, seed=8),
    "bilinear": problem((2, 4, 3, 3), "identity", "cross_entropy", 3, seed=9),
}
PROBLEMS = AFFINE | LAYERED
SMALL = PROBLEMS["two classes"]


def network(problem, dtype=jnp.float32):
    """Return the problem's network."""
    # The initial kernels are thrown away; zeros need no random numbers compiled for each shape.
    zeros = nnx.initializers.zeros_init()
    made = sweeps.MLP(problem.sizes, activation=problem.activation, kernel_init=zeros)
    for layer, (kernel, bias) in zip(made.layers, problem.layers, strict=True):
        # Converted by NumPy: JAX would compile a program for each shape.
        kernel, bias = (jnp.asarray(part.astype(dtype), dtype) for part in (kernel, bias))
        nnx.update(layer, {"kernel": kernel, "bias": bias})
    return made


def linear(inputs, outputs, seed=0, kind=nnx.Linear):
    """Return a dense layer with random numbers, made without compiling an initialiser for its shape."""
    zeros = nnx.initializers.zeros_init()
    layer, random = kind(inputs, outputs, kernel_init=zeros, rngs=nnx.Rngs(0)), np.random.default_rng(seed)
    layer.kernel[...] = jnp.asarray(random.normal(size=(inputs, outputs)), jnp.float32)
    layer.bias[...] = jnp.asarray(random.normal(size=outputs), jnp.float32)
    return layer


def batch(problem, dtype=np.float32):
    """Return the problem's batch."""
    whole = problem.targets.dtype.kind == "i"
    return sweeps.Batch(problem.inputs.astype(dtype), problem.targets if whole else problem.targets.astype(dtype))


def objective(problem, dtype=np.float32, plan="auto"):
    """Return the problem's objective."""
    return sweeps.Objective(network(problem, dtype), batch(problem, dtype), loss=problem.loss, plan=plan)


def partial_gains(nodes, seed=0):
    """Return six vectors of gates between and beyond 0 and 1."""
    return np.random.default_rng(seed).choice([0.3, 1.7, -0.6, 0, 1], size=(6, nodes)).astype(np.float32)


def rounding(problem, gates):
    """Return bounds on the float32 error of loss and gate gradient, for any order of summation.

    Every number comes from sums of at most ``terms`` terms one after the other, each bounded by the magnitude M
    of a forward pass in absolute values, so an output is off by at most terms * eps * M. Cross-entropy changes by
    at most the change of a margin, two outputs; squared error by 2 |residual| times that of each output, and
    |residual| <= M + |target|. A gradient is a sum of slopes, at most M each, times derivatives of the loss, which
    are at most 1 and off by at most the error of a margin; for squared error at most 2 |residual|.
    """
    examples, outputs = len(problem.inputs), problem.sizes[-1]
    terms = sum(problem.sizes) + examples + 16
    size = reference.magnitude(problem, gates)
    unit = terms * SINGLE * size
    if problem.loss == "squared_error":
        residual = size + np.abs(problem.targets).max()
        return 2 * outputs * residual * unit, 4 * outputs * residual * unit
    return 2 * unit, 2 * outputs * unit * (1 + 2 * size)


def leaves(network):
    """Return copies of all arrays of a network."""
    return [np.array(leaf) for leaf in jax.tree.leaves(nnx.state(network))]


def assert_histogram(found, sample, edges, slip=0.0):
    """Counts below, in and above the bins; a value within ``slip`` of an edge may stand on either side of it."""
    found = np.asarray(found)
    assert found.shape == (len(edges) + 1,) and found.sum() == len(sample)
    # Counts below each edge, which a bin includes: as many as there are values that are smaller.
    cumulative = np.cumsum(found)[:-1]
    ordered = np.sort(sample)
    assert (cumulative >= np.searchsorted(ordered, edges - slip)).all()
    assert (cumulative <= np.searchsorted(ordered, edges + slip, side="right" if slip else "left")).all()


def assert_best(best, loss, gates, steps=1):
    """Hold best masks to those of all draws: distinct, lowest first, each with the draw that found it first."""
    _, first = np.unique(gates, axis=0, return_index=True)
    first = first[np.isfinite(loss[first])]
    first = first[np.lexsort((first, loss[first]))][:BEST]
    np.testing.assert_array_equal(best.loss[: len(first)], loss[first])
    np.testing.assert_array_equal(best.gates[: len(first)], gates[first])
    np.testing.assert_array_equal(best.draw[: len(first)], first // steps)
    assert np.isinf(best.loss[len(first) :]).all()


def hold(objective, outputs):
    """Hold outputs, losses and gradients to outputs(gates), all on, each gate off, and between."""
    nodes = len(objective.nodes)
    between = np.random.default_rng(0).uniform(0.3, 1.5, nodes)
    vectors = np.concatenate([np.ones((1, nodes)), 1 - np.eye(nodes), between[None]])
    right = np.array([outputs(vector) for vector in vectors])
    np.testing.assert_allclose([objective.outputs(vectors[at]) for at in (0, -1)], right[[0, -1]], rtol=1e-10)

    def loss(gates):
        z = outputs(gates).reshape(-1, right.shape[-1])
        return (np.log(np.exp(z).sum(1)) - z[np.arange(len(z)), np.ravel(objective.batch.targets)]).mean()

    found = objective.evaluate(vectors)
    np.testing.assert_allclose(found.loss, [loss(vector) for vector in vectors], rtol=1e-10)
    aside = 1e-5 * np.eye(nodes)
    slopes = [(loss(between + up) - loss(between - up)) / (2 * 1e-5) for up in aside]
    np.testing.assert_allclose(found.loss_gradient[-1], slopes, rtol=1e-6, atol=1e-9)
