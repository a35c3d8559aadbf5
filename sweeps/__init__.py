"""Sweeps over node gates: tasks, networks, objectives, designs and the engine that runs them.

Names, which ``__init__.pyi`` lists, are imported on first use: ``sweeps --help`` and ``sweeps report`` need no JAX.
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
