"""Questions to one model: arms and their interaction, lesions, contested mechanisms, the gain of the loop."""

from .arms import SCALES, Comparison, compare
from .lesion import lesion
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
