"""Questions to a model: arms and their combination, wires cut, contested mechanisms read otherwise, loops."""

from .arms import SCALES, Comparison, compare
from .hypotheses import HypothesisScan, hypothesis_scan
from .lesions import lesion
from .loop import loop_gains

__all__ = [
    "Comparison",
    "HypothesisScan",
    "SCALES",
    "compare",
    "hypothesis_scan",
    "lesion",
    "loop_gains",
]
