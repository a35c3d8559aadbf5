"""The whole hypercube from two half-cubes, against plain sums in NumPy and double precision."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sweeps
from sweeps._engine import runner
from sweeps._plans import blocks, choosing, cube
from sweeps._plans.affine import NEVER_WRONG, AffineMargins
from tests import reference
from tests.sweeps import helpers
from tests.sweeps.helpers import AFFINE, SINGLE, SMALL


def margins(nodes, examples, others=1, reach=5.0, seed=0):
    """Random offsets (others, examples) and slopes (nodes, others, examples), in float32.

    The largest margin of every example over the cube, which is also the largest in absolute value, is ``reach``:
    one number, or one an example.
    """
    random = np.random.default_rng(seed)
    offsets, slopes = random.normal(size=(others, examples)), random.normal(size=(nodes, others, examples))
    up = (offsets + np.maximum(slopes, 0).sum(axis=0)).max(axis=0)
    down = (-offsets - np.minimum(slopes, 0).sum(axis=0)).max(axis=0)
    scale = np.where(up > down, reach / up, -reach / down)
    return (offsets * scale).astype(np.float32), (slopes * scale).astype(np.float32)


def plan_of(offsets, slopes, dtype):
    return AffineMargins(
        blocks.split(jnp.asarray(offsets, dtype), fill=NEVER_WRONG),
        jnp.swapaxes(blocks.split(jnp.asarray(np.moveaxis(slopes, 0, 1), dtype)), 2, 3),
        offsets.shape[1],
    )


def expected(offsets, slopes):
    """Losses (masks,) and gradients (masks, nodes): log(1 + sum_c exp(margin)), one mask at a time in spirit."""
    offsets, slopes = offsets.astype(float), slopes.astype(float)
    masks = reference.masks(len(slopes)).astype(float)
    found = np.tensordot(masks, slopes, 1) + offsets
    each = np.logaddexp.reduce(np.concatenate([np.zeros_like(found[:, :1]), found], axis=1), axis=1)
    wrong = np.exp(found - each[:, None])
    return each.mean(axis=-1), np.einsum("mce,nce->mn", wrong, slopes) / offsets.shape[1]


@partial(jax.jit, static_argnames=("gradients",))
def evaluated(whole, gradients=True):
    return whole.evaluate(jnp.uint32(0), 2**whole.nodes, gradients)[:2]


def rounding(offsets, slopes, group=4):
    """Bounds on float32 errors: of losses, relative; of gradients, absolute.

    A margin is a sum of at most nodes + 3 terms that together are at most M in absolute value: it is off by
    (nodes + 3) eps M, and its exponential by as much relatively, plus 4 eps for two exponentials and their product.
    The product of a group's terms minus one is a polynomial with positive coefficients of degree ``group`` in the
    exponentials, and log1p and the sum over the examples only shrink relative errors of positive numbers, but for
    an eps an operation. A gradient is a sum of slopes times probabilities, whose error is twice that of a term.
    """
    nodes, examples = len(slopes), offsets.shape[1]
    size = (np.abs(offsets) + np.abs(slopes).sum(axis=0)).max()
    term = SINGLE * ((nodes + 3) * size + 4)
    of_loss = group * term + (examples + 8) * SINGLE
    return of_loss, (2 * of_loss + len(offsets) * SINGLE) * np.abs(slopes).sum(axis=1).max()


def kinds(whole):
    """What a cube is made of: Wild, or Tame with the number of examples in a group."""
    return [(type(part).__name__, len(part.places) if isinstance(part, cube.Tame) else 1) for part in whole.parts]


# Ten nodes are in the low part: below, at and above it; 7 and 13 examples leave groups of four incomplete.
@pytest.mark.parametrize(("nodes", "examples", "others"), [(1, 7, 1), (3, 13, 3), (10, 6, 1), (12, 13, 1)])
def test_every_mask_of_cubes_of_any_size(nodes, examples, others, x64):
    drawn = margins(nodes, examples, others, seed=nodes)
    whole = cube.build(plan_of(*drawn, np.float64))
    assert kinds(whole) == [("Tame", 4)] and whole.low_nodes == min(nodes, 10)
    wanted = expected(*drawn)
    loss, gradient = evaluated(whole)
    np.testing.assert_allclose(loss, wanted[0], rtol=1e-10)
    np.testing.assert_allclose(gradient, wanted[1], rtol=1e-10, atol=1e-10)
    alone, nothing = evaluated(whole, gradients=False)
    np.testing.assert_allclose(alone, wanted[0], rtol=1e-10)
    assert nothing is None


def test_every_mask_in_single_precision():
    drawn = margins(3, 13, others=3, seed=3)
    wanted, (of_loss, of_gradient) = expected(*drawn), rounding(*drawn)
    loss, gradient = evaluated(cube.build(plan_of(*drawn, np.float32)))
    assert loss.dtype == gradient.dtype == np.float32
    np.testing.assert_allclose(loss, wanted[0], rtol=of_loss)
    np.testing.assert_allclose(gradient, wanted[1], rtol=0, atol=of_gradient)


# Largest margins of twelve examples, and what becomes of them.
MIXTURES = {
    "groups of two": ([35] * 12, [("Tame", 2)]),
    "one by one": ([70] * 12, [("Tame", 1)]),
    # One large margin a group, and not all in one.
    "a few large among small": ([70] * 3 + [1] * 9, [("Tame", 4)]),
    "wild": ([200] * 6 + [1e4] * 6, [("Wild", 1)]),
    "all kinds": ([0.1, 5, 30, 60, 200, 1e4] * 2, [("Tame", 2), ("Wild", 1)]),
}


@pytest.mark.parametrize("name", MIXTURES)
def test_margins_from_small_to_extreme(name, x64):
    reaches, kind = MIXTURES[name]
    # One node more than the low part has.
    drawn = margins(11, 12, reach=np.array(reaches))
    whole = cube.build(plan_of(*drawn, np.float64))
    assert kinds(whole) == kind
    (loss, gradient), wanted = evaluated(whole), expected(*drawn)
    np.testing.assert_allclose(loss, wanted[0], rtol=1e-10)
    np.testing.assert_allclose(gradient, wanted[1], rtol=1e-10, atol=1e-10 * max(reaches))


def test_extreme_margins_in_single_precision():
    reaches, kind = MIXTURES["all kinds"]
    drawn = margins(11, 12, reach=np.array(reaches))
    whole = cube.build(plan_of(*drawn, np.float32))
    assert kinds(whole) == kind
    (loss, gradient), wanted, (of_loss, of_gradient) = evaluated(whole), expected(*drawn), rounding(*drawn)
    assert np.isfinite(loss).all() and np.isfinite(gradient).all()
    np.testing.assert_allclose(loss, wanted[0], rtol=of_loss)
    np.testing.assert_allclose(gradient, wanted[1], rtol=0, atol=of_gradient)


def test_several_classes_with_extreme_margins(x64):
    drawn = margins(4, 12, 3, reach=np.repeat([500.0, 10.0], 6))
    whole = cube.build(plan_of(*drawn, np.float64))
    assert kinds(whole) == [("Tame", 4), ("Wild", 1)]
    (loss, gradient), wanted = evaluated(whole), expected(*drawn)
    np.testing.assert_allclose(loss, wanted[0], rtol=1e-10)
    np.testing.assert_allclose(gradient, wanted[1], rtol=1e-10, atol=1e-8)


@pytest.mark.parametrize("middle", [-14.0, -60.0])
def test_tiny_losses_keep_their_digits(middle):
    # Margins that are multiples of 1/8 below 2^10 are summed without rounding in whatever order, so that the losses
    # owe their errors to two exponentials (2 eps each), one logarithm, their products, and a sum of eight: 32 eps.
    # A product of factors 1 + 1e-6 less one would be off by 1e-1.
    random = np.random.default_rng(5)
    slopes = (random.integers(-8, 9, size=(6, 1, 8)) / 8).astype(np.float32)
    offsets = (middle + random.integers(-8, 9, size=(1, 8)) / 8).astype(np.float32)
    wanted, _ = expected(offsets, slopes)
    assert wanted.max() < 1e-3 and 0 < wanted.min() < np.exp(middle)
    loss, _ = evaluated(cube.build(plan_of(offsets, slopes, np.float32)), gradients=False)
    np.testing.assert_allclose(loss, wanted, rtol=32 * SINGLE)


def test_tiny_losses_of_large_and_opposite_slopes_keep_their_digits():
    # The low nodes move the margins by 50 up and down, and the high node takes them 110 down from there: all of
    # them end below -60. e^-110 alone is no float32, though e^-60 is one.
    slopes = np.zeros((11, 1, 4), np.float32)
    slopes[:10] = np.where(np.arange(10) % 2, -10, 10)[:, None, None]
    slopes[10] = -50
    offsets = np.full((1, 4), -60, np.float32)
    wanted, _ = expected(offsets, slopes)
    loss, _ = evaluated(cube.build(plan_of(offsets, slopes, np.float32)), gradients=False)
    # Sums of multiples of ten are exact, the rest is as above; what is below e^-85 may be no float32.
    normal = wanted > np.exp(-85.0)
    assert 0.2 < normal.mean() < 1
    np.testing.assert_allclose(np.asarray(loss)[normal], wanted[normal], rtol=32 * SINGLE)
    assert (np.asarray(loss)[~normal] < np.exp(-84.0)).all()


def test_many_examples_are_walked_in_blocks(x64):
    # 4 x 512 tame examples fill a block, and 512 wild ones.
    drawn = margins(3, 2053 + 1025, reach=np.repeat([3.0, 300.0], [2053, 1025]))
    whole = cube.build(plan_of(*drawn, np.float64))
    tame, wild = whole.parts
    assert len(tame.places[0].low) == 2 and len(wild.low) == 3
    np.testing.assert_allclose(evaluated(whole, gradients=False)[0], expected(*drawn)[0], rtol=1e-10)


def test_a_table_that_would_be_too_large_gets_fewer_rows(monkeypatch, x64):
    drawn = margins(7, 13)
    monkeypatch.setattr(cube, "MOST_TABLE", 13 * 9)
    whole = cube.build(plan_of(*drawn, np.float64))
    assert whole.low_nodes == 3
    np.testing.assert_allclose(evaluated(whole, gradients=False)[0], expected(*drawn)[0], rtol=1e-10)


def test_very_many_classes_take_the_ordinary_way(monkeypatch):
    plan = plan_of(*margins(3, 13, others=3, seed=3), np.float32)
    monkeypatch.setattr(cube, "MOST_CLASSES", 3)
    assert not cube.fits(plan)[0]
    monkeypatch.setattr(cube, "MOST_CLASSES", 4)
    assert cube.fits(plan)[0]


@pytest.mark.parametrize("name", ["binary", "one-hot"])
def test_networks_are_the_oracles(name, x64):
    problem = AFFINE[name]
    whole = cube.build(helpers.objective(problem, np.float64).plan.tree)
    wanted = reference.evaluate(problem, reference.masks(problem.nodes))
    loss, gradient = evaluated(whole)
    np.testing.assert_allclose(loss, wanted.loss, rtol=1e-10)
    np.testing.assert_allclose(gradient, wanted.loss_gradient, rtol=1e-10, atol=1e-10)


# Memory for one row, for two of four, and for all; tame and wild examples of three classes.
@pytest.mark.parametrize(("batch", "rows"), [(1, 1), (2**16, 2), (2**20, 4)])
def test_an_accelerator_takes_as_many_rows_together_as_fit(batch, rows, monkeypatch, x64):
    drawn = margins(12, 12, others=2, reach=np.repeat([20.0, 300.0], 6), seed=4)
    whole, wanted = cube.build(plan_of(*drawn, np.float64)), expected(*drawn)
    on_cpu = evaluated(whole)
    helpers.set_device(monkeypatch, platform="gpu", batch=batch)
    masks = whole.batch(True, 2**12, None)
    assert masks == rows << 10
    parts = [whole.evaluate(jnp.uint32(first), masks, True)[:2] for first in range(0, 2**12, masks)]
    for found, there, right in zip(map(np.concatenate, zip(*parts, strict=True)), on_cpu, wanted, strict=True):
        np.testing.assert_allclose(found, there, rtol=0, atol=1e-12 * np.abs(right).max())
        np.testing.assert_allclose(found, right, rtol=0, atol=1e-10 * np.abs(right).max())


# Of nine examples in groups of four: a product for the high nodes' part of the margins of each place in a group, and
# one for all gradients. A row of 14 nodes has 2^10 masks; a mask has 15 numbers, and 12 probabilities for gradients.
@pytest.mark.parametrize(("gradients", "products", "most"), [(False, 4, 2**24), (True, 5, 2**23)])
def test_an_accelerator_takes_a_batch_without_a_loop_over_rows(gradients, products, most, monkeypatch):
    whole = cube.build(plan_of(*margins(14, 9, seed=4), np.float32))
    helpers.set_device(monkeypatch, platform="gpu", batch=2**28)
    assert whole.batch(gradients, 2**30, None) == most
    program = str(jax.make_jaxpr(lambda: whole.evaluate(jnp.uint32(0), 2**14, gradients))())
    assert program.count("dot_general") == products
    assert re.findall(r"length=(\d+)", program) == ["1"]


def plan_in_use(objective, design):
    """The plan of a sweep, and what evaluates it."""
    chosen = choosing.for_sweep(objective.plan, design.sampler(len(objective.nodes)), gradients=True)
    return chosen.name, type(choosing.built(chosen)).__name__


def test_other_plans_and_designs_form_their_masks():
    assert plan_in_use(helpers.objective(SMALL), sweeps.Hypercube()) == ("cube", "Cube")
    assert plan_in_use(helpers.objective(SMALL), sweeps.Bernoulli()) == ("affine", "AffineMargins")
    assert plan_in_use(helpers.objective(SMALL, plan="vmapped"), sweeps.Hypercube()) == ("vmapped", "Vmapped")


def test_a_sweep_says_how_it_was_evaluated_and_why():
    def plan_of(objective):
        return sweeps.sweep(objective, sweeps.Hypercube(), gradients=False).attrs["plan"]

    assert plan_of(helpers.objective(SMALL)).startswith("cube: ")
    assert "no cube: " in plan_of(helpers.objective(SMALL, plan="vmapped"))
    kernel, bias = SMALL.layers[1]
    large = helpers.objective(SMALL._replace(layers=(SMALL.layers[0], (kernel * 1000, bias))))
    wild = cube.build(large.plan.tree).parts[-1].low.shape[2]
    assert 0 < wild < 12 and f"; {wild} of 12 examples have margins too large" in plan_of(large)


@pytest.fixture(scope="module")
def twelve():
    """A network of twelve nodes: four rows of the cube, whose low part has ten."""
    problem = helpers.problem((2, 12, 2), "tanh", "cross_entropy", 2, examples=9, seed=12)
    objective = helpers.objective(problem)
    return problem, objective, sweeps.sweep(objective, sweeps.Hypercube())


def test_a_sweep_of_rows_is_the_oracles(twelve):
    problem, _, data = twelve
    chosen = np.random.default_rng(0).choice(2**12, 200, replace=False)
    value = reference.evaluate(problem, chosen[:, None] >> np.arange(12) & 1)
    of_loss, of_gradient = helpers.rounding(problem, np.ones(12))
    np.testing.assert_allclose(data.loss[chosen], value.loss, rtol=0, atol=of_loss)
    np.testing.assert_allclose(data.loss_gradient[chosen], value.loss_gradient, rtol=0, atol=of_gradient)


# Less than a row, no power of two, and more than there are.
@pytest.mark.parametrize("batch_size", [1, 3000, 10**6])
def test_the_batch_size_changes_nothing(batch_size, twelve):
    problem, objective, wanted = twelve
    data = sweeps.sweep(objective, sweeps.Hypercube(), batch_size=batch_size)
    of_loss, of_gradient = helpers.rounding(problem, np.ones(12))
    np.testing.assert_allclose(data.loss, wanted.loss, rtol=0, atol=2 * of_loss)
    np.testing.assert_allclose(data.loss_gradient, wanted.loss_gradient, rtol=0, atol=2 * of_gradient)


def test_a_batch_larger_than_an_item(twelve, monkeypatch):
    # A draw takes 12 gradients and a loss of 4 bytes: an item has 1,024 draws, less than the batch that is asked for.
    problem, objective, wanted = twelve
    monkeypatch.setattr(runner, "CALL_BYTES", 1024 * 54)
    data = sweeps.sweep(objective, sweeps.Hypercube(), batch_size=4096)
    np.testing.assert_allclose(data.loss, wanted.loss, rtol=0, atol=2 * helpers.rounding(problem, np.ones(12))[0])


@pytest.mark.parametrize(("layer", "value", "number"), [(0, np.nan, 32), (1, np.inf, 64), (1, -np.inf, 64)])
def test_parameters_that_are_no_numbers_are_counted(layer, value, number):
    # In the first kernel they make a node's activation no number, which is nothing once the node is off. In the last
    # one the network itself multiplies them by the zero of a node that is off, whatever the device.
    layers = [[part.copy() for part in pair] for pair in SMALL.layers]
    layers[layer][0][0, 1] = value
    objective = helpers.objective(SMALL._replace(layers=tuple(map(tuple, layers))))
    data = sweeps.sweep(objective, sweeps.Hypercube())
    assert data.attrs["nonfinite_losses"] == number and data.loss.size == 64
    found = objective.evaluate(reference.masks(SMALL.nodes)).loss
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(data.loss), "as without the cube")


def test_one_node():
    problem = helpers.problem((2, 1, 2), "tanh", "cross_entropy", 2, seed=13)
    data = sweeps.sweep(helpers.objective(problem), sweeps.Hypercube(), gradients=False)
    wanted = reference.evaluate(problem, [[0], [1]]).loss
    np.testing.assert_allclose(data.loss, wanted, rtol=0, atol=helpers.rounding(problem, [1])[0])


def test_twenty_four_nodes():
    problem = helpers.problem((2, 24, 2), "tanh", "cross_entropy", 2, examples=4, seed=14)
    data = sweeps.sweep(helpers.objective(problem), sweeps.Hypercube(), gradients=False)
    assert data.loss.shape == (2**24,) and (data.loss > 0).all()
    chosen = np.random.default_rng(1).integers(2**24, size=100)
    chosen[:2] = 0, 2**24 - 1
    value = reference.evaluate(problem, chosen[:, None] >> np.arange(24) & 1)
    np.testing.assert_allclose(data.loss[chosen], value.loss, rtol=0, atol=helpers.rounding(problem, np.ones(24))[0])
