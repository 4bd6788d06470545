"""Expressions of the batch engine: derivatives, regrouping, elimination order, what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

import pathway_models as pm
from helpers import sbml, tiny
from pathway_models._batch.read import Unsupported, read
from pathway_models._batch.symbolic import Graph, eliminate


def evaluate(g: Graph, node: int, states: list[float], parameters: list[float]) -> float:
    """The value of a node, the slow way."""
    a = [evaluate(g, k, states, parameters) for k in g.args[node]]
    match g.op[node]:
        case "const":
            return g.value[node]
        case "state":
            return states[int(g.value[node])]
        case "param":
            return parameters[int(g.value[node])]
        case "add":
            return a[0] + a[1]
        case "sub":
            return a[0] - a[1]
        case "mul":
            return a[0] * a[1]
        case "div":
            return a[0] / a[1]
        case "neg":
            return -a[0]
        case "inv":
            return 1 / a[0]
        case "pow":
            return a[0] ** a[1]
        case "select":
            return a[1] if a[0] else a[2]
        case "lt":
            return float(a[0] < a[1])
        case "ne":
            return float(a[0] != a[1])
    return float(getattr(math, g.op[node])(a[0]))


def test_expressions_exist_once_and_parameters_stay_together() -> None:
    g = Graph()
    x, y, k, m = g.state(0), g.state(1), g.param(0), g.param(1)
    assert g.mul(x, y) == g.mul(y, x)
    product = g.mul(g.mul(k, x), g.mul(m, y))
    assert g.args[product][0] == g.mul(k, m)  # computed once per row, not at every stage
    assert g.sub(x, x) == g.zero
    assert g.power(x, g.const(3)) == g.mul(g.mul(x, x), x)


@pytest.mark.parametrize(
    "name", ["exp", "log", "sqrt", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh"]
)
def test_derivative_of_a_function(name: str) -> None:
    g = Graph()
    node = g.call(name, g.state(0))
    slope = g.jacobian([node])[0, 0]
    step = 1e-6
    value = [evaluate(g, node, [0.4 + d], []) for d in (-step, step)]
    assert evaluate(g, slope, [0.4], []) == pytest.approx((value[1] - value[0]) / (2 * step), rel=1e-8)


def test_jacobian_of_a_whole_model() -> None:
    reading = read(
        sbml(
            "compartment c = 2; species A in c, B in c; A = 1.3; B = 0.7; n = 2.4; k = 3; w := A * B + exp(-B);"
            "J: A -> 2 B; k * A^n / (1 + A^n) * w; B -> ; piecewise(k * B, B < 1, k * B^2) + max(A, B) * tanh(w);"
        )
    )
    g, states = reading.graph, [1.3, 0.7]
    parameters = [reading.parameters[k] for k in reading.parameters]
    jacobian = g.jacobian(reading.rates)
    for i, rate in enumerate(reading.rates):
        for j in range(2):
            ends = []
            for d in (-1e-6, 1e-6):
                moved = [s + d * (k == j) for k, s in enumerate(states)]
                ends.append(evaluate(g, rate, moved, parameters))
            found = evaluate(g, jacobian[i, j], states, parameters) if (i, j) in jacobian else 0.0
            assert found == pytest.approx((ends[1] - ends[0]) / 2e-6, rel=1e-7, abs=1e-9)


def test_an_arrow_matrix_fills_nothing() -> None:
    size = 12
    pattern = [(0, i) for i in range(size)] + [(i, 0) for i in range(size)]
    plan = eliminate(size, pattern)
    assert len(plan.entries) == 3 * size - 2
    assert sorted(plan.pivots) == list(range(size))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("A = 1; A' = -A; at (time > 1): A = 2;", "event"),
        ("A = 0; A' = piecewise(1, time > 50, 0) - A;", "conditions on time"),
        ("A = 0; p := time / 24; A' = floor(p) - A;", "conditions on time"),
        ("compartment c = 1; c' = 0.1; species A in c; A = 1; A -> ; A;", "compartment 'c' varies"),
        ("x = 1; x' = -delay(x, 1);", "delay"),
        ("x = 2; y := x;", "no states"),
        ("x = 2; y := x * time;", "no states"),
    ],
)
def test_what_is_not_supported_is_refused_by_reason(body: str, reason: str) -> None:
    from pathway_models._batch.machine import build

    with pytest.raises(Unsupported, match=reason) as caught:
        build(read(sbml(body)), 4)
    assert "\n" not in str(caught.value)


def test_algebraic_rules_and_conversion_factors_are_refused() -> None:
    text = sbml("compartment c = 1; species A in c; A = 1; k = 1; A -> ; k * A;")
    algebraic = '<listOfRules><algebraicRule><math xmlns="http://www.w3.org/1998/Math/MathML"><ci>k</ci></math></algebraicRule></listOfRules>'
    with pytest.raises(Unsupported, match="algebraic"):
        read(text.replace("<listOfReactions>", algebraic + "<listOfReactions>"))
    with pytest.raises(Unsupported, match="conversion"):
        read(text.replace('species id="A"', 'species conversionFactor="k" id="A"'))
    with pytest.raises(Unsupported, match="readable"):
        read("no SBML")


@pytest.mark.parametrize("most", [10, 19])  # found before the derivatives, and after the elimination
def test_a_model_that_would_compile_for_minutes_is_refused(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from pathway_models._batch import machine

    reading = read(sbml("k = 1; x = 1; y = 2; z = 3; x' = -k * y * z; y' = -k * x * z; z' = -k * x * y;"))
    machine.build(reading, 4)
    monkeypatch.setattr(machine, "LONGEST_CODE", most)
    with pytest.raises(Unsupported, match=rf"a step has \d+ operations, more than {most}: too long to be compiled"):
        machine.build(reading, 4)


# ---- formulas and chains that are longer than Python's calls may be deep --------------------------------------------


def _sum(terms: int) -> str:
    return "S = 1; k = 1e-6; S' = -S*(" + " + ".join(f"k*{i + 1}" for i in range(terms)) + ")"


def _chain(kind: str, count: int) -> str:
    """SBML in which each of `count` parameters is what the next one is, and the last one the rate of S."""
    of = {"assignmentRule": "variable", "initialAssignment": "symbol"}[kind]
    math = '<math xmlns="http://www.w3.org/1998/Math/MathML"><ci> {} </ci></math>'
    links = "".join(f'<{kind} {of}="r{i}">{math.format(f"r{i + 1}")}</{kind}>' for i in range(count))
    rate = f'<rateRule variable="S">{math.format("r0")}</rateRule>'
    names = "".join(f'<parameter id="r{i}" constant="false" value="2"/>' for i in range(count + 1))
    lists = f"<listOfRules>{links}{rate}</listOfRules>"
    if kind == "initialAssignment":
        lists = f"<listOfInitialAssignments>{links}</listOfInitialAssignments><listOfRules>{rate}</listOfRules>"
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<sbml xmlns="http://www.sbml.org/sbml/level3/version2/core" level="3" version="2"><model id="chain">
<listOfParameters><parameter id="S" constant="false" value="1"/>{names}</listOfParameters>{lists}</model></sbml>"""


LONG = {
    "sum": sbml(_sum(3000)),
    "product": sbml("S = 1; k = 0.1; S' = -k*S" + "*(1 + 1e-9*S)" * 1500),
    "nested": sbml("S = 1; k = 0.1; S' = -k*" + "(1 + S*" * 240 + "0" + ")" * 240),
    "rules": _chain("assignmentRule", 5000),
    "initial assignments": _chain("initialAssignment", 5000),
}


@pytest.mark.parametrize("name", LONG)
def test_long_formulas_and_chains_are_read(name: str) -> None:
    assert read(LONG[name]).states == ("S",)


def test_a_loop_of_rules_is_named_wherever_it_is_entered() -> None:
    circle = sbml("a := b; b := 1; S = 1; S' = -a*S").replace('<cn type="integer"> 1 </cn>', "<ci> a </ci>")
    with pytest.raises(Unsupported, match=r"loop through 'a'|loop through 'b'"):
        read(circle)


def test_a_sum_of_many_terms_gives_the_right_numbers() -> None:
    k, model = np.linspace(1e-8, 1e-7, 5000), tiny(_sum(2000))
    final = pm.Outcome(variable="S", reduce="final")
    runs = pm.ensemble(model, {"k": k}, outcomes=[final], duration=1, execution=pm.Execution(workers=1, progress=False))
    np.testing.assert_allclose(runs.values[:, 0], np.exp(-k * 2000 * 2001 / 2), rtol=1e-4)
    assert runs.engine == "batch"
    assert (
        pm.sensitivity.sobol_cost(model, outcomes=[final], duration=1, factors={"k": (1e-8, 1e-7)}, n=2048).runs
        == 3 * 2048
    )
