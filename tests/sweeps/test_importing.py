"""Functions of the user's own: what they get, and whose fault an error is."""

import re
import sys

import pytest

from analysis._errors import InputError
from sweeps import _cli, _importing
from tests.sweeps.test_cli import refused

MODULE = """
import optax
import sweeps

def network(seed, width=3):
    return sweeps.MLP((2, width, 2), seed=seed)

def task(examples=20):
    return sweeps.tasks.circle(examples, examples)

def nothing(seed):
    raise ValueError

def of_type(seed):
    raise TypeError("mine")

def c_type(seed):
    return len(3)

def of_library(seed):
    return sweeps.MLP((2, 0, 2))

def bad_loss(outputs, targets):
    raise RuntimeError("in my loss")

def keyword(*, seed=0, **others):
    return sorted(others)

class Model:
    def __init__(self, width):
        self.width = width
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Work where the user's modules are."""
    (tmp_path / "theirs.py").write_text(MODULE)
    (tmp_path / "sweep.toml").write_text("[training]\nepochs = 1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in ("theirs", "lonely", "broken"):
        sys.modules.pop(name, None)


def run(*flags):
    _cli.main(["run", "sweep.toml", "--out", "run", *flags])


class TestLoad:
    @pytest.mark.parametrize(
        "reference", ["", "theirs", "theirs:", ":network", "..theirs:network", "theirs.:network", "theirs:.network"]
    )
    def test_references_that_are_none(self, reference):
        with pytest.raises(InputError, match=re.escape(f"task must be package.module:function, got {reference!r}")):
            _importing.load(reference, "task")

    @pytest.mark.parametrize("reference", ["nowhere:f", "theirs.more:f", "a b:f", "/tmp:f", "a:b:c", "\0:f"])
    def test_modules_that_are_not_there(self, reference):
        with pytest.raises(InputError, match="^task: there is no module "):
            _importing.load(reference, "task")

    def test_a_module_that_misses_another_is_shown_as_it_is(self, tmp_path):
        # Its name begins with that of the module that is missing.
        (tmp_path / "lonely.py").write_text("import lone\n")
        with pytest.raises(ModuleNotFoundError, match="No module named 'lone'") as found:
            _importing.load("lonely:f", "task")
        assert not isinstance(found.value, InputError)

    def test_a_module_that_cannot_be_read_is_shown_as_it_is(self, tmp_path):
        (tmp_path / "broken.py").write_text("def f(:\n")
        with pytest.raises(SyntaxError):
            _importing.load("broken:f", "task")


class TestCalled:
    @pytest.mark.parametrize(
        ("reference", "options", "message"),
        [
            ("theirs:task", dict(size=3), r"task: theirs:task does not take these options \(size\): "),
            ("theirs:network", {}, r"task: theirs:network does not take these options \(none\): missing a required"),
            ("theirs:Model", dict(depth=3), r"task: theirs:Model does not take these options \(depth\): "),
        ],
    )
    def test_options_that_a_function_does_not_take(self, reference, options, message):
        with pytest.raises(InputError, match=message):
            _importing.called(reference, "task", options)

    def test_options_reach_functions_of_any_kind(self):
        assert _importing.called("theirs:Model", "task", dict(width=3)).width == 3
        assert _importing.called("theirs:keyword", "task", dict(seed=1, b=2, a=3)) == ["a", "b"]
        assert _importing.called("builtins:dict", "task", dict(a=1)) == dict(a=1)  # dict tells no signature

    @pytest.mark.parametrize(("name", "message"), [("of_type", "^mine$"), ("c_type", "has no len")])
    def test_a_type_error_inside_is_not_about_the_options(self, name, message):
        with pytest.raises(TypeError, match=message) as found:
            _importing.called(f"theirs:{name}", "task", dict(seed=1))
        assert not isinstance(found.value, InputError)


class TestCommand:
    """Through the command line: theirs keep type and traceback, and nothing is written."""

    @pytest.mark.parametrize(
        ("flags", "error", "message"),
        [
            ("--network.build theirs:nothing", ValueError, "^$"),
            ("--network.build theirs:of_type", TypeError, "^mine$"),
            ("--network.build theirs:of_library", InputError, "sizes"),
            ("--training.loss theirs:bad_loss", RuntimeError, "in my loss"),
        ],
    )
    def test_errors_inside_are_shown_as_they_are(self, flags, error, message, tmp_path, capsys):
        with pytest.raises(error, match=message) as found:
            run(*flags.split())
        frames = [frame.path for frame in found.traceback]
        assert tmp_path / "theirs.py" in frames
        assert not capsys.readouterr().err and not (tmp_path / "run").exists()

    def test_what_is_no_function_is_one_line(self, tmp_path, capsys):
        for flags in ("--task.load theirs:taks", "--network.build theris:network", "--training.loss optax:no_loss"):
            assert refused(capsys, "run", "sweep.toml", "--out", "run", *flags.split())
        assert not (tmp_path / "run").exists()
