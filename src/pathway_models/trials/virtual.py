"""A trial on virtual patients: arms simulated, diaries counted, results as a trial would report them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from .._types import Array, Brief, Frozen
from ..ensembles.execution import Execution, execution_of, one_pool
from ..ensembles.outcomes import Outcome
from ..ensembles.runs import Ensemble, ensemble
from ..ensembles.study import Study
from ..errors import InvalidValueError, UnknownNameError, repr_short, require_choice, require_kind, require_range
from ..experiments.loop import AT_REST, gains_from_rest, has_loop
from ..figures import subplots
from ..models.model import Model
from ..modules.flat import require_model
from ..modules.laws import Z95
from ..sensitivity.analysis import announce
from ..treatments.schedule import AgedTreatment, Dose, Level, Treatment, label
from .patients import CAPACITY, Ints, Mask, Population, patients_file, seizure_counts
from .statistics import Interval, area_under_curve, bootstrap_interval, rank_correlation, risk_ratio, wilson

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Arms: TypeAlias = Mapping[str, Treatment | Sequence[Treatment]]
FEW_ROWS = 64  # fewer runs than this are done here: starting processes takes longer
GAIN = "loop_gain"
BEYOND_CHILDREN = (
    "Beyond children no trial of a diet found a clear gain over its control (adults clinical:C011 and C012, infants "
    "clinical:C023): a gain here is the model's alone."
)
COLOURS = ("#9a9a9a", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#000000")  # Okabe-Ito


# ---- the result ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Trial(Brief):
    """Patients by arms: what the model says and what the diaries hold.

    Attributes:
        population: the patients who were enrolled.
        arms: their names; the first is the control.
        weeks: length of the treatment.
        window_weeks: the last weeks, in which seizures are counted.
        ratio: (patients, arms), rate under treatment over that without, as the model has it.
        counts: (patients, arms), seizures in the window.
        assigned: (patients, arms), who belongs to which arm; paired all to all.
        markers: name -> values before treatment (patients,), in the unit of the model.
        excluded: number of a patient in the population handed in -> why they were left out.

    Example:
        >>> import pathway_models as pm
        >>> model = pm.load("excitability")
        >>> result = pm.trial(model, pm.population(model, 4), {"control": [], "drug": pm.Level(input="GABA", value=2)},
        ...                   weeks=8, execution=pm.Execution(workers=1, progress=False))
        >>> result.percent.shape == result.counts.shape
        True
    """

    population: Population
    arms: tuple[str, ...]
    weeks: float
    window_weeks: float
    ratio: Array
    counts: Ints
    assigned: Mask
    markers: Mapping[str, Array]
    excluded: Mapping[int, str]

    @property
    def percent(self) -> Array:
        """Seizures under treatment as percent of those in the baseline diary (patients x arms)."""
        base = self.population.baseline_count / self.population.baseline_weeks
        return np.asarray(100 * (self.counts / self.window_weeks) / base[:, None])

    @property
    def completed(self) -> Mask:
        """Who belongs to the arm and did not drop out before the end (patients x arms)."""
        stayed = self.population.drop_out_weeks >= self.weeks
        return np.asarray(self.assigned & stayed[:, None])

    def responders(self, reduction: float = 50.0) -> Mask:
        """Who completed with fewer seizures; drop-outs are non-responders (patients x arms).

        Args:
            reduction: of the seizures, at least, in percent of the baseline.
        """
        return np.asarray(self.completed & (self.percent <= 100 - reduction + 1e-9))

    def patients(self) -> pd.DataFrame:
        """One row per patient and arm: baseline, model ratio, percent of baseline, completed, responder."""
        import pandas as pd

        rows, columns = np.nonzero(self.assigned)
        p = self.population
        data = {
            "patient": rows,
            "arm": [self.arms[k] for k in columns],
            "age_group": [p.age_group[i] for i in rows],
            "adherence": p.adherence[rows],
            "baseline_count": p.baseline_count[rows],
            "count": self.counts[rows, columns],
            "model_ratio": self.ratio[rows, columns],
            "percent_of_baseline": self.percent[rows, columns],
            "completed": self.completed[rows, columns],
            "responder_50": self.responders()[rows, columns],
        }
        return pd.DataFrame(data)

    def to_dataframe(self) -> pd.DataFrame:
        """One row per arm, 95 percent intervals in `_low` and `_high`.

        Mean and median percent of baseline of the completers; RR50, RR90 and seizure freedom by intention to treat
        (shares of all patients, drop-outs count as non-responders), and RR50, RR90 of the completers. `model_ratio` is
        the median of the model's rate ratio, without drift, drop-out and diary.
        """
        import pandas as pd

        rows = {arm: self._row(k) for k, arm in enumerate(self.arms)}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("arm")

    def _row(self, k: int) -> dict[str, float]:
        done, n = self.completed[:, k], int(self.assigned[:, k].sum())
        percent, m = self.percent[done, k], int(done.sum())
        row: dict[str, float] = {"patients": n, "completers": m}
        row |= _named("mean_percent", bootstrap_interval(percent, np.mean, self.population.seed))
        row |= _named("median_percent", bootstrap_interval(percent, np.median, self.population.seed))
        fifty, ninety = (int(self.responders(r)[:, k].sum()) for r in (50, 90))
        row |= _named("RR50", wilson(fifty, n)) | _named("RR90", wilson(ninety, n))
        row |= _named("seizure_free", wilson(int((done & (self.counts[:, k] == 0)).sum()), n))
        row |= _named("RR50_completers", wilson(fifty, m)) | _named("RR90_completers", wilson(ninety, m))
        ratios = self.ratio[self.assigned[:, k], k]
        return row | {"model_ratio": float(np.median(ratios)) if n else math.nan}

    def contrasts(self) -> pd.DataFrame:
        """Each arm against the first: difference of mean percent of baseline, and risk ratio of RR50, with intervals.

        The difference is of completers (bootstrap; in pairs where every patient is in both arms), the ratio by
        intention to treat (Katz, as if the arms were independent groups).
        """
        import pandas as pd

        rows = {arm: self._contrast(k) for k, arm in enumerate(self.arms) if k}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("arm")

    def _contrast(self, k: int) -> dict[str, float]:
        seed, yes = self.population.seed, self.responders().sum(axis=0)
        n = self.assigned.sum(axis=0)
        if self.assigned.all():
            difference = bootstrap_interval(
                (self.percent[:, k] - self.percent[:, 0])[self.completed[:, 0]], np.mean, seed
            )
        else:
            a, b = (self.percent[self.completed[:, i], i] for i in (k, 0))
            value = float(np.mean(a) - np.mean(b)) if len(a) and len(b) else math.nan
            error = math.sqrt(_variance_of_mean(a) + _variance_of_mean(b))
            difference = value, value - Z95 * error, value + Z95 * error
        return _named("difference", difference) | _named("RR50_ratio", risk_ratio(yes[k], n[k], yes[0], n[0]))

    def predictors(self, arm: str | None = None, *, of: Literal["diary", "model"] = "diary") -> pd.DataFrame:
        """What goes with response among completers; strongest first, index `marker`.

        `rho`: rank correlation with the reduction; `auc`: chance that a responder (50 percent) has the larger value;
        95 percent intervals, one marker at a time: of twenty without any effect one leaves its interval by chance.
        `measurable`: could be measured before treatment (baseline diary, age, state of the model at rest); the others
        are the loop gain, the patient's constants and the adherence.

        Args:
            arm: its name; None for the last.
            of: 'diary', or 'model' for the model's rate ratio in its place, without drift and chance.

        Raises:
            UnknownNameError: another arm, or another word for `of`.
        """
        import pandas as pd

        name = self.arms[-1] if arm is None else require_choice("arm", arm, self.arms)
        require_choice("of", of, ("diary", "model"))
        k = self.arms.index(name)
        done = self.completed[:, k]
        left = (self.percent if of == "diary" else 100 * self.ratio)[done, k]
        rows: dict[str, dict[str, float]] = {}
        for marker, (values, measurable) in self._all_markers().items():
            rho = rank_correlation(values[done], -left)
            if not math.isnan(rho[0]):
                auc = area_under_curve(values[done], left <= 50)
                rows[marker] = {"measurable": measurable} | _named("rho", rho) | _named("auc", auc)
        columns = ["measurable", *_named("rho", (0, 0, 0)), *_named("auc", (0, 0, 0))]
        frame = pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("marker")
        return frame.sort_values("rho", key=lambda c: -c.abs(), kind="stable")

    def _all_markers(self) -> dict[str, tuple[Array, bool]]:
        p = self.population
        known = {"baseline_count": p.baseline_count.astype(float)} | dict(self.markers)
        known["adult"] = np.array([a == "adult" for a in p.age_group], dtype=float)
        hidden = {"adherence": p.adherence} | {k.replace("__", "."): v for k, v in p.parameters.items()}
        return {k: (v, k != GAIN) for k, v in known.items()} | {k: (v, False) for k, v in hidden.items()}

    def summary(self) -> str:
        """Plain sentences: who was enrolled, mean, RR50 and RR90 of each arm, and a caution beyond children."""
        lines = [f"{len(self.population)} patients enrolled, {len(self.excluded)} left out{_reasons(self.excluded)}."]
        for arm, r in self.to_dataframe().iterrows():
            lines.append(
                f"{arm}: {r.mean_percent:.0f} percent of baseline ({r.mean_percent_low:.0f} to "
                f"{r.mean_percent_high:.0f}; "
                f"{r.completers:.0f} of {r.patients:.0f} completed); by intention to treat "
                f"{100 * r.RR50:.0f} percent have half the seizures or fewer ({100 * r.RR50_low:.0f} to "
                f"{100 * r.RR50_high:.0f}), {100 * r.RR90:.0f} percent a tenth or fewer, "
                f"{100 * r.seizure_free:.0f} percent none."
            )
        if set(self.population.age_group) - {"child"}:
            lines.append(BEYOND_CHILDREN)
        return "\n".join(lines)

    def plot(self, axis: Axes | None = None) -> Figure:
        """Responder curve per arm: share of patients (intention to treat) who reach at least that reduction.

        Bands are 95 percent Wilson intervals, each point for itself.

        Args:
            axis: of matplotlib, to draw on; None for a figure of its own.
        """
        return _plot(self, axis)


def _named(name: str, interval: Interval) -> dict[str, float]:
    return dict(zip((name, f"{name}_low", f"{name}_high"), interval, strict=True))


def _variance_of_mean(values: Array) -> float:
    return float(np.var(values, ddof=1)) / len(values) if len(values) > 1 else math.nan


def _reasons(excluded: Mapping[int, str]) -> str:
    kinds = [text.partition(":")[0] for text in excluded.values()]
    counts = [f"{kinds.count(k)} {k}" for k in dict.fromkeys(kinds)]
    return f" ({', '.join(counts)})" if counts else ""


# ---- running it ----------------------------------------------------------------------------------------------------


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
    on = execution_of(execution)
    if on.checkpoint is not None:
        raise InvalidValueError(f"checkpoint is {on.checkpoint}; a trial keeps none")
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
        raise InvalidValueError(f"no patient is left{_reasons(excluded)}; the first: {next(iter(excluded.values()))}")
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
        own_age = any(k.replace("__", ".") == CAPACITY for k in self.patients.parameters)
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


def _plot(result: Trial, axis: Axes | None) -> Figure:
    if axis is None:
        _, axis = subplots(figsize=(6.4, 4.2), layout="constrained")
    grid = np.linspace(0, 100, 201)
    n = result.assigned.sum(axis=0)
    reached = {float(r): result.responders(float(r)).sum(axis=0) for r in grid}
    for k, arm in enumerate(result.arms):
        curve = np.array([wilson(reached[float(r)][k], n[k]) for r in grid]) * 100
        colour = COLOURS[k % len(COLOURS)]
        axis.plot(grid, curve[:, 0], color=colour, lw=1.8, label=f"{arm} (n = {n[k]})")
        axis.fill_between(grid, curve[:, 1], curve[:, 2], color=colour, alpha=0.15, lw=0)
    for mark in (50, 90):
        axis.axvline(mark, color="#333333", lw=0.7, ls=(0, (4, 3)))
    axis.set(xlim=(0, 100), ylim=(0, 100), xlabel="reduction of seizures by at least (percent)")
    axis.set_ylabel("patients, intention to treat (percent)")
    axis.set_title(f"Responders in the last {result.window_weeks:g} of {result.weeks:g} weeks", fontsize=10, loc="left")
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=8)
    axis.grid(alpha=0.25, lw=0.5)
    axis.legend(frameon=False, fontsize=8, title="95 percent Wilson bands", title_fontsize=8)
    figure = axis.get_figure(root=True)
    assert figure is not None
    return figure
