"""Many rows over processes: values of single runs, bit for bit on any number of workers, failures on record."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import antimony
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import pathway_models as pm
from helpers import GUARD, cores, flat
from pathway_models.errors import InvalidValueError, SimulationError, UnknownNameError
from pathway_models.simulation import job as _simulate

DECAY = "model decay()\n x = 1; k = 0.5; x' = -k*x\nend"
EXPLOSION = "model explosion()\n x = 1; k = 0.5; x' = k*x^2\nend"  # infinite at time 1/k
ROOT = "model square_root()\n x = 1; k = 0; x' = -x; y := sqrt(k)\nend"  # not a number for k < 0
FINAL_X = pm.Outcome(variable="x", reduce="final")
DEADLY = 99.0
SHORT: dict[str, Any] = {"duration": 1, "every": 0.5, "progress": False}


def write_sbml(text: str, folder: Path) -> Path:
    antimony.clearPreviousLoads()
    assert antimony.loadAntimonyString(text) >= 0, antimony.getLastError()
    name = antimony.getMainModuleName()
    path = folder / f"{name}.xml"
    path.write_text(antimony.getSBMLString(name), encoding="utf-8")
    return path


class Deadly(pm.Outcome):
    """The last value; where it is DEADLY the process is gone at once, as if the system had killed it.

    Spawned workers import it from this file by name.
    """

    def values(self, times: np.ndarray, courses: np.ndarray, before: np.ndarray) -> np.ndarray:
        if DEADLY in courses[:, -1]:
            os._exit(9)
        return courses[:, -1]


class InlineExecutor(Executor):
    """Runs each task where it is submitted, unless `fate` has an exception for the task of that number."""

    def __init__(self, fate: Callable[[int], Exception | None] = lambda number: None) -> None:
        self.fate = fate
        self.submitted = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        error = self.fate(self.submitted)
        self.submitted += 1
        if error is None:
            future.set_result(fn(*args, **kwargs))
        else:
            future.set_exception(error)
        return future


@pytest.fixture
def decay(tmp_path: Path) -> pm.Model:
    return pm.load(write_sbml(DECAY, tmp_path))


# ---- values ------------------------------------------------------------------------------------------------


def test_values_follow_the_solution_of_the_equation(decay: pm.Model) -> None:
    k = np.array([0.1, 0.5, 1.0, 3.0])
    runs = flat(pm.ensemble, decay, {"k": k}, outcomes=[FINAL_X], workers=1, **SHORT)
    assert_allclose(runs.values[:, 0], np.exp(-k), rtol=1e-4)
    assert runs.ok.all()
    assert runs.seconds > 0


@pytest.mark.parametrize(
    ("name", "rows", "treatments", "variables"),
    [
        (
            "acupuncture",
            {"gain_vagal": [0.25, 0.5, 1.0], "tau_session": [6.0, 12.0, 30.0]},
            [pm.Electroacupuncture()],
            ["vagal_drive", "plastic_trace"],
        ),
        (
            "nlrp3_il1b",
            {"w_seizure_NFKB": [0.5, 1.0, 2.0], "BHB": [0.0, 1.0, 2.0]},
            [pm.Level(input="MCC950", value=0.1, at=24)],
            ["IL1B", "TNF"],
        ),
    ],
)
def test_a_row_equals_a_single_run_with_its_parameters(
    name: str, rows: dict[str, list[float]], treatments: list[pm.Treatment], variables: list[str]
) -> None:
    model = pm.load(name)
    outcomes = [pm.Outcome(variable=v, reduce="final") for v in variables]
    outcomes += [pm.Outcome(variable=v, reduce="peak") for v in variables]
    runs = pm.ensemble(
        model, rows, treatments, outcomes=outcomes, weeks=2, execution=pm.Execution(workers=1, progress=False)
    )
    assert len(np.unique(runs.values[:, 0])) == 3, "the rows must differ for this test to mean anything"
    for i in range(3):
        single = model.with_parameters({k: v[i] for k, v in rows.items()}).simulate(treatments, weeks=2)
        expected = [float(single.pm[v][-1]) for v in variables] + [float(single.pm[v].max()) for v in variables]
        assert_allclose(runs.values[i], expected, rtol=2e-5)


@pytest.mark.parametrize("value", [0.8, 1.0])
def test_an_anchored_parameter_means_the_same_in_a_row_and_in_a_single_run(value: float) -> None:
    model = pm.load("excitability")
    anchored = next(iter(model.anchors))
    outcome = pm.Outcome(variable="seizure_rate", reduce="final")
    runs = pm.ensemble(
        model, {anchored: [value]}, outcomes=[outcome], weeks=1, execution=pm.Execution(workers=1, progress=False)
    )
    single = model.with_parameters({anchored: value}).simulate(weeks=1).pm["seizure_rate"]
    assert_allclose(runs.values[0, 0], float(single[-1]), rtol=1e-5)


def test_a_row_does_not_depend_on_the_rows_around_it(decay: pm.Model) -> None:
    k = [0.1, 5.0, 0.7, 2.0]
    forward = flat(pm.ensemble, decay, {"k": k}, outcomes=["x"], workers=1, **SHORT)
    backward = flat(pm.ensemble, decay, {"k": k[::-1]}, outcomes=["x"], workers=1, **SHORT)
    assert_array_equal(forward.values, backward.values[::-1])


def test_a_data_frame_is_a_table_of_rows(decay: pm.Model) -> None:
    frame = pd.DataFrame({"k": [0.1, 0.5]}, index=[7, 3])
    runs = flat(pm.ensemble, decay, frame, outcomes=["x"], workers=1, **SHORT)
    assert_array_equal(
        runs.values, flat(pm.ensemble, decay, {"k": [0.1, 0.5]}, outcomes=["x"], workers=1, **SHORT).values
    )


def test_our_own_models_run_for_twelve_weeks_by_default() -> None:
    model = pm.load("acupuncture")
    options: dict[str, Any] = {"outcomes": ["plastic_trace"], "workers": 1, "progress": False}
    arms = [pm.Electroacupuncture(weeks=20)]
    unsaid = flat(pm.ensemble, model, {"gain_vagal": [1.0]}, arms, **options)
    twelve = flat(pm.ensemble, model, {"gain_vagal": [1.0]}, arms, weeks=12, **options)
    eleven = flat(pm.ensemble, model, {"gain_vagal": [1.0]}, arms, weeks=11, **options)
    assert_array_equal(unsaid.values, twelve.values)
    assert unsaid.values[0, 0] != eleven.values[0, 0]


def test_a_foreign_file_has_no_default_length(decay: pm.Model) -> None:
    with pytest.raises(InvalidValueError, match="duration="):
        pm.ensemble(decay, {"k": [1.0]}, outcomes=["x"], execution=pm.Execution(workers=1, progress=False))


# ---- processes and executors -------------------------------------------------------------------------------


def test_two_processes_give_the_same_bits_as_one() -> None:
    model = pm.load("acupuncture")
    rows = {"gain_vagal": np.linspace(0.1, 1, 13), "tau_session": np.linspace(4, 40, 13)}
    arms = [pm.Electroacupuncture()]
    options: dict[str, Any] = {"outcomes": ["vagal_drive", "plastic_trace"], "weeks": 2, "progress": False}
    one = flat(pm.ensemble, model, rows, arms, workers=1, **options)
    two = flat(pm.ensemble, model, rows, arms, workers=2, **options)
    assert_array_equal(one.values, two.values)
    assert_array_equal(two.status, np.zeros(13))
    assert len(np.unique(two.values[:, 0])) == 13


def test_an_own_pool_gives_the_same_bits_and_stays_open(decay: pm.Model) -> None:
    rows = {"k": np.linspace(0.1, 2, 9)}
    here = flat(pm.ensemble, decay, rows, outcomes=["x"], workers=1, **SHORT)
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        there = flat(pm.ensemble, decay, rows, outcomes=["x"], workers=pool, **SHORT)
        worker = pool.submit(os.getpid).result()
    assert_array_equal(here.values, there.values)
    assert worker != os.getpid()


def test_any_executor_gets_all_rows_in_blocks(decay: pm.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    cores(monkeypatch, 2)
    executor = InlineExecutor()
    k = np.linspace(0.1, 2, 100)
    runs = flat(pm.ensemble, decay, {"k": k}, outcomes=[FINAL_X], workers=executor, **SHORT)
    assert_allclose(runs.values[:, 0], np.exp(-k), rtol=1e-5)
    assert 1 < executor.submitted < 100


@pytest.mark.parametrize("count", [0, -1, 1.5])
def test_a_number_of_workers_that_makes_no_sense(decay: pm.Model, count: float) -> None:
    with pytest.raises(InvalidValueError, match=rf"workers is {count}"):
        flat(pm.ensemble, decay, {"k": [1.0, 2.0]}, outcomes=["x"], workers=count, **SHORT)  # type: ignore[arg-type]


def test_a_script_without_main_guard_works_and_runs_once(tmp_path: Path) -> None:
    path = write_sbml(DECAY, tmp_path)
    script = tmp_path / "script.py"
    script.write_text(
        f"""
import pathway_models as pm
with open({str(tmp_path / "log")!r}, "a") as log:
    log.write("started\\n")
model = pm.load({str(path)!r})
runs = pm.ensemble(model, {{"k": [0.1, 0.2, 0.3, 0.4]}}, outcomes=["x"], duration=1,
                   execution=pm.Execution(workers=2, progress=False))
print(runs.report())
""",
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=GUARD, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("4 of 4 runs succeeded on libroadrunner (fewer than 64 rows);")
    assert (tmp_path / "log").read_text() == "started\n"


# ---- failures ----------------------------------------------------------------------------------------------


def test_a_row_that_explodes_is_on_record_and_the_others_are_complete(tmp_path: Path) -> None:
    k = np.array([0.5, 2.0, 0.9, 4.0])
    model = pm.load(write_sbml(EXPLOSION, tmp_path))
    runs = flat(pm.ensemble, model, {"k": k}, outcomes=[FINAL_X], workers=1, **SHORT)
    assert runs.ok.tolist() == [True, False, True, False]
    assert_allclose(runs.values[[0, 2], 0], 1 / (1 - k[[0, 2]]), rtol=1e-3)
    assert np.isnan(runs.values[[1, 3]]).all()
    assert sorted(runs.messages) == [1, 3]
    assert "gave up between 0 and 1" in runs.messages[1]
    assert runs.report().startswith(
        "2 of 4 runs succeeded on libroadrunner (fewer than 64 rows); 2 failed, first row 1: the integrator gave up"
    )


def test_a_row_that_is_not_a_number_is_on_record(tmp_path: Path) -> None:
    model = pm.load(write_sbml(ROOT, tmp_path))
    runs = flat(pm.ensemble, model, {"k": [4.0, -1.0, 9.0]}, outcomes=["y", FINAL_X], workers=1, **SHORT)
    frame = runs.to_dataframe()
    assert list(frame.columns) == ["y", "x final", "status", "message"]
    assert frame["message"].tolist() == ["", "y is not finite", ""]
    assert_allclose(frame["y"], [2.0, np.nan, 3.0])
    assert np.isfinite(frame["x final"]).all(), "what is not finite costs itself"
    assert frame["status"].tolist() == ["ok", "failed", "ok"]


def test_a_second_attempt_with_finer_tolerance_is_on_record(decay: pm.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    tolerances = []
    real = _simulate.run_job

    def stumbles(job: Any, row: Any, attempt: Any, **how: Any) -> Any:
        tolerances.append(attempt.coarse)
        if row == [2.0] and len(tolerances) == 2:
            raise SimulationError("stumbled")
        return real(job, row, attempt, **how)

    monkeypatch.setattr(_simulate, "run_job", stumbles)
    runs = flat(pm.ensemble, decay, {"k": [1.0, 2.0, 3.0]}, outcomes=[FINAL_X], workers=1, **SHORT)
    assert tolerances == [False, False, True, False, False]  # the last is the row that is run again for the error
    assert runs.to_dataframe()["status"].tolist() == ["ok", "ok after a retry", "ok"]
    assert runs.messages == {1: "attempt 2 (relative tolerance 1e-08, coarse absolute ones, bdf) after: stumbled"}
    assert runs.ok.all()
    assert_allclose(runs.values[:, 0], np.exp([-1.0, -2.0, -3.0]), rtol=1e-4)
    assert "3 of 3 runs succeeded on libroadrunner (fewer than 64 rows), 1 of them after a retry" in runs.report()
    assert runs.counts == {"ok": 2, "ok after a retry": 1}


def test_a_worker_that_dies_costs_its_own_row_only(decay: pm.Model) -> None:
    """16 rows on 2 workers make blocks of 2; row 14 kills the process before row 15 of the same block has run."""
    x = np.linspace(1, 16, 16)
    x[14] = DEADLY
    outcome = Deadly(variable="k", reduce="final")
    runs = flat(pm.ensemble, decay, {"k": x}, outcomes=[outcome], workers=2, **SHORT)
    assert runs.to_dataframe()["status"][14] == "worker process died"
    assert "worker process died" in runs.messages[14]
    assert np.isnan(runs.values[14, 0])
    others = np.delete(np.arange(16), 14)
    before = others[others < 14]
    assert_array_equal(runs.values[before, 0], x[before])
    assert runs.ok[others].all(), "row 15 shares the block of the deadly row and must be run again without it"
    assert_array_equal(runs.values[others, 0], x[others])


def test_a_block_that_an_own_pool_loses_goes_in_once_more_row_by_row(
    decay: pm.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    cores(monkeypatch, 1)

    def fate(number: int) -> Exception | None:
        """Block 1 of 4 is lost, and again its second row."""
        return BrokenExecutor("a process was terminated") if number in (1, 5) else None

    executor = InlineExecutor(fate)
    k = np.linspace(0.1, 2, 16)
    runs = flat(pm.ensemble, decay, {"k": k}, outcomes=[FINAL_X], workers=executor, **SHORT)
    others = np.delete(np.arange(16), 5)
    assert executor.submitted == 8
    assert runs.counts == {"ok": 15, "worker process died": 1}
    assert "worker process died" in runs.messages[5]
    assert_allclose(runs.values[others, 0], np.exp(-k[others]), rtol=1e-5)


def test_an_own_pool_that_breaks_while_blocks_are_handed_in_raises_nothing(
    decay: pm.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """concurrent.futures refuses every task from the death of a worker on, in `submit` itself."""
    cores(monkeypatch, 1)

    class Broken(InlineExecutor):
        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            if self.submitted >= 2:
                raise BrokenExecutor("a process was terminated")
            return super().submit(fn, *args, **kwargs)

    k = np.linspace(0.1, 2, 16)
    runs = flat(pm.ensemble, decay, {"k": k}, outcomes=[FINAL_X], workers=Broken(), **SHORT)
    assert_allclose(runs.values[:8, 0], np.exp(-k[:8]), rtol=1e-5)
    assert set(runs.to_dataframe()["status"][8:]) == {"worker process died"}
    assert "executor broke" in runs.messages[8]


# ---- what is written to the terminal -----------------------------------------------------------------------


def test_without_progress_bar_nothing_is_written(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = pm.load(write_sbml(DECAY, tmp_path))
    flat(pm.ensemble, model, {"k": [0.5, 2.0]}, outcomes=["x"], workers=1, **SHORT)
    assert capfd.readouterr() == ("", "")


def test_a_failed_run_writes_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Messages of the solver reach the user in `messages`; on stdout they would end up in a table or in JSON."""
    model = pm.load(write_sbml(EXPLOSION, tmp_path))
    runs = flat(pm.ensemble, model, {"k": [0.5, 2.0]}, outcomes=["x"], workers=1, **SHORT)
    assert not runs.ok[1]
    assert capfd.readouterr() == ("", "")


def test_the_progress_bar_counts_runs_on_stderr(decay: pm.Model, capfd: pytest.CaptureFixture[str]) -> None:
    pm.ensemble(decay, {"k": [0.5, 1.0, 2.0]}, outcomes=["x"], duration=1, execution=pm.Execution(workers=1))
    out, err = capfd.readouterr()
    assert out == ""
    assert "3/3" in err
    assert "run/s" in err or "s/run" in err


# ---- bad tables --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({}, "no columns"),
        ({"k": []}, "shape"),
        ({"k": [1.0, 2.0], "x0": [1.0]}, "x0"),
        ({"k": [1.0, float("nan")]}, "k holds nan"),
        ({"k": [1.0, float("inf")]}, "k holds inf"),
        ({"k": [float("nan"), 1.0]}, "k "),
        ({"k": 1.0}, "shape"),
        ({"k": [[1.0, 2.0], [3.0, 4.0]]}, "shape"),
        ({"k": ["fast", "slow"]}, "k"),
    ],
    ids=["no column", "empty", "ragged", "nan", "inf", "nan first", "scalar", "two-dimensional", "text"],
)
def test_a_table_that_makes_no_sense(tmp_path: Path, rows: Any, message: str) -> None:
    model = pm.load(write_sbml("model m()\n x = 1; k = 0.5; x0 = 1; x' = -k*x\nend", tmp_path))
    with pytest.raises(InvalidValueError, match=message):
        flat(pm.ensemble, model, rows, outcomes=["x"], workers=1, **SHORT)


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
@pytest.mark.parametrize(
    ("name", "good", "bad"), [("MCC950", 1.0, 99.0), ("MCC950", 1.0, -1.0), ("k_import_NFKB", 0.5, -0.5)]
)
def test_a_value_out_of_range_counts_in_every_row(name: str, good: float, bad: float, order: list[int]) -> None:
    """`with_parameters` refuses the value, whichever row it stands in."""
    model = pm.load("nlrp3_il1b")
    with pytest.raises(InvalidValueError, match=name):
        model.with_parameters({name: bad})
    column = np.array([good, bad])[order]
    with pytest.raises(InvalidValueError, match=name):
        pm.ensemble(
            model, {name: column}, outcomes=["IL1B"], weeks=1, execution=pm.Execution(workers=1, progress=False)
        )


def test_unknown_names(decay: pm.Model) -> None:
    with pytest.raises(UnknownNameError, match="'kk'"):
        flat(pm.ensemble, decay, {"kk": [1.0]}, outcomes=["x"], workers=1, **SHORT)
    with pytest.raises(UnknownNameError, match="'y'"):
        flat(pm.ensemble, decay, {"k": [1.0]}, outcomes=["y"], workers=1, **SHORT)
    with pytest.raises(InvalidValueError, match="outcomes"):
        flat(pm.ensemble, decay, {"k": [1.0]}, outcomes=[], workers=1, **SHORT)


@pytest.mark.parametrize("engine", ["roadrunner", "batch"])
def test_a_start_value_is_a_column_like_any_other(decay: pm.Model, engine: str) -> None:
    runs = flat(pm.ensemble, decay, {"x": [1.0, 3.0]}, outcomes=[FINAL_X], workers=1, engine=engine, **SHORT)
    assert_allclose(runs.values[:, 0], np.array([1.0, 3.0]) * np.exp(-0.5), rtol=1e-6)


def test_a_state_of_a_model_that_starts_at_rest_is_no_column() -> None:
    with pytest.raises(InvalidValueError, match="IL1B of nlrp3_il1b is a state, and runs start at the rest"):
        pm.ensemble(
            pm.load("nlrp3_il1b"), {"IL1B": [1.0]}, outcomes=["IL1B"], execution=pm.Execution(workers=1, progress=False)
        )


def test_two_columns_for_one_parameter_are_refused() -> None:
    model = pm.load("epilepsy")
    rows = {"efficacy": [0.1, 0.2], "acupuncture.efficacy": [0.3, 0.4]}
    with pytest.raises(InvalidValueError, match="efficacy"):
        pm.ensemble(
            model, rows, outcomes=["seizure_rate"], weeks=0.1, execution=pm.Execution(workers=1, progress=False)
        )
