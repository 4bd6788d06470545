"""How fast are ensembles against the loop that a user would write? Ratios in one run, on the same rows.

Run: python analyses/benchmark_ensemble.py [ROWS]   (default 1000; about ten minutes on 2 cores)
"""

import sys
import time
from itertools import pairwise

import numpy as np
import roadrunner

import pathway_models as pm

DIET, NEEDLES = pm.KetogenicDiet(ratio=4), pm.Electroacupuncture(sessions_per_week=5, weeks=8)
OUTCOME = pm.Outcome(variable="excitability__seizure_rate", reduce="final")


def treat(engine: roadrunner.RoadRunner) -> list:
    """12 weeks of diet with the sessions of 8 weeks, one simulate call per stretch between sessions."""
    for level in DIET.schedule():
        engine.setValue(f"ketone_katp__{level.input}", level.value)
    results = []
    for start, stop in pairwise([*NEEDLES.schedule()[0].times, 12 * 168.0]):
        engine.setValue("acupuncture__session", engine.getValue("acupuncture__session") + 1)
        results.append(engine.simulate(start, stop, int((stop - start) / 6) + 1))
    return results


def plain_loop(model: pm.Model, rows: dict[str, np.ndarray]) -> tuple[float, np.ndarray, int]:
    """One RoadRunner in one process: set parameters, reset, settle, simulate; (seconds, last values, steps)."""
    engine = roadrunner.RoadRunner(model.sbml)
    engine.integrator.setValue("relative_tolerance", 1e-6)
    sizes = [abs(engine.getValue(engine.model.getStateVectorId(i))) or 1.0 for i in range(len(model.states))]
    engine.integrator.setValue("absolute_tolerance", [1e-7 * s for s in sizes])
    engine.timeCourseSelections = ["time", OUTCOME.variable]
    last, began = [], time.perf_counter()
    for row in zip(*rows.values(), strict=True):
        engine.resetAll()
        for key, value in {**model.settings, **dict(zip(rows, row, strict=True))}.items():
            engine.setValue(key, value)
        engine.simulate(0, 40_000, 2)
        engine.setValue("excitability__E_untreated", engine.getValue("excitability__excitability_index"))
        last.append(treat(engine)[-1][-1, 1])
    seconds = time.perf_counter() - began
    engine.integrator.setValue("variable_step_size", True)
    return seconds, np.array(last), sum(len(r) - 1 for r in treat(engine))


def ensembles(count: int) -> None:
    """The plain loop against pm.ensemble on one process (a tenth of the rows) and on all cores."""
    model, random = pm.load("epilepsy"), np.random.default_rng(1)
    varied = model.parameters.query("distribution != 'fixed'")
    rows = {k: random.uniform(*bounds, count) for k, *bounds in varied[["low", "high"]].itertuples()}
    few = {k: v[: max(20, count // 10)] for k, v in rows.items()}
    plan = {"treatments": [DIET, NEEDLES], "outcomes": [OUTCOME]}
    pm.ensemble(model, {k: v[:2] for k, v in rows.items()}, **plan, workers=1, progress=False)
    pairs = [(plain_loop(model, few)[0], pm.ensemble(model, few, **plan, workers=1).seconds) for _ in range(3)]
    overhead = np.median([ours / loop - 1 for loop, ours in pairs])
    loop, last, steps = plain_loop(model, rows)
    ours = pm.ensemble(model, rows, **plan)
    gap = np.nanmax(np.abs(ours.values[:, 0] - last))
    print(
        f"\n{len(model.states)} states, {len(rows)} varied, 12 weeks, {steps} solver steps in the treated part of a run"
    )
    print(f"plain loop, 1 process   {count / loop:7.2f} rows/s {1e3 * loop / count:7.1f} ms/row")
    print(f"pm.ensemble, all cores  {count / ours.seconds:7.2f} rows/s {1e3 * ours.seconds / count:7.1f} ms/row")
    print(f"speed-up                {loop / ours.seconds:7.2f} times; {ours.report()}; largest difference {gap:.1e}")
    print(f"overhead of our layer   {100 * overhead:7.1f} % per row in one process (median of 3 pairs)")


if __name__ == "__main__":
    ensembles(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
