"""Every plan against the oracle, at ordinary and at extreme sizes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import sweeps
from sweeps import _device
from sweeps._plans import margins, preferred_batch
from tests import reference
from tests.sweeps import helpers
from tests.sweeps.helpers import AFFINE, LAYERED, PROBLEMS, SMALL

# Every plan with every loss that it has code for; the affine plan on all problems that it fits.
DOUBLE = [("affine", name) for name in AFFINE] + [("dense", name) for name in LAYERED]
DOUBLE += [("vmapped", name) for name in ("four classes", "two layers", "three layers")]
SINGLE = [("affine", "two classes"), ("affine", "one-hot"), ("dense", "two layers"), ("vmapped", "two layers")]


@functools.cache
def all_gates(name):
    """All masks of a problem, and partial gains."""
    nodes = PROBLEMS[name].nodes
    return np.concatenate([reference.masks(nodes), helpers.partial_gains(nodes)])


@functools.cache
def expected(name):
    return reference.evaluate(PROBLEMS[name], all_gates(name))


def assert_exact(evaluation, value, scale=1.0):
    """Hold the four parts to 1e-10 of the numbers they are made of."""
    for field, wanted in value._asdict().items():
        found = getattr(evaluation, field)
        assert found.dtype == np.float64, field
        # The derivative of log L is that of L divided by L, and so is its error.
        tolerance = 1e-10 * scale * (1 / value.loss.min() if field.startswith("log") else 1)
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=tolerance, err_msg=field)


@pytest.mark.parametrize(("plan", "name"), DOUBLE)
def test_every_mask_and_partial_gains_in_double_precision(plan, name, x64):
    objective = helpers.objective(PROBLEMS[name], np.float64, plan)
    assert objective.plan.name == plan
    assert_exact(objective.evaluate(all_gates(name)), expected(name))


@pytest.mark.parametrize(("plan", "name"), SINGLE)
def test_every_mask_and_partial_gains_in_single_precision(plan, name):
    gates, value = all_gates(name), expected(name)
    of_loss, of_gradient = helpers.rounding(PROBLEMS[name], gates)
    found = helpers.objective(PROBLEMS[name], plan=plan).evaluate(gates)
    np.testing.assert_allclose(found.loss, value.loss, rtol=0, atol=of_loss)
    np.testing.assert_allclose(found.loss_gradient, value.loss_gradient, rtol=0, atol=of_gradient)
    # The logarithm and the quotient are as good as the loss that they are taken of.
    loss = np.asarray(found.loss)
    np.testing.assert_allclose(
        found.log_loss, np.log(loss), rtol=0, atol=4 * helpers.SINGLE * (1 + np.abs(np.log(loss))).max()
    )
    np.testing.assert_allclose(found.log_loss_gradient, found.loss_gradient / loss[:, None], rtol=4 * helpers.SINGLE)


@pytest.mark.parametrize("name", ["two classes", "two layers"])
def test_losses_are_the_same_without_gradients(name):
    objective = helpers.objective(PROBLEMS[name])
    alone = objective.evaluate(all_gates(name), gradients=False)
    assert alone.loss_gradient is None and alone.log_loss_gradient is None
    of_loss, _ = helpers.rounding(PROBLEMS[name], all_gates(name))
    np.testing.assert_allclose(alone.loss, expected(name).loss, rtol=0, atol=of_loss)


@pytest.mark.parametrize("name", ["two classes", "one-hot", "two layers"])
def test_masks_may_be_bool(name):
    plan, masks = helpers.objective(PROBLEMS[name]).plan.tree, reference.masks(PROBLEMS[name].nodes)
    found, wanted = plan.evaluate(jnp.asarray(masks, bool), True), plan.evaluate(jnp.asarray(masks, plan.dtype), True)
    jax.tree.map(np.testing.assert_array_equal, found, wanted)


@pytest.mark.parametrize("most_terms", [1, 128])
@pytest.mark.parametrize(
    ("sizes", "activation"), [((2, 4, 3, 2), "relu"), ((2, 3, 2, 3, 2), "relu"), ((2, 3, 2, 2), "tanh")]
)
def test_margins_of_several_layers(sizes, activation, most_terms, x64, monkeypatch):
    monkeypatch.setattr(margins, "MOST_TERMS", most_terms)
    # With another number of examples jit compiles anew.
    problem = helpers.problem(sizes, activation, "cross_entropy", 2, examples=12 + most_terms, seed=12)
    gates = np.concatenate([reference.masks(problem.nodes), helpers.partial_gains(problem.nodes)])
    assert_exact(helpers.objective(problem, np.float64, "dense").evaluate(gates), reference.evaluate(problem, gates))


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_fastest_plan_that_fits_is_chosen(name):
    # Several layers are not affine even without a nonlinearity: products of their gates are bilinear.
    wanted = "affine" if name in AFFINE else "dense"
    assert helpers.objective(PROBLEMS[name]).plan.name == wanted


def test_a_plan_says_why_it_was_chosen():
    assert "outputs are affine in the gates" in helpers.objective(SMALL).plan.reason
    assert "every hidden layer" in helpers.objective(PROBLEMS["two layers"]).plan.reason
    assert "asked for" in helpers.objective(SMALL, plan="vmapped").plan.reason


def test_a_plan_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="plan 'affine' does not fit: outputs are not affine in the gates"):
        helpers.objective(PROBLEMS["two layers"], plan="affine")
    with pytest.raises(ValueError, match="plan must be one of auto, fused, affine, dense, vmapped, got 'fast'"):
        helpers.objective(SMALL, plan="fast")


@pytest.mark.parametrize("offset", [1e3, 1e6])
def test_a_large_offset_of_the_outputs_does_not_hide_that_they_are_not_affine(offset):
    # The offset cancels in the softmax; float32 still resolves outputs of 1e6 to 0.06, while gates move them by 1.
    (first, second, (kernel, bias)) = PROBLEMS["two layers"].layers
    shifted = PROBLEMS["two layers"]._replace(layers=(first, second, (kernel, bias + offset)))
    assert helpers.objective(shifted).plan.name != "affine"


@pytest.mark.parametrize("size", [1e4, 1e9])
def test_nor_does_a_node_that_is_much_larger_than_the_others(size):
    first, (kernel, bias), last = PROBLEMS["two layers"].layers
    bias = np.array([size, *bias[1:]])
    assert (
        helpers.objective(PROBLEMS["two layers"]._replace(layers=(first, (kernel, bias), last))).plan.name != "affine"
    )


class Skipping(sweeps.MLP):
    """An MLP with a way of its own through its layers: the second one is skipped by a sum."""

    def __call__(self, inputs):
        hidden = nnx.relu(self.layers[0](inputs))
        return self.layers[2](nnx.relu(self.layers[1](hidden)) + hidden)


class Halved(nnx.Linear):
    """A dense layer with arithmetic of its own."""

    def __call__(self, inputs):
        return super().__call__(inputs) / 2


def with_a_halved_layer():
    network = sweeps.MLP((2, 3, 3, 2))
    network.layers[1] = helpers.linear(3, 3, seed=1, kind=Halved)
    return network


@pytest.mark.parametrize("make", [lambda: Skipping((2, 3, 3, 2)), with_a_halved_layer], ids=["forward", "layer"])
def test_a_network_that_only_looks_like_an_mlp_keeps_its_own_arithmetic(make):
    network, batch = make(), helpers.batch(PROBLEMS["two layers"])
    gates = np.vstack([np.ones(6), helpers.partial_gains(6)])
    found = sweeps.Objective(network, batch).evaluate(gates)
    as_written = sweeps.Objective(network, batch, plan="vmapped").evaluate(gates)
    # Float32 evaluations of numbers of order one, twenty operations deep.
    np.testing.assert_allclose(found.loss, as_written.loss, rtol=1e-5)
    outputs = np.asarray(network(jnp.asarray(batch.inputs)), float)
    untouched = reference.per_example("cross_entropy", outputs, batch.targets)[0].mean()
    np.testing.assert_allclose(found.loss[0], untouched, rtol=1e-5)


@pytest.mark.parametrize(
    ("plan", "name"), [("affine", "four classes"), ("dense", "two layers"), ("dense", "three layers")]
)
def test_blocks_of_examples_and_their_padding_change_nothing(plan, name, x64):
    # 1,103 is a prime: blocks of at most 512, 1,024 or any other number of examples need padding.
    small = PROBLEMS[name]
    targets = None if small.targets.dtype == float else small.targets.max() + 1
    large = helpers.problem(small.sizes, small.activation, small.loss, targets, examples=1103, seed=11)
    gates = helpers.partial_gains(small.nodes)
    found = helpers.objective(large, np.float64, plan).evaluate(gates)
    assert_exact(found, reference.evaluate(large, gates))


def scaled(problem, largest):
    """The problem with its last layer scaled so that the largest output of any mask has this size."""
    sizes = [np.abs(reference.outputs(problem, mask)).max() for mask in reference.masks(problem.nodes)]
    kernel, bias = problem.layers[-1]
    factor = largest / max(sizes)
    return problem._replace(layers=(*problem.layers[:-1], (kernel * factor, bias * factor)))


@pytest.mark.parametrize("largest", [200.0, 1e4])
@pytest.mark.parametrize(
    ("plan", "name"),
    [("affine", name) for name in ("two classes", "four classes", "binary", "one value")]
    + [("dense", "two layers"), ("dense", "bilinear"), ("vmapped", "two layers")],
)
def test_extreme_margins(plan, name, largest, x64):
    problem = scaled(PROBLEMS[name], largest)
    value = reference.evaluate(problem, all_gates(name))
    found = helpers.objective(problem, np.float64, plan).evaluate(all_gates(name))
    size = largest**2 if problem.loss == "squared_error" else largest
    for field in ("loss", "loss_gradient"):
        assert np.isfinite(getattr(found, field)).all(), field
        np.testing.assert_allclose(
            getattr(found, field), getattr(value, field), rtol=1e-10, atol=1e-10 * size, err_msg=field
        )


@pytest.mark.parametrize("largest", [200.0, 1e4])
def test_extreme_margins_stay_finite_in_single_precision(largest):
    problem = scaled(SMALL, largest)
    gates = all_gates("two classes")
    found = helpers.objective(problem, plan="affine").evaluate(gates)
    assert all(np.isfinite(part).all() for part in jax.tree.leaves(found))
    np.testing.assert_allclose(
        found.loss, reference.evaluate(problem, gates).loss, rtol=0, atol=helpers.rounding(problem, gates)[0]
    )


@pytest.mark.parametrize("name", ["two classes", "four classes"])
def test_tiny_losses_keep_their_digits(name, x64):
    # Labels are what the network says, by a margin of more than 20 for all gates on: the loss is under e^-20, of
    # which log(sum(exp)) - output, a difference of two numbers near the margin, would keep 6 digits.
    problem = PROBLEMS[name]
    on = np.ones(problem.nodes)
    labels = reference.outputs(problem, on).argmax(axis=1)
    ordered = np.sort(reference.outputs(problem, on), axis=1)
    kernel, bias = problem.layers[-1]
    factor = 30 / (ordered[:, -1] - ordered[:, -2]).min()
    sure = problem._replace(
        layers=(*problem.layers[:-1], (kernel * factor, bias * factor)), targets=labels.astype(np.int32)
    )
    loss = reference.loss(sure, on)
    assert 0 < loss < np.exp(-20)
    # The margin, some 30 to 1000, is good to 1e-15 of itself, and so the loss to 1e-12.
    found = helpers.objective(sure, np.float64, "affine").evaluate(np.tile(on, (len(all_gates(name)), 1)))
    np.testing.assert_allclose(found.loss, loss, rtol=1e-11)


@pytest.mark.parametrize(
    ("plan", "name"),
    [("affine", "two classes"), ("affine", "four classes"), ("affine", "one-hot"), ("dense", "two layers")],
)
def test_constant_outputs_have_one_loss_and_no_gradient(plan, name, x64):
    problem = PROBLEMS[name]
    kernel, bias = problem.layers[-1]
    constant = problem._replace(layers=(*problem.layers[:-1], (np.zeros_like(kernel), bias)))
    found = helpers.objective(constant, np.float64, plan).evaluate(all_gates(name))
    np.testing.assert_allclose(found.loss, reference.loss(constant, np.ones(problem.nodes)), rtol=1e-13)
    np.testing.assert_allclose(found.loss_gradient, 0, rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("plan", "loss", "nodes"),
    [("affine", "cross_entropy", 1), ("affine", "squared_error", 3), ("dense", "cross_entropy", 1)],
)
def test_one_node_or_one_example(plan, loss, nodes, x64):
    # With three nodes and one example the squared error's factor has more rows than there are numbers to square.
    problem = helpers.problem((2, nodes, 2), "relu", loss, 2, examples=1, seed=10)
    gates = np.concatenate([reference.masks(nodes), helpers.partial_gains(nodes)])
    found = helpers.objective(problem, np.float64, plan).evaluate(gates)
    assert_exact(found, reference.evaluate(problem, gates))


@pytest.mark.parametrize("plan", ["affine", "dense"])
@pytest.mark.parametrize("label", [0, 1])
def test_a_batch_of_one_class(plan, label, x64):
    problem = SMALL._replace(targets=np.full_like(SMALL.targets, label))
    found = helpers.objective(problem, np.float64, plan).evaluate(all_gates("two classes"))
    assert_exact(found, reference.evaluate(problem, all_gates("two classes")))


@pytest.mark.parametrize("plan", ["affine", "dense", "vmapped"])
@pytest.mark.parametrize("name", ["two classes", "binary"])
def test_gradients_at_a_margin_of_exactly_zero(plan, name, x64):
    # Without biases and with all nodes off, every output is zero: there max(z, 0) and |z| have their kinks, but
    # the loss has none.
    problem = PROBLEMS[name]
    unbiased = problem._replace(layers=tuple((kernel, 0 * bias) for kernel, bias in problem.layers))
    off = np.zeros((len(all_gates(name)), problem.nodes))
    assert_exact(helpers.objective(unbiased, np.float64, plan).evaluate(off), reference.evaluate(unbiased, off))


@pytest.mark.parametrize(("plan", "name"), SINGLE)
def test_not_a_number_in_the_network_is_not_a_number_in_the_loss(plan, name):
    problem = PROBLEMS[name]
    kernel, bias = problem.layers[-1]
    broken = problem._replace(layers=(*problem.layers[:-1], (kernel, np.full_like(bias, np.nan))))
    found = helpers.objective(broken, plan=plan).evaluate(all_gates(name))
    assert all(np.isnan(part).all() for part in found[:2])


@pytest.mark.parametrize("name", ["two classes", "one-hot", "two layers"])
def test_batches_are_powers_of_two_that_fit_the_budget(name):
    plan = helpers.objective(PROBLEMS[name]).plan.tree
    for gradients in (False, True):
        size = preferred_batch(plan, gradients)
        assert size.bit_count() == 1
        assert size * plan.floats_per_mask(gradients) <= _device.here().batch
    assert preferred_batch(plan, True) <= preferred_batch(plan, False)


@pytest.mark.parametrize("name", ["two classes", "one-hot", "two layers"])
def test_plans_are_pytrees_whose_numbers_are_arguments(name):
    # Were a number static, jit would compile anew for each network.
    plan = helpers.objective(PROBLEMS[name]).plan.tree
    other = helpers.objective(PROBLEMS[name]._replace(inputs=PROBLEMS[name].inputs + 1)).plan.tree
    assert jax.tree.structure(plan) == jax.tree.structure(other)
