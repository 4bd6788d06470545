"""How fast are Sobol indices with intervals against a loop over SALib? One run, the same numbers.

60 parameters by 200 outcome columns, N = 1,024, 100 resamples; SALib on a few of the columns, times what is left.
Run: python benchmarks/benchmark_indices.py
"""

import time
from importlib.metadata import version

import numpy as np
from SALib.analyze import sobol as salib_sobol

import pathway_models as pm

PARAMETERS, COLUMNS, N, RESAMPLES, SHOWN = 60, 200, 1024, 100, 3


def indices() -> None:
    """Both on the same numbers, point estimates compared."""
    design = pm.sensitivity.saltelli_design(PARAMETERS, N, 1)
    y = np.exp(design.unit @ np.random.default_rng(2).random((PARAMETERS, COLUMNS)) ** 4)
    pm.sensitivity.sobol_indices(
        y[:, :1], design, resamples=2
    )  # threads of the matrix product start at their first use
    times = [time.perf_counter()]
    found = pm.sensitivity.sobol_indices(y, design, resamples=RESAMPLES)
    times.append(time.perf_counter())
    names = [f"x{i}" for i in range(PARAMETERS)]
    problem = {"num_vars": PARAMETERS, "names": names, "bounds": [[0, 1]] * PARAMETERS}
    options = {"calc_second_order": False, "num_resamples": RESAMPLES}
    theirs = [salib_sobol.analyze(problem, y[:, k], **options) for k in range(SHOWN)]
    times.append(time.perf_counter())
    ours, salib = times[1] - times[0], (times[2] - times[1]) / SHOWN * COLUMNS
    gap = max(
        np.max(np.abs(getattr(found, name)[:, k] - t[name])) for k, t in enumerate(theirs) for name in ("S1", "ST")
    )
    print(f"indices with intervals, {PARAMETERS} parameters by {COLUMNS} columns, N = {N}, {RESAMPLES} resamples")
    print(f"ours {ours:.2f} s; a loop over SALib {version('SALib')} {salib:.0f} s; ratio {salib / ours:.0f}")
    print(f"largest difference in S1 and ST {gap:.1e}")


if __name__ == "__main__":
    indices()
