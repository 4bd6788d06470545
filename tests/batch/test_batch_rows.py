"""Rows of the batch engine against libroadrunner; lanes do not see each other; failures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import libsbml
import numpy as np
import pytest

import pathway_models as pm
from helpers import sbml, tiny
from pathway_models._batch import compile_model, run_rows
from pathway_models.simulation.job import Job, make_job, run_job
from pathway_models.treatments.schedule import Treatment


def job_of(
    model: pm.Model, treatments: Sequence[Treatment], columns: Sequence[str], *, duration: float, **how: Any
) -> Job:
    """A job with 25 output times."""
    times = np.linspace(0, duration, 25)
    return make_job(model, treatments, duration=duration, times=times, columns=columns, **{"start": "auto", **how})


def assert_like_roadrunner(job: Job, names: Sequence[str], table: np.ndarray, relative: float = 1e-6) -> None:
    """Within ten times the tolerance of what libroadrunner gives at 1e-10, per column."""
    job = replace(job, varied=tuple(names))
    courses, failed = run_rows(job.scaled(relative / job.relative_tolerance), table)
    assert not failed
    for row, course in zip(table, courses, strict=True):
        exact = run_job(job.scaled(1e-10 / job.relative_tolerance), row)
        largest = np.abs(exact.values).max(axis=0)
        scale = np.where(largest > 1e-6, largest, 1.0)
        assert np.max(np.abs(course[1:] - exact.values) / scale) < 10 * relative
        np.testing.assert_allclose(course[0], exact.before, rtol=10 * relative, atol=10 * relative)


def sampled(model: pm.Model, count: int, seed: int = 1) -> tuple[list[str], np.ndarray]:
    """Rows over the ranges of the first parameters of a model."""
    random = np.random.default_rng(seed)
    varied = [p for p in model.constants if p.low is not None and p.high is not None and p.low < p.high][:12]
    return [p.id for p in varied], np.column_stack([random.uniform(p.low, p.high, count) for p in varied])


@pytest.mark.parametrize(
    ("name", "treatments"),
    [
        ("ketone_katp", [pm.KetogenicDiet(ratio=4, start=1, stop=3, titration_weeks=1)]),
        ("acupuncture", [pm.Electroacupuncture(weeks=2)]),
        ("nlrp3_il1b", [pm.Level(input="BHB", value=3.0, at=20, until=200)]),
    ],
)
def test_our_modules_agree_with_libroadrunner(name: str, treatments: list[pm.Treatment]) -> None:
    model = pm.load(name)
    job = job_of(model, treatments, (*model.states, *(p.id for p in model.output_ports)), duration=4 * 168.0)
    names, table = sampled(model, 6)
    assert_like_roadrunner(job, names, table)


def test_a_tiny_model_from_its_file_start() -> None:
    model = tiny(
        "compartment c = 2; species A in c, $F in c; substanceOnly species B in c; A = 3 * k; B = 1; F = 2;"
        "k = 0.5; u = 0; n = 2.5; r := A + B; x = r; x' = u - 0.1 * x; p := piecewise(1, A < 1, 2);"
        "q := piecewise(1, time < 3, 2);"
        "J0: A -> B; c * k * A^n / (1 + A^n); J1: B -> ; p * B; J2: -> A; 0.1 * F * sin(time) + 0.2;"
    )
    treatments = [pm.Level(input="u", value=2.0, at=2.5, until=6.0), pm.Dose(input="A", amount=0.7, times=(0.0, 4.0))]
    job = job_of(model, treatments, ("A", "B", "x", "r", "p", "q", "k", "F", "J0", "u", "c"), duration=10.0)
    assert_like_roadrunner(job, ["k", "n"], np.array([[0.5, 2.5], [1.5, 2.0], [0.2, 3.3]]))


def test_a_first_transient_far_below_the_time_span_is_resolved() -> None:
    model = tiny("k = 1e20; x = 1; x' = -k * x * y; y = 3; y' = -k * x * y - 0.1 * y; z = 0; z' = k * x * y - z;")
    job = job_of(model, [], ("x", "y", "z"), duration=50.0, start="file")
    assert_like_roadrunner(job, ["k"], np.array([[1.0]]))
    courses, _ = run_rows(replace(job, varied=("k",)), np.array([[1e20], [1e22]]))
    for course in courses:  # x is gone at once; libroadrunner often gives up
        t = np.array(job.times)[1:]
        exact = np.column_stack([np.zeros_like(t), 2 * np.exp(-0.1 * t), np.exp(-t)])
        np.testing.assert_allclose(course[2:], exact, rtol=1e-4, atol=1e-5)


def test_a_level_2_file_with_a_layout_is_read() -> None:
    """There libSBML counts the layout package as required."""
    text = sbml("k = 0.5; x = 1; x' = -k * x;")
    document = libsbml.readSBMLFromString(text)
    document.setLevelAndVersion(2, 4, False)
    document.enablePackage("http://projects.eml.org/bcb/sbml/level2", "layout", True)
    document.getModel().getPlugin("layout").createLayout().setId("picture")
    assert compile_model(libsbml.writeSBMLToString(document)).plan.states == ("x",)


def test_a_compartment_of_another_size() -> None:
    model = tiny("compartment c = 2; species A in c, B in c; A = 3; B = 1; k = 0.5; A -> B; c * k * A; B -> ; 0.1 * B;")
    job = job_of(model, [pm.Dose(input="B", amount=0.5, times=(1.0,))], ("A", "B"), duration=4.0)
    assert_like_roadrunner(job, ["c"], np.array([[2.0], [0.7]]))


def test_anchors_and_held_parameters() -> None:
    model = tiny("k = 2; d = 1; e = 0; ref = 0; x = 1; x' = k + e - d * x; rel := x / ref;")
    job = job_of(model, [pm.Level(input="k", value=4.0)], ("x", "rel", "ref", "e"), duration=5.0, start="steady")
    assert job.origin is not None
    job = replace(job, anchors=(("ref", "x"),), held=(("e", 1.0),))
    table = np.array([[1.0, 0.0], [0.5, 0.2]])
    assert_like_roadrunner(job, ["d", "e"], table)
    courses, _ = run_rows(replace(job, varied=("d",)), table[:, :1])
    np.testing.assert_allclose(courses[1, 0], [6.0, 1.0, 6.0, 0.0], rtol=1e-6)


def test_initial_assignments_follow_the_row() -> None:
    model = tiny("a = 2; b = 3 * a; x = b + a; x' = -x; y = 1; y' = b - y;")
    job = job_of(model, [], ("x", "y", "b"), duration=2.0)
    assert_like_roadrunner(job, ["a"], np.array([[2.0], [5.0]]))
    assert_like_roadrunner(job, ["a", "b"], np.array([[2.0, 1.0], [5.0, 0.5]]))


def test_a_lane_does_not_see_the_others() -> None:
    model = pm.load("acupuncture")
    names, table = sampled(model, 11)
    job = job_of(model, [pm.Electroacupuncture(weeks=1)], model.states, duration=2 * 168.0, varied=names)
    together, _ = run_rows(job, table)
    assert np.isfinite(together).all()
    np.testing.assert_array_equal(together, run_rows(job, table[::-1])[0][::-1])
    for i, course in enumerate(together):
        np.testing.assert_array_equal(course, run_rows(job, table[i : i + 1])[0][0])


def test_failed_rows_leave_the_others_alone() -> None:
    model = tiny("k = 0; d = 1; x = 1; x' = k * x^2 - d * x; y = 1; y' = 0.01 * (x - y); z := 1 / (x - x * k / k);")
    job = job_of(model, [], ("x", "y"), duration=50.0, start="file", varied=["k", "d"])
    table = np.array([[0.0, 1.0], [5.0, 1.0], [0.1, 1.0], [np.nan, 1.0], [0.2, 1.0]])
    courses, failed = run_rows(job, table)
    assert sorted(failed) == [1, 3]
    assert failed[1].startswith("the integrator gave up between 0 and 50")
    np.testing.assert_array_equal(np.isnan(courses).all(axis=(1, 2)), [False, True, False, True, False])
    np.testing.assert_array_equal(run_rows(job, table[4:])[0], courses[4:])


def test_what_never_rests_and_what_is_not_finite_is_said() -> None:
    model = tiny("k = 1; w = 1; x = 1; x' = w - x; y = 1; y' = k * (1 - w); r := 1 / (x - w)^2;")
    job = job_of(model, [], ("x",), duration=5.0, start="steady", varied=["w"])
    _, failed = run_rows(job, np.array([[1.0], [2.0]]))
    assert list(failed) == [1]
    assert "no steady state: y still moves after 640000" in failed[1]
    job = job_of(model, [], ("x", "r"), duration=5.0, start="file", varied=["w"])
    courses, failed = run_rows(job, np.array([[1.0]]))
    assert failed == {0: "r is not finite"}
    assert np.isnan(courses).all()


def test_more_rows_than_fit_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny("k = 1; x = 1; x' = -k * x;")
    job = job_of(model, [], ("x",), duration=3.0, varied=["k"])
    table = np.linspace(0.1, 2.0, 37)[:, None]
    table[20] = np.nan
    whole, failed = run_rows(job, table)
    monkeypatch.setattr("pathway_models._batch.rows.LARGEST_OUTPUT", 1)
    turns, failed_in_turns = run_rows(job, table)
    assert list(failed) == list(failed_in_turns) == [20]
    np.testing.assert_array_equal(whole, turns)
    np.testing.assert_allclose(whole[:, 1:, 0], np.exp(-table * np.array(job.times)), rtol=0, atol=1e-5)
