"""Derivations that no formula holds: a fit, a root or an integral. Each takes the inputs of its table by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import exp, log
from typing import TypeAlias

import numpy as np

Function: TypeAlias = Callable[..., float]
LARGEST_HALF_LIFE = 100.0  # h; where the search for a half-life ends


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


FUNCTIONS: Mapping[str, Function] = {
    f.__name__: f
    for f in (
        best_time_constant,
        half_life_behind_pulse,
        half_life_of_fall,
        half_saturation,
        share_beyond_basal,
        normal_deviate_above,
        fall_of_MAO,
    )
}
