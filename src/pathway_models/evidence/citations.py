"""The published works behind the values that a model uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..models.collection import Library
from ..models.hypotheses import alternative_in_force
from ..models.model import Model
from ..modules.module import read_module_file
from .observations import observations_paths
from .tables import evidence_table, split_cell

if TYPE_CHECKING:
    import pandas as pd


def citations(model: Model) -> pd.DataFrame:
    """The works behind the values in use, those with most parameters first.

    A value that the user changed rests on no work; one set by a hypothesis rests on the evidence for that alternative.

    Args:
        model: a model of the library, with its own settings.

    Returns:
        One row per work: citation, reference, parameters (ids, joined by ', '), rows (evidence ids).

    Raises:
        ModelError: a file from elsewhere, which names no works.

    Example:
        >>> import pathway_models as pm
        >>> list(citations(pm.load("acupuncture")).columns)
        ['citation', 'reference', 'parameters', 'rows']
    """
    import pandas as pd

    observations_paths(model)
    works: dict[tuple[str, str], tuple[list[str], list[str]]] = {}
    library = Library(folders=model.folders)
    tables = pd.concat([evidence_table(kind, library=library) for kind in ("measurements", "responses")])
    for parameter, ids in _rests_on(model).items():
        for name in ids:
            row = tables.loc[name]
            parameters, rows = works.setdefault((str(row["citation"]), str(row["reference"])), ([], []))
            parameters += [] if parameter in parameters else [parameter]
            rows += [] if name in rows else [name]
    records = [(*work, ", ".join(p), ", ".join(sorted(r)), len(p)) for work, (p, r) in works.items()]
    frame = pd.DataFrame(records, columns=["citation", "reference", "parameters", "rows", "count"])
    return frame.sort_values(["count", "citation"], ascending=[False, True], ignore_index=True).drop(columns="count")


def _rests_on(model: Model) -> dict[str, list[str]]:
    """Parameter -> evidence ids behind its value in use."""
    overlay = _overlay_sources(model)
    held = {k: v for k, v in model.contexts[model.context or ""].settings.items() if model.settings.get(k) == v}
    supported = _supports(model)
    found: dict[str, list[str]] = {}
    for p in model.constants:
        ids = list(supported.get(p.id, ()))
        if p.id in overlay and p.id in held:
            ids += overlay[p.id]
        elif model.settings.get(p.id, p.value) == p.value:
            ids += split_cell(p.source)
        if ids:
            found[p.id] = ids
    return found


def _supports(model: Model) -> dict[str, tuple[str, ...]]:
    """Parameter -> evidence for the alternative in force that sets it."""
    found: dict[str, tuple[str, ...]] = {}
    for h in model.hypothesis_set:
        alternative = h.alternatives.get(alternative_in_force(model, h))
        if alternative:
            found |= {k: found.get(k, ()) + alternative.supports for k in alternative.settings}
    return found


def _overlay_sources(model: Model) -> dict[str, list[str]]:
    """Parameter -> evidence behind its value in untreated epilepsy, from the module files."""
    library = Library(folders=model.folders)
    coupled = model.name in library.coupled
    names = library.read_coupled(model.name).modules if coupled else [model.name]
    found = {}
    for name in names:
        for key, entry in read_module_file(library.modules[name]).epilepsy.items():
            found[f"{name}__{key}" if coupled else key] = split_cell(entry.source)
    return found
