"""What arms, choices and the nodes they remove are called in tables, figures and sentences."""

from collections.abc import Sequence

#: The kinds of choices of nodes: at random, or those of the trained network whose activation varies least.
RANDOM, CHOSEN = "random", "smallest deviation"
#: What a choice of each kind removes.
NODES = {RANDOM: "random nodes", CHOSEN: "nodes of smallest deviation"}
#: The pruned networks that verdicts, plots of weights and pictures are of: those with bias compensation.
COMPENSATED, COMPENSATIONS = "with", ("without", "with")
#: What kinds are called in the names of films.
FILM_KINDS = ("random", "chosen")
#: Networks with nodes removed, in short.
ARMS = {"pruned": "pruned", "finetuned": "fine-tuned", "prune_first": "pruned first"}
ARM_NAMES = {
    "initial": "not trained",
    "trained": "trained",
    "reshuffled": "trained, other order",
    "others": "trained, other seeds",
    "pruned": "trained, then pruned",
    "finetuned": "pruned, then fine-tuned",
    "prune_first": "pruned, then trained",
}


def kinds_of(choices: Sequence[str]) -> dict[str, list[str]]:
    """Group choices by kind.

    Examples
    --------
    >>> kinds_of(["random 0", "random 1", "smallest deviation"])
    {'random': ['random 0', 'random 1'], 'smallest deviation': ['smallest deviation']}
    """
    return {RANDOM: [one for one in choices if one != CHOSEN], CHOSEN: [CHOSEN]}
