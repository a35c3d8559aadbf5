"""The public surface: what ``__all__`` lists is all there is, each thing once, with options that have names."""

import ast
import inspect
from pathlib import Path

import pytest

from analysis import _errors
from docs import names

MODULES = names.public()
# What a function works on, where there is something to work on without it; short calls in templates of reports; and
# the one thing that a call is about: a design's probability, a training's optimizer, a method.
POSITIONAL = {
    "analysis.density.kde": {"width"},
    "analysis.hypercube.additive_share": {"probability"},
    "analysis.hypercube.distribution": {"probability"},
    "analysis.hypercube.moments": {"probability"},
    "analysis.hypercube.sobol": {"probability"},
    "analysis.hypercube.variance_by_order": {"probability"},
    "sweeps.Bernoulli": {"probability"},
    "sweeps.FlipPaths": {"paths"},
    "sweeps.pruning.remove_nodes": {"inputs"},
    "sweeps.pruning.zero_nodes": {"inputs"},
    "sweeps.ranking.removal_path": {"method"},
    "sweeps.ranking.scores": {"method"},
    "sweeps.relevance.attribute": {"target", "method"},
    "sweeps.relevance.attribute_function": {"target", "method"},
    "sweeps.train": {"optimizer"},
    "sweeps.train_many": {"optimizer"},
    "analysis.figures.style.new_figure": {"width", "height", "rows", "columns"},
    "analysis.intervals.Interval.text": {"decimals", "unit", "signed"},
    "analysis.numbers.Number.text": {"style"},
    "analysis.numbers.Numbers": {"macros"},
    "analysis.numbers.Numbers.add": {"error"},
    "sweeps.Objective.outputs": {"gates"},
    "sweeps.relevance.Relevance.ledger": {"example"},
    "sweeps.off.Mean": {"data"},
    "sweeps.off.Resample": {"data"},
}
# What is returned and read; nobody makes one by hand.
RECORDS = ("analysis.intervals.Interval", "sweeps.gating.Site")


def things():
    """Yield public functions, classes and methods by name; records and errors have no options."""
    for module in MODULES.values():
        for key in module.__all__:
            thing, name = getattr(module, key), f"{module.__name__}.{key}"
            if not inspect.isclass(thing):
                if inspect.isroutine(inspect.unwrap(thing)) if callable(thing) else False:
                    yield name, thing
                continue
            if not issubclass(thing, tuple | Exception) and name not in RECORDS:
                yield name, thing.__init__
            for part, member in vars(thing).items():
                member = getattr(member, "__func__", member)
                if inspect.isfunction(member) and not part.startswith("_"):
                    yield f"{name}.{part}", member


def defined(module):
    """Names that a module gives its own values, functions and classes, without those that it imports."""
    for node in ast.parse(Path(module.__file__).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        for target in getattr(node, "targets", [getattr(node, "target", None)]):
            yield from (part.id for part in ast.walk(target or ast.Pass()) if isinstance(part, ast.Name))


@pytest.mark.parametrize("name", MODULES)
def test_a_module_says_what_is_public_and_hides_the_rest(name):
    module = MODULES[name]
    assert all(hasattr(module, key) for key in module.__all__)
    assert {key for key in defined(module) if not key.startswith("_")} <= set(module.__all__)


def test_the_page_lists_every_name():
    assert names.PAGE.read_text(encoding="utf-8") == names.page(), "python -m docs.names writes it anew"


def test_options_have_names():
    found = {
        f"{name}({option.name})"
        for name, thing in things()
        for option in inspect.signature(thing).parameters.values()
        if option.kind is option.POSITIONAL_OR_KEYWORD
        and option.default is not option.empty
        and option.name not in POSITIONAL.get(name, ())
    }
    assert found == set()


def test_one_thing_has_one_door():
    doors = {}
    for module in MODULES.values():
        for key in module.__all__:
            thing = getattr(module, key)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                doors.setdefault(id(thing), []).append(f"{module.__name__}.{key}")
    several = [both for both in doors.values() if len(both) > 1]
    # Whoever reads runs without JAX catches the same error.
    assert several == [["sweeps.InputError", "analysis.InputError"]] and _errors.InputError


def test_one_default_seed():
    found = {
        name: option.default
        for name, thing in things()
        for option in inspect.signature(thing).parameters.values()
        if option.name == "seed" and option.default is not option.empty
    }
    assert set(found.values()) == {0} and "sweeps.sweep" in found


def test_what_is_public_prints_what_it_is():
    there = [getattr(module, key) for module in MODULES.values() for key in module.__all__]
    made = [one for one in there if inspect.isclass(one) and not issubclass(one, Exception)]
    assert [one.__name__ for one in made if one.__repr__ is object.__repr__] == []
