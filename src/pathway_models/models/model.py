"""Model: one flat SBML text with its ids, units, parameters, inputs, outputs and hypotheses; immutable."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from .._sbml import foreign, mend
from .._sbml import sbml as _sbml
from .._sbml import uncertainty as _uncertainty
from .._sbml.native import alone
from .._types import Frozen
from ..errors import InvalidValueError, require_kind, require_number, require_range, unknown_name
from ..modules.coupling import flatten
from ..modules.module import Hypothesis, Parameter, Port, warn_far
from ..simulation.tolerances import Tolerance

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from ..treatments.schedule import Treatment
    from .experiments import Experiments

SECONDS_PER_WEEK = 7 * 24 * 3600.0
SETTABLE = "constants, inputs, sizes and start values can be set"
SHOWN = 6  # changed values in the short text of a model


@dataclass(frozen=True, kw_only=True)
class Context:
    """A named overlay: 'healthy', 'epilepsy'.

    `anchors` are set to a variable's value at the context's rest; `held` constants have these values while the rest is
    searched, and their own again afterwards. `loop` names the `input` that stands for the `output` of a feedback loop
    while the constant `switch` is 0.
    """

    name: str
    title: str
    settings: Mapping[str, float]
    anchors: Mapping[str, str] = field(default_factory=dict)
    held: Mapping[str, float] = field(default_factory=dict)
    loop: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Model:
    """An ODE model ready to be asked; every change gives a new model.

    `sbml` is the flat text as published; `settings` are the values that differ from it (context, hypotheses,
    `with_parameters`). Get one from `pathway_models.load`.

    >>> import pathway_models as pm
    >>> pm.load("acupuncture").name
    'acupuncture'
    """

    name: str
    title: str
    sbml: str
    parameters_: tuple[Parameter, ...]
    inputs_: tuple[Port, ...] = ()
    outputs_: tuple[Port, ...] = ()
    hypotheses_: tuple[Hypothesis, ...] = ()
    contexts: Mapping[str, Context] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    context: str | None = None
    settings: Mapping[str, float] = field(default_factory=dict)
    experiments_: Experiments | None = None

    def __repr__(self) -> str:
        usual = self.contexts[self.context].settings if self.context else {}
        changed = [f"{k}={v:g}" for k, v in self.settings.items() if usual.get(k) != v]
        shown = ", ".join(changed if len(changed) <= SHOWN else [*changed[:SHOWN], "..."])
        sizes = f"{len(self.states)} states, {len(self.parameters_)} constants, {len(self.inputs_)} inputs"
        where = f", context {self.context}" if self.context else ""
        return f"<Model {self.name}: {self.title}{where}; {sizes}{f'; {shown}' if shown else ''}>"

    # ---- what is in it -------------------------------------------------------------------------------------

    @property
    def quantities(self) -> Mapping[str, _sbml.Quantity]:
        """Species, parameters and compartments by id."""
        return _sbml.content(self.sbml, self.name).quantities

    @cached_property
    def states(self) -> tuple[str, ...]:
        """Ids of everything that has a rate of change."""
        return tuple(
            k
            for k, q in self.quantities.items()
            if q.ruled == "rate" or (q.kind == "species" and q.ruled != "assignment" and not q.constant)
        )

    def is_fixed(self, key: str) -> bool:
        """Whether `key` is a species that neither rules nor reactions change."""
        q = self.quantities.get(key)
        return q is not None and q.kind == "species" and q.boundary and not q.ruled

    @property
    def time_unit_seconds(self) -> float | None:
        """Seconds per unit of model time; None where the file does not say."""
        return _sbml.content(self.sbml, self.name).time_unit_seconds

    @property
    def parameters(self) -> pd.DataFrame:
        """Every constant: value in use, unit, range, kind, source and note; one row each, index `id`."""
        import pandas as pd

        columns = ("id", "module", "value", "unit", "low", "high", "distribution", "kind", "source", "note")
        rows = [{k: getattr(p, k) for k in columns} for p in self.parameters_]
        frame = pd.DataFrame(rows, columns=columns).set_index("id")
        for key, value in self.settings.items():
            if key in frame.index:
                frame.loc[key, "value"] = value
        return frame

    @property
    def inputs(self) -> pd.DataFrame:
        """What treatments and contexts act on: title, unit, role (level or dose), reference, range; index `id`."""
        return _port_table(self.inputs_)

    @property
    def outputs(self) -> pd.DataFrame:
        """The variables worth looking at: title, unit; index `id`."""
        return _port_table(self.outputs_)[["module", "title", "unit"]]

    @property
    def hypotheses(self) -> pd.DataFrame:
        """Contested mechanisms, one row per alternative: settings, evidence ids for and against, note."""
        import pandas as pd

        rows = [
            {
                "hypothesis": h.id,
                "alternative": key,
                "default": key == h.default,
                "settings": dict(a.settings),
                "for": ", ".join(a.supports),
                "against": ", ".join(a.opposes),
                "note": a.note,
            }
            for h in self.hypotheses_
            for key, a in h.alternatives.items()
        ]
        columns = ("hypothesis", "alternative", "default", "settings", "for", "against", "note")
        return pd.DataFrame(rows, columns=columns).set_index(["hypothesis", "alternative"])

    @property
    def measurements(self) -> pd.DataFrame:
        """What came with the model as measured (PEtab): observable, experiment, time, number, unit, formulas."""
        from .experiments import measurement_table

        return measurement_table(self)

    @property
    def experiments(self) -> pd.DataFrame:
        """What the experiments of the measurements set and when (-inf: until the model rests); index `experiment`."""
        from .experiments import experiment_table

        return experiment_table(self)

    @property
    def gains(self) -> tuple[str, ...]:
        """Ids of the wire gains of a coupled model."""
        return tuple(p.id for p in self.parameters_ if p.kind == "gain")

    @property
    def hash(self) -> str:
        """SHA-256 of the SBML text, 16 hexadecimal digits."""
        return hashlib.sha256(self.sbml.encode()).hexdigest()[:16]

    def resolve(self, name: str) -> str:
        """The SBML id for an id, `module.id`, an alias of the coupled model, or an unambiguous last part.

        Raises `UnknownNameError` for a name that is not there or that several modules have.
        """
        names = self._selectable
        for candidate in (name, name.replace(".", "__"), self.aliases.get(name, "")):
            if candidate in names:
                return candidate
        ids = [{p.id for p in self.outputs_}, set(self.states), {p.id for p in self.inputs_}, names - set(self.gains)]
        for pool in ids:
            hits = sorted(k for k in pool if k.endswith(f"__{name}"))
            if len(hits) == 1:
                return hits[0]
            if hits:
                options = ", ".join(h.replace("__", ".") for h in hits)
                raise unknown_name(f"(ambiguous) name in {self.name}", name, [options])
        raise unknown_name(f"name in {self.name}", name, [*self.aliases, *names])

    @cached_property
    def _selectable(self) -> frozenset[str]:
        return frozenset(self.quantities) | _sbml.content(self.sbml, self.name).reactions

    # ---- variants ------------------------------------------------------------------------------------------

    def with_parameters(self, values: Mapping[str, float] | None = None, /, **named: float) -> Model:
        """The model with other values at the start (names as in `resolve`): the same as a file with these values in it.

        Constants, sizes of compartments, species and whatever else has a value of its own; a value wins over an initial
        assignment, and what is computed from it follows. Of a species it is what its id stands for: the concentration,
        or the amount with `hasOnlySubstanceUnits`. Models of the library start at rest, so that their states cannot be
        set. Raises `UnknownNameError` for a name that is not there, `InvalidValueError` for a value that is not finite,
        for a negative value of a quantity whose table has no negative range, and for what a rule computes.

        >>> import pathway_models as pm
        >>> dict(pm.load("acupuncture").with_parameters(efficacy=0.5).settings)["efficacy"]
        0.5
        """
        require_kind("values", values or {}, Mapping, "{'k': 2.0}")
        changed = set_values(self, {**(values or {}), **named})
        for p in self.parameters_:
            if changed.settings.get(p.id) != self.settings.get(p.id):
                warn_far(p, changed.settings[p.id])
        return changed

    def _checked(self, key: str, value: float) -> float:
        q = self.quantities.get(key)
        if q is None:
            raise InvalidValueError(f"{key} of {self.name} is the rate of a reaction; {SETTABLE}")
        if q.ruled == "assignment":
            raise InvalidValueError(f"{key} of {self.name} is computed by a rule; {SETTABLE}")
        if self.context is not None and key in self.states:
            raise InvalidValueError(
                f"{key} of {self.name} is a state, and runs start at the rest of the context {self.context!r}, "
                f"whatever it is set to; add to it by a Dose, or load an exported file, which has start values"
            )
        if not math.isfinite(value):
            raise InvalidValueError(f"{key} is {value}; allowed are finite numbers")
        for port in self.inputs_:
            if port.id == key:
                return require_range(key, value, port.low, port.high)
        for p in self.parameters_:
            sourced = p.kind != "unknown" and p.low is not None and p.low >= 0
            if p.id == key and value < 0 and p.value >= 0 and sourced:
                raise InvalidValueError(f"{key} is {value:g}; allowed are values of 0 and more ({p.unit})")
        return value

    def with_hypothesis(self, hypothesis: str, alternative: str) -> Model:
        """The model under another reading of a contested mechanism.

        Raises `UnknownNameError` with the names that exist.
        """
        by_id = {h.id: h for h in self.hypotheses_}
        if hypothesis not in by_id:
            raise unknown_name(f"hypothesis of {self.name}", hypothesis, by_id)
        alternatives = by_id[hypothesis].alternatives
        if alternative not in alternatives:
            raise unknown_name(f"alternative of hypothesis {hypothesis}", alternative, alternatives)
        return replace(self, settings=Frozen({**self.settings, **alternatives[alternative].settings}))

    def with_context(self, name: str) -> Model:
        """The model in another context ('healthy', 'epilepsy'); the other settings stay.

        Raises `UnknownNameError` if the model has no such context.
        """
        if name not in self.contexts:
            raise unknown_name(f"context of {self.name}", name, self.contexts)
        old = self.contexts[self.context].settings if self.context else {}
        kept = {k: v for k, v in self.settings.items() if old.get(k) != v}
        return replace(self, context=name, settings=Frozen({**self.contexts[name].settings, **kept}))

    @property
    def anchors(self) -> Mapping[str, str]:
        """Parameters that take a variable's value at the context's steady state."""
        return self.contexts[self.context].anchors if self.context else {}

    @property
    def held(self) -> Mapping[str, float]:
        """Constants that are held at these values while the context's steady state is searched."""
        return self.contexts[self.context].held if self.context else {}

    # ---- what one does with it -----------------------------------------------------------------------------

    def duration(self, weeks: float | None, duration: float | None) -> float:
        """Length of a run in model time, from weeks or as given; `InvalidValueError` if neither or both fit."""
        if (weeks is None) == (duration is None):
            raise InvalidValueError("say either weeks=... or duration=... (in the model's unit of time)")
        if duration is None:
            if self.time_unit_seconds is None:
                raise InvalidValueError(f"{self.name} declares no unit of time; use duration= instead of weeks=")
            duration = require_number("weeks", weeks) * SECONDS_PER_WEEK / self.time_unit_seconds
        duration = require_number("duration", duration)
        if not 0 < duration < math.inf:
            raise InvalidValueError(f"the duration is {duration:g}; allowed are finite values above 0")
        return duration

    def steady_state(self) -> dict[str, float]:
        """Values of all states at rest in the model's context, without treatment.

        Units as in the model. Raises `SimulationError` if there is no steady state to be reached.

        >>> import pathway_models as pm
        >>> round(pm.load("nlrp3_il1b", context="healthy").steady_state()["IL1B"], 6)
        1.0
        """
        from ..simulation.job import at_rest

        return at_rest(self, self.states)

    def loop_gain(self) -> float:
        """Gain of the vicious circle at rest: relative change of the seizure rate per relative change that is fed back.

        Dimensionless; below 1 the untreated state is stable, and a small effect on the open loop grows by
        1/(1 - gain). Raises `ModelError` for a model without a loop and `SimulationError` if there is no steady state.

        >>> import pathway_models as pm
        >>> bool(0 < pm.load("excitability").loop_gain() < 1)
        True
        """
        from ..simulation.job import loop_gain

        return loop_gain(self)

    def simulate(
        self,
        treatments: Sequence[Treatment] = (),
        *,
        weeks: float | None = None,
        duration: float | None = None,
        every: float | None = None,
        start: str = "auto",
        rtol: float | None = None,
        atol: Tolerance | None = None,
        variables: Sequence[str] = (),
    ) -> xr.Dataset:
        """Run the model under a list of treatments; see `pathway_models.simulate` for the details."""
        from ..simulation.run import simulate

        return simulate(
            self,
            treatments,
            weeks=weeks,
            duration=duration,
            every=every,
            start=start,
            rtol=rtol,
            atol=atol,
            variables=variables,
        )

    def experiment(self, name: str) -> tuple[Model, list[Treatment]]:
        """The model at the start of one of its experiments, and what happens later: what `simulate` takes.

        Raises `UnknownNameError` for a name that is not in `experiments`, `ModelError` for a period that levels and
        doses cannot express, `SimulationError` if the rest that it starts from is not reached.

        >>> import pathway_models as pm, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     plan = [pm.Level(input="BHB", value=2, start=24)]
        ...     written = pm.export(pm.load("nlrp3_il1b"), folder, format="petab", interventions=plan, duration=48)
        ...     model, schedule = pm.load(written).experiment("scenario")
        >>> schedule
        [Level(input='BHB', value=2.0, start=24.0, stop=None)]
        """
        from .experiments import experiment

        return experiment(self, name)

    def predictions(
        self,
        experiments: Iterable[str] | None = None,
        *,
        rtol: float | None = None,
        atol: Tolerance | None = None,
    ) -> pd.DataFrame:
        """`measurements` (of some experiments, or all) with what the model computes: `prediction`, and its `noise`.

        Tolerances, warnings and errors as of `experiment` and `simulate`.
        """
        from .experiments import predictions

        return predictions(self, experiments, rtol, atol)

    def to_sbml(self) -> str:
        """SBML text with what is in use written into it, so that other simulators start where ours does.

        That is context, hypotheses, parameters, anchors, and the states at rest. For a file from elsewhere it is the
        changed parameters. Raises `SimulationError` if there is no steady state.
        """
        if not self.settings or self.context is None:
            return _sbml.with_values(self.sbml, self.settings)
        from ..simulation.job import at_rest

        return _sbml.with_values(self.sbml, {**self.settings, **at_rest(self, (*self.states, *self.anchors))})

    @alone
    def to_antimony(self) -> str:
        """Antimony text of what `to_sbml` gives: what `export(format="antimony")` writes.

        Raises `ModelError` for what Antimony cannot say.
        """
        from .._sbml.antimony import to_antimony

        return to_antimony(self.to_sbml(), self.name)


def set_values(model: Model, values: Mapping[str, float]) -> Model:
    """As `Model.with_parameters`, without a warning of the size: for values of our own tables, which are meant."""
    changed = {}
    for name, value in values.items():
        key = model.resolve(name)
        changed[key] = model._checked(key, require_number(name, value))
    return replace(model, settings=Frozen({**model.settings, **changed}))


def require_model(model: object) -> None:
    """Raise `InvalidValueError` for a name or a path where a loaded model is needed."""
    require_kind("model", model, Model, f"pm.load({model!r})" if isinstance(model, str) else 'pm.load("epilepsy")')


def _port_table(ports: Iterable[Port]) -> pd.DataFrame:
    import pandas as pd

    columns = ("id", "module", "title", "unit", "role", "reference", "low", "high")
    return pd.DataFrame([{k: getattr(p, k) for k in columns} for p in ports], columns=columns).set_index("id")


def from_sbml(text: str, *, name: str) -> Model:
    """A model from anybody's SBML: every constant is a parameter, of which the sources are unknown.

    A hierarchical document is flattened first (libroadrunner 2.10 drops submodels without a word), parameters that
    are local to a kinetic law become global ones, and Level 1 becomes Level 2. Ranges, laws, kinds and sources of
    parameters come from the annotations that our own files carry. Warns with `ModelWarning` of values that the file
    lacks and of what of it is not valid. Raises `ModelError` for a file that cannot be simulated.
    """
    _sbml.screen(text, name)
    foreign.refuse_packages(text, name=name)
    text, document = mend.accepted(text, name=name)
    if _sbml.is_hierarchical(document):
        text, document = mend.accepted(flatten(document, name=name), name=name)
    foreign.refuse_flux_balance(document, name=name)
    text = foreign.prepared(text, document, name=name)
    found = _sbml.quantities(document, name=name)
    computed = {a.getSymbol() for a in document.getModel().getListOfInitialAssignments()}
    known = _uncertainty.of_parameters(document.getModel())
    parameters = tuple(
        _sourced(q, known[q.id]) if q.id in known else _unsourced(q, ranged=not known)
        for q in found.values()
        if q.kind == "parameter" and not q.ruled and q.id not in computed
    )
    return Model(name=name, title=document.getModel().getName() or name, sbml=text, parameters_=parameters)


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
