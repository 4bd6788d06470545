"""Model: a flat model that one can run, with what the experiments that came with it measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._sbml.antimony import to_antimony
from .._sbml.edit import with_values
from .._sbml.native import alone
from ..modules.flat import FlatModel
from ..simulation.job import at_rest
from ..simulation.run import simulate
from ..simulation.tolerances import Tolerance
from ..treatments.schedule import Treatment
from .experiments import experiment, experiment_table, measurement_table, predictions

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


@dataclass(frozen=True, kw_only=True, repr=False)
class Model(FlatModel):
    """An ODE model ready to be asked; every change gives a new model.

    `sbml` is the flat text as published; `settings` are the values that differ from it (context, hypotheses,
    `with_parameters`). Get one from `pathway_models.load`.

    >>> import pathway_models as pm
    >>> pm.load("acupuncture").name
    'acupuncture'
    """

    @property
    def measurements(self) -> pd.DataFrame:
        """What came with the model as measured (PEtab): observable, experiment, time, number, unit, formulas."""
        return measurement_table(self)

    @property
    def experiments(self) -> pd.DataFrame:
        """What the experiments of the measurements set and when (-inf: until the model rests); index `experiment`."""
        return experiment_table(self)

    def steady_state(self) -> dict[str, float]:
        """Values of all states at rest in the model's context, without treatment.

        Units as in the model. Raises `SimulationError` if there is no steady state to be reached.

        >>> import pathway_models as pm
        >>> round(pm.load("nlrp3_il1b", context="healthy").steady_state()["IL1B"], 6)
        1.0
        """
        return at_rest(self, self.states)

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
        ...     plan = [pm.Level(input="BHB", value=2, at=24)]
        ...     written = pm.export(pm.load("nlrp3_il1b"), folder, format="petab", treatments=plan, duration=48)
        ...     model, schedule = pm.load(written).experiment("scenario")
        >>> schedule
        [Level(input='BHB', value=2.0, at=24.0, until=None)]
        """
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
        return predictions(self, experiments, rtol, atol)

    def to_sbml(self) -> str:
        """SBML text with what is in use written into it, so that other simulators start where ours does.

        That is context, hypotheses, parameters, anchors, and the states at rest. For a file from elsewhere it is the
        changed parameters. Raises `SimulationError` if there is no steady state.
        """
        if not self.settings or self.context is None:
            return with_values(self.sbml, self.settings)
        return with_values(self.sbml, {**self.settings, **at_rest(self, (*self.states, *self.anchors))})

    @alone
    def to_antimony(self) -> str:
        """Antimony text of what `to_sbml` gives: what `export(format="antimony")` writes.

        Raises `ModelError` for what Antimony cannot say.
        """
        return to_antimony(self.to_sbml(), self.name)
