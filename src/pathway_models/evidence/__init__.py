"""Published experiments: tables, observations, how well a model predicts them, the works to cite."""

from .citations import citations
from .coverage import coverage
from .derived import Derivation, Ingredient, derivation, derivations
from .observations import Observation, read_observations
from .reports import EvidenceReport, report
from .scores import Claim, Score
from .tables import evidence_table
from .tallies import ByChance

__all__ = [
    "ByChance",
    "Claim",
    "Derivation",
    "EvidenceReport",
    "Ingredient",
    "Observation",
    "Score",
    "citations",
    "coverage",
    "derivation",
    "derivations",
    "evidence_table",
    "read_observations",
    "report",
]
