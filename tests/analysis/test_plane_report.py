"""The section on the input plane: what it shows depends on what the task and the store allow."""

import numpy as np
import pytest
import xarray as xr

from analysis.reports import plane
from sweeps.studies.circle.results import chosen
from tests.analysis.synthetic_network import stored

LABELS = [f"layers/0 unit {node}" for node in range(4)]
POINTS = np.random.default_rng(0).uniform(-1, 1, (12, 2))
PICTURES = dict.fromkeys(("plane", "plane_masks", "plane_nodes", "training_film"), "picture")


def task_of(name="circle", targets=None, inputs=POINTS):
    targets = np.arange(12) % 2 if targets is None else targets
    data = {"test_inputs": (("test_example", "feature"), inputs), "test_targets": ("test_example", targets)}
    return xr.Dataset(data, attrs={"name": name} | ({"radius": 0.8} if name == "circle" else {}))


def measured(task=None, network=None, training=None, masks=None):
    network = stored((2, 4, 2)) if network is None else network
    training = xr.Dataset() if training is None else training
    return plane.measure(network, task_of() if task is None else task, training, LABELS, masks or {})


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
    (section,) = plane.section(results, PICTURES)
    assert "of the loss over the square lies" in section.blocks[0].text and len(section.blocks) == 5


def test_a_task_without_a_rule_has_no_loss_map():
    results = measured(task_of("spiral"))
    assert set(plane.draw(results)) == {"plane", "plane_masks"} and plane.films(results) == {}
    (section,) = plane.section(results, {name: PICTURES[name] for name in ("plane", "plane_masks")})
    assert "of the loss over" not in section.blocks[0].text and len(section.blocks) == 3


@pytest.mark.parametrize(
    ("task", "network"),
    [
        (task_of("diabetes", np.linspace(0, 1, 12)), stored((2, 4, 1))),
        (task_of("digits"), stored((2, 4, 10))),
        (task_of("digits", inputs=np.zeros((12, 3))), stored((3, 4, 2))),
    ],
)
def test_other_networks_have_no_section(task, network):
    results = measured(task, network)
    assert results is None and plane.draw(None) == {} and plane.films(None) == {} and plane.section(None, {}) == []


def test_chosen_masks_are_the_best_the_greedy_one_and_a_draw():
    gates = np.array([[[True, False]], [[False, False]]])[:, None]
    dims = ("probability", "chain", "draw", "node")
    sweep = xr.Dataset({"gates": (dims, gates), "loss": (dims[:-1], [[[1.0]], [[2.0]]])}, {"probability": [0.1, 0.6]})
    found = chosen(sweep, None)
    assert found["a draw, $p$ = 0.6"].tolist() == [False, False]
    assert found["its opposite"].tolist() == [True, True]
