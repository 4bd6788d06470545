"""Which constants matter: Sobol indices and Morris effects, how far to trust them, figures, the page."""

from .analysis import Analysis, CostEstimate, Sampling
from .draws import draw
from .factors import Chosen, Factors, GaussianCopula
from .indices import Design, Indices, saltelli_design, sobol_indices
from .reliability import FailureBounds
from .results import Doubling, MorrisDesign
from .screening import MorrisResult, Trajectories, elementary_effects, morris, morris_design
from .sobol_analysis import SobolResult, sobol, sobol_cost

__all__ = [
    "Analysis",
    "Chosen",
    "CostEstimate",
    "Design",
    "Doubling",
    "Factors",
    "FailureBounds",
    "GaussianCopula",
    "Indices",
    "MorrisDesign",
    "MorrisResult",
    "Sampling",
    "SobolResult",
    "Trajectories",
    "draw",
    "elementary_effects",
    "morris",
    "morris_design",
    "saltelli_design",
    "sobol",
    "sobol_cost",
    "sobol_indices",
]
