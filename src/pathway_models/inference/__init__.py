"""Constants from observations: objective, fit, profiles, what the data cannot tell apart."""

from .calibration import Calibration, Profile, Residuals, Starts, calibrate
from .likelihood import Likelihood
from .objective import Target
from .petab import PetabProblem, write_petab
from .posterior import Posterior, posterior
from .results import Start

__all__ = [
    "Calibration",
    "Likelihood",
    "PetabProblem",
    "Posterior",
    "Profile",
    "Residuals",
    "Start",
    "Starts",
    "Target",
    "calibrate",
    "posterior",
    "write_petab",
]
