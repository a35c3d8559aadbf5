"""The engine: an objective evaluated over a design, on all devices, into a labelled dataset."""

import dataclasses
import hashlib
import math
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, Literal, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.experimental import multihost_utils

from sweeps import batches, labels, summaries
from sweeps.designs import Design
from sweeps.layout import Array, Item, Layout, Place
from sweeps.objective import Objective
from sweeps.progress import Progress
from sweeps.records import Record
from sweeps.store import versions

T = TypeVar("T")

# What the draws of one jitted call may take, in bytes. It also cuts a sweep into items.
CALL_BYTES = 2**28
# Summaries of a stream that are kept in memory before they are merged.
MOST_PARTS = 64
# Draws of a stream that decide the range of the loss's histogram.
PILOT_MASKS = 256


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
    if keep not in ("draws", "summary"):
        raise ValueError(f'keep must be "draws" or "summary", got {keep!r}')
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    if store is None and jax.process_count() > 1:
        raise ValueError("several processes need a store to share: give store= a path that all of them reach")
    work = _Work(objective, design, seed, gradients, keep, batch_size, apart=store is not None or keep == "summary")
    shown = progress and jax.process_index() == 0
    return work.in_memory(shown) if store is None else work.on_disk(Path(store), shown)


class _Work:
    """A sweep, and what it takes to evaluate any item of it."""

    def __init__(
        self,
        objective: Objective,
        design: Design,
        seed: int,
        gradients: bool,
        keep: Literal["draws", "summary"],
        batch_size: int | None,
        apart: bool,
    ):
        plan = objective.evaluator
        design = design.bound(objective.layers)
        self.objective, self.design, self.seed, self.gradients, self.keep = objective, design, seed, gradients, keep
        self.sampler = design.sampler(plan.nodes)  # checks that the design fits
        axes = design.axes(plan.nodes)
        self.steps = steps = math.prod(design.inner(plan.nodes).values())
        row = plan.nodes * (1 + 2 * gradients * plan.dtype.itemsize) + 2 * plan.dtype.itemsize
        # Set by what a draw takes alone, so that any machine cuts a sweep into the same items.
        rows = 1 << (max(1, CALL_BYTES // (row * steps)).bit_length() - 1)
        self.layout = Layout(axes, rows, apart)
        most = min(rows, self.layout.total)
        source, self.batch_size = batches.source_of(plan, design, most, gradients, batch_size)
        self.mesh = batches.local_mesh()
        self.source = batches.replicated(source, self.mesh)
        # threefry by name: its keys give the same bits for any batch and device, which rbg does not promise.
        self.key = jax.random.key(seed, impl="threefry2x32")
        self.bins = self._bins() if keep == "summary" else summaries.Bins(np.float32(1))

    def in_memory(self, shown: bool) -> xr.Dataset:
        """Evaluate everything and return it."""
        whole: dict[str, np.ndarray] = {}
        streams: list[list[dict[str, np.ndarray]]] = [[] for _ in range(self.layout.streams)]
        with Progress(self.layout.total * self.steps, shown) as progress:
            for item in self.layout.items:
                values = self._values(item, progress)
                if self.keep == "draws":
                    _put(values, whole, item, self.layout.total)
                else:
                    parts = streams[self.layout.stream_of(item)]
                    parts.append(values)
                    if len(parts) == MOST_PARTS:
                        parts[:] = [_named(self._merged(_stacked(parts)))]
                progress.add((item.stop - item.start) * self.steps)
        if self.keep == "summary":
            return self._summary([self._merged(_stacked(parts)) for parts in streams])
        data = labels.of_draws(self.objective, self.design, self.layout.axes, whole)
        return data.assign_attrs(self._attributes() | _counts(whole))

    def on_disk(self, path: Path, shown: bool) -> xr.Dataset:
        """Evaluate what is not on disk yet, this process its share, and return the finished dataset."""
        items, arrays = self.layout.items, self._arrays()
        record = Record(path, self._identity(), len(items), "parts" if self.keep == "summary" else "")
        if record.complete:
            return record.open()
        if jax.process_index() == 0:
            record.begin(self._coordinates(), arrays)
        _wait_for_all("begun")
        done = record.done()
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
                if done[index] and not record.damaged(places):
                    progress.skip(masks)
                    continue
                if done[index]:
                    progress.say(f"{path}: part {index + 1} of {len(items)} is damaged and is computed again")
                values = self._values(item, progress)
                counts = _counts(values) if self.keep == "draws" else {}
                if written is not None:
                    written.result()
                written = writer.submit(record.write, index, places, values, counts)
                progress.add(masks)
            if written is not None:
                written.result()
        _wait_for_all("evaluated")
        if jax.process_index() == 0:
            if self.keep == "summary":
                stream = np.array([self.layout.stream_of(item) for item in items])
                parts = record.parts()
                record.finish(
                    self._summary(
                        [
                            self._merged({name: part[stream == index] for name, part in parts.items()})
                            for index in range(self.layout.streams)
                        ]
                    )
                )
            else:
                record.finish(xr.Dataset(attrs=self._attributes() | record.counts()))
        _wait_for_all("finished")
        return record.open()

    def _values(self, item: Item, progress: Progress) -> dict[str, np.ndarray]:
        """Evaluate an item."""
        return self._fitting(lambda: _named(self._evaluate(item)), progress)

    def _fitting(self, evaluate: Callable[[], T], progress: Progress) -> T:
        """Evaluate; a batch that does not fit in the device's memory is halved."""
        while True:
            try:
                return evaluate()
            except jax.errors.JaxRuntimeError as error:
                if "RESOURCE_EXHAUSTED" not in str(error):
                    raise
                if not self._halve():
                    raise MemoryError(
                        f"a batch of {self.batch_size} gate vectors does not fit in the device's memory"
                    ) from error
                progress.say(f"out of device memory: going on with batches of {self.batch_size} gate vectors")

    def _halve(self) -> bool:
        """Halve the batch, if it can be halved."""
        source = self.source
        smallest = 1 << source.cube.low_nodes if isinstance(source, batches.WholeCube) else 1
        if self.batch_size // 2 < smallest:
            return False
        self.batch_size //= 2
        if isinstance(source, batches.WholeCube):
            self.source = dataclasses.replace(source, batch_size=self.batch_size)
        return True

    def _evaluate(self, item: Item) -> batches.Draws | summaries.Batch:
        # Every call of a sweep has the shape of a whole item, so that the last one compiles nothing new.
        longest = max(one.stop - one.start for one in self.layout.items)
        count = -(-longest // self.batch_size)
        count += -count % self.mesh.size
        # Within a stream, where the end of what counts can be told: surplus draws must not wrap into the next.
        wraps = self.keep == "draws"
        starts = batches.bases(item.start, count, self.batch_size, self.layout.draws, wraps)
        result = self._call(starts, (item.stop - 1) % self.layout.draws + 1, self.keep, self.gradients)
        if isinstance(result, summaries.Batch):
            return summaries.merged(result)
        return jax.tree.map(lambda part: np.asarray(part)[: item.stop - item.start], result)

    def _call(
        self,
        starts: np.ndarray,
        stop: int,
        keep: str,
        gradients: bool,
    ) -> Any:
        """Evaluate batches from their starts (stream, draw); see batches.evaluate."""
        return batches.evaluate(
            self.source,
            self.key,
            jnp.asarray(starts),
            jnp.uint32(self.layout.draws),
            jnp.uint32(stop),
            self.bins,
            batch_size=self.batch_size,
            gradients=gradients,
            keep="draws and gates" if keep == "draws" and self.design.keeps_gates else keep,
            precision=self.objective.precision,
            mesh=self.mesh,
        )

    def _bins(self) -> summaries.Bins:
        """Range of the loss's histogram, from a pilot: the first batch of every stream, of the first few streams."""
        self.bins = summaries.Bins(np.float32(1))
        streams, wanted = min(self.layout.streams, 16), min(PILOT_MASKS, self.layout.draws)

        def evaluate() -> np.ndarray:
            """Losses of the first draws of every stream: the same ones whatever the batch."""
            size = self.batch_size
            starts = [(stream, first) for stream in range(streams) for first in range(0, wanted, size)]
            kept = len(starts) * size
            starts += starts[-1:] * (-len(starts) % self.mesh.size)
            pilot = self._call(np.array(starts, np.uint32), self.layout.draws, "draws", False)
            losses = np.asarray(pilot.evaluation.loss)
            return losses[:kept].reshape(streams, -1, *losses.shape[1:])[:, :wanted]

        return summaries.bins_for(self._fitting(evaluate, Progress(0, False)))

    def _merged(self, parts: dict[str, np.ndarray]) -> summaries.Batch:
        """Merge named summaries along their leading axis."""
        template = self._template
        return summaries.merged(
            jax.tree.unflatten(jax.tree.structure(template), [parts[name] for name in _named(template)])
        )

    def _summary(self, streams: list[summaries.Batch]) -> xr.Dataset:
        """Label the merged summaries of the streams."""
        data = labels.of_summary(self.objective, self.design, self.layout.axes, streams, float(self.bins.top))
        counts = dict(nonpositive_losses=int(data.nonpositive.sum()), nonfinite_losses=int(data.nonfinite.sum()))
        return data.assign_attrs(self._attributes() | counts)

    @cached_property
    def _template(self) -> batches.Draws | summaries.Batch:
        """What an item's result looks like: arrays of the right types and inner shapes."""
        count = -(-self.layout.rows // self.batch_size)
        count += -count % self.mesh.size
        starts = jax.ShapeDtypeStruct((count, 2), np.uint32)
        shapes = jax.eval_shape(lambda starts: self._call(starts, 0, self.keep, self.gradients), starts)
        if self.keep == "summary":
            return summaries.merged(jax.tree.map(lambda one: np.zeros((1, *one.shape[1:]), one.dtype), shapes))
        return shapes

    def _arrays(self) -> dict[str, Array]:
        """Arrays of the record: of draws, or of items' summaries."""
        named = _named(self._template)
        if self.keep == "draws":
            return {name: self._array_of(part) for name, part in named.items()}
        return {
            name: Array(
                ("item", *(f"{name}.{axis}" for axis in range(part.ndim))),
                (len(self.layout.items), *part.shape),
                (1, *part.shape),
                part.dtype,
            )
            for name, part in named.items()
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
            masks=_digest(self.sampler),
            seed=self.seed,
            gradients=self.gradients,
            keep=self.keep,
            loss=self.objective.loss_name,
            plan=self.objective.plan.name,
            precision=self.objective.precision,
            nodes=len(self.objective.nodes),
            network=_digest((self.objective.evaluator, self.objective.program)),
            rows=self.layout.rows,
            **{f"{name} version": found[name] for name in ("gatesweep", "jax", "jaxlib")},
        )


def _named(result: Any) -> dict[str, Any]:
    """Name the arrays of a result: ``loss``, ``gates``, ..., or ``loss.mean``, ... of a summary."""
    leaves = jax.tree_util.tree_flatten_with_path(result)[0]
    return {
        jax.tree_util.keystr(path, simple=True, separator=".").removeprefix("evaluation."): leaf
        for path, leaf in leaves
    }


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


def _digest(tree: Any) -> str:
    """Fingerprint of arrays: twelve hexadecimal digits."""
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(tree):
        digest.update(leaf.encode() if isinstance(leaf, str) else np.ascontiguousarray(np.asarray(leaf)).tobytes())
    return digest.hexdigest()[:12]


def _wait_for_all(stage: str) -> None:
    """Wait until every process has come this far."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(stage)
