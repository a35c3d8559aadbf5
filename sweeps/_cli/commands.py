"""The commands: what each does with its arguments. JAX is imported only where it is needed."""

import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from analysis._errors import InputError, NotAFolderError, UnavailableError
from analysis._places import Address, Place, place_of
from sweeps import _checks, _interrupting
from sweeps._config import settings as config
from sweeps._processes import supervised
from sweeps._progress import Stages
from sweeps._studies import registry

PROG = "sweeps"

# The command that reproduces a run, as it is stored with the run.
command_line: ContextVar[str] = ContextVar("command", default=PROG)
ANEW = "the same command again starts anew"
# What to do when the command is interrupted now; no ContextVar, since another thread reads it.
next_step = [ANEW]


def _typed(words: list[str]) -> Path | str:
    return words[0] if "://" in words[0] else Path(words[0])


def _place(name: str, value: Path | str | Address) -> Place:
    """Return the run folder that was typed; raise InputError, not to tyro, for an address that cannot be one."""
    return value if isinstance(value, Path) else place_of(name, value)


# As a path an address would lose one of its slashes.
RunFolder = Annotated[
    Path | str | Address,
    tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="PATH",
        instance_from_str=_typed,
        is_instance=lambda value: isinstance(value, Path | str),
        str_from_instance=lambda value: [str(value)],
    ),
]
Out = Annotated[
    RunFolder,
    tyro.conf.arg(help="Run folder, or its address, such as s3://bucket/run: the store, tables and figures go there."),
]
# Flags of commands stand alone; those of settings, which a file may set, have an opposite.
Flag = tyro.conf.FlagCreatePairsOff[bool]
Overwrite = Annotated[Flag, tyro.conf.arg(help="Remove an earlier run in that folder.")]


def of_study(study: registry.Study) -> Callable[..., Any]:
    """Return the command of a study; its arguments are the study's settings and the folder."""

    def command(settings: Any, out: Path | str = Path("runs", study.name), overwrite: bool = False) -> None:
        _run_study(study, settings, _place("--out", out), overwrite)

    command.__annotations__ = {
        "settings": Annotated[study.settings, tyro.conf.OmitArgPrefixes],
        "out": Out,
        "overwrite": Overwrite,
    }
    command.__doc__ = study.about
    return command


def run(
    *,
    file: tyro.conf.Positional[Path],
    settings: Annotated[config.Configuration, tyro.conf.arg(name="")],
    out: Out,
    overwrite: Overwrite = False,
    distributed: Flag = False,
    coordinator: str | None = None,
    processes: int | None = None,
    process: int | None = None,
) -> None:
    """A sweep from a TOML file; the same command again goes on where it was stopped.

    Args:
        file: TOML file with tables task, network, training and sweep; flags override it.
        distributed: One of several processes; Slurm, Open MPI, GKE and TPU pods are detected.
        coordinator: Address host:port of process 0, where no cluster is detected.
        processes: Number of processes, where no cluster is detected.
        process: Number of this process, where no cluster is detected.
    """
    settings = settings.check()
    out = _place("--out", out)
    if distributed and isinstance(out, Address):
        raise InputError(f"--out must be on a disk that all processes reach, or --distributed be left out, got {out}")
    _check_processes(distributed, coordinator, processes, process)
    next_step[:] = [f"the same command{' without --overwrite' * overwrite} goes on where it stopped"]
    with _writing(out):
        pass
    if distributed:
        supervised(print_error)
        _interrupting.listen_again()
    import jax

    if distributed:
        jax.distributed.initialize(coordinator, processes, process)

    from sweeps._config import run as configured

    first = jax.process_index() == 0
    with Stages(shown=first) as say:
        configured.run(settings, out, command=command_line.get(), overwrite=overwrite, progress=True, say=say)
        if first:
            _write_report(out, say)


def _write_report(out: Place, say: Callable[[str], None]) -> None:
    say("drawing figures and writing the report")
    with _writing(out):
        page = registry.write_report(out)
    say(f"done: {page}")


def _check_processes(distributed: bool, coordinator: str | None, processes: int | None, process: int | None) -> None:
    """Raise InputError unless the options of several processes go together."""
    given = {
        f"--{name}": value
        for name, value in dict(coordinator=coordinator, processes=processes, process=process).items()
        if value is not None
    }
    if given and not distributed:
        raise InputError(f"{', '.join(given)} must be left out without --distributed")
    if len(given) in (1, 2):
        raise InputError(f"--coordinator, --processes and --process go together, got {', '.join(given)} only")
    if given:
        _checks.whole("--process", process, 0, _checks.whole("--processes", processes, 1) - 1)
        if not re.fullmatch(r".+:[0-9]{1,5}", str(coordinator)):
            raise InputError(f"--coordinator must be host:port, got {coordinator!r}")


def report(folder: tyro.conf.Positional[RunFolder]) -> None:
    """Tables, figures, numbers.tex and report.html of a run, from its store alone; needs no JAX.

    Args:
        folder: A run folder.
    """
    folder = _place("folder", folder)
    with _made_of(folder):
        print(f"report: {registry.write_report(folder)}")


def explore(folder: tyro.conf.Positional[RunFolder], network: int = 0) -> None:
    """The interactive page of a run, explorer.html: switch its nodes on and off in a browser; needs no JAX.

    Args:
        folder: A run folder.
        network: Number of the network, from 0, where the run has several from different seeds.
    """
    from analysis import _explorer

    folder = _place("folder", folder)
    with _made_of(folder):
        print(f"explorer: {_explorer.explore(folder, network=network)}")


def export(folder: tyro.conf.Positional[RunFolder], out: RunFolder | None = None) -> None:
    """A run's store as one netCDF file, run.nc, and its sweeps as CSV files; needs no JAX.

    Args:
        folder: A run folder.
        out: Where to, a folder or an address; the run folder itself by default.
    """
    from analysis import export as exports

    folder = _place("folder", folder)
    target = folder if out is None else _place("--out", out)
    with _made_of(folder) if out is None else _writing(target):
        for path in (exports.to_netcdf(folder, out=target / "run.nc"), *exports.to_csv(folder, out=target / "csv")):
            print(f"export: {path}")


def list_runs(
    folder: tyro.conf.Positional[RunFolder] = Path("runs"),
    json: Annotated[Flag, tyro.conf.arg(help="Print JSON, with more of each run.")] = False,
) -> None:
    """The runs below a folder: what they hold, whether they are finished, when they were written; needs no JAX.

    Args:
        folder: Where the run folders are, or the address of where they are.
    """
    from sweeps._cli import listing

    folder = _place("folder", folder)
    found = listing.rows(folder)
    print(listing.to_json(found) if json else listing.table(found, folder) if found else f"no runs below {folder}")


def completion(shell: tyro.conf.Positional[Literal["bash", "zsh", "fish"]]) -> None:
    """A script that completes the commands and flags of sweeps in your shell.

    Args:
        shell: The shell.
    """
    from sweeps._cli import parsing

    print(parsing.completion(shell))


#: All commands but ``study``, which has one for each study.
COMMANDS: dict[str, Callable[..., Any]] = {
    "run": run,
    "report": report,
    "explore": explore,
    "export": export,
    "list": list_runs,
    "completion": completion,
}


def print_error(line: str) -> None:
    """Print one line on standard error."""
    print(f"{PROG}: error: {line}", file=sys.stderr, flush=True)


@contextmanager
def _writing(folder: Place) -> Iterator[None]:
    """Raise, in one line, where a folder cannot be written: before the block, and for what the system says in it."""
    from sweeps._store import disk

    with disk.writing(folder):
        if isinstance(folder, Path):
            _check_writable(folder)
        yield


def _check_writable(folder: Path) -> None:
    """Raise unless a folder is there, or can be made, and lets this user write."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        raise NotAFolderError(f"the output folder {folder} cannot be made: {place} is a file")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UnavailableError(f"{folder} cannot be written: {place} does not let you")


@contextmanager
def _made_of(folder: Place) -> Iterator[None]:
    """As _writing, for what is made of a run; that there is no such folder is for the block to say."""
    from sweeps._store import disk

    with _writing(folder) if folder.is_dir() else disk.writing(folder):
        yield


def _run_study(study: registry.Study, settings: Any, out: Place, overwrite: bool) -> None:
    from sweeps._store.disk import reserved
    from sweeps._store.folder import check_folder

    with Stages() as say, reserved(out):
        # Before JAX is imported and anything computed: nothing is worse than a refusal after the work.
        settings = settings.check()
        with _writing(out):
            check_folder(out, overwrite)
        # What a study has finished by then is in the way of the next.
        next_step[:] = [ANEW if overwrite else "the same command with --overwrite starts anew"]
        study.run(settings, out, command=command_line.get(), overwrite=overwrite, progress=True, say=say)
        next_step[:] = [f"all is measured, and {shlex.join([PROG, 'report', str(out)])} goes on"]
        _write_report(out, say)
