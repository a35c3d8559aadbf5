"""Room: what a sweep keeps has to fit in memory, or on the disk of its store."""

import math
from pathlib import Path

from analysis import _seals
from analysis._errors import TooLargeError
from analysis._places import Address, Place
from sweeps._engine import summaries
from sweeps._masks.designs import Design
from sweeps._objective import Objective
from sweeps._store import disk


def check_room(objective: Objective, design: Design, gradients: bool, keep: str, path: Place | None) -> str:
    """Return what a sweep keeps in words, or raise if it does not fit in memory, or on the disk of a store.

    Parameters
    ----------
    objective, design, gradients, keep : Objective, Design, bool, str
        Of the sweep; the design is bound.
    path : pathlib.Path, Address or None
        Of the store; None for memory. What an object store holds has no limit.

    Raises
    ------
    MemoryError
        If they need more than is free; the message says how much.
    """
    nodes, less = len(objective.nodes), "draws" if keep == "examples" else "summary"
    fewer = f'give keep="{less}" or fewer draws, or '
    free: float
    needed = _bytes(objective, design, gradients, keep)
    if keep == "summary":
        free, where, way_out = disk.free_memory(), "of memory", "give fewer chains"
    elif path is None:
        free, where, way_out = disk.free_memory(), "of memory", fewer + "give store= a path on a disk"
    elif isinstance(path, Address):
        free, where, way_out = math.inf, "in the object store", ""
    else:
        there = sum(file.stat().st_size for file in _seals.whole_files(path) if isinstance(file, Path))
        free, where, way_out = disk.free_space(path) + there, "on the disk", fewer + "choose another disk"
    kept = f" with the losses of {len(objective.batch or ()):,} examples" if keep == "examples" else ""
    size = f"{design!r} of {nodes} nodes{kept} needs {_in_words(needed)} {where}"
    if needed > free:
        raise TooLargeError(f"{size}, of which {_in_words(free)} are free: {way_out}")
    return size


def _in_words(size: float) -> str:
    """Return a number of bytes with a unit, of three digits."""
    unit, name = next((pair for pair in ((1e9, "GB"), (1e6, "MB")) if size >= pair[0]), (1e3, "kB"))
    return f"{size / unit:,.3g} {name}"


def _bytes(objective: Objective, design: Design, gradients: bool, keep: str) -> int:
    nodes = len(objective.nodes)
    *streams, draws = design.axes(nodes).values()
    if keep == "summary":
        # The summary of a stream is in memory whole, whether or not it is stored.
        return math.prod(streams) * summaries.size(nodes, gradients)
    vectors = math.prod(streams) * draws * math.prod(design.inner(nodes).values())
    return int(vectors * bytes_of_mask(objective, gradients, keep, design.keeps_gates))


def bytes_of_mask(objective: Objective, gradients: bool, keep: str, keeps_gates: bool) -> float:
    """Return the bytes that are kept of a gate vector, and its masks as bits, on disk compressed to about that."""
    nodes, number = len(objective.nodes), objective.plan.tree.dtype.itemsize
    examples = len(objective.batch) if keep == "examples" and objective.batch is not None else 0
    return nodes * keeps_gates / 8 + number * (1 + nodes * gradients + len(objective.metrics) + examples)
