"""Statistics, tables, figures and reports from the labelled arrays of a sweep; needs no JAX.

The submodules are imported when they are first used, so that ``import analysis`` costs next to nothing.
"""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

from analysis.errors import InputError

if TYPE_CHECKING:
    from analysis import (
        best,
        density,
        explorer,
        export,
        families,
        figures,
        formatting,
        gradients,
        hypercube,
        intervals,
        layers,
        lognormal,
        paths,
        perceptron,
        plane,
        qq,
        removal,
        reports,
        runs,
        samples,
        tables,
    )

__all__ = [
    "InputError",
    "best",
    "density",
    "explorer",
    "export",
    "families",
    "figures",
    "formatting",
    "gradients",
    "hypercube",
    "intervals",
    "layers",
    "lognormal",
    "paths",
    "perceptron",
    "plane",
    "qq",
    "removal",
    "reports",
    "runs",
    "samples",
    "tables",
]


def __getattr__(name: str) -> ModuleType:
    """Import the submodule `name` when it is first asked for."""
    if name in __all__:  # but for the error, all are modules
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
