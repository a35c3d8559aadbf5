"""Statistics, tables, figures and reports from the labelled arrays of a sweep; needs no JAX.

The submodules, which ``__init__.pyi`` lists, are imported when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
