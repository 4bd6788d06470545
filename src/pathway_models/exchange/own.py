"""What keeps the modules and coupled models in a user's folder from use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .._files.data import sbml_root
from .._files.whole import read_text
from .._sbml import sbml
from ..errors import ModelError, PathwayModelsError, SimulationError
from ..evidence.observations import observations_paths, read_observations
from ..evidence.tables import evidence_ids, split_cell
from ..models.collection import Library
from ..models.collection import library as usual
from ..models.hypotheses import changed_hypotheses
from ..models.model import Model
from ..modules.generate import module_sbml
from ..modules.module import ModuleFile, read_module_file

REST_TOLERANCE = 1e-5  # of a start value, relative; what the search for the rest leaves is far below


def folder_faults(path: Path, library: Library | None = None) -> tuple[str, ...]:
    """A sentence per fault of a library's folder, or of one module's; nothing is a clean bill.

    Read are modules, coupled models and observations; units must be consistent, every context must have a rest, a
    module must start at its rest in health, with values within their ranges, and every source must be a row of the
    evidence tables. `library` has the folders that the models need beside this one. Raises `ModelError` for a folder
    that is no library.
    """
    path = path.resolve()
    single = (path / "module.toml").exists()
    if single and path.parent.name != "modules":
        raise ModelError(f"{path}: a module lies in modules/ of a library, e.g. my_library/modules/{path.name}")
    (root,) = usual(path.parents[1] if single else path).folders
    beside = usual() if library is None else library
    # our own folder is in every library already
    whole = Library(folders=tuple(dict.fromkeys(f for f in (root, *beside.folders) if f != sbml_root().resolve())))
    try:
        own = [n for n in (*whole.modules, *whole.coupled) if whole.home(n) == root]
    except PathwayModelsError as error:
        return (str(error),)
    # a fault of a module is one of each model that it is in: once is enough
    return tuple(dict.fromkeys(fault for name in ([path.name] if single else own) for fault in _faults(whole, name)))


def _faults(library: Library, name: str) -> Iterator[str]:
    try:
        if outdated := [*_outdated(library, name)] if name in library.modules else []:
            yield from outdated
            return
        model = library.load(name, context="healthy")
        if name in library.modules:
            yield from _sources(library, name, model)
            yield from _contradictions(model)
        else:
            yield from (f"{name}: {found.severity}: {found.message}" for found in sbml.findings(model.sbml))
        for context in model.contexts:
            yield from _restless(model.with_context(context), starts=name in library.modules and context == "healthy")
        if any(path.exists() for path in observations_paths(model)):
            read_observations(model)
    except PathwayModelsError as error:
        yield str(error)


def _outdated(library: Library, name: str) -> Iterator[str]:
    """That a module's model.xml, which ours have, is not what its model.ant makes."""
    folder = library.modules[name]
    made = folder / "model.xml"
    if made.exists() and read_text(made) != module_sbml(folder, library.evidence):
        yield f"{name}: model.xml is not what model.ant makes; run `python -m pathway_models.models.build`"


def _contradictions(model: Model) -> Iterator[str]:
    """Where the files of a module say two things of one value."""
    for p in model.constants:
        if p.low is not None and p.high is not None and p.uncertain and not p.low <= p.value <= p.high:
            out = f"{p.id} is {p.value:g} in model.ant, outside of its range {p.low:g} to {p.high:g}"
            yield f"{model.name}: parameters.tsv: {out}"
    for name, _ in changed_hypotheses(model):
        where = f"{model.name}: module.toml: hypotheses.{name}"
        yield f"{where}: the settings of its default are not the values in model.ant"


def _restless(model: Model, *, starts: bool) -> Iterator[str]:
    """That the model has no rest in its context, or `starts` elsewhere."""
    try:
        rests = model.steady_state()
    except SimulationError as error:
        yield f"{model.name}, context {model.context}: {error}"
        return
    for state, rest in rests.items() if starts else ():
        start = model.quantities[state].value
        if not abs(rest - start) <= REST_TOLERANCE * (abs(start) or 1.0):
            yield f"{model.name}: {state} starts at {start:g} and rests at {rest:g} in health; start it at its rest"


def _sources(library: Library, name: str, model: Model) -> Iterator[str]:
    known = evidence_ids(library)
    for place, sources in _cited(model, read_module_file(library.modules[name])):
        yield from (f"{name}: {place}: no evidence table has the row {s!r}" for s in sources if s not in known)
    for p in model.constants:
        if p.kind in ("measured", "derived") and not p.source:
            yield f"{name}: parameters.tsv: {p.id} is {p.kind}, and names no evidence row in source"


def _cited(model: Model, made: ModuleFile) -> Iterator[tuple[str, list[str]]]:
    """Where rows of the evidence tables are named, and which."""
    for p in model.constants:
        yield f"parameters.tsv: {p.id}", split_cell(p.source)
    for key, entry in made.epilepsy.items():
        yield f"module.toml: epilepsy.{key}", split_cell(entry.source)
    for key, h in made.hypotheses.items():
        for alternative, a in h.alternatives.items():
            yield f"module.toml: hypotheses.{key}.alternatives.{alternative}", [*a.for_, *a.against]
