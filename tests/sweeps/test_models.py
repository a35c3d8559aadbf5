"""Networks of every kind: dense, convolution, attention, scanned blocks, recurrent and shared layers, nnx and linen.

All in double precision, and held to forward passes with gates that are written by hand in NumPy.
"""

import functools

import jax
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

import sweeps
from tests import reference
from tests.sweeps import helpers, models
from tests.sweeps.models import CASES

LINEN = [name for name, case in CASES.items() if case.linen is not None]
# Numbers of the size of one, in sums of a few hundred terms.
CLOSE = dict(rtol=1e-11, atol=1e-11)


@pytest.fixture(autouse=True)
def double(x64):
    """Everything here runs in double precision."""


@pytest.fixture(params=CASES)
def name(request):
    return request.param


@functools.cache
def before(name):
    """What there is to know of a network before it was given to an objective."""
    network = models.model(name)
    return nnx.graphdef(network), [type(module) for _, module in nnx.iter_modules(network)], leaves(network)


@functools.cache
def objective(name):
    before(name)
    return sweeps.Objective(models.model(name), models.batch(name), plan="vmapped")


@functools.cache
def of_linen(name):
    variables = models.variables(models.model(name))
    return sweeps.Objective(CASES[name].linen, models.batch(name), variables=variables, plan="vmapped")


def by_hand(name, gates):
    """Outputs of the network with gates, in NumPy."""
    case = CASES[name]
    return case.by_hand(models.model(name), case.split(gates), models.batch(name)[0])


def loss_by_hand(name, gates):
    outputs, targets = by_hand(name, gates), models.batch(name)[1]
    each, _ = reference.per_example("cross_entropy", outputs.reshape(-1, outputs.shape[-1]), targets.reshape(-1))
    return each.mean()


def evaluating(name):
    network = nnx.clone(models.model(name))
    network.eval()
    return network


def leaves(network):
    """Copies of all arrays of a network, keys and counts of random numbers too."""
    found = jax.tree.leaves(nnx.state(network))
    is_key = [jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key) for leaf in found]
    return [np.array(jax.random.key_data(leaf) if key else leaf) for leaf, key in zip(found, is_key, strict=True)]


def around(gates, step=1e-5):
    """Gates, and the same with each of them larger and smaller by a step."""
    steps = step * np.eye(len(gates))
    return np.stack([gates, *(gates + steps), *(gates - steps)])


def test_nodes_are_named_after_what_makes_them(name):
    wanted = [f"{group} {node}" for group, size in CASES[name].groups for node in range(size)]
    assert list(objective(name).nodes) == wanted and len(set(wanted)) == len(wanted)
    assert objective(name).layers == tuple(group.rsplit(" ", 1)[0] for group, n in CASES[name].groups for _ in range(n))


def test_gates_at_one_are_the_untouched_network_bit_for_bit(name):
    untouched = evaluating(name)(models.batch(name)[0])
    # Within a loop or what is jitted the compiler joins other operations than without the gates.
    close = dict(rtol=1e-13) if name in ("recurrent", "shared") else dict(rtol=0)
    np.testing.assert_allclose(objective(name).outputs(), untouched, **close)


@pytest.mark.parametrize("name", LINEN)
def test_gates_at_one_are_the_untouched_linen_network_bit_for_bit(name):
    variables = models.variables(models.model(name))
    untouched = CASES[name].linen.apply(variables, models.batch(name)[0])
    np.testing.assert_array_equal(of_linen(name).outputs(), untouched)


def test_the_network_stays_as_it_was(name):
    # After all that the other tests do with it.
    objective(name).outputs()
    network, (graph, kinds, arrays) = models.model(name), before(name)
    assert nnx.graphdef(network) == graph, "neither settings nor the mode"
    assert [type(module) for _, module in nnx.iter_modules(network)] == kinds
    for old, new in zip(arrays, leaves(network), strict=True):
        np.testing.assert_array_equal(old, new)


@settings(max_examples=4)
@given(data=st.data())
@pytest.mark.parametrize("name", CASES)
def test_gates_written_by_hand(name, data):
    nodes = len(objective(name).nodes)
    kinds = data.draw(st.lists(st.sampled_from([0.0, 1.0, 0.3, -0.6, 1.7]), min_size=nodes, max_size=nodes))
    # Many at once, in one shape for all tests: what was drawn, and other vectors around it.
    gates = around(np.array(kinds), step=0.5)
    found = objective(name).evaluate(gates)
    np.testing.assert_allclose(found.loss[:4], [loss_by_hand(name, vector) for vector in gates[:4]], **CLOSE)


def test_outputs_with_gates_written_by_hand(name):
    gates = helpers.partial_gains(len(objective(name).nodes))[0].astype(float)
    np.testing.assert_allclose(objective(name).outputs(gates), by_hand(name, gates), **CLOSE)


def test_gradients_are_finite_differences(name):
    gates = np.random.default_rng(2).uniform(-0.2, 1.3, len(objective(name).nodes))
    found = objective(name).evaluate(around(gates))
    more, less = np.split(np.asarray(found.loss)[1:], 2)
    # The third derivative times 1e-10 / 6, and 1e-16 / 1e-5 of rounding.
    np.testing.assert_allclose(found.loss_gradient[0], (more - less) / 2e-5, rtol=0, atol=2e-8)
    assert np.abs(found.loss_gradient[0]).max() > 1e-3, "gates matter"


@pytest.mark.parametrize("name", LINEN)
def test_linen_and_nnx_agree(name):
    nnx_found, linen_found = objective(name), of_linen(name)
    assert len(nnx_found.nodes) == len(linen_found.nodes)
    gates = helpers.partial_gains(len(nnx_found.nodes), seed=3)[:1].astype(float)
    np.testing.assert_allclose(linen_found.outputs(gates[0]), nnx_found.outputs(gates[0]), **CLOSE)
    one, other = linen_found.evaluate(gates), nnx_found.evaluate(around(gates[0]))
    np.testing.assert_allclose(one.loss[0], other.loss[0], **CLOSE)
    np.testing.assert_allclose(one.loss_gradient[0], other.loss_gradient[0], **CLOSE)
    if name != "dense":
        assert nnx_found.nodes == linen_found.nodes


# Nodes that go, by the place of the gate in the gate vector, the network without them, and which axes of which
# parameters lose which rows: (axis, which are kept), for each copy where there are copies.
ONE, TWO, THREE = np.array([0, 2, 3]), np.array([0, 1]), np.array([1, 2])
ALONE = np.array([0])
FLAT = np.flatnonzero(np.tile([True, False], 9))


def of_block(head, units):
    cuts = {f"attention/{part}/kernel": [(1, head)] for part in ("query", "key", "value")}
    cuts |= {f"attention/{part}/bias": [(0, head)] for part in ("query", "key", "value")}
    cuts |= {f"norm/{part}": [(0, units)] for part in ("scale", "bias", "mean", "var")}
    cuts |= {"attention/out/kernel": [(0, head)], "up/kernel": [(1, units)], "up/bias": [(0, units)]}
    return cuts | {"down/kernel": [(0, units)]}


REMOVED = {
    "dense": (
        [1, 6],
        functools.partial(models.Mlp, (2, 3, 2, 2)),
        {"layers/0/kernel": [(1, ONE)], "layers/0/bias": [(0, ONE)], "layers/1/kernel": [(0, ONE), (1, TWO)]}
        | {"layers/1/bias": [(0, TWO)], "layers/2/kernel": [(0, TWO)]},
    ),
    "convolution": (
        [0, 4],
        functools.partial(models.Cnn, 2, 1),
        {"conv/kernel": [(3, THREE)], "conv/bias": [(0, THREE)], "second/kernel": [(2, THREE), (3, ALONE)]}
        | {f"norm/{part}": [(0, THREE)] for part in ("scale", "bias", "mean", "var")}
        | {"second/bias": [(0, ALONE)], "out/kernel": [(0, FLAT)]},
    ),
    # Head 1 of the first copy and head 0 of the second; unit 0 of the first copy and unit 2 of the second.
    "scan": (
        [1, 2, 4, 9],
        functools.partial(models.Scanned, 2, 1),
        {f"blocks/{path}": cuts for path, cuts in of_block(np.array([[0], [1]]), np.array([[1, 2], [0, 1]])).items()},
    ),
}


def without_rows(values, cuts):
    if cuts and cuts[0][1].ndim == 2:
        return np.stack([without_rows(values[copy], [(axis, kept[copy]) for axis, kept in cuts]) for copy in (0, 1)])
    for axis, kept in cuts:
        values = np.take(values, kept, axis=axis)
    return values


@pytest.mark.parametrize("name", REMOVED)
def test_a_gate_at_zero_is_a_node_that_is_not_there(name):
    off, make, cuts = REMOVED[name]
    whole, smaller = dict(nnx.to_flat_state(nnx.state(models.model(name)))), models.filled(make)
    for path, variable in nnx.to_flat_state(nnx.state(smaller, (nnx.Param, nnx.BatchStat))):
        values = without_rows(np.asarray(whole[path][...]), cuts.get("/".join(map(str, path)), []))
        assert values.shape == variable.shape, path
        variable[...] = values
        nnx.update(smaller, nnx.from_flat_state([(path, variable)]))
    smaller.eval()
    gates = np.ones(len(objective(name).nodes))
    gates[off] = 0
    np.testing.assert_allclose(objective(name).outputs(gates), smaller(models.batch(name)[0]), **CLOSE)


@pytest.mark.parametrize(
    ("name", "sites"),
    [
        ("dense", "layers/1"),
        ("convolution", nnx.Conv),
        ("scan", ["blocks/1/attention", "blocks/*/up"]),
        ("recurrent", "rnn/*"),
    ],
)
def test_some_sites_alone_are_all_with_the_other_gates_at_one(name, sites):
    some = sweeps.Objective(models.model(name), models.batch(name), sites=sites, plan="vmapped")
    places = [objective(name).nodes.index(node) for node in some.nodes]
    assert places == sorted(places), "the order of the network"
    gates = np.ones(len(objective(name).nodes))
    gates[places] = np.random.default_rng(4).uniform(-0.5, 1.5, len(places))
    np.testing.assert_allclose(some.outputs(gates[places]), objective(name).outputs(gates), **CLOSE)


def test_no_weight_is_a_constant_of_the_program(name):
    assert max(map(np.size, objective(name)._program[1]), default=0) <= 1
