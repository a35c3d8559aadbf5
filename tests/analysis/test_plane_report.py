"""The input plane in reports: what they show of it depends on what the task and the store allow."""

import numpy as np
import pytest
import xarray as xr

from analysis._reports import plane
from analysis.numbers import Numbers
from tests.analysis.synthetic_network import stored

LABELS = [f"layers/0 unit {node}" for node in range(4)]
POINTS = np.random.default_rng(0).uniform(-1, 1, (12, 2))


def task_of(name="circle", targets=None, inputs=POINTS):
    targets = np.arange(12) % 2 if targets is None else targets
    data = {"test_inputs": (("test_example", "feature"), inputs), "test_targets": ("test_example", targets)}
    return xr.Dataset(data, attrs={"name": name} | ({"radius": 0.8} if name == "circle" else {}))


def measured(task=None, network=None, training=None, masks=None):
    network = stored((2, 4, 2)) if network is None else network
    training = xr.Dataset() if training is None else training
    return plane.measure(network, task_of() if task is None else task, training, LABELS, masks or {})


def numbers_of(results):
    found = Numbers("a")
    plane.add_numbers(found, results)
    return found


def test_a_circle_has_everything():
    network = stored((2, 4, 2))
    training = xr.concat([network, network], "checkpoint").assign_coords(checkpoint=[0, 1])
    results = measured(training=training, masks={"one on": np.eye(4, dtype=bool)[0]})
    assert set(plane.draw(results)) == {"plane", "plane_masks", "plane_nodes"} and set(plane.films(results)) == {
        "training_film"
    }
    assert [int(one["epoch"]) for one in results.checkpoints] == [0, 1]
    np.testing.assert_allclose(results.checkpoints[1].certainty, results.masks[next(iter(results.masks))].certainty)
    assert [title.splitlines()[0] for title in results.masks] == ["all 4 on", "one on"]
    n = numbers_of(results)
    assert 0 < n.loss_where_uncertain.value <= 1 and 0 < n.uncertain_area.value <= 1 and n.plane_limit.value == 2
    assert n.test_reach.value == pytest.approx(np.abs(POINTS).max())


def test_a_task_without_a_rule_has_no_loss_map():
    results = measured(task_of("spiral"))
    assert set(plane.draw(results)) == {"plane", "plane_masks"} and plane.films(results) == {}
    assert "uncertain area" in numbers_of(results) and "loss where uncertain" not in numbers_of(results)


@pytest.mark.parametrize(
    ("task", "network"),
    [
        (task_of("diabetes", np.linspace(0, 1, 12)), stored((2, 4, 1))),
        (task_of("digits"), stored((2, 4, 10))),
        (task_of("digits", inputs=np.zeros((12, 3))), stored((3, 4, 2))),
    ],
)
def test_other_networks_have_no_plane(task, network):
    results = measured(task, network)
    assert results is None and plane.draw(None) == {} and plane.films(None) == {} and len(numbers_of(None)) == 0
