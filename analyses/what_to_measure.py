"""Which constants should an experimenter measure next, and does a conclusion hang on a contested mechanism?

Three answers for the treated model: the share of the variance of each outcome that comes from measured, derived, fitted
and assumed constants (Sobol indices by kind of evidence); a screening of every constant over its range (elementary
effects from several points), sorted, with kind and source; the outcomes under every other reading of each hypothesis.
Writes results/what_to_measure.csv, .png and what_to_measure_hypotheses.png.
Run: python analyses/what_to_measure.py [--model epilepsy] [--n 32] [--points 4] [--weeks 12]
"""

import argparse
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import qmc

import pathway_models as pm

matplotlib.use("Agg")

RESULTS = Path("results")
OUTCOMES = (
    pm.Outcome(variable="excitability.E_relative", label="excitability"),
    pm.Outcome(variable="gaba_gad67.inhibition", relative=True, label="inhibition"),
    pm.Outcome(variable="IL1B", relative=True, label="IL-1beta"),
)
COLOURS = {"measured": "#009E73", "derived": "#56B4E9", "fitted": "#CC79A7", "assumed": "#D55E00"}
STEP = 0.25  # of the range
SHOWN = 18


def screening(model: pm.Model, treatments: list, points: int, weeks: float) -> pd.DataFrame:
    """Mean size of the change of each outcome over the range of each constant, as a share of the largest change.

    From each of `points` places (a Sobol design over all ranges) every constant is moved alone by a quarter of its
    range, on the scale of its law: elementary effects in radial design (Campolongo et al. 2011,
    doi:10.1016/j.cpc.2010.12.039).
    """
    table = model.parameters
    table = table[(table["distribution"] != "fixed") & (table["kind"] != "gain")].drop(
        index=list(model.anchors), errors="ignore"
    )
    base = qmc.Sobol(len(table), rng=np.random.default_rng(1)).random_base2(int(np.log2(points)))
    rows, moves = [], np.where(base < 0.5, STEP, -STEP)
    for place, move in zip(base, moves, strict=True):
        rows += [place, *(place + np.diag(move))]
    logarithmic = table["distribution"].str.startswith("log").to_numpy()
    low, high = (np.where(logarithmic, np.log(table[k].where(table[k] > 0, 1)), table[k]) for k in ("low", "high"))
    values = low + (high - low) * np.array(rows)
    values = np.where(logarithmic, np.exp(values), values)
    runs = pm.ensemble(
        model, dict(zip(table.index, values.T, strict=True)), treatments, outcomes=OUTCOMES, weeks=weeks, every=24
    )
    print(runs.report())
    blocks = runs.values.reshape(len(base), len(table) + 1, len(OUTCOMES))
    effects = np.abs(blocks[:, 1:] - blocks[:, :1]) / STEP
    found = table[["module", "kind", "value", "low", "high", "unit", "source", "note"]].copy()
    for k, outcome in enumerate(OUTCOMES):
        mean = np.nanmean(effects[:, :, k], axis=0)
        found[outcome.name] = mean / mean.max()
    found["influence"] = found[[o.name for o in OUTCOMES]].max(axis=1)
    return found.sort_values("influence", ascending=False)


def draw(shares: pd.DataFrame, found: pd.DataFrame) -> plt.Figure:
    """Shares of the variance by kind of evidence beside the most influential constants that nobody measured."""
    figure, axes = plt.subplots(1, 2, figsize=(12.5, 6.6), layout="constrained", width_ratios=(1, 2.1))
    left = np.zeros(len(OUTCOMES))
    for kind, colour in COLOURS.items():
        if kind in shares.columns:
            part = (shares.clip(lower=0).div(shares.clip(lower=0).sum(axis=1), axis=0))[kind].to_numpy()
            axes[0].bar(range(len(OUTCOMES)), part, bottom=left, color=colour, label=kind, width=0.6)
            left += part
    axes[0].set_xticks(range(len(OUTCOMES)), [o.name for o in OUTCOMES], fontsize=9)
    axes[0].set_ylabel("share of the total indices ST", fontsize=9)
    axes[0].set_title("Where the variance comes from", fontsize=11, loc="left")
    axes[0].legend(frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.07), ncols=2)
    shown = found[found["kind"] == "assumed"].head(SHOWN)
    for k, outcome in enumerate(OUTCOMES):
        marker, colour = "osD"[k], ("#D55E00", "#0072B2", "#009E73")[k]
        axes[1].plot(shown[outcome.name], range(len(shown)), marker, color=colour, ms=6, alpha=0.85, label=outcome.name)
    axes[1].hlines(range(len(shown)), 0, shown["influence"], color="#bbbbbb", lw=1, zorder=0)
    ranges = [f"{r.low:g} to {r.high:g} {r.unit}".removesuffix(" dimensionless") for r in shown.itertuples()]
    names = [f"{k.replace('__', ': ')}  ({text})" for k, text in zip(shown.index, ranges, strict=True)]
    axes[1].set_yticks(range(len(shown)), names, fontsize=8.5)
    axes[1].invert_yaxis()
    axes[1].set_xlabel("change over the range, relative to the most influential constant", fontsize=9)
    axes[1].set_title("Influential and only assumed: measure these", fontsize=11, loc="left")
    axes[1].legend(frameon=False, fontsize=9, loc="lower right")
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    return figure


def main() -> None:
    """Shares by kind, the sorted work list, the hypotheses."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="epilepsy", help="a coupled model of the library")
    parser.add_argument("--n", type=int, default=32, help="base rows of the Sobol analysis by kind, a power of two")
    parser.add_argument("--points", type=int, default=4, help="points that the screening starts from, a power of two")
    parser.add_argument("--weeks", type=float, default=12, help="length of the treatment")
    options = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    model = pm.load(options.model)
    treatments = [pm.KetogenicDiet(ratio=4)]
    length = {"weeks": options.weeks, "every": 24}
    by_kind = pm.sobol(model, treatments, outcomes=OUTCOMES, n=options.n, groups="kind", **length)
    print(by_kind.summary())
    shares = by_kind.to_dataframe().pivot(index="outcome", columns="factor", values="ST")
    shares = shares.loc[[o.name for o in OUTCOMES]]
    print(shares.to_string(float_format="{:.2f}".format))
    found = screening(model, treatments, options.points, options.weeks)
    found.to_csv(RESULTS / "what_to_measure.csv")
    columns = ["kind", "value", "low", "high", *(o.name for o in OUTCOMES), "source"]
    print("\nInfluence over the range, 1 = the most influential constant\n")
    print(found[columns].head(30).to_string(float_format="{:.3g}".format))
    draw(shares, found).savefig(RESULTS / "what_to_measure.png", dpi=150)
    scan = pm.hypothesis_scan(model, treatments, OUTCOMES, **length)
    print("\n" + scan.summary())
    scan.plot().savefig(RESULTS / "what_to_measure_hypotheses.png", dpi=150)
    print(f"\nwrote {RESULTS / 'what_to_measure.png'}, .csv and what_to_measure_hypotheses.png")


if __name__ == "__main__":
    main()
