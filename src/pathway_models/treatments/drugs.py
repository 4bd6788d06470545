"""Drugs and provocations of the experiments that the models are compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from .._files.authored import read_rows
from .._files.data import Kind, sbml_root
from .._types import Frozen
from ..errors import Named, require_choice, require_kind, require_range
from .schedule import Dose, Level, check_window

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Agent:
    """What a drug or provocation acts on: an input of a model, the usual amount in `unit`, and what it does there.

    `hours` is how long it is given unless said; None is to the end, 0 is a single dose. `kind` and `source` are about
    the amount: measured (it stands in an evidence row), derived from rows, or assumed.
    """

    id: str
    input: str
    amount: float
    unit: str
    hours: float | None
    action: str
    kind: Kind
    source: str
    note: str


@cache
def known_agents() -> Mapping[str, Agent]:
    """The rows of `sbml/treatments/agents.tsv` by name."""
    return Frozen({a.id: a for a in read_rows(sbml_root() / "treatments" / "agents.tsv", Agent)})


def agents() -> pd.DataFrame:
    """The drugs and provocations that `Drug` knows.

    Returns:
        One row each, index `name`: input of the models, usual amount, its unit, hours (NaN: to the end, 0: a single
        dose), action, and kind, source (evidence ids) and note of the amount.

    Example:
        >>> agents().loc["rapamycin", "input"]
        'rapamycin'
    """
    import pandas as pd

    rows = {k: {name: v for name, v in vars(a).items() if name != "id"} for k, a in known_agents().items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("name")


@dataclass(frozen=True, kw_only=True)
class Drug(Named):
    """A drug or provocation of `agents()`; kinetics are not modelled, so the amount is the exposure.

    Attributes:
        name: A row of `agents()`.
        amount: In the unit of the table; None is the usual one there.
        start_hours: Hour in which it begins.
        hours: Length in hours, 0 for a single dose; None is as usual in the table.
        input: Another input of the model than that of the table: on a module alone that has no `acute_seizures`, give
            "seizure_drive".

    Raises:
        UnknownNameError: A name that is not in the table.
        InvalidValueError: A negative amount or length.

    Example:
        >>> Drug(name="rapamycin", start_hours=24).schedule()[0].value
        10.0
    """

    name: str
    amount: float | None = None
    start_hours: float = 0.0
    hours: float | None = None
    input: str | None = None

    def __post_init__(self) -> None:
        require_choice("the drug", self.name, known_agents())
        require_range(f"the amount of {self.name}", self._amount, 0.0, 1e6)
        require_range(f"the hours of {self.name}", self._hours or 0.0, 0.0, 1e6)
        check_window(self.name, self.start_hours, None)
        require_kind("the input of a drug", self.input, (str, type(None)), 'Drug(name="LPS", input="seizure_drive")')

    @property
    def _amount(self) -> float:
        return known_agents()[self.name].amount if self.amount is None else self.amount

    @property
    def _hours(self) -> float | None:
        return known_agents()[self.name].hours if self.hours is None else self.hours

    def schedule(self) -> tuple[Level | Dose, ...]:
        """A level over the time it is given, or one dose."""
        target, hours = self.input or known_agents()[self.name].input, self._hours
        if hours == 0:
            return (Dose(input=target, amount=self._amount, times=(self.start_hours,)),)
        stop = None if hours is None else self.start_hours + hours
        return (Level(input=target, value=self._amount, at=self.start_hours, until=stop),)
