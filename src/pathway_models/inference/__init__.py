"""Constants from observations: objective, fit, profiles, what the data cannot tell apart."""

from .calibration import Calibration, Profile, Residuals, Starts, calibrate
from .objective import Target
from .petab import PetabProblem, write_petab
from .results import Start

__all__ = [
    "Calibration",
    "PetabProblem",
    "Profile",
    "Residuals",
    "Start",
    "Starts",
    "Target",
    "calibrate",
    "write_petab",
]
