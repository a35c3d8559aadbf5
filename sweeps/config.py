"""Settings of the studies: plain dataclasses, read by the command line before JAX is imported."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Circle:
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

    def check(self) -> None:
        """Raise ValueError for a setting out of range, before any work is done."""
        for name in (
            "nodes",
            "epochs",
            "batch_size",
            "learning_rate",
            "train_examples",
            "test_examples",
            "draws",
            "networks",
        ):
            _require(getattr(self, name) > 0, name, "positive", getattr(self, name))
        for name in ("seed", "test_seed", "mask_seed"):
            _require(0 <= getattr(self, name) < 2**31, name, "between 0 and 2^31 - 1", getattr(self, name))
        inside = bool(self.probability) and all(0 <= value <= 1 for value in self.probability)
        _require(inside, "probability", "in [0, 1], at least one", self.probability)


def _require(good: bool, name: str, expected: str, came: object) -> None:
    if not good:
        raise ValueError(f"{name} must be {expected}, got {came}")


STUDIES = {"circle": Circle}
