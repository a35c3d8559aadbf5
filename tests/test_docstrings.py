"""Docstrings of the public surface: complete, with types where types stand, and with names that exist."""

import ast
import builtins
import inspect
import re
import textwrap
from functools import cache
from pydoc import locate

import pytest
from numpydoc.docscrape import get_doc_object
from numpydoc.validate import Validator, validate

from analysis import _errors
from docs import names

# What numpydoc would like otherwise: an infinitive first (a quantity is named by a noun), an extended summary
# everywhere; layout, which ruff holds; and what is held below for some objects only.
NOT_HELD = {"GL01", "GL02", "SS05", "ES01", "SA01", "EX01"}
# What a type slot may hold beside shapes, options in quotes, and classes that exist.
WORDS = (
    *("int", "float", "bool", "str", "bytes", "dict", "list", "tuple", "set", "None", "True", "False"),
    *("array", "array_like", "sequence", "mapping", "iterable", "iterator", "callable", "type", "object"),
    *("module", "path", "pytree", "int32", "int64", "uint8", "float32", "float64", "bfloat16"),
    *("or", "of", "to", "and", "optional", "default"),
    "arviz.InferenceData",  # ArviZ 1 has it no more
)
SHAPE = re.compile(r"[\w*+.,\-\[\] ]{0,60}")


def contents(module):
    """Yield the public functions and classes of a module by name."""
    for name in module.__all__:
        thing = getattr(module, name)
        if inspect.isclass(thing) or inspect.isfunction(inspect.unwrap(thing)):
            yield name, thing


@cache
def surface():
    """Return public functions, classes, methods and properties by their shortest name."""
    found, seen = {}, set()
    for module in names.public().values():
        for name, thing in contents(module):
            if id(thing) not in seen:
                seen.add(id(thing))
                found[f"{module.__name__}.{name}"] = thing
    for name, thing in list(found.items()):
        members = vars(thing).items() if inspect.isclass(thing) else ()
        for part, member in members:
            kept = inspect.isroutine(member) or isinstance(member, property | classmethod)
            if kept and not part.startswith("_"):
                found[f"{name}.{part}"] = getattr(thing, part)
    return found


class Docstring(Validator):
    """A docstring of which numpydoc also holds the attributes, the fields of a result."""

    def __init__(self, thing):
        self.thing = thing
        super().__init__(get_doc_object(thing, config=dict(show_class_members=False)))
        self.parameters, self.attributes = (self._doc_parameters([part]) for part in ("Parameters", "Attributes"))

    @property
    def doc_all_parameters(self):
        return self.attributes | self.parameters

    @property
    def called(self):
        """What runs when this is called; None for a property, and for a class that takes what its base takes."""
        if inspect.isclass(self.thing):
            return next((vars(self.thing)[name] for name in ("__init__", "__new__") if name in vars(self.thing)), None)
        return self.thing if callable(self.thing) else None

    @property
    def parameter_mismatches(self):
        stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
        taken = inspect.signature(self.called).parameters.values() if self.called else ()
        wanted = [stars.get(one.kind, "") + one.name for one in taken if one.name not in ("self", "cls", "_cls")]
        written = list(self.parameters or self.attributes)[: None if self.parameters else len(wanted)]
        return [] if wanted == written else [("PR01", f"takes {wanted}, and documents {written}")]

    @property
    def slots(self):
        """Pairs of a name and the type of what has it."""
        given = [("a result", part.type) for part in [*self.returns, *self.yields]]
        return [*((name, kind) for name, (kind, _) in self.doc_all_parameters.items()), *given]

    @property
    def source(self):
        """Syntax of what a call runs."""
        try:
            return ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(self.called))))
        except (OSError, TypeError, AttributeError):  # made by dataclass, or nothing
            return ast.parse("")


@cache
def held():
    """Return the docstrings of the surface, by name."""
    return {name: Docstring(thing) for name, thing in surface().items()}


def is_member(name):
    """Whether this is a method or property, which its class stands above."""
    return name.rpartition(".")[0] in surface()


def is_brief(name, doc):
    """Whether this is a method that says all in a line, which may be enough."""
    return is_member(name) and bool(doc.raw_doc) and "\n" not in doc.raw_doc.strip()


def test_docstrings_are_complete():
    """Every parameter, field and result has a type and a description, in the order of the signature."""
    faults = [f"{name}: {fault}" for name, doc in held().items() for fault in incomplete(name, doc)]
    assert not faults, "\n".join(faults)


def incomplete(name, doc):
    if inspect.isclass(doc.thing) and not vars(doc.thing).get("__doc__"):
        return ["no docstring"]
    if is_brief(name, doc):
        return []
    found = validate(name, validator_cls=lambda obj_name: doc)["errors"]
    return [f"{code}: {text}" for code, text in found if code not in NOT_HELD]


def test_slots_for_types_hold_types():
    """A sentence in place of a type is refused, and so is a class that does not exist."""
    faults = [
        f"{name}: {part} : {kind}" for name, doc in held().items() for part, kind in doc.slots if not is_type(kind)
    ]
    assert not faults, "\n".join(faults)


def test_defaults_are_those_of_the_signature():
    """What a slot calls the default is the default, and what it calls optional can be left out."""
    faults = []
    for name, doc in held().items():
        taken = inspect.signature(doc.called).parameters if doc.called else {}
        for part, (kind, _) in doc.parameters.items():
            default, said = getattr(taken.get(part), "default", None), re.search(r"default (.+)$", kind)
            if (
                said
                and ast.literal_eval(said[1]) != default
                or "optional" in kind
                and default is inspect.Parameter.empty
            ):
                faults.append(f"{name}: {part} : {kind}, and the default is {default!r}")
    assert not faults, "\n".join(faults)


def is_type(slot):
    """Whether a slot is made of types, shapes and options."""
    text = re.sub(r'"[^"]*"', " ", slot)
    shapes = re.findall(r"\(([^()]*)\)", text)
    rest = re.sub(r"\([^()]*\)|[{},|]", " ", text).split()
    return bool(slot) and all(map(SHAPE.fullmatch, shapes)) and all(map(is_known, rest))


@cache
def is_known(word):
    if word in WORDS or re.fullmatch(r"-?[\d.]+(e-?\d+)?", word):
        return True
    classes = [name for name, thing in surface().items() if inspect.isclass(thing)]
    if any(f".{name}".endswith(f".{word}") for name in classes):
        return True
    return "." in word and "._" not in word and inspect.isclass(locate(word))


@pytest.mark.parametrize(
    "slot",
    [
        "int",
        "array_like, (..., nodes), optional",
        "numpy.ndarray of bool, (*sparsity.shape, nodes)",
        '{"text", "code"}, default "text"',
        "dict of str to xarray.Dataset",
        "flax.nnx.Module or sequence of flax.nnx.Module",
        "sweeps.Objective",
        "float, default 1e-6",
    ],
)
def test_types_are_told(slot):
    assert is_type(slot)


@pytest.mark.parametrize(
    "slot",
    [
        "number of points",
        "as for ``scores``",
        "",
        "true for what stays, shape (nodes,)",
        "sweeps.Obective",
        "array, (one number for each of the nodes: the last axis is that of the nodes)",
    ],
)
def test_sentences_are_no_types(slot):
    assert not is_type(slot)


def test_errors_are_documented():
    """What raises, or checks its arguments, says so; and what is said to be raised is an error that users can name."""
    faults = [f"{name}: {fault}" for name, doc in held().items() for fault in undocumented(name, doc)]
    assert not faults, "\n".join(faults)


def undocumented(name, doc):
    if is_brief(name, doc):
        return []
    named = [part.type or part.name for part in doc.doc["Raises"]]
    known = [error(part) for part in named]
    faults = [f"{part} has no public name" for part in named if part not in {*vars(builtins), "InputError"}]
    faults += [f"unknown error {part}" for part, kind in zip(named, known, strict=True) if kind is None]
    raised = {error(part) or _errors.InputError for part in raised_in(doc.source)}
    missing = [kind for kind in raised if not issubclass(kind, tuple(kind for kind in known if kind))]
    return faults + [f"raises {kind.__name__}, which is not documented" for kind in missing]


def error(name):
    """Return the error of a name, or None."""
    found = getattr(_errors, name, None) or getattr(builtins, name, None)
    return found if inspect.isclass(found) and issubclass(found, BaseException) else None


def raised_in(tree):
    """Yield names of what a function raises itself, or lets its checks raise."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            yield ast.unparse(node.exc.func)
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith(("_checks.", "check_", "_check_")):
            yield "InputTypeError"  # what every check may raise; a TypeError and a ValueError


def test_sentences_are_plain():
    """The site renders Markdown, to which roles and directives of Sphinx say nothing."""
    assert [name for name, doc in held().items() if re.search(r":\w+:`|^ *\.\. \w+::", doc.raw_doc, re.M)] == []


def test_names_in_sentences_exist():
    """What a sentence names in full, and the constants that it names, are public and there."""
    faults = []
    for name, doc in held().items():
        dotted = re.findall(r"`((?:sweeps|analysis)(?:\.\w+)+)", doc.raw_doc)
        faults += [f"{name}: there is no {word}" for word in dotted if "._" in word or locate(word) is None]
        constants = re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", doc.raw_doc)
        faults += [f"{name}: there is no {word}" for word in constants if not hasattr(module_of(name), word)]
    assert not faults, "\n".join(faults)


def module_of(name):
    """Return the public module of a name."""
    found = [module for module in names.public().values() if name.startswith(f"{module.__name__}.")]
    return max(found, key=lambda module: len(module.__name__))


def test_see_also_names_what_exists():
    """Functions name what stands beside them."""
    faults = []
    for name, doc in held().items():
        if not (inspect.isclass(doc.thing) or is_member(name) or doc.see_also):
            faults.append(f"{name}: no section See Also")
        faults += [f"{name}: there is no {other}" for other in doc.see_also if not is_seen(name, other)]
    assert not faults, "\n".join(faults)


def is_seen(name, other):
    """Whether a name is public, in full or as seen from another's class or module."""
    parts, places = name.split("."), set(names.public())
    return any(".".join([*parts[:end], other]) in surface().keys() | places for end in range(len(parts)))


def test_examples_are_there():
    """Functions have an example, and so have classes that users make; the doctests run them."""
    made = {name: doc for name, doc in held().items() if doc.parameters or not inspect.isclass(doc.thing)}
    faults = [name for name, doc in made.items() if not is_member(name) and not doc.examples]
    assert not faults, "\n".join(faults)
