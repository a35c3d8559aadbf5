"""Settings of the circle study, read before JAX is imported."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from sweeps._settings import Count, FirstSeed, LearningRate, Probabilities, Settings


@dataclass(frozen=True)
class Circle(Settings):
    """The distribution of loss under random node removal, of a toy network on a circle."""

    nodes: Count = 20
    """Nodes in the hidden layer."""
    epochs: Count = 20
    """Training epochs."""
    batch_size: Count = 32
    """Examples in a training batch."""
    learning_rate: LearningRate = 0.01
    """Learning rate of Adam."""
    train_examples: Count = 1000
    """Points in the training set."""
    test_examples: Count = 1000
    """Points in the fixed test set."""
    probability: Probabilities = (0.25, 0.5, 0.75)
    """Probabilities with which a node stays."""
    draws: Count = 1000
    """Masks drawn for each probability."""
    paths: Count = 1000
    """Flip paths across the hypercube."""
    cube_nodes: Annotated[int, Field(ge=0, le=30)] = 24
    """Most hidden nodes for which every mask is evaluated as well."""
    networks: Count = 32
    """Networks trained from different seeds: verdicts are on all of them."""
    networks_cube_nodes: Annotated[int, Field(ge=0, le=30)] = 20
    """Most hidden nodes for which every mask of each of these networks is evaluated as well."""
    boundary: Literal["text", "code"] = "text"
    """Circle of the published text, or of the published code, which compares the squared radius."""
    seed: FirstSeed = 0
    """Seed of the initial network, the training set and the order of training."""
    test_seed: FirstSeed = 23
    """Seed of the test set."""
    mask_seed: FirstSeed = 17
    """Seed of the masks."""
