"""Does the model move the way that each claimed mechanism says, and does the evidence?

Reads sbml/evidence/statements.tsv: what is claimed of the diet, of acupuncture and of both, with the published rows for
and against. What only a switch could give (`statement only`, off by default) counts as missed. Writes
results/review_signs.csv and .png.
Run: python analyses/review_signs.py [--hypothesis efficacy=vns_like]
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
STATEMENTS = Path(__file__).parents[1] / "sbml" / "evidence" / "statements.tsv"
PLANS = {"diet": (True, False), "needles": (False, True), "both": (True, True)}
ASKED = pm.evidence.Claim()  # as of a published direction without a size: 2 percent, of none at most 5
COLOURS = {"agrees": "#0072B2", "opposite": "#D55E00", "no change": "#999999"}
TITLES = {"diet": "Diet", "needles": "Acupuncture", "both_vs_diet": "Both against the diet"}


def means(model: pm.Model, plan: str, weeks: float) -> pd.DataFrame:
    """Every variable before treatment and as the mean of the last week."""
    diet, needles = PLANS[plan]
    treatments = [pm.KetogenicDiet(ratio=4)] * diet + [
        pm.Electroacupuncture(sessions_per_week=5, weeks=weeks)
    ] * needles
    run = model.simulate(treatments, weeks=weeks, every=12)
    last = run.sel(time=slice(168 * (weeks - 1), None)).mean("time")
    return pd.DataFrame(
        {"before": run.isel(time=0).to_array("id").to_series(), "after": last.to_array("id").to_series()}
    )


def changes(table: pd.DataFrame, model: pm.Model) -> pd.DataFrame:
    """The relative change of each observable, its sign, and whether it is the one stated."""
    runs, found = {}, []
    for row in table.itertuples():
        first, _, base = row.treatment.partition("_vs_")
        key = [(p, row.context, float(row.weeks)) for p in (first, base) if p]
        for p, context, weeks in key:
            if (p, context, weeks) not in runs:
                runs[p, context, weeks] = means(model.with_context(context), p, weeks)
        values = [runs[k].loc[model.resolve(row.observable)] for k in key]
        before = values[1]["after"] if base else values[0]["before"]
        change = values[0]["after"] - before
        found.append(change / abs(before) if before else np.sign(change) * np.inf)
    verdict = [judged(way, x) for way, x in zip(table["expected"], found, strict=True)]
    return table.assign(change=found, model=[sign(x) for x in found], verdict=verdict)


def sign(change: float) -> str:
    """Up, down or none by the law of published directions."""
    low, high = ASKED.wanted("down")[1], ASKED.wanted("up")[0]
    return "up" if 100 * change >= high else "down" if 100 * change <= low else "none"


def judged(expected: str, change: float) -> str:
    """Whether a relative change is the one stated."""
    low, high = ASKED.wanted(expected)
    return "agrees" if low <= 100 * change <= high else "no change" if sign(change) == "none" else "opposite"


def evidence(row: pd.Series) -> str:
    """What the published rows say of a statement."""
    count = [len([i for i in row[k].split(";") if i]) for k in ("for", "against")]
    word = {(0, 0): "not measured", (1, 0): "supported", (0, 1): "contradicted", (1, 1): "contested"}
    return word[bool(count[0]), bool(count[1])] + (f" ({count[0]}:{count[1]})" if any(count) else "")


def draw(table: pd.DataFrame) -> plt.Figure:
    """One line per statement: log2 of the fold change in the model, with the evidence in brackets."""
    sizes = [(table["treatment"] == k).sum() + 2 for k in ("needles", "both_vs_diet")]
    mosaic = [["diet", "needles"], ["diet", "both_vs_diet"]]
    figure, axes = plt.subplot_mosaic(mosaic, figsize=(13, 10), layout="constrained", height_ratios=sizes)
    for kind, axis in axes.items():
        part = table[table["treatment"] == kind][::-1]
        fold = np.log2((1 + part["change"]).clip(1 / 8, 8))
        axis.hlines(range(len(part)), 0, fold, color=part["verdict"].map(COLOURS), lw=2.5)
        axis.scatter(fold, range(len(part)), color=part["verdict"].map(COLOURS), s=26, zorder=3)
        axis.set_yticks(range(len(part)), part["statement"] + "  [" + part["evidence"] + "]", fontsize=7.5)
        axis.axvline(0, color="#333333", lw=0.6)
        agree = f"{(part['verdict'] == 'agrees').sum()} of {len(part)} agree"
        axis.set_title(f"{TITLES[kind]}: {agree}", fontsize=10, loc="right")
        axis.set(xlim=(-3.2, 3.2), ylim=(-0.7, len(part) - 0.3))
        axis.spines[["top", "right"]].set_visible(False)
    for kind in ("diet", "both_vs_diet"):
        axes[kind].set_xlabel("log2 fold change (cut at 8)", fontsize=8)
    handles = [plt.Line2D([], [], marker="o", lw=2.5, color=c, label=k) for k, c in COLOURS.items()]
    title = "model against statement; in brackets what published rows say (number for : against)"
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, title=title, title_fontsize=9)
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Run the treatments once and judge every statement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--weeks", type=float, default=None, help="instead of the weeks in the table")
    parser.add_argument("--hypothesis", action="append", default=[])
    options = parser.parse_args(arguments)
    RESULTS.mkdir(exist_ok=True)
    model = pm.load("epilepsy")
    for text in options.hypothesis:
        model = model.with_hypothesis(*text.split("=", 1))
    table = pd.read_csv(STATEMENTS, sep="\t", keep_default_na=False, quoting=3)
    table["weeks"] = options.weeks or table["weeks"].astype(float)
    table = changes(table, model)
    table["evidence"] = table.apply(evidence, axis=1)
    table.to_csv(RESULTS / "review_signs.csv", index=False)
    shown = table[["treatment", "statement", "evidence", "expected", "model", "change", "verdict"]]
    print(shown.to_string(index=False, float_format="{:+.3f}".format))
    draw(table).savefig(RESULTS / "review_signs.png", dpi=150)
    kind = table["evidence"].str.replace(r" \(.*", "", regex=True)
    print(f"\n{pd.crosstab(kind, table['verdict'])}\n")
    wrong = table[(table["verdict"] != "agrees") & (kind == "supported")]
    built = table[~table["note"].str.contains("statement only")]
    print(
        f"The model agrees with {(table['verdict'] == 'agrees').sum()} of {len(table)} statements, "
        f"{(built['verdict'] == 'agrees').sum()} of {len(built)} without those that only a switch could give; "
        f"it misses {len(wrong)} that the evidence supports without contradiction: " + ", ".join(wrong["id"])
    )


if __name__ == "__main__":
    main()
