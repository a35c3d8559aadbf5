"""Tasks: what the data are, that seeds decide them, and what is refused."""

import numpy as np
import pytest

from sweeps import tasks


def same(first, second):
    return np.array_equal(first.inputs, second.inputs) and np.array_equal(first.targets, second.targets)


class TestCircle:
    @pytest.mark.parametrize(("boundary", "squared_radius"), [("text", 2 / np.pi), ("code", np.sqrt(2 / np.pi))])
    def test_labels_are_one_outside_the_circle(self, boundary, squared_radius):
        task = tasks.circle(boundary=boundary)
        np.testing.assert_allclose(task.settings["radius"] ** 2, squared_radius, rtol=1e-15)
        for batch in (task.train, task.test):
            outside = (batch.inputs.astype(float) ** 2).sum(axis=1) > squared_radius
            # Inputs are float32: a point within 1e-6 of the circle may fall on either side.
            near = np.abs((batch.inputs.astype(float) ** 2).sum(axis=1) - squared_radius) < 1e-6
            np.testing.assert_array_equal(batch.targets[~near], outside[~near])

    @pytest.mark.parametrize(("boundary", "share"), [("text", 0.5), ("code", np.sqrt(np.pi / 8))])
    def test_share_inside_is_pi_r_squared_over_four(self, boundary, share):
        task = tasks.circle(train_examples=40_000, boundary=boundary)
        np.testing.assert_allclose(np.pi * task.settings["radius"] ** 2 / 4, share, rtol=1e-12)
        # Five standard errors of a share; the false-alarm chance is 6e-7.
        tolerance = 5 * np.sqrt(share * (1 - share) / 40_000)
        assert abs((task.train.targets == 0).mean() - share) < tolerance

    def test_inputs_are_uniform_on_the_square(self):
        inputs = tasks.circle(train_examples=40_000).train.inputs
        assert np.abs(inputs).max() <= 1
        # Mean 0 with variance 1/3, second moment 1/3 with variance 4/45; five standard errors, false alarm 6e-7
        # for each of the six numbers.
        assert (np.abs(inputs.mean(axis=0)) < 5 * np.sqrt(1 / 3 / 40_000)).all()
        assert (np.abs((inputs**2).mean(axis=0) - 1 / 3) < 5 * np.sqrt(4 / 45 / 40_000)).all()
        assert abs(inputs.prod(axis=1).mean()) < 5 * np.sqrt(1 / 9 / 40_000)

    def test_shapes_types_and_settings(self):
        task = tasks.circle(train_examples=30, test_examples=20)
        assert (task.name, task.classes) == ("circle", 2)
        assert task.train.inputs.shape == (30, 2) and task.test.targets.shape == (20,)
        assert task.train.inputs.dtype == np.float32 and task.train.targets.dtype == np.int32
        assert task.settings["boundary"] == "text" and task.settings["test_seed"] == 23

    def test_seeds_decide_the_data_and_the_sets_are_independent(self):
        assert same(tasks.circle().train, tasks.circle().train)
        assert not same(tasks.circle().train, tasks.circle(train_seed=1).train)
        assert same(tasks.circle().test, tasks.circle(train_seed=1, train_examples=7).test)
        assert not same(tasks.circle().test, tasks.circle(test_seed=1).test)
        assert same(tasks.circle(train_seed=5).train, tasks.circle(test_seed=5).test)

    def test_errors(self):
        with pytest.raises(ValueError, match='boundary must be "text" or "code", got \'square\''):
            tasks.circle(boundary="square")
        with pytest.raises(ValueError, match="train_examples must be at least 1, got 0"):
            tasks.circle(train_examples=0)
        with pytest.raises(ValueError, match="test_examples must be at least 1, got -3"):
            tasks.circle(test_examples=-3)


class TestSpiral:
    def test_points_lie_on_their_arms(self):
        batch = tasks.spiral(noise=0, turns=1.5).train
        radius = np.linalg.norm(batch.inputs.astype(float), axis=1)
        angle = 2 * np.pi * 1.5 * radius + np.pi * batch.targets
        on_arm = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        # The radius is good to float32, and the angle to 3 pi times that.
        np.testing.assert_allclose(batch.inputs, on_arm, rtol=0, atol=3e-6)
        assert radius.min() >= 0.1 - 1e-6 and radius.max() <= 1 + 1e-6
        # Five standard errors of a share of one half in 1,000; false alarm 6e-7.
        assert abs(batch.targets.mean() - 0.5) < 5 * np.sqrt(0.25 / 1000)

    def test_noise_is_normal_with_its_standard_deviation(self):
        clean, noisy = (tasks.spiral(train_examples=10_000, noise=noise).train for noise in (0, 0.05))
        np.testing.assert_array_equal(clean.targets, noisy.targets)
        difference = (noisy.inputs - clean.inputs).ravel()
        # 20,000 numbers; five standard errors of mean and variance; false alarm 6e-7 each.
        assert abs(difference.mean()) < 5 * 0.05 / np.sqrt(20_000)
        assert abs(difference.var() - 0.05**2) < 5 * 0.05**2 * np.sqrt(2 / 20_000)

    def test_seeds_and_errors(self):
        assert same(tasks.spiral().test, tasks.spiral(train_seed=3).test)
        assert not same(tasks.spiral().train, tasks.spiral(train_seed=3).train)
        with pytest.raises(ValueError, match="noise must be zero or positive, got -1"):
            tasks.spiral(noise=-1)
        with pytest.raises(ValueError, match="train_examples must be at least 1, got 0"):
            tasks.spiral(train_examples=0)


class TestDigits:
    def test_the_split_loses_and_repeats_no_image(self):
        from sklearn.datasets import load_digits

        task, data = tasks.digits(test_fraction=0.2), load_digits()
        assert len(task.test.inputs) == round(0.2 * 1797)
        rows = np.vstack([np.column_stack([batch.inputs * 16, batch.targets]) for batch in (task.train, task.test)])
        original = np.column_stack([data.data, data.target])
        np.testing.assert_array_equal(rows[np.lexsort(rows.T)], original[np.lexsort(original.T)])

    def test_images(self):
        task = tasks.digits()
        assert (task.classes, task.train.inputs.shape[1]) == (10, 64)
        assert task.train.inputs.dtype == np.float32 and task.train.targets.dtype == np.int32
        assert (task.train.inputs.min(), task.train.inputs.max()) == (0, 1)
        assert set(task.test.targets) == set(range(10))

    def test_seed_and_errors(self):
        assert same(tasks.digits().train, tasks.digits().train)
        assert not same(tasks.digits().train, tasks.digits(split_seed=1).train)
        for fraction in (0, 1, -0.5, 1.5):
            with pytest.raises(ValueError, match=f"test_fraction must leave examples in both sets: {fraction} of 1797"):
                tasks.digits(test_fraction=fraction)


class TestDiabetes:
    def test_the_training_set_is_standard_and_the_test_set_on_its_scale(self):
        from sklearn.datasets import load_diabetes

        task, data = tasks.diabetes(), load_diabetes()
        # Every number is rounded to float32, a relative error of 6e-8; the largest are under 10.
        inputs, targets = (part.astype(float) for part in task.train)
        np.testing.assert_allclose(inputs.mean(axis=0), 0, atol=6e-7)
        np.testing.assert_allclose(inputs.std(axis=0), 1, atol=6e-7)
        np.testing.assert_allclose([targets.mean(), targets.std()], [0, 1], atol=6e-7)
        # One shift and one factor take the targets of both sets back to the original ones.
        both = np.sort(np.concatenate([task.train.targets, task.test.targets]).astype(float))
        original = np.sort(data.target)
        factor = np.ptp(original) / np.ptp(both)
        np.testing.assert_allclose(original[0] + factor * (both - both[0]), original, rtol=0, atol=1e-4)

    def test_a_regression(self):
        task = tasks.diabetes()
        assert task.classes is None and task.train.inputs.shape == (354, 10)
        assert task.train.targets.dtype == np.float32

    def test_seed_and_errors(self):
        assert same(tasks.diabetes().test, tasks.diabetes().test)
        assert not same(tasks.diabetes().test, tasks.diabetes(split_seed=1).test)
        with pytest.raises(ValueError, match="test_fraction must leave examples in both sets: 0 of 442 does not"):
            tasks.diabetes(test_fraction=0)
