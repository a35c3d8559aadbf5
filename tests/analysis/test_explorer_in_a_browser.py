"""The interactive page in a real browser: what it computes and does."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from analysis import explorer, perceptron
from tests import browser, reference
from tests.analysis import synthetic_run
from tests.analysis.synthetic_explorer import random_layers

NODES = synthetic_run.NODES


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    if browser.find() is None:
        pytest.skip(f"no browser: none of {', '.join(browser.NAMES)} is installed")
    running = browser.Browser(browser.find(), tmp_path_factory.mktemp("profile"))
    yield running
    running.close()


@pytest.fixture
def page(chromium, explorer_page):
    """The page, freshly opened; at the end nothing must have gone wrong in it."""
    chromium.size(1200, 900)
    # By way of an empty page, so that an address that differs in its hash alone is loaded too.
    chromium.open("about:blank")
    chromium.open(explorer_page.as_uri())
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

    def test_the_address_keeps_the_gates(self, page, problem, explorer_page):
        page.point(".gate:nth-child(2) .toggle")
        page.value("new Promise(go => setTimeout(go, 400))")
        assert page.value("location.hash") == "#gates=10111111&node=1"
        page.open(page.value("location.href"))
        assert agrees(page, problem, 1.0 - np.eye(NODES)[1])
        gates = np.round(np.linspace(0, 1, NODES), 2)
        page.open(explorer_page.as_uri() + f"#gates={','.join(map(str, gates))}&node=6")
        assert agrees(page, problem, gates) and page.value("explorer.selected()") == 6
        page.open(explorer_page.as_uri() + "#gates=101&node=99")
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

    def test_on_a_phone(self, page, problem, explorer_page):
        page.size(360, 740, touch=True)
        page.open("about:blank")
        page.open(explorer_page.as_uri())
        assert page.value("document.documentElement.scrollWidth") <= 360
        page.point(".gate:nth-child(5) .toggle", finger=True)
        assert agrees(page, problem, 1.0 - np.eye(NODES)[4])
        page.point(".gate:nth-child(6) input", *np.linspace(0.95, 0.5, 8).tolist(), finger=True)
        gates = np.array(page.value("explorer.gates()"))
        assert 0.3 < gates[5] < 0.7 and agrees(page, problem, gates)
        small = "[...document.querySelectorAll('button, .gate input')].filter(one => one.offsetHeight < 36).length"
        assert page.value(small) == 0, "large enough for a finger"
