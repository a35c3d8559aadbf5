"""Files of numbers that a configuration names: read, checked, and recorded by what they hold."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np

from analysis._errors import InputError, MissingError, UnavailableError
from sweeps._identity import digest


@contextmanager
def within(what: str) -> Iterator[None]:
    """Context that puts the setting's name in front of what is wrong with its value."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{what}: {error}") from error


def numbers(path: str, what: str, dims: Literal[1, 2]) -> np.ndarray:
    """Return the array in a file ``.npy``, ``.npz`` or ``.csv``.

    Parameters
    ----------
    path : str
        Where the file lies.
    what : str
        The setting that names it, for messages.
    dims : {1, 2}
        Number of axes of what a ``.csv`` holds: 2, or 1 for one row or column.

    Raises
    ------
    InputError
        If there is no such file, it cannot be read, or it does not hold one array of numbers.
    """
    try:
        found = _read(Path(path), dims)
    except FileNotFoundError as error:
        raise MissingError(f"{what}: there is no file {path}") from error
    except OSError as error:
        raise UnavailableError(f"{what}: {path} cannot be read: {error.strerror or error}") from error
    except (ValueError, EOFError, BadZipFile) as error:
        raise InputError(f"{what}: {path} does not hold one array of numbers: {error}") from error
    if found.dtype.kind not in "biuf":
        raise InputError(f"{what}: {path} must hold numbers, got an array of type {found.dtype}")
    return found


def _read(path: Path, dims: Literal[1, 2]) -> np.ndarray:
    if path.suffix == ".csv":
        return np.loadtxt(path, delimiter=",", ndmin=dims, encoding="utf-8")
    found = np.load(path, allow_pickle=False)
    if path.suffix == ".npy":
        return found
    with found:
        if len(found.files) != 1:
            raise ValueError(f"it has {len(found.files)} ({', '.join(found.files)})")
        return found[found.files[0]]


def recorded(path: str, array: np.ndarray) -> dict[str, Any]:
    """Return what the record of a run says of a file: its name, and a digest of the numbers in it."""
    return dict(file=Path(path).name, numbers=digest(array))
