"""FlatModel: one flat SBML text with its ids, units, parameters, inputs, outputs and hypotheses; immutable."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from .._sbml import sbml as _sbml
from .._types import Frozen
from ..errors import InvalidValueError, require_kind, require_number, require_range, unknown_name
from .experiments import Experiments
from .module import Hypothesis, Parameter, Port, warn_far

if TYPE_CHECKING:
    import pandas as pd

M = TypeVar("M", bound="FlatModel")
DEFAULT_WEEKS = 12.0  # of a run of a library model
SECONDS_PER_WEEK = 7 * 24 * 3600.0
SETTABLE = "constants, inputs, sizes and start values can be set"
SHOWN = 6  # changed values in the short text of a model


@dataclass(frozen=True, kw_only=True)
class Context:
    """A named overlay: 'healthy', 'epilepsy'.

    Attributes:
        name: as `load` takes it.
        title: what it is.
        settings: id -> value, in the unit of the model.
        anchors: constant -> variable whose value at the context's rest it is set to.
        held: constant -> value that it has while the rest is searched; afterwards it has its own again.
        loop: `input` that stands for the `output` of a feedback loop while the constant `switch` is 0.

    Example:
        >>> import pathway_models as pm
        >>> pm.load("acupuncture").contexts["healthy"].name
        'healthy'
    """

    name: str
    title: str
    settings: Mapping[str, float]
    anchors: Mapping[str, str] = field(default_factory=dict)
    held: Mapping[str, float] = field(default_factory=dict)
    loop: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class FlatModel:
    """The data of a model, and the variants of it; `Model` runs them and says what the fields are."""

    name: str
    title: str
    sbml: str
    constants: tuple[Parameter, ...]
    input_ports: tuple[Port, ...] = ()
    output_ports: tuple[Port, ...] = ()
    hypothesis_set: tuple[Hypothesis, ...] = ()
    contexts: Mapping[str, Context] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    context: str | None = None
    settings: Mapping[str, float] = field(default_factory=dict)
    experiment_set: Experiments | None = None
    source: tuple[str, ...] = field(default=(), compare=False)
    folders: tuple[Path, ...] = ()  # of the user, in which the library looked beside ours
    whole: str = ""  # of a reduced model: the text in which the rest of a context is searched

    def __repr__(self) -> str:
        usual = self.contexts[self.context].settings if self.context else {}
        changed = [f"{k}={v:g}" for k, v in self.settings.items() if usual.get(k) != v]
        shown = ", ".join(changed if len(changed) <= SHOWN else [*changed[:SHOWN], "..."])
        sizes = f"{len(self.states)} states, {len(self.constants)} constants, {len(self.input_ports)} inputs"
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
        """Whether a species is changed neither by rules nor by reactions.

        Args:
            key: an SBML id.
        """
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
        rows = [{k: getattr(p, k) for k in columns} for p in self.constants]
        frame = pd.DataFrame(rows, columns=columns).set_index("id")
        for key, value in self.settings.items():
            if key in frame.index:
                frame.loc[key, "value"] = value
        return frame

    @property
    def inputs(self) -> pd.DataFrame:
        """What treatments and contexts act on: title, unit, role (level or dose), reference, range; index `id`."""
        return _port_table(self.input_ports)

    @property
    def outputs(self) -> pd.DataFrame:
        """The variables worth looking at: title, unit; index `id`."""
        return _port_table(self.output_ports)[["module", "title", "unit"]]

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
            for h in self.hypothesis_set
            for key, a in h.alternatives.items()
        ]
        columns = ("hypothesis", "alternative", "default", "settings", "for", "against", "note")
        return pd.DataFrame(rows, columns=columns).set_index(["hypothesis", "alternative"])

    @property
    def gains(self) -> tuple[str, ...]:
        """Ids of the wire gains of a coupled model."""
        return tuple(p.id for p in self.constants if p.kind == "gain")

    @property
    def hash(self) -> str:
        """SHA-256 of the SBML text, 16 hexadecimal digits."""
        return hashlib.sha256(self.sbml.encode()).hexdigest()[:16]

    def resolve(self, name: str) -> str:
        """The SBML id for a name.

        Args:
            name: an id, `module.id`, an alias of the coupled model, or an unambiguous last part.

        Raises:
            UnknownNameError: a name that is not there or that several modules have.
        """
        names = self._selectable
        for candidate in (name, name.replace(".", "__"), self.aliases.get(name, "")):
            if candidate in names:
                return candidate
        ids = [
            {p.id for p in self.output_ports},
            set(self.states),
            {p.id for p in self.input_ports},
            names - set(self.gains),
        ]
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

    def with_parameters(self, values: Mapping[str, float] | None = None, /, **named: float) -> Self:
        """The model with other values at the start: the same as a file with these values in it.

        Constants, sizes of compartments, species and whatever else has a value of its own; a value wins over an initial
        assignment, and what is computed from it follows. Of a species it is what its id stands for: the concentration,
        or the amount with `hasOnlySubstanceUnits`. Models of the library start at rest, so that their states cannot be
        set.

        Args:
            values: name (as in `resolve`) -> value, in the unit of the model.
            named: the same by keyword.

        Raises:
            UnknownNameError: a name that is not there.
            InvalidValueError: a value that is not finite, a negative value of a quantity whose table has no negative
                range, what a rule computes.

        Example:
            >>> import pathway_models as pm
            >>> dict(pm.load("acupuncture").with_parameters(efficacy=0.5).settings)["efficacy"]
            0.5
        """
        require_kind("values", values or {}, Mapping, "{'k': 2.0}")
        changed = set_values(self, {**(values or {}), **named})
        for p in self.constants:
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
        for port in self.input_ports:
            if port.id == key:
                return require_range(key, value, port.low, port.high)
        for p in self.constants:
            sourced = p.kind != "unknown" and p.low is not None and p.low >= 0
            if p.id == key and value < 0 and p.value >= 0 and sourced:
                raise InvalidValueError(f"{key} is {value:g}; allowed are values of 0 and more ({p.unit})")
        return value

    def with_hypothesis(self, hypothesis: str, alternative: str) -> Self:
        """The model under another alternative of a contested mechanism.

        Args:
            hypothesis: a name of `hypotheses`.
            alternative: one of its alternatives.

        Raises:
            UnknownNameError: other names.
        """
        by_id = {h.id: h for h in self.hypothesis_set}
        if hypothesis not in by_id:
            raise unknown_name(f"hypothesis of {self.name}", hypothesis, by_id)
        alternatives = by_id[hypothesis].alternatives
        if alternative not in alternatives:
            raise unknown_name(f"alternative of hypothesis {hypothesis}", alternative, alternatives)
        return replace(self, settings=Frozen({**self.settings, **alternatives[alternative].settings}))

    def with_context(self, name: str) -> Self:
        """The model in another context; the other settings stay.

        Args:
            name: 'healthy', 'epilepsy', or one of your own.

        Raises:
            UnknownNameError: a context that the model does not have.
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
        """Length of a run in model time, from weeks or as given; 12 weeks for models of the library if nothing is said.

        Args:
            weeks: the length in weeks, or None.
            duration: the length in model time, or None.

        Raises:
            InvalidValueError: both, neither where the model is from elsewhere, weeks where it declares no unit of time,
                a length that is none.
        """
        if weeks is None and duration is None and self.context is not None:
            weeks = DEFAULT_WEEKS
        if (weeks is None) == (duration is None):
            raise InvalidValueError("say either weeks=... or duration=... (in the model's unit of time)")
        if duration is None:
            if self.time_unit_seconds is None:
                raise InvalidValueError(f"{self.name} declares no unit of time; use duration= instead of weeks=")
            duration = require_number("weeks", weeks) * SECONDS_PER_WEEK / self.time_unit_seconds
        duration = require_number("duration", duration)
        if not 0 < duration < math.inf:
            what, length = ("the duration", duration) if weeks is None else ("weeks", weeks)
            raise InvalidValueError(f"{what} is {length:g}; allowed are finite values above 0")
        return duration


def set_values(model: M, values: Mapping[str, float]) -> M:
    """As `Model.with_parameters`, without a warning of the size: for values of our own tables, which are meant."""
    changed = {}
    for name, value in values.items():
        key = model.resolve(name)
        changed[key] = model._checked(key, require_number(name, value))
    return replace(model, settings=Frozen({**model.settings, **changed}))


def require_model(model: object) -> None:
    """Raise `InvalidValueError` for a name or a path where a loaded model is needed."""
    require_kind("model", model, FlatModel, f"pm.load({model!r})" if isinstance(model, str) else 'pm.load("epilepsy")')


def _port_table(ports: Iterable[Port]) -> pd.DataFrame:
    import pandas as pd

    columns = ("id", "module", "title", "unit", "role", "reference", "low", "high")
    return pd.DataFrame([{k: getattr(p, k) for k in columns} for p in ports], columns=columns).set_index("id")
