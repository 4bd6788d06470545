"""A scenario as a PEtab problem: the model at rest, and its schedule as the periods of an experiment."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from ..models.model import Model
from ..models.petab_write import ParameterRow, problem_files
from ..modules.experiments import Experiments, Measurement, Period
from ..treatments.schedule import Treatment
from .archive import main_variables
from .scenario import Change, untreated_sbml

STEPS = 48
NOISE = 0.1  # of the largest value of an observable: a place to put that of one's data
EXPERIMENT = "scenario"


def petab_files(model: Model, treatments: Sequence[Treatment], duration: float) -> dict[str, str]:
    """File name -> text of the problem.

    The SBML holds the model at rest, without treatment. Levels are values of condition targets, a dose adds to its
    target (`session + 1.0`), at time 0 to its value at rest. Measurements are what `simulate` computes for the main
    variables, so that a reader can compare; the constants with a range are parameters that are not estimated. Raises
    as `scenario_sbml` and `simulate`.
    """
    text, start, changes = untreated_sbml(model, treatments, duration)
    # an experiment begins with its first period, so there is one at 0 even if nothing is changed there
    periods = [Period(time=0.0, values=tuple((k, repr(float(v))) for k, v in start.items()))]
    periods += [
        Period(time=float(t), values=tuple(map(_change, group))) for t, group in groupby(changes, lambda c: c.time)
    ]
    run = model.simulate(treatments, duration=duration, every=duration / STEPS)
    names = main_variables(model, [str(v) for v in run.data_vars])
    measurements = tuple(
        Measurement(
            observable=f"observable_{n}",
            experiment=EXPERIMENT,
            time=float(time),
            measurement=float(value),
            unit=str(run[n].attrs.get("units", "")),
            formula=n,
            noise_formula=repr(NOISE * (float(np.max(np.abs(run[n].values))) or 1.0)),
            distribution="normal",
        )
        for n in names
        for time, value in zip(run["time"].values, run[n].values, strict=True)
    )
    targets = {key for p in periods for key, _ in p.values}
    return problem_files(
        text,
        Experiments(measurements=measurements, periods=((EXPERIMENT, tuple(periods)),), constants=(), in_file=False),
        [
            ParameterRow(id=p.id, nominal=model.settings.get(p.id, p.value), low=p.low, high=p.high, estimate=False)
            for p in model.constants
            if p.low is not None and p.high is not None and p.id not in targets
        ],
        {f"observable_{n}": str(run[n].attrs.get("long_name", n)) for n in names},
    )


def _change(change: Change) -> tuple[str, str]:
    value = repr(float(change.value))
    return change.target, f"{change.target} + {value}" if change.adds else value
