"""Settings of the circle study, read before JAX is imported."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

from sweeps import checks
from sweeps.settings import Rule, Settings, count, each, probabilities, step_size

# The seeds after it, of further networks, are seeds too.
_seed = partial(checks.whole, least=0)
_counts, _distinct_counts = each(count), each(count, distinct=True)


@dataclass(frozen=True)
class Circle(Settings):
    """The distribution of loss under random node removal, of a toy network on a circle."""

    nodes: int = 20
    """Nodes in the hidden layer."""
    epochs: int = 20
    """Training epochs."""
    batch_size: int = 32
    """Examples in a training batch."""
    learning_rate: float = 0.01
    """Step size of Adam."""
    train_examples: int = 1000
    """Points in the training set."""
    test_examples: int = 1000
    """Points in the fixed test set."""
    probability: tuple[float, ...] = (0.25, 0.5, 0.75)
    """Probabilities with which a node stays."""
    draws: int = 1000
    """Masks drawn for each probability."""
    paths: int = 1000
    """Flip paths across the hypercube."""
    cube_nodes: int = 24
    """Most hidden nodes for which every mask is evaluated as well."""
    networks: int = 32
    """Networks trained from different seeds, to show the spread that one network hides."""
    boundary: Literal["text", "code"] = "text"
    """Circle of the published text, or of the published code, which compares the squared radius."""
    seed: int = 0
    """Seed of the initial network, the training set and the order of training."""
    test_seed: int = 23
    """Seed of the test set."""
    mask_seed: int = 17
    """Seed of the masks."""

    RULES: ClassVar[Mapping[str, Rule]] = dict(
        nodes=count,
        epochs=count,
        batch_size=count,
        learning_rate=step_size,
        train_examples=count,
        test_examples=count,
        probability=probabilities,
        draws=count,
        paths=count,
        cube_nodes=partial(checks.whole, least=0, most=30),
        networks=count,
        seed=_seed,
        test_seed=_seed,
        mask_seed=_seed,
    )
