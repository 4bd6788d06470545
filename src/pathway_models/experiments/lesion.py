"""Lesions: cut the wires of a coupled model and see what a treatment still does."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from .._sbml import sbml as _sbml
from .._sbml.edit import add_parameter
from .._sbml.formulas import nodes, tree
from .._sbml.native import libsbml
from ..ensembles.ensemble import ensemble
from ..ensembles.outcomes import Outcome
from ..errors import InvalidValueError, ModelError, unknown_name
from ..models.model import Model
from ..modules.flat import require_model
from ..simulation.job import at_rest
from ..treatments.schedule import Treatment

if TYPE_CHECKING:
    import pandas as pd

Held = Literal["untreated", "reference"]
HOLD, KEEP = "hold_of_", "keep_of_"  # prefixes: the value that a cut wire delivers; 1 = whole, 0 = cut


@dataclass(frozen=True, kw_only=True)
class Connection:
    """A wire of a coupled model: its gain, the input that it drives, and the output or shared input it comes from."""

    gain: str
    target: str
    source: str

    @property
    def source_module(self) -> str:
        """The module that it comes from, or the shared input."""
        return self.source.split("__")[0]


def lesion(
    model: Model,
    treatments: Sequence[Treatment] = (),
    *,
    outcomes: Sequence[str | Outcome],
    groups: str | Mapping[str, Sequence[str]] = "module",
    held: Held = "untreated",
    only: bool = False,
    weeks: float | None = None,
    duration: float | None = None,
    every: float | None = None,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Outcomes of `model` under `treatments` with groups of wires cut: intact, without each group, all cut.

    `groups`: 'module' (the wires that leave a module or a shared input), 'wire' (each alone), or {name: gains}. A cut
    wire delivers what `held` says: 'untreated', the value that it has in the untreated state of the intact model, so
    that this state is the same for every lesion and only the effect of treatment is cut; or 'reference', the healthy
    value (gain 0), as if the wire had never been there: then each lesion has an untreated state of its own, from which
    the anchors are set anew. With `only` there is a row per group in which every other group is cut.

    Returns one row per lesion: group, kept ('all', 'without', 'only', 'none'), wires (number cut), a column per
    outcome, status and message; a run that fails is NaN. Raises `ModelError` for a model without wires,
    `UnknownNameError` for an unknown grouping or gain, `InvalidValueError` for an empty mapping.

    >>> import pathway_models as pm
    >>> table = pm.lesion(pm.load("epilepsy_core"), [pm.KetogenicDiet()], outcomes=["E"], weeks=2, progress=False,
    ...                   groups={"ketones on NLRP3": ["gain_BHB_brain_to_nlrp3_il1b__BHB"]}, workers=1)
    >>> table["kept"].tolist()
    ['all', 'without', 'none']
    """
    require_model(model)
    if held not in get_args(Held):
        raise unknown_name("value of held", held, get_args(Held))
    members = _members(model, groups)
    cut = _cuts(members, only)
    table = {}
    for wire in [w for w in connections(model) if any(w.gain in names for _, _, names in cut)]:
        column, whole = (KEEP + wire.gain, 1.0) if held == "untreated" else (wire.gain, _gain(model, wire.gain))
        table[column] = np.array([0.0 if wire.gain in names else whole for _, _, names in cut])
    runs = ensemble(
        holding(model) if held == "untreated" else model,
        table,
        treatments,
        outcomes=outcomes,
        weeks=weeks,
        duration=duration,
        every=every,
        workers=workers,
        executor=executor,
        progress=progress,
    )
    frame = runs.to_dataframe()
    frame.insert(0, "group", [name for name, _, _ in cut])
    frame.insert(1, "kept", [kept for _, kept, _ in cut])
    frame.insert(2, "wires", [len(names) for _, _, names in cut])
    return frame


def connections(model: Model) -> tuple[Connection, ...]:
    """The wires of a coupled model; `ModelError` if it has none."""
    found = _connections(model.sbml, frozenset(model.gains))
    if not found:
        raise ModelError(f"{model.name} has no wires; lesions are for coupled models")
    return found


@lru_cache(maxsize=8)
def _connections(sbml: str, gains: frozenset[str]) -> tuple[Connection, ...]:
    document = _sbml.parse(sbml)  # kept: what libSBML hands out dies with its document
    found = []
    for rule in document.getModel().getListOfRules():
        for gain, effect in _effects(rule, gains):
            source = next(n.getName() for n in nodes(effect) if n.isName())
            found.append(Connection(gain=gain, target=rule.getVariable(), source=source))
    return tuple(found)


def _effects(rule: libsbml.Rule, gains: Collection[str]) -> Iterator[tuple[str, libsbml.ASTNode]]:
    """(gain, what it weighs) of every wire in the rule of an input: `gain*effect`."""
    for node in nodes(rule.getMath()):
        if node.getNumChildren() == 2 and node.getChild(0).isName() and node.getChild(0).getName() in gains:
            yield node.getChild(0).getName(), node.getChild(1)


def _members(model: Model, groups: str | Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    wires = connections(model)
    if groups == "wire":
        return {w.gain.removeprefix("gain_"): (w.gain,) for w in wires}
    if groups == "module":
        modules = dict.fromkeys(w.source_module for w in wires)
        return {m: tuple(w.gain for w in wires if w.source_module == m) for m in modules}
    if isinstance(groups, str):
        raise unknown_name("grouping", groups, ("module", "wire"))
    if not groups or not all(groups.values()):
        raise InvalidValueError(f"groups is {dict(groups)}; give {{name: [gains]}}, none of them empty")
    known = {w.gain for w in wires}
    for gain in [g for names in groups.values() for g in names]:
        if gain not in known:
            raise unknown_name(f"wire of {model.name}", gain, known)
    return {name: tuple(names) for name, names in groups.items()}


def _cuts(members: Mapping[str, tuple[str, ...]], only: bool) -> list[tuple[str, str, frozenset[str]]]:
    """(group, what is kept, gains that are cut) per row."""
    every = frozenset(g for names in members.values() for g in names)
    cuts = [("intact", "all", frozenset[str]())]
    cuts += [(name, "without", frozenset(names)) for name, names in members.items()]
    if only:
        cuts += [(name, "only", every - frozenset(names)) for name, names in members.items()]
    return [*cuts, ("all groups", "none", every)]


def _gain(model: Model, gain: str) -> float:
    return float(model.settings.get(gain, model.quantities[gain].value))


def holding(model: Model) -> Model:
    """The model with a switch `keep_of_<gain>` per wire: 1 changes nothing, with 0 the wire holds its untreated value.

    The source of each wire, `x`, becomes `keep*x + (1 - keep)*hold` there.
    """
    wires = connections(model)
    rest = at_rest(model, list(dict.fromkeys(w.source for w in wires)))
    values = {HOLD + w.gain: rest[w.source] for w in wires}
    return replace(model, sbml=_with_switches(model.sbml, wires), settings={**model.settings, **values})


@lru_cache(maxsize=4)
def _with_switches(sbml: str, wires: tuple[Connection, ...]) -> str:
    document = _sbml.parse(sbml)
    model = document.getModel()
    for wire in wires:
        source = model.getElementBySId(wire.source)
        add_parameter(model, KEEP + wire.gain, 1.0, "dimensionless")
        add_parameter(model, HOLD + wire.gain, 0.0, source.getUnits())
        keep = f"{KEEP}{wire.gain}"
        held = tree(f"{keep}*{wire.source} + (1 dimensionless - {keep})*{HOLD}{wire.gain}")
        rule = model.getAssignmentRuleByVariable(wire.target)
        for _, effect in _effects(rule, {wire.gain}):
            effect.replaceArgument(wire.source, held)
    return _sbml.write(document)
