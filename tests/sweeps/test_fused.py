"""The fused kernel, interpreted, against double precision and the affine plan, and its code for GPUs."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.experimental import pallas as pl

import sweeps
from sweeps import _device
from sweeps._plans import affine, choosing, cube, fused
from sweeps._plans.affine import AffineMargins
from sweeps.ranking import _criteria
from tests import reference
from tests.sweeps import helpers
from tests.sweeps.helpers import PROBLEMS, SINGLE, SMALL

# Nodes, examples and masks: whole words and blocks and programs, and one more or less.
SHAPES = [(1, 5, 3), (20, 70, 64), (32, 64, 65), (33, 31, 7), (100, 20, 5)]


def margins(nodes, examples, scale=1.0, offset=0.0, seed=0):
    """An affine plan of random margins."""
    random = np.random.default_rng(seed)
    slopes = random.normal(scale=scale / math.sqrt(nodes), size=(1, 1, examples, nodes)).astype(np.float32)
    offsets = (offset + random.normal(scale=scale, size=(1, 1, examples))).astype(np.float32)
    return AffineMargins(jnp.asarray(offsets), jnp.asarray(slopes), examples)


def interpreted(*arguments, **options):
    return fused.build(margins(*arguments, **options), interpret=True)


def masks(plan, number, seed=1):
    return jnp.asarray(np.random.default_rng(seed).integers(2, size=(number, plan.nodes)).astype(bool))


@functools.partial(jax.jit, static_argnames="gradients")
def evaluated(plan, gates, gradients=True):
    return plan.evaluate(gates, gradients)[:2]


def exact(plan, gates):
    """Losses and gradients of an affine plan, and bounds on their float32 errors.

    A margin is a sum of nodes + 1 terms, each rounded and cut in parts, which leaves it off by two units at most. The
    loss changes by no more than the margin, and the gradient by no more than that times slopes. The functions and sums
    over examples add some units.
    """
    slopes, offsets, gates = (np.asarray(part, float) for part in (plan.slopes[0, 0], plan.offsets[0, 0], gates))
    found = gates @ slopes.T + offsets
    wrong = np.exp(-np.logaddexp(0, -found))
    size = (np.abs(slopes).sum(axis=1) + np.abs(offsets)).max()
    unit = (plan.nodes + 4) * SINGLE * size + 8 * SINGLE
    return np.logaddexp(0, found).mean(axis=1), wrong @ slopes / len(slopes), unit, 2 * unit * np.abs(slopes).max()


def assert_right(plan, gates):
    loss, gradient, of_loss, of_gradient = exact(plan.affine, gates)
    found = evaluated(plan, gates)
    np.testing.assert_allclose(found[0], loss, rtol=8 * SINGLE, atol=of_loss)
    np.testing.assert_allclose(found[1], gradient, rtol=0, atol=of_gradient)
    assert found[0].dtype == found[1].dtype == np.float32


@pytest.mark.parametrize(("nodes", "examples", "number"), SHAPES)
def test_losses_and_gradients(nodes, examples, number):
    plan = interpreted(nodes, examples)
    gates = masks(plan, number)
    assert_right(plan, gates)
    loss, nothing = evaluated(plan, gates, gradients=False)
    assert nothing is None
    np.testing.assert_allclose(loss, evaluated(plan, gates)[0], rtol=4 * SINGLE)


@settings(max_examples=4)
@given(nodes=st.integers(1, 70), examples=st.integers(1, 70), number=st.integers(0, 140), seed=st.integers(0, 99))
def test_any_shape(nodes, examples, number, seed):
    plan = interpreted(nodes, examples, seed=seed)
    assert_right(plan, masks(plan, number, seed))


def test_pieces_of_the_examples_are_summed_up(monkeypatch):
    monkeypatch.setattr(fused, "PIECE", 64)
    plan = interpreted(3, 150)
    # Three pieces of two blocks, the last one with ten examples of padding.
    assert plan.offsets.shape == (3, 64)
    assert_right(plan, masks(plan, 9))


def test_errors_are_those_of_float32():
    plan = interpreted(20, 1000)
    gates = masks(plan, 64)
    loss, gradient, *_ = exact(plan.affine, gates)
    found = evaluated(plan, gates)
    assert np.abs(found[0] - loss).max() <= 4 * SINGLE * loss.max()
    assert np.abs(found[1] - gradient).max() <= 2 * SINGLE


@pytest.mark.parametrize("offset", [-14, -60, 14, 1e4, -1e4])
def test_small_losses_and_large_margins_keep_their_digits(offset):
    plan = interpreted(4, 40, scale=0.1, offset=offset)
    gates = masks(plan, 8)
    loss, gradient, unit, _ = exact(plan.affine, gates)
    found = evaluated(plan, gates)
    # Where the loss is e^margin, an error of the margin is a relative error of both.
    np.testing.assert_allclose(found[0], loss, rtol=unit)
    np.testing.assert_allclose(found[1], gradient, rtol=0, atol=unit * np.abs(gradient).max())


def test_slopes_of_any_size_keep_their_digits():
    plan = margins(6, 50)
    slopes = plan.slopes * jnp.asarray([[[[1e-30, 1e-10, 1, 1, 1e-5, 0]]]], jnp.float32)
    plan = fused.build(AffineMargins(plan.offsets, slopes, 50), interpret=True)
    gates = masks(plan, 5)
    _, gradient, _, _ = exact(plan.affine, gates)
    error = np.abs(evaluated(plan, gates)[1] - gradient).max(axis=0)
    assert (error <= 16 * SINGLE * np.abs(np.asarray(slopes)).max(axis=(0, 1, 2))).all()


def test_gates_of_zeros_and_ones_are_masks_whatever_their_type():
    plan = interpreted(5, 20)
    gates = masks(plan, 6)
    for found, wanted in zip(evaluated(plan, gates.astype(jnp.float32)), evaluated(plan, gates), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("gradients", [True, False])
def test_partial_gains_are_evaluated_by_the_affine_plan(gradients):
    plan = interpreted(5, 20)
    gates = jnp.asarray(helpers.partial_gains(5))
    found, wanted = (evaluated(one, gates, gradients) for one in (plan, plan.affine))
    # Two programs of one formula: their compiler may round sums in another order.
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=0, atol=4 * SINGLE), found, wanted)


def test_a_batch_is_cut_for_the_affine_plan(monkeypatch):
    plan = interpreted(5, 20)
    gates = jnp.asarray(np.random.default_rng(3).normal(size=(11, 5)).astype(np.float32))
    wanted = plan.affine.evaluate(gates, True)
    # Four gate vectors, with 20 margins and twice 5 numbers each.
    helpers.set_device(monkeypatch, batch=4 * (20 + 2 * 5))
    found = fused._of_affine(plan.affine, gates, True)
    np.testing.assert_allclose(found.loss, wanted.loss, rtol=4 * SINGLE)
    np.testing.assert_allclose(found.gradient, wanted.gradient, rtol=0, atol=4 * SINGLE)


def test_derivatives_are_those_of_the_affine_plan():
    plan = interpreted(5, 20)
    gates = jnp.ones(5)
    found, wanted = (_criteria.second_derivatives(one, gates, jnp.arange(5)) for one in (plan, plan.affine))
    np.testing.assert_array_equal(found, wanted)


@pytest.fixture
def on_a_gpu(monkeypatch):
    """A device that runs Triton; its kernels are interpreted."""
    helpers.set_device(monkeypatch, platform="gpu", has_triton=True)
    monkeypatch.setattr(fused, "build", functools.partial(fused.build, interpret=True))


@pytest.mark.parametrize("name", ["two classes", "binary"])
def test_networks_against_the_oracle(name, on_a_gpu):
    gates = reference.masks(PROBLEMS[name].nodes)
    objective = helpers.objective(PROBLEMS[name])
    assert objective.plan.name == "fused" and "stay on the chip" in objective.plan.reason
    found, value = objective.evaluate(gates), reference.evaluate(PROBLEMS[name], gates)
    of_loss, of_gradient = helpers.rounding(PROBLEMS[name], gates)
    np.testing.assert_allclose(found.loss, value.loss, rtol=0, atol=of_loss)
    np.testing.assert_allclose(found.loss_gradient, value.loss_gradient, rtol=0, atol=of_gradient)


def test_a_sweep_has_the_same_masks_as_by_the_affine_plan(on_a_gpu):
    design = sweeps.Bernoulli(draws=70)
    found, wanted = (sweeps.sweep(helpers.objective(SMALL, plan=plan), design, seed=5) for plan in ("auto", "affine"))
    assert found.attrs["plan"].startswith("fused: ") and wanted.attrs["plan"].startswith("affine: ")
    np.testing.assert_array_equal(found.gates, wanted.gates)
    np.testing.assert_allclose(found.loss, wanted.loss, rtol=1e-6)
    np.testing.assert_allclose(found.loss_gradient, wanted.loss_gradient, rtol=0, atol=1e-6)


def test_cubes_and_walks_are_made_of_the_affine_plan(on_a_gpu):
    objective = helpers.objective(SMALL)
    sampler = sweeps.Hypercube().bound(objective.layers).sampler(len(objective.nodes))
    chosen = choosing.for_sweep(objective.plan, sampler, gradients=True)
    assert chosen.name == "cube" and isinstance(choosing.built(chosen), cube.Cube)
    assert isinstance(choosing._unfused(objective.plan.tree), AffineMargins)


def test_the_affine_plan_stays_where_it_is_asked_for_or_the_kernel_does_not_fit(on_a_gpu):
    assert helpers.objective(SMALL, plan="affine").plan.name == "affine"
    assert helpers.objective(SMALL, plan="fused").plan.reason.startswith("asked for; ")
    several = helpers.objective(PROBLEMS["four classes"]).plan
    assert several.name == "affine" and several.reason.endswith("not fused: it is for two classes")


def test_a_kernel_that_does_not_fit_is_refused():
    with pytest.raises(sweeps.InputError, match="plan 'fused' does not fit: this device runs no kernels"):
        helpers.objective(SMALL, plan="fused")
    with pytest.raises(sweeps.InputError, match="plan 'fused' does not fit: outputs are not affine"):
        helpers.objective(PROBLEMS["two layers"], plan="fused")


MISFITS = {
    "the loss is no cross-entropy": lambda plan: affine.AffineSquares(jnp.eye(3), 2),
    "it is for two classes": lambda plan: AffineMargins(
        jnp.tile(plan.offsets, (1, 2, 1)), jnp.tile(plan.slopes, (1, 2, 1, 1)), plan.examples
    ),
    "it is for 128 nodes at most": lambda plan: margins(129, 2),
    "margins are too large, or not finite": lambda plan: AffineMargins(plan.offsets * jnp.nan, plan.slopes, 4),
    "margins are too large": lambda plan: AffineMargins(plan.offsets, plan.slopes.at[0, 0, 1, 1].set(-2e38), 4),
}


@pytest.mark.parametrize("reason", MISFITS)
def test_reasons_why_a_plan_has_no_kernel(reason, on_a_gpu):
    fits, why = fused.fits(MISFITS[reason](margins(3, 4)))
    assert not fits and reason in why


def test_slopes_that_would_not_fit_and_double_precision_have_no_kernel(on_a_gpu, monkeypatch, x64):
    single = margins(3, 4)
    double = AffineMargins(single.offsets.astype(float), single.slopes.astype(float), 4)
    assert fused.fits(double) == (False, "it is for float32, not float64")
    monkeypatch.setattr(fused, "MOST_SLOPES", 11)
    assert not fused.fits(single)[0]


def test_a_batch_is_as_large_as_the_results_allow():
    plan = interpreted(20, 1000)
    # Gates, a word, and losses and gradients of 32 nodes before and after the sum over pieces.
    assert plan.floats_per_mask(True) == 20 + 1 + 2 * 33 and plan.floats_per_mask(False) == 20 + 1 + 2


@pytest.mark.parametrize(("nodes", "gradients", "products"), [(20, True, 4), (20, False, 1), (100, True, 16)])
def test_the_code_for_a_gpu(nodes, gradients, products, monkeypatch, capsys):
    plan = fused.build(margins(nodes, 70))
    monkeypatch.setattr(pl, "pallas_call", functools.partial(pl.pallas_call, debug=True))
    # JAX 0.12 asks which GPU it lowers for.
    gpu = jax.sharding.AbstractDevice("NVIDIA H100", num_cores=None, platform="gpu")
    with jax.sharding.use_abstract_mesh(jax.sharding.AbstractMesh((), (), abstract_device=gpu)):
        traced = jax.jit(lambda gates: plan.evaluate(gates, gradients)).trace(masks(plan, 64))
        assert "triton" in traced.lower(lowering_platforms=("cuda",)).as_text()
    printed = capsys.readouterr().out
    code = printed[printed.index("The Triton module") :]
    assert code.count("inputPrecision = tf32") == code.count("tt.dot ") == products
    assert code.count("ex2.approx") == 1 and code.count("rcp.approx") == int(gradients)


@pytest.mark.parametrize(("nodes", "examples", "number"), [*SHAPES, (20, 3000, 200)])
def test_the_compiled_kernel(nodes, examples, number):
    if not _device._of(jax.default_backend()).has_triton:
        pytest.skip("no GPU here that runs kernels written in Triton")
    plan = fused.build(margins(nodes, examples))
    assert_right(plan, masks(plan, number))


def test_the_plan_names_its_program():
    # Records tell plans apart by it.
    objective = helpers.objective(SMALL)
    with pytest.MonkeyPatch.context() as patch:
        helpers.set_device(patch, platform="gpu", has_triton=True)
        kernel = helpers.objective(SMALL)
    assert "pallas_call" in kernel._program[0]
    assert "pallas_call" not in objective._program[0]
