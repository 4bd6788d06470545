"""How long and strong must a status epilepticus be to start chronic seizures, and what begun after it prevents them?

A pulse of provoked seizures hits the healthy brain. Rate 1 is that of untreated epilepsy, so that the index that counts
as rate 1 is taken from there. Writes results/epileptogenesis.csv and .png.
Run: python analyses/epileptogenesis.py [--points 5] [--weeks 26] [--diet-weeks 12] [--hypothesis feedback=closed]
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
CHRONIC = 0.1  # a rate above a tenth of that of untreated epilepsy at the end counts as chronic seizures


def anchored(hypotheses: list[str]) -> pm.Model:
    """The healthy brain with the two anchors of untreated epilepsy."""
    model = pm.load("epilepsy")
    for text in hypotheses:
        model = model.with_hypothesis(*text.split("=", 1))
    rest = model.simulate(duration=1)
    anchors = {"E_untreated": float(rest.pm["excitability_index"][0]), "IL1B_untreated": float(rest.pm["IL1B"][0])}
    return model.with_context("healthy").with_parameters({f"excitability.{k}": v for k, v in anchors.items()})


def draw(table: pd.DataFrame, weeks: float) -> plt.Figure:
    """A map of the final rate per arm; beyond the white line the seizures are chronic."""
    arms, top = list(table["arm"].unique()), max(table["rate"].max(), CHRONIC)
    figure, axes = plt.subplots(1, len(arms), figsize=(3.4 * len(arms) + 0.8, 3.8), layout="constrained", sharey=True)
    for axis, arm in zip(axes, arms, strict=True):
        grid = table[table["arm"] == arm].pivot(index="strength", columns="hours", values="rate")
        image = axis.pcolormesh(grid.columns, grid.index, grid, cmap="cividis", vmin=0, vmax=top, shading="nearest")
        if grid.to_numpy().min() < CHRONIC < grid.to_numpy().max() and min(grid.shape) > 1:
            axis.contour(grid.columns, grid.index, grid, levels=[CHRONIC], colors="white", linewidths=2)
        axis.set_xscale("log")
        axis.set_xticks(grid.columns, [f"{h:g}" for h in grid.columns])
        axis.minorticks_off()
        axis.set_title(arm, fontsize=10, loc="left")
        axis.set_xlabel("length of the status (hours)", fontsize=9)
    figure.suptitle(
        f"Beyond the white line seizures are chronic: a rate above {CHRONIC:g} after {weeks:g} weeks", fontsize=11
    )
    axes[0].set_ylabel("provoked seizures (untreated rate = 1)", fontsize=9)
    figure.colorbar(image, ax=axes, label="seizure rate (untreated = 1)")
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Map length and strength of the status for every arm."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--points", type=int, default=5, help="number of strengths")
    parser.add_argument("--hours", type=float, nargs="+", default=[2, 4, 8, 16, 32, 64])
    parser.add_argument("--weeks", type=float, default=26)
    parser.add_argument("--diet-weeks", type=float, default=12)
    parser.add_argument("--hypothesis", action="append", default=[])
    options = parser.parse_args(arguments)
    RESULTS.mkdir(exist_ok=True)
    model, rows = anchored(options.hypothesis), []
    arms = {
        "no treatment": lambda t: [],
        f"diet for {options.diet_weeks:g} weeks": lambda t: [
            pm.KetogenicDiet(ratio=4, start=t / 168, stop=t / 168 + options.diet_weeks)
        ],
        "diet to the end": lambda t: [pm.KetogenicDiet(ratio=4, start=t / 168)],
        "TrkB inhibitor for 2 weeks": lambda t: [pm.Drug(name="TRKB_inhibitor", start_hours=t)],
    }
    cells = [(a, h, s) for a in arms for h in options.hours for s in np.linspace(0, 10, options.points + 1)[1:]]
    for arm, hours, strength in tqdm(cells, desc="pulses"):
        plan = [pm.Drug(name="status_epilepticus", amount=strength, hours=hours), *arms[arm](hours)]
        run = model.simulate(plan, weeks=options.weeks, every=24)
        last = {k: float(run.pm[k][-1]) for k in ("seizure_rate", "neuronal_loss", "remodelling")}
        rows.append({"arm": arm, "hours": hours, "strength": strength, "rate": last.pop("seizure_rate"), **last})
    table = pd.DataFrame(rows)
    table.to_csv(RESULTS / "epileptogenesis.csv", index=False)
    print(f"Seizure rate after {options.weeks:g} weeks, untreated epilepsy = 1\n")
    print(
        table.pivot(index=["arm", "strength"], columns="hours", values="rate").to_string(float_format="{:.2f}".format)
    )
    for arm, part in table.groupby("arm", sort=False):
        chronic = part["rate"] > CHRONIC
        print(
            f"{arm}: {chronic.sum()} of {len(part)} pulses lead to chronic seizures, "
            f"mean loss of neurons {part['neuronal_loss'].mean():.2f}"
        )
    draw(table, options.weeks).savefig(RESULTS / "epileptogenesis.png", dpi=150)


if __name__ == "__main__":
    main()
