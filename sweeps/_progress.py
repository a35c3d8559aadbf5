"""Progress of long work: a bar on a terminal, otherwise a line a minute."""

import sys
import time
from types import TracebackType

from tqdm import tqdm

LINE_EVERY = 60.0


class Progress:
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
        self._total, self._count, self._shown, self._things = total, 0, shown, things
        self._start = self._last = time.monotonic()
        self._skipped = 0
        self._bar = tqdm(total=total, unit=f" {things}", unit_scale=True) if shown and sys.stderr.isatty() else None

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def add(self, number: int) -> None:
        """Count things as done."""
        self._count += number
        if self._bar is not None:
            self._bar.update(number)
        elif self._shown and time.monotonic() - self._last >= LINE_EVERY:
            self._last = time.monotonic()
            self.say(self._line())

    def _line(self) -> str:
        done = f"{self._count:,} of {self._total:,} {self._things}"
        rate = (self._count - self._skipped) / (self._last - self._start)
        if rate == 0:
            return done
        return f"{done}, {rate:,.0f} {self._things}/s, about {(self._total - self._count) / rate:,.0f} s left"

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
