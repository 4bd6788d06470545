"""A calibration as a PEtab problem: its observations as experiments, that begin where the model rests."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._files.whole import write_folder
from .._sbml import sbml
from .._sbml.edit import add_parameter, add_rule, free_id, with_values
from .._sbml.formulas import names_in, tree
from .._sbml.native import libsbml
from .._sbml.units import unit_id
from .._types import Brief
from ..errors import InvalidValueError
from ..evidence.observations import Observation, arrange, assume_hypotheses
from ..evidence.predictions import hypothesis_keys
from ..models.experiments import REST
from ..models.model import Model
from ..models.petab_write import YAML_FILE, ParameterRow, problem_files, table
from ..modules.experiments import Experiments, Measurement, Period
from ..modules.module import Parameter
from ..sensitivity.factors import Wanted
from ..simulation.phases import phases
from .objective import (
    PRIOR_SD,
    Target,
    Which,
    choose_constants,
    edges,
    find_targets,
    in_use,
    logarithmic,
    to_values,
    with_start,
)

if TYPE_CHECKING:
    import pandas as pd

LEFT_OUT_FILE = "left_out.tsv"
NO_NUMBER = "a direction, PEtab holds numbers only"
NO_REDUCTION = "{}: PEtab reads values at a time, no extremes"
TWO_RESTS = "a baseline in health under a treatment: an experiment of PEtab begins at one rest"
Values = dict[str, str]  # id -> formula of its value


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PetabProblem(Brief):
    """What `write_petab` wrote.

    Attributes:
        yaml: path of the YAML file.
        measured: ids of the observations that the problem has.
        left_out: one row per observation that it has not, index `id`: reason.

    Example:
        >>> import pathway_models as pm, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     made = write_petab(pm.load("ampk_pgc1a"), ["gain_BHB_GSH"], ["kd_gsh"], folder, allow=["assumed"])
        >>> len(made.left_out)
        0
    """

    yaml: Path
    measured: tuple[str, ...]
    left_out: pd.DataFrame


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
    """Write the problem that `calibrate` would solve as PEtab 2.0 into `folder`, for pyPESTO, AMICI or `pm.load`.

    Errors, priors and ranges are those of `calibrate`. There is one observable per observation. Experiments begin at
    rest (a period at -inf); what the context holds there gets its own value at time 0, where treatment begins. The SBML
    has a constant `before_X` for each variable X whose ratio is measured: it takes the value before treatment. A
    constant that some observation sets itself is estimated as `fit_` and its id. Percent changes are written as folds.
    Directions, extremes, and baselines in health under a treatment cannot be expressed: they are in left_out.tsv with
    the reason.

    Args:
        model: a model of the library.
        parameters: what is fitted, as in `calibrate`.
        observations: as in `calibrate`.
        folder: where the files go.
        start_at: constant -> nominal value and centre of its prior, in the unit of the model.
        allow: as in `calibrate`.
        prior: whether the ranges count, as normal laws on the scale of each constant.
        assumed_error: of a number without a printed error, as a share of it.

    Returns:
        The YAML file, what is measured, and what was left out and why.

    Raises:
        InvalidValueError: as `calibrate`, and if nothing can be expressed.
        UnknownNameError: unknown names.
        ModelError: the folder cannot be written.

    Source:
        PEtab 2.0, petab.readthedocs.io; version 1: Schmiester et al. 2021, doi:10.1371/journal.pcbi.1008646.

    Example:
        >>> import pathway_models as pm, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     made = write_petab(pm.load("ampk_pgc1a"), ["gain_BHB_GSH"], ["kd_gsh"], folder, allow=["assumed"])
        ...     print(made.measured, pm.load(made.yaml).predictions()["prediction"].round(2).tolist())
        ('kd_gsh',) [2.0]
    """
    import pandas as pd

    if model.context is None:
        raise InvalidValueError(f"{model.name} is a file from elsewhere: calibrations of library models can be written")
    if model.whole:
        raise InvalidValueError(f"{model.name} rests where the model that it reduces does, which PEtab cannot say")
    targets = find_targets(model, observations, assumed_error)
    chosen = choose_constants(model, parameters, allow)
    model = with_start(model, chosen, start_at or {})
    reasons = {t.observation.id: _reason(t.observation) for t in targets}
    absent = [(k, v) for k, v in reasons.items() if v]
    kept = [t for t in targets if not reasons[t.observation.id]]
    if not kept:
        raise InvalidValueError(
            f"PEtab can express none of the observations: {'; '.join(sorted({r for _, r in absent}))}"
        )
    files = _problem(model, kept, chosen, prior=prior)
    files[LEFT_OUT_FILE] = table(("id", "reason"), absent)
    return PetabProblem(
        yaml=write_folder(Path(folder), files) / YAML_FILE,
        measured=tuple(t.observation.id for t in kept),
        left_out=pd.DataFrame(absent, columns=["id", "reason"]).set_index("id"),
    )


def _reason(row: Observation) -> str:
    """Why PEtab cannot express an observation; empty if it can."""
    if not row.numeric:
        return NO_NUMBER
    if row.reduce != "at":
        return NO_REDUCTION.format(row.reduce)
    return TWO_RESTS if row.baseline == "healthy" and row.hours > 0 else ""


def _problem(
    model: Model, targets: Sequence[Target], parameters: Sequence[Parameter], *, prior: bool
) -> dict[str, str]:
    """File name -> text."""
    groups: dict[tuple[Any, ...], list[Target]] = {}
    for t in targets:
        groups.setdefault((*t.observation.condition, t.observation.baseline == "healthy"), []).append(t)
    # the published start: every rest is searched from there, and some states keep a memory of where they came from
    document = sbml.read(with_values(model.sbml, model.settings))
    followers = _Followers(document.getModel())
    arms = [_Arm(model, followers, parameters, members) for members in groups.values()]
    measurements = tuple(m for n, arm in enumerate(arms, 1) for m in arm.measurements(f"experiment_{n}"))
    periods = [arm.periods() for arm in arms]
    renamed = {p.id for p in parameters} & {k for steps in periods for _, values in steps for k in values}
    for (_, first), *_ in periods:  # what one experiment sets itself, all of them must set
        first |= {k: estimate_of(k) for k in sorted(renamed - first.keys())}
    experiments = Experiments(
        measurements=measurements,
        periods=tuple(
            (f"experiment_{n}", tuple(Period(time=t, values=tuple(values.items())) for t, values in steps))
            for n, steps in enumerate(periods, 1)
        ),
        constants=(),
        in_file=False,
    )
    titles = {_observable_id(t): t.observation.id for t in targets}
    return problem_files(
        sbml.write(document), experiments, _parameter_rows(model, parameters, renamed, prior=prior), titles
    )


def _parameter_rows(
    model: Model, parameters: Sequence[Parameter], renamed: set[str], *, prior: bool
) -> list[ParameterRow]:
    places = in_use(model, parameters)
    found = []
    for p, place, value in zip(parameters, places, to_values(parameters, places), strict=True):
        low, high = edges(p)
        law = ("log-normal" if logarithmic(p) else "normal", float(low + place * (high - low)), PRIOR_SD * (high - low))
        found.append(
            ParameterRow(
                id=estimate_of(p.id) if p.id in renamed else p.id,
                nominal=float(value),
                low=float(p.low or 0.0),
                high=float(p.high or 0.0),
                estimate=True,
                prior=law if prior else None,
            )
        )
    return found


def estimate_of(key: str) -> str:
    """The name under which a constant is estimated where an experiment sets the constant itself."""
    return f"fit_{key}"


def _observable_id(t: Target) -> str:
    """The id of the observation, as far as PEtab takes it."""
    return "observed_" + re.sub(r"\W", lambda match: f"_{ord(match.group()):x}_", t.observation.id, flags=re.ASCII)


# ---- one experiment ----------------------------------------------------------------------------------------------


class _Arm:
    """The observations of one condition: what is set and when, and what is read of it."""

    def __init__(
        self, model: Model, followers: _Followers, parameters: Sequence[Parameter], members: Sequence[Target]
    ) -> None:
        self.model, self.followers, self.members = model, followers, members
        self.estimated = [p.id for p in parameters]
        self.row = members[0].observation
        self.healthy = self.row.baseline == "healthy"
        self.variant = arrange(model, self.row)
        self.rest = assume_hypotheses(model.with_context("healthy"), self.row) if self.healthy else self.variant
        self.keys = {t.observation.id: self.variant.resolve(t.observation.observable) for t in members}

    def measurements(self, experiment: str) -> Iterator[Measurement]:
        """Of a baseline in health the rest in the context is measured, as it is once nothing is held any more."""
        for t in self.members:
            o, key = t.observation, self.keys[t.observation.id]
            formula = self.followers.variable(key, _instead_after_rest(self.variant) if self.healthy else {})
            yield Measurement(
                observable=_observable_id(t),
                experiment=experiment,
                time=math.inf if self.healthy else o.hours,
                measurement=t.scale / 100 if o.comparison == "percent_change" else float(o.value or 0.0),
                unit="",
                formula=f"{formula} / {self.followers.constant(f'before_{key}', key)}" if t.ratio else formula,
                noise_formula=repr(t.error / t.scale if t.ratio else t.error),
                distribution="log-normal" if t.ratio else "normal",
            )

    def periods(self) -> list[tuple[float, Values]]:
        """(time, values) of the rest, of the start, and of what changes later."""
        ratios = dict.fromkeys(self.keys[t.observation.id] for t in self.members if t.ratio)
        start = {f"before_{key}": self.followers.variable(key, _instead_after_rest(self.rest)) for key in ratios}
        if not self.healthy:
            start |= {k: v for k, v in self.variant.anchors.items() if k not in self.variant.settings}
        own = hypothesis_keys(self.model, self.row)
        fixed = own | {self.model.resolve(k) for k, _ in self.row.settings}
        rest = self._values(self.rest, own if self.healthy else fixed, held=True)
        run = self._values(self.variant, fixed, held=self.healthy)
        published = self._values(self.model, set(), held=False)
        found = [(REST, {k: v for k, v in rest.items() if v != published.get(k)})]
        duration = max(t.observation.hours for t in self.members) or 1.0
        now = rest
        for piece in phases(self.variant, self.row.schedule, duration):
            wanted = run | {k: repr(float(v)) for k, v in piece.levels}
            values = {k: v for k, v in wanted.items() if v != now[k]} | {k: f"{k} + {v!r}" for k, v in piece.doses}
            found.append((piece.start, values if piece.start else values | start))
            now = wanted
        return [(time, values) for time, values in found if values or time <= 0]

    def _values(self, variant: Model, fixed: set[str], *, held: bool) -> Values:
        """The values of all constants; of those that are estimated and not `fixed` by the name of the estimate."""
        numbers = {k: q.value for k, q in self.model.quantities.items()} | dict(variant.settings)
        own = {k: repr(float(v)) for k, v in numbers.items()}
        own |= {k: estimate_of(k) for k in self.estimated if k not in fixed}
        own |= {name: own[k] for k in variant.held if self.followers.has(name := f"own_{k}")}
        return own | ({k: repr(float(v)) for k, v in variant.held.items()} if held else {})


def _instead_after_rest(variant: Model) -> Values:
    """What is read in place of a constant once a rest is found: of one that is held there its own value, of one that
    the context anchors its variable."""
    anchors = {k: v for k, v in variant.anchors.items() if k not in variant.settings}
    return anchors | {k: f"own_{k}" for k in variant.held}


class _Followers:
    """Extends an SBML model with variables that follow others, as those would be were some constants others."""

    def __init__(self, model: libsbml.Model) -> None:
        self.model = model
        self.known: dict[tuple[str, tuple[tuple[str, str], ...]], str] = {}

    def has(self, key: str) -> bool:
        return self.model.getElementBySId(key) is not None

    def variable(self, key: str, instead: Values) -> str:
        """The id of `key` were the constants in `instead` others (id -> id).

        Of a reaction, which formulas of PEtab cannot name, that of a variable with its rate.
        """
        found = self._follower(key, instead)
        if self.model.getReaction(found) is None:
            return found
        name = f"rate_{found}"
        return name if self.has(name) else self._new_variable(name, key, tree(found), {})

    def constant(self, name: str, like: str) -> str:
        """`name`, a new constant with the value and the unit of `like` where there was none."""
        if not self.has(name):
            parameter = self.model.getParameter(like)
            add_parameter(self.model, name, parameter.getValue() if parameter else 1.0, self._unit(like))
        return name

    def _unit(self, key: str) -> str:
        return unit_id(self.model, self.model.getElementBySId(key).getDerivedUnitDefinition())

    def _follower(self, key: str, instead: Values) -> str:
        place = (key, tuple(instead.items()))
        if place not in self.known:
            self.known[place] = self._found(key, instead)
        return self.known[place]

    def _found(self, key: str, instead: Values) -> str:
        reaction = self.model.getReaction(key)
        source = reaction.getKineticLaw() if reaction else self.model.getAssignmentRule(key)
        if key in instead or source is None:
            return instead.get(key, key)
        followed = {k: self._follower(k, instead) for k in sorted(names_in(source.getMath()))}
        changed = {k: v for k, v in followed.items() if k != v}
        name = free_id(self.model, f"released_{key}")
        return self._new_variable(name, key, source.getMath(), changed) if changed else key

    def _new_variable(self, name: str, like: str, math: libsbml.ASTNode, changed: Values) -> str:
        """A new variable that a rule gives the value of a formula with other ids in it."""
        add_parameter(self.model, name, 0.0, self._unit(like), constant=False)
        rule = add_rule(self.model, name, math)
        between = {old: f"{name}_{number}" for number, old in enumerate(changed)}  # one may be in the place of another
        for old, new in [*between.items(), *((between[old], new) for old, new in changed.items())]:
            rule.renameSIdRefs(old, new)
        for old, new in changed.items():
            self.constant(new, old)
        return name
