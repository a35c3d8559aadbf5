"""Settings of a configured sweep: plain dataclasses, from a TOML file, read before JAX is imported."""

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args, get_origin

import tyro

from analysis.errors import InputError, InputTypeError, MissingError, UnavailableError
from sweeps import checks, importing
from sweeps.settings import (
    NOISE,
    TURNS,
    Rule,
    Settings,
    check_kind,
    count,
    each,
    kinds,
    natural,
    probabilities,
    require,
    step_size,
)

# Options of a user's own function: any names and values, from the file alone.
Options = Annotated[dict[str, Any], tyro.conf.Suppress]
# Keys of networks.ACTIVATIONS, of losses.LOSSES and of objective.PRECISIONS, which need JAX.
Activation = Literal["relu", "sigmoid", "tanh", "gelu", "silu", "softplus", "identity"]
LOSSES = ("cross_entropy", "binary_cross_entropy", "squared_error")
Precision = Literal["highest", "high", "default"]

_OF_PLANE = ("train_examples", "test_examples", "train_seed", "test_seed")
# The options that each task takes.
TASKS: dict[str, tuple[str, ...]] = {
    "circle": (*_OF_PLANE, "boundary"),
    "spiral": (*_OF_PLANE, "turns", "noise"),
    "digits": ("test_fraction", "split_seed"),
    "diabetes": ("test_fraction", "split_seed"),
}
# The options that each design takes, with their defaults.
_OF_DRAWS = dict(draws=1000, chains=1)
DESIGNS: dict[str, dict[str, Any]] = {
    "bernoulli": dict(probability=(0.25, 0.5, 0.75), **_OF_DRAWS),
    "fixed_size": dict(on=1, **_OF_DRAWS),
    "leave_one_out": {},
    "hypercube": {},
}
# Of an MLP.
LAYERS: dict[str, Any] = dict(sizes=(2, 20, 2), activation="relu", output_activation="identity")


def _loss(name: str, value: str) -> None:
    if ":" in value:
        importing.parts(name, value)
    else:
        checks.one_of(name, value, (*LOSSES, "package.module:function"))


def _storable(name: str, value: Any) -> None:
    """Raise InputTypeError for what cannot be written down with the run, such as TOML's dates."""
    if isinstance(value, dict | list | tuple):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            _storable(f"{name}.{key}", one)
    elif not isinstance(value, str | int | float):
        raise InputTypeError(f"{name} must be a text, a number, true or false, a list or a table, got {value!r}")


@dataclass(frozen=True)
class Data(Settings):
    """The task; options that are not given keep the task's own defaults."""

    load: str | None = None
    """A function of your own, package.module:function, that returns a sweeps.Task; instead of a name."""
    arguments: Options = field(default_factory=dict)
    """What the function is called with."""
    name: Literal["circle", "spiral", "digits", "diabetes"] | None = None
    """Name of the task; by default circle."""
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

    RULES: ClassVar[Mapping[str, Rule]] = dict(
        load=importing.parts,
        arguments=_storable,
        train_examples=count,
        test_examples=count,
        train_seed=checks.seed,
        test_seed=checks.seed,
        split_seed=checks.seed,
        turns=TURNS,
        noise=NOISE,
        test_fraction=partial(checks.real, least=0, most=1),
    )

    def options(self) -> dict[str, Any]:
        """Options of a named task that were given."""
        others = ("name", "load", "arguments")
        return {name: value for name, value in asdict(self).items() if name not in others and value is not None}

    def check(self, prefix: str = "task.") -> None:
        """Raise InputError for a value that cannot be used, or that nobody reads."""
        super().check(prefix)
        if self.load is None:
            require(not self.arguments, f"{prefix}arguments", f"left out without {prefix}load", self.arguments)
        else:
            require(self.name is None, f"{prefix}name", f"left out with {prefix}load", self.name)
        name = self.complete().name
        for option, value in self.options().items():
            reason = f"{prefix}load" if name is None else f"{prefix}name {name}"
            read = name is not None and option in TASKS[name]
            require(read, prefix + option, f"left out with {reason}", value)

    def complete(self) -> "Data":
        """Return it with the default in place of a name that was left out."""
        return replace(self, name="circle") if self.load is None and self.name is None else self


@dataclass(frozen=True)
class Network(Settings):
    """The network: an MLP, or what a function of your own builds."""

    build: str | None = None
    """A function of your own, package.module:function, that returns a flax.nnx module, or a flax.linen module with
    its variables; called with the seed, if it takes one; instead of an MLP."""
    arguments: Options = field(default_factory=dict)
    """What else the function is called with."""
    checkpoint: str | None = None
    """Orbax checkpoint of a trained network's arrays (build): it is then not trained."""
    sizes: tuple[int, ...] | None = None
    """Inputs, nodes of each hidden layer, outputs; by default 2 20 2."""
    activation: Activation | None = None
    """Nonlinearity after each hidden layer; by default relu."""
    output_activation: Activation | None = None
    """Nonlinearity after the last layer; by default identity."""
    use_bias: bool = True
    """Whether the layers have biases."""
    seed: int = 0
    """Seed of the initial kernels."""

    RULES: ClassVar[Mapping[str, Rule]] = dict(
        build=importing.parts, arguments=_storable, sizes=each(count, least=2), seed=checks.seed
    )

    def check(self, prefix: str = "network.") -> None:
        """Raise InputError for a value that cannot be used, or that nobody reads."""
        super().check(prefix)
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name in (*LAYERS, "use_bias") and self.build is not None:
                require(value == one.default, prefix + one.name, f"left out with {prefix}build", value)
            if one.name in ("arguments", "checkpoint") and self.build is None:
                require(not value, prefix + one.name, f"left out without {prefix}build", value)

    def complete(self) -> "Network":
        """Return it with the defaults of an MLP in place of what was left out."""
        return self if self.build is not None else _filled(self, LAYERS)

    def of_mlp(self) -> dict[str, Any]:
        """Arguments of an MLP, by name."""
        complete = self.complete()
        return {name: getattr(complete, name) for name in (*LAYERS, "use_bias", "seed")}


@dataclass(frozen=True)
class Training(Settings):
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

    RULES: ClassVar[Mapping[str, Rule]] = dict(
        epochs=natural, batch_size=count, learning_rate=step_size, seed=checks.seed, loss=_loss
    )

    def check(self, prefix: str = "training.") -> None:
        """Raise InputError for a value that cannot be used."""
        super().check(prefix)


@dataclass(frozen=True)
class Masks(Settings):
    """Which gate vectors are evaluated, and what is kept of them."""

    design: Literal["bernoulli", "fixed_size", "leave_one_out", "hypercube"] = "bernoulli"
    """The design."""
    sites: tuple[str, ...] = ()
    """Path patterns of what has gates, as sweeps.gating.sites lists it; by default every hidden node."""
    probability: tuple[float, ...] | None = None
    """Probabilities with which a node stays (bernoulli); by default 0.25 0.5 0.75."""
    on: int | None = None
    """Nodes that are on (fixed_size); by default 1."""
    draws: int | None = None
    """Masks drawn a chain (bernoulli, fixed_size); by default 1000."""
    chains: int | None = None
    """Independent chains (bernoulli, fixed_size); by default 1."""
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
    precision: Precision = "highest"
    """Precision of matrix products: highest, high or default."""

    RULES: ClassVar[Mapping[str, Rule]] = dict(
        probability=probabilities, on=natural, draws=count, chains=count, seed=checks.seed, batch_size=count
    )

    def check(self, prefix: str = "sweep.") -> None:
        """Raise InputError for a value that cannot be used, or that nobody reads."""
        super().check(prefix)
        for name in ("probability", "on", "draws", "chains"):
            value = getattr(self, name)
            read = value is None or name in DESIGNS[self.design]
            require(read, prefix + name, f"left out with {prefix}design {self.design}", value)
        if self.chains is not None and self.design == "bernoulli":
            most = checks.MOST // len(self.complete().probability or ())
            checks.whole(f"{prefix}chains", self.chains, 1, most)

    def complete(self) -> "Masks":
        """Return it with the design's defaults in place of what was left out."""
        return _filled(self, DESIGNS[self.design])

    def arguments(self) -> dict[str, Any]:
        """Arguments of the design, by name."""
        return {name: getattr(self.complete(), name) for name in DESIGNS[self.design]}


def _filled(settings: Any, defaults: dict[str, Any]) -> Any:
    return replace(settings, **{name: one for name, one in defaults.items() if getattr(settings, name) is None})


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

    def check(self) -> "Sweep":
        """Return the settings with defaults in place of what was left out, after every check that needs no JAX.

        Raises
        ------
        ValueError
            If a value is of the wrong kind, out of range, or read by nobody; the message names it, such as
            ``sweep.draws``.
        """
        for one in fields(self):
            getattr(self, one.name).check()
        return replace(self, task=self.task.complete(), network=self.network.complete(), sweep=self.sweep.complete())


# The key that a table's value stands for where it is a text.
SHORT = {"task": "load", "network": "build"}


def read(path: Path) -> Sweep:
    """Read a TOML file with tables task, network, training and sweep; all keys have defaults.

    ``network = "package.module:function"`` is short for a table with ``build``, and ``task`` for one with ``load``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    OSError
        If it cannot be read.
    ValueError
        If it is no TOML, or has a table or key that does not exist, or a value of the wrong kind.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        kind = MissingError if isinstance(error, FileNotFoundError) else UnavailableError
        raise kind(f"{path} cannot be read: {error.strerror}") from error
    # Not UTF-8, no TOML, or a number of thousands of digits; brackets within brackets without end.
    except (ValueError, RecursionError) as error:
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
            kind = kinds(type(part))[key]  # type: ignore[arg-type]
            if any(get_origin(one) is tuple for one in (kind, *get_args(kind))):
                value = tuple(value) if isinstance(value, list) else (value,)
            check_kind(f"{path}: {table}.{key}", value, kind)
            part = replace(part, **{key: value})
        settings = replace(settings, **{table: part})
    return settings


def _require_known(name: str, known: list[str], what: str) -> None:
    if name not in known:
        raise InputError(f"{what} must be one of {', '.join(known)}, got {name!r}")
