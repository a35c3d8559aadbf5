"""Refusing: what a message says of an operation that has no rule."""

from typing import NoReturn

from analysis._errors import InputError
from sweeps._program.flat import Operation

_WORDS = {
    "while": "a loop whose number of steps is not fixed (while)",
    "cond": "a choice between programs (cond)",
    "pow": "a power of two activations (pow)",
    "div": "a quotient of two activations (div)",
    "fft": "a Fourier transform (fft)",
    "reduce_prod": "a product over an axis (reduce_prod)",
    "cumprod": "a product over an axis (cumprod)",
}
_GRADIENTS = "method='gradient_x_input' or 'integrated_gradients' works, as it needs no rule"


def refuse(operation: Operation, after: str, expands: bool) -> NoReturn:
    """Raise InputError for an operation without a rule.

    Parameters
    ----------
    operation : Operation
        Without a rule.
    after : str
        Names of the layers before it.
    expands : bool
        Whether a Taylor expansion would do.
    """
    word = _WORDS.get(operation.name, operation.name)
    begin = f"the network after {after} has no rule for {word}: "
    if operation.name == "while":
        raise InputError(f"{begin}write jax.lax.scan, or jax.lax.fori_loop with whole numbers as bounds")
    more = "; so does Rules(expand='all'), which takes its Taylor expansion" if expands else ""
    raise InputError(f"{begin}{_GRADIENTS}{more}")


def refuse_choice(operation: Operation, after: str) -> NoReturn:
    """Raise InputError where input and baseline may be treated differently by a choice."""
    raise InputError(
        f"the network after {after} chooses by its activations ({operation.name}), and so may differ between input "
        f"and baseline: method='integrated_gradients' works"
    )
