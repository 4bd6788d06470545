"""Does the batch engine give what CVODE gives? Sobol rows over the full ranges of every model, in every arm.

Every row runs on the batch engine at the tolerance of ensembles (1e-6), REFERENCE rows of them also on libroadrunner at
1e-10. The deviation is the largest over all states and 85 times in 12 weeks, in units of the tolerance that the solver
was asked for, 1e-6 |value| + 1e-7 scale. Prints a Markdown table; below it what did not
run on the batch engine, and why.
Run: python benchmarks/engine_proof.py [--rows 1000] [--reference 1000] [--models NAME ...] [--arms ARM ...]
[--indices 64]
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.stats import qmc

import pathway_models as pm
from pathway_models._batch import run_rows
from pathway_models.ensembles.rows import RETRIED, Limits, roadrunner_rows
from pathway_models.modules.laws import sample
from pathway_models.sensitivity.factors import choose
from pathway_models.simulation.job import Job, make_job
from pathway_models.simulation.runner import runner
from pathway_models.simulation.tolerances import KNOWN_SIZE, LADDER

WEEKS, TOLERANCE, EXACT, ALLOWED = 12.0, 1e-6, 1e-10, 10.0
ROUNDING = 1e-5  # of an index: what has no effect has an interval without width
DIET = {"carb_restriction": 0.9, "fat_ratio": 4.0, "BHB": 3.0, "AcAc": 1.0}  # what the diet does to a single module
NEEDLES = {"EA_drive": 0.5, "vagal_drive": 0.5, "vagal_stimulation": 0.5, "sessions": 1.0}
SESSIONS = tuple((start, start + 24.0) for start in np.arange(0.0, 12 * 168.0, 168.0))
COUPLED = ("epilepsy_core", "epilepsy")


def arms(model: pm.Model) -> dict[str, list[pm.Treatment]]:
    """None, diet, needles, both, as far as the model has such inputs; a module without them gets its first input."""
    known = {p.id for p in model.input_ports}
    diet: list[pm.Treatment] = [pm.Level(input=k, value=v) for k, v in DIET.items() if k in known]
    needles: list[pm.Treatment] = [
        pm.Level(input=k, value=v, at=a, until=b) for k, v in NEEDLES.items() if k in known for a, b in SESSIONS
    ]
    if {"carb_restriction", "fat_ratio"} <= known or model.name in COUPLED:
        diet = [pm.KetogenicDiet(ratio=4)]
    if "session" in known or model.name in COUPLED:
        needles = [pm.Electroacupuncture()]
    found = {"none": [], "diet": diet, "needles": needles, "both": [*diet, *needles] if diet and needles else []}
    return {k: v for k, v in found.items() if v or k == "none"}


def table(model: pm.Model, rows: int) -> dict[str, np.ndarray]:
    """Sobol points over the ranges and laws of all parameters that have one."""
    varied = choose(model, None)
    unit = qmc.Sobol(len(varied), seed=1).random(1 << (rows - 1).bit_length())[:rows]
    return {p.id: sample(p, unit[:, j]) for j, p in enumerate(varied)}


def job_of(model: pm.Model, arm: list[pm.Treatment], varied: Sequence[str]) -> Job:
    """All states once a day, at the tolerance of ensembles."""
    times = np.linspace(0, WEEKS * 168.0, 85)
    job = make_job(model, arm, duration=WEEKS * 168.0, times=times, columns=model.states, start="auto", varied=varied)
    return job.scaled(TOLERANCE / job.relative_tolerance)


def deviations(model: pm.Model, job: Job, found: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """The largest deviation of each row and state, in tolerances (compartments have size 1 in all our models)."""
    scales = dict(zip(runner(model.sbml).state_names(), job.scales, strict=True))
    floor = KNOWN_SIZE * np.array([scales[s] for s in model.states])
    return np.asarray(np.max(np.abs(found - exact) / (np.abs(exact) + floor), axis=1)) / TOLERANCE


def line(
    model: pm.Model, name: str, arm: list[pm.Treatment], rows: dict[str, np.ndarray], reference: int
) -> Counter[str]:
    """Print a line of the table; the reasons of rows that the batch engine did not finish."""
    job, values = job_of(model, arm, tuple(rows)), np.column_stack(list(rows.values()))
    courses, failed = run_rows(job, values)
    limits = Limits(steps=1_000_000, attempts=LADDER[:1])
    exact = roadrunner_rows(job.scaled(EXACT / job.relative_tolerance), values[:reference], limits)
    pairs = [i for i in np.flatnonzero(exact.status <= RETRIED) if i not in failed]
    worst = deviations(model, job, courses[pairs], exact.courses[pairs])
    per_row, state = worst.max(axis=1), model.states[int(np.argmax(worst.max(axis=0)))]
    figures = f"{np.median(per_row):.2f} | {per_row.max():.2f} ({state}) | {np.sum(per_row > ALLOWED)}"
    print(f"| {model.name} | {name} | {len(values)} | {len(failed)} | {len(pairs)} | {figures} |", flush=True)
    return Counter(map(_kind, failed.values()))


def indices(model: pm.Model, arm: list[pm.Treatment], n: int) -> None:
    """Print how far the Sobol indices of both engines lie apart, and in how many intervals of each other."""
    names = [p.id for p in model.output_ports][:3]
    study = pm.Study(model, arm, outcomes=names)
    a, b = (
        pm.sobol(study, n=n, execution=pm.Execution(workers=1, progress=False, engine=engine)).indices
        for engine in ("roadrunner", "batch")
    )
    gap = max(float(np.max(np.abs(x - y))) for x, y in ((a.S1, b.S1), (a.ST, b.ST)))
    inside = [
        (low - ROUNDING <= x) & (x <= high + ROUNDING)
        for x, low, high in ((b.S1, a.S1_low, a.S1_high), (b.ST, a.ST_low, a.ST_high))
    ]
    print(f"{model.name}: {np.sum(inside)} of {np.size(inside)} indices lie within the other engine's intervals")
    print(f"{model.name}: the largest difference of an index is {gap:.1e}")


def _kind(message: str) -> str:
    """A message without its numbers."""
    return " ".join("#" if any(c.isdigit() for c in word) else word for word in message.split())


def main() -> None:
    """The table for the models that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--reference", type=int, default=1000)
    parser.add_argument("--models", nargs="*", default=list(pm.available()))
    parser.add_argument("--arms", nargs="*", default=["none", "diet", "needles", "both"])
    parser.add_argument("--indices", type=int, default=0, metavar="N", help="also compare the indices of N base rows")
    asked = parser.parse_args()
    print("| model | arm | rows | to libroadrunner | compared | median | worst (state) | above 10 |")
    print("|---|---|---|---|---|---|---|---|")
    reasons: Counter[str] = Counter()
    for name in asked.models:
        model = pm.load(name)
        rows = table(model, asked.rows)
        for arm, treatments in ((k, v) for k, v in arms(model).items() if k in asked.arms):
            found = line(model, arm, treatments, rows, asked.reference)
            reasons.update({f"{name}, {arm}: {k}": v for k, v in found.items()})
        if asked.indices:
            indices(model, arms(model)[asked.arms[-1]], asked.indices)
    print("\n".join(["", *(f"- {count} rows of {reason}" for reason, count in reasons.most_common())]))


if __name__ == "__main__":
    sys.exit(main())
