"""Names as they are: whatever a user's names hold, figures, pages and tables show it, and fonts stay text."""

import csv
import dataclasses
import html
import json
import re
import warnings

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from analysis import _explorer, _reports, figures, layers
from analysis.figures import _names, style
from sweeps._studies.relevance import figures as relevance_figures
from sweeps._studies.relevance.names import names_of
from sweeps._studies.shrinking import figures as shrinking_figures
from sweeps._studies.sparsity import figures as sparsity_figures
from tests.analysis import synthetic_model, synthetic_run
from tests.analysis.test_tables import read_latex
from tests.studies.relevance import synthetic as synthetic_relevance
from tests.studies.shrinking import synthetic as synthetic_shrinking
from tests.studies.sparsity import synthetic as synthetic_sparsity

#: Each is mathematics, markup or a path to something else; no font that comes along has the character 節.
NASTY = (r"co$t$ \x", "a_{b} % & # ~ ^", r"</script><b>$\frac", "q\"uote' `", "_$_", "節 α\n\té", "x" * 300)
UNIT = r"US$/m$^2 \frac"
# For figures, which take their time: the same in fewer names.
TOGETHER = (r"co$t$ \x a_{b} % & # ~ ^", r"</script><b>$\frac" + " q\"uote' `", "_$_ 節 α\n\té", NASTY[-1])


def model(name):
    """Layers whose every name holds `name`, of few nodes and of many."""
    return tuple((f"{name}{number}", "unit", nodes) for number, nodes in enumerate((3, 4, 60)))


def texts(figure):
    """Every text of a figure."""
    return [text.get_text() for text in figure.findobj(mpl.text.Text) if text.get_text()]


def drawn(figure):
    figure.draw_without_rendering()
    return figure


def assert_inside(figure):
    """Nothing leaves the picture by more than the tenth of an inch that long names grow from paper to screen."""
    box, (width, height) = drawn(figure).get_tightbbox(), figure.get_size_inches()
    assert box.x0 > -0.1 and box.y0 > -0.1 and box.x1 < width + 0.1 and box.y1 < height + 0.1


def width(text, **options):
    with style.context():
        return Figure().text(0, 0, text, **options).get_window_extent().width


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize("around", ["{}", "{}, {}", "every one of {} ($)"])
def test_a_name_in_a_figure_is_shown_as_it_is(name, around):
    plain = name.replace("\n", r"\n").replace("\t", r"\t").replace("節", r"\u7bc0")
    label = around.replace("$", r"\$").format(*[_names.as_is(name, most=400)] * 2)
    assert label.replace(r"\$", "$") == around.format(plain, plain)
    assert width(label) == width(around.format(plain, plain), parse_math=False)


def test_a_name_beside_mathematics_of_our_own_is_none():
    assert width(f"$p$ = 1 ({_names.as_is(UNIT)})") == pytest.approx(
        width("$p$") + width(f" = 1 ({UNIT})", parse_math=False), rel=0.02
    )


def test_what_no_font_has_is_spelled_out_and_long_names_lose_their_middle():
    assert _names.as_is("\x00\u202e\ud800") == r"\x00\u202e\ud800"
    assert _names.as_is("x" * 10**6) == "xxxxxxxxx…" + "x" * 18
    assert len(_names.as_is("\U00020000" * 100)) == _names.LETTERS
    assert _names.entry("_hidden") == " _hidden" and _names.entry("shown") == "shown"


@pytest.mark.parametrize("name", TOGETHER)
def test_figures_of_nodes_take_any_name(name):
    single, draws = synthetic_model.leave_one_out(model(name), unit=UNIT), synthetic_model.draws(model(name), count=9)
    draws.attrs["unit"] = UNIT
    few = single.isel(node=slice(0, 7))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a glyph that no font has is a warning
        bars = figures.nodes.effects(few)
        assert _names.as_is(f"{name}1", most=figures.nodes._HEAD) in texts(bars.figure)
        for ax in (bars, figures.nodes.effects(single), figures.nodes.grid(single), figures.removal.leave_one_out(few)):
            assert_inside(ax.figure)
        panels = drawn(figures.gradients.by_node(draws, probability=0.5, nodes=[0, 3, 8]))
        titles = (f"{_names.as_is(f'{name}0', most=22)}\nunit 0", _names.as_is(f"{name}0 unit 0"))
        assert set(titles) & set(texts(panels))
        for data in (single, draws):
            drawn(figures.layers.overview(layers.summary(data)))
        ax = figures.masks.node_values(np.arange(8.0), labels=single["node"].values[:3])
        assert_inside(ax.figure)
        for draw in (figures.densities.loss, figures.densities.log_loss, figures.gradients.density):
            assert _names.as_is(UNIT) in draw(draws).get_xlabel() + draw(draws).get_ylabel()
            drawn(draw(draws).figure)


@pytest.mark.parametrize("name", TOGETHER[:3])
def test_figures_of_studies_take_any_name_of_a_method(name):
    of = relevance_figures
    deletion = synthetic_relevance.deletion()
    methods = [str(key) if number else name for number, key in enumerate(deletion["attributed_by"].values)]
    deletion = deletion.drop_vars("title", errors="ignore").assign_coords(attributed_by=methods)
    drawn(of.deletion.overview(deletion, methods[:2], names_of(deletion)))
    shares = synthetic_relevance.conservation().assign_coords
    conservation = shares(step=[name, *synthetic_relevance.conservation()["step"].values[1:]])
    ax = of.ledger.conservation(conservation, {})
    assert _names.entry(name) in [text.get_text() for text in ax.get_legend().get_texts()]
    drawn(ax.figure)
    paths = synthetic_shrinking.paths([synthetic_shrinking.Network((4,))], ("brute_force",))
    drawn(shrinking_figures.removal.overview(paths.assign_coords(ranked_by=[name]), "loss"))
    cells = synthetic_sparsity.layers()
    drawn(
        sparsity_figures.layers.overview(
            cells.assign_coords(layer=[name, *cells["layer"].values[1:]]), list(synthetic_sparsity.SIZES)
        )
    )


HEADS = tuple((name, kind, 3) for name in NASTY[:4] for kind in ("<head>", "head"))


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """A report of layers, a task and a network that all have such names."""
    sweep = synthetic_model.leave_one_out(tuple((f"{name}{kind}", kind, 3) for name, kind, _ in HEADS), unit=UNIT)
    tree = synthetic_model.tree_of(sweep, HEADS)
    tree["task"].attrs["name"] = tree["network"].attrs["network"] = NASTY[2]
    folder = synthetic_run.write_run(tmp_path_factory.mktemp("nasty"), tree)
    _reports.write(folder)
    return folder


def test_pages_and_tables_hold_names_as_they_are(reported):
    page = (reported / "report.html").read_text(encoding="utf-8")
    assert "<b>$" not in page and f"{html.escape(NASTY[2])})</title>" in page
    cells = [html.unescape(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", page)]
    with (reported / "tables" / "leave_one_out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    latex = [
        read_latex(cell.strip())
        for line in (reported / "tables" / "layers.tex").read_text(encoding="utf-8").splitlines()
        for cell in re.split(r"(?<!\\)&", line)[:1]
        if line.endswith(r"\\") and "ensuremath" in line
    ]
    for name, kind, _ in HEADS:
        assert f"{name}{kind}" in cells and f"{name}{kind}" in latex
        assert any(f"{name}{kind} {kind} 0" in row.values() for row in rows)


def test_kinds_of_nodes_never_share_a_file(reported):
    drawn = {path.stem for path in (reported / "figures").glob("nodes*.png")}
    assert drawn == {"nodes_head", "nodes_head_1"}


def test_the_interactive_page_holds_names_as_they_are(explorable):
    nodes = [f"{name} </script>" for name in NASTY] + ["last"]
    page = _explorer.to_html(dataclasses.replace(explorable, task=NASTY[2], labels=nodes, nodes=nodes))
    assert page.count("</script>") == 2
    assert json.loads(re.search(r'id="data">(.*?)</script>', page)[1])["nodes"] == nodes
    assert f"({html.escape(NASTY[2], quote=False)})</title>" in page


@pytest.fixture(scope="module")
def axes():
    with mpl.rc_context({"font.family": "monospace", "text.usetex": False}):
        return figures.nodes.effects(synthetic_model.leave_one_out(model("a$")[:2]))


@pytest.mark.parametrize("ending", ["pdf", "eps", "svg"])
def test_fonts_stay_text_in_every_file_that_a_user_saves(axes, tmp_path, ending):
    before = dict(mpl.rcParams)
    axes.figure.savefig(tmp_path / f"figure.{ending}")
    written = (tmp_path / f"figure.{ending}").read_bytes()
    if ending == "svg":
        assert b"<text" in written and b">change of the loss" in written
    else:
        assert b"STIXGeneral" in written
        assert (
            b"/Type3" not in written and b"FontType 3" not in written and b"FontType 42" * (ending == "eps") in written
        )
    assert dict(mpl.rcParams) == before and mpl.rcParams["pdf.fonttype"] == 3


def test_one_look_whatever_the_users_settings_are(tmp_path):
    with mpl.rc_context({"font.family": "monospace", "xtick.labelsize": 20}):
        figure = figures.masks.by_size(np.arange(8.0)).figure
        figure.savefig(tmp_path / "figure.pdf")
        fonts = re.findall(rb"/BaseFont /\w+\+(\S+)", (tmp_path / "figure.pdf").read_bytes())
    assert {font.decode() for font in fonts} == {"STIXGeneral-Regular"}


def test_a_pdf_of_several_pages_has_its_own_fonts_throughout(axes, tmp_path):
    with PdfPages(tmp_path / "pages.pdf") as pages:
        pages.savefig(axes.figure)
    written = (tmp_path / "pages.pdf").read_bytes()
    assert b"/Type3" in written and b"/CIDFontType2" not in written
