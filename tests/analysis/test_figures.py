import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from scipy import stats

from analysis.figures import _look, densities, quantiles, removal, style, training
from tests import drawing, faults


def groups(tree):
    return (
        tree["sweeps/bernoulli"].to_dataset(),
        tree["sweeps/leave_one_out"].to_dataset(),
        tree["training"].to_dataset(),
    )


def single_axes(tree):
    """Every function that draws into one axes, ready to be given an ax."""
    sweep, one_out, curves = groups(tree)
    return {
        "loss": lambda ax=None: densities.loss(sweep["loss"], full_loss=0.21, ax=ax),
        "log_loss": lambda ax=None: densities.log_loss(sweep["loss"], full_loss=0.21, ax=ax),
        "normal": lambda ax=None: quantiles.normal(sweep["loss"], ax=ax),
        "leave_one_out": lambda ax=None: removal.leave_one_out(one_out, ax=ax),
        "curve": lambda ax=None: training.curve(curves, variable="loss", test_value=0.21, ax=ax),
    }


@pytest.mark.parametrize("name", ["loss", "log_loss", "normal", "leave_one_out", "curve"])
def test_a_figure_draws_into_the_given_axes_and_leaves_no_trace(tree, name):
    before = dict(mpl.rcParams)
    ax = Figure().subplots()
    draw = single_axes(tree)[name]
    assert draw(ax) is ax
    new = draw()
    assert new is not ax and isinstance(new.figure, Figure)
    assert new.get_xlabel() and new.get_ylabel()
    assert dict(mpl.rcParams) == before


def test_labels_name_the_units(tree):
    axes = {name: draw() for name, draw in single_axes(tree).items()}
    assert (axes["loss"].get_xlabel(), axes["loss"].get_ylabel()) == ("loss (nats)", "probability density (1/nat)")
    assert axes["log_loss"].get_xlabel() == "log loss (natural logarithm of the loss in nats)"
    assert axes["leave_one_out"].get_ylabel() == axes["curve"].get_ylabel() == "loss (nats)"
    assert axes["leave_one_out"].get_xlabel() == "node that is off (layers/0 unit)"


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_legends_say_how_many_losses_were_left_out(tree):
    axes = single_axes(tree)
    assert {"$p$ = 0.25", "$p$ = 0.5 (2 left out)", "$p$ = 0.75"} < set(labels(axes["loss"]()))
    assert {"$p$ = 0.25 (2 left out)", "$p$ = 0.5 (2 left out)", "$p$ = 0.75"} < set(labels(axes["log_loss"]()))
    assert axes["normal"]().texts[0].get_text() == "4 of 600 without a logarithm"


def test_curves_are_the_density_and_the_bell_of_best_fit(clean_tree):
    loss = clean_tree["sweeps/bernoulli"].to_dataset()["loss"]
    lines = densities.log_loss(loss).get_lines()
    assert len(lines) == 7  # a curve and a bell for each p, and the legend's sample of a bell
    logs = np.log(loss[0].values.astype(float).ravel())
    x, y = lines[0].get_data()
    direct = [np.mean(stats.norm.pdf(at, logs, 0.03)) for at in x]
    # interpolated between grid points a hundredth of a width apart: an error of (1/100)^2 / 8 of the peak
    np.testing.assert_allclose(y, direct, atol=3e-5 * stats.norm.pdf(0, 0, 0.03))
    x, y = lines[1].get_data()
    np.testing.assert_allclose(y, stats.norm.pdf(x, logs.mean(), logs.std()))


def test_nothing_finite_still_draws(clean_tree):
    loss = clean_tree["sweeps/bernoulli"].to_dataset()["loss"]
    for empty in (loss * np.nan, loss * 0):
        assert densities.loss(empty, full_loss=np.nan).get_legend()
        assert densities.log_loss(empty, full_loss=0.0).get_legend()
        assert "no distribution to show" in quantiles.normal(empty).texts[0].get_text()


def test_bars_start_at_the_full_loss_and_end_at_the_removed_one(tree):
    one_out = tree["sweeps/leave_one_out"].to_dataset()
    for order in ("loss", "node"):
        ax = removal.leave_one_out(one_out, order=order)
        ends = {round(bar.get_x() + bar.get_width() / 2): bar.get_y() + bar.get_height() for bar in ax.patches}
        expected = np.sort(one_out["loss"].values)[::-1] if order == "loss" else one_out["loss"].values
        np.testing.assert_allclose([ends[i] for i in range(len(ends))], expected, rtol=1e-6)
        assert {round(bar.get_y(), 12) for bar in ax.patches} == {0.21}
    assert [text.get_text() for text in ax.get_xticklabels()] == [str(i) for i in range(8)]
    with pytest.raises(ValueError, match="order must be one of loss, node, got 'size'"):
        removal.leave_one_out(one_out, order="size")


def test_a_removal_without_a_finite_loss_is_marked(tree):
    one_out = tree["sweeps/leave_one_out"].to_dataset().copy(deep=True)
    one_out["loss"][2] = np.nan
    ax = removal.leave_one_out(one_out)
    assert len(ax.patches) == 7
    assert [text.get_text() for text in ax.texts] == ["×"]


def test_long_names_are_whole_in_the_picture(tmp_path):
    figure, (ax,) = style.new_figure(style.SINGLE, 1.0)
    ax.set_yticks([0, 1], ["nodes, norm of incoming weights (global)", "weights, magnitude"])
    _, png = style.save(figure, tmp_path, "long")
    edges = np.asarray(Image.open(png).convert("L"))
    assert edges[:, [0, -1]].min() == 255 and edges[[0, -1]].min() == 255


def test_saved_figures_are_reproducible_with_text_as_text(tree, tmp_path):
    first = style.save(single_axes(tree)["curve"]().figure, tmp_path / "a", "curve")
    with mpl.rc_context({"font.size": 30, "lines.linewidth": 9, "savefig.dpi": 40}):  # somebody's own settings
        again = style.save(single_axes(tree)["curve"]().figure, tmp_path / "b", "curve")
    for one, other in zip(first, again, strict=True):
        assert one.read_bytes() == other.read_bytes()
    pdf = first[0].read_bytes()
    assert b"CreationDate" not in pdf
    assert b"/CIDFontType2" in pdf and b"/Type3" not in pdf
    width = int.from_bytes(first[1].read_bytes()[16:20], "big")
    assert width == pytest.approx(style.SINGLE * _look.DPI, abs=1)


def test_unknown_training_curves_are_named(tree):
    with pytest.raises(ValueError, match=r"variable must be one of loss, accuracy, got 'error'"):
        training.curve(tree["training"].to_dataset(), variable="error")


def test_analysis_needs_no_jax_no_sweeps_and_no_pyplot():
    code = (
        "import sys, pkgutil, importlib, analysis\n"
        "assert 'numpy' not in sys.modules, 'import analysis is to be cheap'\n"
        "for module in pkgutil.walk_packages(analysis.__path__, 'analysis.'):\n"
        "    importlib.import_module(module.name)\n"
        "assert set(analysis.__all__) <= set(dir(analysis))\n"
        "assert all(hasattr(analysis, name) for name in analysis.__all__)\n"
        "assert not hasattr(analysis, 'nothing')\n"
        "bad = {'jax', 'flax', 'sweeps', 'matplotlib.pyplot'} & set(sys.modules)\n"
        "assert not bad, bad\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_bars_and_bands_without_extent_are_told(tmp_path):
    def figure(half):
        made, (one, other) = style.new_figure(rows=1, columns=2)
        style.letter([one, other])
        one.errorbar([1, 2], [1, 2], yerr=half)
        other.fill_between([0, 1], [1, 1], [1 + half[1], 1])
        return made

    captions = {"fine": "95 % intervals", "short": "", "flat": "", "none": "standard errors", "no_promise": "a line"}
    drawn = dict(fine=figure([0, 0.1]), short=figure([0, 0]), flat=figure([0.1, 0]))
    for name, caption in captions.items():
        drawing.note(drawn.get(name, style.new_figure()[0]), tmp_path / "figures", name)
        captions[name] = f'<figure id="figure-{name}"><figcaption>{caption}</figcaption></figure>'
    (tmp_path / "report.html").write_text("".join(captions.values()))
    assert drawing.without_bars(tmp_path) == ["flat", "none", "short"]


def test_what_one_cannot_make_out_is_told():
    def figure(draw, panels=1):
        made, axes = style.new_figure(rows=1, columns=panels)
        draw(axes[0])
        return faults.of(made)

    def lines(ax, **other):
        ax.plot([0, 1, 2], [1, 2, 3], color=style.BLUE)
        ax.plot([0, 1, 2], [3, 2, 1], **{"color": style.VERMILLION} | other)

    assert figure(lines) == [
        f"panel 0: lines or points differ in colour alone: {style.BLUE}, {style.VERMILLION}".lower()
    ]
    for other in ({"linestyle": "--"}, {"marker": "s"}, {"linewidth": 3}, {"color": style.BLACK}):
        assert figure(lambda ax, look=other: lines(ax, **look)) == []
    dots = figure(lambda ax: [ax.scatter([0, 1], [0, 1], color=color) for color in (style.BLUE, style.GREEN)])
    assert len(dots) == 1
    assert figure(lambda ax: None, panels=2) == ["panels without letters or names of their own"]
    values = np.eye(3)
    assert figure(lambda ax: ax.imshow(values, cmap="viridis")) == ["no colour bar for viridis"]
    assert figure(lambda ax: ax.figure.colorbar(ax.imshow(values, cmap="viridis"), ax=ax)) == []
    heads = "<thead><tr><th>mean</th><th>±</th><th>mean</th><th>±</th></tr></thead>"
    assert faults.in_tables(f"{heads}<td>1.0000000000000(31)</td><td>0.12345(67)</td>") == [
        "1.0000000000000(31)",
        "mean",
    ]
