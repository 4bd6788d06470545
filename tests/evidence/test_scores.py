"""Scores of directions: sizes, rows that contradict each other, null models. Answers by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

import pathway_models as pm
from helpers import tiny
from pathway_models._files.authored import read_rows
from pathway_models.evidence import claims, reports, scores, tallies
from pathway_models.evidence.claims import JudgingRow, OptimistRow, read_claims
from pathway_models.evidence.observations import Observation
from pathway_models.models.collection import OURS

EVIDENCE = Path(__file__).resolve().parents[2] / "sbml" / "evidence"
ROW = Observation(
    id="one",
    observable="pAMPK",
    hours=24.0,
    comparison="up",
    baseline="self",
    context="healthy",
    use="check",
    treatments="level:AICAR=1",
    schedule=(pm.Level(input="AICAR", value=1.0),),
    source=("ampk_pgc1a:APG-R110",),  # 2.78-fold
)
DIRECTION = "ampk_pgc1a:APG-R074"  # no number


def made(comparison: str, prediction: float, **claim: object) -> scores.Score:
    o = replace(ROW, id=f"{comparison} {prediction} {claim}", comparison=comparison)
    return scores.Score(observation=o, prediction=prediction, claim=pm.evidence.Claim(**claim))  # type: ignore[arg-type]


def found(*rows: Observation) -> dict[str, pm.evidence.Claim]:
    return dict(read_claims(pm.load("ampk_pgc1a"), rows))


# ---- sizes ----


@pytest.mark.parametrize(
    ("comparison", "claim", "meets", "misses"),
    [
        ("up", {}, 2.0, 1.9),
        ("down", {}, -2.0, -1.9),
        ("up", {"size": 700.0}, 100.0, 99.9),  # 8-fold: its third is 2-fold
        ("down", {"size": -87.5}, -50.0, -49.9),
        ("up", {"size": 3.0}, 2.0, 1.9),  # a third of it is below the floor
        ("none", {}, 5.0, 5.1),
        ("none", {}, -5.0, -5.1),
        ("none", {"elsewhere": 72.8}, 20.0, 20.1),  # 1.2 cubed
        ("none", {"elsewhere": 72.8}, -16.6, -16.7),
        ("none", {"elsewhere": 4300.0}, 25.0, 25.1),
        ("none", {"elsewhere": 4300.0}, -20.0, -20.1),
        ("none", {"elsewhere": 6.13}, 2.0, 2.1),  # 1.02 cubed
    ],
)
def test_a_direction_needs_a_third_of_its_size(
    comparison: str, claim: dict[str, float], meets: float, misses: float
) -> None:
    assert [made(comparison, x, **claim).verdict for x in (meets, misses, -meets)][:2] == ["right", "wrong"]
    if comparison != "none":
        assert made(comparison, -meets, **claim).verdict == "wrong"


def test_a_change_within_the_numerical_error_is_none() -> None:
    rough = replace(made("up", 4.0), numerical_error=5.0)
    assert [rough.verdict, replace(rough, prediction=6.0).verdict] == ["wrong", "right"]
    assert replace(rough, numerical_error=math.nan).verdict == "right"


def test_the_numerical_error_is_that_of_coarser_tolerances() -> None:
    (row,) = pm.evidence.report(pm.load("ampk_pgc1a"), [ROW]).rows
    assert 0 < row.numerical_error < 0.1
    assert row.prediction == pytest.approx(154, abs=5)


def test_the_size_is_that_of_the_evidence_row() -> None:
    bare = replace(ROW, id="two", source=(DIRECTION,), hours=999.0)
    both = replace(ROW, id="three", source=("ampk_pgc1a:APG-R086", "ampk_pgc1a:APG-R110"), hours=2.0)
    wrong_way = replace(ROW, id="four", comparison="down", hours=5.0)
    seen = found(ROW, bare, both, wrong_way)
    assert seen["one"].size == pytest.approx(178)
    assert seen["two"].size is None
    assert seen["three"].size == pytest.approx(27)  # the smaller of 1.27 and 2.78-fold
    assert seen["four"].size is None
    named = read_claims(pm.load("excitability"), pm.evidence.read_observations(pm.load("excitability")))
    assert named["gate_6hz_12d"].size == 237


def test_none_is_measured_by_what_was_published_elsewhere() -> None:
    still = replace(ROW, id="still", comparison="none", hours=1.0, source=(DIRECTION,))
    more = replace(ROW, id="more", hours=10.0, comparison="fold", value=1.5, source=(DIRECTION,))
    less = replace(ROW, id="less", hours=20.0, comparison="percent_change", value=-60.0, source=(DIRECTION,))
    none = replace(ROW, id="none", hours=30.0, comparison="fold", value=1.01, source=(DIRECTION,))
    other = replace(more, id="other", observable="NAD", value=9.0)
    assert found(still)["still"].elsewhere is None
    assert found(still, other, none)["still"].elsewhere is None
    median = math.sqrt(1.5 * 2.5)  # of 1.5-fold and 0.4-fold, which is as far as 2.5-fold
    assert found(still, more, less, none, other)["still"].elsewhere == pytest.approx(100 * (median - 1))


# ---- groups ----


def test_rows_that_contradict_each_other_are_one_group() -> None:
    up = [replace(ROW, id=f"up {i}", source=(f"ampk_pgc1a:{i}",)) for i in ("APG-R110", "APG-R074")]
    down = replace(ROW, id="down", comparison="down", source=("ampk_pgc1a:APG-R073",), hours=24 * 1.25)
    seen = found(*up, down)
    assert [seen[o.id].standing for o in (*up, down)] == ["majority", "majority", "minority"]
    assert {c.group for c in seen.values()} == {"up APG-R110 (2 up, 1 down)"}
    assert {c.standing for c in found(up[0], down).values()} == {"tie"}
    assert {c.standing for c in found(*up).values()} == {""}


@pytest.mark.parametrize(
    "change",
    [
        {"hours": 24 * 1.26},
        {"observable": "NAD"},
        {"context": "epilepsy"},
        {"reduce": "peak"},
        {"settings": (("AMP_ATP", 1.3),)},
        {"schedule": ()},
        {"hypotheses": (("kd_ampk", "lowers"),)},
        {"baseline": "healthy"},
    ],
)
def test_another_condition_is_no_contradiction(change: dict[str, object]) -> None:
    other = replace(ROW, id="other", comparison="down", source=("ampk_pgc1a:APG-R073",), **change)  # type: ignore[arg-type]
    assert {c.standing for c in found(ROW, other).values()} == {""}


def test_a_time_course_is_no_contradiction_and_a_work_has_one_vote() -> None:
    later = replace(ROW, id="later", comparison="none", hours=25.0)
    assert {c.standing for c in found(ROW, later).values()} == {""}
    twice = replace(ROW, id="twice")
    down = replace(ROW, id="down", comparison="down", source=("ampk_pgc1a:APG-R073",))
    assert found(ROW, twice, down)["one"].standing == "tie"
    assert claims._work("Sullivan PG et al 2004 Ann Neurol 55:576") == claims._work("Sullivan 2004 Ann Neurol")


def test_a_number_votes_but_is_judged_by_its_error() -> None:
    number = replace(ROW, id="number", comparison="fold", value=0.5, error=0.1, source=("ampk_pgc1a:APG-R073",))
    assert found(ROW, number)["one"].standing == "tie"
    within = replace(number, error=0.6)
    assert found(ROW, within)["one"].group == "one (1 up, 1 none)"
    rows = pm.evidence.report(pm.load("ampk_pgc1a"), [ROW, number]).rows
    assert [r.verdict for r in rows] == ["disputed", "outside two errors"]


def test_a_group_counts_once() -> None:
    name = "one (2 up, 1 down)"
    group = {"group": name, "standing": "majority"}
    rows = [
        made("up", 9.0, **group),
        made("up", 1.0, **group),
        made("down", -9.0, group=group["group"], standing="minority"),
    ]
    rows += [made("up", 50.0), made("none", 50.0)]
    counts = tallies.totals(rows)
    assert (counts["right"], counts["wrong"], counts["disputed"]) == (1, 2, 1)  # one of two is no majority
    assert tallies.totals([*rows, made("up", 8.0, **group)])["right"] == 2
    assert tallies.by_chance(rows).directions == 3


# ---- models that know nothing ----


def test_null_models_by_hand() -> None:
    rows = [made("up", 9.0, hope="up"), made("up", 9.0), made("down", 9.0, hope="down"), made("none", 9.0, hope="up")]
    rows += [made("none", 8.0), made("up", 9.0, standing="tie", group="x")]
    chance = tallies.by_chance(rows)
    assert (chance.directions, chance.nothing, chance.good) == (5, 2, 3)
    assert chance.frequencies == pytest.approx((2 * 2 + 1 * 1 + 2 * 2) / 5)
    assert tallies.by_chance([]).frequencies == 0


@pytest.mark.parametrize(
    ("change", "hope"),
    [
        ({}, "up"),
        ({"observable": "ROS"}, "down"),
        ({"observable": "ROS", "schedule": (pm.Level(input="AMP_ATP", value=2.0),)}, "up"),
        ({"schedule": (), "context": "epilepsy", "baseline": "healthy"}, "down"),
        ({"schedule": ()}, ""),
        ({"observable": "ROS_distance"}, ""),
    ],
)
def test_the_optimist_says_what_is_good(change: dict[str, object], hope: str) -> None:
    row = replace(ROW, **change)  # type: ignore[arg-type]
    assert read_claims(pm.load("ampk_pgc1a"), [row])["one"].hope == hope


def test_a_file_from_elsewhere_has_scores_too() -> None:
    model = tiny("x = 1; x' = -x", name="foreign")
    row = Observation(id="one", observable="x", hours=1.0, comparison="down", baseline="self")
    (score,) = reports.report(model, [row]).rows
    assert (score.verdict, score.claim.hope) == ("right", "")


# ---- the tables ----


def test_rows_of_judging_name_observations() -> None:
    named = read_rows(EVIDENCE / "judging.tsv", JudgingRow, "row")
    for row in named:
        owner, _, name = row.row.partition(".")
        assert name in {o.id for o in pm.evidence.read_observations(pm.load(owner))}, row.row
        assert row.group or row.size is not None
        assert row.note
    words = [row.group for row in named if row.group]
    assert [w for w in words if words.count(w) == 1] == []


def test_rows_of_the_optimist_name_variables() -> None:
    model = pm.load("epilepsy")
    inputs = {p.id for name in OURS.modules for p in OURS.load(name).input_ports}
    inputs |= {state.rpartition("__")[2] for state in model.states}  # a dose may go to a state
    for row in read_rows(EVIDENCE / "optimist.tsv", OptimistRow, "name"):
        assert row.note
        if row.kind == "input":
            assert row.name in inputs
        else:
            model.resolve(row.name)


def test_every_observable_of_a_direction_is_good_one_way_or_says_nothing() -> None:
    """Most directions must be in reach of the optimist, or it is no rival."""
    rows = [r for name in OURS.modules for r in _rows(name) if not r.observation.numeric]
    assert sum(bool(r.claim.hope) for r in rows) > 0.8 * len(rows)


def _rows(name: str) -> tuple[scores.Score, ...]:
    model = pm.load(name)
    observations = pm.evidence.read_observations(model)
    seen = read_claims(model, observations)
    return tuple(scores.Score(observation=o, prediction=0.0, claim=seen[o.id]) for o in observations)


def test_each_claim_is_free_of_the_prediction() -> None:
    model = pm.load("ampk_pgc1a")
    rows = pm.evidence.read_observations(model)
    assert read_claims(model.with_hypothesis("kd_ampk", "lowers"), rows) == read_claims(model, rows)
