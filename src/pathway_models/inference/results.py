"""Results of a calibration as data: the fit with its runs, and profiles of constants."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .._types import Array, Brief
from ..evidence.scores import Score
from ..models.model import Model
from ..modules.laws import Z95
from ..modules.module import Parameter
from .identifiability import combination, deviations, open_questions, spectrum
from .objective import (
    PRIOR_SD,
    STEP,
    Target,
    to_unit,
    to_values,
)

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Start(Brief):
    """One local fit.

    Attributes:
        begin: constant -> value where it began, in the unit of the model.
        end: constant -> value where it ended.
        cost_begin: sum of squared residuals where it began, dimensionless.
        cost_end: the same where it ended.
        message: how it ended.

    Example:
        >>> Start(begin={"k": 1.0}, end={"k": 2.0}, cost_begin=9.0, cost_end=1.0, message="converged").end["k"]
        2.0
    """

    begin: Mapping[str, float]
    end: Mapping[str, float]
    cost_begin: float
    cost_end: float
    message: str


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ProfileData(Brief):
    """A profile as data; `Profile` adds its figure and says what the fields are."""

    parameter: str
    unit: str
    values: Array
    cost: Array
    low: float
    high: float
    open_low: bool
    open_high: bool

    def to_dataframe(self) -> pd.DataFrame:
        """One row per point: value, sum of squares, its rise above the smallest."""
        import pandas as pd

        return pd.DataFrame({"value": self.values, "cost": self.cost, "rise": self.cost - np.min(self.cost)})


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FitData(Brief):
    """A fit as data; `Calibration` adds words, figures and profiles and says what the fields are."""

    model: Model
    parameters: tuple[Parameter, ...]
    targets: tuple[Target, ...]
    before: tuple[Score, ...]
    after: tuple[Score, ...]
    values: Mapping[str, float]
    starts: tuple[Start, ...]
    jacobian: Array
    prior: bool
    runs: int
    engines: tuple[str, ...] = ()

    @property
    def cost(self) -> float:
        """Sum of squared residuals at the best end, priors included."""
        return min(s.cost_end for s in self.starts)

    @property
    def calibrated(self) -> Model:
        """The model with the values found."""
        return self.model.with_parameters(dict(self.values))

    def to_dataframe(self) -> pd.DataFrame:
        """One row per constant: value before and after, 95 percent interval from the Jacobian, range, kind.

        `informed` is the share of the variance of the range that the data take away; `at_edge` says that the value
        lies at an end of its range.
        """
        import pandas as pd

        x = self._places
        sd = deviations(self.jacobian, prior=self.prior)
        low, high = (to_values(self.parameters, np.clip(x + k * Z95 * sd, 0, 1)) for k in (-1, 1))
        before = {p.id: p.value for p in self.parameters} | dict(self.model.settings)
        rows = [
            {
                "id": p.id,
                "before": float(before[p.id]),
                "value": self.values[p.id],
                "low95": float(low[j]),
                "high95": float(high[j]),
                "range_low": p.low,
                "range_high": p.high,
                "unit": p.unit,
                "kind": p.kind,
                "informed": float(1 - min(1.0, (sd[j] / PRIOR_SD) ** 2)),
                "at_edge": bool(min(x[j], 1 - x[j]) < STEP),
            }
            for j, p in enumerate(self.parameters)
        ]
        return pd.DataFrame(rows).set_index("id")

    @property
    def _places(self) -> Array:
        return to_unit(self.parameters, [self.values[p.id] for p in self.parameters])

    def residuals(self) -> pd.DataFrame:
        """One row per observation: observed value, error taken and whether it was printed, prediction and residual.

        Residuals are in errors; of a direction 0 means right. Predictions of directions are in percent.
        """
        import pandas as pd

        rows = []
        for t, old, new in zip(self.targets, self.before, self.after, strict=True):
            z = [float(t.residual(np.array([s.prediction]))[0]) for s in (old, new)]
            rows.append(
                {
                    "id": t.observation.id,
                    "observable": t.observation.observable,
                    "comparison": t.observation.comparison,
                    "observed": math.nan if t.observation.value is None else t.observation.value,
                    "error": t.error,
                    "error_from": "printed" if t.printed else "assumed",
                    "before": old.prediction,
                    "prediction": new.prediction,
                    "residual_before": z[0],
                    "residual": z[1],
                }
            )
        return pd.DataFrame(rows).set_index("id")

    def directions(self) -> pd.DataFrame:
        """Eigen-analysis of the data: one row per direction in the space of the constants, best known first.

        `deviation` is the standard deviation that the data alone leave along it, in ranges of the constants; above
        0.26 (`resolved` False) the range says more than the data. `direction` names the constants it moves.
        """
        import pandas as pd

        _, sizes, vectors = spectrum(self.jacobian)
        rows = [
            {
                "deviation": float(1 / s) if s > 0 else math.inf,
                "resolved": bool(s * PRIOR_SD > 1),
                "direction": combination(self.parameters, v),
            }
            for s, v in zip(sizes, vectors, strict=True)
        ]
        return pd.DataFrame(rows)

    @property
    def not_identified(self) -> tuple[str, ...]:
        """Plain sentences: which constants or combinations the data cannot tell; empty if they tell all."""
        return open_questions(self.parameters, self.jacobian)
