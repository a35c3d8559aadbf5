"""Tasks: the data that networks are trained and tested on."""

import gzip
import zlib
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from analysis.errors import InputError, MissingError, UnavailableError

Boundary = Literal["text", "code"]

MNIST_SOURCE = "https://storage.googleapis.com/cvdf-datasets/mnist/"
# Files of MNIST as they are published, with their SHA-256.
MNIST_FILES = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}


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
        raise InputError(f'boundary must be "text" or "code", got {boundary!r}')
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
        raise InputError(f"noise must be zero or positive, got {noise}")

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
    settings = dict(test_fraction=test_fraction, split_seed=split_seed)
    return _regression("diabetes", data.data, data.target, settings)


def california(folder: str | Path | None = None, test_fraction: float = 0.2, split_seed: int = 0) -> Task:
    """Median house values of 20,640 districts in California from eight features: a regression.

    Inputs and targets are standardised with the mean and standard deviation of the training set. Nothing is fetched:
    the data have to lie where scikit-learn keeps them.

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
    ValueError
        If the split leaves the training or the test set empty.

    References
    ----------
    R. K. Pace, R. Barry (1997), Sparse Spatial Autoregressions, Statistics and Probability Letters 33.
    """
    from sklearn.datasets import fetch_california_housing

    home = None if folder is None else str(folder)
    try:
        data = fetch_california_housing(data_home=home, download_if_missing=False)
    except OSError:
        where = "" if home is None else f"data_home={home!r}"
        raise UnavailableError(
            "California housing is not there: run sklearn.datasets.fetch_california_housing"
            f"({where}) once with internet, and pass folder= where data_home is not the default"
        ) from None
    return _regression("california", data.data, data.target, dict(test_fraction=test_fraction, split_seed=split_seed))


def mnist(folder: str | Path | None = None) -> Task:
    """Handwritten digits: images of 28 x 28 pixels scaled to [0, 1], ten classes; 60,000 to train and 10,000 to test.

    Parameters
    ----------
    folder : with the four IDX files, ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and the same of
        ``t10k``, plain or with ``.gz``, of any number of images; None fetches MNIST once, checks it and keeps it
        in the user's cache

    Returns
    -------
    Task with ten classes and 784 features, in the order of the files.

    Raises
    ------
    OSError
        If a file is missing, or cannot be fetched.
    ValueError
        If a file is no IDX file of this kind, is cut short, or does not fit its partner.

    References
    ----------
    Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database of handwritten digits.
    """
    home = _fetched_mnist() if folder is None else Path(folder)
    train, test = (_idx_batch(home, part) for part in ("train", "t10k"))
    sizes = dict(train_examples=len(train.targets), test_examples=len(test.targets))
    return Task("mnist", train, test, 10, sizes)


def _fetched_mnist() -> Path:
    """Return the folder of the user's cache that MNIST was fetched to, now or before."""
    import pooch

    home = Path(pooch.os_cache("gatesweep")) / "mnist"
    store = pooch.create(home, MNIST_SOURCE, registry=MNIST_FILES)
    for name in MNIST_FILES:
        try:
            store.fetch(name)
        # requests' errors, urllib3's and the system's; a wrong checksum is a ValueError.
        except (OSError, ValueError) as error:
            raise UnavailableError(
                f"MNIST could not be fetched ({type(error).__name__}): download {', '.join(MNIST_FILES)} from "
                f"{MNIST_SOURCE}, put them in a folder and pass it as folder="
            ) from error
    return home


def _idx_batch(folder: Path, part: str) -> Batch:
    """Read the images and labels of one part."""
    images_path, labels_path = (_idx_path(folder, f"{part}-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1"))
    images, labels = _idx(images_path, 3), _idx(labels_path, 1)
    if images.shape[1:] != (28, 28):
        raise InputError(f"{images_path}: expected images of 28 x 28 pixels, got {images.shape[1]} x {images.shape[2]}")
    if len(images) != len(labels):
        raise InputError(f"{labels_path}: expected {len(images)} labels, one an image, got {len(labels)}")
    if len(labels) == 0 or labels.max() > 9:
        raise InputError(f"{labels_path}: expected labels from 0 to 9, at least one")
    return Batch(images.reshape(len(images), -1).astype(np.float32) / 255, labels.astype(np.int32))


def _idx_path(folder: Path, name: str) -> Path:
    """Return where the file is, plain or compressed."""
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise MissingError(
        f"{folder / name} is not there, nor with .gz: download it from {MNIST_SOURCE}, or pass another folder="
    )


def _idx(path: Path, axes: int) -> Shaped[np.ndarray, "..."]:
    """Read an IDX file of bytes: a magic number that ends in the number of axes, the sizes, and the numbers."""
    content = path.read_bytes()
    if path.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{path}: compressed file is damaged or cut short: {error}") from None
    head = np.frombuffer(content[: 4 * (1 + axes)], ">u4") if len(content) >= 4 * (1 + axes) else np.zeros(1, int)
    # Two zero bytes, 8 for unsigned bytes, and the number of axes.
    if head[0] != 0x0800 + axes:
        raise InputError(f"{path}: expected an IDX file with magic number {0x0800 + axes}, got {head[0]}")
    shape, values = tuple(head[1:].tolist()), np.frombuffer(content, np.uint8, offset=4 * (1 + axes))
    if values.size != np.prod(shape, dtype=int):
        raise InputError(f"{path}: expected {np.prod(shape, dtype=int)} bytes for shape {shape}, got {values.size}")
    return values.reshape(shape)


def _regression(name: str, inputs: np.ndarray, targets: np.ndarray, settings: dict[str, Any]) -> Task:
    """Return a regression, split, and standardised by its training set."""
    train, test = _split(inputs, targets, settings["test_fraction"], settings["split_seed"])

    def standardise(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
        return ((values - reference.mean(axis=0)) / reference.std(axis=0)).astype(np.float32)

    return Task(
        name,
        Batch(standardise(train.inputs, train.inputs), standardise(train.targets, train.targets)),
        Batch(standardise(test.inputs, train.inputs), standardise(test.targets, train.targets)),
        None,
        settings,
    )


def _split(inputs: np.ndarray, targets: np.ndarray, test_fraction: float, seed: int) -> tuple[Batch, Batch]:
    test_examples = round(test_fraction * len(inputs))
    if not 0 < test_examples < len(inputs):
        raise InputError(f"test_fraction must leave examples in both sets: {test_fraction} of {len(inputs)} does not")
    order = np.random.default_rng(seed).permutation(len(inputs))
    test, train = order[:test_examples], order[test_examples:]
    return Batch(inputs[train], targets[train]), Batch(inputs[test], targets[test])


def _check_examples(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise InputError(f"{name} must be at least 1, got {count}")
