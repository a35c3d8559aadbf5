"""Examples: micro-batches and masks change no mean, and what does not count may hold anything."""

import functools

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import sweeps
from sweeps import _examples
from tests import reference
from tests.sweeps import helpers

RANDOM = np.random.default_rng(0)
PROBLEM = helpers.problem((2, 3, 2), "tanh", "cross_entropy", 2, examples=6)
INPUTS, LABELS = PROBLEM.inputs.astype(np.float32), PROBLEM.targets
VALUES = RANDOM.normal(size=(6, 2)).astype(np.float32)
MASK = np.array([True, True, False, True, True, False])
EVERYTHING = np.ones(6, bool)
GATES = helpers.partial_gains(3)
KINDS = {"cross_entropy": LABELS, "squared_error": VALUES}


@functools.cache
def network():
    return helpers.network(PROBLEM)


def evaluated(*batch, **how):
    return sweeps.Objective(network(), batch, **how).evaluate(GATES)


def by_hand(kind, mask):
    """Losses and gradients of the examples that count alone, of the oracle."""
    chosen = dict(inputs=PROBLEM.inputs[mask], targets=KINDS[kind][mask], loss=kind)
    return reference.evaluate(PROBLEM._replace(**chosen), GATES)


def assert_same(found, wanted, share=1):
    np.testing.assert_allclose(found.loss, wanted.loss * share, rtol=1e-5)
    np.testing.assert_allclose(found.loss_gradient, wanted.loss_gradient * share, rtol=1e-5, atol=1e-5)


class TestCutting:
    @pytest.mark.parametrize(("number", "size"), [(5, 1), (5, 2), (5, 4), (5, 5), (5, 9), (1, 1)])
    def test_every_example_is_there_once_and_counts_once(self, number, size):
        values = np.arange(number)[:, None]
        parts = _examples.Examples(values, values, None).micro_batches(size)
        if size >= number:
            assert parts.mask is None and parts.inputs.shape == (1, number, 1)
            return
        assert parts.inputs.shape == (-(-number // size), size, 1)
        found, mask = np.asarray(parts.inputs), np.asarray(parts.mask)
        np.testing.assert_array_equal(found[mask], values)
        assert (found[~mask] == number - 1).all(), "what fills up is the last example"

    def test_a_mask_over_positions_is_cut_too(self):
        mask = jnp.asarray(RANDOM.random((5, 3)) < 0.5)
        parts = _examples.Examples(jnp.zeros((5, 3)), jnp.zeros((5, 3)), mask).micro_batches(2)
        np.testing.assert_array_equal(parts.mask.reshape(6, 3), np.pad(mask, [(0, 1), (0, 0)]))


@pytest.mark.parametrize("mask", [None, MASK], ids=["no mask", "mask"])
@pytest.mark.parametrize(
    ("kind", "plan", "size"),
    [("cross_entropy", "vmapped", 4), ("squared_error", "affine", 4)],
)
def test_micro_batches_change_nothing(kind, plan, size, mask):
    # Of six examples, four and then two: the last micro-batch is not full.
    found = evaluated(INPUTS, KINDS[kind], mask, loss=kind, plan=plan, micro_batch=size)
    assert_same(found, by_hand(kind, EVERYTHING if mask is None else mask))


@pytest.mark.parametrize("mask", [None, MASK], ids=["no mask", "mask"])
def test_nor_do_they_for_a_loss_of_each_output(mask):
    # The mean over two outputs is half of the sum.
    found = evaluated(INPUTS, VALUES, mask, loss=optax.squared_error, micro_batch=4)
    assert_same(found, by_hand("squared_error", EVERYTHING if mask is None else mask), share=0.5)


@pytest.mark.parametrize(
    ("bad", "how"),
    [
        (np.nan, dict(plan="vmapped")),
        (np.nan, dict(plan="affine")),
        (np.inf, dict(plan="vmapped", micro_batch=4)),
        (3e38, dict(plan="affine", micro_batch=4)),
    ],
)
def test_examples_that_do_not_count_may_hold_anything(bad, how):
    # The last example fills up the last micro-batch; zero times infinity would spoil the gradient.
    inputs, values = INPUTS.copy(), VALUES.copy()
    inputs[~MASK] = values[~MASK] = bad
    assert_same(evaluated(inputs, values, MASK, **how), by_hand("squared_error", MASK))


def test_losses_that_overflow_where_they_do_not_count():
    def steep(outputs, targets):
        return jnp.exp(outputs * targets).sum(axis=-1)

    values = VALUES.copy()
    values[~MASK] = 1e30
    found = evaluated(INPUTS, values, MASK, loss=steep, micro_batch=4)
    powers = [np.exp(reference.outputs(PROBLEM, gates) * VALUES).sum(axis=1)[MASK].mean() for gates in GATES]
    np.testing.assert_allclose(found.loss, powers, rtol=1e-5)
    assert np.isfinite(found.loss_gradient).all()


@pytest.mark.parametrize("plan", ["affine", "vmapped"])
@pytest.mark.parametrize(("loss", "padding"), [("cross_entropy", -100), ("squared_error", np.nan)])
def test_targets_of_positions_that_do_not_count_may_be_anything(plan, loss, padding):
    # Three sequences of two positions: the same numbers as six examples.
    mask = MASK.reshape(3, 2)
    targets = np.where(MASK, LABELS, padding) if loss == "cross_entropy" else np.where(MASK[:, None], VALUES, padding)
    shape = (3, 2) if loss == "cross_entropy" else (3, 2, 2)
    targets = targets.astype(int if loss == "cross_entropy" else np.float32).reshape(shape)
    found = evaluated(INPUTS.reshape(3, 2, 2), targets, mask, loss=loss, plan=plan, micro_batch=2)
    assert_same(found, by_hand(loss, MASK))


# Losses of one value for each example, for each output, and for all; the same by hand.
def cross_entropies(logits):
    return np.logaddexp.reduce(logits, axis=-1) - np.take_along_axis(logits, LABELS[None, :, None], axis=-1)[..., 0]


OPTAX = {
    "softmax": (optax.softmax_cross_entropy_with_integer_labels, LABELS, cross_entropies),
    "squared": (optax.squared_error, VALUES, lambda logits: np.square(logits - VALUES)),
    "sigmoid": (
        optax.sigmoid_binary_cross_entropy,
        (VALUES > 0).astype(np.float32),
        lambda logits: np.logaddexp(0, np.where(VALUES > 0, -logits, logits)),
    ),
    "one number": (lambda o, t: optax.l2_loss(o, t).mean(), VALUES, lambda logits: np.square(logits - VALUES) / 2),
}


@pytest.mark.parametrize("name", OPTAX)
def test_losses_of_optax_and_of_ones_own_are_means_over_all_their_values(name):
    loss, targets, by_hand = OPTAX[name]
    found = sweeps.Objective(network(), (INPUTS, targets), loss=loss).evaluate(GATES, gradients=False)
    logits = np.stack([reference.outputs(PROBLEM, gates) for gates in GATES])
    np.testing.assert_allclose(found.loss, by_hand(logits).reshape(len(GATES), -1).mean(axis=1), rtol=1e-5)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ((INPUTS,), r"batch must be a pair \(inputs, targets\) .*, or a triple .*, got 1 parts"),
        ((INPUTS, LABELS, MASK, MASK), "got 4 parts"),
        ((INPUTS, np.array(["a"] * 6)), "batch: targets must be real numbers, got <U1"),
        (({"a": INPUTS, "b": INPUTS[:3]}, LABELS), "as many targets .* got inputs {'a': .6, 2., 'b': .3, 2.}"),
        (({}, LABELS), "batch must hold inputs"),
        ((INPUTS, LABELS, MASK[:5]), r"batch: mask must have shape \(examples, ...\) = \(6, ...\), got \(5,\)"),
        ((INPUTS, LABELS, MASK * 0.5), "batch: mask must be true or false .* weights between are not supported"),
        ((INPUTS, LABELS, np.full(6, np.nan)), "batch: mask must be true or false"),
        ((INPUTS, LABELS, np.zeros(6)), "batch: mask must be true somewhere, or nothing counts"),
        ((INPUTS, LABELS, np.ones((6, 2))), r"batch: mask must have the first axes of \(6,\), got \(6, 2\)"),
        ((INPUTS, LABELS + 1, ~MASK), "expected labels from 0 to 1 .* got labels from 1 to 2"),
    ],
)
def test_batches_that_do_not_fit(batch, message):
    with pytest.raises(ValueError, match=message):
        sweeps.Objective(network(), batch)


@pytest.mark.parametrize(
    ("loss", "how", "message"),
    [
        (lambda o, t: None, {}, "loss <lambda> must return one array of floats, got None"),
        (lambda o, t: o[..., 0] > 0, {}, "must return one array of floats, got ShapeDtypeStruct.* dtype=bool"),
        (lambda o, t: o.sum(axis=0), {}, r"or one of each example in shape .*; got shape \(2,\)"),
        (
            lambda o, t: o.mean(),
            dict(micro_batch=2),
            "micro_batch needs a number of each example, and <lambda> returns",
        ),
        (lambda o, t: o.mean(), dict(mask=MASK), "returns one number; a mask needs one of each example"),
        (lambda o, t: o.sum(axis=1), dict(mask=np.ones((6, 2))), r"mask must have the first axes .*, got \(6, 2\)"),
        ("hinge", {}, "loss must be one of cross_entropy, .*, or a function .*, got 'hinge'"),
        (None, dict(micro_batch=0), "micro_batch must be at least 1, got 0"),
        (None, dict(micro_batch=2.5), "micro_batch must be a whole number, got 2.5"),
    ],
)
def test_losses_and_micro_batches_that_do_not_fit(loss, how, message):
    batch = (INPUTS, LABELS, *([how["mask"]] if "mask" in how else []))
    with pytest.raises(ValueError, match=message):
        sweeps.Objective(network(), batch, loss=loss, micro_batch=how.get("micro_batch"))
