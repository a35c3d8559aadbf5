"""The command line: studies and reports. JAX is imported only after the arguments are parsed."""

import shlex
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from sweeps import config

PROG = "sweeps"
DESCRIPTION = """Switch nodes of a trained network off, thousands of ways at once, and see what happens."""

Out = Annotated[Path, tyro.conf.arg(help="Run folder: the store, tables, figures and report.html go there.")]
Overwrite = Annotated[bool, tyro.conf.arg(help="Remove an earlier run in that folder.")]


def circle(
    settings: tyro.conf.OmitArgPrefixes[config.Circle],
    out: Out = Path("runs/circle"),
    overwrite: Overwrite = False,
) -> None:
    """The distribution of loss under random node removal: train, sweep, analyse, report."""
    _study("circle", settings, out, overwrite)


def report(folder: tyro.conf.Positional[Path]) -> None:
    """Tables, figures, numbers.tex and report.html of a run, from its store alone; needs no JAX.

    Args:
        folder: A run folder.
    """
    from analysis import reports

    print(f"report: {reports.write(folder)}")


COMMANDS: dict[str, Callable[..., Any]] = {"study circle": circle, "report": report}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; exits with status 2 and one line on standard error when the input is bad."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    traceback = "--traceback" in arguments
    if traceback:
        arguments.remove("--traceback")
    try:
        arguments = _joined_names(arguments)
        tyro.extras.subcommand_cli_from_dict(
            COMMANDS,
            prog=PROG,
            description=DESCRIPTION,
            args=arguments,
            config=(tyro.conf.FlagCreatePairsOff,),
        )
    except KeyboardInterrupt:
        sys.exit(130)
    except (ValueError, TypeError, OSError, ArithmeticError) as error:
        if traceback:
            raise
        # Some messages are several lines long; the first says what is wrong, --traceback shows the rest.
        print(f"{PROG}: error: {str(error).splitlines()[0]}", file=sys.stderr)
        sys.exit(2)


def _joined_names(arguments: list[str]) -> list[str]:
    """Check the command and the study by name and make one word of them, as they stand in COMMANDS."""
    commands = dict.fromkeys(name.split()[0] for name in COMMANDS)
    if not arguments or arguments[0].startswith("-"):
        return arguments or ["--help"]
    if arguments[0] not in commands:
        raise ValueError(f"command must be one of {', '.join(commands)}, got {arguments[0]!r}")
    if arguments[0] != "study":
        return arguments
    if len(arguments) < 2 or arguments[1] in ("-h", "--help"):
        return ["--help"]
    if arguments[1] not in config.STUDIES:
        raise ValueError(f"study must be one of {', '.join(config.STUDIES)}, got {arguments[1]!r}")
    return [" ".join(arguments[:2]), *arguments[2:]]


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
    command = shlex.join([PROG, "study", name, *_flags(settings)])
    study.run(settings, out, command=command, overwrite=overwrite, progress=True, say=say)
    say("drawing figures and writing the report")
    page = reports.write(out)
    say(f"done: {page}")


def _flags(settings: Any) -> list[str]:
    """Flags that differ from the defaults, so that the recorded command reproduces the run."""
    flags: list[str] = []
    default = type(settings)()
    for field in settings.__dataclass_fields__:
        value = getattr(settings, field)
        if value != getattr(default, field):
            values = value if isinstance(value, tuple) else (value,)
            flags += [f"--{field.replace('_', '-')}", *map(str, values)]
    return flags


if __name__ == "__main__":
    main()
