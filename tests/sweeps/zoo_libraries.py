"""The zoo's networks of other libraries: Equinox, Haiku and Keras, where they are installed (the extra ``zoo``)."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.sweeps.zoo import add, attention, convolution, dense, normal, random_like, relu, sigmoid

BATCH, IMAGES, SERIES = normal(7, 3), normal(2, 6, 6, 2), normal(2, 5, 3)
ZEROS = np.zeros((2, 4))


def library(name):
    """A library, or the test is skipped."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    found = pytest.importorskip(name)
    if name == "keras" and found.backend.backend() != "jax":
        pytest.skip("Keras was imported with another backend")
    return found


def sequential(x, layers):
    """The last values of a recurrence: step(hidden, inputs) -> hidden."""
    h = ZEROS
    for t in range(x.shape[1]):
        h = layers(h, x[:, t])
    return h


# Equinox: kernels (outputs, inputs), one example at a time.


def equinox(nodes, inputs, **more):
    """Put a model into the zoo: body(equinox, key) -> module; reference(arrays, inputs, gate)."""

    def register(body, reference):
        def build():
            eqx = library("equinox")
            model = eqx.filter_eval_shape(lambda: body(eqx, jax.random.key(0)))
            arrays, rest = eqx.partition(model, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))
            arrays = random_like(arrays)
            return (
                lambda arrays, x: jax.vmap(eqx.combine(arrays, rest))(x),
                arrays,
                inputs,
                lambda gates: reference(arrays, inputs, gates),
            )

        add(body.__name__.replace("_", " "), build, nodes, **more)

    return register


def of(layer, x):
    """A dense layer of Equinox."""
    return x @ layer.weight.T + (0 if layer.bias is None else layer.bias)


def equinox_convolution(eqx, key):
    """A convolution, channels first, and dense layers."""

    class Net(eqx.Module):
        a: eqx.nn.Conv2d
        b: eqx.nn.Linear
        o: eqx.nn.Linear

        def __call__(self, x):
            h = jax.nn.relu(self.a(x.transpose(2, 0, 1)))
            return self.o(jnp.tanh(self.b(h.reshape(-1))))

    return Net(eqx.nn.Conv2d(2, 4, 3, key=key), eqx.nn.Linear(64, 5, key=key), eqx.nn.Linear(5, 2, key=key))


def convolution_by_hand(p, x, gate):
    """The same in NumPy."""
    h = convolution(x, p.a.weight.transpose(2, 3, 1, 0), padding="VALID") + p.a.bias.ravel()
    h = gate("a", relu(h)).transpose(0, 3, 1, 2).reshape(2, -1)
    return of(p.o, gate("b", np.tanh(of(p.b, h))))


equinox("a channel 4, b unit 5", IMAGES)(equinox_convolution, convolution_by_hand)


def equinox_perceptron(eqx, key):
    """Two hidden layers."""
    return eqx.nn.MLP(3, 2, 4, 2, activation=jnp.tanh, key=key)


def perceptron_by_hand(p, x, gate):
    """The same in NumPy."""
    for i, layer in enumerate(p.layers[:-1]):
        x = gate(f"layers/{i}", np.tanh(of(layer, x)))
    return of(p.layers[-1], x)


equinox("layers/0 unit 4, layers/1 unit 4", BATCH)(equinox_perceptron, perceptron_by_hand)


def equinox_gru(eqx, key):
    """A gated recurrent unit in a scan."""

    class Net(eqx.Module):
        cell: eqx.nn.GRUCell
        o: eqx.nn.Linear

        def __call__(self, x):
            return self.o(jax.lax.scan(lambda h, z: (self.cell(z, h), None), jnp.zeros(4), x)[0])

    return Net(eqx.nn.GRUCell(3, 4, key=key), eqx.nn.Linear(4, 2, key=key))


def gru_by_hand(p, x, gate):
    """The same in NumPy."""
    cell = p.cell

    def step(h, x):
        xs, hs = np.split(x @ cell.weight_ih.T + cell.bias, 3, -1), np.split(h @ cell.weight_hh.T, 3, -1)
        r, z = sigmoid(xs[0] + hs[0]), sigmoid(xs[1] + hs[1])
        n = np.tanh(xs[2] + r * (hs[2] + cell.bias_n))
        return gate("cell", n + z * (h - n))

    return of(p.o, sequential(x, step))


equinox("cell unit 4", SERIES)(equinox_gru, gru_by_hand)


def equinox_attention(eqx, key):
    """Attention of two heads."""

    class Net(eqx.Module):
        attention: eqx.nn.MultiheadAttention
        o: eqx.nn.Linear

        def __call__(self, x):
            return jax.vmap(self.o)(x + self.attention(x, x, x))

    return Net(eqx.nn.MultiheadAttention(2, 4, key=key), eqx.nn.Linear(4, 2, key=key))


def attention_by_hand(p, x, gate):
    """The same in NumPy."""
    a = p.attention
    q, k, v = (of(one, x).reshape(2, 5, 2, 2) for one in (a.query_proj, a.key_proj, a.value_proj))
    h = gate("attention", attention(q, k, v), (2, 1)).reshape(2, 5, 4)
    return of(p.o, x + gate("attention/output_proj", of(a.output_proj, h)))


equinox("attention head 2", normal(2, 5, 4), asked="attention/output_proj unit 4")(equinox_attention, attention_by_hand)


# Haiku: parameters by module and name.


def haiku(nodes, inputs, **more):
    """Put a function of haiku and inputs into the zoo; reference(parameters, inputs, gate)."""

    def register(body, reference):
        def build():
            hk = library("haiku")
            pure = hk.without_apply_rng(hk.transform(lambda x: body(hk, x)))
            params = random_like(jax.eval_shape(pure.init, jax.random.key(0), inputs))
            return pure.apply, params, inputs, lambda gates: reference(params, inputs, gates)

        add(body.__name__.replace("_", " "), build, nodes, **more)

    return register


def haiku_perceptron(hk, x):
    """Two hidden layers."""
    return hk.nets.MLP([5, 4, 2], activation=jnp.tanh)(x)


def haiku_perceptron_by_hand(p, x, gate):
    """The same in NumPy."""
    for i in range(3):
        layer = p[f"mlp/~/linear_{i}"]
        x = x @ layer["w"] + layer["b"]
        x = gate(f"mlp/~/linear_{i}", np.tanh(x)) if i < 2 else x
    return x


haiku("mlp/~/linear_0 unit 5, mlp/~/linear_1 unit 4", BATCH)(haiku_perceptron, haiku_perceptron_by_hand)


def haiku_lstm(hk, x):
    """Long short-term memory, and a dense layer on its last values."""
    core = hk.LSTM(4)
    found, _ = hk.dynamic_unroll(core, x, core.initial_state(2), time_major=False)
    return hk.Linear(2, name="o")(found[:, -1])


def haiku_lstm_by_hand(p, x, gate):
    """The same in NumPy."""
    core, c, h = p["lstm/linear"], ZEROS, ZEROS
    for t in range(5):
        i, g, f, o = np.split(np.concatenate([x[:, t], h], -1) @ core["w"] + core["b"], 4, -1)
        c = sigmoid(f + 1) * c + sigmoid(i) * np.tanh(g)
        h = gate("lstm/linear", sigmoid(o) * np.tanh(c))
    return h @ p["o"]["w"] + p["o"]["b"]


haiku("lstm/linear unit 4", SERIES)(haiku_lstm, haiku_lstm_by_hand)


def haiku_convolution(hk, x):
    """A convolution, normalised, and a dense layer."""
    x = hk.LayerNorm(-1, True, True, name="n")(hk.Conv2D(4, 3, name="a")(x))
    return hk.Linear(2, name="o")(jax.nn.relu(x).mean((1, 2)))


def haiku_convolution_by_hand(p, x, gate):
    """The same in NumPy."""
    h = convolution(x, p["a"]["w"]) + p["a"]["b"]
    h = (h - h.mean(-1, keepdims=True)) / np.sqrt(h.var(-1, keepdims=True) + 1e-5)
    h = gate("a", relu(h * p["n"]["scale"] + p["n"]["offset"])).mean((1, 2))
    return h @ p["o"]["w"] + p["o"]["b"]


haiku("a channel 4", IMAGES)(haiku_convolution, haiku_convolution_by_hand)


# Keras on JAX, which computes in single precision whatever it is told: parameters by path, such as "a/kernel".


def keras(nodes, inputs, **more):
    """Put a function of keras and a symbolic input into the zoo; reference(layers, inputs, gate)."""

    def register(body, reference):
        def build():
            ks = library("keras")
            symbol = ks.Input(inputs.shape[1:])
            model = ks.Model(symbol, body(ks.layers, symbol))
            variables = [model.trainable_variables, model.non_trainable_variables]
            shapes = {v.path: jax.ShapeDtypeStruct(v.shape, np.float32) for v in sum(variables, [])}
            params = random_like(shapes, np.float32)
            layers: dict = {}
            for path, value in params.items():
                layer, _, name = path.rpartition("/")
                layers.setdefault(layer, {})[name] = value

            def apply(params, x):
                return model.stateless_call(*[[params[v.path] for v in group] for group in variables], x)[0]

            return apply, params, inputs, lambda gates: reference(layers, inputs, gates)

        add(body.__name__.replace("_", " "), build, nodes, tolerance=3e-6, **more)

    return register


def keras_perceptron(layers, x):
    """Two hidden layers, with dropout off."""
    x = layers.Dense(5, "relu", name="a")(x)
    x = layers.Dense(4, "tanh", name="b")(layers.Dropout(0.5)(x))
    return layers.Dense(2, name="o")(x)


def keras_perceptron_by_hand(p, x, gate):
    """The same in NumPy."""
    h = gate("a", relu(dense(p["a"], x)))
    return dense(p["o"], gate("b", np.tanh(dense(p["b"], h))))


keras("a unit 5, b unit 4", BATCH)(keras_perceptron, keras_perceptron_by_hand)


def keras_convolution(layers, x):
    """A convolution, normalised and pooled, and a dense layer."""
    x = layers.Conv2D(4, 3, padding="same", name="a")(x)
    x = layers.ReLU()(layers.BatchNormalization(name="n")(x))
    return layers.Dense(2, name="o")(layers.GlobalAveragePooling2D()(x))


def keras_convolution_by_hand(p, x, gate):
    """The same in NumPy."""
    n = p["n"]
    h = convolution(x, p["a"]["kernel"]) + p["a"]["bias"]
    h = (h - n["moving_mean"]) / np.sqrt(n["moving_variance"] + 1e-3) * n["gamma"] + n["beta"]
    return dense(p["o"], gate("a", relu(h)).mean((1, 2)))


keras("a channel 4", IMAGES)(keras_convolution, keras_convolution_by_hand)


def keras_gru(layers, x):
    """A gated recurrent unit, and a dense layer on its last values."""
    return layers.Dense(2, name="o")(layers.GRU(4, name="r")(x))


def keras_gru_by_hand(p, x, gate):
    """The same in NumPy."""
    cell = p["r/gru_cell"]

    def step(h, x):
        xs = np.split(x @ cell["kernel"] + cell["bias"][0], 3, -1)
        hs = np.split(h @ cell["recurrent_kernel"] + cell["bias"][1], 3, -1)
        z, r = sigmoid(xs[0] + hs[0]), sigmoid(xs[1] + hs[1])
        return gate("r/gru_cell", z * h + (1 - z) * np.tanh(xs[2] + r * hs[2]))

    return dense(p["o"], sequential(x, step))


keras("r/gru_cell unit 4", SERIES)(keras_gru, keras_gru_by_hand)


def keras_attention(layers, x):
    """Attention of two heads, added to what it reads."""
    h = layers.MultiHeadAttention(2, 3, name="attention")(x, x)
    h = layers.Add()([x, h])
    return layers.Dense(2, name="o")(h)


def keras_attention_by_hand(p, x, gate):
    """The same in NumPy."""
    names = [f"attention/{name}" for name in ("query", "key", "value")]
    q, k, v = (np.einsum("btd,dhw->bthw", x, p[n]["kernel"]) + p[n]["bias"] for n in names)
    h, out = gate("attention", attention(q, k, v), (2, 1)), p["attention/attention_output"]
    h = np.einsum("bthw,hwd->btd", h, out["kernel"]) + out["bias"]
    return dense(p["o"], x + gate("attention/attention_output", h))


keras("attention head 2", SERIES, asked="attention/attention_output unit 3")(keras_attention, keras_attention_by_hand)
