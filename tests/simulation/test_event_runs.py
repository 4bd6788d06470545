"""Events of a file beside a schedule, and what libroadrunner computes wrongly: the right numbers, or a refusal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

import pathway_models as pm
from helpers import from_sbml, tiny
from pathway_models.errors import InvalidValueError, ModelError
from pathway_models.simulation.phases import cut_at, phases

S = "compartment C = 1; species $S in C; S = 1; p = 0.5"


def course(model: pm.Model, name: str, plan: list[pm.Treatment], tmp_path: Path, times: int = 4) -> np.ndarray:
    """A variable at 0, 1, ... from a run, which must be that of the exported events and of a second run."""
    run = model.simulate(plan, duration=times, every=1)[name].values
    again = model.simulate(plan, duration=times, every=1)[name].values
    path = pm.export(model, tmp_path / "e.xml", treatments=plan, duration=float(times))
    exported = pm.load(path).simulate(duration=times, every=1)[name].values
    assert_allclose(run, again, rtol=1e-6)
    assert_allclose(run, exported, rtol=1e-6)
    return np.asarray(run)


@pytest.mark.filterwarnings("ignore::pathway_models.errors.ModelWarning")
@pytest.mark.parametrize(
    ("body", "plan", "right"),
    [
        ("E: at p > 1: S = 5", pm.Level(input="p", value=2, at=1.5, until=2.5), [1, 1, 5, 5, 5]),
        ("E: at p < 0.3: S = 5; p = 0.2", pm.Level(input="p", value=2, at=0, until=1.5), [1, 1, 5, 5, 5]),
        ("E: at S > 3: p = 5", pm.Dose(input="S", amount=3, times=(1.5,)), [1, 1, 4, 4, 4]),
        ("E: at 0.75 after (p > 1): S = 5", pm.Level(input="p", value=2, at=1.5, until=3.5), [1, 1, 1, 5, 5]),
        ("E: at (p > 1), t0=false: S = 5", pm.Level(input="p", value=2, at=0), [5, 5, 5, 5, 5]),
        ("E: at (time >= 1.5), t0=false: S = S + 4", pm.Level(input="p", value=2, at=2.5), [1, 1, 5, 5, 5]),
    ],
)
def test_a_switch_that_makes_a_trigger_true(body: str, plan: pm.Treatment, right: list[float], tmp_path: Path) -> None:
    assert_allclose(course(tiny(f"{S}; {body}"), "S", [plan], tmp_path), right)


@pytest.mark.parametrize("k", [0.5, 2.0])
def test_an_event_at_time_0_sees_the_values_that_are_set(k: float) -> None:
    model = tiny("x = 1; k = 1; x' = 0; E: at (k > 1), t0=false: x = 10*k")
    wanted = 20.0 if k > 1 else 1.0
    assert_allclose(model.with_parameters(k=k).simulate(duration=1, every=1)["x"], wanted)
    runs = pm.ensemble(model, {"k": [k, 0.5, k]}, outcomes=["x"], duration=1, execution=pm.Execution(progress=False))
    assert_allclose(runs.values[:, 0], [wanted, 1.0, wanted])


@pytest.mark.filterwarnings("ignore::pathway_models.errors.ModelWarning")
def test_amounts_stay_where_a_level_moves_a_size_from_time_0_on(tmp_path: Path) -> None:
    model = tiny("compartment C; g = 2; C := g; species S in C; S = 2; J: S -> ; 0*S")
    assert_allclose(course(model, "S", [pm.Level(input="g", value=4)], tmp_path), 1)


def test_a_dose_is_given_in_the_size_that_holds_before_a_switch_of_the_size() -> None:
    model = tiny("compartment C; g = 2; C := g; species S in C; S = 1; J: S -> ; 0*S")
    plan = [pm.Level(input="g", value=4, at=1), pm.Dose(input="S", amount=1, times=(1.0,))]
    assert_allclose(model.simulate(plan, duration=2, every=1)["S"], [1, 1, 1])


STOICHIOMETRY = """<?xml version="1.0" encoding="UTF-8"?>
<sbml xmlns="http://www.sbml.org/sbml/level2/version4" level="2" version="4"><model id="m">
<listOfCompartments><compartment id="C" size="1"/></listOfCompartments>
<listOfSpecies><species id="S" compartment="C" initialConcentration="0"/></listOfSpecies>
<listOfParameters><parameter id="g" value="2"/></listOfParameters>
<listOfReactions><reaction id="J" reversible="false"><listOfProducts><speciesReference species="S"><stoichiometryMath>
<math xmlns="http://www.w3.org/1998/Math/MathML"><ci>g</ci></math></stoichiometryMath></speciesReference></listOfProducts>
<kineticLaw><math xmlns="http://www.w3.org/1998/Math/MathML"><cn>0.5</cn></math></kineticLaw></reaction></listOfReactions>
</model></sbml>"""


def test_a_stoichiometry_follows_what_it_is_computed_from() -> None:
    model = from_sbml(STOICHIOMETRY, name="m")
    assert_allclose(model.with_parameters(g=3).simulate(duration=2, every=1)["S"], [0, 1.5, 3], rtol=1e-6)
    plan = [pm.Level(input="g", value=4, at=1)]
    assert_allclose(model.simulate(plan, duration=2, every=1)["S"], [0, 1, 3], rtol=1e-6)


def test_what_libroadrunner_computes_wrongly_is_refused_by_name() -> None:
    diluted = tiny("compartment C; C := 1 + time; species $S in C; S = 1; S' = 0.3")
    with pytest.raises(ModelError, match="libroadrunner dilutes it as well"):
        diluted.simulate(duration=1)
    waits = tiny(f"{S}; E: at 0.5 after (time > 1), persistent=false: S = 5")
    with pytest.raises(ModelError, match="given up if its trigger becomes false"):
        waits.simulate([pm.Level(input="p", value=1, at=1)], duration=2)
    factor = tiny(f"{S}; f = 2; f has dimensionless").sbml.replace(
        'substanceUnits="', 'conversionFactor="f" substanceUnits="'
    )
    with pytest.raises(InvalidValueError, match="f of m is a conversion factor"):
        phases(
            from_sbml(factor.replace("<model ", '<model conversionFactor="f" ', 1), name="m"),
            [pm.Level(input="f", value=1)],
            1.0,
        )


def test_a_run_with_very_many_doses_is_laid_out_in_one_sweep() -> None:
    dose = pm.Dose(input="x", amount=1e-5, times=tuple(i * 1e-4 for i in range(100_000)))
    pieces = phases(tiny("x = 0; x' = 0"), [dose], 10.0)
    assert len(pieces) == 100_000
    assert sum(a for p in pieces for _, a in p.doses) == pytest.approx(1.0)


def test_phases_that_are_cut_give_their_doses_once() -> None:
    pieces = phases(tiny("x = 0; x' = 0"), [pm.Dose(input="x", amount=1, times=(0.0, 2.0, 4.0))], 4.0)
    found = cut_at(pieces, [0.0, 1.0, 2.0, 3.0])
    assert [(p.start, p.stop, len(p.doses)) for p in found] == [(0, 1, 1), (1, 2, 0), (2, 3, 1), (3, 4, 0), (4, 4, 1)]
