"""What would a trial of the diet, and of diet and acupuncture, report on virtual children, and who would respond?

Prints the arms, the predictors and the comparison with published diet trials under two readings of the diet's action on
glutamate, and writes results/virtual_trial.png. Run: python analyses/virtual_trial.py [N]   (patients, default 60)
"""

import sys
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

import pathway_models as pm

matplotlib.use("Agg")

RESULTS = Path("results")
WEEKS = 12
ARMS = {
    "control": [],
    "diet": [pm.KetogenicDiet(ratio=4)],
    "diet + acupuncture": [pm.KetogenicDiet(ratio=4), pm.Electroacupuncture(sessions_per_week=2, weeks=WEEKS)],
}
READINGS = {
    "as it is": "competition",
    "no brake at VGLUT": "none",
}  # the contested step that carries most of the effect
TRIALS = ("Neal 2008", "Sharma 2013", "Kverneland 2018", "Schoeler 2023")
SHOWN = ("completers", "mean_percent", "median_percent", "RR50", "RR50_low", "RR50_high", "RR90", "seizure_free")


def main(n: int) -> None:
    """Run the trial and the comparison under each reading."""
    RESULTS.mkdir(exist_ok=True)
    pd.set_option("display.width", 160)
    results, tables = {}, {}
    for label, alternative in READINGS.items():
        model = pm.load("epilepsy_core").with_hypothesis("vglut", alternative)
        patients = pm.population(n, seed=1, model=model)
        result = results[label] = pm.trial(patients, ARMS, WEEKS, model=model)
        tables[label] = pm.published_trials(n, seed=1, model=model, names=TRIALS)
        print(f"\n{label}\n{result.to_dataframe()[list(SHOWN)].to_string(float_format='{:.2f}'.format)}")
        print(f"\n{result.contrasts().to_string(float_format='{:.2f}'.format)}\n\n{result.summary()}")
        best = result.predictors("diet", of="model").head(8)
        print(f"\nwhat goes with response to the diet\n{best.to_string(float_format='{:.2f}'.format)}")
    columns = ["trial", "arm", "statistic", "source", "observed", "predicted", "low", "high", "cited_by"]
    for label, table in tables.items():
        table["cited_by"] = table["cited_by"].str.slice(0, 40)
        print(
            f"\npublished and predicted, {label}\n{table[columns].to_string(index=False, float_format='{:.1f}'.format)}"
        )
    figure(results).savefig(RESULTS / "virtual_trial.png", dpi=150)
    print(f"\nwrote {RESULTS / 'virtual_trial.png'}")


def figure(results: dict[str, pm.Trial]) -> Figure:
    """Responder curves, one panel per reading."""
    drawn, axes = plt.subplots(1, len(results), figsize=(10.5, 4.3), sharey=True, layout="constrained")
    for axis, (label, result) in zip(axes, results.items(), strict=True):
        result.plot(axis)
        axis.set_title(f"{label}: last {result.window_weeks:g} of {result.weeks:g} weeks", fontsize=10, loc="left")
    return drawn


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
