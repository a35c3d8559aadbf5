"""Settings: frozen dataclasses with a range beside each kind, checked by pydantic before any work."""

import re
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from typing import Annotated, Any, ClassVar, Self, TypeVar

import numpy as np
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError

from analysis._errors import InputError
from sweeps import _checks

T = TypeVar("T")


def _distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    if len(set(values)) < len(values):
        raise ValueError("must have no value twice")
    return values


Distinct = AfterValidator(_distinct)
Count = Annotated[int, Field(ge=1, le=_checks.MOST)]
Counts = Annotated[tuple[Count, ...], Field(min_length=1)]
Natural = Annotated[int, Field(ge=0, le=_checks.MOST)]
Seed = Annotated[int, Field(ge=0, le=_checks.SEEDS - 1)]
# The first of several seeds: the next ones, of further networks, are seeds too.
FirstSeed = Natural
# A learning rate that float32 takes for zero, or for infinity, would train nothing.
LearningRate = Annotated[float, Field(ge=1e-37, le=1e38)]
Share = Annotated[float, Field(ge=0, le=1)]
Probabilities = Annotated[tuple[Share, ...], Field(min_length=1), Distinct]
Turns = Annotated[float, Field(ge=-_checks.TURNS, le=_checks.TURNS)]
Noise = Annotated[float, Field(ge=0, le=_checks.NOISE)]

_adapter: Callable[[type], TypeAdapter[Any]] = cache(TypeAdapter)


class Settings:
    """Base of dataclasses of settings. A value may be of any kind until `check` is called."""

    __pydantic_config__: ClassVar = ConfigDict(strict=True, allow_inf_nan=False, revalidate_instances="always")

    def __post_init__(self) -> None:
        for field in fields(self):  # type: ignore[arg-type]
            object.__setattr__(self, field.name, _plain(getattr(self, field.name)))

    def check(self, where: str = "", complete: bool = True) -> Self:
        """Return the settings as they are used.

        Parameters
        ----------
        where : str
            What stands before the setting's name in the message.
        complete : bool
            Whether all is given: defaults then take the place of what was left out, and what nobody reads is refused.

        Raises
        ------
        InputError
            If a value cannot be used; one line, which names the setting.
        """
        try:
            checked: Self = _adapter(type(self)).validate_python(self, context=complete)
            return checked
        except ValidationError as error:
            raise InputError(where + _line(error)) from error


# How this library words what pydantic says in another way.
_WORDS = {
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "greater_than": "must be above {gt}",
    "less_than": "must be below {lt}",
    "missing": "must have more values",
    "tuple_type": "must be a list",
    "dict_type": "must be a table",
    "string_type": "must be a text",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
}


def _line(error: ValidationError) -> str:
    first = error.errors()[0]
    name = ".".join(part for part in first["loc"] if isinstance(part, str))
    words = _WORDS.get(first["type"], first["msg"].removeprefix("Value error, ")).format(**first.get("ctx", {}))
    words = re.sub(r"^\w+ should", "must", words.partition(" after validation")[0])
    return f"{name} {words}, got {_checks.shown(first['input'])}"


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's, lists and arrays as tuples."""
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return value.item()
    if isinstance(value, list | tuple | np.ndarray):
        return tuple(_plain(each) for each in value)
    return value
