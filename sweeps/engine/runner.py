"""The engine: an objective evaluated over a design, on all devices, into a labelled dataset."""

import math
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
import xarray as xr

from analysis import seals
from analysis.errors import InputError, InputTypeError, TooLargeError
from analysis.runs import path_of
from sweeps import checks, processes
from sweeps.engine import labels, summaries
from sweeps.engine.items import Evaluator, named
from sweeps.engine.layout import Array, Item, Place
from sweeps.identity import digest
from sweeps.masks.designs import Design
from sweeps.objective import Objective
from sweeps.progress import Progress
from sweeps.store import disk
from sweeps.store.folder import versions
from sweeps.store.record import Record

# Summaries of a stream that are kept in memory before they are merged.
MOST_PARTS = 8


def sweep(
    objective: Objective,
    design: Design,
    seed: int = 17,
    gradients: bool = True,
    batch_size: int | None = None,
    store: str | PathLike[str] | None = None,
    keep: Literal["draws", "summary"] = "draws",
    progress: bool = False,
) -> xr.Dataset:
    """Evaluate an objective over a design.

    All of a sweep's numbers come out of one jitted call, or of several equal ones where they are too many for one.
    Draw i depends on the seed and on i alone: batch size, device count and process count change no mask. Every
    local device takes part; so does every process once ``jax.distributed`` is initialised.

    Parameters
    ----------
    objective : Objective
    design : which gate vectors: ``Bernoulli``, ``FixedSize``, ``LeaveOneOut``, ``FlipPaths``,
        ``Hypercube``, ``Masks``
    seed : seed of the design's random draws
    gradients : whether to compute gate gradients of loss and log loss
    batch_size : gate vectors evaluated together; None lets the plan choose
    store : path of a Zarr group to which finished parts are written as they come. A sweep that was killed goes on
        where it stopped when it is called again with the same arguments, and one that is complete is just read.
    keep : ``"draws"`` keeps every draw; ``"summary"`` keeps counts, moments, histograms and the best masks, in
        constant memory
    progress : whether to show progress: a bar on a terminal, otherwise a line a minute

    Returns
    -------
    xarray.Dataset
        With ``keep="draws"``: ``loss`` and ``log_loss`` with the design's axes, for FlipPaths with ``step`` after
        them; ``loss_gradient`` and ``log_loss_gradient`` with ``node`` last (for LeaveOneOut ``gate``, since ``node``
        is the one that is off); ``gates`` where they do not follow from the index. With ``keep="summary"``: see
        ``sweeps.labels``.
        Attributes: design, seed, loss, unit, plan, precision, ``full_loss`` (the loss with all gates on) and the
        counts ``nonpositive_losses`` and ``nonfinite_losses``. With a store the dataset is read when it is used.

    Raises
    ------
    ValueError
        If the design does not fit the objective's nodes, a number is out of range, the store holds another sweep, or
        several processes have no store to share.
    FileExistsError
        If there is something else at the store's path.
    MemoryError
        If even a batch of one gate vector does not fit on the device.

    Examples
    --------
    >>> import sweeps
    >>> objective = sweeps.Objective(sweeps.MLP((2, 20, 2)), sweeps.tasks.circle().test)
    >>> data = sweeps.sweep(objective, sweeps.Bernoulli(probability=(0.25, 0.75), draws=100))
    >>> dict(data.loss.sizes)
    {'probability': 2, 'chain': 1, 'draw': 100}
    """
    if not isinstance(objective, Objective):
        raise InputTypeError(f"objective must be a sweeps.Objective, got {type(objective).__name__}")
    if not isinstance(design, Design):
        raise InputTypeError(f"design must be a design, such as sweeps.Bernoulli(...), got {type(design).__name__}")
    checks.one_of("keep", keep, ("draws", "summary"))
    seed, gradients, progress = (
        checks.seed("seed", seed),
        checks.flag("gradients", gradients),
        checks.flag("progress", progress),
    )
    batch_size = None if batch_size is None else checks.whole("batch_size", batch_size, 1)
    if store is None and jax.process_count() > 1:
        raise InputError("several processes need a store to share: give store= a path that all of them reach")
    path = None if store is None else path_of("store", store)
    design = design.bound(objective.layers)
    if path is not None:
        _check_names((*objective.nodes, *objective.layers))
    check_room(objective, design, gradients, keep, path)
    apart = path is not None or keep == "summary"
    work = _Work(objective, design, seed, Evaluator(objective, design, seed, gradients, keep, batch_size, apart))
    shown = progress and jax.process_index() == 0
    return work.in_memory(shown) if path is None else work.on_disk(path, shown)


def _check_names(names: Iterable[str]) -> None:
    """Raise InputError for a name that no file can hold: half of a pair of surrogates."""
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"nodes must have names in Unicode to be stored, got {name!r}") from error


def check_room(objective: Objective, design: Design, gradients: bool, keep: str, path: Path | None) -> None:
    """Raise if what a sweep keeps does not fit in memory, or on the disk of a store.

    Parameters
    ----------
    objective, design, gradients, keep : of the sweep; the design is bound
    path : of the store; None for memory

    Raises
    ------
    TooLargeError
        If they need more than is free; the message says how much.
    """
    nodes, number = len(objective.nodes), objective.evaluator.dtype.itemsize
    *streams, draws = design.axes(nodes).values()
    vectors = math.prod(streams) * draws * math.prod(design.inner(nodes).values())
    # On the disk the gates of masks are compressed to about a bit each.
    gates = nodes * design.keeps_gates / (1 if path is None else 8)
    needed = int(vectors * (gates + 2 * number * (1 + nodes * gradients)))
    fewer = 'give keep="summary" or fewer draws, or '
    if keep == "summary":
        # The summary of a stream is in memory whole, wherever it is kept.
        needed = math.prod(streams) * summaries.size(nodes, gradients)
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


class _Work:
    """A sweep: its items evaluated one after the other, and put together in memory or on disk."""

    def __init__(self, objective: Objective, design: Design, seed: int, evaluator: Evaluator):
        self.objective, self.design, self.seed, self.evaluator = objective, design, seed, evaluator
        self.layout, self.keep, self.steps = evaluator.layout, evaluator.keep, evaluator.steps

    def in_memory(self, shown: bool) -> xr.Dataset:
        """Evaluate everything and return it."""
        whole: dict[str, np.ndarray] = {}
        streams: list[list[dict[str, np.ndarray]]] = [[] for _ in range(self.layout.streams)]
        with Progress(self.layout.total * self.steps, shown) as progress:
            for item in self.layout.items:
                values = self.evaluator.values(item, progress)
                if self.keep == "draws":
                    _put(values, whole, item, self.layout.total)
                else:
                    parts = streams[self.layout.stream_of(item)]
                    parts.append(values)
                    if len(parts) == MOST_PARTS:
                        parts[:] = [named(self.evaluator.merged(_stacked(parts)))]
                progress.add((item.stop - item.start) * self.steps)
        if self.keep == "summary":
            return self._summary([self.evaluator.merged(_stacked(parts)) for parts in streams])
        data = labels.of_draws(self.objective, self.design, self.layout.axes, whole)
        return data.assign_attrs(self._attributes() | _counts(whole))

    def on_disk(self, path: Path, shown: bool) -> xr.Dataset:
        """Evaluate what is not on disk yet, this process its share, and return the finished dataset."""
        record = Record(path, self._identity(), len(self.layout.items), "parts" if self.keep == "summary" else "")
        if jax.process_index() > 0:
            return self._completed(record, shown)
        with disk.locked(path):
            return self._completed(record, shown)

    def _completed(self, record: Record, shown: bool) -> xr.Dataset:
        """Finish a record that this process, and others that take part, write, and return what is in it."""
        first = jax.process_index() == 0
        if processes.agreed(first and not self._damaged(record) and record.finished):
            return record.open()
        arrays = self._arrays()
        if first:
            record.begin(self._coordinates(), arrays)
        processes.wait_for_all("begun")
        self._evaluate_items(record, arrays, shown)
        processes.wait_for_all("evaluated")
        if first:
            record.finish(
                self._merged(record)
                if self.keep == "summary"
                else xr.Dataset(attrs=self._attributes() | record.counts())
            )
        processes.wait_for_all("finished")
        return record.open()

    def _damaged(self, record: Record) -> bool:
        """Whether a record has lost anything that it had; says what."""
        bad = record.damage()
        for path in bad:
            Progress(0, False).say(f"{path} is damaged or missing, and is made anew")
        return bool(bad)

    def _evaluate_items(self, record: Record, arrays: dict[str, Array], shown: bool) -> None:
        """Evaluate and write this process's share of the items, but for those that are done and undamaged."""
        items = self.layout.items
        # One item is written while the next is evaluated; leaving the block waits for the last.
        with (
            Progress(self.layout.total * self.steps // jax.process_count(), shown) as progress,
            ThreadPoolExecutor(1) as writer,
        ):
            written: Future[None] | None = None
            for index in range(jax.process_index(), len(items), jax.process_count()):
                item = items[index]
                masks = (item.stop - item.start) * self.steps
                places = {name: self._place(index, item, array) for name, array in arrays.items()}
                if record.is_done(index):
                    damaged = record.damaged(index, places)
                    if damaged is None:
                        progress.skip(masks)
                        continue
                    progress.say(f"{damaged} is damaged: part {index + 1} of {len(items)} is computed again")
                values = self.evaluator.values(item, progress)
                counts = _counts(values) if self.keep == "draws" else {}
                if written is not None:
                    written.result()
                written = writer.submit(record.write, index, places, values, counts)
                progress.add(masks)
            if written is not None:
                written.result()

    def _merged(self, record: Record) -> xr.Dataset:
        """Merge the summaries of a record's items."""
        stream = np.array([self.layout.stream_of(item) for item in self.layout.items])
        parts = record.parts()
        return self._summary(
            [
                self.evaluator.merged({name: part[stream == index] for name, part in parts.items()})
                for index in range(self.layout.streams)
            ]
        )

    def _summary(self, streams: list[summaries.Batch]) -> xr.Dataset:
        """Label the merged summaries of the streams."""
        data = labels.of_summary(self.objective, self.design, self.layout.axes, streams, float(self.evaluator.bins.top))
        counts = dict(nonpositive_losses=int(data.nonpositive.sum()), nonfinite_losses=int(data.nonfinite.sum()))
        return data.assign_attrs(self._attributes() | counts)

    def _arrays(self) -> dict[str, Array]:
        """Arrays of the record: of draws, or of items' summaries."""
        parts = named(self.evaluator.template)
        if self.keep == "draws":
            return {name: self._array_of(part) for name, part in parts.items()}
        return {
            name: Array(
                ("item", *(f"{name}.{axis}" for axis in range(part.ndim))),
                (len(self.layout.items), *part.shape),
                (1, *part.shape),
                part.dtype,
            )
            for name, part in parts.items()
        }

    def _array_of(self, part: jax.ShapeDtypeStruct) -> Array:
        names = labels.inner_dims(self.objective, self.design, self.layout.axes, len(part.shape) - 1)
        return self.layout.array(part.shape[1:], names, part.dtype)

    def _place(self, index: int, item: Item, array: Array) -> Place:
        if self.keep == "draws":
            return self.layout.place(item, array.shape[len(self.layout.axes) :])
        return Place((index,), array.shape[1:], (index, *(0 for _ in array.shape[1:])))

    def _coordinates(self) -> xr.Dataset:
        if self.keep == "summary":
            return xr.Dataset()
        return labels.coordinates(self.objective, self.design, self.layout.axes)

    def _attributes(self) -> dict[str, Any]:
        ones = np.ones(len(self.objective.nodes))
        return dict(
            design=repr(self.design),
            seed=self.seed,
            loss=self.objective.loss_name,
            unit=self.objective.unit,
            plan=str(self.objective.plan),
            precision=self.objective.precision,
            full_loss=float(self.objective.evaluate(ones, gradients=False).loss),
        )

    def _identity(self) -> dict[str, Any]:
        """What has to be the same for a sweep to go on."""
        found = versions()
        return dict(
            design=repr(self.design),
            masks=digest(self.evaluator.sampler),
            seed=self.seed,
            gradients=self.evaluator.gradients,
            keep=self.keep,
            loss=self.objective.loss_name,
            plan=self.objective.plan.name,
            precision=self.objective.precision,
            nodes=len(self.objective.nodes),
            names=digest([*self.objective.nodes, *self.objective.layers]),
            network=digest((self.objective.evaluator, self.objective.program)),
            rows=self.layout.rows,
            **{f"{name} version": found[name] for name in ("gatesweep", "jax", "jaxlib")},
        )


def _put(values: dict[str, np.ndarray], whole: dict[str, np.ndarray], item: Item, total: int) -> None:
    """Put an item's values in their place; a sweep of one item is its values."""
    for name, array in values.items():
        if len(array) == total:
            whole[name] = array
            continue
        if name not in whole:
            whole[name] = np.empty((total, *array.shape[1:]), array.dtype)
        whole[name][item.start : item.stop] = array


def _stacked(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.stack([part[name] for part in parts]) for name in parts[0]}


def _counts(values: dict[str, np.ndarray]) -> dict[str, int]:
    loss = values["loss"]
    return dict(nonpositive_losses=int((loss <= 0).sum()), nonfinite_losses=int((~np.isfinite(loss)).sum()))
