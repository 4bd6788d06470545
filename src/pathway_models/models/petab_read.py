"""Read a PEtab problem, version 1 or 2: its model with nominal values and bounds, experiments, measurements."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from .._formulas.expression import formula, substitute
from .._sbml import sbml
from .._sbml.edit import with_values
from .._sbml.files import model_text
from ..errors import ModelError
from ..modules.experiments import Experiments, Measurement, Period
from ..modules.module import Parameter
from .experiments import REST, with_start
from .foreign import from_sbml
from .model import Model
from .petab_files import MISSING, ProblemFiles, Row, by_id, read_files, yaml_file

THEN = ">"  # between the pre-equilibration condition and the condition of an experiment of version 1; in no id
_FINITE = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
SCALES = {"": "uniform", "lin": "uniform", "log": "loguniform", "log10": "loguniform"}


def load_problem(source: Path) -> Model:
    """The model of a PEtab problem, given by its YAML file or by the folder that holds it alone.

    Nominal values are in use (`settings`), bounds are the ranges, log scales become log-uniform; what only formulas
    name is kept with the experiments. Raises `ModelError` with file and line for what cannot be read or is not
    supported (several models, other languages than SBML, ids that a mapping table gives, required extensions).
    """
    problem = read_files(yaml_file(source))
    model = from_sbml(_completed(model_text(problem.sbml), problem), name=problem.path.stem)
    model, constants = _with_parameters(model, problem)
    periods, experiment_of = (_conditions_1 if problem.version == 1 else _experiments_2)(model, problem)
    free = {target for steps in dict(periods).values() for p in steps for target, _ in p.values}
    known = {*model.quantities, *sbml.content(model.sbml, model.name).reactions, *constants, *free, "time"}
    _check_values(periods, known)
    measured = tuple(_measurements(model, problem, experiment_of, known))
    return replace(
        model,
        experiment_set=Experiments(
            measurements=measured,
            periods=periods,
            constants=tuple(constants.items()),
            in_file=problem.version == 1,
        ),
    )


def _completed(text: str, problem: ProblemFiles) -> str:
    """The SBML with a value for each parameter that has one in the tables only."""
    sbml.screen(text, problem.sbml.name)
    document = sbml.read(text)
    model = document.getModel()
    given: dict[str, str] = {}
    for row in problem.tables["conditions"]:
        given = ({row["targetId"]: row["targetValue"]} if problem.version == 2 else dict(row.cells)) | given
    given |= {row["parameterId"]: row["nominalValue"] for row in problem.tables["parameters"]}
    lacking = [p.getId() for p in (model.getListOfParameters() if model else ()) if not p.isSetValue()]
    known = {k: float(given[k]) for k in lacking if _FINITE.fullmatch(given.get(k, ""))}
    return with_values(text, {k: v for k, v in known.items() if not model.getInitialAssignment(k)})


# ---- parameters --------------------------------------------------------------------------------------------


def _with_parameters(model: Model, problem: ProblemFiles) -> tuple[Model, dict[str, float]]:
    """The model with nominal values and bounds, and the constants that it does not have."""
    rows = by_id(problem.tables["parameters"], "parameterId")
    constants = {k: row.number("nominalValue") for k, row in rows.items() if k not in model.quantities}
    own = {k: row for k, row in rows.items() if k in model.quantities}
    for key, row in own.items():
        quantity = model.quantities[key]
        if quantity.ruled == "assignment" or quantity.kind == "species":
            raise row.error(f"parameterId is {key!r}, which the model computes; allowed are its constants")
    nominal = {k: v for k, row in own.items() if not math.isnan(v := row.number("nominalValue"))}
    parameters = tuple(with_bounds(p, own[p.id], problem.version) if p.id in own else p for p in model.constants)
    return with_start(replace(model, constants=parameters), nominal), constants


def with_bounds(parameter: Parameter, row: Row, version: int) -> Parameter:
    """A parameter with the bounds of the table; what the model file says of its source and range wins."""
    low, high = row.number("lowerBound"), row.number("upperBound")
    if parameter.kind != "unknown" or not low < high or math.isinf(high - low):
        return parameter
    if version == 1:
        distribution = SCALES[row.choice("parameterScale", SCALES)]
        if distribution == "loguniform" and low <= 0:
            raise row.error(f"lowerBound is {row['lowerBound']} on a logarithmic scale; allowed is above 0")
    else:
        distribution = "loguniform" if row["priorDistribution"].startswith("log-") and low > 0 else "uniform"
    fixed = row["estimate"].lower() in ("0", "0.0", "false")
    note = "bounds of the PEtab problem" + (", which does not estimate it" if fixed else "")
    return replace(parameter, low=low, high=high, distribution=distribution, note=note)


# ---- experiments -------------------------------------------------------------------------------------------

_Periods = tuple[tuple[str, tuple[Period, ...]], ...]


def _check_values(periods: _Periods, known: set[str]) -> None:
    for name, steps in periods:
        for period in steps:
            for target, text in period.values:
                unknown = sorted(formula(text).names - known)
                if unknown:
                    raise ModelError(
                        f"experiment {name!r}: the value {text!r} of {target} names {unknown[0]!r}, which is neither "
                        "in the model nor in the parameter table"
                    )


def _conditions_1(model: Model, problem: ProblemFiles) -> tuple[_Periods, dict[str, str]]:
    """The experiments of version 1: each condition, and each pair of conditions that measurements name."""
    conditions: dict[str, tuple[tuple[str, str], ...]] = {}
    named = _named(problem)
    for name, row in by_id(problem.tables["conditions"], "conditionId").items():
        targets = [k for k in row.cells if k and k not in ("conditionId", "conditionName")]
        for key in targets:
            _check_target(model, row, key, named)
        conditions[name] = tuple((k, _value(row, k)) for k in targets if row[k] not in MISSING)
    experiment_of: dict[str, str] = {}
    periods: dict[str, tuple[Period, ...]] = {
        name: (Period(time=0.0, values=values),) for name, values in conditions.items()
    }
    for row in problem.tables["measurements"]:
        condition = row.choice("simulationConditionId", conditions)
        before = row["preequilibrationConditionId"]
        name = condition
        steps: tuple[Period, ...] = (Period(time=0.0, values=conditions[condition]),)
        if before not in MISSING:
            row.choice("preequilibrationConditionId", conditions)
            name = f"{before}{THEN}{condition}"
            steps = (Period(time=REST, values=conditions[before]), *steps)
        periods[name] = steps
        experiment_of[row.where] = name
    return tuple(periods.items()), experiment_of


def _experiments_2(model: Model, problem: ProblemFiles) -> tuple[_Periods, dict[str, str]]:
    """The experiments of version 2, with the values of their conditions."""
    conditions: dict[str, list[tuple[str, str]]] = {}
    for row in problem.tables["conditions"]:
        _check_target(model, row, row["targetId"], set())
        condition = conditions.setdefault(row["conditionId"], [])
        if row["targetId"] in dict(condition):
            raise row.error(f"targetId is {row['targetId']!r}, which {row['conditionId']} sets a second time")
        condition.append((row["targetId"], _value(row, "targetValue")))
    found: dict[str, dict[float, list[tuple[str, str]]]] = {}
    for row in problem.tables["experiments"]:
        time = row.number("time")
        if math.isnan(time) or time == math.inf:
            raise row.error(f"time is {row['time']!r}; allowed are numbers and -inf")
        values = conditions[row.choice("conditionId", conditions)] if row["conditionId"] not in MISSING else []
        now = found.setdefault(row["experimentId"], {}).setdefault(time, [])
        double = sorted({k for k, _ in now} & {k for k, _ in values})
        if double:
            raise row.error(f"conditionId is {row['conditionId']!r}, which sets {double[0]} a second time at {time:g}")
        now += values
    periods = {n: tuple(Period(time=t, values=tuple(v)) for t, v in sorted(s.items())) for n, s in found.items()}
    experiment_of = {}
    for row in problem.tables["measurements"]:
        if not row["experimentId"]:
            periods[""] = (Period(time=0.0, values=()),)
        experiment_of[row.where] = row.choice("experimentId", periods)
    return tuple(periods.items()), experiment_of


def _named(problem: ProblemFiles) -> set[str]:
    """What formulas name that need not be in the model."""
    columns = ("observableFormula", "noiseFormula")
    texts = [_value(row, c) for row in problem.tables["observables"] for c in columns]
    cells = (r[c] for r in problem.tables["measurements"] for c in ("observableParameters", "noiseParameters"))
    return {n for t in texts for n in formula(t).names} | {n.strip() for c in set(cells) for n in c.split(";")}


def _check_target(model: Model, row: Row, key: str, named: set[str]) -> None:
    quantity = model.quantities.get(key)
    if quantity is None and key not in named:
        raise row.error(f"{key!r} is set, which is not in the model; allowed are its constants and states")
    if quantity is not None and quantity.ruled == "assignment":
        raise row.error(f"{key} is set, which a rule of the model computes; allowed are constants and states")


def _value(row: Row, column: str) -> str:
    """The text of a formula that can be read."""
    try:
        formula(row[column])
    except ModelError as error:
        raise row.error(f"{column}: {error}") from None
    return row[column]


# ---- measurements ------------------------------------------------------------------------------------------


def _measurements(
    model: Model, problem: ProblemFiles, experiment_of: Mapping[str, str], known: set[str]
) -> Iterator[Measurement]:
    observables = by_id(problem.tables["observables"], "observableId")
    for row in problem.tables["measurements"]:
        observable = observables[row.choice("observableId", observables)]
        given = _given(observable, "observable", row)
        text = substitute(observable["observableFormula"], given)
        given |= {**_given(observable, "noise", row), observable["observableId"]: text}
        noise = substitute(observable["noiseFormula"], given)
        for column, wording in (("observableFormula", text), ("noiseFormula", noise)):
            unknown = sorted(formula(wording).names - known)
            if unknown:
                raise observable.error(
                    f"{column} names {unknown[0]!r}, which is neither in the model nor in the parameter table"
                )
        time, measurement = row.number("time"), row.number("measurement")
        if not time >= 0:
            raise row.error(f"time is {row['time']!r}; allowed are numbers from 0, and inf")
        yield Measurement(
            observable=observable["observableId"],
            experiment=experiment_of[row.where],
            time=time,
            measurement=measurement,
            unit=model.quantities[text].unit if text in model.quantities else "",
            formula=text,
            noise_formula=noise,
            distribution=_distribution(observable, problem.version),
        )


def _given(observable: Row, kind: str, row: Row) -> dict[str, str]:
    """What a measurement gives for the placeholders of a formula of its observable."""
    column, name = f"{kind}Formula", observable["observableId"]
    text = _value(observable, column)
    names = [n.strip() for n in observable[f"{kind}Placeholders"].split(";") if n.strip()]
    if not names:
        pattern = re.compile(rf"{kind}Parameter(\d+)_{re.escape(name)}")
        numbers = sorted(int(m[1]) for n in formula(text).names if (m := pattern.fullmatch(n)))
        names = [f"{kind}Parameter{i}_{name}" for i in numbers]
    given = [v.strip() for v in row[f"{kind}Parameters"].split(";") if v.strip() not in MISSING]
    if len(given) != len(names):
        raise row.error(f"{kind}Parameters has {len(given)} values; {column} of {name} takes {len(names)}")
    return dict(zip(names, given, strict=True))


def _distribution(observable: Row, version: int) -> str:
    name = observable["noiseDistribution"] or "normal"
    if version == 2:
        return name
    scale = observable["observableTransformation"]
    return name if scale in (*MISSING, "lin") else f"{scale}-{name}"
