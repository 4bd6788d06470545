"""Do modules that were conditioned on experiments predict those that they did not see, and better than without?

Conditions each module on its observations, with one reading of each hypothesis and with shares of readings, from two
seeds each; leaves each experiment out in turn and scores it, beside the models as they were before (prior), the default
path, 'nothing happens' and the frequencies of directions. What is done was written down before:
docs/decisions/0031-conditioning-before-looking.md. With --constants it chooses the likelihood's constants by the log
evidence of all modules. Writes results/left_out.png, .csv, and two more tables.
Run: python analyses/left_out.py [--n 1000] [--sweeps 16] [--modules nlrp3_il1b] [--constants]
"""

import argparse
import itertools
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import pathway_models as pm
from pathway_models.inference import Likelihood, Posterior

matplotlib.use("Agg")

RESULTS = Path("results")
GRID = {"threshold": (0.01, 0.02, 0.05), "softness": (0.02, 0.05, 0.1), "floor": (0.1, 0.2, 0.3)}
MODES = {"one reading": False, "shares": True}
OTHERS = ("prior", "default", "nothing", "frequencies")
RESAMPLES = 4000
SEEDS = (1, 2)
COLOURS = dict(zip(MODES, ("#0072B2", "#D55E00"), strict=True))


def conditioned(name: str, n: int, sweeps: int, shares: bool) -> list[Posterior]:
    """The posterior of a module from two seeds."""
    how: dict = {"n": n, "sweeps": sweeps, "shares": shares, "execution": pm.Execution(workers=1, progress=False)}
    return [pm.inference.posterior(pm.load(name), seed=s, **how) for s in SEEDS]


def agreement(pair: Sequence[Posterior]) -> dict[str, float]:
    """How far two seeds are apart: log evidence, weights of readings, effective draws from the means of the scores."""
    one, other = pair
    means = [p.weights @ p.archive.places.scores for p in pair]
    spread = [np.sqrt(p.weights @ (p.archive.places.scores - m) ** 2) for p, m in zip(pair, means, strict=True)]
    apart = (means[0] - means[1]) / np.mean(spread, axis=0)
    readings = np.abs(one.readings()["posterior"] - other.readings()["posterior"])
    return {
        "log_evidence": float(np.mean([p.log_evidence for p in pair])),
        "evidence_apart": abs(one.log_evidence - other.log_evidence),
        "readings_apart": float(readings.max()) if len(readings) else 0.0,
        "effective": 2 / float(np.mean(apart**2)),
        "constants_below_0.9": float(np.sum(one.constants()["narrowing"] < 0.9)),
    }


def by_constants(posteriors: dict[str, dict[str, list[Posterior]]]) -> pd.DataFrame:
    """Log evidence of all modules for each choice of the likelihood's constants, best first."""
    records = []
    for values in itertools.product(*GRID.values()):
        constants = dict(zip(GRID, values, strict=True))
        made = [p.under(replace(Likelihood(), **constants)) for of in posteriors.values() for p in of["one reading"]]
        evidence = sum(p.log_evidence for p in made) / len(SEEDS)
        records.append({**constants, "log_evidence": evidence, "fewest_effective": min(p.effective for p in made)})
    return pd.DataFrame(records).sort_values("log_evidence", ascending=False)


def scores(posteriors: dict[str, dict[str, list[Posterior]]]) -> pd.DataFrame:
    """The rows of all modules, each experiment left out in turn; means over the seeds. A column for each mode."""
    tables = []
    for name, of in posteriors.items():
        means = {mode: _mean([p.held_out() for p in pair]) for mode, pair in of.items()}
        table = next(iter(means.values())).drop(columns=["posterior", "place_posterior", "effective"])
        for mode, found in means.items():
            table[mode], table[f"place_{mode}"] = found["posterior"], found["place_posterior"]
        tables.append(table.assign(module=name))
    return pd.concat(tables).reset_index()


def _mean(tables: list[pd.DataFrame]) -> pd.DataFrame:
    one, other = tables
    numbers = [c for c in one.columns if c not in ("use", "numeric", "contested", "experiment")]
    return one.assign(**{c: (one[c] + other[c]) / 2 for c in numbers})


def difference(rows: pd.DataFrame, mode: str, other: str, rng: np.random.Generator) -> tuple[float, float, float]:
    """Weighted log score of a posterior minus that of another model per weight, with a 95 % interval by bootstrap over
    experiments."""
    gap = (rows[mode] - rows[other]) * rows["weight"]
    each = pd.DataFrame({"gap": gap, "weight": rows["weight"]}).groupby([rows["module"], rows["experiment"]]).sum()
    picks = rng.integers(len(each), size=(RESAMPLES, len(each)))
    gaps, weights = (each[c].to_numpy()[picks].sum(axis=1) for c in ("gap", "weight"))
    low, high = np.quantile(gaps / weights, [0.025, 0.975])
    return float(each["gap"].sum() / each["weight"].sum()), float(low), float(high)


def judged(table: pd.DataFrame) -> pd.DataFrame:
    """Rows that some draw moves, of experiments that leave enough draws effective in both modes."""
    return table[np.isfinite(table[list(MODES)]).all(axis=1) & (table["weight"] > 0)]


def compared(table: pd.DataFrame) -> pd.DataFrame:
    """Both posteriors against each other model, and against each other, for groups of rows."""
    rows = judged(table)
    directions, numbers = rows[~rows["numeric"]], rows[rows["numeric"]]
    groups = {
        "directions": directions,
        "directions, not contested": directions[~directions["contested"]],
        "directions, contested": directions[directions["contested"]],
        "directions that test": directions[directions["use"] == "check"],
        "numbers": numbers,
        "numbers that test": numbers[numbers["use"] == "check"],
        **{f"directions of {m}": of for m, of in directions.groupby("module")},
    }
    rng = np.random.default_rng(1)
    pairs = [*((mode, other) for mode in MODES for other in OTHERS), ("shares", "one reading")]
    records = []
    for name, of in groups.items():
        for mode, other in pairs:
            if len(of) and np.isfinite(of[other]).all():
                records.append((name, mode, other, len(of), *difference(of, mode, other, rng)))
    return pd.DataFrame(records, columns=["rows", "of", "against", "n", "difference", "low", "high"])


def coverage(table: pd.DataFrame) -> pd.DataFrame:
    """Share of the left-out numbers within the central 50 and 90 % of what is predicted."""
    rows = judged(table)
    numbers = rows[rows["numeric"]]
    groups = {"all": numbers, "that test": numbers[numbers["use"] == "check"]}
    return pd.DataFrame(
        {
            (name, kind): {
                f"{share:.0%}": np.mean(np.abs(of[f"place_{kind}"] - 0.5) <= share / 2) for share in (0.5, 0.9)
            }
            | {"n": len(of)}
            for name, of in groups.items()
            for kind in ("prior", *MODES)
        }
    ).T


def draw(found: pd.DataFrame) -> plt.Figure:
    """Differences in log score with their intervals, one panel per model that the posteriors are held against."""
    names = list(dict.fromkeys(found["rows"]))[::-1]
    panels = (*OTHERS, "one reading")
    figure, axes = plt.subplots(
        1, len(panels), figsize=(14, 0.36 * len(names) + 1.8), sharey=True, layout="constrained"
    )
    for axis, other in zip(axes, panels, strict=True):
        for mode, shift in zip(MODES, (0.14, -0.14), strict=True):
            rows = found[(found["against"] == other) & (found["of"] == mode)]
            y = np.array([names.index(n) for n in rows["rows"]]) + shift
            axis.hlines(y, rows["low"], rows["high"], color=COLOURS[mode], lw=2)
            axis.scatter(rows["difference"], y, color=COLOURS[mode], s=22, zorder=3, label=mode)
        axis.axvline(0, color="0.6", lw=0.8, zorder=0)
        axis.set_title({"nothing": "'nothing happens'"}.get(other, other), fontsize=10)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_yticks(range(len(names)), names)
    axes[0].set_ylim(-0.6, len(names) - 0.4)
    axes[0].legend(fontsize=8, frameon=False, loc="lower left")
    figure.supxlabel(
        "log score per row of the posterior minus that of the model above; right of 0: the posterior is better"
    )
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    """Condition, leave out, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=1000, help="draws per temperature")
    parser.add_argument("--sweeps", type=int, default=16, help="moves per temperature")
    parser.add_argument("--modules", nargs="*", default=pm.Library().modules, help="which; none: all")
    parser.add_argument("--constants", action="store_true", help="choose the constants of the likelihood, nothing else")
    options = parser.parse_args(arguments)
    RESULTS.mkdir(exist_ok=True)
    posteriors: dict[str, dict[str, list[Posterior]]] = {}
    agree = {}
    for name in options.modules:
        for mode, shares in list(MODES.items())[: 1 if options.constants else 2]:
            began = time.perf_counter()
            pair = conditioned(name, options.n, options.sweeps, shares)
            posteriors.setdefault(name, {})[mode] = pair
            agree[name, mode] = agreement(pair) | {"seconds": time.perf_counter() - began}
            print(name, mode, {k: round(v, 2) for k, v in agree[name, mode].items()}, flush=True)
    if options.constants:
        print(by_constants(posteriors).to_string(index=False, float_format="{:.2f}".format))
        return
    table = scores(posteriors)
    found = compared(table)
    print(found.to_string(index=False, float_format="{:.3f}".format), "\n")
    print(coverage(table).to_string(float_format="{:.2f}".format))
    table.to_csv(RESULTS / "left_out.csv", index=False)
    pd.DataFrame(agree).T.to_csv(RESULTS / "left_out_agreement.csv")
    readings = [
        pair[0].readings().assign(module=name, mode=mode)
        for name, of in posteriors.items()
        for mode, pair in of.items()
    ]
    pd.concat(readings).to_csv(RESULTS / "left_out_readings.csv", index=False)
    draw(found).savefig(RESULTS / "left_out.png", dpi=130)
    print(f"\nwrote {RESULTS / 'left_out.png'}, left_out.csv, left_out_agreement.csv, left_out_readings.csv")


if __name__ == "__main__":
    main()
