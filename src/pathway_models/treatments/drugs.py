"""Drugs and provocations of the experiments that the models are compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._types import Frozen
from ..errors import Named, require_choice, require_kind, require_range
from .schedule import Dose, Level, check_window

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Agent:
    """What a drug or provocation acts on: an input of a model, the usual amount in `unit`, and what it stands for.

    `hours` is how long it is given unless said; None is to the end, 0 is a single dose.
    """

    input: str
    amount: float
    unit: str
    hours: float | None
    note: str


AGENTS: Mapping[str, Agent] = Frozen(
    {
        "vigabatrin": Agent(input="vigabatrin", amount=1.0, unit="50 mg/kg", hours=24.0, note="inactivates GABA-T"),
        "AICAR": Agent(input="AICAR", amount=1.0, unit="0.5 mmol/L", hours=None, note="activates AMPK"),
        "rapamycin": Agent(input="rapamycin", amount=10.0, unit="nmol/L", hours=None, note="inhibits mTORC1"),
        "decanoic_acid": Agent(input="decanoic_acid", amount=0.1, unit="mmol/L", hours=None, note="inhibits mTORC1"),
        "MCC950": Agent(input="MCC950", amount=1.0, unit="umol/L", hours=None, note="inhibits NLRP3"),
        "caspase1_inhibitor": Agent(
            input="caspase1_inhibitor", amount=10.0, unit="multiples of Ki", hours=None, note="VX-765 and the like"
        ),
        "IL1Ra": Agent(input="IL1Ra", amount=10.0, unit="multiples of Ki", hours=None, note="IL-1 receptor antagonist"),
        "TRKB_inhibitor": Agent(
            input="TRKB_inhibitor", amount=9.0, unit="multiples of Ki", hours=336.0, note="as after status epilepticus"
        ),
        "pY816_peptide": Agent(
            input="pY816_peptide", amount=9.0, unit="multiples of Ki", hours=336.0, note="uncouples TrkB from PLC-gamma"
        ),
        "SSRI": Agent(input="SSRI", amount=0.43, unit="umol/L", hours=None, note="as fluoxetine, 20 mg/kg"),
        "LPS": Agent(input="systemic_priming", amount=2.0, unit="healthy drive", hours=24.0, note="primes NF-kB"),
        "BHB_infusion": Agent(
            input="BHB_infusion", amount=4.0, unit="mmol/L/h", hours=1.5, note="intravenous beta-hydroxybutyrate"
        ),
        "glutamate_pulse": Agent(input="GLU_x", amount=0.05, unit="mmol", hours=0.0, note="into extracellular space"),
        "status_epilepticus": Agent(
            input="acute_seizures", amount=3.0, unit="untreated rate", hours=24.0, note="kainate or pilocarpine status"
        ),
        "homocysteic_acid": Agent(
            input="acute_seizures", amount=3.0, unit="untreated rate", hours=6.0, note="seizures of immature rats"
        ),
    }
)


def agents() -> pd.DataFrame:
    """The drugs and provocations that `Drug` knows: input, usual amount, unit, hours, note; index `name`.

    >>> agents().loc["rapamycin", "input"]
    'rapamycin'
    """
    import pandas as pd

    return pd.DataFrame.from_dict({k: vars(a) for k, a in AGENTS.items()}, orient="index").rename_axis("name")


@dataclass(frozen=True, kw_only=True)
class Drug(Named):
    """A drug or provocation of `agents()` from hour `start_hours`, for `hours` (None: as usual there).

    `amount` is in the unit of the table, None the usual one; kinetics are not modelled, so it is the exposure. On a
    module alone that has no `acute_seizures`, give `input="seizure_drive"`. Raises `UnknownNameError` for a name that
    is not in the table and `InvalidValueError` for a negative amount or length.

    >>> Drug(name="rapamycin", start_hours=24).schedule()[0].value
    10.0
    """

    name: str
    amount: float | None = None
    start_hours: float = 0.0
    hours: float | None = None
    input: str | None = None

    def __post_init__(self) -> None:
        require_choice("the drug", self.name, AGENTS)
        require_range(f"the amount of {self.name}", self._amount, 0.0, 1e6)
        require_range(f"the hours of {self.name}", self._hours or 0.0, 0.0, 1e6)
        check_window(self.name, self.start_hours, None)
        require_kind("the input of a drug", self.input, (str, type(None)), 'Drug(name="LPS", input="seizure_drive")')

    @property
    def _amount(self) -> float:
        return AGENTS[self.name].amount if self.amount is None else self.amount

    @property
    def _hours(self) -> float | None:
        return AGENTS[self.name].hours if self.hours is None else self.hours

    def schedule(self) -> tuple[Level | Dose, ...]:
        """A level over the time it is given, or one dose."""
        target, hours = self.input or AGENTS[self.name].input, self._hours
        if hours == 0:
            return (Dose(input=target, amount=self._amount, times=(self.start_hours,)),)
        stop = None if hours is None else self.start_hours + hours
        return (Level(input=target, value=self._amount, at=self.start_hours, until=stop),)
