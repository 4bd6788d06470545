"""Virtual patients, trials with them, and published trials to compare with."""

from .patients import Enrolment, Population, assumptions, population
from .published import published_trials
from .results import Trial
from .virtual import trial

__all__ = [
    "Enrolment",
    "Population",
    "Trial",
    "assumptions",
    "population",
    "published_trials",
    "trial",
]
