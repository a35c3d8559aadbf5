"""The type checker given to jaxtyping's import hook: it checks shapes and types of arrays, nothing else."""

import typing
from collections.abc import Callable

from beartype import beartype
from jaxtyping import AbstractArray


def check(function: Callable) -> Callable:
    """Make a function check its array arguments and results; mypy checks the other annotations."""
    function.__annotations__ = {
        name: annotation for name, annotation in function.__annotations__.items() if _has_array(annotation)
    }
    return beartype(function)


def _has_array(annotation: object) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, AbstractArray):
        return True
    return any(map(_has_array, typing.get_args(annotation)))
