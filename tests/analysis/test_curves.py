"""Numbers of curves at their edges."""

import numpy as np
import pytest

from analysis import curves


def test_nodes_are_removable_until_the_first_fall():
    accuracy = [[1.0, 0.99, 1.0, 0.98, 1.0], [0.9, 0.95, 0.9, 0.9, 0.9], [0.9, 0.8, 0.9, 0.9, 0.9]]
    assert curves.removable(accuracy, 0.01).tolist() == [2, 4, 0]
    assert curves.removable(accuracy, 0.05).tolist() == [4, 4, 0]
    # 8 of 9 examples right, then 7: by 1/9, whatever the rounding
    assert float(curves.removable(np.array([8, 7, 6]) / 9, 1 / 9)) == 1
    assert np.isnan(curves.removable([np.nan, np.nan], 0.01)) and np.isnan(curves.removable([1.0, np.nan], 0.01))


def test_the_first_step_above_and_the_mean_height():
    assert curves.first_above([[0.1, 0.15, 0.25, 0.1], [0.1, 0.1, 0.1, 0.2]], 2).tolist() == [2, np.inf]
    assert np.isnan(curves.first_above([np.nan, 1.0], 2))
    curve = np.random.default_rng(0).random((3, 7))
    np.testing.assert_allclose(curves.mean_height(curve), np.trapezoid(curve, axis=-1) / 6, rtol=1e-13)


def test_movement_the_wrong_way():
    assert curves.wrong_way([0.0, 2.0, 1.0, 3.0], rising=True) == pytest.approx(1 / 5)
    assert curves.wrong_way([0.0, 2.0, 1.0, 3.0], rising=False) == pytest.approx(4 / 5)
    assert np.isnan(curves.wrong_way([1.0, 1.0], rising=True))
