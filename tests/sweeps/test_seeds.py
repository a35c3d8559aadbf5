"""Seeds: all 64 bits count, and nothing but the seed and a draw's number decides a mask."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import sweeps
from sweeps import InputError, _seeds, tasks
from sweeps._masks import threefry

OBJECTIVE = sweeps.Objective.from_function(lambda gates: 1 + (gates * jnp.arange(1.0, 9.0)).sum(), nodes=8)
DESIGNS = [sweeps.Bernoulli(probability=0.5, draws=40), sweeps.FixedSize(3, draws=40), sweeps.FlipPaths(paths=9)]
# Settings that change what jax.random makes of one seed.
SETTINGS = {"jax_threefry_partitionable": False, "jax_random_seed_offset": 5, "jax_default_prng_impl": "rbg"}


def masks(seed, design=DESIGNS[0]):
    return sweeps.sweep(OBJECTIVE, design, seed=seed, gradients=False).gates.values


@pytest.fixture
def other_settings():
    before = {name: getattr(jax.config, name) for name in SETTINGS}
    for name, value in SETTINGS.items():
        jax.config.update(name, value)
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def trained():
    network = sweeps.MLP((2, 4, 2), seed=3)
    sweeps.train(network, tasks.circle(train_examples=20, test_examples=5), epochs=1, batch_size=5, seed=3)
    return np.asarray(network.layers[0].kernel[...])


@pytest.fixture(scope="module")
def usual():
    return [masks(17, design) for design in DESIGNS], trained()


def test_settings_of_jax_change_no_mask_and_no_training(usual, other_settings):
    for design, wanted in zip(DESIGNS, usual[0], strict=True):
        np.testing.assert_array_equal(masks(17, design), wanted)
    np.testing.assert_array_equal(trained(), usual[1])


@pytest.mark.parametrize("other", [2**32 + 17, 2**63 + 17, 17 << 32])
def test_all_bits_of_a_seed_count(other):
    assert (masks(17) != masks(other)).any()
    kernels = [np.asarray(sweeps.MLP((2, 4, 2), seed=seed).layers[0].kernel[...]) for seed in (17, other)]
    assert (kernels[0] != kernels[1]).any()
    points = [tasks.circle(train_examples=9, test_examples=9, train_seed=seed).train.inputs for seed in (17, other)]
    assert (points[0] != points[1]).any()


@pytest.mark.parametrize("seed", [-1, 2**64, 2**70, 1.5, "17", True, None, np.float64(3)])
def test_what_is_no_seed_is_refused_by_name(seed):
    for made in (
        lambda: masks(seed),
        lambda: sweeps.MLP((2, 3, 2), seed=seed),
        lambda: tasks.circle(train_seed=seed),
        lambda: sweeps.train(
            sweeps.MLP((2, 3, 2)), tasks.circle(train_examples=9, test_examples=9), epochs=1, seed=seed
        ),
    ):
        with pytest.raises(
            InputError, match=r"seed\S* must be (at least 0|at most 1844674407\d+|a whole number), got "
        ):
            made()


def test_numpy_integers_are_seeds():
    for kind in (np.int8, np.uint32, np.int64, np.uint64):
        np.testing.assert_array_equal(masks(kind(17)), masks(17))
    assert sweeps.sweep(OBJECTIVE, DESIGNS[0], seed=np.int64(17), gradients=False).attrs["seed"] == 17


def of_jax(made):
    """What ``jax.random`` makes of the keys of four draws, each of its own stream."""
    streams = [jax.random.fold_in(_seeds.key(2**40 + 3), stream) for stream in STREAMS]
    return np.stack([made(jax.random.fold_in(key, draw)) for key, draw in zip(streams, DRAWS, strict=True)])


STREAMS, DRAWS = (5, 5, 6, 2**31 - 3), (2**31 + 7, 0, 1, 1)


@pytest.fixture(scope="module")
def keys():
    numbers = (jnp.array(part, jnp.uint32) for part in (STREAMS, DRAWS))
    return threefry.folded(jnp.asarray(_seeds.words(2**40 + 3)), *numbers)


def bits_of_jax(key, number):
    return jax.random.bits(key, (number,), jnp.uint32)


@pytest.mark.parametrize("number", [1, 2, 7, 300])
def test_bits_and_orders_are_those_of_jax_random(keys, number):
    wanted = of_jax(lambda key: bits_of_jax(key, number))
    np.testing.assert_array_equal(threefry.bits(keys, number), wanted)
    wanted = of_jax(lambda key: jax.random.permutation(key, number))
    np.testing.assert_array_equal(threefry.permutations(keys, number), wanted)
    wanted = of_jax(lambda key: jax.random.key_data(jax.random.split(key)))
    np.testing.assert_array_equal(np.moveaxis(np.array(threefry.split(keys)), 2, 0), wanted)


def test_orders_of_many_numbers_are_sorted_twice_as_in_jax_random(keys):
    wanted = of_jax(lambda key: jax.random.permutation(key, 1700))
    np.testing.assert_array_equal(threefry.permutations(keys, 1700), wanted)


@given(arrays.arrays(np.uint32, (3, 9), elements=st.integers(0, 20) | st.integers(0, 2**32 - 1)))
def test_words_that_tie_or_differ_in_their_last_bits_are_sorted_like_others(words):
    found = jax.jit(threefry.places_in_order)(jnp.asarray(words))
    np.testing.assert_array_equal(found, np.argsort(words, axis=1, kind="stable"))


def draws_of(design, nodes, layers=None):
    """Masks of four draws, straight from the sampler."""
    sampler = (design.bound(layers) if layers else design).sampler(nodes)
    numbers = (jnp.array(part, jnp.uint32) for part in (STREAMS, DRAWS))
    return jax.jit(lambda *numbers: sampler(jnp.asarray(_seeds.words(2**40 + 3)), *numbers))(*numbers)


@pytest.mark.parametrize("nodes", [1, 4, 33])
def test_masks_are_what_jax_random_makes_them(nodes):
    probabilities, chains = np.array([0.375, 0.75]), 2**30 - 1
    masks = draws_of(sweeps.Bernoulli(probability=probabilities, chains=chains), nodes)
    for stream, draw, mask in zip(STREAMS, DRAWS, masks, strict=True):
        key, (index, chain) = _seeds.key(2**40 + 3), divmod(stream, chains)
        for number in (index, chain, draw):
            key = jax.random.fold_in(key, number)
        np.testing.assert_array_equal(mask, np.asarray(bits_of_jax(key, nodes)) < probabilities[index] * 2**32)
    orders = of_jax(lambda key: jax.random.permutation(key, nodes))
    np.testing.assert_array_equal(draws_of(sweeps.FixedSize(nodes // 2), nodes), orders < nodes // 2)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("every", [True, False])
def test_paths_are_what_jax_random_makes_them(every):
    """Node by node: a random start, then the nodes that may be flipped in the order of a random permutation."""
    layers = ["one", "other", "one", "one", "other", "one", "one"]
    may = np.array([every or layer == "one" for layer in layers])
    starts = of_jax(lambda key: bits_of_jax(jax.random.split(key)[0], 7)) < 0.25 * 2**32
    orders = of_jax(lambda key: jax.random.permutation(jax.random.split(key)[1], 7))
    design = sweeps.FlipPaths(paths=9, probability=0.25, layer=None if every else "one")
    for path, start, order in zip(np.asarray(draws_of(design, 7, layers)), starts, orders, strict=True):
        mask = start.copy()
        for step, node in enumerate(node for node in np.argsort(order) if may[node]):
            np.testing.assert_array_equal(path[step], mask)
            mask[node] ^= True
        np.testing.assert_array_equal(path[-1], mask)
        assert len(path) == may.sum() + 1
