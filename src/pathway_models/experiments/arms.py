"""Single treatments and their combination: four arms, and the interaction on scales that are named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .._types import Array, Brief
from ..ensembles.outcomes import Outcome, reduce_courses, resolve_outcomes
from ..ensembles.study import Study, study_of
from ..errors import InvalidValueError
from ..figures import plot_arms
from ..models.model import Model
from ..simulation.job import make_job
from ..simulation.run import output_times, record, solve, to_dataset, warn_of
from ..simulation.tolerances import Tolerance
from ..treatments.schedule import Treatment, label

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure

SCALES = {
    "log_additive": "ln(both/none) - ln(a/none) - ln(b/none); 0 = the fold changes multiply (independence)",
    "bliss": "a*b/none^2 - both/none; > 0 = lower than independent action predicts; only where no arm rises above none",
    "hsa": "ln(both/none) - ln(stronger single arm/none); 0 = no more than the stronger treatment alone",
}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Comparison(Brief):
    """Four arms of one model: no treatment, either one, and both.

    Attributes:
        arms: their names.
        outcomes: what was read.
        values: (4, outcomes), in the unit of the outcome.
        runs: all states and outputs over time, dims arm and time (model time).

    Example:
        >>> import pathway_models as pm
        >>> arms = pm.compare(pm.load("nlrp3_il1b"), pm.Level(input="vagal_drive", value=0.5),
        ...                   pm.Level(input="MCC950", value=0.1), weeks=1, outcomes=["IL1B"])
        >>> list(arms.interaction.columns)
        ['log_additive', 'bliss', 'hsa']
    """

    arms: tuple[str, str, str, str]
    outcomes: tuple[Outcome, ...]
    values: Array
    runs: xr.Dataset

    @property
    def table(self) -> pd.DataFrame:
        """Outcomes by arm, in the unit of the outcome."""
        import pandas as pd

        return pd.DataFrame(self.values, index=pd.Index(self.arms, name="arm"), columns=[o.name for o in self.outcomes])

    @property
    def interaction(self) -> pd.DataFrame:
        """Interaction per outcome (rows) and scale (columns); see `SCALES` for the definitions.

        NaN where a scale does not apply: values of zero or less for the logarithms, a rising arm for Bliss.
        """
        import pandas as pd

        rows = {o.name: _interaction(self.values[:, i]) for i, o in enumerate(self.outcomes)}
        return pd.DataFrame.from_dict(rows, orient="index", columns=list(SCALES))

    def to_dataframe(self) -> pd.DataFrame:
        """One row per outcome: the four arms, then the interaction on each scale."""
        frame = self.table.T
        frame.index.name = "outcome"
        return frame.join(self.interaction.add_prefix("interaction_"))

    def plot(self, *names: str) -> Figure:
        """The four arms over time, one panel per variable.

        Args:
            names: of variables; without any, those of the outcomes.
        """
        return plot_arms(self.runs, names or tuple(o.variable for o in self.outcomes))


def compare(
    study: Model | Study,
    a: Treatment | Sequence[Treatment],
    b: Treatment | Sequence[Treatment],
    *,
    outcomes: Sequence[str | Outcome] = (),
    weeks: float | None = None,
    duration: float | None = None,
    rtol: float | None = None,
    atol: Tolerance | None = None,
) -> Comparison:
    """Run no treatment, `a`, `b` and both, and give outcomes and interaction on three scales (`SCALES`).

    Every arm starts from the same steady state.

    Args:
        study: a model with `outcomes`, and `weeks` or `duration` here, or a `Study` without treatments.
        a: a treatment, or a list.
        b: the other one.
        outcomes: as in `Study`; `seizure_rate` where the model has it, else all outputs.
        weeks: as in `Study`; 12 weeks if nothing is said.
        duration: as in `Study`.
        rtol: relative tolerance of the solver.
        atol: absolute tolerance, a number or one per state.

    Returns:
        Four arms: courses, outcomes, interaction.

    Raises:
        InvalidValueError: if the treatments clash on one input, and as `Model.simulate`.

    Example:
        >>> import pathway_models as pm
        >>> arms = pm.compare(pm.load("nlrp3_il1b"), pm.Level(input="vagal_drive", value=0.5),
        ...                   pm.Level(input="MCC950", value=0.1), weeks=8, outcomes=["IL1B"])
        >>> bool(arms.table.loc["vagal_drive", "IL1B"] < arms.table.loc["none", "IL1B"])
        True
    """
    study = study_of(study, (), outcomes, weeks, duration)
    if study.treatments:
        raise InvalidValueError("the study of compare has treatments; give them as a and b")
    model, length = study.model, study.length
    times = output_times(model, length, study.every)
    found = resolve_outcomes(model, study.outcomes or _default_outcomes(model), length)
    single = [list(t) if isinstance(t, Sequence) else [t] for t in (a, b)]
    plans: list[list[Treatment]] = [[], single[0], single[1], [*single[0], *single[1]]]
    arms = _arm_names(single)
    columns = tuple(dict.fromkeys((*model.states, *(p.id for p in model.output_ports), *(o.variable for o in found))))
    settings: dict[str, Any] = {"start": study.start, "rtol": rtol, "atol": atol}
    datasets, values = [], []
    for plan in plans:
        job = make_job(model, plan, duration=length, times=times, columns=columns, **settings)
        run = solve(job)
        warn_of(model, job, run)
        datasets.append(to_dataset(model, plan, job, run))
        course = np.vstack([run.course.before, run.course.values])
        values.append(reduce_courses(found, columns, times, course[None])[0])
    runs = _stack(datasets, arms, record(model, plans[3], job, run))
    return Comparison(arms=arms, outcomes=found, values=np.array(values), runs=runs)


def _default_outcomes(model: Model) -> Sequence[str]:
    ids = [p.id for p in model.output_ports] or list(model.states)
    rate = [i for i in ids if i == "seizure_rate" or i.endswith("__seizure_rate")]
    return ["seizure_rate"] if rate else ids


def _arm_names(single: Sequence[Sequence[Treatment]]) -> tuple[str, str, str, str]:
    first, second = label(single[0]), label(single[1])
    if first == second:
        first, second = f"{first} (a)", f"{second} (b)"
    if "none" in (first, second):
        raise InvalidValueError("compare needs two treatments; one of them is an empty list")
    return ("none", first, second, f"{first}+{second}")


def _interaction(values: Array) -> list[float]:
    none, a, b, both = (float(v) for v in values)
    if not min(none, a, b, both) > 0:
        return [float("nan")] * len(SCALES)
    la, lb, lab = (float(np.log(v / none)) for v in (a, b, both))
    bliss = a * b / none**2 - both / none if max(la, lb, lab) <= 1e-12 else float("nan")
    return [lab - la - lb, bliss, lab - (la if abs(la) >= abs(lb) else lb)]


def _stack(datasets: Sequence[xr.Dataset], arms: Sequence[str], attrs: dict[str, Any]) -> xr.Dataset:
    import xarray as xr

    runs = xr.concat(datasets, dim="arm", combine_attrs="override").assign_coords(arm=list(arms))
    runs.attrs = attrs
    return runs
