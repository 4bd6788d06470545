"""Is diet plus acupuncture more than additive, on which scale, under which reading, and which parameters decide it?

1. The interaction on each scale under every reading of the contested mechanisms, at two efficacies of acupuncture.
2. Sobol indices of the interaction itself: the four arms run on the same rows and each row gives one interaction; by
   module, then by parameter: the leading modules are screened one parameter at a time, the top ones stand alone in a
   second design, all others vary in the rest of their module.
Writes results/interaction_*.csv and results/interaction.png.
Run: python analyses/interaction.py [--n 64] [--top 10] [--modules 3] [--readings vglut feedback]
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
ARMS = {"none": [], "diet": [DIET], "needles": [NEEDLES], "both": [DIET, NEEDLES]}
RUN = {"outcomes": ["seizure_rate", "E"], "weeks": 8, "every": 24}  # means of weeks 5 to 8
# The interaction has a heavy tail (remissions), which makes its variance the work of a few rows: its rank has none.
KINDS = {"rank": ("rank of the interaction", "#0072B2"), "log_rate": ("interaction, ln rate", "#E69F00")}


def scales(values: dict[str, np.ndarray]) -> pd.DataFrame:
    """Rates and interactions per row; log_rate, threshold and hsa below 0, bliss above 0: more than expected."""
    none, a, b, both = (values[k][:, 0] for k in ARMS)
    log_rate, hsa = np.log(both * none / (a * b)), np.log(both / np.minimum(np.minimum(a, b), none))
    threshold = sum(s * values[k][:, 1] for k, s in zip(ARMS, (1, -1, -1, 1), strict=True))
    found = {"log_rate": log_rate, "threshold": threshold, "bliss": a * b / none**2 - both / none, "hsa": hsa}
    return pd.DataFrame({**{k: v[:, 0] for k, v in values.items()}, **found})


def over_rows(model: pm.Model, rows: pd.DataFrame) -> pd.DataFrame:
    """The interaction of each row of parameter values."""
    return scales({k: pm.ensemble(model, rows, plan, **RUN).values for k, plan in ARMS.items()})


def readings(model: pm.Model, wanted: list[str]) -> pd.DataFrame:
    """The default and every other alternative, at both efficacies."""
    table = model.hypotheses.reset_index()
    default = {k: v for s in table.loc[table["default"], "settings"] for k, v in s.items()}
    other = table[
        ~table["default"] & (table["hypothesis"].isin(wanted) | (not wanted)) & (table["hypothesis"] != "efficacy")
    ]
    rows, names = [], []
    for size in ("weak", "vns_like"):
        dose = {**default, **model.hypotheses.loc[("efficacy", size), "settings"]}
        rows += [dose, *({**dose, **s} for s in other["settings"])]
        names += [(size, "default"), *((size, f"{h}: {a}") for h, a in other[["hypothesis", "alternative"]].values)]
    return over_rows(model, pd.DataFrame(rows)).set_index(
        pd.MultiIndex.from_tuples(names, names=["efficacy", "reading"])
    )


def indices(model: pm.Model, groups: object, n: int) -> tuple[pd.DataFrame, pd.DataFrame, tuple]:
    """ST and S1 of the interaction and of its rank, the interaction per row, and the parameters that were varied."""
    arms = {k: pm.sobol(model, plan, groups=groups, n=n, seed=1, resamples=1, **RUN) for k, plan in ARMS.items()}
    effect, both = scales({k: r.runs.values for k, r in arms.items()}), arms["both"]
    effect["rank"] = effect["log_rate"].rank(pct=True)
    found = pm.sobol_indices(effect[list(KINDS)].to_numpy(), both.design, seed=1)
    parts = [
        {"factor": both.factors, "scale": s, **{k: getattr(found, k)[:, i] for k in ("ST", "ST_low", "ST_high", "S1")}}
        for i, s in enumerate(KINDS)
    ]
    return pd.concat(map(pd.DataFrame, parts)), effect, both.parameters


def screened(model: pm.Model, parameters: list[pm.Parameter]) -> pd.Series:
    """Range of the interaction over the range of each parameter, the others at their values; largest first."""
    now = {p.id: model.parameters.loc[p.id, "value"] for p in parameters}
    effect = over_rows(model, pd.DataFrame([now, *({**now, p.id: v} for p in parameters for v in (p.low, p.high))]))[
        "log_rate"
    ]
    ends = effect.to_numpy()[1:].reshape(-1, 2)
    spans = np.ptp(np.column_stack([ends, np.full(len(ends), effect[0])]), axis=1)
    return pd.Series(spans, index=list(now)).sort_values(ascending=False)


def bars(axis: plt.Axes, table: pd.DataFrame, title: str) -> None:
    """Total indices of the interaction and of its rank, with intervals."""
    wide = table.pivot(index="factor", columns="scale")
    wide = wide.loc[wide["ST"]["rank"].sort_values().index[-14:]]
    for i, (scale, (label, colour)) in enumerate(KINDS.items()):
        at, value = np.arange(len(wide)) + 0.2 - 0.4 * i, wide["ST"][scale]
        error = np.abs([value - wide["ST_low"][scale], wide["ST_high"][scale] - value])
        axis.barh(
            at,
            value,
            height=0.38,
            color=colour,
            label=label,
            xerr=error,
            error_kw={"elinewidth": 0.9, "ecolor": "#333333"},
        )
    axis.set_yticks(np.arange(len(wide)), [f.replace("__", ": ") for f in wide.index], fontsize=8)
    axis.set(title=title, xlabel="ST, 95 % interval", xlim=(0, 1.2))


def main(arguments: list[str] | None = None) -> None:
    """Readings, modules, parameters."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--n", type=int, default=64)
    parser.add_argument("--top", type=int, default=10)
    parser.add_argument("--modules", type=int, default=3)
    parser.add_argument("--readings", nargs="+", default=[], help="hypotheses (default: all)")
    parser.add_argument("--parameters", nargs="+", default=[], help="to be screened (default: of the leading modules)")
    parser.add_argument("--model", default="epilepsy")
    options = parser.parse_args(arguments)
    RESULTS.mkdir(exist_ok=True)
    model = pm.load(options.model)
    assumed = readings(model, options.readings)
    assumed.to_csv(RESULTS / "interaction_readings.csv")
    print(assumed.to_string(float_format="{:.3f}".format))
    modules, effect, parameters = indices(model, "module", options.n)
    modules.to_csv(RESULTS / "interaction_modules.csv", index=False)
    print(f"\n{modules.to_string(index=False, float_format='{:.2f}'.format)}")
    leading = modules[modules["scale"] == "rank"].nlargest(options.modules, "ST")["factor"].tolist()
    chosen = [p for p in parameters if p.id in options.parameters or (not options.parameters and p.module in leading)]
    spans = screened(model, chosen)
    top = list(spans.index[: options.top])
    rest = {m: [p.id for p in parameters if p.module == m and p.id not in top] for m in {p.module for p in parameters}}
    single, more, _ = indices(
        model, {**{p: [p] for p in top}, **{f"rest of {m}": ids for m, ids in rest.items() if ids}}, options.n
    )
    single.merge(spans.rename("screened"), left_on="factor", right_index=True, how="left").to_csv(
        RESULTS / "interaction_parameters.csv", index=False
    )
    print(f"\n{single.to_string(index=False, float_format='{:.2f}'.format)}")
    draw(assumed, modules, single)
    pd.concat([effect, more]).to_csv(RESULTS / "interaction_rows.csv", index=False)
    found = pd.concat([effect, more])["log_rate"]
    low, middle, high = found.quantile([0.05, 0.5, 0.95])
    print(
        f"\nOver the parameter ranges ln rate of both is {middle:+.2f} ({low:+.2f} to {high:+.2f}) off the sum of the "
        f"single effects: more than additive in {100 * (found < 0).mean():.0f} % of {len(found)} rows, "
        f"by more than 0.05 in {100 * (found < -0.05).mean():.0f} %."
    )


def draw(assumed: pd.DataFrame, modules: pd.DataFrame, single: pd.DataFrame) -> None:
    """Readings on the left, indices by module and by parameter on the right."""
    figure, axes = plt.subplots(1, 3, figsize=(16, 5.6), layout="constrained", width_ratios=[1.2, 1, 1.1])
    wide = assumed["log_rate"].unstack("efficacy")
    far = (wide - wide.loc["default"]).abs().max(axis=1).nlargest(15).index
    wide = wide.loc[["default", *[k for k in wide.loc[far].sort_values("vns_like").index if k != "default"]]][::-1]
    for size, marker, colour in (("weak", "o", "#56B4E9"), ("vns_like", "D", "#D55E00")):
        axes[0].plot(wide[size], range(len(wide)), marker, color=colour, label=f"acupuncture {size}")
    axes[0].axvline(0, color="#333333", lw=0.8)
    axes[0].set_yticks(range(len(wide)), wide.index, fontsize=8)
    axes[0].set(title="Readings that move it most", xlabel="more than additive   ←   interaction, ln rate   →   less")
    axes[0].legend(frameon=False, fontsize=8, loc="best")
    bars(axes[1], modules, "Whose parameters decide it: modules")
    bars(axes[2], single, "Parameters, the rest in groups")
    axes[1].legend(frameon=False, fontsize=8, loc="lower right", title="total index of", title_fontsize=8)
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(RESULTS / "interaction.png", dpi=150)


if __name__ == "__main__":
    main()
