"""Constants from observations: objective, fit, profiles, what the data cannot tell apart."""

from .calibration import Calibration, Profile, Residuals, Starts, calibrate
from .likelihood import Likelihood
from .objective import Target
from .petab import PetabProblem, write_petab
from .posterior import Posterior, posterior
from .prior import Places, Prior
from .results import Start
from .tempering import Archive, Step

__all__ = [
    "Archive",
    "Calibration",
    "Likelihood",
    "PetabProblem",
    "Places",
    "Posterior",
    "Prior",
    "Profile",
    "Residuals",
    "Start",
    "Starts",
    "Step",
    "Target",
    "calibrate",
    "posterior",
    "write_petab",
]
