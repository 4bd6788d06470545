"""Models on their way out: scenarios in every format, and what other tools make of them."""

from .._sbml.findings import Finding
from ..models.swap import module_from, with_module
from .writing import check, export

__all__ = [
    "Finding",
    "check",
    "export",
    "module_from",
    "with_module",
]
