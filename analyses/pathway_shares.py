"""Which pathway carries the effect of the diet, of acupuncture and of both on the seizure rate?

Wires are cut in groups and one by one. A cut wire goes on delivering its untreated value, so that the untreated state
is the same for every lesion and only the effect of treatment is cut; `--held reference` cuts as if the wire had never
been there (healthy value, a new untreated state and new anchors). Writes results/pathway_shares.png and .csv.
Run: python analyses/pathway_shares.py [--weeks 12] [--sessions 5] [--hypothesis vglut=none] [--skip-wires]
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
COLOURS = {"diet": "#D55E00", "needles": "#0072B2", "both": "#000000"}
READ_OUT = "_to_excitability__"
TITLES = {
    "module": "Lost without what leaves a module or input",
    "read-out": "Lost without one input of the read-out",
    "wire": "Lost without one wire",
}


def shares(model: pm.Model, groups: object, options: argparse.Namespace, only: bool = False) -> pd.DataFrame:
    """Per lesion and treatment: excitability, log seizure rate (mean of the last 4 weeks), share of the effect left."""
    diet = pm.KetogenicDiet(ratio=4)
    needles = pm.Electroacupuncture(sessions_per_week=options.sessions, weeks=options.weeks)
    tables = []
    for name, plan in {"diet": [diet], "needles": [needles], "both": [diet, needles]}.items():
        study = pm.Study(model, plan, outcomes=["E", "seizure_rate"], weeks=options.weeks, every=24)
        table = pm.lesion(study, groups=groups, held=options.held, only=only)
        table["log_rate"] = np.log(table["seizure_rate"])
        table["left"] = table["log_rate"] / table["log_rate"].iloc[0]
        tables.append(table.assign(treatment=name))
    return pd.concat(tables)


def bars(axis: plt.Axes, table: pd.DataFrame, title: str, top: int = 12) -> None:
    """Share of each treatment's own effect that a lesion takes (right of 0) or adds (left), the largest on top."""
    wide = table.pivot(index="group", columns="treatment", values="value")[list(COLOURS)]
    wide = wide.loc[wide.abs().max(axis=1).sort_values().index[-top:]]
    for i, (name, colour) in enumerate(COLOURS.items()):
        axis.barh(np.arange(len(wide)) + 0.27 * (1 - i), wide[name], height=0.25, color=colour, label=name)
    names = [g.replace("_to_", " → ", 1).replace("__", ": ") for g in wide.index]
    axis.set_yticks(np.arange(len(wide)), names, fontsize=8)
    axis.axvline(0, color="#333333", lw=0.6)
    axis.set_title(title, fontsize=10, loc="left")
    lost = title.startswith("Lost")
    axis.set_xlabel(f"{'lost (below 0: gained), ' if lost else ''}% of the effect on the ln seizure rate", fontsize=9)
    axis.spines[["top", "right"]].set_visible(False)


def main(arguments: list[str] | None = None) -> None:
    """Lesions by module, at the read-out, and wire by wire."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--weeks", type=float, default=12)
    parser.add_argument("--sessions", type=int, default=5)
    parser.add_argument("--held", default="untreated", choices=["untreated", "reference"])
    parser.add_argument("--hypothesis", action="append", default=[])
    parser.add_argument("--skip-wires", action="store_true")
    parser.add_argument("--model", default="epilepsy")
    options = parser.parse_args(arguments)
    RESULTS.mkdir(exist_ok=True)
    model = pm.load(options.model)
    for text in options.hypothesis:
        model = model.with_hypothesis(*text.split("=", 1))
    ends = {
        g.split(READ_OUT)[0].removeprefix("gain_"): [g] for g in model.gains if READ_OUT in g and "seizure" not in g
    }
    parts = {"module": shares(model, "module", options), "read-out": shares(model, ends, options, only=True)}
    if not options.skip_wires:
        parts["wire"] = shares(model, "wire", options)
    table = pd.concat(parts, names=["cut"]).reset_index(level=0)
    table["value"] = 100 * (1 - table["left"])
    table.to_csv(RESULTS / "pathway_shares.csv", index=False)
    keys = ["cut", "kept", "group"]
    print(
        f"ln seizure rate, mean of the last 4 of {options.weeks:g} weeks; cut wires hold their {options.held} value\n"
    )
    shown = table.pivot_table(index=keys, columns="treatment", values=["log_rate", "left"], sort=False)
    print(shown.to_string(float_format="{:.2f}".format))
    only = table[table["kept"] == "only"]
    figure, axes = plt.subplots(2, 2, figsize=(12, 8.4), layout="constrained")
    without = table[(table["kept"] == "without") & ~table["group"].str.contains("seizure_drive_to_")]
    for axis, (cut, part) in zip(axes.ravel(), without.groupby("cut", sort=False), strict=False):
        bars(axis, part, TITLES[cut])
    bars(axes[1, 1], only.assign(value=100 * only["left"]), "What one input of the read-out brings alone")
    axes[1, 0].set_visible("wire" in parts)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    figure.savefig(RESULTS / "pathway_shares.png", dpi=150)
    for name in COLOURS:
        part = only[only["treatment"] == name].set_index("group")["left"].sort_values(ascending=False)
        module = without[(without["cut"] == "module") & (without["treatment"] == name)].nlargest(3, "value")
        print(
            f"{name}: of the inputs of the read-out alone "
            + ", ".join(f"{k} brings {100 * v:.0f} %" for k, v in part.head(3).items())
            + "; of the modules most is lost without "
            + ", ".join(f"{r.group} ({r.value:.0f} %)" for r in module.itertuples())
        )


if __name__ == "__main__":
    main()
