"""What is the smallest course of acupuncture, and of the diet, that still holds half of the effect of the full one?

The effect is the share of seizures prevented over a fixed horizon, so that what lasts after a short course counts. The
full course fills the horizon: acupuncture 7 times a week, the diet at 4:1. Each cell gives a smaller one from week 0.
Size of a course: sessions, or weeks times carbohydrate withheld. Writes results/smallest_course.csv and .png.
Run: python analyses/smallest_course.py [--horizon 24] [--weeks 1 2 4 8 12 16 24] [--sessions 1 2 3 5 7]
"""

import argparse
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from tqdm import tqdm

import pathway_models as pm

matplotlib.use("Agg")
RESULTS = Path("results")
PANELS = {  # title of a panel: treatment, hypotheses
    "acupuncture (weak)": ("needles", {}),
    "acupuncture (vns_like)": ("needles", {"efficacy": "vns_like"}),
    "diet": ("diet", {}),
    "diet (vglut none)": ("diet", {"vglut": "none"}),
}
AXES = {"needles": "sessions per week", "diet": "ratio (g fat per g of the rest)"}


def prevented(model: pm.Model, treatment: str, dose: float, weeks: float, horizon: float) -> tuple[float, float]:
    """Share of the seizures that are prevented over the horizon, and the size of the course."""
    if treatment == "needles":
        plan = pm.Electroacupuncture(sessions_per_week=int(dose), weeks=weeks)
        size = float(len(plan.schedule()[0].times))
    else:
        plan = pm.KetogenicDiet(ratio=dose, stop=weeks)
        size = weeks * plan.carb_restriction
    rate = model.simulate([plan], weeks=horizon, every=12).pm["seizure_rate"]
    return 1 - float(rate.integrate("time") / rate["time"][-1]), size


def draw(axis: plt.Axes, part: pd.DataFrame, title: str, ylabel: str) -> None:
    """Map of the share of the full effect; the line is at one half, the ring is the smallest course above it."""
    grid = part.pivot(index="dose", columns="weeks", values="share")
    axis.imshow(grid.to_numpy(), origin="lower", aspect="auto", cmap="cividis", vmin=0, vmax=1)
    for (y, x), value in np.ndenumerate(grid.to_numpy()):
        axis.text(
            x, y, f"{100 * value:.0f}", ha="center", va="center", fontsize=8, color="white" if value < 0.6 else "black"
        )
    enough = part[part["share"] >= 0.5]
    if len(enough):
        best = enough.loc[enough["size"].idxmin()]
        at = list(grid.columns).index(best["weeks"]), list(grid.index).index(best["dose"])
        axis.add_patch(plt.Rectangle((at[0] - 0.5, at[1] - 0.5), 1, 1, fill=False, ec="#D55E00", lw=2.5))
    axis.set_xticks(range(len(grid.columns)), [f"{w:g}" for w in grid.columns])
    axis.set_yticks(range(len(grid.index)), [f"{d:g}" for d in grid.index])
    axis.set_title(title, fontsize=10)
    axis.set(xlabel="weeks", ylabel=ylabel)


def main(arguments: list[str] | None = None) -> None:
    """Map courses against the full one and print the smallest that holds half."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--horizon", type=float, default=24)
    parser.add_argument("--weeks", type=float, nargs="+", default=[1, 2, 4, 8, 12, 16, 24])
    parser.add_argument("--sessions", type=int, nargs="+", default=[1, 2, 3, 5, 7])
    parser.add_argument("--ratios", type=float, nargs="+", default=[1, 1.5, 2, 3, 4])
    options = parser.parse_args(arguments)
    RESULTS.mkdir(exist_ok=True)
    doses, rows, model = {"needles": options.sessions, "diet": options.ratios}, [], pm.load("epilepsy")
    cells = [(p, d, w) for p, (kind, _) in PANELS.items() for d in doses[kind] for w in options.weeks]
    for panel, dose, weeks in tqdm(cells, desc="courses"):
        kind, hypotheses = PANELS[panel]
        reading = model
        for name, alternative in hypotheses.items():
            reading = reading.with_hypothesis(name, alternative)
        effect, size = prevented(reading, kind, dose, weeks, options.horizon)
        rows.append({"panel": panel, "dose": dose, "weeks": weeks, "size": size, "prevented": effect})
    table = pd.DataFrame(rows)
    table["share"] = table["prevented"] / table.groupby("panel")["prevented"].transform("last")
    table.to_csv(RESULTS / "smallest_course.csv", index=False)
    figure, axes = plt.subplots(2, 2, figsize=(10, 7.2), layout="constrained")
    figure.suptitle(
        f"Seizures prevented over {options.horizon:g} weeks, % of the full course; box: smallest with half",
        fontsize=11,
    )
    for axis, (panel, part) in zip(axes.ravel(), table.groupby("panel", sort=False), strict=True):
        full, enough = part.iloc[-1], part[part["share"] >= 0.5]
        draw(axis, part, f"{panel}: the full course prevents {100 * full['prevented']:.0f} %", AXES[PANELS[panel][0]])
        best = enough.loc[enough["size"].idxmin()] if len(enough) else full
        needles = PANELS[panel][0] == "needles"
        unit, kind = (" a week", "sessions") if needles else (":1", "weeks of complete restriction")
        print(
            f"{panel}: {best['dose']:g}{unit} for {best['weeks']:g} weeks prevents "
            f"{100 * best['prevented']:.0f} % of all seizures, {100 * best['share']:.0f} % of what the full "
            f"course prevents, with {best['size']:.1f} of {full['size']:.1f} {kind}"
        )
    figure.savefig(RESULTS / "smallest_course.png", dpi=150)


if __name__ == "__main__":
    main()
