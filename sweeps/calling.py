"""Calling a user's own code: its errors stay theirs, with a note of what was called."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import jax

from analysis.errors import InputError


@contextmanager
def noted(what: str) -> Iterator[None]:
    """Context in which an error of a user's own code is raised as it is, with its traceback and a note.

    Parameters
    ----------
    what : what is called and with what, such as ``"the network, with inputs of shape (5, 2)"``
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        error.add_note(f"This is an error within {what}.")
        raise


def shapes(values: Any) -> Any:
    """Return the shapes of a pytree's arrays, for such a note; of one array its shape."""
    return jax.tree.map(lambda leaf: tuple(getattr(leaf, "shape", ())), values)


def network(inputs: Any) -> AbstractContextManager[None]:
    """Context in which a user's network is called with inputs, or with their shapes."""
    return noted(f"the network, with inputs of shape {shapes(inputs)}")
