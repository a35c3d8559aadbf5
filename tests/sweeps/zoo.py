"""The zoo: small random networks, each with its nodes and its gated forward pass written by hand.

A network is a function ``body(s, x, gate)`` of its layers, its inputs and ``gate(path, h)``, which multiplies the nodes
of ``path`` where a person would put their gates. With JAX's layers and no gates it is the network that is read; with
layers in NumPy and double precision it is what the reader is held to.
"""

import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from flax import nnx


class Model(NamedTuple):
    """A network of the zoo.

    Attributes
    ----------
    build : () -> apply, parameters, inputs, reference; reference(gates) -> outputs in NumPy
    nodes : path, kind and number of nodes of each site that is gated by default
    asked : the same of sites that are listed, and gated when asked for
    refused : paths that are listed with a reason why they cannot be gated
    tolerance : relative to the largest output; float64 but where a library computes in float32
    forward : whether it has no reverse mode
    """

    build: Callable
    nodes: list
    asked: list
    refused: tuple
    tolerance: float = 1e-9
    forward: bool = False


MODELS: dict[str, Model] = {}


class Gates(dict):
    """Gates by path; paths that are not there are on."""

    def __call__(self, path, h, shape=(-1,)):
        """Multiply values by the gates of a path, brought to a shape that broadcasts against them."""
        return h * self[path].reshape(shape) if path in self else h

    def at(self, prefix, copy=None):
        """The gates whose paths start so; of one copy, if there are several."""
        below = {k.removeprefix(prefix): v for k, v in self.items() if k.startswith(prefix)}
        return Gates({k: v if copy is None else v[copy] for k, v in below.items()})


class Mix:
    """Gates g that mix values h with off values c, g h + (1 - g) c, where they are multiplied.

    Parameters
    ----------
    gates : of the nodes
    off : numbers of the nodes; or an iterator over what stands at their places, in the order in which they are made;
        or a list to which this is appended, while all nodes are on
    """

    __array_ufunc__ = None

    def __init__(self, gates, off):
        self.gates, self.off = gates, off

    def reshape(self, *shape):
        """The same for values of another shape."""
        return Mix(
            self.gates.reshape(*shape), self.off.reshape(*shape) if isinstance(self.off, np.ndarray) else self.off
        )

    def __getitem__(self, part):
        """Those of one copy, or with more axes."""
        return Mix(self.gates[part], self.off[part] if isinstance(self.off, np.ndarray) else self.off)

    def __rmul__(self, h):
        """Mix values, or note them."""
        if isinstance(self.off, list):
            self.off.append(h)
            return h
        return self.gates * h + (1 - self.gates) * (self.off if isinstance(self.off, np.ndarray) else next(self.off))


def listed(text):
    """Sites from text such as "a unit 5, b channel 4"."""
    rows = [row.rsplit(maxsplit=2) for row in text.split(",") if row.strip()]
    return [(path.strip(), kind, int(number)) for path, kind, number in rows]


def normal(*shape, seed="x"):
    """Random numbers, the same ones for the same seed."""
    return np.random.default_rng(zlib.crc32(str(seed).encode())).normal(size=shape)


def random_like(tree, dtype=np.float64):
    """Random parameters in place of shapes: every bias and scale has a value of its own; variances are positive."""

    def fill(path, leaf):
        name = jax.tree_util.keystr(path)
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            return jax.random.key(0) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else jnp.zeros_like(leaf)
        values = 0.7 * normal(*leaf.shape, seed=name)
        return np.asarray(abs(values) + 0.5 if "var" in name else values, dtype)

    return jax.tree_util.tree_map_with_path(fill, tree)


def add(name, build, nodes, asked="", refused=(), **more):
    """Put a network into the zoo."""
    assert name not in MODELS, name
    MODELS[name] = Model(build, listed(nodes), listed(asked), refused, **more)


def weights(*sizes, **layers):
    """Shapes of a dense layer's parameters, or of several layers'."""
    return {k: weights(*v) for k, v in layers.items()} if layers else {"kernel": sizes, "bias": sizes[-1:]}


def plain(nodes, inputs, params, **more):
    """Put body(params, inputs, gate), a plain function, into the zoo; params: a tree of shapes."""

    def register(body):
        def build():
            filled = random_like(
                jax.tree.map(
                    lambda shape: jax.ShapeDtypeStruct(shape, np.float64),
                    params,
                    is_leaf=lambda leaf: isinstance(leaf, tuple),
                )
            )
            return lambda p, x: body(p, x, Gates()), filled, inputs, lambda gates: body(filled, inputs, gates)

        add(body.__name__.replace("_", " "), build, nodes, **more)
        return body

    return register


class Network(nnx.Module):
    """Layers, and a function of them."""

    def __init__(self, body, rngs, layers):
        """Make the layers, each by a function of random streams."""
        for name, make in layers.items():
            setattr(self, name, make(rngs))
        self.body = body

    def __call__(self, *args):
        """Call the function."""
        return self.body(self, *args)


def parts(body, **layers):
    """A network within a network."""
    return lambda rngs: Network(body, rngs, layers)


OPTIONS = ("asked", "refused", "tolerance", "forward")


def network(nodes, inputs, name=None, reference=None, **layers):
    """Put body(layers, inputs, gate) on layers of flax.nnx into the zoo; reference: the body in NumPy, if another."""
    options = {key: layers.pop(key) for key in OPTIONS if key in layers}

    def register(body):
        def build():
            model = nnx.eval_shape(lambda: Network(body, nnx.Rngs(0), layers))
            model.eval()
            definition, state = nnx.split(model)
            params = random_like(nnx.to_pure_dict(state))
            twin = Twin(model, params)

            def apply(params, x):
                return nnx.merge(definition, params)(x, Gates())

            return apply, params, inputs, lambda gates: (reference or body)(twin, inputs, gates)

        add(name or body.__name__.replace("_", " "), build, nodes, **options)
        return body

    return register


def linen_network(nodes, inputs, module, name=None, **more):
    """Put a module of flax.linen into the zoo, with its body(variables, inputs, gate) in NumPy."""

    def register(body):
        def build():
            variables = random_like(jax.eval_shape(module().init, jax.random.key(0), inputs))
            return module().apply, variables, inputs, lambda gates: body(variables, inputs, gates)

        add(name or body.__name__.replace("_", " "), build, nodes, **more)
        return body

    return register


class Twin:
    """A layer of flax.nnx, or a network of them, in NumPy."""

    def __init__(self, layer, params):
        """Take the layer's settings, and parameters by name."""
        self.layer, self.params, self.parts = layer, params, {}
        for name, value in params.items():
            below = layer[name] if isinstance(name, int) else getattr(layer, name)
            self.parts[name] = Twin(below, value) if isinstance(value, dict) else value

    def __getattr__(self, name):
        return self.parts[name]

    def __getitem__(self, number):
        return self.parts[number]

    def copy(self, number):
        """One of several layers whose parameters are stacked."""
        return Twin(self.layer, jax.tree.map(lambda a: a[number], self.params))

    def __call__(self, *args):
        """The layer's outputs."""
        return self.layer.body(self, *args) if isinstance(self.layer, Network) else NUMPY[type(self.layer)](self, *args)


def sized(layer):
    """A kind of layer in double precision, as a function of its sizes and of random streams."""

    def of(*sizes, **more):
        return lambda rngs: layer(*sizes, **more, rngs=rngs, dtype=jnp.float64, param_dtype=jnp.float64)

    return of


linear, embed, einsum_layer = sized(nnx.Linear), sized(nnx.Embed), sized(nnx.Einsum)
layer_norm, rms_norm, group_norm, batch_norm = map(sized, (nnx.LayerNorm, nnx.RMSNorm, nnx.GroupNorm, nnx.BatchNorm))


def conv(inputs, outputs, size=(3, 3), **more):
    """A convolution."""
    return sized(nnx.Conv)(inputs, outputs, size, **more)


def parameter(*shape):
    """A parameter of no layer."""
    return lambda rngs: nnx.Param(jnp.ones(shape, jnp.float64))


# Functions of JAX and of NumPy, by the arrays they are given.


def both(ours, numpys):
    """One function for JAX's arrays, another for NumPy's."""

    def call(*args, **more):
        ofjax = any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(args))
        return (ours if ofjax else numpys)(*args, **more)

    return call


class Either:
    """NumPy's functions, or those of jax.numpy."""

    def __getattr__(self, name):
        return both(getattr(jnp, name), getattr(np, name))


xp: Any = Either()


def softmax_in_numpy(x, axis=-1):
    """Exponentials over their sum."""
    powers = np.exp(x - x.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


SELU = 1.0507009873554805, 1.6732632423543772
relu = both(jax.nn.relu, lambda x: np.maximum(x, 0))
sigmoid = both(jax.nn.sigmoid, scipy.special.expit)
silu = both(jax.nn.silu, lambda x: x * scipy.special.expit(x))
softmax = both(jax.nn.softmax, softmax_in_numpy)
gelu: Callable = both(jax.nn.gelu, lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))))
ACTIVATIONS: dict[str, Callable] = {
    "relu": relu,
    "relu6": both(jax.nn.relu6, lambda x: np.clip(x, 0, 6)),
    "leaky_relu": both(jax.nn.leaky_relu, lambda x: np.where(x > 0, x, 0.01 * x)),
    "elu": both(jax.nn.elu, lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0)))),
    "celu": both(jax.nn.celu, lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0)))),
    "selu": both(jax.nn.selu, lambda x: SELU[0] * np.where(x > 0, x, SELU[1] * np.expm1(np.minimum(x, 0)))),
    "squared": both(lambda x: jnp.square(jax.nn.relu(x)), lambda x: np.maximum(x, 0) ** 2),
    "softplus": both(jax.nn.softplus, lambda x: np.logaddexp(x, 0)),
    "gelu": gelu,
    "exact_gelu": both(lambda x: jax.nn.gelu(x, approximate=False), lambda x: x * scipy.special.ndtr(x)),
    "silu": silu,
    "mish": both(jax.nn.mish, lambda x: x * np.tanh(np.logaddexp(x, 0))),
    "log_sigmoid": both(jax.nn.log_sigmoid, lambda x: -np.logaddexp(-x, 0)),
    "tanh": xp.tanh,
    "sigmoid": sigmoid,
    "hard_tanh": both(jax.nn.hard_tanh, lambda x: np.clip(x, -1, 1)),
    "hard_sigmoid": both(jax.nn.hard_sigmoid, lambda x: np.clip(x + 3, 0, 6) / 6),
    "hard_silu": both(jax.nn.hard_silu, lambda x: x * np.clip(x + 3, 0, 6) / 6),
    "soft_sign": both(jax.nn.soft_sign, lambda x: x / (1 + abs(x))),
    "sine": xp.sin,
    "identity": lambda x: x,
}


# Layers in NumPy.


def dense(p, x):
    """A dense layer."""
    return x @ p["kernel"] + p["bias"]


def convolution(x, kernel, strides=1, padding="SAME", groups=1, dilation=1):
    """A convolution of channels-last values, as a sum over the kernel's places."""
    size = kernel.shape[:-2]
    stretch = [(k - 1) * dilation + 1 for k in size]
    out = [
        -(-n // strides) if padding == "SAME" else (n - k) // strides + 1
        for n, k in zip(x.shape[1:-1], stretch, strict=True)
    ]
    lack = [max((m - 1) * strides + k - n, 0) for m, k, n in zip(out, stretch, x.shape[1:-1], strict=True)]
    x = np.pad(x, [(0, 0), *[(n // 2, n - n // 2) for n in lack], (0, 0)])
    total = 0
    for place in np.ndindex(size):
        starts = [dilation * i for i in place]
        cut = [slice(i, i + (m - 1) * strides + 1, strides) for i, m in zip(starts, out, strict=True)]
        window = x[(slice(None), *cut)]
        window = window.reshape(*window.shape[:-1], groups, -1)
        weights = kernel[place].reshape(window.shape[-1], groups, -1)
        term = np.einsum("...gi,igo->...go", window, weights)
        total = total + term.reshape(*term.shape[:-2], -1)
    return total


def of_conv(s, x):
    """nnx.Conv."""
    one = s.layer
    dilation = one.kernel_dilation if isinstance(one.kernel_dilation, int) else one.kernel_dilation[0]
    strides = one.strides if isinstance(one.strides, int) else one.strides[0]
    return convolution(x, s.kernel, strides, one.padding, one.feature_group_count, dilation) + s.bias


def of_conv_transpose(s, x):
    """nnx.ConvTranspose with a window and strides of two."""
    b, h, w, c = x.shape
    apart = np.zeros((b, 2 * h + 1, 2 * w + 1, c))
    apart[:, 1::2, 1::2] = x
    return convolution(apart, s.kernel, padding="VALID") + s.bias


def standardised(x, axes, epsilon=1e-6):
    """Values less their mean, over their deviation."""
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + epsilon)


def of_group_norm(s, x):
    """nnx.GroupNorm."""
    grouped = x.reshape(*x.shape[:-1], s.layer.num_groups, -1)
    axes = (*range(1, grouped.ndim - 2), grouped.ndim - 1)
    return standardised(grouped, axes).reshape(x.shape) * s.scale + s.bias


def pooled(x):
    """The largest of each window of two by two."""
    b, h, w, c = x.shape
    return x.reshape(b, h // 2, 2, w // 2, 2, c).max((2, 4))


def smoothed(x):
    """The mean of each window of three by three, zeros around the image."""
    channels = x.shape[-1]
    return convolution(x, np.full((3, 3, 1, channels), 1 / 9), groups=channels)


max_pool = both(lambda x: nnx.max_pool(x, (2, 2), (2, 2)), pooled)
average_pool = both(lambda x: nnx.avg_pool(x, (3, 3), (1, 1), "SAME"), smoothed)


def attention(q, k, v, *_, mask=None, **__):
    """Attention of (batch, time, heads, width), scaled, in the precision of its arguments."""
    scores = xp.einsum("bqhd,bkhd->bhqk", q, k) / np.sqrt(q.shape[-1])
    scores = scores if mask is None else xp.where(mask, scores, -1e9)
    return xp.einsum("bhqk,bkhd->bqhd", softmax(scores), v)


NUMPY: dict[type, Callable] = {
    nnx.Linear: lambda s, x: x @ s.kernel + s.parts.get("bias", 0),
    nnx.Embed: lambda s, x: s.embedding[x],
    nnx.Conv: of_conv,
    nnx.ConvTranspose: of_conv_transpose,
    nnx.BatchNorm: lambda s, x: (x - s.mean) / np.sqrt(s.var + 1e-5) * s.scale + s.bias,
    nnx.LayerNorm: lambda s, x: standardised(x, -1) * s.scale + s.bias,
    nnx.RMSNorm: lambda s, x: x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * s.scale,
    nnx.GroupNorm: of_group_norm,
    nnx.Dropout: lambda s, x: x,
}
