"""Several processes of one run: how they wait for each other, and how one ends when another is gone."""

import ctypes
import os
import re
import signal
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from analysis.errors import InputError

# What the coordination service of JAX writes when a process is gone: first lines like this one, then a C++ stack.
LOST = re.compile(rb"[EF]\d{4} [\d:.]+ +\d+ (coordination_service|preemption_sync|client|service)\S*:\d+\] ")
# Status of a process that ends since another one did: EX_TEMPFAIL, as another try goes on.
STATUS = 75
GONE = "another process of this run has stopped; start the same command again in all of them: what is finished is kept"


# Whether this process is the child of one that passes on what it says.
_is_child = False


class LostError(InputError):
    """Another process of the run is gone."""


def wait_for_all(stage: str) -> None:
    """Wait until every process has come to a stage; raise LostError if one is gone."""
    import jax
    from jax.experimental import multihost_utils

    if jax.process_count() > 1:
        _together(lambda: multihost_utils.sync_global_devices(stage))


def agreed(mine: bool) -> bool:
    """Return what the first process found: files may change before another one looks."""
    import jax
    from jax.experimental import multihost_utils

    if jax.process_count() == 1:
        return mine
    return bool(_together(lambda: multihost_utils.broadcast_one_to_all(np.asarray(mine))))


def _together(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except (RuntimeError, ValueError) as error:
        # JAX has no class of its own for a connection that broke.
        raise LostError(GONE) from error


def supervised(say: Callable[[str], None]) -> None:
    """Go on in a child process; this one passes on what it says, and its status, and never returns. On POSIX systems.

    When a process is gone, JAX's coordination service aborts the others out of compiled code, with a C++ stack, and
    nothing within them can keep it from doing so. To be called before JAX is imported.

    Parameters
    ----------
    say : callable
        Called with the line to print, where the child was aborted since another process is gone.
    """
    global _is_child
    if os.name != "posix":
        return
    sys.stdout.flush()
    sys.stderr.flush()
    reader, writer = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.dup2(writer, 2)
        os.close(writer)
        _die_with(parent)
        _is_child = True
        return
    os.close(writer)
    # Ctrl-C reaches the child by itself, as one of the terminal's processes.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: os.kill(child, number))
    is_lost, held = _passed_on(reader)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status == STATUS or (is_lost and status == -signal.SIGABRT):
        say(GONE)
        os._exit(STATUS)
    os.write(2, held)
    os._exit(status if status >= 0 else 128 - status)


def _die_with(parent: int) -> None:
    """Let this process be killed when its parent is, on Linux: nobody would wait for it any more."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os._exit(1)


def _passed_on(reader: int) -> tuple[bool, bytes]:
    """Pass on what a child says until it ends; hold back all that follows word of another process that is gone."""
    held, is_lost = b"", False
    with os.fdopen(reader, "rb", buffering=0) as said:
        rest = b""
        while part := said.read(2**16):
            *rows, rest = (rest + part).split(b"\n")
            for row in rows:
                is_lost = is_lost or LOST.match(row) is not None
                if is_lost:
                    held += row + b"\n"
                else:
                    os.write(2, row + b"\n")
    return is_lost, held + rest


def leave(error: BaseException, shown: Callable[[], None]) -> None:
    """End at once if this is one of several processes: an orderly end would wait for those that are gone.

    Parameters
    ----------
    error : BaseException
        Why it ends.
    shown : callable
        Prints the error; left out where the parent says that another process is gone.
    """
    if not _is_child:
        return
    is_lost = isinstance(error, LostError)
    if not is_lost:
        shown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(STATUS if is_lost else 2 if isinstance(error, InputError) else 1)
