"""Settings of the studies: plain dataclasses, read before JAX is imported."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

from sweeps import checks
from sweeps.settings import NOISE, TURNS, Rule, Settings, count, each, natural, probabilities, require, step_size

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


@dataclass(frozen=True)
class Sparsity(Settings):
    """How sparse a network can get: weights and units pruned to many sparsities, before and after fine-tuning."""

    task: Literal["digits", "mnist"] = "digits"
    """Images: scikit-learn's digits of 8 x 8 pixels, or MNIST, which is fetched once where no folder is given."""
    data: str | None = None
    """Folder with MNIST's four IDX files; asks for MNIST by itself."""
    hidden: tuple[int, ...] | None = None
    """Nodes of each hidden layer; by default 200-200-100-40 for digits and, as published, 1000-1000-500-200 for
    MNIST."""
    networks: int | None = None
    """Networks trained from different seeds; by default 8 for digits and 3 for MNIST."""
    epochs: tuple[int, ...] = (5, 10, 20)
    """Training epochs after which the networks are pruned, of one training."""
    batch_size: int = 32
    """Examples in a training batch."""
    learning_rate: float = 0.001
    """Step size of Adam."""
    sparsity: tuple[int, ...] = (0, 25, 50, 60, 70, 80, 90, 95, 97, 99)
    """Percent of the weights, or units, that go, where networks are fine-tuned and timed."""
    step: int | None = None
    """Percent between two points of the curves; by default 1 for digits and 5 for MNIST."""
    finetune_epochs: int | None = None
    """Epochs of training under the masks; 0 leaves it out; by default 2 for digits and 1 for MNIST."""
    seed: int = 0
    """Seed of the first network and its order of training; the others have the next ones."""

    RULES: ClassVar[Mapping[str, Rule]] = dict(
        hidden=_counts,
        networks=count,
        epochs=_distinct_counts,
        batch_size=count,
        learning_rate=step_size,
        sparsity=each(partial(checks.whole, least=0, most=99), distinct=True),
        step=partial(checks.whole, least=1, most=100),
        finetune_epochs=natural,
        seed=_seed,
    )

    def check(self, prefix: str = "") -> None:
        """Raise InputError for a value that cannot be used, before any work is done."""
        super().check(prefix)
        require(0 in self.sparsity, f"{prefix}sparsity", "percents from 0 to 99, 0 among them", self.sparsity)


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


STUDIES = {"circle": Circle, "shrinking": Shrinking, "sparsity": Sparsity, "spiral": Spiral, "relevance": Relevance}
