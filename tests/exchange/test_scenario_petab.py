"""A scenario as a PEtab problem: PEtab's own tools make our run of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pathway_models as pm
from helpers import tiny
from pathway_models._sbml.native import libsbml, roadrunner
from pathway_models.errors import ModelError

EA = pm.Electroacupuncture(weeks=2, sessions_per_week=3)
STEPS = [
    pm.Level(input="BHB", value=3, at=0, until=50),
    pm.Level(input="BHB", value=1, at=50, until=120),
    pm.Level(input="MCC950", value=1, at=24),
]


LATE = [pm.Level(input="BHB", value=3, at=50, until=120)]  # nothing at 0, where the experiment begins all the same


def fine(text: str) -> object:
    engine = roadrunner.RoadRunner(text)
    engine.integrator.setValue("relative_tolerance", 1e-9)
    engine.integrator.setValue("absolute_tolerance", 1e-11)
    engine.integrator.setValue("maximum_num_steps", 200_000)
    return engine


@pytest.mark.parametrize(
    ("name", "plan"), [("acupuncture", [EA]), ("nlrp3_il1b", STEPS), ("nlrp3_il1b", []), ("nlrp3_il1b", LATE)]
)
def test_scenario_has_no_findings_and_petab_makes_the_same_run_of_it(
    name: str, plan: list[pm.Treatment], tmp_path: Path
) -> None:
    converters = pytest.importorskip("petab.v2.converters")
    from petab import v2

    folder = pm.export(pm.load(name), tmp_path / "p", format="petab", treatments=plan, weeks=2)
    problem = v2.Problem.from_yaml(folder / "problem.yaml")
    assert list(problem.validate()) == []
    converter = converters.ExperimentsToSbmlConverter(problem)
    sbml = converter.convert().model.sbml_model
    sbml.getParameter(converter.get_experiment_indicator("scenario")).setValue(1.0)
    engine = fine(libsbml.writeSBMLToString(sbml.getSBMLDocument()))
    table = problem.measurement_df
    for observable, rows in table.groupby("observableId"):
        key = str(problem.observable_df.loc[observable, "observableFormula"])
        engine.resetAll()
        engine.timeCourseSelections = [f"[{key}]" if key in engine.model.getFloatingSpeciesIds() else key]
        got = np.ravel(engine.simulate(times=list(rows["time"])))
        np.testing.assert_allclose(got, rows["measurement"], atol=2e-6 * max(1.0, rows["measurement"].abs().max()))
    assert len(table) == 49 * len(problem.observables)
    assert problem.experiments[0].periods[0].time == 0


def test_scenario_keeps_what_initial_assignments_saw_before_treatment(tmp_path: Path) -> None:
    model = tiny("p = 1; k = 2*p; S = 3*p; S' = -k*S")
    plan = [pm.Level(input="p", value=5, at=0), pm.Level(input="k", value=0, at=1, until=2)]
    folder = pm.export(model, tmp_path, format="petab", treatments=plan, duration=3)
    rest = pm.load(folder / "model.xml").quantities
    assert (rest["S"].value, rest["k"].value, rest["p"].value) == (3, 2, 1)
    conditions = (folder / "conditions.tsv").read_text().splitlines()[1:]
    assert conditions == ["condition_1\tp\t5.0", "condition_2\tk\t0.0", "condition_3\tk\t2.0"]
    assert (folder / "experiments.tsv").read_text().splitlines()[1:] == [
        "scenario\t0.0\tcondition_1",
        "scenario\t1.0\tcondition_2",
        "scenario\t2.0\tcondition_3",
    ]


def test_scenario_does_not_overwrite_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ModelError, match="cannot write"):
        pm.export(pm.load("acupuncture"), tmp_path / "file", format="petab", weeks=1)
    assert (tmp_path / "file").read_text() == "mine"
