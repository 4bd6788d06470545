"""The statements of the clinical review: what the table names is there, and what is missing has a reason."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

import pathway_models as pm
from pathway_models.errors import UnknownNameError
from pathway_models.evidence.tables import evidence_rows, split_cell
from pathway_models.models.collection import OURS

ROOT = Path(__file__).resolve().parents[2]
TABLE = pm.evidence.coverage()
SIGNS = pd.read_csv(ROOT / "sbml" / "evidence" / "statements.tsv", sep="\t", keep_default_na=False, quoting=3)


@pytest.mark.parametrize("name", TABLE.index)
def test_what_a_statement_names_is_there(name: str) -> None:
    model = pm.load("epilepsy")
    known = {
        "hypothesis": {h.id for h in model.hypothesis_set},
        "treatment": set(vars(pm.treatments)),
        "analysis": {p.stem for p in (ROOT / "analyses").glob("*.py")},
        "pm": set(pm.__all__),
    }
    for element in split_cell(TABLE.loc[name, "elements"]):
        kind, separator, rest = element.partition(":")
        if separator:
            assert rest in known[kind], element
        else:
            model.resolve(element)
    assert set(split_cell(TABLE.loc[name, "signs"])) <= set(SIGNS["id"])


def test_a_name_that_is_gone_is_found_out() -> None:
    with pytest.raises(UnknownNameError):
        pm.load("epilepsy").resolve("ampk_pgc1a.complex_IV_of_yore")


def test_every_direction_belongs_to_one_statement() -> None:
    assert sorted(s for cell in TABLE["signs"] for s in split_cell(cell)) == sorted(SIGNS["id"])


def test_what_is_covered_has_elements_and_what_is_not_has_a_reason() -> None:
    held = TABLE[TABLE["verdict"] != "not covered"]
    assert held["elements"].str.len().gt(0).all()
    assert TABLE.loc[TABLE["verdict"] != "covered", "note"].str.len().gt(0).all()
    switches = TABLE[TABLE["verdict"].isin(["switch", "statement only"])]
    assert switches["elements"].str.contains("hypothesis:").all()


@pytest.mark.parametrize("name", TABLE.index[TABLE["verdict"] == "statement only"])
def test_a_statement_without_a_size_is_a_switch_that_says_so(name: str) -> None:
    """Off by default in the models, and called a statement only where the alternatives are described."""
    switches = {e.removeprefix("hypothesis:") for e in split_cell(TABLE.loc[name, "elements"]) if "hypothesis:" in e}
    named = [h for h in pm.load("epilepsy").hypothesis_set if h.id in switches]
    assert any("statement only" in a.note.lower() for h in named for a in h.alternatives.values())


def test_rows_that_a_note_cites_are_there() -> None:
    cited = {i for note in TABLE["note"] for i in re.findall(r"[a-z0-9_]+:[\w-]+", note)}
    assert cited <= set(evidence_rows(OURS))


def test_all_statements_are_there() -> None:
    assert len(TABLE) == 60
    assert TABLE["statement"].is_unique
