"""The runner: from an objective and a design, item by item, to a labelled dataset in memory or on disk."""

import math
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from os import PathLike
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from analysis import _derived
from analysis._errors import InputError, InputTypeError, TooLargeError
from analysis._places import Address, place_of
from analysis._places import Place as Where
from analysis.runs import FORMAT
from sweeps import _checks, _device, _processes, _seeds
from sweeps._engine import batches, summaries
from sweeps._engine.layout import Layout
from sweeps._engine.pipeline import Pipeline, Whole
from sweeps._engine.room import bytes_of_mask, check_room
from sweeps._engine.schema import Keep, Schema, check_names, named
from sweeps._evaluation import evaluate_batches
from sweeps._identity import digest
from sweeps._masks.designs import Design
from sweeps._objective import Objective
from sweeps._plans import choosing, tuning
from sweeps._plans.cube import Cube
from sweeps._plans.vmapped import Vmapped
from sweeps._progress import Progress
from sweeps._store import disk
from sweeps._store.folder import versions
from sweeps._store.record import Array, Place, Record

# Bytes that is kept of the draws of one jitted call, and its gate vectors, at most. They decide how a sweep is cut into
# items, which are evaluated, written and gone on with as a whole.
CALL_BYTES, CALL_VECTORS = 2**27, 2**22
# Draws of a stream that decide the range of the loss's histogram, and the most streams that are asked.
PILOT_DRAWS, PILOT_STREAMS = 256, 16
# Summaries of a stream that are kept in memory before they are merged.
MOST_PARTS = 8


def sweep(
    objective: Objective,
    design: Design,
    *,
    seed: int = 0,
    gradients: bool = True,
    batch_size: int | None = None,
    store: str | PathLike[str] | None = None,
    keep: Keep = "draws",
    progress: bool = False,
) -> xr.Dataset:
    """Evaluate an objective over a design.

    One jitted call computes all numbers of a sweep, or several equal calls where these are too many. Draw i
    depends on the seed and on i alone: batch size, device count and process count change no mask. Every local device
    takes part; so does every process once ``jax.distributed`` is initialised.

    Parameters
    ----------
    objective : Objective
        What is evaluated.
    design : Bernoulli, FixedSize, FlipPaths, Hypercube, LeaveOneOut or Masks
        Which gate vectors.
    seed : int, default 0
        Of the design's random draws, from 0 to 2^64 - 1.
    gradients : bool, default True
        Whether to compute gate gradients of loss and log loss, which take ``nodes`` times the room of the losses.
    batch_size : int, optional
        Gate vectors evaluated together; None lets the plan choose, which measures a few sizes first where a sweep of a
        network is expected to take longer than half a minute.
    store : str or path, optional
        Of a Zarr group, or its address in an object store, such as ``s3://bucket/sweep``; finished parts are
        written to it as they come. The same call again goes on with a sweep that was killed, and only reads one
        that is complete: nothing is compiled or evaluated then.
    keep : {"draws", "examples", "summary"}
        ``"draws"`` keeps every draw; ``"examples"`` also the loss of each example, a number for every draw and
        example; ``"summary"`` keeps counts, moments, histograms and the best masks, in constant memory.
    progress : bool, default False
        Whether to show progress: a bar on a terminal, otherwise a line a minute.

    Returns
    -------
    xarray.Dataset
        With ``keep="draws"``: ``loss`` and ``log_loss`` with the design's axes, for FlipPaths with ``step`` after
        them; ``loss_gradient`` and ``log_loss_gradient`` with ``node`` last (for LeaveOneOut ``gate``, since ``node``
        is the one that is off); ``gates`` where they do not follow from the index; the objective's metrics by name,
        as ``loss``. With ``keep="examples"`` also ``example_loss`` with ``example`` last, the mean over the positions
        of an example that count, which the coordinate ``counted`` numbers; and ``full_example_loss``, with all gates
        on. With ``keep="summary"``: counts, moments, histograms and the
        best masks of each stream of draws.
        Attributes: design, seed, loss, unit, plan (what ran, and why), precision, off, ``full_loss`` (the loss with
        all gates on) and the counts ``nonpositive_losses`` and ``nonfinite_losses``. Log loss, its gradient and masks
        are made when they are read, and kept then; with a store everything is read when it is used.

    Raises
    ------
    InputError
        If the design does not fit the objective's nodes, a number is out of range, the store holds another sweep, or
        several processes have no store to share.
    FileExistsError
        If there is something else at the store's path.
    MemoryError
        If even a batch of one gate vector does not fit on the device.

    See Also
    --------
    sweeps.Objective.evaluate : Loss and gradients of single gate vectors.
    analysis.lognormal.fit : Fits what a sweep found.

    Examples
    --------
    >>> import sweeps
    >>> objective = sweeps.Objective(sweeps.MLP((2, 4, 2)), sweeps.tasks.circle(test_examples=4).test)
    >>> data = sweeps.sweep(objective, sweeps.Bernoulli(probability=(0.25, 0.75), draws=100), seed=0)
    >>> dict(data.loss.sizes)
    {'probability': 2, 'chain': 1, 'draw': 100}
    """
    if not isinstance(objective, Objective):
        raise InputTypeError(f"objective must be a sweeps.Objective, got {type(objective).__name__}")
    if not isinstance(design, Design):
        raise InputTypeError(f"design must be a design, such as sweeps.Bernoulli(...), got {_checks.shown(design)}")
    _checks.one_of("keep", keep, ("draws", "examples", "summary"))
    seed, gradients = _checks.seed("seed", seed), _checks.flag("gradients", gradients)
    shown = _checks.flag("progress", progress) and jax.process_index() == 0
    batch_size = None if batch_size is None else _checks.whole("batch_size", batch_size, 1)
    if store is None and jax.process_count() > 1:
        raise InputError("several processes need a store to share: give store= a path that all of them reach")
    path = None if store is None else place_of("store", store)
    if isinstance(path, Address) and jax.process_count() > 1:
        raise InputError(f"store must be a path that all processes reach on a disk, got {path}; object stores take one")
    if path is not None:
        check_names((*objective.nodes, *objective.layers))
    design = design.bound(objective.layers)
    if keep == "examples":
        objective._plan_of_examples  # noqa: B018  raises where there are no examples
    size = check_room(objective, design, gradients, keep, path)
    if keep == "examples" and shown:
        Progress(0, shown).say(size)
    runner = Runner(objective, design, seed, gradients, keep, batch_size, apart=path is not None or keep == "summary")
    return runner.in_memory(shown) if path is None else runner.on_disk(path, shown)


class Runner:
    """A sweep, in memory or on disk.

    The plan's tables, the programs and a summary's pilot are made when the first item is evaluated, so that reading a
    complete store makes none of them.

    Parameters
    ----------
    objective, design, seed, gradients, keep, batch_size
        As of ``sweep``; the design is bound.
    apart : bool
        Whether an item stays within a stream.
    """

    def __init__(
        self,
        objective: Objective,
        design: Design,
        seed: int,
        gradients: bool,
        keep: Keep,
        batch_size: int | None,
        apart: bool,
    ):
        self.objective, self.design, self.seed = objective, design, seed
        self.gradients, self.keep, self._wish = gradients, keep, batch_size
        nodes, self._is_summary = len(objective.nodes), keep == "summary"
        self.sampler = design.sampler(nodes)  # checks that the design fits
        chosen = objective._plan_of_examples if keep == "examples" else objective.plan
        self.plan = choosing.for_sweep(chosen, self.sampler, gradients)
        self.steps = math.prod(design.inner(nodes).values())
        # Depends on what is kept alone, so that any machine cuts a sweep into the same items.
        of_mask = bytes_of_mask(objective, gradients, keep, keeps_gates=True)
        fitting = min(int(CALL_BYTES / of_mask), CALL_VECTORS) // self.steps
        rows = 1 << (max(1, fitting).bit_length() - 1)
        self.layout = Layout(design.axes(nodes), rows, apart)
        self.schema = Schema.of(objective, design, self.layout, keep)

    def in_memory(self, shown: bool) -> xr.Dataset:
        """Evaluate everything and return it."""
        whole = Whole(self.layout)
        streams: list[list[summaries.Summary]] = [[] for _ in range(self.layout.streams)]
        indices = range(len(self.layout.items))
        with Progress(self.layout.total * self.steps, shown) as progress:
            for index, values in self._evaluated(indices, _as_it_is if self._is_summary else whole.put, progress):
                if self._is_summary:
                    _add(values, streams[self.layout.stream_of(self.layout.items[index])])
                progress.add(self._masks(index))
        if self._is_summary:
            return self._summary([summaries.merged(summaries.stacked(parts)) for parts in streams])
        found = self.schema.of_draws(whole.values, self._attributes() | _counts(whole.values))
        return found.assign(self._of_all_on().data_vars)

    def on_disk(self, path: Where, shown: bool) -> xr.Dataset:
        """Evaluate what is not on disk yet, this process its share, and return the finished dataset."""
        record = Record(path, self._identity(), len(self.layout.items), "parts" if self._is_summary else "")
        if jax.process_index() > 0:
            return self._completed(record, shown)
        with disk.locked(path):
            return self._completed(record, shown)

    def _identity(self) -> dict[str, Any]:
        """What has to be the same for a sweep to go on."""
        found = versions()
        return dict(
            format=FORMAT,
            design=repr(self.design),
            masks=digest(self.sampler),
            seed=self.seed,
            gradients=self.gradients,
            keep=self.keep,
            loss=self.objective.loss_name,
            plan=self.plan.name,
            precision=self.objective.precision,
            off=self.objective.off,
            nodes=len(self.objective.nodes),
            names=digest([*self.objective.nodes, *self.objective.layers]),
            metrics=list(self.objective.metrics),
            network=digest((self.plan.tree, self.objective._program_of(self.plan.tree))),
            rows=self.layout.rows,
            **{f"{name} version": found[name] for name in ("gatesweep", "jax", "jaxlib")},
        )

    def _completed(self, record: Record, shown: bool) -> xr.Dataset:
        """Finish a record that this process, and others that take part, write, and return what is in it."""
        first = jax.process_index() == 0
        if _processes.agreed(first and not _is_damaged(record) and record.finished):
            return record.open()
        arrays = self.schema.arrays(self._on_disk(self._empty))
        if first:
            record.begin(xr.Dataset() if self._is_summary else self.schema.coordinates(), arrays)
        _processes.wait_for_all("begun")
        self._evaluate_items(record, arrays, shown)
        _processes.wait_for_all("evaluated")
        if first:
            left_out = {_derived.MARK: [_derived.LEFT_OUT]} if self.gradients else {}
            attributes = self._attributes() | record.counts() | left_out
            data = self._merged(record) if self._is_summary else self._of_all_on().assign_attrs(attributes)
            record.finish(data)
        _processes.wait_for_all("finished")
        return record.open()

    def _evaluate_items(self, record: Record, arrays: dict[str, Array], shown: bool) -> None:
        """Evaluate and write this process's share of the items, except for those that are done and undamaged."""

        def places(index: int) -> dict[str, Place]:
            return {name: self.schema.place(index, array) for name, array in arrays.items()}

        def missing() -> Iterator[int]:
            for index in range(jax.process_index(), len(self.layout.items), jax.process_count()):
                if self._is_done(record, index, places(index), progress):
                    progress.skip(self._masks(index))
                else:
                    yield index

        def write(index: int, values: Any) -> None:
            counts = {} if self._is_summary else _counts(values)
            record.write(index, places(index), self._on_disk(values), counts)

        with Progress(self.layout.total * self.steps // jax.process_count(), shown) as progress:
            for index, _ in self._evaluated(missing(), write, progress, takers=1):
                progress.add(self._masks(index))

    def _masks(self, index: int) -> int:
        """Gate vectors of an item."""
        item = self.layout.items[index]
        return (item.stop - item.start) * self.steps

    def _on_disk(self, values: Any) -> dict[str, np.ndarray]:
        """Return what is written of an item's values: masks as booleans, which are compressed to about a bit."""
        if self._is_summary:
            return named(values)
        found = values | dict(log_loss=_derived.log(values["loss"]))
        if "masks" in found:
            found["gates"] = _derived.unpacked(found.pop("masks"), len(self.objective.nodes))
        return found

    def _is_done(self, record: Record, index: int, places: dict[str, Place], progress: Progress) -> bool:
        """Whether an item is on disk and undamaged; says what is damaged."""
        damaged = record.damaged(index, places) if record.is_done(index) else None
        if damaged is not None:
            progress.say(f"{damaged} is damaged: part {index + 1} of {len(self.layout.items)} is computed again")
        return record.is_done(index) and damaged is None

    def _evaluated(
        self, indices: Iterable[int], take: Callable[[int, Any], Any], progress: Progress, takers: int | None = None
    ) -> Iterator[tuple[int, Any]]:
        """Evaluate items, and yield the number of each with what a function makes of number and values."""
        pipeline = Pipeline(
            self._begun,
            lambda index, result: take(index, self._values(index, result)),
            lambda: self.batch_size,
            partial(self._halve, progress),
        )
        return pipeline.run(indices, takers)

    def _begun(self, index: int) -> batches.Draws | summaries.Summary:
        """Send an item to the device; its arrays may still be computed."""
        item = self.layout.items[index]
        # A summary counts the draws before a number: surplus draws must not wrap into the next stream.
        starts = batches.bases(item.start, self._batches, self.batch_size, self.layout.draws, not self._is_summary)
        return self._call(starts, (item.stop - 1) % self.layout.draws + 1, self._is_summary, self.gradients, self._top)

    def _values(
        self, index: int, result: batches.Draws | summaries.Summary
    ) -> dict[str, np.ndarray] | summaries.Summary:
        """Return an item's values on the host, once they are computed: a summary, or arrays of its draws by name."""
        if isinstance(result, summaries.Summary):
            return summaries.merged(result)
        item = self.layout.items[index]
        return {name: np.asarray(part)[: item.stop - item.start] for name, part in named(result).items()}

    def _call(self, starts: np.ndarray, stop: int, is_summary: bool, gradients: bool, top: np.float32) -> Any:
        """Evaluate batches from their starts (stream, draw); see ``batches.evaluate``."""
        plan, sampler = self._on_device
        return batches.program(self._mesh, _device.here().landing)(
            plan,
            sampler,
            jnp.asarray(_seeds.words(self.seed)),
            jnp.asarray(starts),
            jnp.uint32(self.layout.draws),
            jnp.uint32(stop),
            top,
            batch_size=self.batch_size,
            gradients=gradients,
            keep="summary" if is_summary else "draws",
            keeps_gates=self.design.keeps_gates,
            precision=self.objective.precision,
        )

    @cached_property
    def _on_device(self) -> tuple[choosing.SweepPlan, Any]:
        """The plan's own pytree and the sampler, on every local device."""
        return batches.replicated((choosing.built(self.plan), self.sampler), self._mesh)

    @cached_property
    def _mesh(self) -> jax.sharding.Mesh:
        return batches.local_mesh()

    @cached_property
    def batch_size(self) -> int:
        """Draws evaluated together; halved when they do not fit."""
        most = min(self.layout.rows, self.layout.total)
        plan, wish = self._on_device[0], self._wish
        if wish is None and self.steps == 1 and isinstance(plan, Vmapped):
            masks = self.layout.total // jax.process_count()
            wish = tuning.batch_size(plan, self.gradients, masks, self._timed)
        return batches.draws_together(plan, self.steps, self.gradients, most, wish, self._mesh.size)

    def _timed(self, gates: np.ndarray, batch_size: int) -> Any:
        """Evaluate gate vectors of no importance in batches of a size that is tried."""
        with jax.default_matmul_precision(self.objective.precision):
            return evaluate_batches(self._on_device[0], jnp.asarray(gates), self.gradients, batch_size)

    @property
    def _batches(self) -> int:
        """Batches of a call: enough for the longest item, so that a shorter item compiles nothing new."""
        longest = max(item.stop - item.start for item in self.layout.items)
        count = -(-longest // self.batch_size)
        return count + -count % self._mesh.size

    def _halve(self, progress: Progress, error: Exception) -> None:
        """Halve the batch, or raise TooLargeError where it cannot be halved."""
        plan, draws = self._on_device[0], "paths" if self.steps > 1 else "gate vectors"
        smallest = 1 << plan.low_nodes if isinstance(plan, Cube) else 1
        if self.batch_size // 2 < smallest:
            raise TooLargeError(f"a batch of {self.batch_size} {draws} does not fit in the device's memory") from error
        self.batch_size //= 2
        progress.say(f"out of device memory: going on with batches of {self.batch_size} {draws}")

    @cached_property
    def _top(self) -> np.float32:
        """End of a summary's histogram of the loss, from a pilot: the first draws of some streams."""
        if not self._is_summary:
            return np.float32(1)
        streams, wanted = min(self.layout.streams, PILOT_STREAMS), min(PILOT_DRAWS, self.layout.draws)
        # Whole batches, of which the same draws count whatever their size.
        starts = [(stream, first) for stream in range(streams) for first in range(0, wanted, self.batch_size)]
        evaluated = len(starts) * self.batch_size
        starts += starts[-1:] * (-len(starts) % self._mesh.size)
        pilot = self._call(np.array(starts, np.uint32), self.layout.draws, False, False, np.float32(1))
        losses = np.asarray(pilot.loss)[:evaluated]
        return summaries.top_for(losses.reshape(streams, -1, *losses.shape[1:])[:, :wanted])

    @cached_property
    def _empty(self) -> dict[str, np.ndarray] | summaries.Summary:
        """What an item's values look like: arrays of the right types and inner shapes."""
        starts = jax.ShapeDtypeStruct((self._batches, 2), np.uint32)
        shapes = jax.eval_shape(
            lambda starts: self._call(starts, 0, self._is_summary, self.gradients, np.float32(1)), starts
        )
        empty = jax.tree.map(lambda part: np.zeros((1, *part.shape[1:]), part.dtype), shapes)
        return summaries.merged(empty) if self._is_summary else named(empty)

    def _merged(self, record: Record) -> xr.Dataset:
        """Merge the summaries of a record's items."""
        parts, names = record.parts(), named(self._empty)
        items = jax.tree.unflatten(jax.tree.structure(self._empty), [parts[name] for name in names])
        stream = np.array([self.layout.stream_of(item) for item in self.layout.items])

        def of_stream(index: int) -> summaries.Summary:
            return summaries.merged(jax.tree.map(lambda part: part[stream == index], items))

        return self._summary([of_stream(index) for index in range(self.layout.streams)])

    def _summary(self, streams: list[summaries.Summary]) -> xr.Dataset:
        """Label the merged summaries of the streams."""
        data = self.schema.of_summary(streams, float(self._top))
        counts = dict(nonpositive_losses=int(data.nonpositive.sum()), nonfinite_losses=int(data.nonfinite.sum()))
        return data.assign_attrs(self._attributes() | counts)

    def _of_all_on(self) -> xr.Dataset:
        """Losses of the examples with all gates on, where those of every draw are kept."""
        if self.keep != "examples":
            return xr.Dataset()
        return self.schema.of_all_on(np.asarray(self.objective.example_losses(np.ones(len(self.objective.nodes)))))

    def _attributes(self) -> dict[str, Any]:
        ones = np.ones(len(self.objective.nodes))
        return dict(
            design=repr(self.design),
            seed=self.seed,
            loss=self.objective.loss_name,
            unit=self.objective.unit,
            plan=str(self.plan),
            precision=self.objective.precision,
            off=self.objective.off,
            full_loss=float(self.objective.evaluate(ones, gradients=False).loss),
        )


def _as_it_is(index: int, values: Any) -> Any:
    return values


def _add(summary: summaries.Summary, parts: list[summaries.Summary]) -> None:
    """Add an item's summary to those of its stream, and merge them where they become many."""
    parts.append(summary)
    if len(parts) == MOST_PARTS:
        parts[:] = [summaries.merged(summaries.stacked(parts))]


def _counts(values: dict[str, np.ndarray]) -> dict[str, int]:
    loss = values["loss"]
    return dict(nonpositive_losses=int((loss <= 0).sum()), nonfinite_losses=int((~np.isfinite(loss)).sum()))


def _is_damaged(record: Record) -> bool:
    """Whether a record has lost anything that it had; says what."""
    bad = record.damage()
    for path in bad:
        Progress(0, False).say(f"{path} is damaged or missing, and is made anew")
    return bool(bad)
