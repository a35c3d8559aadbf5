"""The zoo's attention: transformers, stacks of blocks in scans, ways to write heads, mixers."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen, nnx

from tests.sweeps.zoo import (
    attention,
    both,
    conv,
    dense,
    embed,
    gelu,
    layer_norm,
    linear,
    linen_network,
    network,
    normal,
    parameter,
    parts,
    plain,
    relu,
    rms_norm,
    softmax,
    standardised,
    weights,
    xp,
)

SERIES = normal(2, 5, 3)


def multi_head(fn=attention):
    """Two heads of four features, in double precision but where ``fn`` is the library's."""
    return lambda rngs: nnx.MultiHeadAttention(
        2, 8, decode=False, attention_fn=fn, rngs=rngs, dtype=jnp.float64, param_dtype=jnp.float64
    )


def head_parts(p, x):
    """Queries, keys and values of flax's layers, (batch, time, heads, width)."""
    return [np.einsum("btd,dhw->bthw", x, p[k]["kernel"]) + p[k]["bias"] for k in ("query", "key", "value")]


def put_out(p, h):
    """Outputs of flax's layer."""
    return np.einsum("bthw,hwd->btd", h, p["out"]["kernel"]) + p["out"]["bias"]


def attend(layer, x, gate, path):
    """The layer of flax.nnx, or its twin with gates on the heads and on what is put out."""
    if isinstance(layer, nnx.Module):
        return layer(x)
    p = {name: one.parts for name, one in layer.parts.items()}
    return gate(path + "/out", put_out(p, gate(path, attention(*head_parts(p, x)), (-1, 1))))


def block(s, x, gate):
    """One block of a transformer, normalised first."""
    x = x + attend(s.attention, s.n(x), gate, "attention")
    return x + gate("down", s.down(gate("up", gelu(s.up(s.k(x))))))


def blocks(fn=attention):
    """A block's layers."""
    layers = dict(n=layer_norm(8), k=layer_norm(8), attention=multi_head(fn), up=linear(8, 6), down=linear(6, 8))
    return parts(block, **layers)


def below(path, copies=1):
    """What a block at a path has: nodes that are gated, and what is gated when asked for."""
    return (
        f"{path}/attention head {2 * copies}, {path}/up unit {6 * copies}",
        f"{path}/attention/out unit {8 * copies}, {path}/down unit {8 * copies}",
    )


def transformer(name, fn, **more):
    def body(s, x, gate):
        h = s.e(x)
        for i in range(2):
            h = s.blocks[i](h, gate.at(f"blocks/{i}/"))
        return s.o(s.n(h))

    nodes, asked = (", ".join(texts) for texts in zip(below("blocks/0"), below("blocks/1"), strict=True))
    layers = dict(e=embed(9, 8), blocks=lambda rngs: nnx.List(blocks(fn)(rngs) for _ in range(2)), n=layer_norm(8))
    network(nodes, np.arange(8).reshape(2, 4), name, asked=asked, **layers, o=linear(8, 3), **more)(body)


transformer("transformer", attention)
transformer("transformer with the library's attention", nnx.dot_product_attention, tolerance=3e-6)


block_nodes, block_asked = below("block")


@network(
    block_nodes,
    normal(2, 4, 4, 2),
    asked=f"patches channel 8, {block_asked}",
    patches=conv(2, 8, (2, 2), strides=2, padding="VALID"),
    token=parameter(1, 8),
    places=parameter(5, 8),
    block=blocks(),
    n=layer_norm(8),
    o=linear(8, 3),
)
def vision_transformer(s, x, gate):
    h = gate("patches", s.patches(x)).reshape(2, 4, 8)
    token = both(jnp.broadcast_to, np.broadcast_to)(s.token[...], (2, 1, 8))
    h = xp.concatenate([token, h], 1) + s.places[...]
    return s.o(s.n(s.block(h, gate.at("block/")))[:, 0])


def stack(rngs):
    """Three blocks in one."""
    return nnx.vmap(lambda rngs: blocks()(rngs), in_axes=0, out_axes=0)(rngs.split(3))


def stacked(name, again):
    def body(s, x, gate):
        h = s.i(x)
        if isinstance(s, nnx.Module):
            run = nnx.remat(lambda x, b: b(x, gate)) if again else lambda x, b: b(x, gate)
            return s.o(nnx.scan(run, in_axes=(nnx.Carry, 0), out_axes=nnx.Carry)(h, s.blocks))
        h = gate("i", h)
        for i in range(3):
            h = s.blocks.copy(i)(h, gate.at("blocks/", i))
        return s.o(h)

    nodes, asked = below("blocks", 3)
    layers = dict(i=linear(3, 8), blocks=stack, o=linear(8, 2))
    network(nodes, normal(2, 4, 3), name, asked="i unit 8, " + asked, **layers)(body)


stacked("scan over blocks", again=False)
stacked("scan over blocks with remat", again=True)


@plain("i unit 4, a unit 24", SERIES, {"i": weights(3, 4), "a": {"kernel": (2, 3, 4, 4)}, "o": weights(4, 2)})
def scan_within_a_scan(p, x, gate):
    h = gate("i", dense(p["i"], x))
    if isinstance(x, np.ndarray):
        for at in np.ndindex(2, 3):
            h = np.tanh(h @ p["a"]["kernel"][at])
            h = h * gate["a"][at] if gate else h
        return dense(p["o"], h)
    inner = lambda h, w: (jnp.tanh(h @ w), None)  # noqa: E731
    return dense(p["o"], jax.lax.scan(lambda h, w: (jax.lax.scan(inner, h, w)[0], None), h, p["a"]["kernel"])[0])


# Blocks of flax.linen.


class LinenBlock(linen.Module):
    """A block of two layers, added to what it reads."""

    @linen.compact
    def __call__(self, x, _):
        """The outputs, as a scan wants them."""
        h = linen.relu(linen.Dense(6, name="up", dtype=jnp.float64)(x))
        return x + linen.Dense(4, name="down", dtype=jnp.float64)(h), None


class LinenStack(linen.Module):
    """Three blocks in a scan, each computed again for the derivative."""

    @linen.compact
    def __call__(self, x):
        """The outputs."""
        x = linen.Dense(4, name="i", dtype=jnp.float64)(x)
        many = linen.scan(linen.remat(LinenBlock), {"params": 0}, split_rngs={"params": True}, length=3)
        return linen.Dense(2, name="o", dtype=jnp.float64)(many(name="s")(x, None)[0])


@linen_network("s/up unit 18", SERIES, LinenStack, asked="i unit 4, s/down unit 12")
def linen_scan_with_remat(variables, x, gate):
    p = variables["params"]
    x = gate("i", dense(p["i"], x))
    for i in range(3):
        up, down = (jax.tree.map(lambda a: a[i], p["s"][k]) for k in ("up", "down"))  # noqa: B023
        own = gate.at("s/", i)
        x = x + own("down", dense(down, own("up", relu(dense(up, x)))))
    return dense(p["o"], x)


class LinenTransformer(linen.Module):
    """One block of attention, tied to the embedding."""

    @linen.compact
    def __call__(self, x):
        """The outputs."""
        table = linen.Embed(9, 8, name="e", dtype=jnp.float64)
        x = table(x)
        h = linen.LayerNorm(name="n", dtype=jnp.float64, use_fast_variance=False)(x)
        x = x + linen.MultiHeadDotProductAttention(2, name="attention", dtype=jnp.float64)(h)
        return table.attend(linen.gelu(linen.Dense(8, name="u", dtype=jnp.float64)(x)))


@linen_network("attention head 2, u unit 8", np.arange(8).reshape(2, 4), LinenTransformer, asked="attention/out unit 8")
def linen_transformer_with_a_tied_embedding(variables, x, gate):
    p = variables["params"]
    x = p["e"]["embedding"][x]
    h = standardised(x, -1) * p["n"]["scale"] + p["n"]["bias"]
    h = gate("attention", attention(*head_parts(p["attention"], h)), (2, 1))
    x = x + gate("attention/out", put_out(p["attention"], h))
    return gate("u", gelu(dense(p["u"], x))) @ p["e"]["embedding"].T


# Ways to write heads.


@network("q head 4", SERIES, q=linear(3, 12), kv=linear(3, 12), o=linear(12, 2))
def grouped_queries(s, x, gate):
    b, t, _ = x.shape
    q, kv = s.q(x).reshape(b, t, 2, 2, 3), s.kv(x).reshape(b, t, 2, 2, 3)
    z = xp.einsum("bqkgd,bskd->bkgqs", q, kv[:, :, 0])
    z = xp.where(np.tril(np.ones((t, t), bool)), z, -1e9)
    c = xp.einsum("bkgqs,bskd->bqkgd", softmax(z), kv[:, :, 1])
    return s.o(gate("q", c, (2, 2, 1)).reshape(b, t, 12))


grouped = both(
    lambda q, k, v: jax.nn.dot_product_attention(q, k, v, is_causal=True),
    lambda q, k, v: attention(q, k.repeat(2, 2), v.repeat(2, 2), mask=np.tril(np.ones((5, 5), bool))),
)


@network("q head 4", SERIES, q=linear(3, 12), k=linear(3, 6), v=linear(3, 6), o=linear(12, 2), tolerance=3e-6)
def grouped_queries_by_the_library(s, x, gate):
    c = grouped(*(h.reshape(2, 5, -1, 3) for h in (s.q(x), s.k(x), s.v(x))))
    return s.o(gate("q", c, (4, 1)).reshape(2, 5, 12))


@network("qkv head 2", SERIES, qkv=linear(3, 18), o=linear(6, 2))
def fused_queries_keys_and_values(s, x, gate):
    q, k, v = xp.split(s.qkv(x).reshape(2, 5, 6, 3).transpose(0, 2, 1, 3), 3, 1)
    c = softmax(q @ k.swapaxes(-1, -2)) @ v
    return s.o(gate("qkv", c, (2, 1, 1)).transpose(0, 2, 1, 3).reshape(2, 5, -1))


@network("v unit 4", SERIES, asked="q unit 4, k unit 4", q=linear(3, 4), k=linear(3, 4), v=linear(3, 4), o=linear(4, 2))
def single_head(s, x, gate):
    p = softmax(gate("q", s.q(x)) @ gate("k", s.k(x)).swapaxes(1, 2))
    return s.o(gate("v", p @ s.v(x)))


def rotated(q):
    """Rotary embedding of (batch, time, heads, width)."""
    angle = np.arange(q.shape[1])[:, None, None] / 10 ** np.arange(2)
    cos, sin = (np.concatenate([f(angle)] * 2, -1) for f in (np.cos, np.sin))
    return q * cos + xp.concatenate([-q[..., 2:], q[..., :2]], -1) * sin


rotary = dict(q=linear(3, 8), k=linear(3, 8, use_bias=False), v=linear(3, 8), n=rms_norm(4))


@network("q head 2", SERIES, **rotary, o=linear(8, 2))
def rotary_embedding(s, x, gate):
    q, k, v = (h.reshape(2, 5, 2, 4) for h in (s.q(x), s.k(x), s.v(x)))
    c = attention(rotated(s.n(q)), rotated(s.n(k)), v)
    return s.o(gate("q", c, (2, 1)).reshape(2, 5, 8))


def turned(q):
    """Rotary embedding of pairs of neighbours, of the first two features of (batch, time, heads, width) alone."""
    angle, near = np.arange(q.shape[1])[:, None, None] / 3.0, q[..., :2]
    pairs = xp.stack((-near[..., 1::2], near[..., ::2]), -1).reshape(near.shape)
    return xp.concatenate([near * np.cos(angle) + pairs * np.sin(angle), q[..., 2:]], -1)


@network("q head 2", SERIES, q=linear(3, 8), k=linear(3, 8), v=linear(3, 8), o=linear(8, 2))
def partial_rotary_embedding_of_pairs(s, x, gate):
    q, k, v = (h.reshape(2, 5, 2, 4) for h in (s.q(x), s.k(x), s.v(x)))
    return s.o(gate("q", attention(turned(q), turned(k), v), (2, 1)).reshape(2, 5, 8))


def with_queries(p, q, x, gate):
    k, v = (gate(f"a/{name}", dense(p["a"][name], x)).reshape(2, 5, 2, 4) for name in "kv")
    return dense(p["o"], gate("a", attention(q.reshape(2, 3, 2, 4), k, v), (2, 1)).reshape(2, 3, 8))


LATENT = {"latents": (3, 6), "a": weights(q=(6, 8), k=(3, 8), v=(3, 8)), **weights(o=(8, 2))}


@plain("a head 2", SERIES, LATENT, asked="a/k unit 8, a/v unit 8")
def learned_queries(p, x, gate):
    latents = xp.broadcast_to(p["latents"], (2, 3, 6))
    return with_queries(p, dense(p["a"]["q"], latents), x, gate)


@network("q head 2", SERIES, q=linear(3, 8), k=linear(3, 4), v=linear(3, 4), o=linear(8, 2))
def one_key_for_all_heads(s, x, gate):
    scores = softmax(xp.einsum("bqhd,bkd->bhqk", s.q(x).reshape(2, 5, 2, 4), s.k(x)))
    c = xp.einsum("bhqk,bkd->bqhd", scores, s.v(x))
    return s.o(gate("q", c, (2, 1)).reshape(2, 5, 8))


@network("k head 2", SERIES, q=linear(3, 6), k=linear(3, 6), v=linear(3, 6), o=linear(6, 2))
def linear_attention(s, x, gate):
    q, k, v = (h.reshape(2, 5, 2, 3) for h in (s.q(x), s.k(x), s.v(x)))
    sums = xp.einsum("bkhd,bkhe->bhde", xp.exp(k), v)
    c = xp.einsum("bqhd,bhde->bqhe", xp.exp(q), sums)
    return s.o(gate("k", c, (2, 1)).reshape(2, 5, 6))


LINES = {"query": {"kernel": (3, 2, 3)}, "key": {"kernel": (3, 2, 3)}, "value": {"kernel": (3, 2, 3)}}
CACHED = {"x": normal(2, 1, 3), "k": normal(2, 5, 2, 3, seed="k"), "v": normal(2, 5, 2, 3, seed="v")}


def written(cache, now):
    """A cache with its third step written."""
    if isinstance(cache, np.ndarray):
        return np.concatenate([cache[:, :2], now, cache[:, 3:]], 1)
    return jax.lax.dynamic_update_slice(cache, now, (0, 2, 0, 0))


@plain("attention head 2", CACHED, {"attention": LINES, "o": {"kernel": (2, 3, 2)}})
def attention_with_a_cache(p, inputs, gate):
    q, k, v = (xp.einsum("btd,dhw->bthw", inputs["x"], p["attention"][n]["kernel"]) for n in ("query", "key", "value"))
    k, v = written(inputs["k"], k), written(inputs["v"], v)
    c = gate("attention", attention(q, k, v, mask=np.arange(5) < 3), (2, 1))
    return {"out": xp.einsum("bthw,hwo->bto", c, p["o"]["kernel"]), "k": k, "v": v}


@plain("attention head 2", (normal(2, 4, 3), SERIES), {"attention": LINES, "o": {"kernel": (2, 3, 2)}})
def cross_attention(p, inputs, gate):
    q, k, v = (
        xp.einsum("btd,dhw->bthw", x, p["attention"][n]["kernel"])
        for x, n in zip((inputs[0], inputs[1], inputs[1]), LINES, strict=True)
    )
    return xp.einsum("bthw,hwo->bto", gate("attention", attention(q, k, v), (2, 1)), p["o"]["kernel"])


@network("t unit 6, c unit 4", SERIES, asked="u unit 5", t=linear(5, 6), u=linear(6, 5), c=linear(3, 4), o=linear(4, 2))
def mixer(s, x, gate):
    h = gate("t", gelu(s.t(x.swapaxes(1, 2))))
    h = x + gate("u", s.u(h)).swapaxes(1, 2)
    return s.o(gate("c", gelu(s.c(h))).mean(1))
