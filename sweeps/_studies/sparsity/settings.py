"""Settings of the sparsity study, read before JAX is imported."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from sweeps._settings import Count, Counts, Distinct, FirstSeed, LearningRate, Natural, Settings, Share


def _with_none(sparsity: tuple[int, ...]) -> tuple[int, ...]:
    if 0 not in sparsity:
        raise ValueError("must be percents from 0 to 99, 0 among them")
    return sparsity


Percents = Annotated[tuple[Annotated[int, Field(ge=0, le=99)], ...], Distinct, AfterValidator(_with_none)]


@dataclass(frozen=True)
class Sparsity(Settings):
    """How sparse a network can get: weights and nodes pruned to many sparsities, before and after fine-tuning."""

    task: Literal["digits", "mnist"] = "digits"
    """Images: scikit-learn's digits of 8 x 8 pixels, or MNIST, which is fetched once where no folder is given."""
    data: str | None = None
    """Folder with MNIST's four IDX files; asks for MNIST by itself."""
    hidden: Counts | None = None
    """Nodes of each hidden layer; by default 200-200-100-40 for digits and, as published, 1000-1000-500-200 for
    MNIST."""
    networks: Count | None = None
    """Networks trained from different seeds; by default 8 for digits and 3 for MNIST."""
    epochs: Annotated[Counts, Distinct] = (5, 10, 20)
    """Training epochs after which the networks are pruned, of one training."""
    batch_size: Count = 32
    """Examples in a training batch."""
    learning_rate: LearningRate = 0.001
    """Learning rate of Adam."""
    sparsity: Percents = (0, 25, 50, 60, 70, 80, 90, 95, 97, 99)
    """Percent of the weights, or nodes, that go, where networks are fine-tuned and timed."""
    step: Annotated[int, Field(ge=1, le=99)] | None = None
    """Percent between two points of the curves; by default 1 for digits and 5 for MNIST."""
    finetune_epochs: Natural | None = None
    """Epochs of training under the masks; 0 leaves it out; by default 2 for digits and 1 for MNIST."""
    rounds: Natural = 3
    """Rounds of fine-tuning in which what was pruned stays off, or may come back; 0 leaves the comparison out."""
    small_examples: Natural = 300
    """Examples of the small training sets that networks overfit before they are pruned; 0 leaves this out."""
    flipped: Share = 0.2
    """Share of the labels of such a set that are flipped to another class."""
    seed: FirstSeed = 0
    """Seed of the first network and its order of training; the others have the next ones."""
