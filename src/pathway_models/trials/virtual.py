"""A trial on virtual patients: arms simulated, diaries counted, results as a trial would report them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np

from .._types import Array, Frozen
from ..ensembles.execution import Execution, execution_without_checkpoint, one_pool
from ..ensembles.outcomes import Outcome
from ..ensembles.runs import Ensemble, ensemble
from ..ensembles.study import Study
from ..errors import InvalidValueError, UnknownNameError, repr_short, require_choice, require_kind, require_range
from ..experiments.loop import AT_REST, gains_from_rest, has_loop
from ..models.model import Model
from ..modules.flat import require_model
from ..sensitivity.analysis import announce
from ..treatments.schedule import AgedTreatment, Dose, Level, Treatment, label
from .patients import CAPACITY, Ints, Mask, Population, patients_file, seizure_counts
from .results import Trial, reasons

Arms: TypeAlias = Mapping[str, Treatment | Sequence[Treatment]]
FEW_ROWS = 64  # fewer runs than this are done here: starting processes takes longer
GAIN = "loop_gain"


@dataclass(frozen=True, kw_only=True)
class Followed:
    """A treatment as a patient of this `adherence` follows it.

    A level comes that share of the way from the input's reference (`references`) to what is prescribed; of the doses
    that share is kept, evenly spread. An age group in the treatment gives way to the patient's own where `own_age`.
    """

    treatment: Treatment
    adherence: float
    references: Mapping[str, float]
    resolve: Callable[[str], str]
    own_age: bool = False

    @property
    def name(self) -> str:
        """That of the treatment."""
        return label(self.treatment)

    def schedule(self) -> tuple[Level | Dose, ...]:
        """The levels and doses that are left."""
        treatment = self.treatment
        if self.own_age and isinstance(treatment, AgedTreatment):
            treatment = treatment.for_age("reference")
        return tuple(self._left(item) for item in treatment.schedule())

    def _left(self, item: Level | Dose) -> Level | Dose:
        a = self.adherence
        if isinstance(item, Level):
            reference = self.references.get(self.resolve(item.input), 0.0)
            return replace(item, value=reference + a * (item.value - reference))
        kept = (t for i, t in enumerate(item.times) if math.floor((i + 1) * a + 1e-9) > math.floor(i * a + 1e-9))
        return replace(item, times=tuple(kept))


def trial(
    model: Model,
    patients: Population,
    arms: Arms,
    *,
    weeks: float = 12.0,
    window_weeks: float = 4.0,
    allocation: Literal["paired", "randomised"] = "paired",
    markers: Sequence[str] | None = None,
    execution: Execution | None = None,
) -> Trial:
    """Simulate every patient in every arm (`paired`) or in one (`randomised`), and count seizures in diaries.

    A patient's rate is that of the baseline, times the model's ratio, times the drift; the diary is gamma-Poisson
    (`seizure_counts`). Adherence scales what is prescribed. Patients whose loop gain is 1 or more (not chronic) or
    whose run fails are left out and listed. Constants that `model` sets itself (hypotheses, `with_parameters`) win over
    the patients' own.

    Args:
        model: what `pathway_models.load` gives; it must have `seizure_rate`.
        patients: what `population` gives.
        arms: name -> list of treatments; the first is the control of `contrasts`.
        weeks: length of the treatment.
        window_weeks: the last weeks, over which rates are means.
        allocation: 'paired' or 'randomised'.
        markers: variables read before treatment (default those of `sbml/trials/patients.toml`, as far as the model has
            them).
        execution: workers, engine, tolerances, limits; no checkpoint.

    Returns:
        Ratios and counts of every patient in every arm, and what a trial would report.

    Raises:
        InvalidValueError: for no arms, a window longer than the trial, no patient left.
        UnknownNameError: for names that the model lacks.

    Example:
        >>> import pathway_models as pm
        >>> model = pm.load("excitability")
        >>> patients = pm.population(model, 8, seed=1)
        >>> result = pm.trial(model, patients, {"control": [], "drug": [pm.Level(input="GABA", value=2)]}, weeks=8)
        >>> bool(result.to_dataframe().loc["drug", "model_ratio"] < 1)
        True
    """
    require_model(model)
    on = execution_without_checkpoint(execution, "a trial")
    plans = _plans(patients, arms)
    require_range("the length of the trial in weeks", weeks, 1e-3, 1040.0)
    require_range("the window in weeks", window_weeks, 1e-3, weeks)
    announce(model, "compiling it before the first run", on.progress)
    assigned = _assigned(patients, len(plans), require_choice("allocation", allocation, ("paired", "randomised")))
    alone = on.workers is None and len(patients) < FEW_ROWS
    with one_pool(replace(on, workers=1) if alone else on, model.sbml) as how:
        bar = _bar(patients, assigned, on.progress)
        runs = _Runs(model=model, patients=patients, execution=replace(how, progress=False), bar=bar)
        found, excluded = runs.baseline(markers)
        ratio = np.ones(assigned.shape)
        for k, plan in enumerate(plans.values()):
            ratio[:, k] = runs.arm(plan, assigned[:, k], weeks, window_weeks, excluded)
        runs.bar.close()
    keep = np.array([i not in excluded for i in range(len(patients))])
    if not keep.any():
        raise InvalidValueError(f"no patient is left{reasons(excluded)}; the first: {next(iter(excluded.values()))}")
    enrolled = patients.subset(keep)
    rates = (enrolled.baseline_rate * enrolled.drift)[:, None] * ratio[keep]
    counts = np.column_stack([seizure_counts(rates[:, k], window_weeks, enrolled.luck) for k in range(len(plans))])
    return Trial(
        population=enrolled,
        arms=tuple(plans),
        weeks=weeks,
        window_weeks=window_weeks,
        ratio=ratio[keep],
        counts=counts,
        assigned=assigned[keep],
        markers=Frozen({k: v[keep] for k, v in found.items()}),
        excluded=Frozen(excluded),
    )


def _plans(patients: Population, arms: Arms) -> dict[str, list[Treatment]]:
    """Treatments per arm; `InvalidValueError` for what is neither patients nor arms."""
    if not isinstance(patients, Population):
        raise InvalidValueError(f"patients is {patients!r}; make them with pathway_models.population(model, n)")
    if not isinstance(arms, Mapping) or not arms:
        example = "{'control': [], 'diet': [KetogenicDiet()]}"
        raise InvalidValueError(f"arms is {repr_short(arms)}; give at least one, e.g. {example}")
    for name, plan in arms.items():
        require_kind(f"arm {name!r}", plan, (Treatment, Sequence), "[KetogenicDiet()], or [] for no treatment")
    plans = {name: [t] if _treats(t) else list(t) for name, t in arms.items()}  # type: ignore[arg-type]
    for name, item in [(k, t) for k, plan in plans.items() for t in plan if not _treats(t)]:
        raise InvalidValueError(f"arm {name!r} holds {item!r}, which is no treatment; give e.g. KetogenicDiet()")
    return plans  # type: ignore[return-value]


def _treats(item: object) -> bool:
    return isinstance(item, Treatment) and not isinstance(item, type)


def _assigned(patients: Population, arms: int, allocation: str) -> Mask:
    if allocation == "paired":
        return np.ones((len(patients), arms), dtype=bool)
    order = np.random.default_rng(np.random.SeedSequence([patients.seed, 1])).permutation(len(patients)) % arms
    return np.asarray(order[:, None] == np.arange(arms))


def _bar(patients: Population, assigned: Mask, progress: bool) -> Any:
    from tqdm import tqdm

    return tqdm(total=2 * len(patients) + int(assigned.sum()), unit="run", disable=not progress, mininterval=0.5)


@dataclass(frozen=True, kw_only=True)
class _Runs:
    """The runs behind a trial: one call of `run` per question and adherence."""

    model: Model
    patients: Population
    execution: Execution
    bar: Any

    def _columns(self, rows: Ints) -> dict[str, Array]:
        columns = {k: v[rows] for k, v in self.patients.parameters.items() if k not in self.model.settings}
        if not columns:  # a table needs a column to say how many rows it has
            first = self.model.constants[0]
            columns = {first.id: np.full(len(rows), self.model.settings.get(first.id, first.value))}
        return columns

    def _call(self, study: Study, columns: Mapping[str, Array]) -> Ensemble:
        runs = ensemble(study, columns, execution=self.execution)
        self.bar.update(len(runs.status))
        return runs

    def baseline(self, wanted: Sequence[str] | None) -> tuple[dict[str, Array], dict[int, str]]:
        """Markers before treatment, with the loop gain; and who cannot be enrolled."""
        model = self.model
        names = _known(model, patients_file().markers) if wanted is None else {k: model.resolve(k) for k in wanted}
        variables = tuple(dict.fromkeys((*names.values(), *model.anchors.values(), model.resolve("seizure_rate"))))
        rows = np.arange(len(self.patients))
        outcomes = [Outcome(variable=v, reduce="final", label=v) for v in variables]
        columns = self._columns(rows)
        runs = self._call(Study(model, outcomes=outcomes, **AT_REST), columns)
        rest = dict(zip(variables, runs.values.T, strict=True))
        excluded = {int(i): f"run failed: {runs.messages.get(int(i), '')}" for i in np.flatnonzero(~runs.ok)}
        found = {name: rest[v] for name, v in names.items()}
        if has_loop(model):
            gain = found[GAIN] = gains_from_rest(model, columns, rest, self.execution)
            for i in np.flatnonzero(~(gain < 1)):
                excluded.setdefault(int(i), f"not chronic: loop gain {gain[i]:.2f}")
        return found, excluded

    def arm(
        self, plan: Sequence[Treatment], members: Mask, weeks: float, window: float, excluded: dict[int, str]
    ) -> Array:
        """The model's rate ratio of every member, grouped by adherence; adds to `excluded` whose run fails."""
        ratio = np.ones(len(members))
        going = members & np.array([i not in excluded for i in range(len(members))])
        span = self.model.duration(window, None)
        outcome = Outcome(variable="seizure_rate", reduce="mean", window=span, label="rate")
        for adherence in np.unique(self.patients.adherence[going]):
            rows = np.flatnonzero(going & (self.patients.adherence == adherence))
            if not plan or adherence == 0:  # untreated: the patient stays at rest, where the ratio is 1
                self.bar.update(len(rows))
                continue
            followed = [self._followed(t, float(adherence)) for t in plan]
            study = Study(self.model, followed, outcomes=[outcome], weeks=weeks)
            runs = self._call(study, self._columns(rows))
            ratio[rows] = runs.values[:, 0]
            for i in np.flatnonzero(~runs.ok):
                excluded[int(rows[i])] = f"run failed: {runs.messages.get(int(i), '')}"
        return ratio

    def _followed(self, treatment: Treatment, adherence: float) -> Followed:
        references = {k: q.value for k, q in self.model.quantities.items()} | dict(self.model.settings)
        own_age = any(k.rpartition("__")[2] == CAPACITY for k in self.patients.parameters)
        return Followed(
            treatment=treatment,
            adherence=adherence,
            references=references,
            resolve=self.model.resolve,
            own_age=own_age,
        )


def _known(model: Model, names: Sequence[str]) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = model.resolve(name)
        except UnknownNameError:
            continue
    return found
