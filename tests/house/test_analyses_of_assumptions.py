"""The analyses of assumptions, with their smallest options: pathways, interaction, what to measure, what is left out.

Apart from the others, so that both files run at one time.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import pathway_models as pm
from helpers import analysis, table_of


def test_pathway_shares(here: Path) -> None:
    options = ["--weeks", "1", "--sessions", "1", "--skip-wires", "--hypothesis", "efficacy=vns_like"]
    analysis("pathway_shares").main(["--model", "epilepsy", *options])
    table = table_of(here, "pathway_shares").set_index(["cut", "treatment", "kept", "group"])["log_rate"].sort_index()
    assert np.isfinite(table).all()
    assert (table.xs("all", level="kept") < -0.005).all()
    np.testing.assert_allclose(table["module", :, "none"], 0, atol=1e-4)
    assert table["module", "needles", "without", "acupuncture"] == pytest.approx(0, abs=1e-4)
    assert table["module", "diet", "without", "acupuncture"] == pytest.approx(table["module", "diet", "all", "intact"])


def test_interaction(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = analysis("interaction")
    monkeypatch.setitem(script.RUN, "weeks", 2)
    needles = pm.Electroacupuncture(sessions_per_week=2, weeks=1)
    monkeypatch.setitem(script.ARMS, "needles", [needles])
    monkeypatch.setitem(script.ARMS, "both", [script.DIET, needles])
    script.main(["--model", "epilepsy", "--n", "4", "--top", "2"])
    rows = table_of(here, "interaction_rows")
    assert len(rows) >= 4 * 9 + 4 * 10
    expected = np.log(rows["both"]) - np.log(rows["diet"]) - np.log(rows["needles"])
    np.testing.assert_allclose(rows["ln rate"], expected, atol=1e-9)
    np.testing.assert_allclose(rows["rate"], 1 + rows["both"] - rows["diet"] - rows["needles"], atol=1e-9)
    assert (rows["diet"] < 0.99).mean() > 0.5
    single = pd.read_csv(here / "interaction_parameters.csv")
    assert set(single["of"]) == {"rank", "clipped"}
    alone = single[~single["factor"].str.startswith("rest of") & (single["of"] == "rank")]
    assert len(alone) == 2
    assert (alone[["rho_value", "rho_size"]].abs().max(axis=1) > 0.3).all()  # the strongest of hundreds, in eight rows
    assert single["ST"].between(0, 4).all()


def test_what_to_measure(here: Path) -> None:
    options = ["--model", "epilepsy", "--n", "2", "--trajectories", "2", "--hypotheses", "2", "--weeks", "1"]
    analysis("what_to_measure").main(options)
    assert (here / "what_to_measure.png").stat().st_size > 10_000
    listed = pd.read_csv(here / "what_to_measure_list.csv", index_col=0)
    model = pm.load("epilepsy")
    assert set(listed.index) == {p.id for p in model.constants if p.uncertain and p.id not in model.anchors}
    assert listed["mu_star_low"].is_monotonic_decreasing
    assert listed.loc[listed.index.str.startswith("acupuncture"), "mu_star"].max() < 1e-9  # there are no needles
    assert set(pd.read_csv(here / "what_to_measure_kinds.csv")["factor"]) == {
        "measured",
        "derived",
        "fitted",
        "assumed",
    }
    readings = pd.read_csv(here / "what_to_measure_hypotheses.csv", index_col=0)
    assert readings["ST"].sum() == pytest.approx(1, abs=0.5)


def test_left_out(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = analysis("left_out")
    script.main(["--n", "60", "--sweeps", "2", "--modules", "acupuncture", "excitability"])
    rows = table_of(here, "left_out")
    assert set(rows["module"]) == {"acupuncture", "excitability"}
    assert set(rows["id"]) == {
        o.id for m in ("acupuncture", "excitability") for o in pm.evidence.read_observations(pm.load(m))
    }
    agreement = pd.read_csv(here / "left_out_agreement.csv", index_col=[0, 1])
    assert (agreement["evidence_apart"] < 3).all()
    readings = pd.read_csv(here / "left_out_readings.csv")
    sums = readings.groupby(["module", "mode", "hypothesis"])["posterior"].sum()
    np.testing.assert_allclose(sums, 1)
    script.main(["--n", "60", "--sweeps", "2", "--modules", "acupuncture", "--constants"])
    assert "fewest_effective" in capsys.readouterr().out
