"""Room: what a sweep keeps has to fit in memory, or on the disk of its store."""

import math
from pathlib import Path

from analysis import seals
from analysis.errors import TooLargeError
from sweeps.engine import summaries
from sweeps.masks.designs import Design
from sweeps.objective import Objective
from sweeps.store import disk


def check_room(objective: Objective, design: Design, gradients: bool, keep: str, path: Path | None) -> None:
    """Raise if what a sweep keeps does not fit in memory, or on the disk of a store.

    Parameters
    ----------
    objective, design, gradients, keep : Objective, Design, bool, str
        Of the sweep; the design is bound.
    path : pathlib.Path or None
        Of the store; None for memory.

    Raises
    ------
    TooLargeError
        If they need more than is free; the message says how much.
    """
    nodes, fewer = len(objective.nodes), 'give keep="summary" or fewer draws, or '
    needed = _bytes(objective, design, gradients, keep)
    if keep == "summary":
        free, where, way_out = disk.free_memory(), "of memory", "give fewer chains"
    elif path is None:
        free, where, way_out = disk.free_memory(), "of memory", fewer + "give store= a path on a disk"
    else:
        there = sum(file.stat().st_size for file in seals.whole_files(path))
        free, where, way_out = disk.free_space(path) + there, "on the disk", fewer + "choose another disk"
    if needed > free:
        raise TooLargeError(
            f"{design!r} of {nodes} nodes needs {needed / 1e9:,.3g} GB {where}, of which {free / 1e9:,.3g} GB are "
            f"free: {way_out}"
        )


def _bytes(objective: Objective, design: Design, gradients: bool, keep: str) -> int:
    nodes, number = len(objective.nodes), objective.plan.tree.dtype.itemsize
    *streams, draws = design.axes(nodes).values()
    if keep == "summary":
        # The summary of a stream is in memory whole, whether or not it is stored.
        return math.prod(streams) * summaries.size(nodes, gradients)
    vectors = math.prod(streams) * draws * math.prod(design.inner(nodes).values())
    # Masks are kept as bits, on disk compressed to about that.
    gates = nodes * design.keeps_gates / 8
    return int(vectors * (gates + number * (1 + nodes * gradients)))
