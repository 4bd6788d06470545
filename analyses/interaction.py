"""Is diet plus acupuncture more than additive, on which scale, and which parameters decide it?

Both arms and their combination run on the same rows, so that each row gives one interaction, and Sobol indices of the
interaction itself say what decides it: first by module; then the parameters of strongest rank correlation in these runs
stand alone in a second design, all others in the rest of their module.
Writes results/interaction.png and results/interaction_*.csv.
Run: python analyses/interaction.py [--n 512] [--top 20] [--model epilepsy]
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
DIET, NEEDLES = pm.KetogenicDiet(ratio=4), pm.Electroacupuncture(sessions_per_week=3, weeks=8)
ARMS = {"diet": [DIET], "needles": [NEEDLES], "both": [DIET, NEEDLES]}  # the untreated rate is 1 in every row
RUN = {"outcomes": ["seizure_rate", "excitability.E_relative"], "weeks": 8, "every": 24}  # means of weeks 5 to 8
SCALES = {  # 0: no interaction; below 0: more than the single effects give together
    "ln rate": lambda a, b, both: np.log(both[:, 0] / (a[:, 0] * b[:, 0])),
    "rate": lambda a, b, both: both[:, 0] - a[:, 0] - b[:, 0] + 1,
    "ln threshold": lambda a, b, both: both[:, 1] - a[:, 1] - b[:, 1],
    "against the better one": lambda a, b, both: np.log(both[:, 0] / np.minimum(np.minimum(a[:, 0], b[:, 0]), 1)),
}
# The interaction has a heavy tail (remissions), which makes its variance the work of a few rows: its rank has none, and
# of its value the outer 2 percent are clipped.
KINDS = {"rank": ("rank of the interaction", "#0072B2"), "clipped": ("interaction, ln rate, tails clipped", "#E69F00")}


def over_rows(values: list[np.ndarray]) -> pd.DataFrame:
    """Rates of the arms and the interaction on every scale, one line per row."""
    rates = {arm: v[:, 0] for arm, v in zip(ARMS, values, strict=True)}
    return pd.DataFrame({**rates, **{scale: of(*values) for scale, of in SCALES.items()}})


def indices(model: pm.Model, groups: object, n: int) -> tuple[pd.DataFrame, pd.DataFrame, pm.sensitivity.SobolResult]:
    """ST of the interaction and of its rank per factor, the interaction per row, and one of the analyses."""
    arms = [
        pm.sobol(
            pm.Study(model, plan, **RUN), factors=pm.Factors(groups=groups), n=pm.Sampling(n=n, seed=1, resamples=1)
        )
        for plan in ARMS.values()
    ]
    rows, any_arm = over_rows([r.runs.values for r in arms]), arms[-1]
    rows["rank"] = rows["ln rate"].rank(pct=True)
    rows["clipped"] = rows["ln rate"].clip(*rows["ln rate"].quantile([0.01, 0.99]))
    ok = np.all([r.runs.ok for r in arms], axis=0)
    found = pm.sensitivity.sobol_indices(rows[list(KINDS)].to_numpy(), any_arm.design, seed=1, ok=ok)
    parts = [
        {"factor": any_arm.factors, "of": k, **{c: getattr(found, c)[:, i] for c in ("ST", "ST_low", "ST_high", "S1")}}
        for i, k in enumerate(KINDS)
    ]
    noise = float(np.max(np.abs([found.S1_dummy_low[0], found.S1_dummy_high[0]])))
    return pd.concat(map(pd.DataFrame, parts)).assign(noise=noise), rows, any_arm


def correlations(rows: pd.DataFrame, result: pm.sensitivity.SobolResult) -> pd.DataFrame:
    """Rank correlation of every parameter with the interaction or with its size, strongest first.

    Over the independent rows of the design. With its size (distance from the middle rank), as a parameter that makes
    every interaction larger, of either sign, is not seen otherwise.
    """
    blocks = np.arange(len(rows)).reshape(result.design.n, -1)
    independent = np.sort(blocks[:, [0, -1]].ravel())  # A and B of the Saltelli design
    places = pd.DataFrame(result.design.unit[independent], columns=[p.id for p in result.parameters])
    rank = rows["rank"].iloc[independent].reset_index(drop=True)
    found = pd.DataFrame({"value": places.corrwith(rank), "size": places.corrwith((rank - 0.5).abs().rank())})
    return found.loc[found.abs().max(axis=1).sort_values(ascending=False).index]


def draw(rows: pd.DataFrame, modules: pd.DataFrame, single: pd.DataFrame) -> plt.Figure:
    """How large it is on each scale, and whose parameters decide it."""
    figure, axes = plt.subplots(1, 3, figsize=(15.5, 5.2), layout="constrained", width_ratios=[0.9, 1, 1.2])
    for y, scale in enumerate(reversed(SCALES)):
        low, a, middle, b, high = rows[scale].quantile([0.025, 0.25, 0.5, 0.75, 0.975])
        axes[0].plot([low, high], [y, y], color="#0072B2", lw=1.2)
        axes[0].plot([a, b], [y, y], color="#0072B2", lw=7, solid_capstyle="butt")
        axes[0].plot(middle, y, "o", color="white", mec="#0072B2")
        axes[0].text(0, y + 0.2, f"more in {100 * (rows[scale] < 0).mean():.0f} % of draws", fontsize=8, ha="center")
    axes[0].set_yticks(range(len(SCALES)), reversed(SCALES))
    axes[0].set(ylim=(-0.5, len(SCALES) - 0.4), xlabel="more than additive  ←  interaction  →  less")
    axes[0].set_title("How large: 50 and 95 % of draws", fontsize=11, loc="left")
    axes[0].axvline(0, color="#333333", lw=0.8)
    for axis, table, title in ((axes[1], modules, "modules"), (axes[2], single, "parameters, the rest by module")):
        wide = table.pivot(index="factor", columns="of")
        wide = wide.loc[wide["ST"]["rank"].sort_values().index[-14:]]
        for i, (kind, (label, colour)) in enumerate(KINDS.items()):
            error = np.abs([wide["ST"][kind] - wide["ST_low"][kind], wide["ST_high"][kind] - wide["ST"][kind]])
            at, thin = np.arange(len(wide)) + 0.2 - 0.4 * i, {"elinewidth": 0.9, "ecolor": "#333333"}
            axis.barh(at, wide["ST"][kind], height=0.38, color=colour, label=label, xerr=error, error_kw=thin)
        axis.set_yticks(np.arange(len(wide)), [f.replace("__", ": ") for f in wide.index], fontsize=8.5)
        axis.set(xlabel="total index ST, 95 % interval", xlim=(0, 1.05))
        axis.set_title(f"What decides it: {title}", fontsize=11, loc="left")
    axes[1].legend(frameon=False, fontsize=8.5, loc="lower right")
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    return figure


def main(arguments: list[str] | None = None) -> None:
    """First the modules, then the parameters of strongest correlation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--n", type=int, default=512, help="base rows, a power of two")
    parser.add_argument("--top", type=int, default=20, help="parameters that stand alone")
    parser.add_argument("--model", default="epilepsy")
    options = parser.parse_args(arguments)
    RESULTS.mkdir(exist_ok=True)
    model = pm.load(options.model)
    modules, rows, result = indices(model, "module", options.n)
    strongest = correlations(rows, result)
    top = list(strongest.index[: options.top])
    rest: dict[str, list[str]] = {}
    for p in result.parameters:
        rest.setdefault(f"rest of {p.module}", []).extend([] if p.id in top else [p.id])
    single, more, _ = indices(model, {**{p: [p] for p in top}, **{k: v for k, v in rest.items() if v}}, options.n)
    single = single.merge(strongest.add_prefix("rho_"), left_on="factor", right_index=True, how="left")
    tables = {"modules": modules, "parameters": single, "rows": pd.concat([rows, more])}
    for name, table in tables.items():
        table.to_csv(RESULTS / f"interaction_{name}.csv", index=False)
        if name != "rows":
            print(f"\n{name}\n{table.to_string(index=False, float_format='{:.3f}'.format)}")
    draw(tables["rows"], modules, single).savefig(RESULTS / "interaction.png", dpi=130)
    print("\n" + answer(tables["rows"], modules, single))


def answer(rows: pd.DataFrame, modules: pd.DataFrame, single: pd.DataFrame) -> str:
    """On which scale, and what decides it."""
    lines = [
        f"On the scale '{scale}' the combination is more than additive in {100 * (rows[scale] < 0).mean():.0f} % of "
        f"{len(rows)} draws, median {rows[scale].median():+.3f} ({rows[scale].quantile(0.025):+.3f} to "
        f"{rows[scale].quantile(0.975):+.3f})."
        for scale in SCALES
    ]
    for what, table in (("modules", modules), ("parameters", single)):
        part = table[(table["of"] == "rank") & ~table["factor"].str.startswith("rest of")].nlargest(5, "ST")
        leaders = [f"{r.factor} {r.ST:.2f} ({r.ST_low:.2f} to {r.ST_high:.2f})" for r in part.itertuples()]
        lines.append(f"Its rank is decided by the {what} {', '.join(leaders)}; noise floor {part['noise'].max():.2f}.")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
