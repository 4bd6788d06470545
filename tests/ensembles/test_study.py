"""A study and how it is executed: what is refused, what stays as it is, and the code that makes a model again."""

from __future__ import annotations

from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

import pathway_models as pm
from helpers import cores, tiny
from pathway_models.ensembles import code
from pathway_models.ensembles.execution import one_pool
from pathway_models.errors import InvalidValueError

DECAY = "x = 1; k = 1; x' = -k*x"


@pytest.mark.parametrize(
    ("name", "value"),
    [("treatments", [pm.Level(input="k", value=2.0)]), ("outcomes", ["x"]), ("weeks", 1.0), ("duration", 2.0)],
)
def test_a_study_takes_nothing_beside_it(name: str, value: Any) -> None:
    study = pm.Study(tiny(DECAY), outcomes=["x"], duration=1)
    with pytest.raises(InvalidValueError, match=f"^{name} is .* beside a study"):
        pm.sobol(study, **{name: value})


@pytest.mark.parametrize("length", [{"weeks": -1}, {"duration": -1}, {"weeks": 1, "duration": 1}])
def test_a_length_that_is_none_is_refused_at_once(length: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match=r"weeks|duration"):
        pm.Study(pm.load("acupuncture"), **length)  # type: ignore[arg-type]


def test_an_executor_is_the_users_and_our_own_count_is_that_of_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    cores(monkeypatch, 3)
    with ThreadPoolExecutor(1) as pool:
        theirs = pm.Execution(workers=pool)
        assert (theirs.count, theirs.executor) == (3, pool)
        with one_pool(theirs, "") as how:
            assert how is theirs
    ours = pm.Execution(workers=1, rtol=1e-3)
    assert (ours.count, ours.executor) == (1, None)
    with one_pool(ours, "") as how:
        assert how is ours


def test_one_pool_of_our_own_changes_the_workers_alone() -> None:
    asked = pm.Execution(workers=2, rtol=1e-3, progress=False, engine="roadrunner")
    with one_pool(asked, tiny(DECAY).sbml) as how:
        assert isinstance(how.workers, Executor)
        assert replace(how, workers=2) == asked


# ---- the model as code ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "pm.load('acupuncture')",
        "pm.load('acupuncture', context='healthy')",
        "pm.load('acupuncture').with_hypothesis('efficacy', 'vns_like')",
        "pm.load('acupuncture').with_hypothesis('efficacy', 'weak')",
        "pm.load('excitability', context='healthy').with_parameters({'seizure_drive': 1.0})",
        "pm.load('acupuncture').with_parameters({'efficacy': 0.5})",
        "pm.load('acupuncture').with_hypothesis('efficacy', 'vns_like').with_parameters({'tau_session': 3.0})",
    ],
)
def test_the_code_of_a_model_makes_it_again(text: str) -> None:
    assert code.model_code(eval(text, {"pm": pm})) == text


def test_a_model_of_the_library_with_other_sbml_is_a_file() -> None:
    model = pm.load("acupuncture")
    assert code.model_code(replace(model, sbml=f"{model.sbml}\n")) == "pm.load('acupuncture.xml')"


def test_a_member_of_an_archive_is_named() -> None:
    model = replace(tiny(DECAY), source=("all.omex", "models/one.xml"))
    assert code.model_code(model) == "pm.load('all.omex', model='models/one.xml')"


def test_a_short_call_is_one_line_and_a_long_one_is_not() -> None:
    assert code.call("f", [("", 1), ("b", "two")]) == "f(1, b='two')"
    for length, lines in ((95, 1), (96, 3)):  # of 100 and 101 characters
        assert len(code.call("f", [("", "x" * length)]).split("\n")) == lines
