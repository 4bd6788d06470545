"""Models ready to be asked: the library, other people's SBML and PEtab files, a module in another's place."""

from .library import available, load
from .model import Model

__all__ = [
    "Model",
    "available",
    "load",
]
