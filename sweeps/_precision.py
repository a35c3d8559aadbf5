"""Precision: whether a function computes with less than float32."""

import re
from collections.abc import Callable
from typing import Any

import jax


def is_narrow(function: Callable[..., Any], *arguments: Any) -> bool:
    """Whether a function computes with floats of less than 32 bits anywhere; it is traced, not run."""
    return re.search(r"f(16|8_\w+)\[", str(jax.make_jaxpr(function)(*arguments))) is not None
