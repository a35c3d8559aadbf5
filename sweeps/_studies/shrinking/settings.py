"""Settings of the shrinking study, read before JAX is imported."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo

from sweeps._settings import Count, Counts, Distinct, FirstSeed, LearningRate, Natural, Settings

Criterion = Literal["magnitude", "activation", "gradient"]


def _fit(layers: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
    nodes = info.data.get("nodes", 0)
    if 1 not in layers or max(layers) > nodes:
        raise ValueError(f"must be numbers from 1 to {nodes}, 1 among them")
    return layers


def _before(early: tuple[int, ...] | None, info: ValidationInfo) -> tuple[int, ...] | None:
    epochs = info.data.get("epochs", 0)
    if any(one >= epochs for one in early or ()):
        raise ValueError(f"must be numbers below epochs, {epochs}")
    return early


def _wider(wide: int | None, info: ValidationInfo) -> int | None:
    nodes = info.data.get("nodes", 0)
    if wide and wide <= nodes:
        raise ValueError(f"must be 0 or above nodes, {nodes}")
    return wide


@dataclass(frozen=True)
class Shrinking(Settings):
    """Which node to remove next: brute force, first and second order, along whole paths of removals."""

    task: Literal["digits", "mnist"] = "digits"
    """Images: scikit-learn's digits of 8 x 8 pixels, or MNIST, which is fetched once where no folder is given."""
    data: str | None = None
    """Folder with MNIST's four IDX files; asks for MNIST by itself."""
    nodes: Count = 100
    """Hidden nodes of each network, in all its layers."""
    networks: Count = 8
    """Networks of each kind, trained from different seeds; half as many with three layers and more."""
    layers: Annotated[Counts, Distinct, AfterValidator(_fit)] = (1, 2, 3, 4, 5)
    """Numbers of hidden layers, a kind of network for each; 1 has to be among them."""
    small_nodes: Annotated[int, Field(ge=0, le=20)] = 14
    """Hidden nodes of the networks whose every mask is evaluated; 0 leaves them out."""
    comparison: Annotated[tuple[Criterion, ...], Distinct] = ("magnitude", "activation", "gradient")
    """Cheaper criteria to compare with beside random choices, for the networks of one layer."""
    cross_entropy: bool = True
    """Rank by cross-entropy as well."""
    regression: Literal["diabetes", "california", "none"] = "diabetes"
    """A regression task beside the images; California housing where scikit-learn has it already."""
    epochs: Count = 80
    """Training epochs."""
    early: Annotated[Annotated[tuple[Count, ...], Distinct] | None, AfterValidator(_before)] = None
    """Epochs after which the networks of one layer are pruned too, far from perfect; by default 2 and 3, where training
    goes on after them; empty leaves it out."""
    budgets: Annotated[tuple[Count, ...], Distinct] | None = None
    """Bytes of memory to which the networks of one layer are pruned, beside networks trained at that size; by default a
    half, a quarter, an eighth and a sixteenth of their own; empty leaves it out."""
    wide_nodes: Annotated[Natural | None, AfterValidator(_wider)] = None
    """Hidden nodes of wider networks pruned to the same budgets, by default twice as many; 0 leaves them out."""
    batch_size: Count = 32
    """Examples in a training batch."""
    learning_rate: LearningRate = 0.01
    """Learning rate of Adam."""
    retrain_every: Annotated[tuple[Count, ...], Distinct] = (5, 20)
    """Numbers of removals after which the networks of one layer are trained again, a path for each; may be empty."""
    retrain_epochs: Count = 1
    """Epochs of each such training."""
    correlations: bool = True
    """Let nodes of the networks of one layer also go with others taking over, by correlation and other choices."""
    cascade_nodes: Natural = 40
    """Nodes that networks grow to by Cascade Correlation, on the images and in the regression; 0 leaves them out."""
    surface_every: Count = 10
    """Removals between two error surfaces."""
    seed: FirstSeed = 0
    """Seed of the first network of each kind and its order of training; the others have the next ones."""
