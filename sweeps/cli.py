"""The command line: studies, reports and the interactive page. JAX is imported only after the arguments are parsed."""

import functools
import inspect
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any

import tyro

from analysis.errors import InputError
from sweeps import config
from sweeps.studies import settings as studies

PROG = "sweeps"
DESCRIPTION = """Switch nodes of a trained network off, thousands of ways at once, and see what happens."""

# The command that reproduces a run, as it is stored with the run.
_command: ContextVar[str] = ContextVar("command", default=PROG)

Out = Annotated[Path, tyro.conf.arg(help="Run folder: the store, tables, figures and report.html go there.")]
Overwrite = Annotated[bool, tyro.conf.arg(help="Remove an earlier run in that folder.")]


def circle(
    settings: tyro.conf.OmitArgPrefixes[studies.Circle],
    out: Out = Path("runs/circle"),
    overwrite: Overwrite = False,
) -> None:
    """The distribution of loss under random node removal: train, sweep, analyse, report."""
    _study("circle", settings, out, overwrite)


def shrinking(
    settings: tyro.conf.OmitArgPrefixes[studies.Shrinking],
    out: Out = Path("runs/shrinking"),
    overwrite: Overwrite = False,
) -> None:
    """Which node to remove next: brute force against first- and second-order predictions, on digits or MNIST."""
    _study("shrinking", settings, out, overwrite)


def sparsity(
    settings: tyro.conf.OmitArgPrefixes[studies.Sparsity],
    out: Out = Path("runs/sparsity"),
    overwrite: Overwrite = False,
) -> None:
    """How sparse a network can get: weights and units pruned, before and after fine-tuning, on digits or MNIST."""
    _study("sparsity", settings, out, overwrite)


def spiral(
    settings: tyro.conf.OmitArgPrefixes[studies.Spiral],
    out: Out = Path("runs/spiral"),
    overwrite: Overwrite = False,
) -> None:
    """Train first, or prune first? Half of the hidden nodes removed after training or before it, on a spiral."""
    _study("spiral", settings, out, overwrite)


def relevance(
    settings: tyro.conf.OmitArgPrefixes[studies.Relevance],
    out: Out = Path("runs/relevance"),
    overwrite: Overwrite = False,
) -> None:
    """Which inputs a decision comes from: relevance by many rules, compared, and trained to lie in a region."""
    _study("relevance", settings, out, overwrite)


def run(
    file: tyro.conf.Positional[Path],
    settings: Annotated[config.Sweep, tyro.conf.arg(name="")],
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
    if distributed:
        import jax

        jax.distributed.initialize(coordinator, processes, process)
    import jax

    from analysis import reports
    from sweeps.studies import configured

    first = jax.process_index() == 0

    def say(line: str) -> None:
        if first:
            print(f"[{time.perf_counter() - start:5.1f} s] {line}", flush=True)

    configured.run(settings, out, command=_command.get(), overwrite=overwrite, progress=True, say=say)
    if first:
        say(f"done: {reports.write(out)}")


def report(folder: tyro.conf.Positional[Path]) -> None:
    """Tables, figures, numbers.tex and report.html of a run, from its store alone; needs no JAX.

    Args:
        folder: A run folder.
    """
    from analysis import reports

    print(f"report: {reports.write(folder)}")


def explore(folder: tyro.conf.Positional[Path]) -> None:
    """The interactive page of a run, explorer.html: switch its nodes on and off in a browser; needs no JAX.

    Args:
        folder: A run folder.
    """
    from analysis import explorer

    print(f"explorer: {explorer.write(folder)}")


def export(folder: tyro.conf.Positional[Path], out: Path | None = None) -> None:
    """A run's store as one netCDF file, run.nc, and its sweeps as CSV files; needs no JAX.

    Args:
        folder: A run folder.
        out: Where to; the run folder itself by default.
    """
    from analysis import export as exports

    target = folder if out is None else out
    for path in (exports.to_netcdf(folder, target / "run.nc"), *exports.to_csv(folder, target / "csv")):
        print(f"export: {path}")


COMMANDS: dict[str, Callable[..., Any]] = {
    "study circle": circle,
    "study shrinking": shrinking,
    "study sparsity": sparsity,
    "study spiral": spiral,
    "study relevance": relevance,
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
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    traceback = "--traceback" in arguments
    if traceback:
        arguments.remove("--traceback")
    _command.set(shlex.join([PROG, *(word for word in arguments if word != "--overwrite")]))
    try:
        arguments = _joined_names(arguments)
        tyro.extras.subcommand_cli_from_dict(
            _with_file(arguments),
            prog=PROG,
            description=DESCRIPTION,
            args=arguments,
            config=(tyro.conf.FlagCreatePairsOff,),
        )
    except KeyboardInterrupt:
        print(f"{PROG}: stopped; {_what_next(arguments)}", file=sys.stderr)
        sys.exit(130)
    except InputError as error:
        if traceback:
            raise
        # Some messages are several lines long; the first says what is wrong, --traceback shows the rest.
        print(f"{PROG}: error: {(str(error).splitlines() or [type(error).__name__])[0]}", file=sys.stderr)
        sys.exit(2)


def _what_next(arguments: list[str]) -> str:
    """What to do after an interruption, in words."""
    if arguments[:1] == ["run"]:
        return "the same command again goes on where it stopped"
    return "the same command again starts anew"


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
    if arguments[1] not in studies.STUDIES:
        raise InputError(f"study must be one of {', '.join(studies.STUDIES)}, got {arguments[1]!r}")
    return [" ".join(arguments[:2]), *arguments[2:]]


def _with_file(arguments: list[str]) -> dict[str, Callable[..., Any]]:
    """Commands with the values of the configuration file, if one is named, as the defaults of ``run``."""
    files = [word for word in arguments[1:2] if arguments[0] == "run" and not word.startswith("-")]
    settings = config.read(Path(files[0])) if files else config.Sweep()

    @functools.wraps(run)
    def run_with_defaults(**values: Any) -> None:
        run(**values)

    signature = inspect.signature(run)
    parameters = [
        one.replace(default=settings, kind=one.KEYWORD_ONLY)
        if one.name == "settings"
        else one.replace(kind=one.KEYWORD_ONLY)
        for one in signature.parameters.values()
    ]
    run_with_defaults.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return COMMANDS | {"run": run_with_defaults}


def _study(name: str, settings: Any, out: Path, overwrite: bool) -> None:
    start = time.perf_counter()
    from importlib import import_module

    from analysis import reports
    from sweeps.store import check_folder

    # Before JAX is imported and anything computed: nothing is worse than a refusal after the work.
    settings.check()
    check_folder(out, overwrite)

    def say(line: str) -> None:
        print(f"[{time.perf_counter() - start:5.1f} s] {line}", flush=True)

    study = import_module(f"sweeps.studies.{name}")
    study.run(settings, out, command=_command.get(), overwrite=overwrite, progress=True, say=say)
    say("drawing figures and writing the report")
    page = reports.write(out)
    say(f"done: {page}")


if __name__ == "__main__":
    main()
