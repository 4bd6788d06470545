"""Write models and scenarios for others, and check anybody's SBML."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path

from .._files.whole import write_folder, write_whole
from .._sbml import antimony, sbml
from .._sbml import files as _exchange_read
from .._sbml.findings import Finding
from .._sbml.levels import LEVELS, convert_level
from ..errors import ModelWarning, require_kind, unknown_name
from ..models.collection import Library
from ..models.model import Model
from ..modules.flat import require_model
from ..treatments.schedule import Treatment
from . import archive, petab, portability
from .own import folder_faults
from .scenario import scenario_comp, scenario_sbml

FORMATS = (*LEVELS, "comp", "antimony", "omex", "petab")


def export(
    model: Model,
    path: str | Path,
    *,
    format: str = "sbml",
    treatments: Sequence[Treatment] = (),
    weeks: float | None = None,
    duration: float | None = None,
    creators: Sequence[str] = (),
) -> Path:
    """Write a scenario: `model` with its settings, at rest in its context, under a schedule of `treatments`.

    The file appears when it is complete. Warns with `ModelWarning` of what tools are known to run the file without
    (MxlPy drops events).

    Args:
        model: what `pathway_models.load` gives.
        path: of the file, or of the folder for 'petab'.
        format: 'sbml' (flat L3V2), 'sbml-l3v1', 'sbml-l2v5' or 'sbml-l2v4' for older tools, 'comp' (hierarchical, for
            the coupled models of the library), 'antimony', 'omex' (COMBINE archive: SBML, SED-ML, expected values,
            figure, description, licence) or 'petab' (a folder: version 2, the schedule as periods of an experiment).
        treatments: what becomes initial values and events (`time >= t`), of 'petab' periods; without them, and without
            a length, it is the bare model.
        weeks: length of the scenario in weeks, or
        duration: in model time; 12 weeks for our models if neither is said.
        creators: of an archive.

    Returns:
        The path of what was written.

    Raises:
        UnknownNameError: another format.
        InvalidValueError: a schedule that does not fit the model.
        ModelError: a level that cannot hold the model, a file that cannot be written.

    Example:
        >>> import pathway_models as pm, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     course = [pm.Electroacupuncture(weeks=1)]
        ...     pm.export(pm.load("acupuncture"), f"{folder}/a.xml", treatments=course, weeks=2).name
        'a.xml'
    """
    require_model(model)
    require_kind("path", path, (str, os.PathLike), '"model.xml"')
    if format not in FORMATS:
        raise unknown_name("format", format, FORMATS)
    timed = bool(treatments) or format in ("omex", "petab") or weeks is not None or duration is not None
    length = model.duration(weeks, duration) if timed else None
    if format == "petab" and length is not None:
        return write_folder(Path(path), petab.petab_files(model, treatments, length))
    return write_whole(Path(path), _content(model, format, treatments, length, creators))


def _content(
    model: Model, format: str, treatments: Sequence[Treatment], length: float | None, creators: Sequence[str]
) -> bytes:
    if format == "comp":
        text = scenario_comp(model, treatments, length)
        _warn_of_losses(text, model.name)
        return text.encode()
    text = scenario_sbml(model, treatments, length)
    if format == "antimony":
        return antimony.to_antimony(text, model.name).encode()
    _warn_of_losses(text, model.name)
    if format == "omex" and length is not None:
        return archive.archive(model, text, treatments, length, creators)
    level, version = LEVELS[format]
    return convert_level(text, level=level, version=version, name=model.name).encode()


def _warn_of_losses(text: str, name: str) -> None:
    if lost := portability.losses(text):
        warnings.warn(f"{name} runs otherwise in some tools: {'; '.join(lost)}", ModelWarning, stacklevel=4)


def check(path: str | Path, *, library: Library | None = None) -> tuple[Finding, ...]:
    """What there is to say of a file: libSBML's findings, then notes on what some tool does not take, with cures.

    Findings are of consistency and units; notes of annotation, and of constructs that COPASI, AMICI, roadrunner,
    SimBiology or SBMLToolkit do not take. A file without any of severity `error` or `fatal` can be used. Antimony and
    archives are checked as the SBML that they hold. Of a folder of your own modules and coupled models, or of one
    module in it, every part is read, its units and its rest are checked, and its sources looked up.

    Args:
        path: of a file that `load` takes, or of a folder.
        library: further folders that a folder needs.

    Returns:
        What was found, worst first; an empty tuple is a clean bill.

    Raises:
        ModelError: a file that cannot be read, a folder that is no library.

    Example:
        >>> import pathway_models as pm, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     found = pm.check(pm.export(pm.load("nlrp3_il1b"), f"{folder}/a.xml"))
        >>> {f.severity for f in found} <= {"note"}
        True
    """
    if Path(path).is_dir():
        return tuple(Finding(severity="error", line=0, message=m) for m in folder_faults(Path(path), library))
    text = _exchange_read.unresolved_text(path)
    found = sbml.findings(text)
    if not any(f.severity in ("error", "fatal") for f in found):
        found += [*portability.annotation_remarks(text), *portability.portability_remarks(text)]
    rank = ("fatal", "error", "warning", "note")
    return tuple(sorted(found, key=lambda f: (rank.index(f.severity) if f.severity in rank else 2, f.line)))
