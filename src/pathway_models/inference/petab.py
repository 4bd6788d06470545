"""A calibration as a PEtab problem (version 1): SBML, conditions, observables, measurements and parameters as files."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._files import write_whole
from .._sbml import sbml
from .._sbml.edit import with_values
from .._sbml.native import libsbml
from .._types import Brief
from ..errors import InvalidValueError, ModelError
from ..evidence.observations import Observation, arranged, assumed
from ..models.model import Model
from ..modules.module import Parameter
from ..sensitivity.factors import Wanted
from ..simulation.job import at_rest
from ..simulation.phases import Phase, phases
from .objective import (
    PRIOR_SD,
    Target,
    Which,
    choose_constants,
    edges,
    find_targets,
    in_use,
    logarithmic,
    started,
    to_values,
)
from .predictor import hypothesis_keys

if TYPE_CHECKING:
    import pandas as pd

FILES = {
    "condition_files": "conditions.tsv",
    "measurement_files": "measurements.tsv",
    "observable_files": "observables.tsv",
    "sbml_files": "model.xml",
}
PARAMETER_FILE, YAML_FILE, LEFT_OUT_FILE = "parameters.tsv", "problem.yaml", "left_out.tsv"
TRACK_BEFORE = "track_before"
START = 1e-6  # of the length of a run: when a dose at time 0 is given
NO_NUMBER = "a direction, PEtab holds numbers only"
NO_REDUCTION = "{}: PEtab version 1 reads values at a time, no extremes"
RELEASED = "read at rest, where it changes as soon as the constants that the context holds are released"
JUMP = 1e-6  # relative
TWO_RESTS = "a baseline in health under a treatment: PEtab version 1 has one pre-equilibration per measurement"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PetabProblem(Brief):
    """What `write_petab` wrote: the YAML file, the ids of the measured observations, and what was left out and why."""

    yaml: Path
    measured: tuple[str, ...]
    left_out: pd.DataFrame


@dataclass(frozen=True, kw_only=True)
class _Condition:
    """One row of the condition table: id, name, values of ids (a text is the id of an estimated parameter)."""

    id: str
    name: str
    values: Mapping[str, float | str]


@dataclass(kw_only=True)
class _Problem:
    """The tables while they are filled, and the SBML document that is extended with them."""

    model: Model
    document: libsbml.SBMLDocument
    parameters: tuple[Parameter, ...]
    conditions: list[_Condition] = field(default_factory=list)
    observables: dict[str, str] = field(default_factory=dict)
    measurements: list[dict[str, Any]] = field(default_factory=list)
    renamed: set[str] = field(default_factory=set)


def write_petab(
    model: Model,
    parameters: Wanted,
    observations: Which,
    folder: str | Path,
    *,
    start_at: Mapping[str, float] | None = None,
    allow: Sequence[str] = ("fitted",),
    prior: bool = True,
    assumed_error: float = 0.25,
) -> PetabProblem:
    """Write the problem that `calibrate` would solve as PEtab version 1 into `folder`, for pyPESTO, AMICI or COPASI.

    Arguments as in `calibrate`, same errors, priors and ranges. Every run starts from a pre-equilibration. Levels that
    last are values in the condition table; switches and doses are events of the SBML, each switched on by a constant of
    its own condition (a dose at time 0 after a millionth of the run). Percent changes are written as folds. Two
    additions make ratios possible: `before_X` follows the variable X during pre-equilibration (`track_before` = 1) and
    keeps its value afterwards (0), or, where a context holds constants while a rest is searched, takes the value at the
    first event; a constant that a context anchors follows its variable (`track_` and its id) or,
    in other contexts, goes to its own value (`release_`). Directions, extremes, and baselines in health under a
    treatment cannot be expressed: they are in `left_out` and left_out.tsv with the reason. Raises as `calibrate`;
    `InvalidValueError` if nothing can be expressed, `ModelError` if the folder cannot be written.
    Source: Schmiester et al. 2021, doi:10.1371/journal.pcbi.1008646.

    >>> import pathway_models as pm, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     made = write_petab(pm.load("ampk_pgc1a"), ["gain_BHB_GSH"], ["kd_gsh"], folder, allow=["assumed"])
    ...     print(made.yaml.name, made.measured)
    problem.yaml ('kd_gsh',)
    """
    import pandas as pd

    if model.context is None:
        raise InvalidValueError(f"{model.name} is a file from elsewhere: calibrations of library models can be written")
    targets = find_targets(model, observations, assumed_error)
    chosen = choose_constants(model, parameters, allow)
    model = started(model, chosen, start_at)
    reasons = {t.observation.id: _reason(model, t.observation) for t in targets}
    absent = [{"id": k, "reason": v} for k, v in reasons.items() if v]
    kept = [t for t in targets if not reasons[t.observation.id]]
    if not kept:
        raise InvalidValueError(
            f"PEtab can express none of the observations: {'; '.join(sorted({r['reason'] for r in absent}))}"
        )
    # the published start: every rest is searched from there, and some states keep a memory of where they came from
    text = with_values(model.sbml, model.settings)
    problem = _Problem(model=model, document=sbml.read(text), parameters=chosen)
    _fill(problem, kept)
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name, text in _texts(problem, prior=prior).items():
            write_whole(target / name, text)
        write_whole(target / LEFT_OUT_FILE, _table(["id", "reason"], absent))
    except OSError as error:
        raise ModelError(f"cannot write {target}: {error.strerror}") from error
    return PetabProblem(
        yaml=target / YAML_FILE,
        measured=tuple(t.observation.id for t in kept),
        left_out=pd.DataFrame(absent, columns=["id", "reason"]).set_index("id"),
    )


def _reason(model: Model, row: Observation) -> str:
    """Why PEtab cannot express an observation; empty if it can."""
    if not row.numeric:
        return NO_NUMBER
    if row.reduce != "at":
        return NO_REDUCTION.format(row.reduce)
    if row.baseline != "healthy":
        return ""
    return TWO_RESTS if row.hours > 0 else RELEASED if _jumps(model, row) else ""


def _jumps(model: Model, row: Observation) -> bool:
    """Whether an observable at rest changes at once where the constants that a context holds get their own values."""
    for variant in (assumed(model.with_context("healthy"), row), arranged(model, row)):
        key = variant.resolve(row.observable)
        context = variant.contexts[variant.context or ""]
        held = replace(variant, contexts={context.name: replace(context, held={})})
        free, kept = at_rest(variant, [key])[key], at_rest(held.with_parameters(variant.held), [key])[key]
        if abs(free - kept) > JUMP * abs(kept):
            return True
    return False


# ---- conditions and measurements ---------------------------------------------------------------------------------


def _fill(problem: _Problem, targets: Sequence[Target]) -> None:
    groups: dict[tuple[Any, ...], list[Target]] = {}
    for t in targets:
        groups.setdefault((*t.observation.condition, t.observation.baseline == "healthy"), []).append(t)
    fixed = [_fixed(problem.model, members[0].observation) for members in groups.values()]
    ids = {p.id for p in problem.parameters}
    problem.renamed = ids & set().union(*fixed)
    for number, (members, own) in enumerate(zip(groups.values(), fixed, strict=True), 1):
        _add_group(problem, number, members, own)
    _add_tracking(problem)


def _fixed(model: Model, row: Observation) -> set[str]:
    """What an observation sets itself, which wins over an estimate: its settings and its hypotheses."""
    return {model.resolve(k) for k, _ in row.settings} | hypothesis_keys(model, row)


def _add_group(problem: _Problem, number: int, members: Sequence[Target], fixed: set[str]) -> None:
    model, row = problem.model, members[0].observation
    variant = arranged(model, row)
    healthy = row.baseline == "healthy"
    rest = assumed(model.with_context("healthy"), row) if healthy else variant
    rest_fixed = hypothesis_keys(model, row) if healthy else fixed
    duration = max(t.observation.hours for t in members) or 1.0
    pieces = phases(variant, row.schedule, duration)
    gate = f"schedule_{number}"
    # at the rest of `variant` there is no treatment: what is held while a rest is searched stays held there
    before = {**rest.settings, **rest.held, TRACK_BEFORE: 1.0, **_anchoring(problem, rest, moving=True)}
    run = {**variant.settings, **(variant.held if healthy else {})}
    run |= {TRACK_BEFORE: 0.0, **_anchoring(problem, variant, moving=healthy)}
    observables = [_observable(problem, variant.resolve(t.observation.observable), ratio=t.ratio) for t in members]
    base = {**_published(problem), **variant.settings}
    captured: dict[str, str] = {}
    if variant.held and not healthy:  # the value before treatment is the one after the release of what was held
        keys = [variant.resolve(t.observation.observable) for t in members if t.ratio]
        captured = {f"before_{k}": _symbol(problem, k) for k in keys}
    begin = dict(base) if captured else {**base, **dict(pieces[0].levels)}
    run |= {} if captured else dict(pieces[0].levels)
    if _add_events(problem, gate, pieces, base, begin, captured):
        before[gate], run[gate] = 0.0, 1.0
    arm = row.treatments or "no treatment"
    pair = ((f"rest_{number}", f"{rest.context}, at rest", before, rest_fixed), (f"run_{number}", arm, run, fixed))
    for name, text, values, own in pair:
        problem.conditions.append(_Condition(id=name, name=text, values=_cells(problem, values, own)))
    for t, observable in zip(members, observables, strict=True):
        o = t.observation
        problem.measurements.append(
            {
                "observableId": observable,
                "preequilibrationConditionId": f"rest_{number}",
                "simulationConditionId": f"run_{number}",
                "measurement": repr(t.scale / 100 if o.comparison == "percent_change" else o.value),
                "time": "inf" if healthy else repr(o.hours),
                "noiseParameters": repr(t.error / t.scale if t.ratio else t.error),
                "datasetId": o.id,
            }
        )


def _cells(problem: _Problem, values: Mapping[str, float], fixed: set[str]) -> dict[str, float | str]:
    """Values of a condition, with the estimated constants taken out or, where some condition fixes them, by name."""
    ids = {p.id for p in problem.parameters}
    cells: dict[str, float | str] = {k: float(v) for k, v in values.items() if k not in ids}
    for key in problem.renamed:
        cells[key] = float(values.get(key, _published(problem)[key])) if key in fixed else f"fit_{key}"
    return cells


def _published(problem: _Problem) -> Mapping[str, float]:
    return {k: q.value for k, q in problem.model.quantities.items()}


def _observable(problem: _Problem, key: str, *, ratio: bool) -> str:
    """The id of the observable of a variable or of its ratio to the value before, new where it is the first."""
    symbol = _symbol(problem, key)
    name, formula = f"value_{key}", symbol
    if ratio:
        name, formula = f"ratio_{key}", f"{symbol} / before_{key}"
        _follow(problem.document, f"before_{key}", symbol, TRACK_BEFORE)
    problem.observables[name] = formula
    return name


def _symbol(problem: _Problem, key: str) -> str:
    """The id itself, or for a reaction that of a variable that follows its rate: formulas cannot name reactions."""
    model = problem.document.getModel()
    if model.getReaction(key) is None:
        return key
    name = f"rate_{key}"
    if model.getParameter(name) is None:
        _parameter(model, name, 0.0, "")
        rule = model.createAssignmentRule()
        rule.setVariable(name)
        rule.setMath(libsbml.parseL3Formula(key))
    return name


# ---- additions to the SBML ----------------------------------------------------------------------------------------


def _anchors(model: Model) -> dict[str, str]:
    """The constants that some context anchors, with their variables."""
    return {k: v for context in model.contexts.values() for k, v in context.anchors.items()}


def _anchoring(problem: _Problem, variant: Model, *, moving: bool) -> dict[str, float]:
    """Switches at the rest of `variant`: an anchored constant follows its variable, any other goes to its own value."""
    found: dict[str, float] = {}
    for key in _anchors(problem.model):
        follows = key in variant.anchors and key not in variant.settings
        found |= {f"track_{key}": float(moving and follows), f"release_{key}": float(moving and not follows)}
        found[f"own_{key}"] = float(variant.settings.get(key, _published(problem)[key]))
    return found


def _add_tracking(problem: _Problem) -> None:
    """The switches of what follows a variable during pre-equilibration, and the anchored constants among it."""
    model = problem.document.getModel()
    per_time = _per_time(model)
    _parameter(model, TRACK_BEFORE, 0.0, per_time)
    for key, variable in _anchors(problem.model).items():
        track, release, own = (f"{part}_{key}" for part in ("track", "release", "own"))
        _parameter(model, track, 0.0, per_time)
        _parameter(model, release, 0.0, per_time)
        _parameter(model, own, _published(problem)[key], _unit_id(model, key))
        model.getParameter(key).setConstant(False)
        rule = model.createRateRule()
        rule.setVariable(key)
        rule.setMath(_formula(f"{track} * ({variable} - {key}) + {release} * ({own} - {key})"))


def _follow(document: libsbml.SBMLDocument, name: str, variable: str, switch: str) -> None:
    """A rate rule that pulls `name` to the value of `variable` while the switch is 1."""
    model = document.getModel()
    if model.getParameter(name) is None:
        _parameter(model, name, 1.0, _unit_id(model, variable))
    if model.getRateRule(name) is not None:
        return
    model.getParameter(name).setConstant(False)
    rule = model.createRateRule()
    rule.setVariable(name)
    rule.setMath(libsbml.parseL3Formula(f"{switch} * ({variable} - {name})"))


def _add_events(
    problem: _Problem,
    gate: str,
    pieces: Sequence[Phase],
    base: Mapping[str, float],
    begin: Mapping[str, float],
    captured: Mapping[str, str],
) -> bool:
    """Events for the switches and doses of one condition; whether there are any.

    Inputs have the values of `begin` at time 0 and of `base` where no level is given. The first event also stores the
    variables in `captured` (id -> variable), as they are before it.
    """
    model = problem.document.getModel()
    touched = sorted({key for piece in pieces for key, _ in piece.levels})
    last = {k: begin[k] for k in touched}
    number = 0
    for piece in pieces:
        now = {**{k: base[k] for k in touched}, **dict(piece.levels)}
        changes = {k: _number(v, _unit_id(model, k)) for k, v in now.items() if v != last[k]}
        changes |= {k: f"{k} + {_number(v, _unit_id(model, k))}" for k, v in piece.doses}
        if piece is pieces[0]:
            changes |= captured
        last = now
        if changes:
            number += 1
            # simulators differ in whether an event at the very start fires after a pre-equilibration
            start = piece.start or START * pieces[-1].stop
            _event(
                model,
                f"{gate}_{number}",
                f"time >= {_time(model, start)} && {gate} > {_number(0.5, 'dimensionless')}",
                changes,
            )
    if number:
        _parameter(model, gate, 0.0, "dimensionless")
    return number > 0


def _event(model: libsbml.Model, name: str, trigger: str, changes: Mapping[str, str]) -> None:
    event = model.createEvent()
    event.setId(name)
    event.setUseValuesFromTriggerTime(True)
    condition = event.createTrigger()
    condition.setInitialValue(False)
    condition.setPersistent(True)
    condition.setMath(_formula(trigger))
    for key, text in changes.items():
        if model.getParameter(key) is not None:
            model.getParameter(key).setConstant(False)
        assignment = event.createEventAssignment()
        assignment.setVariable(key)
        assignment.setMath(_formula(text))


def _formula(text: str) -> Any:
    found = libsbml.parseL3Formula(text)
    if found is None:
        raise ModelError(f"libSBML cannot read the formula {text!r}: {libsbml.getLastParseL3Error()}")
    return found


def _number(value: float, unit: str) -> str:
    return f"{value!r} {unit}".strip()


def _time(model: libsbml.Model, value: float) -> str:
    return _number(value, model.getTimeUnits() if model.getLevel() > 2 else "")


def _parameter(model: libsbml.Model, name: str, value: float, unit: str) -> None:
    item = model.createParameter()
    item.setId(name)
    item.setValue(value)
    item.setConstant(False)
    if unit:
        item.setUnits(unit)


def _unit_id(model: libsbml.Model, key: str) -> str:
    """The id of the unit of a variable, defined here where the model has none; empty where it is not declared."""
    item = model.getElementBySId(key)
    found = item.getDerivedUnitDefinition()
    if found is None or found.getNumUnits() == 0:
        return ""
    if libsbml.UnitDefinition(found).isVariantOfDimensionless() and item.getElementName() == "parameter":
        return "dimensionless"
    if item.getElementName() == "parameter" and item.isSetUnits():
        return str(item.getUnits())
    name = f"unit_of_{key}"
    if model.getUnitDefinition(name) is None:
        _define(model, name, [(u, u.getExponentAsDouble()) for u in found.getListOfUnits()])
    return name


def _per_time(model: libsbml.Model) -> str:
    """The id of one per unit of time, defined here; empty where the unit of time is not declared."""
    base = model.getUnitDefinition(model.getTimeUnits()) if model.getLevel() > 2 else None
    if base is None:
        return ""
    name = "unit_of_tracking"
    if model.getUnitDefinition(name) is None:
        _define(model, name, [(u, -u.getExponentAsDouble()) for u in base.getListOfUnits()])
    return name


def _define(model: libsbml.Model, name: str, units: Sequence[tuple[Any, float]]) -> None:
    made = model.createUnitDefinition()
    made.setId(name)
    for unit, exponent in units:
        copy = made.createUnit()
        copy.setKind(unit.getKind())
        copy.setExponent(exponent)
        copy.setScale(unit.getScale())
        copy.setMultiplier(unit.getMultiplier())


# ---- files -------------------------------------------------------------------------------------------------------


def _texts(problem: _Problem, *, prior: bool) -> dict[str, str]:
    """File name -> text."""
    observables = [
        {
            "observableId": k,
            "observableFormula": v,
            "observableTransformation": "log" if k.startswith("ratio_") else "lin",
            "noiseFormula": f"noiseParameter1_{k}",
            "noiseDistribution": "normal",
        }
        for k, v in problem.observables.items()
    ]
    columns = [str(k) for k in problem.measurements[0]]
    parameters = _parameter_rows(problem, prior=prior)
    return {
        FILES["sbml_files"]: sbml.write(problem.document),
        FILES["condition_files"]: _condition_table(problem),
        FILES["observable_files"]: _table(list(observables[0]), observables),
        FILES["measurement_files"]: _table(columns, problem.measurements),
        PARAMETER_FILE: _table(list(parameters[0]), parameters),
        YAML_FILE: _yaml(),
    }


def _yaml() -> str:
    lines = ["format_version: 1", f"parameter_file: {PARAMETER_FILE}", "problems:"]
    for i, (key, name) in enumerate(FILES.items()):
        lines += [f"  {'-' if i == 0 else ' '} {key}:", f"      - {name}"]
    return "\n".join(lines) + "\n"


def _condition_table(problem: _Problem) -> str:
    """Conditions with a column for every id whose value differs between them or from the SBML."""
    in_file = {**_published(problem), **problem.model.settings}
    in_file |= {f"own_{key}": in_file[key] for key in _anchors(problem.model)}
    estimated = {p.id for p in problem.parameters} - problem.renamed
    used = [k for c in problem.conditions for k in c.values]
    keys = dict.fromkeys(k for k in (*used, *problem.model.settings) if k not in estimated)
    rows = []
    for c in problem.conditions:
        full = {k: c.values.get(k, _published(problem).get(k, 0.0)) for k in keys}
        rows.append({"conditionId": c.id, "conditionName": c.name, **full})
    moving = [k for k in keys if k not in _anchors(problem.model) and any(r[k] != in_file.get(k, 0.0) for r in rows)]
    return _table(
        ["conditionId", "conditionName", *moving],
        [{k: r[k] for k in r if k in {*moving, "conditionId", "conditionName"}} for r in rows],
    )


def _parameter_rows(problem: _Problem, *, prior: bool) -> list[dict[str, Any]]:
    places = in_use(problem.model, problem.parameters)
    nominal = to_values(problem.parameters, places)
    rows = []
    for p, place, value in zip(problem.parameters, places, nominal, strict=True):
        low, high = (e / math.log(10) if logarithmic(p) else e for e in edges(p))
        row = {
            "parameterId": f"fit_{p.id}" if p.id in problem.renamed else p.id,
            "parameterName": p.id,
            "parameterScale": "log10" if logarithmic(p) else "lin",
            "lowerBound": repr(float(p.low or 0.0)),
            "upperBound": repr(float(p.high or 0.0)),
            "nominalValue": repr(float(value)),
            "estimate": 1,
        }
        if prior:
            row["objectivePriorType"] = "parameterScaleNormal"
            row["objectivePriorParameters"] = (
                f"{float(low + place * (high - low))!r};{float(PRIOR_SD * (high - low))!r}"
            )
        rows.append(row)
    return rows


def _table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, delimiter="\t", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
