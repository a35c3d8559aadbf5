from . import gating as gating
from . import off as off
from . import pruning as pruning
from . import ranking as ranking
from . import relevance as relevance
from . import tasks as tasks
from ._batches import Batch as Batch
from ._batches import Task as Task
from ._checks import InputError as InputError
from ._engine.runner import sweep as sweep
from ._evaluation import Evaluation as Evaluation
from ._examples import MaskedBatch as MaskedBatch
from ._masks.designs import Bernoulli as Bernoulli
from ._masks.designs import FixedSize as FixedSize
from ._masks.designs import FlipPaths as FlipPaths
from ._masks.designs import Hypercube as Hypercube
from ._masks.designs import LeaveOneOut as LeaveOneOut
from ._masks.designs import Masks as Masks
from ._networks import MLP as MLP
from ._objective import Objective as Objective
from ._training import History as History
from ._training import train as train
from ._training import train_many as train_many
from .gating._tying import Tied as Tied

__version__: str
