"""Do the exported files give the same numbers in everybody's tool?

For every model of the library under every arm: the scenario is written as SBML and run here, in libroadrunner, COPASI
and AMICI, as Level 2, through Antimony and back, and as an archive in tellurium. A number is the largest difference to
libroadrunner over all states and output times, relative to the largest size of the state in that run. Then:
annotations after a round trip, the hierarchical against the flat model, and each module alone against itself with all
gains 0. Tools that are not installed are skipped by name.
Run: python analyses/exchange_test.py [--models ...] [--arms ...] [--weeks 4] [--skip amici]
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from tqdm import tqdm

import pathway_models as pm
from pathway_models import _annotate, _interventions, _treatments
from pathway_models._native import libsbml, roadrunner

matplotlib.use("Agg")
LIMIT = 1e-5
STEPS = 96  # output points; the states at a switch are those after it
Courses = dict[str, np.ndarray]


# ---- the arms ----------------------------------------------------------------------------------------------


def arms(model: pm.Model, duration: float) -> dict[str, list[pm.Treatment]]:
    """The four arms as far as they act on the model, all named treatments at once, every input moved for a while."""
    diet, needles = [pm.KetogenicDiet()], [pm.Electroacupuncture()]
    wanted = {"none": [], "diet": diet, "needles": needles, "both": [*diet, *needles]}
    wanted["every input"] = [_moved(p, duration) for p in model.inputs_]
    together: list[pm.Treatment] = []
    for name in _treatments.NAMED:
        treatment = _treatments.named(name)
        if _fits(model, [*together, treatment], duration):
            together.append(treatment)
    wanted["all treatments"] = together
    return {k: v for k, v in wanted.items() if k == "none" or (v and _fits(model, v, duration))}


def _fits(model: pm.Model, treatments: list[pm.Treatment], duration: float) -> bool:
    try:
        return bool(_interventions.phases(model, treatments, duration))
    except pm.errors.PathwayModelsError:
        return False


def _moved(port: pm.Port, duration: float) -> pm.Treatment:
    step = 0.1 * (port.high - port.reference) if np.isfinite(port.high) else max(0.1 * abs(port.reference), 0.1)
    if port.role == "dose":
        return pm.Dose(input=port.id, amount=step, times=(0.0, duration / 4, duration / 2))
    return pm.Level(input=port.id, value=port.reference + step, start=duration / 8, stop=duration / 2)


# ---- the engines: SBML text -> states over time --------------------------------------------------------------


def in_roadrunner(text: str, states: Sequence[str], times: np.ndarray) -> Courses:
    engine = roadrunner.RoadRunner(text)
    engine.integrator.setValue("relative_tolerance", 1e-10)
    engine.integrator.setValue("absolute_tolerance", 1e-14)
    engine.integrator.setValue("maximum_num_steps", 1_000_000)
    species = set(engine.model.getFloatingSpeciesIds()) | set(engine.model.getBoundarySpeciesIds())
    by_size = {s for s in species if not engine.getHasOnlySubstanceUnits(s)}
    engine.timeCourseSelections = [f"[{s}]" if s in by_size else s for s in states]
    return dict(zip(states, np.array(engine.simulate(times=list(times))).T, strict=True))


def in_copasi(text: str, states: Sequence[str], times: np.ndarray) -> Courses:
    import basico

    handle = basico.load_model_from_string(text)
    try:
        frame = basico.run_time_course(
            duration=float(times[-1]),
            intervals=len(times) - 1,
            use_sbml_id=True,
            method="lsoda",
            r_tol=1e-10,
            a_tol=1e-14,
            max_steps=1_000_000,
        )
    finally:
        basico.remove_datamodel(handle)
    volumes = _volumes(text)  # COPASI gives concentrations of species that count in amounts, too
    return {s: frame[s].to_numpy() * volumes.get(s, 1.0) for s in states}


def _volumes(text: str) -> dict[str, float]:
    document = libsbml.readSBMLFromString(text)
    model = document.getModel()
    counted = [s for s in model.getListOfSpecies() if s.getHasOnlySubstanceUnits()]
    return {s.getId(): model.getCompartment(s.getCompartment()).getSize() for s in counted}


def in_amici(text: str, states: Sequence[str], times: np.ndarray) -> Courses:
    import amici
    from amici.sim import sundials

    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # its compilers lie there
    with tempfile.TemporaryDirectory() as folder:
        name = f"scenario_{abs(hash(text))}"
        importer = amici.SbmlImporter(text, from_file=False)
        importer.sbml2amici(name, folder, generate_sensitivity_code=False, verbose=False)
        model = amici.import_model_module(name, folder).get_model()
        model.set_timepoints(times)
        solver = model.create_solver()
        solver.set_relative_tolerance(1e-10)
        solver.set_absolute_tolerance(1e-14)
        solver.set_max_steps(1_000_000)
        result = sundials.run_simulation(model, solver)
        found = dict(zip(model.get_state_ids(), np.array(result.x).T, strict=True))
    missing = set(states) - set(found)
    if missing or result.status != 0:
        raise RuntimeError(f"AMICI: status {result.status}, states missing: {sorted(missing)}")
    return {s: found[s] for s in states}


ENGINES: dict[str, tuple[str, Callable[[str, Sequence[str], np.ndarray], Courses]]] = {
    "COPASI": ("basico", in_copasi),
    "AMICI": ("amici", in_amici),
}


def in_tellurium(archive: Path, states: Sequence[str]) -> tuple[Courses, Courses]:
    """What tellurium makes of the SED-ML, and the expected values that the archive brings along."""
    from tellurium.sedml import tesedml

    (found,) = tesedml.executeCombineArchive(str(archive), createOutputs=False).values()
    with zipfile.ZipFile(archive) as members, members.open("expected.csv") as file:
        expected = pd.read_csv(file)
    data = found["dataGenerators"]
    return {s: np.ravel(data[f"data_{s}"]) for s in states}, {s: expected[s].to_numpy() for s in states}


# ---- comparisons -------------------------------------------------------------------------------------------


def difference(found: Courses, reference: Courses) -> float:
    """Largest difference of all states, relative to the largest size of each; what rests at 0 counts as size 1."""
    worst = 0.0
    for name, wanted in reference.items():
        size = np.max(np.abs(wanted))
        worst = max(worst, float(np.max(np.abs(found[name] - wanted))) / (size if size > 1e-6 else 1.0))
    return worst


def one_scenario(model: pm.Model, treatments: list, weeks: float, engines: Sequence[str], folder: Path) -> dict:
    """One row of the table."""
    scenario = {"interventions": treatments, "weeks": weeks}
    text = pm.export(model, folder / "flat.xml", **scenario).read_text()
    run = model.simulate(treatments, weeks=weeks, every=model.duration(weeks, None) / STEPS)
    times, states = run["time"].values, model.states
    reference = in_roadrunner(text, states, times)
    row = {"states": len(states), "here": difference({s: run[s].values for s in states}, reference)}
    for name in engines:
        row[name] = _safely(lambda run=ENGINES[name][1]: difference(run(text, states, times), reference))
    older = pm.export(model, folder / "older.xml", format="sbml-l2v5", **scenario).read_text()
    row["Level 2"] = difference(in_roadrunner(older, states, times), reference)
    back = pm.load(pm.export(model, folder / "m.ant", format="antimony", **scenario)).sbml
    row["Antimony"] = difference(in_roadrunner(back, states, times), reference)
    if importlib.util.find_spec("tellurium"):
        archive = pm.export(model, folder / "m.omex", format="omex", **scenario)
        row["archive"] = _safely(lambda: difference(*in_tellurium(archive, states)))
    return row


def _safely(measure: Callable[[], float]) -> float | str:
    try:
        return measure()
    except Exception as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0][:80] if str(error) else ''}"


def annotations(text: str) -> dict[str, set]:
    """Id -> SBO term and resources, of everything that carries some."""
    document = libsbml.readSBMLFromString(text)
    elements = document.getModel().getListOfAllElements()
    found = {}
    for element in [document.getModel(), *(elements.get(i) for i in range(elements.getSize()))]:
        marks = {(q, r) for q, rs in _annotate.resources(element).items() for r in rs}
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
    row: dict[str, object] = {"annotations": sum(map(len, marks[0].values())), "kept": marks[0] == marks[1] == marks[2]}
    if model.gains:
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
    for module in sorted({p.module for p in model.outputs_}):
        alone = pm.load(module, context="healthy").simulate(weeks=4, every=24)
        pairs = [(s, f"{module}__{s}") for s in map(str, alone.data_vars) if f"{module}__{s}" in cut]
        worst = max(worst, difference({a: cut[b].values for a, b in pairs}, {a: alone[a].values for a, _ in pairs}))
    return worst


def table(rows: list[dict]) -> str:
    """Rows as Markdown."""
    frame = pd.DataFrame(rows).fillna("")
    lines = ["| " + " | ".join(frame.columns) + " |", "|" + "---|" * len(frame.columns)]
    for values in frame.itertuples(index=False):
        shown = (f"{v:.1e}" if isinstance(v, float) else str(v) for v in values)
        lines.append("| " + " | ".join(shown) + " |")
    return "\n".join(lines)


def main() -> int:
    """Print both tables; 1 if a difference is above the limit, a tool failed or an annotation is lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", default=list(pm.available()))
    parser.add_argument("--weeks", type=float, default=4.0)
    parser.add_argument("--arms", nargs="*", help="only these")
    parser.add_argument("--skip", nargs="*", default=[], help="tools to leave out: copasi, amici")
    arguments = parser.parse_args()
    wanted = [e for e in ENGINES if e.lower() not in arguments.skip]
    engines = [e for e in wanted if importlib.util.find_spec(ENGINES[e][0])]
    for name in ENGINES:
        if name not in engines:
            print(f"{name}: skipped ({'not installed' if name in wanted else 'as asked'})")
    rows, kept = [], []
    with tempfile.TemporaryDirectory() as folder:
        for name in tqdm(arguments.models, desc="models", file=sys.stderr):
            model = pm.load(name)
            for arm, treatments in arms(model, model.duration(arguments.weeks, None)).items():
                if not arguments.arms or arm in arguments.arms:
                    row = one_scenario(model, treatments, arguments.weeks, engines, Path(folder))
                    rows.append({"model": name, "arm": arm, **row})
                    tqdm.write(str(rows[-1]), file=sys.stderr)
            kept.append({"model": name, **structure(name, Path(folder))})
    print(f"\n{table(rows)}\n\n{table(kept)}\n")
    numbers = [v for r in (*rows, *kept) for k, v in r.items() if k not in ("model", "arm", "states", "annotations")]
    bad = [v for v in numbers if v is False or isinstance(v, str) or (isinstance(v, float) and not v < LIMIT)]
    print(f"{len(bad)} of {len(numbers)} comparisons fail (limit {LIMIT:g}, libroadrunner {roadrunner.__version__})")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
