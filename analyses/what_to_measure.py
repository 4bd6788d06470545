"""Which constants should an experimenter measure next, and does the answer hang on a contested mechanism?

For the seizure rate under the diet (its logarithm, ln threshold): the share of the variance that comes from measured,
derived, fitted and assumed constants (Sobol by kind of evidence); every constant over its range (Morris), so that what
is influential and badly known comes first; and the readings of contested mechanisms as a discrete factor (all
combinations of the five that matter most). Writes results/what_to_measure.png and results/what_to_measure_*.csv.
Run: python analyses/what_to_measure.py [--n 2048] [--trajectories 32] [--weeks 12] [--model epilepsy]
"""

import argparse
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import pathway_models as pm

matplotlib.use("Agg")
RESULTS = Path("results")
OUTCOME = pm.Outcome(variable="excitability.E_relative", label="ln threshold")
COLOURS = {"measured": "#009E73", "derived": "#56B4E9", "fitted": "#CC79A7", "assumed": "#D55E00"}
SHOWN = 16


def work_list(study: pm.Study, trajectories: int) -> pd.DataFrame:
    """Mean change of the outcome over the range of each constant, with kind and source; largest low end first.

    The low end of the interval, as a single jump to another rest makes a large mean.
    """
    found = pm.morris(study, trajectories=trajectories)
    print(found.summary())
    table = found.to_dataframe().set_index("factor")[["mu_star", "mu_star_low", "mu_star_high"]]
    table = table.sort_values("mu_star_low", ascending=False)
    return table.join(study.model.parameters[["kind", "value", "low", "high", "unit", "source"]])


def hypotheses(study: pm.Study, count: int) -> pd.DataFrame:
    """Total indices of the contested mechanisms that move the outcome most, over all combinations of their readings."""
    each = pm.hypothesis_scan(study)
    print("\n" + each.summary())
    widest = each.spread().loc[OUTCOME.name].nlargest(count, "range").index
    return pm.hypothesis_scan(study, hypotheses=list(widest), which="full").spread().loc[OUTCOME.name]


def bars(axis: plt.Axes, value: pd.Series, low: pd.Series, high: pd.Series, colours: list[str]) -> None:
    """Horizontal bars with intervals, the first on top."""
    error = np.abs([value - low, high - value])
    axis.barh(range(len(value)), value, color=colours, xerr=error, error_kw={"elinewidth": 0.9, "ecolor": "#333333"})
    axis.set_yticks(range(len(value)), [str(k).replace("__", ": ") for k in value.index], fontsize=9)
    axis.invert_yaxis()
    axis.spines[["top", "right"]].set_visible(False)


def draw(kinds: pd.DataFrame, listed: pd.DataFrame, readings: pd.DataFrame) -> plt.Figure:
    """Kinds of evidence, the work list, the contested mechanisms."""
    grid = [["kinds", "list"], ["readings", "list"]]
    figure, axes = plt.subplot_mosaic(grid, figsize=(12.5, 6.4), layout="constrained", width_ratios=(1, 1.5))
    bars(axes["kinds"], kinds["ST"], kinds["ST_low"], kinds["ST_high"], [COLOURS[k] for k in kinds.index])
    axes["kinds"].set(xlabel="total index ST, 95 % interval", xlim=(0, 1.1))
    axes["kinds"].set_title("Where the variance comes from", loc="left", fontsize=11)
    bars(axes["readings"], readings["ST"], readings["ST"], readings["ST"], ["#0072B2"] * len(readings))
    axes["readings"].set(xlabel="total index ST over all combinations", xlim=(0, 1.1))
    axes["readings"].set_title("Contested mechanisms", loc="left", fontsize=11)
    top = listed.head(SHOWN)
    top = top.set_axis([f"{k} ({r.low:.3g} to {r.high:.3g})" for k, r in zip(top.index, top.itertuples(), strict=True)])
    bars(axes["list"], top["mu_star"], top["mu_star_low"], top["mu_star_high"], [COLOURS[k] for k in top["kind"]])
    axes["list"].set_xlabel("mean change of the ln threshold over the range, 95 % interval")
    axes["list"].set_title("Influential and badly known: measure from the top (range)", loc="left", fontsize=11)
    handles = [plt.Rectangle((0, 0), 1, 1, color=COLOURS[k]) for k in kinds.index]
    axes["list"].legend(handles, kinds.index, frameon=False, fontsize=9, loc="lower right")
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Shares by kind, the sorted work list, the hypotheses."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default="epilepsy", help="a coupled model of the library")
    parser.add_argument("--n", type=int, default=2048, help="base rows of the Sobol analysis by kind, a power of two")
    parser.add_argument("--trajectories", type=int, default=32, help="of the screening")
    parser.add_argument("--hypotheses", type=int, default=5, help="contested mechanisms that are combined")
    parser.add_argument("--weeks", type=float, default=12, help="length of the diet")
    options = parser.parse_args(arguments)
    RESULTS.mkdir(exist_ok=True)
    diet = [pm.KetogenicDiet(ratio=4)]
    study = pm.Study(pm.load(options.model), diet, outcomes=[OUTCOME], weeks=options.weeks, every=24)
    by_kind = pm.sobol(study, factors=pm.Factors(groups="kind"), n=options.n)
    print(by_kind.summary())
    kinds = by_kind.to_dataframe().set_index("factor")
    tables = {"kinds": kinds, "list": work_list(study, options.trajectories)}
    tables["hypotheses"] = hypotheses(study, options.hypotheses)
    for name, table in tables.items():
        table.to_csv(RESULTS / f"what_to_measure_{name}.csv")
        print(f"\n{name}\n{table.head(25).to_string(float_format='{:.3g}'.format)}")
    draw(*tables.values()).savefig(RESULTS / "what_to_measure.png", dpi=130)
    first, badly = kinds.iloc[0], tables["list"][tables["list"]["kind"] != "measured"].head(3)
    print(
        f"\nConstants that are {kinds.index[0]} make ST {first['ST']:.2f} ({first['ST_low']:.2f} to "
        f"{first['ST_high']:.2f}) of the variance; the first to measure are {', '.join(badly.index)}; of the contested "
        f"mechanisms {tables['hypotheses']['ST'].idxmax()} matters most."
    )


if __name__ == "__main__":
    main()
