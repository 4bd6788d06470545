"""How fast are ensembles, on either engine, against the loops that a user would write? One run, the same rows.

Every loop settles the untreated model (40,000 h), then runs 12 weeks under diet and needles at a relative tolerance of
1e-6. Then: compilation, floating-point operations and share of what a matrix product reaches on the same core, and how
long a whole analysis would take (every parameter with a range, N = 1,024, four arms, two processes).
Run: python benchmarks/benchmark_ensemble.py [--rows 1024] [--loops 20] [--model epilepsy] [--peers roadrunner,amici]
[--folder FOLDER for the compiled AMICI model]. Loops and libroadrunner get the first LOOPS rows.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from scipy.stats import qmc

import pathway_models as pm
from benchmark_peers import Peer, peers
from pathway_models import _batch
from pathway_models._batch.rows import _Run
from pathway_models._batch.step import A, C
from pathway_models._files.cache import CACHE_VARIABLE
from pathway_models.modules.laws import sample
from pathway_models.sensitivity.factors import choose
from pathway_models.simulation.phases import phases
from pathway_models.simulation.tolerances import MAX_STEPS

REST, WEEKS, N = 40_000.0, 12, 1024
OUTCOMES = {"epilepsy": "excitability__seizure_rate", "epilepsy_core": "excitability__seizure_rate"}
DIET, NEEDLES = pm.KetogenicDiet(ratio=4), pm.Electroacupuncture()
ARMS = {"none": [], "diet": [DIET], "needles": [NEEDLES], "both": [DIET, NEEDLES]}
Rows = dict[str, np.ndarray]


def rows_of(model: pm.Model, count: int) -> Rows:
    """Sobol points over the ranges of all parameters that have one."""
    varied = choose(model, None)
    unit = qmc.Sobol(len(varied), seed=1).random(1 << (count - 1).bit_length())[:count]
    return {p.id: sample(p, unit[:, j]) for j, p in enumerate(varied)}


def one_row(peer: Peer, model: pm.Model, row: Mapping[str, float], outcome: str, arm: list[pm.Treatment]) -> float:
    """Rest without treatment, anchors, treatment: what `pm.ensemble` does for a row."""
    values = {**model.settings, **row}
    peer.reset()
    peer.set({**values, **model.held})
    peer.run(REST)
    anchored = {k: peer.get(v) for k, v in model.anchors.items() if k not in values}
    held = {k: values.get(k, model.quantities[k].value) for k in model.held}
    peer.set({**anchored, **held})
    pieces = phases(model, arm, WEEKS * 168.0)
    base = {k: values.get(k, model.quantities[k].value) for piece in pieces for k, _ in piece.levels}
    for piece in pieces:
        peer.set({**base, **dict(piece.levels)})
        peer.dose(dict(piece.doses))
        peer.run(piece.stop - piece.start)
    return peer.get(outcome)


def loop(peer: Peer, model: pm.Model, rows: Rows, outcome: str, arm: list[pm.Treatment]) -> tuple[float, np.ndarray]:
    """Processor seconds and values of all rows, one after the other."""
    began, found = time.process_time(), []
    for row in zip(*rows.values(), strict=True):
        try:
            found.append(one_row(peer, model, dict(zip(rows, map(float, row), strict=True)), outcome, arm))
        except RuntimeError:
            found.append(float("nan"))
    return time.process_time() - began, np.array(found)


def line(name: str, count: int, seconds: float, gap: float) -> float:
    """A line of the table; rows per second of one core."""
    print(f"{name:38} {count:6} {count / seconds:13.2f} {1e3 * seconds / count:9.2f} {gap:12.1e}", flush=True)
    return count / seconds


def engines(model: pm.Model, rows: Rows, few: Rows, asked: argparse.Namespace) -> None:
    """The table: both engines and the peers on the same rows."""
    outcome = pm.Outcome(variable=OUTCOMES.get(model.name, model.output_ports[0].id), reduce="final")
    study = pm.Study(model, ARMS["both"], outcomes=[outcome], weeks=WEEKS)
    many = pm.ensemble(study, rows, execution=pm.Execution(workers=1, progress=False, engine="batch"))
    print(f"{'':38} {'rows':>6} {'rows/s/core':>13} {'ms/row':>9} {'largest gap':>12}")
    batch = line("pm.ensemble, batch", len(many.ok), many.cost.core_seconds, 0.0)
    plain = pm.ensemble(study, few, execution=pm.Execution(workers=1, progress=False, engine="roadrunner"))
    exact = plain.values[:, 0]
    scale = np.maximum(np.abs(exact), 1e-3)
    gap = np.nanmax(np.abs(many.values[: len(exact), 0] - exact) / scale)
    speeds = {"libroadrunner": line("pm.ensemble, libroadrunner", len(exact), plain.cost.core_seconds, gap)}
    for peer in peers(model, outcome.variable, asked.peers, asked.folder):
        seconds, values = loop(peer, model, few, outcome.variable, ARMS["both"])
        speeds[peer.name] = line(peer.name, len(values), seconds, float(np.nanmax(np.abs(values - exact) / scale)))
        if solver := getattr(peer, "solver_seconds", 0.0):
            speeds["its solver alone"] = line("  its solver alone", len(values), solver, 0.0)
        if np.isnan(values).any():
            print(f"{'':38} {np.isnan(values).sum()} of these rows failed")
    print("; ".join(f"{batch / speed:.0f} times {name}" for name, speed in speeds.items()))
    print(many.report())


def compilation(model: pm.Model) -> None:
    """Seconds with an empty cache and with a full one."""
    seconds, before = [], os.environ.get(CACHE_VARIABLE)
    with tempfile.TemporaryDirectory() as folder:
        os.environ[CACHE_VARIABLE] = folder
        for _ in range(2):
            _batch.compile_model.cache_clear()
            began = time.perf_counter()
            _batch.compile_model(model.sbml)
            seconds.append(time.perf_counter() - began)
    os.environ.pop(CACHE_VARIABLE)
    if before is not None:
        os.environ[CACHE_VARIABLE] = before
    _batch.compile_model.cache_clear()  # so that the workers below find it in the cache of the user
    _batch.compile_model(model.sbml)
    print(f"compiling takes {seconds[0]:.1f} s, loading from the cache {seconds[1]:.3f} s")


def nearness(model: pm.Model, rows: Rows) -> None:
    """Operations of a step, steps of a row, and the share of what a matrix product reaches on this core."""
    outcome = pm.Outcome(variable=OUTCOMES.get(model.name, model.output_ports[0].id), reduce="final")
    first = {k: v[:1] for k, v in rows.items()}
    job = pm.ensemble(
        model,
        first,
        ARMS["both"],
        outcomes=[outcome],
        weeks=WEEKS,
        execution=pm.Execution(workers=1, progress=False, engine="batch"),
    ).plan.job
    compiled = _batch.compile_model(model.sbml)
    plan, size = compiled.plan, len(compiled.states)
    began = time.process_time()
    run = _Run(compiled, job, np.column_stack(list(rows.values())), MAX_STEPS)
    run.treat()
    seconds, steps = time.process_time() - began, float(run.taken.sum())
    stages, sums = len(A), sum(map(len, (*A, *C)))
    count = plan.operations
    work = count["system"] + count["lu"] + (stages - 1) * count["rates"] + stages * count["solve"] + 2 * size * sums
    reached, most = work * steps / seconds, matrix_product()
    print(
        f"{steps / run.count:.0f} steps of {work} operations per row, {1e6 * seconds / steps:.2f} us per step and row: "
        f"{reached / 1e9:.1f} GFlop/s, {100 * reached / most:.0f} % of a matrix product ({most / 1e9:.0f} GFlop/s)"
    )


def matrix_product(size: int = 1000) -> float:
    """Operations per processor second of a product of matrices, what this core can do at most."""
    a = np.random.default_rng(1).random((size, size))
    began, rounds = time.process_time(), 10
    for _ in range(rounds):
        a @ a
    return 2.0 * size**3 * rounds / (time.process_time() - began)


def whole_analysis(model: pm.Model, rows: Rows) -> None:
    """Milliseconds of a core per row in each arm while two processes run, and what (D + 2) N rows would take."""
    outcome = pm.Outcome(variable=OUTCOMES.get(model.name, model.output_ports[0].id))
    total, wanted = 0.0, (len(rows) + 2) * N
    for name, arm in ARMS.items():
        study = pm.Study(model, arm, outcomes=[outcome], weeks=WEEKS)
        runs = pm.ensemble(study, rows, execution=pm.Execution(workers=2, progress=False, engine="batch"))
        own = runs.cost.core_seconds / len(runs.ok)
        total += wanted * own / 2
        print(f"{name:8} {1e3 * own:6.2f} ms of a core per row; {runs.report()} in {runs.seconds:.1f} s")
    print(f"four arms of {wanted} rows on two processes: {total / 60:.0f} min (asked: under 10)")


def stages(model: pm.Model, rows: Rows, few: Rows) -> None:
    """Where the time of an analysis goes: design, simulation, estimator; efficiency on two processes; peak memory."""
    outcome = pm.Outcome(variable=OUTCOMES.get(model.name, model.output_ports[0].id))
    study = pm.Study(model, ARMS["both"], outcomes=[outcome], weeks=WEEKS)
    for engine, table in (("batch", rows), ("roadrunner", few)):
        pool = get_context("spawn")
        seconds = []
        for workers in (1, 2):
            with ProcessPoolExecutor(workers, mp_context=pool) as executor:
                execution = pm.Execution(workers=executor, progress=False, engine=engine)
                pm.ensemble(study, table, execution=execution)  # starts the processes, which compile or load the model
                runs = pm.ensemble(study, table, execution=execution)
            seconds.append(runs.seconds)
        print(
            f"{engine:10} {len(runs.ok):5} rows: {seconds[0]:.1f} s on one process, {seconds[1]:.1f} s on two, "
            f"efficiency {seconds[0] / seconds[1] / 2:.2f}; largest process {runs.cost.peak_bytes >> 20} MB"
        )
    began = time.perf_counter()
    design = pm.sensitivity.saltelli_design(len(rows), N, seed=1)
    for parameter, column in zip(choose(model, None), design.unit.T, strict=True):
        sample(parameter, column)
    designed = time.perf_counter() - began
    began = time.perf_counter()
    pm.sensitivity.sobol_indices(np.random.default_rng(1).random((len(design.unit), 3)), design, seed=1)
    estimated = time.perf_counter() - began
    print(f"{len(design.unit)} rows: design {designed:.1f} s, estimator of 3 outcomes {estimated:.1f} s")


def main() -> None:
    """All tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1024)
    parser.add_argument("--loops", type=int, default=20)
    parser.add_argument("--model", default="epilepsy")
    parser.add_argument("--peers", default="roadrunner,basico,amici")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "pathway_models_amici")
    asked = parser.parse_args()
    model = pm.load(asked.model)
    rows = rows_of(model, asked.rows)
    print(f"{model.name}: {len(model.states)} states, {len(rows)} parameters varied, {asked.rows} rows, {WEEKS} weeks")
    compilation(model)
    engines(model, rows, {k: v[: asked.loops] for k, v in rows.items()}, asked)
    nearness(model, rows)
    whole_analysis(model, rows)
    stages(model, rows, {k: v[: 4 * asked.loops] for k, v in rows.items()})


if __name__ == "__main__":
    main()
