"""Which should start first, the diet or acupuncture, and by how many weeks?

Every cell gives both treatments for the same length; the one that is started second waits for `offset` weeks. The
horizon counts from the first start and holds both courses, so that the exposure is the same in every cell: what differs
is how long both act at once and how long ago the second ended. Each cell runs for the model as it is and for draws of
all constants (chronic ones: gain of the vicious circle below 1). Writes results/offset_map.csv and .png.
Run: python analyses/offset_map.py [--points 9] [--lengths 4 8 12] [--horizon 26] [--draws 64]
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
MEAN = pm.Outcome(
    variable="seizure_rate", reduce="area", relative=True, label="mean"
)  # over the horizon, untreated = 1
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9")


def cell(model: pm.Model, rows: dict, offset: float, length: float, options: argparse.Namespace) -> np.ndarray:
    """Mean seizure rate over the horizon, one per row."""
    start = max(-offset, 0.0), max(offset, 0.0)  # of the diet, of the needles
    diet = pm.KetogenicDiet(ratio=4, start=start[0], stop=start[0] + length)
    needles = pm.Electroacupuncture(sessions_per_week=options.sessions, weeks=length, start=start[1])
    study = pm.Study(model, [diet, needles], outcomes=[MEAN], weeks=options.horizon, every=12)
    return pm.ensemble(study, rows, execution=pm.Execution(progress=False)).values[:, 0]


def patients(model: pm.Model, draws: int) -> dict[str, np.ndarray]:
    """The model as it is in the first row, then the draws that are chronic patients."""
    drawn = {k: v for k, v in pm.draw(model, draws).items() if k not in model.settings}
    keep = pm.loop_gains(model, drawn, execution=pm.Execution(progress=False)) < 1
    return {k: np.concatenate([[model.parameters.loc[k, "value"]], v[keep]]) for k, v in drawn.items()}


def draw(table: pd.DataFrame, horizon: float) -> plt.Figure:
    """Above the rate of the model as it is, below what an offset changes, with the range over the draws."""
    efficacies, lengths = table["efficacy"].unique(), table["length"].unique()
    shape = 2, len(efficacies)
    figure, axes = plt.subplots(
        *shape, figsize=(5 * shape[1], 6.6), layout="constrained", squeeze=False, sharex=True, sharey="row"
    )
    for j, size in enumerate(efficacies):
        for length, colour in zip(lengths, COLOURS, strict=False):
            part = table[(table["efficacy"] == size) & (table["length"] == length)]
            axes[0, j].plot(part["offset"], part["mean"], "o-", ms=4, color=colour, label=f"{length:g} weeks of each")
            axes[1, j].plot(part["offset"], 100 * part["lost"], "o-", ms=4, color=colour)
            axes[1, j].fill_between(part["offset"], 100 * part["low"], 100 * part["high"], color=colour, alpha=0.13)
        axes[0, j].set_title(f"acupuncture {size}", fontsize=11, loc="left")
        axes[0, j].set_ylim(0, 1)
        axes[1, j].set_xlabel("acupuncture first   ←   weeks   →   diet first")
        for axis in axes[:, j]:
            axis.axvline(0, color="#999999", lw=0.8, ls=":")
            axis.spines[["top", "right"]].set_visible(False)
    axes[1, 0].axhline(0, color="#333333", lw=0.6)
    axes[0, 0].set_ylabel(f"mean rate over {horizon:g} weeks\n(untreated = 1)")
    axes[1, 0].set_ylabel("lost against starting together\n(% of untreated; band: 90 % of draws)")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=5, frameon=False)
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Map the offsets, print the best and what is lost with the others."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--points", type=int, default=9, help="offsets between -8 and 8 weeks")
    parser.add_argument("--lengths", type=float, nargs="+", default=[4, 8, 12])
    parser.add_argument("--horizon", type=float, default=26)
    parser.add_argument("--sessions", type=int, default=3, help="per week")
    parser.add_argument("--draws", type=int, default=64)
    parser.add_argument("--efficacies", nargs="+", default=["weak", "vns_like"])
    parser.add_argument("--model", default="epilepsy")
    options = parser.parse_args(arguments)
    RESULTS.mkdir(exist_ok=True)
    offsets, lines = np.linspace(-8, 8, options.points), []
    for size in options.efficacies:
        model = pm.load(options.model).with_hypothesis("efficacy", size)
        rows = patients(model, options.draws)
        for length in options.lengths:
            found = np.array([cell(model, rows, o, length, options) for o in tqdm(offsets, desc=f"{size}, {length:g}")])
            lost = found - found[np.argmin(np.abs(offsets))]
            low, high = np.quantile(lost[:, 1:], [0.05, 0.95], axis=1)
            best = [np.mean(np.argmin(found[:, 1:], axis=0) == k) for k in range(len(offsets))]
            columns = {"mean": found[:, 0], "lost": lost[:, 0], "low": low, "high": high, "best_in": best}
            lines.append(pd.DataFrame({"efficacy": size, "length": length, "offset": offsets, **columns}))
    table = pd.concat(lines)
    table.to_csv(RESULTS / "offset_map.csv", index=False)
    print(table.to_string(index=False, float_format="{:.3f}".format))
    draw(table, options.horizon).savefig(RESULTS / "offset_map.png", dpi=130)
    for (size, length), part in table.groupby(["efficacy", "length"], sort=False):
        best, worst = (part.loc[part["mean"] == f(part["mean"])].iloc[0] for f in (min, max))
        likely = part.loc[part["best_in"] == part["best_in"].max()].iloc[0]
        print(
            f"{size}, {length:g} weeks of each: best {best['offset']:+g} weeks, worst {worst['offset']:+g}, the order "
            f"matters by {100 * (worst['mean'] - best['mean']):.1f} % of the untreated rate; {likely['offset']:+g} is "
            f"best in {100 * likely['best_in']:.0f} % of draws."
        )


if __name__ == "__main__":
    main()
