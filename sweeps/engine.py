"""The engine: an objective evaluated over a design, into a labelled dataset."""

from functools import partial
from os import PathLike
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, UInt32
from tqdm import tqdm

from sweeps import store as stores
from sweeps.designs import Design, Sampler
from sweeps.objective import Evaluation, Objective, with_logs
from sweeps.plans import Plan, preferred_batch

# What one jitted call may return, in bytes; a larger sweep takes several calls.
CALL_BYTES = 2**28


def sweep(
    objective: Objective,
    design: Design,
    seed: int = 17,
    gradients: bool = True,
    batch_size: int | None = None,
    store: str | PathLike[str] | None = None,
    keep: Literal["draws"] = "draws",
    progress: bool = False,
) -> xr.Dataset:
    """Evaluate an objective over a design.

    All of a sweep's numbers come out of one jitted call, or of several equal ones where they are too many for one.
    Draw i depends on the seed and on i alone: batch size, device count and process count change no mask.

    Parameters
    ----------
    objective : Objective
    design : which gate vectors: ``Bernoulli``, ``FixedSize``, ``LeaveOneOut``, ``Hypercube``, ``Masks``
    seed : seed of the design's random draws
    gradients : whether to compute gate gradients of loss and log loss
    batch_size : gate vectors evaluated together; None lets the plan choose
    store : path of a Zarr group to write the result to as well; it must not exist
    keep : ``"draws"`` keeps every draw
    progress : whether to show a progress bar, on a terminal only

    Returns
    -------
    xarray.Dataset
        ``loss`` and ``log_loss`` with the design's axes, ``loss_gradient`` and ``log_loss_gradient`` with ``node``
        after them (for LeaveOneOut: ``gate``, since ``node`` is the one that is off), and ``gates`` where they do
        not follow from the index. Attributes: design, seed, loss, unit, plan, ``full_loss`` (the loss with all gates
        on) and the counts ``zero_losses`` and ``nonfinite_losses``.

    Raises
    ------
    ValueError
        If the design does not fit the objective's nodes, or a number is out of range.
    FileExistsError
        If the store's group exists.

    Examples
    --------
    >>> import sweeps
    >>> objective = sweeps.Objective(sweeps.MLP((2, 20, 2)), sweeps.tasks.circle().test)
    >>> data = sweeps.sweep(objective, sweeps.Bernoulli(probability=(0.25, 0.75), draws=100))
    >>> dict(data.loss.sizes)
    {'probability': 2, 'chain': 1, 'draw': 100}
    """
    if keep != "draws":
        raise ValueError(f'keep must be "draws", got {keep!r}')
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    if store is not None:
        stores.check_absent(store)
    plan, nodes = objective.evaluator, len(objective.nodes)
    sampler = design.sampler(nodes)
    axes = design.axes(nodes)
    total = int(np.prod(list(axes.values())))
    batch_size = min(batch_size or preferred_batch(plan, gradients), total)
    parts = _evaluate_all(plan, sampler, seed, list(axes.values())[-1], total, batch_size, gradients, progress)
    data = _label(objective, design, axes, parts)
    data.attrs |= dict(
        design=repr(design),
        seed=seed,
        loss=objective.loss_name,
        unit=objective.unit,
        plan=plan.name,
        full_loss=float(objective.evaluate(np.ones(nodes), gradients=False).loss),
        zero_losses=int((data.loss == 0).sum()),
        nonfinite_losses=int((~np.isfinite(data.loss)).sum()),
    )
    if store is not None:
        stores.write_dataset(store, data)
    return data


def _evaluate_all(
    plan: Plan,
    sampler: Sampler,
    seed: int,
    draws: int,
    total: int,
    batch_size: int,
    gradients: bool,
    progress: bool,
) -> tuple[np.ndarray, Evaluation]:
    """Evaluate draws 0 to total - 1, in as few calls as the results' size allows."""
    # threefry by name: its keys give the same bits for any batch and device, which rbg does not promise.
    key = jax.random.key(seed, impl="threefry2x32")
    row = plan.nodes * (1 + 2 * gradients * plan.dtype.itemsize) + 2 * plan.dtype.itemsize
    batches = min(-(-total // batch_size), max(1, CALL_BYTES // (row * batch_size)))
    pieces = []
    with tqdm(total=total, unit=" masks", unit_scale=True, disable=None if progress else True) as bar:
        for start in range(0, total, batches * batch_size):
            starts = start + batch_size * np.arange(batches)
            bases = jnp.asarray(np.stack(np.divmod(starts, draws), axis=1).astype(np.uint32))
            piece = _evaluate_call(plan, sampler, key, bases, jnp.uint32(draws), batch_size, gradients)
            rows = min(batches * batch_size, total - start)
            pieces.append(jax.tree.map(lambda part, rows=rows: np.asarray(part)[:rows], piece))
            bar.update(rows)
    return jax.tree.map(lambda *parts: np.concatenate(parts) if len(parts) > 1 else parts[0], *pieces)


@partial(jax.jit, static_argnames=("batch_size", "gradients"))
def _evaluate_call(
    plan: Plan,
    sampler: Sampler,
    key: Array,
    bases: UInt32[Array, "batches 2"],
    draws: UInt32[Array, ""],
    batch_size: int,
    gradients: bool,
) -> tuple[Array, Evaluation]:
    """Draw and evaluate batches; each base is the (stream, draw) at which a batch starts."""

    def one_batch(base: UInt32[Array, " 2"]) -> tuple[Array, Evaluation]:
        position = base[1] + jnp.arange(batch_size, dtype=jnp.uint32)
        gates = jax.vmap(sampler, in_axes=(None, 0, 0))(key, base[0] + position // draws, position % draws)
        return gates, with_logs(*plan.evaluate(gates.astype(plan.dtype), gradients))

    plan = plan.prepared()
    results = jax.lax.map(one_batch, bases)
    return jax.tree.map(lambda part: part.reshape(-1, *part.shape[2:]), results)


def _label(
    objective: Objective, design: Design, axes: dict[str, int], parts: tuple[np.ndarray, Evaluation]
) -> xr.Dataset:
    gates, evaluation = parts
    outer = tuple(axes)
    # A leave-one-out sweep already has an axis called node.
    inner = "node" if "node" not in axes else "gate"

    def shaped(values: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
        dims = outer if values.ndim == 1 else (*outer, inner)
        return dims, values.reshape(*axes.values(), *values.shape[1:])

    variables = {name: shaped(values) for name, values in evaluation._asdict().items() if values is not None}
    if design.keeps_gates:
        variables["gates"] = shaped(gates)
    data = xr.Dataset(variables)
    labels = {name: np.asarray(objective.nodes, object) for name in ("node", inner) if name in data.dims}
    numbers = {name: np.arange(size) for name, size in axes.items() if name in ("chain", "draw")}
    data = data.assign_coords({**numbers, **labels, **design.coordinates()})
    for name in labels:
        data = data.assign_coords(
            {"layer" if name == "node" else f"{name}_layer": (name, np.asarray(objective.layers, object))}
        )
    return _with_units(data, objective.unit)


def _with_units(data: xr.Dataset, unit: str) -> xr.Dataset:
    descriptions: dict[str, dict[str, Any]] = {
        "loss": dict(long_name="mean loss", units=unit),
        "log_loss": dict(long_name="natural logarithm of the mean loss", units=f"log {unit}"),
        "loss_gradient": dict(long_name="d loss / d gate", units=unit),
        "log_loss_gradient": dict(long_name="d log loss / d gate", units="1"),
        "gates": dict(long_name="gate: 1 on, 0 off", units="1"),
    }
    for name, description in descriptions.items():
        if name in data:
            data[name].attrs |= description
    return data
