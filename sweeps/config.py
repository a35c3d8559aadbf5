"""Settings of studies and configured sweeps: plain dataclasses, read before JAX is imported."""

import tomllib
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import tyro

# Options of a user's own function: any names and values, from the file alone.
Options = Annotated[dict[str, Any], tyro.conf.Suppress]


@dataclass(frozen=True)
class Circle:
    """The distribution of loss under random node removal, of a toy network on a circle."""

    nodes: int = 20
    """Nodes in the hidden layer."""
    epochs: int = 20
    """Training epochs."""
    batch_size: int = 32
    """Examples in a training batch."""
    learning_rate: float = 0.01
    """Step size of Adam."""
    train_examples: int = 1000
    """Points in the training set."""
    test_examples: int = 1000
    """Points in the fixed test set."""
    probability: tuple[float, ...] = (0.25, 0.5, 0.75)
    """Probabilities with which a node stays."""
    draws: int = 1000
    """Masks drawn for each probability."""
    paths: int = 1000
    """Flip paths across the hypercube."""
    cube_nodes: int = 24
    """Most hidden nodes for which every mask is evaluated as well."""
    networks: int = 32
    """Networks trained from different seeds, to show the spread that one network hides."""
    boundary: Literal["text", "code"] = "text"
    """Circle of the published text, or of the published code, which compares the squared radius."""
    seed: int = 0
    """Seed of the initial network, the training set and the order of training."""
    test_seed: int = 23
    """Seed of the test set."""
    mask_seed: int = 17
    """Seed of the masks."""

    def check(self) -> None:
        """Raise ValueError for a setting out of range, before any work is done."""
        for name in (
            "nodes",
            "epochs",
            "batch_size",
            "learning_rate",
            "train_examples",
            "test_examples",
            "draws",
            "paths",
            "networks",
        ):
            _require(getattr(self, name) > 0, name, "positive", getattr(self, name))
        _require(0 <= self.cube_nodes <= 30, "cube_nodes", "between 0 and 30", self.cube_nodes)
        for name in ("seed", "test_seed", "mask_seed"):
            _require(0 <= getattr(self, name) < 2**31, name, "between 0 and 2^31 - 1", getattr(self, name))
        inside = bool(self.probability) and all(0 <= value <= 1 for value in self.probability)
        _require(inside, "probability", "in [0, 1], at least one", self.probability)


@dataclass(frozen=True)
class Shrinking:
    """Which node to remove next: brute force, first and second order, along whole paths of removals."""

    task: Literal["digits", "mnist"] = "digits"
    """Images: scikit-learn's digits of 8 x 8 pixels, or MNIST, which is fetched once where no folder is given."""
    data: str | None = None
    """Folder with MNIST's four IDX files; asks for MNIST by itself."""
    nodes: int = 100
    """Hidden nodes of each network, in all its layers."""
    layers: tuple[int, ...] = (1, 2, 3, 4, 5)
    """Numbers of hidden layers, a network for each; 1 has to be among them."""
    small_nodes: int = 14
    """Hidden nodes of the network whose every mask is evaluated; 0 leaves it out."""
    comparison: tuple[Literal["magnitude", "activation", "gradient"], ...] = ("magnitude", "activation", "gradient")
    """Cheaper criteria to compare with beside random choices, for the network of one layer."""
    cross_entropy: bool = True
    """Whether to rank by cross-entropy as well."""
    regression: Literal["diabetes", "california", "none"] = "diabetes"
    """A regression task beside the images; California housing where scikit-learn has it already."""
    epochs: int = 80
    """Training epochs."""
    batch_size: int = 32
    """Examples in a training batch."""
    learning_rate: float = 0.01
    """Step size of Adam."""
    retrain_every: tuple[int, ...] = (5, 20)
    """Numbers of removals after which the network of one layer is trained again, a path for each; may be empty."""
    retrain_epochs: int = 1
    """Epochs of each such training."""
    surface_every: int = 10
    """Removals between two error surfaces."""
    seed: int = 0
    """Seed of the initial networks and the order of training."""

    def check(self) -> None:
        """Raise ValueError for a setting out of range, before any work is done."""
        for name in ("nodes", "epochs", "batch_size", "learning_rate", "retrain_epochs", "surface_every"):
            _require(getattr(self, name) > 0, name, "positive", getattr(self, name))
        _require(0 <= self.small_nodes <= 20, "small_nodes", "between 0 and 20", self.small_nodes)
        _require(0 <= self.seed < 2**31, "seed", "between 0 and 2^31 - 1", self.seed)
        good = 1 in self.layers and all(0 < one <= self.nodes for one in self.layers)
        _require(good, "layers", f"numbers from 1 to {self.nodes}, 1 among them", self.layers)
        _require(all(one > 0 for one in self.retrain_every), "retrain_every", "positive numbers", self.retrain_every)


@dataclass(frozen=True)
class Data:
    """The task; options that are not given keep the task's own defaults."""

    load: str | None = None
    """A function of your own, package.module:function, that returns a sweeps.Task; instead of a name."""
    arguments: Options = field(default_factory=dict)
    """What the function is called with."""
    name: Literal["circle", "spiral", "digits", "diabetes"] = "circle"
    """Name of the task."""
    train_examples: int | None = None
    """Points in the training set (circle, spiral)."""
    test_examples: int | None = None
    """Points in the test set (circle, spiral)."""
    train_seed: int | None = None
    """Seed of the training set (circle, spiral)."""
    test_seed: int | None = None
    """Seed of the test set (circle, spiral)."""
    boundary: Literal["text", "code"] | None = None
    """Which circle (circle)."""
    turns: float | None = None
    """Turns of an arm (spiral)."""
    noise: float | None = None
    """Standard deviation of the noise (spiral)."""
    test_fraction: float | None = None
    """Share of the examples in the test set (digits, diabetes)."""
    split_seed: int | None = None
    """Seed of the split (digits, diabetes)."""

    def options(self) -> dict[str, Any]:
        """Options that were given."""
        others = ("name", "load", "arguments")
        return {name: value for name, value in asdict(self).items() if name not in others and value is not None}

    def check(self) -> None:
        """Raise ValueError for options that nobody reads."""
        if self.load is None:
            _require(not self.arguments, "task.arguments", "left out without task.load", self.arguments)
        else:
            _require(not self.options(), "options of a named task", "left out with task.load", self.options())


@dataclass(frozen=True)
class Network:
    """The network: an MLP, or what a function of your own builds."""

    build: str | None = None
    """A function of your own, package.module:function, that returns a flax.nnx module, or a flax.linen module with
    its variables; called with the seed, if it takes one; instead of an MLP."""
    arguments: Options = field(default_factory=dict)
    """What else the function is called with."""
    checkpoint: str | None = None
    """Orbax checkpoint of a trained network's arrays (build): it is then not trained."""
    sizes: tuple[int, ...] = (2, 20, 2)
    """Inputs, nodes of each hidden layer, outputs."""
    activation: str = "relu"
    """Nonlinearity after each hidden layer."""
    output_activation: str = "identity"
    """Nonlinearity after the last layer."""
    use_bias: bool = True
    """Whether the layers have biases."""
    seed: int = 0
    """Seed of the initial kernels."""

    def check(self) -> None:
        """Raise ValueError for options that nobody reads."""
        if self.build is None:
            for name, value in dict(arguments=self.arguments, checkpoint=self.checkpoint).items():
                _require(not value, f"network.{name}", "left out without network.build", value)
            return
        for one in fields(self):
            if one.name in ("sizes", "activation", "output_activation", "use_bias"):
                value = getattr(self, one.name)
                _require(value == one.default, f"network.{one.name}", "left out with network.build", value)


@dataclass(frozen=True)
class Training:
    """How the network is trained."""

    epochs: int = 20
    """Epochs; 0 takes the network as it is."""
    batch_size: int = 32
    """Examples in a batch."""
    learning_rate: float = 0.01
    """Step size of Adam."""
    seed: int = 0
    """Seed of the order of the examples."""
    loss: str | None = None
    """Name of the loss, or package.module:function of (outputs, targets), such as optax:huber_loss; by default
    cross-entropy for classes and squared error for values."""


@dataclass(frozen=True)
class Masks:
    """Which gate vectors are evaluated, and what is kept of them."""

    design: Literal["bernoulli", "fixed_size", "leave_one_out", "hypercube"] = "bernoulli"
    """The design."""
    sites: tuple[str, ...] = ()
    """Path patterns of what has gates, as sweeps.gating.sites lists it; by default every hidden activation."""
    probability: tuple[float, ...] = (0.25, 0.5, 0.75)
    """Probabilities with which a node stays (bernoulli)."""
    on: int = 1
    """Nodes that are on (fixed_size)."""
    draws: int = 1000
    """Masks drawn a chain (bernoulli, fixed_size)."""
    chains: int = 1
    """Independent chains (bernoulli, fixed_size)."""
    seed: int = 17
    """Seed of the draws."""
    gradients: bool = True
    """Whether to compute gate gradients."""
    keep: Literal["draws", "summary"] = "draws"
    """Every draw, or counts, moments, histograms and the best masks in constant memory."""
    batch_size: int | None = None
    """Gate vectors evaluated together; by default the plan chooses."""
    plan: Literal["auto", "affine", "dense", "vmapped"] = "auto"
    """How gate vectors are evaluated."""
    precision: str = "highest"
    """Precision of matrix products: highest, high or default."""


@dataclass(frozen=True)
class Sweep:
    """One sweep of one network, as a configuration file describes it."""

    task: Data = field(default_factory=Data)
    """The task."""
    network: Network = field(default_factory=Network)
    """The network."""
    training: Training = field(default_factory=Training)
    """The training."""
    sweep: Masks = field(default_factory=Masks)
    """The sweep."""


# The key that a table's value stands for where it is a text.
SHORT = {"task": "load", "network": "build"}


def read(path: Path) -> Sweep:
    """Read a TOML file with tables task, network, training and sweep; all keys have defaults.

    ``network = "package.module:function"`` is short for a table with ``build``, and ``task`` for one with ``load``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no TOML, or has a table or key that does not exist, or a value of the wrong kind.
    """
    try:
        tables = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is no valid TOML: {error}") from error
    settings = Sweep()
    for table, keys in tables.items():
        _require_known(table, [one.name for one in fields(settings)], f"{path}: table")
        if isinstance(keys, str) and table in SHORT:
            keys = {SHORT[table]: keys}
        if not isinstance(keys, dict):
            raise ValueError(f"{path}: {table} must be a table [{table}], got {keys!r}")
        part = getattr(settings, table)
        for key, value in keys.items():
            _require_known(key, [one.name for one in fields(part)], f"{path}: key of [{table}]")
            kind = get_type_hints(type(part))[key]
            if get_origin(kind) is tuple:
                value = tuple(value) if isinstance(value, list) else (value,)
            if not _fits(value, kind):
                raise ValueError(f"{path}: {table}.{key} must be {_in_words(kind)}, got {value!r}")
            part = replace(part, **{key: value})
        settings = replace(settings, **{table: part})
    return settings


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value is of the kind that a field's annotation names."""
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if get_origin(kind) is tuple:
        return all(_fits(one, get_args(kind)[0]) for one in value)
    if isinstance(kind, UnionType) or get_origin(kind) is Union:
        return any(_fits(value, one) for one in get_args(kind))
    if get_origin(kind) is dict:
        return isinstance(value, dict)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _in_words(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    if get_origin(kind) is tuple:
        return f"a list, each {_in_words(get_args(kind)[0])}"
    if isinstance(kind, UnionType) or get_origin(kind) is Union:
        return " or ".join(_in_words(one) for one in get_args(kind) if one is not type(None))
    return f"of type {kind.__name__}"


def _require_known(name: str, known: list[str], what: str) -> None:
    if name not in known:
        raise ValueError(f"{what} must be one of {', '.join(known)}, got {name!r}")


def _require(good: bool, name: str, expected: str, came: object) -> None:
    if not good:
        raise ValueError(f"{name} must be {expected}, got {came}")


STUDIES = {"circle": Circle, "shrinking": Shrinking}
