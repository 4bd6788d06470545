"""Which engine runs an ensemble and why; that it stays the same; failures under engine="batch"."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import pathway_models as pm
from helpers import flat, tiny
from pathway_models import _batch
from pathway_models.ensembles import choice
from pathway_models.ensembles import rows as _rows
from pathway_models.errors import InvalidValueError

DECAY = "x = 1; k = 0.5; x' = -k*x"
FINAL_X = pm.Outcome(variable="x", reduce="final")
SHORT: dict[str, Any] = {"duration": 1, "every": 0.5, "progress": False}
MARK = 3.0


@pytest.fixture
def decay() -> pm.Model:
    return tiny(DECAY)


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if compiling took no time."""
    monkeypatch.setattr(choice, "WORTH", 0.0)


def rates(count: int = 64) -> np.ndarray:
    return np.linspace(0.1, 2.0, count)


def with_mark(count: int = 64) -> np.ndarray:
    k = np.linspace(1, 2, count)
    k[9] = MARK
    return k


# ---- the choice ----------------------------------------------------------------------------------------------------


def test_many_rows_of_a_long_schedule_run_on_the_batch_engine_and_say_so() -> None:
    model = pm.load("acupuncture")
    rows = {"gain_vagal": np.linspace(0.3, 1.0, 160)}
    options: dict[str, Any] = {"outcomes": ["vagal_drive"], "progress": False}
    runs = flat(pm.ensemble, model, rows, [pm.Electroacupuncture()], workers=1, **options)
    assert runs.engine == "batch"
    assert runs.engine_reason == "within 1 tolerances of libroadrunner in 3 rows"
    assert runs.report().startswith(f"160 of 160 runs succeeded on the batch engine ({runs.engine_reason});")
    two = flat(pm.ensemble, model, rows, [pm.Electroacupuncture()], workers=2, **options)
    assert (two.engine, two.engine_reason) == (runs.engine, runs.engine_reason)
    assert_array_equal(two.values, runs.values)
    plain = flat(pm.ensemble, model, rows, [pm.Electroacupuncture()], workers=1, engine="roadrunner", **options)
    assert plain.report().startswith("160 of 160 runs succeeded on libroadrunner (asked for);")
    assert_allclose(runs.values, plain.values, rtol=1e-4)


def test_few_rows_and_short_runs_stay_on_libroadrunner(decay: pm.Model) -> None:
    few = flat(pm.ensemble, decay, {"k": rates(63)}, outcomes=[FINAL_X], workers=1, **SHORT)
    assert (few.engine, few.engine_reason) == ("roadrunner", "fewer than 64 rows")
    short = flat(pm.ensemble, decay, {"k": rates(64)}, outcomes=[FINAL_X], workers=1, **SHORT)
    assert short.engine_reason == "compiling takes longer than it saves for 64 rows"


@pytest.mark.usefixtures("eager")
def test_a_model_with_events_falls_back_and_the_reason_names_it() -> None:
    model = tiny(DECAY + "; E: at time > 0.5: x = 2")
    runs = flat(pm.ensemble, model, {"k": rates()}, outcomes=[FINAL_X], workers=1, **SHORT)
    assert (runs.engine, runs.engine_reason) == ("roadrunner", "event 'E': events are not supported")
    assert_allclose(runs.values[:, 0], 2 * np.exp(-0.5 * rates()), rtol=1e-4)
    with pytest.raises(InvalidValueError, match=r"engine 'batch' cannot run this model \(event 'E'"):
        flat(pm.ensemble, model, {"k": rates()}, outcomes=[FINAL_X], workers=1, engine="batch", **SHORT)


@pytest.mark.usefixtures("eager")
def test_without_llvmlite_libroadrunner_runs(decay: pm.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [k for k in sys.modules if k.startswith(("llvmlite", "pathway_models._batch"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "llvmlite", None)
    runs = flat(pm.ensemble, decay, {"k": rates()}, outcomes=[FINAL_X], workers=1, **SHORT)
    assert runs.engine == "roadrunner"
    assert runs.engine_reason.startswith("the batch engine needs llvmlite: ")
    assert "\n" not in runs.engine_reason
    assert runs.ok.all()


@pytest.mark.usefixtures("eager")
def test_numbers_that_differ_are_a_reason(decay: pm.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    real = _batch.run_rows

    def wrong(*args: Any, **kwargs: Any) -> tuple[np.ndarray, dict[int, str]]:
        courses, failed = real(*args, **kwargs)
        courses[:, 1:] *= 1 + 1e-3
        return courses, failed

    monkeypatch.setattr(_batch, "run_rows", wrong)
    runs = flat(pm.ensemble, decay, {"k": rates()}, outcomes=[FINAL_X], workers=1, **SHORT)
    assert runs.engine == "roadrunner"
    # a thousandth of exp(-0.1), in tolerances of the largest value, 1
    assert runs.engine_reason == f"the batch engine differs by {1e5 * np.exp(-0.1):.0f} tolerances, allowed are 10"
    assert_allclose(runs.values[:, 0], np.exp(-rates()), rtol=1e-4)


@pytest.mark.usefixtures("eager")
def test_a_state_that_no_outcome_looks_at_is_compared_too(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny(DECAY + "; y = 1; y' = -0.3 * y")
    real = _batch.run_rows

    def wrong(job: Any, *args: Any, **kwargs: Any) -> tuple[np.ndarray, dict[int, str]]:
        courses, failed = real(job, *args, **kwargs)
        courses[:, 1:, job.columns.index("y")] *= 1 + 1e-3
        return courses, failed

    monkeypatch.setattr(_batch, "run_rows", wrong)
    runs = flat(pm.ensemble, model, {"k": rates()}, outcomes=[FINAL_X], workers=1, **SHORT)
    assert runs.engine_reason.startswith("the batch engine differs by")


@pytest.mark.usefixtures("eager")
def test_rows_that_run_in_no_engine_cannot_be_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_rows, "LADDER", (_rows.Attempt(),))
    model = tiny("x = 1; k = 0.5; x' = k*x^2")
    k = np.linspace(2.0, 3.0, 64)  # infinite before the end
    runs = flat(pm.ensemble, model, {"k": k}, outcomes=[FINAL_X], workers=1, **SHORT)
    assert (runs.engine, runs.engine_reason) == ("roadrunner", "none of 3 rows ran in both engines")
    assert runs.counts == {"failed": 64}


# ---- it stays ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("eager")
def test_a_checkpoint_keeps_its_engine(decay: pm.Model, tmp_path: Path) -> None:
    options: dict[str, Any] = {"outcomes": [FINAL_X], "workers": 1, **SHORT}
    for engine, first in (("batch", 40), ("roadrunner", 40), ("auto", 40)):
        folder = tmp_path / engine
        before = flat(pm.ensemble, decay, {"k": rates(80)[:first]}, checkpoint=folder, engine=engine, **options)
        assert before.engine == ("batch" if engine == "batch" else "roadrunner")
        after = flat(pm.ensemble, decay, {"k": rates(80)}, checkpoint=folder, **options)
        assert (after.engine, after.engine_reason) == (before.engine, "as in the checkpoint")
        assert after.cost is not None
        assert after.cost.reused == first
        assert_array_equal(after.values[:first], before.values)
    fresh = flat(pm.ensemble, decay, {"k": rates(80)}, checkpoint=tmp_path / "new", **options)
    assert fresh.engine == "batch"
    with pytest.raises(InvalidValueError, match="engine: stored"):
        flat(pm.ensemble, decay, {"k": rates(80)}, checkpoint=tmp_path / "new", engine="roadrunner", **options)


@pytest.mark.parametrize("first", [8, 32])
@pytest.mark.usefixtures("eager")
def test_an_extended_analysis_keeps_its_engine(first: int) -> None:
    model = tiny("a = 1; b = 1; x = 1; x' = a - b * x")
    ranges = {"a": (0.5, 2.0), "b": (0.5, 2.0)}
    options: dict[str, Any] = {"outcomes": [FINAL_X], "parameters": ranges, "workers": 1, "resamples": 10, **SHORT}
    few = flat(pm.sobol, model, n=first, **options)
    more = few.extend(64, execution=pm.Execution(workers=1, progress=False))
    assert few.runs.engine == more.runs.engine == ("batch" if first == 32 else "roadrunner")
    assert f"({more.runs.engine_reason})" in few.runs.report()
    assert f"on {'the batch engine' if first == 32 else 'libroadrunner'} (" in more.summary().splitlines()[0]
    whole = flat(pm.sobol, model, n=64, engine=few.runs.engine, **options)
    assert_array_equal(more.runs.values, whole.runs.values)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(("n", "engine"), [(16, "roadrunner"), (65_536, "batch")])
def test_the_cost_is_estimated_on_the_engine_that_will_run(n: int, engine: str) -> None:
    model = tiny("a = 1; b = 1; x = 1; x' = a - b * x")
    options: dict[str, Any] = {"outcomes": [FINAL_X], "parameters": {"a": (0.5, 2.0)}, "duration": 1}
    assert flat(pm.sensitivity.sobol_cost, model, n=n, **options).engine == engine


def test_the_batch_engine_reads_models_beside_libsedml() -> None:
    """Once it is imported, formulas come back as its objects, whose type is no number."""
    pytest.importorskip("libsedml")
    code = (
        "import libsbml, libsedml, numpy as np, pathway_models as pm\n"  # in this order: the later one takes over
        "rows = {'efficacy': np.linspace(0, 1, 8)}\n"
        "runs = pm.ensemble(pm.load('acupuncture'), rows, [pm.Electroacupuncture()], outcomes=['vagal_drive'],\n"
        "                   weeks=1, execution=pm.Execution(workers=1, progress=False, engine='batch'))\n"
        "assert runs.ok.all()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# ---- failures ------------------------------------------------------------------------------------------------------


class KilledOnce(pm.Outcome):
    """Kills its process with SIGKILL at MARK, but only the first time; the file `label` remembers."""

    def values(self, times: np.ndarray, courses: np.ndarray, before: np.ndarray) -> np.ndarray:
        seen = Path(self.label)
        if MARK in courses[:, -1] and not seen.exists():
            seen.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return courses[:, -1]


class Deadly(pm.Outcome):
    """Ends its process at MARK, every time."""

    def values(self, times: np.ndarray, courses: np.ndarray, before: np.ndarray) -> np.ndarray:
        if MARK in courses[:, -1]:
            os._exit(9)
        return courses[:, -1]


BATCH: dict[str, Any] = {"engine": "batch", **SHORT}


def test_a_row_that_diverges_is_on_record_and_its_lanes_are_as_alone() -> None:
    model = tiny("x = 1; k = 0.5; x' = k*x^2")
    k = np.array([0.5, 2.0, 0.9, 4.0, 0.1])
    runs = flat(pm.ensemble, model, {"k": k}, outcomes=[FINAL_X], workers=1, **BATCH)
    assert runs.ok.tolist() == [True, False, True, False, True]
    assert_allclose(runs.values[runs.ok, 0], 1 / (1 - k[runs.ok]), rtol=1e-4)
    assert "gave up between 0 and 1" in runs.messages[1]
    alone = flat(pm.ensemble, model, {"k": k[4:]}, outcomes=[FINAL_X], workers=1, **BATCH)
    assert_array_equal(runs.values[4], alone.values[0])


def test_a_row_beyond_the_limit_of_steps_fails() -> None:
    model = tiny("x = 1; y = 0; k = 1; x' = k*y; y' = -k*x")
    limits = pm.Limits(steps=300)
    runs = flat(pm.ensemble, model, {"k": [1.0, 1e6, 2.0]}, outcomes=[FINAL_X], workers=1, limits=limits, **BATCH)
    assert runs.counts == {"ok": 2, "failed": 1}
    assert "300" in runs.messages[1]
    assert_allclose(runs.values[[0, 2], 0], np.cos([1.0, 2.0]), rtol=1e-4)


def test_a_block_that_never_ends_goes_to_libroadrunner(decay: pm.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(*args: Any, **kwargs: Any) -> None:
        while True:
            time.sleep(0.01)

    monkeypatch.setattr(_batch, "run_rows", endless)
    limits = pm.Limits(seconds=2)
    runs = flat(pm.ensemble, decay, {"k": rates(5)}, outcomes=[FINAL_X], workers=1, limits=limits, **BATCH)
    assert runs.counts == {"ok after a retry": 5}
    assert runs.messages[0] == "libroadrunner, after the batch engine: the block took longer than 2 s"
    assert_allclose(runs.values[:, 0], np.exp(-rates(5)), rtol=1e-4)


def test_a_killed_worker_changes_no_bit(decay: pm.Model, tmp_path: Path) -> None:
    k = with_mark()
    outcome = KilledOnce(variable="k", reduce="final", label=str(tmp_path / "seen"))
    runs = flat(pm.ensemble, decay, {"k": k}, outcomes=[outcome, FINAL_X], workers=2, **BATCH)
    assert (tmp_path / "seen").exists()
    assert runs.counts == {"ok": 64}
    here = flat(pm.ensemble, decay, {"k": k}, outcomes=[FINAL_X], workers=1, **BATCH)
    assert_array_equal(runs.values, np.column_stack([k, here.values[:, 0]]))


def test_a_deadly_row_costs_itself_only(decay: pm.Model) -> None:
    runs = flat(
        pm.ensemble, decay, {"k": with_mark()}, outcomes=[Deadly(variable="k", reduce="final")], workers=2, **BATCH
    )
    assert runs.counts == {"ok": 63, "worker process died": 1}
    assert np.flatnonzero(~runs.ok).tolist() == [9]


def test_any_executor_gives_the_same_bits(decay: pm.Model) -> None:
    distributed = pytest.importorskip("distributed")
    options: dict[str, Any] = {"outcomes": [FINAL_X], **BATCH}
    here = flat(pm.ensemble, decay, {"k": rates(40)}, workers=1, **options)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        assert_array_equal(flat(pm.ensemble, decay, {"k": rates(40)}, workers=pool, **options).values, here.values)
    cluster = distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None)
    with cluster, distributed.Client(cluster) as client:
        dask = flat(pm.ensemble, decay, {"k": rates(40)}, workers=client.get_executor(), **options)
    assert_array_equal(dask.values, here.values)
