"""How many semantic cases of the SBML Test Suite pass through `load` and `simulate`, and how many on libroadrunner?

Runs every case twice, through this library and on a plain libroadrunner, and compares both with the expected results by
the suite's own rule: |difference| <= absolute + relative*|expected|. Prints a Markdown table; every case that only one
of the two passes is listed with the reason. `FOLDER` is a checkout of github.com/sbmlteam/sbml-test-suite or its
folder cases/semantic. Run: python benchmarks/sbml_suite.py FOLDER [--cases 00001 00002] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import sys
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

import pathway_models as pm
from pathway_models._sbml.native import roadrunner
from pathway_models.simulation import job as _simulate

LEVELS = ("l3v2", "l3v1", "l2v5", "l2v4")
TIME_LIMIT = 120.0  # seconds for one case


def read_case(folder: Path) -> dict[str, object]:
    """Settings, expected values, tags and the newest SBML of one case."""
    name = folder.name
    settings = dict(
        line.split(":", 1) for line in (folder / f"{name}-settings.txt").read_text().splitlines() if ":" in line
    )
    settings = {k.strip(): v.strip() for k, v in settings.items()}
    described = next(iter(folder.glob(f"{name}-model.m")), None)
    head = described.read_text(encoding="utf-8", errors="replace") if described else ""
    tags = re.findall(r"^(?:component|test)Tags:\s*(.*)$", head, re.MULTILINE)
    kind = re.search(r"^testType:\s*(\w+)", head, re.MULTILINE)
    return {
        "name": name,
        "path": next(p for v in LEVELS if (p := folder / f"{name}-sbml-{v}.xml").exists()),
        "kind": kind.group(1) if kind else "TimeCourse",
        "tags": [t.strip() for line in tags for t in line.split(",") if t.strip()],
        "amount": _names(settings.get("amount", "")),
        "variables": _names(settings["variables"]),
        "tolerances": (float(settings["absolute"]), float(settings["relative"])),
        "expected": pd.read_csv(folder / f"{name}-results.csv").rename(columns=str.strip),
    }


def _names(text: str) -> list[str]:
    return [n.strip() for n in text.split(",") if n.strip()]


def ours(case: dict, times: np.ndarray) -> dict[str, np.ndarray]:
    """Values by variable from `load` and the run that `simulate` makes."""
    model = pm.load(case["path"])
    homes = _compartments(model.sbml) if case["amount"] else {}
    columns = tuple(dict.fromkeys([*case["variables"], *homes.values()]))
    job = _simulate.make_job(model, (), duration=times[-1], times=times, columns=columns, start="file")
    course, _, message = _simulate.climb(job)
    if course is None:
        raise pm.errors.SimulationError(message)
    found = dict(zip(columns, course.values.T, strict=True))
    for name in case["amount"]:
        if name in homes and not model.quantities[name].amount:
            found[name] = found[name] * found[homes[name]]
    return found


def _compartments(sbml: str) -> dict[str, str]:
    import libsbml

    document = libsbml.readSBMLFromString(sbml)
    return {s.getId(): s.getCompartment() for s in document.getModel().getListOfSpecies()}


def plain(case: dict, times: np.ndarray) -> dict[str, np.ndarray]:
    """Values by variable from libroadrunner alone, as its users run it."""
    engine = roadrunner.RoadRunner(str(case["path"]))
    engine.integrator.setValue("relative_tolerance", 1e-8)
    engine.integrator.setValue("absolute_tolerance", 1e-12)
    species = {*engine.model.getFloatingSpeciesIds(), *engine.model.getBoundarySpeciesIds()}
    amounts = {s for s in species if engine.getHasOnlySubstanceUnits(s)} | set(case["amount"])
    engine.timeCourseSelections = [f"[{v}]" if v in species - amounts else v for v in case["variables"]]
    values = np.array(engine.simulate(times=list(times)))
    return dict(zip(case["variables"], values.T, strict=True))


def verdict(run, case: dict) -> str:
    """'pass', or what went wrong in one line."""
    expected = case["expected"]
    times = expected.iloc[:, 0].to_numpy(float)
    try:
        found = run(case, times)
    except pm.errors.PathwayModelsError as error:
        return f"refused: {error}"
    except Exception as error:
        return f"error: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    absolute, relative = case["tolerances"]
    for name in case["variables"]:
        wanted = expected[name].to_numpy(float)
        allowed = absolute + relative * np.abs(wanted)
        close = np.isclose(found[name], wanted, rtol=0, atol=allowed, equal_nan=True) | (found[name] == wanted)
        if not np.all(close):
            first = int(np.argmin(close))
            return f"differs: {name} is {found[name][first]:g} at {times[first]:g}, expected {wanted[first]:g}"
    return "pass"


def _work(folders: list[Path], pipe) -> None:
    warnings.simplefilter("ignore")
    # else a case with an id such as `reset` takes that method from the class, and the later cases fail
    roadrunner.Config.setValue(roadrunner.Config.ROADRUNNER_DISABLE_PYTHON_DYNAMIC_PROPERTIES, True)
    for folder in folders:
        case = read_case(folder)
        pipe.send((folder.name, case["kind"], case["tags"], verdict(ours, case), verdict(plain, case)))
    pipe.close()


def run_all(folders: list[Path]) -> list[tuple]:
    """Every case in a process of its own kind: one that dies or hangs costs that case alone."""
    spawn, rows, left = multiprocessing.get_context("spawn"), [], list(folders)
    with tqdm(total=len(folders), desc="cases", file=sys.stderr) as bar:
        while left:
            here, there = spawn.Pipe(duplex=False)
            worker = spawn.Process(target=_work, args=(left, there), daemon=True)
            worker.start()
            there.close()
            try:
                while here.poll(TIME_LIMIT):
                    rows.append(here.recv())
                    left = left[1:]
                    bar.update()
                reason = f"error: more than {TIME_LIMIT:g} s"
            except EOFError:
                reason = "error: the process died"
            worker.kill()
            if left:
                case = read_case(left.pop(0))
                rows.append((case["name"], case["kind"], case["tags"], reason, reason))
                bar.update()
    return rows


def report(rows: list[tuple]) -> str:
    """Counts, failures of both by cause and by what our error says, and each case that only one passes."""
    lines = ["| cases | through this library | plain libroadrunner |", "|---|---|---|"]
    for kind, part in [("all", rows), *((k, [r for r in rows if r[1] == k]) for k in sorted({r[1] for r in rows}))]:
        passed = [sum(r[i] == "pass" for r in part) for i in (3, 4)]
        lines.append(f"| {kind}: {len(part)} | {passed[0]} pass | {passed[1]} pass |")
    lines += ["", "| neither passes | cases | of these refused with the reason |", "|---|---|---|"]
    neither = [(cause(r), r) for r in rows if r[3] != "pass" and r[4] != "pass"]
    for name, count in Counter(c for c, _ in neither).most_common():
        word = _WORDS.get(name)
        said = sum(bool(word and r[3].startswith("refused") and word in r[3]) for c, r in neither if c == name)
        lines.append(f"| {name} | {count} | {said if word else ''} |")
    lines += ["", "| only one passes | through this library | plain libroadrunner |", "|---|---|---|"]
    lines += [f"| {r[0]} | {r[3][:160]} | {r[4][:160]} |" for r in rows if (r[3] == "pass") != (r[4] == "pass")]
    return "\n".join(lines)


# tag of the suite -> what an error must name
_WORDS = {"AlgebraicRule": "algebraic", "CSymbolDelay": "delay", "FastReaction": "fast"}


def cause(row: tuple) -> str:
    """Why libroadrunner cannot run a case, by its tags; else the number of the case."""
    _, kind, tags, _, plain = row
    if kind.startswith("FluxBalance"):
        return "flux balance, no time course"
    named = [t for t, word in _WORDS.items() if t in tags and word in plain]
    return named[0] if named else f"other values ({row[0]})"


def main() -> int:
    """Run the cases that the folder holds and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cases", nargs="*", help="only these")
    parser.add_argument("--json", type=Path, help="write every verdict")
    arguments = parser.parse_args()
    root = arguments.folder / "cases" / "semantic"
    root = root if root.is_dir() else arguments.folder
    folders = sorted(p.parent for p in root.glob("*/*-settings.txt"))
    folders = [f for f in folders if not arguments.cases or f.name in arguments.cases]
    if not folders:
        sys.stderr.write(f"sbml_suite: no cases of the SBML Test Suite in {arguments.folder}\n")
        return 2
    rows = run_all(folders)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    print(report(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
