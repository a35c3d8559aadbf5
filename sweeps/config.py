"""Settings of a configured sweep: plain dataclasses, from a TOML file, read before JAX is imported."""

import tomllib
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import tyro

from analysis.errors import InputError, MissingError

# Options of a user's own function: any names and values, from the file alone.
Options = Annotated[dict[str, Any], tyro.conf.Suppress]


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
            require(not self.arguments, "task.arguments", "left out without task.load", self.arguments)
        else:
            require(not self.options(), "options of a named task", "left out with task.load", self.options())


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
                require(not value, f"network.{name}", "left out without network.build", value)
            return
        for one in fields(self):
            if one.name in ("sizes", "activation", "output_activation", "use_bias"):
                value = getattr(self, one.name)
                require(value == one.default, f"network.{one.name}", "left out with network.build", value)


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
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise MissingError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is no valid TOML: {error}") from error
    settings = Sweep()
    for table, keys in tables.items():
        _require_known(table, [one.name for one in fields(settings)], f"{path}: table")
        if isinstance(keys, str) and table in SHORT:
            keys = {SHORT[table]: keys}
        if not isinstance(keys, dict):
            raise InputError(f"{path}: {table} must be a table [{table}], got {keys!r}")
        part = getattr(settings, table)
        for key, value in keys.items():
            _require_known(key, [one.name for one in fields(part)], f"{path}: key of [{table}]")
            kind = get_type_hints(type(part))[key]
            if get_origin(kind) is tuple:
                value = tuple(value) if isinstance(value, list) else (value,)
            if not _fits(value, kind):
                raise InputError(f"{path}: {table}.{key} must be {_in_words(kind)}, got {value!r}")
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
        raise InputError(f"{what} must be one of {', '.join(known)}, got {name!r}")


def require(good: bool, name: str, expected: str, came: object) -> None:
    """Raise ValueError for a setting that is not good."""
    if not good:
        raise InputError(f"{name} must be {expected}, got {came}")
