"""What would a trial of the diet, and of diet and acupuncture, report on virtual children, and who would respond?

Intention to treat, as a trial would report it; which markers before treatment go with response; and the same for diet
trials that were really done, beside what they found. Writes results/virtual_trial.png and results/virtual_trial_*.csv.
Run: python analyses/virtual_trial.py [--n 2000] [--weeks 12] [--model epilepsy] [--hypothesis vglut=none]
"""

import argparse
import time
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import pathway_models as pm

matplotlib.use("Agg")
RESULTS = Path("results")
TRIALS = ("Neal 2008", "Sharma 2013", "Kverneland 2018", "Schoeler 2023")
SHOWN = ("completers", "mean_percent", "median_percent", "RR50", "RR50_low", "RR50_high", "RR90", "seizure_free")


def arms(weeks: float) -> dict[str, list[pm.Treatment]]:
    """Control, diet, diet and two sessions a week."""
    diet, needles = pm.KetogenicDiet(ratio=4), pm.Electroacupuncture(sessions_per_week=2, weeks=weeks)
    return {"control": [], "diet": [diet], "diet + acupuncture": [diet, needles]}


def draw(result: pm.trials.Trial, predictors: pd.DataFrame) -> plt.Figure:
    """Responder curves, and what goes with response to the diet: in the diary (all a trial sees) and in the model."""
    figure, axes = plt.subplots(1, 2, figsize=(12, 4.8), layout="constrained", width_ratios=[1.1, 1])
    result.plot(axes[0])
    for (of, part), colour, shift in zip(
        predictors.groupby("of", sort=False), ("#0072B2", "#E69F00"), (-0.15, 0.15), strict=True
    ):
        at = np.arange(len(part)) + shift
        error = np.abs([part["rho"] - part["rho_low"], part["rho_high"] - part["rho"]])
        axes[1].errorbar(part["rho"], at, xerr=error, fmt="o", ms=5, color=colour, elinewidth=1, label=f"{of}")
    names = [m.split(".")[-1].replace("_", " ") + ("" if m_ else " *") for m, m_ in part["measurable"].items()]
    axes[1].set_yticks(range(len(part)), names, fontsize=9)
    axes[1].invert_yaxis()
    axes[1].axvline(0, color="#333333", lw=0.7)
    axes[1].set_xlabel("rank correlation with the reduction of seizures, 95 % interval")
    axes[1].set_title("Who responds to the diet (* cannot be measured before)", fontsize=10, loc="left")
    axes[1].legend(frameon=False, fontsize=8.5, title="reduction in", title_fontsize=8.5, loc="lower right")
    axes[1].spines[["top", "right"]].set_visible(False)
    return figure


def main(arguments: list[str] | None = None) -> None:
    """The trial, its predictors, the published ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--n", type=int, default=2000, help="patients")
    parser.add_argument("--weeks", type=float, default=12)
    parser.add_argument("--model", default="epilepsy")
    parser.add_argument("--hypothesis", action="append", default=[])
    parser.add_argument("--trials", nargs="*", default=TRIALS, help="published trials to set beside")
    options = parser.parse_args(arguments)
    RESULTS.mkdir(exist_ok=True)
    model = pm.load(options.model)
    for text in options.hypothesis:
        model = model.with_hypothesis(*text.split("=", 1))
    began = time.perf_counter()
    patients = pm.population(model, options.n, seed=1)
    result = pm.trial(model, patients, arms(options.weeks), weeks=options.weeks)
    print(f"{options.n} patients by {len(result.arms)} arms in {time.perf_counter() - began:.0f} s\n{result.summary()}")
    found = {of: result.predictors("diet", of=of) for of in ("diary", "model")}
    top = found["model"].index[:12]
    predictors = pd.concat([t.loc[[m for m in top if m in t.index]].assign(of=of) for of, t in found.items()])
    tables = {"arms": result.to_dataframe(), "contrasts": result.contrasts(), "predictors": predictors}
    if options.trials:
        known = pm.trials.published_trials(model, seed=1, names=list(options.trials), n=options.n)
        tables["published"] = known.set_index("trial").drop(columns="note")
    for name, table in tables.items():
        table.to_csv(RESULTS / f"virtual_trial_{name}.csv")
        shown = table[list(SHOWN)] if name == "arms" else table
        print(f"\n{name}\n{shown.to_string(float_format='{:.2f}'.format)}")
    draw(result, predictors).savefig(RESULTS / "virtual_trial.png", dpi=130)
    best = found["diary"][found["diary"]["measurable"]].iloc[0]
    gain = result.contrasts().loc["diet"]
    print(
        f"\nThe diet lowers seizures by {-gain['difference']:.0f} percent of baseline against control "
        f"({-gain['difference_high']:.0f} to {-gain['difference_low']:.0f}); of what can be measured before, "
        f"{best.name} goes with response most: rank correlation {best['rho']:+.2f} "
        f"({best['rho_low']:+.2f} to {best['rho_high']:+.2f})."
    )


if __name__ == "__main__":
    main()
