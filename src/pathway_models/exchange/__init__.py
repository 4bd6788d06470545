"""Models and scenarios for other tools, checks of anybody's file, somebody else's SBML as a module."""

from ..models.swap import module_from, with_module
from .export import Finding, check, export

__all__ = [
    "Finding",
    "check",
    "export",
    "module_from",
    "with_module",
]
