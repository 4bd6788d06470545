"""Constants from observations: calibration, profiles, what the data leave open."""

from .calibrate import Calibration, Profile, Residuals, calibrate
from .petab import PetabProblem, write_petab

__all__ = [
    "Calibration",
    "PetabProblem",
    "Profile",
    "Residuals",
    "calibrate",
    "write_petab",
]
