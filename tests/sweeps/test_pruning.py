"""Which weights and nodes go: exact counts, ties, scopes, blocks, and every criterion against its definition."""

from fractions import Fraction
from math import floor

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import sweeps
from sweeps import pruning, ranking
from sweeps.pruning._sparsities import kept
from tests import reference
from tests.sweeps import helpers, models

DECIMALS = st.decimals(0, 1, places=3).map(str)
SCORES = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=20).map(np.array)
PROBLEM = helpers.problem((3, 5, 4, 2), "tanh", "cross_entropy", 2, seed=3)


def by_hand(scores, number):
    """All but the lowest, the first among equals first."""
    keep = np.ones(len(scores), bool)
    keep[sorted(range(len(scores)), key=lambda index: (scores[index], index))[:number]] = False
    return keep


@hypothesis.given(SCORES, DECIMALS)
def test_exactly_the_floor_goes_and_the_lowest_index_first(scores, sparsity):
    found = kept({"layer": scores}, float(sparsity))["layer"]
    np.testing.assert_array_equal(found, by_hand(scores, floor(Fraction(sparsity) * len(scores))))


@hypothesis.given(st.lists(SCORES, min_size=1, max_size=4), DECIMALS, st.sampled_from(pruning.SCOPES))
def test_scopes(scores, sparsity, scope):
    found = kept({str(layer): values for layer, values in enumerate(scores)}, float(sparsity), scope)
    share = Fraction(sparsity)
    if scope == "layer":
        expected = np.concatenate([by_hand(values, floor(share * len(values))) for values in scores])
    else:
        if scope == "global_normalised":
            scores = [values / (np.sqrt(np.mean(values**2)) or 1) for values in scores]
        whole = np.concatenate(scores)
        # Equal numbers that were divided by one root mean square in two ways may differ in their last digit.
        number = floor(share * len(whole))
        assert (~np.concatenate(list(found.values()))).sum() == number
        if scope == "global_normalised":
            gone = whole[~np.concatenate(list(found.values()))]
            np.testing.assert_allclose(np.sort(gone), np.sort(whole)[:number], atol=1e-12)
            return
        expected = by_hand(whole, number)
    np.testing.assert_array_equal(np.concatenate(list(found.values())), expected)


@hypothesis.given(SCORES, st.lists(DECIMALS, min_size=2, max_size=6), st.sampled_from(pruning.SCOPES))
def test_a_higher_sparsity_removes_more_of_the_same(scores, sparsities, scope):
    shares = np.sort(np.array(sparsities, float)).reshape(-1, 1)
    masks = kept({"layer": scores}, shares, scope)["layer"]
    assert masks.shape == (len(shares), 1, len(scores))
    assert (masks[1:] <= masks[:-1]).all()


def test_sparsities_are_the_decimal_numbers_that_are_written():
    scores = {"layer": np.zeros(100)}
    assert floor(0.29 * 100) == 28
    for share in (0.29, np.float32(0.29), Fraction(29, 100), jnp.float32(0.29)):
        found = kept(scores, share)["layer"]
        assert not found[:29].any() and found[29:].all()
    assert kept(scores, 0)["layer"].all() and not kept(scores, 1)["layer"].any()


def test_what_is_no_sparsity_scope_or_score_is_refused():
    scores = {"first": np.ones(3), "second": np.array([1, np.nan])}
    for bad in (-0.1, 1.001, np.nan, [0.5, 2], "x", None, [True]):
        with pytest.raises(ValueError, match="sparsity must be numbers between 0 and 1, got"):
            kept(scores, bad)
    with pytest.raises(ValueError, match="scope must be one of layer, global_raw, global_normalised, got 'all'"):
        kept(scores, 0.5, "all")
    with pytest.raises(ValueError, match="scores must be numbers, got NaN in second"):
        kept(scores, 0.5)
    with pytest.raises(ValueError, match="scores must be finite for scope 'global_normalised', got infinity in one"):
        kept({"one": np.array([1, np.inf])}, 0.5, "global_normalised")


def test_norms_of_very_large_and_very_small_scores():
    scores = {"large": np.array([1e300, 2e300]), "small": np.array([1e-300, 3e-300]), "none": np.zeros(2)}
    found = kept(scores, 0.5, "global_normalised")
    # 1 / sqrt(2.5) and 1 / sqrt(5) of the root mean squares, and zeros, which go first.
    assert [mask.tolist() for mask in found.values()] == [[True, True], [False, True], [False, False]]


def network(problem=PROBLEM, dtype=jnp.float32):
    return helpers.network(problem, dtype)


def test_units_by_the_norm_of_their_incoming_weights():
    norms = [np.sqrt((kernel**2).sum(axis=0)) for kernel, _ in PROBLEM.layers[:-1]]
    np.testing.assert_allclose(pruning.unit_scores(network()), np.concatenate(norms), rtol=1e-6)
    masks = pruning.unit_masks(network(), [[0.4], [0.8]])
    assert masks.shape == (2, 1, 9)
    expected = [np.concatenate([by_hand(one, floor(share * len(one))) for one in norms]) for share in (0.4, 0.8)]
    np.testing.assert_array_equal(masks[:, 0], expected)
    whole = np.concatenate(norms)
    np.testing.assert_array_equal(pruning.unit_masks(network(), 0.5, scope="global_raw"), by_hand(whole, 4))
    normalised = np.concatenate([one / np.sqrt((one**2).mean()) for one in norms])
    masks = pruning.unit_masks(network(), 0.5, scope="global_normalised")
    np.testing.assert_array_equal(masks, by_hand(normalised, 4))


def test_units_by_scores_of_the_ranking():
    found = pruning.unit_scores(network(), method="gradient", batch=helpers.batch(PROBLEM))
    expected = np.abs(reference.evaluate(PROBLEM, np.ones(9)).loss_gradient)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    found = pruning.unit_scores(network(), method="activation", batch=helpers.batch(PROBLEM))
    _, trace, _ = reference.forward(PROBLEM, np.ones(9))
    np.testing.assert_allclose(found, np.hstack([after.std(axis=0) for _, _, after in trace]), rtol=1e-5)
    assert set(ranking.METHODS) < set(pruning.UNIT_METHODS)


def test_units_by_scores_of_ones_own_and_at_random():
    scores = np.array([3, 1, 2, 1, 1, 0, 0, 5, 0])
    np.testing.assert_array_equal(
        pruning.unit_masks(network(), 0.5, method=scores), np.array([1, 0, 1, 0, 1, 0, 0, 1, 1], bool)
    )
    first, again, other = (pruning.unit_masks(network(), 0.5, method="random", seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any() and first.sum() == 5


def test_weights_by_magnitude():
    net = network()
    masks = pruning.weight_masks(net, [0, 0.29, 1])
    assert list(masks) == ["layers/0/kernel", "layers/1/kernel"]
    for path, (kernel, _) in zip(masks, PROBLEM.layers, strict=False):
        expected = by_hand(np.abs(kernel).ravel(), floor(Fraction("0.29") * kernel.size)).reshape(kernel.shape)
        np.testing.assert_array_equal(masks[path], [np.ones_like(expected), expected, np.zeros_like(expected)])
    pruned = pruning.prune_weights(net, 0.29)
    for layer, old, path in zip(pruned.layers, net.layers, [*masks, None], strict=True):
        mask = masks[path][1] if path else True
        np.testing.assert_array_equal(layer.kernel[...], np.where(mask, old.kernel[...], 0))
        np.testing.assert_array_equal(layer.bias[...], old.bias[...])


def test_the_layer_of_the_outputs_stays_unless_asked():
    masks = pruning.weight_masks(network(), 0.5, scope="global_raw", include_outputs=True)
    assert list(masks) == ["layers/0/kernel", "layers/1/kernel", "layers/2/kernel"]
    whole = np.concatenate([np.abs(kernel).ravel() for kernel, _ in PROBLEM.layers])
    np.testing.assert_array_equal(np.concatenate([mask.ravel() for mask in masks.values()]), by_hand(whole, 43 // 2))
    pruned = pruning.prune_weights(network(), 1, include_outputs=True)
    assert not any(layer.kernel[...].any() for layer in pruned.layers)
    assert (pruning.prune_weights(network(), 1).layers[2].kernel[...] != 0).all()


def test_weights_by_gradient(x64):
    net, batch = network(dtype=jnp.float64), helpers.batch(PROBLEM, np.float64)
    found = pruning.weight_scores(net, method="gradient", batch=batch, include_outputs=True)
    _, _, gradients = reference.backward(PROBLEM, np.ones(9))
    for values, (kernel, _) in zip(found.values(), gradients, strict=True):
        np.testing.assert_allclose(values, np.abs(kernel), rtol=1e-9, atol=1e-12)
    half = sweeps.MaskedBatch(*batch, np.arange(12) < 6)
    masked = pruning.weight_scores(net, method="gradient", batch=half)
    _, _, gradients = reference.backward(
        PROBLEM._replace(inputs=batch.inputs[:6], targets=batch.targets[:6]), np.ones(9)
    )
    for values, (kernel, _) in zip(masked.values(), gradients, strict=False):
        np.testing.assert_allclose(values, np.abs(kernel), rtol=1e-9, atol=1e-12)


def test_weights_by_scores_of_ones_own_and_at_random():
    own = {"layers/0/kernel": np.arange(15.0).reshape(3, 5), "layers/1/kernel": np.zeros((5, 4))}
    masks = pruning.weight_masks(network(), 0.5, method=own, scope="global_raw")
    # The score 0 of the first layer is the first of 21 equals, and 17 go.
    np.testing.assert_array_equal(masks["layers/0/kernel"].ravel(), np.arange(15) > 0)
    np.testing.assert_array_equal(masks["layers/1/kernel"].ravel(), np.arange(20) >= 16)
    first, again, other = (pruning.weight_masks(network(), 0.5, method="random", seed=seed) for seed in (1, 1, 2))
    for path, mask in first.items():
        np.testing.assert_array_equal(mask, again[path])
        assert (mask != other[path]).any()


@hypothesis.given(st.integers(1, 6), st.integers(1, 6), DECIMALS)
@hypothesis.settings(max_examples=10)
def test_blocks_go_whole(rows, columns, sparsity):
    masks = pruning.weight_masks(network(), float(sparsity), block=(rows, columns))
    for path, (kernel, _) in zip(masks, PROBLEM.layers, strict=False):
        corners = [(i, j) for i in range(0, kernel.shape[0], rows) for j in range(0, kernel.shape[1], columns)]
        norms = [np.sqrt((kernel[i : i + rows, j : j + columns] ** 2).sum()) for i, j in corners]
        keep = by_hand(norms, floor(Fraction(sparsity) * len(corners)))
        for (i, j), stays in zip(corners, keep, strict=True):
            assert (masks[path][i : i + rows, j : j + columns] == stays).all()


def test_a_block_of_one_is_a_weight():
    found, expected = (pruning.weight_masks(network(), [0.3, 0.6], block=block) for block in ((1, 1), None))
    for path, mask in expected.items():
        np.testing.assert_array_equal(found[path], mask)


def test_layers_without_nodes_and_networks_without_layers():
    emptied = pruning.remove_nodes(network(), np.arange(9) >= 5)
    assert emptied.sizes == (3, 0, 4, 2)
    keep = pruning.unit_masks(emptied, [0, 0.5], scope="global_normalised")
    assert keep.sum(axis=1).tolist() == [4, 2]
    masks = pruning.weight_masks(emptied, 0.5, block=(np.int64(2), 2))
    assert {path: mask.shape for path, mask in masks.items()} == {"layers/0/kernel": (3, 0), "layers/1/kernel": (0, 4)}
    assert all(kept({}, [0, 0.5], scope) == {} for scope in pruning.SCOPES)
    with pytest.raises(ValueError, match=r"network has no hidden nodes: its sizes are \(2, 3\)"):
        pruning.unit_masks(sweeps.MLP((2, 3)), 0.5)
    with pytest.raises(ValueError, match="network has no kernels to prune but those of its outputs: give include_outp"):
        pruning.prune_weights(sweeps.MLP((2, 3)), 0.5)


def arrays(net):
    return [variable[...] for _, variable in nnx.to_flat_state(nnx.state(net))]


def test_originals_are_left_bit_for_bit():
    net, keep = network(), np.arange(9) % 2 == 0
    before, inputs = helpers.leaves(net), helpers.batch(PROBLEM).inputs
    copies = [
        pruning.prune_weights(net, 0.5),
        pruning.prune_units(net, 0.5, method="gradient", batch=helpers.batch(PROBLEM)),
        pruning.zero_nodes(net, keep, inputs=inputs, compensate_bias=True),
        pruning.remove_nodes(net, keep, inputs=inputs),
    ]
    assert not {id(leaf) for leaf in arrays(net)} & {id(leaf) for copy in copies for leaf in arrays(copy)}
    for copy in copies:
        nnx.update(copy, jax.tree.map(lambda leaf: jnp.asarray(np.ones_like(leaf)), nnx.state(copy)))
    for old, new in zip(before, helpers.leaves(net), strict=True):
        np.testing.assert_array_equal(old, new)


def test_channels_and_kernels_of_convolutions():
    cnn, batch = models.filled(models.Cnn, np.float32), (np.ones((2, 3, 3, 1), np.float32), np.zeros(2, int))
    kernels = [np.asarray(layer.kernel[...], float) for layer in (cnn.conv, cnn.second)]
    norms = np.concatenate([np.sqrt((kernel**2).sum(axis=(0, 1, 2))) for kernel in kernels])
    np.testing.assert_allclose(pruning.unit_scores(cnn, batch=batch), norms, rtol=1e-6)
    masks = pruning.weight_masks(cnn, [0.25, 0.5], batch=batch)
    assert {path: mask.sum(axis=(1, 2, 3, 4)).tolist() for path, mask in masks.items()} == {
        "conv/kernel": [9, 6],
        "second/kernel": [18, 12],
    }
    with pytest.raises(ValueError, match=r"block is for kernels of dense layers, .*; conv/kernel: .* \(2, 2, 1, 3\)"):
        pruning.weight_masks(cnn, 0.5, batch=batch, block=(2, 2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda net: pruning.unit_scores(net, method="best"),
            "method must be one of norm, brute_force, .*, got 'best'",
        ),
        (lambda net: pruning.unit_scores(net, method="gradient"), "method='gradient' needs a batch: give batch="),
        (lambda net: pruning.unit_scores(net, method=np.ones(3)), r"scores must have shape \(9,\), got \(3,\)"),
        (lambda net: pruning.weight_scores(net, method="best"), "method must be one of magnitude, gradient, random"),
        (lambda net: pruning.weight_scores(net, method="gradient"), "method='gradient' needs a batch: give batch="),
        (
            lambda net: pruning.weight_scores(net, method={"a": 1}),
            "method must be a dict of scores of the kernels .*; got a",
        ),
        (lambda net: pruning.weight_masks(net, 0.5, block=(0, 2)), "block: rows must be at least 1, got 0"),
        (lambda net: pruning.prune_weights(net, [0.5]), r"sparsity must be one number .*, got shape \(1,\)"),
        (lambda net: pruning.zeroed(net, {"a": 1}), "masks must be of the network's parameters, .*; got 'a'"),
        (lambda net: pruning.zeroed(net, {"layers/0/bias": [1]}), r"must have its shape \(5,\), got \(1,\)"),
        (
            lambda net: pruning.zeroed(net, {"layers/0/bias": [0.5] * 5}),
            "masks: that of layers/0/bias must be true or false",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call(network())
