"""The zoo's dense networks: activations, order of units, several readers and makers, tied and low-rank kernels."""

import jax.numpy as jnp
import numpy as np
from flax import nnx

from tests.sweeps.zoo import (
    ACTIVATIONS,
    dense,
    embed,
    gelu,
    layer_norm,
    linear,
    network,
    normal,
    parameter,
    plain,
    relu,
    rms_norm,
    sigmoid,
    weights,
    xp,
)

BATCH = normal(7, 3)


def chain(names, bias):
    """A network with a layer for each activation."""

    def body(s, x, gate):
        for name in names:
            x = gate(name, ACTIVATIONS[name](getattr(s, name)(x)))
        return s.o(x)

    layers = {name: linear(3, 3, use_bias=bias) for name in names}
    title = f"activations {'with' if bias else 'without'} biases"
    network(", ".join(f"{name} unit 3" for name in names), BATCH, title, **layers, o=linear(3, 2))(body)


chain(list(ACTIVATIONS)[::2], bias=True)
chain(list(ACTIVATIONS)[1::2], bias=False)


@plain("0 unit 5, 1 unit 4", BATCH, [weights(3, 5), weights(5, 4), weights(4, 2)])
def plain_pytree(p, x, gate):
    for i, layer in enumerate(p[:-1]):
        x = gate(str(i), relu(dense(layer, x)))
    return dense(p[-1], x)


# The order of units.


@network("a unit 5, b unit 4", BATCH, a=linear(3, 5), b=linear(5, 4), o=linear(4, 2))
def reversed_units(s, x, gate):
    return s.o(gate("b", relu(s.b(gate("a", relu(s.a(x)))[:, ::-1]))))


@network("a unit 5", BATCH, a=linear(3, 5), o=linear(5, 2))
def permuted_before_the_activation(s, x, gate):
    order = np.array([3, 1, 0, 2, 4])
    h = xp.tanh(s.a(x)[:, order])
    return s.o(gate("a", h[:, np.argsort(order)])[:, order] if gate else h)


@network("a unit 6, b unit 4", BATCH, a=linear(3, 6), b=linear(6, 4), o=linear(4, 2))
def units_shuffled_by_reshapes(s, x, gate):
    h = gate("a", relu(s.a(x))).reshape(-1, 2, 3).swapaxes(1, 2).reshape(-1, 6)
    return s.o(gate("b", relu(s.b(h))))


@network("a unit 6, b unit 4", BATCH, a=linear(3, 6), b=linear(3, 4), c=linear(3, 4), o=linear(4, 2))
def halves_read_by_two_layers(s, x, gate):
    h = gate("a", relu(s.a(x)))
    return s.o(gate("b", relu(s.b(h[:, :3]) + s.c(h[:, 3:]))))


@network("a unit 4, b unit 3", normal(3, 5, 3), a=linear(3, 4), b=linear(4, 3), o=linear(3, 2))
def mean_over_positions(s, x, gate):
    return s.o(gate("b", relu(s.b(gate("a", relu(s.a(x))).mean(1)))))


@network("a unit 4, b unit 3", normal(3, 5, 3), a=linear(3, 4), b=linear(20, 3), o=linear(3, 2))
def flattened_positions(s, x, gate):
    return s.o(gate("b", relu(s.b(gate("a", relu(s.a(x))).reshape(3, -1)))))


# Several readers.


@network("a unit 5, b unit 5", BATCH, a=linear(3, 5), b=linear(5, 5), o=linear(5, 2))
def skip(s, x, gate):
    h = gate("a", relu(s.a(x)))
    return s.o(h + gate("b", relu(s.b(h))))


@network("a unit 5, b unit 4, c unit 3", BATCH, a=linear(3, 5), b=linear(5, 4), c=linear(9, 3), o=linear(12, 2))
def dense_net(s, x, gate):
    h = gate("a", relu(s.a(x)))
    h = xp.concatenate([h, gate("b", relu(s.b(h)))], -1)
    return s.o(xp.concatenate([h, gate("c", relu(s.c(h)))], -1))


@network("a unit 5, b unit 4", BATCH, a=linear(3, 5), b=linear(5, 4), w=parameter(5, 4), o=linear(4, 2))
def raw_product_beside_a_layer(s, x, gate):
    h = gate("a", relu(s.a(x)))
    return s.o(gate("b", relu(s.b(h) + h @ s.w[...])))


@network("a unit 5, b unit 4", BATCH, a=linear(3, 5), b=linear(5, 4), w=parameter(5, 2), o=linear(4, 2))
def raw_reader(s, x, gate):
    h = gate("a", relu(s.a(x)))
    return s.o(gate("b", relu(s.b(h)))) + h @ s.w[...]


@network("a unit 5", BATCH, a=linear(3, 5), o=linear(5, 2))
def hidden_units_put_out_too(s, x, gate):
    h = gate("a", relu(s.a(x)))
    return {"features": h, "logits": s.o(h)}


@plain("a unit 5", BATCH, weights(a=(3, 5), unused=(5, 4), o=(5, 2)))
def unused_layer(p, x, gate):
    h = gate("a", relu(dense(p["a"], x)))
    relu(dense(p["unused"], h))
    return dense(p["o"], h)


# Several makers.


@plain("a unit 5, b unit 4", (normal(7, 3), normal(7, 2)), weights(a=(3, 5), s=(2, 5), b=(5, 4), o=(4, 2)))
def two_inputs_added(p, inputs, gate):
    h = gate("a", relu(dense(p["a"], inputs[0]) + dense(p["s"], inputs[1])))
    return dense(p["o"], gate("b", relu(dense(p["b"], h))))


@plain(
    "a unit 4, s unit 3, b unit 4",
    {"x": normal(7, 3), "y": normal(7, 2)},
    weights(a=(3, 4), s=(2, 3), b=(7, 4), o=(4, 2)),
)
def two_inputs_side_by_side(p, inputs, gate):
    h = [gate("a", relu(dense(p["a"], inputs["x"]))), gate("s", xp.tanh(dense(p["s"], inputs["y"])))]
    return dense(p["o"], gate("b", relu(dense(p["b"], xp.concatenate(h, -1)))))


def low_rank(s, x, gate):
    low = gate("a/lora_a", x @ s.a.lora_a)
    return s.o(gate("a", relu(s.a.base_module(x) + low @ s.a.lora_b)))


def lora_layer(rngs):
    return nnx.LoRA(3, 2, 5, base_module=linear(3, 5)(rngs), rngs=rngs, dtype=jnp.float64, param_dtype=jnp.float64)


@network("a unit 5", BATCH, "LoRA", reference=low_rank, asked="a/lora_a unit 2", a=lora_layer, o=linear(5, 2))
def lora(s, x, gate):
    return s.o(relu(s.a(x)))


@network("a unit 4", normal(7, 4), a=linear(4, 4), o=linear(4, 2))
def shared_layer(s, x, gate):
    return s.o(gate("a", relu(s.a(gate("a", relu(s.a(x)))))))


@plain("a unit 5, b unit 4", BATCH, weights(a=(3, 5), b=(5, 4), o=(4, 2)))
def linear_bottleneck(p, x, gate):
    return dense(p["o"], gate("b", dense(p["b"], gate("a", relu(dense(p["a"], x))))))


@plain("a%2Fb unit 5, a/b unit 4", BATCH, {"a/b": weights(3, 5), "a": {"b": weights(5, 4)}, "o": weights(4, 2)})
def two_layers_of_one_name(p, x, gate):
    h = gate("a%2Fb", relu(dense(p["a/b"], x)))
    return dense(p["o"], gate("a/b", relu(dense(p["a"]["b"], h))))


# Embeddings, and tied kernels.


@network("a unit 5", np.arange(6).reshape(2, 3), asked="e unit 4", e=embed(9, 4), a=linear(4, 5), o=linear(5, 2))
def bag_of_words(s, x, gate):
    return s.o(gate("a", relu(s.a(gate("e", s.e(x)).mean(1)))))


@network("a unit 5, b unit 4", np.arange(6).reshape(2, 3), e=embed(9, 4), a=linear(4, 5), b=linear(5, 4))
def tied_embedding(s, x, gate):
    h = gate("b", s.b(gate("a", relu(s.a(s.e(x))))))
    return s.e.attend(h) if isinstance(s, nnx.Module) else h @ s.e.embedding.T


@network("a unit 3", normal(7, 4), a=linear(4, 3))
def tied_autoencoder(s, x, gate):
    return gate("a", relu(s.a(x))) @ s.a.kernel[...].T


@network("a unit 3, a #2 unit 4", normal(7, 4), a=linear(4, 3), o=linear(4, 2))
def tied_autoencoder_and_a_layer(s, x, gate):
    return s.o(gate("a #2", xp.tanh(gate("a", relu(s.a(x))) @ s.a.kernel[...].T)))


# Other ways to write a layer.


@plain("a unit 5", BATCH, {"a": {"w": (5, 3), "b": (5,)}, "o": {"w": (2, 5), "b": (2,)}})
def own_layer_by_einsum(p, x, gate):
    def layer(p, x):
        return xp.einsum("oi,bi->bo", p["w"], x) + p["b"]

    return layer(p["o"], gate("a", relu(layer(p["a"], x))))


@plain("a unit 6", BATCH, {"a": {"kernel": (3, 2, 3), "bias": (2, 3)}, "o": {"kernel": (2, 3, 2)}})
def units_on_two_axes(p, x, gate):
    h = relu(xp.einsum("bi,ijk->bjk", x, p["a"]["kernel"]) + p["a"]["bias"])
    return xp.einsum("bjk,jko->bo", gate("a", h, (2, 3)), p["o"]["kernel"])


@plain("a unit 5", BATCH, {"a": {"v": (3, 5), "g": (5,)}, "o": weights(5, 2)})
def weight_norm(p, x, gate):
    v = p["a"]["v"]
    kernel = p["a"]["g"] * v / xp.sqrt((v**2).sum(0))
    return dense(p["o"], gate("a", relu(x @ kernel)))


@network("a unit 5, b unit 4", BATCH, a=linear(3, 5), n=layer_norm(5), b=linear(5, 4), k=rms_norm(4), o=linear(4, 2))
def normalised_over_units(s, x, gate):
    return s.o(gate("b", gelu(s.k(s.b(gate("a", relu(s.n(s.a(x)))))))))


@network("a unit 5", BATCH, n=layer_norm(3), a=linear(3, 5), d=lambda rngs: nnx.Dropout(0.5, rngs=rngs), o=linear(5, 2))
def dropout_off(s, x, gate):
    return s.o(gate("a", s.d(sigmoid(s.a(s.n(x))))))
