"""Off values: means, other examples and the user's own, held to passes written by hand in NumPy.

``test_zoo`` holds every network of the zoo to off values that are numbers, and to those of a network with all nodes on.
"""

import numpy as np
import pytest

import sweeps
from tests.sweeps import models
from tests.sweeps.models import CASES
from tests.sweeps.zoo import Mix

CLOSE = dict(rtol=1e-10, atol=1e-10)


@pytest.fixture(autouse=True)
def double(x64):
    """Everything here runs in double precision."""


class Averaged(list):
    """What stands at the places of nodes, as means over examples, and over positions if asked, in order."""

    def __init__(self, case, positions):
        super().__init__()
        self.case, self.positions = case, positions

    def means(self):
        for value in self:
            # Heads are vectors, (examples, positions, heads, features).
            is_vector = self.case == "scan" and value.ndim == 4
            inner = value.ndim - (2 if is_vector else 1)
            yield value.mean(axis=tuple(range(inner)) if self.positions else 0, keepdims=True)


def by_hand(name, gates, values):
    """Outputs with gates that mix values with others, in the order in which the network makes them, in NumPy."""
    case = CASES[name]
    parts = [Mix(piece, values) for piece in case.split(gates)]
    return case.by_hand(models.model(name), parts, models.batch(name)[0])


def noted(name, inputs):
    found = []
    case = CASES[name]
    case.by_hand(models.model(name), [Mix(np.ones(n), found) for n in case.sites], inputs)
    return found


def gates_of(name):
    nodes = sum(CASES[name].sites)
    return np.random.default_rng(5).uniform(size=nodes).round(1)


def steps(name, values):
    """Return the means of a recurrent network over its steps, of each node, at every step."""
    return [np.mean(values, axis=0)] * len(values) if name == "recurrent" else values


@pytest.mark.parametrize("name", CASES)
def test_means_over_examples_and_positions(name):
    inputs, targets = models.batch(name)
    objective = sweeps.Objective(models.model(name), (inputs, targets), off="mean", plan="vmapped")
    assert objective.off == f"mean over {len(inputs)} examples and positions"
    values = Averaged(name, positions=True)
    values += noted(name, inputs)
    expected = by_hand(name, gates_of(name), iter(steps(name, list(values.means()))))
    np.testing.assert_allclose(objective.outputs(gates_of(name)), expected, **CLOSE)


@pytest.mark.parametrize("name", [name for name in CASES if len(CASES[name].shape) > 2])
def test_means_of_each_position(name):
    inputs, targets = models.batch(name)
    off = sweeps.off.Mean(positions=False)
    objective = sweeps.Objective(models.model(name), (inputs, targets), off=off, plan="vmapped")
    values = Averaged(name, positions=False)
    values += noted(name, inputs)
    expected = by_hand(name, gates_of(name), values.means())
    np.testing.assert_allclose(objective.outputs(gates_of(name)), expected, **CLOSE)


@pytest.mark.parametrize("name", CASES)
def test_other_inputs_and_other_examples(name):
    inputs, targets = models.batch(name)
    other = np.random.default_rng(8).normal(size=inputs.shape)
    of_batch = sweeps.Objective(models.model(name), (inputs, targets), off=(other, targets), plan="vmapped")
    np.testing.assert_allclose(
        of_batch.outputs(gates_of(name)), by_hand(name, gates_of(name), iter(noted(name, other))), **CLOSE
    )
    resampled = sweeps.Objective(models.model(name), (inputs, targets), off=sweeps.off.Resample(seed=3), plan="vmapped")
    rows = [
        int(np.flatnonzero((inputs == one).reshape(len(inputs), -1).all(axis=1))[0])
        for one in np.asarray(resampled.batch.reference)
    ]
    assert sorted(rows) == list(range(len(inputs))) and all(row != own for own, row in enumerate(rows))
    np.testing.assert_allclose(
        resampled.outputs(gates_of(name)), by_hand(name, gates_of(name), iter(noted(name, inputs[rows]))), **CLOSE
    )
