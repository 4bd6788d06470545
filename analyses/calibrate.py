"""Do the committed values of the fitted constants follow from the observations, and what do these leave open?

Fits the constants below to the observations below, under the reading of acupuncture to which its numbers belong, prints
values, intervals and what the data cannot tell, then the rows that were kept to test the model. The values in the
models come from this fit; nothing is written. Writes results/calibrate.png and two tables.
Run: python analyses/calibrate.py [--model epilepsy] [--starts 2] [--profile] [--petab results/petab]
"""

import argparse
from pathlib import Path

import matplotlib
import pandas as pd

import pathway_models as pm

matplotlib.use("Agg")

RESULTS = Path("results")
HYPOTHESES = {"efficacy": "vns_like"}  # under which the trial of ear stimulation is expected
PRIORS = {
    "excitability.weight_GABA": (0.28, 0.03, 1.4),
    "excitability.weight_KATP": (0.059, 0.01, 0.6),
    "excitability.weight_A1": (0.3, 0.0, 1.2),
    "excitability.kappa": (2.2, 1.0, 3.6),
    "acupuncture.efficacy": (1.0, 0.05, 1.5),
}  # value, low, high before any fit: docs/decisions/0028-what-sets-the-model.md, written before the fit
CONSTANTS = {name: (low, high) for name, (_, low, high) in PRIORS.items()}
BEFORE = {name: value for name, (value, _, _) in PRIORS.items()}
OBSERVATIONS = (
    "kd_rate_neal_control",  # clinical:C001, C002: diet over control after 3 months, children
    "mad_rate_sharma_control",  # C007, C008, children
    "kd_ptz_size",  # C099
    *("kd_6hz_2d", "kd_6hz_5d", "kd_6hz_12d"),  # C101, C102, C100
    "kd_ect_before_10d",  # C110
    *("ear_8weeks_rong", "ear_he_8weeks", "ear_he_16weeks", "ear_he_24weeks"),  # C086 to C089
)
HELD_OUT = (
    *("kd_6hz_21d", "kd_ptz_5weeks", "kd_srs_rat"),  # C104, C098, C115
    *("kd_flurothyl_3d", "kd_flurothyl_7d", "kd_flurothyl_12d"),  # C105 to C107
    *("mad_rate_adults", "mad_rate_adults_trial"),  # C058, C011 and C012
    *("kd_a1r_wild", "kd_a1r_half", "kd_a1r_null"),  # C137 to C139: A1 receptors
)


def main() -> None:
    """Fit, report, test on what was held out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="epilepsy", help="a coupled model of the library")
    parser.add_argument("--starts", type=int, default=2, help="local fits: the model as it is, then a Sobol design")
    parser.add_argument("--profile", action="store_true", help="profile likelihood of each constant (slow)")
    parser.add_argument("--petab", metavar="FOLDER", help="write the same problem as PEtab, for other tools")
    options = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    model = pm.load(options.model)
    for name, alternative in HYPOTHESES.items():
        model = model.with_hypothesis(name, alternative)
    committed = model.parameters["value"]
    fit = pm.calibrate(model, CONSTANTS, OBSERVATIONS, starts=pm.inference.Starts(n=options.starts, at=BEFORE))
    show = {"float_format": "{:.3g}".format}
    print(fit.summary(), "\n")
    print(fit.to_dataframe()[["before", "value"]].assign(committed=committed).to_string(**show), "\n")
    print(fit.residuals().drop(columns="comparison").to_string(**show), "\n")
    print(fit.directions().to_string(**show), "\n")
    print("Kept to test the model (change in percent, or number), before and after:\n")
    print(held_out(fit).to_string(**show))
    fit.to_dataframe().to_csv(RESULTS / "calibrate_constants.csv")
    fit.residuals().to_csv(RESULTS / "calibrate_observations.csv")
    fit.plot().savefig(RESULTS / "calibrate.png", dpi=150)
    print(f"\nwrote {RESULTS / 'calibrate.png'}, calibrate_constants.csv, calibrate_observations.csv")
    if options.petab:
        print("wrote", pm.inference.write_petab(model, CONSTANTS, OBSERVATIONS, options.petab, start_at=BEFORE).yaml)
    for p in fit.parameters if options.profile else ():
        line = fit.profile(p.id)
        marks = ("range ends" if line.open_low else "95 percent", "range ends" if line.open_high else "95 percent")
        print(f"profile of {p.id}: {line.low:.3g} ({marks[0]}) to {line.high:.3g} ({marks[1]})")


def held_out(fit) -> pd.DataFrame:
    """Verdicts on rows of use 'check' of the model before and after."""
    reports = [pm.evidence.report(m).to_dataframe().set_index("id") for m in (fit.model, fit.calibrated)]
    rows = [r for r in HELD_OUT if r in reports[0].index]
    names = ("comparison", "prediction", "verdict")
    before, after = (r.loc[rows, list(names[k:])] for k, r in enumerate(reports))
    return before.join(after.add_suffix("_after"))


if __name__ == "__main__":
    main()
