"""The zoo's recurrent networks: cells of both libraries, fused kernels, loops of every kind."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen, nnx

from tests.sweeps.zoo import (
    dense,
    linear,
    linen_network,
    network,
    normal,
    plain,
    sigmoid,
    sized,
    weights,
    xp,
)

SERIES = normal(2, 5, 3)
ZEROS = np.zeros((2, 4))


# One step of each cell in NumPy: (layers by name, memory, hidden values, inputs) -> memory, hidden values.


def layer(p, name):
    """A dense layer with a bias or without, of either library."""
    one = p[name]
    p = getattr(one, "parts", one)
    return lambda x: x @ p["kernel"] + p.get("bias", 0)


def simple(p, c, h, x):
    """Elman's cell."""
    return c, np.tanh(layer(p, "i")(x) + layer(p, "h")(h))


def of_nnx_simple(p, c, h, x):
    """Elman's cell, as flax.nnx names its layers."""
    return c, np.tanh(layer(p, "dense_i")(x) + layer(p, "dense_h")(h))


def lstm(p, c, h, x, names=("i", "f", "g", "o")):
    """Long short-term memory with a layer for each gate."""
    i, f, g, o = (layer(p, "if_" if n == "f" and "if_" in p else "i" + n)(x) + layer(p, "h" + n)(h) for n in names)
    return lstm_step(c, i, f, g, o)


def lstm_step(c, i, f, g, o):
    """The next memory and hidden values."""
    c = sigmoid(f) * c + sigmoid(i) * xp.tanh(g)
    return c, sigmoid(o) * xp.tanh(c)


def fused_lstm(p, c, h, x):
    """Long short-term memory with fused kernels."""
    return lstm_step(c, *np.split(layer(p, "dense_i")(x) + layer(p, "dense_h")(h), 4, -1))


def gru_step(h, xs, hs):
    """The next hidden values of a gated recurrent unit, by what comes from inputs and hidden values."""
    r, z = sigmoid(xs[0] + hs[0]), sigmoid(xs[1] + hs[1])
    return (1 - z) * xp.tanh(xs[2] + r * hs[2]) + z * h


def fused_gru(p, c, h, x):
    """A gated recurrent unit with fused kernels."""
    return c, gru_step(h, *(np.split(a, 3, -1) for a in (layer(p, "dense_i")(x), layer(p, "dense_h")(h))))


def gru(p, c, h, x):
    """A gated recurrent unit with a layer for each gate."""
    return c, gru_step(h, [layer(p, "i" + n)(x) for n in "rzn"], [layer(p, "h" + n)(h) for n in "rzn"])


def minimal(p, c, h, x):
    """A minimal gated unit."""
    f = sigmoid(layer(p, "if")(x) + layer(p, "hf")(h))
    return c, (1 - f) * np.tanh(layer(p, "in")(x) + f * layer(p, "hn")(h)) + f * h


def steps(cell, p, x, gate, path, c=ZEROS, h=ZEROS):
    """Hidden values at every step, gated there: (batch, steps, units)."""
    found = []
    for t in range(x.shape[1]):
        c, h = cell(p, c, h, x[:, t])
        h = gate(path, h)
        found.append(h)
    return np.stack(found, 1)


NNX = {
    nnx.SimpleCell: of_nnx_simple,
    nnx.LSTMCell: lstm,
    nnx.OptimizedLSTMCell: fused_lstm,
    nnx.GRUCell: fused_gru,
}


def recurrent(kind, size=3):
    """A cell in its loop."""
    return lambda rngs: nnx.RNN(sized(kind)(size, 4)(rngs), rngs=rngs)


def run(s, x, gate, path):
    """The hidden values of nnx.RNN, or of its twin."""
    if isinstance(s, nnx.Module):
        return s(x)
    return steps(NNX[type(s.layer.cell)], s.cell.parts, x, gate, path + "/cell")


def in_nnx(kind, last):
    def body(s, x, gate):
        h = run(s.r, x, gate, "r")
        return s.o(h[:, -1] if last else h)

    name = f"{kind.__name__} of nnx, {'last step' if last else 'all steps'}"
    network("r/cell unit 4", SERIES, name, r=recurrent(kind), o=linear(4, 2))(body)


for kind in NNX:
    in_nnx(kind, last=True)
for kind in (nnx.OptimizedLSTMCell, nnx.GRUCell):
    in_nnx(kind, last=False)


@network(
    "r/cell unit 4, s/cell unit 4",
    SERIES,
    r=recurrent(nnx.OptimizedLSTMCell),
    s=recurrent(nnx.LSTMCell, 4),
    o=linear(4, 2),
)
def two_lstms(s, x, gate):
    return s.o(run(s.s, run(s.r, x, gate, "r"), gate, "s")[:, -1])


@network("r/cell unit 4, s/cell unit 4", SERIES, r=recurrent(nnx.GRUCell), s=recurrent(nnx.SimpleCell), o=linear(8, 2))
def both_directions(s, x, gate):
    back = run(s.s, x[:, ::-1], gate, "s")[:, ::-1]
    return s.o(xp.concatenate([run(s.r, x, gate, "r"), back], -1))


# Cells of flax.linen.


def in_linen(kind, step):
    class Recurrent(linen.Module):
        @linen.compact
        def __call__(self, x):
            h = linen.RNN(kind(4, dtype=jnp.float64, param_dtype=jnp.float64), name="r")(x)
            return linen.Dense(2, name="o", dtype=jnp.float64)(h[:, -1])

    path = f"{kind.__name__}_0"

    def body(variables, x, gate):
        p = variables["params"]
        return dense(p["o"], steps(step, p[path], x, gate, path)[:, -1])

    linen_network(f"{path} unit 4", SERIES, Recurrent, f"{kind.__name__} of linen")(body)


for kind, step in (
    (linen.SimpleCell, simple),
    (linen.LSTMCell, lstm),
    (linen.OptimizedLSTMCell, lstm),
    (linen.GRUCell, gru),
    (linen.MGUCell, minimal),
):
    in_linen(kind, step)


# Cells by hand, in every kind of loop.


def scanned(step, carry, x, **more):
    """Carry and outputs of steps along the second axis, by a scan or in NumPy."""
    if not isinstance(x, np.ndarray):
        carry, out = jax.lax.scan(step, carry, x.swapaxes(0, 1), **more)
        return carry, out.swapaxes(0, 1)
    found, times = [], range(x.shape[1])
    for t in reversed(times) if more.get("reverse") else times:
        carry, out = step(carry, x[:, t])
        found.append(out)
    return carry, np.stack(found[::-1] if more.get("reverse") else found, 1)


@plain("cell unit 4", SERIES, {"cell": {"w": (3, 16), "u": (4, 16), "b": (16,)}, "o": weights(4, 2)})
def lstm_by_hand(p, x, gate):
    def step(carry, x):
        c, h = carry
        z = x @ p["cell"]["w"] + h @ p["cell"]["u"] + p["cell"]["b"]
        c, h = lstm_step(c, *xp.split(z, 4, -1))
        h = gate("cell", h)
        return (c, h), h

    return dense(p["o"], scanned(step, (ZEROS, ZEROS), x)[1].mean(1))


@plain("a unit 4", SERIES, {"a": weights(3, 4), "u": (4, 4), "o": weights(4, 2)})
def product_with_the_inputs_before_the_loop(p, x, gate):
    def step(h, z):
        h = gate("a", xp.tanh(z + h @ p["u"]))
        return h, h

    return dense(p["o"], scanned(step, ZEROS, dense(p["a"], x), reverse=True)[1].mean(1))


@plain("cell unit 4", normal(2, 3, 3), {"cell": {"w": (3, 4), "u": (4, 4)}, "o": weights(4, 2)})
def unrolled_by_python(p, x, gate):
    h = gate("cell", xp.tanh(x[:, 0] @ p["cell"]["w"]))
    for t in (1, 2):
        h = gate("cell", xp.tanh(x[:, t] @ p["cell"]["w"] + h @ p["cell"]["u"]))
    return dense(p["o"], h)


@plain("cell unit 4", SERIES, {"cell": {"w": (3, 4), "u": (4, 4)}, "o": weights(4, 2)})
def fori_loop(p, x, gate):
    def step(t, h):
        z = x[:, t] if isinstance(x, np.ndarray) else jax.lax.dynamic_index_in_dim(x, t, 1, keepdims=False)
        return gate("cell", xp.tanh(z @ p["cell"]["w"] + h @ p["cell"]["u"]))

    if not isinstance(x, np.ndarray):
        return dense(p["o"], jax.lax.fori_loop(0, 5, step, ZEROS))
    h = ZEROS
    for t in range(5):
        h = step(t, h)
    return dense(p["o"], h)


def sequence_to_sequence(p, x, step, start, handed=lambda carry: carry):
    """Outputs of a decoder that starts from what an encoder ends with."""
    carry, _ = scanned(lambda carry, x: step("encoder", carry, x), start, x)
    carry = handed(carry)
    _, found = scanned(lambda carry, x: step("decoder", carry, x), carry, x[:, ::-1])
    return dense(p["o"], found)


gru_sizes = {"w": (3, 12), "u": (4, 12)}


@plain("encoder unit 4, decoder unit 4", SERIES, {"encoder": gru_sizes, "decoder": gru_sizes, "o": weights(4, 2)})
def gru_to_gru(p, x, gate):
    def step(name, h, x):
        h = gate(name, gru_step(h, xp.split(x @ p[name]["w"], 3, -1), xp.split(h @ p[name]["u"], 3, -1)))
        return h, h

    return sequence_to_sequence(p, x, step, ZEROS)


lstm_sizes = {"w": (3, 16), "u": (4, 16), "b": (16,)}


@plain("encoder unit 4, decoder unit 4", SERIES, {"encoder": lstm_sizes, "decoder": lstm_sizes, "o": weights(4, 2)})
def lstm_to_lstm(p, x, gate):
    def step(name, carry, x):
        c, h = carry
        z = x @ p[name]["w"] + h @ p[name]["u"] + p[name]["b"]
        c, h = lstm_step(c, *xp.split(z, 4, -1))
        h = gate(name, h)
        return (c, h), h

    # A unit that is off hands on no memory either: so it is when its columns of w, u and b are zero.
    return sequence_to_sequence(p, x, step, (ZEROS, ZEROS), lambda carry: (gate("encoder", carry[0]), carry[1]))


each = {f"{kind}{name}": (3 if kind == "w" else 4, 4) for kind in "wu" for name in "ifgo"}


@plain("encoder unit 4, decoder unit 4", SERIES, {"encoder": each, "decoder": each, "o": weights(4, 2)})
def lstm_to_lstm_of_a_kernel_for_each_gate(p, x, gate):
    def step(name, carry, x):
        c, h = lstm_step(carry[0], *(x @ p[name][f"w{n}"] + carry[1] @ p[name][f"u{n}"] for n in "ifgo"))
        h = gate(name, h)
        return (c, h), h

    handed = lambda carry: (gate("encoder", carry[0]), carry[1])  # noqa: E731
    return sequence_to_sequence(p, x, step, (ZEROS, ZEROS), handed)


from_inputs = {f"w{name}": (3, 4) for name in "ifgo"}


@plain("cell unit 4", {"x": SERIES, "c": normal(2, 5, 4)}, {"cell": from_inputs, "o": weights(4, 2)})
def memory_that_is_shifted_by_a_step(p, inputs, gate):
    i, f, g, o = (inputs["x"] @ p["cell"][f"w{n}"] for n in "ifgo")
    kept = xp.roll(sigmoid(f) * inputs["c"], 1, 1)
    return dense(p["o"], gate("cell", sigmoid(o) * xp.tanh(kept + sigmoid(i) * xp.tanh(g))))


@plain("cell unit 4", SERIES, {"cell": each, "o": weights(4, 2)})
def lstm_with_a_memory_of_two_steps(p, x, gate):
    def step(carry, x):
        last, before, h = carry
        i, f, g, o = (x @ p["cell"][f"w{n}"] + h @ p["cell"][f"u{n}"] for n in "ifgo")
        kept = sigmoid(f)[..., None] * xp.stack([last, before], -1)
        c = kept.sum(-1) / 2 + sigmoid(i) * xp.tanh(g)
        h = gate("cell", sigmoid(o) * xp.tanh(c))
        return (c, last, h), h

    return dense(p["o"], scanned(step, (ZEROS, ZEROS, ZEROS), x)[1].mean(1))


@plain("cell unit 4", normal(2, 3, 3), {"cell": {"w": (3, 16), "u": (4, 16), "b": (16,)}, "o": weights(4, 2)})
def lstm_unrolled_by_python(p, x, gate):
    c = h = xp.zeros((2, 4)) if isinstance(x, np.ndarray) else jnp.zeros((2, 4))
    for t in range(3):
        z = x[:, t] @ p["cell"]["w"] + h @ p["cell"]["u"] + p["cell"]["b"]
        c, h = lstm_step(c, *xp.split(z, 4, -1))
        h = gate("cell", h)
    return dense(p["o"], h)
