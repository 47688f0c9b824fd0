"""Training methods, one file each. `ml.train.methods.base` states what a method must have.

Every module of this folder is imported here, so that its classes register.
"""

from importlib import import_module
from pkgutil import iter_modules

from ml.train.methods.base import TRAINING_METHODS, Supervision, TrainingMethod

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = ["TRAINING_METHODS", "Supervision", "TrainingMethod"]
