"""What goes wrong in an ensemble on purpose: rows that never end, killed workers, Ctrl-C, executors of all kinds."""

from __future__ import annotations

import contextlib
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
from helpers import GUARD, cores, flat, tiny, until
from pathway_models.ensembles import processes, rows
from pathway_models.errors import InvalidValueError, UnknownNameError
from pathway_models.simulation import job

DECAY = "x = 1; k = 0.5; x' = -k*x"
OSCILLATOR = "x = 1; y = 0; k = 1; x' = k*y; y' = -k*x"
FINAL_X = pm.Outcome(variable="x", reduce="final")
SHORT: dict[str, Any] = {"duration": 1, "every": 0.5, "progress": False}
MARK = 3.0


class Endless(pm.Outcome):
    """Never returns where the last value is MARK; in Python, where an alarm is heard."""

    def values(self, times: np.ndarray, courses: np.ndarray, before: np.ndarray) -> np.ndarray:
        while MARK in courses[:, -1]:
            time.sleep(0.01)
        return courses[:, -1]


class Deaf(pm.Outcome):
    """Never returns where the last value is MARK, and no signal gets through, as in compiled code that hangs."""

    def values(self, times: np.ndarray, courses: np.ndarray, before: np.ndarray) -> np.ndarray:
        if MARK in courses[:, -1]:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM, signal.SIGTERM})
            time.sleep(3600)
        return courses[:, -1]


class KilledOnce(pm.Outcome):
    """Kills its process with SIGKILL at MARK, but only the first time; the file `label` remembers."""

    def values(self, times: np.ndarray, courses: np.ndarray, before: np.ndarray) -> np.ndarray:
        seen = Path(self.label)
        if MARK in courses[:, -1] and not seen.exists():
            seen.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return courses[:, -1]


class Loud(pm.Outcome):
    """Writes to the file descriptors of the terminal, as compiled code does."""

    def values(self, times: np.ndarray, courses: np.ndarray, before: np.ndarray) -> np.ndarray:
        os.write(1, b"from compiled code\n")
        os.write(2, b"from compiled code\n")
        return courses[:, -1]


class Raising(pm.Outcome):
    """A mistake of the user's in one row."""

    def values(self, times: np.ndarray, courses: np.ndarray, before: np.ndarray) -> np.ndarray:
        return np.array([1.0 / (last - MARK) for last in courses[:, -1].tolist()])


@pytest.fixture
def decay() -> pm.Model:
    return tiny(DECAY)


def values(count: int = 16) -> np.ndarray:
    k = np.linspace(1, 2, count)
    k[9] = MARK
    return k


# ---- limits of a row -----------------------------------------------------------------------------------------------


def test_a_row_beyond_the_limit_of_steps_fails_and_the_next_one_is_as_alone() -> None:
    model = tiny(OSCILLATOR)
    limits = pm.Limits(steps=300)
    options: dict[str, Any] = {"outcomes": [FINAL_X], "workers": 1, "limits": limits, **SHORT}
    runs = flat(pm.ensemble, model, {"k": [1.0, 1e6, 2.0]}, **options)
    assert runs.counts == {"ok": 2, "failed": 1}
    assert "300" in runs.messages[1]
    alone = flat(pm.ensemble, model, {"k": [2.0]}, **options)
    assert_array_equal(runs.values[2], alone.values[0])
    assert_allclose(runs.values[[0, 2], 0], np.cos([1.0, 2.0]), rtol=1e-4)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_row_that_never_ends_is_stopped(decay: pm.Model, workers: int) -> None:
    k = values()
    options: dict[str, Any] = {"workers": workers, "limits": pm.Limits(seconds=2), **SHORT}
    runs = flat(pm.ensemble, decay, {"k": k}, outcomes=[Endless(variable="k", reduce="final")], **options)
    assert runs.counts == {"ok": 15, "took too long": 1}
    assert runs.messages[9] == "the outcomes took longer than 2 s"
    assert_array_equal(np.delete(runs.values[:, 0], 9), np.delete(k, 9))


def test_a_worker_that_hears_nothing_is_ended(decay: pm.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "GRACE", 0.0)
    k = values()
    options: dict[str, Any] = {"workers": 2, "limits": pm.Limits(seconds=2), **SHORT}
    runs = flat(pm.ensemble, decay, {"k": k}, outcomes=[Deaf(variable="k", reduce="final")], **options)
    assert runs.counts == {"ok": 15, "took too long": 1}
    assert_array_equal(np.delete(runs.values[:, 0], 9), np.delete(k, 9))


def test_an_outcome_that_raises_costs_its_row(decay: pm.Model) -> None:
    k = values()
    runs = flat(pm.ensemble, decay, {"k": k}, outcomes=[Raising(variable="k", reduce="final")], workers=1, **SHORT)
    assert runs.counts == {"ok": 15, "failed": 1}
    assert runs.messages[9] == "an outcome raised ZeroDivisionError: float division by zero"


def test_a_block_of_the_batch_engine_has_the_time_of_a_row_for_sixteen(
    decay: pm.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(rows, "deadline", lambda seconds: contextlib.nullcontext(seen.append(seconds)))
    on = pm.Execution(workers=1, progress=False, engine="batch", limits=pm.Limits(seconds=10))
    pm.ensemble(pm.Study(decay, outcomes=["x"], duration=1), {"k": np.linspace(1, 2, 128)}, execution=on)
    assert set(seen) == {10, 20}  # the outcomes of a block, and the runs of its 32 rows


def test_no_number_before_treatment_costs_what_is_relative_to_it_alone() -> None:
    study = pm.Study(
        tiny("j = 0; k = 0; a = 1; y := k/j + a"),
        [pm.Level(input="j", value=1.0)],
        outcomes=[pm.Outcome(variable="y", relative=True), "y"],
        duration=1,
    )
    runs = pm.ensemble(study, {"a": [1.0, 2.0]}, execution=pm.Execution(workers=1, progress=False))
    assert runs.counts == {"ok": 2}
    assert_array_equal(runs.values, [[np.nan, 1.0], [np.nan, 2.0]])


def test_the_ladder_changes_tolerance_first_step_and_method_and_leaves_nothing_behind(
    decay: pm.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    real = job._run_phases

    def stumbles(engine: Any, *what: Any, **how: Any) -> Any:
        keys = ("relative_tolerance", "initial_time_step", "stiff")
        seen.append(tuple(engine.engine.integrator.getValue(key) for key in keys))
        if len(seen) < 7:
            raise pm.errors.SimulationError(f"stumbled {len(seen)}")
        return real(engine, *what, **how)

    monkeypatch.setattr(job, "_run_phases", stumbles)
    runs = flat(pm.ensemble, decay, {"k": [1.0, 1.0]}, outcomes=[FINAL_X], workers=1, **SHORT)
    assert seen[:8] == [
        (1e-8, 0.0, True),
        (1e-8, 0.0, True),
        (1e-9, 0.0, True),
        (1e-9, 1e-7, True),
        (1e-8, 0.0, False),
        (1e-6, 0.0, True),
        (1e-6, 0.0, True),
        (1e-8, 0.0, True),
    ]
    assert runs.messages == {0: "attempt 7 (relative tolerance 1e-06, absolute 1e-12, bdf) after: stumbled 1"}
    assert_allclose(runs.values[:, 0], np.exp(-1), rtol=1e-4)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: pm.Limits(seconds=0), InvalidValueError),
        (lambda: pm.Limits(steps=0), InvalidValueError),
        (lambda: pm.Limits(attempts=()), InvalidValueError),
        (lambda: pm.ensembles.Attempt(relative_tolerance=1.0), InvalidValueError),
        (lambda: pm.ensembles.Attempt(initial_step=-1), InvalidValueError),
        (lambda: pm.ensembles.Attempt(method="euler"), UnknownNameError),  # type: ignore[arg-type]
    ],
)
def test_limits_that_make_no_sense(make: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        make()


# ---- workers -------------------------------------------------------------------------------------------------------


def test_a_worker_killed_from_outside_changes_no_bit(decay: pm.Model, tmp_path: Path) -> None:
    k = values()
    outcome = KilledOnce(variable="k", reduce="final", label=str(tmp_path / "seen"))
    runs = flat(pm.ensemble, decay, {"k": k}, outcomes=[outcome], workers=2, **SHORT)
    assert (tmp_path / "seen").exists()
    assert_array_equal(runs.values[:, 0], k)
    assert runs.counts == {"ok": 16}


def test_compiled_code_in_a_worker_does_not_reach_the_terminal(
    decay: pm.Model, capfd: pytest.CaptureFixture[str]
) -> None:
    runs = flat(pm.ensemble, decay, {"k": values()}, outcomes=[Loud(variable="k", reduce="final")], workers=2, **SHORT)
    assert runs.ok.all()
    once = "from compiled code\n"  # of the row that is run again here, on either stream
    assert capfd.readouterr() == (once, once)


def test_the_model_goes_to_a_worker_once(decay: pm.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks carry rows only; a worker that does not know the rest asks for it."""
    cores(monkeypatch, 4)
    sizes: list[bool] = []

    class Counting(ProcessPoolExecutor):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
            sizes.append(args[1] is not None)
            return super().submit(fn, *args, **kwargs)

    k = np.linspace(0.1, 2, 64)
    with Counting(max_workers=2, mp_context=get_context("spawn")) as pool:
        runs = flat(pm.ensemble, decay, {"k": k}, outcomes=[FINAL_X], workers=pool, **SHORT)
    assert_allclose(runs.values[:, 0], np.exp(-k), rtol=1e-4)
    assert sum(sizes) <= 4 + 2
    assert len(sizes) >= 16


def test_fresh_workers_take_over_before_the_old_ones_grow(decay: pm.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """libroadrunner keeps a little of every call; the result does not depend on how often workers are replaced."""
    pools = []
    real = processes.own_pool
    monkeypatch.setattr(processes, "own_pool", lambda *arguments: pools.append(1) or real(*arguments))
    monkeypatch.setattr(processes, "GROWTH", 8 * processes.LEAK * (1 + len(processes.SETTLE_HORIZONS)))
    k = np.linspace(0.1, 2, 32)
    runs = flat(pm.ensemble, decay, {"k": k}, outcomes=[FINAL_X], workers=2, **SHORT)
    assert len(pools) == 2
    assert_array_equal(runs.values, flat(pm.ensemble, decay, {"k": k}, outcomes=[FINAL_X], workers=1, **SHORT).values)


def test_a_worker_that_does_not_know_the_work_asks_for_it(decay: pm.Model) -> None:
    assert processes.run_range("never heard of", None, np.ones((1, 1))) is None


def test_an_executor_that_is_shut_down_is_an_error(decay: pm.Model) -> None:
    pool = ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn"))
    pool.shutdown()
    with pytest.raises(InvalidValueError, match="takes no tasks"):
        flat(pm.ensemble, decay, {"k": [1.0, 2.0]}, outcomes=[FINAL_X], workers=pool, **SHORT)


def test_dask_gives_the_same_bits(decay: pm.Model) -> None:
    distributed = pytest.importorskip("distributed")
    k = values()
    here = flat(pm.ensemble, decay, {"k": k}, outcomes=[FINAL_X], workers=1, **SHORT)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        there = flat(pm.ensemble, decay, {"k": k}, outcomes=[FINAL_X], workers=client.get_executor(), **SHORT)
    assert_array_equal(here.values, there.values)
    assert there.counts == {"ok": 16}


# ---- Ctrl-C --------------------------------------------------------------------------------------------------------

SCRIPT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job starts with it ignored
sys.path[:0] = {folders!r}
import numpy as np
import pathway_models as pm
from helpers import GUARD, tiny, until
from ensembles.test_ensemble_faults import FINAL_X, Gated
model = tiny("x = 1; k = 0.5; x' = -k*x")
gated = Gated(variable="k", reduce="final", label={gate!r})
execution = pm.Execution(workers=2, progress=False, checkpoint={folder!r})
study = pm.Study(model, outcomes=[gated, FINAL_X], duration=1, every=0.5)
runs = pm.ensemble(study, {{"k": np.linspace(1, 2, 64)}}, execution=execution)
print(repr(runs.values.sum()), runs.cost.reused)
"""


class Gated(pm.Outcome):
    """Rows above 1.5 wait until there is a file `label`: the run stands still half way, however long one looks."""

    def values(self, times: np.ndarray, courses: np.ndarray, before: np.ndarray) -> np.ndarray:
        while courses[:, -1].max() > 1.5 and not Path(self.label).exists():
            time.sleep(0.01)
        return courses[:, -1]


def alive(group: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, 0)
        return True
    return False


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run_keeps_what_is_finished_and_leaves_no_process(tmp_path: Path, stop: signal.Signals) -> None:
    folder, gate = tmp_path / "checkpoint", tmp_path / "gate"
    script = tmp_path / "script.py"
    folders = [str(p) for p in Path(__file__).parents[:2]]
    text = SCRIPT.format(folders=folders, gate=str(gate), folder=str(folder))
    script.write_text(text, encoding="utf-8")
    command = [sys.executable, str(script)]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, start_new_session=True, **pipes)
    until(lambda: len(list(folder.glob("rows-*.npz"))) >= 2 or process.poll() is not None)
    assert process.poll() is None
    if stop == signal.SIGINT:
        os.killpg(process.pid, stop)  # the terminal sends Ctrl-C to all processes
    else:
        process.send_signal(stop)  # workers are left alone and must notice
    _, errors = process.communicate(timeout=GUARD)
    assert process.returncode == -stop
    assert errors.count("Traceback") == (1 if stop == signal.SIGINT else 0), errors
    until(lambda: not alive(process.pid))

    finished = sorted(p.name for p in folder.glob("rows-*.npz"))
    gate.touch()
    again = subprocess.run(command, capture_output=True, text=True, timeout=GUARD, check=True)
    total, reused = again.stdout.split()[-2:]
    assert int(reused) >= 2 * len(finished)
    k = np.linspace(1, 2, 64)
    same = Endless(variable="k", reduce="final")  # without the gate; looks at all output points as Gated does
    expected = flat(pm.ensemble, tiny(DECAY), {"k": k}, outcomes=[same, FINAL_X], workers=1, **SHORT)
    assert total == repr(expected.values.sum())
