"""Settings of the relevance study, read before JAX is imported."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

from sweeps import checks
from sweeps.settings import Rule, Settings, count, each, natural, step_size

# The seeds after it, of further networks, are seeds too.
_seed = partial(checks.whole, least=0)
_counts, _distinct_counts = each(count), each(count, distinct=True)


@dataclass(frozen=True)
class Relevance(Settings):
    """Which inputs a decision comes from: rules that go backwards, compared, and trained to lie where they should."""

    task: Literal["digits", "mnist"] = "digits"
    """Images: scikit-learn's digits of 8 x 8 pixels, or MNIST, which is fetched once where no folder is given."""
    data: str | None = None
    """Folder with MNIST's four IDX files; asks for MNIST by itself."""
    channels: tuple[int, int] = (8, 16)
    """Channels of the two convolutions."""
    hidden: int = 64
    """Nodes of the dense hidden layer."""
    epochs: int | None = None
    """Training epochs; by default 20 for digits and 2 for MNIST."""
    batch_size: int = 32
    """Examples in a training batch."""
    learning_rate: float = 0.003
    """Step size of Adam."""
    examples: int = 500
    """Most test images whose relevance is summed up in the ledgers."""
    images: int = 10
    """Test images with heat maps, of different classes where there are."""
    deletion_examples: int = 100
    """Test images from which regions are removed; 0 leaves it out."""
    region: int | None = None
    """Pixels along a side of a region that is removed; by default 1 for digits and 2 for MNIST."""
    orders: int = 5
    """Random orders of removal."""
    networks: int = 8
    """Networks on the circle whose nodes are compared; 0 leaves it out."""
    nodes: int = 20
    """Hidden nodes of each of these."""
    circle_epochs: int = 20
    """Their training epochs."""
    supervised_networks: int = 3
    """Networks of each relevance-supervised training and strength; 0 leaves it out."""
    supervised_hidden: tuple[int, ...] = (64, 32)
    """Nodes of their hidden layers."""
    supervised_examples: int = 1500
    """Most training images of these, a fifth of them for validation."""
    supervised_epochs: int = 40
    """Their training epochs."""
    strengths: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
    """Weights of the penalties."""
    seed: int = 0
    """Seed of the first network of each kind, its order of training and all drawings; others have the next ones."""

    RULES: ClassVar[Mapping[str, Rule]] = dict(
        channels=_counts,
        hidden=count,
        epochs=count,
        batch_size=count,
        learning_rate=step_size,
        examples=count,
        images=count,
        deletion_examples=natural,
        region=count,
        orders=count,
        networks=natural,
        # Shapley values of more nodes would need more than the whole hypercube of 2^20 masks.
        nodes=partial(checks.whole, least=1, most=20),
        circle_epochs=count,
        supervised_networks=natural,
        supervised_hidden=_counts,
        supervised_examples=partial(checks.whole, least=10),
        supervised_epochs=count,
        strengths=each(step_size, distinct=True),
        seed=_seed,
    )
