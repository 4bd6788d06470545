"""Values at time 0 of any SBML text, with other values for some of it."""

from __future__ import annotations

import math

import antimony
import numpy as np
import pytest

from helpers import sbml
from pathway_models._formulas.start import Start, start_values
from pathway_models.errors import InvalidValueError, ModelError, UnknownNameError

MATHML = 'xmlns="http://www.w3.org/1998/Math/MathML"'
LEVEL_1 = """<sbml xmlns="http://www.sbml.org/sbml/level1" level="1" version="2"><model name="m">
<listOfCompartments><compartment name="C" volume="4"/><compartment name="D"/></listOfCompartments>
<listOfSpecies><species name="S" compartment="C" initialAmount="6"/></listOfSpecies>
<listOfParameters><parameter name="a" value="9"/><parameter name="y" value="0"/></listOfParameters>
<listOfRules><parameterRule name="y"
formula="sqrt(a) + sqr(2) + log(exp(1)) + log10(100) + pow(2, 3) + S"/></listOfRules>
</model></sbml>"""
LEVEL_2 = f"""<sbml xmlns="http://www.sbml.org/sbml/level2/version4" level="2" version="4"><model id="m">
<listOfCompartments><compartment id="C" size="2"/><compartment id="P" spatialDimensions="0"/></listOfCompartments>
<listOfSpecies><species id="S" compartment="C" initialAmount="6"/><species id="T" compartment="P" initialAmount="5"/>
<species id="U" compartment="C"/></listOfSpecies>
<listOfParameters><parameter id="k" value="3"/><parameter id="y" constant="false"/><parameter id="none"/>
</listOfParameters>
<listOfRules><assignmentRule variable="y"><math {MATHML}><apply>
<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/delay"> delay </csymbol><apply><times/>
<ci> S </ci><ci> J </ci></apply><cn> 2 </cn></apply></math></assignmentRule></listOfRules>
<listOfReactions><reaction id="J"><listOfReactants><speciesReference id="n" species="S"><stoichiometryMath>
<math {MATHML}><apply><plus/><ci> k </ci><cn> 1 </cn></apply></math></stoichiometryMath></speciesReference>
</listOfReactants><kineticLaw><math {MATHML}><apply><times/><ci> k </ci><ci> S </ci></apply></math>
<listOfParameters><parameter id="k" value="10"/></listOfParameters></kineticLaw></reaction></listOfReactions>
</model></sbml>"""


def start(body: str) -> Start:
    return start_values(sbml(body))


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("arccoth(2)", math.atanh(0.5)),
        ("arccot(0)", math.pi / 2),
        ("arcsec(2) + arccsc(2)", math.pi / 2),
        ("arccsch(2) + arcsech(0.5)", math.asinh(0.5) + math.acosh(2)),
        ("sec(1) * csc(2) * cot(3)", 1 / (math.cos(1) * math.sin(2) * math.tan(3))),
        ("sech(1) * csch(2) * coth(3)", 1 / (math.cosh(1) * math.sinh(2) * math.tanh(3))),
        ("piecewise(1, a < 0, 2, a > 3, 7)", 2.0),
        ("piecewise(1, a < 0)", math.nan),
        ("piecewise(1, 1 < a && a <= 4 && !(a == 5), 0) + (a != 4)", 1.0),
        ("(a > 3) * 2 + (a > 3)", 3.0),
        ("rem(-7, 3) + 10 * quotient(-7, 3)", -21.0),
        ("min(a, 2, 3) + max(1, a, 2)", 6.0),
        ("factorial(5)", 120.0),
        ("2^a^0.5 + -a", 0.0),
        ("root(3, 27) + log10(1000) + ln(exp(1))", 7.0),
        ("floor(-2.5) + ceil(2.5) + abs(-1)", 1.0),
        ("1/(a - 4)", math.inf),
        ("time + a", 4.0),
        ("avogadro / 1e23", 6.02214179),
    ],
)
def test_a_formula_has_its_value_as_a_number_and_as_rows(formula: str, value: float) -> None:
    found = start(f"a = 4; q := {formula}")
    assert found.values({})["q"] == pytest.approx(value, rel=1e-14, nan_ok=True)
    rows = found.values({"a": np.array([4.0, 4.0])})["q"]
    np.testing.assert_allclose(np.broadcast_to(rows, 2), [value, value], rtol=1e-14)


def test_function_definitions_call_each_other_with_swapped_names() -> None:
    functions = "function f(x, y)\n x^y + 3*x\nend\nfunction g(y, x)\n f(x, y) * x\nend\n"
    antimony.clearPreviousLoads()
    assert antimony.loadAntimonyString(f"{functions}model m()\n a = 2; q := g(a, 3) - f(a, 1)\nend") >= 0
    assert start_values(antimony.getSBMLString("m")).values({})["q"] == (3**2 + 9) * 3 - (2 + 6)


def test_a_given_value_replaces_the_initial_assignment_and_what_reads_it_follows() -> None:
    found = start("p0 = 5; p1 = 2*p0; compartment C = 1; species S in C; S = 3*p1; r := S + time; J: S -> ; p1*S")
    assert found.values({"p1": 4})["S"] == 12
    assert found.values({"p0": 1, "p1": 4}) == {"p0": 1, "p1": 4, "S": 12, "r": 12, "C": 1}
    assert found.values({"p0": 1})["r"] == 6
    assert found.follows(["p1"]) == {"p1", "S", "r"}
    assert found.follows(["C"]) == {"C"}


@pytest.mark.parametrize("size", ["v0 = 2; C = v0", "v0 = 2; C := v0", "C = 2"])
def test_a_size_that_follows_another_value_keeps_concentrations(size: str) -> None:
    found = start(f"compartment C; {size}; species S in C, T in C, U in C; S = 3; T = 2*C; U := 3*C")
    values = found.values({"v0" if "v0" in size else "C": 5})
    assert found.amounts(values) == {"S": 15, "T": 50, "U": 75}


@pytest.mark.parametrize(
    ("written", "only_amounts", "value", "amount"),
    [
        ('initialAmount="6"', "false", 1.5, 6),
        ('initialAmount="6"', "true", 6, 6),
        ('initialConcentration="3"', "false", 3, 12),
        ('initialConcentration="3"', "true", 12, 12),
        ("", "false", 0, 0),
    ],
)
def test_amounts_and_concentrations_in_a_compartment_that_is_doubled(
    written: str, only_amounts: str, value: float, amount: float
) -> None:
    text = f"""<sbml xmlns="http://www.sbml.org/sbml/level3/version2/core" level="3" version="2"><model id="m">
    <listOfCompartments><compartment id="C" spatialDimensions="3" size="2" constant="true"/></listOfCompartments>
    <listOfSpecies><species id="S" compartment="C" {written} hasOnlySubstanceUnits="{only_amounts}"
    boundaryCondition="false" constant="false"/></listOfSpecies></model></sbml>"""
    found = start_values(text)
    values = found.values({"C": 4})
    assert (values["S"], found.amounts(values)["S"]) == (value, amount)
    given = found.values({"C": 4, "S": 7})
    assert given["S"] == 7
    assert found.amounts(given)["S"] == (7 if only_amounts == "true" else 28)


def test_level_1_and_level_2() -> None:
    one = start_values(LEVEL_1).values({})
    assert one == {"C": 4, "D": 1, "S": 1.5, "a": 9, "y": pytest.approx(3 + 4 + 1 + 2 + 8 + 1.5)}
    two = start_values(LEVEL_2)
    values = two.values({"k": 4})
    none = values.pop("none")
    assert math.isnan(none)
    assert values == {"C": 2, "P": 1, "S": 3, "T": 5, "U": 0, "k": 4, "n": 5, "y": 90}
    kinds = dict.fromkeys("CP", "compartment") | dict.fromkeys("STU", "species")
    assert dict(two.settable) == kinds | {"k": "parameter", "none": "parameter"}  # n and y are computed
    assert two.amounts(values) == {"S": 6, "T": 5, "U": 0}
    assert two.values({"P": 3})["T"] == 5  # an amount: its compartment has no dimensions


def test_a_local_parameter_hides_an_id_that_follows_from_its_own_reaction() -> None:
    text = LEVEL_2.replace("<ci> k </ci><ci> S </ci>", "<ci> y </ci><ci> S </ci>")
    text = text.replace('id="k" value="10"', 'id="y" value="10"')
    assert start_values(text).values({})["y"] == 3 * (10 * 3)


def test_rows_give_what_each_row_alone_gives() -> None:
    found = start("a = 1; b = 2; c = piecewise(1/a, a < 2, b); d := sqrt(a - 2) + c; e = b; compartment C = a")
    rows = {"a": np.array([0.0, 1.0, 3.0]), "b": 5.0}
    together = found.values(rows)
    alone = [found.values({"a": a, "b": 5.0}) for a in rows["a"]]
    for key in found.ids:
        np.testing.assert_array_equal(np.broadcast_to(together[key], 3), [one[key] for one in alone])
    assert together["e"] == 5.0


def test_the_rate_of_a_state_is_known() -> None:
    found = start(
        "compartment C = 2; species S in C; S = 3; J: 2 S -> ; 5*S; x = 1; x' = 7*S; q := rateOf(S) + rateOf(x)"
    )
    assert found.values({})["q"] == -2 * 15 / 2 + 21


def test_long_and_deep_formulas() -> None:
    nested = "1"
    for _ in range(300):
        nested = f"({nested} * b)"
    found = start(f"b = 1; total := {' + '.join(['b'] * 3000)}; deep := {nested}")
    assert found.values({})["total"] == 3000
    assert found.values({"b": 2.0})["deep"] == 2.0**300


def test_a_long_chain_of_rules_in_the_wrong_order() -> None:
    ids = [f"x{i}" for i in range(400)]
    parameters = "".join(f'<parameter id="{k}" constant="false"/>' for k in ids[1:])
    rule = f'<assignmentRule variable="{{}}"><math {MATHML}><apply><plus/><ci>{{}}</ci><cn>1</cn></apply></math>'
    rules = "".join(rule.format(*pair) + "</assignmentRule>" for pair in zip(ids[:0:-1], ids[-2::-1], strict=True))
    text = f"""<sbml xmlns="http://www.sbml.org/sbml/level3/version2/core" level="3" version="2"><model id="m">
    <listOfParameters><parameter id="x0" value="1" constant="true"/>{parameters}</listOfParameters>
    <listOfRules>{rules}</listOfRules></model></sbml>"""
    assert start_values(text).values({"x0": 2.0})["x399"] == 401


def test_refusals_name_what_is_wrong() -> None:
    found = start("a = 1; b := 2*a")
    with pytest.raises(UnknownNameError, match="'c'"):
        found.values({"c": 1})
    with pytest.raises(InvalidValueError, match="b is computed by a rule"):
        found.values({"b": 1})
    circle = sbml("a = 1; b = 2; c := 3*b").replace("<ci> b </ci>", "<ci> c </ci>")
    with pytest.raises(ModelError, match="circle: c <- c"):
        start_values(circle)
    with pytest.raises(ModelError, match="no SBML model"):
        start_values("<sbml/>")
