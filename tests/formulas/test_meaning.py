"""One meaning of a model with values and a schedule: every way to run it gives what an evaluator of our own gives.

The models are drawn at random: a fixed set here, as many as one likes with `make fuzz` (FUZZ_EXAMPLES=2000).
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, note, settings

import pathway_models as pm
from copasi_runs import Copasi, Refused
from helpers import from_sbml
from sbml_random import DURATION, GIVEN_UP, IDLE, STEP, Scenario, scheduled, valued
from sbml_reference import evaluate

LONG = os.environ.get("FUZZ_EXAMPLES")
CLOSE = 1e-5  # of the largest size of a variable
CLOSE_IN_ROWS = 1e-4  # ensembles integrate at a tolerance that is 200 times larger
ROUNDING = 1e-9  # of the largest size of all variables
LARGEST = 1e4
TIMES = np.linspace(0.0, DURATION, round(DURATION / STEP) + 1)
IN_ROWS = ("ensemble on libroadrunner", "ensemble on the batch engine")
MAY_REFUSE = ("ensemble on the batch engine", "export in Antimony", "COPASI")
# what tools compute wrongly without a word: COPASI is not asked, libroadrunner may be refused
NOT_IN_COPASI = {
    "conversion factor of a species",
    "conversion factor of the model",
    "stoichiometry that varies",
    "species twice in a reaction, one stoichiometry has an id",
    "event on a compartment and more",
    "event that may happen at the start",
    "two events",
    "delayed change of a species in a varying compartment",
    "amount that a rule reading its compartment assigns",
    *(f"rate of a concentration, compartment {kind}" for kind in ("assigned", "rated", "changed")),
}
NOT_IN_LIBROADRUNNER = {
    "species twice in a reaction, one stoichiometry has an id",
    "rate of a concentration, compartment assigned",
    GIVEN_UP,
}

Columns: TypeAlias = dict[str, np.ndarray]
Ways: TypeAlias = dict[str, Callable[[], Columns]]
pytestmark = [
    pytest.mark.filterwarnings("ignore::pathway_models.errors.ModelWarning"),
    pytest.mark.filterwarnings("ignore::pathway_models.errors.AccuracyWarning"),
]
tried: dict[str, int] = {}
copasi = Copasi()
drawn = settings(
    max_examples=int(LONG or 40),
    derandomize=not LONG,
    database=None,
    deadline=None,
    print_blob=False,
    report_multiple_bugs=False,
    phases=[Phase.generate, Phase.shrink] if LONG else [Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(autouse=True, scope="module")
def say_how_many() -> Iterator[None]:
    yield
    copasi.close()
    if LONG:
        print("\n" + "\n".join(f"{count} {what}" for what, count in tried.items()))


# ---- the ways ------------------------------------------------------------------------------------------------------


def simulated(model: pm.Model, treatments: Sequence[pm.Treatment] = (), step: float = STEP) -> Columns:
    run = model.simulate(treatments, duration=DURATION, every=step)
    return {str(k): run[k].values for k in run.data_vars}


def exported(model: pm.Model, treatments: Sequence[pm.Treatment], folder: str, form: str = "sbml") -> Path:
    timed = {"duration": DURATION} if treatments else {}
    path = Path(folder) / ("a.ant" if form == "antimony" else "a.xml")
    return pm.export(model, path, format=form, treatments=treatments, **timed)


def reloaded(model: pm.Model, treatments: Sequence[pm.Treatment], form: str) -> Columns:
    """The export, loaded again and run as it is."""
    with tempfile.TemporaryDirectory() as folder:
        return simulated(pm.load(exported(model, treatments, folder, form)))


def in_rows(model: pm.Model, scenario: Scenario, engine: str) -> Columns:
    """The last of three rows; those before it have other values, of which nothing must stay."""
    rows = {k: [2 * v, 0.5 * v, v] for k, v in {**scenario.values, IDLE: 1.0}.items()}
    found = pm.ensemble(
        pm.Study(
            model,
            scenario.treatments,
            outcomes=[pm.Outcome(variable=name, reduce="final") for name in scenario.model.columns],
            duration=DURATION,
            every=STEP,
            times=TIMES,
        ),
        rows,
        execution=pm.Execution(workers=1, progress=False, engine=engine),
    )
    if not found.ok[-1]:
        raise pm.errors.SimulationError(found.messages[2])
    assert found.over_time is not None
    return dict(zip(found.courses, found.over_time[-1], strict=True))


def in_copasi(model: pm.Model, treatments: Sequence[pm.Treatment]) -> Columns:
    """COPASI on the export: what it lists, which is what changes."""
    with tempfile.TemporaryDirectory() as folder:
        text = exported(model, treatments, folder).read_text(encoding="utf-8")
    counted = {k for k, q in model.quantities.items() if q.amount}
    return {k: both[k in counted] for k, both in copasi.course(text, DURATION, len(TIMES)).items()}


def ways(scenario: Scenario) -> Ways:
    """What has to give the same numbers."""
    treatments = list(scenario.treatments)
    model = from_sbml(scenario.model.text, name="drawn")

    def changed() -> pm.Model:
        return model.with_parameters(scenario.values) if scenario.values else model

    found: Ways = {
        "simulate": lambda: simulated(changed(), treatments),
        "ensemble on libroadrunner": lambda: in_rows(model, scenario, "roadrunner"),
        "ensemble on the batch engine": lambda: in_rows(model, scenario, "batch"),
        "export in SBML": lambda: reloaded(changed(), treatments, "sbml"),
        "export in Antimony": lambda: reloaded(changed(), treatments, "antimony"),
    }
    if treatments and GIVEN_UP in scenario.model.constructs:
        # the schedule is refused; the exported file is right, but libroadrunner runs it wrongly like any such file
        del found["export in SBML"], found["export in Antimony"]
    if importlib.util.find_spec("basico") and not scenario.model.constructs & NOT_IN_COPASI:
        found["COPASI"] = lambda: in_copasi(changed(), treatments)
    if treatments:
        idle = [pm.Level(input=IDLE, value=7.0, at=0.3, until=1.25), pm.Level(input=IDLE, value=8.0, at=2.05)]
        found["more phases"] = lambda: simulated(changed(), [*idle, *treatments])
        found["more output points"] = lambda: {k: v[::2] for k, v in simulated(changed(), treatments, STEP / 2).items()}
    return found


# ---- the law -------------------------------------------------------------------------------------------------------


def expected(scenario: Scenario) -> Columns:
    """What our evaluator gives; examples without a tame solution are left out."""
    columns = scenario.model.columns
    assume(columns)
    try:
        found = evaluate(scenario.model.text, TIMES.tolist(), columns, scenario.values, scenario.treatments)
    except ArithmeticError:
        found = np.full((1, len(columns)), np.nan)
    assume(np.all(np.isfinite(found)) and np.max(np.abs(found)) < LARGEST)
    return dict(zip(columns, found.T, strict=True))


def disagreement(found: Columns, wanted: Columns, close: float = CLOSE) -> str:
    """The variable that is furthest off, '' if all are close."""
    size = max(float(np.max(np.abs(w))) for w in wanted.values())
    worst, text = 1.0, ""
    for name in sorted(set(found) & set(wanted)):
        allowed = close * np.max(np.abs(wanted[name])) + ROUNDING * size
        error = np.abs(found[name] - wanted[name]) / allowed
        at = int(np.argmax(np.where(np.isnan(error), np.inf, error)))
        if not error[at] <= worst:
            worst = float(error[at])
            text = f"{name}({TIMES[at]:g}) is {found[name][at]:.9g}, expected {wanted[name][at]:.9g}"
    return text


def complaints(scenario: Scenario) -> dict[str, str]:
    """What each way gives wrong, or refuses without the right to."""
    wanted = expected(scenario)
    wrong = {}
    hard = scenario.model.constructs & NOT_IN_LIBROADRUNNER
    for way, run in ways(scenario).items():
        try:
            text = disagreement(run(), wanted, CLOSE_IN_ROWS if way in IN_ROWS else CLOSE)
        except (pm.errors.PathwayModelsError, Refused) as error:
            named = hard and isinstance(error, pm.errors.ModelError)
            text = "" if named or way in MAY_REFUSE else f"refused: {error}"
        if text:
            wrong[way] = text
    return wrong


def check(what: str, scenario: Scenario) -> None:
    tried[what] = tried.get(what, 0) + 1
    note(scenario.model.text)
    note(f"values {dict(scenario.values)}, schedule {list(scenario.treatments)}")
    assert not complaints(scenario)


@drawn
@given(valued())
def test_other_values_mean_the_same_in_every_way(scenario: Scenario) -> None:
    check("models with other values", scenario)


@drawn
@given(scheduled())
def test_a_schedule_means_the_same_however_the_run_is_cut(scenario: Scenario) -> None:
    check("models under a schedule", scenario)
