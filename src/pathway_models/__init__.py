"""ODE models, in SBML, of how a ketogenic diet and acupuncture act on drug-resistant epilepsy.

What is used daily stands here; the rest in rooms: `treatments`, `sensitivity`, `experiments`, `evidence`, `inference`,
`trials`, `exchange`, `ensembles`, `models`.

>>> import pathway_models as pm
>>> run = pm.load("epilepsy").simulate([pm.KetogenicDiet(ratio=4)], weeks=1)
>>> run.pm["BHB"].attrs["units"]
'mmol/L'
"""

from importlib.metadata import version as _version

from . import ensembles, errors, evidence, exchange, experiments, inference, models, sensitivity, treatments, trials
from .ensembles import Execution, Limits, Outcome, Study, ensemble
from .exchange import check, export
from .experiments import compare, hypothesis_scan, lesion, loop_gains
from .inference import calibrate
from .models import Library, Model, available, library, load
from .sensitivity import Factors, Sampling, draw, morris, sobol
from .treatments import (
    Dose,
    Drug,
    Electroacupuncture,
    KetogenicDiet,
    Level,
    MCTDiet,
    ModifiedAtkinsDiet,
    Treatment,
)
from .trials import population, trial

__version__ = _version("pathway-models")

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
