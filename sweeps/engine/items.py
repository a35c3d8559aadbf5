"""Items: consecutive draws of a sweep, evaluated by one jitted call and named."""

import dataclasses
import math
from collections.abc import Callable
from functools import cached_property
from typing import Any, Literal, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from analysis.errors import TooLargeError
from sweeps import seeds
from sweeps.engine import batches, summaries
from sweeps.engine.layout import Item, Layout
from sweeps.masks.designs import Design
from sweeps.objective import Objective
from sweeps.progress import Progress

T = TypeVar("T")

# What the draws of one jitted call may take, in bytes. It also cuts a sweep into items.
CALL_BYTES = 2**28
# Draws of a stream that decide the range of the loss's histogram.
PILOT_MASKS = 256


class Evaluator:
    """What evaluates any item of a sweep.

    Parameters
    ----------
    objective, design, seed, gradients, keep, batch_size : as for ``sweeps.sweep``; the design is bound
    apart : whether an item stays within a stream

    Attributes
    ----------
    sampler : maker of the design's gate vectors
    layout : the sweep's items
    steps : gate vectors of a draw
    batch_size : draws evaluated together; halved when they do not fit
    bins : range of a summary's histogram of the loss
    """

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
        self.gradients, self.keep = gradients, keep
        self.sampler = design.sampler(plan.nodes)  # checks that the design fits
        self.steps = steps = math.prod(design.inner(plan.nodes).values())
        row = plan.nodes * (1 + 2 * gradients * plan.dtype.itemsize) + 2 * plan.dtype.itemsize
        # Set by what a draw takes alone, so that any machine cuts a sweep into the same items.
        rows = 1 << (max(1, CALL_BYTES // (row * steps)).bit_length() - 1)
        self.layout = Layout(design.axes(plan.nodes), rows, apart)
        most = min(rows, self.layout.total)
        source, self.batch_size = batches.source_of(plan, self.sampler, steps, most, gradients, batch_size)
        self._mesh = batches.local_mesh()
        self._source = batches.replicated(source, self._mesh)
        self._precision = objective.precision
        self._keeps_gates = design.keeps_gates
        self._draws = "paths" if steps > 1 else "gate vectors"
        self._key = jnp.asarray(seeds.words(seed))
        self.bins = summaries.Bins(np.float32(1))
        if keep == "summary":
            self.bins = self._piloted()

    def values(self, item: Item, progress: Progress) -> dict[str, np.ndarray]:
        """Evaluate an item; the arrays are named ``loss``, ``gates``, ..., or ``loss.mean``, ... of a summary."""
        return self._fitting(lambda: named(self._evaluate(item)), progress)

    def _fitting(self, evaluate: Callable[[], T], progress: Progress) -> T:
        """Evaluate; a batch that does not fit in the device's memory is halved."""
        while True:
            try:
                return evaluate()
            except jax.errors.JaxRuntimeError as error:
                if "RESOURCE_EXHAUSTED" not in str(error):
                    raise
                if not self._halve():
                    raise TooLargeError(
                        f"a batch of {self.batch_size} {self._draws} does not fit in the device's memory"
                    ) from error
                progress.say(f"out of device memory: going on with batches of {self.batch_size} {self._draws}")

    def _halve(self) -> bool:
        """Halve the batch, if it can be halved."""
        source = self._source
        smallest = 1 << source.cube.low_nodes if isinstance(source, batches.WholeCube) else 1
        if self.batch_size // 2 < smallest:
            return False
        self.batch_size //= 2
        if isinstance(source, batches.WholeCube):
            self._source = dataclasses.replace(source, batch_size=self.batch_size)
        return True

    def _evaluate(self, item: Item) -> batches.Draws | summaries.Batch:
        # Within a stream, where the end of what counts can be told: surplus draws must not wrap into the next.
        wraps = self.keep == "draws"
        starts = batches.bases(item.start, self._batches, self.batch_size, self.layout.draws, wraps)
        result = self._call(starts, (item.stop - 1) % self.layout.draws + 1, self.keep, self.gradients)
        if isinstance(result, summaries.Batch):
            return summaries.merged(result)
        return jax.tree.map(lambda part: np.asarray(part)[: item.stop - item.start], result)

    @property
    def _batches(self) -> int:
        """Batches of a call: enough for the longest item, so that the last one compiles nothing new."""
        longest = max(one.stop - one.start for one in self.layout.items)
        count = -(-longest // self.batch_size)
        return count + -count % self._mesh.size

    def _call(self, starts: np.ndarray, stop: int, keep: str, gradients: bool) -> Any:
        """Evaluate batches from their starts (stream, draw); see batches.evaluate."""
        return batches.evaluate(
            self._source,
            self._key,
            jnp.asarray(starts),
            jnp.uint32(self.layout.draws),
            jnp.uint32(stop),
            self.bins,
            batch_size=self.batch_size,
            gradients=gradients,
            keep="draws and gates" if keep == "draws" and self._keeps_gates else keep,
            precision=self._precision,
            mesh=self._mesh,
        )

    def _piloted(self) -> summaries.Bins:
        """Range of the loss's histogram, from a pilot: the first batch of every stream, of the first few streams."""
        streams, wanted = min(self.layout.streams, 16), min(PILOT_MASKS, self.layout.draws)

        def evaluate() -> np.ndarray:
            """Losses of the first draws of every stream: the same ones whatever the batch."""
            size = self.batch_size
            starts = [(stream, first) for stream in range(streams) for first in range(0, wanted, size)]
            kept = len(starts) * size
            starts += starts[-1:] * (-len(starts) % self._mesh.size)
            pilot = self._call(np.array(starts, np.uint32), self.layout.draws, "draws", False)
            losses = np.asarray(pilot.evaluation.loss)
            return losses[:kept].reshape(streams, -1, *losses.shape[1:])[:, :wanted]

        return summaries.bins_for(self._fitting(evaluate, Progress(0, False)))

    def merged(self, parts: dict[str, np.ndarray]) -> summaries.Batch:
        """Merge named summaries along their leading axis."""
        template = self.template
        return summaries.merged(
            jax.tree.unflatten(jax.tree.structure(template), [parts[name] for name in named(template)])
        )

    @cached_property
    def template(self) -> batches.Draws | summaries.Batch:
        """What an item's result looks like: arrays of the right types and inner shapes."""
        starts = jax.ShapeDtypeStruct((self._batches, 2), np.uint32)
        shapes = jax.eval_shape(lambda starts: self._call(starts, 0, self.keep, self.gradients), starts)
        if self.keep == "summary":
            return summaries.merged(jax.tree.map(lambda one: np.zeros((1, *one.shape[1:]), one.dtype), shapes))
        return shapes


def named(result: Any) -> dict[str, Any]:
    """Name the arrays of a result: ``loss``, ``gates``, ..., or ``loss.mean``, ... of a summary."""
    leaves = jax.tree_util.tree_flatten_with_path(result)[0]
    return {
        jax.tree_util.keystr(path, simple=True, separator=".").removeprefix("evaluation."): leaf
        for path, leaf in leaves
    }
