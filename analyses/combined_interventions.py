"""What do a ketogenic diet, electroacupuncture and both do to each pathway of untreated epilepsy in 12 weeks?

Prints the four arms and the interaction under three alternatives of how strongly acupuncture acts, and writes
results/combined_interventions.png. Run: python analyses/combined_interventions.py
"""

from pathlib import Path

import matplotlib
import pandas as pd
from tqdm import tqdm

import pathway_models as pm

matplotlib.use("Agg")

RESULTS = Path("results")
PANELS = (
    *("BHB", "KATP", "ampk_pgc1a.OXPHOS"),
    *("gaba_gad67.inhibition", "GLU", "IL1B"),
    *("mtor_autophagy.autophagy_flux", "acupuncture.plastic_trace", "seizure_rate"),
)  # one panel per pathway, two for ketones and for transmitters, then the stimulus and the read-out
OUTCOMES = ("seizure_rate", "BHB", "KATP", "AMPK", "ROS", "gaba_gad67.inhibition", "GLU", "IL1B", "MTORC1")
EFFICACIES = ("weak", "vns_like", "null")


def main() -> None:
    """Compare the arms under each efficacy of acupuncture; draw the default one."""
    RESULTS.mkdir(exist_ok=True)
    diet = pm.KetogenicDiet(ratio=4)
    needles = pm.Electroacupuncture(sessions_per_week=5, weeks=12)
    model = pm.load("epilepsy")
    arms = {}
    for efficacy in tqdm(EFFICACIES, desc="four arms, 12 weeks, per efficacy of acupuncture"):
        arms[efficacy] = pm.compare(
            model.with_hypothesis("efficacy", efficacy), diet, needles, weeks=12, outcomes=OUTCOMES
        )
    print("\nMean of weeks 9 to 12, acupuncture 'weak' (default); interaction: ln(both) - ln(diet) - ln(needles)\n")
    table = arms["weak"].table.T.join(arms["weak"].interaction["log_additive"].rename("interaction"))
    print(table.to_string(float_format="{:.3f}".format))
    rates = {k: [*a.table["seizure_rate"], *a.interaction.loc["seizure_rate"]] for k, a in arms.items()}
    columns = [*arms["weak"].arms, *arms["weak"].interaction.columns]
    print("\nSeizure rate (untreated = 1) by efficacy of acupuncture, and its interaction on three scales\n")
    print(pd.DataFrame.from_dict(rates, orient="index", columns=columns).to_string(float_format="{:.3f}".format))
    figure = arms["weak"].plot(*PANELS)
    figure.savefig(RESULTS / "combined_interventions.png", dpi=150)
    print(f"\nwrote {RESULTS / 'combined_interventions.png'}")


if __name__ == "__main__":
    main()
