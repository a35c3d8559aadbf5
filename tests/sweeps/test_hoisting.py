"""Hoisting: the same function, with what does not depend on its argument moved out of the loop around it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sweeps
from sweeps import _objective as objectives
from sweeps._engine import batches, runner
from sweeps._plans import hoisting
from tests.sweeps import helpers
from tests.sweeps.helpers import PROBLEMS, SMALL

LARGE = np.random.default_rng(0).normal(size=(7, 7)).astype(np.float32)
VECTOR = jax.ShapeDtypeStruct((7,), np.float32)
GATES = np.random.default_rng(1).random((5, 7)).astype(np.float32)


def expensive(gates):
    """Two products of constants, and one with the gates."""
    constant = jnp.tanh(jnp.asarray(LARGE) @ LARGE) @ LARGE
    return jnp.square(constant @ gates).sum() + constant.sum()


def inside(gates):
    """A loop over constants, with a product in each step, and a nested jit."""
    total, _ = jax.lax.scan(lambda sum, row: (sum + row @ LARGE, None), jnp.zeros(7), jnp.asarray(LARGE))
    return jax.jit(lambda gates: jnp.exp(gates @ total / 100))(gates)


def random(gates):
    return (gates * jax.random.normal(jax.random.key(3), gates.shape)).sum()


def hoisted(function):
    """Return a function of gates alone with its constants computed."""
    before, rest, _ = hoisting.split(lambda gates, data: function(gates), VECTOR, ())
    values = before(())
    return lambda gates: rest(gates, values)


FUNCTIONS = {
    "products of constants": expensive,
    "loops and nested jit": inside,
    "random constants": random,
    "a part of the argument": lambda gates: gates[2],
    "nothing but constants": lambda gates: jnp.sin(jnp.asarray(LARGE)).sum(),
    "a number": lambda gates: jnp.float32(2.5),
    "choices": lambda gates: jnp.where(jnp.asarray(LARGE)[0] > 0, gates, 1).prod(),
    "a custom derivative": lambda gates: jax.nn.relu(jnp.asarray(LARGE) @ gates).sum(),
    "a branch": lambda gates: jax.lax.cond(gates[0] > 0.5, lambda g: g.sum(), lambda g: g.prod(), gates),
}


@pytest.fixture(scope="module")
def evaluated():
    """Values and gradients of all functions, as they are and hoisted, from one program each."""

    def all_of(change):
        return jax.jit(
            lambda gates: {name: jax.vmap(jax.value_and_grad(change(one)))(gates) for name, one in FUNCTIONS.items()}
        )(GATES)

    return all_of(lambda function: function), all_of(hoisted)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_gradients_are_the_functions(name, evaluated):
    for wanted, found in zip(evaluated[0][name], evaluated[1][name], strict=True):
        # Sums of at most 49 + 7 numbers may be taken in another order; the largest sum of absolute terms is 4,000.
        np.testing.assert_allclose(found, wanted, rtol=64 * helpers.SINGLE, atol=64 * helpers.SINGLE * 4000)


def test_the_argument_may_be_anything_that_is_traced():
    scaled = jax.jit(lambda scale, gates: hoisted(lambda gates: (gates * scale).sum())(gates))
    assert float(scaled(2.0, jnp.ones(7))) == 14
    assert float(scaled(3.0, jnp.ones(7))) == 21, "a traced constant is no constant of the program"


def test_data_are_arguments_and_what_is_kept_has_a_size():
    def function(gates, data):
        return (jnp.tanh(data["rows"] @ LARGE) @ gates * data["weights"]).sum()

    data = {"rows": jnp.asarray(LARGE[:3]), "weights": jnp.arange(3.0)}
    before, rest, size = hoisting.split(function, VECTOR, data)
    assert size == 4 * (3 * 7 + 3), "the product and the weights"
    gates = jnp.asarray(GATES[0])
    for scale in (1.0, 2.0):
        moved = {name: scale * values for name, values in data.items()}
        np.testing.assert_allclose(rest(gates, before(moved)), function(gates, moved), rtol=64 * helpers.SINGLE)


def products(jaxpr, within=False):
    """Return the matrix products of a program as (whether inside a loop, precision), however deep."""
    found = []
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            found.append((within, equation.params["precision"]))
        looped = within or equation.primitive.name in ("scan", "while")
        for inner in jax.tree.leaves(list(equation.params.values()), is_leaf=is_program):
            if is_program(inner):
                found += products(getattr(inner, "jaxpr", inner), looped)
    return found


def is_program(value):
    return hasattr(value, "eqns") or hasattr(value, "jaxpr")


def test_a_product_of_constants_leaves_the_loop():
    def looped(transform):
        def program(gates):
            return jax.lax.map(transform(), gates)

        return [within for within, _ in products(jax.make_jaxpr(program)(GATES).jaxpr)]

    assert sorted(looped(lambda: expensive)) == [True, True, True]
    assert sorted(looped(lambda: hoisted(expensive))) == [False, False, True]


def program_of(objective, design=sweeps.Bernoulli(probability=0.5, draws=64), gradients=False, keep="draws"):  # noqa: B008
    """Return the program of a sweep."""
    work = runner.Runner(objective, design, 3, gradients, keep, 16, apart=False)
    starts = batches.bases(0, 4, work.batch_size, work.layout.draws)
    return jax.make_jaxpr(lambda starts: work._call(starts, 64, keep == "summary", gradients, np.float32(1)))(
        starts
    ).jaxpr


def test_a_sweep_computes_what_lies_before_the_first_gate_once():
    # Three kernels: the first one's product does not depend on the gates.
    looped = sorted(
        within for within, _ in products(program_of(helpers.objective(PROBLEMS["two layers"], plan="vmapped")))
    )
    assert looped == [False, True, True]


class TestPrecision:
    """Matrix products are taken in full float32 unless the user says otherwise."""

    @pytest.mark.parametrize(
        ("plan", "name", "design"),
        [
            ("affine", "two classes", sweeps.Bernoulli(probability=0.5, draws=64)),
            ("dense", "two layers", sweeps.Bernoulli(probability=0.5, draws=64)),
            ("vmapped", "two layers", sweeps.Bernoulli(probability=0.5, draws=64)),
            ("affine", "four classes", sweeps.Hypercube()),
            ("affine", "one-hot", sweeps.Hypercube()),
        ],
        ids=["affine", "dense", "vmapped", "cube", "cube of squares"],
    )
    def test_the_default_is_the_highest(self, plan, name, design):
        objective = helpers.objective(PROBLEMS[name], plan=plan)
        found = {precision for _, precision in products(program_of(objective, design, gradients=True))}
        assert found == {(jax.lax.Precision.HIGHEST,) * 2} and objective.precision == "highest"

    def test_it_is_the_users_choice_and_recorded(self):
        objective = sweeps.Objective(helpers.network(SMALL), helpers.batch(SMALL), precision="default")
        found = {precision for _, precision in products(program_of(objective, gradients=True))}
        assert found and found <= {(jax.lax.Precision.DEFAULT,) * 2, None}
        assert sweeps.sweep(objective, sweeps.LeaveOneOut(), gradients=False).attrs["precision"] == "default"

    @pytest.mark.parametrize("precision", ["highest", "default"])
    def test_slopes_and_hidden_layers_are_computed_with_it(self, precision, monkeypatch):
        seen = []

        def choose(*_):
            seen.append(jax.config.jax_default_matmul_precision)
            return None

        monkeypatch.setattr(objectives.choosing, "choose", choose)
        sweeps.Objective(helpers.network(SMALL), helpers.batch(SMALL), precision=precision)
        assert seen == [precision]
