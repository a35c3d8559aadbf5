"""Importing: a function of the user's own, named in a configuration file as ``package.module:function``."""

import inspect
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from analysis._errors import InputError
from sweeps import _checks

FORM = "package.module:function"
# Begins the note on an error of this library that was raised inside a user's function.
_INSIDE = "raised inside"


def parts(reference: str) -> tuple[str, str] | None:
    """Return module and name of a reference; None for a text of another form."""
    module, colon, name = reference.partition(":")
    return (module, name) if colon and all((*module.split("."), *name.split("."))) else None


def load(reference: str, what: str) -> Callable[..., Any]:
    """Import a function; modules in the current folder are found too.

    Parameters
    ----------
    reference : str
        ``package.module:function``.
    what : str
        The setting that names it, for messages.

    Raises
    ------
    ValueError
        If the reference has another form, or there is no such module or function.
    """
    named = parts(reference)
    if named is None:
        raise InputError(f"{what} must be {FORM}, got {reference!r}")
    module, name = named
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise InputError(
            f"{what}: there is no module {error.name}; modules are looked for in {here} and among what is installed"
        ) from error
    for part in name.split("."):
        if not hasattr(found, part):
            near = _checks.meant(part.lower(), dir(found))
            raise InputError(f"{what}: module {module} has no {name}{'; ' * bool(near)}{near}")
        found = getattr(found, part)
    if not callable(found):
        raise InputError(f"{what}: {reference} is no function but {type(found).__name__}")
    return found


def called(reference: str, what: str, options: dict[str, Any]) -> Any:
    """Import a function and return what it returns for some options.

    Raises
    ------
    ValueError
        As ``load``, and if it does not take the options; what the function itself raises is left as it is.
    """
    function = load(reference, what)
    try:
        inspect.signature(function).bind(**options)
    except ValueError:
        pass  # some functions written in C do not tell their arguments
    except TypeError as error:
        given = ", ".join(options) or "none"
        raise InputError(f"{what}: {reference} does not take these options ({given}): {error}") from error
    try:
        return function(**options)
    except InputError as error:
        # It is the user's call of this library that was wrong, which only the traceback shows.
        error.add_note(f"{_INSIDE} {reference}")
        raise


def is_theirs(error: Exception) -> bool:
    """Whether ``called`` saw the error come out of a user's own function."""
    return any(note.startswith(_INSIDE) for note in getattr(error, "__notes__", ()))
