"""What is said of Sobol indices: each sentence where it is true, and not where it is not."""

from __future__ import annotations

import html
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

import pathway_models as pm
from helpers import flat, tiny
from pathway_models.sensitivity import verdicts as verdicts
from pathway_models.sensitivity.reliability import ENOUGH, GOOD, HELD, HELD_HEAVY

HERE: dict[str, Any] = {"duration": 1, "every": 1, "workers": 1, "progress": False}
BODY = (
    "a = 1; b = 1; c = 1; one := 5*a + b + 0*c; two := a + b; both := a*b; still := 1 + 0*a;"
    "tail := exp(15*(a + b + c)); even := a + b + c"
)
RANGES = dict.fromkeys("abc", (-1.0, 1.0))


def analysis(outcome: str, n: int = 256, **options: Any) -> pm.sensitivity.SobolResult:
    return flat(pm.sobol, tiny(BODY), outcomes=[outcome], n=n, parameters=RANGES, **HERE, **options)


# ---- what leads ----------------------------------------------------------------------------------------------------


def test_a_single_leader() -> None:
    result = analysis("one")
    assert [result.factors[i] for i in verdicts.leaders(result, 0)] == ["a"]
    found = re.fullmatch(
        r"a leads: its total index (\S+) \((\S+) to (\S+)\) lies above the intervals of all others\.",
        verdicts.leading(result, 0),
    )
    assert found is not None
    total, low, high = map(float, found.groups())
    assert low < total < high
    assert total == pytest.approx(1, abs=0.1), "the outcome is a alone"


def test_leaders_whose_order_is_open() -> None:
    text = verdicts.leading(analysis("two"), 0)
    assert text in {
        f"{x} lead; their intervals overlap, so that their order is not settled." for x in ("a and b", "b and a")
    }
    assert verdicts.leading(analysis("even", 8), 0).startswith("Nothing is settled: all 3 intervals overlap")


def test_a_single_factor_has_nobody_to_beat() -> None:
    result = flat(pm.sobol, tiny(BODY), outcomes=["one"], n=16, parameters={"a": (0, 1)}, **HERE)
    assert "all others" not in verdicts.leading(result, 0)


# ---- noise ---------------------------------------------------------------------------------------------------------


def test_what_may_be_fixed_and_what_stands_out() -> None:
    result = analysis("one", 1024)
    assert verdicts.negligible(result, 0).startswith("2 factors"), "b and c do nothing"
    assert verdicts.negligible(analysis("two", 64), 0).startswith("1 factor"), "c does nothing"
    floor = verdicts.noise_floor(result, 0)
    assert floor < 0.1
    assert f"shows S1 up to {floor:.2f} " in verdicts.above_floor(result, 0)
    assert " 1 of 3 factors lie above it" in verdicts.above_floor(result, 0)


def test_widths_fall_with_the_root_of_n() -> None:
    few, many = analysis("even", 32), analysis("even", 2048)
    needed = verdicts.n_needed(few, 0)
    assert f"about {needed:,} would do" in verdicts.precision(few, 0)
    assert needed == 1024, "fewer would give narrow intervals, but none to be relied on"
    assert verdicts.precision(many, 0) == "N suffices for a ranking"
    assert verdicts.n_needed(many, 0) <= 2048
    at = analysis("even", needed)
    assert float(verdicts.half_widths(at, 0).max()) < 0.15, "the estimate is of the right size"


def legend_title(result: pm.sensitivity.SobolResult) -> str:
    figure = result.plot()
    plt.close(figure)
    return figure.legends[0].get_title().get_text()


@pytest.mark.parametrize("n", [4, 32, 256])
def test_a_small_n_is_said_to_be_too_small_for_intervals(n: int, tmp_path: Path) -> None:
    result = analysis("two", n)
    held = HELD[max(n, 32)]
    text = verdicts.intervals(result)
    assert text.startswith(f"N = {n} is too small for intervals: in tests with {max(n, 32)} base rows they held")
    assert f"about {held.mean} % of cases instead of 95 %, that of the worst factor in {held.worst} %" in text
    assert f"take N = {ENOUGH:,} or more" in text
    assert "suffices" not in verdicts.precision(result, 0)
    page = result.report_html(tmp_path / "report.html").read_text(encoding="utf-8")
    assert text in result.summary()
    assert text in html.unescape(page)
    assert "suffices" not in page
    assert f"indices; N = {n} is too small for intervals." in page
    assert f"N = {n}, too small for intervals" in legend_title(result)


def test_a_large_n_is_not_said_to_be_too_small_for_intervals(tmp_path: Path) -> None:
    result = analysis("two", ENOUGH)
    page = result.report_html(tmp_path / "report.html").read_text(encoding="utf-8")
    assert verdicts.intervals(result) == ""
    assert "too small" not in result.summary()
    assert "is too small for intervals:" not in page
    assert f"N = {ENOUGH}; " not in page
    assert "too small" not in legend_title(result)
    assert verdicts.intervals(analysis("still", 8)) == "", "without variance there is no interval"


def test_the_numbers_of_the_warning_are_those_published() -> None:
    """The table of docs/intervals.md: case, N, then S1 and ST, worst factor and mean, percent."""
    published = (Path(__file__).parents[2] / "docs" / "intervals.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in published.splitlines() if line.count("|") == 9
    ]
    for table, heavy in ((HELD, False), (HELD_HEAVY, True)):
        for n, held in table.items():
            found = [list(map(int, row[2:6])) for row in rows if row[1] == f"{n:,}" and ("IL1B" in row[0]) == heavy]
            assert found
            worst, mean = (min(row[i] for row in found for i in places) for places in ((0, 2), (1, 3)))
            assert held == (mean, worst)
    assert [n for n in HELD if HELD[n].worst < GOOD] == [n for n in HELD if n < ENOUGH]


# ---- interactions, tails -------------------------------------------------------------------------------------------


def test_interactions_are_named_where_they_are_sure() -> None:
    assert verdicts.through_interactions(analysis("both"), 0).startswith("Partly through interactions with others: ")
    assert verdicts.through_interactions(analysis("two"), 0) == ""
    pairs = verdicts.pairs(analysis("both", 256, second_order=True), 0)
    assert pairs.startswith("Interact beyond doubt (S2): a with b (")
    assert verdicts.pairs(analysis("two", 256, second_order=True), 0).startswith("No pair interacts beyond doubt")
    assert verdicts.pairs(analysis("two"), 0) == ""


def test_a_pair_with_a_parameter_that_does_nothing_is_chance() -> None:
    """In some samples the interval of such a pair lies above 0; it contradicts ST, which is 0, and is no pair."""
    chance = 0
    for seed in range(40):
        design = pm.sensitivity.saltelli_design(3, 32, seed, second_order=True)
        a, b, _ = design.unit.T
        found = pm.sensitivity.sobol_indices((a**3 * b)[:, None], design, resamples=100)
        pairs = verdicts.possible_pairs(SimpleNamespace(indices=found), 0)
        assert found.S2_low is not None
        chance += int(np.sum(found.S2_low[:2, 2, 0] > 1e-9))
        assert (0, 1) in {(p.i, p.j) for p in pairs}
        assert not [p for p in pairs if p.j == 2 and p.low > 1e-9]
    assert chance > 0


def test_a_heavy_tail_is_called_one() -> None:
    result = analysis("tail", 64)
    text = verdicts.heavy_tail(result, 0)
    values = result.runs.values.reshape(64, -1)[:, [0, -1]].ravel()
    assert text.startswith(
        f"Heavy tail: {100 * verdicts.tail_share(values):.0f} % of the variance comes from 1 of 128 "
    )
    assert text in result.summary()
    assert "would do" not in result.summary(), "more rows are no cure"
    assert verdicts.heavy_tail(analysis("one"), 0) == ""


@pytest.mark.parametrize(("law", "low", "high"), [("normal", 0.05, 0.12), ("exponential", 0.15, 0.3)])
def test_tails_of_known_laws(law: str, low: float, high: float) -> None:
    """A hundredth of a normal law holds 0.085 of its variance, of an exponential one 0.22."""
    values = getattr(np.random.default_rng(1), law)(size=40_000)
    assert low < verdicts.tail_share(values) < high
    assert verdicts.tail_share(np.ones(10)) == 0.0


# ---- units, names --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "unit"),
    [
        ({}, "mmol/L"),
        ({"reduce": "peak"}, "mmol/L"),
        ({"reduce": "area"}, "mmol/L h"),
        ({"reduce": "time_to_half"}, "h"),
        ({"relative": True}, ""),
        ({"reduce": "area", "relative": True}, ""),
    ],
)
def test_units_of_outcomes(options: dict[str, Any], unit: str) -> None:
    model = pm.load("ketone_katp")
    outcome = pm.Outcome(variable=model.resolve("BHB_plasma"), **options)
    assert verdicts.outcome_unit(model, outcome) == unit


def test_a_file_without_units_has_none() -> None:
    assert verdicts.outcome_unit(tiny(BODY), pm.Outcome(variable="one")) == ""
    assert verdicts.outcome_unit(tiny(BODY), pm.Outcome(variable="one", reduce="time_to_half")) == "model time"


def test_names_in_sentences() -> None:
    assert verdicts.list_names([]) == "none"
    assert verdicts.list_names(["a"]) == "a"
    assert verdicts.list_names(["a", "b"]) == "a and b"
    assert verdicts.list_names(list("abcdef")) == "a, b, c, d and 2 more"
    assert verdicts.factor_name("ketone_katp__Km_MCT1") == "ketone_katp.Km_MCT1"
    assert verdicts.factor_label("ketone_katp__Km_MCT1") == "ketone_katp: Km_MCT1"
