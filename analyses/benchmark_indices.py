"""How fast are Sobol indices with intervals against a loop over SALib? One run, the same numbers.

Run: python analyses/benchmark_indices.py
"""

import time

import numpy as np
from SALib.analyze import sobol as salib_sobol

import pathway_models as pm


def indices() -> None:
    """60 parameters by 50 outcome columns, N = 1024, 1000 resamples, against SALib on 2 of the columns."""
    design = pm.saltelli_design(60, 1024, 1)
    y = np.exp(design.unit @ np.random.default_rng(2).random((60, 50)) ** 4)
    times = [time.perf_counter()]
    found = pm.sobol_indices(y, design)
    times.append(time.perf_counter())
    problem = {"num_vars": 60, "names": [f"x{i}" for i in range(60)], "bounds": [[0, 1]] * 60}
    theirs = [salib_sobol.analyze(problem, y[:, k], calc_second_order=False, num_resamples=1000) for k in (0, 1)]
    times.append(time.perf_counter())
    ours, salib = times[1] - times[0], (times[2] - times[1]) / 2 * 50
    gap = max(np.max(np.abs(found.ST[:, k] - t["ST"])) for k, t in enumerate(theirs))
    print(f"indices with intervals  {ours:7.2f} s; a loop over SALib {salib:.0f} s; largest difference in ST {gap:.1e}")


if __name__ == "__main__":
    indices()
