"""Published numbers: the tables, the experiments in terms of a model, how the model meets them, citations."""

from .citations import citations
from .observations import Observation, read_observations
from .report import EvidenceReport, evidence
from .tables import evidence_table

__all__ = [
    "EvidenceReport",
    "Observation",
    "citations",
    "evidence",
    "evidence_table",
    "read_observations",
]
