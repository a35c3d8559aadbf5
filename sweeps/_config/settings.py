"""Settings of a configured sweep: plain dataclasses, from a TOML file, read before JAX is imported."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from analysis._errors import InputError, MissingError, UnavailableError
from sweeps import _checks, _importing
from sweeps._config import values
from sweeps._settings import Count, LearningRate, Natural, Noise, Probabilities, Seed, Settings, Share, Turns

# Keys of networks.ACTIVATIONS, of losses.LOSSES and of objective.PRECISIONS, which need JAX.
Activation = Literal["relu", "sigmoid", "tanh", "gelu", "silu", "softplus", "identity"]
LOSSES = ("cross_entropy", "binary_cross_entropy", "squared_error")
Precision = Literal["highest", "high", "default"]

# The options that each choice reads, with their defaults; None stands for the default of what the option is for.
Options = Mapping[str, Any]
_OF_PLANE = ("train_examples", "test_examples", "train_seed", "test_seed")
TASKS: dict[str | None, Options] = {
    "circle": dict.fromkeys((*_OF_PLANE, "boundary")),
    "spiral": dict.fromkeys((*_OF_PLANE, "turns", "noise")),
    "digits": dict.fromkeys(("test_fraction", "split_seed")),
    "diabetes": dict.fromkeys(("test_fraction", "split_seed")),
}
_OF_DRAWS = dict(draws=1000, chains=1)
# The default of an option that has to be given.
REQUIRED = "required"
DESIGNS: dict[str, Options] = {
    "bernoulli": dict(probability=(0.25, 0.5, 0.75), **_OF_DRAWS),
    "fixed_size": dict(on=1, **_OF_DRAWS),
    "flip_paths": dict(paths=1000, probability=(0.5,), flips=None, layer=None, chains=1),
    "leave_one_out": {},
    "hypercube": {},
    "masks": dict(masks=REQUIRED),
}
ADAMS_RATE = 0.01
MLP: Options = dict(sizes=(2, 20, 2), activation="relu", output_activation="identity", use_bias=True)


def _read_with(chooser: str, options_of: Callable[[Any], Options], left_out: Any = None) -> AfterValidator:
    """Return the rule of an option that only some values of another setting read.

    It takes its default where it was left out, and is refused where nobody reads it.
    """

    def judged(value: Any, info: ValidationInfo) -> Any:
        if not info.context or chooser not in info.data:
            return value
        choice = info.data[chooser]
        options = options_of(choice)
        if value == left_out:
            default = options.get(str(info.field_name)) or value
            if default == REQUIRED:
                raise ValueError(f"must be given with {chooser} {choice}")
            return default
        if info.field_name not in options:
            raise ValueError("must be left out " + (f"with {chooser} {choice}" if choice else f"without {chooser}"))
        return value

    return AfterValidator(judged)


_of_load = partial(_read_with, "load", lambda load: {"arguments": None} if load else {"name": "circle"})
_of_task = partial(_read_with, "name", lambda name: TASKS.get(name, {}))
_OF_BUILD = dict.fromkeys(("arguments", "checkpoint", "call", "nodes"))
_of_build = partial(_read_with, "build", lambda build: _OF_BUILD if build else MLP)
_of_design = partial(_read_with, "design", DESIGNS.__getitem__)


def _reference(value: str) -> str:
    if _importing.parts(value) is None:
        raise ValueError(f"must be {_importing.FORM}")
    return value


def _loss(value: str) -> str:
    if value not in LOSSES and _importing.parts(value) is None:
        raise ValueError(f"must be one of {', '.join(LOSSES)}, {_importing.FORM}")
    return value


def _single(probability: tuple[float, ...] | None, info: ValidationInfo) -> tuple[float, ...] | None:
    """Refuse several probabilities where the design takes one."""
    if probability is not None and len(probability) > 1 and info.data.get("design") == "flip_paths":
        raise ValueError("must be one value with design flip_paths")
    return probability


def _rate(value: float | None, info: ValidationInfo) -> float | None:
    """Refuse a second learning rate; Adam's default is ours."""
    optimizer = info.data.get("optimizer")
    if value is not None and (isinstance(optimizer, tuple) or "learning_rate" in (optimizer or ())):
        raise ValueError("must be left out beside an optimizer that has its own")
    return ADAMS_RATE if value is None and optimizer is None and info.context else value


def _numbered(chains: int | None, info: ValidationInfo) -> int | None:
    """Refuse more streams, chains by probabilities, than their numbers have bits for."""
    most = _checks.MOST // len(info.data.get("probability") or [None])
    if chains is not None and chains > most:
        raise ValueError(f"must be at most {most}")
    return chains


Reference = Annotated[str, AfterValidator(_reference)]
# Of a user's own function: any names and values, from the file alone.
Arguments = Annotated[dict[str, Any], tyro.conf.Suppress, AfterValidator(values.storable)]
# A value by itself is a list of one.
OneOrMore = BeforeValidator(lambda value: value if isinstance(value, tuple) else (value,))
Sizes = Annotated[tuple[Count, ...], Field(min_length=2), OneOrMore]


@dataclass(frozen=True)
class TaskSettings(Settings):
    """The task; options that are not given keep the task's own defaults."""

    load: Reference | None = None
    """A function of your own, package.module:function, that returns a sweeps.Task; instead of a name."""
    arguments: Annotated[Arguments, _of_load({})] = field(default_factory=dict)
    """What the function is called with."""
    name: Annotated[Literal["circle", "spiral", "digits", "diabetes"] | None, _of_load()] = None
    """Name of the task; by default circle."""
    train_examples: Annotated[Count | None, _of_task()] = None
    """Points in the training set (circle, spiral)."""
    test_examples: Annotated[Count | None, _of_task()] = None
    """Points in the test set (circle, spiral)."""
    train_seed: Annotated[Seed | None, _of_task()] = None
    """Seed of the training set (circle, spiral)."""
    test_seed: Annotated[Seed | None, _of_task()] = None
    """Seed of the test set (circle, spiral)."""
    boundary: Annotated[Literal["text", "code"] | None, _of_task()] = None
    """Which circle (circle)."""
    turns: Annotated[Turns | None, _of_task()] = None
    """Turns of an arm (spiral)."""
    noise: Annotated[Noise | None, _of_task()] = None
    """Standard deviation of the noise (spiral)."""
    test_fraction: Annotated[Share | None, _of_task()] = None
    """Share of the examples in the test set (digits, diabetes)."""
    split_seed: Annotated[Seed | None, _of_task()] = None
    """Seed of the split (digits, diabetes)."""

    def options(self) -> dict[str, Any]:
        """Return the options of a named task that were given."""
        others = ("name", "load", "arguments")
        return {name: value for name, value in asdict(self).items() if name not in others and value is not None}


@dataclass(frozen=True)
class NetworkSettings(Settings):
    """The network: an MLP, or what a function of your own builds."""

    build: Reference | None = None
    """A function of your own, package.module:function, that returns a flax.nnx module, or a pair: a flax.linen module
    and its variables, or a function (params, inputs) and its params; called with the seed, if it takes one; instead of
    an MLP."""
    arguments: Annotated[Arguments, _of_build({})] = field(default_factory=dict)
    """What else the function is called with."""
    checkpoint: Annotated[str | None, _of_build()] = None
    """Orbax checkpoint of a trained network's arrays (build): it is then not trained."""
    call: Annotated[Reference | None, _of_build()] = None
    """How the network is called where it is not by network(inputs) (build): package.module:function of (network,
    inputs)."""
    nodes: Annotated[Count | None, _of_build()] = None
    """Number of gates of a function (gates, inputs) that applies them itself (build)."""
    sizes: Annotated[Sizes | None, _of_build()] = None
    """Inputs, nodes of each hidden layer, outputs; by default 2 20 2."""
    activation: Annotated[Activation | None, _of_build()] = None
    """Nonlinearity after each hidden layer; by default relu."""
    output_activation: Annotated[Activation | None, _of_build()] = None
    """Nonlinearity after the last layer; by default identity."""
    use_bias: Annotated[bool, _of_build(True)] = True
    """Give the layers biases."""
    seed: Seed = 0
    """Seed of the initial kernels."""

    def of_mlp(self) -> dict[str, Any]:
        """Return the arguments of an MLP, by name."""
        return {name: getattr(self, name) for name in (*MLP, "seed")}


@dataclass(frozen=True)
class TrainingSettings(Settings):
    """How the network is trained."""

    epochs: Natural = 20
    """Epochs; 0 takes the network as it is."""
    batch_size: Count = 32
    """Examples in a batch."""
    optimizer: values.Optimizer = None
    """Name of an optimizer of Optax, or package.module:function; in the file also a table with the name and its
    arguments, where a table with a name is a schedule, or a list of such tables, a chain; by default adam."""
    learning_rate: Annotated[LearningRate | None, AfterValidator(_rate)] = None
    """Learning rate of the optimizer; by default 0.01 for Adam."""
    seed: Seed = 0
    """Seed of the order of the examples."""
    loss: Annotated[str, AfterValidator(_loss)] | None = None
    """Name of the loss, or package.module:function of (outputs, targets), such as optax:huber_loss; by default
    cross-entropy for classes and squared error for values."""


@dataclass(frozen=True)
class SweepSettings(Settings):
    """Which gate vectors are evaluated, and what is kept of them."""

    design: Literal["bernoulli", "fixed_size", "flip_paths", "leave_one_out", "hypercube", "masks"] = "bernoulli"
    """The design."""
    sites: values.Sites = ()
    """Path patterns of what has gates, as sweeps.gating.sites lists it, or package.module:type of layers; in the file
    also a table from patterns to numbers of groups; by default every hidden node."""
    tied: values.Tied = ()
    """Nodes that share gates, beside sites: tables with the arguments of sweeps.Tied."""
    off: values.Off = "zero"
    """What an off node's value becomes: zero, mean, resample, or package.module:function that returns what off= of
    sweeps.Objective takes, such as another batch; in the file also a list of numbers, { file = "values.npy" }, or a
    table with kind, mean or resample, and data, positions or seed."""
    probability: Annotated[Annotated[Probabilities, OneOrMore] | None, AfterValidator(_single), _of_design()] = None
    """Probabilities with which a node stays (bernoulli), by default 0.25 0.5 0.75; or with which it is on at the start
    of a path (flip_paths), by default 0.5."""
    on: Annotated[Natural | None, _of_design()] = None
    """Nodes that are on (fixed_size); by default 1."""
    draws: Annotated[Count | None, _of_design()] = None
    """Masks drawn a chain (bernoulli, fixed_size); by default 1000."""
    chains: Annotated[Count | None, _of_design(), AfterValidator(_numbered)] = None
    """Independent chains (bernoulli, fixed_size, flip_paths); by default 1."""
    paths: Annotated[Count | None, _of_design()] = None
    """Paths of a chain (flip_paths); by default 1000."""
    flips: Annotated[Count | None, _of_design()] = None
    """Nodes that a path flips (flip_paths); by default all."""
    layer: Annotated[str | None, _of_design()] = None
    """Layer whose nodes are flipped (flip_paths); by default every one."""
    masks: Annotated[values.File, _of_design()] = None
    """File of gate vectors, one a row (masks): .npy, .npz with one array, or .csv. Where the file of the settings names
    it, its path is relative to that file."""
    seed: Seed = 0
    """Seed of the draws."""
    metrics: values.Metrics = ()
    """Further numbers of each mask: accuracy, kl, logit_difference, or package.module:function of (outputs, targets);
    in the file also a table from names of your own to these."""
    gradients: bool = True
    """Compute gate gradients."""
    keep: Literal["draws", "examples", "summary"] = "draws"
    """Every draw; every draw with the loss of each example; or counts, moments, histograms and the best masks in
    constant memory."""
    batch_size: Count | None = None
    """Gate vectors evaluated together; by default the plan chooses."""
    micro_batch: Count | None = None
    """Examples evaluated together; by default as many as fit."""
    plan: Literal["auto", "fused", "affine", "dense", "vmapped"] = "auto"
    """How gate vectors are evaluated."""
    precision: Precision = "highest"
    """Precision of matrix products: highest, high or default."""

    def of_design(self) -> dict[str, Any]:
        """Return the arguments of the design, by name."""
        found = {name: getattr(self, name) for name in DESIGNS[self.design]}
        return found | {"probability": found["probability"][0]} if self.design == "flip_paths" else found


@dataclass(frozen=True)
class Configuration(Settings):
    """A sweep of a network, as a configuration file describes it."""

    task: TaskSettings = field(default_factory=TaskSettings)
    """The task."""
    network: NetworkSettings = field(default_factory=NetworkSettings)
    """The network."""
    training: TrainingSettings = field(default_factory=TrainingSettings)
    """The training."""
    sweep: SweepSettings = field(default_factory=SweepSettings)
    """The sweep."""


TABLES: dict[str, type[Settings]] = {each.name: each.type for each in fields(Configuration)}  # type: ignore[misc]
# The key of a table that names a function of one's own.
FUNCTION = {"task": "load", "network": "build"}


def read(path: Path) -> Configuration:
    """Read a TOML file with tables task, network, training and sweep; all keys have defaults.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    OSError
        If it cannot be read.
    ValueError
        If it is no TOML, or has a table or key that does not exist, or a value that cannot be used.
    """
    parts = {}
    for table, keys in _tables(path).items():
        _checks.one_of(f"{path}: table", table, TABLES)
        if not isinstance(keys, dict):
            function = f"; a function is its key {FUNCTION[table]}" if table in FUNCTION else ""
            raise InputError(f"{path}: {table} must be a table [{table}], got {keys!r}{function}")
        for key in keys:
            _checks.one_of(f"{path}: key of [{table}]", key, [each.name for each in fields(TABLES[table])])  # type: ignore[arg-type]
        parts[table] = TABLES[table](**_beside(path, table, keys))
    # Whether the settings fit together is judged when flags have taken the place of some.
    return Configuration(**parts).check(f"{path}: ", complete=False)  # type: ignore[arg-type]


# The settings that are paths, by table.
PATHS = {"network": ("checkpoint",), "sweep": ("masks",)}


def _beside(path: Path, table: str, keys: dict[str, Any]) -> dict[str, Any]:
    """Return the keys of a table, with paths relative to its file as paths that can be opened."""

    def found(value: Any) -> Any:
        return str(path.parent / value) if isinstance(value, str) else value

    paths = {key: found(keys[key]) for key in PATHS.get(table, ()) if key in keys}
    off = keys.get("off")
    if table == "sweep" and isinstance(off, dict) and "file" in off:
        paths["off"] = off | {"file": found(off["file"])}
    return keys | paths


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        kind = MissingError if isinstance(error, FileNotFoundError) else UnavailableError
        raise kind(f"{path} cannot be read: {error.strerror}") from error
    # Not UTF-8, no TOML, or a number of thousands of digits; brackets within brackets without end.
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no valid TOML: {error}") from error
