"""Progress of long work: a bar on a terminal, otherwise a line a minute."""

import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tqdm import tqdm

LINE_EVERY = 60.0
# Counters that are open, the time of the last line that any of them or a stage printed, and who may print now.
_open: list["Progress"] = []
_printed = [0.0]
_lock = threading.RLock()


class _Watched:
    """A context in which a thread prints a line whenever none was printed for a minute."""

    def __init__(self) -> None:
        self._ended = threading.Event()

    def _line(self) -> str:
        raise NotImplementedError

    def _watch(self) -> None:
        """Start printing a line a minute. Compiled calls, which may take many, let other threads run."""
        _printed[0] = time.monotonic()
        threading.Thread(target=self._keep_printing, daemon=True).start()

    def _keep_printing(self) -> None:
        while not self._ended.wait(max(0.1, LINE_EVERY - (time.monotonic() - _printed[0]))):
            self._print_if_due()

    def _print_if_due(self) -> None:
        with _lock:
            if time.monotonic() - _printed[0] >= LINE_EVERY and not self._ended.is_set():
                _printed[0] = time.monotonic()
                tqdm.write(self._line(), file=sys.stderr)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _lock:
            self._ended.set()


class Progress(_Watched):
    """Counts masks, or other things, on standard error.

    Parameters
    ----------
    total : int
        Number of things.
    shown : bool
        Whether anything is printed.
    things : str
        Name of the things.
    """

    def __init__(self, total: int, shown: bool, things: str = "masks"):
        super().__init__()
        self._total, self._count, self._shown, self._things = total, 0, shown, things
        self._start = time.monotonic()
        self._skipped = 0
        self._bar = tqdm(total=total, unit=f" {things}", unit_scale=True) if shown and sys.stderr.isatty() else None

    def __enter__(self) -> Self:
        if self._shown and self._bar is None:
            _open.append(self)
            self._watch()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        if self in _open:
            _open.remove(self)
        if self._bar is not None:
            self._bar.close()

    def add(self, number: int) -> None:
        """Count things as done."""
        self._count += number
        if self._bar is not None:
            self._bar.update(number)
        elif self._shown:
            self._print_if_due()

    def _line(self) -> str:
        done = f"{self._count:,} of {self._total:,} {self._things}"
        passed = time.monotonic() - self._start
        rate = (self._count - self._skipped) / passed
        if rate == 0:
            return f"{done}, {passed:,.0f} s so far"
        speed = f"{rate:,.0f} {self._things}/s" if rate >= 1 else f"{1 / rate:,.0f} s each"
        return f"{done}, {speed}, about {(self._total - self._count) / rate:,.0f} s left"

    def skip(self, number: int) -> None:
        """Count things that an earlier run finished."""
        self._count += number
        self._skipped += number
        if self._bar is not None:
            self._bar.initial += number
            self._bar.update(number)

    def say(self, line: str) -> None:
        """Print a line that belongs to the work, whether or not progress is shown."""
        tqdm.write(line, file=sys.stderr)


class Stages(_Watched):
    """Says on standard output what begins, and where there is no terminal every minute that it goes on.

    Parameters
    ----------
    shown : whether anything is printed
    """

    def __init__(self, shown: bool = True):
        super().__init__()
        self._shown, self._start = shown, time.perf_counter()
        self._stage, self._begun = "", self._start

    def __enter__(self) -> Callable[[str], None]:
        if self._shown and not sys.stderr.isatty():
            self._watch()
        return self._say

    def _say(self, stage: str) -> None:
        if self._shown:
            self._stage, self._begun = stage, time.perf_counter()
            _printed[0] = time.monotonic()
            print(f"[{self._begun - self._start:5.1f} s] {stage}", flush=True)

    def _print_if_due(self) -> None:
        # A counter knows more.
        if self._stage and not _open:
            super()._print_if_due()

    def _line(self) -> str:
        return f"{self._stage}: {time.perf_counter() - self._begun:,.0f} s so far"
