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
    """An ODE model ready to be asked; every change gives a new model. Get one from `pathway_models.load`.

    Attributes:
        name: of the model of the library, or of the file.
        title: what it is.
        sbml: the flat text as published.
        constants: every constant with value, unit, range and source.
        input_ports: what treatments and contexts act on.
        output_ports: the variables worth looking at.
        hypothesis_set: contested mechanisms.
        contexts: name -> `Context`; empty for a file from elsewhere.
        aliases: short name -> id, of a coupled model.
        context: name of the context in use; None for a file from elsewhere.
        settings: id -> value that differs from the text (context, hypotheses, `with_parameters`), in the model's unit.
        experiment_set: measurements and experiments that came with the model (PEtab); None without.
        source: the path that it was read from, and the place in an archive.
        folders: of the user, in which the library looked beside ours.
        whole: of a reduced model, the flat text that it was made of; its rest is searched there.

    Example:
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

        Returns:
            State -> value, in the unit of the model.

        Raises:
            SimulationError: there is no steady state to be reached.

        Example:
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
        """Run the model under treatments and return all states and outputs over time.

        Time 0 is the start of treatment; at a switch the values are those after it, at the last time as well. A run
        that fails is tried again as `pathway_models.Limits` tells. Warns (`AccuracyWarning`) of an error above 1e-3 of
        a range, of negative populations, of values that are not finite, of inputs whose switches could not be found.

        Args:
            treatments: diets, needles, drugs, levels, doses; none for the untreated course.
            weeks: length in weeks, or
            duration: in model time (hours in our models); 12 weeks for models of the library if neither is said.
            every: output step in model time (None: a 400th of the length, at most 6 h in our models).
            start: 'auto', 'steady' (rest of the context; the usual for our models) or 'file' (values in the file; the
                usual for others).
            rtol: relative tolerance of the solver (None: 5e-9).
            atol: absolute tolerance, a number or one per state, in the unit of the state.
            variables: what is wanted beside states and outputs: constants, fixed species, rates of reactions.

        Returns:
            A Dataset with dim `time`; per variable the attributes `units` and `numerical_error` (share of its range,
            from a second run at other tolerances), and in `attrs` all that is needed to repeat the run.

        Raises:
            InvalidValueError: a length, step, tolerance or treatment that is not allowed.
            UnknownNameError: unknown inputs or variables.
            SimulationError: the integrator fails, or there is no steady state.

        Example:
            >>> import pathway_models as pm
            >>> run = pm.load("acupuncture").simulate([pm.Electroacupuncture(weeks=1)], weeks=2)
            >>> float(run["plastic_trace"][0])
            0.0
        """
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

        Args:
            name: of a row of `experiments`.

        Raises:
            UnknownNameError: a name that is not in `experiments`.
            ModelError: a period that levels and doses cannot express.
            SimulationError: the rest that it starts from is not reached.

        Example:
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
        """`measurements` with what the model computes: `prediction`, and its `noise`.

        Args:
            experiments: names of some; None for all.
            rtol: as in `simulate`.
            atol: as in `simulate`.

        Raises:
            UnknownNameError: a name that is not in `experiments`; the others are those of `experiment` and `simulate`.
        """
        return predictions(self, experiments, rtol, atol)

    def to_sbml(self) -> str:
        """SBML text with what is in use written into it, so that other simulators start where ours does.

        That is context, hypotheses, parameters, anchors, and the states at rest. For a file from elsewhere it is the
        changed parameters.

        Raises:
            SimulationError: there is no steady state.
        """
        if not self.settings or self.context is None:
            return with_values(self.sbml, self.settings)
        return with_values(self.sbml, {**self.settings, **at_rest(self, (*self.states, *self.anchors))})

    @alone
    def to_antimony(self) -> str:
        """Antimony text of what `to_sbml` gives: what `export(format="antimony")` writes.

        Raises:
            ModelError: what Antimony cannot say.
        """
        return to_antimony(self.to_sbml(), self.name)
