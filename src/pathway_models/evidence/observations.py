"""Observations: published experiments in terms of a model, read from observations.tsv and checked against it."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from .._files.authored import read_lines, short_path
from ..errors import (
    InvalidValueError,
    ModelError,
    Named,
    PathwayModelsError,
    UnknownNameError,
    require_range,
    unknown_name,
)
from ..models.collection import Library
from ..models.model import Model
from ..modules.flat import set_values
from ..modules.reduction import follows_from
from ..simulation.phases import phases
from ..treatments.schedule import Dose, Level, Treatment
from ..treatments.text import treatment_from_text
from .tables import evidence_ids, one_of, split_cell

Use = Literal["fit", "check"]
Baseline = Literal["self", "untreated", "healthy", ""]
Reduce = Literal["at", "peak", "trough", "time_of_peak"]
Comparison = Literal["fold", "percent_change", "absolute", "up", "down", "none"]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ObservationRow:
    """A row of observations.tsv: a published experiment in terms of a model."""

    id: Annotated[str, "a name of its own"]
    use: Annotated[Use, "fit: a constant was set with it; check: it tests the model"]
    context: Annotated[str, "healthy, epilepsy or one of your own"]
    hypotheses: Annotated[str, "name=alternative, joined by ;"]
    settings: Annotated[str, "constant or input=value, joined by ;"]
    baseline: Annotated[Baseline, "what the change is relative to; self: the start of the run; empty: absolute"]
    treatments: Annotated[str, "as on the command line, or level:INPUT=VALUE@START..STOP, dose:INPUT=AMOUNT@T1,T2 (h)"]
    hours: Annotated[str, "when it was measured; 0 is the rest"]
    observable: Annotated[str, "a variable of the model"]
    reduce: Annotated[Reduce, "at that hour, or an extreme up to it"]
    comparison: Annotated[Comparison, "the scale of value, or the direction of the change"]
    value: Annotated[str, "a number, or nothing for a direction"]
    error: Annotated[str, "a number, or low-high for CI95 and IQR"]
    error_kind: Annotated[Literal["", "SD", "SEM", "CI95", "IQR"], "what the error is"]
    source: Annotated[str, "rows of the evidence tables, joined by ;"]
    expected_under: Annotated[str, "name=alternative under which it should come out so, joined by ;"]
    note: Annotated[str, "how the experiment was translated"]


OBSERVATION_COLUMNS = tuple(f.name for f in fields(ObservationRow))
NUMERIC = ("fold", "percent_change", "absolute")
# Half-width of one standard deviation in each kind of error; a number without a kind is taken as it stands.
WIDTHS: Mapping[str, float] = {"CI95": 3.92, "IQR": 1.35}
NUMBER = r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
INTERVAL = re.compile(rf"({NUMBER})(?:-| to )({NUMBER})")


@dataclass(frozen=True, kw_only=True)
class Observation(Named):
    """One experiment in terms of a model: condition, read-out, what was found.

    A file from elsewhere has no context and starts as the file says; its times are in its own unit and not in hours.

    Attributes:
        id: a name of its own.
        observable: a variable of the model.
        hours: when it was measured, in hours; 0 is the rest.
        value: on the scale of `comparison` (percent, fold, or the unit of the observable); None for a direction.
        error: one standard deviation or standard error on that scale; None where none is known.
        comparison: 'fold', 'percent_change', 'absolute', or a direction: 'up', 'down', 'none'.
        baseline: what the change is relative to: 'self' (the start of the run), 'untreated', 'healthy', or empty.
        reduce: 'at' that hour, or 'peak', 'trough', 'time_of_peak' up to it.
        schedule: the treatments, times in hours.
        settings: (constant or input, value), in the unit of the model.
        context: 'healthy', 'epilepsy', one of your own, or empty.
        hypotheses: (name, alternative) that the experiment takes for granted.
        expected_under: (name, alternative) under which it should come out so.
        use: 'fit' where the row sets a constant of the model, 'check' where it tests it.
        treatments: the schedule as the table writes it.
        error_kind: 'SD', 'SEM', 'CI95', 'IQR' or empty: what was printed.
        source: ids of rows of the evidence tables.
        note: how the experiment was translated.

    Raises:
        InvalidValueError: what makes no sense by itself.
        UnknownNameError: another word for `use`, `baseline`, `reduce` or `comparison`.

    Example:
        >>> Observation(id="day 3", observable="S", hours=72, value=7.4, error=0.2).comparison
        'absolute'
    """

    id: str
    observable: str
    hours: float
    value: float | None = None
    error: float | None = None
    comparison: str = "absolute"
    baseline: str = ""
    reduce: str = "at"
    schedule: tuple[Treatment, ...] = ()
    settings: tuple[tuple[str, float], ...] = ()
    context: str = ""
    hypotheses: tuple[tuple[str, str], ...] = ()
    expected_under: tuple[tuple[str, str], ...] = ()
    use: str = "fit"
    treatments: str = ""
    error_kind: str = ""
    source: tuple[str, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        if not self.id:
            raise InvalidValueError("id is missing")
        for what, allowed in (("use", Use), ("baseline", Baseline), ("reduce", Reduce), ("comparison", Comparison)):
            one_of(what, getattr(self, what), allowed)
        require_range("hours", self.hours, 0.0, math.inf)
        if self.numeric != (self.value is not None):
            what = "a number" if self.numeric else "nothing"
            raise InvalidValueError(f"value is {self.value!r}; comparison {self.comparison} needs {what} there")
        if self.value is not None:
            require_range("value", self.value, -sys.float_info.max, sys.float_info.max)
        if self.error is not None:
            require_range("error", self.error, math.ulp(0.0), math.inf)
        _check_scales(self)

    @property
    def numeric(self) -> bool:
        """Whether a number was published, not only a direction."""
        return self.comparison in NUMERIC

    @property
    def condition(self) -> tuple[Any, ...]:
        """What two rows must share to be read from one run."""
        schedule = tuple(item for t in self.schedule for item in t.schedule())
        return (self.context, self.hypotheses, self.settings, schedule)


def observations_paths(model: Model) -> tuple[Path, ...]:
    """The files of a library model's observations; `ModelError` for a file from elsewhere, which has none.

    A coupled model that extends another one is asked that one's observations as well.
    """
    library = Library(folders=model.folders)
    if model.context is not None and model.name in (*library.modules, *library.coupled):
        return library.observations(model.name)
    raise ModelError(f"{model.name} is no model of the library: it has no observations")


def read_observations(model: Model, path: Path | None = None) -> tuple[Observation, ...]:
    """The observations of a model.

    Args:
        model: what `pathway_models.load` gives.
        path: of another file of the same columns; None for the files of a library model.

    Returns:
        The observations, in the order of the file; of a reduced model those that it can still answer.

    Raises:
        ModelError: with file and line, a row that the model cannot be asked: an unknown use, context, hypothesis,
            setting, treatment, observable or source, or a value that does not fit the comparison; a model without
            observations.

    Example:
        >>> import pathway_models as pm
        >>> {o.use for o in read_observations(pm.load("acupuncture"))} <= {"fit", "check"}
        True
    """
    found: dict[str, Observation] = {}
    for file in (path,) if path else observations_paths(model):
        _read_file(model, file, found)
    return tuple(found.values())


def _read_file(model: Model, path: Path, found: dict[str, Observation]) -> None:
    if not path.exists():
        raise ModelError(f"{model.name} has no observations: the file {short_path(path)} is missing")
    known = evidence_ids(Library(folders=model.folders))
    for line, row in read_lines(path, OBSERVATION_COLUMNS):
        try:
            observation = _observation(row, known)
            if model.whole and cannot_answer(model, observation):
                continue
            check_observation(model, observation)
            if observation.id in found:
                raise InvalidValueError(f"id {observation.id!r} is double")
        except PathwayModelsError as error:
            raise ModelError(f"{short_path(path)}:{line}: {error}") from error
        found[observation.id] = observation


def _observation(row: Mapping[str, str], known: frozenset[str]) -> Observation:
    return Observation(
        id=row["id"],
        use=row["use"],
        context=row["context"],
        hypotheses=_pairs(row["hypotheses"], str, "hypotheses"),
        settings=_pairs(row["settings"], _number, "settings"),
        baseline=row["baseline"],
        treatments=row["treatments"],
        schedule=tuple(treatment(t) for t in split_cell(row["treatments"])),
        hours=_number(row["hours"], "hours"),
        observable=row["observable"],
        reduce=row["reduce"],
        comparison=row["comparison"],
        value=_number(row["value"], "value") if row["value"] else None,
        error=_error(row["error"], row["error_kind"]),
        error_kind=row["error_kind"],
        source=_sources(row["source"], known),
        expected_under=_pairs(row["expected_under"], str, "expected_under"),
        note=row["note"],
    )


def _pairs(cell: str, convert: Callable[[str], T], column: str) -> tuple[tuple[str, T], ...]:
    pairs = []
    for part in split_cell(cell):
        name, separator, value = part.partition("=")
        if not (name and separator and value):
            raise InvalidValueError(f"{column}: {part!r}; write name=value")
        pairs.append((name, convert(value)))
    return tuple(pairs)


def _number(text: str, column: str = "") -> float:
    what = f"{column}: {text!r}" if column else repr(text)
    try:
        number = float(text)
    except ValueError:
        raise InvalidValueError(f"{what} is no number") from None
    if not math.isfinite(number):
        raise InvalidValueError(f"{what} is not finite")
    return number


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
        error = _number(text, "error")
    if error <= 0:
        raise InvalidValueError(f"error is {text!r}; it must be above 0")
    return error


def _sources(cell: str, known: frozenset[str]) -> tuple[str, ...]:
    ids = tuple(split_cell(cell))
    if not ids:
        raise InvalidValueError("source is empty; name at least one row of the evidence tables")
    for name in ids:
        if name not in known:
            alike = [i for i in known if i.startswith(name.partition(":")[0])]
            if not alike:
                raise UnknownNameError(f"no evidence table has the row {name!r}; a row is named topic:row")
            raise unknown_name("evidence row", name, alike)
    return ids


def treatment(text: str) -> Treatment:
    """A treatment as observations write it.

    That is a named one in command-line form, `level:input=value`, `level:input=value@start..stop` (hours; without
    stop to the end), or `dose:input=amount@t1,t2`. Raises `InvalidValueError` or `UnknownNameError`.

    >>> treatment("level:seizure_drive=2@0..1.5").until
    1.5
    """
    kind, _, rest = text.partition(":")
    if kind not in ("level", "dose"):
        return treatment_from_text(text)
    head, at, when = rest.partition("@")
    name, separator, amount = head.partition("=")
    if not (name and separator and amount) or (at and not when) or (kind == "dose" and not when):
        example = "level:BHB=1@0..48" if kind == "level" else "dose:session=1@0,24"
        raise InvalidValueError(f"treatment {text!r} is malformed; write it like {example}")
    if kind == "dose":
        return Dose(input=name, amount=_number(amount), times=tuple(_number(t) for t in when.split(",")))
    start, _, stop = when.partition("..")
    window = (_number(start) if start else 0.0, _number(stop) if stop else None)
    return Level(input=name, value=_number(amount), at=window[0], until=window[1])


def _check_scales(row: Observation) -> None:
    if (row.comparison == "absolute") != (row.baseline == ""):
        raise InvalidValueError(f"baseline is {row.baseline!r} with comparison {row.comparison}; absolute has none")
    if row.reduce == "time_of_peak" and row.comparison != "absolute":
        raise InvalidValueError(f"reduce time_of_peak gives hours: comparison must be absolute, not {row.comparison}")
    if row.hours < 0 or (row.schedule and not row.hours):
        raise InvalidValueError(f"hours is {row.hours:g}; allowed is 0 at rest and above 0 under treatment")


def check_observation(model: Model, row: Observation) -> None:
    """Raise the reason, `InvalidValueError` or `UnknownNameError`, why a model cannot be asked an observation."""
    variant = arrange(model, row)
    for name, alternative in row.expected_under:
        variant.with_hypothesis(name, alternative)
    key = variant.resolve(row.observable)
    q = variant.quantities.get(key)
    if q is not None and q.constant:
        raise InvalidValueError(f"observable {row.observable} is a constant of {model.name}")
    phases(variant, row.schedule, row.hours or 1.0)


def cannot_answer(model: Model, row: Observation) -> str:
    """Why a reduced model is not asked an observation of the whole one; empty if it is.

    What it reads must follow from a state or from what the observation sets, and what it sets must move something.
    """
    try:
        check_observation(model, row)
    except InvalidValueError as error:
        return str(error)
    key = model.resolve(row.observable)
    given = {model.resolve(i.input) for t in row.schedule for i in t.schedule()}
    given |= {model.resolve(k) for k, _ in row.settings}
    if not follows_from(model.sbml, key) & {*model.states, *given}:
        return f"{row.observable} is constant in the reduced model {model.name}"
    return ""


def arrange(model: Model, row: Observation) -> Model:
    """The model in the row's context, under its hypotheses (else the model's own), with its settings."""
    named = [name for name in (row.context, row.baseline if row.baseline == "healthy" else "") if name]
    if named and not model.contexts:
        text = f"{row.id} asks for the context {named[0]!r}, but {model.name} is a file from elsewhere and has none"
        raise InvalidValueError(f"{text}: leave context and baseline empty, or take the baseline 'self'")
    model = assume_hypotheses(model.with_context(row.context) if model.contexts else model, row)
    return set_values(model, dict(row.settings)) if row.settings else model


def assume_hypotheses(model: Model, row: Observation) -> Model:
    """The model under the row's hypotheses."""
    for name, alternative in row.hypotheses:
        model = model.with_hypothesis(name, alternative)
    return model
