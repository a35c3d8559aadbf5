"""Compensating: adds the mean contribution of removed nodes to the biases of their readers."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Bool, Float

from analysis._errors import UnsupportedError
from sweeps import _program
from sweeps._program.cuts import Cut, Meeting
from sweeps._program.flow import Read
from sweeps._program.values import placed
from sweeps.pruning import _parameters, _reading, _structure


def compensate(network: nnx.Module, changed: nnx.Module, keep: Bool[np.ndarray, " nodes"], inputs: Any) -> None:
    """Add the mean contributions of nodes that go to the biases of the layers that read them.

    Parameters
    ----------
    network : flax.nnx.Module
        With all nodes.
    changed : flax.nnx.Module
        Its copy without the nodes, whose biases are changed.
    keep : numpy.ndarray of bool, (nodes,)
        True for the nodes that stay.
    inputs : object
        Examples for the means.

    Raises
    ------
    NotImplementedError
        If a node that goes has a reader without a bias, within a loop, or of several nodes together.
    """
    of = _structure.read(network, _structure.few_inputs(network, inputs))
    assert of.network is not None
    pieces = of.split(keep)
    gone = [part for part in of.parts if not pieces[part.site.key].all()]
    cuts = [(cut, pieces[part.site.key]) for part in gone for cut in part.compensated()]
    reads = {meeting.key: of.network.first.reader.reads[meeting.key] for cut, _ in cuts for meeting in cut.meetings}
    for cut, _ in cuts:
        if any(_program.scans_around(of.network.first.program.jaxpr, meeting.key[0]) for meeting in cut.meetings):
            raise UnsupportedError(
                f"{cut.layer or cut.path} reads nodes that go at every step of a loop: give compensate_bias=False"
            )
    with _reading.naming(cut.layer or cut.path for cut, _ in cuts):
        places = {key: [_place(read)] for key, read in reads.items()}
        means = _reading.means(network, (of.network, of.params), inputs, places)
    with jax.default_matmul_precision("highest"):
        kernels = of.network.values(of.params, of.inputs, [_kernel(read) for read in reads.values()])
    variables, modules = _parameters.by_path(changed), _parameters.modules(changed)
    for cut, stay in cuts:
        lost = [
            _lost(meeting, read, means[meeting.key], np.asarray(kernels[_kernel(read)]), stay)
            for meeting in cut.meetings
            for read in [reads[meeting.key]]
        ]
        # All calls of a layer share its bias.
        _add(variables, modules, cut, np.mean(lost, axis=0))


def _place(read: Read) -> _program.Place:
    """The features that a product sums over, by their number."""
    sizes = [read.value.aval.shape[axis] for axis in read.axes]
    ids = placed(np.arange(math.prod(sizes)).reshape(sizes), list(read.axes), len(read.value.aval.shape))
    return _program.Place((*read.key, "of", read.operand), ids, ())


def _kernel(read: Read) -> Any:
    return (*read.key, "of", 1 - read.operand)


def _lost(
    meeting: Meeting,
    read: Read,
    means: Float[np.ndarray, " features"],
    kernel: np.ndarray,
    stay: Bool[np.ndarray, " nodes"],
) -> Float[np.ndarray, " made"]:
    """Return the mean contribution of the nodes that go to each node that a product makes."""
    assert meeting.made is not None
    gone = (meeting.ids >= 0) & ~stay[meeting.ids]
    weights = means.reshape([read.value.aval.shape[axis] for axis in read.axes]).transpose(np.argsort(read.kernel_axes))
    shape = [n if axis in read.kernel_axes else 1 for axis, n in enumerate(kernel.shape)]
    lost = np.where(gone, kernel.astype(np.float64), 0) * weights.reshape(shape)
    return np.bincount(np.broadcast_to(meeting.made, lost.shape).ravel(), lost.ravel(), int(meeting.made.max()) + 1)


def _add(variables: dict[str, Any], modules: dict[str, Any], cut: Cut, lost: Float[np.ndarray, " made"]) -> None:
    """Add to the bias of a layer; a Flax layer without a bias gets one."""
    module = modules.get(cut.layer)
    if cut.bias is not None:
        bias, ids = variables[cut.bias.path], cut.bias.ids
    elif isinstance(module, nnx.Linear | nnx.Conv):
        if module.bias is None:
            module.bias = nnx.Param(jnp.asarray(np.zeros(module.out_features, module.kernel.dtype)))
            module.use_bias = True
        bias, ids = module.bias, np.arange(module.out_features)
    else:
        raise UnsupportedError(
            f"{cut.layer or cut.path} reads nodes that go, and has no bias of its own to make up for them: give "
            "compensate_bias=False"
        )
    values = bias[...]
    whole = np.asarray(values).astype(np.float64) + lost[ids].reshape(values.shape)
    bias.set_value(jnp.asarray(whole, values.dtype))
