"""Networks of the zoo, by library: the code of a user, and the nodes that a person lists."""

import importlib
import os
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import numpy as np

import sweeps

# Double precision: surgery and differences agree to many digits, and steps are too short for bends of ReLUs.
jax.config.update("jax_enable_x64", True)
# Float32 throughout where a network says so: a GPU would multiply in TF32.
jax.config.update("jax_default_matmul_precision", "highest")


class Wanted(NamedTuple):
    """A site as a person lists it from the network's source.

    Attributes
    ----------
    path, kind : of the site
    zeroed : parameters that are zeroed to switch a node off, each with the axis of the nodes: "a/kernel:1 a/bias:0"
    nodes : how many, where it is not the length of that axis
    """

    path: str
    kind: str
    zeroed: str
    nodes: int | None = None


class Case(NamedTuple):
    """A network with its expected sites.

    Attributes
    ----------
    params : with every bias and scale of its own
    batch : inputs, targets, and a mask if there is one
    snippet : (params, batch) -> objective, what a user writes
    wanted : the sites that are to be gated by default
    apply : (params, inputs) -> outputs, where the objective's network is no such function
    """

    params: Any
    batch: tuple
    snippet: Callable
    wanted: list[Wanted]
    apply: Callable | None = None


class NotRun(Exception):
    """A library is missing, or does not work with this JAX."""


def library(name: str) -> Any:
    """Import a module, or say why it cannot be."""
    try:
        return importlib.import_module(name)
    except Exception as error:  # What an old library does when it is imported may fail in any way.
        raise NotRun(f"import {name}: {type(error).__name__}: {error}") from error


# What the networks are given.


def normal(*shape: int, seed: str = "inputs") -> jax.Array:
    """Random numbers, the same ones for the same seed."""
    return jnp.asarray(np.random.default_rng(zlib.crc32(seed.encode())).normal(size=shape))


def whole(highest: int, *shape: int) -> jax.Array:
    """Random whole numbers."""
    return jnp.asarray(np.random.default_rng(highest).integers(0, highest, shape), jnp.int32)


def by_path(tree: Any) -> list[tuple[str, Any]]:
    """Leaves of a tree, with their paths."""
    return [
        (jax.tree_util.keystr(path, simple=True, separator="/"), leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    ]


def jittered(params: Any, gain: float = 1, dtype: Any = jnp.float64) -> Any:
    """Parameters with random numbers added to biases and scales, which start as zeros and ones.

    Parameters
    ----------
    params : a tree; what is no array of floats stays as it is
    gain : of all kernels, so that activations neither vanish nor explode
    dtype : of all floats
    """

    def of(path: str, leaf: Any) -> Any:
        if not (hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating)):
            return leaf
        changed = gain * leaf if max(leaf.shape) < leaf.size else leaf + 0.2 * normal(*leaf.shape, seed=path)
        return changed.astype(dtype)

    return jax.tree.unflatten(jax.tree.structure(params), [of(*one) for one in by_path(params)])


# The networks.


def bert() -> Case:
    """Hugging Face: FlaxBertModule, two layers; tokens, mask, token types and positions are given."""
    transformers, models = library("transformers"), library("transformers.models.bert.modeling_flax_bert")
    sizes = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48)
    module = models.FlaxBertModule(
        transformers.BertConfig(vocab_size=50, max_position_embeddings=16, **sizes), jnp.float64
    )
    tokens, positions = whole(50, 4, 7), jnp.broadcast_to(jnp.arange(7), (4, 7))
    inputs = dict(ids=tokens, mask=positions < jnp.array([[7], [5], [6], [3]]), types=tokens % 2, positions=positions)

    def snippet(variables: Any, batch: Any) -> sweeps.Objective:
        def call(apply: Callable, x: Any) -> jax.Array:
            return apply(x["ids"], x["mask"], x["types"], x["positions"], None).pooler_output

        return sweeps.Objective(module, batch, variables=variables, call=call)

    def wanted() -> Iterator[Wanted]:
        for layer in ("encoder/layer/0", "encoder/layer/1"):
            yield Wanted(f"{layer}/attention/self", "head", f"params/{layer}/attention/output/dense/kernel:0", 4)
            made = f"params/{layer}/intermediate/dense"
            yield Wanted(f"{layer}/intermediate/dense", "unit", f"{made}/kernel:1 {made}/bias:0")

    variables = jittered(module.init(jax.random.key(0), *inputs.values(), None), gain=5)
    batch = inputs, normal(4, 32, seed="targets")

    def apply(variables: Any, x: Any) -> jax.Array:
        return module.apply(variables, *(x[name] for name in inputs), None).pooler_output

    return Case(variables, batch, snippet, list(wanted()), apply)


def gpt2() -> Case:
    """Hugging Face: FlaxGPT2LMHeadModel, two layers, called as a user calls it; it predicts the next token."""
    transformers = library("transformers")
    config = transformers.GPT2Config(vocab_size=50, n_positions=16, n_embd=32, n_layer=2, n_head=4)
    model = transformers.FlaxGPT2LMHeadModel(config, dtype=jnp.float64)
    tokens = whole(50, 4, 8)

    def snippet(params: Any, batch: Any) -> sweeps.Objective:
        return sweeps.Objective(lambda params, ids: model(ids, params=params).logits, batch, params=params)

    def wanted() -> Iterator[Wanted]:
        for layer in ("transformer/h/0", "transformer/h/1"):
            # Kernels are (outputs, inputs) here.
            yield Wanted(f"{layer}/attn/c_attn", "head", f"{layer}/attn/c_proj/kernel:1", 4)
            yield Wanted(f"{layer}/mlp/c_fc", "unit", f"{layer}/mlp/c_fc/kernel:0 {layer}/mlp/c_fc/bias:0")

    batch = tokens[:, :-1], tokens[:, 1:]
    return Case(jittered(model.params, gain=5), batch, snippet, list(wanted()))


def resnet18() -> Case:
    """flaxmodels: ResNet18, in evaluation; a block's shortcut and second convolution share their channels."""
    # Its normalisation computes in single precision whatever it is told.
    module = library("flaxmodels").ResNet18(output="logits", pretrained=None, num_classes=10)
    images = normal(2, 32, 32, 3).astype(jnp.float32)

    def snippet(variables: Any, batch: Any) -> sweeps.Objective:
        return sweeps.Objective(module, batch, variables=variables, call=lambda apply, x: apply(x, train=False))

    def normalised(path: str, *numbers: int, prefix: str = "") -> Wanted:
        names = [f"params/{prefix}BatchNorm_{number}/{name}:0" for number in numbers for name in ("scale", "bias")]
        return Wanted(path, "channel", " ".join(names))

    wanted = [normalised("Conv_0", 0)]
    for block in range(8):
        path = f"BasicBlock_{block}"
        wanted.append(normalised(f"{path}/Conv_0", 0, prefix=f"{path}/"))
        if block in (2, 4, 6):
            wanted.append(normalised(path, 1, 2, prefix=f"{path}/"))
    variables = jax.jit(module.init, static_argnames="train")(jax.random.key(0), images, train=False)
    variables = {**variables, "params": jittered(variables["params"], dtype=jnp.float32)}
    batch = images, whole(10, 2)
    return Case(variables, batch, snippet, wanted, lambda variables, x: module.apply(variables, x, train=False))


def graph_convolution() -> Case:
    """jraph: the graph convolutions of its example on Zachary's karate club, on a random graph of as many members."""
    hk, jraph = library("haiku"), library("jraph")

    # As in jraph/examples/zacharys_karate_club.py (Apache License 2.0).
    def network_definition(graph: Any) -> jax.Array:
        gn = jraph.GraphConvolution(update_node_fn=hk.Linear(5, with_bias=False), add_self_edges=True)
        graph = gn(graph)
        graph = graph._replace(nodes=jax.nn.relu(graph.nodes))
        gn = jraph.GraphConvolution(update_node_fn=hk.Linear(2, with_bias=False))
        graph = gn(graph)
        return graph.nodes

    network = hk.without_apply_rng(hk.transform(network_definition))
    ends, sizes = whole(34, 2, 78), (jnp.array([34]), jnp.array([156]))
    senders, receivers = jnp.concatenate([ends, ends[::-1]], 1)
    graph = jraph.GraphsTuple(jnp.eye(34), None, receivers, senders, None, *sizes)

    def snippet(params: Any, batch: Any) -> sweeps.Objective:
        return sweeps.Objective(
            lambda params, members: network.apply(params, graph._replace(nodes=members)), batch, params=params
        )

    # The only assignments that are known a priori are those of the first and the last member.
    known = jnp.isin(jnp.arange(34), jnp.array([0, 33]))
    batch = graph.nodes, jnp.where(jnp.arange(34) < 17, 0, 1), known
    params = jittered(network.init(jax.random.key(42), graph))
    return Case(params, batch, snippet, [Wanted("linear", "unit", "linear_1/w:0")])


def equinox_cnn() -> Case:
    """Equinox: the convolutional network of its example on MNIST, whose sigmoid of zero is not zero."""
    eqx = library("equinox")

    # As in docs/examples/mnist.ipynb (Apache License 2.0).
    class CNN(eqx.Module):
        layers: list

        def __init__(self, key: Any):
            key1, key2, key3, key4 = jax.random.split(key, 4)
            self.layers = [
                eqx.nn.Conv2d(1, 3, kernel_size=4, key=key1),
                eqx.nn.MaxPool2d(kernel_size=2),
                jax.nn.relu,
                jnp.ravel,
                eqx.nn.Linear(1728, 512, key=key2),
                jax.nn.sigmoid,
                eqx.nn.Linear(512, 64, key=key3),
                jax.nn.relu,
                eqx.nn.Linear(64, 10, key=key4),
                jax.nn.log_softmax,
            ]

        def __call__(self, x: Any) -> Any:
            for layer in self.layers:
                x = layer(x)
            return x

    model = jittered(CNN(jax.random.PRNGKey(5678)))

    def snippet(_: Any, batch: Any) -> sweeps.Objective:
        params, static = eqx.partition(model, eqx.is_array)
        return sweeps.Objective(lambda params, x: jax.vmap(eqx.combine(params, static))(x), batch, params=params)

    wanted = [
        Wanted("layers/0", "channel", "layers/0/weight:0 layers/0/bias:0"),
        Wanted("layers/4", "unit", "layers/6/weight:1"),
        Wanted("layers/6", "unit", "layers/6/weight:0 layers/6/bias:0"),
    ]
    batch = normal(8, 1, 28, 28), whole(10, 8)
    return Case(eqx.filter(model, eqx.is_array), batch, snippet, wanted)


def haiku_mobilenet() -> Case:
    """Haiku: MobileNetV1 of its nets, in evaluation, with state beside the parameters."""
    hk = library("haiku")
    network = hk.transform_with_state(lambda x, train: hk.nets.MobileNetV1(num_classes=10)(x, is_training=train))
    images = normal(2, 32, 32, 3)

    def snippet(params: Any, batch: Any) -> sweeps.Objective:
        def apply(tree: Any, x: Any) -> jax.Array:
            return network.apply(tree["params"], tree["state"], None, x, False)[0]

        return sweeps.Objective(apply, batch, params=params)

    def normalised(path: str, scale: str) -> Wanted:
        return Wanted(path, "channel", f"params/{scale}/scale:3 params/{scale}/offset:3")

    wanted = [normalised("mobile_net_v1/conv2_d", "mobile_net_v1/batch_norm")]
    for number in range(13):
        block = "mobile_net_v1/mobile_net_v1_block" + (f"_{number}" if number else "")
        wanted.append(normalised(f"{block}/depthwise_conv", f"{block}/batch_norm"))
        wanted.append(normalised(f"{block}/pointwise_conv", f"{block}/batch_norm_1"))
    params, state = jax.jit(network.init, static_argnums=2)(jax.random.key(0), images, True)
    # Mean zero and variance one, as there are too few images for statistics.
    state = {path: jax.tree.map(jnp.ones_like if "var" in path else jnp.zeros_like, one) for path, one in state.items()}
    return Case(dict(params=jittered(params, gain=1.4), state=state), (images, whole(10, 2)), snippet, wanted)


def keras_mobilenet() -> Case:
    """Keras on JAX: MobileNetV3Small of its applications: squeeze and excitation, hard swish, residual blocks."""
    keras = library("keras")
    if keras.backend.backend() != "jax":
        raise NotRun(f"Keras runs on {keras.backend.backend()}, not on JAX")
    options = dict(weights=None, classes=10, classifier_activation=None, include_preprocessing=False)
    model = keras.applications.MobileNetV3Small((32, 32, 3), **options)

    def snippet(params: Any, batch: Any) -> sweeps.Objective:
        def apply(params: Any, x: Any) -> jax.Array:
            groups = model.trainable_variables, model.non_trainable_variables
            return model.stateless_call(*([params[v.path] for v in group] for group in groups), x)[0]

        return sweeps.Objective(apply, batch, params=params)

    def normalised(path: str) -> Wanted:
        return Wanted(path, "channel", f"{path}_bn/gamma:0 {path}_bn/beta:0")

    wanted = [normalised("conv"), normalised("conv_1"), Wanted("conv_2", "channel", "conv_2/kernel:3 conv_2/bias:0")]
    for number in range(11):
        block = "expanded_conv" + (f"_{number}" if number else "")
        wanted += [normalised(f"{block}_{name}") for name in ("expand", "depthwise") if number or name != "expand"]
        if number not in (1, 2):
            squeeze = f"{block}_squeeze_excite_conv"
            wanted.append(Wanted(squeeze, "channel", f"{squeeze}/kernel:3 {squeeze}/bias:0"))
            wanted.append(Wanted(f"{squeeze}_1", "channel", f"{block}_project/kernel:2"))
    # Later blocks add what they make to a residual stream.
    wanted.append(normalised("expanded_conv_project"))
    trained = jittered({v.path: v.value for v in model.trainable_variables}, dtype=jnp.float32)
    for variable in model.trainable_variables:
        variable.assign(trained[variable.path])
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    images = normal(4, 32, 32, 3).astype(jnp.float32)
    model(images, training=True)  # so that running statistics are those of the images
    params = {v.path: v.value for v in model.variables}
    return Case(params, (images, whole(10, 4)), snippet, wanted)


NETWORKS = dict(
    bert=bert,
    gpt2=gpt2,
    resnet18=resnet18,
    graph_convolution=graph_convolution,
    equinox_cnn=equinox_cnn,
    haiku_mobilenet=haiku_mobilenet,
    keras_mobilenet=keras_mobilenet,
)
