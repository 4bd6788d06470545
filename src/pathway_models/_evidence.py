"""The published numbers: tables, observations that a model is run against, and the works behind its values."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

import numpy as np

from . import _library, _sbml
from ._interventions import Dose, Level, Treatment, named, phases
from ._model import Model
from ._module import Hypothesis
from ._simulate import Array, at_rest, make_job, run_job
from .errors import InvalidValueError, ModelError, PathwayModelsError, unknown_name

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Kind = Literal["measurements", "responses"]
Use = Literal["fit", "check"]
Baseline = Literal["self", "untreated", "healthy", ""]
Reduce = Literal["at", "peak", "trough", "time_of_peak"]
Comparison = Literal["fold", "percent_change", "absolute", "up", "down", "none"]
T = TypeVar("T")


def _columns(text: str) -> tuple[str, ...]:
    return tuple(text.split())


TABLE_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "measurements": _columns(
        "id quantity value low high unit organism tissue condition source_kind citation reference url note"
    ),
    "responses": _columns(
        "id intervention organism disease_model tissue dose_or_schedule duration_days observable comparison metric "
        "value error error_kind unit n p source_kind citation reference url note"
    ),
}
OBSERVATION_COLUMNS = _columns(
    "id use context hypotheses settings baseline treatments hours observable reduce comparison value error "
    "error_kind source expected_under note"
)
REPORT_COLUMNS = _columns(
    "id use observable comparison prediction observed error z ratio verdict source expected_under hypotheses "
    "context treatments hours note"
)
NUMERIC = ("fold", "percent_change", "absolute")
# Half-width of one standard deviation in each kind of error; a number without a kind is taken as it stands.
WIDTHS: Mapping[str, float] = {"CI95": 3.92, "IQR": 1.35}
SIGN_THRESHOLD = 0.01  # smallest relative change that counts as up or down
FROM_REST = 1e6  # percent change of what rests at 0
NONE_THRESHOLD = 0.05  # largest relative change that counts as none
POINTS_PER_COURSE = 800  # for peaks and troughs
NUMBER = r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
INTERVAL = re.compile(rf"({NUMBER})(?:-| to )({NUMBER})")
WITHIN_ONE, WITHIN_TWO, OUTSIDE = "within one error", "within two errors", "outside two errors"
NO_ERROR, RIGHT, WRONG, FAILED = "no error given", "right", "wrong", "failed"


# ---- the evidence tables -----------------------------------------------------------------------------------


def evidence_table(kind: Kind = "responses") -> pd.DataFrame:
    """The published numbers as text, index `id`: 'measurements' (constants) or 'responses' (what changed).

    Units are as printed, column `unit`. Raises `UnknownNameError` for another kind and `ModelError`, with file and
    line, for a table that breaks its schema.

    >>> evidence_table("responses").loc["clinical:C001", "value"]
    '62'
    """
    import pandas as pd

    rows = [dict(zip(TABLE_COLUMNS[kind], row, strict=True)) for row in _table(_known("kind of table", kind, Kind))]
    return pd.DataFrame(rows, columns=list(TABLE_COLUMNS[kind])).set_index("id")


@cache
def _table(kind: str) -> tuple[tuple[str, ...], ...]:
    return read_table(_library.sbml_root() / "evidence" / f"{kind}.tsv", kind)


def read_table(path: Path, kind: str) -> tuple[tuple[str, ...], ...]:
    """Rows of an evidence table; `ModelError` for wrong columns, a double id or an unknown source_kind."""
    seen: set[str] = set()
    rows = []
    for line, row in _lines(path, TABLE_COLUMNS[kind]):
        if not row["id"] or row["id"] in seen:
            raise ModelError(f"{_short(path)}:{line}: id {row['id']!r} is {'double' if row['id'] else 'missing'}")
        if row["source_kind"] not in ("published", "derived"):
            raise ModelError(
                f"{_short(path)}:{line}: source_kind is {row['source_kind']!r}; allowed are published and derived"
            )
        seen.add(row["id"])
        rows.append(tuple(row.values()))
    return tuple(rows)


def _lines(path: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """Line number and cells of every row of a tab-separated file with exactly these columns."""
    lines = _sbml.read_text(path).removesuffix("\n").split("\n")
    if tuple(lines[0].split("\t")) != tuple(columns):
        raise ModelError(f"{_short(path)}:1: the columns are {lines[0].split(chr(9))}; they must be {list(columns)}")
    found = []
    for number, text in enumerate(lines[1:], 2):
        cells = [c.strip() for c in text.split("\t")]
        if len(cells) != len(columns):
            raise ModelError(f"{_short(path)}:{number}: {len(cells)} cells; the header has {len(columns)}")
        found.append((number, dict(zip(columns, cells, strict=True))))
    return found


def _short(path: Path) -> str:
    root = _library.sbml_root()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _known(what: str, value: str, allowed: Any) -> str:
    if value not in get_args(allowed):
        raise unknown_name(what, value, [a or "(empty)" for a in get_args(allowed)])
    return value


@cache
def _evidence_ids() -> frozenset[str]:
    return frozenset(row[0] for kind in TABLE_COLUMNS for row in _table(kind))


# ---- observations ------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One published experiment in terms of a model: condition, read-out, what was found.

    `hours` and the schedule are in hours, `value` on the scale of `comparison` (percent, fold, or the unit of the
    observable), `error` as one standard deviation or standard error on that scale. `use` is 'fit' where the row set a
    constant of the model.

    >>> import pathway_models as pm
    >>> {o.context for o in read_observations(pm.load("epilepsy"))} <= {"healthy", "epilepsy"}
    True
    """

    id: str
    use: str
    context: str
    hypotheses: tuple[tuple[str, str], ...]
    settings: tuple[tuple[str, float], ...]
    baseline: str
    treatments: str
    schedule: tuple[Treatment, ...]
    hours: float
    observable: str
    reduce: str
    comparison: str
    value: float | None
    error: float | None
    error_kind: str
    source: tuple[str, ...]
    expected_under: tuple[tuple[str, str], ...]
    note: str

    @property
    def numeric(self) -> bool:
        """Whether a number was published, not only a direction."""
        return self.comparison in NUMERIC

    @property
    def condition(self) -> tuple[Any, ...]:
        """What two rows must share to be read from one run."""
        return (self.context, self.hypotheses, self.settings, self.treatments)


def observations_path(model: Model) -> Path:
    """The file of a library model's observations; `ModelError` for a file from elsewhere, which has none."""
    root = _library.sbml_root()
    if model.context is not None and model.name in _library.module_names():
        return root / "modules" / model.name / "observations.tsv"
    if model.context is not None and model.name in _library.coupled_names():
        return root / "coupled" / f"{model.name}-observations.tsv"
    raise ModelError(f"{model.name} is no model of the library: it has no observations")


def read_observations(model: Model, path: Path | None = None) -> tuple[Observation, ...]:
    """The observations of a library model, or those in another file of the same columns (`path`).

    Raises `ModelError` with file and line for a row that the model cannot be asked: an unknown use, context,
    hypothesis, setting, treatment, observable or source, or a value that does not fit the comparison.

    >>> import pathway_models as pm
    >>> {o.use for o in read_observations(pm.load("acupuncture"))} <= {"fit", "check"}
    True
    """
    path = path or observations_path(model)
    if not path.exists():
        raise ModelError(f"{model.name} has no observations: the file {_short(path)} is missing")
    found: dict[str, Observation] = {}
    for line, row in _lines(path, OBSERVATION_COLUMNS):
        try:
            observation = _observation(model, row)
            if observation.id in found:
                raise InvalidValueError(f"id {observation.id!r} is double")
        except PathwayModelsError as error:
            raise ModelError(f"{_short(path)}:{line}: {error}") from error
        found[observation.id] = observation
    return tuple(found.values())


def _observation(model: Model, row: Mapping[str, str]) -> Observation:
    if not row["id"]:
        raise InvalidValueError("id is missing")
    comparison = _known("comparison", row["comparison"], Comparison)
    made = Observation(
        id=row["id"],
        use=_known("use", row["use"], Use),
        context=row["context"],
        hypotheses=_pairs(row["hypotheses"], str, "hypotheses"),
        settings=_pairs(row["settings"], _number, "settings"),
        baseline=_known("baseline", row["baseline"], Baseline),
        treatments=row["treatments"],
        schedule=tuple(treatment(t) for t in _split(row["treatments"])),
        hours=_number(row["hours"]),
        observable=row["observable"],
        reduce=_known("reduce", row["reduce"], Reduce),
        comparison=comparison,
        value=_value(row["value"], comparison),
        error=_error(row["error"], row["error_kind"]),
        error_kind=row["error_kind"],
        source=_sources(row["source"]),
        expected_under=_pairs(row["expected_under"], str, "expected_under"),
        note=row["note"],
    )
    _check_scales(made)
    _check_against(model, made)
    return made


def _split(cell: str) -> list[str]:
    return [part.strip() for part in cell.split(";") if part.strip()]


def _pairs(cell: str, convert: Callable[[str], T], column: str) -> tuple[tuple[str, T], ...]:
    pairs = []
    for part in _split(cell):
        name, separator, value = part.partition("=")
        if not (name and separator and value):
            raise InvalidValueError(f"{column}: {part!r}; write name=value")
        pairs.append((name, convert(value)))
    return tuple(pairs)


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise InvalidValueError(f"{text!r} is no number") from None
    if not math.isfinite(number):
        raise InvalidValueError(f"{text!r} is not finite")
    return number


def _value(text: str, comparison: str) -> float | None:
    if (comparison in NUMERIC) != bool(text):
        what = "a number" if comparison in NUMERIC else "nothing"
        raise InvalidValueError(f"value is {text!r}; comparison {comparison} needs {what} there")
    return _number(text) if text else None


def _error(text: str, kind: str) -> float | None:
    """One standard deviation or error; an interval is divided by its width in standard deviations."""
    if kind not in ("", "SD", "SEM", *WIDTHS):
        raise unknown_name("error_kind", kind, ["SD", "SEM", *WIDTHS, "(empty)"])
    if not text:
        if kind:
            raise InvalidValueError(f"error_kind is {kind} but error is empty")
        return None
    if kind in WIDTHS:
        match = INTERVAL.fullmatch(text)
        if not match:
            raise InvalidValueError(f"error is {text!r}; {kind} needs low-high")
        error = (float(match[2]) - float(match[1])) / WIDTHS[kind]
    else:
        error = _number(text)
    if error <= 0:
        raise InvalidValueError(f"error is {text!r}; it must be above 0")
    return error


def _sources(cell: str) -> tuple[str, ...]:
    ids = tuple(_split(cell))
    if not ids:
        raise InvalidValueError("source is empty; name at least one row of the evidence tables")
    for name in ids:
        if name not in _evidence_ids():
            topic = name.partition(":")[0]
            raise unknown_name("evidence row", name, [i for i in _evidence_ids() if i.startswith(topic)])
    return ids


def treatment(text: str) -> Treatment:
    """A treatment as observations write it.

    That is a named one in command-line form, `level:input=value`, `level:input=value@start..stop` (hours; without
    stop to the end), or `dose:input=amount@t1,t2`. Raises `InvalidValueError` or `UnknownNameError`.

    >>> treatment("level:seizure_drive=2@0..1.5").stop
    1.5
    """
    kind, _, rest = text.partition(":")
    if kind not in ("level", "dose"):
        return named(text)
    head, at, when = rest.partition("@")
    name, separator, amount = head.partition("=")
    if not (name and separator and amount) or (at and not when) or (kind == "dose" and not when):
        example = "level:BHB=1@0..48" if kind == "level" else "dose:session=1@0,24"
        raise InvalidValueError(f"treatment {text!r} is malformed; write it like {example}")
    if kind == "dose":
        return Dose(input=name, amount=_number(amount), times=tuple(_number(t) for t in when.split(",")))
    start, _, stop = when.partition("..")
    window = (_number(start) if start else 0.0, _number(stop) if stop else None)
    return Level(input=name, value=_number(amount), start=window[0], stop=window[1])


def _check_scales(row: Observation) -> None:
    if (row.comparison == "absolute") != (row.baseline == ""):
        raise InvalidValueError(f"baseline is {row.baseline!r} with comparison {row.comparison}; absolute has none")
    if row.reduce == "time_of_peak" and row.comparison != "absolute":
        raise InvalidValueError(f"reduce time_of_peak gives hours: comparison must be absolute, not {row.comparison}")
    if row.hours < 0 or (row.schedule and not row.hours):
        raise InvalidValueError(f"hours is {row.hours:g}; allowed is 0 at rest and above 0 under treatment")


def _check_against(model: Model, row: Observation) -> None:
    variant = arranged(model, row)
    for name, alternative in row.expected_under:
        variant.with_hypothesis(name, alternative)
    key = variant.resolve(row.observable)
    q = variant.quantities.get(key)
    if q is not None and q.constant:
        raise InvalidValueError(f"observable {row.observable} is a constant of {model.name}")
    phases(variant, row.schedule, row.hours or 1.0)


def arranged(model: Model, row: Observation) -> Model:
    """The model in the row's context, under its hypotheses (else the model's own), with its settings."""
    model = _assumed(model.with_context(row.context), row)
    return model.with_parameters(dict(row.settings)) if row.settings else model


def _assumed(model: Model, row: Observation) -> Model:
    for name, alternative in row.hypotheses:
        model = model.with_hypothesis(name, alternative)
    return model


# ---- running and scoring -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Score:
    """One observation with what the model gives for it, on the same scale; directions in percent of the baseline."""

    observation: Observation
    prediction: float
    hypotheses: str = ""
    expected: bool = True  # whether the alternatives under which the row is expected are in force
    message: str = ""

    @property
    def z(self) -> float:
        """Distance from the observed value in its errors; NaN without an error or for a direction."""
        o = self.observation
        if o.value is None or o.error is None:
            return math.nan
        return (self.prediction - o.value) / o.error

    @property
    def ratio(self) -> float:
        """Predicted over observed (of folds, for percent changes); NaN for a direction."""
        o = self.observation
        if o.value is None:
            return math.nan
        pair = (self.prediction, o.value)
        top, bottom = (1 + x / 100 for x in pair) if o.comparison == "percent_change" else pair
        return top / bottom if bottom else math.nan

    @property
    def verdict(self) -> str:
        """Failed, a distance in errors, or whether the direction is right."""
        if not math.isfinite(self.prediction):
            return FAILED
        if not self.observation.numeric:
            return RIGHT if right_direction(self.observation.comparison, self.prediction / 100) else WRONG
        if self.observation.error is None:
            return NO_ERROR
        return WITHIN_ONE if abs(self.z) <= 1 else WITHIN_TWO if abs(self.z) <= 2 else OUTSIDE


def right_direction(comparison: str, change: float) -> bool:
    """Whether a relative change is up or down by more than 1 percent, or within 5 percent for 'none'.

    >>> right_direction("up", 0.005), right_direction("none", -0.04)
    (False, True)
    """
    if comparison == "none":
        return abs(change) <= NONE_THRESHOLD
    return change > SIGN_THRESHOLD if comparison == "up" else change < -SIGN_THRESHOLD


@dataclass(frozen=True, kw_only=True)
class EvidenceReport:
    """A model against its observations: table, sentences, figure. Rows of use 'fit' are no test of the model."""

    model: str
    title: str
    rows: tuple[Score, ...]

    def to_dataframe(self) -> pd.DataFrame:
        """One row per observation; `prediction`, `observed`, `error` on the scale of `comparison`.

        Directions have their prediction in percent of the baseline. `ratio` is predicted over observed, `hypotheses`
        lists those in force that are not the default.
        """
        import pandas as pd

        return pd.DataFrame([_record(row) for row in self.rows], columns=list(REPORT_COLUMNS))

    def totals(self, use: Use) -> dict[str, int]:
        """Verdict -> number of rows of that use."""
        verdicts = [row.verdict for row in self.rows if row.observation.use == use]
        return {v: verdicts.count(v) for v in (WITHIN_ONE, WITHIN_TWO, OUTSIDE, NO_ERROR, RIGHT, WRONG, FAILED)}

    def summary(self) -> str:
        """Plain sentences: how many rows the model meets, tests ('check') apart from what set it ('fit')."""
        uses: tuple[tuple[Use, str], ...] = (
            ("check", "Rows not used to set the model"),
            ("fit", "Rows used to set the model, no test of it"),
        )
        parts = [f"{self.model}: {len(self.rows)} observations."]
        parts += [f"{text}: {_sentence(self._of(use))}" for use, text in uses]
        return "\n".join(parts)

    def _of(self, use: Use) -> list[Score]:
        return [row for row in self.rows if row.observation.use == use]

    def plot(self) -> Figure:
        """Predicted over observed with the observed error on a log axis, and directions as right or wrong."""
        return _plot(self)


def _record(row: Score) -> dict[str, Any]:
    o = row.observation
    return {
        "id": o.id,
        "use": o.use,
        "observable": o.observable,
        "comparison": o.comparison,
        "prediction": row.prediction,
        "observed": math.nan if o.value is None else o.value,
        "error": math.nan if o.error is None else o.error,
        "z": row.z,
        "ratio": row.ratio,
        "verdict": row.verdict,
        "source": ";".join(o.source),
        "expected_under": _text(o.expected_under),
        "hypotheses": row.hypotheses,
        "context": o.context,
        "treatments": o.treatments,
        "hours": o.hours,
        "note": f"{o.note} [{row.message}]" if row.message else o.note,
    }


def _sentence(rows: Sequence[Score]) -> str:
    if not rows:
        return "none."
    verdicts = [row.verdict for row in rows]
    with_error = [row for row in rows if row.verdict in (WITHIN_ONE, WITHIN_TWO, OUTSIDE)]
    ratios = [row.ratio for row in rows if row.verdict == NO_ERROR]
    signs = [row for row in rows if row.verdict in (RIGHT, WRONG)]
    one, two = verdicts.count(WITHIN_ONE), verdicts.count(WITHIN_TWO)
    parts = []
    if with_error:
        parts.append(f"{one} of {len(with_error)} numbers within one error and {one + two} within two")
    if ratios:
        close = sum(0.8 <= r <= 1.25 for r in ratios)
        parts.append(f"{close} of {len(ratios)} numbers without an error within 25 percent")
    if signs:
        other = sum(row.verdict == WRONG and not row.expected for row in signs)
        text = f" (wrong, but expected under another hypothesis: {other})" if other else ""
        parts.append(f"{verdicts.count(RIGHT)} of {len(signs)} directions right{text}")
    if FAILED in verdicts:
        parts.append(f"{verdicts.count(FAILED)} not simulated")
    return "; ".join(parts) + "."


def evidence(model: Model) -> EvidenceReport:
    """Run every observation of a library model under the model's hypotheses; a row's own hypotheses win.

    Rows of one condition share a run. A run that fails makes rows of verdict 'failed', not an exception. A baseline
    'healthy' is the rest of the healthy context without the row's settings. Raises `ModelError` for a model without
    observations and for a file that breaks the schema.

    >>> import pathway_models as pm
    >>> print(evidence(pm.load("acupuncture")).summary().splitlines()[0].split(":")[0])
    acupuncture
    """
    return report(model, read_observations(model))


def report(model: Model, observations: Sequence[Observation]) -> EvidenceReport:
    """Score these observations."""
    groups: dict[tuple[Any, ...], list[Observation]] = {}
    for row in observations:
        groups.setdefault(row.condition, []).append(row)
    scores = {s.observation.id: s for rows in groups.values() for s in _score_group(model, rows)}
    return EvidenceReport(model=model.name, title=model.title, rows=tuple(scores[o.id] for o in observations))


def _score_group(model: Model, rows: Sequence[Observation]) -> list[Score]:
    variant = arranged(model, rows[0])
    in_force, message = _text(chosen(variant)), ""
    try:
        numbers = _predict(model, variant, rows)
    except PathwayModelsError as error:
        numbers, message = [math.nan] * len(rows), " ".join(str(error).split())
    return [
        Score(observation=o, prediction=n, hypotheses=in_force, expected=_expected(variant, o), message=message)
        for o, n in zip(rows, numbers, strict=True)
    ]


def _expected(model: Model, row: Observation) -> bool:
    by_id = {h.id: h for h in model.hypotheses_}
    return all(_alternative(model, by_id[name]) == alternative for name, alternative in row.expected_under)


def _predict(model: Model, variant: Model, rows: Sequence[Observation]) -> list[float]:
    columns = tuple(dict.fromkeys(variant.resolve(o.observable) for o in rows))
    duration = max(o.hours for o in rows) or 1.0
    times = np.unique(np.concatenate([_times(o) for o in rows]))
    job = make_job(variant, rows[0].schedule, duration=duration, times=times, columns=columns, start="steady")
    course = run_job(job, {})
    healthy = _healthy(model, rows)
    numbers = []
    for o in rows:
        key = variant.resolve(o.observable)
        i = columns.index(key)
        reached = reduced(o, times, course.values[:, i])
        before = healthy[key] if o.baseline == "healthy" else float(course.before[i])
        numbers.append(compared(o.comparison, reached, before))
    return numbers


def _times(row: Observation) -> Array:
    """The output times that a row needs: its hour, or a grid up to it."""
    return np.array([row.hours]) if row.reduce == "at" else np.linspace(0.0, row.hours, POINTS_PER_COURSE + 1)


def _healthy(model: Model, rows: Sequence[Observation]) -> dict[str, float]:
    asked = [o for o in rows if o.baseline == "healthy"]
    if not asked:
        return {}
    rest = _assumed(model.with_context("healthy"), asked[0])
    return at_rest(rest, [rest.resolve(o.observable) for o in asked])


def reduced(row: Observation, times: Array, course: Array) -> float:
    """The number that a row reads from a course: the value at its hour, or extremes up to it."""
    inside = times <= row.hours
    values = course[inside]
    if row.reduce == "at":
        return float(values[-1])
    if row.reduce == "time_of_peak":
        return float(times[inside][np.argmax(values)])
    return float(np.max(values) if row.reduce == "peak" else np.min(values))


def compared(comparison: str, reached: float, before: float) -> float:
    """A value on the scale of the comparison; directions in percent of the baseline (1e6 from a rest at 0).

    >>> compared("percent_change", 3.0, 2.0)
    50.0
    """
    if comparison == "absolute":
        return reached
    if before == 0:
        if comparison in NUMERIC:
            return math.nan
        return 0.0 if abs(reached) < 1e-9 else math.copysign(FROM_REST, reached)
    if comparison == "fold":
        return reached / before
    return 100 * (reached - before) / abs(before)


def chosen(model: Model) -> tuple[tuple[str, str], ...]:
    """Hypotheses in force that are not the default, as (name, alternative); 'changed' where no alternative fits."""
    found = []
    for h in model.hypotheses_:
        name = _alternative(model, h)
        if name != h.default:
            found.append((h.id, name))
    return tuple(found)


def _alternative(model: Model, h: Hypothesis) -> str:
    values = {p.id: p.value for p in model.parameters_}
    for name in (h.default, *h.alternatives):
        settings = h.alternatives[name].settings
        if all(model.settings.get(k, values.get(k)) == v for k, v in settings.items()):
            return name
    return "changed"


def _text(pairs: Sequence[tuple[str, str]]) -> str:
    return ";".join(f"{k}={v}" for k, v in pairs)


# ---- the works behind the values ---------------------------------------------------------------------------


def citations(model: Model) -> pd.DataFrame:
    """The works behind the values in use, those with most parameters first.

    Columns: citation, reference, parameters (ids, joined by ', '), rows (evidence ids). A value that the user changed
    rests on no work; one set by a hypothesis rests on the evidence for that alternative. Raises `ModelError` for a
    file from elsewhere, which names no works.

    >>> import pathway_models as pm
    >>> list(citations(pm.load("acupuncture")).columns)
    ['citation', 'reference', 'parameters', 'rows']
    """
    import pandas as pd

    observations_path(model)
    works: dict[tuple[str, str], tuple[list[str], list[str]]] = {}
    tables = pd.concat([evidence_table("measurements"), evidence_table("responses")])
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
    for p in model.parameters_:
        ids = list(supported.get(p.id, ()))
        if p.id in overlay and p.id in held:
            ids += overlay[p.id]
        elif model.settings.get(p.id, p.value) == p.value:
            ids += _split(p.source)
        if ids:
            found[p.id] = ids
    return found


def _supports(model: Model) -> dict[str, tuple[str, ...]]:
    """Parameter -> evidence for the alternative in force that sets it."""
    found: dict[str, tuple[str, ...]] = {}
    for h in model.hypotheses_:
        alternative = h.alternatives.get(_alternative(model, h))
        if alternative:
            found |= {k: found.get(k, ()) + alternative.supports for k in alternative.settings}
    return found


def _overlay_sources(model: Model) -> dict[str, list[str]]:
    """Parameter -> evidence behind its value in untreated epilepsy, from the module files."""
    import tomllib

    coupled = model.name in _library.coupled_names()
    names = _library.read_coupled(model.name)["modules"] if coupled else [model.name]
    found = {}
    for name in names:
        text = _sbml.read_text(_library.sbml_root() / "modules" / name / "module.toml")
        for key, entry in tomllib.loads(text).get("epilepsy", {}).items():
            found[f"{name}__{key}" if coupled else key] = _split(entry.get("source", ""))
    return found


# ---- the figure --------------------------------------------------------------------------------------------

CHECK_COLOUR, FIT_COLOUR, RIGHT_COLOUR, WRONG_COLOUR = "#0072B2", "#9a9a9a", "#009E73", "#D55E00"
RATIO_LIMITS = (1 / 30, 30.0)  # what lies outside is drawn on the edge, as an arrow


def _plot(found: EvidenceReport) -> Figure:
    import matplotlib.pyplot as plt

    numbers = [r for r in found.rows if r.observation.numeric]
    signs = [r for r in found.rows if not r.observation.numeric]
    lines = max(len(numbers), math.ceil(len(signs) / 2), 8)
    blocks = [signs[i : i + lines] for i in range(0, len(signs), lines)] or [[]]
    size = (6.6 + 4.9 * len(blocks), 0.2 * lines + 1.6)
    widths = (1.15, *(1.0 for _ in blocks))
    figure, axes = plt.subplots(1, 1 + len(blocks), figsize=size, layout="constrained", width_ratios=widths)
    _draw_numbers(axes[0], numbers, lines)
    for axis, block in zip(axes[1:], blocks, strict=True):
        _draw_signs(axis, block, lines)
    right = sum(r.verdict == RIGHT for r in signs)
    axes[1].set_title(f"{len(signs)} directions, {right} right", fontsize=10, loc="left")
    figure.suptitle(f"{found.model}: model against published experiments", fontsize=12, x=0.01, ha="left")
    figure.legend(handles=_keys(), loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def _keys() -> list[Any]:
    from matplotlib.lines import Line2D

    marks = [
        ("o", CHECK_COLOUR, CHECK_COLOUR, "number: model, a test of it"),
        ("o", FIT_COLOUR, "white", "number: row was used to set the model"),
        ("o", RIGHT_COLOUR, RIGHT_COLOUR, "direction right (open: used to set the model)"),
        ("X", WRONG_COLOUR, WRONG_COLOUR, "direction wrong or failed; * expected under another hypothesis"),
    ]
    keys = [Line2D([], [], marker=m, ls="", color=c, mfc=f, label=text) for m, c, f, text in marks]
    return [*keys, Line2D([], [], color="#555555", lw=5, alpha=0.35, label="observed, one error either side")]


def _draw_numbers(axis: Axes, rows: Sequence[Score], lines: int) -> None:
    axis.set_xscale("log")
    axis.axvline(1, color="#333333", lw=0.8)
    for y, row in enumerate(rows):
        axis.plot([1], [y], marker="|", color="#333333", ms=9)
        low, high = _error_band(row.observation)
        axis.plot([low, high], [y, y], color="#555555", lw=5, alpha=0.35, solid_capstyle="butt")
        _draw_prediction(axis, y, row)
    _label(axis, rows, lines)
    axis.set_xlim(*RATIO_LIMITS)
    ticks = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)
    axis.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axis.minorticks_off()
    axis.set_xlabel("predicted / observed", fontsize=9)
    axis.set_title(f"{len(rows)} numbers", fontsize=10, loc="left")


def _error_band(o: Observation) -> tuple[float, float]:
    """Observed value less and plus one error, relative to it."""
    if o.error is None or not o.value:
        return 1.0, 1.0
    scale = 100 + o.value if o.comparison == "percent_change" else abs(o.value)
    return max(1 - o.error / scale, RATIO_LIMITS[0]), min(1 + o.error / scale, RATIO_LIMITS[1])


def _draw_prediction(axis: Axes, y: int, row: Score) -> None:
    check = row.observation.use == "check"
    colour, face = (CHECK_COLOUR, CHECK_COLOUR) if check else (FIT_COLOUR, "white")
    if not math.isfinite(row.ratio):
        axis.text(1.1, y, "failed", va="center", fontsize=8, color=WRONG_COLOUR)
        return
    low, high = RATIO_LIMITS[0] * 1.15, RATIO_LIMITS[1] / 1.15
    marker = "<" if row.ratio < low else ">" if row.ratio > high else "o"
    axis.plot(min(max(row.ratio, low), high), y, marker=marker, ms=6, color=colour, mfc=face, zorder=3)


def _draw_signs(axis: Axes, rows: Sequence[Score], lines: int) -> None:
    for y, row in enumerate(rows):
        right = row.verdict == RIGHT
        colour = RIGHT_COLOUR if right else WRONG_COLOUR
        face = colour if row.observation.use == "check" else "white"
        axis.plot(0.06, y, marker="o" if right else "X", ms=7, color=colour, mfc=face)
        axis.text(0.14, y, _sign_text(row), va="center", fontsize=8)
    _label(axis, rows, lines)
    axis.set_xlim(0, 1)
    axis.set_xticks([])
    axis.spines["bottom"].set_visible(False)


def _sign_text(row: Score) -> str:
    seen = {"none": "no change"}.get(row.observation.comparison, row.observation.comparison)
    return f"{seen}; model {_change_text(row.prediction)}{'' if row.expected else ' *'}"


def _change_text(percent: float) -> str:
    if not math.isfinite(percent):
        return "failed"
    if abs(percent) >= FROM_REST:
        return "moves from 0"
    return f"{percent:+.2g} %" if abs(percent) < 100 else f"x {1 + percent / 100:.3g}"


def _label(axis: Axes, rows: Sequence[Score], lines: int) -> None:
    axis.set_yticks(range(len(rows)), [f"{r.observation.id}: {r.observation.observable}" for r in rows], fontsize=8)
    axis.set_ylim(lines - 0.4, -0.6)
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(axis="x", labelsize=8)
