"""Calling users' code: its errors keep their type and get a note of the call."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import jax

from analysis._errors import InputError


@contextmanager
def noted(what: str) -> Iterator[None]:
    """Context that adds a note to the errors of users' code.

    Parameters
    ----------
    what : str
        The call, such as ``"the network, with inputs of shape (5, 2)"``.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        error.add_note(f"This is an error within {what}.")
        raise


def shapes(values: Any) -> Any:
    """Return the shapes of a pytree's arrays, for a note."""
    return jax.tree.map(lambda leaf: tuple(getattr(leaf, "shape", ())), values)


def network(inputs: Any) -> AbstractContextManager[None]:
    """Context for calling a user's network with inputs, or with their shapes."""
    return noted(
        f"the network, with inputs of shape {shapes(inputs)}: all examples at once, which a function of one example "
        "takes under jax.vmap"
    )
