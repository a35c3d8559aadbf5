"""Off values: means, other examples and the user's own, held to passes written by hand in NumPy.

``test_zoo`` holds every network of the zoo to off values that are numbers, and to those of a network with all nodes on.
"""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import sweeps
from tests.sweeps import models
from tests.sweeps.models import CASES
from tests.sweeps.zoo import Mix

CLOSE = dict(rtol=1e-10, atol=1e-10)


@pytest.fixture(autouse=True)
def double(x64):
    """Everything here runs in double precision."""


class Averaged(list):
    """What stands at the places of nodes, as means over examples, and over positions if asked, in order."""

    def __init__(self, case, positions):
        super().__init__()
        self.case, self.positions = case, positions

    def means(self):
        for value in self:
            # Heads are vectors, (examples, positions, heads, features).
            is_vector = self.case == "scan" and value.ndim == 4
            inner = value.ndim - (2 if is_vector else 1)
            yield value.mean(axis=tuple(range(inner)) if self.positions else 0, keepdims=True)


def by_hand(name, gates, values):
    """Outputs with gates that mix values with others, in the order in which the network makes them, in NumPy."""
    case = CASES[name]
    parts = [Mix(piece, values) for piece in case.split(gates)]
    return case.by_hand(models.model(name), parts, models.batch(name)[0])


def noted(name, inputs):
    found = []
    case = CASES[name]
    case.by_hand(models.model(name), [Mix(np.ones(n), found) for n in case.sites], inputs)
    return found


def gates_of(name):
    nodes = sum(CASES[name].sites)
    return np.random.default_rng(5).uniform(size=nodes).round(1)


def steps(name, values):
    """Return the means of a recurrent network over its steps, of each node, at every step."""
    return [np.mean(values, axis=0)] * len(values) if name == "recurrent" else values


@pytest.mark.parametrize("name", CASES)
def test_means_over_examples_and_positions(name):
    inputs, targets = models.batch(name)
    objective = sweeps.Objective(models.model(name), (inputs, targets), off="mean", plan="vmapped")
    assert objective.off == f"mean over {len(inputs)} examples and positions"
    values = Averaged(name, positions=True)
    values += noted(name, inputs)
    expected = by_hand(name, gates_of(name), iter(steps(name, list(values.means()))))
    np.testing.assert_allclose(objective.outputs(gates_of(name)), expected, **CLOSE)


@pytest.mark.parametrize("name", [name for name in CASES if len(CASES[name].shape) > 2])
def test_means_of_each_position(name):
    inputs, targets = models.batch(name)
    off = sweeps.off.Mean(positions=False)
    objective = sweeps.Objective(models.model(name), (inputs, targets), off=off, plan="vmapped")
    values = Averaged(name, positions=False)
    values += noted(name, inputs)
    expected = by_hand(name, gates_of(name), values.means())
    np.testing.assert_allclose(objective.outputs(gates_of(name)), expected, **CLOSE)


@pytest.mark.parametrize("name", CASES)
def test_other_inputs_and_other_examples(name):
    inputs, targets = models.batch(name)
    other = np.random.default_rng(8).normal(size=inputs.shape)
    of_batch = sweeps.Objective(models.model(name), (inputs, targets), off=(other, targets), plan="vmapped")
    np.testing.assert_allclose(
        of_batch.outputs(gates_of(name)), by_hand(name, gates_of(name), iter(noted(name, other))), **CLOSE
    )
    resampled = sweeps.Objective(models.model(name), (inputs, targets), off=sweeps.off.Resample(seed=3), plan="vmapped")
    rows = [
        int(np.flatnonzero((inputs == one).reshape(len(inputs), -1).all(axis=1))[0])
        for one in np.asarray(resampled.batch.reference)
    ]
    assert sorted(rows) == list(range(len(inputs))) and all(row != own for own, row in enumerate(rows))
    np.testing.assert_allclose(
        resampled.outputs(gates_of(name)), by_hand(name, gates_of(name), iter(noted(name, inputs[rows]))), **CLOSE
    )


# Losses, gradients and plans


class OneLayer(nnx.Module):
    """One hidden layer: outputs are affine in the gates."""

    def __init__(self):
        self.first, self.last = nnx.Linear(2, 5, rngs=models.rngs()), nnx.Linear(5, 2, rngs=models.rngs())

    def __call__(self, inputs):
        return self.last(nnx.tanh(self.first(inputs)))


INPUTS = np.random.default_rng(2).normal(size=(7, 2))
TARGETS = np.arange(7) % 2
NUMBERS = np.linspace(-0.5, 1, 5)
OFF = {
    "mean": "mean",
    "resample": "resample",
    "numbers": NUMBERS,
    "other": (INPUTS[::-1].copy(), TARGETS),
    "one other": sweeps.off.From(INPUTS[2:3]),
}


@functools.cache
def one_layer():
    return models.filled(OneLayer)


def losses_by_hand(gates, off_values):
    """Cross-entropy of each gate vector, and its gate gradients."""
    first, last = one_layer().first, one_layer().last
    hidden, kernel = np.tanh(models.dense(INPUTS, first)), np.asarray(last.kernel[...])
    losses, slopes = [], []
    for vector in gates:
        outputs = models.dense(vector * hidden + (1 - vector) * off_values, last)
        shares = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
        losses.append(-np.log(shares[np.arange(7), TARGETS]).mean())
        wrong = shares - np.eye(2)[TARGETS]
        slopes.append((wrong @ kernel.T * (hidden - off_values)).mean(axis=0))
    return np.array(losses), np.array(slopes)


@functools.cache
def objective(kind, plan="auto", **options):
    return sweeps.Objective(one_layer(), (INPUTS, TARGETS), off=OFF[kind], plan=plan, **options)


def off_values(kind):
    hidden = np.tanh(models.dense(INPUTS, one_layer().first))
    rows = {"other": slice(None, None, -1), "one other": slice(2, 3)}
    if kind == "resample":
        reference = np.asarray(objective(kind).batch.reference)
        return np.tanh(models.dense(reference, one_layer().first))
    return {"mean": hidden.mean(axis=0), "numbers": NUMBERS}[kind] if kind not in rows else hidden[rows[kind]]


@pytest.mark.parametrize("kind", OFF)
def test_every_plan_and_design_knows_what_off_is(kind):
    cube = np.array(list(itertools.product((0, 1), repeat=5)))[:, ::-1].astype(float)
    losses, slopes = losses_by_hand(cube, off_values(kind))
    assert objective(kind).plan.name == "affine"
    for plan in ("affine", "vmapped"):
        found = objective(kind, plan).evaluate(cube)
        np.testing.assert_allclose(found.loss, losses, **CLOSE)
        np.testing.assert_allclose(found.loss_gradient, slopes, **CLOSE)
    whole = sweeps.sweep(objective(kind), sweeps.Hypercube())
    assert whole.attrs["plan"].startswith("cube") and whole.attrs["off"] == objective(kind).off
    np.testing.assert_allclose(whole.loss, losses, **CLOSE)
    np.testing.assert_allclose(whole.loss_gradient, slopes, **CLOSE)
    paths = sweeps.sweep(objective(kind), sweeps.FlipPaths(paths=3), gradients=False)
    numbers = (paths.gates.values @ 2 ** np.arange(5)).astype(int)
    np.testing.assert_allclose(paths.loss, losses[numbers], **CLOSE)


@pytest.mark.parametrize("kind", OFF)
def test_micro_batches_change_nothing(kind):
    gates = np.random.default_rng(1).uniform(size=(3, 5))
    whole = objective(kind, "vmapped").evaluate(gates)
    cut = objective(kind, "vmapped", micro_batch=3).evaluate(gates)
    for one, other in zip(whole[:3], cut[:3], strict=True):
        np.testing.assert_allclose(one, other, **CLOSE)


# What counts


def test_padding_is_no_part_of_a_mean_and_examples_that_do_not_count_are_not_drawn():
    inputs, _ = models.batch("recurrent")
    mask = np.array([[1, 1, 0], [1, 1, 1], [1, 0, 0], [0, 0, 0]], bool)
    batch = (inputs, np.zeros((4, 3), int), mask)
    hidden = np.stack(noted("recurrent", inputs), axis=1)  # (examples, steps, nodes)
    objective = sweeps.Objective(models.model("recurrent"), batch, off="mean", plan="vmapped")
    expected = by_hand("recurrent", gates_of("recurrent"), iter([hidden[mask].mean(axis=0)] * 3))
    np.testing.assert_allclose(objective.outputs(gates_of("recurrent")), expected, **CLOSE)
    resampled = sweeps.Objective(models.model("recurrent"), batch, off="resample", plan="vmapped")
    drawn = np.asarray(resampled.batch.reference)
    assert not any((drawn[row] == inputs[row]).all() for row in range(3))
    assert all((drawn[:3] == inputs[row]).all(axis=(1, 2)).any() for row in range(3))


def test_means_over_other_data_without_padding_and_over_heads():
    inputs, targets = models.batch("scan")
    other = np.random.default_rng(4).normal(size=(6, *inputs.shape[1:]))
    mask = np.arange(3)[None] < np.array([[1], [2], [3], [3], [2], [1]])
    off = sweeps.off.Mean(other, mask=mask)
    objective = sweeps.Objective(models.model("scan"), (inputs, targets), off=off, plan="vmapped")
    means = [value[mask].mean(axis=0) for value in noted("scan", other)]
    expected = by_hand("scan", gates_of("scan"), iter(means))
    np.testing.assert_allclose(objective.outputs(gates_of("scan")), expected, **CLOSE)
    assert objective.off == "mean over 6 examples and positions"


def test_what_a_node_that_is_on_does_not_become():
    # An off value that is infinite counts for nothing where a node is on, and a value where it is off.
    net = one_layer()
    other = np.full((1, 2), 1e300)

    def apply(params, inputs):
        hidden = jnp.exp(inputs @ params["a"])
        return hidden @ params["b"]

    params = {"a": np.ones((2, 3)), "b": np.ones((3, 2)) + np.eye(3, 2)}
    objective = sweeps.Objective(
        apply, (INPUTS, TARGETS), params=params, off=sweeps.off.From(other), plan="vmapped", sites="a"
    )
    np.testing.assert_allclose(objective.outputs(), apply(params, INPUTS), **CLOSE)
    assert np.isinf(objective.outputs([0, 1, 1])).all() and net is one_layer()


def test_half_precision_is_mixed_in_single():
    params = {"a": jnp.asarray(np.ones((2, 3)), jnp.bfloat16), "b": jnp.ones((3, 2), jnp.bfloat16)}

    def apply(params, inputs):
        return jnp.tanh(inputs.astype(jnp.bfloat16) @ params["a"]) @ params["b"]

    inputs = np.full((4, 2), 0.25, np.float32)
    objective = sweeps.Objective(apply, (inputs, np.zeros(4, int)), params=params, off=np.array([0.5, 1, 1.5]))
    found = objective.outputs([0, 0, 0])
    assert found.dtype == jnp.bfloat16 and (np.asarray(found, float) == 3).all()


# Stores


def test_another_off_value_is_another_sweep(tmp_path):
    data = sweeps.sweep(objective("mean"), sweeps.Bernoulli(probability=0.5, draws=8), store=tmp_path / "a.zarr")
    assert data.attrs["off"] == "mean over 7 examples and positions"
    with pytest.raises(sweeps.InputError, match="off"):
        sweeps.sweep(objective("resample"), sweeps.Bernoulli(probability=0.5, draws=8), store=tmp_path / "a.zarr")


# Refusals


def looped(params, inputs):
    hidden = jax.lax.while_loop(lambda h: jnp.abs(h).max() < 0, lambda h: jnp.tanh(h @ params["a"]), inputs)
    return hidden @ params["b"]


@pytest.mark.parametrize(
    ("off", "message"),
    [
        ("none", "off must be one of zero, mean, resample, got 'none'"),
        (np.zeros(4), r"off must hold one number a node, shape \(5,\), got \(4,\)"),
        ([0, 0, np.inf, 0, 0], "off must be finite"),
        (["a"] * 5, "off must be one of zero, mean, resample, numbers"),
        (sweeps.off.From(INPUTS[:3]), "other inputs must be one example, or 7 as the batch has, got 3"),
        (sweeps.off.From(INPUTS[:, :1]), r"off: inputs must be examples like the batch's, .*\[2\] each, got .*\[1\]"),
        (sweeps.off.Mean(mask=np.ones(7)), "a mask belongs to data of its own"),
        (sweeps.off.Mean(positions=2), "off: positions"),
        (sweeps.off.Resample(seed=-1), "off: seed"),
    ],
)
def test_what_off_may_be(off, message):
    with pytest.raises((sweeps.InputError, TypeError), match=message):
        sweeps.Objective(one_layer(), (INPUTS, TARGETS), off=off)


def test_one_example_a_function_and_a_while_loop():
    with pytest.raises(sweeps.InputError, match="to resample, a batch needs two examples that count"):
        sweeps.Objective(one_layer(), (INPUTS[:1], TARGETS[:1]), off="resample")
    with pytest.raises(sweeps.InputError, match="off must be zero for a function of"):
        sweeps.Objective(lambda gates, x: x * gates.astype(x.dtype)[None], (INPUTS, TARGETS), nodes=2, off="mean")
    params = {"a": np.ones((2, 2)), "b": np.ones((2, 2))}
    with pytest.raises(NotImplementedError, match="off: values within a while loop are not to be seen.*or numbers"):
        sweeps.Objective(looped, (INPUTS, TARGETS), params=params, off="mean")


def test_tied_nodes_have_an_off_value_together():
    tied = sweeps.Tied("first", nodes=[[0, 3], [1]])
    objective = sweeps.Objective(one_layer(), (INPUTS, TARGETS), sites=tied, off=np.array([0.5, -1.0]), plan="vmapped")
    values = np.array([0.5, -1, 0, 0.5, 0])
    losses, slopes = losses_by_hand(np.array([[0.2, 0.7, 1, 0.2, 1]]), values)
    found = objective.evaluate([[0.2, 0.7]])
    np.testing.assert_allclose(found.loss, losses, **CLOSE)
    np.testing.assert_allclose(found.loss_gradient[0], [slopes[0, 0] + slopes[0, 3], slopes[0, 1]], **CLOSE)


def flattened(params, inputs):
    """Positions are put into one axis with the examples, as some libraries do before a dense layer."""
    hidden = jnp.tanh(inputs.reshape(-1, 2) @ params["a"])
    return (hidden @ params["b"]).reshape(*inputs.shape[:2], 2)


def test_examples_and_positions_on_one_axis():
    random = np.random.default_rng(0)
    params = {"a": random.normal(size=(2, 3)), "b": random.normal(size=(3, 2))}
    inputs, targets = random.normal(size=(4, 5, 2)), np.zeros((4, 5), int)

    def objective(off, *mask):
        return sweeps.Objective(flattened, (inputs, targets, *mask), params=params, sites="a", off=off, plan="vmapped")

    gates, hidden = np.array([0.3, 1, 0]), np.tanh(inputs @ params["a"])
    expected = (gates * hidden + (1 - gates) * hidden.mean(axis=(0, 1))) @ params["b"]
    np.testing.assert_allclose(objective("mean").outputs(gates), expected, **CLOSE)
    with pytest.raises(sweeps.InputError, match="so that each position has no mean of its own"):
        objective(sweeps.off.Mean(positions=False))
    with pytest.raises(sweeps.InputError, match="so that what does not count cannot be left out"):
        objective("mean", np.arange(5)[None] < np.array([[1], [2], [5], [3]]))


def test_features_and_what_one_layer_reads_or_makes():
    inputs, targets = models.batch("dense")
    first, second, last = models.model("dense").layers
    hidden = np.tanh(models.dense(inputs, first))

    def onward(read):
        return models.dense(models.sigmoid(models.dense(read, second)), last)

    def mixed(values, gates):
        return gates * values + (1 - gates) * values.mean(axis=0)

    made = models.dense(inputs, first)
    gates = np.array([0.2, 1, 0, 0.7])
    for sites, expected in {
        "inputs": onward(np.tanh(models.dense(mixed(inputs, gates[:2]), first))),
        "input:layers/1": onward(mixed(hidden, gates)),
        "output:layers/0": onward(np.tanh(mixed(made, gates))),
    }.items():
        of = sweeps.Objective(models.model("dense"), (inputs, targets), sites=sites, off="mean", plan="vmapped")
        np.testing.assert_allclose(of.outputs(gates[: len(of.nodes)]), expected, **CLOSE)
