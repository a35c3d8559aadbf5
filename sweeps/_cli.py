"""The command line: studies, reports and the interactive page. JAX is imported only after the arguments are parsed."""

import functools
import io
import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from contextvars import ContextVar
from pathlib import Path
from traceback import print_exc
from typing import Annotated, Any

import tyro

from analysis._errors import InputError, NotAFolderError, UnavailableError
from sweeps import _checks, _importing, _interrupting
from sweeps._config import settings as config
from sweeps._processes import leave, supervised
from sweeps._studies import registry

PROG = "sweeps"
DESCRIPTION = """Switch nodes of a trained network off, thousands of ways at once, and see what happens."""

# The command that reproduces a run, as it is stored with the run.
_command: ContextVar[str] = ContextVar("command", default=PROG)
ANEW = "the same command again starts anew"
# What to do when the command is interrupted now; no ContextVar, since another thread reads it.
_next = [ANEW]

Out = Annotated[Path, tyro.conf.arg(help="Run folder: the store, tables, figures and report.html go there.")]
Overwrite = Annotated[bool, tyro.conf.arg(help="Remove an earlier run in that folder.")]


def _command_of_study(study: registry.Study) -> Callable[..., Any]:
    """Return the command of a study; its arguments are the study's settings and the folder."""

    def command(settings: Any, out: Path = Path("runs", study.name), overwrite: bool = False) -> None:
        _run_study(study, settings, out, overwrite)

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
    out: Annotated[Path, tyro.conf.arg(help="Run folder.")],
    overwrite: Overwrite = False,
    distributed: bool = False,
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
    start = time.perf_counter()
    settings = settings.check()
    _check_processes(distributed, coordinator, processes, process)
    _next[:] = [f"the same command{' without --overwrite' * overwrite} goes on where it stopped"]
    with _writing(out):
        pass
    if distributed:
        supervised(_print_error)
        _interrupting.listen_again()
    import jax

    if distributed:
        jax.distributed.initialize(coordinator, processes, process)

    from sweeps._config import run as configured

    first = jax.process_index() == 0

    def say(line: str) -> None:
        if first:
            print(f"[{time.perf_counter() - start:5.1f} s] {line}", flush=True)

    configured.run(settings, out, command=_command.get(), overwrite=overwrite, progress=True, say=say)
    if first:
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


def report(folder: tyro.conf.Positional[Path]) -> None:
    """Tables, figures, numbers.tex and report.html of a run, from its store alone; needs no JAX.

    Args:
        folder: A run folder.
    """
    with _made_of(folder):
        print(f"report: {registry.write_report(folder)}")


def explore(folder: tyro.conf.Positional[Path], network: int = 0) -> None:
    """The interactive page of a run, explorer.html: switch its nodes on and off in a browser; needs no JAX.

    Args:
        folder: A run folder.
        network: Number of the network, from 0, where the run has several from different seeds.
    """
    from analysis import _explorer

    with _made_of(folder):
        print(f"explorer: {_explorer.explore(folder, network=network)}")


def export(folder: tyro.conf.Positional[Path], out: Path | None = None) -> None:
    """A run's store as one netCDF file, run.nc, and its sweeps as CSV files; needs no JAX.

    Args:
        folder: A run folder.
        out: Where to; the run folder itself by default.
    """
    from analysis import export as exports

    target = folder if out is None else out
    with _made_of(folder) if out is None else _writing(out):
        for path in (exports.to_netcdf(folder, target / "run.nc"), *exports.to_csv(folder, target / "csv")):
            print(f"export: {path}")


COMMANDS: dict[str, Callable[..., Any]] = {
    **{f"study {name}": _command_of_study(study) for name, study in registry.STUDIES.items()},
    "run": run,
    "report": report,
    "explore": explore,
    "export": export,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line.

    Exits with status 2 and one line on standard error when the input is bad, and with 130 and one line when it is
    interrupted. Whatever else goes wrong, in this library or in a user's own function, keeps its traceback.
    """
    is_program = arguments is None
    if is_program:
        _interrupting.listen(_stopped)
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    traceback = "--traceback" in arguments
    if traceback:
        arguments.remove("--traceback")
    _command.set(shlex.join([PROG, *(word for word in arguments if word != "--overwrite")]))
    _next[:] = [ANEW]
    try:
        _command_of(_joined_names(arguments))()
    except KeyboardInterrupt:
        if is_program:
            _interrupting.leave(_stopped())
        print(_stopped(), file=sys.stderr)
        sys.exit(_interrupting.STATUS)
    except InputError as error:
        # What a user's own function raised is noted as such by sweeps._importing.
        if traceback or _importing.is_theirs(error):
            leave(error, print_exc)
            raise
        # Some messages are several lines long; the first says what is wrong, --traceback shows the rest.
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        leave(error, lambda: _print_error(line))
        _print_error(line)
        sys.exit(2)
    except Exception as error:
        leave(error, print_exc)
        raise


def _print_error(line: str) -> None:
    print(f"{PROG}: error: {line}", file=sys.stderr, flush=True)


def _stopped() -> str:
    return f"{PROG}: stopped; {_next[0]}"


def _command_of(arguments: list[str]) -> Callable[[], Any]:
    """Return the command with its arguments; the values of the file that ``run`` names are defaults of its flags."""
    file = Path(arguments[1]) if arguments[0] == "run" and arguments[1:2] and arguments[1][:1] != "-" else None
    command = _parsed(arguments, file)
    # Flags may stand before the file.
    named = command.keywords.get("file")
    return command if named == file else _parsed(arguments, named)


def _parsed(arguments: list[str], file: Path | None) -> functools.partial[Any]:
    """Return the command with its arguments; raise InputError, in one line, for what does not parse."""
    settings = config.Configuration() if file is None else config.read(file)
    with_defaults = functools.partial(run, settings=settings)
    with_defaults.__doc__ = run.__doc__
    commands = COMMANDS | {"run": with_defaults}
    printed = io.StringIO()
    try:
        with redirect_stderr(printed):
            return tyro.extras.subcommand_cli_from_dict(
                {name: _deferred(function) for name, function in commands.items()},
                prog=PROG,
                description=DESCRIPTION,
                args=arguments,
                config=(tyro.conf.FlagCreatePairsOff,),
            )
    except SystemExit as stopped:
        if stopped.code:
            raise InputError(_first_part(printed.getvalue())) from None
        raise


def _deferred(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of the same arguments that returns the call, to be made once all is parsed."""

    @functools.wraps(function)
    def bound(*arguments: Any, **options: Any) -> functools.partial[Any]:
        return functools.partial(function, *arguments, **options)

    return bound


def _first_part(box: str) -> str:
    """Return what tyro prints below a title, up to the first rule, as one line."""
    told: list[str] = []
    for row in box.splitlines()[1:]:
        row = re.sub(r"\x1b\[[0-9;]*m", "", row).strip(" │")
        if re.search(r"\w", row):
            told.append(row)
        elif told:
            break
    return " ".join(told) or "the arguments cannot be read"


def _joined_names(arguments: list[str]) -> list[str]:
    """Check the command and the study by name and make one word of them, as they stand in COMMANDS."""
    commands = dict.fromkeys(name.split()[0] for name in COMMANDS)
    if not arguments or arguments[0].startswith("-"):
        return arguments or ["--help"]
    if arguments[0] not in commands:
        raise InputError(f"command must be one of {', '.join(commands)}, got {arguments[0]!r}")
    if arguments[0] != "study":
        return arguments
    if len(arguments) < 2 or arguments[1] in ("-h", "--help"):
        return ["--help"]
    if arguments[1] not in registry.STUDIES:
        raise InputError(f"study must be one of {', '.join(registry.STUDIES)}, got {arguments[1]!r}")
    return [" ".join(arguments[:2]), *arguments[2:]]


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Raise, in one line, where a folder cannot be written: before the block, and for what the system says in it."""
    from sweeps._store import disk

    with disk.writing(folder):
        place = folder.absolute()
        while not place.exists():
            place = place.parent
        if not place.is_dir():
            raise NotAFolderError(f"the output folder {folder} cannot be made: {place} is a file")
        if not os.access(place, os.W_OK | os.X_OK):
            raise UnavailableError(f"{folder} cannot be written: {place} does not let you")
        yield


@contextmanager
def _made_of(folder: Path) -> Iterator[None]:
    """As _writing, for what is made of a run; that there is no such folder is for the block to say."""
    from sweeps._store import disk

    with _writing(folder) if folder.is_dir() else disk.writing(folder):
        yield


def _run_study(study: registry.Study, settings: Any, out: Path, overwrite: bool) -> None:
    start = time.perf_counter()
    from sweeps._store.folder import check_folder

    # Before JAX is imported and anything computed: nothing is worse than a refusal after the work.
    settings = settings.check()
    with _writing(out):
        check_folder(out, overwrite)

    def say(line: str) -> None:
        print(f"[{time.perf_counter() - start:5.1f} s] {line}", flush=True)

    # What a study has finished by then is in the way of the next.
    _next[:] = [ANEW if overwrite else "the same command with --overwrite starts anew"]
    study.run(settings, out, command=_command.get(), overwrite=overwrite, progress=True, say=say)
    _next[:] = [f"all is measured, and {shlex.join([PROG, 'report', str(out)])} goes on"]
    say("drawing figures and writing the report")
    with _writing(out):
        page = registry.write_report(out)
    say(f"done: {page}")


if __name__ == "__main__":
    main()
