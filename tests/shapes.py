"""The checks of shapes and types of arrays that jaxtyping's import hook puts around functions, and nothing else."""

import functools
import typing
from collections.abc import Callable

import jaxtyping
from beartype import beartype
from jaxtyping import AbstractArray

_jaxtyped = jaxtyping.jaxtyped


def install(*packages: str) -> None:
    """Make functions of packages that are imported from now on check their arrays, and leave all others as they are."""
    jaxtyping.jaxtyped = _where_arrays_are
    jaxtyping.install_import_hook(list(packages), f"{__name__}.check")


def check(function: Callable) -> Callable:
    """Make a function check its array arguments and results; mypy checks the other annotations."""
    function.__annotations__ = {
        name: annotation for name, annotation in function.__annotations__.items() if _has_array(annotation)
    }
    return beartype(function)


def _where_arrays_are(function: typing.Any = None, *, typechecker: Callable) -> typing.Any:
    """Like jaxtyping's decorator, which takes its time at every call, where there is something to check."""
    if function is None:
        return functools.partial(_where_arrays_are, typechecker=typechecker)
    checked = function.__init__ if isinstance(function, type) else function
    if not any(map(_has_array, getattr(checked, "__annotations__", {}).values())):
        return function
    return _jaxtyped(function, typechecker=typechecker)


def _has_array(annotation: object) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, AbstractArray):
        return True
    return any(map(_has_array, typing.get_args(annotation)))
