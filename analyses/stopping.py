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
READINGS = {
    "half of the remodelling heals (default)": {},
    "almost none heals (structural)": {"remodelling": "structural"},
    "all heals (reversible)": {"remodelling": "reversible"},
    "no vicious circle (feedback open)": {"feedback": "open"},
}
COLOURS = ("#000000", "#D55E00", "#E69F00", "#0072B2", "#CC79A7", "#009E73")
TAPER = (
    6.0  # weeks: the diet in steps of two weeks over 3:1, 2:1 and 1:1; needles in steps of two weeks over 3, 2 and 1
)


def diet(weeks: float, *, goes_on: bool = False, tapered: bool = False) -> list[pm.Treatment]:
    """A 4:1 diet that stops after `weeks`."""
    steps = [pm.KetogenicDiet(ratio=3 - i, start=weeks + 2 * i, stop=weeks + 2 * (i + 1)) for i in range(3)]
    return [pm.KetogenicDiet(ratio=4, stop=None if goes_on else weeks), *(steps if tapered else [])]


def needles(weeks: float, per_week: int, *, after: float = 0.0, tapered: bool = False) -> list[pm.Treatment]:
    """Sessions for `weeks`, `after` weeks more of them, or fewer and fewer."""
    low = [
        pm.Electroacupuncture(sessions_per_week=max(min(3 - i, per_week), 1), weeks=2, start=weeks + 2 * i)
        for i in range(3)
    ]
    return [pm.Electroacupuncture(sessions_per_week=per_week, weeks=weeks + after), *(low if tapered else [])]


def plans(weeks: float, after: float, n: int) -> dict[str, list[pm.Treatment]]:
    """The ways to go on."""
    return {
        "both go on": diet(weeks, goes_on=True) + needles(weeks, n, after=after),
        "diet stops": diet(weeks) + needles(weeks, n, after=after),
        "diet tapered": diet(weeks, tapered=True) + needles(weeks, n, after=after),
        "acupuncture stops": diet(weeks, goes_on=True) + needles(weeks, n),
        "both stop": diet(weeks) + needles(weeks, n),
        "both tapered": diet(weeks, tapered=True) + needles(weeks, n, tapered=True),
    }


def main(arguments: list[str] | None = None) -> None:
    """Run every plan under every reading."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--weeks", type=float, default=12)
    parser.add_argument("--after", type=float, default=28)
    parser.add_argument("--sessions", type=int, default=3)
    parser.add_argument("--hypothesis", action="append", default=[])
    options = parser.parse_args(arguments)
    RESULTS.mkdir(exist_ok=True)
    model, rows = pm.load("epilepsy"), []
    for text in options.hypothesis:
        model = model.with_hypothesis(*text.split("=", 1))
    ways = plans(options.weeks, options.after, options.sessions)
    figure, axes = plt.subplots(2, 2, figsize=(10, 7), layout="constrained", sharex=True, sharey=True)
    for axis, (title, reading) in zip(axes.ravel(), tqdm(READINGS.items(), desc="readings"), strict=True):
        variant = model
        for name, alternative in reading.items():
            variant = variant.with_hypothesis(name, alternative)
        for (way, plan), colour in zip(ways.items(), COLOURS, strict=True):
            rate = variant.simulate(plan, weeks=options.weeks + options.after, every=12).pm["seizure_rate"]
            week = (rate["time"] / 168).to_numpy()
            axis.plot(
                week,
                rate.rolling(time=14, min_periods=1).mean(),
                color=colour,
                lw=1.5,
                ls="--" if "tapered" in way else "-",
                label=way,
            )
            at = {
                f"{w:g} weeks after": float(rate.sel(time=168 * (options.weeks + w), method="nearest"))
                for w in (1, 4, options.after)
            }
            rows.append(
                {
                    "reading": title,
                    "plan": way,
                    "at the stop": float(rate.sel(time=168 * options.weeks - 12, method="nearest")),
                    **at,
                }
            )
        axis.axvline(options.weeks, color="#999999", lw=0.8, ls=":")
        axis.set_title(title, fontsize=10, loc="left")
        axis.spines[["top", "right"]].set_visible(False)
    figure.supxlabel("weeks since the start of both", fontsize=9)
    figure.supylabel("seizure rate, mean of the last 7 days (untreated = 1)", fontsize=9)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=6, frameon=False)
    figure.savefig(RESULTS / "stopping.png", dpi=150)
    table = pd.DataFrame(rows)
    table.to_csv(RESULTS / "stopping.csv", index=False)
    print(table.to_string(index=False, float_format="{:.3f}".format))
    for title, part in table.groupby("reading", sort=False):
        end = part.set_index("plan").iloc[:, -1]
        print(
            f"{title}: it ends at {end['both go on']:.2f} if both go on, {end['diet stops']:.2f} if the diet stops, "
            f"{end['acupuncture stops']:.2f} if acupuncture stops, {end['both stop']:.2f} if both stop "
            f"({end['both tapered']:.2f} tapered)"
        )


if __name__ == "__main__":
    main()
