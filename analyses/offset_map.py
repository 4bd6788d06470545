"""Which should start first, the diet or acupuncture, and by how many weeks?

Every cell gives both treatments for the same length; the one that is started second waits for `offset` weeks. The
horizon counts from the first start and holds both courses, so the exposure is the same in every cell. What differs is
how long both act at once, and how long ago the second one ended.
Writes results/offset_map.csv and .png.
Run: python analyses/offset_map.py [--points 9] [--lengths 4 8 12] [--horizon 26] [--efficacies weak vns_like]
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
OUTCOMES = {"mean": "Mean rate over {:g} weeks", "final": "Rate in week {:g}"}


def cell(model: pm.Model, offset: float, length: float, horizon: float, sessions: int) -> dict[str, float]:
    """Mean seizure rate over the horizon, and the mean of its last week."""
    first = max(-offset, 0.0), max(offset, 0.0)  # start of the diet, of the needles
    diet = pm.KetogenicDiet(ratio=4, start=first[0], stop=first[0] + length)
    needles = pm.Electroacupuncture(sessions_per_week=sessions, weeks=length, start=first[1])
    rate = model.simulate([diet, needles], weeks=horizon, every=12).pm["seizure_rate"]
    return {
        "mean": float(rate.integrate("time") / rate["time"][-1]),
        "final": float(rate[rate["time"] >= 168 * (horizon - 1)].mean()),
    }


def draw(table: pd.DataFrame, horizon: float) -> plt.Figure:
    """One panel per efficacy and outcome: the rate against the offset, one line per course length."""
    efficacies, lengths = table["efficacy"].unique(), table["length"].unique()
    shape = len(OUTCOMES), len(efficacies)
    figure, axes = plt.subplots(*shape, figsize=(4.8 * shape[1], 6.4), layout="constrained", squeeze=False, sharex=True)
    colours = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9"]
    for (i, (key, title)), (j, size) in ((a, b) for a in enumerate(OUTCOMES.items()) for b in enumerate(efficacies)):
        axis = axes[i, j]
        for k, length in enumerate(lengths):
            part = table[(table["efficacy"] == size) & (table["length"] == length)]
            axis.plot(
                part["offset"], part[key], "o-", ms=3, lw=1.6, color=colours[k % 5], label=f"{length:g} weeks of each"
            )
            best = part.loc[part[key].idxmin()]
            axis.plot(best["offset"], best[key], "o", ms=9, mfc="none", mec=colours[k % 5], mew=1.6)
        axis.set_title(f"{title.format(horizon)}, acupuncture {size}", fontsize=10, loc="left")
        axis.axvline(0, color="#999999", lw=0.8, ls=":")
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_ylim(0, None)
        axis.set_ylabel("seizure rate (untreated = 1)" if j == 0 else "", fontsize=9)
        axis.set_xlabel("acupuncture first   ←   weeks   →   diet first" if i == 1 else "", fontsize=9)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper center", ncols=5, frameon=False, title="ring: lowest rate", title_fontsize=9
    )
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Map the offsets, print the best and what is lost with the others."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--points", type=int, default=9, help="offsets between -8 and 8 weeks")
    parser.add_argument("--lengths", type=float, nargs="+", default=[4, 8, 12])
    parser.add_argument("--horizon", type=float, default=26)
    parser.add_argument("--sessions", type=int, default=3, help="per week")
    parser.add_argument("--efficacies", nargs="+", default=["weak", "vns_like"])
    options = parser.parse_args(arguments)
    RESULTS.mkdir(exist_ok=True)
    offsets = np.linspace(-8, 8, options.points)
    cells = [(s, n, o) for s in options.efficacies for n in options.lengths for o in offsets]
    model, rows = pm.load("epilepsy"), []
    for size, length, offset in tqdm(cells, desc="cells"):
        values = cell(model.with_hypothesis("efficacy", size), offset, length, options.horizon, options.sessions)
        rows.append({"efficacy": size, "length": length, "offset": offset, **values})
    table = pd.DataFrame(rows)
    table.to_csv(RESULTS / "offset_map.csv", index=False)
    print("Seizure rate (untreated = 1); offset above 0: the diet starts first\n")
    print(
        table.pivot(index=["efficacy", "length"], columns="offset", values=list(OUTCOMES)).T.to_string(
            float_format="{:.3f}".format
        )
    )
    for (size, length), part in table.groupby(["efficacy", "length"], sort=False):
        best, worst = (part.loc[f(part["mean"])] for f in (pd.Series.idxmin, pd.Series.idxmax))
        text = f"best {best['offset']:+g} weeks ({best['mean']:.3f}), worst {worst['offset']:+g} ({worst['mean']:.3f})"
        print(
            f"{size}, {length:g} weeks of each: {text}; the order matters by "
            f"{100 * (worst['mean'] - best['mean']):.1f} % of the untreated rate"
        )
    draw(table, options.horizon).savefig(RESULTS / "offset_map.png", dpi=150)


if __name__ == "__main__":
    main()
