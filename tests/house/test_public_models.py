"""The tool that runs somebody's folder of models: processes that may die, distances, verdicts, the table."""

from __future__ import annotations

import csv
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import public_models
from public_distance import Answer, distances
from public_report import report

TIMES = np.linspace(0, 100, 51)
ONE = Answer(courses={"x": TIMES.copy()}, species=frozenset("x"))


def gives_one(path: Path) -> public_models.Answers:
    yield "here", ONE


def gives_one_and_dies(path: Path) -> public_models.Answers:
    yield "libroadrunner", ONE
    os.kill(os.getpid(), signal.SIGKILL)


def never_ends(path: Path) -> public_models.Answers:
    while True:
        pass
    yield


def test_a_tool_that_dies_or_never_ends_costs_only_what_it_had_not_given() -> None:
    tools = {"here": gives_one, "libroadrunner": gives_one_and_dies, "copasi": never_ends}
    paths = [Path("a"), Path("b")]
    found = dict(public_models.answers(paths, tools, workers=2, limit=0.2))
    for path in paths:
        assert found[path]["here"].courses["x"][-1] == 100
        assert found[path]["libroadrunner"].reason == ""
        assert found[path]["copasi"].reason == "error: the time limit"
    (only,) = public_models.answers(paths[:1], {"copasi": gives_one_and_dies}, workers=1, limit=5)
    assert only[1]["copasi"].reason == "error: the process died (-9)"


def test_distance_is_of_what_moves_and_matters_and_a_missing_number_is_infinite() -> None:
    exact = Answer(
        courses={"x": TIMES, "small": 1e-12 * TIMES, "still": np.full(51, 5.0), "p": 1e-12 * TIMES},
        species=frozenset({"x", "small", "still"}),
    )
    course = Answer(courses={k: 1.5 * v for k, v in exact.courses.items()})
    assert distances(course, exact) == {"x": pytest.approx(0.5), "p": pytest.approx(0.5)}
    holed = Answer(courses={"x": np.where(TIMES == 50, np.nan, TIMES)})
    assert distances(holed, exact) == {"x": math.inf}
    assert distances(exact, Answer(courses=holed.courses)) == {"x": 0}


def moved(share: float) -> Answer:
    return Answer(courses={"x": TIMES * (1 + share)})


@pytest.mark.parametrize(
    ("here", "plain", "copasi", "tight", "verdict"),
    [
        (9e-5, 1e-6, 1e-6, 1e-9, "agrees"),
        (2e-4, 1e-4, 1e-2, 1e-9, "worse"),
        (2e-4, 1e-2, 1e-4, 1e-9, "worse"),
        (2e-4, 1e-3, 1e-2, 1e-9, "sensitive"),
        (2e-4, 1e-4, 1e-2, 1e-4, "ill-posed"),
    ],
)
def test_verdict(here: float, plain: float, copasi: float, tight: float, verdict: str) -> None:
    found = {"here": moved(here), "libroadrunner": moved(plain), "copasi": moved(copasi)}
    row = public_models.compare("a.xml", found | {"tight 0": ONE, "tight 2": moved(tight)})
    assert (row["verdict"], row["at_here"]) == (verdict, pytest.approx(here))
    lonely = public_models.compare("a.xml", found | {"tight 0": ONE})
    assert lonely["verdict"] == "no reference"
    refused = public_models.compare("a.xml", found | {"here": Answer(reason="refused: a.xml is not SBML")})
    assert refused["verdict"] == "refused"
    assert "| refused: is not SBML | 1 | 1 |" in report([row, refused], compile_times=False)


def test_a_folder_of_several_kinds_of_files(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "fall.ant").write_text("S -> ; k*S; S = 1; k = 0.1; share := S/(S + 1)", encoding="utf-8")
    (tmp_path / "page.xml").write_text("<html></html>", encoding="utf-8")
    (tmp_path / "notes.yaml").write_text("no: problem", encoding="utf-8")
    table = tmp_path / "table.tsv"
    script = Path(__file__).parents[2] / "benchmarks" / "public_models.py"
    command = [sys.executable, str(script), str(tmp_path), "--commit", "abc", "--out", str(table), "--compile-times"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True)
    assert "2 files, commit abc" in done.stdout
    with table.open(encoding="utf-8") as file:
        rows = {r["file"]: r for r in csv.DictReader(file, delimiter="\t")}
    assert {k: r["verdict"] for k, r in rows.items()} == {"part/fall.ant": "agrees", "page.xml": "refused"}
    assert "web page" in rows["page.xml"]["reason"]
    assert rows["page.xml"]["libroadrunner"].startswith("error")
    assert float(rows["part/fall.ant"]["spread"]) < 1e-8
    assert float(rows["part/fall.ant"]["compile_here"]) > 0
