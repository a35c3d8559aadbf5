"""Processes of a distributed run: they wait for each other, and end when another has stopped."""

import ctypes
import os
import re
import signal
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from analysis._errors import InputError

# JAX's coordination service writes lines like this when a process has stopped, and then a C++ stack.
LOST = re.compile(rb"[EF]\d{4} [\d:.]+ +\d+ (coordination_service|preemption_sync|client|service)\S*:\d+\] ")
# Exit status of a process that ends because another has stopped: EX_TEMPFAIL, as a new start continues.
STATUS = 75
GONE = "another process of this run has stopped; start the same command again in all of them: what is finished is kept"


# Whether this process is a child whose parent forwards its output.
_is_child = False


class LostError(InputError):
    """Another process of the run has stopped."""


def wait_for_all(stage: str) -> None:
    """Wait until every process has reached a stage; raise LostError if a process has stopped."""
    import jax
    from jax.experimental import multihost_utils

    if jax.process_count() > 1:
        _together(lambda: multihost_utils.sync_global_devices(stage))


def agreed(mine: bool) -> bool:
    """Return the answer of the first process, as files may change before others read them."""
    import jax
    from jax.experimental import multihost_utils

    if jax.process_count() == 1:
        return mine
    return bool(_together(lambda: multihost_utils.broadcast_one_to_all(np.asarray(mine))))


def _together(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except (RuntimeError, ValueError) as error:
        # JAX has no exception class for a broken connection.
        raise LostError(GONE) from error


def supervised(say: Callable[[str], None]) -> None:
    """Continue in a child process on POSIX systems; the parent forwards its output and status, and never returns.

    When a process stops, JAX's coordination service aborts the others with a C++ stack, which they cannot prevent. Call
    this before importing JAX.

    Parameters
    ----------
    say : callable
        Called with the line to print, if the child was aborted because another process has stopped.
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
    # The terminal sends Ctrl-C to the child, too.
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
    """On Linux, let this process be killed when its parent is."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os._exit(1)


def _passed_on(reader: int) -> tuple[bool, bytes]:
    """Forward a child's output until it ends; hold back all that follows the news of a stopped process."""
    held, is_lost = b"", False
    with os.fdopen(reader, "rb", buffering=0) as output:
        rest = b""
        while part := output.read(2**16):
            *rows, rest = (rest + part).split(b"\n")
            for row in rows:
                is_lost = is_lost or LOST.match(row) is not None
                if is_lost:
                    held += row + b"\n"
                else:
                    os.write(2, row + b"\n")
    return is_lost, held + rest


def leave(error: BaseException, shown: Callable[[], None]) -> None:
    """End at once in a supervised process: an orderly end would wait for processes that have stopped.

    Parameters
    ----------
    error : BaseException
        The reason.
    shown : callable
        Prints the error; not called if another process has stopped, as the parent reports that.
    """
    if not _is_child:
        return
    is_lost = isinstance(error, LostError)
    if not is_lost:
        shown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(STATUS if is_lost else 2 if isinstance(error, InputError) else 1)
