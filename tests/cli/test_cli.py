"""The command line: happy paths of every command, files written, and one line with status 2 for bad input."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import antimony
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import pathway_models as pm
from helpers import GUARD, count_rows
from pathway_models._cli.main import main
from pathway_models._cli.output import print_warning
from pathway_models.simulation.tolerances import OF_ENSEMBLES

COMMANDS = ("list", "simulate", "compare", "sobol", "evidence", "export", "check")
EXPLOSION = "model explosion()\n x = 1; k = 0.5; x' = k*x^2\nend"  # infinite at time 1/k
PNG = b"\x89PNG"


@pytest.fixture(autouse=True)
def _closed_figures() -> Any:
    yield
    plt.close("all")


@pytest.fixture
def explosion(tmp_path: Path) -> Path:
    antimony.clearPreviousLoads()
    assert antimony.loadAntimonyString(EXPLOSION) >= 0, antimony.getLastError()
    path = tmp_path / "explosion.xml"
    path.write_text(antimony.getSBMLString("explosion"), encoding="utf-8")
    return path


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.xml"
    path.write_text("<sbml><model>", encoding="utf-8")
    return path


def run(capfd: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit status, stdout and stderr, whether the command returns or exits."""
    capfd.readouterr()
    try:
        status = main([str(a) for a in arguments])
    except SystemExit as stop:
        status = int(stop.code or 0)
    out, err = capfd.readouterr()
    return status, out, err


def assert_refused(result: tuple[int, str, str], *words: str) -> None:
    status, out, err = result
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert err.startswith("pathway-models")
    for word in words:
        assert word in err


# ---- list --------------------------------------------------------------------------------------------------


def test_list_names_every_model(capfd: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capfd, "list")
    assert (status, err) == (0, "")
    for name in pm.available():
        assert any(line.split()[0] == name for line in out.splitlines())


def test_list_as_json(capfd: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capfd, "list", "--json")
    assert status == 0
    assert {row["model"]: row["title"] for row in json.loads(out)} == dict(pm.available())


@pytest.mark.parametrize("what", ["inputs", "outputs", "parameters", "hypotheses"])
def test_list_what_is_in_a_model(capfd: pytest.CaptureFixture[str], what: str) -> None:
    table = getattr(pm.load("nlrp3_il1b"), what)
    status, out, err = run(capfd, "list", "nlrp3_il1b", "--what", what)
    assert (status, err) == (0, "")
    names = {str(i[0] if isinstance(i, tuple) else i) for i in table.index}
    assert all(name in out for name in names)
    status, out, _ = run(capfd, "list", "nlrp3_il1b", "--what", what, "--json")
    rows = json.loads(out)
    assert (status, len(rows)) == (0, len(table))
    assert {row["hypothesis" if what == "hypotheses" else "id"] for row in rows} == names


# ---- simulate ----------------------------------------------------------------------------------------------


def test_simulate_prints_the_courses(capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ("simulate", "acupuncture", "--treat", "electroacupuncture:weeks=2", "--weeks", 4)
    status, out, err = run(capfd, *arguments, "--show", "plastic_trace", "--show", "EA_AMPK", "--json")
    assert (status, err) == (0, "")
    rows = {row["variable"]: row for row in json.loads(out)}
    assert list(rows) == ["plastic_trace", "EA_AMPK"]
    course = pm.load("acupuncture").simulate([pm.Electroacupuncture(weeks=2)], weeks=4)["plastic_trace"]
    assert rows["plastic_trace"]["unit"] == "dimensionless"
    assert rows["plastic_trace"]["t=0"] == 0
    assert rows["plastic_trace"]["t=672"] == pytest.approx(float(course[-1]), rel=1e-12)
    status, text, _ = run(capfd, *arguments)
    assert status == 0
    assert {"vagal_drive", "dimensionless", "t=0", "t=672"} <= set(text.split())


def test_simulate_with_constants_hypothesis_and_context(capfd: pytest.CaptureFixture[str]) -> None:
    changes = ("--set", "gain_vagal=0.9", "--set", "tau_session=20", "--hypothesis", "efficacy=vns_like")
    arguments = ("simulate", "acupuncture", "--treat", "electroacupuncture", "--weeks", 1, "--json")
    _, out, _ = run(capfd, *arguments, "--context", "healthy", *changes)
    model = pm.load("acupuncture", context="healthy").with_hypothesis("efficacy", "vns_like")
    model = model.with_parameters(gain_vagal=0.9, tau_session=20)
    expected = float(model.simulate([pm.Electroacupuncture()], weeks=1)["vagal_drive"][-1])
    assert {r["variable"]: r["t=168"] for r in json.loads(out)}["vagal_drive"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("points", [1, 2, 3])
def test_simulate_with_few_output_points(capfd: pytest.CaptureFixture[str], points: int) -> None:
    status, out, err = run(
        capfd, "simulate", "acupuncture", "--duration", 12, "--every", 12 / points, "--json", "--show", "session"
    )
    assert (status, err) == (0, "")
    assert {"t=0", "t=12"} <= set(json.loads(out)[0])


def test_simulate_writes_csv_netcdf_and_a_figure(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """netCDF goes through scipy, which is declared; no other backend is needed."""
    expected = pm.load("nlrp3_il1b").simulate([pm.Level(input="BHB", value=1.0)], weeks=1)
    arguments = ("simulate", "nlrp3_il1b", "--weeks", 1, "--every", 24)
    assert run(capfd, *arguments, "--out", tmp_path / "a.csv")[0] == 0
    frame = pd.read_csv(tmp_path / "a.csv", index_col="time")
    assert frame.index.tolist() == [24.0 * i for i in range(8)]
    assert set(frame.columns) == {str(v) for v in expected.data_vars}
    assert run(capfd, *arguments, "--out", tmp_path / "a.nc", "--plot", tmp_path / "a.png")[0] == 0
    with xr.open_dataset(tmp_path / "a.nc") as stored:
        assert stored["IL1B"].attrs["units"] == expected["IL1B"].attrs["units"] == "dimensionless"
        assert stored.attrs["sbml_sha256"] == expected.attrs["sbml_sha256"]
        np.testing.assert_array_equal(stored["IL1B"].values, frame["IL1B"].to_numpy())
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize("form", ["pdf", "svg"])
def test_figures_in_other_formats(capfd: pytest.CaptureFixture[str], tmp_path: Path, form: str) -> None:
    path = tmp_path / f"figure.{form}"
    assert run(capfd, "simulate", "acupuncture", "--duration", 10, "--plot", path)[0] == 0
    assert {"pdf": b"%PDF", "svg": b"<svg"}[form] in path.read_bytes()[:1000]


def test_simulate_a_file_of_somebody_else(capfd: pytest.CaptureFixture[str], explosion: Path) -> None:
    status, out, err = run(capfd, "simulate", explosion, "--duration", 1, "--set", "k=0.2", "--json")
    assert (status, err) == (0, "")
    assert json.loads(out)[0]["t=1"] == pytest.approx(1.25, rel=1e-4)


# ---- compare -----------------------------------------------------------------------------------------------


def test_compare_gives_arms_and_interactions(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ("compare", "acupuncture", "--treat", "electroacupuncture:weeks=2")
    arguments += ("--treat", "electroacupuncture:start=2,weeks=2", "--weeks", "4", "--outcome", "plastic_trace")
    arms = pm.compare(
        pm.load("acupuncture"),
        pm.Electroacupuncture(weeks=2),
        pm.Electroacupuncture(start=2, weeks=2),
        weeks=4,
        outcomes=["plastic_trace"],
    )
    status, out, err = run(capfd, *arguments, "--out", tmp_path / "a.csv", "--plot", tmp_path / "a.png")
    assert (status, err) == (0, "")
    assert out.splitlines()[-3:] == [
        line for line in out.splitlines() if line.startswith("interaction_") and ": " in line
    ], "the last three lines explain the scales"
    assert len([line for line in out.splitlines() if line.startswith("interaction_")]) == 3
    frame = pd.read_csv(tmp_path / "a.csv", index_col="outcome")
    assert list(frame.columns) == list(arms.to_dataframe().columns)
    np.testing.assert_allclose(frame.loc["plastic_trace", list(arms.arms)].astype(float), arms.values[:, 0], rtol=1e-9)
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)

    status, out, _ = run(capfd, *arguments, "--json")
    (row,) = json.loads(out)
    assert row["outcome"] == "plastic_trace"
    assert row["none"] == 0
    assert row["interaction_log_additive"] is None, "a value of zero has no logarithm: null, which JSON knows"


@pytest.mark.parametrize("times", [0, 1, 3])
def test_compare_needs_two_treatments(capfd: pytest.CaptureFixture[str], times: int) -> None:
    treatments = ["--treat", "electroacupuncture"] * times
    assert_refused(run(capfd, "compare", "acupuncture", *treatments), f"given {times} times")


# ---- sobol -------------------------------------------------------------------------------------------------


def test_sobol_prints_the_table_and_sums_up_on_stderr(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ("sobol", "acupuncture", "--treat", "electroacupuncture", "--outcome", "vagal_drive", "--n", 8)
    arguments += ("--seed", 0, "--parameter", "gain_vagal", "--parameter", "tau_session", "--weeks", 1, "--workers", 1)
    status, out, err = run(capfd, *arguments, "--json", "--out", tmp_path / "a.csv", "--plot", tmp_path / "a.png")
    assert status == 0
    assert "acupuncture, electroacupuncture: 32 of 32 runs succeeded" in err
    expected = pm.sobol(
        pm.load("acupuncture"),
        [pm.Electroacupuncture()],
        outcomes=["vagal_drive"],
        weeks=1,
        factors=["gain_vagal", "tau_session"],
        n=pm.Sampling(n=8, seed=0),
        execution=pm.Execution(workers=1, progress=False),
    ).to_dataframe()
    rows = pd.DataFrame(json.loads(out))
    pd.testing.assert_frame_equal(rows, expected, rtol=1e-12)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "a.csv"), expected, rtol=1e-9)
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)
    status, out, _ = run(capfd, *arguments)
    assert status == 0
    assert out.split()[:8] == ["outcome", "factor", "S1", "S1_low", "S1_high", "ST", "ST_low", "ST_high"]


def test_sobol_groups(capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ("sobol", "acupuncture", "--treat", "electroacupuncture", "--outcome", "vagal_drive", "--n", 2)
    status, out, _ = run(capfd, *arguments, "--groups", "module", "--weeks", 1, "--workers", 1, "--json")
    assert status == 0
    assert [row["factor"] for row in json.loads(out)] == ["acupuncture"]


def test_sobol_writes_report_and_figure_and_shows_a_short_table(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """More constants than 15 have a range; a terminal gets the first 15 of each outcome."""
    total = int(pm.load("bdnf_trkb").parameters["low"].notna().sum())
    arguments = ("sobol", "bdnf_trkb", "--outcome", "mBDNF:reduce=peak")
    arguments += ("--n", 2, "--weeks", 1, "--workers", 1, "--times", "24,168", "--kind", "bands")
    files = ("--report", tmp_path / "a.html", "--plot", tmp_path / "a.svg", "--out", tmp_path / "a.csv")
    status, out, err = run(capfd, *arguments, *files)
    assert status == 0
    assert len(out.splitlines()) == 1 + 15
    assert "mBDNF peak" in out
    assert f"the first 15 of each outcome; --out FILE.csv or --json gives all {total} rows" in err
    assert f"wrote {tmp_path / 'a.html'}" in err
    assert len(pd.read_csv(tmp_path / "a.csv")) == total
    assert "How to repeat it" in (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "<svg" in (tmp_path / "a.svg").read_text(encoding="utf-8")


def test_sobol_cost_runs_no_analysis(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ("sobol", "acupuncture", "--outcome", "vagal_drive", "--n", 64, "--weeks", 1, "--workers", 1)
    status, out, err = run(capfd, *arguments, "--cost", "--checkpoint", tmp_path / "folder")
    assert (status, err) == (0, "")
    assert out.startswith(f"{64 * 10} runs of ")
    assert " on 1 process, 1 MB of memory for results, 1 MB on disk" in out
    assert list(tmp_path.iterdir()) == []


def test_the_same_sobol_command_resumes_and_a_larger_n_goes_on(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments: tuple[Any, ...] = ("sobol", "acupuncture", "--outcome", "vagal_drive", "--parameter", "gain_vagal")
    arguments += ("--parameter", "tau_session=0.5:8", "--weeks", 1, "--workers", 1, "--seed", 3, "--json")
    folder = ("--checkpoint", tmp_path)
    whole = {n: run(capfd, *arguments, "--n", n)[1] for n in (8, 16)}
    runs = count_rows(monkeypatch, OF_ENSEMBLES)
    counts = []
    for n in (8, 8, 16):
        assert run(capfd, *arguments, *folder, "--n", n)[1] == whole[n]
        counts.append(len(runs))
    assert counts == [32, 32, 64]


def test_sobol_json_is_json_when_runs_fail(capfd: pytest.CaptureFixture[str], explosion: Path) -> None:
    """k goes from 0.25 to 1 and x is infinite at 1/k."""
    arguments = ("sobol", explosion, "--outcome", "x", "--n", 16, "--duration", 1.5, "--workers", 1, "--json")
    status, out, err = run(capfd, *arguments)
    assert status == 0
    assert json.loads(out)[0]["factor"] == "k"
    assert "base rows were dropped" in err


# ---- export and check --------------------------------------------------------------------------------------


def test_export_writes_the_settings_and_check_finds_nothing(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    status, out, err = run(capfd, "export", "acupuncture", "--set", "gain_vagal=0.75", "--out", path)
    assert (status, out, err) == (0, f"wrote {path}\n", "")
    assert pm.load(path).parameters.loc["gain_vagal", "value"] == 0.75
    status, out, err = run(capfd, "check", path)
    clean = f"{path}: no errors, no warnings, units consistent\n"
    annotated = f"{path}: annotated with resources: 8 of 8 species, 1 of 1 compartments\n"
    assert (status, err) == (0, "")
    assert out.startswith(clean)
    assert out.endswith(annotated)
    status, out, _ = run(capfd, "check", path, "--json")
    assert status == 0
    assert {f["severity"] for f in json.loads(out)} <= {"note"}


def test_export_antimony(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "a.ant"
    assert run(capfd, "export", "acupuncture", "--format", "antimony", "--out", path)[0] == 0
    antimony.clearPreviousLoads()
    assert antimony.loadAntimonyFile(str(path)) >= 0, antimony.getLastError()
    assert "gain_vagal" in path.read_text(encoding="utf-8")


def test_check_gives_findings_with_lines_and_status_1(capfd: pytest.CaptureFixture[str], broken: Path) -> None:
    status, out, err = run(capfd, "check", broken)
    assert (status, err) == (1, "")
    assert out.startswith(f"{broken}:")
    severities = {line.removeprefix(f"{broken}:").split(": ")[1] for line in out.splitlines()}
    assert severities <= {"error", "fatal"}
    status, out, _ = run(capfd, "check", broken, "--json")
    findings = json.loads(out)
    assert status == 1
    assert findings
    assert set(findings[0]) == {"severity", "line", "message", "cure"}


def test_check_reports_warnings_with_status_0(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Units that do not fit are a warning in SBML."""
    text = "model m()\n unit mM = 1e-3 mole/litre; x = 1; x has mM; k = 1; k has second; y := x + k; y has mM\nend"
    antimony.clearPreviousLoads()
    assert antimony.loadAntimonyString(text) >= 0, antimony.getLastError()
    path = tmp_path / "m.xml"
    path.write_text(antimony.getSBMLString("m"), encoding="utf-8")
    status, out, _ = run(capfd, "check", path)
    assert status == 0
    assert ": warning: " in out


# ---- help, bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [(), *((c,) for c in COMMANDS)], ids=lambda c: c[0] if c else "none")
def test_help(capfd: pytest.CaptureFixture[str], command: tuple[str, ...]) -> None:
    status, out, err = run(capfd, *command, "--help")
    assert (status, err) == (0, "")
    assert out.startswith(f"usage: {' '.join(('pathway-models', *command))}")
    if not command:
        assert all(f"\n    {name} " in out for name in COMMANDS)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", ["give a command: ", *COMMANDS]),
        ("dance", ["dance"]),
        ("list epilepsi", ["epilepsi", "did you mean 'epilepsy'"]),
        ("list acupuncture --what colours", ["colours"]),
        ("simulate nothing", ["nothing", "acupuncture"]),
        ("simulate missing.xml --duration 1", ["missing.xml", "No such file"]),
        ("simulate acupuncture --context happy", ["happy", "healthy"]),
        ("simulate acupuncture --treat aspirin", ["aspirin", "ketogenic_diet"]),
        ("simulate acupuncture --treat electroacupuncture:needles=9", ["needles", "sessions_per_week"]),
        ("simulate acupuncture --treat electroacupuncture:weeks", ["weeks=2"]),
        ("simulate acupuncture --treat electroacupuncture:weeks=many", ["weeks=many"]),
        ("simulate acupuncture --treat electroacupuncture:sessions_per_week=2.5", ["2.5", "whole"]),
        ("simulate ketone_katp --treat ketogenic_diet:ratio=9", ["ratio", "is 9", "1 to 5"]),
        ("simulate acupuncture --treat ketogenic_diet", ["carb_restriction", "asked for by ketogenic_diet"]),
        ("simulate acupuncture --treat electroacupuncture --treat electroacupuncture", ["given twice"]),
        ("sobol acupuncture --treat electroacupuncture --treat electroacupuncture --outcome x", ["given twice"]),
        ("export acupuncture --treat electroacupuncture --treat electroacupuncture --out a.xml", ["given twice"]),
        ("simulate acupuncture --set gain_vagal=1 --set gain_vagal=2", ["gain_vagal is 1 already"]),
        (
            "simulate acupuncture --hypothesis efficacy=weak --hypothesis efficacy=vns_like",
            ["is weak already"],
        ),
        ("simulate acupuncture --weeks 1 --out a.xlsx", ["a.xlsx", "allowed endings are .csv, .nc"]),
        ("sobol acupuncture --outcome vagal_drive --out a.xlsx", ["a.xlsx", "allowed endings are .csv"]),
        ("compare acupuncture --treat electroacupuncture --treat electroacupuncture --out a.nc", ["a.nc", ".csv"]),
        ("evidence acupuncture --out a.json", ["a.json", ".csv"]),
        ("simulate nlrp3_il1b --set IC50=1", ["did you mean 'IC50_MCC950', 'IC50_BHB_NLRP3'"]),
        ("sobol acupuncture --outcome vagal_drive --parameter gain_vagal=0.1:1:cauchy", ["cauchy", "lognormal"]),
        ("simulate acupuncture --set nonsense", ["--set nonsense", "NAME=VALUE"]),
        ("simulate acupuncture --set nonsense=1", ["nonsense"]),
        ("simulate acupuncture --set gain_vagal=big", ["gain_vagal=big", "no number"]),
        ("simulate acupuncture --set gain_vagal=nan", ["gain_vagal"]),
        ("simulate acupuncture --set gain_vagal=-1", ["gain_vagal", "-1"]),
        ("simulate acupuncture --hypothesis efficacy=huge", ["huge", "vns_like"]),
        ("simulate acupuncture --hypothesis efficacy", ["efficacy", "NAME="]),
        ("simulate acupuncture --weeks 0", ["0"]),
        ("simulate acupuncture --weeks soon", ["soon"]),
        ("simulate acupuncture --weeks 1 --duration 10", ["weeks", "duration"]),
        ("simulate acupuncture --weeks 1 --every 0", ["every is 0"]),
        ("simulate acupuncture --weeks 1 --show colour", ["colour"]),
        ("simulate acupuncture --weeks 1 --out /missing/a.csv", ["cannot write /missing/a.csv"]),
        ("simulate acupuncture --weeks 1 --out /missing/a.nc", ["cannot write /missing/a.nc"]),
        ("simulate acupuncture --weeks 1 --plot /missing/a.png", ["cannot write /missing/a.png"]),
        ("simulate acupuncture --weeks 1 --plot a.xyz", ["xyz", "png"]),
        ("sobol acupuncture --outcome vagal_drive --n 100", ["n = 100", "64 or 128"]),
        ("sobol acupuncture --outcome vagal_drive --n many", ["many"]),
        ("sobol acupuncture --outcome vagal_drive --n 2 --seed=-1", ["seed"]),
        ("sobol acupuncture --outcome vagal_drive --n 2 --workers 0", ["workers is 0"]),
        ("sobol acupuncture --outcome colour --n 2", ["colour"]),
        ("sobol acupuncture --outcome vagal_drive --n 2 --parameter colour", ["colour"]),
        ("sobol acupuncture --outcome vagal_drive --n 2 --groups colour", ["colour", "module", "kind"]),
        ("sobol acupuncture --n 2", ["--outcome"]),
        ("sobol acupuncture --outcome vagal_drive:reduce=median", ["median", "time_to_half"]),
        ("sobol acupuncture --outcome vagal_drive --parameter gain_vagal=1", ["gain_vagal=1", "LOW:HIGH"]),
        ("sobol acupuncture --outcome vagal_drive --parameter gain_vagal=2:1", ["(2, 1)", "below"]),
        ("sobol acupuncture --outcome vagal_drive --times 1,x", ["--times 1,x"]),
        ("sobol acupuncture --outcome vagal_drive --kind cake", ["cake", "tornado"]),
        ("sobol acupuncture --outcome vagal_drive --kind bands", ["--kind bands needs --times"]),
        ("sobol acupuncture --outcome vagal_drive --kind interactions", ["needs --second-order"]),
        ("sobol acupuncture --outcome vagal_drive --store", ["checkpoint"]),
        ("sobol acupuncture --outcome vagal_drive --report /missing/a.html", ["/missing/a.html", "no folder /missing"]),
        ("sobol acupuncture --outcome vagal_drive --out /missing/a.csv", ["/missing/a.csv", "no folder /missing"]),
        ("sobol acupuncture --outcome vagal_drive --plot a.xyz", ["a.xyz", "png"]),
        ("compare acupuncture --treat electroacupuncture --treat electroacupuncture --outcome colour", ["colour"]),
        ("export acupuncture", ["--out"]),
        ("export acupuncture --out /missing/a.xml", ["cannot write /missing/a.xml"]),
        ("export acupuncture --format pdf --out a.pdf", ["pdf", "antimony"]),
        ("check missing.xml", ["missing.xml"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_input_gives_one_line_and_status_2(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_refused(run(capfd, *line.split()), *words)
    assert list(tmp_path.iterdir()) == [], "a refused command leaves no file behind"


@pytest.mark.parametrize("command", ["simulate {} --duration 1", "list {}", "export {} --out /missing/a.xml"])
def test_broken_xml_gives_one_line_and_status_2(capfd: pytest.CaptureFixture[str], broken: Path, command: str) -> None:
    assert_refused(run(capfd, *command.format(broken).split()), "not valid SBML (line ")


def test_a_run_that_fails_gives_one_line_and_status_2(capfd: pytest.CaptureFixture[str], explosion: Path) -> None:
    assert_refused(run(capfd, "simulate", explosion, "--duration", 4), "gave up between 0 and 4")


def test_a_foreign_file_needs_a_length(capfd: pytest.CaptureFixture[str], explosion: Path) -> None:
    assert_refused(run(capfd, "simulate", explosion), "duration")
    assert_refused(run(capfd, "simulate", explosion, "--weeks", 1), "no unit of time")


def test_sobol_without_enough_runs_gives_one_line_and_the_reason(
    capfd: pytest.CaptureFixture[str], explosion: Path
) -> None:
    status, out, err = run(
        capfd, "sobol", explosion, "--outcome", "x", "--n", 2, "--duration", 40, "--workers", 1, "--json"
    )
    assert (status, out) == (2, "")
    assert "Traceback" not in err
    last = err.splitlines()[-1]
    assert last.startswith("pathway-models: ")
    assert "gave up" in last


def test_the_installed_command_and_the_module_agree() -> None:
    """`pathway-models` and `python -m pathway_models._cli.main`, in processes of their own."""
    script = Path(sys.executable).with_name("pathway-models")
    for command in ([str(script)], [sys.executable, "-m", "pathway_models._cli.main"]):
        done = subprocess.run([*command, "list", "nothing"], capture_output=True, text=True, timeout=GUARD, check=False)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert done.stderr.startswith("pathway-models: unknown model 'nothing'")


# ---- output that cannot be written -----------------------------------------------------------------------------------

COMMAND = [sys.executable, "-m", "pathway_models._cli.main"]


def test_version(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(capfd, "--version") == (0, f"pathway-models {pm.__version__}\n", "")


@pytest.mark.parametrize(
    ("redirection", "reason"),
    [
        (">&-", "standard output is closed"),
        pytest.param(
            "> /dev/full",
            "No space left on device",
            marks=pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it"),
        ),
    ],
)
def test_output_that_cannot_be_written_is_one_line_and_status_1(redirection: str, reason: str) -> None:
    line = f"{shlex.join(COMMAND)} list {redirection}"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, f"pathway-models: cannot write the output: {reason}\n")


def test_a_reader_that_leaves_early_ends_the_command_quietly() -> None:
    with subprocess.Popen([*COMMAND, "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == 141  # as others that SIGPIPE ends


@pytest.mark.parametrize("kind", [pm.errors.ModelWarning, pm.errors.AccuracyWarning])
def test_every_warning_of_ours_is_one_line(capfd: pytest.CaptureFixture[str], kind: type[Warning]) -> None:
    capfd.readouterr()
    print_warning("two\nlines", kind, __file__, 1)
    assert capfd.readouterr().err == "pathway-models: warning: two lines\n"


def test_warnings_are_lines_of_the_command(capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ("simulate", "acupuncture", "--treat", "electroacupuncture:start=3", "--weeks", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        status, out, err = run(capfd, *arguments)
    assert status == 0
    assert out
    assert err == (
        "pathway-models: warning: electroacupuncture starts at 504 h (week 3) and does nothing: the run ends at 168 h "
        "(week 1)\n"
    )
