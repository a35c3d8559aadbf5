"""Objective: gate vector -> mean loss on a fixed batch, with log loss and gate gradients."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Shaped

from analysis._errors import InputError, InputTypeError
from sweeps import _checks, _device, _examples, _losses, _networks
from sweeps import _metrics as measures
from sweeps import _off as off_values
from sweeps._evaluation import Evaluation, accuracies, evaluate_batches, example_losses
from sweeps._plans import Plan, choosing, preferred_batch, vmapped
from sweeps._program import Network, ending
from sweeps.gating._attaching import GatedNetwork, attach, of_function
from sweeps.gating._choosing import Selection

PRECISIONS = ("highest", "high", "default")
# Losses and metrics that take a softmax, or a sigmoid of a single output, themselves.
OF_LOGITS = {
    "softmax": ("cross_entropy", "kl", "logit_difference"),
    "sigmoid": ("binary_cross_entropy", "kl", "logit_difference"),
}


class Objective:
    """The mean loss of a gated network on a fixed batch, as a function of its gates.

    Parameters
    ----------
    network : flax.nnx.Module, flax.linen.Module or callable
        A flax.nnx module; a flax.linen module with ``variables``; any pure function (params, inputs) -> outputs with
        ``params``, whatever library it was written with; or a pure function (gates (nodes,), inputs) -> outputs with
        ``nodes``, which applies its gates itself. It is never changed. nnx modules are evaluated as
        ``network(inputs)`` in evaluation mode (Dropout off, BatchNorm with its running statistics).
    batch : tuple
        Inputs and targets, such as ``task.test``; or (inputs, targets, mask), such as a ``sweeps.MaskedBatch``, where
        the mask is true for the examples, or positions of examples, that count. Inputs are an array or a pytree of
        arrays with leading axis (examples,), of any library; for named losses targets are class numbers
        (examples, ...), one-hot rows of them, or values (examples, ..., outputs).
    loss : str or callable, optional
        ``"cross_entropy"``, ``"binary_cross_entropy"`` or ``"squared_error"``; a function (outputs, targets) ->
        values, such as any of Optax's, whose mean over all values that count is the loss. None takes cross-entropy
        for integer targets, binary cross-entropy where the network has a single output (the logit of class 1), and
        squared error for floats; one-hot rows in floats, and zeros and ones in floats for a single output, may be
        either and need a name. Outputs (examples,) are one output each.
    sites : str, type, sweeps.Tied, list or dict, optional
        Which nodes have gates. None: every hidden node once, on its own value, whoever reads it. A path pattern: the
        nodes that this layer makes, ``"layers/0"``, ``"blocks/*/attention"``, as
        ``sweeps.gating.sites(network, inputs)`` lists them; ``*`` stays within a level of the path, ``**`` crosses
        levels, and ``"q head"`` names the heads of ``q`` where it has units too. ``"shared@1"``: the second call of a
        layer alone.
        ``"inputs"``: features of the inputs. ``"stream:blocks/0/down"``: features of the residual stream behind that
        layer. ``"input:layers/1"``: what only this layer reads gated, while others read the same nodes ungated.
        ``"output:layers/0"``: what the layer makes, before its activation. A type of layer, ``nnx.Conv``: the nodes
        that such layers make. A list of these. A dict from patterns to numbers: so many groups of nodes in a row, as
        the heads of a hand-written attention are.
    off : str, array_like, tuple, sweeps.off.Mean, sweeps.off.Resample or sweeps.off.From
        What the value h of a node becomes with the gate g: g h + (1 - g) c, with c: ``"zero"``; ``"mean"``, its mean
        over the batch's examples and their positions; ``"resample"``, its value for another example of the batch;
        numbers (nodes,), in the order of the gates; another batch (inputs, targets), of as many examples or one: its
        value there, example by example. ``sweeps.off.Mean``, ``Resample`` and ``From`` take data, masks and seeds. All
        are taken once, from the network with all nodes on. A head has a vector c.
    variables : dict, optional
        Of a linen module, as ``init`` returns them, or their entry "params" alone; or a ``TrainState`` of Flax.
    params : pytree, optional
        Of a function (params, inputs) -> outputs; its paths name the nodes, and its leaves that are no arrays stay as
        they are. Of a mapping with the key "params", only what is below it makes nodes.
    nodes : int or sequence of str, optional
        Number of gates of a function that applies them itself, or their names.
    call : callable, optional
        How the network is called where it is not by ``network(inputs)``: (network, inputs) -> outputs, such as
        ``lambda network, inputs: network(inputs["tokens"], mask=inputs["mask"])``; of a linen module (apply, inputs)
        -> outputs, such as ``lambda apply, inputs: apply(inputs, train=False)``.
    metrics : str, callable, sequence or dict, optional
        Further numbers of each gate vector, from the same pass through the network: ``"accuracy"``; ``"kl"``, the mean
        KL divergence of the masked network's softmax from the whole network's; ``"logit_difference"``, the mean of the
        right class's output minus the largest other. A function (outputs, targets) -> a number of each example or
        position, of which the mean over what counts is taken, or one number. Several of these, or a dict name -> one
        of them; the names are those of variables in a sweep's dataset.
    micro_batch : int, optional
        Examples evaluated together. None takes as many as fit in the cache (CPU; more where the weights are larger than
        that) or memory (accelerator), or all where the losses of examples may depend on the other examples, as with
        normalisation over the batch. Losses and gradients are exact means over all examples whatever it is.
    plan : {"auto", "affine", "fused", "dense", "vmapped"}
        How gate vectors are evaluated: ``"affine"``, ``"fused"`` (affine in one kernel, on NVIDIA GPUs), ``"dense"``,
        ``"vmapped"``, or ``"auto"`` for the fastest that fits. All agree to rounding.
    precision : {"highest", "high", "default"}
        Of matrix products. ``"highest"`` is float32 everywhere; ``"high"`` and
        ``"default"`` let a GPU or TPU round to fewer bits (TF32, bfloat16).

    Attributes
    ----------
    nodes, layers : tuple of str
        Name and layer of each gated node, in the order of the gate vector.
    sites : tuple of sweeps.gating.Site
        What is gated.
    gates : tuple
        The gates of each layer or tie, in the order of the gate vector: layer, kind, numbers, and their nodes.
    network : object
        A copy of the flax.nnx module, or the linen module or function as it is; None with ``from_function``.
    batch : object or None
        Checked ``inputs``, ``targets`` and ``mask`` that the loss is the mean over; None with ``from_function``.
    off : str
        What nodes are when they are off, in words.
    loss_name : str
        Name of the loss.
    unit : str
        Unit of its values, such as ``nats``.
    metrics : dict of str to object
        What is computed beside the loss, by name.
    plan : object
        The plan of ``evaluate``: its ``name``, the ``reason``, and its ``tree``, a pytree that jitted functions take
        as an argument. ``print(objective.plan)`` says name and reason.

    Raises
    ------
    TypeError
        If the network is no Flax module and no function, or comes without its variables, params or nodes.
    InputError
        If the batch does not fit the network or holds what is not finite and counts, the loss does not fit the
        targets, the sites are not there or cannot be gated, the plan does not fit, or examples that depend on each
        other would be cut apart. What the user's own network or loss raises comes as it is.

    See Also
    --------
    sweeps.sweep : Evaluates an objective over a design.
    sweeps.gating.sites : Lists what can be gated.

    Notes
    -----
    With gates on the last hidden layer alone, the outputs of any network are affine in the gates: ``outputs(g) =
    outputs(0) + sum_i g_i v_i``. The plan ``"affine"`` computes the ``v_i`` once, and a batch of gate vectors is then
    one matrix product. ``"dense"`` folds the gates of several layers into the weights of a plain perceptron, and
    ``"vmapped"`` runs any network under ``jax.vmap``.

    Examples
    --------
    >>> import sweeps
    >>> task = sweeps.tasks.circle(test_examples=4)
    >>> objective = sweeps.Objective(sweeps.MLP((2, 4, 2)), task.test)
    >>> objective.nodes[3], objective.plan.name
    ('layers/0 unit 3', 'affine')
    >>> objective.evaluate([[1, 1, 1, 1], [1, 0, 0, 1]]).loss_gradient.shape
    (2, 4)
    """

    def __init__(
        self,
        network: Any,
        batch: Any,
        *,
        loss: str | Callable[[Any, Any], Array] | None = None,
        sites: Selection = None,
        off: Any = "zero",
        variables: Any = None,
        params: Any = None,
        nodes: int | Sequence[str] | None = None,
        call: Callable[[Any, Any], Any] | None = None,
        metrics: measures.Given = None,
        micro_batch: int | None = None,
        plan: str = "auto",
        precision: str = "highest",
    ):
        check_precision(precision)
        data, names = _examples.checked(batch), _checked_names(nodes)
        options = dict(sites=sites, variables=variables, params=params, call=call)
        with jax.default_matmul_precision(precision):
            gated = _gated(network, data.inputs, names, **options)
            gated, data, self.off = off_values.given(off, gated, data)
        outputs = jax.eval_shape(gated, jax.ShapeDtypeStruct((gated.nodes,), gated.dtype), data.inputs, data.reference)
        data = replace(data, targets=_losses.class_numbers(loss, outputs, data.targets, data.mask))
        found = _losses.find(loss, outputs, data.targets, data.mask)
        further = measures.find(metrics, found, outputs, data.targets, data.mask)
        _check_logits(gated, [found.name, *(one.name for one in further)])
        self.sites, self.gates = gated.wiring.sites, gated.wiring.gates
        self.nodes = names or gated.wiring.labels
        self.layers = gated.wiring.layers
        self.loss_name, self.unit, self.precision = found.name, found.unit, precision
        self.metrics = {one.name: one for one in further}
        # A copy: the user may change the module later.
        self.network = nnx.clone(network) if isinstance(network, nnx.Module) else network
        self.batch: _examples.Examples | None = data
        self._gated: GatedNetwork | None = gated
        with jax.default_matmul_precision(precision):
            is_separable = _networks.is_plain(network) and call is None and found in _losses.LOSSES.values()
            mean_loss = vmapped.loss_of(gated, data, found, micro_batch, is_separable, further)
            self.plan = choosing.choose(mean_loss, plan)
        self._mean_loss: vmapped.NetworkLoss | None = mean_loss
        self._asked = plan

    @classmethod
    def from_function(cls, fn: Callable[[Array], Array], nodes: int | Sequence[str]) -> "Objective":
        """Make an objective of any JAX function of the gates.

        Parameters
        ----------
        fn : callable
            Gates (nodes,) -> scalar loss, differentiable by JAX.
        nodes : int or sequence of str
            Number of gates, at least 1, or their names.

        Returns
        -------
        Objective
            Without a network, a batch or sites; its loss has no unit.

        Raises
        ------
        InputError
            If ``nodes`` is neither, or ``fn`` does not return a scalar float. What ``fn`` raises comes as it is.

        Examples
        --------
        >>> import sweeps
        >>> objective = sweeps.Objective.from_function(lambda gates: 1 + gates.sum(), nodes=3)
        >>> float(objective.evaluate([1, 0, 1]).loss)
        3.0
        """
        names = _checked_names(nodes)
        if names is None:
            raise InputTypeError("nodes must be a number of nodes, or their names, got None")
        if not callable(fn):
            raise InputTypeError(f"fn must be a function of the gates, got {type(fn).__name__}")
        objective = cls.__new__(cls)
        objective.nodes = names
        objective.layers = ("function",) * len(names)
        objective.sites, objective.gates = (), ()
        objective.loss_name = getattr(fn, "__name__", "function")
        objective.unit = "loss units"
        objective.precision, objective.off = "highest", "what the function makes of it"
        objective.network, objective.batch, objective._gated, objective._mean_loss = None, None, None, None
        objective.metrics = {}
        tree = vmapped.build_for_function(fn, len(names))
        objective.plan = choosing.Choice("vmapped", "a function of the gates", tree)
        return objective

    def __repr__(self) -> str:
        """Say what is measured, on how many examples, and how."""
        of = "" if self.batch is None else f" of {len(self.batch)} examples"
        return f"<Objective: {len(self.nodes)} nodes, {self.loss_name}{of}, off: {self.off}, plan {self.plan.name}>"

    @cached_property
    def _plan_of_examples(self) -> choosing.Choice:
        """The plan that also gives the loss of each example.

        Raises
        ------
        InputError
            If the objective was made from a function, or its loss is one number for all examples.
        """
        if self._mean_loss is None:
            raise InputError("an objective made from a function has no examples")
        if self._mean_loss.loss.is_mean:
            raise InputError(f"losses of examples are wanted, and {self.loss_name} returns one number for all of them")
        name = self._asked if self._asked in ("vmapped", "affine") else "auto"
        with jax.default_matmul_precision(self.precision):
            return choosing.choose(replace(self._mean_loss, keeps_examples=True), name)

    @property
    def _program(self) -> tuple[str, list[Any]]:
        """What the plan computes, as text and constants; functions and activations make it differ, not only numbers."""
        return self._program_of(self.plan.tree)

    def _program_of(self, plan: Plan) -> tuple[str, list[Any]]:
        """Return what a plan computes with the objective's precision, as ``_program``."""
        gates = jax.ShapeDtypeStruct((2, len(self.nodes)), plan.dtype)
        with jax.default_matmul_precision(self.precision):
            traced = jax.make_jaxpr(lambda plan, gates: plan.evaluate(gates, False))(plan, gates)
        # Addresses of functions in the text differ from process to process, and its colours from terminal to file.
        return re.sub(r"0x[0-9a-f]+", "", traced.jaxpr.pretty_print(use_color=False)), list(traced.consts)

    def evaluate(self, gates: Any, *, gradients: bool = True) -> Evaluation:
        """Evaluate gate vectors.

        Parameters
        ----------
        gates : array_like, (..., nodes)
            Bool, integer or float; 1 = on, 0 = off, between = a partial gain.
        gradients : bool, default True
            Whether to compute the gate gradients, which takes more work; they are None otherwise.

        Returns
        -------
        Evaluation
            With the leading shape of the gates.

        Raises
        ------
        TypeError
            If the gates are not numbers.
        InputError
            If their last axis is not one gate a node, or a gate is not finite.
        """
        gates, gradients = self._gates_or_masks(gates), _checks.flag("gradients", gradients)
        leading = gates.shape[:-1]
        batch_size = preferred_batch(self.plan.tree, gradients)
        with jax.default_matmul_precision(self.precision):
            flat = evaluate_batches(self.plan.tree, gates.reshape(-1, gates.shape[-1]), gradients, batch_size)
        flat = flat._replace(metrics={name: flat.metrics[name] for name in self.metrics})
        return jax.tree.map(lambda part: part.reshape(*leading, *part.shape[1:]), flat)

    @property
    def _counted(self) -> np.ndarray:
        """How many values of each example, such as its positions, count in the loss, (examples,)."""
        if self._mean_loss is None:
            raise InputError("an objective made from a function has no examples")
        return self._mean_loss.counted

    def example_losses(self, gates: Any) -> Float[Array, "*masks examples"]:
        """Return the loss of each example: the mean over its positions that count.

        Parameters
        ----------
        gates : array_like, (..., nodes)
            As for ``evaluate``.

        Returns
        -------
        array, (..., examples)
            In the loss's unit; NaN for an example of which nothing counts.

        Raises
        ------
        InputError
            As ``evaluate``; or if the objective was made from a function, or its loss is one number for all examples.
        """
        plan, gates = self._plan_of_examples.tree, self._gates_or_masks(gates)
        with jax.default_matmul_precision(self.precision):
            flat = example_losses(plan, gates.reshape(-1, gates.shape[-1]), preferred_batch(plan, False))
        return flat.reshape(*gates.shape[:-1], -1)

    def outputs(self, gates: Any = None) -> Any:
        """Return the network's outputs on the batch with the given gates.

        Computed operation by operation, as the untouched network is when it is called outside jit: with all gates on
        the two agree bit for bit, where ``precision`` is what the network would have used.

        Parameters
        ----------
        gates : array_like, (nodes,), optional
            A gate vector; None takes all on.

        Returns
        -------
        array or pytree, (examples, ...)
            What the network returns.

        Raises
        ------
        InputError
            If the objective was made from a function, or the gates are not one vector of one gate a node.
        """
        if self._gated is None or self.batch is None:
            raise InputError("an objective made from a function has no network outputs")
        vector = self._checked_gates(np.ones(len(self.nodes)) if gates is None else gates)
        if vector.ndim != 1:
            raise InputError(f"gates must be one vector of shape ({len(self.nodes)},), got shape {vector.shape}")
        with jax.default_matmul_precision(self.precision):
            return self._gated(vector, self.batch.inputs, self.batch.reference)

    def accuracy(self, gates: Any) -> Float[Array, "*masks"]:
        """Return the share of the examples that count, or of their positions, whose class the network gives.

        Parameters
        ----------
        gates : array_like, (..., nodes)
            As for ``evaluate``.

        Returns
        -------
        array, (...)
            From 0 to 1; NaN where the targets are no classes or an output is not finite.

        Raises
        ------
        InputError
            As ``evaluate`` and ``outputs``.
        """
        if self._gated is None or self.batch is None:
            raise InputError("an objective made from a function has no network outputs")
        gates = self._checked_gates(gates)
        with jax.default_matmul_precision(self.precision):
            flat = accuracies(self._gated, self.batch, gates.reshape(-1, gates.shape[-1]))
        return flat.reshape(gates.shape[:-1])

    def _checked_gates(self, gates: Any) -> Float[Array, "*masks nodes"]:
        """Return gates as floats of the plan's type, or raise as ``evaluate`` says."""
        return self._gates_or_masks(gates).astype(self.plan.tree.dtype)

    def _gates_or_masks(self, gates: Any) -> Shaped[Array, "*masks nodes"]:
        """Return gates as floats of the plan's type, or on an accelerator as booleans, which are known to be masks."""
        array = gates if isinstance(gates, jax.Array) else _examples.as_array("gates", gates)
        if array.dtype.kind not in "biuf" and array.dtype != jnp.bfloat16:
            raise InputTypeError(f"gates must be bool, integer or float, got {array.dtype}")
        if array.ndim == 0 or array.shape[-1] != len(self.nodes):
            raise InputError(f"gates must have shape (..., {len(self.nodes)}), one gate a node, got {array.shape}")
        is_known = array.dtype == bool and not _device.here().is_cpu
        dtype = jnp.dtype(bool) if is_known else self.plan.tree.dtype
        with np.errstate(over="ignore"):
            found = array.astype(dtype)
        # Values are not known while a function is traced; on a device they are checked there.
        if array.dtype.kind not in "biu" and not isinstance(array, jax.core.Tracer):
            finite = jnp.isfinite if isinstance(array, jax.Array) else np.isfinite
            if not finite(found).all():
                raise InputError("gates must be finite, got NaN or infinity")
        # With a type that it has already: without one JAX compiles a program for each shape.
        return jnp.asarray(found, dtype)


def _check_logits(network: GatedNetwork, names: Sequence[str]) -> None:
    """Raise InputError where a network's outputs are probabilities, and a loss or metric takes logits."""
    if not isinstance(network.network, Network):
        return
    last = ending(network.network.first.program.jaxpr)
    if taken := [name for name in names if name in OF_LOGITS.get(last, ())]:
        takes = "takes" if len(taken) == 1 else "take"
        raise InputError(
            f"network ends in a {last}, and {' and '.join(taken)} {takes} logits: leave the {last} out, or give a "
            "function of (probabilities, targets)"
        )


def _gated(network: Any, inputs: Any, names: tuple[str, ...] | None, **options: Any) -> GatedNetwork:
    """Return a network with gates on its nodes, or a function that applies them itself to nodes of these names."""
    if names is None:
        return attach(network, inputs, **options)
    if any(option is not None for option in options.values()):
        raise InputTypeError(
            "a function of (gates, inputs) applies its gates itself: sites, variables, params and call are for other "
            "networks"
        )
    return of_function(network, len(names), inputs)


def check_precision(precision: str) -> None:
    """Raise ValueError for a precision of matrix products that is none of ``PRECISIONS``."""
    _checks.one_of("precision", precision, PRECISIONS)


def _checked_names(nodes: int | Sequence[str] | None) -> tuple[str, ...] | None:
    """Names of a function's nodes, or None where none are given."""
    if nodes is None:
        return None
    # An array without axes is a number.
    several = nodes.ndim > 0 if isinstance(nodes, np.ndarray) else not isinstance(nodes, str)
    if not several or not isinstance(nodes, Sequence | np.ndarray):
        return tuple(f"node {node}" for node in range(_checks.whole("nodes", nodes, least=1)))
    names = tuple(nodes)
    if not all(isinstance(name, str) for name in names):
        raise InputTypeError(f"nodes must be a number of nodes, or names that are texts, got {_checks.shown(nodes)}")
    if not names or len(set(names)) < len(names):
        raise InputError("nodes must have different names, at least one")
    return tuple(map(str, names))
