"""Derivations that no formula holds: a fit, a root or an integral. Each takes the inputs of its table by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import exp, log
from typing import Any, TypeAlias

import numpy as np

Function: TypeAlias = Callable[..., float]
LARGEST_HALF_LIFE = 100.0  # h; where the search for a half-life ends
LARGEST_ACCELERATION = 1000.0  # where the search for a faster loss ends


def best_time_constant(*, first: float, second: float, third: float) -> float:
    """Hours, on a grid of 5 days, of the least squares of log rates: exp(-a(1 - exp(-t/tau))) over three blocks of 8
    weeks, any strength a from 0.1 to 3."""
    return 24.0 * min(range(20, 65, 5), key=lambda days: _build_up_misfit(days, (first, second, third)))


def _build_up_misfit(tau_days: float, observed: tuple[float, ...]) -> float:
    """Smallest sum of squared log errors over the strength of the effect."""
    from scipy.optimize import minimize_scalar

    def misfit(strength: float) -> float:
        return sum(log(p / o) ** 2 for p, o in zip(_mean_ratios(strength, tau_days), observed, strict=True))

    return float(minimize_scalar(misfit, bounds=(0.1, 3.0), method="bounded").fun)


def _mean_ratios(strength: float, tau_days: float) -> list[float]:
    """Seizure rate over baseline in three blocks of 8 weeks."""
    blocks = [np.linspace(start, start + 56, 561) for start in (0, 56, 112)]
    return [float(np.mean(np.exp(-strength * (1 - np.exp(-t / tau_days))))) for t in blocks]


def half_life_behind_pulse(*, mRNA: float, protein: float, decay: float) -> float:
    """Half-life in h of a protein that follows a pulse of its mRNA: folds of mRNA at 2 h, of protein at 6 h."""
    from scipy.integrate import quad
    from scipy.optimize import brentq

    def excess(half_life: float) -> float:
        k = log(2) / half_life
        return float(quad(lambda t: k * (mRNA - 1) * exp(-decay * (t - 2) - k * (6 - t)), 2, 6)[0])

    return float(brentq(lambda half_life: excess(half_life) - (protein - 1), 1, LARGEST_HALF_LIFE))


def half_life_of_fall(*, at_third_day: float, fifth_over_first: float) -> float:
    """Half-life in h of an exponential fall from 1 to a floor: its level on day 3, and that on day 5 over day 1."""
    from scipy.optimize import brentq

    def excess(left: float) -> float:
        floor = (at_third_day - left**3) / (1 - left**3)
        first, fifth = (floor + (1 - floor) * left**day for day in (1, 5))
        return fifth / first - fifth_over_first

    return float(24 * log(0.5) / log(brentq(excess, 0.4, 0.8)))


def faster_loss(*, left: float, time: float, half_life: float) -> float:
    """How much faster a protein is lost (fold less 1) that falls from 1 to `left` in `time`, synthesis unchanged."""
    from scipy.optimize import brentq

    def level(loss: float) -> float:
        return 1 / loss + (1 - 1 / loss) * exp(-loss * time * log(2) / half_life)

    return float(brentq(lambda loss: level(loss) - left, 1, LARGEST_ACCELERATION)) - 1


def half_saturation(**points: float) -> float:
    """Half-saturation k of response = foot + height dose/(k + dose), by least squares."""
    return _saturation(points)[2]


def share_beyond_basal(*, basal: float, others: float, **points: float) -> float:
    """1 - B/((1 - others)(foot + B)), where B is the response to `basal` above the foot, of the same least squares."""
    foot, height, k = _saturation(points)
    by_dose = height * basal / (k + basal)
    return 1 - by_dose / ((1 - others) * (foot + by_dose))


def _saturation(points: Mapping[str, float]) -> tuple[float, float, float]:
    """Foot, height and half-saturation over `dose_1`, `response_1` and so on."""
    from scipy.optimize import curve_fit

    numbers = range(1, len(points) // 2 + 1)
    doses, responses = (np.array([points[f"{kind}_{n}"] for n in numbers]) for kind in ("dose", "response"))
    law = curve_fit(lambda d, foot, height, k: foot + height * d / (k + d), doses, responses, p0=[3.0, 50.0, 3.0])[0]
    return float(law[0]), float(law[1]), float(law[2])


def normal_deviate_above(*, share: float) -> float:
    """The normal deviate above which this share lies."""
    from statistics import NormalDist

    return NormalDist().inv_cdf(1 - share)


def fall_of_MAO(
    *,
    Trp_a: float,
    Trp_b: float,
    synthesis: float,
    outside: float,
    blood: float,
    terminal: float,
    Km_transport: float,
    Km: float,
    Ki: float,
    use: float,
) -> float:
    """1 - (v - outside)/(1 - outside), where v is the flux of tryptophan hydroxylase at the observed blood tryptophan,
    relative to rest: the root of entry into the terminal against use there."""
    from scipy.optimize import brentq

    scale = synthesis * (Km + terminal + terminal**2 / Ki) / terminal

    def flux(level: float) -> float:
        return scale * level / (Km + level + level**2 / Ki)

    fed = blood * (Trp_a + Trp_b) / 2
    entry = fed / (Km_transport + fed) * (Km_transport + blood) / blood * (use * terminal + flux(terminal))
    level = float(brentq(lambda x: use * x + flux(x) - entry, 0, terminal))
    return 1 - (flux(level) / flux(terminal) - outside) / (1 - outside)


def exponent_of_feedback(
    *,
    level: float,
    on: float,
    off: float,
    total: float,
    activation: float,
    reversal: float,
    production: float,
    decay: float,
    gain: float,
    ceiling: float,
) -> float:
    """Exponent h of ceiling/(1 + (ceiling - 1) x^h) with the slope at rest, x = 1, of 1 - gain (G - G at rest), where
    bound receptor activates G, G raises T with its square, T reverses G; `total` of receptor, of G and of T."""
    from scipy.optimize import brentq

    def activated(x: float) -> float:
        bound = total * on * level * x / (on * level * x + off)

        def excess(G: float) -> float:
            T = total * production * G**2 / (production * G**2 + decay)
            return activation * bound**2 * (total - G) - reversal * T * G

        return float(brentq(excess, 0, total, xtol=1e-14))

    step = 1e-4
    slope = -gain * (activated(1 + step) - activated(1 - step)) / (2 * step)
    return -slope * ceiling / (ceiling - 1)


def seizures_on_NFKB(*, TNF: float, microglia: float, **c: float) -> float:
    """Drive of seizures on NF-kB, in basal drives, at which the module nlrp3_il1b rests at these folds in epilepsy."""
    NFKB, brake, IL1B_signal, ROS = _inflamed_rest(TNF, microglia, c)
    TNF_signal = TNF * (1 + c["K_TNF"]) / (TNF + c["K_TNF"])
    arms = c["w_TNF"] * TNF_signal + c["w_IL1B"] * IL1B_signal + c["w_ROS"] * ROS
    drive: float = NFKB * NFKB * brake
    return drive * (1 + c["w_TNF"] + c["w_IL1B"] + c["w_ROS"]) - 1 - arms


def seizures_on_microglia(*, TNF: float, microglia: float, **c: float) -> float:
    """The same for the drive of seizures on microglia."""
    IL1B_signal = _inflamed_rest(TNF, microglia, c)[2]
    return microglia * (1 + c["w_IL1B_microglia"]) - 1 - c["w_IL1B_microglia"] * IL1B_signal


def _inflamed_rest(TNF: float, microglia: float, c: Mapping[str, float]) -> tuple[float, float, float, float]:
    """NF-kB, brake by IL-10, IL-1beta signal and ROS in untreated epilepsy, folds of health."""
    from scipy.optimize import brentq

    braked = TNF * c["w_IL10"] * c["share_IL10"]
    product = TNF * (1 + c["w_IL10"] * (1 - c["share_IL10"])) / (1 + c["w_IL10"] - braked)  # NF-kB times microglia
    NFKB = product / microglia

    def signal(IL1B: float) -> float:
        return IL1B * (1 + c["K_IL1B"]) / (IL1B + c["K_IL1B"])

    def ROS(IL1B: float) -> float:
        return (1 + c["w_seizure_ROS"] + c["w_IL1B_ROS"] * signal(IL1B)) / (1 + c["w_IL1B_ROS"])

    def excess(IL1B: float) -> float:
        signal2 = (1 + c["w_signal2"] + c["w_arm"] * (ROS(IL1B) + 1)) / (1 + 2 * c["w_arm"])
        competent: float = (NFKB * signal2) ** c["Hill"]
        CASP1 = c["max_fold"] * competent / (c["max_fold"] - 1 + competent)
        pores = CASP1 * (1 + c["K_GSDMD"]) / (CASP1 + c["K_GSDMD"])
        mature = 1 - c["share_CASP1"] + c["share_CASP1"] * CASP1
        return mature * product * (1 - c["share_GSDMD"] + c["share_GSDMD"] * pores) - IL1B

    IL1B = float(brentq(excess, 0, 1000))
    return NFKB, product / TNF, signal(IL1B), ROS(IL1B)


C_SHARES = (1.0, 0.8, 0.25, 0.25, 0.3, 0.1, 0.8)  # C1 to C7 of Wendling 2002 over C
THERMAL = 26.73  # RT/F in mV at 37 degrees


def neural_mass_threshold(
    *,
    A: float,
    B: float,
    G: float,
    a: float,
    b: float,
    g: float,
    C: float,
    e0: float,
    v0: float,
    r: float,
    depolarised: float = 0.0,
    interneurons: float = 0.0,
) -> float:
    """Constant input, 1/s, at which the resting state of the neural mass of Wendling 2002 ends (its first fold).

    Gains in mV, rate constants in 1/s, potentials in mV. `depolarised` lowers the firing threshold of pyramidal and
    excitatory cells, `interneurons` that of the inhibitory ones. nan where the resting branch has no fold.
    """
    from scipy.optimize import minimize_scalar

    c1, c2, c3, c4, c5, c6, c7 = (C * share for share in C_SHARES)

    def rate(potential: Any, shift: float) -> Any:
        return 2 * e0 / (1 + np.exp(r * (v0 - shift - potential)))

    def balancing(potential: Any) -> Any:
        """Input that holds the pyramidal cells at this potential."""
        pyramidal = A / a * rate(potential, depolarised)
        slow = rate(c3 * pyramidal, interneurons)
        fast = rate(c5 * pyramidal - B / b * c6 * slow, interneurons)
        inhibition = B / b * c4 * slow + G / g * c7 * fast
        return (potential + inhibition) * a / A - c2 * rate(c1 * pyramidal, depolarised)

    grid = np.linspace(-20, 15, 3501)
    inputs = balancing(grid)
    folds = np.flatnonzero((inputs[1:-1] > inputs[:-2]) & (inputs[1:-1] >= inputs[2:]) & (inputs[1:-1] > 0)) + 1
    if not len(folds):
        return float("nan")
    low, high = grid[folds[0] - 1], grid[folds[0] + 1]
    options = {"xatol": 1e-10}
    return -float(minimize_scalar(lambda v: -balancing(v), bounds=(low, high), method="bounded", options=options).fun)


def log_gradient(of: str, **network: float) -> float:
    """d ln(threshold)/d ln(gain) for `of` 'inhibition' (both gains) or 'excitation', d ln(threshold)/d mV for
    'depolarised' or 'interneurons', of `neural_mass_threshold`, by central differences."""
    step, gains = 1e-3, {"inhibition": ("B", "G"), "excitation": ("A",)}.get(of)

    def at(sign: int) -> float:
        if gains is None:
            changed = {of: network.get(of, 0.0) + sign * step}
        else:
            changed = {k: network[k] * exp(sign * step) for k in gains}
        return log(neural_mass_threshold(**{**network, **changed}))

    return (at(1) - at(-1)) / (2 * step)


def excitation_over_inhibition(**network: float) -> float:
    """How much more the threshold falls with excitation than it rises with inhibition."""
    return -log_gradient("excitation", **network) / log_gradient("inhibition", **network)


def potassium_over_inhibition(*, potassium: float, sodium: float, permeability: float, **network: float) -> float:
    """The same for the logarithm of extracellular potassium, through the resting potential of Goldman."""
    depolarisation = THERMAL * potassium / (potassium + permeability * sodium)
    return -log_gradient("depolarised", **network) * depolarisation / log_gradient("inhibition", **network)


FUNCTIONS: Mapping[str, Function] = {
    f.__name__: f
    for f in (
        best_time_constant,
        half_life_behind_pulse,
        half_life_of_fall,
        faster_loss,
        half_saturation,
        share_beyond_basal,
        normal_deviate_above,
        fall_of_MAO,
        exponent_of_feedback,
        seizures_on_NFKB,
        seizures_on_microglia,
        excitation_over_inhibition,
        potassium_over_inhibition,
    )
}
