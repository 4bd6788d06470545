"""Tiny models written in Antimony, and the door to what tests of several rooms need of the inside of one."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

import antimony
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import pathway_models as pm
from pathway_models._cli.main import main
from pathway_models._sbml import sbml as _sbml
from pathway_models.models.collection import OURS
from pathway_models.models.foreign import from_sbml
from pathway_models.modules.module import Module
from pathway_models.simulation import job as _simulate
from pathway_models.simulation.job import at_rest

__all__ = ["OURS", "at_rest", "from_sbml", "main"]  # what several rooms test with

UNITS = (
    "unit time_unit = 3600 second; unit substance = 1e-3 mole; unit extent = 1e-3 mole; unit volume = litre; "
    "unit mM = 1e-3 mole/litre; "
)

GUARD = 600.0  # seconds; nothing takes so long unless it hangs


def cores(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """As if the machine had so many."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(count)), raising=False)


def until(condition: Callable[[], bool]) -> None:
    """Wait for it, however slow the machine is."""
    end = time.monotonic() + GUARD
    while not condition():
        assert time.monotonic() < end, "it hangs"
        time.sleep(0.02)


def analysis(name: str) -> ModuleType:
    """A script of `analyses/` or `benchmarks/` as a module."""
    root = Path(__file__).parents[1]
    path = next(p for p in (root / "analyses" / f"{name}.py", root / "benchmarks" / f"{name}.py") if p.exists())
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sbml(body: str, *, name: str = "tiny") -> str:
    """SBML text of the body of an Antimony model."""
    antimony.clearPreviousLoads()
    if antimony.loadAntimonyString(f"model {name}()\n{body}\nend") < 0:
        raise ValueError(antimony.getLastError())
    return str(antimony.getSBMLString(name))


def tiny(body: str, *, name: str = "tiny") -> pm.Model:
    """A model as `load` gives it for somebody's SBML file."""
    return from_sbml(sbml(body, name=name), name=name)


def tiny_module(
    name: str, body: str, *, inputs: Sequence[str] = (), outputs: Sequence[str] = (), units: str = UNITS
) -> Module:
    """A module with ports, ready to be coupled; ranges of inputs are 0 to 100."""
    text = sbml(f"{units}\ncompartment brain = 1 litre\n{body}", name=name)
    found = _sbml.quantities(_sbml.parse(text, name=name), name=name)

    def port(key: str, role: str) -> pm.models.Port:
        q = found[key]
        return pm.models.Port(
            id=key, title=key, unit=q.unit, role=role, reference=q.value, low=0.0, high=100.0, module=name
        )

    return Module(
        name=name,
        title=name,
        summary="",
        notes="",
        sbml=text,
        parameters=tuple(
            pm.models.Parameter(id=k, value=q.value, unit=q.unit, kind="assumed", module=name)
            for k, q in found.items()
            if q.kind == "parameter" and q.constant
        ),
        inputs=tuple(port(k, "level") for k in inputs),
        outputs=tuple(port(k, "output") for k in outputs),
        hypotheses=(),
    )


def worst(a: xr.Dataset, b: xr.Dataset, prefix: str = "") -> tuple[float, str]:
    """Largest difference of two runs over the variables of `a` (`prefix` + name in `b`), relative to their scale."""
    found = []
    for name in map(str, a.data_vars):
        x, y = a[name].values, b[prefix + name].values
        found.append((float(np.max(np.abs(x - y) / scale(x))), name))
    return max(found)


def scale(values: np.ndarray) -> np.ndarray:
    """Scale per column: the largest size, 1 for what rests at zero (rounding there is no size)."""
    largest = np.max(np.abs(values), axis=0)
    return np.where(largest > 1e-6, largest, 1.0)


def count_rows(monkeypatch: pytest.MonkeyPatch, tolerance: float) -> list[dict[str, float]]:
    """The rows of ensembles that are run from now on, in order; not those that are run again at finer tolerances."""
    seen: list[dict[str, float]] = []
    real = _simulate.run_job

    def counted(job: _simulate.Job, row: _simulate.Row = (), *how: Any, **more: Any) -> _simulate.Course:
        if job.relative_tolerance == tolerance:
            seen.append(dict(zip(job.varied, row, strict=True)))
        return real(job, row, *how, **more)

    monkeypatch.setattr(_simulate, "run_job", counted)
    return seen


EXECUTION = frozenset(f.name for f in fields(pm.Execution))
SPAN = frozenset({"outcomes", "weeks", "duration", "every", "times", "start", "treatments"})
FACTORS = frozenset(f.name for f in fields(pm.Factors))
SAMPLING = {
    pm.sobol: ("n", pm.Sampling),
    pm.sensitivity.sobol_cost: ("n", pm.Sampling),
    pm.morris: ("trajectories", pm.sensitivity.Trajectories),
    pm.calibrate: ("residuals", pm.inference.Residuals),
}


def flat(verb: Callable[..., Any], model: pm.Model, *rest: Any, **said: Any) -> Any:
    """A question of the library with all its settings side by side, each handed on in the object that it belongs to."""
    span = {k: said.pop(k) for k in SPAN & said.keys()}
    execution = {k: said.pop(k) for k in EXECUTION & said.keys()}
    factors = {k: said.pop(k) for k in FACTORS & said.keys()} if verb in SAMPLING and verb is not pm.calibrate else {}
    if verb in SAMPLING:
        key, kind = SAMPLING[verb]
        settings = {f.name: said.pop(f.name) for f in fields(kind) if f.name in said}
        if key in said:
            settings["n"] = said.pop(key)
        said |= {key: kind(**settings)} if settings else {}
    if execution:
        said["execution"] = pm.Execution(**execution)
    if factors:
        said["factors"] = pm.Factors(**factors)
    if verb is pm.calibrate:
        return verb(model, *rest, **said)
    if verb is pm.ensemble:
        rows, *treatments = rest
        return verb(pm.Study(model, *treatments, **span), rows, **said)
    if verb is pm.compare:
        return verb(pm.Study(model, **span), *rest, **said)
    return verb(pm.Study(model, *rest, **span), **said)


def table_of(folder: Path, name: str) -> pd.DataFrame:
    """The table of an analysis, whose figure is there."""
    assert (folder / f"{name.removesuffix('_rows')}.png").stat().st_size > 10_000
    return pd.read_csv(folder / f"{name}.csv")
