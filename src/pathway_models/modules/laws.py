"""Laws of parameters: values for places in 0 to 1."""

from __future__ import annotations

import numpy as np

from .._types import Array
from .module import Parameter

Z95 = 1.959963984540054  # half width of the central 95 percent of a normal law, in standard deviations


def sample(parameter: Parameter, unit: Array) -> Array:
    """Values of a parameter for numbers in 0..1, by the inverse of its distribution.

    Low and high of normal and lognormal laws are the 2.5 and 97.5 percentiles; the tails beyond them are cut off, so
    that no law leaves its range (a total of creatine below the resting phosphocreatine does not exist).

    >>> sample(Parameter(id="k", value=1, unit="", kind="assumed", low=0.1, high=10, distribution="loguniform"),
    ...        np.array([0.5]))
    array([1.])
    """
    low, high = float(parameter.low or 0.0), float(parameter.high or 0.0)
    if parameter.distribution in ("loguniform", "lognormal"):
        low, high = np.log(low), np.log(high)
    if parameter.distribution in ("normal", "lognormal"):
        from scipy.special import ndtri  # here and not above: scipy would double the import time of the package

        z = ndtri(0.025 + 0.95 * unit)
        values = (low + high) / 2 + (high - low) / (2 * Z95) * z
    else:
        values = low + (high - low) * unit
    logarithmic = parameter.distribution in ("loguniform", "lognormal")
    return np.asarray(np.exp(values) if logarithmic else values, dtype=np.float64)
