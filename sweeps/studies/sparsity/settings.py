"""Settings of the sparsity study, read before JAX is imported."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

from sweeps import checks
from sweeps.settings import Rule, Settings, count, each, natural, require, step_size

# The seeds after it, of further networks, are seeds too.
_seed = partial(checks.whole, least=0)
_counts, _distinct_counts = each(count), each(count, distinct=True)


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
