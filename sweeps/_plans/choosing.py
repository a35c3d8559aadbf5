"""Choosing a plan: the fastest that an objective's structure and a sweep's design allow, or the one the user names."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Shaped

from analysis._errors import InputError
from sweeps import _checks, _device
from sweeps._masks import alike
from sweeps._masks.samplers import FlipPathsSampler, HypercubeSampler, Sampler
from sweeps._plans import Plan, affine, cube, dense, fused, shared, surrogate, vmapped, walk

NAMES = ("auto", "fused", "affine", "dense", "vmapped")
# Gate vectors from which the work that they share is foreseen.
LIKE = 4 * shared.MASKS
# What evaluates the gate vectors of a sweep.
SweepPlan = Plan | cube.Cube | shared.Shared | walk.Walk


@dataclass(frozen=True)
class Choice:
    """The plan in use, and why.

    Attributes
    ----------
    name : str
        ``"fused"``, ``"affine"``, ``"dense"`` or ``"vmapped"``; of a sweep also ``"cube"``, ``"shared"`` or ``"walk"``.
    reason : str
        In words.
    tree : Plan
        The objective's plan itself, or what shares its values, a pytree that jitted functions take as an argument;
        ``built`` makes a cube or a walk of it.
    """

    name: str
    reason: str
    tree: Any = field(repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


def choose(loss: vmapped.NetworkLoss, name: str) -> Choice:
    """Choose the plan of an objective.

    Parameters
    ----------
    loss : NetworkLoss
        The gated network with its loss.
    name : str
        One of ``NAMES``.

    Raises
    ------
    ValueError
        If the name is unknown, or the named plan does not fit the network.
    """
    _checks.one_of("plan", name, NAMES)
    if loss.needs_outputs:
        return _with_outputs(loss, name)
    structure, reasons = "affine" if name == "fused" else name, []
    for kind, build in {"affine": affine.build, "dense": dense.build}.items():
        if structure not in ("auto", kind):
            continue
        plan: Any
        plan, reason = build(loss)
        if kind == "affine" and name != "affine" and plan is not None:
            kind, plan, reason = _fused(plan, reason, name == "fused")
        if plan is not None:
            return Choice(kind, reason if name == "auto" else f"asked for; {reason}", plan)
        reasons.append(reason)
    if name not in ("auto", "vmapped"):
        raise InputError(f"plan {name!r} does not fit: {'; '.join(reasons)}")
    return Choice("vmapped", "; ".join(reasons) or "asked for", vmapped.build(loss))


def _with_outputs(loss: vmapped.NetworkLoss, name: str) -> Choice:
    """Choose the plan of metrics or losses of examples, for which losses alone are not enough."""
    what = "metrics" if loss.metrics else "losses of examples"
    if name in ("dense", "fused"):
        raise InputError(f"plan {name!r} does not fit: {what} need the network's outputs, which it does not keep")
    if name == "vmapped":
        return Choice("vmapped", "asked for", vmapped.build(loss))
    found, reason = surrogate.of(loss)
    if found is not None:
        why = f"{reason}; {what} are made of the outputs, offsets plus slopes times gates, under vmap"
        return Choice("affine", why if name == "auto" else f"asked for; {why}", vmapped.build(found))
    if name == "affine":
        raise InputError(f"plan {name!r} does not fit: {reason}")
    return Choice("vmapped", f"{what} need the network's outputs; {reason}", vmapped.build(loss))


def _fused(plan: Any, reason: str, is_asked_for: bool) -> tuple[str, Any, str]:
    """Return the fused plan of an affine plan where it fits, and otherwise None if asked for or the affine plan."""
    fits, why = fused.fits(plan)
    if fits:
        return "fused", fused.build(plan), f"{reason}; {why}"
    if is_asked_for:
        return "fused", None, why
    return "affine", plan, f"{reason}; not fused: {why}" if _device.here().has_triton else reason


def for_sweep(chosen: Choice, sampler: Sampler, gradients: bool) -> Choice:
    """Choose the plan of a sweep, and compile nothing.

    The whole hypercube and flip paths over affine plans have plans of their own. Masks of a deep network that agree on
    early gates share values, where that saves enough work. Any other sweep takes the objective's plan.

    Parameters
    ----------
    chosen : Choice
        The objective's.
    sampler : Sampler
        The design's.
    gradients : bool
        Whether gate gradients are wanted.
    """
    name, fits, reason = "", False, ""
    needs_outputs = isinstance(chosen.tree, vmapped.Vmapped) and chosen.tree.loss.needs_outputs
    if isinstance(sampler, HypercubeSampler) and not needs_outputs:
        name, (fits, reason) = "cube", cube.fits(_unfused(chosen.tree))
    elif isinstance(sampler, FlipPathsSampler) and not needs_outputs:
        name, (fits, reason) = "walk", walk.fits(_unfused(chosen.tree), gradients)
    if fits:
        return Choice(name, reason, chosen.tree)
    if name:
        chosen = Choice(chosen.name, f"{chosen.reason}; no {name}: {reason}", chosen.tree)
    return chosen if gradients else for_masks(chosen, partial(alike.like, sampler, chosen.tree.nodes))


def for_masks(chosen: Choice, like: Callable[[int], Shaped[np.ndarray, "masks nodes"] | None]) -> Choice:
    """Choose the plan of losses of gate vectors that may share values.

    Parameters
    ----------
    chosen : Choice
        The objective's.
    like : callable
        Function (number) -> about so many gate vectors of the kind, or None if nothing is known of them.
    """
    masks = like(LIKE) if isinstance(chosen.tree, vmapped.Vmapped) else None
    if masks is None:
        return chosen
    plan, reason = shared.build(chosen.tree, masks)
    if plan is None:
        return Choice(chosen.name, f"{chosen.reason}; not shared: {reason}", chosen.tree)
    return Choice(plan.name, reason, plan)


def built(chosen: Choice) -> SweepPlan:
    """Return what evaluates a sweep: the objective's plan, or the cube or walk made of it."""
    if chosen.name == "cube":
        return cube.build(_unfused(chosen.tree))
    return walk.build(_unfused(chosen.tree)) if chosen.name == "walk" else chosen.tree


def _unfused(plan: Any) -> Any:
    """Return the plan that a fused plan was made of, and others as they are."""
    return plan.affine if isinstance(plan, fused.Fused) else plan
