"""Tasks: the data that networks are trained and tested on."""

from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

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
    """A training set, a test set, and what they are.

    Attributes
    ----------
    name : name of the function in this module that made the task
    train, test : Batch
    classes : number of classes, or None for a regression
    settings : the arguments and facts that define the data, as stored with a run
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
    """Points in a square: inside a circle (class 0) or outside it (class 1).

    Inputs are uniform on [-1, 1]^2. The circle is centred at the origin.

    Parameters
    ----------
    train_examples, test_examples : number of points
    train_seed, test_seed : seeds of the two sets, which are independent
    boundary : ``"text"`` or ``"code"``
        The study was first published with a text that puts the radius at sqrt(2/pi), so that half
        the square lies inside, and with code that compares the *squared* radius with sqrt(2/pi),
        which puts it at (2/pi)^(1/4) and 63 % of the square inside. ``"text"``, the default, follows the text;
        ``"code"`` reproduces the code.

    Returns
    -------
    Task with two classes; ``settings["radius"]`` is the radius used.

    Raises
    ------
    ValueError
        If a number of examples is not positive or the boundary is unknown.

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
    if boundary not in radii:
        raise ValueError(f'boundary must be "text" or "code", got {boundary!r}')
    radius = float(radii[boundary])

    def sample(examples: int, seed: int) -> Batch:
        points = np.random.default_rng(seed).uniform(-1, 1, size=(examples, 2)).astype(np.float32)
        return Batch(points, (np.square(points).sum(axis=1) > radius**2).astype(np.int32))

    _check_examples(train_examples=train_examples, test_examples=test_examples)
    settings = dict(
        train_examples=train_examples,
        test_examples=test_examples,
        train_seed=train_seed,
        test_seed=test_seed,
        boundary=boundary,
        radius=radius,
    )
    return Task("circle", sample(train_examples, train_seed), sample(test_examples, test_seed), 2, settings)


def spiral(
    train_examples: int = 1000,
    test_examples: int = 1000,
    train_seed: int = 0,
    test_seed: int = 23,
    turns: float = 1.5,
    noise: float = 0.02,
) -> Task:
    """Two interleaved spiral arms in the plane, one a class.

    A point of class c lies at radius r, uniform on [0.1, 1], and angle 2 pi turns r + pi c, plus normal noise.

    Parameters
    ----------
    train_examples, test_examples : number of points
    train_seed, test_seed : seeds of the two sets, which are independent
    turns : full turns that an arm makes between the centre and radius 1
    noise : standard deviation of the noise on each coordinate

    Returns
    -------
    Task with two classes.

    Raises
    ------
    ValueError
        If a number of examples is not positive or the noise is negative.
    """
    if noise < 0:
        raise ValueError(f"noise must be zero or positive, got {noise}")

    def sample(examples: int, seed: int) -> Batch:
        random = np.random.default_rng(seed)
        arm = random.integers(2, size=examples)
        radius = random.uniform(0.1, 1, size=examples)
        angle = 2 * np.pi * turns * radius + np.pi * arm
        points = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        points += random.normal(scale=noise, size=points.shape)
        return Batch(points.astype(np.float32), arm.astype(np.int32))

    _check_examples(train_examples=train_examples, test_examples=test_examples)
    settings = dict(
        train_examples=train_examples,
        test_examples=test_examples,
        train_seed=train_seed,
        test_seed=test_seed,
        turns=turns,
        noise=noise,
    )
    return Task("spiral", sample(train_examples, train_seed), sample(test_examples, test_seed), 2, settings)


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
    ValueError
        If the split leaves the training or the test set empty.

    References
    ----------
    E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI; shipped with scikit-learn.
    """
    from sklearn.datasets import load_digits

    data = load_digits()
    inputs = (data.data / 16).astype(np.float32)
    train, test = _split(inputs, data.target.astype(np.int32), test_fraction, split_seed)
    return Task("digits", train, test, 10, dict(test_fraction=test_fraction, split_seed=split_seed))


def diabetes(test_fraction: float = 0.2, split_seed: int = 0) -> Task:
    """Disease progression of 442 patients from ten measurements: a regression.

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
    ValueError
        If the split leaves the training or the test set empty.

    References
    ----------
    B. Efron, T. Hastie, I. Johnstone, R. Tibshirani (2004), Least Angle Regression, Annals of Statistics 32(2);
    shipped with scikit-learn.
    """
    from sklearn.datasets import load_diabetes

    data = load_diabetes()
    train, test = _split(data.data, data.target, test_fraction, split_seed)

    def standardise(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
        return ((values - reference.mean(axis=0)) / reference.std(axis=0)).astype(np.float32)

    return Task(
        "diabetes",
        Batch(standardise(train.inputs, train.inputs), standardise(train.targets, train.targets)),
        Batch(standardise(test.inputs, train.inputs), standardise(test.targets, train.targets)),
        None,
        dict(test_fraction=test_fraction, split_seed=split_seed),
    )


def _split(inputs: np.ndarray, targets: np.ndarray, test_fraction: float, seed: int) -> tuple[Batch, Batch]:
    test_examples = round(test_fraction * len(inputs))
    if not 0 < test_examples < len(inputs):
        raise ValueError(f"test_fraction must leave examples in both sets: {test_fraction} of {len(inputs)} does not")
    order = np.random.default_rng(seed).permutation(len(inputs))
    test, train = order[:test_examples], order[test_examples:]
    return Batch(inputs[train], targets[train]), Batch(inputs[test], targets[test])


def _check_examples(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} must be at least 1, got {count}")
