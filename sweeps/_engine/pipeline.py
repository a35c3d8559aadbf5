"""Pipeline: calls are sent to the device ahead, while threads take over the results of earlier ones."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import jax
import numpy as np

from sweeps import _device
from sweeps._engine.layout import Layout


class Pipeline:
    """Evaluates items, the next ones while the values of earlier ones are taken over.

    Parameters
    ----------
    begin : callable
        (number of an item) -> its result, whose arrays the device may still compute.
    take : callable
        (number, result) -> anything; waits for the arrays, in a thread.
    batch_size : callable
        () -> the gate vectors that ``begin`` evaluates together.
    halve : callable
        Called with the error when a batch does not fit in the device's memory: makes later batches smaller, or raises.
    """

    def __init__(
        self,
        begin: Callable[[int], Any],
        take: Callable[[int, Any], Any],
        batch_size: Callable[[], int],
        halve: Callable[[Exception], None],
    ):
        self._begin, self._take, self._batch_size, self._halve = begin, take, batch_size, halve
        self._has_failed = False

    def run(self, indices: Iterable[int], takers: int | None = None) -> Iterator[tuple[int, Any]]:
        """Yield the number of each item, in order, with what ``take`` makes of its result.

        Parameters
        ----------
        indices : iterable of int
            Numbers of the items.
        takers : int, optional
            Threads that take results over; None for as many as calls that are in flight.
        """
        ahead = _device.here().in_flight
        pool = ThreadPoolExecutor(takers or ahead)
        try:
            flying: deque[tuple[int, Future[Any], int]] = deque()
            for index in indices:
                flying.append((index, self._sent(pool, index), self._batch_size()))
                if len(flying) > ahead:
                    yield self._landed(*flying.popleft())
            while flying:
                yield self._landed(*flying.popleft())
        finally:
            # What a thread has begun is finished, such as a file; nothing else is begun after an error.
            pool.shutdown(cancel_futures=True)

    def _sent(self, pool: ThreadPoolExecutor, index: int) -> "Future[Any]":
        try:
            return pool.submit(self._taken, index, self._begin(index))
        except jax.errors.JaxRuntimeError as error:
            failed: Future[Any] = Future()
            failed.set_exception(error)
            return failed

    def _taken(self, index: int, result: Any) -> Any:
        """Take a result over, unless that failed for an earlier one."""
        if self._has_failed:
            return None
        try:
            return self._take(index, result)
        except BaseException as error:
            self._has_failed = self._has_failed or not _is_too_large(error)
            raise

    def _landed(self, index: int, sent: "Future[Any]", batch_size: int) -> tuple[int, Any]:
        """Wait for an item; one whose batches did not fit is evaluated again in smaller ones."""
        attempt = sent.result
        while True:
            try:
                return index, attempt()
            except jax.errors.JaxRuntimeError as error:
                if not _is_too_large(error):
                    raise
                # Items in flight with one that did not fit have failed alike, at a size that is halved already.
                if self._batch_size() == batch_size:
                    self._halve(error)
            batch_size, attempt = self._batch_size(), partial(self._again, index)

    def _again(self, index: int) -> Any:
        return self._take(index, self._begin(index))


def _is_too_large(error: BaseException) -> bool:
    """Whether something did not fit in the device's memory."""
    return isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" in str(error)


class Whole:
    """The values of all draws, put together from those of the items, by several threads.

    Parameters
    ----------
    layout : Layout
        Where the items lie.

    Attributes
    ----------
    values : dict
        Arrays of leading shape (draws,), by name.
    """

    def __init__(self, layout: Layout):
        self.values: dict[str, np.ndarray] = {}
        self._layout, self._lock = layout, threading.Lock()

    def put(self, index: int, values: dict[str, np.ndarray]) -> None:
        """Put an item's values in their place; those of JAX could not be written to."""
        item, total = self._layout.items[index], self._layout.total
        for name, array in values.items():
            with self._lock:
                if name not in self.values:
                    self.values[name] = np.empty((total, *array.shape[1:]), array.dtype)
            self.values[name][item.start : item.stop] = array
