"""ODE models, in SBML, of how a ketogenic diet and acupuncture act on drug-resistant epilepsy.

What is used daily stands here; the rest in rooms: `treatments`, `sensitivity`, `experiments`, `evidence`, `inference`,
`trials`, `exchange`, `ensembles`, `models`.

>>> import pathway_models as pm
>>> run = pm.load("epilepsy").simulate([pm.KetogenicDiet(ratio=4)], weeks=1)
>>> run.pm["BHB"].attrs["units"]
'mmol/L'
"""

from importlib import import_module as _import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING as _TYPE_CHECKING

from . import ensembles, errors, evidence, experiments, models, sensitivity, treatments
from .ensembles import Execution, Limits, Outcome, Study, ensemble
from .experiments import compare, hypothesis_scan, lesion, loop_gains
from .models import Library, Model, available, library, load
from .sensitivity import Factors, Sampling, draw, morris, sobol
from .treatments import (
    Dose,
    Drug,
    Electroacupuncture,
    KetogenicDiet,
    Level,
    MCTDiet,
    MCTOil,
    ModifiedAtkinsDiet,
    Treatment,
)

if _TYPE_CHECKING:
    from . import exchange, inference, trials
    from .exchange import check, export
    from .inference import calibrate
    from .trials import population, trial

__version__ = _version("pathway-models")

# Rooms that are read when they are first asked for, and what stands here of them: a fifth of the import of the package.
_LATE = {"check": "exchange", "export": "exchange", "calibrate": "inference", "population": "trials", "trial": "trials"}


def __getattr__(name: str) -> object:
    if name in _LATE.values():
        return _import_module(f".{name}", __name__)
    if name in _LATE:
        return getattr(_import_module(f".{_LATE[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = [
    "Dose",
    "Drug",
    "Electroacupuncture",
    "Execution",
    "Factors",
    "KetogenicDiet",
    "Level",
    "Library",
    "Limits",
    "MCTDiet",
    "MCTOil",
    "Model",
    "ModifiedAtkinsDiet",
    "Outcome",
    "Sampling",
    "Study",
    "Treatment",
    "available",
    "calibrate",
    "check",
    "compare",
    "draw",
    "ensemble",
    "ensembles",
    "errors",
    "evidence",
    "exchange",
    "experiments",
    "export",
    "hypothesis_scan",
    "inference",
    "lesion",
    "library",
    "load",
    "loop_gains",
    "models",
    "morris",
    "population",
    "sensitivity",
    "sobol",
    "treatments",
    "trial",
    "trials",
]
