"""The command line: studies, reports and the interactive page. JAX is imported only after the arguments are parsed."""

import logging
import os
import shlex
import sys
from collections.abc import Sequence
from traceback import print_exc

import sweeps
from analysis._errors import InputError
from sweeps import _importing, _interrupting
from sweeps._cli import parsing
from sweeps._cli.commands import ANEW, PROG, command_line, next_step, print_error
from sweeps._processes import leave

# As a shell tells that a program was ended by SIGPIPE.
PIPE_CLOSED = 141


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
    else:
        # It logs a traceback of what it raises, beside the one line of ours.
        logging.getLogger("gcsfs").setLevel(logging.CRITICAL)
    command_line.set(shlex.join([PROG, *(word for word in arguments if word != "--overwrite")]))
    next_step[:] = [ANEW]
    try:
        if arguments[:1] == ["--version"]:
            print(f"gatesweep {sweeps.__version__}")
        else:
            parsing.command_of(arguments)()
        sys.stdout.flush()
    except KeyboardInterrupt:
        if is_program:
            _interrupting.leave(_stopped())
        print(_stopped(), file=sys.stderr)
        sys.exit(_interrupting.STATUS)
    except BrokenPipeError:
        # Whoever read the output has gone, as head does; what Python still wants to write goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(PIPE_CLOSED)
    except InputError as error:
        # What a user's own function raised is noted as such by sweeps._importing.
        if traceback or _importing.is_theirs(error):
            leave(error, print_exc)
            raise
        # Some messages are several lines long; the first says what is wrong, --traceback shows the rest.
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        leave(error, lambda: print_error(line))
        print_error(line)
        sys.exit(2)
    except Exception as error:
        leave(error, print_exc)
        raise


def _stopped() -> str:
    return f"{PROG}: stopped; {next_step[0]}"
