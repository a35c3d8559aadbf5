"""Layout: how a sweep is cut into items, and where an item's numbers lie in the arrays on disk."""

import math
from typing import Any, NamedTuple

import numpy as np

from sweeps._store.record import Array, Place


class Item(NamedTuple):
    """Consecutive draws that one call evaluates, as flat numbers over all streams."""

    start: int
    stop: int


class Layout:
    """The items of a sweep.

    Parameters
    ----------
    axes : dict
        Names and lengths of the design's axes; the last counts draws, those before it streams.
    rows : int
        Draws of an item, at most.
    apart : bool
        Whether an item stays within a stream, as it must where items are written to disk or summed up.

    Attributes
    ----------
    axes, rows : dict, int
        As given.
    total, draws : int
        Number of draws in all, and in a stream.
    items : list of Item
    """

    def __init__(self, axes: dict[str, int], rows: int, apart: bool):
        self.axes, self.rows = axes, rows
        self.total = math.prod(axes.values())
        self.draws = list(axes.values())[-1]
        length = self.draws if apart else self.total
        self.items = [
            Item(start, min(start + rows, stream + length))
            for stream in range(0, self.total, length)
            for start in range(stream, stream + length, rows)
        ]

    @property
    def streams(self) -> int:
        """Number of streams."""
        return self.total // self.draws

    def stream_of(self, item: Item) -> int:
        """Number of the stream in which an item starts."""
        return item.start // self.draws

    def array(self, inner: tuple[int, ...], names: tuple[str, ...], dtype: Any) -> Array:
        """Return the array of a quantity that has ``inner`` more axes than the design."""
        sizes = tuple(self.axes.values())
        first = (*(1 for _ in sizes[:-1]), min(self.rows, self.draws))
        return Array((*self.axes, *names), (*sizes, *inner), (*first, *inner), dtype)

    def place(self, item: Item, inner: tuple[int, ...]) -> Place:
        """Return where an item's values of such a quantity lie."""
        stream = np.unravel_index(self.stream_of(item), tuple(self.axes.values())[:-1]) if len(self.axes) > 1 else ()
        before, first = tuple(int(index) for index in stream), item.start % self.draws
        rows = item.stop - item.start
        return Place(
            (*before, slice(first, first + rows), *(slice(None) for _ in inner)),
            (rows, *inner),
            (*before, first // self.rows, *(0 for _ in inner)),
        )
