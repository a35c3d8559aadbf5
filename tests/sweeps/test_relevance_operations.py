"""Relevance of attention, normalisations, gated units, loops and orderings, against slow NumPy passes in float64.

Functions of parameters as a user writes them; the NumPy passes hold the published formulas, example by example.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from sweeps import relevance
from sweeps.relevance import Normalised, Rules, attribute_function

EPS = 1e-6
ALLOWED = functools.partial(jax.numpy_rank_promotion, "allow")


def normal(seed, **shapes):
    random = np.random.default_rng(seed)
    return {name: random.normal(size=shape) for name, shape in shapes.items()}


def blip(values):
    return values + EPS * np.where(values >= 0, 1, -1)


def dense(a, w, b, received):
    """The epsilon rule: relevance of the inputs of a w + b, and of b."""
    share = received / blip(a @ w + b)
    return a * (share @ w.T), b * share


def product(a, b, received):
    """The rule for a b, matrices of activations: half to each."""
    share = received / blip(a @ b)
    return a * (share @ b.T) / 2, b * (a.T @ share) / 2


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def total(found):
    parts = [found.inputs, *found.bias.values(), *found.absorbed.values()]
    return sum(np.asarray(part, float).reshape(len(part), -1).sum(axis=1) for part in parts)


def attribute(function, state, x, rules="lrp", **options):
    with ALLOWED(), jax.numpy_dtype_promotion("standard"):
        return attribute_function(function, state, x, method=rules, **options)


# Attention.

ATTENTION = normal(0, q=(3, 4), k=(3, 4), v=(3, 4), o=(4, 2), b=(2,))
TOKENS = np.random.default_rng(1).normal(size=(2, 5, 3))
CAUSAL = np.tril(np.ones((5, 5), bool))


def attention(p, x):
    q, k, v = (x @ p[name] for name in "qkv")
    scores = jnp.where(CAUSAL, jnp.einsum("bid,bjd->bij", q, k) / 2, -jnp.inf)
    return (jax.nn.softmax(scores) @ v)[:, -1] @ p["o"] + p["b"]


def attention_back(p, x, chosen):
    """AttnLRP of one example: inputs and the bias of the last layer."""
    q, k, v = (x @ p[name] for name in "qkv")
    scores = q @ k.T / 2
    s = softmax(np.where(CAUSAL, scores, -np.inf))
    c = s @ v
    after = np.zeros((5, 4))
    after[-1], bias = dense(c[-1], p["o"], p["b"], np.eye(2)[chosen] * (c[-1] @ p["o"] + p["b"]))
    of_s, of_v = product(s, v, after)
    of_scores = scores * (of_s - s * of_s.sum(-1, keepdims=True))
    # A division by two changes nothing but the stabiliser.
    of_scores = scores * of_scores / blip(scores)
    of_q, of_k = product(q, k.T, of_scores)
    inputs = sum(dense(x, p[n], 0.0, r)[0] for n, r in zip("qkv", (of_q, of_k.T, of_v), strict=True))
    return inputs, bias, of_s.sum() - (scores * (of_s - s * of_s.sum(-1, keepdims=True))).sum()


def test_attention_is_attnlrp(x64):
    found = attribute(attention, ATTENTION, TOKENS, target=1)
    for example, x in enumerate(TOKENS):
        inputs, bias, rest = attention_back(ATTENTION, x, 1)
        np.testing.assert_allclose(found.inputs[example], inputs, atol=1e-5 * np.abs(inputs).max())
        np.testing.assert_allclose(found.bias["o"][example] if "o" in found.bias else found.bias["b"][example], bias)
        (name,) = [name for name in found.bias if name.endswith("softmax rest")]
        np.testing.assert_allclose(found.bias[name][example].sum(), rest, rtol=1e-5)
    np.testing.assert_allclose(total(found), found.output, rtol=1e-12)


# Normalisations: what divides is a constant.

NORM = normal(2, w=(3, 4), scale=(4,), bias=(4,), o=(4, 2))
X = np.random.default_rng(3).normal(size=(2, 3))


def centred(h):
    return h - h.mean(-1, keepdims=True)


def in_groups(h, of):
    return of(h.reshape(*h.shape[:-1], 2, 2)).reshape(h.shape)


def deviation(h):
    return ((h - h.mean(-1, keepdims=True)) ** 2).mean(-1, keepdims=True) ** 0.5


NORMS = {
    "layer": (nnx.LayerNorm, centred, deviation),
    "root mean square": (nnx.RMSNorm, lambda h: h, lambda h: (h**2).mean(-1, keepdims=True) ** 0.5),
    "group": (
        functools.partial(nnx.GroupNorm, num_groups=2),
        lambda h: in_groups(h, centred),
        lambda h: in_groups(h, lambda g: deviation(g) + 0 * g),
    ),
}


@pytest.mark.parametrize("name", NORMS)
def test_the_deviation_of_a_normalisation_is_a_constant(name, x64):
    make, centre, deviate = NORMS[name]
    has_bias, options = name != "root mean square", dict(dtype=jnp.float64, param_dtype=jnp.float64, rngs=nnx.Rngs(0))
    norm = make(4, epsilon=1e-12, **options)
    nnx.update(norm, {part: jnp.asarray(NORM[part]) for part in ("scale", "bias") if has_bias or part == "scale"})
    w, o = (jnp.asarray(NORM[part]) for part in "wo")
    with jax.numpy_dtype_promotion("standard"):
        found = relevance.attribute(nnx.Sequential(lambda x: x @ w, norm, lambda h: h @ o), jnp.asarray(X), target=0)
    for example, x in enumerate(X):
        h, bias = x @ NORM["w"], NORM["bias"] if has_bias else np.zeros(4)
        weights = np.stack([centre(row) for row in np.eye(4)]) * (NORM["scale"] / deviate(h))
        after, _ = dense(h @ weights + bias, NORM["o"], 0.0, np.array([1, 0]) * ((h @ weights + bias) @ NORM["o"]))
        below, of_bias = dense(h, weights, bias, after)
        np.testing.assert_allclose(found.inputs[example], dense(x, NORM["w"], 0.0, below)[0], rtol=1e-4, atol=1e-5)
        if has_bias:
            np.testing.assert_allclose(found.bias["layers/1"][example], of_bias, rtol=1e-4)
    np.testing.assert_allclose(total(found), found.output, rtol=1e-9)


# Units that gate each other.

GATED = normal(4, u=(3, 4), v=(3, 4), o=(4, 2))
GATES = {"sigmoid": jax.nn.sigmoid, "silu": jax.nn.silu}


@pytest.mark.parametrize(
    "gate, rule", [("sigmoid", "half"), ("sigmoid", "signal"), ("silu", "signal"), ("silu", "half")]
)
def test_gates_take_half_or_nothing(gate, rule, x64):
    def function(p, x):
        return (GATES[gate](x @ p["u"]) * (x @ p["v"])) @ p["o"]

    with pytest.warns(UserWarning, match="u nonlinearity is not 0 at 0") if gate == "sigmoid" else ALLOWED():
        found = attribute(function, GATED, X, Rules(product=rule), target=1)
    # A silu is no gate by its range: such products are shared.
    part = 0.0 if (gate, rule) == ("sigmoid", "signal") else 0.5
    for example, x in enumerate(X):
        before = x @ GATED["u"]
        value = 1 / (1 + np.exp(-before)) * (before if gate == "silu" else 1)
        received, _ = dense(value * (x @ GATED["v"]), GATED["o"], 0.0, found.layers["o"][example])
        to_gate = part * received
        # Of a sigmoid one half is there at zero, as a bias.
        own = to_gate * (value - 0.5) / blip(value) if gate == "sigmoid" else to_gate
        expected = dense(x, GATED["u"], 0.0, own)[0] + dense(x, GATED["v"], 0.0, (1 - part) * received)[0]
        np.testing.assert_allclose(found.inputs[example], expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(total(found), found.output, rtol=1e-9)


# Loops.

CELL = normal(5, w=(3, 4), u=(4, 4), b=(4,), o=(4, 2))
SERIES = np.random.default_rng(6).normal(size=(2, 5, 3))


def recurrent(p, x, start=None):
    def step(h, z):
        h = jnp.tanh(z @ p["cell"]["w"] + h @ p["cell"]["u"] + p["cell"]["b"])
        return h, h

    start = jnp.zeros((len(x), 4)) if start is None else jnp.broadcast_to(p["h0"], (len(x), 4))
    last, every = jax.lax.scan(step, start, x.swapaxes(0, 1))
    return (last + every[1]) @ p["o"]


@pytest.mark.parametrize("learned", [False, True])
def test_a_loop_is_the_rules_of_its_steps(learned, x64):
    state = {"cell": {name: CELL[name] for name in "wub"}, "o": CELL["o"]}
    state |= {"h0": np.array([0.5, -1, 2, 0.1])} if learned else {}
    found = attribute(functools.partial(recurrent, start="h0" if learned else None), state, SERIES, target=0)
    assert found.layers["cell"].shape == (2, 5, 4) and found.bias["cell"].shape == (2, 4)
    w, u, b, o = (CELL[name] for name in "wubo")
    for example, x in enumerate(SERIES):
        hidden = [state["h0"] if learned else np.zeros(4)]
        for one in x:
            hidden.append(np.tanh(one @ w + hidden[-1] @ u + b))
        both = hidden[5] + hidden[2]
        received, _ = dense(both, o, 0.0, found.layers["o"][example])
        share = received / blip(both)
        arriving, inputs, bias, nodes = share * hidden[5], np.zeros((5, 3)), 0, np.zeros((5, 4))
        for t in reversed(range(5)):
            arriving = arriving + (share * hidden[2] if t == 1 else 0)
            nodes[t] = arriving
            # The products, their sum with each other, and the bias.
            of_x, of_h = x[t] @ w, hidden[t] @ u
            part = arriving / blip(of_x + of_h + b)
            bias = bias + b * part
            inner = (of_x + of_h) * part / blip(of_x + of_h)
            inputs[t] = dense(x[t], w, 0.0, of_x * inner)[0]
            arriving = dense(hidden[t], u, 0.0, of_h * inner)[0]
        np.testing.assert_allclose(found.inputs[example], inputs, rtol=1e-4, atol=1e-8)
        np.testing.assert_allclose(found.layers["cell"][example], nodes, rtol=1e-4, atol=1e-8)
        np.testing.assert_allclose(found.bias["cell"][example], bias, rtol=1e-4)
        np.testing.assert_allclose(found.bias["cell loop start"][example], arriving, rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(total(found), found.output, rtol=1e-9)


def unrolled(p, x, start=None):
    h = jnp.zeros((len(x), 4))
    for t in range(5):
        h = jnp.tanh(x[:, t] @ p["cell"]["w"] + h @ p["cell"]["u"] + p["cell"]["b"])
        second = h if t == 1 else second if t else None  # noqa: F821
    return (h + second) @ p["o"]


@pytest.mark.parametrize("method", ["deeplift", "slope"])
def test_a_loop_is_what_python_unrolls(method, x64):
    state = {"cell": {name: CELL[name] for name in "wub"}, "o": CELL["o"]}
    one, other = (attribute(function, state, SERIES, method, target=1) for function in (recurrent, unrolled))
    np.testing.assert_allclose(one.inputs, other.inputs, rtol=1e-9, atol=1e-12)


def stacked(p, x):
    h, _ = jax.lax.scan(lambda h, q: (h + jax.nn.relu(h @ q["w"] + q["b"]), None), x, p["blocks"])
    return h @ p["o"]


def test_layers_of_a_loop_keep_their_own_biases(x64):
    state = {"blocks": normal(7, w=(3, 4, 4), b=(3, 4)), "o": CELL["o"]}
    x = np.random.default_rng(8).normal(size=(2, 4))
    found = attribute(stacked, state, x, "slope", target=1)
    assert found.layers["blocks"].shape == found.bias["blocks"].shape == (2, 3, 4)
    # Piecewise linear: relevance is gradient times value.
    with ALLOWED(), jax.numpy_dtype_promotion("standard"):
        slopes = [jax.grad(lambda p, one: stacked(p, one[None])[0, 1])(state, one)["blocks"]["b"] for one in x]
    np.testing.assert_allclose(found.bias["blocks"], state["blocks"]["b"] * np.array(slopes), atol=1e-12)
    np.testing.assert_allclose(total(found), found.output, rtol=1e-12)


# Other operations.

MOVED = normal(9, w=(3, 4), o=(4, 2))


def probabilities(p, x):
    return jax.nn.log_softmax(x @ p["w"])


def hand_written(p, x):
    z = x @ p["w"]
    z = z - jnp.max(z, -1, keepdims=True)
    return z - jnp.log(jnp.sum(jnp.exp(z), -1, keepdims=True))


def by_logsumexp(p, x):
    z = x @ p["w"]
    return z - jax.nn.logsumexp(z, -1, keepdims=True)


@pytest.mark.parametrize("function", [probabilities, hand_written, by_logsumexp])
def test_log_softmax_is_expanded(function, x64):
    state = {"w": MOVED["w"]}
    found = attribute(function, state, X, "slope", target=2)
    for example, x in enumerate(X):
        z = x @ MOVED["w"]
        inputs = x * (MOVED["w"] @ (np.eye(4)[2] - softmax(z)))
        np.testing.assert_allclose(found.inputs[example], inputs, rtol=1e-9)
        rest = sum(one[example].sum() for name, one in found.bias.items() if name.endswith("rest"))
        np.testing.assert_allclose(rest, (np.log(softmax(z)) - z)[2] + softmax(z) @ z, rtol=1e-9)
    np.testing.assert_allclose(total(found), found.output, rtol=1e-9)


def routed(p, x):
    h = jnp.tile(x @ p["w"], (1, 3))
    h = jnp.concatenate([jnp.sort(h[:, :6]), jax.lax.top_k(h[:, 6:], 4)[0]], -1)
    h = jnp.take_along_axis(h, jnp.argsort(-h), -1)
    h = -jax.lax.reduce_window(-h, -jnp.inf, jax.lax.max, (1, 2), (1, 2), "VALID")
    h = jax.lax.reduce_window(h, jnp.inf, jax.lax.min, (1, 2), (1, 2), "SAME")
    largest = jax.nn.one_hot(jnp.argmax(h, -1), 3)
    h = jnp.where(h > 0, h, 0.1 * h) + largest * h
    h = jax.lax.cond(h[0, 0] > 5, lambda h: h * 3, lambda h: h.at[:, 0].add(h[:, 1]), h)
    return h @ p["o"][:3]


@pytest.mark.parametrize("method", [Rules(matrix=Normalised(eps=0.0)), "slope", "gradient_x_input"])
def test_what_is_routed_keeps_its_relevance(method, x64):
    # Piecewise linear without biases: gradient times input, and nothing is lost.
    found = attribute(routed, MOVED, X, method, target=1)
    with ALLOWED(), jax.numpy_dtype_promotion("standard"):
        slope = [jax.grad(lambda one: routed(MOVED, one[None])[0, 1])(one) for one in X]
    np.testing.assert_allclose(found.inputs, X * np.array(slope), rtol=1e-9)
    np.testing.assert_allclose(total(found), found.output, rtol=1e-9)
    np.testing.assert_array_equal([flow.not_conserved for flow in found.flows.values()], 0)


def squares(p, x):
    h = x @ p["w"]
    h = h * (jnp.mean(h * h, -1, keepdims=True) + 1e-5) ** -0.5
    gram = jnp.einsum("bi,bi->b", h, h)[:, None] + jnp.linalg.norm(x @ p["w"], axis=-1, keepdims=True)
    return jnp.concatenate([gram * h, jnp.maximum(h, h)], -1)


@pytest.mark.parametrize("method", ["lrp", "slope", "deeplift"])
def test_what_is_multiplied_by_itself_is_conserved(method, x64):
    options = dict(baseline=X[::-1]) if method == "deeplift" else {}
    found = attribute(squares, {"w": MOVED["w"]}, X, method, target=1, **options)
    np.testing.assert_allclose(total(found), found.output, rtol=1e-9)


def of_frequencies(p, x):
    return jnp.abs(jnp.fft.fft(x @ p["w"])) @ p["o"] + jnp.real(jnp.fft.ifft(jnp.fft.fft(x @ p["w"]) * 2)) @ p["o"]


def test_gradients_go_through_complex_numbers_and_rules_refuse_them(x64):
    found = attribute(of_frequencies, MOVED, X, "gradient", target=1)
    with ALLOWED(), jax.numpy_dtype_promotion("standard"):
        slope = jax.grad(lambda x: of_frequencies(MOVED, x)[:, 1].sum())(X)
    np.testing.assert_allclose(found.inputs, slope, rtol=1e-9)
    with pytest.raises(ValueError, match="after w has no rule for .*: method='gradient_x_input' or"):
        attribute(of_frequencies, MOVED, X, "lrp", target=1)
