"""The interactive page in a real browser: what it computes and does."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from analysis import _explorer, perceptron
from analysis._explorer import scales
from tests import reference
from tests.analysis import synthetic_run
from tests.analysis.synthetic_explorer import random_layers

NODES = synthetic_run.NODES


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


def pixels_of(page, canvas, half=2):
    """Colour of a map, which reaches from -half to half, at a point of the plane."""
    # From a copy: a canvas that is read twice is drawn more slowly, and Chromium warns of it.
    copy = f"""explorer.draw(); const one = document.getElementById('{canvas}');
        const pen = new OffscreenCanvas(one.width, one.width).getContext('2d'); pen.drawImage(one, 0, 0);"""
    line = page.value(f"(() => {{ {copy} return [...pen.getImageData(0, 0, one.width, one.width).data] }})()")
    side = int(np.sqrt(len(line) / 4))
    image = np.array(line).reshape(side, side, 4)[..., :3]
    return lambda x, y: image[int((half - y) / (2 * half) * side), int((x + half) / (2 * half) * side)]


def shares_of(explorable, kind, problem, node=2):
    """Where values at the inputs of a problem are on the range of colours of a map, from 0 to 1."""
    gates = np.ones(NODES)
    if kind == "certainty":
        first, second = reference.outputs(problem, gates).T
        return 1 / (1 + np.exp(first - second))
    each = [
        reference.evaluate(problem._replace(inputs=problem.inputs[[i]], targets=problem.targets[[i]]), gates)
        for i in range(len(problem.inputs))
    ]
    if kind == "loss":
        low, high = explorable.scales.loss
        return np.log(np.clip([one.loss for one in each], low, high) / low) / np.log(high / low)
    size = explorable.scales.gradient / 1000
    pull = np.array([one.loss_gradient[node] for one in each]) / size
    return np.clip(0.5 + 0.5 * np.sign(pull) * np.log1p(abs(pull)) / np.log1p(1000), 0, 1)


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
        other = {"nodes": nodes, "labels": nodes, "classes": ["a", "b", "c"], "distributions": [], "best": None}
        made = replace(explorable, network=network, targets=targets, radius=None, edges=np.zeros(0), **other)
        (tmp_path / "page.html").write_text(_explorer.to_html(made), encoding="utf-8")
        page.open((tmp_path / "page.html").as_uri())
        loss = perceptron.losses(network, made.inputs, targets, gates=gates).mean()
        gradient = perceptron.gate_gradients(network, made.inputs, targets, gates=gates).mean(axis=0)
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

    def test_where_the_loss_falls_among_other_masks(self, page, problem, explorable):
        page.point("#empty")
        log = np.log(reference.loss(problem, np.zeros(NODES)))
        for part, one in enumerate(explorable.distributions):
            held = np.sort(one.quantiles)
            for value in (log, *held[[0, 70, -1]], held[70] + 1e-7, held[-1] + 1, held[0] - 1):
                found = page.value(f"explorer.standing({part}, {value})")
                close = np.isclose(held, value, rtol=0, atol=2e-6)
                assert found == {"lower": ((held < value) & ~close).sum(), "equal": close.sum(), "counted": True}

    def test_a_mask_is_not_lower_than_itself(self, page, problem, explorable, tmp_path):
        # Losses of the page's own network, in single precision, some of random masks equal to that of the full one.
        masks = np.arange(2**NODES)[:, None] >> np.arange(NODES) & 1
        logs = np.log([np.float32(reference.loss(problem, gates)) for gates in masks])
        lowest, full = int(logs.argmin()), int((logs < logs[-1] - 2e-6).sum())
        twins = int((abs(logs - logs[-1]) < 2e-6).sum()) - 1
        assert twins < 2
        kept = [np.sort(logs), np.sort(np.append(logs[:9] + 9, [logs[-1]] * 3))]
        held = [
            replace(one, count=values.size, ranks=np.arange(values.size), quantiles=values)
            for one, values in zip(explorable.distributions, kept, strict=False)
        ]
        made = replace(explorable, distributions=held)
        (tmp_path / "page.html").write_text(_explorer.to_html(made), encoding="utf-8")
        page.open((tmp_path / "page.html").as_uri())
        read = "(explorer.draw(), [...document.querySelectorAll('.row span + span')].map(one => one.textContent))"
        assert page.value(read) == [
            f"rank {full + 1} of 256{', with 1 more' if twins else ''} ({100 * full / 256:.1f} % lower)",
            "none of 12 lower, 3 equal",
        ]
        page.value(f"explorer.setGates({[0.5] * NODES})")
        lower = int((logs < np.log(reference.loss(problem, np.full(NODES, 0.5)))).sum())
        assert page.value(read)[0] == f"{lower} of 256 lower ({100 * lower / 256:.1f} %)"
        page.value(f"explorer.setGates({masks[lowest].tolist()})")
        assert page.value(read)[0] == "rank 1 of 256 (none lower)"

    def test_between_stored_losses_a_share_is_read_off(self, page, explorable, tmp_path):
        values = np.sort(np.random.default_rng(0).normal(size=10**5))
        kept = np.union1d(np.arange(0, 10**5, 100), [1, 2, 3, 99_998, 99_999])
        some = replace(explorable.distributions[0], count=10**5, ranks=kept, quantiles=values[kept])
        (tmp_path / "page.html").write_text(_explorer.to_html(replace(explorable, distributions=[some])), "utf-8")
        page.open((tmp_path / "page.html").as_uri())
        for value in (-1.0, 0.1, 2.0):
            found = page.value(f"explorer.standing(0, {value})")
            assert not found["counted"] and found["lower"] == pytest.approx((values < value).sum(), abs=40)
        assert page.value(f"explorer.standing(0, {values[2]})") == {"lower": 2, "equal": 1, "counted": True}
        assert page.value(f"explorer.standing(0, {values[-1] + 1})") == {"lower": 10**5, "equal": 0, "counted": True}

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
        assert re.fullmatch(r"Loss [\d.]+, rank \d+ of 256 \([\d.]+ % lower\)\.", heard)
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
        assert full[0] != plain[0] and full[1:] == plain[1:], "points stand on the map of certainty alone"
        assert all(kind != before for kind, before in zip(other, plain, strict=True))
        assert third[:2] == other[:2] and third[2] != other[2], "another node has another gradient map"

    @pytest.mark.parametrize("canvas", ["certainty", "loss-map", "gradient"])
    def test_the_maps_have_the_colours_of_the_figures(self, page, problem, explorable, canvas):
        page.point("#points")
        page.value("explorer.select(2)")
        colours = pixels_of(page, canvas)
        kind = {"loss-map": "loss"}.get(canvas, canvas)
        shades = np.array([to_rgb(colour) for colour in scales.palette(2)[kind]]) * 255
        cells = np.linspace(-1, 1, 5) * 4 / page.value("explorer.side")
        places = np.random.default_rng(0).uniform(-1.9, 1.9, (60, 2))
        # Beside the lines: the circle, and the rectangle around inputs between -1 and 1.
        distances = [abs(np.hypot(*places.T) - explorable.radius), abs(abs(places.T) - 0.95).min(axis=0)]
        for x, y in places[np.min(distances, axis=0) > 0.15]:
            around = np.stack(np.meshgrid(x + cells, y + cells), axis=-1).reshape(-1, 2)
            classes = (np.hypot(*around.T) > explorable.radius).astype(int)
            there = problem._replace(inputs=around, targets=classes)
            share = shares_of(explorable, kind, there)
            low, high = np.floor(share.min() * 255), np.ceil(share.max() * 255)
            wanted = shades[int(low) : int(high) + 1]
            # Drawn smoothly from one point of the grid to the next.
            assert (colours(x, y) >= wanted.min(axis=0) - 4).all() and (colours(x, y) <= wanted.max(axis=0) + 4).all()

    def test_zoom_changes_no_colour_and_bars_have_an_axis(self, page, problem):
        keys = "[...document.querySelectorAll('.key')].map(one => one.textContent)"
        before, colour = page.value(keys), pixels_of(page, "gradient", 2)
        page.point("#points")
        page.point("#zoom")
        zoomed = pixels_of(page, "gradient", 1.06)
        assert page.value(keys) == before
        for x, y in ((0.2, 0.3), (-0.4, 0.5), (0.7, 0.7)):
            np.testing.assert_allclose(colour(x, y), zoomed(x, y), atol=12)
        axis = page.value("[...document.querySelectorAll('#bars span')].map(one => one.textContent)")
        end = float(axis[2])
        mean = reference.evaluate(problem, np.ones(NODES)).loss_gradient
        assert axis == [f"−{axis[2]}", "0", axis[2]] and abs(mean).max() <= end < 2.5 * abs(mean).max()
        width = "[...document.querySelectorAll('.pull i')].map(one => parseFloat(one.style.width))"
        np.testing.assert_allclose(page.value(width), 50 * abs(mean) / end, atol=0.01)

    def test_a_cross_stands_where_a_point_is_wrong(self, page, problem):
        wrong = reference.outputs(problem, np.ones(NODES)).argmax(axis=1) != problem.targets
        crossed = pixels_of(page, "certainty")
        page.point("#points")
        plain = pixels_of(page, "certainty")
        assert wrong.any()
        for x, y in problem.inputs[wrong]:
            colour = crossed(x, y)
            assert np.ptp(colour) < 10 and colour.max() < 160 and abs(colour - plain(x, y)).max() > 25

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
