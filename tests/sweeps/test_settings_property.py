"""Settings of every kind: whatever a file says, it is accepted, or refused in one line that names a key it gave."""

import dataclasses
import json
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sweeps
from analysis._errors import InputError
from sweeps._config import settings as config
from sweeps._studies import registry
from tests.sweeps.test_cli import refused


def whole(least, most=2**31 - 1):
    return lambda value: type(value) is int and least <= value <= most


def number(good):
    return lambda value: type(value) in (int, float) and abs(value) < 1e300 and good(value)


def text(value):
    return isinstance(value, str)


def reference(value):
    return text(value) and re.fullmatch(r"\w+:\w+", value) is not None


def among(*values):
    return lambda value: text(value) and value in values


def sites(value):
    return each(text, least=0)(value) or (isinstance(value, dict) and all(map(whole(1), value.values())))


def off(value):
    numbers = isinstance(value, list) and all(type(one) in (int, float) and abs(one) < 1e38 for one in value)
    return numbers or (text(value) and (value in ("zero", "mean", "resample") or reference(value) is True))


def metrics(value):
    def is_one(one):
        return text(one) and (one in ("accuracy", "kl", "logit_difference") or reference(one) is True)

    return all(
        map(is_one, value if isinstance(value, list) else value.values() if isinstance(value, dict) else [value])
    )


def optimizer(value):
    def is_name(one):
        return text(one) and (":" not in one or reference(one) is True)

    return is_name(value) or (isinstance(value, list) and len(value) > 0 and all(map(is_name, value)))


def file(value):
    return text(value) and value.endswith(".npy")


def each(good, least=1, distinct=False):
    def fits(value):
        values = value if isinstance(value, list) else [value]
        return all(map(good, values)) and len(values) >= least and (not distinct or len(set(values)) == len(values))

    return fits


count, seed, flag = whole(1), whole(0, 2**64 - 1), lambda value: type(value) is bool
activation = among("relu", "sigmoid", "tanh", "gelu", "silu", "softplus", "identity")
OWN = {"bernoulli": sweeps.Bernoulli, "fixed_size": sweeps.FixedSize, "flip_paths": sweeps.FlipPaths}
# What each key may be by itself: written down here anew, not read from the code.
FINE = {
    "task": dict(
        name=among("circle", "spiral", "digits", "diabetes"), train_examples=count, test_examples=count,
        train_seed=seed, test_seed=seed, boundary=among("text", "code"), turns=number(lambda value: abs(value) <= 1e6),
        noise=number(lambda value: 0 <= value <= 1e30), test_fraction=number(lambda value: 0 <= value <= 1),
        split_seed=seed, load=reference, arguments=lambda value: isinstance(value, dict),
    ),
    "network": dict(
        sizes=each(count, least=2), activation=activation, output_activation=activation, use_bias=flag, seed=seed,
        build=reference, checkpoint=text, arguments=lambda value: isinstance(value, dict), call=reference, nodes=count,
    ),
    "training": dict(
        epochs=whole(0), batch_size=count, learning_rate=number(lambda value: 1e-37 <= value <= 1e38), seed=seed,
        loss=lambda value: reference(value) or value in list(config.LOSSES), optimizer=optimizer,
    ),
    "sweep": dict(
        design=among("bernoulli", "fixed_size", "flip_paths", "leave_one_out", "hypercube", "masks"), sites=sites,
        probability=each(number(lambda value: 0 <= value <= 1), distinct=True), on=whole(0), draws=count, chains=count,
        seed=seed, gradients=flag, keep=among("draws", "examples", "summary"), batch_size=count,
        paths=count, flips=count, layer=text, masks=file, micro_batch=count, off=off,
        tied=lambda value: value in ({}, []), metrics=metrics,
        plan=among("auto", "affine", "fused", "dense", "vmapped"), precision=among("highest", "high", "default"),
    ),
}  # fmt: skip
OF_TASK = {
    "circle": ("train_examples", "test_examples", "train_seed", "test_seed", "boundary"),
    "spiral": ("train_examples", "test_examples", "train_seed", "test_seed", "turns", "noise"),
    "digits": ("test_fraction", "split_seed"),
    "diabetes": ("test_fraction", "split_seed"),
}
OF_DESIGN = {
    "bernoulli": ("probability", "draws", "chains"),
    "fixed_size": ("on", "draws", "chains"),
    "flip_paths": ("paths", "probability", "flips", "layer", "chains"),
    "leave_one_out": (),
    "hypercube": (),
    "masks": ("masks",),
}
WORDS = [
    "", "relu", "rolu", "circle", "spiral", "digits", "text", "code", "bernoulli", "fixed_size", "hypercube", "summary",
    "leave_one_out", "draws", "auto", "highest", "squared_error", "optax:huber_loss", "a/b", "1", "one.npy", "masks",
    "mean", "kl", "examples", "flip_paths", "nan", "true", "ä\t$",
]  # fmt: skip
NUMBERS = [0, 1, 2, 3, 7, -1, 2**31 - 1, 2**31, 2**32, 2**63, 2**64 - 1, 2**64, 2**70, 10**400]
FLOATS = [0.0, -0.0, 0.25, 0.5, 1.0, 1.5, -0.5, 1e3, 1e7, 1e-38, 1e39, 1e308, math.nan, math.inf, -math.inf]
LISTS = [[], [1], [2, 5, 2], [0.25, 0.75], [0.5, 0.5], [0, -0.0], [1, True], ["relu"], [[1]], [0.5, "a"], [2, 0]]
POOL = [*WORDS, *NUMBERS, *FLOATS, True, False, *LISTS, {}, {"width": 3}]
VALUES = st.sampled_from(POOL) | st.lists(st.sampled_from(POOL), max_size=3)
GOOD = {
    (table, key): [value for value in POOL if fine(value)] for table, keys in FINE.items() for key, fine in keys.items()
}


@st.composite
def files(draw):
    """Tables of good values that fit together, but for one key, which may be any and hold anything."""
    task, design = draw(st.sampled_from([*OF_TASK])), draw(st.sampled_from([*OF_DESIGN]))
    own = {
        "task": ("name", *OF_TASK[task]),
        "network": ("sizes", "activation", "output_activation", "use_bias", "seed"),
        "training": tuple(FINE["training"]),
        "sweep": (
            "sites",
            "seed",
            "gradients",
            "keep",
            "batch_size",
            "micro_batch",
            "plan",
            "precision",
            *OF_DESIGN[design],
        ),
    }
    tables = {}
    for table, keys in own.items():
        chosen = draw(st.sets(st.sampled_from(keys)))
        tables[table] = {key: draw(st.sampled_from(GOOD[table, key])) for key in keys if key in chosen}
    tables["task"]["name"], tables["sweep"]["design"] = task, design
    if design == "masks":
        tables["sweep"]["masks"] = "one.npy"
    if design == "flip_paths" and "probability" in tables["sweep"]:
        tables["sweep"]["probability"] = 0.25
    table, key = draw(st.sampled_from([*GOOD]))
    tables[table][key] = draw(st.sampled_from(GOOD[table, key]) | VALUES)
    return tables


def in_toml(value):
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {in_toml(one)}' for key, one in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(in_toml, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return repr(value).lower()


def written(tables):
    lines = []
    for table, keys in tables.items():
        lines += [f"[{table}]", *(f"{key} = {in_toml(value)}" for key, value in keys.items())]
    return "\n".join(lines)


def several(value):
    return isinstance(value, list) and len(value) > 1


def is_fine(tables):
    """Whether a file may be used, but for what needs its network."""
    if not all(FINE[table][key](value) for table, keys in tables.items() for key, value in keys.items()):
        return False
    task, network, masks = (tables.get(table, {}) for table in ("task", "network", "sweep"))
    if "load" in task:
        if task.keys() - {"load", "arguments"}:
            return False
    elif task.get("arguments") or task.keys() - {"name", "arguments"} - {*OF_TASK[task.get("name", "circle")]}:
        return False
    if "build" in network:
        if network.keys() & {"sizes", "activation", "output_activation"} or not network.get("use_bias", True):
            return False
    elif network.get("arguments") or network.keys() & {"checkpoint", "call", "nodes"}:
        return False
    training = tables.get("training", {})
    if isinstance(training.get("optimizer"), list) and "learning_rate" in training:
        return False
    design = masks.get("design", "bernoulli")
    if masks.keys() & {name for names in OF_DESIGN.values() for name in names} - {*OF_DESIGN[design]}:
        return False
    if (design == "masks" and "masks" not in masks) or (design == "flip_paths" and several(masks.get("probability"))):
        return False
    # The streams, chains by probabilities, are numbered in 32 bits.
    probabilities = masks.get("probability", [0.25, 0.5, 0.75])
    streams = len(probabilities) if isinstance(probabilities, list) else 1
    return design != "bernoulli" or masks.get("chains", 1) * streams < 2**31


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("settings") / "sweep.toml"


def assert_judged_rightly(file, tables):
    """Accepted as it was written, or refused by a line that names a key; as the rules above say."""
    file.write_text(written(tables), encoding="utf-8")
    try:
        found = config.read(file).check()
    except InputError as error:
        said = str(error).removeprefix(f"{file}: ")
        assert not is_fine(tables), said
        assert "\n" not in said and len(said) < 300
        named = re.match(r"(\w+)\.(\w+)", said)
        assert named and (named[2] in tables[named[1]] or "must be given with design" in said), said
        return
    assert is_fine(tables)
    for table, keys in tables.items():
        for key, value in keys.items():
            kept = getattr(getattr(found, table), key)
            if (table, key) in (("network", "checkpoint"), ("sweep", "masks")):
                value = str(file.parent / value)  # a path is one from the file
            value = float(value) if type(kept) is float else value
            assert kept == (tuple(value) if isinstance(value, list) else (value,) if type(kept) is tuple else value)
    # Whatever was accepted can be written down, and makes a design.
    json.dumps(dataclasses.asdict(found), allow_nan=False)
    if found.sweep.design in OWN:
        OWN[found.sweep.design](**found.sweep.of_design())


@settings(max_examples=100)
@given(files())
def test_files_of_many_keys(file, tables):
    assert_judged_rightly(file, tables)


@pytest.mark.parametrize(("table", "key"), GOOD)
def test_every_key_with_every_value(file, table, key):
    for value in POOL:
        assert_judged_rightly(file, {table: {key: value}})


@pytest.mark.parametrize("chooser", ["task.name", "sweep.design", "task.load", "network.build"])
def test_every_option_beside_each_that_may_make_it_meaningless(file, chooser):
    table, key = chooser.split(".")
    for choice in [one for one in GOOD[table, key] if isinstance(one, str)]:
        for option in FINE[table]:
            assert_judged_rightly(file, {table: {option: GOOD[table, option][-1], key: choice}})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = " + "[" * 5000, "is no valid TOML: "),
        ("[sweep]\nseed = " + "1" * 5000, "is no valid TOML: "),
        ("[sweep]\nseed = 1979-05-27", "sweep.seed must be a whole number, got datetime.date"),
        ("[sweep]\ndraws = 3\ndraws = 4", "is no valid TOML: "),
        ("task = ''\n", r"task must be a table \[task\], got ''; a function is its key load"),
        ("[task]\nload = ''", "task.load must be package.module:function, got ''"),
        ("[[sweep]]\ndraws = 3", "sweep must be a table"),
        ("\x00", "is no valid TOML: "),
    ],
)
def test_files_that_are_none(text, message, file):
    file.write_text(text)
    with pytest.raises(InputError, match=message) as found:
        config.read(file).check()
    assert "\n" not in str(found.value)


def test_paths_that_cannot_be_read(tmp_path, capsys):
    out = ("--out", str(tmp_path / "run"))
    (tmp_path / "latin").write_bytes(b"[task]\nname = '\xe4'")
    assert "is no valid TOML: 'utf-8' codec" in refused(capsys, "run", str(tmp_path / "latin"), *out)
    assert refused(capsys, "run", str(tmp_path), *out) == f"{tmp_path} cannot be read: Is a directory"
    below = tmp_path / "latin" / "file.toml"
    assert refused(capsys, "run", str(below), *out) == f"{below} cannot be read: Not a directory"
    long = "x" * 300
    assert refused(capsys, "run", long, *out) == f"{long} cannot be read: File name too long"
    assert not (tmp_path / "run").exists()


# What no setting of a study takes, whatever its kind.
NOBODYS = [-1, -0.5, math.nan, math.inf, True, "many", 10**40, 1e39, [], ["many"], {}, None]


@pytest.mark.parametrize("study", [each.settings for each in registry.STUDIES.values()])
def test_a_study_refuses_by_the_settings_name(study):
    """Each setting with each value: refused by its name, or one of the few that this setting takes."""
    accepted = []
    for one in dataclasses.fields(study):
        for value in NOBODYS:
            try:
                study(**{one.name: value}).check()
                accepted.append((one.name, value))
            except InputError as error:
                assert re.match(rf"{one.name} must (be|have) ", str(error)) and "\n" not in str(error)
    for name, value in accepted:
        default = study.__dataclass_fields__[name].default
        free_text = name == "data" and value == "many"
        assert (
            value is default
            or free_text
            or (value in (-1, -0.5) and name == "turns")
            or (value == [] and name in ("comparison", "retrain_every", "rates", "early", "budgets"))
            or (value is True and isinstance(default, bool))
        ), (name, value)


@pytest.mark.parametrize("study", [each.settings for each in registry.STUDIES.values()])
def test_a_study_takes_numpys_numbers_as_pythons(study):
    plain = study()
    values = dataclasses.asdict(plain)
    as_numpy = {
        name: np.asarray(value) if isinstance(value, tuple | int | float) else value for name, value in values.items()
    }
    found = study(**as_numpy)
    found.check()
    assert repr(found) == repr(plain)
