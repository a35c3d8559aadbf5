"""The relevance study: what it writes, held against plain NumPy and direct calls, and the patches it trains on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sweeps
from analysis import perceptron
from sweeps import tasks
from sweeps._program import of_nnx
from sweeps._studies.relevance import run as relevance
from sweeps._studies.relevance.run import attributions, node_relevance, patches, supervised, supervision
from sweeps._studies.relevance.settings import Relevance
from sweeps._training import train_many
from sweeps.relevance import _demonstrations, attribute

SETTINGS = Relevance(
    channels=(2, 3),
    hidden=6,
    epochs=1,
    batch_size=64,
    examples=30,
    images=5,
    deletion_examples=4,
    region=4,
    orders=2,
    networks=2,
    nodes=4,
    circle_epochs=2,
    supervised_hidden=(7,),
    supervised_examples=90,
    supervised_epochs=2,
    strengths=(0.5, 2.0),
)
# Compiling takes nearly all of the time: some of each are enough to show that the others are stored rightly. What does
# not promise to conserve has the slope's rules, which are compiled already.
METHODS = {
    "gradient": attributions.ALL["gradient"]._replace(rules=attributions.METHODS["slope"]),
    "lrp": attributions.ALL["lrp"],
    "slope": attributions.ALL["slope"],
}
TRAININGS = ("plain", "relevance_slope")
# Tests of their own say that these numbers are right.
DEMONSTRATED = dict(
    scaling=[
        _demonstrations.Scaling("matrix", "gradient", 3.0),
        _demonstrations.Scaling("nonlinearity", "ignore", 1.0),
    ],
    maxima_with_constants=[
        _demonstrations.OfConstant(*names, 0.5) for names in (("radial", "slope"), ("radial", "repeat"))
    ],
    two_objects=np.full((2, 81), 0.5),
    maximum_forms=_demonstrations.Forms(softmax=[1.0, 1.0, 1.0], softmax_bias=-2.0, relu=[1.0, 0.0, 0.0]),
    instability=[_demonstrations.Instability(0.1, 11.0, 1.0, 0.9)],
    nonlinear=dict(ignore=0.0, repeat=1.0),
    doubled_constants=dict(gradient=0.0, radial=0.25),
    solutions=_demonstrations.Solutions(1e-7, 2e-7, 0.0),
    drawn=_demonstrations.Drawn(0.5, np.linspace(-1.5, 1.5, 401), np.full((81, 81), 0.25), np.zeros((2, 361))),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attributions, "ALL", METHODS)
        # The eps of the method itself.
        patch.setattr(attributions, "EPS", (1e-6,))
        for name, rows in DEMONSTRATED.items():
            patch.setattr(_demonstrations, name, lambda *_, rows=rows: rows)
        patch.setattr(node_relevance, "RELEVANCE", dict(lrp="lrp", slope="slope"))
        fewer = {name: supervision.TRAININGS[name] for name in TRAININGS}
        patch.setattr(supervised, "TRAININGS", fewer)
        patch.setattr(supervised, "MEASURES", {name: supervision.MEASURES[name] for name in ("gradients", "slope")})
        return relevance.run(SETTINGS, tmp_path_factory.mktemp("relevance") / "run")


@pytest.fixture(scope="module")
def task():
    return tasks.digits()


@pytest.fixture(scope="module")
def network(task):
    return relevance.trained(task, SETTINGS)


@pytest.fixture(scope="module")
def sets(task):
    return patches.of_task(task, SETTINGS.supervised_examples, SETTINGS.seed)


def forward(parameters, inputs):
    """Logits of an MLP, and their derivatives by the inputs, where each layer is followed by relu but the last."""
    values, slopes = inputs, np.eye(inputs.shape[1])[None]
    for index, (kernel, bias) in enumerate(parameters, start=1):
        values, slopes = values @ kernel + bias, slopes @ kernel
        if index < len(parameters):
            slopes = slopes * (values > 0)[:, None]
            values = np.maximum(values, 0)
    return values, slopes


def parameters_of(state, *index):
    layers = state["params"]["layers"]
    return [
        tuple(np.asarray(layers[i][part][...][index], float) for part in ("kernel", "bias")) for i in sorted(layers)
    ]


def test_heat_maps_are_those_of_a_direct_call(run, network, task):
    heat = run.read("heat")
    assert list(heat.attributed_by.values) == list(METHODS)
    assert sorted(heat.target.values.tolist()) == [0, 1, 2, 3, 4]
    inputs = task.test.inputs[:30]
    outputs = relevance.outputs_of(network, inputs)[heat.index]
    np.testing.assert_array_equal(heat.predicted, outputs.argmax(axis=1))
    np.testing.assert_allclose(heat.output, outputs.max(axis=1), rtol=1e-5)
    np.testing.assert_array_equal(heat.pixel.values.reshape(5, -1), inputs[heat.index])
    for name, rules in dict(lrp="lrp", slope="slope").items():
        found = attribute(network, inputs, rules=attributions.METHODS[rules])
        maps = heat.relevance.sel(attributed_by=name).values.reshape(5, -1)
        np.testing.assert_allclose(maps, np.asarray(found.inputs)[heat.index], rtol=1e-4, atol=1e-6)


def test_ledgers_add_up_and_end_with_the_inputs(run):
    ledger, heat = run.read("ledger"), run.read("heat")
    shown = heat.attrs["shown"]
    assert ledger.step.values[0] == "dense_2" and ledger.step.values[-1] == "total"
    for prefix in ("", "shown_"):
        parts = [ledger[prefix + name] for name in ("inputs", "biases", "offsets", "absorbed", "not_conserved")]
        missing = ledger[prefix + "received"] - sum(parts)
        size = abs(ledger[prefix + "received"]).sel(step="total")
        assert (abs(missing) <= 1e-5 * size.clip(1)).all()
    conserving = ledger.sel(attributed_by=ledger.conserves)
    assert (conserving.not_conserved == 0).all()
    sums = heat.relevance.sel(image=shown).sum(["row", "column"])
    np.testing.assert_allclose(ledger.shown_inputs.sel(step="total"), sums, rtol=1e-4, atol=1e-6)
    flat = ledger.shown_received.sel(step="total", attributed_by=["lrp", "slope"])
    np.testing.assert_allclose(flat, float(heat.output[shown]), rtol=1e-5)
    worst = run.read("conservation").worst
    assert list(worst.attributed_by.values) == ["lrp", "slope"]
    assert float(worst.max()) < 1e-4


def test_deletion_is_what_the_network_says_of_images_without_the_regions(run, network, task):
    deletion, heat = run.read("deletion"), run.read("heat")
    assert deletion.attrs["regions"] == 4 and list(deletion.removed.values) == [0, 1, 2, 3, 4]
    inputs = task.test.inputs[:4]
    replacements = dict(zeros=np.zeros(64, np.float32), mean=task.train.inputs.mean(axis=0))

    def said(images):
        logits = relevance.outputs_of(network, images).astype(float)
        chosen = relevance.outputs_of(network, inputs).argmax(axis=1)
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return np.exp(logits[np.arange(len(images)), chosen])

    for name, replacement in replacements.items():
        whole = deletion.probability.sel(replacement=name)
        for removed, images in {0: inputs, 4: np.tile(replacement, (4, 1))}.items():
            np.testing.assert_allclose(
                whole.sel(removed=removed), np.broadcast_to(said(images), (4, 2, 4)), rtol=1e-4, atol=1e-6
            )
    # The first image of the test set is shown, too: its two most relevant quarters by hand.
    at = int(np.flatnonzero(heat.index.values == heat.index.values.min())[0])
    example = int(heat.index[at])
    assert example < 4
    maps = heat.relevance.sel(attributed_by="slope").values[at].reshape(2, 4, 2, 4).sum(axis=(1, 3)).ravel()
    image = inputs[example].reshape(2, 4, 2, 4).copy()
    for region in np.argsort(-maps)[:2]:
        image[region // 2, :, region % 2] = 0
    images = inputs.copy()
    images[example] = image.reshape(-1)
    stored = deletion.probability.sel(attributed_by="slope", order="most", replacement="zeros", removed=2)
    np.testing.assert_allclose(stored[example], said(images)[example], rtol=1e-4)


def test_the_demonstrations_are_stored(run):
    instability = run.read("instability")
    heat = run.read("heat")
    assert 0 < float(instability.lrp_absorbed[0]) < 1e-3
    np.testing.assert_allclose(instability.lrp_largest, instability.slope_largest, rtol=1e-3)
    sizes = abs(heat.relevance.sel(attributed_by="lrp")).max(["row", "column"]) / abs(heat.output)
    assert float(instability.lrp_largest[0]) >= float(sizes.max()) * 0.9999
    toy = run.read("instability_toy").sel(difference=0.1)
    assert [float(toy[name]) for name in ("output", "lrp", "lrp_blamed", "slope")] == [1.1, 11.0, 1.0, 0.9]
    rules = run.read("consistency")
    assert rules["kind"].values.tolist() == ["matrix", "nonlinearity"]
    assert dict(zip(rules["name"].values.tolist(), rules.factor.values.tolist(), strict=True))["ignore"] == 1
    assert float(run.read("constants").difference.sel(maximum="radial", nonlinearity="slope")) == 0.5
    passing, drawn = run.read("sentences"), run.read("drawn")
    assert float(passing.nonlinear.sel(nonlinearity="repeat")) == 1 and passing.attrs["biases"] == 2e-7
    assert float(passing.doubled.sel(maximum="radial")) == 0.25
    assert drawn.attrs["eps"] == 0.5 and float(drawn.blip.sel(value=1.0)) == 1.5 and (drawn.share == 0.25).all()
    forms = run.read("forms")
    np.testing.assert_array_equal(forms.share, [[1, 1, 1], [1, 0, 0]])
    np.testing.assert_array_equal(forms.share.sum("object") + forms.bias, [1, 1])
    assert float(run.read("two_objects").share.sel(rule="radial").sel(ratio=1, method="nearest")) == pytest.approx(0.5)


def test_node_relevance_is_that_of_the_margin(run):
    nodes = run.read("nodes")
    networks = [sweeps.MLP((2, 4, 2), seed=seed) for seed in range(2)]
    sets = [tasks.circle(train_seed=seed) for seed in range(2)]
    train_many(
        networks, sets, optimizer=node_relevance._adam(1e-2), epochs=SETTINGS.circle_epochs, batch_size=32, seeds=[0, 1]
    )
    for number, (one, data) in enumerate(zip(networks, sets, strict=True)):
        (kernel, bias), (second, offset) = [(np.asarray(each.kernel), np.asarray(each.bias)) for each in one.layers]
        hidden = np.maximum(data.test.inputs @ kernel + bias, 0)
        sign = np.where(data.test.targets == 1, 1, -1)
        parts = sign[:, None] * hidden * (second[:, 1] - second[:, 0])
        margin = parts.sum(axis=1) + sign * (offset[1] - offset[0])
        loss = np.log1p(np.exp(-margin)).mean()
        by_hand = dict(
            lrp=parts.mean(axis=0),
            slope=parts.mean(axis=0),
            lrp_absolute=np.abs(parts).mean(axis=0),
            first_order=(parts / (1 + np.exp(margin))[:, None]).mean(axis=0),
            brute_force=np.log1p(np.exp(parts - margin[:, None])).mean(axis=0) - loss,
        )
        by_hand |= {name: by_hand["first_order"] for name in ("gate_gradient", "slope_of_loss")}
        for name, values in by_hand.items():
            np.testing.assert_allclose(
                nodes.value.sel(measure=name)[number], values, rtol=1e-3, atol=1e-5, err_msg=name
            )
        assert float(nodes.loss[number]) == pytest.approx(loss, rel=1e-4)
        # Efficiency: what all nodes are worth together.
        none = np.log1p(np.exp(-sign * (offset[1] - offset[0]))).mean()
        assert float(nodes.value.sel(measure="shapley")[number].sum()) == pytest.approx(none - loss, rel=1e-3)


def test_patches_tell_the_class_in_training_and_mislead_in_testing(sets, task):
    canvas = patches.canvas_of(task)
    assert canvas == (12, 8, 2, 1, 10)
    np.testing.assert_array_equal(sets.train.told, sets.train.targets)
    np.testing.assert_array_equal(sets.right.told, sets.right.targets)
    assert (sets.misleading.told != sets.misleading.targets).all()
    assert (sets.clean.told == patches.NONE).all() and (sets.validation.told == patches.NONE).all()
    assert len(sets.train.targets) == 72 and len(sets.validation.targets) == 18
    np.testing.assert_array_equal(
        np.concatenate([sets.train.targets, sets.validation.targets]), task.train.targets[:90]
    )
    for part in (sets.train, sets.right, sets.misleading, sets.outside):
        strip = part.images.reshape(-1, 12, 12)[:, :2]
        # Two pixels of the told column are white, and nothing else of the strip is.
        np.testing.assert_array_equal((strip == 1).all(axis=1).argmax(axis=1), part.told + 1)
        np.testing.assert_array_equal((strip > patches.NOISE).sum(axis=(1, 2)), 2)
    for part in (sets.clean, sets.validation):
        assert part.images.reshape(-1, 12, 12)[:, :2].max() <= patches.NOISE
    for part, digits in ((sets.train, task.train), (sets.clean, task.test), (sets.outside, task.test)):
        assert (part.regions.sum(axis=1) == 64).all()
        inside = part.images[part.regions].reshape(-1, 64)
        np.testing.assert_allclose(inside, digits.inputs[: len(inside)], atol=patches.NOISE)
    np.testing.assert_array_equal(sets.inside.images[~sets.inside.regions], sets.right.images[~sets.right.regions])


@pytest.fixture(scope="module")
def networks():
    return [sweeps.MLP((144, 7, 10), seed=seed) for seed in range(2)]


def fit(name, networks, strengths, sets):
    return supervision.fitted(
        name, networks, [0, 1], strengths, 2, *map(on_device, (sets.train, sets.right, sets.clean))
    )


def on_device(part):
    return patches.Patched(*map(jnp.asarray, part))


def test_a_penalty_of_no_strength_is_plain_training(networks, sets):
    plain = fit("plain", networks, [0.0], sets)
    found = fit("relevance_slope", networks, [0.0, 1.0], sets)
    for name in ("kernel", "bias"):
        first, second = (np.asarray(one.states["params"]["layers"][0][name][...]) for one in (plain, found))
        np.testing.assert_allclose(second[0], first[0], rtol=1e-5, atol=1e-6)
        assert np.abs(second[1] - first[0]).max() > 1e-3
    np.testing.assert_allclose(found.loss[0], plain.loss[0], rtol=1e-5)


def test_supervised_numbers_follow_from_the_networks(run, networks, sets):
    data, measures = run.read("supervised"), run.read("supervised_measures")
    assert list(data.training.values) == list(TRAININGS) and data.attrs["canvas"] == 12
    for training, strengths in {"plain": [0.0], "relevance_slope": [0.5, 2.0]}.items():
        states = fit(training, networks, strengths, sets).states
        for place, strength in enumerate(strengths):
            for number in range(2):
                one, parameters = (
                    data.sel(training=training, strength=strength, network=number),
                    parameters_of(states, place, number),
                )
                check(one, parameters, sets)
                if strength == float(data.chosen.sel(training=training)):
                    found = measures.inside.sel(measure="gradients", training=training)[number]
                    assert float(found) == pytest.approx(squared_gradients_inside(parameters, sets.right), rel=1e-3)
    assert np.isnan(data.loss.sel(training="plain", strength=2.0)).all()
    for training in TRAININGS:
        one = data.sel(training=training)
        means = one.accuracy_validation.mean("network").dropna("strength")
        assert float(means.sel(strength=one.chosen)) == float(means.max())
    at = data.inside_right.sel(training="relevance_slope", strength=data.chosen.sel(training="relevance_slope"))
    np.testing.assert_allclose(measures.inside.sel(measure="slope", training="relevance_slope"), at, rtol=1e-5)


def squared_gradients_inside(parameters, part):
    """Share inside of squared gradients of the sum of all log probabilities."""
    outputs, slopes = forward(parameters, part.images)
    shares = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    return share(np.square((slopes * (1 - 10 * shares)[:, None]).sum(axis=2)), part.regions)


def share(sizes, regions):
    """Share inside; where nothing is relevant at all, a half."""
    return (((sizes * regions).sum(axis=1) + 1e-9) / (sizes.sum(axis=1) + 2e-9)).mean()


def check(one, parameters, sets):
    """Accuracies, shares and effects of one network in NumPy."""
    for name in ("train", "validation", "right", "clean", "misleading"):
        part = getattr(sets, name)
        outputs, _ = forward(parameters, part.images)
        assert float(one[f"accuracy_{name}"]) == pytest.approx((outputs.argmax(axis=1) == part.targets).mean())
    outputs, slopes = forward(parameters, sets.right.images)
    sizes = np.abs(sets.right.images * slopes[np.arange(len(outputs)), :, sets.right.targets])
    inside = (sizes * sets.right.regions).sum(axis=1)
    assert float(one.slope_inside) == pytest.approx(inside.mean(), rel=1e-3)
    assert float(one.inside_right) == pytest.approx(share(sizes, sets.right.regions), rel=1e-3)
    effects = []
    for part in (sets.outside, sets.inside):
        change = forward(parameters, part.images)[0] - outputs
        effects.append(np.abs(change - change.mean(axis=1, keepdims=True)).sum(axis=1).mean())
    assert float(one.other_inside) == pytest.approx(effects[1] / sum(effects), rel=1e-3)


@pytest.mark.parametrize("training", ["relevance_all_amount", "relevance_biases"])
def test_penalties_have_finite_gradients_where_nothing_is_relevant(training, networks, sets):
    network, state = of_nnx(networks[0])
    batch = on_device(patches.Patched(*(part[:3] for part in sets.train)))
    slope = jax.jit(jax.grad(lambda state: supervision.penalty(network, training, state, batch, jax.random.key(0))))
    for scale in (0.0, 1.0):
        scaled = jax.tree.map(lambda leaf, scale=scale: np.asarray(leaf) * np.float32(scale), state)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slope(scaled)))


def test_numbers_follow_from_the_stored_networks(run, sets, task):
    data = run.read("supervised")
    for training, strengths in {"plain": [0.0], "relevance_slope": [0.5, 2.0]}.items():
        stored = run.read(f"supervised_networks/{training}")
        assert stored.strength.values.tolist() == strengths
        for strength in strengths:
            for number in range(2):
                network = perceptron.from_dataset(stored.sel(strength=strength).isel(network=number))
                one = data.sel(training=training, strength=strength).isel(network=number)
                for name in ("misleading", "alone"):
                    said = perceptron.outputs(network, getattr(sets, name).images).argmax(axis=1)
                    right = (said == sets.right.targets).mean()
                    assert float(one[f"accuracy_{name}"]) == pytest.approx(right)
    heat, weights = run.read("heat"), run.read("network")
    images = heat.pixel.values.astype(float)[..., None]
    first = np.maximum(convolved(images, weights, "conv_1"), 0)
    pooled = first.reshape(len(images), 4, 2, 4, 2, -1).max(axis=(2, 4))
    values = np.maximum(convolved(pooled, weights, "conv_2"), 0).reshape(len(images), -1)
    for name in ("dense_1", "dense_2"):
        values = np.maximum(values, 0) @ weights[f"{name}.kernel"].values + weights[f"{name}.bias"].values
    np.testing.assert_allclose(values.max(axis=1), heat.output, rtol=1e-4)


def convolved(images, weights, name):
    """A 3 x 3 convolution with zeros around the images."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    return np.einsum("eijcyx,yxco->eijo", windows, weights[f"{name}.kernel"].values) + weights[f"{name}.bias"].values


def test_what_shows_gaming_follows_from_the_networks(run, sets):
    data, maps = run.read("supervised"), run.read("supervised_maps")
    network = perceptron.from_dataset(run.read("supervised_networks/relevance_slope").isel(strength=1, network=0))
    parameters = list(zip(network.kernels, network.biases, strict=True))
    one = data.sel(training="relevance_slope", strength=2.0).isel(network=0)
    images, targets = sets.right.images.astype(float), sets.right.targets
    outputs, slopes = forward(parameters, images)
    rows = np.arange(len(images))
    relevance = images * slopes[rows, :, targets]
    inside = (relevance * sets.right.regions).sum(axis=1)
    sizes = (np.abs(relevance) * sets.right.regions).sum(axis=1)
    assert float(one.cancelling) == pytest.approx(1 - np.abs(inside).mean() / sizes.mean(), rel=1e-3)
    change = outputs - forward(parameters, sets.clean.images.astype(float))[0]
    assert float(one.patch_right) == pytest.approx(change[rows, targets].mean(), rel=1e-3, abs=1e-4)
    others = (change.sum(axis=1) - change[rows, targets]).mean() / 9
    assert float(one.patch_others) == pytest.approx(-others, rel=1e-3, abs=1e-4)
    shown = maps.sel(training="relevance_slope", strength=2.0)
    np.testing.assert_allclose(shown.relevance.sel(map="slope").values.ravel(), relevance[0], rtol=1e-3, atol=1e-4)
    lost = [outputs[0] - forward(parameters, np.where(np.arange(144) == at, 0, images[:1]))[0][0] for at in range(144)]
    weights = np.where(np.arange(10) == targets[0], 1, -1 / 9)
    occluded = shown.relevance.sel(map="occlusion_margin").values.ravel()
    np.testing.assert_allclose(occluded, np.array(lost) @ weights, rtol=1e-3, atol=1e-4)


def test_examples_and_history_are_of_the_chosen_strength(run, sets):
    examples, history, data = (run.read(f"supervised{name}") for name in ("_examples", "_history", ""))
    assert list(examples.which.values) == ["training", "clean", "misleading", "region"]
    np.testing.assert_array_equal(examples.pixel.sel(which="training").values.ravel(), sets.train.images[0])
    np.testing.assert_array_equal(examples.pixel.sel(which="region").values.ravel(), sets.train.regions[0])
    assert np.isnan(examples.relevance.sel(which="region")).all()
    assert int(examples.told.sel(which="misleading")) != int(examples.target.sel(which="misleading"))
    for training in TRAININGS:
        chosen = data.sel(training=training, strength=float(data.chosen.sel(training=training)))
        last = history.sel(training=training, epoch=2)
        np.testing.assert_allclose(last.loss, chosen.loss.mean(), rtol=1e-5)
        np.testing.assert_allclose(last.accuracy_clean, chosen.accuracy_clean.mean(), rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(nodes=21), "nodes must be at most 20, got 21"),
        (dict(channels=(0, 4)), "channels must be at least 1, got 0"),
        (dict(strengths=()), r"strengths must have at least 1 item, got \(\)"),
        (dict(region=0), "region must be at least 1, got 0"),
        (dict(networks=-1), "networks must be at least 0, got -1"),
        (dict(supervised_examples=9), "supervised_examples must be at least 10, got 9"),
        (dict(seed=-1), "seed must be at least 0, got -1"),
    ],
)
def test_refused_settings(settings, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        relevance.run(Relevance(**settings), tmp_path / "run")
    assert not (tmp_path / "run").exists()
