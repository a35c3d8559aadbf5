"""The zoo's convolutional networks."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen, nnx

from tests.sweeps.zoo import (
    average_pool,
    batch_norm,
    both,
    conv,
    convolution,
    dense,
    gelu,
    group_norm,
    layer_norm,
    linear,
    linen_network,
    max_pool,
    network,
    normal,
    parameter,
    plain,
    relu,
    sigmoid,
    sized,
    weights,
    xp,
)

IMAGES = normal(2, 6, 6, 2)


@network("a channel 4, b channel 3, c unit 5", IMAGES, a=conv(2, 4), b=conv(4, 3), c=linear(27, 5), o=linear(5, 2))
def pooled_and_flattened(s, x, gate):
    h = max_pool(gate("a", relu(s.a(x))))
    h = average_pool(gate("b", relu(s.b(h)))).reshape(len(x), -1)
    return s.o(gate("c", relu(s.c(h))))


@network("a channel 4", IMAGES, a=conv(2, 4), o=linear(4, 2))
def padded_before_pooling(s, x, gate):
    h = max_pool(xp.pad(s.a(x), ((0, 0), (1, 1), (1, 1), (0, 0))))
    return s.o(gate("a", sigmoid(h)).mean((1, 2)))


def summed(h, to):
    """Sums of rows that go to one place, in NumPy."""
    total = np.zeros((6, h.shape[1]))
    np.add.at(total, to, h)
    return total


FROM, TO = np.array([0, 1, 2, 3, 4, 5, 0]), np.array([1, 2, 3, 4, 5, 0, 3])
neighbours = both(lambda h: jax.ops.segment_sum(h[FROM], TO, 6), lambda h: summed(h[FROM], TO))


@plain("a unit 5, b unit 4", normal(6, 3), weights(a=(3, 5), b=(5, 4), o=(4, 2)))
def graph_of_neighbours(p, x, gate):
    h = gate("a", sigmoid(neighbours(dense(p["a"], x))))
    return dense(p["o"], gate("b", relu(neighbours(dense(p["b"], h)))))


@network("a channel 4", IMAGES, a=conv(2, 4), n=batch_norm(4), o=linear(4, 2))
def batch_normalised(s, x, gate):
    return s.o(gate("a", relu(s.n(s.a(x)))).mean((1, 2)))


@plain("a channel 4", normal(5, 6, 2), {"a": {"kernel": (3, 2, 4)}, "n": {"scale": (4,)}, **weights(o=(4, 2))})
def normalised_by_the_batch(p, x, gate):
    ours = both(lambda x, w: convolve(x, w), convolution)
    h = ours(x, p["a"]["kernel"])
    mean, square = h.mean((0, 1)), (h**2).mean((0, 1))
    h = (h - mean) / xp.sqrt(square - mean**2 + 1e-5) * p["n"]["scale"]
    return dense(p["o"], gate("a", relu(h)).max(1))


def convolve(x, kernel):
    """Convolve (batch, length, channels) by JAX."""
    return jax.lax.conv_general_dilated(x, kernel, (1,), "SAME", dimension_numbers=("NHC", "HIO", "NHC"))


@network("a channel 4", IMAGES, a=conv(2, 4), n=group_norm(4, num_groups=2), o=linear(4, 2))
def group_normalised(s, x, gate):
    return s.o(gate("a", relu(s.n(s.a(x)))).mean((1, 2)))


@network("a channel 4", IMAGES, a=conv(2, 4), n=group_norm(4, num_groups=4), o=linear(4, 2))
def instance_normalised(s, x, gate):
    return s.o(gate("a", relu(s.n(s.a(x)))).mean((1, 2)))


grouped = dict(b=conv(4, 4, feature_group_count=4), c=conv(4, 6, feature_group_count=2))


@network("a channel 4, b channel 4, c channel 6", IMAGES, a=conv(2, 4), **grouped, o=linear(6, 2))
def depthwise_and_grouped(s, x, gate):
    h = gate("b", relu(s.b(gate("a", relu(s.a(x))))))
    return s.o(gate("c", relu(s.c(h)))[:, 0, 0])


@network("a channel 6, b channel 4", IMAGES, a=conv(2, 6), b=conv(6, 4, feature_group_count=2), o=linear(4, 2))
def channel_shuffle(s, x, gate):
    h = gate("a", relu(s.a(x)))
    h = h.reshape(*h.shape[:-1], 2, 3).swapaxes(-1, -2).reshape(h.shape)
    return s.o(gate("b", relu(s.b(h))).mean((1, 2)))


@network("a channel 4, q unit 3, e unit 4", IMAGES, a=conv(2, 4), q=linear(4, 3), e=linear(3, 4), o=linear(144, 2))
def squeeze_and_excitation(s, x, gate):
    h = gate("a", relu(s.a(x)))
    e = gate("q", relu(s.q(h.mean((1, 2)))))
    e = gate("e", sigmoid(s.e(e)))
    return s.o((h * e[:, None, None]).reshape(len(x), -1))


up = sized(nnx.ConvTranspose)(5, 3, (2, 2), (2, 2))
unet = dict(a=conv(2, 4), b=conv(4, 5), u=up, c=conv(7, 4), o=conv(4, 1, (1, 1)))


@network("a channel 4, b channel 5, u channel 3, c channel 4", IMAGES, **unet)
def u_net(s, x, gate):
    a = gate("a", relu(s.a(x)))
    u = gate("u", relu(s.u(gate("b", relu(s.b(max_pool(a)))))))
    return s.o(gate("c", relu(s.c(xp.concatenate([a, u], -1)))))


shortcut = dict(a=conv(2, 4), n=batch_norm(4), s=conv(2, 4, (1, 1)), k=batch_norm(4), b=conv(4, 4), q=batch_norm(4))


@network("a channel 4", IMAGES, asked="b channel 4", **shortcut, o=linear(4, 2))
def residual_network_with_a_projection(s, x, gate):
    h = gate("a", relu(s.n(s.a(x)) + s.k(s.s(x))))
    return s.o(relu(h + gate("b", s.q(s.b(h)))).mean((1, 2)))


@network(
    "a channel 4, b channel 3",
    normal(2, 9, 2),
    a=conv(2, 4, (3,), strides=2),
    b=conv(4, 3, (2,), kernel_dilation=2, padding="VALID"),
    o=linear(9, 2),
)
def strided_and_dilated(s, x, gate):
    return s.o(gate("b", relu(s.b(gate("a", relu(s.a(x)))))).reshape(2, -1))


@network("a channel 8, b channel 3", IMAGES, a=conv(2, 8), b=conv(2, 3), o=linear(3, 2))
def depth_to_space(s, x, gate):
    h = gate("a", relu(s.a(x))).reshape(2, 6, 6, 2, 2, 2).transpose(0, 1, 3, 2, 4, 5).reshape(2, 12, 12, 2)
    return s.o(gate("b", relu(s.b(h))).max((1, 2)))


next_block = dict(i=conv(2, 3), d=conv(3, 3, feature_group_count=3), n=layer_norm(3), u=linear(3, 5), v=linear(5, 3))


@network(
    "d channel 3, u unit 5", IMAGES, asked="i channel 3, v unit 3", **next_block, scale=parameter(3), o=linear(3, 2)
)
def conv_next(s, x, gate):
    x = gate("i", s.i(x))
    h = gate("d", s.n(s.d(x)))
    h = s.v(gate("u", gelu(s.u(h)))) * s.scale[...]
    return s.o((x + gate("v", h)).mean((1, 2)))


inverted = dict(i=conv(2, 3), u=conv(3, 6, (1, 1)), d=conv(6, 6, feature_group_count=6), v=conv(6, 3, (1, 1)))


@network("u channel 6, d channel 6", IMAGES, asked="i channel 3, v channel 3", **inverted, o=linear(3, 2))
def inverted_residual(s, x, gate):
    x = gate("i", s.i(x))
    h = gate("d", relu(s.d(gate("u", relu(s.u(x))))))
    return s.o((x + gate("v", s.v(h))).mean((1, 2)))


class LinenNet(linen.Module):
    """A convolution, normalised, and a dense layer."""

    @linen.compact
    def __call__(self, x):
        """The outputs."""
        x = linen.Conv(4, (3, 3), name="a", dtype=jnp.float64)(x)
        x = linen.relu(linen.BatchNorm(use_running_average=True, name="n", dtype=jnp.float64)(x))
        x = jnp.tanh(linen.Dense(5, name="b", dtype=jnp.float64)(x.reshape(len(x), -1)))
        return linen.Dense(2, name="o", dtype=jnp.float64)(x)


@linen_network("a channel 4, b unit 5", IMAGES, LinenNet)
def linen_convolution(variables, x, gate):
    p, n = variables["params"], variables["batch_stats"]["n"]
    h = convolution(x, p["a"]["kernel"]) + p["a"]["bias"]
    h = (h - n["mean"]) / np.sqrt(n["var"] + 1e-5) * p["n"]["scale"] + p["n"]["bias"]
    h = np.tanh(dense(p["b"], gate("a", relu(h)).reshape(2, -1)))
    return dense(p["o"], gate("b", h))
