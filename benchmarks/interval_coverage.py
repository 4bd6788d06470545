"""How often do the 95 % intervals of Sobol indices hold the true index? The table of docs/intervals.md.

Sobol's g of 8 factors and the Ishigami function, whose indices are known, and one of our models, whose indices are
taken from 65,536 base rows of other seeds. Prints the table, writes results/interval_coverage.csv (one row per factor).
Run: python benchmarks/interval_coverage.py [ANALYSES]   (scramble seeds 1, 2, ...; default 200: about half an hour)
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

import pathway_models as pm

RESULTS = Path("results")
SIZES = (32, 64, 128, 256, 512, 1024)
MATTERS = 0.01  # true ST of a factor that counts
OUTCOMES = ("IL1B", "TNF")
EXECUTION = pm.Execution(engine="batch", workers=1, progress=False)
TRUTH = {"n": 16384, "seeds": range(1001, 1005)}

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


class Case(NamedTuple):
    """Outcomes (rows x columns) of 1,024 base rows of a seed, and the true S1 and ST, (factors, columns)."""

    columns: tuple[str, ...]
    run: Callable[[int], Array]
    S1: Array
    ST: Array


def of_function(name: str, function: Callable[[Array], Array], first: list[float], total: list[float]) -> Case:
    """A function of the unit cube with its known indices."""

    def run(seed: int) -> Array:
        return function(pm.sensitivity.saltelli_design(len(first), SIZES[-1], seed).unit)[:, None]

    return Case((name,), run, np.array(first)[:, None], np.array(total)[:, None])


def sobol_g() -> Case:
    """Saltelli & Sobol 1995, doi:10.1016/0951-8320(95)00099-2."""
    a = np.array([0, 1, 4.5, 9, 99, 99, 99, 99])
    parts = 1 / (3 * (1 + a) ** 2)
    product = np.prod(1 + parts)
    first, total = parts / (product - 1), parts / (1 + parts) * product / (product - 1)
    return of_function(
        "Sobol g", lambda u: np.prod((np.abs(4 * u - 2) + a) / (1 + a), axis=1), first.tolist(), total.tolist()
    )


def ishigami(a: float = 7.0, b: float = 0.1) -> Case:
    """Ishigami & Homma 1990, doi:10.1109/ISUMA.1990.151285."""
    v1, v2, v13 = (1 + b * np.pi**4 / 5) ** 2 / 2, a**2 / 8, 8 * b**2 * np.pi**8 / 225
    variance = v1 + v2 + v13

    def function(u: Array) -> Array:
        x1, x2, x3 = np.pi * (2 * u.T - 1)
        return np.asarray(np.sin(x1) * (1 + b * x3**4) + a * np.sin(x2) ** 2)

    total = [(v1 + v13) / variance, v2 / variance, v13 / variance]
    return of_function("Ishigami", function, [v1 / variance, v2 / variance, 0.0], total)


def analysis(model: pm.Model, n: int, seed: int) -> pm.sensitivity.SobolResult:
    """All constants of a model varied, a week."""
    sampling = pm.Sampling(n=n, seed=seed, resamples=2)
    return pm.sobol(model, outcomes=OUTCOMES, weeks=1, n=sampling, execution=EXECUTION)


def of_model() -> Case:
    """Inflammation after a week, all constants varied; true indices are averages weighted by the variance."""
    model = pm.load("nlrp3_il1b")
    found = [analysis(model, TRUTH["n"], seed).indices for seed in TRUTH["seeds"]]
    variance = np.array([part.variance for part in found])[:, None]
    first, total = (
        (np.array([getattr(part, name) for part in found]) * variance).sum(axis=0) / variance.sum(axis=0)
        for name in ("S1", "ST")
    )
    columns = tuple(f"nlrp3_il1b, {name}" for name in OUTCOMES)
    return Case(
        columns,
        lambda seed: analysis(model, SIZES[-1], seed).runs.values,
        first,
        total,
    )


def held(case: Case, analyses: int) -> Iterator[tuple[object, ...]]:
    """(case, factor, N, S1 held, S1 width, ST held, ST width) of each analysis and factor that matters."""
    for seed in range(1, analyses + 1):
        values, design = case.run(seed), pm.sensitivity.saltelli_design(len(case.S1), SIZES[-1], seed)
        for n in SIZES:
            rows = n * design.rows_per_base
            part = replace(design, n=n, unit=design.unit[:rows])
            found = pm.sensitivity.sobol_indices(values[:rows], part, seed=seed)
            first = (found.S1_low <= case.S1) & (found.S1_high >= case.S1), found.S1_high - found.S1_low
            total = (found.ST_low <= case.ST) & (found.ST_high >= case.ST), found.ST_high - found.ST_low
            for g, k in np.argwhere(case.ST > MATTERS):
                yield case.columns[k], g, n, *(array[g, k] for array in (*first, *total))


def main(analyses: int) -> None:
    """The table: percent of the intervals that hold the true index, rounded down, and the mean width."""
    names = ["case", "factor", "N", "S1", "S1 width", "ST", "ST width"]
    rows = [row for case in (sobol_g(), ishigami(), of_model()) for row in held(case, analyses)]
    factors = pd.DataFrame(rows, columns=names).groupby(names[:3], sort=False).mean().reset_index()
    RESULTS.mkdir(exist_ok=True)
    factors.to_csv(RESULTS / "interval_coverage.csv", index=False)
    print("| case | N | S1, worst | S1, mean | ST, worst | ST, mean | S1 width | ST width |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for (case, n), part in factors.groupby(["case", "N"]):
        percent = [int(100 * share + 1e-9) for name in ("S1", "ST") for share in (part[name].min(), part[name].mean())]
        widths = " | ".join(f"{part[f'{name} width'].mean():.2f}" for name in ("S1", "ST"))
        print(f"| {case} | {n:,} | {' | '.join(map(str, percent))} | {widths} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
