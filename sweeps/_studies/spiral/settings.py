"""Settings of the spiral study, read before JAX is imported."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo

from sweeps._settings import Count, Distinct, FirstSeed, LearningRate, Noise, Settings, Turns


def _fit(share: float, info: ValidationInfo) -> float:
    hidden = info.data.get("hidden", ())
    if share * min(hidden, default=0) < 1:
        raise ValueError(f"must be one node or more, and not all, of each hidden layer {hidden}")
    return share


@dataclass(frozen=True)
class Spiral(Settings):
    """Train first, or prune first: half of a network's hidden nodes removed after its training, or before."""

    hidden: Annotated[tuple[Count, ...], Field(min_length=2)] = (50, 50)
    """Nodes of each hidden layer, two or more."""
    share: Annotated[float, Field(gt=0, lt=1), AfterValidator(_fit)] = 0.5
    """Share of each hidden layer that is removed."""
    networks: Count = 32
    """Networks trained from different seeds."""
    choices: Count = 3
    """Random choices of nodes, for each network."""
    epochs: Count = 50
    """Training epochs."""
    finetune_epochs: Count = 20
    """Epochs of training after nodes of a trained network were removed."""
    batch_size: Count = 32
    """Examples in a training batch."""
    learning_rate: LearningRate = 0.1
    """Learning rate of Adam; the published figures speak for this one."""
    rates: Annotated[tuple[LearningRate, ...], Distinct] = (0.001, 0.01, 0.03, 0.1)
    """Other learning rates, at which a part of the study is done as well; may be empty."""
    rate_networks: Count = 16
    """Networks that are trained at each of these."""
    train_examples: Count = 1000
    """Points in the training set."""
    test_examples: Count = 1000
    """Points in the fixed test set."""
    turns: Turns = 1.5
    """Turns of an arm of the spiral."""
    noise: Noise = 0.02
    """Standard deviation of the noise on each coordinate."""
    seed: FirstSeed = 0
    """Seed of the first network, its order of training and its random choices; the others have the next ones."""
