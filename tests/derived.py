"""How every measured and derived constant follows from its evidence rows.

A measured constant is the value of the first row in its `source`, in another unit; `READINGS` holds the few whose
number stands elsewhere in the row. A derived constant has a function here, registered under `module.parameter`. It
sees only the rows that parameters.tsv cites, and the constants of the models; it returns the unit of the constant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import exp, log, sqrt

import numpy as np
from scipy.optimize import minimize_scalar

from evidence_units import Unit, converted

NUMBER = r"([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)"
BRAIN_DENSITY = 1.0  # kg/L: 1 g of brain is taken as 1 mL (model.ant of ketone_katp and gaba_gad67)
BODY_WEIGHT = 70.0  # kg
MOLAR_MASS_BHB = 104.1  # g/mol
PMOL_PER_mU_INSULIN = 6.0
LN2 = log(2)


@dataclass
class Rows:
    """The evidence rows that one constant cites, and the constants of all models as `module.parameter`."""

    rows: Mapping[str, Mapping[str, str]]
    constants: Mapping[str, float]
    unit: Unit = (1.0, ())
    used: set[str] = field(default_factory=set)

    def row(self, name: str) -> Mapping[str, str]:
        """The row; `KeyError` if parameters.tsv does not cite it."""
        if name not in self.rows:
            raise KeyError(f"{name} is no source of this constant; it cites {', '.join(self.rows) or 'nothing'}")
        self.used.add(name)
        return self.rows[name]

    def value(self, name: str, unit: str | Unit) -> float:
        """The value of a row in this unit."""
        row = self.row(name)
        return converted(float(row["value"]), row["unit"], unit)

    def fold(self, name: str) -> float:
        """Treated over untreated of a response, whether printed as fold or percent change."""
        row = self.row(name)
        return float(row["value"]) if row["metric"] == "fold" else 1 + float(row["value"]) / 100

    def printed(self, name: str, pattern: str, unit: str = "", into: str | Unit = "") -> float:
        """A number that stands in the words of a row: `pattern`, in which a lone N is the number."""
        words = " | ".join(self.row(name).values())
        found = re.search(re.sub(r"(?<![A-Za-z])N(?![A-Za-z])", lambda _: NUMBER, pattern), words)
        if not found:
            raise ValueError(f"{name} does not say {pattern!r}: {words}")
        return converted(float(found[1]), unit, into)

    def constant(self, name: str) -> float:
        """The value of another constant."""
        self.used.add(name)
        return self.constants[name]


Rule = Callable[[Rows], float]
READINGS: dict[str, Rule] = {}
DERIVED: dict[str, Rule] = {}
ALIGNED: dict[str, Rule] = {}  # assumed constants that repeat what another module holds


def derives(*names: str) -> Callable[[Rule], Rule]:
    """Register a function for these constants."""

    def keep(rule: Rule) -> Rule:
        DERIVED.update(dict.fromkeys(names, rule))
        return rule

    return keep


# ---- patterns: each makes a rule ----


def words(row: str, pattern: str, unit: str = "") -> Rule:
    """The number stands in the words of the row."""
    return lambda r: r.printed(row, pattern, unit, r.unit)


def loss(row: str) -> Rule:
    """One minus a fold, or a fall in percent, as a positive fraction."""
    return lambda r: 1 - r.fold(row)


def rise(row: str) -> Rule:
    """A fold less one, or a rise in percent, as a fraction."""
    return lambda r: r.fold(row) - 1


def per_tissue(row: str) -> Rule:
    """An amount per mass of brain, as an amount per volume."""
    return lambda r: r.value(row, (r.unit[0] * 1e-3 / BRAIN_DENSITY, _per_mass(r.unit)))


def _per_mass(unit: Unit) -> tuple[tuple[str, int], ...]:
    """Dimensions with `per m3` replaced by `per kg`."""
    return tuple(sorted([("kilogram", -1), *((k, p) for k, p in unit[1] if k != "metre")]))


def rate_of_half_life(row: str) -> Rule:
    """First-order rate of a half-life."""
    return lambda r: LN2 / r.value(row, (1 / r.unit[0], (("second", 1),)))


def time_constant(row: str) -> Rule:
    """Rate of a time constant."""
    return lambda r: 1 / r.value(row, (1 / r.unit[0], (("second", 1),)))


def lasts(row: str) -> Rule:
    """The time after which a response was seen."""
    return lambda r: converted(float(r.row(row)["duration_days"]), "day", r.unit)


def midpoint(row: str) -> Rule:
    """The middle of a printed range."""
    return lambda r: converted((float(r.row(row)["low"]) + float(r.row(row)["high"])) / 2, r.row(row)["unit"], r.unit)


def row_value(row: str) -> Rule:
    """The value of a row that was itself computed (source_kind derived), in another unit."""
    return lambda r: r.value(row, r.unit)


def same_as(constant: str) -> Rule:
    """Aligned with a constant of another module."""
    return lambda r: r.constant(constant)


# ---- measured, but not simply the value of the first row ----

KATP = "ketone_katp:KK_P097"
CLOUTIER_PYRUVATE = "ketone_katp:KK_P087"
READINGS |= {
    "gaba_gad67.n_GS_GLN": words("gaba_gad67:nb_17", "Hill N"),
    "gaba_gad67.gain_IL1B_GABAA": loss("nlrp3_il1b:r018"),
    "ketone_katp.insulin_fasting_level": words("ketone_katp:KK_P024", "insulin about N uU/mL"),
    "ketone_katp.CMRglc_rest": per_tissue("ketone_katp:KK_P069"),
    "ketone_katp.Km_PYR": words(CLOUTIER_PYRUVATE, "Km_PYR N,", "mM"),
    "ketone_katp.ATP_per_pyruvate": words(CLOUTIER_PYRUVATE, "N ATP per pyruvate"),
    "ketone_katp.O2_per_pyruvate": words(CLOUTIER_PYRUVATE, "N O2 per pyruvate"),
    "ketone_katp.Kdd_KATP": words(KATP, "kdd=N", "uM"),
    "ketone_katp.Ktd_KATP": words(KATP, "ktd=N uM", "uM"),
    "ketone_katp.MgADP_fraction": words(KATP, "MgADP=N ADP"),
    "ketone_katp.ADP3_fraction": words(KATP, "ADP3-=N ADP"),
    "ketone_katp.ATP4_fraction": words(KATP, "ATP4-=N ATP"),
    "ketone_katp.open_one_KATP": words(KATP, r"O=\(N\(1\+2m"),
    "ketone_katp.open_two_KATP": words(KATP, r"\+N\(m/kdd\)\^2"),
    "nlrp3_il1b.max_gain_NMDA_IL1B": rise("nlrp3_il1b:r017"),
    "nlrp3_il1b.max_change_GABAA_IL1B": loss("nlrp3_il1b:r018"),
}


# ---- assumed, but not free: one number in several modules ----


def resting_brain_AcAc(r: Rows) -> float:
    """Same brain/plasma ratio as BHB."""
    plasma, brain, BHB = (r.constant(f"ketone_katp.{k}_rest") for k in ("AcAc_plasma", "BHB_brain", "BHB_plasma"))
    return plasma * brain / BHB


ALIGNED |= {
    "ampk_pgc1a.BHB_reference": same_as("ketone_katp.BHB_brain_rest"),
    "gaba_gad67.BHB_reference": same_as("ketone_katp.BHB_brain_rest"),
    "gaba_gad67.AcAc_reference": resting_brain_AcAc,
    "nlrp3_il1b.BHB_reference": same_as("ketone_katp.BHB_brain_rest"),
    "bdnf_trkb.BHB_reference": same_as("ketone_katp.BHB_brain_rest"),
    "bdnf_trkb.gain_seizure_KCC2_elsewhere": same_as("gaba_gad67.gain_seizure_KCC2"),
    "excitability.BHB_reference": same_as("ketone_katp.BHB_plasma_rest"),
    "gut_brain.BHB_reference": same_as("ketone_katp.BHB_plasma_rest"),
    "safety.BHB_reference": same_as("ketone_katp.BHB_plasma_rest"),
    "safety.fat_ratio_reference": same_as("ketone_katp.fat_ratio_reference"),
    "serotonin.BHB_reference": same_as("ketone_katp.BHB_plasma_rest"),
}


# ---- acupuncture ----


def mean_rate_ratios(strength: float, tau_days: float) -> list[float]:
    """Seizure rate over baseline, exp(-a(1 - exp(-t/tau))), averaged over three blocks of 8 weeks."""
    means = []
    for start in (0, 56, 112):
        t = np.linspace(start, start + 56, 561)
        means.append(float(np.mean(np.exp(-strength * (1 - np.exp(-t / tau_days))))))
    return means


def build_up_misfit(tau_days: float, observed: list[float]) -> float:
    """Smallest sum of squared log errors over the strength of the effect."""

    def misfit(strength: float) -> float:
        return sum(log(p / o) ** 2 for p, o in zip(mean_rate_ratios(strength, tau_days), observed, strict=True))

    return float(minimize_scalar(misfit, bounds=(0.1, 3.0), method="bounded").fun)


@derives("acupuncture.tau_plastic_trace")
def tau_plastic_trace(r: Rows) -> float:
    """Best of a grid of 5 days for the course of the seizure rate under ear stimulation, in hours."""
    observed = [r.fold(f"clinical:C08{n}") for n in (7, 8, 9)]
    return 24.0 * min(range(20, 65, 5), key=lambda days: build_up_misfit(days, observed))


# ---- ampk_pgc1a ----


@derives("ampk_pgc1a.BHB_ketogenic_diet")
def BHB_ketogenic_diet(r: Rows) -> float:
    """Brain over plasma slope times the blood level of a diet that works."""
    return r.printed("ketone_katp:KK_P043", r"\| N \|") * r.value("ketone_katp:KK_P005", "mM")


@derives("ampk_pgc1a.fraction_pT172_rest")
def fraction_pT172_rest(r: Rows) -> float:
    """Phosphorylated over total AMPK."""
    row = "ampk_pgc1a:APG-P025"
    return r.printed(row, r"N pAMPK", "uM", "uM") / r.value(row, "uM")


@derives("ampk_pgc1a.k_dephos_AMPK")
def k_dephos_AMPK(r: Rows) -> float:
    """Exponential fall of the reporter above baseline between two times after glutamate."""
    early, late = "ampk_pgc1a:APG-R086", "ampk_pgc1a:APG-R087"
    hours = (r.printed(late, "t = N min") - r.printed(early, "t = N min")) / 60
    return log((r.fold(early) - 1) / (r.fold(late) - 1)) / hours


def pAMPK_under_AICAR(r: Rows) -> float:
    """Mean fold of phospho-AMPK at 4, 16 and 24 h of AICAR."""
    return float(np.mean([r.fold(f"ampk_pgc1a:APG-R{n}") for n in (108, 109, 110)]))


@derives("ampk_pgc1a.gain_AICAR_AMPK")
def gain_AICAR_AMPK(r: Rows) -> float:
    """Rise of the phosphorylation drive that gives the observed fold, by the balance of a two-state kinase."""
    fold, rest = pAMPK_under_AICAR(r), r.constant("ampk_pgc1a.fraction_pT172_rest")
    return fold * (1 - rest) / (1 - rest * fold) - 1


@derives("ampk_pgc1a.fraction_GLUT3_surface_rest")
def fraction_GLUT3_surface_rest(r: Rows) -> float:
    """Plasma membrane over all GLUT3."""
    surface, inside = r.value("ampk_pgc1a:APG-P047", "nM"), r.value("ampk_pgc1a:APG-P046", "nM")
    return surface / (surface + inside)


@derives("ampk_pgc1a.k_use_NAD")
def k_use_NAD(r: Rows) -> float:
    """Geometric mean of two rates of approach (2 h and 4 h) to the plateau of NAD (mean of 8 h and 12 h)."""
    at = {hours: r.fold(f"ampk_pgc1a:APG-R{n}") for hours, n in ((2, 119), (4, 120), (8, 121), (12, 122))}
    plateau = (at[8] + at[12]) / 2
    rates = [-log(1 - (at[hours] - 1) / (plateau - 1)) / hours for hours in (2, 4)]
    return sqrt(rates[0] * rates[1])


@derives("ampk_pgc1a.share_PARP_NAD")
def share_PARP_NAD(r: Rows) -> float:
    """Use of NAD by PARP1 over all use."""
    parp, other = r.value("ampk_pgc1a:APG-P072", "1/h"), r.value("ampk_pgc1a:APG-P071", "1/h")
    return parp / (parp + other)


@derives("ampk_pgc1a.hill_NAD_SIRT1")
def hill_NAD_SIRT1(r: Rows) -> float:
    """Mean of the exponents at 8 h and 12 h that turn NAD into acetylation 2/(1 + NAD^h)."""
    pairs = ((121, 125), (122, 126))
    fold = {n: r.fold(f"ampk_pgc1a:APG-R{n}") for pair in pairs for n in pair}
    return float(np.mean([log(2 / fold[acetylation] - 1) / log(fold[nad]) for nad, acetylation in pairs]))


DERIVED |= {
    "ampk_pgc1a.K_BHB_use": row_value("ketone_katp:KK_P052"),
    "ampk_pgc1a.k_internalisation_GLUT3": row_value("ampk_pgc1a:APG-P052"),
}


# ---- excitability ----


@derives("excitability.seizure_frequency_untreated")
def seizure_frequency_untreated(r: Rows) -> float:
    """Median of the lognormal rate, per month of 720 h."""
    return exp(float(r.row("clinical:P067")["value"])) / 720


@derives("excitability.share_inflammation_leak")
def share_inflammation_leak(r: Rows) -> float:
    """Inflammation's part of the barrier leak, inflammation and seizures at their chronic level."""
    inflammation, seizures = r.value("clinical:P005", ""), r.value("clinical:P012", "")
    return inflammation / (inflammation + seizures)


@derives("excitability.c_6Hz")
def c_6Hz(r: Rows) -> float:
    """Log change of the 6 Hz threshold over that of the PTZ threshold under the diet."""
    normal = r.printed("clinical:C100", "normal diet N ")
    return log(float(r.row("clinical:C100")["value"]) / normal) / log(r.fold("clinical:C099"))


# ---- gaba_gad67 ----


def gaba_pool(r: Rows, part: str) -> float:
    """Human tissue GABA (mmol/kg) times the share of one pool of the Neuroblox model."""
    pools = {name: r.value(f"gaba_gad67:{name}", "mM") for name in ("nb_03", "nb_04")}
    total = r.value("gaba_gad67:gaba_human_occ", "mmol/kg") * BRAIN_DENSITY
    return total * pools[part] / sum(pools.values())


@derives("gaba_gad67.GABA_i_reference")
def GABA_i_reference(r: Rows) -> float:
    """Cytosolic part of tissue GABA."""
    return gaba_pool(r, "nb_03")


@derives("gaba_gad67.GABA_v_reference")
def GABA_v_reference(r: Rows) -> float:
    """Vesicular part of tissue GABA."""
    return gaba_pool(r, "nb_04")


@derives("gaba_gad67.flux_GLU_cycle")
def flux_GLU_cycle(r: Rows) -> float:
    """Release rate constant times neuronal glutamate."""
    return r.value("gaba_gad67:nb_13", "1/h") * r.value("gaba_gad67:nb_01", "mM")


@derives("gaba_gad67.flux_GABA_cycle")
def flux_GABA_cycle(r: Rows) -> float:
    """Release rate constant times vesicular GABA."""
    return r.value("gaba_gad67:nb_14", "1/h") * r.value("gaba_gad67:nb_04", "mM")


@derives("gaba_gad67.exponent_glucose_drive")
def exponent_glucose_drive(r: Rows) -> float:
    """Log-slope of the linear law V = (a*CMR - b)/c at its resting flux: (V*c + b)/(V*c)."""
    row = "gaba_gad67:nb_vpmas_e"
    offset, slope = r.printed(row, r"- N\)/"), r.printed(row, r"\)/N")
    scaled = r.value(row, "mM/min") * slope
    return (scaled + offset) / scaled


DERIVED["gaba_gad67.K_ketone_use"] = row_value("ketone_katp:KK_P052")


# ---- ketone_katp ----


@derives("ketone_katp.ADP_rest")
def ADP_rest(r: Rows) -> float:
    """Brain ATP times the ADP/ATP of the Cloutier model at rest, by its adenylate kinase equilibrium."""
    q = r.value("ketone_katp:KK_P085", "")
    excess = r.printed("ketone_katp:KK_P081", "pool N mM") / r.value("ketone_katp:KK_P081", "mM") - 1
    return r.value("ketone_katp:KK_P077", "mM") * (sqrt(q**2 + 4 * q * excess) - q) / 2


@derives("ketone_katp.glucose_fall_no_carbohydrate")
def glucose_fall_no_carbohydrate(r: Rows) -> float:
    """Fall of plasma glucose on a diet that withholds 0.92 of carbohydrate."""
    return (1 - r.fold("ketone_katp:KK_R019")) / 0.92


@derives("ketone_katp.Ki_insulin_ketogenesis")
def Ki_insulin_ketogenesis(r: Rows) -> float:
    """Ki at which 1/(1 + I/Ki) explains ketogenesis at low and at high insulin."""
    low, high = "ketone_katp:KK_P025", "ketone_katp:KK_P026"
    insulin = [r.printed(row, "insulin about N uU/mL") for row in (low, high)]
    ratio = r.value(low, "umol/kg/min") / r.value(high, "umol/kg/min")
    return (insulin[1] - ratio * insulin[0]) / (ratio - 1)


@derives("ketone_katp.AcAc_share_ketogenesis")
def AcAc_share_ketogenesis(r: Rows) -> float:
    """Release of new acetoacetate over that of both ketones."""
    acetoacetate, BHB = (r.value(f"ketone_katp:KK_P01{n}", "umol/L/min") for n in (6, 7))
    return acetoacetate / (acetoacetate + BHB)


@derives("ketone_katp.k_clearance_BHB")
def k_clearance_BHB(r: Rows) -> float:
    """Clearance per body weight."""
    return r.value("ketone_katp:KK_P010", "L/h") / BODY_WEIGHT


@derives("ketone_katp.Vmax_BHB_elimination")
def Vmax_BHB_elimination(r: Rows) -> float:
    """Capacity of elimination in mmol per body weight."""
    return r.value("ketone_katp:KK_P011", "mg/h") / MOLAR_MASS_BHB / BODY_WEIGHT


@derives("ketone_katp.Km_BHB_elimination")
def Km_BHB_elimination(r: Rows) -> float:
    """Km at which elimination equals ketogenesis after an overnight fast."""
    BHB = r.value("ketone_katp:KK_P006", "mM")
    ketogenesis = r.value("ketone_katp:KK_P024", "mmol/kg/h")
    return Vmax_BHB_elimination(r) * BHB / (ketogenesis - k_clearance_BHB(r) * BHB) - BHB


@derives("ketone_katp.k_BDH_forward")
def k_BDH_forward(r: Rows) -> float:
    """Tracer turnover of BHB less its irreversible loss at rest."""
    c = {k: r.constant(f"ketone_katp.{k}") for k in ("k_clearance_BHB", "Vmax_BHB_elimination", "V_ketone")}
    saturation = r.constant("ketone_katp.Km_BHB_elimination") + r.constant("ketone_katp.BHB_plasma_rest")
    loss = (c["k_clearance_BHB"] + c["Vmax_BHB_elimination"] / saturation) / c["V_ketone"]
    return r.value("ketone_katp:KK_P019", "1/h") - loss


@derives("ketone_katp.lactate_pyruvate_ratio")
def lactate_pyruvate_ratio(r: Rows) -> float:
    """Lactate over pyruvate of one model state."""
    row = "ketone_katp:KK_P083"
    return r.value(row, "mM") / r.printed(row, "pyruvate N", "mM", "mM")


DERIVED |= {
    "ketone_katp.Tmax_MCT1_BHB": per_tissue("ketone_katp:KK_P050"),
    "ketone_katp.Vmax_BHB_use": per_tissue("ketone_katp:KK_P053"),
}


# ---- mtor_autophagy ----


@derives("mtor_autophagy.VPS34_rest")
def VPS34_rest(r: Rows) -> float:
    """Active fraction that holds the published number of vesicles: number times clearance over formation."""
    clear, form = (r.constant(f"mtor_autophagy.k_{k}_autophagosome") for k in ("clear", "form"))
    return r.value("mtor_autophagy:MTA_P180", "") * clear / form


@derives("mtor_autophagy.plasma_insulin_fasting")
def plasma_insulin_fasting(r: Rows) -> float:
    """Insulin in uU/mL (the same as mU/L) as nmol/L."""
    return r.printed("ketone_katp:KK_P023", "insulin about N uU/mL") * PMOL_PER_mU_INSULIN * 1e-3


@derives("mtor_autophagy.Kd_rapamycin_MTORC1")
def Kd_rapamycin_MTORC1(r: Rows) -> float:
    """Dissociation over association."""
    return r.value("mtor_autophagy:MTA_P188", "1/h") / r.value("mtor_autophagy:MTA_P187", "1/(nM h)")


@derives("mtor_autophagy.t_half_S6K")
def t_half_S6K(r: Rows) -> float:
    """Geometric mean of the half-times of two models."""
    return sqrt(r.value("mtor_autophagy:MTA_P074", "h") * r.value("mtor_autophagy:MTA_P021", "h"))


DERIVED["mtor_autophagy.EC50_insulin_AKT"] = row_value("mtor_autophagy:MTA_P011")


# ---- nlrp3_il1b ----


@derives("nlrp3_il1b.k_turnover_IKBA")
def k_turnover_IKBA(r: Rows) -> float:
    """Geometric mean of the decay of mRNA and of free protein."""
    return sqrt(r.value("nlrp3_il1b:p073", "1/h") * r.value("nlrp3_il1b:p075", "1/h"))
