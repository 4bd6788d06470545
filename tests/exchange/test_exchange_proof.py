"""The script behind `make exchange-test`: what it compares, what it remembers, and that it can fail."""

from __future__ import annotations

import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import pathway_models as pm

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import exchange_test

    return exchange_test


def test_one_scenario_agrees_in_every_tool_that_is_here_and_is_remembered(script: ModuleType, tmp_path: Path) -> None:
    model, kept = pm.load("acupuncture"), script.Kept(tmp_path / "kept", np.inf)
    plan = [pm.Electroacupuncture(weeks=1)]
    engines = [e for e, (module, _, _) in script.ENGINES.items() if e != "AMICI" and script.installed(module)]
    rows = [script.one_scenario(model, plan, 2.0, engines, tmp_path, kept) for _ in range(2)]
    assert rows[0] == rows[1]
    numbers = {k: v for k, v in rows[0].items() if k != "states"}
    assert {"here", "Level 2", "Antimony"} <= set(numbers)
    assert all(isinstance(v, float) and v < script.LIMIT for v in numbers.values()), numbers
    assert len(list((tmp_path / "kept").iterdir())) == len(numbers)


def test_a_number_is_measured_once_an_error_again_and_amici_within_its_time(script: ModuleType, tmp_path: Path) -> None:
    calls: list[str] = []

    def number() -> float:
        calls.append("number")
        return 1e-9

    def failure() -> float:
        calls.append("failure")
        raise RuntimeError("no\nluck")

    kept = script.Kept(tmp_path, 0.0)
    assert [kept.get(number, "COPASI", "1", "text") for _ in range(2)] == [1e-9, 1e-9]
    assert [kept.get(failure, "COPASI", "1", "other") for _ in range(2)] == ["RuntimeError: no"] * 2
    assert kept.get(number, "AMICI", "1", "text") is None
    assert calls == ["number", "failure", "failure"]


def test_a_large_difference_a_failure_and_a_lost_annotation_fail(script: ModuleType) -> None:
    row = {"model": "m", "arm": "none", "states": 3, "here": 1e-9}
    form = {"model": "m", "annotations": 80, "lost": 0}
    assert script.verdict([row], [form]) == 0
    assert script.verdict([row | {"COPASI": 1.1e-5}], [form]) == 1
    assert script.verdict([row | {"COPASI": float("nan")}], [form]) == 1
    assert script.verdict([row | {"COPASI": "RuntimeError: x"}], [form]) == 1
    assert script.verdict([row], [form | {"lost": 1}]) == 1


def test_difference_is_relative_to_the_size_of_each_state(script: ModuleType) -> None:
    reference = {"a": np.array([0.0, 1000.0]), "b": np.array([0.0, 1e-3]), "rests": np.zeros(2)}
    found = {"a": np.array([1.0, 1000.0]), "b": np.array([0.0, 1.1e-3]), "rests": np.array([0.0, 1e-9])}
    assert script.difference(found, reference) == pytest.approx(0.1)
    assert script.difference(found, {k: reference[k] for k in ("a", "rests")}) == pytest.approx(1e-3)


def test_tables_name_the_worst_scenario_and_leave_gaps(script: ModuleType) -> None:
    rows = [
        {"model": "m", "arm": "none", "states": 3, "here": 1e-9, "AMICI": 2e-9},
        {"model": "m", "arm": "diet", "states": 3, "here": 3e-9},
        {"model": "n", "arm": "diet", "states": 4, "here": "RuntimeError: x"},
    ]
    assert script.summary(rows) == [
        {"way": "here", "scenarios": 2, "failed": 1, "largest": 3e-9, "in": "m, diet"},
        {"way": "AMICI", "scenarios": 1, "failed": 0, "largest": 2e-9, "in": "m, none"},
    ]
    assert script.table(rows).splitlines()[3] == "| m | diet | 3 | 3.0e-09 |  |"


def test_libcombine_and_libsedml_complain_of_a_broken_archive(script: ModuleType, tmp_path: Path) -> None:
    pytest.importorskip("libcombine")
    pytest.importorskip("libsedml")
    good = pm.export(pm.load("acupuncture"), tmp_path / "good.omex", format="omex", weeks=1)
    assert script.complaints(good) == []
    bad = tmp_path / "bad.omex"
    with zipfile.ZipFile(good) as old, zipfile.ZipFile(bad, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith(".sedml"):
                data = data.replace(b'numberOfPoints="168"', b'numberOfPoints="many"')
                assert b"many" in data
            new.writestr(name, b"" if name == "expected.csv" else data)
    found = script.complaints(bad)
    assert any("expected.csv is empty" in f for f in found)
    assert any("must be an integer" in f for f in found), found
