"""What arms, choices and comparisons are called in tables, figures and sentences."""

import re
from collections.abc import Iterable

#: The choice of the published study beside a random one.
CHOSEN = "smallest deviation"
RANDOM = "random"
ARM_NAMES = {
    "initial": "not trained",
    "trained": "trained",
    "reshuffled": "trained, other order",
    "pruned": "trained, then pruned",
    "finetuned": "pruned, then fine-tuned",
    "prune_first": "pruned, then trained",
    "others": "trained, other seeds",
}


def arm_name(arm: str) -> str:
    """Return what an arm is called.

    Examples
    --------
    >>> arm_name("prune_first"), arm_name("of_my_own")
    ('pruned, then trained', 'of my own')
    """
    return ARM_NAMES.get(arm, arm.replace("_", " "))


def arm_short(arm: str) -> str:
    """Return what an arm is called where there is little room.

    Examples
    --------
    >>> arm_short("finetuned"), arm_short("trained")
    ('fine-tuned', 'trained')
    """
    return {"pruned": "pruned", "finetuned": "fine-tuned", "prune_first": "pruned first"}.get(arm, arm_name(arm))


def kind_of(choice: str) -> str:
    """Return the kind of a choice: its name without a number.

    Examples
    --------
    >>> kind_of("random 3"), kind_of("smallest deviation")
    ('random', 'smallest deviation')
    """
    return re.sub(r"\s*\d+$", "", choice)


def kinds_of(choices: Iterable[str]) -> dict[str, list[str]]:
    """Group choices by kind, in their order.

    Examples
    --------
    >>> kinds_of(["random 0", "random 1", "smallest deviation"])
    {'random': ['random 0', 'random 1'], 'smallest deviation': ['smallest deviation']}
    """
    found: dict[str, list[str]] = {}
    for choice in choices:
        found.setdefault(kind_of(str(choice)), []).append(str(choice))
    return found


def nodes_name(kind: str) -> str:
    """Return what the nodes of a kind of choice are called.

    Examples
    --------
    >>> nodes_name("random"), nodes_name("smallest deviation")
    ('random nodes', 'nodes of smallest deviation')
    """
    return f"nodes of {kind}" if kind != RANDOM else "random nodes"
