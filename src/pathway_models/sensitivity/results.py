"""Results of sensitivity analyses as data: indices or effects, with the design and the runs that they came from."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._types import Array, Brief
from ..ensembles.runs import Ensemble
from ..errors import InvalidValueError
from ..modules.module import Parameter
from .analysis import Analysis
from .indices import Bools, Design, Floats, Indices
from .reliability import FailureBounds, failure_bounds, trace, where_failed

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

INTERVALS = ("S1", "S1_low", "S1_high", "ST", "ST_low", "ST_high")
COLUMNS = ("mu_star", "mu_star_low", "mu_star_high", "mu", "sigma", "effects")


class Doubling(NamedTuple):
    """A step of the search for narrow intervals.

    Attributes:
        n: base rows.
        width: of the widest interval of ST, dimensionless.

    Example:
        >>> Doubling(256, 0.08).n
        256
    """

    n: int
    width: float


class _Named:
    """What both kinds of result name."""

    runs: Ensemble

    @property
    def factors(self) -> tuple[str, ...]:
        """Names of the parameters or groups, in the order of the design."""
        return tuple(map(str, self.design.groups))  # type: ignore[attr-defined]

    @property
    def outcomes(self) -> tuple[str, ...]:
        """Names of the outcomes, in the order of the runs."""
        return tuple(o.name for o in self.runs.outcomes)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SobolData(_Named):
    """Sobol indices as data; `SobolResult` adds words and figures and says what the fields are."""

    analysis: Analysis
    design: Design
    indices: Indices
    runs: Ensemble
    over_time: Indices | None = None
    timings: Mapping[str, float] = field(default_factory=dict)
    doublings: tuple[Doubling, ...] = ()
    stopped: str = ""

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.analysis.study.model.name

    @property
    def arm(self) -> str:
        """A short name of the treatments."""
        return self.analysis.study.arm

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """What varied."""
        return self.analysis.chosen.parameters

    def __repr__(self) -> str:
        what = f"{self.model}, {self.arm}: {len(self.factors)} factors, N = {self.design.n}"
        return f"{type(self).__name__}({what}, outcomes {', '.join(self.outcomes)})"

    # ---- tables ----------------------------------------------------------------------------------------------------

    def to_dataframe(self) -> pd.DataFrame:
        """One row per outcome and factor: S1 and ST with their 95 percent intervals; sorted by ST."""
        import pandas as pd

        frames = []
        for k, outcome in enumerate(self.outcomes):
            columns = {n: getattr(self.indices, n)[:, k] for n in INTERVALS}
            frame = pd.DataFrame({"outcome": outcome, "factor": self.factors, **columns})
            frames.append(frame.sort_values("ST", ascending=False))
        return pd.concat(frames, ignore_index=True)

    def second_order(self) -> pd.DataFrame:
        """One row per outcome and pair: S2 with its interval.

        Raises:
            InvalidValueError: an analysis without `second_order`.
        """
        import pandas as pd

        if self.indices.S2 is None or self.indices.S2_low is None or self.indices.S2_high is None:
            raise InvalidValueError("no second-order indices: call sobol(..., n=Sampling(second_order=True))")
        matrices = (self.indices.S2, self.indices.S2_low, self.indices.S2_high)
        rows = [
            (outcome, a, b, *(float(m[i, j, k]) for m in matrices))
            for k, outcome in enumerate(self.outcomes)
            for i, a in enumerate(self.factors)
            for j, b in enumerate(self.factors)
            if i < j
        ]
        return pd.DataFrame(rows, columns=["outcome", "a", "b", "S2", "S2_low", "S2_high"])

    def indices_over_time(self) -> xr.Dataset:
        """S1 and ST with intervals, dims factor, course, time (model time).

        Raises:
            InvalidValueError: a study without `times`.
        """
        import xarray as xr

        if self.over_time is None:
            raise InvalidValueError("no indices over time: give times=[...] in the Study")
        shape = (len(self.factors), len(self.runs.courses), len(self.runs.times))
        dims = ("factor", "course", "time")
        data: dict[str, Any] = {name: (dims, getattr(self.over_time, name).reshape(shape)) for name in INTERVALS}
        data |= {name: (dims[1:], getattr(self.over_time, name).reshape(shape[1:])) for name in ("mean", "variance")}
        coords = {"factor": list(self.factors), "course": list(self.runs.courses), "time": list(self.runs.times)}
        return xr.Dataset(data, coords)

    def convergence(self, *, resamples: int = 200) -> pd.DataFrame:
        """ST against the number of base rows (8, 16, ... all): n, outcome, factor, ST, ST_low, ST_high.

        Args:
            resamples: bootstrap resamples of the intervals.
        """
        import pandas as pd

        found = trace(
            self.runs.values,
            self.design,
            ok=self.runs.ok,
            resamples=resamples,
            confidence=self.indices.confidence,
            seed=self.design.seed,
        )
        rows = [
            (n, outcome, factor, *(float(getattr(part, name)[g, k]) for name in INTERVALS[3:]))
            for n, part in found
            for k, outcome in enumerate(self.outcomes)
            for g, factor in enumerate(self.factors)
        ]
        return pd.DataFrame(rows, columns=["n", "outcome", "factor", *INTERVALS[3:]])

    def to_salib(self) -> tuple[dict[str, Any], Array]:
        """(problem, Y) for `SALib.analyze.sobol.analyze(problem, Y[:, k], calc_second_order=...)`.

        With groups the problem has one variable per group.
        """
        count = len(self.factors)
        return {
            "num_vars": count,
            "names": list(self.factors),
            "bounds": [[0.0, 1.0]] * count,
        }, self.runs.values

    # ---- failures --------------------------------------------------------------------------------------------------

    @property
    def failure_bounds(self) -> FailureBounds:
        """Between what ST could lie if the failed runs had values within the range of the others."""
        return failure_bounds(self.runs.values, self.design, self.runs.ok)

    def failures(self) -> pd.DataFrame:
        """Where in the ranges the failed runs lie: per parameter, mean place (0 to 1) of failed and good rows."""
        return where_failed(self.design.unit, self.runs.ok, [p.id for p in self.parameters])


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MorrisDesign(Brief):
    """Trajectories through the unit cube on which one group after the other moves by `delta`.

    Attributes:
        unit: (trajectories * (G + 1), parameters), read-only, dimensionless.
        moved: (trajectories, G), which group moves in each step.
        up: (trajectories, parameters), whether a parameter moves up.
        groups: names of the G groups.
        group_of: (parameters,), number of the group of each parameter.
        delta: size of a step, a share of the range.
        levels: number of levels of the grid.

    Example:
        >>> import pathway_models as pm
        >>> pm.sensitivity.morris_design(3, 4, seed=0).moved.shape
        (4, 3)
    """

    unit: Floats
    moved: np.ndarray[Any, np.dtype[np.int64]]
    up: Bools
    groups: tuple[Hashable, ...]
    group_of: np.ndarray[Any, np.dtype[np.int64]]
    delta: float
    levels: int


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MorrisData(_Named):
    """Elementary effects as data; `MorrisResult` adds words and a figure and says what the fields are."""

    model: str
    arm: str
    parameters: tuple[Parameter, ...]
    design: MorrisDesign
    runs: Ensemble
    mu: Floats
    mu_star: Floats
    mu_star_low: Floats
    mu_star_high: Floats
    sigma: Floats
    effects: np.ndarray[Any, np.dtype[np.int64]]

    def __repr__(self) -> str:
        what = f"{self.model}, {self.arm}: {len(self.factors)} factors, {len(self.design.moved)} trajectories"
        return f"{type(self).__name__}({what}, outcomes {', '.join(self.outcomes)})"

    def to_dataframe(self) -> pd.DataFrame:
        """One row per outcome and factor, the largest mu_star first."""
        import pandas as pd

        frames = []
        for k, outcome in enumerate(self.outcomes):
            columns = {name: getattr(self, name)[:, k] for name in COLUMNS[:-1]}
            frame = pd.DataFrame({"outcome": outcome, "factor": self.factors, **columns, "effects": self.effects})
            frames.append(frame.sort_values("mu_star", ascending=False))
        return pd.concat(frames, ignore_index=True)
