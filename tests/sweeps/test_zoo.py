"""Networks read as programs: nodes, values with gates and their gradients, held to what is written by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeps import _program
from tests.sweeps import (  # noqa: F401
    zoo,
    zoo_attention,
    zoo_convolutional,
    zoo_dense,
    zoo_gated,
    zoo_libraries,
    zoo_recurrent,
)
from tests.sweeps.zoo import ACTIVATIONS, Gates, Mix, dense, normal, xp

# Networks that the reader does not read rightly yet, and why.
NOT_YET: dict[str, str] = {}

STEP = 1e-5  # of finite differences


@pytest.fixture(autouse=True, scope="module")
def double_precision():
    """Double precision, and the promotions that users' networks rely on."""
    with jax.enable_x64(True), jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        yield


def described(sites):
    """Path, kind and number of nodes of each site, in no order."""
    return sorted((site.path, site.kind, site.size) for site in sites)


def flat(outputs, numpy):
    """All outputs in one row."""
    return numpy.concatenate([numpy.ravel(leaf) for leaf in jax.tree.leaves(outputs)]).astype(float)


class Gated:
    """A network's outputs in one row, of one vector of gates of some of its sites."""

    def __init__(self, network, sites):
        self.network, self.sites = network, sites
        self.nodes = sum(site.size for site in sites)

    def pieces(self, vector, numpy):
        """The gates of each site, shape (*stack, nodes)."""
        cuts = numpy.split(vector, np.cumsum([site.size for site in self.sites])[:-1])
        return [cut.reshape(*site.stack, site.nodes) for site, cut in zip(self.sites, cuts, strict=True)]

    def __call__(self, vector, params, inputs, off=None, reference=None):
        """By the reader."""
        gates, off = (
            v if v is None else dict(zip(self.sites, self.pieces(v, jnp), strict=True)) for v in (vector, off)
        )
        return flat(self.network.run(params, inputs, gates, off, reference), jnp)

    def by_hand(self, reference, vector, off=None):
        """In NumPy; off: numbers of the nodes, or "own" for the values that nodes have where all are on."""
        paths, pieces = [site.path for site in self.sites], self.pieces(vector, np)
        if off is None:
            return flat(reference(Gates(zip(paths, pieces, strict=True))), np)
        if isinstance(off, str):
            noted = []
            reference(Gates({path: Mix(piece, noted) for path, piece in zip(paths, pieces, strict=True)}))
            values = [iter(noted)] * len(paths)
        else:
            values = self.pieces(off, np)
        return flat(reference(Gates(zip(paths, map(Mix, pieces, values), strict=True))), np)


def measured(gated, model, apply, params, inputs, vectors, weights, mixed):
    """What the reader makes of a network, by one program, as NumPy arrays.

    Returns outputs at each vector, the slopes of their weighted sum there, the network's own outputs, and outputs where
    the nodes that ``mixed``, gates and numbers, says are off are these numbers, or, if there is no loop of an unknown
    number of steps, what they are with all nodes on.
    """
    derivative = jax.jacfwd if model.forward else jax.grad
    has_while = "while" in str(gated.network.first.program.jaxpr)

    def outputs(vectors, vector, off, params, inputs):
        def weighted(vector):
            values = gated(vector, params, inputs)
            return values @ weights, values

        slopes, values = jax.vmap(derivative(weighted, has_aux=True))(vectors)
        own = [] if has_while else [gated(vector, params, inputs, reference=inputs)]
        by_off = [gated(vector, params, inputs, off=off), *own]
        return values, slopes, flat(apply(params, inputs), jnp), by_off

    # An index into an array of JAX's is a program of its own for each shape.
    return jax.tree.map(np.asarray, jax.jit(outputs)(vectors, *mixed, params, inputs))


def hold(gated, model, apply, params, inputs, reference):
    """Hold values and gradients to a pass in NumPy: all nodes on, each node off, gates between, and off values."""
    between = np.random.default_rng(0).uniform(0.3, 1.5, gated.nodes)
    vectors = np.concatenate([np.ones((1, gated.nodes)), 1 - np.eye(gated.nodes), between[None]])
    right = np.array([gated.by_hand(reference, vector) for vector in vectors])
    weights = np.random.default_rng(1).normal(size=right.shape[1])
    random = np.random.default_rng(3)
    mixed = random.uniform(0, 1, gated.nodes).round(1), random.normal(size=gated.nodes)
    values, slopes, itself, by_off = measured(gated, model, apply, params, inputs, vectors, weights, mixed)
    largest = abs(right).max()
    wanted = [gated.by_hand(reference, mixed[0], kind) for kind in (mixed[1], "own")]
    for found, one in zip(by_off, wanted, strict=False):
        np.testing.assert_allclose(found, one, rtol=0, atol=model.tolerance * max(largest, abs(wanted[0]).max()))
    np.testing.assert_allclose(values, right, rtol=0, atol=model.tolerance * largest)
    rounding = 1e-13 if model.tolerance < 1e-8 else model.tolerance
    np.testing.assert_allclose(values[0], itself, rtol=0, atol=rounding * largest)
    for node in np.random.default_rng(2).choice(gated.nodes, min(4, gated.nodes), replace=False):
        aside = STEP * np.eye(gated.nodes)[node]
        up, down = (gated.by_hand(reference, between + sign * aside) @ weights for sign in (1, -1))
        error = max(model.tolerance, 1e-8) * largest * abs(weights).sum()
        np.testing.assert_allclose(slopes[-1, node], (up - down) / (2 * STEP), rtol=1e-6, atol=error)


def every(models):
    """Test parameters: the models, those that are not right yet marked."""
    marks = {name: pytest.mark.xfail(strict=True, reason=reason) for name, reason in NOT_YET.items()}
    return [pytest.param(model, id=name, marks=marks.get(name, ())) for name, model in models.items()]


@pytest.mark.parametrize("model", every(zoo.MODELS))
def test_nodes_values_and_gradients_are_those_written_by_hand(model):
    apply, params, inputs, reference = model.build()
    network = _program.read(apply, params, inputs)
    assert described(site for site in network.sites if site.default) == sorted(model.nodes)
    wanted = model.nodes + model.asked
    sites = [site for site in network.sites if (site.path, site.kind, site.size) in wanted]
    assert described(sites) == sorted(wanted)
    assert not any(site.reason for site in sites)
    assert all(site.reason for site in network.sites if site.path in model.refused)
    assert set(model.refused) <= {site.path for site in network.sites}
    labels = [label for site in network.sites for label in site.labels]
    assert len(set(labels)) == len(labels) == sum(site.size for site in network.sites)
    if sites:
        hold(Gated(network, sites), model, apply, params, inputs, reference)


def test_there_are_sixty_networks_and_those_that_fail_are_among_them():
    assert len(zoo.MODELS) >= 60
    assert set(NOT_YET) <= set(zoo.MODELS)


BY_SURGERY = ["reversed units", "skip", "dense net", "raw reader", "pooled and flattened", "channel shuffle", "u net"]


@pytest.mark.parametrize("name", BY_SURGERY)
def test_a_unit_off_is_a_unit_whose_kernel_and_bias_are_zero(name):
    apply, params, inputs, reference = zoo.MODELS[name].build()
    apply = jax.jit(apply)
    for path, _, number in zoo.MODELS[name].nodes:
        for node in range(number):
            on = np.arange(number) != node
            without = {key: value * on for key, value in params[path].items()}
            right = apply({**params, path: without}, inputs)
            np.testing.assert_allclose(reference(Gates({path: on.astype(float)})), right, rtol=0, atol=1e-10)


def test_shapes_are_enough_and_inputs_may_have_any_number_of_examples():
    apply, params, inputs, reference = zoo.MODELS["mean over positions"].build()
    shapes = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), (params, inputs))
    network = _program.read(apply, *shapes)
    (site, _) = network.sites[:2]
    gates = np.array([1.0, 0.0, 0.5, 2.0])
    found = network.run(params, np.concatenate([inputs, inputs]), {site: gates})
    right = reference(Gates({site.path: gates}))
    np.testing.assert_allclose(found, np.concatenate([right, right]), rtol=1e-10)


def test_adapters_read_what_the_networks_are():
    layers = dict(a=zoo.conv(2, 4), n=zoo.batch_norm(4), o=zoo.linear(4, 2))
    model = zoo.Network(zoo_convolutional.batch_normalised, nnx.Rngs(0), layers)
    module, images = zoo_convolutional.LinenNet(), zoo_convolutional.IMAGES
    variables = zoo.random_like(jax.eval_shape(module.init, jax.random.key(0), images))
    ways = [
        _program.of_nnx(model, lambda model, x: model(x, Gates())),
        _program.of_linen(module, variables),
    ]
    model.eval()
    outputs = [model(images, Gates()), module.apply(variables, images)]
    nodes = [[("a", "channel", 4)], [("a", "channel", 4), ("b", "unit", 5)]]
    for (apply, params), right, wanted in zip(ways, outputs, nodes, strict=True):
        network = _program.read(apply, params, images)
        assert described(site for site in network.sites if site.default) == wanted
        np.testing.assert_allclose(network.run(params, images, {}), right, rtol=1e-12)


# Random programs. A step takes parameters, values (examples, [positions,] units), its own name, a number of units, an
# activation, and gates; parameters that are not there are made.


def layer(p, h, name, units):
    """A dense layer."""
    if name not in p:
        p[name] = {"kernel": 0.6 * normal(h.shape[-1], units, seed=name), "bias": normal(units, seed=name + "b")}
    return dense(p[name], h)


def simple(p, h, name, units, f, gate):
    return gate(name, f(layer(p, h, name, units)))


def late_activation(p, h, name, units, f, gate):
    h = f(layer(p, h, name, units)[..., ::-1])
    return gate(name, h[..., ::-1])[..., ::-1] if gate else h


def skipping(p, h, name, units, f, gate):
    return h + simple(p, h, name, h.shape[-1], f, gate)


def concatenating(p, h, name, units, f, gate):
    return xp.concatenate([h, simple(p, h, name, units, f, gate)], -1)


def gated_unit(p, h, name, units, f, gate):
    a, b = xp.split(layer(p, h, name, 2 * units), 2, -1)
    return gate(name, a * f(b))


def exciting(p, h, name, units, f, gate):
    return h * simple(p, h, name, h.shape[-1], f, gate)


def twice(p, h, name, units, f, gate):
    return simple(p, simple(p, h, name, h.shape[-1], f, gate), name, h.shape[-1], f, gate)


def permuting(p, h, name, units, f, gate):
    return h[..., np.random.default_rng(units).permutation(h.shape[-1])]


def shuffling(p, h, name, units, f, gate):
    groups = 2 if h.shape[-1] % 2 == 0 else 1
    return h.reshape(*h.shape[:-1], groups, -1).swapaxes(-1, -2).reshape(h.shape)


def averaging(p, h, name, units, f, gate):
    return h.mean(1) if h.ndim == 3 else h


def flattening(p, h, name, units, f, gate):
    return h.reshape(len(h), -1)


STEPS = [simple, late_activation, skipping, concatenating, gated_unit, exciting, twice, permuting, shuffling]
STEPS += [averaging, flattening]
CURVED = ["relu", "elu", "gelu", "silu", "softplus", "tanh", "sigmoid", "sine"]


def interpreted(steps, p, x, gate):
    """The outputs of a program."""
    for number, (step, units, activation) in enumerate(steps):
        x = step(p, x, f"l{number}", units, ACTIVATIONS[activation], gate)
    return layer(p, x, "o", 2)


@settings(max_examples=15)
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(2, 4), st.sampled_from(CURVED)), min_size=2, max_size=6))
def test_random_programs(steps):
    x, p = normal(3, 2, 4), {}
    interpreted(steps, p, x, Gates())
    network = _program.read(lambda p, x: interpreted(steps, p, x, Gates()), p, x)
    sites = [site for site in network.sites if site.default]
    units = {name: len(one["bias"]) for name, one in p.items() if name != "o"}
    halves = [f"l{number}" for number, (step, *_) in enumerate(steps) if step is gated_unit]
    wanted = [(name, "unit", size // 2 if name in halves else size) for name, size in units.items()]
    assert described(sites) == sorted(wanted)
    if sites:
        model = zoo.Model(None, wanted, [], ())
        apply = lambda p, x: interpreted(steps, p, x, Gates())  # noqa: E731
        hold(Gated(network, sites), model, apply, p, x, lambda gates: interpreted(steps, p, x, gates))
