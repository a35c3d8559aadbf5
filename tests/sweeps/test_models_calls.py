"""How networks are called: tracing that JAX keeps, weights that change later, other inputs, narrow types, functions."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import sweeps
from sweeps.gating._attaching import attach
from tests.sweeps import helpers, models
from tests.sweeps.models import CASES

INPUTS = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
TARGETS = np.array([0, 1, 1, 0, 1])


class Small(nnx.Module):
    def __init__(self, seed=0):
        self.first, self.last = helpers.linear(2, 3, seed), helpers.linear(3, 2, seed + 1)

    def __call__(self, inputs):
        return self.last(nnx.tanh(self.first(inputs)))


class TestWhatJaxKeeps:
    """A function that was traced is not run again: layers must be found all the same."""

    @pytest.mark.parametrize("name", ["shared", "scan"])
    def test_a_network_that_was_called_and_looked_at_before(self, name):
        inputs = jnp.asarray(models.batch(name, np.float32)[0])
        network = models.filled(CASES[name].make, np.float32)
        network(inputs)
        found = [list(attach(network, inputs).wiring.labels) for _ in range(2)]
        wanted = [f"{group} {node}" for group, size in CASES[name].groups for node in range(size)]
        assert found == [wanted, wanted]

    def test_a_linen_network_that_was_called_and_looked_at_before(self):
        linen = models.LinenMlp()
        variables = models.filled_variables(linen, INPUTS, np.float32)
        linen.apply(variables, INPUTS)
        tables = [sweeps.gating.sites(linen, INPUTS, variables=variables) for _ in range(2)]
        assert [one.path for one in tables[0]] == ["layers_0", "layers_1", "layers_2", "inputs"]
        assert tables[0] == tables[1]

    def test_gates_that_spread_in_another_way(self):
        # Two gates of a flattened image of two pixels: of its channels, and of its pixels.
        class Flat(models.nn.Module):
            @models.nn.compact
            def __call__(self, images):
                hidden = models.nn.Conv(2, (1, 1), name="conv")(images).reshape(len(images), -1)
                return models.nn.jit(models.nn.Dense)(2, name="last")(hidden)

        images = jnp.asarray(INPUTS[:, None, :, None])
        variables = models.filled_variables(Flat(), images, np.float32)
        conv, last = (
            {key: np.asarray(one) for key, one in variables["params"][name].items()} for name in ("conv", "last")
        )
        hidden = np.asarray(images) @ conv["kernel"][0] + conv["bias"]
        for sites, kind in ((None, "channel"), ({"input:last": 2}, "group"), (None, "channel")):
            gated = attach(Flat(), images, sites=sites, variables=variables)
            assert [(part.kind, len(part.numbers)) for part in gated.wiring.gates] == [(kind, 2)]
            gates = np.array([3, 0.5], np.float32)
            wanted = hidden * (gates if kind == "channel" else gates[:, None])
            wanted = wanted.reshape(5, -1) @ last["kernel"] + last["bias"]
            np.testing.assert_allclose(gated(jnp.asarray(gates), images), wanted, rtol=1e-5, atol=1e-6)


class TestAnotherNetworkOfOneStructure:
    def test_it_compiles_nothing_new(self, compiled):
        def evaluated(seed):
            objective = sweeps.Objective(Small(seed), (INPUTS, TARGETS), plan="vmapped")
            found = sweeps.sweep(objective, sweeps.Bernoulli(probability=0.5, draws=4), seed=1)
            return objective.evaluate(helpers.partial_gains(3)).loss, found.loss.values

        first = evaluated(0)
        compiled.clear()
        second = evaluated(7)
        assert compiled == []
        for one, other in zip(first, second, strict=True):
            assert not np.allclose(one, other), "the weights are the other's"

    def test_nor_do_variables_of_a_linen_module(self, compiled):
        def evaluated(seed):
            variables = models.filled_variables(models.LinenMlp(), INPUTS, np.float32, seed)
            made = sweeps.Objective(models.LinenMlp(), (INPUTS, TARGETS), variables=variables, plan="vmapped")
            return made.evaluate(helpers.partial_gains(7)).loss

        first = evaluated(0)
        compiled.clear()
        second = evaluated(7)
        assert not [name for name in compiled if "evaluate" in name]
        assert not np.allclose(first, second)


class TestLaterChanges:
    def test_new_weights_and_layers_change_nothing(self):
        network = Small()
        objective = sweeps.Objective(network, (INPUTS, TARGETS), plan="vmapped")
        before, outputs = objective.evaluate([[1, 1, 0]]).loss, objective.outputs()
        network.first.kernel[...] = jnp.zeros((2, 3))
        network.last = helpers.linear(3, 2, seed=9)
        network.train()
        np.testing.assert_array_equal(objective.evaluate([[1, 1, 0]]).loss, before)
        np.testing.assert_array_equal(objective.outputs(), outputs)

    def test_nor_do_numpy_arrays_that_are_written_to(self):
        inputs, kernel = np.full((64, 64), 0.1, np.float32), np.full((64, 64), 0.01, np.float32)
        variables = {"params": {"layers_0": {"kernel": kernel}, "layers_1": {"kernel": kernel + 0}}}
        linen = models.nn.Sequential([models.nn.Dense(64, use_bias=False) for _ in range(2)])
        objective = sweeps.Objective(
            linen, (inputs, inputs), variables=variables, loss=optax.squared_error, plan="vmapped"
        )
        before = float(objective.evaluate(np.ones(64), gradients=False).loss)
        inputs[:], kernel[:] = 5, 5
        assert float(objective.evaluate(np.ones(64), gradients=False).loss) == before


class TestCalls:
    def test_a_pytree_of_inputs_a_dict_of_outputs_and_a_loss_of_them(self):
        class Paired(Small):
            def __call__(self, left, *, right, scale=1.0):
                return {"logits": super().__call__(inputs=left + right * scale), "size": left.sum(axis=-1)}

        objective = sweeps.Objective(
            Paired(),
            ({"left": INPUTS, "right": INPUTS[::-1]}, {"label": TARGETS, "size": INPUTS[:, 0]}),
            loss=lambda outputs, targets: (
                optax.softmax_cross_entropy_with_integer_labels(outputs["logits"], targets["label"])
                + optax.huber_loss(outputs["size"], targets["size"])
            ),
            call=lambda network, inputs: network(inputs["left"], right=inputs["right"], scale=0.5),
            micro_batch=2,
        )
        network, gates = Small(), np.array([0.5, 0, 2], np.float32)
        both = INPUTS + 0.5 * INPUTS[::-1]
        logits = models.dense(np.tanh(models.dense(both, network.first)) * gates, network.last)
        each = np.logaddexp.reduce(logits, axis=1) - logits[np.arange(5), TARGETS]
        off = np.abs(INPUTS.sum(axis=1) - INPUTS[:, 0])
        each += np.where(off < 1, off**2 / 2, off - 0.5)
        np.testing.assert_allclose(objective.evaluate(gates).loss, each.mean(), rtol=1e-5)
        assert objective.outputs()["logits"].shape == (5, 2)

    def test_what_a_call_changes_in_the_network_stays_out_of_it(self):
        class Count(nnx.Variable):
            pass

        class Counting(Small):
            def __init__(self):
                super().__init__()
                self.calls, self.noise = Count(jnp.zeros((), jnp.int32)), nnx.Rngs(noise=3)

            def __call__(self, inputs):
                self.calls[...] += 1
                return super().__call__(inputs) + self.noise.noise.normal((1, 2))

        network = Counting()
        objective = sweeps.Objective(network, (INPUTS, TARGETS), plan="vmapped")
        losses = [float(objective.evaluate(np.ones(3), gradients=False).loss) for _ in range(2)]
        objective.outputs()
        assert losses[0] == losses[1], "the same noise every time"
        assert int(network.calls[...]) == 0 and int(network.noise.noise.count[...]) == 0

    def test_a_function_of_parameters_in_which_there_are_other_things_than_arrays(self):
        random = np.random.default_rng(0)
        params = {"a": random.normal(size=(2, 3)), "o": random.normal(size=(3, 2)), "bend": jnp.tanh, "residual": True}
        params = {"layers": [params], "name": "small", "scale": 2.0}

        def network(params, inputs):
            layer = params["layers"][0]
            hidden = layer["bend"](inputs @ layer["a"].astype(inputs.dtype)) * params["scale"]
            return hidden @ layer["o"].astype(inputs.dtype) + (inputs if layer["residual"] else 0)

        objective = sweeps.Objective(network, (INPUTS, TARGETS), params=params, plan="vmapped")
        assert objective.nodes == tuple(f"layers/0/a unit {unit}" for unit in range(3))
        gates, layer = np.array([0.5, 0, 2]), params["layers"][0]
        wanted = np.tanh(INPUTS @ layer["a"]) * 2 * gates @ layer["o"] + INPUTS
        np.testing.assert_allclose(objective.outputs(gates), wanted, rtol=1e-5, atol=1e-6)
        with pytest.raises(TypeError, match="network must be .* a function .params, inputs. with params"):
            sweeps.Objective(3, (INPUTS, TARGETS), params=params)

    def test_types_of_linen_modules_name_their_nodes(self):
        class Two(models.nn.Module):
            @models.nn.compact
            def __call__(self, images):
                hidden = models.nn.relu(models.nn.Conv(3, (1, 1), name="conv")(images)).mean((1, 2))
                return models.nn.Dense(2, name="last")(models.nn.relu(models.nn.Dense(4, name="dense")(hidden)))

        images = INPUTS[:, None, None]
        variables = models.filled_variables(Two(), jnp.asarray(images), np.float32)
        for kind, layer, nodes in ((models.nn.Conv, "conv", 3), (models.nn.Dense, "dense", 4)):
            objective = sweeps.Objective(Two(), (images, TARGETS), variables=variables, sites=kind, plan="vmapped")
            assert objective.layers == (layer,) * nodes

    def test_a_function_of_gates_and_inputs(self):
        def function(gates, inputs):
            return inputs["x"] * gates[:2][None] + gates[2]

        batch = ({"x": INPUTS}, INPUTS * 0)
        objective = sweeps.Objective(function, batch, nodes=["left", "right", "both"], loss="squared_error")
        assert objective.nodes == ("left", "right", "both") and objective.plan.name == "affine"
        wanted = np.square(INPUTS * [2, 3] + 1).sum(axis=1).mean()
        np.testing.assert_allclose(objective.evaluate([2, 3, 1]).loss, wanted, rtol=1e-5)


class TestBfloat16:
    """Activations of eight bits: gates and gradients are still those of single precision."""

    def make(self):
        network = Small()
        for layer in (network.first, network.last):
            layer.dtype = jnp.bfloat16
        inputs = np.random.default_rng(1).normal(size=(600, 2)).astype(np.float32)
        with jax.numpy_dtype_promotion("standard"):
            return network, inputs, sweeps.Objective(network, (inputs, (inputs[:, 0] > 0).astype(int)), plan="vmapped")

    def test_gates_at_one_change_no_bit(self):
        network, inputs, objective = self.make()
        with jax.numpy_dtype_promotion("standard"):
            outputs = objective.outputs()
            np.testing.assert_array_equal(outputs, network(jnp.asarray(inputs)))
        assert outputs.dtype == jnp.bfloat16

    def test_gradients_are_sums_in_single_precision(self):
        _, _, objective = self.make()
        with jax.numpy_dtype_promotion("standard"):
            found = objective.evaluate(np.ones(3))
        assert found.loss.dtype == found.loss_gradient.dtype == jnp.float32
        # A sum that is rounded to bfloat16 has sixteen zeros at its end.
        bits = np.asarray(found.loss_gradient).view(np.uint32)
        assert (bits & 0xFFFF).any()


@pytest.mark.parametrize(
    ("function", "options", "error", "message"),
    [
        (lambda gates, inputs: inputs, {}, ValueError, "the function's outputs do not depend on its gates"),
        (
            lambda gates, inputs: inputs * gates[:2][None],
            dict(sites="a"),
            TypeError,
            "applies its gates itself: sites, ",
        ),
    ],
)
def test_functions_that_are_refused(function, options, error, message):
    batch = (np.ones((3, 2), np.float32), np.array([0, 1, 0]))
    with pytest.raises(error, match=message):
        sweeps.Objective(function, batch, nodes=2, **options)
