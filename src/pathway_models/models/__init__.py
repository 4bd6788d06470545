"""Models ready to be asked: the library, other people's SBML and PEtab files, a module in another's place."""

from ..modules.module import Hypothesis, Parameter, Port
from .collection import Library, available, library, load
from .model import Model

__all__ = [
    "Hypothesis",
    "Library",
    "Model",
    "Parameter",
    "Port",
    "available",
    "library",
    "load",
]
