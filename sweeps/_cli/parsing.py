"""Parsing: from words to a command with its arguments, or one line that says what is wrong with them."""

import ast
import functools
import io
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Annotated, Any, Union

import tyro

from analysis._errors import InputError
from sweeps import _checks
from sweeps._cli import commands
from sweeps._cli.commands import PROG
from sweeps._config import settings as config
from sweeps._studies import registry

DESCRIPTION = """Switch nodes of a trained network off, thousands of ways at once, and see what happens.
--version prints the version; --traceback, with any command, where an error comes from."""
ABOUT_STUDIES = "One of the five studies, whole: train, sweep, analyse, report."
FLAG = re.compile(r"--\w[\w.-]*")
# What tyro says that it could not read, and how it is called here; the first that fits.
KINDS = {"[FLOAT": "numbers", "[INT": "whole numbers", "INT": "a whole number", "int()": "a whole number"}
KINDS |= {"FLOAT": "a number", "float": "a number"}
# Tyro completes no positional arguments, such as folders: the shell does, where nothing else fits.
PATHS = {
    "bash": """
_sweeps_or_paths() { _tyro_sweeps; [[ -n "${COMPREPLY[*]}" ]] || COMPREPLY=(); }
complete -o default -o filenames -F _sweeps_or_paths sweeps
""",
    "zsh": """
(( CURRENT > 2 )) && [[ $words[CURRENT] != -* ]] && _files
""",
}


def command_of(arguments: Sequence[str]) -> Callable[[], Any]:
    """Return the command with its arguments, to be called.

    The values of the file that ``run`` names are defaults of its flags.

    Raises
    ------
    InputError
        In one line, for what does not parse.
    """
    words = list(arguments) or ["--help"]
    _check_names(words)
    for before, word in zip(["", *words], words, strict=False):
        # As a path, s3://bucket would be a folder named s3: on this disk.
        if "://" in word and not _may_be_address(words[0], before, word):
            raise InputError(f"a path must be one on a disk, got {word}; in an object store only run folders may be")
    if words == ["study"]:
        words.append("--help")
    file = Path(words[1]) if words[0] == "run" and words[1:2] and words[1][:1] != "-" else None
    command = _parsed(words, file)
    # Flags may stand before the file.
    named = command.keywords.get("file")
    return command if named == file else _parsed(words, named)


def _may_be_address(command: str, before: str, word: str) -> bool:
    """Whether a word stands where a command takes a run folder."""
    return command in ("report", "explore", "export", "list") or before == "--out" or word.startswith("--out=")


def completion(shell: str) -> str:
    """Return the script that completes commands, flags, choices and paths in a shell."""
    printed = io.StringIO()
    with redirect_stdout(printed), suppress(SystemExit):
        _tyro(["--tyro-print-completion", shell])
    return printed.getvalue() + PATHS.get(shell, "")


def specification() -> dict[str, Any]:
    """Return what completion knows: ``options`` and, by name, ``subcommands``, of each of which it knows the same."""
    found: dict[str, Any] = ast.literal_eval(re.findall(r"^COMPLETION_SPEC = (.*)$", completion("bash"), re.M)[0])
    return found


def _check_names(words: Sequence[str]) -> None:
    """Raise InputError unless the command, and the study, are among those that there are."""
    named = [("command", ["study", *commands.COMMANDS])]
    if words[0] == "study":
        named.append(("study", list(registry.STUDIES)))
    for word, (what, known) in zip(words, named, strict=False):
        if not word.startswith("-"):
            _checks.one_of(what, word, known)


def _parsed(words: Sequence[str], file: Path | None) -> functools.partial[Any]:
    """Return the command with its arguments; raise InputError, in one line, for what does not parse."""
    settings = config.Configuration() if file is None else config.read(file)
    printed = io.StringIO()
    try:
        with redirect_stderr(printed):
            return _tyro(words, settings)
    except SystemExit as stopped:
        if stopped.code:
            raise InputError(_unknown(words) or _first_part(printed.getvalue())) from None
        raise


def _tyro(words: Sequence[str], settings: config.Configuration | None = None) -> functools.partial[Any]:
    """Let tyro parse words, with settings as the defaults of ``run``; what it makes of them is a call."""
    run = functools.partial(commands.run, settings=settings or config.Configuration())
    run.__doc__ = commands.run.__doc__
    studies = {name: commands.of_study(one) for name, one in registry.STUDIES.items()}

    def study(job: Any) -> Any:
        return job

    study.__doc__ = ABOUT_STUDIES
    # As if the options of a study were of the command itself.
    flat = tyro.conf.OmitSubcommandPrefixes, tyro.conf.arg(name="")
    study.__annotations__["job"] = Annotated[_any_of(_deferred(studies)), *flat]
    choices = {"study": study} | _deferred(commands.COMMANDS | {"run": run})
    return tyro.cli(_any_of(choices), prog=PROG, description=DESCRIPTION, args=words)


def _any_of(functions: Mapping[str, Callable[..., Any]]) -> Any:
    """Return the type that tyro reads as one of several commands."""
    return Union[  # noqa: UP007  of a number of types that is not known here
        tuple(Annotated[Any, tyro.conf.subcommand(name=name, constructor=one)] for name, one in functions.items())
    ]


def _deferred(functions: Mapping[str, Callable[..., Any]]) -> dict[str, Callable[..., Any]]:
    """Return functions of the same arguments that return the call, to be made once all is parsed."""

    def deferred(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def bound(*arguments: Any, **options: Any) -> functools.partial[Any]:
            return functools.partial(function, *arguments, **options)

        return bound

    return {name: deferred(one) for name, one in functions.items()}


def _unknown(words: Sequence[str]) -> str:
    """Return what is wrong with the first flag that the command does not have, or nothing."""
    names, found = [PROG], specification()
    for word in words:
        if word not in found["subcommands"]:
            break
        names.append(word)
        found = found["subcommands"][word]
    known = [flag for option in found["options"] for flag in option["flags"]]
    for word in words:
        flag = word.partition("=")[0]
        if FLAG.fullmatch(flag) and flag.replace("_", "-") not in known:
            command = " ".join(names)
            return f"{flag} is no option of {command}; {_checks.meant(flag, known) or f'see {command} --help'}"
    return ""


def _first_part(box: str) -> str:
    """Return what tyro prints below a title, up to the first rule, as one line."""
    told: list[str] = []
    for row in box.splitlines()[1:]:
        row = re.sub(r"\x1b\[[0-9;]*m", "", row).strip(" │")
        if re.search(r"\w", row):
            told.append(row)
        elif told:
            break
    line = " ".join(told) or "the arguments cannot be read"
    if missing := re.match(r"Missing from (.*?):", line):
        needed = re.findall(r"((?:--\S+ )?[A-Z]+) [^()]*\(required\)", line)
        return f"{missing[1]} needs {' and '.join(needed)}; see {missing[1]} --help"
    if unread := re.match(r"Error parsing (--\S+): (.*?)\[?('.*')\]?\.?$", line):
        wanted = next((words for mark, words in KINDS.items() if mark in unread[2]), "something else")
        return f"{unread[1]} must be {wanted}, got {unread[3]}"
    return line
