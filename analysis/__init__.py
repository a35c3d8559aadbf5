"""Statistics, tables, figures and reports from the labelled arrays of a sweep; needs no JAX.

Every function takes arrays or datasets as ``sweeps.sweep`` returns them, or as `analysis.runs.open_run` reads them from
a run's store, and returns arrays, datasets, tables or matplotlib axes. Where to look:

- what losses are like: `removal`, `lognormal`, `families`, `qq`, `density`, `best`
- what each node is worth: `removal.leave_one_out`, `layers`, `gradients`, `examples`
- all masks of a network of few nodes: `hypercube`, `balance`; flip paths: `paths`
- a stored network: `perceptron`, `plane`
- several networks: `intervals`, `curves`, `claims`
- a paper: `figures`, `tables`, `numbers`, `report`, `explore`, `export`

The submodules, which ``__init__.pyi`` lists, are imported when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
