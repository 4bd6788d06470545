"""Does the batch engine give what CVODE gives on models that nobody here wrote?

Takes every SBML file below FOLDER: a checkout of github.com/sbmlteam/sbml-test-suite (cases/semantic, with the times of
its settings) or a collection of models (0 to 100 units of time, 51 points). What the engine claims to support runs from
the values of the file at a relative tolerance of 1e-6, and on libroadrunner at 1e-10. The deviation is the largest over
all species and states and all times, in the tolerances that the solver is asked for, 1e-6 |value| + 1e-7 scale. Prints
counts, and every model that deviates by more than 10 with what libroadrunner gives at 1e-6.
Run: python benchmarks/engine_public.py FOLDER [--limit SECONDS] [--json FILE] [--only NAME ...]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import re
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

import pathway_models as pm
from pathway_models._batch import Unsupported, compile_model, run_rows
from pathway_models.ensembles.rows import FAILED, Limits, roadrunner_rows
from pathway_models.simulation.job import Job, make_job
from pathway_models.simulation.tolerances import LADDER

TOLERANCE, EXACT, ALLOWED = 1e-6, 1e-10, 10.0
SUITE_LEVELS = ("l3v2", "l3v1", "l2v5", "l2v4")
Verdict = tuple[str, str, float, float]  # name, what happened, deviation of the batch engine, of libroadrunner


def models(folder: Path) -> list[Path]:
    """The newest SBML of each case of the suite, or all files of a collection."""
    cases = sorted(folder.glob("**/*-settings.txt"))
    if not cases:
        return sorted(folder.glob("**/*.xml"))
    names = [(c.parent, c.name.removesuffix("-settings.txt")) for c in cases]
    newest = ([p for v in SUITE_LEVELS if (p := at / f"{n}-sbml-{v}.xml").exists()] for at, n in names)
    return [found[0] for found in newest if found]


def times_of(path: Path) -> np.ndarray:
    """Output times of a model."""
    settings = path.parent / f"{path.name.split('-')[0]}-settings.txt"
    if not settings.exists():
        return np.linspace(0.0, 100.0, 51)
    given = dict(line.split(":", 1) for line in settings.read_text(encoding="utf-8").splitlines() if ":" in line)
    return np.linspace(0.0, float(given["duration"]), int(given["steps"]) + 1)


def job_of(path: Path) -> Job:
    """All states from the start of the file; raises what `load` and the engine raise."""
    model = pm.load(path)
    columns, times = compile_model(model.sbml).plan.layout, times_of(path)
    job = make_job(model, (), duration=times[-1], times=times, columns=columns, start="file")
    return job.scaled(TOLERANCE / job.relative_tolerance)


def reference(job: Job, tolerance: float) -> np.ndarray | None:
    """The course on libroadrunner, None where it fails."""
    limits = Limits(steps=1_000_000, attempts=LADDER[:1])
    runs = roadrunner_rows(job.scaled(tolerance / job.relative_tolerance), np.zeros((1, 0)), limits)
    return None if runs.status[0] >= FAILED else runs.courses[0, 1:]


def deviation(job: Job, found: np.ndarray, exact: np.ndarray) -> float:
    """The largest of all states and times, in tolerances."""
    plan = compile_model(job.sbml).plan
    size = [plan.parameters[plan.volumes[k]] if k in plan.volumes else 1.0 for k in plan.layout]
    weight = np.abs(exact) + np.array(job.absolute) / job.relative_tolerance / size
    return float(np.max(np.abs(found - exact) / weight, initial=0.0)) / TOLERANCE


def examine(path: Path) -> Verdict:
    """What happens to one model."""
    name, none = path.name, float("nan")
    try:
        job = job_of(path)
    except Unsupported as error:
        return name, f"refused: {error}", none, none
    except pm.errors.PathwayModelsError as error:
        return name, f"not loaded: {error}", none, none
    courses, failed = run_rows(job, np.zeros((1, 0)))
    exact = reference(job, EXACT)
    if exact is None:
        return name, "libroadrunner fails at 1e-10", none, none
    if failed:
        return name, f"given to libroadrunner: {failed[0]}", none, none
    ours = deviation(job, courses[0, 1:], exact)
    plain = reference(job, TOLERANCE) if ours > ALLOWED else None
    return name, "compared", ours, none if plain is None else deviation(job, plain, exact)


def _work(paths: list[Path], pipe) -> None:
    warnings.simplefilter("ignore")
    for path in paths:
        try:
            pipe.send(examine(path))
        except Exception as error:
            pipe.send((path.name, f"error: {type(error).__name__}: {error}", float("nan"), float("nan")))
    pipe.close()


def verdicts(paths: list[Path], limit: float) -> Iterator[Verdict]:
    """Every model, one after the other in a process that may die or hang."""
    spawn, left = multiprocessing.get_context("spawn"), list(paths)
    while left:
        here, there = spawn.Pipe(duplex=False)
        worker = spawn.Process(target=_work, args=(left, there), daemon=True)
        worker.start()
        there.close()
        reason = f"more than {limit:g} s"
        try:
            while here.poll(limit):
                yield here.recv()
                left = left[1:]
        except EOFError:
            reason = "the process died"
        worker.kill()
        worker.join()
        if left:
            yield left.pop(0).name, reason, float("nan"), float("nan")


def report(rows: list[Verdict]) -> str:
    """Counts by what happened; deviations; the models beyond ALLOWED."""
    compared = np.array([r[2] for r in rows if r[1] == "compared"])
    lines = [f"{len(rows)} models, {len(compared)} compared"]
    if len(compared):
        within = int(np.sum(compared <= ALLOWED))
        lines.append(f"within {ALLOWED:g} tolerances {within}, median {np.median(compared):.2g}")
    beyond = sorted((r for r in rows if r[1] == "compared" and not r[2] <= ALLOWED), key=lambda r: -r[2])
    better = sum(r[2] <= r[3] for r in beyond)
    lines.append(f"beyond them {len(beyond)}, of these {better} where libroadrunner at the same tolerance is no nearer")
    lines += [f"  {r[0]}: batch {r[2]:.3g}, libroadrunner {r[3]:.3g}" for r in beyond]
    reasons = Counter(re.sub(r"'[^']*'|\d[\d.e+-]*", "#", r[1]) for r in rows if r[1] != "compared")
    return "\n".join([*lines, *(f"{count:5} {reason[:150]}" for reason, count in reasons.most_common())])


def main() -> int:
    """Examine the models of the folder and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for one model")
    parser.add_argument("--json", type=Path, help="write every verdict")
    parser.add_argument("--only", nargs="*", help="beginnings of file names")
    asked = parser.parse_args()
    paths = [p for p in models(asked.folder) if not asked.only or any(p.name.startswith(k) for k in asked.only)]
    random.Random(1).shuffle(paths)  # what is done when somebody stops it is a fair sample
    if not paths:
        sys.stderr.write(f"engine_public: no SBML files in {asked.folder}\n")
        return 2
    rows = []
    for found in tqdm(verdicts(paths, asked.limit), total=len(paths), file=sys.stderr, mininterval=10.0):
        rows.append(found)
        if asked.json:
            asked.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    print(report(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
