"""Pipeline: items in order whatever is in flight, memory that is too small, errors while results are taken over."""

import threading
import time

import jax
import numpy as np
import pytest
import xarray as xr

import sweeps
from sweeps._engine import runner
from sweeps._engine.layout import Layout
from sweeps._engine.pipeline import Pipeline, Whole
from tests.sweeps import helpers
from tests.sweeps.helpers import SMALL

ITEMS = 9


class Work:
    """Items whose results are ten times their numbers, in batches that may not fit."""

    def __init__(self, fits=64, size=64):
        self.fits, self.size, self.begun, self.halved = fits, size, [], 0

    def begin(self, index):
        self.begun.append((index, self.size))
        if self.size > self.fits:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")
        return 10 * index

    def halve(self, error):
        assert "RESOURCE_EXHAUSTED" in str(error)
        if self.size == 1:
            raise MemoryError
        self.size //= 2
        self.halved += 1

    def run(self, take=lambda index, result: result, **options):
        pipeline = Pipeline(self.begin, take, lambda: self.size, self.halve)
        return list(pipeline.run(range(ITEMS), **options))


@pytest.mark.parametrize("ahead", [1, 4, 20])
def test_values_come_in_order_and_no_more_than_allowed_is_in_flight(ahead, monkeypatch):
    helpers.set_device(monkeypatch, in_flight=ahead)
    work, waiting, lock = Work(), [], threading.Lock()

    def take(index, result):
        with lock:
            waiting.append(len(work.begun) - index)
        time.sleep(0.002 * (index % 3))
        return result

    assert work.run(take) == [(index, 10 * index) for index in range(ITEMS)]
    assert max(waiting) <= ahead + 1 and (max(waiting) > 1 or ahead == 1)


@pytest.mark.parametrize("ahead", [1, 4])
def test_a_size_is_halved_once_for_all_that_did_not_fit(ahead, monkeypatch):
    helpers.set_device(monkeypatch, in_flight=ahead)
    work = Work(fits=16)
    assert work.run() == [(index, 10 * index) for index in range(ITEMS)]
    assert work.halved == 2 and work.size == 16
    # The items in flight with the first are begun anew, all others at the size that fits.
    assert [index for index, size in work.begun if size > 16] == [*range(ahead + 1), 0]


def test_a_result_may_turn_out_too_large_when_it_is_waited_for(monkeypatch):
    work = Work()

    def take(index, result):
        if work.size > 8:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")
        return result

    assert work.run(take) == [(index, 10 * index) for index in range(ITEMS)]
    assert work.size == 8


def test_what_never_fits_is_said():
    with pytest.raises(MemoryError):
        Work(fits=0).run()


@pytest.mark.parametrize("error", [OSError("full"), KeyboardInterrupt(), jax.errors.JaxRuntimeError("INTERNAL")])
def test_an_error_ends_it_and_later_results_are_not_taken(error, monkeypatch):
    helpers.set_device(monkeypatch, in_flight=4)
    work, taken = Work(), []

    def take(index, result):
        if index == 2:
            raise error
        taken.append(index)

    with pytest.raises(type(error)):
        work.run(take, takers=1)
    assert taken == [0, 1]
    assert len(work.begun) <= 7


def test_parts_are_put_together_by_several_threads():
    layout = Layout(dict(chain=2, draw=50), rows=16, apart=False)
    whole = Whole(layout)
    parts = [(index, np.arange(item.start, item.stop)) for index, item in enumerate(layout.items)]
    threads = [threading.Thread(target=whole.put, args=(index, dict(a=part, b=part * 2.0))) for index, part in parts]
    for thread in threads[::-1]:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(whole.values["a"], np.arange(100))
    np.testing.assert_array_equal(whole.values["b"], np.arange(100) * 2.0)


@pytest.mark.parametrize("keep", ["draws", "summary"])
def test_results_that_land_in_pinned_memory_are_the_same(keep, monkeypatch):
    objective, design = helpers.objective(SMALL), sweeps.Bernoulli(probability=(0.2, 0.7), draws=40)
    monkeypatch.setattr(runner, "CALL_BYTES", 500)
    wanted = sweeps.sweep(objective, design, batch_size=8, keep=keep)
    helpers.set_device(monkeypatch, landing="pinned_host", in_flight=4)
    xr.testing.assert_identical(sweeps.sweep(objective, design, batch_size=8, keep=keep), wanted)
