"""Which pathway's uncertain parameters decide how much the combined treatment helps?

Prints Sobol indices per module, writes results/sobol_epilepsy.png, .csv and an .html report.
Run: python analyses/sobol_epilepsy.py [N]   (N base rows, a power of two; default 1024)
"""

import sys
from pathlib import Path

import matplotlib

import pathway_models as pm

matplotlib.use("Agg")

RESULTS = Path("results")
OUTCOMES = (
    pm.Outcome(variable="excitability.E_relative", label="excitability (ln threshold, untreated = 0)"),
    pm.Outcome(variable="gaba_gad67.inhibition", relative=True, label="GABA-A inhibition, untreated = 1"),
    pm.Outcome(variable="IL1B", relative=True, label="IL-1beta, untreated = 1"),
)


def main(n: int) -> None:
    """Sobol indices of the combined treatment by module."""
    RESULTS.mkdir(exist_ok=True)
    model = pm.load("epilepsy")
    treatments = [pm.KetogenicDiet(ratio=4), pm.Electroacupuncture(sessions_per_week=5, weeks=12)]
    result = pm.sobol(
        pm.Study(model, treatments, outcomes=OUTCOMES, weeks=12, every=24),
        factors=pm.Factors(groups="module"),
        n=pm.Sampling(n=n, seed=1),
        execution=pm.Execution(
            limits=pm.Limits(attempts=(pm.ensembles.Attempt(),))
        ),  # one row in thousands finds no rest
    )
    table = result.to_dataframe()
    print(table.to_string(index=False, float_format="{:.3f}".format))
    print("\n" + result.summary())
    table.to_csv(RESULTS / "sobol_epilepsy.csv", index=False)
    result.plot().savefig(RESULTS / "sobol_epilepsy.png", dpi=150)
    result.report_html(RESULTS / "sobol_epilepsy.html")
    print(f"wrote {RESULTS / 'sobol_epilepsy.png'}, .csv and .html")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1024)
