"""Settings of the shrinking study, read before JAX is imported."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

from sweeps import checks
from sweeps.settings import Rule, Settings, count, each, require, step_size

# The seeds after it, of further networks, are seeds too.
_seed = partial(checks.whole, least=0)
_counts, _distinct_counts = each(count), each(count, distinct=True)


@dataclass(frozen=True)
class Shrinking(Settings):
    """Which node to remove next: brute force, first and second order, along whole paths of removals."""

    task: Literal["digits", "mnist"] = "digits"
    """Images: scikit-learn's digits of 8 x 8 pixels, or MNIST, which is fetched once where no folder is given."""
    data: str | None = None
    """Folder with MNIST's four IDX files; asks for MNIST by itself."""
    nodes: int = 100
    """Hidden nodes of each network, in all its layers."""
    layers: tuple[int, ...] = (1, 2, 3, 4, 5)
    """Numbers of hidden layers, a network for each; 1 has to be among them."""
    small_nodes: int = 14
    """Hidden nodes of the network whose every mask is evaluated; 0 leaves it out."""
    comparison: tuple[Literal["magnitude", "activation", "gradient"], ...] = ("magnitude", "activation", "gradient")
    """Cheaper criteria to compare with beside random choices, for the network of one layer."""
    cross_entropy: bool = True
    """Whether to rank by cross-entropy as well."""
    regression: Literal["diabetes", "california", "none"] = "diabetes"
    """A regression task beside the images; California housing where scikit-learn has it already."""
    epochs: int = 80
    """Training epochs."""
    batch_size: int = 32
    """Examples in a training batch."""
    learning_rate: float = 0.01
    """Step size of Adam."""
    retrain_every: tuple[int, ...] = (5, 20)
    """Numbers of removals after which the network of one layer is trained again, a path for each; may be empty."""
    retrain_epochs: int = 1
    """Epochs of each such training."""
    surface_every: int = 10
    """Removals between two error surfaces."""
    seed: int = 0
    """Seed of the initial networks and the order of training."""

    RULES: ClassVar[Mapping[str, Rule]] = dict(
        nodes=count,
        layers=_distinct_counts,
        small_nodes=partial(checks.whole, least=0, most=20),
        comparison=each(checks.text, least=0, distinct=True),
        epochs=count,
        batch_size=count,
        learning_rate=step_size,
        retrain_every=each(count, least=0, distinct=True),
        retrain_epochs=count,
        surface_every=count,
        seed=_seed,
    )

    def check(self, prefix: str = "") -> None:
        """Raise InputError for a value that cannot be used, before any work is done."""
        super().check(prefix)
        good = 1 in self.layers and max(self.layers) <= self.nodes
        require(good, f"{prefix}layers", f"numbers from 1 to {self.nodes}, 1 among them", self.layers)
