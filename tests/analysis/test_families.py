"""Families of laws: fits against known laws, and held-out scores against sums written out."""

import numpy as np
import pytest
import xarray as xr
from scipy import integrate, stats

from analysis import families
from analysis._errors import InputError
from analysis.families import FAMILIES
from analysis.figures import families as figures

RANDOM = np.random.default_rng(0)
TRUE = {
    "log-normal": stats.lognorm(0.5, scale=0.8),
    "normal": stats.norm(3, 0.5),
    "gamma": stats.gamma(3, scale=0.2),
    "Weibull": stats.weibull_min(1.7, scale=0.6),
}
MIXED = np.exp(np.concatenate([RANDOM.normal(-2, 0.2, 1200), RANDOM.normal(0, 0.3, 800)]))


@pytest.mark.parametrize("family", TRUE)
def test_a_fit_finds_the_law(family):
    found = families.fit(TRUE[family].rvs(20000, random_state=1), family)
    x = TRUE[family].ppf([0.05, 0.3, 0.7, 0.95])
    np.testing.assert_allclose(found.log_density(x), TRUE[family].logpdf(x), atol=0.08)


def test_the_mixture_finds_both_components():
    found = families.fit(MIXED, "log-normal mixture").parameters
    np.testing.assert_allclose(found["means"], [-2, 0], atol=0.05)
    np.testing.assert_allclose(found["sds"], [0.2, 0.3], atol=0.03)
    np.testing.assert_allclose(found["weights"], [0.6, 0.4], atol=0.02)


@pytest.mark.parametrize("family", FAMILIES)
def test_densities_integrate_to_one_and_draws_follow_them(family):
    law = families.fit(MIXED, family)
    total, _ = integrate.quad(
        lambda x: np.exp(law.log_density(x)), -np.inf if family == "normal" else 0, np.inf, limit=500
    )
    assert total == pytest.approx(1, abs=1e-5)
    drawn = law.draw(4000, np.random.default_rng(2))
    below, _ = integrate.quad(lambda x: np.exp(law.log_density(x)), -10 if family == "normal" else 0, 0.3, limit=500)
    # Four standard errors of a share of 4,000 draws.
    assert np.mean(drawn < 0.3) == pytest.approx(below, abs=4 * 0.5 / 4000**0.5)


def test_scores_are_those_of_the_held_out_draws():
    loss = np.exp(RANDOM.normal(size=60))
    found = families.compare(loss, folds=3, seed=5)
    values = np.sort(loss)
    fold = np.random.default_rng(5).permutation(np.arange(60) % 3)
    scores = np.empty(60)
    for held in range(3):
        log = np.log(values[fold != held])
        scores[fold == held] = stats.lognorm(log.std(), scale=np.exp(log.mean())).logpdf(values[fold == held])
    one = found.sel(family="log-normal")
    assert float(one.score) == pytest.approx(scores.mean())
    assert float(one.score_error) == pytest.approx(scores.std(ddof=1) / 60**0.5)
    assert float(one.difference) == 0 and int(found["count"]) == 60


def test_the_true_family_wins():
    for family, law in TRUE.items():
        found = families.compare(law.rvs(3000, random_state=3))
        true = found.sel(family=family)
        others = [name for name in TRUE if name != family]
        assert (found.score.sel(family=others) < float(true.score)).all(), family
    assert families.compare(MIXED).score.idxmax() == "log-normal mixture"


def test_losses_without_a_logarithm_are_left_out():
    loss = np.concatenate([np.exp(RANDOM.normal(size=80)), [0.0, -1.0, np.nan, np.inf]])
    assert int(families.compare(loss)["count"]) == 80


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: families.fit([1.0] * 9, "gamma"), ValueError, "not all equal"),
        (lambda: families.fit([1.0, 2.0], "gamma"), ValueError, "5 or more losses above 0 .* got 2"),
        (lambda: families.fit(MIXED, "Cauchy"), ValueError, "family must be one of log-normal, .*, got 'Cauchy'"),
        (lambda: families.compare(MIXED[:40]), ValueError, "50 or more losses"),
        (lambda: families.compare(MIXED, folds=1), ValueError, "folds must be at least 2, got 1"),
        (lambda: families.fit(xr.Dataset({"loss_histogram": ("bin", [1])}), "gamma"), TypeError, "got a summary"),
    ],
)
def test_errors_say_what_was_expected(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_the_figure_has_a_panel_a_family_and_one_for_the_scores():
    comparison = xr.concat([families.compare(MIXED)] * 2, "probability").assign_coords(probability=[0.25, 0.5])
    figure = figures.overview(MIXED, comparison, width=0.1)
    assert [ax.get_title("left") for ax in figure.axes[:5]] == [
        f"({letter}) {name}" for letter, name in zip("abcde", FAMILIES, strict=True)
    ]
    assert len(figure.axes[0].lines) == figures._REPLICATES + 1
    assert [text.get_text() for text in figure.axes[5].get_yticklabels()] == list(FAMILIES[1:])
    assert [text.get_text() for text in figure.axes[5].get_legend().get_texts()] == ["$p$ = 0.25", "$p$ = 0.5"]


def test_what_can_be_compared_is_known_beforehand():
    for loss, enough in ((MIXED, True), (MIXED[:49], False), (np.ones(99), False), (-MIXED, False), ([], False)):
        assert families.comparable(loss) is enough
        if not enough:
            with pytest.raises(InputError, match="loss must be 50 or more losses above 0 that are not all equal"):
                families.compare(loss)
