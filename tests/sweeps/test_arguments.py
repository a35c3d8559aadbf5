"""Arguments of objectives, networks and trainings: NumPy's numbers are taken, wrong ones refused by name."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import sweeps
from analysis._errors import InputError, InputTypeError
from sweeps._training import train_many
from tests import reference
from tests.sweeps import helpers
from tests.sweeps.helpers import SMALL

INPUTS, LABELS = SMALL.inputs.astype(np.float32), SMALL.targets.astype(np.int64)
NETWORK = helpers.network(SMALL)
TASK = sweeps.Task("small", sweeps.Batch(INPUTS, LABELS), sweeps.Batch(INPUTS, LABELS), 2, {})


def objective(**how):
    batch = (how.pop("inputs", INPUTS), how.pop("targets", LABELS), how.pop("mask", None))
    return sweeps.Objective(how.pop("network", NETWORK), batch, **how)


class TestNodes:
    @staticmethod
    def of(nodes):
        return sweeps.Objective.from_function(lambda gates: 1 + gates.sum(), nodes=nodes).nodes

    def test_numbers_and_names(self):
        assert self.of(np.int64(2)) == self.of(2) == ("node 0", "node 1")
        for names in (["a", "$b/"], ("a", "$b/"), np.array(["a", "$b/"])):
            assert self.of(names) == ("a", "$b/") and {type(name) for name in self.of(names)} == {str}

    @pytest.mark.parametrize(
        ("nodes", "message"),
        [
            ("abc", "nodes must be a whole number, got 'abc'"),
            (2.0, "nodes must be a whole number, got 2.0"),
            (True, "nodes must be a whole number, got True"),
            (None, "nodes must be a number of nodes, or their names, got None"),
            (0, "nodes must be at least 1, got 0"),
            ([1, 2], r"nodes must be a number of nodes, or names that are texts, got \[1, 2\]"),
            (["a", "a"], "nodes must have different names, at least one"),
            ([], "nodes must have different names, at least one"),
            ([["a"], ["a", "b"]], "nodes must be a number of nodes, or names that are texts"),
            (np.ones((2, 2)), r"nodes must be .*, got array\(\[\[1., 1.\], \[1., 1.\]\]\)$"),
        ],
    )
    def test_others(self, nodes, message):
        with pytest.raises(InputError, match=message):
            self.of(nodes)


class TestObjective:
    def test_numbers_of_numpy(self):
        assert objective(micro_batch=np.int64(5), plan="vmapped").plan.tree.loss.micro_batch == 5
        groups = objective(sites={"layers/0": np.int64(3)})
        assert len(groups.nodes) == 3

    @pytest.mark.parametrize(
        ("how", "message"),
        [
            (dict(micro_batch=True), "micro_batch must be a whole number, got True"),
            (dict(micro_batch=-1), "micro_batch must be at least 1, got -1"),
            (dict(precision="exact"), "precision must be one of highest, high, default, got 'exact'"),
            (dict(precision=["high"]), "precision must be one of highest, high, default, got"),
            (dict(call="inputs"), r"call must be a function \(network, inputs\) -> outputs, got str"),
            (dict(network=3, nodes=2), r"network must be a function \(gates, inputs\) with nodes, got int"),
            (dict(plan=None), "plan must be one of auto, fused, affine, dense, vmapped, got None"),
            (dict(loss=["cross_entropy"]), "loss must be one of cross_entropy"),
            (dict(sites={"layers/0": 2.0}), "sites: the number of groups of layers/0 must be a whole number, got 2.0"),
            (dict(inputs=INPUTS + 1j), "batch: inputs must be real numbers, got complex64"),
            (dict(targets=LABELS * 1j), "batch: targets must be real numbers, got complex128"),
            (dict(inputs=INPUTS.astype(object)), "batch: inputs must be real numbers, got object"),
            (dict(targets=LABELS.astype(object)), "batch: targets must be real numbers, got object"),
            (dict(targets=LABELS + 2**32), "batch: targets must be whole numbers that fit int32, got 4294967296"),
            (
                dict(targets=LABELS.astype(np.uint32) + np.uint32(2**31)),
                "that fit int32, got 2147483648",
            ),
            (dict(targets=LABELS - 2**40), "batch: targets must be whole numbers that fit int32, got -1099511627776"),
            (dict(inputs=LABELS[:, None] + 2**40), "inputs must be whole numbers that fit int32, got 10995"),
        ],
    )
    def test_wrong_ones(self, how, message):
        with pytest.raises(InputError, match=message):
            objective(**how)

    def test_labels_that_do_not_count_may_be_beyond_32_bits(self):
        labels, mask = LABELS.astype(np.int64), np.arange(12) != 3
        labels[3] = 2**40
        found = objective(targets=labels, mask=mask).evaluate(np.ones(SMALL.nodes), gradients=False).loss
        kept = SMALL._replace(inputs=SMALL.inputs[mask], targets=SMALL.targets[mask])
        np.testing.assert_allclose(found, reference.loss(kept, np.ones(SMALL.nodes)), rtol=1e-5)

    def test_gradients_are_wanted_or_not(self):
        with pytest.raises(InputTypeError, match="gradients must be True or False, got 'no'"):
            objective().evaluate(np.ones(6), gradients="no")
        assert objective().evaluate(np.ones(6), gradients=np.False_).loss_gradient is None

    def test_rows_of_different_lengths(self):
        with pytest.raises(InputError, match="gates must be an array, with rows of one length"):
            objective().evaluate([[1] * 6, [1] * 5])

    @pytest.mark.parametrize("loss", ["cross_entropy", None])
    def test_a_network_that_is_called_in_another_way_is_no_plain_one(self, loss):
        # The dense plan reads the call, too.
        problem = helpers.PROBLEMS["two layers"]
        found = sweeps.Objective(
            helpers.network(problem),
            helpers.batch(problem),
            loss=loss,
            call=lambda network, inputs: network(2 * inputs),
        )
        doubled = problem._replace(inputs=2 * problem.inputs)
        gates = helpers.partial_gains(problem.nodes)
        np.testing.assert_allclose(found.evaluate(gates).loss, reference.evaluate(doubled, gates).loss, rtol=1e-5)


class Mine(Exception):
    """An error that nothing but the test knows."""


def fails(*_):
    raise Mine("my own words")


class Failing(sweeps.MLP):
    def __call__(self, inputs):
        return fails(inputs)


@pytest.mark.parametrize(
    ("make", "note"),
    [
        (lambda: objective(network=Failing((2, 3, 2))), r"the network, with inputs of shape \(12, 2\)"),
        (lambda: objective(call=fails), r"the network, with inputs of shape \(12, 2\)"),
        (
            lambda: objective(loss=fails),
            r"the loss fails, with outputs of shape \(12, 2\) and targets of shape \(12,\)",
        ),
        (lambda: objective(network=fails, nodes=3), r"the network, with inputs of shape \(12, 2\)"),
        (lambda: sweeps.Objective.from_function(fails, nodes=3), r"the function, with gates of shape \(3,\)"),
        (lambda: sweeps.train(Failing((2, 3, 2)), TASK), r"the network, with inputs of shape \(12, 2\)"),
        (lambda: sweeps.train(NETWORK, TASK, loss=fails), r"the loss fails, with outputs of shape \(12, 2\)"),
    ],
)
def test_errors_of_ones_own_code_stay_as_they_are(make, note):
    with pytest.raises(Mine, match=note) as caught:
        make()
    assert str(caught.value) == "my own words" and caught.traceback[-1].name == "fails"


def test_what_optax_does_not_take_is_its_own_error():
    with pytest.raises(Exception, match="the loss squared_error, with outputs") as caught:
        objective(loss=optax.squared_error)
    assert not isinstance(caught.value, InputError)


def test_an_error_without_words():
    def silent(network, inputs):
        raise ValueError

    with pytest.raises(ValueError, match="the network, with inputs of shape"):
        objective(call=silent)


@pytest.mark.parametrize("shape", [(12, 3), (3,)])
def test_inputs_that_do_not_fit_an_mlp(shape):
    with pytest.raises(InputError, match=r"inputs of shape .* do not fit the network: the last axis must have 2 feat"):
        NETWORK(jnp.ones(shape))


class TestTraining:
    def test_numbers_of_numpy(self):
        networks = [sweeps.MLP((2, 3, 2)) for _ in range(2)]
        for network, number in zip(networks, (int, np.int64), strict=True):
            history = sweeps.train(network, TASK, epochs=number(1), batch_size=number(12), seed=number(3))
            assert history.loss.shape == (1,)
        for one, other in zip(*map(helpers.leaves, networks), strict=True):
            np.testing.assert_array_equal(one, other)

    @pytest.mark.parametrize(
        ("how", "message"),
        [
            (dict(epochs=1e3), "epochs must be a whole number, got 1000.0"),
            (dict(epochs=-1), "epochs must be at least 1, got -1"),
            (dict(batch_size=2.5), "batch_size must be a whole number, got 2.5"),
            (dict(seed=1.5), "seed must be a whole number, got 1.5"),
            (dict(seed=-1), r"seed must be at least 0, got -1"),
            (dict(seed=2**64), r"seed must be at most 18446744073709551615, got 18446744073709551616"),
            (dict(keep_parameters="yes"), "keep_parameters must be True or False, got 'yes'"),
            (dict(optimizer=0.1), "optimizer must be an Optax transformation, got float"),
            (dict(task=TASK.train), "task must be a sweeps.Task, with its training set in .train, got Batch"),
            (dict(network=lambda inputs: inputs), "network must be a flax.nnx.Module, got function"),
        ],
    )
    def test_wrong_ones(self, how, message):
        with pytest.raises(InputError, match=message):
            sweeps.train(**dict(network=NETWORK, task=TASK) | how)

    @pytest.mark.parametrize(
        ("how", "message"),
        [
            (dict(networks=NETWORK), "networks must be a list, one for each network, got MLP"),
            (dict(tasks=None), "tasks must be a list, one for each network, got NoneType"),
            (dict(seeds=1.5), "seed must be a whole number, got 1.5"),
            (dict(seeds=b"a"), "seed must be a whole number, got b'a'"),
        ],
    )
    def test_several_at_once(self, how, message):
        with pytest.raises(InputTypeError, match=message):
            train_many(**dict(networks=[NETWORK], tasks=[TASK]) | how)

    def test_all_bits_of_a_seed_count(self):
        networks = [sweeps.MLP((2, 3, 2)) for _ in range(4)]
        train_many(networks, [TASK] * 4, batch_size=2, epochs=1, seeds=[17, 2**32 + 17, 2**64 - 1, np.uint64(17)])
        kernels = [np.asarray(network.layers[0].kernel[...]) for network in networks]
        assert len({kernel.tobytes() for kernel in kernels}) == 3
        np.testing.assert_array_equal(kernels[0], kernels[3])


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (None, "inputs"),
        ("abc", "batch: inputs must be real numbers"),
        (np.array([[2**40, 1]]), "inputs must be whole numbers"),
    ],
)
def test_inputs_of_a_table_of_sites(inputs, message):
    with pytest.raises(InputError, match=message):
        sweeps.gating.sites(NETWORK, inputs)


class TestMLP:
    def test_numbers_of_numpy(self):
        network = sweeps.MLP(np.array([2, 3, 2]), seed=np.uint32(5), use_bias=np.False_)
        assert network.sizes == (2, 3, 2) and {type(size) for size in network.sizes} == {int}
        assert nnx.graphdef(network) == nnx.graphdef(sweeps.MLP((2, 3, 2), seed=5, use_bias=False))

    def test_all_bits_of_a_seed_count(self):
        kernels = [sweeps.MLP((2, 3, 2), seed=seed).layers[0].kernel[...] for seed in (17, 2**32 + 17, 2**63)]
        assert len({np.asarray(kernel).tobytes() for kernel in kernels}) == 3
        # What a seed of 32 bits has always made.
        np.testing.assert_array_equal(
            kernels[0], nnx.Linear(2, 3, kernel_init=nnx.initializers.glorot_uniform(), rngs=nnx.Rngs(17)).kernel[...]
        )

    @pytest.mark.parametrize(
        ("how", "error", "message"),
        [
            (dict(sizes="232"), InputTypeError, "sizes must be numbers .inputs, ..., outputs., got '232'"),
            (dict(sizes=3), InputTypeError, "sizes must be numbers .inputs, ..., outputs., got 3"),
            (dict(sizes=(2, 3.5, 2)), InputTypeError, "sizes must be a whole number, got 3.5"),
            (dict(sizes=(2, [3], 2)), InputTypeError, r"sizes must be a whole number, got \[3\]"),
            (dict(activation=["relu"]), InputError, "activation must be one of relu"),
            (dict(seed=-1), InputError, r"seed must be at least 0, got -1"),
            (dict(seed=1.5), InputTypeError, "seed must be a whole number, got 1.5"),
            (dict(kernel_init="zeros"), InputTypeError, "kernel_init must be an initialiser, got str"),
            (dict(use_bias=1), InputTypeError, "use_bias must be True or False, got 1"),
        ],
    )
    def test_wrong_ones(self, how, error, message):
        with pytest.raises(error, match=message):
            sweeps.MLP(**dict(sizes=(2, 3, 2)) | how)
