"""Settings: dataclasses whose values are checked by kind and range, each by its name, before any work."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cache, partial
from types import UnionType
from typing import Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from analysis.errors import InputError, InputTypeError
from sweeps import checks

Rule = Callable[[str, Any], Any]

# What a setting may be, beside its kind: each is called with the setting's name and value.
count = partial(checks.whole, least=1)
natural = partial(checks.whole, least=0)
# A step size that float32 takes for zero, or for infinity, would train nothing.
step_size = partial(checks.real, least=1e-37, most=1e38, above=0)
# Of a spiral: beyond these an angle has no digits left, and float32 no number.
TURNS = partial(checks.real, least=-1e6, most=1e6)
NOISE = partial(checks.real, least=0, most=1e30)


def each(rule: Rule, least: int = 1, distinct: bool = False) -> Rule:
    """Return the rule for a list whose values have a rule; two equal ones may be refused."""
    return partial(checks.several, check=rule, least=least, distinct=distinct)


probabilities = each(partial(checks.real, least=0, most=1), distinct=True)


class Settings:
    """Base of dataclasses of settings.

    Attributes
    ----------
    RULES : range of each setting that has one; None is left alone
    """

    RULES: ClassVar[Mapping[str, Rule]] = {}

    def __post_init__(self) -> None:
        for one in fields(self):  # type: ignore[arg-type]
            object.__setattr__(self, one.name, _plain(getattr(self, one.name)))

    def check(self, prefix: str = "") -> None:
        """Raise InputError, which names the setting with the prefix before it, for a value that cannot be used."""
        for one in fields(self):  # type: ignore[arg-type]
            value = getattr(self, one.name)
            check_kind(prefix + one.name, value, kinds(type(self))[one.name])  # type: ignore[arg-type]
            if value is not None and one.name in self.RULES:
                self.RULES[one.name](prefix + one.name, value)


@cache
def kinds(settings: type) -> dict[str, Any]:
    """Return the annotations of settings, by name."""
    return get_type_hints(settings)


def check_kind(name: str, value: Any, kind: Any) -> None:
    """Raise InputTypeError for a value that is not of the kind that a setting's annotation names."""
    if not _fits(value, kind):
        raise InputTypeError(f"{name} must be {_in_words(kind)}, got {checks.shown(value)}")


def require(good: bool, name: str, expected: str, came: object) -> None:
    """Raise InputError for a setting that is not good."""
    if not good:
        raise InputError(f"{name} must be {expected}, got {checks.shown(came)}")


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's, lists and arrays as tuples: what can be compared and written down."""
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return value.item()
    if isinstance(value, list | tuple | np.ndarray):
        return tuple(_plain(one) for one in value)
    return value


def _fits(value: Any, kind: Any) -> bool:
    if get_origin(kind) is Literal:
        return any(type(value) is type(one) and value == one for one in get_args(kind))
    if get_origin(kind) is tuple:
        wanted = get_args(kind)
        if not isinstance(value, tuple) or (wanted[-1] is not ... and len(value) != len(wanted)):
            return False
        return all(_fits(one, wanted[0]) for one in value)
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
        wanted = get_args(kind)
        return f"a list{'' if wanted[-1] is ... else f' of {len(wanted)}'}, each {_in_words(wanted[0])}"
    if isinstance(kind, UnionType) or get_origin(kind) is Union:
        return " or ".join(_in_words(one) for one in get_args(kind) if one is not type(None))
    if get_origin(kind) is dict:
        return "a table"
    return {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}[kind]
