"""Do the exported files give the same numbers in everybody's tool?

For every model of the library under every arm: the scenario is written as SBML and run here, in libroadrunner, COPASI
and AMICI, as Level 2, through Antimony and back, as a PEtab problem whose experiments petab turns into events, and as
an archive in tellurium, after libCOMBINE and libSEDML found no error in it. A number is the largest difference to
libroadrunner over all states and output times, relative to the largest size of the state in that run. Then:
annotations after a round trip, the hierarchical against the flat model, and each module alone against itself with all
gains 0. Tools that are not installed are skipped by name. Every number is kept in a folder as soon as it is there,
under a hash of what it follows from: a second run takes up where the first ended. Writes the tables as Markdown.
Run: python benchmarks/exchange_test.py [--models ...] [--arms ...] [--weeks 4] [--skip amici] [--out docs/exchange.md]
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from tqdm import tqdm

import pathway_models as pm
from exchange_tools import ENGINES, Courses, complaints, from_petab, in_roadrunner, in_tellurium
from pathway_models._sbml.annotation import resources
from pathway_models._sbml.native import libsbml
from pathway_models.simulation.phases import phases
from pathway_models.treatments.text import treatment_classes, treatment_from_text

matplotlib.use("Agg")
LIMIT = 1e-5
STEPS = 96  # output points; the states at a switch are those after it


# ---- the arms ----------------------------------------------------------------------------------------------


def arms(model: pm.Model, duration: float) -> dict[str, list[pm.Treatment]]:
    """The four arms as far as they act on the model, all named treatments at once, every input moved for a while."""
    diet, needles = [pm.KetogenicDiet()], [pm.Electroacupuncture()]
    wanted = {"none": [], "diet": diet, "needles": needles, "both": [*diet, *needles]}
    wanted["every input"] = [_moved(p, duration) for p in model.input_ports]
    together: list[pm.Treatment] = []
    for name in treatment_classes():
        treatment = treatment_from_text(name)
        if _fits(model, [*together, treatment], duration):
            together.append(treatment)
    wanted["all treatments"] = together
    return {k: v for k, v in wanted.items() if k == "none" or (v and _fits(model, v, duration))}


def _fits(model: pm.Model, treatments: list[pm.Treatment], duration: float) -> bool:
    try:
        return bool(phases(model, treatments, duration))
    except pm.errors.PathwayModelsError:
        return False


def _moved(port: pm.models.Port, duration: float) -> pm.Treatment:
    step = 0.1 * (port.high - port.reference) if np.isfinite(port.high) else max(0.1 * abs(port.reference), 0.1)
    if port.role == "dose":
        return pm.Dose(input=port.id, amount=step, times=(0.0, duration / 4, duration / 2))
    return pm.Level(input=port.id, value=port.reference + step, at=duration / 8, until=duration / 2)


# ---- comparisons -------------------------------------------------------------------------------------------


def difference(found: Courses, reference: Courses) -> float:
    """Largest difference of all states, relative to the largest size of each; what rests at 0 counts as size 1."""
    worst = 0.0
    for name, wanted in reference.items():
        size = np.max(np.abs(wanted))
        worst = max(worst, float(np.max(np.abs(found[name] - wanted))) / (size if size > 1e-6 else 1.0))
    return worst


def spelled(error: Exception) -> str:
    """An error in a cell of the table."""
    return f"{type(error).__name__}: {str(error).splitlines()[0][:80] if str(error) else ''}"


class Kept:
    """Numbers by what they follow from, one small file each, so that a run can stop and go on."""

    def __init__(self, folder: Path, amici_seconds: float) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.amici_left = amici_seconds

    def get(self, measure: Callable[[], object], *origin: object) -> object:
        """The number; None if it is not there and AMICI has used up its time. An error is no number and not kept."""
        path = self.folder / f"{hashlib.sha256(repr(origin).encode()).hexdigest()[:24]}.json"
        if not path.exists():
            if origin[0] == "AMICI" and self.amici_left <= 0:
                return None
            start = time.monotonic()
            try:
                value = measure()
            except Exception as error:
                return spelled(error)
            self.amici_left -= time.monotonic() - start if origin[0] == "AMICI" else 0.0
            part = path.with_suffix(f".{os.getpid()}")
            part.write_text(json.dumps(value), encoding="utf-8")
            part.replace(path)
        return json.loads(path.read_text(encoding="utf-8"))


def one_scenario(
    model: pm.Model, treatments: list, weeks: float, engines: Sequence[str], folder: Path, kept: Kept
) -> dict:
    """One row of the table."""
    scenario = {"treatments": treatments, "weeks": weeks}
    text = pm.export(model, folder / "flat.xml", **scenario).read_text()
    states, duration = model.states, model.duration(weeks, None)
    times = np.linspace(0, duration, STEPS + 1)

    @cache
    def reference() -> Courses:
        return in_roadrunner(text, states, times)

    def measured(name: str, make: Callable[[], Any], compare: Callable[[Any], float]) -> object:
        """A number, from the folder if the same file has been measured; else what went wrong."""
        try:
            made = make()
        except Exception as error:
            return spelled(error)
        return kept.get(lambda: compare(made), name, version("libroadrunner"), text, _content(made))

    def here() -> Courses:
        run = model.simulate(treatments, weeks=weeks, every=duration / STEPS)
        return {s: run[s].values for s in states}

    def written(suffix: str, format: str) -> Path:
        return pm.export(model, folder / f"m{suffix}", format=format, **scenario)

    def against(courses: Courses) -> float:
        return difference(courses, reference())

    row = {"states": len(states), "here": measured("here", here, against)}
    for name in engines:
        _, package, run = ENGINES[name]
        made = kept.get(lambda run=run: against(run(text, states, times)), name, version(package), text)
        if made is not None:
            row[name] = made
    others = {
        "Level 2": ("libroadrunner", lambda: written(".xml", "sbml-l2v5").read_text(), str),
        "Antimony": ("antimony", lambda: pm.load(written(".ant", "antimony")).sbml, str),
        "PEtab": ("sbmlmath", lambda: written("-petab", "petab"), from_petab),
    }
    for name, (package, make, to_sbml) in others.items():
        if installed(package):
            row[name] = measured(name, make, lambda x, f=to_sbml: against(in_roadrunner(f(x), states, times)))
    if installed("tellurium"):
        row["archive"] = measured("archive", lambda: written(".omex", "omex"), lambda path: in_archive(path, states))
    return row


def in_archive(path: Path, states: Sequence[str]) -> float:
    """What tellurium makes of an archive in which nothing is wrong, against the values that it brings along."""
    if found := complaints(path):
        raise RuntimeError(found[0])
    return difference(*in_tellurium(path, states))


def installed(package: str) -> bool:
    """Whether a package is there, by the name that pip knows."""
    return importlib.util.find_spec(_IMPORTS.get(package, package)) is not None


def _content(made: Any) -> object:
    """What stands for a file, a folder, an archive or values in the hash of a number."""
    if isinstance(made, dict):
        return [(k, v.tolist()) for k, v in made.items()]
    if not isinstance(made, Path):
        return made
    if made.is_dir():
        return [(f.name, f.read_text()) for f in sorted(made.iterdir())]
    with zipfile.ZipFile(made) as archive:  # the metadata hold the date
        return [(n, archive.read(n)) for n in archive.namelist() if n != "metadata.rdf"]


def annotations(text: str) -> dict[str, set]:
    """Id -> SBO term and resources, of everything that carries some."""
    document = libsbml.readSBMLFromString(text)
    elements = document.getModel().getListOfAllElements()
    found = {}
    for element in [document.getModel(), *(elements.get(i) for i in range(elements.getSize()))]:
        marks = {(q, r) for q, rs in resources(element).items() for r in rs}
        marks |= {("SBO", element.getSBOTermID())} if element.isSetSBOTerm() else set()
        if marks and element.getIdAttribute():
            found[element.getIdAttribute()] = marks
    return found


def structure(name: str, folder: Path) -> dict[str, object]:
    """Annotations after load and export; for a coupled model comp = flat, and with gains 0 each module = alone."""
    model = pm.load(name)
    once = pm.export(model, folder / "once.xml")
    twice = pm.export(pm.load(once), folder / "twice.xml")
    marks = [annotations(t) for t in (model.sbml, once.read_text(), twice.read_text())]
    lost = sum(len(marks[0][k] ^ m.get(k, set())) for m in marks[1:] for k in marks[0])
    row: dict[str, object] = {"annotations": sum(map(len, marks[0].values())), "lost": lost}
    if model.gains and not model.whole:
        times = np.linspace(0, 672, STEPS + 1)
        flat = in_roadrunner(once.read_text(), model.states, times)
        comp = pm.load(pm.export(model, folder / "comp.xml", format="comp"))
        row["comp = flat"] = difference(in_roadrunner(comp.sbml, model.states, times), flat)
        row["gains 0 = alone"] = _cut(name)
    return row


def _cut(name: str) -> float:
    model = pm.load(name, context="healthy")
    cut = model.with_parameters(dict.fromkeys(model.gains, 0.0)).simulate(weeks=4, every=24)
    worst = 0.0
    for module in sorted({p.module for p in model.output_ports}):
        alone = pm.load(module, context="healthy").simulate(weeks=4, every=24)
        pairs = [(s, f"{module}__{s}") for s in map(str, alone.data_vars) if f"{module}__{s}" in cut]
        worst = max(worst, difference({a: cut[b].values for a, b in pairs}, {a: alone[a].values for a, _ in pairs}))
    return worst


def table(rows: Sequence[dict]) -> str:
    """Rows as Markdown."""
    frame = pd.DataFrame(rows).astype(object)
    frame = frame.where(frame.notna(), "")
    lines = ["| " + " | ".join(frame.columns) + " |", "|" + "---|" * len(frame.columns)]
    for values in frame.itertuples(index=False):
        shown = (f"{v:.1e}" if isinstance(v, float) else str(v) for v in values)
        lines.append("| " + " | ".join(shown) + " |")
    return "\n".join(lines)


def summary(rows: Sequence[dict]) -> list[dict]:
    """The worst number of each way."""
    ways = [k for k in dict.fromkeys(k for r in rows for k in r) if k not in ("model", "arm", "states")]
    found = []
    for way in ways:
        numbers = {(r["model"], r["arm"]): r[way] for r in rows if isinstance(r.get(way), float)}
        failed = sum(isinstance(r.get(way), str) for r in rows)
        worst = max(numbers, key=numbers.__getitem__) if numbers else ("", "")
        largest, place = numbers.get(worst, ""), ", ".join(filter(None, worst))
        found.append({"way": way, "scenarios": len(numbers), "failed": failed, "largest": largest, "in": place})
    return found


def page(rows: list[dict], kept: list[dict], weeks: float) -> str:
    """Everything as a page of Markdown, without a date: it changes when a number or a version does."""
    packages = ("libroadrunner", "python-copasi", "amici", "tellurium", "antimony", "python-libsbml", "petab")
    tools = [f"{p} {version(p)}" for p in packages if installed(p)]
    return f"""# The same numbers in everybody's tool

Written by `make exchange-test` ([`benchmarks/exchange_test.py`](../benchmarks/exchange_test.py)) with
{", ".join(tools)}.

Every model of the library in untreated epilepsy, {weeks:g} weeks, under every arm that acts on it: no treatment, diet,
needles, both, every input moved for a while, and all named treatments at once. A number is the largest difference to
libroadrunner on the exported SBML, over all states and {STEPS + 1} output times, relative to the largest size of the
state in that run (relative tolerance 1e-10; `here` and `archive` at the tolerances that users get). The limit is
{LIMIT:g}.

- here: `simulate`, which switches between integrations, against the exported events
- COPASI, AMICI: these tools on the same SBML (AMICI compiles each scenario and may be given a time: a blank was not
  measured)
- Level 2, Antimony: the scenario as SBML L2V5, and through Antimony and back
- PEtab: the experiment of the PEtab problem, turned into events by petab
- archive: tellurium on the SED-ML of the COMBINE archive against its `expected.csv`, after libCOMBINE and libSEDML
  found no error

{table(summary(rows))}

## Every scenario

{table(rows)}

## Annotations and structure

Annotations (SBO terms and resources) in the model, and how many differ after load, export, load and export. For the
coupled models: the hierarchical document against the flat one, and with all gains 0 each module against itself alone.

{table(kept)}
"""


_IMPORTS = {"libroadrunner": "roadrunner", "python-copasi": "COPASI", "python-libsbml": "libsbml"}


def main() -> int:
    """Write the page; 1 if a difference is above the limit, a tool failed or an annotation is lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", default=list(pm.available()))
    parser.add_argument("--weeks", type=float, default=4.0)
    parser.add_argument("--arms", nargs="*", help="only these")
    parser.add_argument("--skip", nargs="*", default=[], help="tools to leave out: copasi, amici")
    parser.add_argument("--amici-minutes", type=float, default=np.inf, help="leave AMICI out after so many minutes")
    parser.add_argument("--out", type=Path, help="write the page here as well")
    parser.add_argument("--keep", type=Path, default=Path("results/exchange"), help="folder of finished numbers")
    arguments = parser.parse_args()
    wanted = [e for e in ENGINES if e.lower() not in arguments.skip]
    engines = [e for e in wanted if importlib.util.find_spec(ENGINES[e][0])]
    for name in ENGINES:
        if name not in engines:
            print(f"{name}: skipped ({'not installed' if name in wanted else 'as asked'})", file=sys.stderr)
    rows, forms, kept = [], [], Kept(arguments.keep, 60 * arguments.amici_minutes)
    with tempfile.TemporaryDirectory() as folder:
        for name in tqdm(arguments.models, desc="models", file=sys.stderr):
            model = pm.load(name)
            for arm, treatments in arms(model, model.duration(arguments.weeks, None)).items():
                if not arguments.arms or arm in arguments.arms:
                    row = one_scenario(model, treatments, arguments.weeks, engines, Path(folder), kept)
                    rows.append({"model": name, "arm": arm, **row})
                    tqdm.write(str(rows[-1]), file=sys.stderr)
            made = kept.get(lambda name=name: structure(name, Path(folder)), "structure", pm.__version__, model.sbml)
            forms.append({"model": name, **(made if isinstance(made, dict) else {"lost": made})})
    text = page(rows, forms, arguments.weeks)
    print(text)
    if arguments.out is not None:
        arguments.out.write_text(text, encoding="utf-8")
    return verdict(rows, forms)


def verdict(rows: list[dict], forms: list[dict]) -> int:
    """0 if every number is below the limit and no annotation is lost."""
    numbers = [v for r in (*rows, *forms) for k, v in r.items() if k not in ("model", "arm", "states", "annotations")]
    bad = [v for v in numbers if isinstance(v, str) or not v < LIMIT]
    print(f"{len(bad)} of {len(numbers)} comparisons fail (limit {LIMIT:g})", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
