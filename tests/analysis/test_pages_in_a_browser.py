"""Pages as people use them: wide and narrow, by light and in the dark, by keyboard and by touch."""

from importlib.util import find_spec
from pathlib import Path
from unittest import mock

import pytest

import analysis
from analysis.figures import style
from tests import drawing
from tests.analysis.test_sweep_report import SWEEPS

SIZES = {1400: 900, 390: 844}
PAGES = ("explorer", "study", "dataset")

UNFOLDED = "document.querySelectorAll('details:not(.film)').forEach(one => one.open = true)"
#: What reaches beyond the window and cannot be brought into it.
BEYOND = """[...document.querySelectorAll('body *')].filter(one => {
    const {left, right, width} = one.getBoundingClientRect(), box = one.parentElement.closest('.scroll, pre');
    return width > 1 && !box && (left < -1 || right > document.documentElement.clientWidth + 1);
}).map(one => one.outerHTML.slice(0, 90))"""
#: What is too small to be hit by a finger.
SMALL = """[...document.querySelectorAll('a, button, input, summary')].filter(one => {
    const {width, height} = (one.closest('label') ?? one).getBoundingClientRect();
    return width > 0 && Math.min(width, height) < (one.matches('button, input') ? 44 : 24);
}).map(one => one.outerHTML.slice(0, 90))"""
#: What has the focus, whether a ring says so, and whether it can be seen: in the window, with nothing on top of it.
FOCUSED = """(() => {
    const one = document.activeElement, {left, right, top, bottom} = one.getBoundingClientRect();
    const [x, y] = [(left + right) / 2, (Math.max(top, 0) + Math.min(bottom, innerHeight)) / 2];
    const above = document.elementFromPoint(Math.min(Math.max(x, 0), innerWidth - 1), y);
    return {name: one === document.body ? null : one.outerHTML.slice(0, 90), kind: one.className,
        ring: parseFloat(getComputedStyle(one).outlineWidth) >= 2, seen: Boolean(above) && one.contains(above)};
})()"""
VIOLATIONS = """axe.run().then(found => found.violations.map(
    one => `${one.id}: ${one.nodes.slice(0, 3).map(node => node.html.slice(0, 90))}`))"""


@pytest.fixture(scope="module")
def pages(explorer_page, written_run, tmp_path_factory):
    """Each page's address."""
    with mock.patch.object(style, "save", drawing.fine):
        dataset = analysis.report(SWEEPS["leave one out"](), tmp_path_factory.mktemp("dataset"))
    found = {"explorer": explorer_page, "study": written_run / "report.html", "dataset": dataset}
    return {name: path.as_uri() for name, path in found.items()}


@pytest.fixture
def opened(chromium, pages):
    """What opens a page at a width; at the end nothing must have gone wrong in it, or been fetched."""

    def go(name, width=1400, scheme="light"):
        chromium.size(width, SIZES[width], touch=width < 600)
        chromium.colours(scheme)
        chromium.open("about:blank")
        chromium.fetched.clear()
        chromium.open(pages[name])
        return chromium

    yield go
    chromium.colours("light")
    assert {one for one in chromium.fetched if not one.startswith("data:")} <= {*pages.values()}
    assert chromium.errors == []


@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_out_of_sight_or_too_small_for_a_finger(opened, name, width):
    page = opened(name, width)
    page.value(UNFOLDED)
    assert page.value("document.documentElement.scrollWidth") <= width
    assert page.value(BEYOND) == []
    assert width > 600 or page.value(SMALL) == []


@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (390, "dark")])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_no_violation(opened, name, width, scheme):
    if (axe := find_spec("axe_core_python")) is None:
        pytest.skip("axe-core-python is not installed")
    page = opened(name, width, scheme)
    page.value(UNFOLDED)
    page.value(Path(axe.origin).with_name("axe.min.js").read_text("utf-8") + "; 0")
    assert page.value(VIOLATIONS) == []


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_dark_where_all_is_and_figures_stay_on_white(opened, name):
    lightness = "getComputedStyle({}).backgroundColor.match(/\\d+/g).slice(0, 3).reduce((sum, one) => sum + +one, 0)"
    page = opened(name, scheme="dark")
    assert page.value(lightness.format("document.body")) < 150
    assert page.value(lightness.format("document.querySelector('figure img, canvas')")) == 3 * 255
    page.send("Emulation.setEmulatedMedia", media="print", features=[])
    assert page.value(lightness.format("document.body")) == 3 * 255, "paper is white"
    page.send("Emulation.setEmulatedMedia", media="")


@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize("name", PAGES)
def test_the_focus_can_be_seen_wherever_it_goes(opened, name, width):
    page = opened(name, width)
    stops = []
    for back in (False, True):
        for _ in range(40):
            page.press("Tab", shift=back)
            if (one := page.value(FOCUSED))["name"] is None:
                break
            stops.append(one)
    assert [one["name"] for one in stops if not (one["ring"] and one["seen"])] == []
    assert stops[0]["kind"] == "skip" and len(stops) > 10


def test_by_the_keyboard_a_node_is_switched_and_the_loss_is_heard(opened):
    page = opened("explorer")
    while page.value(FOCUSED)["kind"] != "toggle":
        page.press("Tab")
    loss = "(explorer.draw(), parseFloat(document.getElementById('loss').textContent))"
    before = page.value(loss)
    page.press("Space")
    after = page.value(loss)
    assert before != after
    page.value("new Promise(go => setTimeout(go, 700))")
    assert str(after)[:5] in page.value("document.querySelector('[aria-live]').textContent")


def test_by_a_finger_a_bar_says_its_number(opened):
    page = opened("explorer", 390)
    said = "getComputedStyle(document.querySelector('.gate:nth-child(3) small')).visibility"
    assert page.value(said) == "hidden"
    page.point(".gate:nth-child(3) .pull", finger=True)
    page.value("explorer.draw()")
    assert page.value(said) == "visible"
    text = page.value("document.querySelector('.gate:nth-child(3) small').textContent")
    mean = page.value("explorer.gradient()[2]")
    assert float(text.replace("−", "-")) == pytest.approx(mean, rel=0.05)


def test_the_contents_on_a_phone(opened):
    page = opened("study", 390)
    unfolded = "document.querySelector('nav details').open"
    assert not page.value(unfolded)
    page.value("document.querySelector('nav summary').focus()")
    page.press("Enter")
    assert page.value(unfolded)
    page.press("Escape")
    assert not page.value(unfolded)
    page.press("Enter")
    page.value("document.querySelector('nav a[href=\"#files\"]').click()")
    assert not page.value(unfolded)
    page.value("new Promise(go => setTimeout(go, 100))")
    top = "one => document.querySelector(one).getBoundingClientRect().top"
    assert 0 <= page.value(f"({top})('nav')") < 1, "they stay in sight"
    assert page.value(f"({top})('#files')") < 844


def test_pictures_keep_their_place_before_they_are_loaded(opened):
    page = opened("study")
    shapes = "[...document.querySelectorAll('img:not(.film *)')].map(one => one.width / one.height)"
    assert all(0.2 < one < 8 for one in page.value(shapes))
