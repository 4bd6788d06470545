"""Evidence: files parse or say what is wrong, scores are right, every published row is used or explained."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import pathway_models as pm
from helpers import at_rest, main, tiny
from pathway_models.ensembles import rows as runs_of_rows
from pathway_models.errors import InvalidValueError, ModelError, UnknownNameError
from pathway_models.evidence import observations, scores, tables
from pathway_models.evidence import reports as _evidence
from pathway_models.simulation.job import Job

SBML = Path(__file__).resolve().parents[2] / "sbml"
COUPLED = ("epilepsy",)  # epilepsy_core is asked a part of the same rows, for its page
OURS = ("ketone_katp", "ampk_pgc1a", "acupuncture", "excitability", *COUPLED)
MODELS = sorted({*(p.parent.name for p in SBML.glob("modules/*/observations.tsv")), *COUPLED})
# topic of the published rows -> the module whose observations must account for them
TOPICS = {
    "ketone_katp": "ketone_katp",
    "ampk_pgc1a": "ampk_pgc1a",
    "clinical": "epilepsy",
    "gaba_gad67": "gaba_gad67",
    "nlrp3_il1b": "nlrp3_il1b",
    "mtor_autophagy": "mtor_autophagy",
    "gut_brain": "gut_brain",
    "serotonin": "serotonin",
    "bdnf_trkb": "bdnf_trkb",
}
# Tests on a work of which another number was used, that a parameter cites for not following it, or whose use is
# switched off in the row; their notes say so.
NOT_THE_NUMBER_USED = {
    ("ketone_katp", "rat_atp_up"),
    ("ketone_katp", "rat_adp_down"),
    ("ketone_katp", "rat_pcr_none"),
    ("ketone_katp", "rat_lactate_up"),
    ("epilepsy", "rat_atp_up"),
    ("ketone_katp", "rest_bhb_brain"),
    ("epilepsy", "kd_pampk"),
}
FIRST = {
    "id": "one",
    "use": "check",
    "context": "healthy",
    "hypotheses": "",
    "settings": "",
    "baseline": "self",
    "treatments": "level:AICAR=1",
    "hours": "24",
    "observable": "pAMPK",
    "reduce": "at",
    "comparison": "fold",
    "value": "2",
    "error": "0.5",
    "error_kind": "SD",
    "source": "ampk_pgc1a:APG-R110",
    "expected_under": "",
    "note": "",
}
ROTTEN = [
    ({"id": ""}, "id is missing"),
    ({"use": "test"}, "unknown use 'test'"),
    ({"context": "asleep"}, "'asleep'"),
    ({"hypotheses": "kd_ampk=never"}, "'never'"),
    ({"hypotheses": "kd_ampk"}, "name=value"),
    ({"settings": "AMP_ATP=high"}, "'high' is no number"),
    ({"settings": "AMP_ATB=1"}, "'AMP_ATB'"),
    ({"settings": "AMP_ATP=900"}, "900"),
    ({"baseline": "before"}, "unknown baseline 'before'"),
    ({"baseline": ""}, "absolute has none"),
    ({"treatments": "level:AICAR"}, "malformed"),
    ({"treatments": "level:AICAR=1@"}, "malformed"),
    ({"treatments": "level:AICAR=much"}, "'much' is no number"),
    ({"treatments": "level:AICAR=1@5..2"}, "stop"),
    ({"treatments": "dose:pAMPK=1"}, "malformed"),
    ({"treatments": "dose:AICAR=1@0"}, "AICAR"),
    ({"treatments": "level:aspirin=1"}, "'aspirin'"),
    ({"treatments": "yoga"}, "'yoga'"),
    ({"treatments": "ketogenic_diet:ratio=4"}, "carb_restriction"),
    ({"hours": "-1"}, "hours"),
    ({"hours": "0"}, "hours"),
    ({"hours": "soon"}, "'soon' is no number"),
    ({"observable": "colour"}, "'colour'"),
    ({"observable": "k_dephos_AMPK"}, "constant"),
    ({"reduce": "mean"}, "unknown reduce 'mean'"),
    ({"reduce": "time_of_peak"}, "time_of_peak"),
    ({"comparison": "ratio"}, "unknown comparison 'ratio'"),
    ({"comparison": "up"}, "value is 2.0"),
    ({"value": ""}, "needs a number"),
    ({"value": "nan"}, "not finite"),
    ({"error_kind": "CI95"}, "low-high"),
    ({"error_kind": "range"}, "unknown error_kind 'range'"),
    ({"error": ""}, "error is empty"),
    ({"error": "0"}, "above 0"),
    ({"source": ""}, "source is empty"),
    ({"source": "ampk_pgc1a:APG-R999"}, "'ampk_pgc1a:APG-R999'"),
    ({"expected_under": "kd_ampk=never"}, "'never'"),
]


@pytest.fixture(autouse=True)
def _closed_figures() -> Iterator[None]:
    yield
    plt.close("all")


@cache
def found(name: str) -> pm.evidence.EvidenceReport:
    return pm.evidence.report(pm.load(name))


def write(folder: Path, *rows: dict[str, str]) -> Path:
    """A file of observations, each FIRST with some cells changed."""
    path = folder / "observations.tsv"
    lines = [observations.OBSERVATION_COLUMNS, *((FIRST | row).values() for row in rows)]
    path.write_text("".join("\t".join(line) + "\n" for line in lines), encoding="utf-8")
    return path


def scored(folder: Path, name: str, *rows: dict[str, str], model: pm.Model | None = None) -> list[scores.Score]:
    model = model or pm.load(name)
    return list(_evidence.report(model, pm.evidence.read_observations(model, write(folder, *rows))).rows)


def sources(name: str) -> set[str]:
    return {s for o in pm.evidence.read_observations(pm.load(name)) for s in o.source}


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))


# ---- tables ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["measurements", "responses"])
def test_tables_are_the_files(kind: str) -> None:
    table = pm.evidence.evidence_table(kind)  # type: ignore[arg-type]
    rows = read(SBML / "evidence" / f"{kind}.tsv")
    assert table.index.tolist() == [row["id"] for row in rows]
    assert table["citation"].tolist() == [row["citation"] for row in rows]


def test_a_table_can_be_changed_without_harm() -> None:
    table = pm.evidence.evidence_table("responses")
    table["value"] = "0"
    assert pm.evidence.evidence_table("responses").loc["clinical:C001", "value"] == "62"


def test_unknown_tables_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="'opinions'"):
        pm.evidence.evidence_table("opinions")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "line", "words"),
    [
        (lambda t: t.replace("quantity", "amount", 1), 1, "columns"),
        (lambda t: t + "x:1\tfew\n", 4, "2 cells"),
        (lambda t: t.replace("b:2", "a:1"), 3, "double"),
        (lambda t: t.replace("derived", "guessed"), 3, "'guessed'"),
    ],
)
def test_broken_tables_name_file_and_line(tmp_path: Path, change: object, line: int, words: str) -> None:
    columns = tables.TABLE_COLUMNS["measurements"]
    empty = dict.fromkeys(columns, "")
    rows = [empty | {"id": "a:1", "source_kind": "published"}, empty | {"id": "b:2", "source_kind": "derived"}]
    text = "".join("\t".join(r) + "\n" for r in (columns, *(row.values() for row in rows)))
    path = tmp_path / "measurements.tsv"
    path.write_text(change(text), encoding="utf-8")  # type: ignore[operator]
    with pytest.raises(ModelError, match=rf"measurements\.tsv:{line}: .*{words}"):
        tables.read_table(path, "measurements")


# ---- observations ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("change", "words"), ROTTEN, ids=[f"{k}={v}" for c, _ in ROTTEN for k, v in c.items()])
def test_rotten_rows_name_file_line_and_value(tmp_path: Path, change: dict[str, str], words: str) -> None:
    path = write(tmp_path, {}, {"id": "two"} | change)
    with pytest.raises(ModelError) as caught:
        pm.evidence.read_observations(pm.load("ampk_pgc1a"), path)
    assert str(caught.value).startswith(f"{path}:3: ")
    assert words in str(caught.value)


def test_double_ids_and_broken_lines_are_refused(tmp_path: Path) -> None:
    model = pm.load("ampk_pgc1a")
    with pytest.raises(ModelError, match=":3: id 'one' is double"):
        pm.evidence.read_observations(model, write(tmp_path, {}, {}))
    path = write(tmp_path, {})
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("\tpAMPK\t", "\t"), encoding="utf-8")
    with pytest.raises(ModelError, match=":2: 16 cells; the header has 17"):
        pm.evidence.read_observations(model, path)
    path.write_text(text.replace("observable", "what"), encoding="utf-8")
    with pytest.raises(ModelError, match=":1: the columns are"):
        pm.evidence.read_observations(model, path)


def test_models_from_elsewhere_have_no_observations() -> None:
    for model in (tiny("x = 1; x' = -x", name="foreign"), tiny("x = 1; x' = -x", name="epilepsy")):
        for ask in (pm.evidence.report, pm.evidence.read_observations, pm.evidence.citations):
            with pytest.raises(ModelError, match=r"no model of the library: it has no observations"):
                ask(model)


def test_treatments_as_observations_write_them() -> None:
    assert observations.treatment("level:BHB=1") == pm.Level(input="BHB", value=1.0)
    assert observations.treatment("level:BHB=1@2..") == pm.Level(input="BHB", value=1.0, at=2.0)
    assert observations.treatment("level:BHB=1@2..3.5") == pm.Level(input="BHB", value=1.0, at=2.0, until=3.5)
    assert observations.treatment("dose:session=1@0,24") == pm.Dose(input="session", amount=1.0, times=(0.0, 24.0))
    assert observations.treatment("ketogenic_diet:ratio=3") == pm.KetogenicDiet(ratio=3.0)
    with pytest.raises(InvalidValueError, match="malformed"):
        observations.treatment("dose:session=1")


def test_intervals_become_one_standard_error(tmp_path: Path) -> None:
    rows = (
        {"id": "ci", "error": "1-4.92", "error_kind": "CI95"},
        {"id": "negative", "error": "-2.35 to -1", "error_kind": "IQR"},
        {"id": "plain", "error_kind": ""},
    )
    ci, iqr, plain = pm.evidence.read_observations(pm.load("ampk_pgc1a"), write(tmp_path, *rows))
    assert ci.error == pytest.approx(1.0)
    assert iqr.error == pytest.approx(1.0)
    assert plain.error == 0.5


# ---- scores ------------------------------------------------------------------------------------------------


def test_numbers_are_scored_by_their_error(tmp_path: Path) -> None:
    model = pm.load("ampk_pgc1a", context="healthy")
    run = model.simulate([pm.Level(input="AICAR", value=1.0)], duration=24)
    fold = float(run["pAMPK"][-1] / run["pAMPK"][0])
    off, near, far, percent, absolute, bare = scored(
        tmp_path,
        "ampk_pgc1a",
        {"value": f"{fold - 0.4}"},
        {"id": "two", "value": f"{fold - 0.8}"},
        {"id": "three", "value": f"{fold + 1.1}"},
        {"id": "four", "comparison": "percent_change", "value": f"{100 * (fold - 1)}", "error": "10"},
        {"id": "five", "comparison": "absolute", "baseline": "", "value": "2"},
        {"id": "six", "error": "", "error_kind": ""},
    )
    assert off.prediction == pytest.approx(fold, rel=1e-5)
    assert (off.z, near.z, far.z) == pytest.approx((0.8, 1.6, -2.2), abs=1e-3)
    assert [s.verdict for s in (off, near, far)] == ["within one error", "within two errors", "outside two errors"]
    assert percent.z == pytest.approx(0, abs=1e-2)
    assert percent.ratio == pytest.approx(1, rel=1e-4)
    assert absolute.prediction == pytest.approx(float(run["pAMPK"][-1]), rel=1e-5)
    assert (bare.verdict, bare.ratio) == ("no error given", pytest.approx(fold / 2, rel=1e-5))
    assert math.isnan(bare.z)


def test_directions_are_scored_by_their_sign(tmp_path: Path) -> None:
    plain = {"value": "", "error": "", "error_kind": ""}
    rows = [plain | {"id": c, "comparison": c} for c in ("up", "down", "none")]
    up, down, none = (scored(tmp_path, "ampk_pgc1a", row)[0] for row in rows)
    assert up.prediction == pytest.approx(154, abs=5)
    assert [s.verdict for s in (up, down, none)] == ["right", "wrong", "wrong"]
    assert math.isnan(up.z)
    assert math.isnan(up.ratio)
    still = [r | {"treatments": "level:AICAR=0"} for r in rows]
    assert [scored(tmp_path, "ampk_pgc1a", row)[0].verdict for row in still] == ["wrong", "wrong", "right"]
    assert {s.verdict for s in scored(tmp_path, "ampk_pgc1a", *rows)} == {"disputed"}
    assert up.wanted == (pytest.approx(100 * (2.78 ** (1 / 3) - 1)), math.inf)  # the row prints 2.78-fold
    assert down.wanted == (-math.inf, -2)
    assert none.wanted == (-5, 5)


def test_what_rests_at_zero_has_a_direction_but_no_fold(tmp_path: Path) -> None:
    plain = {"treatments": "dose:session=1@0", "observable": "vagal_drive", "source": "clinical:C091"}
    signs = plain | {"value": "", "error": "", "error_kind": ""}
    rows = (
        plain,
        signs | {"id": "up", "comparison": "up"},
        signs | {"id": "none", "comparison": "none", "treatments": "", "hours": "5"},
    )
    assert [s.verdict for s in scored(tmp_path, "acupuncture", *rows)] == ["failed", "right", "right"]
    down, up = scores.comparison_scales("down", np.array([-0.5, 0.5]), np.zeros(2))
    assert down < 0 < up


def test_extremes_and_their_time(tmp_path: Path) -> None:
    plain = {"treatments": "ketone_ester", "observable": "BHB_plasma", "comparison": "absolute", "baseline": ""}
    rows = [plain | {"id": r, "reduce": r, "hours": "6"} for r in ("at", "peak", "trough", "time_of_peak")]
    at, peak, trough, when = (s.prediction for s in scored(tmp_path, "ketone_katp", *rows))
    run = pm.load("ketone_katp", context="healthy").simulate([pm.treatments.KetoneEster()], duration=6, every=0.0075)[
        "BHB_plasma"
    ]
    assert (at, peak, trough) == pytest.approx((float(run[-1]), float(run.max()), float(run.min())), rel=1e-5)
    assert when == pytest.approx(float(run["time"][int(run.values.argmax())]), abs=0.02)


def test_disease_is_compared_with_health_without_the_settings(tmp_path: Path) -> None:
    row = {"context": "epilepsy", "baseline": "healthy", "treatments": "", "hours": "0", "settings": "AMP_ATP=1.3"}
    (score,) = scored(tmp_path, "ampk_pgc1a", row)
    rest = [pm.load("ampk_pgc1a"), pm.load("ampk_pgc1a", context="healthy")]
    ill, well = rest[0].with_parameters(AMP_ATP=1.3).steady_state()["pAMPK"], rest[1].steady_state()["pAMPK"]
    assert score.prediction == pytest.approx(ill / well, rel=1e-5)


def test_the_hypotheses_of_a_row_win(tmp_path: Path) -> None:
    plain = {"treatments": "level:BHB=1", "comparison": "down", "value": "", "error": "", "error_kind": ""}
    plain |= {"expected_under": "kd_ampk=lowers"}
    rows = (plain, plain | {"id": "two", "hypotheses": "kd_ampk=raises"})
    for alternative, verdict in (("none", "wrong"), ("lowers", "right")):
        model = pm.load("ampk_pgc1a").with_hypothesis("kd_ampk", alternative)
        first, second = scored(tmp_path, "ampk_pgc1a", *rows, model=model)
        assert (first.verdict, second.verdict) == (verdict, "wrong")
        assert (first.expected, second.expected) == (alternative == "lowers", False)
        assert first.hypotheses == ("" if alternative == "none" else "kd_ampk=lowers")
        assert second.hypotheses == "kd_ampk=raises"


def test_a_failed_run_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = runs_of_rows.climb

    def breaks(job: Job, *row: object, **how: object) -> object:
        if any(phase.levels for phase in job.phases):
            return None, 1, "the integrator gave up"
        return original(job, *row, **how)

    monkeypatch.setattr(runs_of_rows, "climb", breaks)
    failed, fine = scored(tmp_path, "ampk_pgc1a", {}, {"id": "two", "treatments": ""})
    assert (failed.verdict, fine.verdict) == ("failed", "within two errors")
    report = pm.evidence.EvidenceReport(model="ampk_pgc1a", title="", rows=(failed, fine))
    assert "1 not simulated" in report.summary()
    assert "gave up" in report.to_dataframe().loc[0, "note"]
    report.plot()


def test_equal_conditions_share_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []
    original = runs_of_rows.climb

    def counts(job: Job, *row: object, **how: object) -> object:
        runs.append(job)
        return original(job, *row, **how)

    monkeypatch.setattr(runs_of_rows, "climb", counts)
    first, last = scored(tmp_path, "ampk_pgc1a", {}, {"id": "two", "hours": "1", "observable": "NAD"})
    assert len(runs) == 2  # once more at coarser tolerances
    assert runs[1].relative_tolerance == pytest.approx(_evidence.COARSER * runs[0].relative_tolerance)
    assert first.prediction != last.prediction


# ---- the library's own observations ------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_asked_every_row(name: str) -> None:
    report = found(name)
    rows = pm.evidence.read_observations(pm.load(name))
    frame = report.to_dataframe()
    assert frame["id"].tolist() == [o.id for o in rows]
    assert frame.columns.tolist() == list(_evidence.REPORT_COLUMNS)
    assert [r.message for r in report.rows if r.verdict == "failed"] == []
    assert frame.loc[frame["observed"].notna(), "ratio"].notna().all()
    assert frame["z"].notna().sum() == frame["error"].notna().sum()
    for use in ("check", "fit"):
        of_use = [r for r in report.rows if r.observation.use == use]
        merged = [r.claim.group for r in of_use if r.verdict in ("right", "wrong") and r.claim.group]
        counted = len(of_use) - len(merged) + len(set(merged))
        assert sum(report.totals(use).values()) == counted  # type: ignore[arg-type]


@pytest.mark.parametrize("name", MODELS)
def test_fit_rows_are_no_tests(name: str) -> None:
    report = found(name)
    checks = tuple(r for r in report.rows if r.observation.use == "check")
    alone = pm.evidence.EvidenceReport(model=name, title="", rows=checks)
    assert alone.totals("check") == report.totals("check")
    assert sum(alone.totals("fit").values()) == 0
    line = report.summary().splitlines()[1]
    assert line.startswith("Rows not used to set the model: ")
    assert line == alone.summary().splitlines()[1]


@pytest.mark.parametrize("name", COUPLED)
def test_rows_that_provoke_epilepsy_hold_the_untreated_state(name: str) -> None:
    """In health no untreated state sets the anchors: rows that need them write those of the epilepsy context."""
    model = pm.load(name)
    anchors = at_rest(model, tuple(model.anchors))
    written = [
        (model.resolve(key), value)
        for o in pm.evidence.read_observations(model)
        if o.context == "healthy"
        for key, value in o.settings
    ]
    held = [(key, value) for key, value in written if key in anchors]
    assert {key for key, _ in held} == set(anchors)
    near = {k: pytest.approx(v, rel=0.03, abs=0.013) for k, v in anchors.items()}  # 1.3 percent of a threshold
    assert [(k, v) for k, v in held if v != near[k]] == []


@pytest.mark.parametrize("name", OURS)
def test_rows_that_set_a_constant_are_fit(name: str) -> None:
    """A row that is the source of a parameter is no test of the model that holds the parameter."""
    setting = {s for p in pm.load(name).constants for s in p.source.split(";")}
    bad = [
        o.id
        for o in pm.evidence.read_observations(pm.load(name))
        if o.use == "check" and setting.intersection(o.source) and (name, o.id) not in NOT_THE_NUMBER_USED
    ]
    assert bad == []


def test_there_are_enough_rows() -> None:
    rows = [o for name in OURS for o in pm.evidence.read_observations(pm.load(name))]
    assert sum(o.numeric for o in rows) >= 60
    assert sum(not o.numeric for o in rows) >= 100
    checks = [o for o in rows if o.use == "check"]
    assert sum(o.numeric for o in checks) >= 15
    assert sum(not o.numeric for o in checks) >= 50


@pytest.mark.parametrize("topic", [t for t, name in TOPICS.items() if name in MODELS])
def test_every_published_row_is_used_or_explained(topic: str) -> None:
    unmapped = {row["source"]: row["reason"] for row in read(SBML / "evidence" / "unmapped.tsv")}
    used = set().union(*(sources(name) for name in MODELS))
    rows = {i for i in pm.evidence.evidence_table("responses").index if i.startswith(f"{topic}:")}
    assert sorted(rows - used - set(unmapped)) == []
    assert sorted(used & set(unmapped)) == []
    assert [i for i in unmapped if i.startswith(f"{topic}:") and (i not in rows or not unmapped[i])] == []


def test_reasons_are_listed_once() -> None:
    rows = read(SBML / "evidence" / "unmapped.tsv")
    assert list(rows[0]) == ["source", "reason"]
    assert len({row["source"] for row in rows}) == len(rows)


@pytest.mark.parametrize("name", ["ketone_katp", "acupuncture", "epilepsy"])
def test_the_figure_has_a_line_per_row(name: str, tmp_path: Path) -> None:
    report = found(name)
    figure = report.plot()
    labels = [t.get_text().split(":")[0] for axis in figure.axes for t in axis.get_yticklabels()]
    numbers = [r.observation.id for r in report.rows if r.observation.numeric]
    signs = [r.observation.id for r in report.rows if not r.observation.numeric]
    assert labels == numbers + signs
    figure.savefig(tmp_path / "figure.png")


# ---- citations ---------------------------------------------------------------------------------------------


def test_citations_name_the_works_behind_the_values() -> None:
    frame = pm.evidence.citations(pm.load("acupuncture"))
    cited = {s for p in pm.load("acupuncture").constants for s in p.source.split(";") if s}
    assert cited <= {i for cell in frame["rows"] for i in cell.split(", ")}
    assert not frame.duplicated(["citation", "reference"]).any()
    assert frame["parameters"].str.len().gt(0).all()


def test_a_changed_value_rests_on_no_work() -> None:
    model = pm.load("acupuncture")
    assert any("t_onset_lag" in cell for cell in pm.evidence.citations(model)["parameters"])
    changed = pm.evidence.citations(model.with_parameters(t_onset_lag=1.0))
    assert not any("t_onset_lag" in cell for cell in changed["parameters"])


def test_hypotheses_and_disease_bring_their_own_works() -> None:
    model = pm.load("ampk_pgc1a").with_hypothesis("kd_ampk", "lowers")
    rows = pm.evidence.citations(model).set_index("citation")
    assert "inhibition_BHB_AMPK" in rows.loc["Jeon BT et al 2009 Neurosci Lett 453:49", "parameters"]
    ill, well = (pm.evidence.citations(pm.load("gaba_gad67", context=c)) for c in ("epilepsy", "healthy"))
    assert any("GS_capacity" in cell for cell in ill["parameters"])
    assert isinstance(well, pd.DataFrame)


# ---- command line ------------------------------------------------------------------------------------------


def test_the_command_prints_json_and_writes_files(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    table, plot = tmp_path / "table.csv", tmp_path / "plot.png"
    command = ["evidence", "ampk_pgc1a", "--hypothesis", "kd_ampk=lowers", "--json", "--out", table, "--plot", plot]
    assert main([str(c) for c in command]) == 0
    out, err = capfd.readouterr()
    rows = {row["id"]: row for row in json.loads(out)}
    assert rows["kd_kainate_pampk"]["verdict"] == "right"
    assert rows["kd_kainate_pampk"]["z"] is None
    assert "ampk_pgc1a: " in err
    assert pd.read_csv(table)["id"].tolist() == list(rows)
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_the_command_prints_a_table_and_refuses_strangers(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["evidence", "excitability"]) == 0
    assert "kappa_neal" in capfd.readouterr().out
    path = tmp_path / "stranger.xml"
    path.write_text(tiny("x = 1; x' = -x").sbml, encoding="utf-8")
    assert main(["evidence", str(path)]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert "it has no observations" in err
