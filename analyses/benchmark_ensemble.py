"""How fast are ensembles against the loops that a user would write? One run, the same rows, printed as a table.

Every loop settles the untreated model (40,000 h), then runs 12 weeks of diet, at a relative tolerance of 1e-6:
libroadrunner by hand, basico (COPASI) and AMICI where they are installed (AMICI compiles for minutes and needs swig).
Run: python analyses/benchmark_ensemble.py [ROWS] [MODEL] [PEERS]   (default 1000 epilepsy roadrunner,basico,amici;
loops get a tenth of the rows)
"""

import importlib.util
import os
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import numpy as np
import roadrunner

import pathway_models as pm

REST, WEEKS = 40_000.0, 12
OUTCOMES = {"epilepsy": "excitability__seizure_rate"}
Rows = dict[str, np.ndarray]


class Peer(Protocol):
    """A simulator driven by hand; `run` goes on from where the model stands."""

    def reset(self) -> None: ...
    def set(self, values: dict[str, float]) -> None: ...
    def run(self, duration: float) -> None: ...
    def get(self, name: str) -> float: ...


class ByHand:
    """libroadrunner, one process."""

    name = f"libroadrunner {roadrunner.__version__}, plain loop"

    def __init__(self, model: pm.Model, reads: list[str]) -> None:
        self.engine = roadrunner.RoadRunner(model.sbml)
        self.engine.integrator.setValue("relative_tolerance", 1e-6)
        core = self.engine.model
        sizes = [abs(self.engine.getValue(core.getStateVectorId(i))) or 1.0 for i in range(len(model.states))]
        self.engine.integrator.setValue("absolute_tolerance", [1e-7 * s for s in sizes])
        self.engine.timeCourseSelections = ["time", *reads]

    def reset(self) -> None:
        self.engine.resetAll()
        self.time = 0.0

    def set(self, values: dict[str, float]) -> None:
        for key, value in values.items():
            self.engine.setValue(key, value)

    def run(self, duration: float) -> None:
        self.engine.simulate(self.time, self.time + duration, 2)
        self.time += duration

    def get(self, name: str) -> float:
        return float(self.engine.getValue(name))


class Basico:
    """COPASI through basico, with its objects, not with its tables."""

    def __init__(self, model: pm.Model, reads: list[str]) -> None:
        import basico
        import COPASI

        self.name = f"basico {version('copasi-basico')}"
        self.basico, self.copasi = basico, COPASI
        self.model = basico.load_model_from_string(model.sbml).getModel()
        quantities = self.model.getModelValues()
        self.values = {quantities.get(i).getSBMLId(): quantities.get(i) for i in range(quantities.size())}
        self.start = {k: v.getInitialValue() for k, v in self.values.items()}
        species = self.model.getMetabolites()
        self.species = [species.get(i) for i in range(species.size())]
        self.begin = [s.getInitialConcentration() for s in self.species]
        self.by_id = {s.getSBMLId(): s for s in self.species}

    def reset(self) -> None:
        changed = self.copasi.ObjectStdVector()
        for item, value in zip(self.species, self.begin, strict=True):
            item.setInitialConcentration(value)
            changed.append(item.getInitialConcentrationReference())
        self.model.updateInitialValues(changed)
        self.set(self.start)

    def set(self, values: dict[str, float]) -> None:
        changed = self.copasi.ObjectStdVector()
        for key, value in values.items():
            self.values[key].setInitialValue(value)
            changed.append(self.values[key].getInitialValueReference())
        self.model.updateInitialValues(changed)

    def run(self, duration: float) -> None:
        frame = self.basico.run_time_course(
            duration, 1, update_model=True, use_initial_values=True, start_time=0, r_tol=1e-6, a_tol=1e-9
        )
        if len(frame) < 2 or not np.isclose(frame.index[-1], duration):
            raise RuntimeError("COPASI stopped early")

    def get(self, name: str) -> float:
        known = self.by_id.get(name)
        return float(self.values[name].getInitialValue() if known is None else known.getInitialConcentration())


class Amici:
    """AMICI, compiled; reads are its observables."""

    def __init__(self, model: pm.Model, reads: list[str]) -> None:
        import amici
        from amici.importers.sbml import SbmlImporter

        self.name = f"AMICI {version('amici')}"
        self.folder = tempfile.TemporaryDirectory()
        observed = [amici.MeasurementChannel(id_=f"read_{i}", formula=r) for i, r in enumerate(reads)]
        began = time.perf_counter()
        self.model = SbmlImporter(model.sbml, from_file=False).sbml2amici(
            "benchmark_model",
            Path(self.folder.name) / "model",
            observation_model=observed,
            generate_sensitivity_code=False,
            compute_conservation_laws=False,
        )
        self.compile_seconds = time.perf_counter() - began
        self.reads = reads
        self.solver = self.model.create_solver()
        self.solver.set_relative_tolerance(1e-6)
        self.solver.set_absolute_tolerance(1e-9)
        self.solver.set_max_steps(100_000)
        self.parameters = set(self.model.get_free_parameter_ids())
        self.states = {k: i for i, k in enumerate(self.model.get_state_ids())}
        self.begin = np.array(self.model.get_initial_state())
        self.start = list(self.model.get_free_parameters())

    def reset(self) -> None:
        self.state = self.begin.copy()
        self.model.set_free_parameters(self.start)

    def set(self, values: dict[str, float]) -> None:
        for key, value in values.items():
            if key in self.parameters:
                self.model.set_free_parameter_by_id(key, value)
            elif key in self.states:
                self.state[self.states[key]] = value

    def run(self, duration: float) -> None:
        self.model.set_initial_state(self.state)
        self.model.set_timepoints([duration])
        result = self.model.simulate(solver=self.solver)
        if result.status != 0:
            raise RuntimeError(f"AMICI: status {result.status}")
        self.state, self.last = np.array(result.x[-1]), result.y[-1]

    def get(self, name: str) -> float:
        return float(self.last[self.reads.index(name)])


def one_row(peer: Peer, model: pm.Model, row: dict[str, float], outcome: str, levels: dict[str, float]) -> float:
    """Rest without treatment, anchors, treatment: what `pm.ensemble` does for a row."""
    values = {**model.settings, **row}
    peer.reset()
    peer.set({**values, **model.held})
    peer.run(REST)
    anchored = {k: peer.get(v) for k, v in model.anchors.items() if k not in values}
    held = {k: values.get(k, model.quantities[k].value) for k in model.held}
    peer.set({**anchored, **held, **levels})
    peer.run(WEEKS * 168.0)
    return peer.get(outcome)


def loop(peer: Peer, model: pm.Model, rows: Rows, outcome: str, levels: dict[str, float]) -> tuple[float, np.ndarray]:
    """Seconds and values of all rows, one after the other."""
    began, found = time.perf_counter(), []
    for row in zip(*rows.values(), strict=True):
        try:
            found.append(one_row(peer, model, dict(zip(rows, map(float, row), strict=True)), outcome, levels))
        except RuntimeError:
            found.append(float("nan"))
    return time.perf_counter() - began, np.array(found)


def peers(model: pm.Model, outcome: str, asked: str) -> list[Peer]:
    """The simulators that are installed and can load the model."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    reads = [outcome, *model.anchors.values()]
    found: list[Peer] = []
    for module, make in (("roadrunner", ByHand), ("basico", Basico), ("amici", Amici)):
        if module not in asked.split(","):
            continue
        if importlib.util.find_spec(module) is None:
            print(f"{module} is not installed")
            continue
        try:
            found.append(make(model, reads))
        except Exception as error:
            print(f"{module} cannot load the model: {type(error).__name__}: {str(error)[:100]}")
    return found


def line(name: str, count: int, seconds: float, cores: int, gap: float) -> None:
    """A line of the table."""
    speed = count / seconds
    print(f"{name:38} {speed:10.2f} {speed / cores:13.2f} {1e3 * seconds / count:9.1f} {gap:12.1e}")


def ensembles(count: int, name: str, asked: str) -> None:
    """All loops on a tenth of the rows, `pm.ensemble` on one process and on two."""
    model, random = pm.load(name), np.random.default_rng(1)
    outcome = OUTCOMES.get(name, model.outputs_[0].id)
    varied = model.parameters.query("distribution != 'fixed'").drop(index=list(model.anchors), errors="ignore")
    rows = {k: random.uniform(*bounds, count) for k, *bounds in varied[["low", "high"]].itertuples()}
    few = {k: v[: max(20, count // 10)] for k, v in rows.items()}
    treatment = [pm.KetogenicDiet(ratio=4)] if name in ("epilepsy", "ketone_katp") else []
    levels = {model.resolve(level.input): level.value for t in treatment for level in t.schedule()}
    plan = {"treatments": treatment, "outcomes": [pm.Outcome(variable=outcome, reduce="final")], "progress": False}
    one = pm.ensemble(model, few, **plan, weeks=WEEKS, workers=1)
    print(
        f"\n{name}: {len(model.states)} states, {len(rows)} parameters varied, {count} rows, loops {len(one.ok)} rows"
    )
    print(f"{'':38} {'rows/s':>10} {'rows/s/core':>13} {'ms/row':>9} {'largest gap':>12}")
    for peer in peers(model, outcome, asked):
        seconds, values = loop(peer, model, few, outcome, levels)
        gap = np.nanmax(np.abs(values - one.values[:, 0]) / np.maximum(np.abs(one.values[:, 0]), 1e-3))
        line(peer.name, len(values), seconds, 1, gap)
        if np.isnan(values).any():
            print(f"{'':38} {np.isnan(values).sum()} of these rows failed")
    line("pm.ensemble, 1 process", len(one.ok), one.seconds, 1, 0.0)
    efficiency(model, rows, plan)


def efficiency(model: pm.Model, rows: Rows, plan: dict) -> None:
    """All rows on one and on two processes; what each took."""
    found = {}
    for n in (1, 2):
        before = sum(os.times()[:4])
        runs = found[n] = pm.ensemble(model, rows, **plan, weeks=WEEKS, workers=n)
        share = runs.cost.core_seconds / (sum(os.times()[:4]) - before)
        line(f"pm.ensemble, all rows, {n} process{'es' * (n > 1)}", len(runs.ok), runs.seconds, n, 0.0)
        print(f"{'':38} {runs.report()}; peak memory of a process {runs.cost.peak_bytes / 2**20:.0f} MB")
        print(f"{'':38} {share:.2f} of all processor time went into rows (the rest: starting workers, passing results)")
    same = np.array_equal(found[1].values, found[2].values, equal_nan=True)
    print(f"parallel efficiency {found[1].seconds / found[2].seconds / 2:.2f}; same bits on both: {same}")


def analysis(name: str) -> None:
    """Seconds of a Sobol analysis by module in design, simulation and estimator."""
    model = pm.load(name)
    result = pm.sobol(model, outcomes=[OUTCOMES.get(name, model.outputs_[0].id)], n=16, groups="module", progress=False)
    parts = ", ".join(f"{part} {seconds:.2f} s" for part, seconds in result.timings.items())
    print(f"pm.sobol, {len(result.runs.ok)} runs: {parts}; {result.runs.report()}")


if __name__ == "__main__":
    chosen = sys.argv[2] if len(sys.argv) > 2 else "epilepsy"
    asked_peers = sys.argv[3] if len(sys.argv) > 3 else "roadrunner,basico,amici"
    ensembles(int(sys.argv[1]) if len(sys.argv) > 1 else 1000, chosen, asked_peers)
    analysis(chosen)
