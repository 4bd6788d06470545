"""Eight threads get the numbers that one gets: simulate, ensembles in both engines, files in and out, dask, joblib."""

from __future__ import annotations

import asyncio
import math
import multiprocessing
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import pathway_models as pm
from helpers import tiny
from pathway_models.ensembles import processes
from pathway_models.simulation import job as _simulate

THREADS = 8
RATES = [0.01 * (i + 1) for i in range(32)]
FINAL = pm.Outcome(variable="S", reduce="final")
HERE = pm.Execution(workers=1, progress=False)
EXACT = [10 * math.exp(-10 * k) for k in RATES]
SECONDS = 60  # a test that hangs fails


@pytest.fixture(scope="module")
def decay() -> pm.Model:
    return tiny("S = 10; k = 0.1; S' = -k*S")


def in_threads(function: Callable[[Any], Any], items: list[Any]) -> list[Any]:
    """`function` of each item, from threads that all start at once."""
    ready = threading.Barrier(THREADS)

    def first(_: int) -> None:
        ready.wait(SECONDS)

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(first, range(THREADS)))
        return list(threads.map(function, items, timeout=SECONDS))


def final(model: pm.Model, k: float) -> float:
    return float(model.with_parameters(k=k).simulate(duration=10, every=0.1)["S"][-1])


def survives(script: str) -> str:
    """What a script prints that would end or hang its process if threads met in compiled code."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def test_simulate(decay: pm.Model) -> None:
    assert_allclose(in_threads(lambda k: final(decay, k), RATES), EXACT, rtol=1e-6)


def test_models_that_start_at_rest() -> None:
    model, values = pm.load("nlrp3_il1b"), [0.5 + i / 10 for i in range(16)]

    def one(value: float) -> float:
        run = model.with_parameters(IC50_BHB_NLRP3=value).simulate([pm.Level(input="BHB", value=1.0)], weeks=1)
        return float(run["IL1B"][-1])

    assert in_threads(one, values) == [one(v) for v in values]


def test_the_attempts_of_a_failing_row_do_not_change_the_solver_of_the_others(decay: pm.Model) -> None:
    """They change method, step and tolerance of the solver that all threads use."""
    usual = {"maximum_num_steps": _simulate.MAX_STEPS, "initial_time_step": 0.0, "stiff": True}
    seen: list[dict[str, Any]] = []
    job = _simulate.make_job(decay, (), duration=10, times=np.array([10.0]), columns=("S",), start="auto", varied=["k"])
    attempts = (pm.ensembles.Attempt(), pm.ensembles.Attempt(method="adams", initial_step=1e-3))
    real = _simulate._run_phases

    def watched(engine: Any, *arguments: Any, **more: Any) -> Any:
        before = {k: engine.engine.integrator.getValue(k) for k in usual}
        time.sleep(0.001)  # others may come in here
        found = real(engine, *arguments, **more)
        assert {k: engine.engine.integrator.getValue(k) for k in usual} == before
        seen.append(before)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_simulate, "_run_phases", watched)
        in_threads(
            lambda k: _simulate.climb(job, [abs(k)], attempts, steps=3 if k < 0 else _simulate.MAX_STEPS),
            [k * sign for k in RATES for sign in (1, -1)],
        )
    assert seen.count(usual) == len(RATES)


@pytest.mark.parametrize("engine", ["roadrunner", "batch"])
def test_ensembles(decay: pm.Model, engine: str) -> None:
    pytest.importorskip("llvmlite")

    def one(k: float) -> float:
        runs = pm.ensemble(
            decay, {"k": [k] * 70}, outcomes=[FINAL], duration=10, execution=replace(HERE, engine=engine)
        )
        assert np.ptp(runs.values) == 0
        return float(runs.values[0, 0])

    assert_allclose(in_threads(one, RATES), EXACT, rtol=1e-4)


def test_the_batch_engine_compiles_a_model_once_for_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = pytest.importorskip("pathway_models._batch.rows")
    compiled: list[str] = []
    real = rows.machine
    monkeypatch.setattr(rows, "machine", lambda sbml: compiled.append(sbml) or real(sbml))
    model = tiny("S = 10; k = 0.125; S' = -k*S^1.5")
    found = in_threads(lambda _: rows.compile_model(model.sbml), list(range(THREADS)))
    assert len(set(map(id, found))) == 1
    assert len(compiled) == 1


def test_compiled_steps_of_two_threads_do_not_touch_each_other() -> None:
    """Rows that take so long that the threads are in compiled code together."""
    pytest.importorskip("llvmlite")
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
import numpy as np
from concurrent.futures import ThreadPoolExecutor
from helpers import tiny
from pathway_models._batch import run_rows
from pathway_models.simulation.job import make_job
model = tiny("S = 10; k = 0.1; S' = -k*S")
job = make_job(model, (), duration=10, times=np.linspace(0, 10, 101), columns=("S",), start="auto",
               varied=["k"])
def worst(i):
    k = np.linspace(0.01 * (i + 1), 0.5, 1000)
    found = run_rows(job, k[:, None])[0][:, -1, 0]
    return np.max(np.abs(found / (10 * np.exp(-10 * k)) - 1))
with ThreadPoolExecutor({THREADS}) as threads:
    print(max(threads.map(worst, range({THREADS}))) < 1e-4)
"""
    assert survives(script) == "True"


def test_sobol(decay: pm.Model) -> None:
    def one(seed: int) -> np.ndarray:
        found = pm.sobol(
            decay,
            outcomes=[FINAL],
            duration=10,
            factors={"k": (0.1, 1.0)},
            n=pm.Sampling(n=16, seed=seed),
            execution=replace(HERE, engine="roadrunner"),
        )
        return np.asarray(found.runs.values)

    assert_array_equal(np.array(in_threads(one, [1, 2, 3, 4] * 2)), np.array([one(s) for s in [1, 2, 3, 4] * 2]))


def test_sbml_in_and_out(decay: pm.Model, tmp_path: Path) -> None:
    def one(i: int) -> float:
        changed = decay.with_parameters(k=RATES[i])
        return final_of(pm.load(pm.export(changed, tmp_path / f"{i}.xml")))

    def final_of(model: pm.Model) -> float:
        return float(model.simulate(duration=10)["S"][-1])

    assert_allclose(in_threads(one, list(range(16))), EXACT[:16], rtol=1e-6)


def test_one_file_written_by_many_threads_is_whole(decay: pm.Model, tmp_path: Path) -> None:
    in_threads(lambda _: pm.export(decay, tmp_path / "a.xml"), list(range(32)))
    assert [p.name for p in tmp_path.iterdir()] == ["a.xml"]
    assert pm.load(tmp_path / "a.xml").quantities["k"].value == 0.1


@pytest.mark.parametrize("kind", ["antimony", "omex"])
def test_antimony_and_archives_in_and_out(kind: str) -> None:
    script = f"""
import math, tempfile, pathway_models as pm
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
folder = Path(tempfile.mkdtemp())
suffix = {{"antimony": "ant", "omex": "omex"}}[{kind!r}]
(folder / "first.ant").write_text("S = 10; k = 0.1; S' = -k*S")
def one(i):
    model = pm.load(folder / "first.ant").with_parameters(k=0.01 * (i + 1))
    path = pm.export(model, folder / f"{{i}}.{{suffix}}", format={kind!r}, duration=10)
    return float(pm.load(path).simulate(duration=10)["S"][-1]) / (10 * math.exp(-0.1 * (i + 1))) - 1
with ThreadPoolExecutor({THREADS}) as threads:
    print(max(map(abs, threads.map(one, range(16)))) < 1e-6)
"""
    assert survives(script) == "True"


def test_the_first_import_and_the_first_call_may_come_from_threads() -> None:
    script = f"""
import threading
from concurrent.futures import ThreadPoolExecutor
ready = threading.Barrier({THREADS})
def one(_):
    ready.wait()
    import pathway_models as pm
    return float(pm.load("nlrp3_il1b").simulate(weeks=0.1)["IL1B"][-1])
with ThreadPoolExecutor({THREADS}) as threads:
    print(len(set(threads.map(one, range({THREADS})))))
"""
    assert survives(script) == "1"


def test_libsbml_is_not_imported_before_it_is_used() -> None:
    assert survives("import sys, pathway_models; print('libsbml' in sys.modules)") == "False"


def test_a_thread_pool_as_executor(decay: pm.Model) -> None:
    k = np.array(RATES)
    with ThreadPoolExecutor(THREADS) as threads:
        for engine in ("roadrunner", "auto"):
            runs = pm.ensemble(
                decay,
                {"k": np.tile(k, 4)},
                outcomes=[FINAL],
                duration=10,
                execution=replace(HERE, engine=engine, workers=threads),
            )
            assert runs.counts == {"ok": 4 * len(k)}
            assert_allclose(runs.values[:, 0], np.tile(EXACT, 4), rtol=1e-4)


def test_dask_with_threads(decay: pm.Model) -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=4, processes=False, dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        runs = pm.ensemble(
            decay,
            {"k": RATES * 4},
            outcomes=[FINAL],
            duration=10,
            execution=replace(HERE, workers=client.get_executor()),
        )
    assert runs.counts == {"ok": 128}
    assert_allclose(runs.values[:, 0], EXACT * 4, rtol=1e-4)


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_joblib(decay: pm.Model, backend: str) -> None:
    import joblib

    with joblib.parallel_config(backend, n_jobs=2):
        found = joblib.Parallel()(joblib.delayed(final)(decay, k) for k in RATES[:8])
    assert_allclose(found, EXACT[:8], rtol=1e-6)


def test_a_web_server_that_hands_requests_to_threads(decay: pm.Model) -> None:
    async def serve() -> list[float]:
        return list(await asyncio.gather(*(asyncio.to_thread(final, decay, k) for k in RATES)))

    assert_allclose(asyncio.run(serve()), EXACT, rtol=1e-6)


def test_two_threads_may_start_pools_and_the_main_module_stays(decay: pm.Model) -> None:
    main = sys.modules["__main__"]
    before = (getattr(main, "__spec__", None), getattr(main, "__file__", None))

    def one(k: float) -> float:
        runs = pm.ensemble(
            decay, {"k": [k] * 16}, outcomes=[FINAL], duration=10, execution=pm.Execution(workers=2, progress=False)
        )
        return float(runs.values[-1, 0])

    with ThreadPoolExecutor(2) as threads:
        assert_allclose(list(threads.map(one, RATES[:2], timeout=SECONDS)), EXACT[:2], rtol=1e-4)
    assert (getattr(main, "__spec__", None), getattr(main, "__file__", None)) == before


def test_tasks_that_come_from_many_threads_know_their_work(decay: pm.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that remembers few works must not lose the one whose rows it holds."""
    monkeypatch.setattr(processes, "HELD", 1)
    job = _simulate.make_job(decay, (), duration=10, times=np.array([10.0]), columns=("S",), start="auto", varied=["k"])

    def one(i: int) -> float:
        work = processes.make_work(job, (pm.Outcome(variable="S", reduce="final", label=f"{i}"),))
        block = processes.run_range(work.key, work, np.array([[RATES[i]]]))
        assert block is not None
        return float(block.values[0, 0])

    assert_allclose(in_threads(one, list(range(32))), EXACT, rtol=1e-4)


@pytest.mark.skipif(not hasattr(multiprocessing, "get_context") or sys.platform == "win32", reason="needs fork")
def test_a_process_forked_while_a_thread_runs_a_model_can_run_it_too(decay: pm.Model) -> None:
    script = f"""
import os, threading, sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from helpers import tiny
model = tiny("S = 10; k = 0.1; S' = -k*S")
model.simulate(duration=1)  # a fork in the middle of an import is beyond our reach
stop = threading.Event()
def busy():
    while not stop.is_set():
        model.simulate(duration=10, every=0.01)
threading.Thread(target=busy).start()
for _ in range(20):
    child = os.fork()
    if child == 0:
        model.simulate(duration=10)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
stop.set()
print("done")
"""
    assert survives(script) == "done"
