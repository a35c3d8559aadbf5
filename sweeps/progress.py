"""Progress of long work: a bar on a terminal, otherwise a line a minute."""

import sys
import time
from types import TracebackType

from tqdm import tqdm

LINE_EVERY = 60.0


class Progress:
    """Counts masks on standard error.

    Parameters
    ----------
    total : masks in all
    shown : whether anything is printed
    """

    def __init__(self, total: int, shown: bool):
        self._total, self._count, self._shown = total, 0, shown
        self._start = self._last = time.monotonic()
        self._skipped = 0
        self._bar = tqdm(total=total, unit=" masks", unit_scale=True) if shown and sys.stderr.isatty() else None

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def add(self, masks: int) -> None:
        """Count masks as done."""
        self._count += masks
        if self._bar is not None:
            self._bar.update(masks)
        elif self._shown and time.monotonic() - self._last >= LINE_EVERY:
            self._last = time.monotonic()
            rate = (self._count - self._skipped) / (self._last - self._start)
            left = (self._total - self._count) / rate
            self.say(f"{self._count:,} of {self._total:,} masks, {rate:,.0f} masks/s, about {left:,.0f} s left")

    def skip(self, masks: int) -> None:
        """Count masks that an earlier run finished."""
        self._count += masks
        self._skipped += masks
        if self._bar is not None:
            self._bar.initial += masks
            self._bar.update(masks)

    def say(self, line: str) -> None:
        """Print a line that belongs to the work, whether or not progress is shown."""
        tqdm.write(line, file=sys.stderr)
