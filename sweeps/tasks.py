"""Tasks: data for training and testing networks."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from analysis._errors import InputError, InputTypeError, UnavailableError
from sweeps import _checks
from sweeps import _mnist as files
from sweeps._batches import Batch, Task

__all__ = ["california", "circle", "diabetes", "digits", "mnist", "spiral"]

_MNIST_FILES = files.FILES

_Boundary = Literal["text", "code"]


def circle(
    *,
    train_examples: int = 1000,
    test_examples: int = 1000,
    train_seed: int = 0,
    test_seed: int = 23,
    boundary: _Boundary = "text",
) -> Task:
    """Return points in a square: inside a circle (class 0) or outside (class 1).

    Inputs are uniform on [-1, 1]^2. The circle is centred at the origin.

    Parameters
    ----------
    train_examples : int, default 1000
        Number of points of the training set.
    test_examples : int, default 1000
        Number of points of the test set.
    train_seed : int, default 0
        Of the training set, from 0 to 2^64 - 1.
    test_seed : int, default 23
        Of the test set, which is independent of the other.
    boundary : {"text", "code"}, default "text"
        The text of the published study has the radius sqrt(2 / pi), so that half the square lies inside. Its code
        compares the *squared* radius with sqrt(2 / pi), so that the radius is (2 / pi)^(1/4) and 63 % of the square lie
        inside. ``"text"`` follows the text, and ``"code"`` the code.

    Returns
    -------
    Task
        With two classes and two features; ``settings["radius"]`` is the radius.

    Raises
    ------
    TypeError
        If a number of examples or a seed is no whole number.
    InputError
        If a number of examples is not positive, a seed is not of 64 bits, or the boundary is unknown.

    See Also
    --------
    spiral : A harder task in the plane.

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
    *,
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
    train_examples : int, default 1000
        Number of points of the training set.
    test_examples : int, default 1000
        Number of points of the test set.
    train_seed : int, default 0
        Of the training set, from 0 to 2^64 - 1.
    test_seed : int, default 23
        Of the test set, which is independent of the other.
    turns : float, default 1.5
        Full turns of an arm between the centre and radius 1, a million at most; negative turns are clockwise. The more
        turns, the harder the task; with 0 the arms are straight.
    noise : float, default 0.02
        Standard deviation of the noise on each coordinate, at least 0. Arms are about 1 / (2 turns) apart.

    Returns
    -------
    Task
        With two classes and two features.

    Raises
    ------
    TypeError
        If a number of examples or a seed is no whole number, or the turns or the noise are no number.
    InputError
        If a number of examples is not positive, a seed is not of 64 bits, or the turns or the noise are not finite or
        out of range.

    See Also
    --------
    circle : An easier task in the plane.

    Examples
    --------
    >>> import sweeps
    >>> task = sweeps.tasks.spiral(train_examples=100, noise=0)
    >>> task.train.inputs.shape, sorted(set(task.train.targets.tolist()))
    ((100, 2), [0, 1])
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


def digits(*, test_fraction: float = 0.2, split_seed: int = 0) -> Task:
    """Return handwritten digits: 1,797 images of 8 x 8 pixels scaled to [0, 1], ten classes.

    The images come with scikit-learn: nothing is downloaded.

    Parameters
    ----------
    test_fraction : float, default 0.2
        Share of the images in the test set, between 0 and 1.
    split_seed : int, default 0
        Of the random split, from 0 to 2^64 - 1.

    Returns
    -------
    Task
        With ten classes and 64 features.

    Raises
    ------
    TypeError
        If the share is no number, or the seed no whole number.
    InputError
        If the split leaves the training or the test set empty, or the seed is not of 64 bits.

    See Also
    --------
    mnist : Larger images, and more of them.

    References
    ----------
    E. Alpaydin, C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine Learning Repository.

    Examples
    --------
    >>> import sweeps
    >>> task = sweeps.tasks.digits()
    >>> task.train.inputs.shape, task.test.inputs.shape
    ((1438, 64), (359, 64))
    """
    from sklearn.datasets import load_digits

    settings = _split_settings(test_fraction, split_seed)
    data = load_digits()
    inputs = (data.data / 16).astype(np.float32)
    train, test = _split(inputs, data.target.astype(np.int32), **settings)
    return Task("digits", train, test, 10, settings)


def diabetes(*, test_fraction: float = 0.2, split_seed: int = 0) -> Task:
    """Return the disease progression of 442 patients from ten measurements: a regression.

    Inputs and targets are standardised with the mean and standard deviation of the training set. The data come with
    scikit-learn: nothing is downloaded.

    Parameters
    ----------
    test_fraction : float, default 0.2
        Share of the patients in the test set, between 0 and 1.
    split_seed : int, default 0
        Of the random split, from 0 to 2^64 - 1.

    Returns
    -------
    Task
        With ``classes`` None and ten features; targets are in standard deviations.

    Raises
    ------
    TypeError
        If the share is no number, or the seed no whole number.
    InputError
        If the split leaves the training or the test set empty, or the seed is not of 64 bits.

    See Also
    --------
    california : A larger regression.

    References
    ----------
    B. Efron, T. Hastie, I. Johnstone, R. Tibshirani (2004), Least Angle Regression, Annals of Statistics 32(2).

    Examples
    --------
    >>> import sweeps
    >>> task = sweeps.tasks.diabetes()
    >>> task.train.inputs.shape, task.classes
    ((354, 10), None)
    """
    from sklearn.datasets import load_diabetes

    settings = _split_settings(test_fraction, split_seed)
    data = load_diabetes()
    return _regression("diabetes", data.data, data.target, settings)


def california(*, folder: str | Path | None = None, test_fraction: float = 0.2, split_seed: int = 0) -> Task:
    """Return median house values of 20,640 districts in California from eight features: a regression.

    Inputs and targets are standardised with the mean and standard deviation of the training set. The data are read from
    scikit-learn's folder; nothing is downloaded.

    Parameters
    ----------
    folder : str or path, optional
        Scikit-learn's ``data_home``; None takes its default.
    test_fraction : float, default 0.2
        Share of the districts in the test set, between 0 and 1.
    split_seed : int, default 0
        Of the random split, from 0 to 2^64 - 1.

    Returns
    -------
    Task
        With ``classes`` None and eight features; targets are in standard deviations.

    Raises
    ------
    OSError
        If the data are not there: an ``OSError``, which says how to fetch them.
    TypeError
        If the folder is no path, the share no number, or the seed no whole number.
    InputError
        If the split leaves the training or the test set empty, or the seed is not of 64 bits.

    See Also
    --------
    diabetes : A regression that needs no download.

    References
    ----------
    R. K. Pace, R. Barry (1997), Sparse Spatial Autoregressions, Statistics and Probability Letters 33.

    Examples
    --------
    >>> import sweeps
    >>> sweeps.tasks.california().train.inputs.shape  # doctest: +SKIP
    (16512, 8)
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


def mnist(*, folder: str | Path | None = None) -> Task:
    """Return handwritten digits of 28 x 28 pixels scaled to [0, 1], ten classes; 60,000 to train and 10,000 to test.

    Parameters
    ----------
    folder : str or path, optional
        Holds the four IDX files ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and the same with ``t10k``,
        plain or with ``.gz``, of any number of images. None downloads MNIST once, checks it and keeps it in the user's
        cache.

    Returns
    -------
    Task
        With ten classes and 784 features, in the order of the files.

    Raises
    ------
    OSError
        If a file is missing, or cannot be read or downloaded: an ``OSError``.
    TypeError
        If the folder is no path.
    InputError
        If a file is no IDX file of this kind or is cut short, or images and labels differ in number.

    See Also
    --------
    digits : Smaller images that need no download.

    References
    ----------
    Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database of handwritten digits.

    Examples
    --------
    >>> import sweeps
    >>> task = sweeps.tasks.mnist()  # doctest: +SKIP
    >>> task.train.inputs.shape  # doctest: +SKIP
    (60000, 784)
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
