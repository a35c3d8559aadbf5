"""Training: against a NumPy loop, reproducible, all at once as one by one, and out loud when it diverges."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import sweeps
from sweeps._store import datasets
from sweeps._training import train_many
from tests import reference
from tests.sweeps import helpers
from tests.sweeps.helpers import PROBLEMS, SMALL

TASK = sweeps.tasks.circle(train_examples=40, test_examples=8)
# One optimizer for all tests: it is static to jit, and another one would compile anew.
RATE = 0.5
SGD = optax.sgd(RATE)


def task_of(problem, classes=2):
    batch = helpers.batch(problem)
    return sweeps.Task("test", batch, batch, classes, {})


def fresh(seed=0):
    return sweeps.MLP((2, 4, 2), seed=seed)


def fit(network, task=TASK, **options):
    return sweeps.train(network, task, **{"optimizer": SGD, "epochs": 2, "batch_size": 16} | options)


@pytest.fixture(scope="module")
def trained():
    network = fresh()
    return network, fit(network)


class TestAgainstNumpy:
    EXAMPLES, BATCH = 5, 3

    def epochs(self, problem):
        """Parameters and mean loss after an epoch of plain descent, for every split into a batch and the rest."""
        for first in itertools.combinations(range(self.EXAMPLES), self.BATCH):
            layers, total = problem.layers, 0.0
            for chosen in (first, [i for i in range(self.EXAMPLES) if i not in first]):
                part = problem._replace(
                    layers=layers, inputs=problem.inputs[list(chosen)], targets=problem.targets[list(chosen)]
                )
                loss, _, slopes = reference.backward(part, np.ones(problem.nodes))
                total += loss * len(chosen)
                layers = tuple(
                    (kernel - RATE * by_kernel, bias - RATE * by_bias)
                    for (kernel, bias), (by_kernel, by_bias) in zip(layers, slopes, strict=True)
                )
            yield np.concatenate([part.ravel() for layer in layers for part in layer]), total / self.EXAMPLES

    @pytest.mark.parametrize("name", ["two classes", "one value"])
    def test_an_epoch_of_descent_with_a_smaller_last_batch(self, name):
        # The order of the examples is the trainer's own, but a batch of three and a rest of two can be only one of
        # ten splits. Every example once, and each batch weighted by its own size: nothing else lands on one of them.
        problem = PROBLEMS[name]
        problem = problem._replace(inputs=problem.inputs[: self.EXAMPLES], targets=problem.targets[: self.EXAMPLES])
        network = helpers.network(problem)
        task = task_of(problem, None if name == "one value" else 2)
        history = fit(network, task, epochs=1, batch_size=self.BATCH)
        found = np.concatenate([part[...].ravel() for layer in network.layers for part in (layer.kernel, layer.bias)])
        candidates, losses = map(np.array, zip(*self.epochs(problem), strict=True))
        distance = np.abs(candidates - found).max(axis=1)
        # Two steps of float32 arithmetic on numbers of order one, a hundred operations deep at most.
        close = distance < 100 * helpers.SINGLE * np.abs(candidates).max()
        assert close.sum() == 1, "one split, and the splits are told apart"
        np.testing.assert_allclose(history.loss, losses[close], rtol=100 * helpers.SINGLE)
        assert np.isnan(history.accuracy).all() == (task.classes is None), "values are never right or wrong"

    def test_orders_differ_between_seeds(self):
        problem = SMALL._replace(inputs=SMALL.inputs[: self.EXAMPLES], targets=SMALL.targets[: self.EXAMPLES])
        distinct = set()
        for seed in range(12):
            network = helpers.network(problem)
            fit(network, task_of(problem), seed=seed, epochs=1, batch_size=self.BATCH)
            distinct.add(b"".join(leaf.tobytes() for leaf in helpers.leaves(network)))
        # Ten splits, and order within a batch changes rounding at most: that one split comes twelve times has a
        # chance of 1e-11.
        assert len(distinct) > 1


class TestReproducible:
    def test_same_seed_same_bits(self, trained):
        network = fresh()
        history = fit(network)
        np.testing.assert_array_equal(history.loss, trained[1].loss)
        for one, other in zip(helpers.leaves(network), helpers.leaves(trained[0]), strict=True):
            np.testing.assert_array_equal(one, other)

    def test_another_seed_another_order(self, trained):
        network = fresh()
        fit(network, seed=1)
        assert not np.array_equal(network.layers[0].kernel[...], trained[0].layers[0].kernel[...])

    def test_another_network_compiles_nothing(self, trained, compiled):
        fit(fresh(seed=5), seed=7)
        assert not [name for name in compiled if "fit" in name], "weights, examples and keys are arguments"


class TestCheckpoints:
    def test_parameters_are_those_of_shorter_trainings(self, trained):
        network = fresh()
        history = fit(network, keep_parameters=True)
        np.testing.assert_array_equal(history.loss, trained[1].loss)
        kept = jax.tree.leaves(history.parameters)
        for epoch, other in ((0, fresh()), (2, network)):
            for leaf, wanted in zip(kept, jax.tree.leaves(nnx.state(other, nnx.Param)), strict=True):
                np.testing.assert_array_equal(leaf[epoch], wanted)
        assert all(leaf.shape[0] == 3 and not np.array_equal(leaf[1], leaf[2]) for leaf in kept)

    def test_they_are_stored_by_layer(self):
        network = fresh()
        data = datasets.of_history(fit(network, keep_parameters=True))
        assert data.sizes["checkpoint"] == 3 and list(data.checkpoint.values) == [0, 1, 2]
        stored = datasets.network_from(data.isel(checkpoint=-1).assign_attrs(datasets.of_network(network, TASK).attrs))
        inputs = jnp.asarray(TASK.test.inputs)
        np.testing.assert_array_equal(stored(inputs), network(inputs))


class TestHistory:
    def test_shapes_and_ranges(self, trained):
        loss, accuracy, parameters = trained[1]
        assert parameters is None
        assert loss.shape == accuracy.shape == (2,)
        assert ((accuracy >= 0) & (accuracy <= 1)).all()

    def test_the_loss_falls(self):
        network, task = sweeps.MLP((2, 20, 2)), sweeps.tasks.circle(train_examples=300)
        history = sweeps.train(network, task, epochs=12)
        # From log 2, near which an untrained network starts, to below 0.4: a network that learns nothing stays.
        assert history.loss[-1] < 0.4 < 0.6 < history.loss[0]
        assert history.accuracy[-1] > 0.85


class TestMany:
    def test_all_at_once_is_one_by_one(self):
        tasks = [sweeps.tasks.circle(train_examples=40, test_examples=8, train_seed=seed) for seed in range(3)]
        together, alone = [fresh(seed) for seed in range(3)], [fresh(seed) for seed in range(3)]
        history = train_many(together, tasks, optimizer=SGD, epochs=2, batch_size=16, seeds=[4, 5, 6])
        each = [fit(network, task, seed=seed) for network, task, seed in zip(alone, tasks, (4, 5, 6), strict=True)]
        # Six steps of float32 arithmetic, summed in another order: roundings of numbers of order one, some sixteen
        # a step, which a step passes on magnified by at most 1 + RATE times the curvature, under two.
        tolerance = 16 * 2**6 * helpers.SINGLE
        np.testing.assert_allclose(history.loss, [one.loss for one in each], rtol=0, atol=tolerance)
        for one, other in zip(together, alone, strict=True):
            for left, right in zip(helpers.leaves(one), helpers.leaves(other), strict=True):
                np.testing.assert_allclose(left, right, rtol=0, atol=tolerance)

    def test_seeds_count_from_zero(self):
        one, other = [fresh() for _ in range(3)], [fresh() for _ in range(3)]
        train_many(one, [TASK] * 3, optimizer=SGD, epochs=2, batch_size=16)
        train_many(other, [TASK] * 3, optimizer=SGD, epochs=2, batch_size=16, seeds=[0, 1, 2])
        for left, right in zip(one, other, strict=True):
            np.testing.assert_array_equal(left.layers[0].kernel[...], right.layers[0].kernel[...])


class TestDivergence:
    @pytest.mark.parametrize("many", [False, True])
    def test_a_loss_that_is_no_number(self, many):
        # Inputs of 1e30: their square, which the first step brings in, is more than float32 can hold.
        wild = TASK._replace(train=TASK.train._replace(inputs=TASK.train.inputs * np.float32(1e30)))
        networks = [fresh(seed) for seed in range(3)]
        before = [helpers.leaves(network) for network in networks]
        with pytest.raises(FloatingPointError, match=r"training diverged: the loss of epoch \d+ is (nan|inf)"):
            if many:
                train_many(networks, [TASK, wild, TASK], optimizer=SGD, epochs=2, batch_size=16)
            else:
                fit(networks[0], wild)
        for old, network in zip(before, networks, strict=True):
            for left, right in zip(old, helpers.leaves(network), strict=True):
                np.testing.assert_array_equal(left, right)

    def test_the_last_step(self):
        network = fresh()
        before = helpers.leaves(network)
        with pytest.raises(FloatingPointError, match="training diverged in its last step: parameters are not finite"):
            fit(network, optimizer=optax.sgd(np.inf), epochs=1, batch_size=40)
        for old, new in zip(before, helpers.leaves(network), strict=True):
            np.testing.assert_array_equal(old, new)


class Normalised(nnx.Module):
    """A network with state that is no parameter."""

    def __init__(self):
        self.norm = nnx.BatchNorm(2, momentum=0.75, rngs=nnx.Rngs(0))
        self.dense = nnx.Linear(2, 2, rngs=nnx.Rngs(0))

    def __call__(self, inputs):
        return self.dense(self.norm(inputs))


def test_state_that_is_no_parameter_is_carried_along():
    network = Normalised()
    fit(network, epochs=1, batch_size=40)
    mean = TASK.train.inputs.astype(float).mean(axis=0)
    # One step of an average that keeps three quarters of the old mean, zero.
    np.testing.assert_allclose(network.norm.mean[...], mean / 4, rtol=0, atol=40 * helpers.SINGLE)


class TestMessages:
    def test_labels_out_of_range(self):
        task = TASK._replace(train=sweeps.Batch(TASK.train.inputs, TASK.train.targets + 1))
        with pytest.raises(ValueError, match="expected labels from 0 to 1 .* 2 outputs, got labels from 1 to 2"):
            fit(fresh(), task)

    def test_values_for_classes(self):
        task = TASK._replace(train=sweeps.Batch(TASK.train.inputs, TASK.train.targets.astype(np.float32)))
        with pytest.raises(ValueError, match=r"expected a target shape of \(examples, 2\) .* got shape \(40,\)"):
            fit(fresh(), task)

    def test_inputs_of_another_width(self):
        with pytest.raises(ValueError, match="inputs of shape .* do not fit the network"):
            fit(sweeps.MLP((3, 4, 2)))

    @pytest.mark.parametrize("name", ["epochs", "batch_size"])
    def test_numbers_that_are_not_positive(self, name):
        with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
            fit(fresh(), **{name: 0})

    def test_unknown_loss(self):
        with pytest.raises(ValueError, match="loss must be one of .*, got 'hinge'"):
            fit(fresh(), loss="hinge")

    def test_lists_of_different_lengths(self):
        with pytest.raises(ValueError, match="networks, tasks and seeds must be of one length, .* got 2, 1, 2"):
            train_many([fresh(), fresh()], [TASK])
        with pytest.raises(ValueError, match="at least 1: got 0, 0, 0"):
            train_many([], [])

    def test_networks_and_tasks_of_different_shapes(self):
        with pytest.raises(ValueError, match="networks must have one structure"):
            train_many([fresh(), sweeps.MLP((2, 5, 2))], [TASK] * 2)
        with pytest.raises(ValueError, match="tasks must have training inputs of one shape"):
            train_many([fresh(), fresh()], [TASK, sweeps.tasks.circle(train_examples=41)])


def test_strict_promotion_is_left_as_it_was(trained):
    # Training relaxes it around Optax; a caller's setting has to survive.
    with pytest.raises(jax.dtypes.TypePromotionError, match="jax_numpy_dtype_promotion=strict"):
        jnp.ones(2, jnp.float32) + jnp.ones(2, jnp.int32)
