"""What the library returns can be pickled and copied, and is shown on one line."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import fields, is_dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import pathway_models as pm
from helpers import flat, sbml, tiny
from inference import test_calibrate
from pathway_models._types import Frozen
from pathway_models.errors import unknown_name

FINAL = pm.Outcome(variable="S", reduce="final")
HERE = pm.Execution(workers=1, progress=False)
QUICK: dict[str, Any] = {"outcomes": [FINAL], "duration": 10, "workers": 1, "progress": False}
DRUG = pm.Level(input="GABA", value=2.0)


def decay() -> pm.Model:
    return tiny("S = 10; k = 0.1; S' = -k*S")


def excitability() -> pm.Model:
    return pm.load("excitability")


def trial() -> pm.trials.Trial:
    patients = pm.population(excitability(), 4, seed=1)
    return pm.trial(excitability(), patients, {"control": [], "drug": [DRUG]}, weeks=4, execution=HERE)


def module() -> Any:
    path = Path(__file__).parent / "guest.xml"
    try:
        path.write_text(sbml("S = 1; k = 0.1; S' = -k*S"), encoding="utf-8")
        return pm.exchange.module_from(path, ports={"out": "S"})
    finally:
        path.unlink()


def ran_and_stored() -> pm.ensembles.Ensemble:
    return flat(pm.ensemble, decay(), {"k": [0.1, 0.2]}, times=[1, 2], **QUICK)


MADE: dict[str, Callable[[], Any]] = {
    "a file's model": decay,
    "changed": lambda: decay().with_parameters(k=0.2),
    "of the library": lambda: pm.load("acupuncture"),
    "coupled": lambda: pm.load("epilepsy_core").with_parameters(efficacy=0.5),
    "healthy": lambda: excitability().with_context("healthy"),
    "module": module,
    "run": lambda: decay().simulate(duration=1),
    "ensemble": ran_and_stored,
    "sobol": lambda: pm.sobol(excitability(), [DRUG], outcomes=["seizure_rate"], weeks=1, n=8, execution=HERE),
    "sobol of a file": lambda: flat(pm.sobol, decay(), parameters={"k": (0.1, 1)}, n=8, **QUICK),
    "cost": lambda: pm.sensitivity.sobol_cost(decay(), outcomes=[FINAL], duration=10, factors={"k": (0.1, 1)}, n=8),
    "morris": lambda: flat(pm.morris, decay(), parameters={"k": (0.1, 1)}, trajectories=4, **QUICK),
    "comparison": lambda: pm.compare(excitability(), DRUG, pm.Level(input="KATP", value=1.5), weeks=1),
    "calibration": lambda: test_calibrate.fit(test_calibrate.step(), ["a"], test_calibrate.data()),
    "profile": lambda: MADE["calibration"]().profile("a", execution=pm.Execution(workers=1)),
    "evidence": lambda: pm.evidence.report(pm.load("acupuncture")),
    "population": lambda: pm.population(excitability(), 4, seed=1),
    "trial": trial,
    "scan": lambda: pm.hypothesis_scan(pm.load("nlrp3_il1b"), [], outcomes=["IL1B"], weeks=1, execution=HERE),
    "design": lambda: pm.sensitivity.saltelli_design(2, 8, 1),
    "treatments": lambda: (pm.KetogenicDiet(), pm.Electroacupuncture(), pm.Dose(input="S", amount=1.0, times=(1.0,))),
    "error": lambda: unknown_name("module", "a", ["b"]),
}  # fmt: skip


def same(a: Any, b: Any) -> bool:
    """Equal in every number, also where `==` asks for identity."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
    if isinstance(a, pd.DataFrame | xr.Dataset):
        return bool(a.equals(b))
    if isinstance(a, Mapping):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(map(same, a, b))
    if is_dataclass(a) and not isinstance(a, type):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    if isinstance(a, Exception):
        return str(a) == str(b)
    return bool(a == b or (a != a and b != b))


@pytest.mark.parametrize("name", MADE)
def test_it_comes_back_equal_and_is_shown_on_one_line(name: str) -> None:
    one = MADE[name]()
    assert same(one, pickle.loads(pickle.dumps(one)))
    assert same(one, copy.deepcopy(one))
    if name not in ("run", "treatments"):
        assert "\n" not in repr(one)
        assert len(repr(one)) < 1000


@pytest.mark.parametrize("name", pm.available())
def test_every_model_of_the_library(name: str) -> None:
    model = pm.load(name)
    assert pickle.loads(pickle.dumps(model)) == model


def test_a_model_that_came_back_runs_as_before() -> None:
    model = pm.load("acupuncture").with_parameters(efficacy=0.5)
    again = pickle.loads(pickle.dumps(model))
    plan = [pm.Electroacupuncture(weeks=1)]
    assert model.simulate(plan, weeks=2).equals(again.simulate(plan, weeks=2))
    assert again.with_parameters(efficacy=0.25).settings["efficacy"] == 0.25


def final(model: pm.Model) -> float:
    return float(model.simulate(duration=10)["S"][-1])


def test_models_go_to_other_processes() -> None:
    models = [decay().with_parameters(k=k) for k in (0.1, 0.2)]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert list(pool.map(final, models)) == list(map(final, models))


def test_a_model_is_shown_with_what_differs_from_its_context() -> None:
    model = pm.load("nlrp3_il1b").with_parameters(BHB=2.0)
    assert repr(model).startswith("<Model nlrp3_il1b: NF-kB, NLRP3 inflammasome and IL-1beta, context epilepsy; ")
    assert repr(model).endswith(" inputs; BHB=2>")
    assert f"{len(model.states)} states, {len(model.parameters)} constants" in repr(model)
    assert repr(decay()).endswith("1 states, 1 constants, 0 inputs>")


def test_a_frozen_mapping_is_one() -> None:
    source = {"k": 1.0}
    frozen = Frozen(source)
    source["k"] = 2.0
    assert frozen == {"k": 1.0} == dict(frozen)
    assert not hasattr(frozen, "__setitem__")
    with pytest.raises(AttributeError):
        frozen.other = 1  # type: ignore[attr-defined]
