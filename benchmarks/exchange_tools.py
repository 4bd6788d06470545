"""Other people's tools, as functions: SBML text -> states over time; an archive -> states; a PEtab problem -> SBML.

Used by exchange_test.py. Each imports its tool when it is called.
"""

from __future__ import annotations

import os
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pathway_models._sbml.native import libsbml, roadrunner

Courses = dict[str, np.ndarray]
MEMBERS = 5  # SBML, SED-ML, expected values, figure, README; the metadata are read as such


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


ENGINES: dict[str, tuple[str, str, Callable[[str, Sequence[str], np.ndarray], Courses]]] = {
    "COPASI": ("basico", "python-copasi", in_copasi),
    "AMICI": ("amici", "amici", in_amici),
}


def in_tellurium(archive: Path, states: Sequence[str]) -> tuple[Courses, Courses]:
    """What tellurium makes of the SED-ML, and the expected values that the archive brings along."""
    from tellurium.sedml import tesedml

    (found,) = tesedml.executeCombineArchive(str(archive), createOutputs=False).values()
    with zipfile.ZipFile(archive) as members, members.open("expected.csv") as file:
        expected = pd.read_csv(file)
    data = found["dataGenerators"]
    return {s: np.ravel(data[f"data_{s}"]) for s in states}, {s: expected[s].to_numpy() for s in states}


def complaints(archive: Path) -> list[str]:
    """What libCOMBINE and libSEDML find wrong with an archive: every member, its description, every SED-ML error."""
    import libcombine
    import libsedml

    reader = libcombine.CombineArchive()
    if not reader.initializeFromArchive(str(archive)):
        return ["libCOMBINE cannot read it"]
    entries = [reader.getEntry(i) for i in range(reader.getNumEntries())]
    members = [e.getLocation() for e in entries if e.getLocation() not in (".", "./manifest.xml")]
    found = [f"{k} is empty" for k in members if not reader.extractEntryToString(k)]
    found += [] if len(members) == MEMBERS else [f"{len(members)} members"]
    found += [] if reader.getMetadataForLocation(".").getCreators().size() else ["libCOMBINE finds no creator"]
    text = reader.extractEntryToString(reader.getMasterFile().getLocation())
    document = libsedml.readSedMLFromString(text)
    found += [document.getError(i).getMessage() for i in range(document.getNumErrors())]
    reader.cleanUp()
    return found


def from_petab(folder: Path) -> str:
    """The SBML that petab makes of a problem: the periods of its experiment as events."""
    import petab.v2
    from petab.v2.converters import ExperimentsToSbmlConverter

    problem = petab.v2.Problem.from_yaml(folder / "problem.yaml")
    if issues := list(problem.validate()):
        raise RuntimeError(f"petab: {issues[0]}")
    converter = ExperimentsToSbmlConverter(problem)
    (experiment,) = problem.experiments
    model = converter.convert().model.sbml_model
    model.getParameter(converter.get_experiment_indicator(experiment.id)).setValue(1.0)
    return str(libsbml.writeSBMLToString(model.getSBMLDocument()))
