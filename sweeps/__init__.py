"""Sweeps over node gates: tasks, networks, objectives, designs and the engine that runs them.

Names are imported on first use, so that ``sweeps --help`` and ``sweeps report`` need no JAX.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from analysis.errors import InputError

__version__ = "0.1.0"

_HOMES = {
    "MLP": "networks",
    "Batch": "tasks",
    "MaskedBatch": "examples",
    "Task": "tasks",
    "train": "training",
    "Objective": "objective",
    "Evaluation": "objective",
    "Bernoulli": "masks.designs",
    "FixedSize": "masks.designs",
    "FlipPaths": "masks.designs",
    "Hypercube": "masks.designs",
    "LeaveOneOut": "masks.designs",
    "Masks": "masks.designs",
    "sweep": "engine.runner",
}
_MODULES = (
    "tasks",
    "networks",
    "training",
    "gating",
    "losses",
    "objective",
    "plans",
    "pruning",
    "masks",
    "engine",
    "ranking",
    "relevance",
    "store",
)

__all__ = ["InputError", *_HOMES, *_MODULES]

if TYPE_CHECKING:
    from sweeps.engine.runner import sweep
    from sweeps.examples import MaskedBatch
    from sweeps.masks.designs import Bernoulli, FixedSize, FlipPaths, Hypercube, LeaveOneOut, Masks
    from sweeps.networks import MLP
    from sweeps.objective import Evaluation, Objective
    from sweeps.tasks import Batch, Task
    from sweeps.training import train


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"sweeps.{_HOMES[name]}"), name)
    if name in _MODULES:
        return import_module(f"sweeps.{name}")
    raise AttributeError(f"module 'sweeps' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
