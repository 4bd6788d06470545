"""One model file in one tool: this library, plain libroadrunner, libroadrunner with tight tolerances, COPASI.

Each function takes a path and yields a label and an `Answer`; public_models.py calls it in a process of its own. What
the other tools get is read here without this library, so that it is no witness in its own case.
"""

from __future__ import annotations

import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias
from xml.etree import ElementTree

import antimony
import libsbml
import numpy as np
import pandas as pd
import roadrunner
import yaml

import pathway_models as pm
from public_distance import DISAGREE, Answer, Array, apart

DURATION, POINTS = 100.0, 51
# relative tolerance, absolute one in sizes of the state, longest step: settings that share no error. The later ones are
# for models where the first ask for more than a double has.
TIGHT = ((1e-11, 1e-20, 0.03), (1e-10, 1e-20, 0.1), (1e-10, 1e-14, 0.05), (1e-8, 1e-12, 0.07))
SMALLEST = 1e-9  # size, in typical ones, of a state that is never larger


Answers: TypeAlias = Iterator[tuple[str, Answer]]


def _answer(run: Callable[[], Answer]) -> Answer:
    """What `run` gives, or why it gives nothing."""
    begun = time.process_time()
    try:
        found = run()
    except pm.errors.PathwayModelsError as error:
        found = Answer(reason=f"refused: {error}")
    except Exception as error:
        found = Answer(reason=f"error: {type(error).__name__}: {_first_line(error)}")
    return replace(found, seconds=time.process_time() - begun)


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "")


# ---- this library ------------------------------------------------------------------------------------------------


def here(path: Path, *, compile_times: bool) -> Answers:
    """`load` and `simulate`; with `compile_times` a second run, which has the machine code of the first."""

    def run() -> Answer:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            begun = time.process_time()
            model = pm.load(path)
            result = model.simulate(duration=DURATION, every=DURATION / (POINTS - 1))
            first, compiling = time.process_time() - begun, float("nan")
            if compile_times:
                begun = time.process_time()
                model.simulate(duration=DURATION, every=DURATION / (POINTS - 1))
                compiling = first - (time.process_time() - begun)
        courses = {str(k): np.asarray(v.values, dtype=float) for k, v in result.data_vars.items()}
        return Answer(courses=courses, compiling=compiling, warnings=tuple(str(w.message) for w in said))

    yield "here", _answer(run)


# ---- libroadrunner -----------------------------------------------------------------------------------------------


def libroadrunner(path: Path) -> Answers:
    """Its defaults, then tight settings until two of them agree."""
    sizes: dict[str, float] = {}

    def defaults() -> Answer:
        begun = time.process_time()
        engine = _engine(path)
        compiling = time.process_time() - begun
        states = _states(engine)
        sizes.update({k: abs(float(engine.model.getValue(k))) for k in states})
        names, selections = _selections(engine)
        values = _run(engine, [*selections, *states])
        sizes.update(dict(zip(states, np.nanmax(np.abs(values[:, len(names) :]), axis=0, initial=0.0), strict=True)))
        courses = dict(zip(names, values.T, strict=False))
        return Answer(courses=courses, compiling=compiling, species=_species(engine))

    yield "libroadrunner", _answer(defaults)
    finished: list[Answer] = []
    for number, setting in enumerate(TIGHT):
        found = _answer(partial(_tight, path, setting, sizes))
        yield f"tight {number}", found
        if not found.reason:
            if any(apart(found, other) < DISAGREE for other in finished):
                return
            finished.append(found)


def _tight(path: Path, setting: tuple[float, float, float], sizes: dict[str, float]) -> Answer:
    """A fresh engine, as a reset may leave something of the run before."""
    relative, absolute, step = setting
    engine = _engine(path)
    integrator = engine.integrator
    integrator.setValue("relative_tolerance", relative)
    integrator.setValue("maximum_time_step", step)
    integrator.setValue("maximum_num_steps", 1_000_000)
    typical = float(np.median([s for s in sizes.values() if s > 0] or [1.0]))
    if states := _states(engine):
        vector = [absolute * max(sizes.get(k, 0.0), SMALLEST * typical) for k in states]
        integrator.setValue("absolute_tolerance", vector)
    names, selections = _selections(engine)
    return Answer(courses=dict(zip(names, _run(engine, selections).T, strict=True)), species=_species(engine))


def _engine(path: Path) -> Any:
    # else an id such as `simulate` takes that method from the class
    roadrunner.Config.setValue(roadrunner.Config.ROADRUNNER_DISABLE_PYTHON_DYNAMIC_PROPERTIES, True)
    return roadrunner.RoadRunner(sbml_text(path))


def _states(engine: Any) -> list[str]:
    """Ids in the order of the solver's vector: what rate rules move, then species without a rule."""
    rated = set(engine.model.getRateRuleSymbols())
    ruled = rated | set(engine.getAssignmentRuleIds())
    first = [engine.model.getStateVectorId(i) for i in range(len(rated))]
    return [*first, *(k for k in engine.model.getFloatingSpeciesIds() if k not in ruled)]


def _species(engine: Any) -> frozenset[str]:
    return frozenset([*engine.model.getFloatingSpeciesIds(), *engine.model.getBoundarySpeciesIds()])


def _selections(engine: Any) -> tuple[list[str], list[str]]:
    """Ids of all that can vary, and what libroadrunner calls the value that SBML gives them."""
    species = _species(engine)
    names = [*sorted(species), *engine.model.getCompartmentIds(), *engine.model.getGlobalParameterIds()]
    names = [k for k in names if k != "time"]  # libroadrunner takes it for the time
    in_amounts = {k for k in species if engine.getHasOnlySubstanceUnits(k)}
    return names, [f"[{k}]" if k in species - in_amounts else k for k in names]


def _run(engine: Any, selections: list[str]) -> Array:
    engine.timeCourseSelections = ["time", *selections]
    return np.array(engine.simulate(0, DURATION, POINTS), dtype=float)[:, 1:]


# ---- COPASI ------------------------------------------------------------------------------------------------------


def copasi(path: Path) -> Answers:
    """COPASI with its defaults, where basico is installed."""
    try:
        import basico
    except ImportError:
        return

    def run() -> Answer:
        text = sbml_text(path)
        if basico.load_model_from_string(text) is None:
            raise RuntimeError("COPASI cannot read it")
        frame = basico.run_time_course(duration=DURATION, intervals=POINTS - 1, use_sbml_id=True)
        if frame is None or len(frame) < POINTS:
            raise RuntimeError("COPASI stops before the end")
        frame = frame.loc[:, ~frame.columns.duplicated()]
        courses = {str(k): frame[k].to_numpy(dtype=float)[:POINTS] for k in frame.columns}
        return Answer(courses=courses | _amounts(text, courses))

    yield "copasi", _answer(run)


def _amounts(text: str, courses: dict[str, Array]) -> dict[str, Array]:
    """COPASI gives concentrations; what the file counts in amounts, times its compartment."""
    model = libsbml.readSBMLFromString(text).getModel()
    found = {}
    for species in model.getListOfSpecies():
        if species.getHasOnlySubstanceUnits() and species.getId() in courses:
            home = model.getCompartment(species.getCompartment())
            size = courses.get(home.getId(), home.getSize() if home.isSetSize() else 1.0)
            found[species.getId()] = courses[species.getId()] * size
    return found


# ---- reading, without this library -------------------------------------------------------------------------------


def sbml_text(path: Path) -> str:
    """The SBML of a file of any kind, flat."""
    if path.suffix == ".omex":
        return _flat(*_from_archive(path))
    if path.suffix == ".yaml":
        return _from_petab(path)
    data = path.read_bytes()
    return _from_antimony(data.decode()) if path.suffix == ".ant" else _flat(data, path)


def _from_antimony(text: str) -> str:
    antimony.clearPreviousLoads()
    if antimony.loadAntimonyString(text) < 0:
        raise ValueError(antimony.getLastError())
    return str(antimony.getSBMLString(antimony.getMainModuleName()))


def _flat(data: bytes, path: Path) -> str:
    """The text, its submodels made one model."""
    text = data.decode("utf-8", errors="replace")
    if 'qual:required="true"' in text:
        raise ValueError("a logical model (sbml-qual), which has no course over time")
    if "/comp/version" not in text:
        return text
    document = libsbml.readSBMLFromString(text)
    document.setLocationURI(path.resolve().as_uri())
    properties = libsbml.ConversionProperties()
    properties.addOption("flatten comp", True)
    properties.addOption("performValidation", False)
    if document.convert(properties) != libsbml.LIBSBML_OPERATION_SUCCESS:
        raise ValueError("libSBML cannot flatten it")
    return str(libsbml.writeSBMLToString(document))


def _from_archive(path: Path) -> tuple[bytes, Path]:
    """The master model, else the first one that the manifest names."""
    with zipfile.ZipFile(path) as archive:
        manifest = ElementTree.fromstring(archive.read("manifest.xml"))
        members = [e.attrib for e in manifest if "sbml" in e.get("format", "")]
        members.sort(key=lambda m: m.get("master") != "true")
        if not members:
            raise ValueError("no SBML in the archive")
        name = str(PurePosixPath(members[0]["location"]))
        return archive.read(name), path


def _from_petab(path: Path) -> str:
    """The first model of a PEtab problem (v1 or v2) with the nominal values of its table."""
    head = yaml.safe_load(path.read_text(encoding="utf-8"))
    problem = head["problems"][0] if "problems" in head else head
    models = problem.get("sbml_files") or [m["location"] for m in problem["model_files"].values()]
    tables = head.get("parameter_file") or head["parameter_files"]
    document = libsbml.readSBMLFromString((path.parent / models[0]).read_text(encoding="utf-8"))
    for table in [tables] if isinstance(tables, str) else tables:
        frame = pd.read_csv(path.parent / table, sep="\t")
        for key, value in zip(frame["parameterId"], frame["nominalValue"], strict=True):
            parameter = document.getModel().getParameter(key)
            if parameter is not None and np.isfinite(float(value)):
                parameter.setValue(float(value))
    return _flat(libsbml.writeSBMLToString(document).encode(), path.parent / models[0])
