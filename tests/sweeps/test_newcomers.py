"""What newcomers give: parameters, batches and outputs in other forms, and what the messages say."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen, nnx
from flax.core import freeze
from flax.training.train_state import TrainState

import sweeps
from tests.sweeps import helpers

RANDOM = np.random.default_rng(0)
INPUTS = RANDOM.normal(size=(6, 3)).astype(np.float32)
TARGETS = np.array([0, 1, 1, 0, 1, 0])
VALUES = RANDOM.normal(size=6).astype(np.float32)


class Linen(linen.Module):
    """Four hidden units."""

    outputs: int = 2
    column: bool = True

    @linen.compact
    def __call__(self, inputs):
        outputs = linen.Dense(self.outputs, name="b")(linen.relu(linen.Dense(4, name="a")(inputs)))
        return outputs if self.column else outputs[:, 0]


def parameters(outputs=2):
    random = np.random.default_rng(1)
    return {
        name: {"kernel": random.normal(size=shape).astype(np.float32), "bias": np.ones(shape[1], np.float32)}
        for name, shape in dict(a=(3, 4), b=(4, outputs)).items()
    }


def by_hand(gates, outputs=2):
    p = parameters(outputs)
    hidden = np.maximum(INPUTS.astype(float) @ p["a"]["kernel"] + p["a"]["bias"], 0) * gates
    return hidden @ p["b"]["kernel"] + p["b"]["bias"]


def objective(batch=(INPUTS, TARGETS), outputs=2, column=True, **options):
    variables = options.pop("variables", {"params": parameters(outputs)})
    return sweeps.Objective(Linen(outputs, column), batch, variables=variables, **options)


def losses(found):
    gates = np.array([[1, 1, 1, 1], [0, 1, 0, 1]])
    return found.evaluate(gates, gradients=False).loss, [by_hand(one, found.network.outputs) for one in gates]


def cross_entropy(z):
    return (np.log(np.exp(z).sum(1)) - z[np.arange(6), TARGETS]).mean()


def binary(z):
    return np.log1p(np.exp(np.where(TARGETS, -1, 1) * z[:, 0])).mean()


class State(TrainState):
    batch_stats: dict


def state(kind=TrainState, **more):
    return kind.create(apply_fn=Linen().apply, params=parameters(), tx=optax.adam(1e-3), **more)


class TestParameters:
    @pytest.mark.parametrize(
        "variables",
        [parameters, lambda: freeze({"params": parameters()}), state, lambda: state(State, batch_stats={})],
        ids=["the entry params", "frozen", "a state", "a state with statistics"],
    )
    def test_variables_of_a_linen_module(self, variables):
        found, outputs = losses(objective(variables=variables()))
        np.testing.assert_allclose(found, [cross_entropy(z) for z in outputs], rtol=1e-5)

    def test_a_bound_module_brings_its_variables(self):
        bound = sweeps.Objective(Linen().bind({"params": parameters()}), (INPUTS, TARGETS))
        np.testing.assert_array_equal(bound.outputs(), objective().outputs())

    def test_a_state_has_the_statistics_of_normalisations(self):
        class Normed(linen.Module):
            @linen.compact
            def __call__(self, inputs):
                hidden = linen.BatchNorm(use_running_average=True, name="n")(linen.Dense(4, name="a")(inputs))
                return linen.Dense(2, name="b")(linen.relu(hidden))

        params = parameters() | {"n": {"scale": jnp.ones(4), "bias": jnp.zeros(4)}}
        stats = {"n": {"mean": jnp.ones(4), "var": jnp.full(4, 4.0)}}
        whole = State.create(apply_fn=None, params=params, tx=optax.sgd(0.1), batch_stats=stats)
        found = sweeps.Objective(Normed(), (INPUTS, TARGETS), variables=whole)
        right = Normed().apply({"params": params, "batch_stats": stats}, INPUTS)
        np.testing.assert_allclose(found.outputs(), right, rtol=1e-6)

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (
                lambda: sweeps.Objective(Linen(), (INPUTS, TARGETS), params=parameters()),
                "give variables= to a linen mo",
            ),
            (lambda: sweeps.Objective(state(), (INPUTS, TARGETS)), "network is a TrainState: give the module, and var"),
            (
                lambda: sweeps.Objective(lambda p, x: x, (INPUTS, TARGETS), params=state()),
                "params is a TrainState: give params=state.params",
            ),
        ],
    )
    def test_what_is_not_taken(self, make, message):
        with pytest.raises(TypeError, match=message):
            make()


class Tensor:
    """What a tensor of PyTorch that has a gradient does."""

    def __init__(self, array, has_gradient=True, is_narrow=False):
        self.array, self.has_gradient, self.is_narrow, self.dtype = np.asarray(array), has_gradient, is_narrow, "half"

    def detach(self):
        return Tensor(self.array, False, self.is_narrow)

    def cpu(self):
        return self

    def numpy(self):
        if self.is_narrow:
            raise TypeError("Got unsupported ScalarType BFloat16")
        if self.has_gradient:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        return self.array

    __array__ = numpy


class TestBatches:
    def test_tensors_and_lists_are_arrays(self):
        right = objective().outputs()
        mask = np.array([1, 1, 0, 1, 1, 1])
        for batch in (
            (Tensor(INPUTS), Tensor(TARGETS), Tensor(mask, False)),
            (INPUTS.tolist(), TARGETS.tolist(), mask),
        ):
            found = objective(batch)
            np.testing.assert_array_equal(found.outputs(), right)
            assert found.batch.mask.sum() == 5 and found.loss_name == "cross_entropy"

    def test_tensors_within_a_dict(self):
        def network(params, inputs):
            return Linen().apply({"params": params}, inputs["x"])

        found = sweeps.Objective(network, ({"x": Tensor(INPUTS)}, Tensor(TARGETS)), params=parameters())
        np.testing.assert_array_equal(found.outputs(), objective().outputs())
        assert len(sweeps.gating.sites(network, {"x": Tensor(INPUTS)}, params=parameters())) == 3

    def test_what_no_array_can_be_made_of(self):
        with pytest.raises(TypeError, match=r"batch: inputs of type half are no array of NumPy: give .float\(\)"):
            objective((Tensor(INPUTS, is_narrow=True), TARGETS))
        with pytest.raises(ValueError, match=r"got inputs \[\(3,\), ..., 6 in all\] .* give np.stack\(inputs\) for"):
            objective((list(INPUTS), TARGETS))


ONE_HOT = np.eye(2)[TARGETS]


class TestTargets:
    @pytest.mark.parametrize(
        ("targets", "loss"),
        [
            (ONE_HOT, "cross_entropy"),
            (ONE_HOT.astype(int), None),
            (ONE_HOT.astype(bool), None),
            (jnp.asarray(ONE_HOT), "cross_entropy"),
        ],
    )
    def test_one_hot_rows_are_class_numbers(self, targets, loss):
        made = objective((INPUTS, targets), loss=loss)
        assert made.loss_name == "cross_entropy" and made.plan.name == "affine"
        found, outputs = losses(made)
        np.testing.assert_allclose(found, [cross_entropy(z) for z in outputs], rtol=1e-5)
        assert float(made.accuracy(np.ones(4))) == (outputs[0].argmax(1) == TARGETS).mean()

    def test_rows_that_do_not_count_need_not_be_one_hot(self):
        mask = np.arange(6) != 2
        targets = np.where(mask[:, None], ONE_HOT, 7)
        made = objective((INPUTS, targets, mask), loss="cross_entropy")
        z = by_hand(np.ones(4))[mask]
        right = (np.log(np.exp(z).sum(1)) - z[np.arange(5), TARGETS[mask]]).mean()
        np.testing.assert_allclose(made.evaluate(np.ones(4)).loss, right, rtol=1e-5)

    @pytest.mark.parametrize(
        ("targets", "loss", "column"),
        [
            (TARGETS, None, True),
            (TARGETS == 1, None, True),
            (TARGETS[:, None], None, True),
            (TARGETS.astype(float), "binary_cross_entropy", True),
            (TARGETS, None, False),
            (TARGETS[:, None].astype(float), "binary_cross_entropy", False),
        ],
    )
    def test_one_output_and_labels_of_two_classes(self, targets, loss, column):
        made = objective((INPUTS, targets), outputs=1, column=column, loss=loss)
        assert made.loss_name == "binary_cross_entropy"
        found, outputs = losses(made)
        np.testing.assert_allclose(found, [binary(z) for z in outputs], rtol=1e-5)
        assert float(made.accuracy(np.ones(4))) == pytest.approx(((outputs[0][:, 0] > 0) == TARGETS).mean())

    @pytest.mark.parametrize("targets", [VALUES, VALUES[:, None]])
    @pytest.mark.parametrize("column", [True, False])
    def test_one_value_an_example(self, targets, column):
        made = objective((INPUTS, targets), outputs=1, column=column)
        found, outputs = losses(made)
        np.testing.assert_allclose(found, [((z[:, 0] - VALUES) ** 2).mean() for z in outputs], rtol=1e-5)
        assert made.outputs().shape == ((6, 1) if column else (6,))
        gradient = made.evaluate(np.ones(4)).loss_gradient
        up, down = (((by_hand(1 + sign * 1e-4 * np.eye(4)[1], 1)[:, 0] - VALUES) ** 2).mean() for sign in (1, -1))
        np.testing.assert_allclose(gradient[1], (up - down) / 2e-4, rtol=1e-4)

    @pytest.mark.parametrize(
        ("targets", "outputs", "loss", "message"),
        [
            (
                0.9 * ONE_HOT + 0.05,
                2,
                "cross_entropy",
                "must be one-hot, .* give loss= a function, such as",
            ),
            (ONE_HOT.astype(int) + 1, 2, None, "must be one-hot"),
            (np.ones((6, 2), int), 2, None, "must be one-hot"),
            (TARGETS.astype(float), 2, "cross_entropy", r"class numbers are integers, give targets.astype\(int\)"),
            (TARGETS.astype(float), 2, None, r"class numbers are integers, give targets.astype\(int\)"),
            (ONE_HOT, 2, None, "one-hot rows in float32, classes or values: give loss='cross_entropy' or loss='squ"),
            (TARGETS.astype(float), 1, None, "zeros and ones in float32, .*: give loss='binary_cross_entropy' or"),
            (TARGETS[:, None], 2, None, r"got int32 of shape \(6, 1\): give targets\[..., 0\]"),
            (ONE_HOT.astype(int), 2, "squared_error", r"give values as floats, targets.astype\(float\)"),
            (np.arange(6), 1, None, "labels from 0 to 5: numbers that are no classes need loss='squared_error'"),
            (TARGETS, 1, "cross_entropy", "got 1 output: loss='binary_cross_entropy' takes one"),
            (TARGETS, 2, "binary_cross_entropy", "got 2 outputs: loss='cross_entropy' takes several"),
            (INPUTS, 2, None, r"expected a target shape of \(examples, 2\) .* got shape \(6, 3\)"),
            (INPUTS, 1, None, r"expected a target shape of \(examples, 1\) for a network with 1 output, got shape"),
        ],
    )
    def test_what_does_not_fit(self, targets, outputs, loss, message):
        with pytest.raises(ValueError, match=message):
            objective((INPUTS, targets), outputs=outputs, loss=loss)


def squares(outputs, targets):
    return (outputs - targets) ** 2


def pairwise(outputs, targets):
    """A ranking loss: pairs of outputs beside pairs of targets."""
    differences = targets[:, None] - targets[None]
    return jnp.square((outputs - outputs.T) * differences).mean()


class TestBroadcasting:
    @pytest.fixture(autouse=True)
    def as_users_have_it(self):
        with jax.numpy_rank_promotion("allow"):
            yield

    @pytest.mark.parametrize(
        ("loss", "column", "targets"),
        [
            (squares, True, VALUES),
            (squares, False, VALUES[:, None]),
            (lambda outputs, targets: squares(outputs, targets).mean(), True, VALUES),
            (lambda outputs, targets: squares(outputs, targets).sum(axis=-1), True, VALUES),
            (jax.jit(squares), True, VALUES),
            (lambda outputs, targets: jnp.where(targets > 0, outputs, -outputs), True, VALUES),
        ],
    )
    def test_a_loss_of_each_output_with_every_target_is_refused(self, loss, column, targets):
        give = r"targets\[:, None\]" if column else r"targets\[:, 0\]"
        with pytest.raises(ValueError, match=rf"to \(6, 6\), each output with every target: give {give}"):
            objective((INPUTS, targets), outputs=1, column=column, loss=loss)

    @pytest.mark.parametrize(
        ("loss", "targets"),
        [
            (squares, VALUES[:, None]),
            (lambda outputs, targets: squares(outputs[:, 0], targets), VALUES),
            (jax.vmap(squares), VALUES),
            (pairwise, VALUES),
        ],
    )
    def test_other_losses_are_taken(self, loss, targets):
        found, outputs = losses(objective((INPUTS, targets), outputs=1, loss=loss))
        right = [np.asarray(loss(jnp.asarray(z, jnp.float32), targets)).mean() for z in outputs]
        np.testing.assert_allclose(found, right, rtol=1e-5)

    def test_a_metric_of_each_output_with_every_target_is_refused(self):
        with pytest.raises(ValueError, match="metric error combines outputs .* to .*: give targets"):
            objective((INPUTS, VALUES), outputs=1, metrics={"error": squares})


class Pair(nnx.Module):
    """Returns outputs and hidden units."""

    def __init__(self):
        self.a, self.b = helpers.linear(3, 4, seed=0), helpers.linear(4, 2, seed=1)

    def __call__(self, inputs):
        hidden = nnx.relu(self.a(inputs))
        return self.b(hidden), hidden


class Named(Pair):
    def __call__(self, inputs):
        outputs, hidden = super().__call__(inputs)
        return {"aux": hidden.sum(), "logits": outputs}


class Around(nnx.Module):
    """Holds a module that returns a tuple."""

    def __init__(self):
        self.pair, self.c = Pair(), helpers.linear(2, 2, seed=2)

    def __call__(self, inputs):
        return self.c(self.pair(inputs)[0])


def of_pair(outputs, targets):
    return optax.softmax_cross_entropy_with_integer_labels(outputs[0], targets) + 0 * outputs[1].sum(axis=1)


class TestTuples:
    def test_one_array_is_chosen_or_a_function_takes_all(self):
        chosen = sweeps.Objective(Pair(), (INPUTS, TARGETS), call=lambda network, inputs: network(inputs)[0])
        whole = sweeps.Objective(Pair(), (INPUTS, TARGETS), loss=of_pair)
        gates = np.array([[1, 0, 1, 0], [1, 1, 1, 1]])
        np.testing.assert_allclose(chosen.evaluate(gates).loss, whole.evaluate(gates).loss, rtol=1e-6)
        assert [one.shape for one in whole.outputs()] == [(6, 2), (6, 4)]

    @pytest.mark.parametrize(
        ("network", "path"), [(Pair, r"network\(inputs\)\[0\]"), (Named, r"network\(inputs\)\['logits'\]")]
    )
    def test_the_message_says_how_to_choose(self, network, path):
        with pytest.raises(
            ValueError, match=f"network returns several arrays, .* by call=lambda network, inputs: {path}"
        ):
            sweeps.Objective(network(), (INPUTS, TARGETS))

    def test_a_module_within_that_returns_a_tuple_is_gated_by_its_type(self):
        network = Around()
        found = sweeps.Objective(network, (INPUTS, TARGETS), sites=Pair)
        assert found.nodes == tuple(f"pair/a unit {unit}" for unit in range(4)) + ("pair/b unit 0", "pair/b unit 1")
        gates = np.array([1, 0, 0.5, 2, 0, 1], np.float32)
        hidden = network.pair.b(nnx.relu(network.pair.a(INPUTS)) * gates[None, :4]) * gates[None, 4:]
        np.testing.assert_allclose(found.outputs(gates), network.c(hidden), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("last", "outputs"), [("softmax", 3), ("sigmoid", 1)])
def test_a_network_that_ends_in_probabilities_needs_a_loss_of_them(last, outputs):
    def network(params, inputs):
        return getattr(jax.nn, last)(jnp.tanh(inputs @ params["a"]) @ params["b"])

    params = {"a": np.ones((2, 4), np.float32), "b": np.ones((4, outputs), np.float32)}
    batch = np.ones((5, 2), np.float32), np.array([0, 1, 0, 1, 0])
    with pytest.raises(sweeps.InputError, match=f"network ends in a {last}, and .*cross_entropy takes logits: leave"):
        sweeps.Objective(network, batch, params=params)
    squared = dict(params=params, loss="squared_error", metrics="accuracy")
    assert sweeps.Objective(network, batch, **squared).evaluate(np.ones(4)).metrics["accuracy"] >= 0
    with pytest.raises(sweeps.InputError, match="and kl takes logits"):
        sweeps.Objective(network, batch, **squared | {"metrics": "kl"})
