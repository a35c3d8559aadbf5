"""The interactive page: what it holds, and what it computes and does in a real browser."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import synthetic_run
import xarray as xr

from analysis import explorer, hypercube, perceptron, runs
from analysis.explorer.data import collect
from tests import browser, reference

NODES = synthetic_run.NODES
EMBEDDED = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)


def random_layers(sizes, seed=0):
    random = np.random.default_rng(seed)
    kernels = [random.normal(size=shape) / np.sqrt(shape[0]) for shape in zip(sizes, sizes[1:], strict=False)]
    return kernels, [random.normal(scale=0.5, size=size) for size in sizes[1:]]


def with_network(tree, sizes, activation="relu", seed=0):
    """The run with another network, of random numbers; the sweeps stay as they are."""
    names, values = ("kernel", "bias"), random_layers(sizes, seed)
    variables = {}
    for layer in range(len(sizes) - 1):
        dims = (f"layers.{layer}.inputs", f"layers.{layer}.outputs")
        for name, arrays in zip(names, values, strict=True):
            array = (3 * arrays[layer]).astype(np.float32)
            variables[f"layers.{layer}.{name}"] = (dims[-array.ndim :], array)
    groups = {path: node.to_dataset() for path, node in tree.subtree_with_keys if path != "."}
    attributes = groups["network"].attrs | {"sizes": list(sizes), "activation": activation}
    groups["network"] = xr.Dataset(variables, attrs=attributes)
    made = xr.DataTree.from_dict({path: data for path, data in groups.items() if path != "sweeps"})
    made.attrs = tree.attrs
    return made


@pytest.fixture(scope="module")
def explorable_tree(clean_tree):
    return with_network(clean_tree, (2, NODES, 2))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, explorable_tree):
    return synthetic_run.write_run(tmp_path_factory.mktemp("explored"), explorable_tree)


@pytest.fixture(scope="module")
def written(folder):
    return explorer.write(folder)


@pytest.fixture(scope="module")
def explorable(folder):
    return collect(runs.open_run(folder))


@pytest.fixture(scope="module")
def problem(explorable):
    """The stored network on the stored test points, for the oracle."""
    network = explorable.network
    layers = tuple(zip(network.kernels, network.biases, strict=True))
    return reference.Problem(layers, "relu", explorable.inputs, explorable.targets, "cross_entropy")


def changed(tmp_path, tree):
    """A run of these groups, not written to disk."""
    return runs.Run(tmp_path, tree, "circle", "sweeps run", "1 CPU device", {}, {}, {})


class TestWhatThePageHolds:
    def test_its_numbers_are_those_of_the_store(self, written, explorable_tree):
        held = json.loads(EMBEDDED.search(written.read_text(encoding="utf-8"))[1])
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
        assert [one.probability for one in explorable.sampled] == [0.25, 0.5, 0.75]
        for one in explorable.sampled:
            draws = np.sort(log_loss.sel(probability=one.probability).values.ravel())
            # From the logarithm of a float32 loss, not from the float32 logarithm.
            np.testing.assert_allclose(one.quantiles, draws, rtol=0, atol=1e-6)
            assert one.count == one.histogram.sum() == draws.size

    def test_losses_of_zero_and_nan_are_left_out(self, run_folder):
        sampled = collect(runs.open_run(run_folder)).sampled
        assert [one.count for one in sampled] == [198, 198, 200]

    def test_the_best_masks_are_those_of_the_cube(self, explorable):
        masks = hypercube.best_masks(synthetic_run.log_losses()).mask
        assert [sum(int(on) << node for node, on in enumerate(mask)) for mask in explorable.best] == masks.tolist()
        assert [mask.count("1") for mask in explorable.best] == list(range(NODES + 1))

    def test_a_run_without_sweeps_has_a_page(self, tmp_path, clean_tree):
        tree = clean_tree.copy()
        del tree["sweeps"]
        page = collect(changed(tmp_path, tree))
        assert page.best is None and page.sampled == [] and page.nodes == [str(node) for node in range(NODES)]
        html = explorer.to_html(page)
        assert 'id="best"' not in html and "no random masks to compare with" in html

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
        assert "the first 2,000 of the 2,500 test" in explorer.to_html(page)

    def test_it_needs_nothing_from_outside(self, written):
        page = written.read_text(encoding="utf-8")
        # The one address is the name of a language, never fetched.
        assert set(re.findall(r"\w+://[^\"'\s<>]*", page)) == {"http://www.w3.org/2000/svg"}
        assert not re.findall(r"<link|<img|<iframe|\bsrc\s*=|\burl\(|@import|\bfetch\(|XMLHttpRequest|import\(", page)
        assert "Content-Security-Policy\" content=\"default-src 'none'" in page


class TestRefusals:
    def test_more_than_two_inputs(self, tmp_path, clean_tree):
        tree = with_network(clean_tree, (64, NODES, 2))
        with pytest.raises(ValueError, match=r"^folder: expected a run with a network with two inputs, got 64 in"):
            collect(changed(tmp_path, tree))

    def test_another_loss(self, tmp_path, clean_tree):
        tree = clean_tree.copy()
        for sweep in tree["sweeps"].children.values():
            sweep.attrs = sweep.attrs | {"loss": "squared_error"}
        with pytest.raises(ValueError, match="expected a run with the loss cross_entropy, got squared_error in"):
            collect(changed(tmp_path, tree))

    def test_values_in_place_of_classes(self, tmp_path, clean_tree):
        tree = clean_tree.copy()
        del tree["sweeps"]
        tree["task"]["test_targets"] = tree["task"]["test_targets"].astype(float)
        with pytest.raises(ValueError, match="expected a run with the loss cross_entropy, got another loss in"):
            collect(changed(tmp_path, tree))

    @pytest.mark.parametrize("classes", [1, 7])
    def test_too_few_or_too_many_classes(self, tmp_path, clean_tree, classes):
        with pytest.raises(ValueError, match=f"expected a run with 2 to 6 classes, got {classes} in"):
            collect(changed(tmp_path, with_network(clean_tree, (2, NODES, classes))))

    def test_gates_elsewhere(self, tmp_path, clean_tree):
        with pytest.raises(ValueError, match="expected a run with 10 gates, one a hidden node, got 8 in"):
            collect(changed(tmp_path, with_network(clean_tree, (2, NODES, 2, 2))))

    @pytest.mark.parametrize("group", ["task", "network"])
    def test_a_run_without_task_or_network(self, tmp_path, clean_tree, group):
        tree = clean_tree.copy()
        del tree[group]
        with pytest.raises(ValueError, match=r"expected a run with the groups task and network, got \['"):
            collect(changed(tmp_path, tree))

    def test_a_folder_without_a_run(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="expected a run folder that holds run.zarr"):
            explorer.write(tmp_path)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    if browser.find() is None:
        pytest.skip(f"no browser: none of {', '.join(browser.NAMES)} is installed")
    running = browser.Browser(browser.find(), tmp_path_factory.mktemp("profile"))
    yield running
    running.close()


@pytest.fixture
def page(chromium, written):
    """The page, freshly opened; at the end nothing must have gone wrong in it."""
    chromium.size(1200, 900)
    # By way of an empty page, so that an address that differs in its hash alone is loaded too.
    chromium.open("about:blank")
    chromium.open(written.as_uri())
    yield chromium
    assert chromium.errors == []


def shown(page):
    """The loss that can be read on the page, after the next redraw."""
    page.value("new Promise(go => requestAnimationFrame(() => requestAnimationFrame(go)))")
    return float(page.value("document.getElementById('loss').firstChild.data"))


def status(page):
    return page.value("document.getElementById('status').textContent")


def agrees(page, problem, gates):
    """Whether gates, computed loss and shown loss are those of these gates."""
    loss = reference.loss(problem, gates)
    np.testing.assert_allclose(page.value("explorer.gates()"), gates, rtol=0, atol=1e-12)
    assert page.value("explorer.loss()") == pytest.approx(loss, rel=1e-9)
    assert shown(page) == pytest.approx(loss, rel=1e-3), "four digits are shown"
    return True


def pixels_of(page, canvas):
    """Colour of a map, which reaches from -2 to 2, at a point of the plane."""
    # From a copy: a canvas that is read twice is drawn more slowly, and Chromium warns of it.
    copy = f"""explorer.draw(); const one = document.getElementById('{canvas}');
        const pen = new OffscreenCanvas(one.width, one.width).getContext('2d'); pen.drawImage(one, 0, 0);"""
    line = page.value(f"(() => {{ {copy} return [...pen.getImageData(0, 0, one.width, one.width).data] }})()")
    side = int(np.sqrt(len(line) / 4))
    image = np.array(line).reshape(side, side, 4)[..., :3]
    return lambda x, y: image[int((2 - y) / 4 * side), int((x + 2) / 4 * side)]


class TestInABrowser:
    @pytest.mark.parametrize("seed", range(3))
    def test_loss_and_gradient_are_those_of_the_oracle(self, page, problem, seed):
        random = np.random.default_rng(seed)
        for gates in ([1] * NODES, [0] * NODES, random.integers(2, size=NODES), random.random(NODES)):
            vector = json.dumps(np.asarray(gates, float).tolist())
            wanted = reference.evaluate(problem, np.asarray(gates))
            assert page.value(f"explorer.loss({vector})") == pytest.approx(wanted.loss, rel=1e-9)
            found = page.value(f"explorer.gradient({vector})")
            np.testing.assert_allclose(found, wanted.loss_gradient, rtol=1e-9, atol=1e-12)
            right = reference.outputs(problem, gates).argmax(axis=1) == problem.targets
            assert page.value(f"explorer.accuracy({vector})") == pytest.approx(right.mean(), rel=1e-12)

    @pytest.mark.parametrize("activation", [name for name in perceptron.ACTIVATIONS if name != "relu"])
    def test_deeper_networks_with_more_classes(self, page, explorable, tmp_path, activation):
        kernels, biases = random_layers((2, 5, 4, 3), seed=1)
        network = perceptron.Perceptron(tuple(kernels), tuple(biases), activation, "tanh")
        random = np.random.default_rng(0)
        targets, gates = random.integers(3, size=len(explorable.inputs)), random.random(9)
        nodes = [f"{node}" for node in range(9)]
        other = {"nodes": nodes, "labels": nodes, "classes": ["a", "b", "c"], "sampled": [], "best": None}
        made = replace(explorable, network=network, targets=targets, radius=None, edges=np.zeros(0), **other)
        (tmp_path / "page.html").write_text(explorer.to_html(made), encoding="utf-8")
        page.open((tmp_path / "page.html").as_uri())
        loss = perceptron.losses(network, made.inputs, targets, gates).mean()
        gradient = perceptron.gate_gradients(network, made.inputs, targets, gates).mean(axis=0)
        assert page.value(f"explorer.loss({gates.tolist()})") == pytest.approx(loss, rel=1e-9)
        np.testing.assert_allclose(page.value(f"explorer.gradient({gates.tolist()})"), gradient, rtol=1e-9, atol=1e-12)

    def test_a_click_on_a_node_switches_it(self, page, problem):
        gates = np.ones(NODES)
        assert agrees(page, problem, gates)
        for node in (3, 5, 3):
            page.point(f".gate:nth-child({node + 1}) .toggle")
            gates[node] = 1 - gates[node]
            assert agrees(page, problem, gates)
            pressed = page.value(f"document.querySelectorAll('.toggle')[{node}].getAttribute('aria-pressed')")
            assert pressed == str(bool(gates[node])).lower()
            assert page.value("explorer.selected()") == node

    def test_a_drag_changes_the_gain(self, page, problem):
        page.point(".gate:nth-child(3) input", 0.95, 0.6, 0.3)
        gates = np.array(page.value("explorer.gates()"))
        # The middle of the knob does not reach the ends of the slider.
        assert gates[2] == pytest.approx(0.3, abs=0.05) and np.delete(gates, 2).tolist() == [1] * (NODES - 1)
        assert agrees(page, problem, gates)
        assert page.value("document.querySelectorAll('.toggle')[2].getAttribute('aria-pressed')") == "mixed"

    def test_the_keyboard_does_the_same(self, page, problem):
        page.value("document.querySelector('.toggle').focus()")
        page.press("Space")
        gates = np.array([0.0, *[1] * (NODES - 1)])
        assert agrees(page, problem, gates)
        page.press("Space")
        page.press("Tab")
        for _ in range(3):
            page.press("ArrowLeft")
        page.press("Tab")
        page.press("ArrowLeft")
        gates[:2] = 0.97, 0.99
        assert agrees(page, problem, gates)

    def test_full_empty_and_opposite(self, page, problem):
        page.point("#empty")
        assert agrees(page, problem, np.zeros(NODES))
        page.point(".gate:nth-child(2) .toggle")
        page.point("#opposite")
        assert agrees(page, problem, 1.0 - np.eye(NODES)[1])
        page.point("#full")
        assert agrees(page, problem, np.ones(NODES))

    def test_random_masks(self, page, problem):
        found = []
        for _ in range(8):
            page.point("#random")
            found.append(page.value("explorer.gates()"))
            assert set(found[-1]) <= {0, 1} and agrees(page, problem, found[-1])
        # Eight equal masks of eight nodes come up once in 2^56 times.
        assert len(set(map(tuple, found))) > 1

    def test_the_best_mask_of_this_size(self, page, problem, explorable):
        for node in (0, 4, 6):
            page.point(f".gate:nth-child({node + 1}) .toggle")
        page.point("#best")
        assert agrees(page, problem, np.array([*explorable.best[NODES - 3]], float))
        assert status(page) == "The best of all masks with 5 of 8 nodes on."

    def test_a_flip_path_ends_at_the_opposite_corner(self, page, problem):
        page.point(".gate:nth-child(4) .toggle")
        start = gates = np.array(page.value("explorer.gates()"))
        for step in range(NODES):
            page.point("#step")
            now = np.array(page.value("explorer.gates()"))
            (flipped,) = np.flatnonzero(now != gates)
            losses = " → ".join(f"{reference.loss(problem, each):#.4g}" for each in (gates, now))
            said = f"Step {step + 1} of 8: node {flipped} switched {'on' if now[flipped] else 'off'}, loss {losses}."
            assert status(page) == said
            assert agrees(page, problem, now)
            gates = now
        np.testing.assert_array_equal(gates, 1 - start)
        page.point("#step")
        assert status(page).startswith("Step 1 of 8: ")

    def test_where_the_loss_falls_among_the_draws(self, page, problem, explorable):
        page.point("#empty")
        log = np.log(reference.loss(problem, np.zeros(NODES)))
        for part, one in enumerate(explorable.sampled):
            for value in (log, *one.quantiles[[0, 70, -1]] - 1e-9, one.quantiles[-1] + 1):
                share = page.value(f"explorer.shareAbove({part}, {value})")
                assert share == pytest.approx((one.quantiles > value).mean(), rel=1e-12)
        shown(page)
        rows = page.value("[...document.querySelectorAll('.row p')].map(row => row.textContent)")
        shares = [100 * (one.quantiles > log).mean() for one in explorable.sampled]
        assert rows == [
            f"p = {one.probability:g}lower than {'all' if share == 100 else f'{share:.1f} % of'} masks"
            for one, share in zip(explorable.sampled, shares, strict=True)
        ]

    def test_the_address_keeps_the_gates(self, page, problem, written):
        page.point(".gate:nth-child(2) .toggle")
        page.value("new Promise(go => setTimeout(go, 400))")
        assert page.value("location.hash") == "#gates=10111111&node=1"
        page.open(page.value("location.href"))
        assert agrees(page, problem, 1.0 - np.eye(NODES)[1])
        gates = np.round(np.linspace(0, 1, NODES), 2)
        page.open(written.as_uri() + f"#gates={','.join(map(str, gates))}&node=6")
        assert agrees(page, problem, gates) and page.value("explorer.selected()") == 6
        page.open(written.as_uri() + "#gates=101&node=99")
        assert agrees(page, problem, gates), "an address of another network changes nothing"

    def test_a_screen_reader_hears_the_loss(self, page):
        page.point("#empty")
        page.value("new Promise(go => setTimeout(go, 700))")
        heard = page.value("document.querySelector('[aria-live=polite]').textContent")
        assert re.fullmatch(r"Loss [\d.]+, lower than [\d.]+ % of masks at p = 0.5\.", heard)
        unnamed = "one => !(one.textContent.trim() || one.ariaLabel || one.closest('label'))"
        assert page.value(f"[...document.querySelectorAll('button, input, canvas')].filter({unnamed}).length") == 0

    def test_the_maps_are_drawn_and_follow_the_gates(self, page):
        picture = "['certainty', 'loss-map', 'gradient'].map(id => document.getElementById(id).toDataURL())"
        full = page.value(picture)
        page.point("#points")
        plain = page.value(f"(explorer.draw(), {picture})")
        page.point("#random")
        page.value("explorer.setGates(explorer.gates().map((_, i) => i % 2))")
        other = page.value(f"(explorer.draw(), {picture})")
        page.point(".gate:nth-child(7) .pull")
        third = page.value(f"(explorer.draw(), {picture})")
        assert all(len({*kind}) == 3 for kind in zip(full, plain, other, strict=True))
        assert third[:2] == other[:2] and third[2] != other[2], "another node has another gradient map"

    def test_the_certainty_map_has_the_colours_of_the_classes(self, page, problem):
        page.point("#points")
        colours = pixels_of(page, "certainty")
        cells = np.linspace(-1, 1, 5) * 4 / page.value("explorer.side")
        places = np.random.default_rng(0).uniform(-1.9, 1.9, (80, 2))
        # Beside the lines: the circle, and the rectangle around inputs between -1 and 1.
        distances = [abs(np.hypot(*places.T) - np.sqrt(2 / np.pi)), abs(abs(places.T) - 0.95).min(axis=0)]
        for x, y in places[np.min(distances, axis=0) > 0.1]:
            around = np.stack(np.meshgrid(x + cells, y + cells), axis=-1).reshape(-1, 2)
            a, b = reference.outputs(problem._replace(inputs=around), np.ones(NODES)).T
            chance = (1 / (1 + np.exp(a - b)))[:, None]
            full = np.where(chance < 0.5, [0, 114, 178], [213, 94, 0])
            wanted = 255 + abs(2 * chance - 1) * (full - 255)
            found = colours(x, y)
            # Drawn smoothly from one point of the grid to the next, in 256 shades.
            assert (found >= wanted.min(axis=0) - 3).all() and (found <= wanted.max(axis=0) + 3).all()

    def test_a_cross_stands_where_a_point_is_wrong(self, page, problem):
        wrong = reference.outputs(problem, np.ones(NODES)).argmax(axis=1) != problem.targets
        crossed = pixels_of(page, "certainty")
        page.point("#points")
        plain = pixels_of(page, "certainty")
        assert wrong.any()
        for x, y in problem.inputs[wrong]:
            assert crossed(x, y).sum() < plain(x, y).sum() - 100

    def test_on_a_phone(self, page, problem, written):
        page.size(360, 740, touch=True)
        page.open("about:blank")
        page.open(written.as_uri())
        assert page.value("document.documentElement.scrollWidth") <= 360
        page.point(".gate:nth-child(5) .toggle", finger=True)
        assert agrees(page, problem, 1.0 - np.eye(NODES)[4])
        page.point(".gate:nth-child(6) input", *np.linspace(0.95, 0.5, 8).tolist(), finger=True)
        gates = np.array(page.value("explorer.gates()"))
        assert 0.3 < gates[5] < 0.7 and agrees(page, problem, gates)
        small = "[...document.querySelectorAll('button, .gate input')].filter(one => one.offsetHeight < 36).length"
        assert page.value(small) == 0, "large enough for a finger"
