"""Facts beside the models: whatever is written in a table says where it comes from."""

from __future__ import annotations

from typing import Protocol

import pytest

from pathway_models._files.data import facts
from pathway_models.evidence.observations import evidence_ids
from pathway_models.evidence.tables import split_cell
from pathway_models.models.collection import OURS
from pathway_models.treatments.drugs import known_agents
from pathway_models.treatments.schedule import CONSTANTS
from pathway_models.treatments.stimulation import known_points
from pathway_models.trials.patients import POPULATION


class Row(Protocol):
    """What the tables have in common."""

    unit: str
    kind: str
    source: str
    note: str


ROWS: dict[str, Row] = {**facts(CONSTANTS), **facts(POPULATION), **known_agents(), **known_points()}


@pytest.mark.parametrize("name", ROWS)
def test_a_fact_names_rows_of_the_evidence_or_is_assumed(name: str) -> None:
    row = ROWS[name]
    sources = split_cell(row.source)
    assert set(sources) <= set(evidence_ids(OURS))
    assert sources or row.kind == "assumed"
    assert row.unit
    assert len(row.note) > 10
