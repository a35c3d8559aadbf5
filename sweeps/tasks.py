"""Tasks: data for training and testing networks."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from analysis._errors import InputError, InputTypeError, UnavailableError
from sweeps import _checks
from sweeps import _mnist as files

MNIST_FILES = files.FILES

Boundary = Literal["text", "code"]


class Batch(NamedTuple):
    """Examples with their targets.

    Attributes
    ----------
    inputs : array of shape (examples, features), float32
    targets : array of shape (examples,) with class numbers (integer) or values (float32)
    """

    inputs: Float[np.ndarray, "examples features"]
    targets: Shaped[np.ndarray, " examples"]


class Task(NamedTuple):
    """A training set, a test set, and their settings.

    Attributes
    ----------
    name : name of the function in this module that makes the task
    train, test : Batch
    classes : number of classes, or None for a regression
    settings : the arguments that define the data, as stored with a run
    """

    name: str
    train: Batch
    test: Batch
    classes: int | None
    settings: dict[str, Any]


def circle(
    train_examples: int = 1000,
    test_examples: int = 1000,
    train_seed: int = 0,
    test_seed: int = 23,
    boundary: Boundary = "text",
) -> Task:
    """Return points in a square: inside a circle (class 0) or outside (class 1).

    Inputs are uniform on [-1, 1]^2. The circle is centred at the origin.

    Parameters
    ----------
    train_examples, test_examples : number of points
    train_seed, test_seed : seeds of the two sets, which are independent; at least 0 and below 2^64
    boundary : ``"text"`` or ``"code"``
        The text of the published study has the radius sqrt(2/pi), so that half the square lies inside. Its code
        compares the *squared* radius with sqrt(2/pi), so that the radius is (2/pi)^(1/4) and 63 % of the square lie
        inside. ``"text"``, the default, follows the text, and ``"code"`` the code.

    Returns
    -------
    Task with two classes; ``settings["radius"]`` is the radius.

    Raises
    ------
    TypeError
        If a number of examples or a seed is no whole number.
    ValueError
        If a number of examples is not positive, a seed is not of 64 bits, or the boundary is unknown.

    References
    ----------
    "Neural Networks, More than you wanted to Show", section "Exploring toy neural nets under node removal".

    Examples
    --------
    >>> import sweeps
    >>> task = sweeps.tasks.circle()
    >>> task.train.inputs.shape, task.classes, round(task.settings["radius"], 4)
    ((1000, 2), 2, 0.7979)
    """
    radii = {"text": np.sqrt(2 / np.pi), "code": (2 / np.pi) ** 0.25}
    sizes = _sizes(train_examples, test_examples, train_seed, test_seed)
    radius = float(radii[_checks.one_of("boundary", boundary, radii)])  # type: ignore[arg-type]

    def sample(examples: int, seed: int) -> Batch:
        points = np.random.default_rng(seed).uniform(-1, 1, size=(examples, 2)).astype(np.float32)
        return Batch(points, (np.square(points).sum(axis=1) > radius**2).astype(np.int32))

    return Task("circle", *_two_sets(sample, sizes), 2, sizes | dict(boundary=str(boundary), radius=radius))


def spiral(
    train_examples: int = 1000,
    test_examples: int = 1000,
    train_seed: int = 0,
    test_seed: int = 23,
    turns: float = 1.5,
    noise: float = 0.02,
) -> Task:
    """Return two interleaved spiral arms in the plane, one for each class.

    A point of class c lies at radius r, uniform on [0.1, 1], and angle 2 pi turns r + pi c, plus normal noise.

    Parameters
    ----------
    train_examples, test_examples : number of points
    train_seed, test_seed : seeds of the two sets, which are independent; at least 0 and below 2^64
    turns : full turns of an arm between the centre and radius 1, a million at most; negative turns are clockwise
    noise : standard deviation of the noise on each coordinate, at least 0

    Returns
    -------
    Task with two classes.

    Raises
    ------
    TypeError
        If a number of examples or a seed is no whole number, or the turns or the noise are no number.
    ValueError
        If a number of examples is not positive, a seed is not of 64 bits, or the turns or the noise are not finite or
        out of range.
    """
    sizes = _sizes(train_examples, test_examples, train_seed, test_seed)
    turns = _checks.number("turns", turns, -_checks.TURNS, _checks.TURNS)
    noise = _checks.number("noise", noise, 0, _checks.NOISE)

    def sample(examples: int, seed: int) -> Batch:
        random = np.random.default_rng(seed)
        arm = random.integers(2, size=examples)
        radius = random.uniform(0.1, 1, size=examples)
        angle = 2 * np.pi * turns * radius + np.pi * arm
        points = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        points += random.normal(scale=noise, size=points.shape)
        return Batch(points.astype(np.float32), arm.astype(np.int32))

    return Task("spiral", *_two_sets(sample, sizes), 2, sizes | dict(turns=turns, noise=noise))


def _sizes(train_examples: Any, test_examples: Any, train_seed: Any, test_seed: Any) -> dict[str, int]:
    """Return the sizes and seeds of the two sets, checked."""
    return dict(
        train_examples=_checks.whole("train_examples", train_examples, 1),
        test_examples=_checks.whole("test_examples", test_examples, 1),
        train_seed=_checks.seed("train_seed", train_seed),
        test_seed=_checks.seed("test_seed", test_seed),
    )


def _two_sets(sample: Callable[[int, int], Batch], sizes: dict[str, int]) -> tuple[Batch, Batch]:
    train, test = (sample(sizes[f"{part}_examples"], sizes[f"{part}_seed"]) for part in ("train", "test"))
    return train, test


def digits(test_fraction: float = 0.2, split_seed: int = 0) -> Task:
    """Return handwritten digits: 1,797 images of 8 x 8 pixels scaled to [0, 1], ten classes.

    Parameters
    ----------
    test_fraction : share of the images in the test set, between 0 and 1
    split_seed : seed of the split

    Returns
    -------
    Task with ten classes and 64 features.

    Raises
    ------
    TypeError
        If the share is no number, or the seed no whole number.
    ValueError
        If the split leaves the training or the test set empty, or the seed is not of 64 bits.

    References
    ----------
    E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI; shipped with scikit-learn.
    """
    from sklearn.datasets import load_digits

    settings = _split_settings(test_fraction, split_seed)
    data = load_digits()
    inputs = (data.data / 16).astype(np.float32)
    train, test = _split(inputs, data.target.astype(np.int32), **settings)
    return Task("digits", train, test, 10, settings)


def diabetes(test_fraction: float = 0.2, split_seed: int = 0) -> Task:
    """Return the disease progression of 442 patients from ten measurements: a regression.

    Inputs and targets are standardised with the mean and standard deviation of the training set.

    Parameters
    ----------
    test_fraction : share of the patients in the test set, between 0 and 1
    split_seed : seed of the split

    Returns
    -------
    Task with ``classes`` None and ten features; targets in standard deviations.

    Raises
    ------
    TypeError
        If the share is no number, or the seed no whole number.
    ValueError
        If the split leaves the training or the test set empty, or the seed is not of 64 bits.

    References
    ----------
    B. Efron, T. Hastie, I. Johnstone, R. Tibshirani (2004), Least Angle Regression, Annals of Statistics 32(2);
    shipped with scikit-learn.
    """
    from sklearn.datasets import load_diabetes

    settings = _split_settings(test_fraction, split_seed)
    data = load_diabetes()
    return _regression("diabetes", data.data, data.target, settings)


def california(folder: str | Path | None = None, test_fraction: float = 0.2, split_seed: int = 0) -> Task:
    """Return median house values of 20,640 districts in California from eight features: a regression.

    Inputs and targets are standardised with the mean and standard deviation of the training set. The data are read from
    scikit-learn's folder; nothing is downloaded.

    Parameters
    ----------
    folder : scikit-learn's ``data_home``; None takes its default
    test_fraction : share of the districts in the test set, between 0 and 1
    split_seed : seed of the split

    Returns
    -------
    Task with ``classes`` None and eight features; targets in standard deviations.

    Raises
    ------
    OSError
        If the data are not there.
    TypeError
        If the folder is no path, the share no number, or the seed no whole number.
    ValueError
        If the split leaves the training or the test set empty, or the seed is not of 64 bits.

    References
    ----------
    R. K. Pace, R. Barry (1997), Sparse Spatial Autoregressions, Statistics and Probability Letters 33.
    """
    from sklearn.datasets import fetch_california_housing

    settings = _split_settings(test_fraction, split_seed)
    home = None if folder is None else str(_path(folder))
    try:
        data = fetch_california_housing(data_home=home, download_if_missing=False)
    except OSError:
        where = "" if home is None else f"data_home={home!r}"
        raise UnavailableError(
            "California housing is not there: run sklearn.datasets.fetch_california_housing"
            f"({where}) once with internet, and pass folder= where data_home is not the default"
        ) from None
    return _regression("california", data.data, data.target, settings)


def mnist(folder: str | Path | None = None) -> Task:
    """Return handwritten digits of 28 x 28 pixels scaled to [0, 1], ten classes; 60,000 to train and 10,000 to test.

    Parameters
    ----------
    folder : holds the four IDX files ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and the same with
        ``t10k``, plain or with ``.gz``, of any number of images; None downloads MNIST once, checks it and keeps it in
        the user's cache

    Returns
    -------
    Task with ten classes and 784 features, in the order of the files.

    Raises
    ------
    OSError
        If a file is missing, or cannot be read or downloaded.
    TypeError
        If the folder is no path.
    ValueError
        If a file is no IDX file of this kind or is cut short, or images and labels differ in number.

    References
    ----------
    Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database of handwritten digits.
    """
    home = files.fetched() if folder is None else _path(folder)
    train, test = (Batch(*files.batch(home, part)) for part in ("train", "t10k"))
    sizes = dict(train_examples=len(train.targets), test_examples=len(test.targets))
    return Task("mnist", train, test, 10, sizes)


def _path(folder: Any) -> Path:
    if not isinstance(folder, str | os.PathLike):
        raise InputTypeError(f"folder must be a path, got {_checks.shown(folder)}")
    return Path(folder)


def _regression(name: str, inputs: np.ndarray, targets: np.ndarray, settings: dict[str, Any]) -> Task:
    """Return a regression task, split, and standardised by its training set."""
    train, test = _split(inputs, targets, **settings)

    def standardise(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
        return ((values - reference.mean(axis=0)) / reference.std(axis=0)).astype(np.float32)

    return Task(
        name,
        Batch(standardise(train.inputs, train.inputs), standardise(train.targets, train.targets)),
        Batch(standardise(test.inputs, train.inputs), standardise(test.targets, train.targets)),
        None,
        settings,
    )


def _split_settings(test_fraction: Any, split_seed: Any) -> dict[str, Any]:
    """Return the arguments of a split, checked."""
    return dict(
        test_fraction=_checks.number("test_fraction", test_fraction), split_seed=_checks.seed("split_seed", split_seed)
    )


def _split(inputs: np.ndarray, targets: np.ndarray, test_fraction: float, split_seed: int) -> tuple[Batch, Batch]:
    test_examples = test_fraction * len(inputs)
    # Checked before rounding, as Python cannot round infinity.
    if not 0 < test_examples < len(inputs) or not 0 < round(test_examples) < len(inputs):
        raise InputError(f"test_fraction must leave examples in both sets: {test_fraction:g} of {len(inputs)} does not")
    order = np.random.default_rng(split_seed).permutation(len(inputs))
    test, train = order[: round(test_examples)], order[round(test_examples) :]
    return Batch(inputs[train], targets[train]), Batch(inputs[test], targets[test])
