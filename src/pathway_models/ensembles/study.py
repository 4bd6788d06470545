"""Study: what is run, as an object that the user makes; its text is the code that makes it again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass

from ..errors import InvalidValueError, repr_short, require_kind, require_numbers
from ..models.model import Model
from ..modules.flat import require_model
from ..treatments.schedule import Treatment, label, require_treatments
from .code import call, changed_fields
from .outcomes import Outcome


@dataclass(frozen=True, eq=False, repr=False)
class Study:
    """What is run: a model under treatments, the outcomes that are read, how long and how finely.

    Attributes:
        model: what `pathway_models.load` gives.
        treatments: diets, needles, drugs, levels, doses; none for the untreated course.
        outcomes: names of variables (the mean of the last 4 weeks), or `Outcome` objects.
        weeks: length in weeks, or
        duration: in the model's unit of time; 12 weeks for models of the library if neither is said.
        every: step of the output grid, in model time (None: a 400th of the length, at most 6 h in our models).
        times: further times (model time) at which the variables of the outcomes are kept.
        start: 'auto' (library models from the steady state of their context, files from their own values),
            'steady' or 'file'.

    Raises:
        InvalidValueError: for another kind of model, treatment, outcomes or times, both lengths, or a length that is
            none.

    Example:
        >>> import pathway_models as pm
        >>> print(Study(pm.load("acupuncture"), [pm.Electroacupuncture()], outcomes=["vagal_drive"], weeks=8))
        pm.Study(pm.load('acupuncture'), [pm.Electroacupuncture()], outcomes=['vagal_drive'], weeks=8)
    """

    model: Model
    treatments: Sequence[Treatment] = ()
    _: KW_ONLY
    outcomes: Sequence[str | Outcome] = ()
    weeks: float | None = None
    duration: float | None = None
    every: float | None = None
    times: Sequence[float] = ()
    start: str = "auto"

    def __post_init__(self) -> None:
        require_model(self.model)
        if self.weeks is not None or self.duration is not None:
            self.model.duration(self.weeks, self.duration)
        outcomes = (self.outcomes,) if isinstance(self.outcomes, str | Outcome) else self.outcomes
        require_kind("outcomes", outcomes, Iterable, "outcomes=['seizure_rate']")
        require_numbers("times", self.times)
        # tuples: a generator would be empty at the second run, and a list may change after it was given
        object.__setattr__(self, "treatments", require_treatments(self.treatments))
        object.__setattr__(self, "outcomes", tuple(outcomes))
        object.__setattr__(self, "times", tuple(self.times))

    @property
    def length(self) -> float:
        """Length of a run in model time; 12 weeks for models of the library if nothing is said."""
        return self.model.duration(self.weeks, self.duration)

    @property
    def arm(self) -> str:
        """A short name of the treatments."""
        return label(list(self.treatments))

    def __repr__(self) -> str:
        return self.code()

    def code(self) -> str:
        """The code that makes the study again, as text."""
        named = {k: list(v) if isinstance(v, tuple) else v for k, v in changed_fields(self).items()}
        first = [("", named.pop("model")), *(("", named.pop(k)) for k in ("treatments",) if k in named)]
        return call("pm.Study", [*first, *named.items()])


def study_of(
    what: Model | Study,
    treatments: Sequence[Treatment],
    outcomes: Sequence[str | Outcome],
    weeks: float | None,
    duration: float | None,
) -> Study:
    """The study itself, or one of a model with these; `InvalidValueError` for a study with further arguments."""
    if not isinstance(what, Study):
        return Study(what, treatments, outcomes=outcomes, weeks=weeks, duration=duration)
    said = {"treatments": treatments, "outcomes": outcomes, "weeks": weeks, "duration": duration}
    for name, value in said.items():
        if value is not None and value != ():
            raise InvalidValueError(f"{name} is {repr_short(value)} beside a study; say it in the study")
    return what
