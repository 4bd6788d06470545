"""Constants from observations: objective, fit, profiles, what the data cannot tell apart."""

from .calibration import Calibration, Profile, Residuals, Starts, calibrate
from .petab import PetabProblem, write_petab

__all__ = [
    "Calibration",
    "PetabProblem",
    "Profile",
    "Residuals",
    "Starts",
    "calibrate",
    "write_petab",
]
