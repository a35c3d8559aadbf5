"""Objective: shapes, kinds of gates, axioms, messages."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import sweeps
from sweeps import _device
from sweeps import _objective as objectives
from tests import reference
from tests.sweeps import helpers
from tests.sweeps.helpers import PROBLEMS, SMALL

NODES = SMALL.nodes
# One shape of gates for most tests, so that they share one compilation.
SHAPE = (6, NODES)
masks = arrays.arrays(bool, SHAPE)
gains = arrays.arrays(np.float32, SHAPE, elements=st.floats(-2, 2, width=32))


@pytest.fixture(scope="module", params=["affine", "vmapped"])
def objective(request):
    return helpers.objective(SMALL, plan=request.param)


@pytest.fixture(scope="module")
def affine():
    return helpers.objective(SMALL)


def test_nodes_are_named_in_the_order_of_the_gates():
    objective = helpers.objective(PROBLEMS["two layers"])
    assert objective.nodes[:4] == tuple(f"layers/0 unit {unit}" for unit in range(4))
    assert objective.nodes[4:] == tuple(f"layers/1 unit {unit}" for unit in range(3))
    assert objective.layers == ("layers/0",) * 4 + ("layers/1",) * 3


@pytest.mark.parametrize(
    ("name", "loss", "unit"),
    [("two classes", "cross_entropy", "nats"), ("one value", "squared_error", "squared units")],
)
def test_the_loss_follows_from_the_targets(name, loss, unit):
    problem = PROBLEMS[name]
    objective = sweeps.Objective(helpers.network(problem), helpers.batch(problem))
    assert (objective.loss_name, objective.unit) == (loss, unit)


@pytest.mark.parametrize("leading", [(), (6,), (2, 3), (0,), (2, 0)])
def test_results_have_the_leading_shape_of_the_gates(objective, leading):
    gates = np.random.default_rng(0).random((*leading, NODES)) < 0.5
    found = objective.evaluate(gates)
    assert found.loss.shape == found.log_loss.shape == leading
    assert found.loss_gradient.shape == found.log_loss_gradient.shape == (*leading, NODES)
    if np.prod(leading):
        bound, _ = helpers.rounding(SMALL, gates)
        np.testing.assert_allclose(found.loss, reference.evaluate(SMALL, gates).loss, rtol=0, atol=bound)


@given(masks)
def test_bool_integer_and_float_masks_give_the_same_numbers(affine, mask):
    wanted = affine.evaluate(mask)
    kinds = [mask.astype(kind) for kind in (np.int8, np.int64, np.uint8, np.float16, np.float64)]
    kinds += [jnp.asarray(mask, kind) for kind in (bool, jnp.int32, jnp.float32, jnp.bfloat16)]
    for same_mask in kinds:
        jax.tree.map(np.testing.assert_array_equal, affine.evaluate(same_mask), wanted)
    jax.tree.map(np.testing.assert_array_equal, affine.evaluate(mask.tolist()), wanted)


@given(gains)
def test_gates_between_and_beyond_zero_and_one(affine, gates):
    value = reference.evaluate(SMALL, gates)
    found = affine.evaluate(gates)
    of_loss, of_gradient = helpers.rounding(SMALL, gates)
    np.testing.assert_allclose(found.loss, value.loss, rtol=0, atol=of_loss)
    np.testing.assert_allclose(found.loss_gradient, value.loss_gradient, rtol=0, atol=of_gradient)


@given(gains, st.floats(0, 1))
def test_an_affine_objective_is_convex_in_its_gates(affine, gates, weight):
    # Cross-entropy is convex in the outputs, which are affine in the gates.
    between = weight * gates[0] + (1 - weight) * gates[1]
    loss = np.asarray(affine.evaluate(np.stack([*gates[:2], *[between] * 4])).loss)
    bound, _ = helpers.rounding(SMALL, gates)
    assert loss[2] <= weight * loss[0] + (1 - weight) * loss[1] + 3 * bound


@pytest.mark.parametrize("name", ["two classes", "two layers"])
def test_gates_at_one_leave_the_outputs_as_they_are(name):
    problem = PROBLEMS[name]
    network, batch = helpers.network(problem), helpers.batch(problem)
    objective = sweeps.Objective(network, batch, loss=problem.loss)
    untouched = np.asarray(network(jnp.asarray(batch.inputs)))
    # A product with one is exact; what the compiler fuses may still sum in another order.
    tolerance = sum(problem.sizes) * helpers.SINGLE * reference.magnitude(problem, np.ones(problem.nodes))
    np.testing.assert_allclose(objective.outputs(), untouched, rtol=0, atol=tolerance)
    np.testing.assert_allclose(
        objective.outputs(np.ones(len(objective.nodes), bool)), untouched, rtol=0, atol=tolerance
    )


def test_outputs_with_gates_are_the_oracles(x64):
    problem = PROBLEMS["two layers"]
    objective = helpers.objective(problem, np.float64)
    for gates in helpers.partial_gains(problem.nodes)[:3]:
        np.testing.assert_allclose(objective.outputs(gates), reference.outputs(problem, gates), rtol=0, atol=1e-10)


def test_a_gate_at_zero_is_a_node_that_is_not_there(x64):
    problem = PROBLEMS["two layers"]
    mask = np.ones(problem.nodes)
    mask[1::3] = 0
    pieces = [piece == 1 for piece in reference.split(problem, mask)]
    into, out = [*pieces, slice(None)], [slice(None), *pieces]
    smaller = problem._replace(
        layers=tuple(
            (kernel[rows][:, columns], bias[columns])
            for (kernel, bias), rows, columns in zip(problem.layers, out, into, strict=True)
        )
    )
    removed = helpers.objective(smaller, np.float64).evaluate(np.ones(smaller.nodes), gradients=False)
    masked = helpers.objective(problem, np.float64).evaluate(mask, gradients=False)
    np.testing.assert_allclose(masked.loss, removed.loss, rtol=1e-12)


@pytest.mark.parametrize("plan", ["affine", "vmapped"])
def test_gate_gradients_are_finite_differences_of_the_loss(plan, x64):
    gates, step = helpers.partial_gains(NODES)[0].astype(float), 1e-5
    steps = step * np.eye(NODES)
    found = helpers.objective(SMALL, np.float64, plan).evaluate([gates, *(gates + steps), *(gates - steps)])
    # step^2 / 6 times the third derivative, and 1e-16 / step of rounding: see tests/test_reference.py.
    for value, slope in ((found.loss, found.loss_gradient), (found.log_loss, found.log_loss_gradient)):
        numerical = (value[1 : NODES + 1] - value[NODES + 1 :]) / (2 * step)
        np.testing.assert_allclose(slope[0], numerical, rtol=0, atol=1e-8)


@pytest.mark.parametrize("plan", ["affine", "vmapped"])
def test_renaming_nodes_renames_gradients(plan):
    order = np.random.default_rng(1).permutation(NODES)
    (kernel, bias), (last, shift) = SMALL.layers
    renamed = SMALL._replace(layers=((kernel[:, order], bias[order]), (last[order], shift)))
    gates = helpers.partial_gains(NODES)
    found = helpers.objective(renamed, plan=plan).evaluate(gates[:, order]).loss_gradient
    wanted = helpers.objective(SMALL, plan=plan).evaluate(gates).loss_gradient
    _, bound = helpers.rounding(SMALL, gates)
    np.testing.assert_allclose(found, wanted[:, order], rtol=0, atol=2 * bound)


def test_batches_within_a_call_change_nothing(objective, monkeypatch):
    # Six masks in batches of four: two are padding.
    gates = helpers.partial_gains(NODES, seed=3)
    whole = objective.evaluate(gates)
    monkeypatch.setattr(objectives, "preferred_batch", lambda plan, gradients: 4)
    in_batches = objective.evaluate(gates)
    of_loss, of_gradient = helpers.rounding(SMALL, gates)
    np.testing.assert_allclose(in_batches.loss, whole.loss, rtol=0, atol=2 * of_loss)
    np.testing.assert_allclose(in_batches.loss_gradient, whole.loss_gradient, rtol=0, atol=2 * of_gradient)


@pytest.mark.parametrize("plan", ["affine", "dense", "vmapped"])
def test_new_gates_compile_nothing_and_a_new_shape_compiles_once(plan, compiled):
    def programs():
        found = [name for name in compiled if "evaluate" in name]
        compiled.clear()
        return len(found)

    objective = helpers.objective(SMALL, plan=plan)
    gates = np.random.default_rng(0).random((7, NODES))
    objective.evaluate(gates)
    assert programs() == 1, "all masks, loss, log loss and both gradients are one program"
    objective.evaluate(1 - gates)
    if _device.here().is_cpu:
        objective.evaluate(gates < 0.5)
    moved = SMALL._replace(inputs=SMALL.inputs + 1)
    helpers.objective(moved, plan=plan).evaluate(gates)
    assert programs() == 0, (
        "gates, weights and examples are arguments; bool gates become floats, but not on an accelerator"
    )
    if plan != "affine":
        return
    objective.evaluate(gates[:5])
    assert programs() == 1, "a number of masks is a shape, and a shape is a compilation"
    objective.evaluate(gates, gradients=False)
    assert programs() == 1, "without gradients it is another program"


def test_the_users_network_is_not_changed():
    network = helpers.network(PROBLEMS["two layers"])
    before = helpers.leaves(network)
    objective = sweeps.Objective(network, helpers.batch(PROBLEMS["two layers"]))
    objective.evaluate(np.zeros(len(objective.nodes)))
    assert [type(layer).__name__ for layer in network.layers] == ["Linear"] * 3
    assert not any(hasattr(layer, "node_gate") for layer in network.layers)
    for old, new in zip(before, helpers.leaves(network), strict=True):
        np.testing.assert_array_equal(old, new)


def test_the_objective_does_not_follow_later_changes_of_the_network():
    network = helpers.network(SMALL)
    objective = sweeps.Objective(network, helpers.batch(SMALL), plan="vmapped")
    before = float(objective.evaluate(np.ones(NODES)).loss)
    network.layers[0].kernel[...] = 5 * network.layers[0].kernel[...]
    assert float(objective.evaluate(np.ones(NODES)).loss) == before


def test_a_program_says_the_same_in_a_terminal_and_in_a_file(monkeypatch):
    # JAX prints programs in colours where it can; the text is part of a run's identity.
    objective = helpers.objective(PROBLEMS["two layers"], plan="vmapped")
    plain = objective._program[0]
    monkeypatch.setattr(jax._src.pretty_printer, "CAN_USE_COLOR", not jax._src.pretty_printer.CAN_USE_COLOR)
    with jax.default_matmul_precision("bfloat16"):
        assert objective._program[0] == plain


@pytest.mark.parametrize("kind", [np.uint8, np.float64])
def test_inputs_of_any_numeric_type(kind):
    inputs = np.round(np.abs(SMALL.inputs) * 3).astype(kind)
    # Under strict promotion flax itself refuses integers, as a user who asks for it expects.
    with jax.numpy_dtype_promotion("standard"):
        objective = sweeps.Objective(helpers.network(SMALL), (inputs, SMALL.targets))
        found = objective.evaluate(np.ones(NODES))
    same = SMALL._replace(inputs=inputs.astype(float))
    bound, _ = helpers.rounding(same, np.ones(NODES))
    np.testing.assert_allclose(found.loss, reference.loss(same, np.ones(NODES)), rtol=0, atol=bound)


class TestMessages:
    @pytest.mark.parametrize("shape", [(NODES - 1,), (3, NODES + 1), (NODES, 3), ()])
    def test_wrong_length(self, affine, shape):
        with pytest.raises(ValueError, match=rf"gates must have shape \(\.\.\., {NODES}\), one gate a node, got "):
            affine.evaluate(np.ones(shape))

    @pytest.mark.parametrize(
        ("gates", "kind"), [(["on"] * NODES, "<U2"), (np.ones(NODES) * 1j, "complex128"), ([None] * NODES, "object")]
    )
    def test_gates_that_are_no_numbers(self, affine, gates, kind):
        with pytest.raises(TypeError, match=f"gates must be bool, integer or float, got {kind}"):
            affine.evaluate(gates)

    def test_outputs_of_several_gate_vectors(self, affine):
        with pytest.raises(ValueError, match=rf"gates must be one vector of shape \({NODES},\), got shape \(2, "):
            affine.outputs(np.ones((2, NODES)))

    def test_no_network(self):
        with pytest.raises(TypeError, match="network is a function: give its params=, .*; or nodes="):
            sweeps.Objective(lambda inputs: inputs, helpers.batch(SMALL))

    def test_no_batch(self):
        with pytest.raises(ValueError, match="batch must be a pair .inputs, targets. such as .* got ndarray"):
            sweeps.Objective(helpers.network(SMALL), SMALL.inputs)

    @pytest.mark.parametrize(("inputs", "targets"), [(12, 11), (0, 0)])
    def test_batch_of_unequal_or_no_length(self, inputs, targets):
        batch = (np.ones((inputs, 2), np.float32), np.zeros(targets, np.int32))
        message = rf"at least one: got inputs \({inputs}, 2\) and targets \({targets},\)"
        with pytest.raises(ValueError, match=message):
            sweeps.Objective(helpers.network(SMALL), batch)

    def test_inputs_of_another_width(self):
        batch = (np.ones((12, 3), np.float32), SMALL.targets)
        with pytest.raises(ValueError, match=r"inputs of shape \(12, 3\) do not fit the network: "):
            sweeps.Objective(helpers.network(SMALL), batch)

    def test_no_hidden_layer(self):
        with pytest.raises(ValueError, match="network has no hidden nodes to gate; what can be gated .* layers/0, inp"):
            sweeps.Objective(sweeps.MLP((2, 2)), helpers.batch(SMALL))

    def test_labels_out_of_range(self):
        with pytest.raises(ValueError, match="expected labels from 0 to 1 for a network with 2 outputs, got labels"):
            sweeps.Objective(helpers.network(SMALL), (SMALL.inputs.astype(np.float32), SMALL.targets + 1))

    def test_cross_entropy_of_one_output(self):
        # One output has a softmax of one: the loss is zero whatever the gates, which nobody wants to sweep.
        batch = (SMALL.inputs.astype(np.float32), np.zeros_like(SMALL.targets))
        with pytest.raises(ValueError, match="got 1 output: loss='binary_cross_entropy' takes one"):
            sweeps.Objective(sweeps.MLP((2, 3, 1)), batch, loss="cross_entropy")

    def test_unknown_loss(self):
        with pytest.raises(ValueError, match="loss must be one of cross_entropy, .*, got 'hinge'"):
            sweeps.Objective(helpers.network(SMALL), helpers.batch(SMALL), loss="hinge")


class TestFunction:
    def test_values_and_gradients(self):
        found = sweeps.Objective.from_function(lambda gates: 1 + (gates**2).sum(), nodes=3).evaluate(
            [[1, 0, 2.0], [0, 0, 0]]
        )
        np.testing.assert_allclose(found.loss, [6, 1], rtol=helpers.SINGLE)
        np.testing.assert_allclose(found.loss_gradient, [[2, 0, 4], [0, 0, 0]], rtol=helpers.SINGLE)
        np.testing.assert_allclose(found.log_loss, np.log([6, 1]), rtol=4 * helpers.SINGLE)
        np.testing.assert_allclose(found.log_loss_gradient[0], np.array([2, 0, 4]) / 6, rtol=4 * helpers.SINGLE)

    def test_zero_and_negative_losses(self):
        found = sweeps.Objective.from_function(lambda gates: gates.sum() - 1, nodes=2).evaluate(
            [[1, 0], [0, 0], [1, 1]]
        )
        np.testing.assert_array_equal(found.loss, [0, -1, 1])
        np.testing.assert_array_equal(found.log_loss, [-np.inf, np.nan, 0])
        np.testing.assert_array_equal(found.loss_gradient, np.ones((3, 2)))
        np.testing.assert_array_equal(found.log_loss_gradient, [[np.nan] * 2, [np.nan] * 2, [1, 1]])

    def test_names(self):
        def energy(gates):
            return gates.sum()

        objective = sweeps.Objective.from_function(energy, nodes=2)
        assert objective.nodes == ("node 0", "node 1")
        assert (objective.loss_name, objective.plan.name) == ("energy", "vmapped")
        assert objective.plan.reason == "a function of the gates"

    @pytest.mark.parametrize(
        "function",
        [lambda gates: gates, lambda gates: gates.sum(keepdims=True), lambda gates: 1, lambda gates: (gates[0],) * 2],
        ids=["vector", "one element", "integer", "pair"],
    )
    def test_no_scalar_float(self, function):
        with pytest.raises(ValueError, match=r"fn must return a scalar float for gates of shape \(3,\), got "):
            sweeps.Objective.from_function(function, nodes=3)

    def test_no_nodes(self):
        with pytest.raises(ValueError, match="nodes must be at least 1, got 0"):
            sweeps.Objective.from_function(lambda gates: gates.sum(), nodes=0)

    def test_no_outputs(self):
        objective = sweeps.Objective.from_function(lambda gates: gates.sum(), nodes=2)
        with pytest.raises(ValueError, match="an objective made from a function has no network outputs"):
            objective.outputs()
