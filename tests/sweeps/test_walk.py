"""Losses along flip paths by the differences between neighbours, against the oracle and against full products."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import sweeps
from sweeps import _device
from sweeps._engine import batches
from sweeps._plans import choosing, walk
from tests import reference
from tests.sweeps import helpers
from tests.sweeps.helpers import PROBLEMS, SMALL

# 131 masks a path: three segments of 44, the last one a mask short.
WIDE = helpers.problem((2, 130, 2), "relu", "cross_entropy", 2, seed=20)
MARGINS = ["two classes", "four classes", "binary"]


@functools.cache
def objective_of(name):
    """The objective of a problem; what it is made of is compiled once."""
    return helpers.objective(WIDE if name == "wide" else PROBLEMS[name])


def small():
    return objective_of("two classes")


@pytest.fixture(autouse=True)
def any_number_of_nodes(monkeypatch):
    monkeypatch.setattr(walk, "FEWEST_NODES", 1)


def plan_of(objective, design, gradients=False):
    """The plan that a sweep would use."""
    sampler = design.bound(objective.layers).sampler(len(objective.nodes))
    return choosing.for_sweep(objective.plan, sampler, gradients)


def swept(objective, design, **options):
    """A sweep that is walked."""
    data = sweeps.sweep(objective, design, seed=3, gradients=False, **options)
    assert data.attrs["plan"].startswith("walk: ")
    return data


def random_paths(nodes, flips=None, paths=6, seed=0):
    """Masks of random paths, shape (paths, steps, nodes)."""
    random = np.random.default_rng(seed)
    gates = random.integers(2, size=(paths, 1, nodes)).astype(bool)
    order = np.argsort(random.random((paths, nodes)), axis=1)
    return gates ^ (order[:, None] < np.arange(1 + (flips or nodes))[:, None])


def losses(objective, gates):
    """Losses of paths, walked."""
    return np.asarray(jax.jit(walk.build(objective.plan.tree).evaluate)(jnp.asarray(gates)).loss)


def rounding(problem):
    """Bound on the float32 error of a loss.

    A margin is a sum of twice as many terms as there are nodes at most: those of a segment's first mask, and one for
    every step.
    """
    return 2 * helpers.rounding(problem, np.ones(problem.nodes))[0]


def assert_right(problem, loss, gates):
    """Losses are within float32 rounding of the oracle's."""
    wanted = [reference.loss(problem, mask) for mask in np.asarray(gates).reshape(-1, problem.nodes)]
    np.testing.assert_allclose(np.ravel(loss), wanted, rtol=0, atol=rounding(problem))


@pytest.mark.parametrize("name", MARGINS)
def test_losses_along_paths(name):
    gates = random_paths(PROBLEMS[name].nodes, paths=20)
    assert_right(PROBLEMS[name], losses(objective_of(name), gates), gates)


# Of 65 masks, in two segments, the last one a mask short, of 64 and of 2.
@pytest.mark.parametrize("flips", [64, 63, 1])
def test_losses_along_paths_of_one_segment_and_several(flips):
    gates = random_paths(130, flips, paths=3)
    assert_right(WIDE, losses(objective_of("wide"), gates), gates)


@pytest.mark.parametrize(("name", "flips"), [("four classes", 5), ("wide", 130), ("wide", 64)])
def test_losses_on_accelerators(name, flips, monkeypatch):
    problem, objective = WIDE if name == "wide" else PROBLEMS[name], objective_of(name)
    helpers.set_device(monkeypatch, platform="gpu")
    gates = random_paths(problem.nodes, flips, paths=3)
    assert_right(problem, losses(objective, gates), gates)


@pytest.mark.parametrize("platform", ["cpu", "gpu"])
def test_losses_in_double_precision(platform, monkeypatch, x64):
    helpers.set_device(monkeypatch, platform=platform)
    gates = random_paths(WIDE.nodes, paths=4)
    loss = losses(helpers.objective(WIDE, np.float64), gates)
    assert loss.dtype == np.float64
    wanted = [reference.loss(WIDE, mask) for mask in gates.reshape(-1, WIDE.nodes)]
    np.testing.assert_allclose(loss.ravel(), wanted, rtol=1e-11)


def test_blocks_of_examples_and_their_padding_change_nothing():
    # 1,103 is a prime: four blocks, the last one padded.
    problem = helpers.problem((3, 5, 4), "tanh", "cross_entropy", 4, examples=1103, seed=21)
    objective, gates = helpers.objective(problem), random_paths(5)
    assert len(walk.build(objective.plan.tree).offsets) == 4
    assert_right(problem, losses(objective, gates), gates)


def test_steps_that_flip_nothing_keep_the_loss():
    gates = np.array([[[1, 0, 1, 0, 0, 1], [1, 0, 1, 0, 0, 1], [1, 0, 1, 1, 0, 1], [1, 0, 1, 1, 0, 1]]], bool)
    ((first, second, third, fourth),) = losses(small(), gates)
    assert first == second != third == fourth
    assert_right(SMALL, [first, second, third, fourth], gates)


def test_a_sweep_has_the_masks_of_full_products_and_their_losses_within_rounding(monkeypatch):
    objective, design = objective_of("wide"), sweeps.FlipPaths(paths=5, probability=0.3, chains=2)
    walked = swept(objective, design)
    assert_right(WIDE, walked.loss, walked.gates)
    # Two paths a batch, which run over the end of a chain; the order of a product's sums may be another.
    batched = swept(objective, design, batch_size=300)
    np.testing.assert_array_equal(batched.gates, walked.gates)
    np.testing.assert_allclose(batched.loss, walked.loss, rtol=0, atol=2 * rounding(WIDE))
    monkeypatch.setattr(walk, "FEWEST_NODES", 10**6)
    plain = sweeps.sweep(objective, design, seed=3, gradients=False)
    assert plain.attrs["plan"].startswith("affine: ")
    np.testing.assert_array_equal(walked.gates, plain.gates)
    np.testing.assert_allclose(walked.loss, plain.loss, rtol=0, atol=2 * rounding(WIDE))


class Forked(nnx.Module):
    """Two hidden layers beside each other, each with an output layer of its own; their outputs are added."""

    def __init__(self, problem):
        (kernel, bias), (outwards, last) = problem.layers
        half = len(outwards) // 2
        self.one, self.other = helpers.linear(2, half), helpers.linear(2, half)
        self.left, self.right = helpers.linear(half, 2), helpers.linear(half, 2)
        for layer, weights, offset in (
            (self.one, kernel[:, :half], bias[:half]),
            (self.other, kernel[:, half:], bias[half:]),
            (self.left, outwards[:half], last),
            (self.right, outwards[half:], 0 * last),
        ):
            nnx.update(layer, {"kernel": jnp.asarray(weights, jnp.float32), "bias": jnp.asarray(offset, jnp.float32)})

    def __call__(self, inputs):
        return self.left(nnx.relu(self.one(inputs))) + self.right(nnx.relu(self.other(inputs)))


def test_only_nodes_of_a_layer_are_flipped():
    objective = sweeps.Objective(Forked(SMALL), helpers.batch(SMALL))
    assert objective.plan.name == "affine"
    data = swept(objective, sweeps.FlipPaths(paths=5, layer="other"))
    assert data.sizes["step"] == 4
    changed = (data.gates.values[0, :, 0] != data.gates.values[0, :, -1]).all(axis=0)
    np.testing.assert_array_equal(np.flatnonzero(changed), [3, 4, 5])
    assert_right(SMALL, data.loss, data.gates)


def test_summary_of_paths_that_are_halved_until_they_fit(monkeypatch, capsys):
    program, asked = batches.program, []

    def limited(mesh, landing):
        def call(*arguments, batch_size, **options):
            asked.append(batch_size)
            if batch_size > 4:
                raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")
            return program(mesh, landing)(*arguments, batch_size=batch_size, **options)

        return call

    # With 4 paths a batch, the last one is not full.
    objective, design = small(), sweeps.FlipPaths(paths=30)
    loss = swept(objective, design).loss.values.astype(float)
    monkeypatch.setattr(batches, "program", limited)
    summary = swept(objective, design, batch_size=16 * 7, keep="summary")
    assert sorted(set(asked), reverse=True) == [16, 8, 4]
    assert "going on with batches of 4 paths" in capsys.readouterr().err
    assert summary.sizes["chain"] == 1 and int(summary.loss_count.sum()) == loss.size
    np.testing.assert_allclose(summary.loss_mean, [loss.mean()], rtol=1e-5)


class TestChoice:
    PATHS = sweeps.FlipPaths(paths=10)

    def test_flip_paths_without_gradients_are_walked(self):
        chosen = plan_of(small(), self.PATHS)
        assert chosen.name == "walk" and isinstance(choosing.built(chosen), walk.Walk)

    @pytest.mark.parametrize(
        ("name", "plan", "design", "gradients"),
        [
            ("two classes", "affine", PATHS, True),
            ("two classes", "vmapped", PATHS, False),
            ("two layers", "dense", PATHS, False),
            ("one value", "affine", PATHS, False),
            ("two classes", "affine", sweeps.Bernoulli(probability=0.5, draws=10), False),
        ],
    )
    def test_anything_else_is_not(self, name, plan, design, gradients):
        objective = helpers.objective(PROBLEMS[name], plan=plan) if plan == "vmapped" else objective_of(name)
        assert objective.plan.name == plan
        chosen = plan_of(objective, design, gradients)
        assert chosen.name == plan and choosing.built(chosen) is objective.plan.tree
        assert ("no walk: " in chosen.reason) == isinstance(design, sweeps.FlipPaths)

    @pytest.mark.parametrize(("fewest", "most", "walked"), [(6, 6, True), (7, 9, False), (1, 5, False)])
    def test_by_the_number_of_nodes(self, fewest, most, walked, monkeypatch):
        monkeypatch.setattr(walk, "FEWEST_NODES", fewest)
        monkeypatch.setattr(walk, "MOST_NODES", most)
        assert plan_of(small(), self.PATHS).name == ("walk" if walked else "affine")

    def test_on_accelerators_too(self, monkeypatch):
        objective = small()
        helpers.set_device(monkeypatch, platform="gpu")
        assert plan_of(objective, self.PATHS).name == "walk"

    def test_numbers_of_nodes_add_up_exactly(self):
        assert walk.MOST_NODES * (walk.MOST_NODES + 1) // 2 <= 2**24

    def test_batches_are_powers_of_two_unless_the_user_has_a_wish(self):
        walked = walk.build(small().plan.tree)
        for steps in (2, 7, 65, 1001, 10**5):
            paths = walked.preferred_paths(steps)
            assert 1 <= paths <= _device.CPU.walk_segments and paths.bit_count() == 1
            assert batches.draws_together(walked, steps, False, 10**6, None) == paths
        for wish, paths in ((1, 1), (7, 1), (20, 2), (700, 100)):
            assert batches.draws_together(walked, 7, False, 10**6, wish) == paths

    @pytest.mark.parametrize("gigabytes", [1, 80])
    def test_batches_of_an_accelerator_fit_in_its_memory(self, gigabytes, monkeypatch):
        there = _device.accelerator("gpu", gigabytes * 2**30, 9.0, set())
        monkeypatch.setattr(_device, "here", lambda: there)
        walked = walk.build(objective_of("four classes").plan.tree)
        sizes = {steps: walked.preferred_paths(steps) for steps in (2, 65, 1001, 10**5)}
        for steps, paths in sizes.items():
            assert paths.bit_count() == 1
            # Bytes of gates, and numbers that are read and written at each step.
            assert paths * steps * 5 <= 4 * there.batch
            assert paths * walk._segments(steps)[0] * walked.offsets[0].size <= min(there.batch, 2**25)
        assert sizes[2] > sizes[65] > sizes[1001] > sizes[10**5] >= 1
