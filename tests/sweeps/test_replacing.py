"""Nodes that go while others take over, against plain loops with NumPy's least squares."""

import jax.numpy as jnp
import numpy as np
import pytest

import sweeps
from sweeps.ranking import REPLACEMENT_METHODS, STAND_INS, replacement_paths
from tests.reference import ACTIVATIONS, Problem, forward, per_example

RANDOM = np.random.default_rng(5)
SIZES = (3, 6, 2)
BATCH = sweeps.Batch(RANDOM.normal(size=(50, 3)).astype(np.float32), RANDOM.integers(2, size=50))
TEST = sweeps.Batch(RANDOM.normal(size=(30, 3)).astype(np.float32), RANDOM.integers(2, size=30))
# Always two networks and two batches of these sizes, so that the program is compiled once.


def network(seed, output_activation="sigmoid"):
    made = sweeps.MLP(SIZES, activation="sigmoid", seed=seed, output_activation=output_activation)
    # Larger weights: nodes of a fresh network are nearly linear, and so nearly predictable from a few of them.
    for index, layer in enumerate(made.layers):
        noise = np.random.default_rng([seed, index]).normal(size=layer.kernel.shape) * 2
        layer.kernel[...] = jnp.asarray(noise, jnp.float32)
    return made


NETWORKS = [network(seed) for seed in (0, 1)]


class Oracle:
    """One network on one batch: its hidden activations, and the loss for weights of the last layer."""

    def __init__(self, made, batch, loss):
        layers = tuple((np.asarray(one.kernel[...], float), np.asarray(one.bias[...], float)) for one in made.layers)
        self.hidden = forward(Problem(layers, "sigmoid", batch.inputs, batch.targets, loss), np.ones(SIZES[1]))[2]
        self.kernel, self.bias = layers[-1]
        self.loss, self.targets, self.last = loss, batch.targets, ACTIVATIONS[made.output_activation]

    def losses(self, kernel, bias):
        return per_example(self.loss, self.last(self.hidden @ kernel + bias), self.targets)[0]

    def weights(self, node, on, stand_in):
        """Weights of the other nodes and of 1 in the prediction of a node."""
        found, others = np.zeros(SIZES[1] + 1), [k for k in on if k != node]
        if stand_in == "partner" and others:
            alike = [abs(np.corrcoef(self.hidden[:, node], self.hidden[:, k])[0, 1]) for k in others]
            others = [others[int(np.argmax(alike))]]
        if stand_in in ("nothing", "bias"):
            others = []
        if stand_in != "nothing":
            columns = np.concatenate([self.hidden[:, others], np.ones((len(self.hidden), 1))], axis=1)
            found[[*others, -1]] = np.linalg.lstsq(columns, self.hidden[:, node], rcond=None)[0]
        return found

    def without(self, kernel, bias, node, on, stand_in):
        found = self.weights(node, on, stand_in)
        after = kernel + found[:-1, None] * kernel[node]
        after[node] = 0
        return after, bias + found[-1] * kernel[node]

    def scores(self, kernel, bias, on, choose, stand_in):
        def changed(node, share=1.0):
            after = self.without(kernel, bias, node, on, stand_in)
            mixed = [one + share * (other - one) for one, other in zip((kernel, bias), after, strict=True)]
            return self.losses(*mixed).mean()

        def contribution(node):
            after = self.without(kernel, bias, node, on, stand_in)
            sums = [self.hidden @ one + other for one, other in ((kernel, bias), after)]
            return ((sums[0] - sums[1]) ** 2).sum(axis=1).mean()

        if choose == "correlation":
            pairs = [(abs(np.corrcoef(self.hidden[:, [i, k]].T)[0, 1]), i, k) for i in on for k in on if i < k]
            best = max(pairs)[1:] if pairs else on
            return {node: contribution(node) if node in best else np.inf for node in on}
        step = 1e-3
        score = {
            "brute_force": lambda node: changed(node) - changed(node, 0),
            "second_order": lambda node: (
                (changed(node, step) - changed(node, -step)) / (2 * step)
                + (changed(node, step) - 2 * changed(node, 0) + changed(node, -step)) / (2 * step**2)
            ),
            "contribution": contribution,
        }[choose]
        return {node: score(node) for node in on}


def walked(oracle, test, choose, stand_in):
    on, kernel, bias, order, loss = list(range(SIZES[1])), oracle.kernel, oracle.bias, [], []
    while True:
        loss.append([one.losses(kernel, bias).mean() for one in (oracle, test)])
        if not on:
            return order, np.array(loss)
        scores = oracle.scores(kernel, bias, on, choose, stand_in)
        node = min(on, key=scores.get)
        kernel, bias = oracle.without(kernel, bias, node, on, stand_in)
        on.remove(node)
        order.append(node)


@pytest.mark.parametrize("stand_in", STAND_INS)
@pytest.mark.parametrize("choose", [one for one in REPLACEMENT_METHODS if one != "random"])
def test_paths_are_those_of_plain_loops(choose, stand_in):
    found = replacement_paths(NETWORKS, BATCH, method=choose, stand_in=stand_in, loss="squared_error", test=TEST)
    for index, made in enumerate(NETWORKS):
        pair = (Oracle(made, batch, "squared_error") for batch in (BATCH, TEST))
        order, loss = walked(*pair, choose, stand_in)
        assert found.order[index].tolist() == order
        # The ridge of the rest moves a prediction by about 1e-4 of a node's variance.
        close = 2e-3 if stand_in == "rest" else 1e-5
        np.testing.assert_allclose(found.loss[index], loss[:, 0], rtol=close)
        np.testing.assert_allclose(found.test_loss[index], loss[:, 1], rtol=close)


def test_second_order_knows_losses_whose_outputs_depend_on_each_other():
    made = network(3, "identity")
    found = replacement_paths([made], BATCH, method="second_order", stand_in="partner", loss="cross_entropy")
    pair = [Oracle(made, BATCH, "cross_entropy")] * 2
    order, loss = walked(*pair, "second_order", "partner")
    assert found.order[0].tolist() == order and np.isnan(found.test_loss).all()
    np.testing.assert_allclose(found.loss[0], loss[:, 0], rtol=1e-4)


def test_weights_at_each_step_make_networks_of_the_loss_that_is_told():
    found = replacement_paths(NETWORKS, BATCH, method="random", stand_in="partner", loss="squared_error", test=TEST)
    assert not np.array_equal(*found.order)
    for prefix, batch in (("", BATCH), ("test_", TEST)):
        plain = Oracle(NETWORKS[1], batch, "squared_error")
        for step in (0, 3, 6):
            weights = found.kernels[1, step].astype(float), found.biases[1, step].astype(float)
            right = (plain.hidden @ weights[0] + weights[1]).argmax(axis=1) == batch.targets
            loss, accuracy = getattr(found, f"{prefix}loss"), getattr(found, f"{prefix}accuracy")
            np.testing.assert_allclose(loss[1, step], plain.losses(*weights).mean(), rtol=1e-5)
            np.testing.assert_allclose(accuracy[1, step], right.mean(), rtol=1e-6)
            assert not found.kernels[1, step][found.order[1, :step]].any()


@pytest.mark.parametrize(("stand_in", "left"), [("partner", 1e-6), ("rest", 1e-3)])
def test_a_node_that_repeats_another_goes_first_and_changes_nothing(stand_in, left):
    made = network(2)
    kernel, bias = np.array(made.layers[0].kernel[...]), np.array(made.layers[0].bias[...])
    # sigmoid(-x) = 1 - sigmoid(x): perfectly correlated too, with the other sign.
    kernel[:, 4], bias[4] = -kernel[:, 1], -bias[1]
    made.layers[0].kernel[...], made.layers[0].bias[...] = jnp.asarray(kernel), jnp.asarray(bias)
    for choose in ("correlation", "contribution"):
        found = replacement_paths(
            [made, made], BATCH, method=choose, stand_in=stand_in, loss="squared_error", test=TEST
        )
        assert found.order[0, 0] in (1, 4)
        np.testing.assert_allclose(found.loss[0, 1], found.loss[0, 0], rtol=left)


def test_a_node_of_constant_activation_has_no_partner_and_its_bias_makes_up_for_it():
    made = network(2)
    kernel = np.array(made.layers[0].kernel[...])
    kernel[:, 3] = 0
    made.layers[0].kernel[...] = jnp.asarray(kernel)
    for stand_in in STAND_INS[1:]:
        found = replacement_paths(
            [made, made], BATCH, method="contribution", stand_in=stand_in, loss="squared_error", test=TEST
        )
        assert found.order[0, 0] == 3 and np.isfinite(found.loss).all()
        np.testing.assert_allclose(found.loss[0, 1], found.loss[0, 0], rtol=1e-5)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (dict(method="best"), "method must be one of"),
        (dict(stand_in="all"), "stand_in must be one of"),
        (dict(networks=[sweeps.MLP((3, 2))]), "networks must be a list of sweeps.MLP networks with a hidden layer"),
        (dict(networks=[sweeps.MLP(SIZES, use_bias=False)]), "networks must have biases"),
        (dict(networks=[NETWORKS[0], sweeps.MLP(SIZES)]), "networks must have one structure"),
        (dict(loss=lambda outputs, targets: outputs[:, 0]), "loss must be one of squared_error"),
    ],
)
def test_what_cannot_be_replaced_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        replacement_paths(**(dict(networks=NETWORKS, batch=BATCH, loss="squared_error") | changed))
