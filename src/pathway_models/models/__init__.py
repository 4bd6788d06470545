"""Models that run: our own by name, anybody's file by path; what came with them."""

from .library import available, load
from .model import Model

__all__ = [
    "Model",
    "available",
    "load",
]
