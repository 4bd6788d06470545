"""Does the memory of a worker stay flat over very many rows? 100,000 rows of a small module.

Prints the memory of the largest worker and of this process at each tenth of the rows.
Run: python benchmarks/benchmark_memory.py [ROWS] [ENGINE] [WORKERS]   (default 100000 roadrunner 2; Linux)
"""

import multiprocessing
import os
import sys
import threading
import time
from pathlib import Path

import numpy as np

import pathway_models as pm

MB = 2**20


def resident(pid: int) -> float:
    """Resident memory of a process in MB; 0 once it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / MB


class Sampler(threading.Thread):
    """Notes time and memory of this process and of its largest worker, twice a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.ended = threading.Event()
        self.samples: list[tuple[float, float, float]] = []
        self.workers: set[int] = set()

    def run(self) -> None:
        while not self.ended.wait(0.5):
            pids = [p.pid for p in multiprocessing.active_children() if p.pid]
            self.workers.update(pids)
            largest = max(map(resident, pids), default=0.0)
            self.samples.append((time.perf_counter(), resident(os.getpid()), largest))


def main(rows: int, engine: str, workers: int) -> None:
    """Run the rows, then print memory by tenths of the time."""
    model = pm.load("acupuncture")
    chosen = [p for p in model.constants if p.uncertain]
    unit = np.random.default_rng(1).random((rows, len(chosen)))
    table = {p.id: p.low + (p.high - p.low) * unit[:, j] for j, p in enumerate(chosen)}
    sampler = Sampler()
    sampler.start()
    runs = pm.ensemble(
        model,
        table,
        outcomes=["vagal_drive"],
        weeks=1,
        execution=pm.Execution(workers=workers, progress=False, engine=engine),
    )
    sampler.ended.set()
    assert runs.cost is not None
    print(f"{rows} rows of {model.name}, {len(chosen)} constants, {engine}, {workers} workers: {runs.report()}")
    print(f"{runs.seconds:.0f} s, {rows / runs.seconds:.0f} rows/s; {len(sampler.workers)} worker processes in turn")
    print(f"largest memory of a process (as the library reports it): {runs.cost.peak_bytes / MB:.0f} MB")
    print("share of the time   this process MB   largest worker MB")
    tenths = [part.max(axis=0) for part in np.array_split(np.array(sampler.samples), 10)]
    for k, (_, own, worker) in enumerate(tenths):
        print(f"{10 * (k + 1):16d} % {own:17.0f} {worker:19.0f}")
    growth = (tenths[-1][2] - tenths[4][2]) * MB / (0.5 * rows / workers)
    print(f"a worker grew by {growth:.0f} bytes a row in the second half (below some 20,000 rows that is starting up)")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    main(
        int(arguments[0]) if arguments else 100_000,
        arguments[1] if len(arguments) > 1 else "roadrunner",
        int(arguments[2]) if len(arguments) > 2 else 2,
    )
