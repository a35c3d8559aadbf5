"""Choosing a plan: the fastest that the structure allows, or the one that the user names."""

from typing import Any, NamedTuple

from analysis.errors import InputError
from sweeps import checks
from sweeps.plans import Plan, affine, dense, vmapped

NAMES = ("auto", "affine", "dense", "vmapped")


class Choice(NamedTuple):
    """The plan in use, and why.

    Attributes
    ----------
    name : ``"affine"``, ``"dense"`` or ``"vmapped"``
    reason : in words
    """

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


def choose(network: Any, loss: vmapped.NetworkLoss, name: str) -> tuple[Plan, Choice]:
    """Return the plan and why it was chosen.

    Parameters
    ----------
    network : the user's network, whose structure is read
    loss : the gated network with its loss
    name : one of ``NAMES``

    Raises
    ------
    ValueError
        If the name is unknown, or the named plan does not fit the network.
    """
    checks.one_of("plan", name, NAMES)
    reasons = []
    for kind, build in {"affine": affine.of_network, "dense": dense.of_network}.items():
        if name not in ("auto", kind):
            continue
        plan, reason = build(network, loss)
        if plan is not None:
            return plan, Choice(kind, reason if name == "auto" else f"asked for; {reason}")
        reasons.append(reason)
    if name not in ("auto", "vmapped"):
        raise InputError(f"plan {name!r} does not fit: {'; '.join(reasons)}")
    return vmapped.of_network(loss), Choice("vmapped", "; ".join(reasons) or "asked for")
