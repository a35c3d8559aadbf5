"""Settings of the spiral study, read before JAX is imported."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from sweeps import checks
from sweeps.settings import NOISE, TURNS, Rule, Settings, count, each, require, step_size

# The seeds after it, of further networks, are seeds too.
_seed = partial(checks.whole, least=0)
_counts, _distinct_counts = each(count), each(count, distinct=True)


@dataclass(frozen=True)
class Spiral(Settings):
    """Train first, or prune first: half of a network's hidden nodes removed after its training, or before."""

    hidden: tuple[int, ...] = (50, 50)
    """Nodes of each hidden layer, two or more."""
    share: float = 0.5
    """Share of each hidden layer that is removed."""
    networks: int = 32
    """Networks trained from different seeds."""
    choices: int = 4
    """Random choices of nodes, for each network."""
    epochs: int = 50
    """Training epochs."""
    finetune_epochs: int = 20
    """Epochs of training after nodes of a trained network were removed."""
    batch_size: int = 32
    """Examples in a training batch."""
    learning_rate: float = 0.1
    """Step size of Adam; the published figures speak for this one."""
    rates: tuple[float, ...] = (0.001, 0.01, 0.03, 0.1)
    """Other step sizes, at which a part of the study is done as well; may be empty."""
    rate_networks: int = 16
    """Networks that are trained at each of these."""
    train_examples: int = 1000
    """Points in the training set."""
    test_examples: int = 1000
    """Points in the fixed test set."""
    turns: float = 1.5
    """Turns of an arm of the spiral."""
    noise: float = 0.02
    """Standard deviation of the noise on each coordinate."""
    seed: int = 0
    """Seed of the first network, its order of training and its random choices; the others have the next ones."""

    RULES: ClassVar[Mapping[str, Rule]] = dict(
        hidden=each(count, least=2),
        share=partial(checks.real, most=1, above=0),
        networks=count,
        choices=count,
        epochs=count,
        finetune_epochs=count,
        batch_size=count,
        learning_rate=step_size,
        rates=each(step_size, least=0, distinct=True),
        rate_networks=count,
        train_examples=count,
        test_examples=count,
        turns=TURNS,
        noise=NOISE,
        seed=_seed,
    )

    def check(self, prefix: str = "") -> None:
        """Raise InputError for a value that cannot be used, before any work is done."""
        super().check(prefix)
        good = self.share < 1 and self.share * min(self.hidden) >= 1
        require(
            good, f"{prefix}share", f"one node or more, and not all, of each hidden layer {self.hidden}", self.share
        )
