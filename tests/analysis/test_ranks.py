"""Rank correlation against SciPy's, and where there is none."""

import numpy as np
import pytest
from scipy import stats

from analysis import _ranks


def test_rank_correlation_is_scipys_and_nan_where_there_is_none():
    one, other = np.random.default_rng(0).integers(5, size=(2, 30)).astype(float)
    expected = stats.spearmanr(one, other).statistic
    assert _ranks.correlation(one, other) == pytest.approx(expected, rel=1e-12)
    missing = np.where(np.arange(30) == 3, np.nan, one)
    without = stats.spearmanr(np.delete(one, 3), np.delete(other, 3)).statistic
    assert _ranks.correlation(missing, other) == pytest.approx(without, rel=1e-12)
    np.testing.assert_allclose(_ranks.correlation([one, missing], other), [expected, without], rtol=1e-12)
    assert np.isnan(_ranks.correlation([1, 1, 1], [1, 2, 3])) and np.isnan(_ranks.correlation([1.0], [2.0]))
    assert np.isnan(_ranks.correlation([1.0, np.nan, 2.0], [np.nan, 1.0, 2.0]))


def test_standardised_ranks_sum_to_nothing_and_their_squares_to_one():
    found = _ranks.standardised([[3.0, np.inf, 1.0, 2.0], [5.0, 5.0, 5.0, 5.0]])
    np.testing.assert_allclose(found[0], np.array([1, 0, -1, 0]) / np.sqrt(2), atol=1e-15)
    assert not found[1].any()
