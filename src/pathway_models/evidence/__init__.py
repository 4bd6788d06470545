"""Published experiments: tables, observations, how well a model predicts them, the works to cite."""

from .citations import citations
from .derived import derivation, derivations
from .observations import Observation, read_observations
from .reports import EvidenceReport, report
from .tables import evidence_table

__all__ = [
    "EvidenceReport",
    "Observation",
    "citations",
    "derivation",
    "derivations",
    "evidence_table",
    "read_observations",
    "report",
]
