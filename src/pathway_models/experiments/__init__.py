"""Questions to a model: arms and their combination, wires cut, contested mechanisms read otherwise, loops."""

from .arms import SCALES, Comparison, compare
from .lesions import lesion
from .loop import loop_gains
from .readings import HypothesisScan, hypothesis_scan

__all__ = [
    "Comparison",
    "HypothesisScan",
    "SCALES",
    "compare",
    "hypothesis_scan",
    "lesion",
    "loop_gains",
]
