"""How does the seizure threshold of a published neural mass model go with excitation, inhibition and potassium?

The model is that of Wendling 2002 (rows clinical:P097 to P106). Its threshold is the constant input at which the
resting state ends; sporadic spikes (slow inhibition 40 mV) begin where this reaches the mean input, 90 per second. The
logarithmic gradients at its background state give the weights of the read-out that are not fitted: `ratio_excitation`
and `ratio_potassium` of `excitability`. Prints both and writes results/threshold_table.csv and .png.
Run: python tools/threshold_table.py
"""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd

import pathway_models as pm
from pathway_models.evidence import fits

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

RESULTS = Path("results")
ROWS = dict(zip(("A", "B", "G", "a", "b", "g", "C", "e0", "v0", "r"), range(97, 107), strict=True))
STATES = {"background": {}, "sporadic spikes": {"B": 40.0}, "sustained discharge": {"B": 25.0}}
STANDARD = {"A": 3.25, "B": 22.0, "G": 20.0}  # gains of the standard set; G 10 has another route out of rest
FOLDS = np.round(np.geomspace(0.7, 1.4, 9), 3)
DEPOLARISATIONS = (-1.0, 0.0, 1.0)  # mV, of pyramidal and excitatory cells


def main() -> None:
    """Gradients of four states, then the table around the background state."""
    RESULTS.mkdir(exist_ok=True)
    rows = pm.evidence.evidence_table("measurements")["value"]
    network = {name: float(rows[f"clinical:P{number:03d}"]) for name, number in ROWS.items()}
    states = {**STATES, "standard set": STANDARD}
    print(pd.DataFrame({k: gradients({**network, **v}) for k, v in states.items()}).T.round(2).to_string(), "\n")
    table = pd.DataFrame(
        [
            {"inhibition": i, "excitation": e, "depolarisation_mV": d, "threshold": threshold(network, i, e, d)}
            for i in FOLDS
            for e in FOLDS
            for d in DEPOLARISATIONS
        ]
    )
    table.to_csv(RESULTS / "threshold_table.csv", index=False)
    at_rest = table[table["depolarisation_mV"] == 0].pivot(index="inhibition", columns="excitation", values="threshold")
    print("Input per second that ends rest, over inhibition (down) and excitation (across):")
    print(at_rest.round(0).to_string())
    figure(at_rest).savefig(RESULTS / "threshold_table.png", dpi=150)
    print(f"\nwrote {RESULTS / 'threshold_table.csv'} and .png")


def threshold(network: dict[str, float], inhibition: float, excitation: float, depolarised: float) -> float:
    """Of the network with its gains scaled and its excitatory cells depolarised."""
    gains = {"A": network["A"] * excitation, "B": network["B"] * inhibition, "G": network["G"] * inhibition}
    return fits.neural_mass_threshold(**{**network, **gains}, depolarised=depolarised)


def gradients(network: dict[str, float]) -> dict[str, float]:
    """Threshold, and its logarithmic gradients (per mV for depolarisations)."""
    kinds = ("inhibition", "excitation", "depolarised", "interneurons")
    return {"threshold": fits.neural_mass_threshold(**network)} | {k: fits.log_gradient(k, **network) for k in kinds}


def figure(table: pd.DataFrame) -> Figure:
    """Threshold over inhibition, one line for each excitation."""
    drawn, axes = plt.subplots(figsize=(5, 3.6), layout="constrained")
    for excitation in table.columns[::2]:
        axes.loglog(table.index, table[excitation], marker="o", markersize=3, label=f"{excitation:g}")
    axes.axhline(90, color="0.6", linewidth=0.8)
    axes.set(xlabel="inhibition, background = 1", ylabel="threshold input, 1/s")
    axes.legend(title="excitation", fontsize=8)
    return drawn


if __name__ == "__main__":
    main()
