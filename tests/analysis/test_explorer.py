"""The interactive page: what it holds, and what it refuses."""

import json
import re

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_rgb

from analysis import _explorer, figures, hypercube, perceptron, plane, runs
from analysis._errors import InputError
from analysis._explorer.data import collect
from tests.analysis import synthetic_run
from tests.analysis.synthetic_explorer import with_network

NODES = synthetic_run.NODES
EMBEDDED = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)


def changed(tmp_path, tree):
    """A run of these groups, not written to disk."""
    return runs.Run(tmp_path, tree, "circle", "sweeps run", "1 CPU device", {}, {}, {})


class TestWhatThePageHolds:
    def test_its_numbers_are_those_of_the_store(self, explorer_page, explorable_tree):
        held = json.loads(EMBEDDED.search(explorer_page.read_text(encoding="utf-8"))[1])
        network, task = explorable_tree["network"], explorable_tree["task"]
        for layer in range(2):
            np.testing.assert_array_equal(held["kernels"][layer], network[f"layers.{layer}.kernel"])
            np.testing.assert_array_equal(held["biases"][layer], network[f"layers.{layer}.bias"])
        np.testing.assert_array_equal(held["inputs"], task.test_inputs)
        np.testing.assert_array_equal(held["targets"], task.test_targets)
        assert held["radius"] == task.attrs["radius"] and held["extent"] == [-2, 2, -2, 2]
        assert held["nodes"] == [str(node) for node in range(NODES)] and held["classes"] == ["inside", "outside"]

    def test_every_draw_of_a_small_sample_is_there(self, explorable, clean_tree):
        log_loss = clean_tree["sweeps/bernoulli"].log_loss
        assert [one.probability for one in explorable.distributions] == [None, 0.25, 0.5, 0.75]
        for one in explorable.distributions[1:]:
            draws = np.sort(log_loss.sel(probability=one.probability).values.ravel())
            # From the logarithm of a float32 loss, not from the float32 logarithm.
            np.testing.assert_allclose(one.quantiles, draws, rtol=0, atol=1e-6)
            assert one.count == one.histogram.sum() == draws.size
            np.testing.assert_array_equal(one.ranks, np.arange(draws.size))

    def test_of_all_masks_every_rank_at_the_ends_is_there(self, tmp_path, clean_tree):
        losses = np.exp(np.random.default_rng(0).normal(size=2**12)).astype(np.float32)
        tree = with_network(clean_tree, (2, 12, 2))
        nodes = {"node": [f"layers/0 unit {i}" for i in range(12)]}
        held = xr.Dataset({"loss": ("mask", losses)}, nodes, tree["sweeps/hypercube"].attrs)
        tree["sweeps"] = xr.DataTree.from_dict({"hypercube": held})
        (one,) = collect(changed(tmp_path, tree)).distributions
        assert one.probability is None and one.count == 2**12 and {0, 999, 2**12 - 1000, 2**12 - 1} <= set(one.ranks)
        assert np.diff(one.ranks[:1000]).tolist() == [1] * 999 and np.diff(one.ranks).max() == 5
        np.testing.assert_allclose(
            one.quantiles, np.log(np.sort(losses).astype(float))[one.ranks.astype(int)], rtol=1e-9
        )

    def test_losses_of_zero_and_nan_are_left_out(self, run_folder):
        counts = [one.count for one in collect(runs.open_run(run_folder)).distributions if one.probability]
        assert counts == [198, 198, 200]

    def test_the_best_masks_are_those_of_the_cube(self, explorable):
        masks = hypercube.best_masks(synthetic_run.log_losses()).mask
        assert [sum(int(on) << node for node, on in enumerate(mask)) for mask in explorable.best] == masks.tolist()
        assert [mask.count("1") for mask in explorable.best] == list(range(NODES + 1))

    def test_a_run_without_sweeps_has_a_page(self, tmp_path, clean_tree):
        tree = clean_tree.copy()
        del tree["sweeps"]
        page = collect(changed(tmp_path, tree))
        assert page.best is None and page.distributions == [] and page.nodes == [str(node) for node in range(NODES)]
        html = _explorer.to_html(page)
        assert 'id="best"' not in html and "no masks to compare with" in html

    def test_nodes_of_several_layers_have_the_layer_in_front(self, tmp_path, clean_tree):
        tree = with_network(clean_tree, (2, 3, 2, 2))
        del tree["sweeps"]
        page = collect(changed(tmp_path, tree))
        assert page.nodes == ["0.0", "0.1", "0.2", "1.0", "1.1"] and page.labels[-1] == "layers/1 unit 1"

    def test_many_test_points_are_cut_and_far_ones_in_the_picture(self, tmp_path, clean_tree):
        tree = clean_tree.copy()
        inputs = np.random.default_rng(0).uniform((5, -1), (15, 3), (2500, 2)).astype(np.float32)
        examples = {"test_inputs": (("test_example", "feature"), inputs), "test_targets": ("test_example", [0] * 2500)}
        tree["task"] = xr.DataTree(xr.Dataset(examples, attrs={"name": "spiral", "complete": True}))
        page = collect(changed(tmp_path, tree))
        assert page.inputs.shape == (2000, 2) and page.test_examples == 2500 and page.radius is None
        np.testing.assert_allclose(page.extent, [4, 16, -5, 7], atol=0.05)
        assert "the first 2,000 of the 2,500 test" in _explorer.to_html(page)

    @pytest.mark.parametrize("bad", [[np.nan, np.inf, -np.inf, 0.0], np.nan])
    def test_its_numbers_are_json_whatever_the_losses_are(self, tmp_path, explorable_tree, bad):
        tree = explorable_tree.copy(deep=True)
        for sweep in tree["sweeps"].children.values():
            for name in ("loss", "log_loss"):
                sweep[name].values.reshape(-1)[: 4 if np.ndim(bad) else None] = bad
        page = _explorer.to_html(collect(changed(tmp_path, tree)))
        held = json.loads(EMBEDDED.search(page)[1], parse_constant=pytest.fail)
        assert held["best"] is None and len(held["distributions"]) == (3 if np.ndim(bad) else 0)
        assert [one["count"] for one in held["distributions"]] == [196, 200, 200][: len(held["distributions"])]

    def test_its_colours_are_those_of_the_figures(self, explorer_page, explorable_tree):
        held = json.loads(EMBEDDED.search(explorer_page.read_text(encoding="utf-8"))[1])["palette"]
        classes = plane.true_classes(explorable_tree["task"].to_dataset(), plane.grid(points=9))
        network = perceptron.from_dataset(explorable_tree["network"].to_dataset())
        maps = plane.maps(network, plane.grid(points=9), classes=classes)
        axes = [figures.plane.certainty(maps), figures.plane.loss(maps), figures.plane.nodes(maps).axes[0]]
        for name, ax in zip(("certainty", "loss", "gradient"), axes, strict=True):
            drawn = ax.images[0].get_cmap()(np.linspace(0, 1, 256))
            np.testing.assert_allclose([to_rgb(colour) for colour in held[name]], drawn[:, :3], atol=0.002)
        assert (held["helps"], held["hurts"]) == (held["gradient"][0], held["gradient"][-1])
        points = figures.plane.certainty(maps, task=explorable_tree["task"].to_dataset()).lines
        assert held["points"] == [line.get_color() for line in points]

    def test_its_ranges_hold_all_but_the_largest(self, explorable):
        random = np.random.default_rng(1)
        inputs = random.uniform(-2, 2, (500, 2))
        classes = (np.hypot(*inputs.T) > explorable.radius).astype(int)
        for gates in (np.zeros(NODES), np.ones(NODES), random.integers(2, size=NODES)):
            losses = perceptron.losses(explorable.network, inputs, classes, gates=gates)
            pulls = perceptron.gate_gradients(explorable.network, inputs, classes, gates=gates)
            assert (losses <= explorable.scales.loss[1]).mean() > 0.95
            assert (abs(pulls) <= explorable.scales.gradient).mean() > 0.95
        assert f"{explorable.scales.gradient:e}"[0] in "125"

    def test_it_needs_nothing_from_outside(self, explorer_page):
        page = explorer_page.read_text(encoding="utf-8")
        # The one address is the name of a language, never fetched.
        assert set(re.findall(r"\w+://[^\"'\s<>]*", page)) == {"http://www.w3.org/2000/svg"}
        page = page.replace('<link rel="icon" href="data:,">', "")
        assert not re.findall(r"<link|<img|<iframe|\bsrc\s*=|\burl\(|@import|\bfetch\(|XMLHttpRequest|import\(", page)
        assert "Content-Security-Policy\" content=\"default-src 'none'" in page


class TestSeveralNetworks:
    """As studies store them, in groups with a dimension network; the page shows one."""

    @staticmethod
    def of(tree, sizes):
        """A run with three networks, made in two ways, of random numbers."""
        groups = {seed: with_network(tree, sizes, seed=seed)["network"].to_dataset() for seed in range(3)}
        trained = xr.concat(groups.values(), "network", combine_attrs="override")
        both = xr.concat([0 * trained, trained], xr.Variable("arm", ["initial", "trained"]))
        found = tree.copy()
        del found["network"], found["networks"], found["sweeps"]
        found["full"] = xr.DataTree(both.assign_attrs(trained.attrs))
        return found, groups

    @pytest.mark.parametrize("number", [0, 2])
    def test_the_one_asked_for_is_shown_as_it_was_trained(self, tmp_path, clean_tree, number):
        tree, groups = self.of(clean_tree, (2, 3, 2, 2))
        page = collect(changed(tmp_path, tree), number)
        assert page.chosen == f"number {number} of 3 in full, arm trained" and page.chosen in _explorer.to_html(page)
        for layer, kernel in enumerate(page.network.kernels):
            np.testing.assert_array_equal(kernel, groups[number][f"layers.{layer}.kernel"])

    @pytest.mark.parametrize("number", [3, -1])
    def test_numbers_beyond_them(self, tmp_path, clean_tree, number):
        with pytest.raises(InputError, match="^network must be at "):
            collect(changed(tmp_path, self.of(clean_tree, (2, 3, 2))[0]), number)

    def test_the_sweeps_of_a_run_are_of_its_only_network(self, tmp_path, clean_tree):
        with pytest.raises(InputError, match="^network must be at most 0, got 1"):
            collect(changed(tmp_path, clean_tree), 1)

    def test_networks_of_other_inputs_than_the_task(self, tmp_path, clean_tree):
        tree, _ = self.of(clean_tree, (64, 3, 10))
        with pytest.raises(InputError, match="a stored multilayer perceptron of two inputs, .*, got networks 64-3-10"):
            collect(changed(tmp_path, tree))


class TestRefusals:
    def test_more_than_two_inputs(self, tmp_path, clean_tree):
        tree = with_network(clean_tree, (64, NODES, 2))
        with pytest.raises(ValueError, match=r"^folder must be a run with a network with two inputs, got 64 in"):
            collect(changed(tmp_path, tree))

    def test_another_loss(self, tmp_path, clean_tree):
        tree = clean_tree.copy()
        for sweep in tree["sweeps"].children.values():
            sweep.attrs = sweep.attrs | {"loss": "squared_error"}
        with pytest.raises(ValueError, match="must be a run with the loss cross_entropy, got squared_error in"):
            collect(changed(tmp_path, tree))

    def test_values_in_place_of_classes(self, tmp_path, clean_tree):
        tree = clean_tree.copy()
        del tree["sweeps"]
        tree["task"]["test_targets"] = tree["task"]["test_targets"].astype(float)
        with pytest.raises(ValueError, match="must be a run with the loss cross_entropy, got another loss in"):
            collect(changed(tmp_path, tree))

    @pytest.mark.parametrize(("group", "name"), [("network", "layers.0.bias"), ("task", "test_inputs")])
    def test_weights_and_points_that_are_not_finite(self, tmp_path, explorable_tree, group, name):
        tree = explorable_tree.copy(deep=True)
        tree[group][name].values[..., 0] = np.inf
        bad = np.count_nonzero(np.isinf(tree[group][name]))
        with pytest.raises(InputError, match=f"must be a run with finite weights and test inputs, got {bad} that are"):
            collect(changed(tmp_path, tree))

    @pytest.mark.parametrize("classes", [1, 7])
    def test_too_few_or_too_many_classes(self, tmp_path, clean_tree, classes):
        with pytest.raises(ValueError, match=f"must be a run with 2 to 6 classes, got {classes} in"):
            collect(changed(tmp_path, with_network(clean_tree, (2, NODES, classes))))

    def test_gates_elsewhere(self, tmp_path, clean_tree):
        with pytest.raises(ValueError, match="must be a run with 10 gates, one a hidden node, got 8 in"):
            collect(changed(tmp_path, with_network(clean_tree, (2, NODES, 2, 2))))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (
                lambda sweep: sweep.assign_attrs(off="mean over 9 examples"),
                "off nodes of value zero, .*, got mean over 9",
            ),
            (
                lambda sweep: sweep.assign_coords(node=sweep["node"].values[::-1]),
                "a gate on each hidden node, got the ",
            ),
        ],
    )
    def test_gates_that_mean_something_else(self, tmp_path, clean_tree, change, message):
        tree = clean_tree.copy()
        tree["sweeps/bernoulli"] = xr.DataTree(change(tree["sweeps/bernoulli"].to_dataset()))
        with pytest.raises(ValueError, match=f"must be a run with {message}"):
            collect(changed(tmp_path, tree))

    @pytest.mark.parametrize(("group", "got"), [("task", "no task"), ("network", "no network")])
    def test_a_run_without_task_or_network(self, tmp_path, clean_tree, group, got):
        tree = clean_tree.copy()
        del tree[group], tree["networks"]
        with pytest.raises(ValueError, match=f"must be a run with a stored multilayer perceptron .*, got {got} in"):
            collect(changed(tmp_path, tree))

    def test_a_folder_without_a_run(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="must be a run folder that holds run.zarr"):
            _explorer.explore(tmp_path)
