"""Tuning: long sweeps take the fastest batch that was measured, by a clock of the test's own."""

import dataclasses

import numpy as np
import pytest

import sweeps
from sweeps._plans import preferred_batch, tuning, vmapped
from tests.sweeps import helpers

LONG = 10**9


class Machine:
    """Evaluates gate vectors in a time that depends on the batch, compiles for a time, and has a clock."""

    def __init__(self, milliseconds, compiling=1.0):
        self.milliseconds, self.compiling = milliseconds, compiling
        self.seconds, self.batches = 0.0, []

    def evaluate(self, gates, batch):
        assert len(gates) % batch == 0
        self.seconds += self.compiling * (batch not in self.batches) + len(gates) * self.milliseconds(batch) / 1000
        self.batches.append(batch)

    def tried(self):
        return list(dict.fromkeys(self.batches))

    def clock(self):
        return self.seconds


@pytest.fixture
def plan(monkeypatch):
    """A plan that prefers batches of 16."""
    monkeypatch.setattr(tuning, "_known", {})
    found = helpers.objective(helpers.SMALL, plan="vmapped").plan.tree
    helpers.set_device(monkeypatch, batch=16 * found.floats_per_mask(False), networks=1)
    assert preferred_batch(found, False) == 16
    return found


def batch_size(plan, machine, masks=LONG):
    return tuning.batch_size(plan, False, masks, machine.evaluate, machine.clock)


@pytest.mark.parametrize(
    ("milliseconds", "best", "tried"),
    [
        (lambda batch: 1.0, 16, [16, 32, 8]),
        (lambda batch: 1.0 + abs(batch - 32), 32, [16, 32, 64]),
        (lambda batch: 1 / batch, 64, [16, 32, 64]),
        (lambda batch: batch, 4, [16, 32, 8, 4]),
        # No faster than timings differ.
        (lambda batch: 1 - 0.02 * (batch == 32), 16, [16, 32, 8]),
    ],
)
def test_the_fastest_of_a_few_batches(plan, milliseconds, best, tried):
    machine = Machine(milliseconds)
    assert batch_size(plan, machine) == best and machine.tried() == tried
    # Once in a process.
    assert batch_size(plan, Machine(None)) == best
    other = Machine(lambda batch: 1.0)
    assert batch_size(dataclasses.replace(plan, kept=plan.kept + 1), other) == 16 and other.batches


def test_short_sweeps_measure_nothing(plan):
    assert batch_size(plan, Machine(None), masks=10**4) == 16


def test_nothing_more_is_measured_than_pays(plan):
    machine = Machine(lambda batch: 1e-3, compiling=100.0)
    assert batch_size(plan, machine) == 16 and machine.tried() == [16]


def test_a_sweep_takes_the_batch_and_its_masks_stay_the_same(monkeypatch):
    def swept(**options):
        objective = helpers.objective(helpers.SMALL, plan="vmapped")
        return sweeps.sweep(objective, sweeps.Bernoulli(draws=20), **options)

    seen = []

    def measured(plan, gradients, masks, evaluate):
        found = evaluate(np.ones((4, plan.nodes), bool), 2)
        seen.append((masks, found.loss.shape))
        return 4

    usual = swept()
    monkeypatch.setattr(tuning, "batch_size", measured)
    np.testing.assert_array_equal(swept().gates, usual.gates)
    assert seen == [(20, (4,))]
    swept(batch_size=8)
    assert len(seen) == 1, "the user's own size is kept"


def test_the_steps_of_a_path_are_cut_into_batches(monkeypatch):
    objective = helpers.objective(helpers.SMALL, plan="vmapped")
    floats = objective.plan.tree.floats_per_mask(True)
    together = []
    evaluate = vmapped.Prepared.evaluate
    monkeypatch.setattr(vmapped.Prepared, "evaluate", lambda *args: together.append(len(args[1])) or evaluate(*args))
    helpers.set_device(monkeypatch, batch=4 * floats, networks=1)
    found = sweeps.sweep(objective, sweeps.FlipPaths(paths=3), seed=5)
    # Seven steps in batches of four at most: two of four, of which one is filled up.
    assert max(together) == 4
    wanted = objective.evaluate(found.gates.values)
    np.testing.assert_allclose(found.loss, wanted.loss, rtol=1e-5)
    np.testing.assert_allclose(found.loss_gradient, wanted.loss_gradient, rtol=1e-4, atol=1e-6)
