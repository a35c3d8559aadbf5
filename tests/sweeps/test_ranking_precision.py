"""Ranking of networks that compute in few bits or not with finite numbers, and with arguments of all kinds."""

import jax.numpy as jnp
import numpy as np
import pytest

import sweeps
from sweeps import ranking
from tests import reference
from tests.sweeps import helpers

# More examples than float16 can count.
PROBLEM = helpers.problem((3, 4, 2), "tanh", "cross_entropy", 2, examples=6000, seed=1)


def objective(dtype):
    net = helpers.network(PROBLEM)
    for layer in net.layers:
        layer.dtype = dtype
    return sweeps.Objective(net, helpers.batch(PROBLEM))


def test_removal_in_half_precision():
    dtype = jnp.float16
    one, rounding = objective(dtype), 2 * float(jnp.finfo(dtype).eps)
    path = ranking.removal_path(one)
    for mask, loss in zip(ranking.masks_along(path.order), path.loss, strict=True):
        np.testing.assert_allclose(loss, reference.loss(PROBLEM, mask), rtol=rounding)
    outputs = np.asarray(one.network(jnp.asarray(PROBLEM.inputs, jnp.float32)), float)
    np.testing.assert_allclose(path.accuracy[0], (outputs.argmax(axis=1) == PROBLEM.targets).mean(), rtol=1e-3)
    np.testing.assert_allclose(path.change, np.diff(path.loss), atol=1e-5)
    whole = objective(None)
    for method in ("magnitude", "activation", "second_order"):
        wanted = ranking.scores(whole, method=method)
        np.testing.assert_allclose(
            ranking.scores(one, method=method), wanted, rtol=rounding, atol=rounding * abs(wanted).max()
        )


def test_right_answers_are_counted_and_outputs_that_are_not_finite_are_none():
    path = ranking.removal_path(objective(None))
    outputs = np.asarray(helpers.network(PROBLEM)(jnp.asarray(PROBLEM.inputs, jnp.float32)))
    assert path.accuracy[0] == np.float32((outputs.argmax(axis=1) == PROBLEM.targets).mean())
    net = helpers.network(PROBLEM)
    net.layers[1].bias[...] = jnp.asarray([jnp.nan, 0])
    found = ranking.removal_path(sweeps.Objective(net, helpers.batch(PROBLEM)))
    assert np.isnan(found.accuracy).all() and np.isnan(found.loss).all()


def test_a_node_that_is_off_contributes_nothing_even_if_it_is_infinite():
    problem = helpers.problem((3, 4, 2), "relu", "cross_entropy", 2, seed=1)
    net, x = helpers.network(problem), np.abs(problem.inputs).astype(np.float32) + 1
    net.layers[0].kernel[...] = net.layers[0].kernel[...].at[:, 2].set(3e38)
    one = sweeps.Objective(net, (x, problem.targets))
    path = ranking.removal_path(one)
    gone = 1 + path.order.tolist().index(2)
    assert np.isnan(path.loss[:gone]).all()
    for mask, loss in list(zip(ranking.masks_along(path.order), path.loss, strict=True))[gone:]:
        np.testing.assert_allclose(loss, reference.loss(problem._replace(inputs=x.astype(float)), mask), rtol=1e-5)
    assert np.isnan(ranking.scores(one, method="activation")).tolist() == [False, False, True, False]


FUNCTION = sweeps.Objective.from_function(lambda gates: (gates**2).sum(), nodes=3)
WRONG = {
    "objective": (lambda: ranking.scores(3), TypeError, "objective must be a sweeps.Objective, got int"),
    "objective of a pair": (lambda: ranking.pair_interaction(None), TypeError, "objective must be a sweeps.Objective"),
    "method": (lambda: ranking.scores(FUNCTION, method=["random"]), ValueError, "method must be one of brute_force"),
    "seed": (
        lambda: ranking.scores(FUNCTION, method="random", seed=1.5),
        TypeError,
        "seed must be a whole number, got 1.5",
    ),
    "large seed": (lambda: ranking.removal_path(FUNCTION, seed=2**64), ValueError, "seed must be at most 184467"),
    "rerank": (lambda: ranking.removal_path(FUNCTION, rerank=1), TypeError, "rerank must be True or False, got 1"),
    "measure": (lambda: ranking.removal_path(FUNCTION, measure="no"), TypeError, "measure must be True or False"),
    "node": (lambda: ranking.gain_curve(FUNCTION, 1.0), TypeError, "node must be a whole number, got 1.0"),
    "negative node": (lambda: ranking.gain_curve(FUNCTION, -1), ValueError, "node must be at least 0, got -1"),
    "gains": (lambda: ranking.gain_curve(FUNCTION, 1, gains="abc"), TypeError, "gains must be numbers, got 'abc'"),
    "NaN gains": (
        lambda: ranking.gain_curve(FUNCTION, 1, gains=[np.nan]),
        ValueError,
        "gains must be one vector of finite",
    ),
    "order": (lambda: ranking.masks_along([0, 0]), ValueError, "order must hold the number of each node once"),
}


@pytest.mark.parametrize("name", WRONG)
def test_arguments_are_refused_by_name(name):
    call, kind, message = WRONG[name]
    with pytest.raises(kind, match=message) as found:
        call()
    assert isinstance(found.value, ValueError)


def test_numpys_numbers_are_numbers():
    seed = np.uint64(2**63 + 17)
    wanted = np.random.default_rng(int(seed)).random(3).astype(np.float32)
    np.testing.assert_array_equal(ranking.scores(FUNCTION, method="random", seed=seed), wanted)
    assert ranking.gain_curve(FUNCTION, np.int8(1), gains=[np.float16(0.5), 1]).node == 1


def test_a_node_far_larger_than_the_others_spoils_no_digits():
    """What is left when it is off is what a network without it says."""
    network = sweeps.MLP((2, 4, 2), seed=1)
    network.layers[0].kernel[...] = network.layers[0].kernel[...].at[:, 0].multiply(1e5)
    random = np.random.default_rng(0)
    batch = random.normal(size=(30, 2)).astype(np.float32), random.integers(0, 2, 30)
    objective = sweeps.Objective(network, batch)
    path = ranking.removal_path(objective, method="brute_force")
    gates = np.ones(4)
    for node, loss in zip(path.order, path.loss[1:], strict=True):
        gates[node] = 0
        assert loss == pytest.approx(float(objective.evaluate(gates).loss), rel=1e-5)
