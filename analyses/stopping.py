"""What happens when the diet, acupuncture or both stop, at once or tapered?

Both run for `--weeks` weeks, then each plan goes its way; under the three readings of how circuits heal (remodelling)
and without the vicious circle (feedback open: seizures do not act back, so the circuits stay as they are).
Writes results/stopping.csv and .png.
Run: python analyses/stopping.py [--weeks 12] [--after 28] [--sessions 3] [--hypothesis efficacy=vns_like]
"""

import argparse
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pandas as pd
from tqdm import tqdm

import pathway_models as pm

matplotlib.use("Agg")
RESULTS = Path("results")
READINGS = {  # hypothesis and alternative
    "half of the remodelling heals (default)": ("remodelling", "half"),
    "almost none heals (structural)": ("remodelling", "structural"),
    "all heals (reversible)": ("remodelling", "reversible"),
    "no vicious circle (feedback open)": ("feedback", "open"),
}
COLOURS = ("#000000", "#D55E00", "#E69F00", "#0072B2", "#CC79A7", "#009E73")
STEPS = (3, 2, 1)  # a taper: two weeks each of that ratio, or of that many sessions a week


def diet(weeks: float, *, stops: bool, tapered: bool = False) -> list[pm.Treatment]:
    """A 4:1 diet that goes on, stops after `weeks` or is tapered."""
    at = [weeks + 2 * i for i in range(len(STEPS))]
    steps = [pm.KetogenicDiet(ratio=r, start=t, stop=t + 2) for r, t in zip(STEPS, at, strict=True)]
    return [pm.KetogenicDiet(ratio=4, stop=weeks if stops else None), *(steps if tapered else [])]


def needles(weeks: float, per_week: int, *, tapered: bool = False) -> list[pm.Treatment]:
    """Sessions for `weeks`, then none, or fewer and fewer."""
    at = [weeks + 2 * i for i in range(len(STEPS))]
    few = [min(s, per_week) for s in STEPS]
    low = [pm.Electroacupuncture(sessions_per_week=s, weeks=2, start=t) for s, t in zip(few, at, strict=True)]
    return [pm.Electroacupuncture(sessions_per_week=per_week, weeks=weeks), *(low if tapered else [])]


def plans(weeks: float, after: float, n: int) -> dict[str, list[pm.Treatment]]:
    """The ways to go on."""
    return {
        "both go on": diet(weeks, stops=False) + needles(weeks + after, n),
        "diet stops": diet(weeks, stops=True) + needles(weeks + after, n),
        "diet tapered": diet(weeks, stops=True, tapered=True) + needles(weeks + after, n),
        "acupuncture stops": diet(weeks, stops=False) + needles(weeks, n),
        "both stop": diet(weeks, stops=True) + needles(weeks, n),
        "both tapered": diet(weeks, stops=True, tapered=True) + needles(weeks, n, tapered=True),
    }


def courses(model: pm.Model, options: argparse.Namespace) -> pd.DataFrame:
    """Seizure rate, mean of the last 7 days, per week (index) and plan."""
    runs = {
        way: model.simulate(plan, weeks=options.weeks + options.after, every=12).pm["seizure_rate"].to_series()
        for way, plan in plans(options.weeks, options.after, options.sessions).items()
    }
    table = pd.DataFrame(runs).rolling(14, min_periods=1).mean()
    return table.set_axis(table.index / 168).rename_axis("week")


def main(arguments: list[str] | None = None) -> None:
    """Run every plan under every reading."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--weeks", type=float, default=12)
    parser.add_argument("--after", type=float, default=28)
    parser.add_argument("--sessions", type=int, default=3)
    parser.add_argument("--hypothesis", action="append", default=[])
    options = parser.parse_args(arguments)
    RESULTS.mkdir(exist_ok=True)
    model = pm.load("epilepsy")
    for text in options.hypothesis:
        model = model.with_hypothesis(*text.split("=", 1))
    found = {k: courses(model.with_hypothesis(*r), options) for k, r in tqdm(READINGS.items(), desc="readings")}
    figure, axes = plt.subplots(2, 2, figsize=(10, 7), layout="constrained", sharex=True, sharey=True)
    for axis, (title, table) in zip(axes.ravel(), found.items(), strict=True):
        for way, colour in zip(table, COLOURS, strict=True):
            axis.plot(table[way], color=colour, lw=1.5, ls="--" if "tapered" in way else "-", label=way)
        axis.axvline(options.weeks, color="#999999", lw=0.8, ls=":")
        axis.set_title(title, fontsize=10, loc="left")
        axis.spines[["top", "right"]].set_visible(False)
    figure.supxlabel("weeks since the start of both", fontsize=10)
    figure.supylabel("seizure rate, mean of the last 7 days (untreated = 1)", fontsize=10)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=6, frameon=False)
    figure.savefig(RESULTS / "stopping.png", dpi=130)
    weeks = {"at the stop": options.weeks} | {f"{w:g} weeks after": options.weeks + w for w in (1, 4, options.after)}
    rows = {k: t.reindex(weeks.values(), method="nearest").set_axis(list(weeks)).T for k, t in found.items()}
    table = pd.concat(rows, names=["reading", "plan"])
    table.to_csv(RESULTS / "stopping.csv")
    print(table.to_string(float_format="{:.3f}".format))
    for title in found:
        end = table.loc[title].iloc[:, -1]
        print(f"{title}: in the end " + ", ".join(f"{end[way]:.2f} if {way}" for way in end.index))


if __name__ == "__main__":
    main()
