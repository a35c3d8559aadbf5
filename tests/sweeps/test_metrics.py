"""Metrics and losses of examples: those of the network's own outputs, from one pass, whatever evaluates them."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

import sweeps
from sweeps import InputError
from tests import reference
from tests.sweeps import helpers
from tests.sweeps.helpers import PROBLEMS, SMALL

NAMED = ["accuracy", "kl", "logit_difference"]


def size(outputs, targets):
    """A metric of each example that is no mean of whole numbers."""
    return (outputs**2).sum(axis=-1) * (1 + targets).astype(outputs.dtype)


def largest(outputs, targets):
    """A metric of all examples."""
    return abs(outputs).max()


def logits(z):
    return np.concatenate([np.zeros_like(z), z], axis=-1) if z.shape[-1] == 1 else z


def expected(outputs, whole, targets, counts):
    """Metrics of one gate vector, in double precision; counts is true for the positions that count."""
    z, before = logits(outputs), logits(whole)
    right = np.take_along_axis(z, targets[..., None], -1)[..., 0]
    others = np.where(np.arange(z.shape[-1]) == targets[..., None], -np.inf, z).max(axis=-1)
    p, q = scipy.special.softmax(before, axis=-1), scipy.special.softmax(z, axis=-1)
    found = dict(accuracy=right > others, kl=(p * np.log(p / q)).sum(-1), logit_difference=right - others)
    found["size"] = size(outputs, targets)
    return {name: values[counts].mean() for name, values in found.items()} | dict(largest=abs(outputs).max())


# Two layers are left to vmap anyway.
VMAPPED, CUT = dict(plan="vmapped"), dict(plan="vmapped", micro_batch=5)


@pytest.mark.parametrize(
    ("name", "how"),
    [(name, {}) for name in ("two classes", "four classes", "binary", "two layers")]
    + [("four classes", VMAPPED), ("binary", VMAPPED), ("two classes", CUT), ("two layers", CUT), ("binary", CUT)],
)
def test_metrics_are_those_of_the_outputs(name, how, x64):
    problem = PROBLEMS[name]
    metrics = [*NAMED, size, *([largest] if "micro_batch" not in how else [])]
    gates = np.concatenate([reference.masks(problem.nodes)[::7], helpers.partial_gains(problem.nodes)])
    objective = sweeps.Objective(
        helpers.network(problem, np.float64),
        helpers.batch(problem, np.float64),
        loss=problem.loss,
        metrics=metrics,
        **how,
    )
    wanted_plan = "affine" if name in helpers.AFFINE and not how else "vmapped"
    assert objective.plan.name == wanted_plan and list(objective.metrics)[:4] == [*NAMED, "size"]
    found, value = objective.evaluate(gates), reference.evaluate(problem, gates)
    np.testing.assert_allclose(found.loss, value.loss, rtol=1e-10)
    np.testing.assert_allclose(found.loss_gradient, value.loss_gradient, rtol=1e-10, atol=1e-10)
    whole, everything = reference.outputs(problem, np.ones(problem.nodes)), np.ones(len(problem.targets), bool)
    wanted = [expected(reference.outputs(problem, one), whole, problem.targets, everything) for one in gates]
    for metric, values in found.metrics.items():
        np.testing.assert_allclose(values, [one[metric] for one in wanted], rtol=1e-9, atol=1e-12, err_msg=metric)
    each = [reference.per_example(problem.loss, reference.outputs(problem, one), problem.targets)[0] for one in gates]
    np.testing.assert_allclose(objective.example_losses(gates), each, rtol=1e-10, atol=1e-12)


# Positions of sequences, of which some do not count, and of the last sequence none.
RANDOM = np.random.default_rng(5)
PARAMS = {"in": RANDOM.normal(size=(2, 3)), "out": RANDOM.normal(size=(3, 4))}
SEQUENCES, LABELS = RANDOM.normal(size=(5, 6, 2)), RANDOM.integers(4, size=(5, 6))
COUNTS = RANDOM.random((5, 6)) < 0.6
COUNTS[-1] = False
LABELS[~COUNTS] = -100


def network(params, inputs):
    return jnp.tanh(inputs @ params["in"]) @ params["out"]


def masked(gates):
    """The user's own masked forward pass."""
    return (np.tanh(SEQUENCES @ PARAMS["in"]) * gates) @ PARAMS["out"]


@pytest.mark.parametrize("how", [{}, dict(plan="vmapped"), dict(plan="vmapped", micro_batch=2)])
def test_positions_that_do_not_count(how, x64):
    labels = np.where(COUNTS, LABELS, 0)
    objective = sweeps.Objective(
        network, (SEQUENCES, LABELS, COUNTS), params=PARAMS, metrics=[*NAMED, size], loss="cross_entropy", **how
    )
    gates = helpers.partial_gains(3).astype(float)
    found, each = objective.evaluate(gates), objective.example_losses(gates)
    assert each.shape == (6, 5) and np.isnan(each[:, -1]).all()
    for index, one in enumerate(gates):
        wanted = expected(masked(one), masked(np.ones(3)), labels, COUNTS)
        for metric, values in found.metrics.items():
            np.testing.assert_allclose(values[index], wanted[metric], rtol=1e-9, err_msg=metric)
        losses = -np.take_along_axis(scipy.special.log_softmax(masked(one), axis=-1), labels[..., None], -1)[..., 0]
        np.testing.assert_allclose(found.loss[index], losses[COUNTS].mean(), rtol=1e-10)
        of_examples = [losses[row][COUNTS[row]].mean() for row in range(4)]
        np.testing.assert_allclose(each[index, :4], of_examples, rtol=1e-10)


@pytest.mark.parametrize("gradients", [True, False])
def test_the_network_runs_once_for_everything(gradients):
    def products(metrics):
        made = sweeps.Objective(
            helpers.network(SMALL), helpers.batch(SMALL), plan="vmapped", metrics=metrics, micro_batch=5
        )
        gates = jnp.ones((4, SMALL.nodes))
        jaxpr = jax.make_jaxpr(lambda plan, gates: plan.evaluate(gates, gradients))(made.plan.tree, gates)
        return str(jaxpr).count("dot_general")

    assert products(None) == products([*NAMED, size])


def test_numbers_of_half_precision_are_summed_in_single():
    problem = helpers.problem((2, 6, 2), "relu", "cross_entropy", 2, examples=600)
    half = helpers.network(problem, jnp.bfloat16)
    data = sweeps.Batch(jnp.asarray(problem.inputs, jnp.bfloat16), problem.targets)
    ones, share = np.ones((1, 6)), lambda outputs, targets: outputs.argmax(axis=-1) == targets
    found = sweeps.Objective(half, data, metrics={"accuracy": "accuracy", "kl": "kl", "share": share}).evaluate(ones)
    right = np.asarray(half(data.inputs)).argmax(axis=-1) == problem.targets
    for name in ("accuracy", "share"):
        assert found.metrics[name].dtype == np.float32 and float(found.metrics[name][0]) == np.float32(right.mean())
    # All gates on: the network itself.
    assert abs(float(found.metrics["kl"][0])) < 1e-6


def mixing(outputs, targets):
    return (outputs - outputs.mean(axis=0, keepdims=True)).sum(axis=-1) ** 2


def test_a_metric_that_mixes_examples_is_never_cut(monkeypatch):
    with pytest.raises(InputError, match="micro_batch must be left out, or be all 12 examples"):
        sweeps.Objective(helpers.network(SMALL), helpers.batch(SMALL), metrics=mixing, micro_batch=4)
    with pytest.raises(InputError, match="micro_batch needs a number of each example, and largest returns one"):
        sweeps.Objective(helpers.network(SMALL), helpers.batch(SMALL), metrics=largest, micro_batch=4)
    # Room for two examples.
    helpers.set_device(monkeypatch, micro_batch=20)
    cut, whole = (
        sweeps.Objective(helpers.network(SMALL), helpers.batch(SMALL), metrics=one, plan="vmapped")
        for one in (size, mixing)
    )
    assert cut.plan.tree.loss.micro_batch < 12 and whole.plan.tree.loss.micro_batch == 12


def test_outputs_that_are_not_finite_have_no_class_and_do_not_hide():
    kernel, bias = SMALL.layers[1]
    broken = SMALL._replace(layers=(SMALL.layers[0], (kernel, np.array([np.inf, 0]))))
    found = sweeps.Objective(helpers.network(broken), helpers.batch(broken), metrics=NAMED).evaluate(np.ones((1, 6)))
    assert np.isnan(found.metrics["accuracy"]).all() and not np.isfinite(found.metrics["kl"]).any()


VALUES = (SMALL.inputs.astype(np.float32), np.ones((12, 2), np.float32))


@pytest.mark.parametrize(
    ("metrics", "batch", "message"),
    [
        ("precision", None, "metrics must be one of accuracy, kl, logit_difference, got 'precision'"),
        (3, None, "metrics must be names .* or functions"),
        ([3], None, "metrics must be names .* or functions .* got 3"),
        ({"loss": "kl"}, None, "metrics: the name loss is taken by the sweep's own variables"),
        ({"a/b": "kl"}, None, "a name must be letters, digits and underscores, got 'a/b'"),
        (["kl", "kl"], None, "metrics must have different names, got kl, kl"),
        (lambda outputs, targets: outputs.sum(), None, "a name must be letters.*<lambda>"),
        ({"odd": lambda outputs, targets: outputs.sum(axis=0)}, None, r"metric odd must return .* got shape \(2,\)"),
        ({"odd": lambda outputs, targets: (outputs, targets)}, None, "metric odd must return one array of numbers"),
        ("accuracy", VALUES, "accuracy needs targets that are class numbers"),
        ("logit_difference", VALUES, "logit_difference needs targets that are class numbers"),
        ("kl", VALUES, "kl needs outputs that are logits of classes"),
    ],
)
def test_what_does_not_fit_is_refused(metrics, batch, message):
    with pytest.raises((InputError, TypeError), match=message):
        sweeps.Objective(helpers.network(SMALL), batch or helpers.batch(SMALL), metrics=metrics)


def test_errors_of_a_metric_are_the_users():
    def broken(outputs, targets):
        return outputs @ outputs

    with pytest.raises(TypeError) as caught:
        sweeps.Objective(helpers.network(SMALL), helpers.batch(SMALL), metrics=broken)
    assert re.search("within the metric broken, with outputs of shape", "".join(caught.value.__notes__))


def test_losses_of_examples_need_examples():
    with pytest.raises(InputError, match="an objective made from a function has no examples"):
        sweeps.Objective.from_function(lambda gates: gates.sum(), nodes=2).example_losses([1, 1])
    mean = sweeps.Objective(helpers.network(SMALL), helpers.batch(SMALL), loss=largest)
    with pytest.raises(InputError, match="losses of examples are wanted, and largest returns one number for all"):
        mean.example_losses(np.ones(6))
    with pytest.raises(InputError, match="plan 'dense' does not fit: metrics need the network's outputs"):
        sweeps.Objective(helpers.network(SMALL), helpers.batch(SMALL), metrics="kl", plan="dense")
