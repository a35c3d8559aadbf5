"""Relevance against Captum and Zennit, where these and PyTorch are installed."""

import functools
import importlib.util

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from sweeps import relevance
from sweeps.relevance import AlphaBeta, Gamma, Normalised, Rules, WSquared, ZBox, attribute

REASON = "{} is not installed: an independent implementation of the same rules"
# PyTorch alone takes seconds to import.
if not any(map(importlib.util.find_spec, ("captum", "zennit"))):
    pytest.skip(
        "neither captum nor zennit is installed: independent implementations of the same rules", allow_module_level=True
    )
torch = pytest.importorskip("torch", reason=REASON.format("torch"))
CHOSEN = 1
# Float32 on both sides; zennit's division is off by its stabiliser, the same as ours.
CLOSE = dict(rtol=1e-3, atol=1e-5)


def arrays():
    random = np.random.default_rng(0)
    shapes = {"conv": ((3, 3, 1, 2), (2,)), "dense": ((18, 5), (5,)), "last": ((5, 3), (3,))}
    layers = {
        name: (random.normal(size=kernel) / np.sqrt(np.prod(kernel[:-1])), random.normal(size=bias) / 4)
        for name, (kernel, bias) in shapes.items()
    }
    images = random.normal(size=(3, 6, 6, 1))
    return {name: [one.astype(np.float32) for one in pair] for name, pair in layers.items()}, images.astype(np.float32)


@functools.cache
def ours():
    zeros, rngs, (values, _) = nnx.initializers.zeros_init(), nnx.Rngs(0), arrays()
    layers = {
        "conv": nnx.Conv(1, 2, (3, 3), kernel_init=zeros, rngs=rngs),
        "dense": nnx.Linear(18, 5, kernel_init=zeros, rngs=rngs),
        "last": nnx.Linear(5, 3, kernel_init=zeros, rngs=rngs),
    }
    for name, (kernel, bias) in values.items():
        nnx.update(layers[name], {"kernel": jnp.asarray(kernel), "bias": jnp.asarray(bias)})
    return nnx.Sequential(
        layers["conv"],
        nnx.relu,
        functools.partial(nnx.max_pool, window_shape=(2, 2), strides=(2, 2)),
        lambda x: x.reshape(x.shape[0], -1),
        layers["dense"],
        nnx.relu,
        layers["last"],
    )


def theirs():
    """The same network in PyTorch, whose channels come first; the images too."""
    values, images = arrays()
    conv = torch.nn.Conv2d(1, 2, 3, padding=1)
    dense, last = torch.nn.Linear(18, 5), torch.nn.Linear(5, 3)
    kernels = {
        "conv": values["conv"][0].transpose(3, 2, 0, 1),
        # A flattened image has its channels last here, and first there.
        "dense": values["dense"][0].reshape(3, 3, 2, 5).transpose(3, 2, 0, 1).reshape(5, 18),
        "last": values["last"][0].T,
    }
    with torch.no_grad():
        for name, layer in dict(conv=conv, dense=dense, last=last).items():
            layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(kernels[name])))
            layer.bias.copy_(torch.from_numpy(values[name][1]))

    class Net(torch.nn.Module):
        """Flattens without a module, for which Captum has no rule."""

        def __init__(self):
            super().__init__()
            self.features = torch.nn.Sequential(conv, torch.nn.ReLU(), torch.nn.MaxPool2d(2))
            self.head = torch.nn.Sequential(dense, torch.nn.ReLU(), last)

        def forward(self, x):
            return self.head(self.features(x).flatten(1))

    return Net().eval(), torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


def assert_same(method, found, **options):
    wanted = attribute(ours(), arrays()[1], target=CHOSEN, method=method, **options).inputs
    np.testing.assert_allclose(np.asarray(found).transpose(0, 2, 3, 1), wanted, **CLOSE)


CAPTUM = {
    "gradient": ("Saliency", dict(abs=False)),
    "gradient_x_input": ("InputXGradient", {}),
    "guided_backprop": ("GuidedBackprop", {}),
    "deconvnet": ("Deconvolution", {}),
    "lrp": ("LRP", {}),
    "integrated_gradients": ("IntegratedGradients", dict(n_steps=16, method="riemann_middle")),
}


@pytest.mark.parametrize("method", CAPTUM)
@pytest.mark.filterwarnings("ignore")
def test_captum(method):
    attr = pytest.importorskip("captum.attr", reason=REASON.format("captum"))
    name, options = CAPTUM[method]
    net, images = theirs()
    found = getattr(attr, name)(net).attribute(images.requires_grad_(), target=CHOSEN, **options)
    rules = Rules(matrix=Normalised(eps=1e-9)) if method == "lrp" else None
    assert_same(method, found.detach(), rules=rules, steps=16 if method == "integrated_gradients" else None)


@pytest.mark.filterwarnings("ignore")
def test_captum_deeplift():
    # Without the maximum, where Captum has a rule of its own.
    attr = pytest.importorskip("captum.attr", reason=REASON.format("captum"))
    net, _ = theirs()
    random = np.random.default_rng(1)
    x, baseline = random.normal(size=(2, 4, 3, 3, 2)).astype(np.float32)
    rest = nnx.Sequential(*ours().layers[4:])

    def channels_first(values):
        return torch.from_numpy(np.ascontiguousarray(values.transpose(0, 3, 1, 2).reshape(4, 18)))

    found = attr.DeepLift(net.head).attribute(channels_first(x), channels_first(baseline), target=CHOSEN)
    wanted = attribute(
        rest, x.reshape(4, 18), target=CHOSEN, method="deeplift", baseline=baseline.reshape(4, 18)
    ).inputs
    found = np.asarray(found.detach()).reshape(4, 2, 3, 3).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(found.reshape(4, 18), wanted, **CLOSE)


ZENNIT = {
    "Epsilon": (dict(epsilon=1e-6), Normalised(eps=1e-6)),
    "Gamma": (dict(gamma=0.25), Gamma(eps=1e-6, gamma=0.25)),
    "AlphaBeta": (dict(alpha=2.0, beta=1.0), AlphaBeta(eps=1e-6)),
    "ZPlus": ({}, relevance.MATRIX_RULES["z_plus"]),
    "WSquare": ({}, WSquared(eps=1e-6)),
    "ZBox": (dict(low=-4.0, high=4.0), ZBox(low=-4.0, high=4.0)),
}


@pytest.mark.parametrize("name", ZENNIT)
@pytest.mark.filterwarnings("ignore")
def test_zennit(name):
    pytest.importorskip("zennit", reason=REASON.format("zennit"))
    from zennit import attribution, composites, rules, types

    options, rule = ZENNIT[name]
    whole = name not in ("WSquare", "ZBox")
    other = rules.Epsilon(epsilon=1e-6)
    theirs_rule = getattr(rules, name)(**options)
    layers = [((types.Linear, types.Convolution), theirs_rule if whole else other)]
    special = composites.SpecialFirstLayerMapComposite if not whole else composites.LayerMapComposite
    layers += [(types.Activation, rules.Pass())]
    first = [] if whole else [[((types.Linear, types.Convolution), theirs_rule)]]
    net, images = theirs()

    def start(output):
        return output * torch.eye(3)[CHOSEN]

    with attribution.Gradient(model=net, composite=special(layers, *first)) as attributor:
        _, found = attributor(images.requires_grad_(), start)
    mine = Rules(matrix=rule) if whole else Rules(matrix=Normalised(eps=1e-6), first=rule)
    assert_same("lrp", found.detach(), rules=mine)
