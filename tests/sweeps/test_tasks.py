"""Tasks: what the data are, that seeds decide them, and what is refused."""

import gzip
import json
from types import SimpleNamespace

import numpy as np
import pooch
import pytest
import sklearn.datasets

import sweeps
from analysis._errors import InputError
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
        with pytest.raises(ValueError, match="boundary must be one of text, code, got 'square'"):
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
        with pytest.raises(ValueError, match="noise must be at least 0, got -1"):
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


def idx(array):
    """An array of bytes as an IDX file."""
    array = np.asarray(array, np.uint8)
    head = np.array([0x0800 + array.ndim, *array.shape], ">u4")
    return head.tobytes() + array.tobytes()


class TestMnist:
    IMAGES = np.random.default_rng(0).integers(256, size=(5, 28, 28))
    LABELS = np.array([3, 9, 0, 1, 3])

    def files(self, folder):
        """Five images to train on, compressed, and two to test on, plain."""
        for name, content in {"images-idx3": self.IMAGES, "labels-idx1": self.LABELS}.items():
            (folder / f"train-{name}-ubyte.gz").write_bytes(gzip.compress(idx(content)))
            (folder / f"t10k-{name}-ubyte").write_bytes(idx(content[:2]))
        return folder

    def test_plain_and_compressed_files(self, tmp_path):
        task = tasks.mnist(folder=self.files(tmp_path))
        assert (task.name, task.classes, task.settings) == ("mnist", 10, dict(train_examples=5, test_examples=2))
        assert task.train.inputs.dtype == np.float32 and task.train.targets.dtype == np.int32
        np.testing.assert_array_equal(np.round(task.train.inputs * 255), self.IMAGES.reshape(5, 784))
        assert task.train.inputs.min() >= 0 and task.train.inputs.max() <= 1
        np.testing.assert_array_equal(task.train.targets, self.LABELS)
        assert same(task.test, sweeps.Batch(task.train.inputs[:2], task.train.targets[:2]))

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            (
                "t10k-labels-idx1-ubyte",
                idx([1, 2, 3]),
                "t10k-labels-idx1-ubyte must hold 2 labels, one an image, got 3",
            ),
            ("t10k-labels-idx1-ubyte", idx([1, 10]), "t10k-labels-idx1-ubyte must hold labels from 0 to 9"),
            ("t10k-labels-idx1-ubyte", idx([[1, 2]]), "magic number 2049, got 2050"),
            (
                "t10k-labels-idx1-ubyte",
                b"",
                "t10k-labels-idx1-ubyte must hold an IDX file with magic number 2049, got 0",
            ),
            ("t10k-images-idx3-ubyte", idx(IMAGES[:2])[:-1], r"must hold 1568 bytes for shape \(2, 28, 28\), got 1567"),
            ("t10k-images-idx3-ubyte", idx(IMAGES[:2, 1:]), "must hold images of 28 x 28 pixels, got 27 x 28"),
            ("train-images-idx3-ubyte.gz", gzip.compress(idx(IMAGES))[:-9], "images-idx3-ubyte.gz: compressed file is"),
            ("train-images-idx3-ubyte.gz", idx(IMAGES), "images-idx3-ubyte.gz: compressed file is damaged"),
        ],
    )
    def test_damaged_files_are_named(self, tmp_path, name, content, message):
        (self.files(tmp_path) / name).write_bytes(content)
        with pytest.raises(ValueError, match=message):
            tasks.mnist(folder=tmp_path)

    def test_a_missing_file_says_where_to_get_it(self, tmp_path):
        (self.files(tmp_path) / "t10k-labels-idx1-ubyte").unlink()
        with pytest.raises(OSError, match="t10k-labels-idx1-ubyte is not there, nor with .gz: download it from https:"):
            tasks.mnist(folder=tmp_path)

    def test_fetched_files_are_checked_and_kept(self, tmp_path, monkeypatch):
        fetched = []

        class Store:
            def fetch(self, name):
                fetched.append(name)

        def create(home, source, registry):
            assert source.startswith("https://") and all(len(digest) == 64 for digest in registry.values())
            return Store()

        monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / project)
        monkeypatch.setattr(pooch, "create", create)
        (tmp_path / "gatesweep" / "mnist").mkdir(parents=True)
        self.files(tmp_path / "gatesweep" / "mnist")
        assert len(tasks.mnist().train.targets) == 5
        assert fetched == list(tasks._MNIST_FILES)

    @pytest.mark.parametrize("error", [ConnectionError("no route"), ValueError("hash of file differs")])
    def test_without_internet_one_line_says_what_to_do(self, tmp_path, monkeypatch, error):
        class Store:
            def fetch(self, name):
                raise error

        monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / project)
        monkeypatch.setattr(pooch, "create", lambda *_, **__: Store())
        with pytest.raises(
            OSError, match=f"could not be fetched \\({type(error).__name__}\\): download .* folder="
        ) as found:
            tasks.mnist()
        assert "\n" not in str(found.value)


class TestCalifornia:
    def test_a_regression_of_what_the_user_has(self, monkeypatch):
        random = np.random.default_rng(0)
        data = SimpleNamespace(data=random.normal(3, 2, size=(50, 8)), target=random.normal(2, 1, size=50))

        def fetch(data_home, download_if_missing):
            assert data_home == "here" and not download_if_missing
            return data

        monkeypatch.setattr(sklearn.datasets, "fetch_california_housing", fetch)
        task = tasks.california(folder="here", test_fraction=0.2)
        assert (task.name, task.classes, task.train.inputs.shape, task.test.targets.shape) == (
            "california",
            None,
            (40, 8),
            (10,),
        )
        # Forty numbers of float32, of size one.
        np.testing.assert_allclose([task.train.targets.mean(), task.train.targets.std()], [0, 1], atol=1e-6)
        np.testing.assert_allclose(task.train.inputs.astype(float).std(axis=0), 1, atol=1e-6)
        assert task.settings == dict(test_fraction=0.2, split_seed=0)

    def test_nothing_is_fetched(self, tmp_path):
        with pytest.raises(
            OSError, match="California housing is not there: run sklearn.datasets.fetch_california_housing"
        ):
            tasks.california(folder=tmp_path)


class TestArguments:
    """Numbers of NumPy are Python's; what is no number, or out of range, is refused by its name."""

    @pytest.mark.parametrize(
        ("task", "options", "message"),
        [
            (tasks.circle, dict(train_examples=1e3), "train_examples must be a whole number, got 1000.0"),
            (tasks.circle, dict(test_examples=True), "test_examples must be a whole number, got True"),
            (tasks.circle, dict(train_examples=2**31), "train_examples must be at most 2147483647, got"),
            (tasks.circle, dict(train_seed=-1), r"train_seed must be at least 0, got -1"),
            (tasks.circle, dict(test_seed=2**64), r"test_seed must be at most 18446744073709551615, got 184467440737"),
            (tasks.circle, dict(train_seed=1.5), "train_seed must be a whole number, got 1.5"),
            (tasks.circle, dict(train_seed=None), "train_seed must be a whole number, got None"),
            (tasks.circle, dict(boundary=["text"]), r"boundary must be one of text, code, got \['text'\]"),
            (tasks.spiral, dict(test_seed=[1, 2]), r"test_seed must be a whole number, got \[1, 2\]"),
            (tasks.spiral, dict(noise=np.nan), "noise must be finite, got nan"),
            (tasks.spiral, dict(noise=1e39), r"noise must be at most 1e\+30, got 1e\+39"),
            (tasks.spiral, dict(noise="0.1"), "noise must be a number, got '0.1'"),
            (tasks.spiral, dict(turns=np.inf), "turns must be finite, got inf"),
            (tasks.spiral, dict(turns=1e308), "turns must be at most 1000000.0, got 1e.308"),
            (tasks.spiral, dict(turns=1j), "turns must be a number, got 1j"),
            (tasks.digits, dict(test_fraction=np.nan), "test_fraction must be finite, got nan"),
            (tasks.digits, dict(test_fraction=True), "test_fraction must be a number, got True"),
            (tasks.diabetes, dict(split_seed="0"), "split_seed must be a whole number, got '0'"),
            (tasks.diabetes, dict(split_seed=2**70), r"split_seed must be at most 18446744073709551615"),
            (tasks.california, dict(folder=3), "folder must be a path, got 3"),
            (tasks.mnist, dict(folder=3), "folder must be a path, got 3"),
        ],
    )
    def test_what_is_refused(self, task, options, message):
        with pytest.raises(InputError, match=f"^{message}"):
            task(**options)

    def test_numpys_numbers_are_pythons(self):
        found = tasks.spiral(
            train_examples=np.int64(7),
            test_examples=np.uint8(5),
            train_seed=np.int32(1),
            test_seed=np.uint64(2**63),
            turns=np.float32(2),
            noise=np.float64(0.5),
        )
        wanted = tasks.spiral(train_examples=7, test_examples=5, train_seed=1, test_seed=2**63, turns=2.0, noise=0.5)
        assert same(found.train, wanted.train) and same(found.test, wanted.test)
        assert json.dumps(found.settings) == json.dumps(wanted.settings)

    def test_all_64_bits_of_a_seed_count(self):
        for seed in (5, 2**32 + 5, 2**63 + 5, 2**64 - 1):
            assert not same(tasks.circle(train_seed=seed).train, tasks.circle(train_seed=(seed + 2**32) % 2**64).train)

    def test_data_are_those_of_numpys_generator(self):
        points = np.random.default_rng(2**40 + 1).uniform(-1, 1, size=(9, 2)).astype(np.float32)
        np.testing.assert_array_equal(tasks.circle(train_examples=9, train_seed=2**40 + 1).train.inputs, points)
