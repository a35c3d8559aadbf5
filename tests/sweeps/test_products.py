"""Products on tensor cores: float32 digits from bfloat16 parts, here of a CPU that passes for such a device."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sweeps._plans import products
from tests import reference
from tests.sweeps import helpers

MARGINS, GRADIENT, DENSE = "ken,nm->kem", "ken,kem->nm", "mio,ie->moe"


@pytest.fixture
def tensor_cores(monkeypatch):
    """Take parts wherever they are as exact, for small sizes too."""
    helpers.set_device(monkeypatch, platform="gpu", has_tensor_cores=True)
    monkeypatch.setattr(products, "MARGIN", 0)


def normal(*shape, spread=0.0):
    """Numbers whose sizes differ by factors of e^spread."""
    random = np.random.default_rng(shape)
    return (random.normal(size=shape) * np.exp(spread * random.normal(size=shape))).astype(np.float32)


def masks(*shape):
    return (np.random.default_rng(shape).random(shape) < 0.5).astype(np.float32)


def probabilities(*shape):
    return (1 / (1 + np.exp(5 * np.random.default_rng(shape).normal(size=shape)))).astype(np.float32)


def jitted(product, spec, **options):
    """A product compiled in full precision."""

    def call(left, right):
        with jax.default_matmul_precision("highest"):
            return jax.jit(lambda left, right: product(spec, left, right, **options))(left, right)

    return call


def error(found, spec, left, right):
    """The largest error, relative to the largest number."""
    right_one = np.einsum(spec, left.astype(float), right.astype(float))
    return np.abs(found - right_one).max() / np.abs(right_one).max()


def types(function, *operands):
    """Types of the operands of all products of matrices in a function."""
    with jax.default_matmul_precision("highest"):
        text = jax.jit(function).lower(*operands).as_text()
    return {
        line.split("tensor<")[1].split(">")[0].split("x")[-1] for line in text.splitlines() if "dot_general" in line
    }


def test_three_parts_are_the_whole_and_jit_leaves_them():
    values = np.concatenate([normal(1000, spread=20), np.array([0, -0.0, 1, np.pi, 2.0**-100, 3e38], np.float32)])
    high, middle, low = (np.asarray(part, float) for part in jax.jit(products.split)(values))
    np.testing.assert_array_equal(high + middle + low, values)
    # Eight digits are in the first part alone; ordinary numbers have 24.
    assert np.count_nonzero(low[:1000]) > 900


@pytest.mark.parametrize("spread", [0, 5])
@pytest.mark.parametrize("nodes", [3, 200, 2100])
def test_margins_of_masks_are_as_exact_as_in_float32(nodes, spread, tensor_cores):
    slopes, gates = normal(2, 25, nodes, spread=spread), masks(nodes, 16)
    single = error(jitted(jnp.einsum, MARGINS)(slopes, gates), MARGINS, slopes, gates)
    found = error(jitted(products.einsum, MARGINS, masks=True)(slopes, gates), MARGINS, slopes, gates)
    assert found <= 2 * max(single, helpers.SINGLE)


@pytest.mark.parametrize("spread", [0, 3])
def test_gradients_over_many_rows_are_as_exact_as_in_float32(spread, tensor_cores):
    slopes, wrong = normal(9, 2000, 6, spread=spread), probabilities(9, 2000, 5)
    single = error(jitted(jnp.einsum, GRADIENT)(slopes, wrong), GRADIENT, slopes, wrong)
    found = error(jitted(products.einsum, GRADIENT)(slopes, wrong), GRADIENT, slopes, wrong)
    assert found <= 2 * max(single, helpers.SINGLE)


def cut(values):
    """Round to float32 towards zero."""
    found = values.astype(np.float32)
    return np.where(np.abs(found.astype(float)) > np.abs(values), np.nextafter(found, np.float32(0)), found)


def on_tensor_cores(left, right):
    """Sums over the first axis as tensor cores make them: sixteen terms exactly, and digits of the whole cut off."""
    total = np.zeros((left.shape[1], right.shape[1]))
    for step in range(0, len(left), 16):
        total = cut(total + left[step : step + 16].T @ right[step : step + 16]).astype(float)
    return total


def test_digits_that_tensor_cores_cut_off_do_not_add_up():
    # All at once the sum is off by 2.5e-5 here, as it is on an NVIDIA H200.
    slopes, wrong = normal(18_000, 6) + np.float32(0.5), probabilities(18_000, 5)
    of_slopes, of_wrong = zip(*products.OF_NUMBERS, strict=True)
    left = np.asarray(products.stacked(jnp.asarray(slopes), 0, of_slopes), float)
    right = np.asarray(products.stacked(jnp.asarray(wrong), 0, of_wrong), float)
    sums = [on_tensor_cores(one.reshape(-1, 6), other.reshape(-1, 5)) for one, other in zip(left, right, strict=True)]
    one_by_one = np.zeros((6, 5), np.float32)
    for slope, probability in zip(slopes, wrong, strict=True):
        one_by_one += slope[:, None] * probability[None]
    assert error(sum(sums), "en,em->nm", slopes, wrong) <= error(one_by_one, "en,em->nm", slopes, wrong)


def test_masks_take_three_products_and_other_gates_six(tensor_cores):
    slopes, gates = normal(1, 20, 30), masks(30, 8)

    def lengths(**options):
        with jax.default_matmul_precision("highest"):
            text = str(
                jax.make_jaxpr(lambda left, right: products.einsum(MARGINS, left, right, **options))(slopes, gates)
            )
        return [pairs for pairs in (3, 6) if f"bf16[1,{pairs},32,8]" in text]

    assert (lengths(masks=True), lengths(), lengths(masks=jnp.array(True))) == ([3], [6], [3, 6])


@pytest.mark.parametrize("gain", [0.3, 1 - 2**-20])
def test_a_partial_gain_is_seen_while_the_program_runs(gain, tensor_cores):
    slopes, gates = normal(1, 20, 30), masks(30, 8)
    gates[3, 5] = gain

    def product(spec, slopes, gates):
        return products.einsum(spec, slopes, gates, masks=products.are_masks(gates))

    found = jitted(product, MARGINS)(slopes, gates)
    assert error(found, MARGINS, slopes, gates) <= 2 * helpers.SINGLE


@pytest.mark.parametrize(("gate", "is_mask"), [(0, True), (0.5, False), (-1, False), (np.nan, False)])
def test_gates_of_type_bool_are_masks_and_others_are_read(gate, is_mask, tensor_cores):
    assert products.are_masks(jnp.zeros((1, 2), bool)) is True
    with jax.default_matmul_precision("highest"):
        assert bool(products.are_masks(jnp.array([[1, gate]], jnp.float32))) is is_mask


def test_derivatives_are_those_of_the_product(tensor_cores):
    left, right, change = (jnp.asarray(normal(*shape)) for shape in ((4, 30, 5), (30, 7), (4, 5, 7)))

    def pulled_back(product):
        def call(left, right):
            return jax.vjp(lambda left, right: product(DENSE, left, right), left, right)[1](change)

        return jitted(lambda _, left, right: call(left, right), DENSE)(left, right)

    for found, wanted in zip(pulled_back(products.einsum), pulled_back(jnp.einsum), strict=True):
        # Sums of at most thirty terms of order one.
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)
    assert "bf16" in types(
        lambda change, right: jax.vjp(lambda left: products.einsum(DENSE, left, right), left)[1](change), change, right
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("gates", ["masks", "gains"])
def test_what_is_not_finite_is_what_it_is_in_float32(value, gates, tensor_cores):
    slopes, right = normal(1, 5, 4), masks(4, 3) if gates == "masks" else normal(4, 3)
    slopes[0, 2, 1] = value
    found = jitted(products.einsum, MARGINS, masks=gates == "masks")(slopes, right)
    np.testing.assert_allclose(found, jitted(jnp.einsum, MARGINS)(slopes, right), rtol=1e-5, atol=1e-6)
    assert np.isfinite(found).sum() == 12


@pytest.mark.parametrize("precision", ["high", "default"])
def test_less_than_full_precision_stays_what_it_is(precision, tensor_cores):
    with jax.default_matmul_precision(precision):
        assert not products.are_wanted(jnp.float32)


def test_float64_and_devices_without_tensor_cores_stay_what_they_are(monkeypatch, tensor_cores, x64):
    with jax.default_matmul_precision("highest"):
        assert products.are_wanted(jnp.float32) and not products.are_wanted(jnp.float64)
    helpers.set_device(monkeypatch, platform="gpu", has_tensor_cores=False)
    left, right = normal(1, 30, 40), masks(40, 20)
    assert types(lambda left, right: products.einsum(MARGINS, left, right, masks=True), left, right) == {"f32"}


def test_a_cpu_runs_the_program_of_a_plain_product():
    def program(product, **options):
        with jax.default_matmul_precision("highest"):
            return str(jax.make_jaxpr(lambda left, right: product(MARGINS, left, right, **options))(*operands))

    operands = normal(1, 30, 40), masks(40, 20)
    assert program(products.einsum, masks=True) == program(jnp.einsum)


@pytest.mark.parametrize(
    ("nodes", "masks", "margins", "gradients"),
    [(20, 2**15, False, False), (100, 2**15, True, False), (1000, 2**13, True, True), (1000, 1, False, False)],
)
def test_parts_are_taken_for_many_nodes_and_masks(nodes, masks, margins, gradients):
    slopes, gates, wrong = (9, 2000, nodes), (nodes, masks), (9, 2000, masks)
    assert products.pay(MARGINS, products.OF_MASKS, slopes, gates) is margins
    assert products.pay(GRADIENT, products.OF_NUMBERS, slopes, wrong) is gradients


@pytest.mark.parametrize(
    ("plan", "name"), [("affine", "two classes"), ("affine", "four classes"), ("dense", "two layers")]
)
@pytest.mark.parametrize("kind", [bool, np.float32])
def test_objectives_give_the_oracles_numbers(plan, name, kind, tensor_cores):
    problem = helpers.PROBLEMS[name]
    gates = np.concatenate([reference.masks(problem.nodes), helpers.partial_gains(problem.nodes)]).astype(kind)
    objective = helpers.objective(problem, plan=plan)
    assert objective.plan.name == plan and "bf16" in objective._program[0]
    # Compiled anew: the engine's programs may have been compiled for a CPU.
    with jax.default_matmul_precision("highest"):
        found = jax.jit(objective.plan.tree.evaluate, static_argnums=1)(jnp.asarray(gates), True)
    wanted = reference.evaluate(problem, gates)
    of_loss, of_gradient = helpers.rounding(problem, gates)
    np.testing.assert_allclose(found.loss, wanted.loss, rtol=0, atol=of_loss)
    np.testing.assert_allclose(found.gradient, wanted.loss_gradient, rtol=0, atol=of_gradient)


def test_a_plan_says_that_it_multiplies_parts(monkeypatch, tensor_cores):
    assert "bfloat16" in helpers.objective(helpers.SMALL, plan="affine").plan.reason
    helpers.set_device(monkeypatch)
    objective = helpers.objective(helpers.SMALL, plan="affine")
    assert "bfloat16" not in objective.plan.reason and "bf16" not in objective._program[0]
