"""Do the coupled models run over the full ranges of all their constants, for a year, under every treatment?

Prints per model and arm how many rows fail and why, how many draws are no chronic patient (gain of the vicious circle of
1 or more: their untreated state is not stable) and where their seizure rate goes. Writes results/robustness.csv.
Run: python analyses/robustness.py [--n 1000] [--weeks 52] [--models epilepsy_core epilepsy]
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

import pathway_models as pm

RESULTS = Path("results")
MOVED = 0.1  # an untreated rate that differs from 1 by more at the end has left its rest


def arms(weeks: float) -> dict[str, list[pm.Treatment]]:
    """No treatment, 4:1 diet, five sessions a week, both; to the end."""
    diet, needles = pm.KetogenicDiet(ratio=4), pm.Electroacupuncture(sessions_per_week=5, weeks=weeks)
    return {"none": [], "diet": [diet], "needles": [needles], "both": [diet, needles]}


def rows_of(name: str, n: int, weeks: float) -> pd.DataFrame:
    """One line per arm and row: the rate, the status, the gain of the loop."""
    model = pm.load(name)
    columns = pm.draw(model, n, seed=1)
    gains = pm.loop_gains(model, columns)
    parts = []
    for arm, plan in arms(weeks).items():
        runs = pm.ensemble(model, columns, plan, outcomes=["seizure_rate"], weeks=weeks, every=24)
        parts.append(runs.to_dataframe().assign(model=name, arm=arm, loop_gain=gains).rename_axis("row"))
    return pd.concat(parts).reset_index()


def counted(table: pd.DataFrame) -> pd.DataFrame:
    """Rows per model and arm by what came of them."""
    found = table.groupby(["model", "arm", "status"], sort=False).size().unstack(fill_value=0)
    rate = table.groupby(["model", "arm"], sort=False)["seizure_rate"]
    return found.join(rate.quantile([0.05, 0.5, 0.95]).unstack().add_prefix("rate q"))


def sentences(name: str, part: pd.DataFrame) -> str:
    """Who fails, who is not chronic, and what an unstable rest means for the untreated rate."""
    failed = ~part["status"].isin(["ok", "retried"])
    none = part[part["arm"] == "none"].set_index("row")
    unstable = none["loop_gain"] >= 1
    left = (none["seizure_rate"] - 1).abs() > MOVED
    up = none["seizure_rate"] > 1
    text = f"{name}: {failed.sum()} of {len(part)} runs fail ({100 * failed.mean():.2g} %)"
    why = part.loc[failed, "message"].str.slice(0, 60).value_counts()
    text += "".join(f"; {n} x {message}" for message, n in why.items())
    return text + (
        f". {unstable.sum()} of {len(none)} draws ({100 * unstable.mean():.0f} %) have a loop gain of 1 or more (largest "
        f"{none['loop_gain'].max():.2f}): without treatment {(unstable & left & up).sum()} of them rise and "
        f"{(unstable & left & ~up).sum()} fall away from rate 1; of the other draws {(~unstable & left).sum()} do. "
        f"Trials leave such patients out (pm.trial), Sobol analyses keep them."
    )


def main(arguments: list[str] | None = None) -> None:
    """Run all arms of each model and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--n", type=int, default=1000, help="draws")
    parser.add_argument("--weeks", type=float, default=52)
    parser.add_argument("--models", nargs="+", default=["epilepsy_core", "epilepsy"])
    options = parser.parse_args(arguments)
    RESULTS.mkdir(exist_ok=True)
    table = pd.concat([rows_of(name, options.n, options.weeks) for name in options.models])
    table.to_csv(RESULTS / "robustness.csv", index=False)
    print(counted(table).to_string(float_format="{:.3g}".format))
    for name, part in table.groupby("model", sort=False):
        print("\n" + sentences(str(name), part))
    high = table.drop_duplicates(["model", "row"]).groupby("model", sort=False)["loop_gain"]
    print("\nloop gain, quantiles:\n" + high.quantile(np.array([0.05, 0.5, 0.95])).unstack().to_string())


if __name__ == "__main__":
    main()
