"""The zoo's gated units and experts, and networks with control flow, custom rules and other precisions."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from tests.sweeps.zoo import (
    both,
    dense,
    gelu,
    linear,
    network,
    normal,
    plain,
    relu,
    sigmoid,
    silu,
    softmax,
    weights,
    xp,
)

BATCH = normal(7, 3)


# Units that gate each other.


@network("u unit 5", BATCH, u=linear(3, 5), v=linear(3, 5), o=linear(5, 2))
def gated_linear_units(s, x, gate):
    return s.o(gate("u", silu(s.u(x)) * s.v(x)))


@network("u unit 5", BATCH, u=linear(3, 10), o=linear(5, 2))
def gated_linear_units_fused(s, x, gate):
    a, b = xp.split(s.u(x), 2, -1)
    return s.o(gate("u", a * sigmoid(b)))


@network("u unit 5", BATCH, u=linear(3, 10), o=linear(5, 2))
def gated_linear_units_interleaved(s, x, gate):
    h = s.u(x)
    return s.o(gate("u", h[:, ::2] * gelu(h[:, 1::2])))


@network("a unit 4, t unit 4, h unit 4", BATCH, a=linear(3, 4), t=linear(4, 4), h=linear(4, 4), o=linear(4, 2))
def highway(s, x, gate):
    a = gate("a", relu(s.a(x)))
    share = gate("t", sigmoid(s.t(a)))
    return s.o(share * gate("h", xp.tanh(s.h(a))) + (1 - share) * a)


@network("a unit 3", BATCH, a=linear(3, 6), o=linear(3, 2))
def maxout(s, x, gate):
    return s.o(gate("a", s.a(x).reshape(-1, 3, 2).max(-1)))


@network("a unit 5", BATCH, a=linear(3, 5), o=linear(10, 2))
def concatenated_relu(s, x, gate):
    h = s.a(x)
    return s.o(xp.concatenate([gate("a", relu(h)), gate("a", relu(-h))], -1))


# Experts.

EXPERTS = {"x": {"up": (3, 4, 6), "bias": (3, 6), "down": (3, 6, 4)}, **weights(i=(3, 4), router=(4, 3), o=(4, 2))}


@plain("i unit 4, router unit 3, x/up unit 18, x/down unit 12", BATCH, EXPERTS)
def experts(p, x, gate):
    h = gate("i", relu(dense(p["i"], x)))
    share = gate("router", softmax(dense(p["router"], h)))
    e = gelu(xp.einsum("bd,edf->bef", h, p["x"]["up"]) + p["x"]["bias"])
    e = xp.einsum("bef,efo->beo", gate("x/up", e, (3, 6)), p["x"]["down"])
    return dense(p["o"], xp.einsum("be,beo->bo", share, gate("x/down", e, (3, 4))))


best_two = both(lambda z: jax.lax.top_k(z, 2), lambda z: (-np.sort(-z)[:, :2], np.argsort(-z)[:, :2]))


@plain("i unit 4, x/up unit 18, x/down unit 12", BATCH, EXPERTS, refused=("router",))
def experts_of_the_best_two(p, x, gate):
    h = gate("i", relu(dense(p["i"], x)))
    scores, chosen = best_two(dense(p["router"], h))
    share = softmax(scores)[..., None] * (chosen[..., None] == np.arange(3))
    e = gelu(xp.einsum("bd,edf->bef", h, p["x"]["up"]) + p["x"]["bias"])
    e = xp.einsum("bef,efo->beo", gate("x/up", e, (3, 6)), p["x"]["down"])
    return dense(p["o"], xp.einsum("bke,beo->bo", share, gate("x/down", e, (3, 4))))


@plain("members unit 15", BATCH, {"members": {"kernel": (3, 3, 5), "bias": (3, 5)}, "o": {"kernel": (3, 5, 2)}})
def ensemble_by_vmap(p, x, gate):
    member = jax.vmap(lambda q, o: relu(dense(q, x)) @ o)
    if not gate:
        return member(p["members"], p["o"]["kernel"]).mean(0)
    h = relu(np.einsum("bi,mij->mbj", x, p["members"]["kernel"]) + p["members"]["bias"][:, None])
    return np.einsum("mbj,mjo->mbo", gate("members", h, (3, 1, 5)), p["o"]["kernel"]).mean(0)


# How a program is put together.


@plain("a unit 5, b unit 4", BATCH, weights(a=(3, 5), b=(5, 4), o=(4, 2)))
def vmapped_over_examples(p, x, gate):
    def one(x):
        return dense(p["o"], gate("b", xp.tanh(dense(p["b"], gate("a", relu(dense(p["a"], x)))))))

    return one(x) if isinstance(x, np.ndarray) else jax.vmap(one)(x)


@network("a unit 5, b unit 4", BATCH, a=linear(3, 5), b=linear(5, 4), o=linear(4, 2))
def remat(s, x, gate):
    again = nnx.remat if isinstance(s, nnx.Module) else lambda call: call
    h = again(lambda a, x: gate("a", relu(a(x))))(s.a, x)
    return s.o(again(lambda b, h: gate("b", relu(b(h))))(s.b, h))


@jax.custom_vjp
def straight(x):
    """Rectify, with the user's own derivative."""
    return jnp.where(x > 0, x, 0.0)


straight.defvjp(lambda x: (straight(x), x), lambda x, t: (jnp.where(x > 0, t, 0.0),))
rectified = both(straight, lambda x: np.maximum(x, 0))


@network("a unit 5, b unit 4", BATCH, a=linear(3, 5), b=linear(5, 4), o=linear(4, 2))
def own_derivative_within_jit(s, x, gate):
    inner = jax.jit if isinstance(s, nnx.Module) else lambda call: call
    h = gate("a", rectified(s.a(x)))
    return s.o(gate("b", inner(lambda h: rectified(s.b(h)))(h)))


@plain("a unit 5", BATCH, weights(a=(3, 5), o=(5, 2)), forward=True)
def branch_and_loop(p, x, gate):
    h = gate("a", dense(p["a"], x))
    if isinstance(h, np.ndarray):
        return dense(p["o"], 2.25 * (np.maximum(h, 0) if x.sum() > 0 else np.tanh(h)))
    h = jax.lax.cond(x.sum() > 0, jax.nn.relu, jnp.tanh, h)
    return dense(p["o"], jax.lax.while_loop(lambda c: c[0] < 2, lambda c: (c[0] + 1, c[1] * 1.5), (0, h))[1])


@plain("a unit 5", BATCH, weights(a=(3, 5), o=(5, 2)))
def layer_within_a_branch(p, x, gate):
    if isinstance(x, np.ndarray):
        h = dense(p["a"], x)
        return dense(p["o"], gate("a", np.maximum(h, 0) if x.sum() > 0 else np.tanh(h)))
    branches = [lambda x: jax.nn.relu(dense(p["a"], x)), lambda x: jnp.tanh(dense(p["a"], x))]
    return dense(p["o"], jax.lax.cond(x.sum() > 0, *branches, x))


@plain("i unit 4, a unit 4", BATCH, weights(i=(3, 4), a=(4, 4), o=(4, 2)), forward=True)
def iterations_in_a_while_loop(p, x, gate):
    def step(h):
        return gate("a", xp.tanh(dense(p["a"], h)))

    h = gate("i", dense(p["i"], x))
    if not isinstance(h, np.ndarray):
        return dense(p["o"], jax.lax.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, step(c[1])), (0, h))[1])
    for _ in range(3):
        h = step(h)
    return dense(p["o"], h)


@plain("a unit 5, b unit 4", BATCH, weights(a=(3, 5), b=(5, 4), o=(4, 2)), tolerance=3e-2)
def bfloat16_within(p, x, gate):
    short = both(lambda a: a.astype(jnp.bfloat16), lambda a: a)
    p, x = jax.tree.map(short, p), short(x)
    h = gate("b", xp.tanh(dense(p["b"], gate("a", relu(dense(p["a"], x))))))
    return both(lambda h: h.astype(float), lambda h: h)(dense(p["o"], h))


# Found by an attack: what was left out, or gated in the wrong place.


@plain(
    "h unit 5, mu unit 2, a unit 4",
    {"x": normal(7, 3), "c": normal(7, 2)},
    weights(h=(3, 5), mu=(5, 2), a=(2, 4), c=(2, 4), o=(4, 2)),
)
def decoder_with_a_condition(p, inputs, gate):
    latent = gate("mu", dense(p["mu"], gate("h", relu(dense(p["h"], inputs["x"])))))
    return dense(p["o"], gate("a", relu(dense(p["a"], latent) + dense(p["c"], inputs["c"]))))


@plain("a unit 5, b unit 5", BATCH, weights(a=(3, 5), b=(3, 5), o=(5, 2)))
def two_branches_with_activations_of_their_own(p, x, gate):
    return dense(p["o"], gate("a", relu(dense(p["a"], x))) + gate("b", xp.tanh(dense(p["b"], x))))


@plain("a unit 5", {"x": normal(7, 3), "c": normal(7, 2)}, weights(gb=(2, 10), a=(3, 5), o=(5, 2)))
def scaled_and_shifted_by_a_condition(p, inputs, gate):
    scale, shift = xp.split(dense(p["gb"], inputs["c"]), 2, -1)
    return dense(p["o"], gate("a", relu(dense(p["a"], inputs["x"]) * (1 + scale) + shift)))


NEAR = normal(7, 7, seed="near")


@plain("a unit 5", BATCH, weights(a=(3, 5), o=(5, 2)))
def adjacency_that_is_closed_over(p, x, gate):
    kernel, bias = p["a"]["kernel"], p["a"]["bias"]
    return dense(p["o"], gate("a", sigmoid(NEAR @ (x @ kernel) + bias)))


@plain("a unit 5", BATCH, weights(a=(3, 5), o=(5, 2)))
def normalised_behind_the_activation(p, x, gate):
    h = gate("a", sigmoid(dense(p["a"], x)))
    return dense(p["o"], (h - h.mean(-1, keepdims=True)) / xp.sqrt(h.var(-1, keepdims=True) + 1e-5))


@plain("x unit 5, T unit 5, H unit 5", BATCH, weights(x=(3, 5), T=(3, 5), H=(3, 5), o=(5, 2)))
def between_two_layers(p, x, gate):
    t, h = gate("T", sigmoid(dense(p["T"], x))), gate("H", relu(dense(p["H"], x)))
    return dense(p["o"], t * h + (1 - t) * gate("x", relu(dense(p["x"], x))))
