"""Simulators driven by hand, for `benchmark_ensemble.py`: libroadrunner, COPASI through basico, AMICI.

Each holds one model and goes on from where it stands; relative tolerance 1e-6, as in `pm.ensemble`.
"""

import importlib.util
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import numpy as np
import roadrunner

import pathway_models as pm

RELATIVE, ABSOLUTE = 1e-6, 1e-9


class Peer(Protocol):
    """A simulator: `set` gives values to constants, `dose` adds to states, `run` goes on for some time."""

    name: str

    def reset(self) -> None: ...
    def set(self, values: dict[str, float]) -> None: ...
    def dose(self, amounts: dict[str, float]) -> None: ...
    def run(self, duration: float) -> None: ...
    def get(self, name: str) -> float: ...


class ByHand:
    """libroadrunner, with absolute tolerances per state as in our layer."""

    def __init__(self, model: pm.Model, reads: list[str], folder: Path) -> None:
        self.name = f"libroadrunner {roadrunner.__version__}, plain loop"
        self.engine = roadrunner.RoadRunner(model.sbml)
        self.engine.integrator.setValue("relative_tolerance", RELATIVE)
        core = self.engine.model
        sizes = [abs(self.engine.getValue(core.getStateVectorId(i))) or 1.0 for i in range(len(model.states))]
        self.engine.integrator.setValue("absolute_tolerance", [0.1 * RELATIVE * s for s in sizes])
        self.engine.timeCourseSelections = ["time", *reads]

    def reset(self) -> None:
        self.engine.resetAll()
        self.time = 0.0

    def set(self, values: dict[str, float]) -> None:
        for key, value in values.items():
            self.engine.setValue(key, value)

    def dose(self, amounts: dict[str, float]) -> None:
        for key, amount in amounts.items():
            self.engine.setValue(key, self.engine.getValue(key) + amount)

    def run(self, duration: float) -> None:
        self.engine.simulate(self.time, self.time + duration, 2)
        self.time += duration

    def get(self, name: str) -> float:
        return float(self.engine.getValue(name))


class Basico:
    """COPASI through basico, with its objects, not with its tables."""

    def __init__(self, model: pm.Model, reads: list[str], folder: Path) -> None:
        import basico
        import COPASI

        self.name = f"basico {version('copasi-basico')}"
        self.basico, self.copasi = basico, COPASI
        self.model = basico.load_model_from_string(model.sbml).getModel()
        quantities = self.model.getModelValues()
        self.values = {quantities.get(i).getSBMLId(): quantities.get(i) for i in range(quantities.size())}
        self.start = {k: v.getInitialValue() for k, v in self.values.items()}
        species = self.model.getMetabolites()
        self.species = {species.get(i).getSBMLId(): species.get(i) for i in range(species.size())}
        self.begin = {k: s.getInitialConcentration() for k, s in self.species.items()}

    def reset(self) -> None:
        self._concentrations(self.begin)
        self.set(self.start)

    def _concentrations(self, values: dict[str, float]) -> None:
        changed = self.copasi.ObjectStdVector()
        for key, value in values.items():
            self.species[key].setInitialConcentration(value)
            changed.append(self.species[key].getInitialConcentrationReference())
        self.model.updateInitialValues(changed)

    def set(self, values: dict[str, float]) -> None:
        changed = self.copasi.ObjectStdVector()
        for key, value in values.items():
            self.values[key].setInitialValue(value)
            changed.append(self.values[key].getInitialValueReference())
        self.model.updateInitialValues(changed)

    def dose(self, amounts: dict[str, float]) -> None:
        self._concentrations({k: self.species[k].getInitialConcentration() + v for k, v in amounts.items()})

    def run(self, duration: float) -> None:
        frame = self.basico.run_time_course(
            duration, 1, update_model=True, use_initial_values=True, start_time=0, r_tol=RELATIVE, a_tol=ABSOLUTE
        )
        if len(frame) < 2 or not np.isclose(frame.index[-1], duration):
            raise RuntimeError("COPASI stopped early")

    def get(self, name: str) -> float:
        known = self.species.get(name)
        return float(self.values[name].getInitialValue() if known is None else known.getInitialConcentration())


class Amici:
    """AMICI, compiled into `folder` unless it lies there; reads are its observables."""

    def __init__(self, model: pm.Model, reads: list[str], folder: Path) -> None:
        import amici
        import amici.sim.sundials  # a compiled model needs it, and does not import it

        self.name, self.reads = f"AMICI {version('amici')}", reads
        known = f"batch_{model.hash[:12]}"
        if not (folder / known).exists():
            began = time.perf_counter()
            observed = [amici.MeasurementChannel(id_=f"read_{i}", formula=r) for i, r in enumerate(reads)]
            importer = amici.SbmlImporter(model.sbml, from_file=False)
            importer.sbml2amici(
                known,
                folder / known,
                observation_model=observed,
                generate_sensitivity_code=False,
                compute_conservation_laws=False,
            )
            print(f"{self.name} compiled the model in {time.perf_counter() - began:.0f} s")
        self.model = amici.import_model_module(known, folder / known).get_model()
        self.solver = self.model.create_solver()
        self.solver.set_relative_tolerance(RELATIVE)
        self.solver.set_absolute_tolerance(ABSOLUTE)
        self.solver.set_max_steps(100_000)
        self.parameters = set(self.model.get_free_parameter_ids())
        self.states = {k: i for i, k in enumerate(self.model.get_state_ids())}
        self.begin = np.array(self.model.get_initial_state())
        self.start = list(self.model.get_free_parameters())
        self.solver_seconds = 0.0

    def reset(self) -> None:
        self.state = self.begin.copy()
        self.model.set_free_parameters(self.start)

    def set(self, values: dict[str, float]) -> None:
        for key, value in values.items():
            if key in self.parameters:
                self.model.set_free_parameter_by_id(key, value)
            elif key in self.states:
                self.state[self.states[key]] = value

    def dose(self, amounts: dict[str, float]) -> None:
        for key, amount in amounts.items():
            self.state[self.states[key]] += amount

    def run(self, duration: float) -> None:
        self.model.set_initial_state(self.state)
        self.model.set_timepoints([duration])
        result = self.model.simulate(solver=self.solver)
        if result.status != 0:
            raise RuntimeError(f"AMICI: status {result.status}")
        self.state, self.last = np.array(result.x[-1]), result.y[-1]
        self.solver_seconds += 1e-3 * float(result.cpu_time)

    def get(self, name: str) -> float:
        return float(self.last[self.reads.index(name)])


def peers(model: pm.Model, outcome: str, asked: str, folder: Path) -> list[Peer]:
    """The simulators that are installed and can load the model."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # its compilers lie there
    reads = [outcome, *model.anchors.values()]
    found: list[Peer] = []
    for module, make in (("roadrunner", ByHand), ("basico", Basico), ("amici", Amici)):
        if module not in asked.split(","):
            continue
        if importlib.util.find_spec(module) is None:
            print(f"{module} is not installed")
            continue
        try:
            found.append(make(model, reads, folder))
        except Exception as error:
            print(f"{module} cannot load the model: {type(error).__name__}: {str(error)[:100]}")
    return found
