"""The balance of nodes: roles, sums over masks and the regressions, against plain loops and least squares."""

import numpy as np
import pytest
import xarray as xr

from analysis import balance
from analysis.perceptron import Perceptron

NODES = 7
RANDOM = np.random.default_rng(0)
MASKS = np.arange(2**NODES)[:, None] >> np.arange(NODES) & 1


def of(roles, push):
    return xr.Dataset({"role": ("node", list(roles)), "push": (("node", "feature"), np.asarray(push, float))})


@pytest.fixture(scope="module")
def roles():
    push = RANDOM.standard_normal((NODES, 2))
    return of(["bias", "slicing", "slicing", "bias", "dead", "slicing", "slicing"], push)


def plain_imbalance(roles):
    slicing = (roles["role"] == "slicing").values
    push = roles["push"].values[slicing]
    whole = np.linalg.norm(push, axis=1).sum()
    return np.array([np.linalg.norm(mask[slicing] @ push) for mask in MASKS]) / whole


def plain_columns(roles):
    s, b = (MASKS @ (roles["role"] == role).values for role in ("slicing", "bias"))
    return [[s, b], [s, b, s**2, s * b, b**2], [s, b, s**2, s * b, b**2, plain_imbalance(roles)]]


def test_roles_are_read_from_the_weights():
    kernel = np.array([[0.1, 1.0, 0.0, -2.0], [0.0, 0.0, 1.0, 0.0]])
    network = Perceptron(
        (kernel, np.array([[1.0, -1.0], [0.5, 2.0], [0.0, 1.0], [1.0, 1.5]])),
        (np.array([1.0, -0.5, -3.0, 0.0]), np.zeros(2)),
        "relu",
        "identity",
    )
    inputs = [[-1.0, 0.0], [0.0, 1.0], [1.0, -1.0], [1.0, 1.0]]
    found = balance.roles(network, inputs)
    assert found["role"].values.tolist() == ["bias", "slicing", "dead", "slicing"]
    assert found["active"].values.tolist() == [1, 0.5, 0, 0.25]
    assert found["effect"].values.tolist() == [-2, 1.5, 1, 0.5]
    assert found["push"].values.tolist() == [[-0.2, 0], [1.5, 0], [0, 1], [-1, 0]]


def test_imbalance_is_the_length_of_the_pushes_that_are_on(roles):
    np.testing.assert_allclose(balance.imbalance(roles), plain_imbalance(roles), rtol=1e-12)
    assert balance.imbalance(of(["bias", "dead"], [[1, 0], [0, 1]])).tolist() == [0] * 4


def test_what_is_explained_is_that_of_least_squares(roles):
    values = RANDOM.standard_normal(2**NODES) + plain_imbalance(roles) + 0.1 * MASKS.sum(axis=1)
    found, target = balance.explain(values, roles), values - values.mean()
    before, shares = np.zeros(2**NODES), []
    for part, columns in zip(balance.PARTS, plain_columns(roles), strict=True):
        matrix = np.column_stack([np.ones(2**NODES), *columns])
        weights = np.linalg.lstsq(matrix, target, rcond=None)[0]
        fit = matrix @ weights
        assert found["r_squared"].sel(part=part) == pytest.approx(fit.var() / target.var(), rel=1e-9)
        gain = fit - before
        shares.append(np.mean(gain * gain[::-1]) / target.var())
        assert found["carried"].sel(source=part) == pytest.approx(shares[-1], rel=1e-6)
        before = fit
    assert found["slope"] == pytest.approx(weights[-1], rel=1e-9)
    correlation = np.corrcoef(values, values[::-1])[0, 1]
    assert found["correlation"] == pytest.approx(correlation, rel=1e-9)
    assert float(found["carried"].sum()) == pytest.approx(correlation, rel=1e-9)
    cells = {tuple(cell): [] for cell in np.column_stack(plain_columns(roles)[0])}
    for cell, value in zip(np.column_stack(plain_columns(roles)[0]), target, strict=True):
        cells[tuple(cell)].append(value)
    between = sum(len(cell) * np.mean(cell) ** 2 for cell in cells.values()) / 2**NODES
    assert found["any_numbers"] == pytest.approx(between / target.var(), rel=1e-9)
    mean = balance.mean_by_numbers(values, roles)
    assert all(mean[b, s] == pytest.approx(np.mean(cell) + values.mean()) for (s, b), cell in cells.items())


def test_numbers_make_opposites_unlike_and_balance_makes_them_alike():
    opposed = of(["slicing"] * 4 + ["bias"] * 2, [[1, 0], [-1, 0], [0, 1], [0, -1], [0, 0], [0, 0]])
    masks = np.arange(64)[:, None] >> np.arange(6) & 1
    slicing, bias = masks[:, :4].sum(axis=1), masks[:, 4:].sum(axis=1)
    for values, part, wanted in (
        (slicing + 2.0 * bias, "numbers", -1),
        ((slicing - 2.0 * bias) ** 2, "products", 1),
        (balance.imbalance(opposed), "imbalance", None),
    ):
        found = balance.explain(values, opposed)
        assert found["r_squared"].sel(part="imbalance") == pytest.approx(1)
        if wanted is not None:
            assert found["carried"].sel(source=part) == pytest.approx(wanted)
            assert found["r_squared"].sel(part=part) == pytest.approx(1)
        else:
            assert found["carried"].sel(source=part) > 0 and found["slope"] == pytest.approx(1)


def test_values_go_with_the_imbalance_once_numbers_are_allowed_for(roles):
    unbalanced = plain_imbalance(roles)
    found = balance.along_imbalance(3 * unbalanced + MASKS.sum(axis=1), roles, bins=5)
    assert int(found["masks"].sum()) == 2**NODES
    np.testing.assert_allclose(found["mean"], found["fitted"], atol=1e-9)
    assert float(found["fitted"][-1] - found["fitted"][0]) > 0


def test_a_constant_has_nothing_to_explain(roles):
    found = balance.explain(np.full(2**NODES, 0.3), roles)
    assert np.isnan(found["r_squared"]).all() and np.isnan(found["correlation"])


def test_networks_without_bias_nodes_are_regressed_too():
    push = RANDOM.standard_normal((4, 2))
    found = balance.explain(RANDOM.standard_normal(16), of(["slicing"] * 4, push))
    assert (np.diff(found["r_squared"]) >= 0).all() and found["r_squared"][-1] <= 1


def test_what_cannot_be_said_is_refused(roles):
    kernels, biases = [np.ones((2, 3)), np.ones((3, 3)), np.ones((3, 2))], [np.zeros(3), np.zeros(3), np.zeros(2)]
    deep = Perceptron(tuple(kernels), tuple(biases), "relu", "identity")
    with pytest.raises(ValueError, match="one hidden layer of relu nodes and two classes, got 2 of relu nodes"):
        balance.roles(deep, np.ones((3, 2)))
    flat = Perceptron(tuple(kernels[::2]), tuple(biases[::2]), "relu", "identity")
    with pytest.raises(ValueError, match=r"inputs must have shape \(examples, 2\), got \(3,\)"):
        balance.roles(flat, np.ones(3))
    with pytest.raises(ValueError, match=r"values must be 2\*\*7 numbers, one for each mask, got 8"):
        balance.explain(np.zeros(8), roles)
