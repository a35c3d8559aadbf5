"""Figures of gate gradients: curves are the densities, panels share their axes, and what is left out is said."""

import numpy as np
import pytest
from scipy import stats

from analysis.figures import gradients as figures
from analysis.figures import style
from tests.analysis.synthetic_gradients import NODES, skewed


@pytest.fixture(scope="module")
def data():
    found = skewed(draws=200)
    found["loss_gradient"][1, 0, 3, 2] = np.inf
    return found


class TestFigures:
    def legend(self, ax):
        return [text.get_text() for text in ax.get_legend().get_texts()]

    def test_curves_are_the_densities_and_the_bells(self, data):
        ax = figures.density(data, width=0.05)
        assert ax.get_xlabel() == "gate gradient, d loss / d gate (nats)"
        assert ax.get_ylabel() == "probability density (1/nat)"
        assert set(self.legend(ax)) == {"$p$ = 0.25", "$p$ = 0.5 (1 left out)", "$p$ = 0.75", "normal, best fit"}
        lines = ax.get_lines()
        values = data["loss_gradient"].values[0].ravel()
        x, y = lines[1].get_data()
        direct = [np.mean(stats.norm.pdf(at, values, 0.05)) for at in x[::40]]
        np.testing.assert_allclose(y[::40], direct, atol=3e-5 * stats.norm.pdf(0, 0, 0.05))
        x, y = lines[2].get_data()
        np.testing.assert_allclose(y, stats.norm.pdf(x, values.mean(), values.std()))
        assert figures.density(data, variable="log_loss_gradient").get_ylabel() == "probability density"

    def test_states_have_their_own_curves_and_means(self, data):
        ax = figures.by_state(data, probability=0.5)
        odd = bool(data["gates"][1, 0, 3, 2])
        left_out = [" (1 left out)" if odd == on else "" for on in (True, False)]
        assert set(self.legend(ax)) == {f"node on{left_out[0]}", f"node off{left_out[1]}", "mean"}
        values, on = data["loss_gradient"].values[1], data["gates"].values[1]
        curves = [line for line in ax.get_lines() if line.get_color() in figures._STATE_COLORS.values()]
        for index, chosen in enumerate((on, ~on)):
            kept = values[chosen][np.isfinite(values[chosen])]
            x, y = curves[2 * index].get_data()
            np.testing.assert_allclose(np.trapezoid(y, x), 1, atol=2e-3)
            np.testing.assert_allclose(curves[2 * index + 1].get_xdata(), kept.mean())
        with pytest.raises(ValueError, match=r"probability must be one of \[0.25, 0.5, 0.75\], got 0.3"):
            figures.by_state(data, probability=0.3)

    def test_panels_share_axes_and_mark_what_is_cut_off(self, data, tmp_path):
        weak = data.copy(deep=True)
        weak["loss_gradient"][..., -1] *= 0.01
        figure = figures.by_node(weak, probability=0.5)
        assert len(figure.axes) == NODES
        assert [ax.get_title(loc="left") for ax in figure.axes] == [str(node) for node in range(NODES)]
        assert len({ax.get_xlim() for ax in figure.axes}) == len({ax.get_ylim() for ax in figure.axes}) == 1
        top = figure.axes[0].get_ylim()[1]
        for ax in figure.axes:
            highest = [line.get_ydata().max() for line in ax.get_lines() if len(line.get_xdata()) > 2]
            cut = [text.get_text() for text in ax.texts]
            assert cut == [f"{peak:.3g}" for peak in highest if peak > top]
        assert figure.axes[-1].texts and not figure.axes[0].texts
        labels = [text.get_text() for text in figure.legends[0].get_texts()]
        assert labels[-1] == "cut off; height of its peak"
        style.save(figure, tmp_path, "figure")
        box = figure.get_tightbbox()
        width, height = figure.get_size_inches()
        assert box.x0 > -0.01 and box.y0 > -0.01 and box.x1 < width + 0.01 and box.y1 < height + 0.01

    def test_nodes_are_chosen(self, data):
        figure = figures.by_node(data, nodes=[4, 1])
        assert [ax.get_title(loc="left") for ax in figure.axes] == ["4", "1"]
        for nodes in ([], [NODES]):
            with pytest.raises(ValueError, match="nodes must be (one or more of 0 to 5|at most 5), got"):
                figures.by_node(data, nodes=nodes)

    def test_nothing_to_show_still_draws(self, data):
        for change in (np.nan, 0.0):
            empty = data.assign(loss_gradient=data["loss_gradient"].copy(data=np.full((3, 1, 200, NODES), change)))
            assert figures.density(empty).get_legend() and figures.by_state(empty).get_legend()
            assert len(figures.by_node(empty).axes) == NODES
