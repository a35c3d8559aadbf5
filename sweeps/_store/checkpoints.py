"""Checkpoints: a network's parameters on disk, as Orbax keeps them."""

import json
import re
from os import PathLike
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from flax import nnx

from analysis import _seals
from analysis._errors import DamagedError, InputError, InputTypeError, MissingError, TakenError
from analysis._places import path_of
from sweeps._store.disk import writing

# What Orbax writes into a checkpoint's folder.
PARTS = re.compile(
    r"sums\.json|_METADATA|_CHECKPOINT_METADATA|_sharding|array_metadatas|manifest\.ocdbt|d|ocdbt\.process_.*|commit_success\.txt"
)
# Sizes and checksums of a checkpoint's files, which Orbax does not keep.
SUMS = "sums.json"
# The last step of an array's path, which some layouts of a checkpoint add.
ADDED = ("value", "raw_value")


def save(network: nnx.Module, path: str | PathLike[str]) -> None:
    """Write a module's parameters, running statistics and other arrays, except for keys of random numbers.

    Parameters
    ----------
    network : flax.nnx.Module
    path : path
        Of the checkpoint, a folder; a checkpoint that is there is replaced.

    Raises
    ------
    FileExistsError
        If there is anything else at the path.
    OSError
        If the folder cannot be written.
    """
    _check_module(network)
    target = path_of("path", path).absolute()
    with writing(target):
        _check_replaceable(target)
        target.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {}
    for steps, array in _arrays(network).items():
        inner = arrays
        for step in steps[:-1]:
            inner = inner.setdefault(step, {})
        inner[steps[-1]] = np.asarray(array)
    with writing(target), _checkpointer() as checkpointer:
        checkpointer.save(target, args=ocp.args.PyTreeSave(arrays), force=True)
        _seals.write_whole(target / SUMS, json.dumps(_seals.sums(target, _seals.whole_files(target))).encode())


def restore(network: nnx.Module, path: str | PathLike[str]) -> None:
    """Put the arrays of a checkpoint into a module, in place.

    Parameters
    ----------
    network : flax.nnx.Module
        Of the structure that was saved.
    path : path
        A checkpoint of ``nnx.state(module)``, as this module, Flax's guide or Orbax's manager writes it; of a
        manager's folder the newest step.

    Raises
    ------
    FileNotFoundError
        If there is no checkpoint.
    ValueError
        If it is damaged or cannot be read, an array of the module is not in it or has another shape, or a layer of
        the module lacks an array that is in it, such as a bias; nothing is changed then.
    """
    _check_module(network)
    found = _read(path_of("path", path).absolute())
    wanted = _arrays(network)
    missing = [steps for steps in wanted if steps not in found]
    if missing:
        raise InputError(
            f"checkpoint {path} has no array for {'/'.join(missing[0])}, and {len(missing) - 1} more; "
            f"it has {', '.join('/'.join(steps) for steps in list(found)[:3])}, ..."
        )
    modules = {steps[:-1] for steps in wanted}
    for steps, array in found.items():
        if steps not in wanted and steps[:-1] in modules and array.size:
            raise InputError(f"checkpoint {path} has an array {'/'.join(steps)}, for which the network has no place")
    for steps, array in wanted.items():
        if found[steps].shape != array.shape:
            raise InputError(
                f"checkpoint {path}: {'/'.join(steps)} has shape {found[steps].shape}, the network's has {array.shape}"
            )
    state = nnx.state(network)
    flat = nnx.to_flat_state(state)
    pairs = [
        (steps, variable.replace(jnp.asarray(found[_named(steps)], variable[...].dtype)))
        for steps, variable in flat
        if _named(steps) in wanted
    ]
    nnx.update(network, nnx.from_flat_state(pairs))


def _check_module(network: Any) -> None:
    if not isinstance(network, nnx.Module):
        raise InputTypeError(f"network must be a flax.nnx module, got {type(network).__name__}")


def _check_replaceable(target: Path) -> None:
    """Raise TakenError if a path holds anything that Orbax does not write."""
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise TakenError(f"{target} is a {'link' if target.is_symlink() else 'file'}; a checkpoint is a folder")
    others = sorted(one.name for one in target.glob("*") if not PARTS.fullmatch(one.name))
    if others:
        raise TakenError(f"{target} holds other files ({', '.join(others[:3])}); choose another path")


def _arrays(network: nnx.Module) -> dict[tuple[str, ...], Any]:
    """Arrays by path, without keys and counts of random numbers or empty arrays, which Orbax does not keep."""
    flat = nnx.to_flat_state(nnx.state(network, nnx.Not(nnx.RngState)))
    return {_named(steps): variable[...] for steps, variable in flat if jnp.size(variable[...])}


def _named(steps: Any) -> tuple[str, ...]:
    return tuple(map(str, steps))


def _read(path: Path) -> dict[tuple[str, ...], np.ndarray]:
    folder = _folder(path)
    _check_undamaged(folder)
    try:
        with _checkpointer() as checkpointer:
            metadata = checkpointer.metadata(folder).item_metadata
            tree = getattr(metadata, "tree", metadata)
            # As NumPy arrays, whatever devices they were saved from.
            how = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), tree)
            arrays = checkpointer.restore(folder, args=ocp.args.PyTreeRestore(restore_args=how))
    # Orbax and TensorStore raise errors of many kinds for a file that is damaged or missing.
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DamagedError(f"checkpoint {folder} cannot be read: {reason}") from error
    found = {}
    for keys, array in jax.tree_util.tree_leaves_with_path(arrays):
        steps = tuple(str(getattr(key, "key", getattr(key, "idx", getattr(key, "name", key)))) for key in keys)
        found[steps[:-1] if steps[-1] in ADDED else steps] = np.asarray(array)
    return found


def _check_undamaged(folder: Path) -> None:
    """Raise DamagedError if a file is no longer what `save` wrote; checkpoints of other programs have no sums."""
    if not (folder / SUMS).exists():
        return
    try:
        bad = _seals.changed(folder, json.loads((folder / SUMS).read_bytes()))
    except (ValueError, AttributeError, TypeError):
        bad = [folder / SUMS]
    if bad:
        raise DamagedError(f"{bad[0]} is damaged or missing; restore it from a copy, or save the checkpoint again")


def _folder(path: Path) -> Path:
    """Folder of the checkpoint itself, in one that may hold several steps, or several items of a step."""
    for _ in range(3):
        if (path / "_METADATA").exists():
            return path
        steps = [one for one in path.glob("*") if one.name.isdigit() and one.is_dir()]
        if (path / "default").is_dir():
            path = path / "default"
        elif steps:
            path = max(steps, key=lambda one: int(one.name))
    raise MissingError(f"there is no Orbax checkpoint at {path}")


def _checkpointer() -> ocp.Checkpointer:
    """Reader and writer that waits for no other process: each process of a pod reads, and the first writes."""
    index = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=index, active_processes={index}, barrier_sync_key_prefix=f"process_{index}"
    )
    handler = ocp.PyTreeCheckpointHandler(multiprocessing_options=alone)
    return ocp.Checkpointer(handler, multiprocessing_options=alone)
