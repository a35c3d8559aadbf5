"""Pruning of networks that compute in few bits, whose examples depend on each other, and with arguments of any kind."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import sweeps
from sweeps import pruning
from tests.sweeps import helpers

MANY = 70_000


class Centred(nnx.Module):
    """A network of which each example lacks the mean of all."""

    def __init__(self):
        self.first, self.second = helpers.linear(3, 4), helpers.linear(4, 2, seed=1)

    def __call__(self, inputs):
        hidden = nnx.relu(self.first(inputs))
        return self.second(hidden - hidden.mean(axis=0, keepdims=True))


def chain(dtype):
    """Two layers that compute in a type; their parameters are exact in it."""
    layers = helpers.linear(3, 6), helpers.linear(6, 2, seed=1)
    for layer in layers:
        layer.dtype = dtype
        for variable in (layer.kernel, layer.bias):
            variable[...] = variable[...].astype(jnp.bfloat16).astype(jnp.float32)
    return nnx.Sequential(layers[0], nnx.relu, layers[1])


@pytest.fixture(scope="module")
def many():
    """As many examples as float16 cannot count; of a tenth of the classes the wrong ones."""
    x = np.random.default_rng(0).normal(size=(MANY, 3)).astype(jnp.bfloat16).astype(np.float32)
    classes = forward(chain(jnp.float16), x)[1].argmax(axis=1)
    classes[: MANY // 10] = 1 - classes[: MANY // 10]
    return x, classes


def forward(net, x):
    """Activations and outputs in doubles."""
    (w1, b1), (w2, b2) = (
        [np.asarray(one[...], float) for one in (layer.kernel, layer.bias)] for layer in net.layers[::2]
    )
    hidden = np.maximum(x.astype(float) @ w1 + b1, 0)
    return hidden, hidden @ w2 + b2


def slopes(net, x, y):
    """Gradient of the mean cross-entropy by the kernels, in doubles."""
    hidden, outputs = forward(net, x)
    wrong = np.exp(outputs - np.logaddexp.reduce(outputs, axis=1, keepdims=True)) - np.eye(2)[y]
    back = (wrong @ np.asarray(net.layers[2].kernel[...], float).T) * (hidden > 0)
    return {"layers/0/kernel": x.astype(float).T @ back / len(x), "layers/2/kernel": hidden.T @ wrong / len(x)}


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_means_over_many_examples_in_half_precision(many, dtype):
    net, (x, y) = chain(dtype), many
    rounding = 4 * float(jnp.finfo(dtype).eps)
    outputs = np.asarray(net(jnp.asarray(x)), float)
    found = pruning.evaluate(net, {}, many)
    assert found.loss.dtype == found.accuracy.dtype == np.float32
    # One compiled program rounds less often than operation by operation.
    np.testing.assert_allclose(found.accuracy, (outputs.argmax(axis=1) == y).mean(), rtol=1e-3)
    losses = np.logaddexp(*outputs.T) - outputs[np.arange(MANY), y]
    np.testing.assert_allclose(found.loss, losses.mean(), rtol=1e-3)
    scores = pruning.weight_scores(net, method="gradient", batch=many, include_outputs=True)
    for path, wanted in slopes(net, x, y).items():
        np.testing.assert_allclose(scores[path], abs(wanted), rtol=rounding, atol=rounding * abs(wanted).max())


def test_gradients_in_half_precision_of_what_counts(many):
    x, y, counts = many[0][:300].copy(), many[1][:300], np.arange(300) % 3 == 0
    x[1] = np.nan
    found = pruning.weight_scores(chain(jnp.float16), method="gradient", batch=sweeps.MaskedBatch(x, y, counts))
    wanted = slopes(chain(None), x[counts], y[counts])["layers/0/kernel"]
    np.testing.assert_allclose(found["layers/0/kernel"], abs(wanted), rtol=4e-3, atol=1e-3)


def test_gradients_that_would_be_lost_are_refused(many):
    net, (x, y) = chain(jnp.float16), many

    def one_number(outputs, targets):
        return optax.softmax_cross_entropy_with_integer_labels(outputs, targets).mean()

    with pytest.raises(NotImplementedError, match="whose 65 examples depend on each other, would be lost in rounding"):
        pruning.weight_scores(net, method="gradient", batch=(x[:65], y[:65]), loss=one_number)


def test_batches_whose_examples_depend_on_each_other_are_not_cut(many, monkeypatch):
    net, x, y = Centred(), many[0][:3000] * np.linspace(0, 3, 3000, dtype=np.float32)[:, None], many[1][:3000]
    hidden = np.maximum(np.asarray(net.first(jnp.asarray(x)), float), 0)
    hidden -= hidden.mean(axis=0)
    outputs = hidden @ np.asarray(net.second.kernel[...], float) + np.asarray(net.second.bias[...], float)
    helpers.set_device(monkeypatch, networks=5000)
    found = pruning.evaluate(net, {}, (x, y))
    np.testing.assert_allclose(found.loss, (np.logaddexp(*outputs.T) - outputs[np.arange(3000), y]).mean(), rtol=1e-5)
    np.testing.assert_allclose(found.accuracy, (outputs.argmax(axis=1) == y).mean(), rtol=1e-6)
    # The mean that the second layer reads is zero over all examples, and over none of their parts.
    np.testing.assert_allclose(pruning.mean_activations(net, x, ["second"])["second"], 0, atol=1e-6)


def test_what_does_not_count_has_no_part_in_deviations(many):
    x, counts = many[0][:40].copy(), np.arange(40) % 2 == 0
    x[1], x[3] = np.nan, 1e6
    net = chain(None)
    found = pruning.unit_scores(net, method="activation", batch=sweeps.MaskedBatch(x, many[1][:40], counts))
    np.testing.assert_allclose(found, forward(net, x[counts])[0].std(axis=0), rtol=1e-5)


def test_outputs_that_are_not_finite_give_no_class(many):
    net = chain(None)
    net.layers[0].bias[...] = jnp.full(6, jnp.nan)
    assert np.isnan(pruning.evaluate(net, {}, (many[0][:20], many[1][:20]))).all()


MLP = helpers.network(helpers.problem((3, 4, 2), "relu", "cross_entropy", 2))
TASK = sweeps.Task("own", *[sweeps.Batch(np.zeros((4, 3), np.float32), np.array([0, 1, 0, 1]))] * 2, 2, {})
X = TASK.train.inputs
BIAS = "layers/0/bias"
WRONG = {
    "seed": (
        lambda: pruning.unit_scores(MLP, method="random", seed=1.0),
        TypeError,
        "seed must be a whole number, got 1.0",
    ),
    "seed of a gradient": (lambda: pruning.weight_scores(MLP, seed=-1), ValueError, "seed must be at least 0"),
    "method": (lambda: pruning.unit_scores(MLP, method=None), TypeError, "method must be numbers, got None"),
    "complex method": (lambda: pruning.unit_scores(MLP, method=[1j] * 4), TypeError, "method must be numbers"),
    "loss without batch": (lambda: pruning.unit_masks(MLP, 0, loss="squared_error"), ValueError, "loss is of a batch"),
    "loss of no use": (
        lambda: pruning.unit_masks(MLP, 0, batch=TASK.train, loss="hinge"),
        ValueError,
        "loss must be one of cross_entropy",
    ),
    "ragged sparsity": (lambda: pruning.unit_masks(MLP, [[0], [0, 1]]), ValueError, "sparsity must be numbers between"),
    "true sparsity": (lambda: pruning.unit_masks(MLP, True), ValueError, "sparsity must be numbers between"),
    "block": (lambda: pruning.weight_masks(MLP, 0, block=(1, 2.0)), TypeError, "block: columns must be a whole number"),
    "outputs": (lambda: pruning.weight_masks(MLP, 0, include_outputs=1), TypeError, "include_outputs must be True or"),
    "scope": (
        lambda: pruning.weight_masks(MLP, 0, scope=["layer"]),
        ValueError,
        "scope must be one of layer, global_raw",
    ),
    "text": (lambda: pruning.remove_nodes(MLP, "abcd"), TypeError, "keep must be numbers, got 'abcd'"),
    "texts": (lambda: pruning.zero_nodes(MLP, list("abcd")), TypeError, "keep must be numbers"),
    "NaN": (lambda: pruning.masks_of_nodes(MLP, [np.nan] * 4), ValueError, "keep must be true or false"),
    "compensation": (
        lambda: pruning.zero_nodes(MLP, [1] * 4, inputs=X, compensate_bias=1),
        TypeError,
        "compensate_bias must be True or False",
    ),
    "inputs": (lambda: pruning.remove_nodes(MLP, [1] * 4, inputs=X + np.inf), ValueError, "inputs must be finite"),
    "layers": (lambda: pruning.mean_activations(MLP, X, "layers/1"), TypeError, "layers must be a list of paths"),
    "masks": (lambda: pruning.Masked(MLP, {BIAS: "abcd"}), TypeError, "masks: that of layers/0/bias must be numbers"),
    "other masks": (lambda: pruning.Masked(MLP, {}).set_masks([1]), TypeError, "masks must be a dict by path"),
    "number of a mask": (
        lambda: pruning.zeroed(MLP, {1: [1]}),
        ValueError,
        "masks must be of the network's parameters",
    ),
    "evaluated masks": (lambda: pruning.evaluate([MLP], ["ab"], TASK.test), TypeError, "masks must be a dict by path"),
    "networks": (lambda: pruning.evaluate(3, [{}], TASK.test), TypeError, "networks and masks must be a module and a"),
    "optimizer": (lambda: pruning.resting(0.1), TypeError, "optimizer must be an Optax transformation, got float"),
    "repeats": (lambda: pruning.cost(MLP, X, repeats=1e3), TypeError, "repeats must be a whole number, got 1000.0"),
    "epochs": (lambda: pruning.gradually(MLP, TASK, float, 1.0), TypeError, "epochs must be a whole number, got 1.0"),
    "seed of training": (
        lambda: pruning.gradually(MLP, TASK, float, 1, seed=2**64),
        ValueError,
        "seed must be at most",
    ),
    "choose": (lambda: pruning.gradually(MLP, TASK, float, 1, choose=3), TypeError, "choose must be a function"),
    "schedule": (
        lambda: pruning.gradually(MLP, TASK, lambda epoch: [0], 1),
        ValueError,
        "sparsity must return one number",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_arguments_are_refused_by_name(name):
    call, kind, message = WRONG[name]
    with pytest.raises(kind, match=message) as found:
        call()
    assert isinstance(found.value, ValueError)


def test_all_bits_of_a_seed_count_and_numpys_numbers_are_numbers():
    for seed in (np.uint8(17), 2**32 + 17, 2**63):
        wanted = np.random.default_rng(int(seed)).random(4)
        np.testing.assert_array_equal(pruning.unit_scores(MLP, method="random", seed=seed), wanted)
    few = pruning.weight_masks(MLP, np.float16(0.5), block=np.array([1, 2]), include_outputs=np.bool_(True))
    assert [mask.sum() for mask in few.values()] == [6, 4]
    assert pruning.remove_nodes(MLP, np.array([1, 0, 1, 1], np.int8), compensate_bias=np.bool_(False)).sizes == (
        3,
        3,
        2,
    )


def test_errors_of_ones_own_code_are_ones_own():
    class Own(nnx.Module):
        def __init__(self):
            self.first, self.second = helpers.linear(3, 4), helpers.linear(4, 2)

        def __call__(self, inputs):
            hidden = nnx.relu(self.first(inputs))
            if bool(self.fails):
                raise KeyError("mine")
            return self.second(hidden)

    net = Own()
    net.fails = True
    for call in (pruning.remove_nodes, pruning.zero_nodes):
        with pytest.raises(KeyError, match="mine"):
            call(net, [1, 1, 0, 1], inputs=X)
