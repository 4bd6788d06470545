"""Anybody's SBML text as a model."""

from __future__ import annotations

import math

from .._sbml import foreign, mend
from .._sbml import sbml as _sbml
from .._sbml import uncertainty as _uncertainty
from ..modules.coupling import flatten
from ..modules.module import Parameter
from .model import Model


def from_sbml(text: str, *, name: str) -> Model:
    """A model from anybody's SBML: every constant is a parameter, of which the sources are unknown.

    A hierarchical document is flattened first (libroadrunner 2.10 drops submodels without a word), parameters that
    are local to a kinetic law become global ones, and Level 1 becomes Level 2. Ranges, laws, kinds and sources of
    parameters come from the annotations that our own files carry. Warns with `ModelWarning` of values that the file
    lacks and of what of it is not valid. Raises `ModelError` for a file that cannot be simulated.
    """
    _sbml.screen(text, name)
    foreign.refuse_packages(text, name=name)
    text, document = mend.accept(text, name=name)
    if _sbml.is_hierarchical(document):
        text, document = mend.accept(flatten(document, name=name), name=name)
    foreign.refuse_flux_balance(document, name=name)
    text = foreign.prepare(text, document, name=name)
    found = _sbml.quantities(document, name=name)
    computed = {a.getSymbol() for a in document.getModel().getListOfInitialAssignments()}
    known = _uncertainty.of_parameters(document.getModel())
    parameters = tuple(
        _sourced(q, known[q.id]) if q.id in known else _unsourced(q, ranged=not known)
        for q in found.values()
        if q.kind == "parameter" and not q.ruled and q.id not in computed
    )
    return Model(name=name, title=document.getModel().getName() or name, sbml=text, constants=parameters)


def _sourced(q: _sbml.Quantity, uncertainty: _uncertainty.Uncertainty) -> Parameter:
    return Parameter(
        id=q.id,
        value=q.value,
        unit=q.unit,
        kind=uncertainty.kind,
        low=uncertainty.low,
        high=uncertainty.high,
        distribution=uncertainty.distribution,
        source=";".join(uncertainty.evidence),
        note="as the annotation of the file says",
    )


def _unsourced(q: _sbml.Quantity, *, ranged: bool) -> Parameter:
    if not ranged:
        note = "the file gives ranges to others and none to this"
        return Parameter(id=q.id, value=q.value, unit=q.unit, kind="unknown", note=note)
    if not 0 < q.value < math.inf:
        note = "zero, negative or not finite: no range assumed"
        return Parameter(id=q.id, value=q.value, unit=q.unit, kind="unknown", note=note)
    return Parameter(
        id=q.id,
        value=q.value,
        unit=q.unit,
        kind="unknown",
        low=q.value / 2,
        high=q.value * 2,
        distribution="loguniform",
        note="the file gives no range: half to twice the value",
    )
