"""Settings of the relevance study, read before JAX is imported."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from sweeps._settings import Count, Counts, Distinct, FirstSeed, LearningRate, Natural, Settings

# Shapley values of more nodes would need more than the whole hypercube of 2^20 masks.
CubeNodes = Annotated[int, Field(ge=1, le=20)]
Strengths = Annotated[tuple[LearningRate, ...], Field(min_length=1), Distinct]


@dataclass(frozen=True)
class Relevance(Settings):
    """Which inputs a decision comes from: rules that go backwards, compared, and trained to lie where they should."""

    task: Literal["digits", "mnist"] = "digits"
    """Images: scikit-learn's digits of 8 x 8 pixels, or MNIST, which is fetched once where no folder is given."""
    data: str | None = None
    """Folder with MNIST's four IDX files; asks for MNIST by itself."""
    channels: tuple[Count, Count] = (8, 16)
    """Channels of the two convolutions."""
    hidden: Count = 64
    """Nodes of the dense hidden layer."""
    epochs: Count | None = None
    """Training epochs; by default 12 for digits and 2 for MNIST."""
    batch_size: Count = 32
    """Examples in a training batch."""
    learning_rate: LearningRate = 0.003
    """Learning rate of Adam."""
    examples: Count = 500
    """Most test images whose relevance is summed up in the ledgers."""
    images: Count = 10
    """Test images with heat maps, of different classes where there are."""
    deletion_examples: Natural = 100
    """Test images from which regions are removed; 0 leaves it out."""
    region: Count | None = None
    """Pixels along a side of a region that is removed; by default 1 for digits and 2 for MNIST."""
    orders: Count = 5
    """Random orders of removal."""
    networks: Natural = 8
    """Networks on the circle, whose nodes are compared, and of each training and strength under supervision; 0 leaves
    both out."""
    nodes: CubeNodes = 20
    """Hidden nodes of each of these."""
    circle_epochs: Count = 20
    """Their training epochs."""
    supervised: bool = True
    """Train networks with their relevance in a region."""
    supervised_hidden: Counts = (64, 32)
    """Nodes of their hidden layers."""
    supervised_examples: Annotated[Count, Field(ge=10)] = 1500
    """Most training images of these, a fifth of them for validation."""
    supervised_epochs: Count = 20
    """Their training epochs."""
    strengths: Strengths = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
    """Weights of the penalties."""
    seed: FirstSeed = 0
    """Seed of the first network of each kind, its order of training and all drawings; others have the next ones."""
