"""What does a row cost outside machine code? Ensembles of `epilepsy` under diet and needles, one process.

Machine code is what the solvers do: `simulate` of libroadrunner in its C layer, and the compiled functions of the batch
engine. All else is Python: values set, courses taken apart, outcomes. Two shares per engine: within the blocks of rows
(what a worker does), and of the whole call of `pm.ensemble` (also the table, the plan and the start of the engine,
without the rows that are run again for the numerical error). In CPU time, so that others on the machine matter little;
the first call compiles and is not counted, the shortest of REPEATS is printed.
Run: python benchmarks/outside_machine_code.py [--rows 256] [--roadrunner-rows 32] [--parameters 447] [--weeks 12]
[--rtol 1e-6] [--every HOURS] [--repeats 3]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.stats import qmc

import pathway_models as pm
from pathway_models._batch.machine import Machine
from pathway_models._sbml.native import roadrunner
from pathway_models.ensembles import processes
from pathway_models.ensembles import runs as ensembles
from pathway_models.modules.laws import sample
from pathway_models.sensitivity.factors import choose

OUTCOMES = ["excitability.E_relative", "IL1B", "GABA_extracellular", "pAMPK"]
TIMES = 13  # asked for, beside the outcomes
spent: dict[str, float] = {"machine": 0.0, "blocks": 0.0}


def timed(function: Callable[..., Any], key: str) -> Callable[..., Any]:
    """The function, its CPU time added to `spent[key]`."""

    def call(*arguments: Any, **more: Any) -> Any:
        began = time.thread_time()
        try:
            return function(*arguments, **more)
        finally:
            spent[key] += time.thread_time() - began

    return call


def watch() -> None:
    """Count the time in machine code and in blocks from now on; no row is run again."""
    roadrunner.RoadRunner._simulate = timed(roadrunner.RoadRunner._simulate, "machine")
    processes.run_block = timed(processes.run_block, "blocks")
    ensembles.outcome_errors = lambda plan, *_: np.zeros(len(plan.outcomes))
    begin = Machine.__init__

    def watched(self: Machine, *arguments: Any) -> None:
        begin(self, *arguments)
        for name in ("prepare", "advance", "look"):
            setattr(self, name, timed(getattr(self, name), "machine"))

    Machine.__init__ = watched


def rows_of(model: pm.Model, parameters: int, count: int) -> dict[str, np.ndarray]:
    """Sobol points over the ranges of the first parameters that have one."""
    varied = choose(model, None)[:parameters]
    unit = qmc.Sobol(len(varied), seed=1).random(1 << (count - 1).bit_length())[:count]
    return {p.id: sample(p, unit[:, j]) for j, p in enumerate(varied)}


def line(model: pm.Model, engine: str, rows: dict[str, np.ndarray], asked: argparse.Namespace) -> str:
    """A line of the table."""
    count = len(next(iter(rows.values())))
    found = []
    for _ in range(1 + asked.repeats):
        spent.update(machine=0.0, blocks=0.0)
        began = time.thread_time()
        pm.ensemble(
            pm.Study(
                model,
                [pm.KetogenicDiet(ratio=4), pm.Electroacupuncture()],
                outcomes=OUTCOMES,
                weeks=asked.weeks,
                every=asked.every,
                times=np.linspace(0, asked.weeks * 168.0, TIMES),
            ),
            rows,
            execution=pm.Execution(workers=1, progress=False, engine=engine, rtol=asked.rtol),
        )
        found.append((time.thread_time() - began, spent["blocks"], spent["machine"]))
    whole, blocks, machine = (1e3 * part / count for part in min(found[1:]))
    shares = [f"{part:.2f} | {part - machine:.3f} | {100 * (1 - machine / part):.1f} %" for part in (blocks, whole)]
    return f"| {engine} | {count} | {len(rows)} | {machine:.2f} | {shares[0]} | {shares[1]} |"


def main() -> None:
    """The table of both engines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="epilepsy")
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--roadrunner-rows", type=int, default=32)
    parser.add_argument("--parameters", type=int, default=447)
    parser.add_argument("--weeks", type=float, default=12.0)
    parser.add_argument("--every", type=float)
    parser.add_argument("--rtol", type=float, default=1e-6)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    watch()
    model = pm.load(asked.model)
    print("ms per row | | | in machine code | blocks | outside | share | whole call | outside | share |")
    for engine, count in (("batch", asked.rows), ("roadrunner", asked.roadrunner_rows)):
        if count:
            print(line(model, engine, rows_of(model, asked.parameters, count), asked), flush=True)


if __name__ == "__main__":
    main()
