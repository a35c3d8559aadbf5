"""Interruption: Ctrl-C ends the program with a single line, at any time."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

# The line of this process, for processes that are forked from it.
_line: list[Callable[[], str]] = []
# Seconds for an orderly end.
PATIENCE = 3.0
STATUS = 130


def listen(line: Callable[[], str]) -> None:
    """Let Ctrl-C raise KeyboardInterrupt, or end the program where that has no effect; on POSIX systems.

    Python drops exceptions in callbacks of the garbage collector, of which JAX has some; long calls into compiled code
    receive no exception; and jaxlib aborts when its import is interrupted. Runs survive being killed, and so an
    immediate end loses nothing more.

    Parameters
    ----------
    line : callable
        Returns the line to print.
    """
    if os.name != "posix" or threading.current_thread() is not threading.main_thread():
        return
    _line[:] = [line]
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def hear(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if _imports_jax(frame):
            leave(line())
        raise KeyboardInterrupt

    def watch() -> None:
        # The system writes the numbers of signals to this pipe even while no Python code runs.
        while os.read(reader, 1) != bytes([signal.SIGINT]):
            pass
        time.sleep(PATIENCE)
        leave(line())

    ignored = sys.unraisablehook

    def dropped(what: Any) -> None:
        if issubclass(what.exc_type, KeyboardInterrupt):
            leave(line())
        ignored(what)

    sys.unraisablehook = dropped
    signal.signal(signal.SIGINT, hear)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=watch, daemon=True).start()


def listen_again() -> None:
    """Listen in a forked process, to which the parent's listening thread was not copied."""
    for line in _line[:1]:
        listen(line)


def leave(line: str) -> NoReturn:
    """Print a line and end at once, since running compiled code would crash an orderly end."""
    sys.stdout.flush()
    os.write(2, f"{line}\n".encode())
    os._exit(STATUS)


def _imports_jax(frame: FrameType | None) -> bool:
    while frame is not None:
        package = str(frame.f_globals.get("__name__")).partition(".")[0]
        if frame.f_code.co_name == "<module>" and package in ("jax", "jaxlib"):
            return True
        frame = frame.f_back
    return False
