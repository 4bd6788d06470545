"""Does the batch engine give what CVODE gives? Sobol rows over the full ranges of every model, in every arm.

Every row runs on the batch engine at the tolerance of ensembles (1e-6), REFERENCE rows of them also on libroadrunner at
1e-10. The deviation is the largest over all states and 85 times in 12 weeks, in units of the tolerance that the solver
was asked for, 1e-6 |value| + 1e-7 scale. Prints a Markdown table; below it what did not
run on the batch engine, and why.
Run: python analyses/engine_proof.py [--rows 1000] [--reference 1000] [--models NAME ...]
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter

import numpy as np
from scipy.stats import qmc

import pathway_models as pm
from pathway_models._groups import choose, sample
from pathway_models._simulate import ABSOLUTE_PER_RELATIVE, runner

WEEKS, TOLERANCE, EXACT = 12.0, 1e-6, 1e-10
DIET = {"carb_restriction": 0.9, "fat_ratio": 4.0, "BHB": 3.0, "AcAc": 1.0}  # what the diet does to a single module
NEEDLES = {"EA_drive": 0.5, "vagal_drive": 0.5, "vagal_stimulation": 0.5, "sessions": 1.0}
SESSIONS = tuple((start, start + 24.0) for start in np.arange(0.0, 12 * 168.0, 168.0))
COUPLED = ("epilepsy_core", "epilepsy")


def arms(model: pm.Model) -> dict[str, list[pm.Treatment]]:
    """None, diet, needles, both, as far as the model has such inputs; a module without them gets its first input."""
    known = {p.id for p in model.inputs_}
    diet: list[pm.Treatment] = [pm.Level(input=k, value=v) for k, v in DIET.items() if k in known]
    needles: list[pm.Treatment] = [
        pm.Level(input=k, value=v, start=a, stop=b) for k, v in NEEDLES.items() if k in known for a, b in SESSIONS
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


def courses(model: pm.Model, rows: dict[str, np.ndarray], arm: list[pm.Treatment], **options: object) -> pm.Ensemble:
    """All states of all rows once a day."""
    outcomes = [pm.Outcome(variable=s, reduce="final") for s in model.states]
    times = np.linspace(0, WEEKS * 168.0, 85)
    return pm.ensemble(
        model, rows, arm, outcomes=outcomes, times=times, weeks=WEEKS, workers=1, progress=False, **options
    )


def deviations(model: pm.Model, found: pm.Ensemble, exact: pm.Ensemble) -> np.ndarray:
    """The largest deviation of each row (first rows of `found`) and state, in tolerances; NaN where one has no row."""
    assert found.plan is not None
    scales = dict(zip(runner(model.sbml).state_names(), found.plan.job.scales, strict=True))
    floor = ABSOLUTE_PER_RELATIVE * np.array([scales[s] for s in model.states])  # compartments have size 1 throughout
    y = exact.over_time
    assert y is not None
    assert found.over_time is not None
    weight = TOLERANCE * (np.abs(y) + floor[None, :, None])
    return np.asarray(np.max(np.abs(found.over_time[: len(y)] - y) / weight, axis=2))


def line(
    model: pm.Model, name: str, arm: list[pm.Treatment], rows: dict[str, np.ndarray], reference: int
) -> Counter[str]:
    """Print a line of the table; the reasons of rows that the batch engine did not finish."""
    runs = courses(model, rows, arm, engine="batch")
    exactly = pm.Limits(attempts=(pm.Attempt(relative_tolerance=EXACT),), steps=10_000_000)
    few = {k: v[:reference] for k, v in rows.items()}
    exact = courses(model, few, arm, engine="roadrunner", limits=exactly)
    worst = deviations(model, runs, exact)
    there = ~np.isnan(worst).all(axis=1) & (runs.status[: len(worst)] == 0)
    per_row = worst[there].max(axis=1)
    state = model.states[int(np.argmax(worst[there].max(axis=0)))]
    own = runs.cost.core_seconds / len(runs.ok)
    counts = [len(runs.ok), *(int(np.sum(runs.status == s)) for s in (0, 1)), int(np.sum(~runs.ok)), len(per_row)]
    figures = f"{np.median(per_row):.2f} | {per_row.max():.2f} ({state}) | {np.sum(per_row > 10)}"
    print(f"| {model.name} | {name} | {' | '.join(map(str, counts))} | {figures} | {1e3 * own:.2f} |", flush=True)
    return Counter(_kind(runs.messages[i]) for i in runs.messages)


def _kind(message: str) -> str:
    """A message without its numbers."""
    return " ".join("#" if any(c.isdigit() for c in word) else word for word in message.split())


def main() -> None:
    """The table for the models that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--reference", type=int, default=1000)
    parser.add_argument("--models", nargs="*", default=list(pm.available()))
    asked = parser.parse_args()
    print(
        "| model | arm | rows | batch | roadrunner | failed | compared | median | worst (state) | above 10 | ms/row |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    reasons: Counter[str] = Counter()
    for name in asked.models:
        model = pm.load(name)
        rows = table(model, asked.rows)
        for arm, treatments in arms(model).items():
            found = line(model, arm, treatments, rows, asked.reference)
            reasons.update({f"{name}, {arm}: {k}": v for k, v in found.items()})
    print("\n".join(["", *(f"- {count} rows of {reason}" for reason, count in reasons.most_common())]))


if __name__ == "__main__":
    sys.exit(main())
