"""How constants of gut_brain, serotonin, bdnf_trkb and safety follow from their evidence rows; see derived.py."""

from __future__ import annotations

from math import exp, log, sqrt
from statistics import NormalDist, mean

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq, curve_fit

from derived import BODY_WEIGHT, DERIVED, LN2, READINGS, Rows, derives, lasts, midpoint, row_value, time_constant, words

MG_PER_MMOL_CHOLESTEROL = 386.7
MG_PER_MMOL_GLUCOSE = 180.16

# ---- measured, but not simply the value of the first row ----

LUMEN, SERT, LIPIDS, STONES = "gut_brain:gp27", "serotonin:sp22", "clinical:C062", "clinical:C069"
READINGS |= {
    "gut_brain.flow_protein": words("gut_brain:gp30", "protein N g/d", "g/day"),
    "gut_brain.propionate_rest": words(LUMEN, "propionate N,", "mmol/L"),
    "gut_brain.butyrate_rest": words(LUMEN, "butyrate N mmol/L", "mmol/L"),
    "gut_brain.propionate_plasma_rest": midpoint("gut_brain:gp40"),
    "safety.fat_ratio_classical": words(LIPIDS, "to N:1"),
    "safety.HCO3_diet_other_drugs": words("clinical:C067", "other drugs N ", "mmol/L"),
    "safety.pH_diet_start": words("clinical:C065", r"median pH N\."),
    "safety.LDL_rise_six_months": words(LIPIDS, "N mmol/L", "mmol/L"),
    "safety.t_six_months": lasts(LIPIDS),
    "safety.meal_rise_valproate_carnitine": words("clinical:C076", "N% after L-carnitine", "percent"),
    "safety.t_meal_observation": words("clinical:C076", "ammonia at N h", "h"),
    "safety.t_stone_follow_up": words(STONES, "mean follow-up N ", "year"),
    "safety.stone_share_citrate": words("clinical:C070", "citrate N%", "percent"),
    "safety.t_complication_follow_up": lasts("clinical:C075"),
    "safety.HCO3_alarm": words("clinical:C068", "CO2 <=N mmol/L", "mmol/L"),
    "serotonin.k_return_SERT": words(SERT, "return N/h", "1/h"),
    "serotonin.k_turnover_Trp_blood": words("serotonin:sp23", "restoring term N/h", "1/h"),
    "serotonin.k_leak_vesicle": words("serotonin:sp10", "leak N/h", "1/h"),
}


# ---- bdnf_trkb ----


@derives("bdnf_trkb.k_deg_mRNA")
def k_deg_mRNA(r: Rows) -> float:
    """Saturable removal at the basal level of mRNA: Vmax/(Km + mRNA), in model concentrations."""
    vmax, km = float(r.row("bdnf_trkb:bp01")["value"]), r.printed("bdnf_trkb:bp01", "Km N")
    return 3600 * vmax / (km + r.printed("bdnf_trkb:bp09", "others N,"))


@derives("bdnf_trkb.t_half_mBDNF")
def t_half_mBDNF(r: Rows) -> float:
    """Half-life at which an mRNA pulse that decays from 2 h on gives the observed protein at 6 h."""
    pulse, protein = (r.fold(f"bdnf_trkb:br23_{n}") - 1 for n in (1, 2))
    decay = r.constant("bdnf_trkb.k_deg_mRNA")

    def excess(t_half: float) -> float:
        k = LN2 / t_half
        return float(quad(lambda t: k * pulse * exp(-decay * (t - 2) - k * (6 - t)), 2, 6)[0])

    return float(brentq(lambda t_half: excess(t_half) - protein, 1, 100))


@derives("bdnf_trkb.share_cleaved")
def share_cleaved(r: Rows) -> float:
    """What is not released as proBDNF."""
    return 1 - r.value("bdnf_trkb:bp23", "")


def dose_response(r: Rows) -> tuple[float, float, float]:
    """Foot, height and half-saturation of PLC-gamma over BDNF by least squares."""
    names = [f"bdnf_trkb:br04_{n}" for n in range(1, 6)]
    doses = np.array([r.printed(n, "N nmol/L BDNF") for n in names])
    responses = np.array([float(r.row(n)["value"]) for n in names])
    found = curve_fit(lambda d, foot, height, k: foot + height * d / (k + d), doses, responses, p0=[3.0, 50.0, 3.0])[0]
    return float(found[0]), float(found[1]), float(found[2])


@derives("bdnf_trkb.K_BDNF_TRKB")
def K_BDNF_TRKB(r: Rows) -> float:
    """Half-saturation of the dose-response."""
    return dose_response(r)[2]


@derives("bdnf_trkb.share_transactivation")
def share_transactivation(r: Rows) -> float:
    """What basal BDNF does not explain of the foot, a tenth of the total left to other receptors."""
    foot, height, k = dose_response(r)
    basal = r.value("bdnf_trkb:bp17", "nmol/L")
    by_BDNF = height * basal / (k + basal)
    return 1 - by_BDNF / (0.9 * (foot + by_BDNF))


DERIVED |= {
    "bdnf_trkb.k_relax_pTRKB": time_constant("bdnf_trkb:bp21"),
    "bdnf_trkb.k_dephos_CREB": row_value("bdnf_trkb:bp06"),
}


# ---- gut_brain ----


@derives("gut_brain.share_carbohydrate_butyrate_producers")
def share_carbohydrate_butyrate_producers(r: Rows) -> float:
    """Carbon that leaves as butyrate without passing through acetate, over the carbon of all three acids."""
    crossed = r.value("gut_brain:gp11", "")
    acetate = r.value(LUMEN, "mmol/L") / (1 - crossed)
    propionate, butyrate = r.printed(LUMEN, "propionate N,"), r.printed(LUMEN, "butyrate N mmol/L")
    direct = 4 * (butyrate - crossed * acetate / 2)
    return direct / (2 * acetate + 3 * propionate + direct)


@derives("gut_brain.acetate_plasma_rest")
def acetate_plasma_rest(r: Rows) -> float:
    """Peripheral total less propionate (middle of its range) and butyrate."""
    total = r.printed("gut_brain:gp41", "and N mmol/L peripheral")
    propionate = mean(float(r.row("gut_brain:gp40")[k]) for k in ("low", "high")) * 1e-3
    return total - propionate - r.constant("gut_brain.butyrate_plasma_rest")


def colonic_share(r: Rows, available: str, lumen: float, appearance: str) -> float:
    """Systemic part of absorption from the proximal colon over all appearance in plasma."""
    absorbed = r.value("gut_brain:gp22", "1/h") * lumen * r.value("gut_brain:gp25", "L") / BODY_WEIGHT
    return r.value(available, "") * absorbed / r.value(appearance, "mmol/kg/h")


@derives("gut_brain.share_colon_acetate")
def share_colon_acetate(r: Rows) -> float:
    """Acetate."""
    return colonic_share(r, "gut_brain:gp08", r.value(LUMEN, "mmol/L"), "gut_brain:gp13")


@derives("gut_brain.share_colon_propionate")
def share_colon_propionate(r: Rows) -> float:
    """Propionate."""
    return colonic_share(r, "gut_brain:gp09", r.printed(LUMEN, "propionate N,"), "gut_brain:gp14")


@derives("gut_brain.share_colon_butyrate")
def share_colon_butyrate(r: Rows) -> float:
    """Butyrate."""
    return colonic_share(r, "gut_brain:gp10", r.printed(LUMEN, "butyrate N mmol/L"), "gut_brain:gp15")


# ---- safety ----


@derives("safety.cholesterol_alarm")
def cholesterol_alarm(r: Rows) -> float:
    """The level of the row in mmol/L."""
    return r.printed("clinical:C064", "cholesterol >N mg/dL") * 10 / MG_PER_MMOL_CHOLESTEROL


@derives("safety.z_cholesterol_rest")
def z_cholesterol_rest(r: Rows) -> float:
    """Normal deviate of the share above the level at baseline."""
    return NormalDist().inv_cdf(1 - r.printed("clinical:C064", r"\(N at baseline", "percent"))


@derives("safety.glucose_alarm")
def glucose_alarm(r: Rows) -> float:
    """The level of the row in mmol/L."""
    return r.value("clinical:P079", "mg/dL") * 10 / MG_PER_MMOL_GLUCOSE


@derives("safety.SD_HCO3")
def SD_HCO3(r: Rows) -> float:
    """Mean of the standard deviations behind two intervals of 95 percent."""
    row = "clinical:C067"
    low, high = map(float, r.row(row)["error"].split("-"))
    n = float(r.row(row)["n"])
    other = r.printed(row, r"other drugs [\d.]+ \(N-"), r.printed(row, r"other drugs [\d.]+ \([\d.]+-N\)")
    n_other = r.printed(row, r"\), n N;")
    return mean([(high - low) / 3.92 * sqrt(n), (other[1] - other[0]) / 3.92 * sqrt(n_other)])


@derives("safety.SD_log_BHB")
def SD_log_BHB(r: Rows) -> float:
    """Standard deviation of the logarithm of a lognormal with the mean and the standard error of the row."""
    row = r.row("clinical:C052")
    deviation = float(row["error"]) * sqrt(float(row["n"]))
    return sqrt(log(1 + (deviation / float(row["value"])) ** 2))


# ---- serotonin ----


def middle(r: Rows, pair: str) -> float:
    """Fold in the middle between the smallest and the largest change over the diet."""
    return mean(r.fold(f"serotonin:{pair}{end}") for end in "ab")


def saturation(level: float, half: float) -> float:
    """Michaelis-Menten."""
    return level / (half + level)


@derives("serotonin.fall_Trp_supply_KD")
def fall_Trp_supply_KD(r: Rows) -> float:
    """Supply that rests at the observed blood tryptophan, with first-order loss and transport into the brain."""
    rest, turnover = (r.constant(f"serotonin.{k}") for k in ("Trp_blood_rest", "k_turnover_Trp_blood"))
    vmax, half = r.value("serotonin:sp05", "mM/h"), r.value("serotonin:sp06", "mM")
    losses = [turnover * level + vmax * saturation(level, half) for level in (rest, rest * middle(r, "sr03"))]
    return 1 - losses[1] / losses[0]


def TPH_flux_on_diet(r: Rows) -> float:
    """Flux of tryptophan hydroxylase, relative to rest, at the observed blood tryptophan."""
    names = (
        "Trp_blood_rest",
        "Trp_terminal_rest",
        "Km_Trp_transport",
        "Km_TPH2_Trp",
        "Ki_TPH2_Trp",
        "k_use_Trp_terminal",
    )
    blood, terminal, half, Km, Ki, use = (r.constant(f"serotonin.{k}") for k in names)
    scale = r.value("serotonin:sp34", "mM/h") * (Km + terminal + terminal**2 / Ki) / terminal

    def flux(level: float) -> float:
        return scale * level / (Km + level + level**2 / Ki)

    entry = saturation(blood * middle(r, "sr03"), half) / saturation(blood, half) * (use * terminal + flux(terminal))
    level = float(brentq(lambda x: use * x + flux(x) - entry, 0, terminal))
    return flux(level) / flux(terminal)


@derives("serotonin.fall_MAO_KD")
def fall_MAO_KD(r: Rows) -> float:
    """Fall of MAO at which extracellular serotonin stays, the rest of synthesis being removed outside the terminal."""
    outside = r.constant("serotonin.share_removal_extracellular")
    return 1 - (TPH_flux_on_diet(r) - outside) / (1 - outside)


@derives("serotonin.fall_IDO_KD")
def fall_IDO_KD(r: Rows) -> float:
    """Fall of kynurenine over tryptophan."""
    return 1 - middle(r, "sr04") / middle(r, "sr03")


@derives("serotonin.K_SSRI_internalisation")
def K_SSRI_internalisation(r: Rows) -> float:
    """Ceiling over slope of min(2, 2.5*SSRI)."""
    return r.printed(SERT, r"min\(N,") / r.printed(SERT, r", N\*SSRI")


@derives("serotonin.w_autoreceptor_synthesis")
def w_autoreceptor_synthesis(r: Rows) -> float:
    """Gain on synthesis over gain on release."""
    row = "serotonin:sp21"
    return r.printed(row, "gain on synthesis N") / float(r.row(row)["value"])


@derives("serotonin.k_use_Trp_terminal")
def k_use_Trp_terminal(r: Rows) -> float:
    """What transport brings and hydroxylation does not use, over the level."""
    brought = r.value("serotonin:sp05", "mM/h") * saturation(
        r.value("serotonin:sp24", "mM"), r.value("serotonin:sp06", "mM")
    )
    return (brought - r.value("serotonin:sp34", "mM/h")) / r.value("serotonin:sp25", "mM")


@derives("serotonin.Vmax_SERT")
def Vmax_SERT(r: Rows) -> float:
    """Velocity per unit of surface SERT times its basal amount."""
    return r.value("serotonin:sp12", "mM/h") * r.printed("serotonin:sp12", "surface SERT about N ")


@derives("serotonin.share_removal_extracellular")
def share_removal_extracellular(r: Rows) -> float:
    """Removal outside the terminal over synthesis."""
    removed = r.value("serotonin:sp17", "1/h") * r.value("serotonin:sp29", "mM")
    return removed / r.value("serotonin:sp34", "mM/h")


@derives("serotonin.gain_KAT_blood")
def gain_KAT_blood(r: Rows) -> float:
    """Geometric middle of the changes of KYNA over kynurenine, as a rise."""
    return sqrt(r.fold("serotonin:sr06a") * r.fold("serotonin:sr06b")) - 1


@derives("serotonin.gain_KAT_hippocampus")
def gain_KAT_hippocampus(r: Rows) -> float:
    """Geometric middle of the changes of hippocampal KYNA over that of kynurenine in blood, as a rise."""
    return sqrt(r.fold("serotonin:sr07") * r.fold("serotonin:sr08")) / middle(r, "sr04") - 1


@derives("serotonin.gain_KAT_cortex")
def gain_KAT_cortex(r: Rows) -> float:
    """Rise that keeps KYNA where kynurenine falls."""
    return 1 / middle(r, "sr04") - 1


@derives("serotonin.share_KAT")
def share_KAT(r: Rows) -> float:
    """Share of removal through KAT that explains why kynurenine falls more than tryptophan."""
    fall = middle(r, "sr03") / middle(r, "sr04") - 1
    return fall / r.constant("serotonin.gain_KAT_blood")


DERIVED |= {
    "serotonin.max_internalisation_drive": words(SERT, r"min\(N,"),
    "serotonin.BH4_terminal": words("serotonin:sp34", "BH4 N", "umol/L"),
}
