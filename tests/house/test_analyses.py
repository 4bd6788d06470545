"""Every analysis of the open questions, with its smallest options: its files are there and its numbers make sense.

The scripts run in this process, one after another, so that each coupled model is compiled once.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import pathway_models as pm
from helpers import analysis, table_of

ROOT = Path(__file__).parents[2]


def test_offset_map(here: Path) -> None:
    options = ["--points", "3", "--lengths", "2", "--horizon", "10", "--sessions", "1", "--efficacies", "vns_like"]
    analysis("offset_map").main([*options, "--draws", "2", "--model", "epilepsy"])
    table = table_of(here, "offset_map")
    assert table["offset"].tolist() == [-8, 0, 8]
    assert table["mean"].between(0, 0.99).all()
    np.testing.assert_allclose(table["lost"], table["mean"] - table["mean"][1])
    assert table["best_in"].sum() == pytest.approx(1)
    assert 0 < np.ptp(table["mean"]) < 0.2


def test_smallest_course(here: Path) -> None:
    analysis("smallest_course").main(
        ["--horizon", "3", "--weeks", "1", "3", "--sessions", "1", "2", "--ratios", "2", "4"]
    )
    table = table_of(here, "smallest_course")
    assert len(table) == 16
    assert table["prevented"].between(0, 1).all()
    full = table.groupby("panel")["prevented"].max()
    np.testing.assert_allclose(full, table.groupby("panel")["prevented"].last(), rtol=1e-6)


def test_stopping(here: Path) -> None:
    analysis("stopping").main(["--weeks", "1", "--after", "2", "--sessions", "1"])
    table = table_of(here, "stopping").set_index(["reading", "plan"]).sort_index()
    assert len(table) == 24
    assert table.to_numpy().min() >= 0
    end = table.iloc[:, -1].unstack("plan")
    assert (end["diet stops"] > end["both go on"]).all()
    assert (end["diet tapered"] < end["diet stops"]).all()


def test_review_signs(here: Path) -> None:
    analysis("review_signs").main(["--weeks", "2"])
    table = table_of(here, "review_signs")
    assert len(table) > 60
    assert set(table["verdict"]) <= {"agrees", "opposite", "no change"}
    sign = table.set_index("id")["model"]
    assert sign["kd_bhb"] == "up"
    assert sign["kd_seizures"] == "down"
    assert sign["both_acidosis"] == "none"


def test_epileptogenesis(here: Path) -> None:
    analysis("epileptogenesis").main(["--points", "1", "--hours", "1", "48", "--weeks", "12", "--diet-weeks", "4"])
    rate = table_of(here, "epileptogenesis").set_index(["arm", "hours"])["rate"]
    assert rate["no treatment", 1] < 0.01
    assert rate["no treatment", 48] > 0.1
    assert rate["diet to the end", 48] < rate["no treatment", 48]


def test_robustness(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    analysis("robustness").main(["--n", "3", "--weeks", "4", "--models", "epilepsy"])
    table = pd.read_csv(here / "robustness.csv").set_index(["arm", "row"])
    assert len(table) == 15
    np.testing.assert_allclose(table.loc["none", "seizure_rate"], 1, atol=1e-4)
    assert (table.loc["nudge", "seizure_rate"] > 1).any()
    assert table["loop_gain"].between(-3, 3).all()  # below 0 where seizures hold themselves back
    assert "0 of 15 runs fail" in capsys.readouterr().out


def test_virtual_trial(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    analysis("virtual_trial").main(["--n", "10", "--weeks", "4", "--trials", "--model", "epilepsy"])
    assert (here / "virtual_trial.png").stat().st_size > 10_000
    arms = pd.read_csv(here / "virtual_trial_arms.csv", index_col=0)
    assert list(arms.index) == ["control", "diet", "diet + acupuncture"]
    assert arms.loc["control", "model_ratio"] == 1
    assert arms["model_ratio"].is_monotonic_decreasing
    assert "percent of baseline against control" in capsys.readouterr().out


def test_statements_cite_rows_that_exist() -> None:
    table = pd.read_csv(ROOT / "sbml" / "evidence" / "statements.tsv", sep="\t", keep_default_na=False, quoting=3)
    assert table["id"].is_unique
    assert set(table["expected"]) <= {"up", "down", "none"}
    known = set(pm.evidence.evidence_table("responses").index) | set(
        pm.evidence.evidence_table("responses").get("id", [])
    )
    cited = {i for column in ("for", "against") for text in table[column] for i in text.split(";") if i}
    assert not cited - known
    model = pm.load("epilepsy")
    assert all(model.resolve(name) in {p.id for p in model.output_ports} for name in table["observable"])


def test_interval_coverage(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = analysis("interval_coverage")
    monkeypatch.setattr(script, "SIZES", (32, 64))
    monkeypatch.setattr(script, "TRUTH", {"n": 64, "seeds": range(1001, 1003)})
    script.main(3)
    table = pd.read_csv(here / "interval_coverage.csv")
    assert set(table["case"]) == {"Sobol g", "Ishigami", "nlrp3_il1b, TNF", "nlrp3_il1b, IL1B"}
    known = table[table["case"].isin(["Sobol g", "Ishigami"])]
    assert known.groupby("case")["factor"].nunique().to_dict() == {"Sobol g": 4, "Ishigami": 3}
    assert known[["S1", "ST"]].mean().min() > 0.8
    assert (table[table["N"] == 64]["ST width"].mean()) < table[table["N"] == 32]["ST width"].mean()


def test_reduce_core(here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the module of inflammation: what the file says, and that a model is made of it."""
    script, studies = analysis("reduce_core"), {"LPS": ([pm.Drug(name="LPS")], 1)}
    for name, value in {"OUTCOMES": ("IL1B", "NLRP3"), "STUDIES": studies, "LEAST": 3}.items():
        monkeypatch.setattr(script, name, value)
    script.main(["--model", "nlrp3_il1b", "--most", "5", "--draws", "4"])
    made = tomllib.loads((here / "epilepsy_core.toml").read_text(encoding="utf-8"))
    lists = {k: [n.rpartition(".")[2] for n in made["reduction"][k]] for k in ("constant", "quasi_steady")}
    small = pm.models.reduced(pm.load("nlrp3_il1b"), **lists)
    assert len(small.states) <= 5
    assert f"{len(small.states)} of the 12 states of nlrp3_il1b" in made["notes"]
    assert "5 states" in capsys.readouterr().out
