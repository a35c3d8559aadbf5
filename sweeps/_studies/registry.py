"""The registry: one entry a study, by name; the command line is one loop over it."""

from collections.abc import Callable
from importlib import import_module
from os import PathLike
from typing import Any, NamedTuple

from analysis._errors import InputError
from analysis._places import Address, Place
from sweeps._settings import Settings
from sweeps._studies.circle.settings import Circle
from sweeps._studies.relevance.settings import Relevance
from sweeps._studies.shrinking.settings import Shrinking
from sweeps._studies.sparsity.settings import Sparsity
from sweeps._studies.spiral.settings import Spiral


class Study(NamedTuple):
    """A study: a room of this package with modules ``run`` (needs JAX) and ``report`` (does not).

    Attributes
    ----------
    name : str
    settings : type
        Its settings, a dataclass.
    about : str
        What it is, in one line.
    """

    name: str
    settings: type[Settings]
    about: str

    @property
    def run(self) -> Callable[..., Any]:
        """Train, sweep and write everything measured into a run folder; imports JAX."""
        found: Callable[..., Any] = import_module(f"sweeps._studies.{self.name}.run").run
        return found

    @property
    def report(self) -> Callable[[Any], Place]:
        """Write tables, figures, numbers and the page of a run folder."""
        found: Callable[[Any], Place] = import_module(f"sweeps._studies.{self.name}.report").write
        return found


STUDIES = {
    study.name: study
    for study in (
        Study("circle", Circle, "The distribution of loss under random node removal: train, sweep, analyse, report."),
        Study(
            "shrinking",
            Shrinking,
            "Which node to remove next: brute force against first- and second-order predictions, on digits or MNIST.",
        ),
        Study(
            "sparsity",
            Sparsity,
            "How sparse a network can get: weights and nodes pruned, before and after fine-tuning, on digits or MNIST.",
        ),
        Study(
            "spiral",
            Spiral,
            "Train first, or prune first? Half of the hidden nodes removed after training or before it, on a spiral.",
        ),
        Study(
            "relevance",
            Relevance,
            "Which inputs a decision comes from: relevance by many rules, compared, and trained to lie in a region.",
        ),
    )
}


def write_report(folder: str | PathLike[str] | Address) -> Place:
    """Write tables, figures, numbers.tex and the report page of a run, a study's or a sweep's.

    Parameters
    ----------
    folder : str or path
        The run folder; ``tables``, ``figures``, ``numbers.tex`` and ``report.html`` in it are written anew.

    Returns
    -------
    pathlib.Path or Address
        The report page.

    Raises
    ------
    FileNotFoundError
        If there is no run in the folder.
    ValueError
        If the store cannot be read, or is of a study that is not registered.
    """
    from analysis import _reports, runs

    name = runs.open_run(folder).study
    if name in STUDIES:
        return STUDIES[name].report(folder)
    if name == "sweep":
        return _reports.write(folder)
    known = sorted([*STUDIES, "sweep"])
    raise InputError(f"folder must be a run of a study among {known}, got a run of {name!r} in {folder}")
