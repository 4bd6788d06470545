"""Do the coupled models run over the full ranges of all their constants, for a year, under every treatment?

Prints per model and arm how many rows fail and why; how many draws are no chronic patient (gain of the vicious circle 1
or more: their untreated state is not stable); and where a day with twice the seizures leads in the year after it.
Writes results/robustness.csv. Run: python analyses/robustness.py [--n 1000] [--weeks 52]
"""

import argparse
from pathlib import Path

import pandas as pd

import pathway_models as pm

RESULTS = Path("results")
MOVED = 0.1  # a rate that differs from 1 by more, long after the nudge, has left the untreated state
NUDGE = pm.Drug(name="status_epilepticus", amount=1.0, hours=24)  # the untreated rate once more on top, for a day


def arms(weeks: float) -> dict[str, list[pm.Treatment]]:
    """The four arms of treatment, to the end, and the nudge."""
    diet, needles = pm.KetogenicDiet(ratio=4), pm.Electroacupuncture(sessions_per_week=5, weeks=weeks)
    return {"none": [], "diet": [diet], "needles": [needles], "both": [diet, needles], "nudge": [NUDGE]}


def rows_of(name: str, n: int, weeks: float) -> pd.DataFrame:
    """One line per arm and row: the rate, the status, the gain of the loop."""
    model = pm.load(name)
    columns = pm.draw(model, n, seed=1)
    gains = pm.loop_gains(model, columns)
    parts = []
    for arm, plan in arms(weeks).items():
        runs = pm.ensemble(pm.Study(model, plan, outcomes=["seizure_rate"], weeks=weeks, every=24), columns)
        parts.append(runs.to_dataframe().assign(model=name, arm=arm, loop_gain=gains).rename_axis("row"))
    return pd.concat(parts).reset_index()


def sentences(name: str, part: pd.DataFrame) -> str:
    """Who fails, who is not chronic, and what becomes of those."""
    failed = ~part["status"].isin(["ok", "retried"])
    lines = [f"{name}: {failed.sum()} of {len(part)} runs fail ({100 * failed.mean():.2g} %)."]
    lines += [f"  {n} x {text}" for text, n in part.loc[failed, "message"].str.slice(0, 100).value_counts().items()]
    nudged = part[part["arm"] == "nudge"].set_index("row")
    unstable, rate = nudged["loop_gain"] >= 1, nudged["seizure_rate"]
    up, down = rate > 1 + MOVED, rate < 1 - MOVED
    share = 100 * unstable.mean()
    lines += [
        f"{unstable.sum()} of {len(nudged)} draws ({share:.1f} %) have a loop gain of 1 or more, largest "
        f"{nudged['loop_gain'].max():.2f}, median of all {nudged['loop_gain'].median():.2f}.",
        f"A day with twice the seizures drives {(unstable & up).sum()} of these up and {(unstable & down).sum()} down "
        f"for good, and of the {(~unstable).sum()} others {(~unstable & (up | down)).sum()}.",
        "pm.trial leaves them out; ensembles and Sobol analyses keep them, as a row cannot leave a Sobol design alone.",
    ]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Run all arms of each model and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--n", type=int, default=1000, help="draws")
    parser.add_argument("--weeks", type=float, default=52)
    parser.add_argument("--models", nargs="+", default=["epilepsy"])
    options = parser.parse_args(arguments)
    RESULTS.mkdir(exist_ok=True)
    table = pd.concat([rows_of(name, options.n, options.weeks) for name in options.models])
    table.to_csv(RESULTS / "robustness.csv", index=False)
    counts = table.groupby(["model", "arm", "status"], sort=False).size().unstack(fill_value=0)
    rates = table.groupby(["model", "arm"], sort=False)["seizure_rate"].quantile([0.05, 0.5, 0.95]).unstack()
    print(counts.join(rates.add_prefix("rate, quantile ")).to_string(float_format="{:.3g}".format))
    for name, part in table.groupby("model", sort=False):
        print("\n" + sentences(str(name), part))


if __name__ == "__main__":
    main()
