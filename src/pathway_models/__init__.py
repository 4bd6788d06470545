"""ODE models, in SBML, of how a ketogenic diet and acupuncture act on drug-resistant epilepsy.

>>> import pathway_models as pm
>>> run = pm.load("epilepsy").simulate([pm.KetogenicDiet(ratio=4)], weeks=1)
>>> run.pm["BHB"].attrs["units"]
'mmol/L'
"""

from importlib.metadata import version as _version

from . import errors
from .ensembles.checkpoint import CheckpointError
from .ensembles.ensemble import Ensemble, ensemble
from .ensembles.outcomes import Outcome
from .ensembles.rows import Limits
from .evidence.citations import citations
from .evidence.observations import Observation, read_observations
from .evidence.report import EvidenceReport, evidence
from .evidence.tables import evidence_table
from .exchange.export import check, export
from .experiments.arms import Comparison, compare
from .experiments.lesion import lesion
from .experiments.loop import loop_gains
from .experiments.readings import HypothesisScan, hypothesis_scan
from .figures import RunAccessor
from .inference.calibrate import Calibration, Profile, calibrate
from .inference.petab import PetabProblem, write_petab
from .models.library import Library, available, library, load
from .models.model import Model
from .models.swap import module_from, with_module
from .modules.module import Hypothesis, Parameter, Port
from .sensitivity.draws import draw
from .sensitivity.factors import GaussianCopula
from .sensitivity.indices import Design, Indices, saltelli_design, sobol_indices
from .sensitivity.morris import MorrisResult, morris
from .sensitivity.sobol import SobolResult, sobol, sobol_cost
from .sensitivity.study import CostEstimate
from .simulation.run import simulate
from .simulation.tolerances import Attempt
from .treatments.diets import Fasting, KetogenicDiet, KetoneEster, MCTDiet, ModifiedAtkinsDiet
from .treatments.drugs import Drug, agents
from .treatments.schedule import Dose, Level, Treatment
from .treatments.stimulation import Electroacupuncture, acupuncture_points
from .trials.population import Population, assumptions, population
from .trials.published import published_trials
from .trials.trial import Trial, trial

__version__ = _version("pathway-models")

__all__ = [
    "Attempt",
    "Calibration",
    "CheckpointError",
    "Comparison",
    "CostEstimate",
    "Design",
    "Dose",
    "Drug",
    "Electroacupuncture",
    "Ensemble",
    "EvidenceReport",
    "Fasting",
    "GaussianCopula",
    "Hypothesis",
    "HypothesisScan",
    "Indices",
    "KetogenicDiet",
    "KetoneEster",
    "Level",
    "Library",
    "Limits",
    "MCTDiet",
    "Model",
    "ModifiedAtkinsDiet",
    "MorrisResult",
    "Observation",
    "Outcome",
    "Parameter",
    "PetabProblem",
    "Population",
    "Port",
    "Profile",
    "RunAccessor",
    "SobolResult",
    "Treatment",
    "Trial",
    "acupuncture_points",
    "agents",
    "assumptions",
    "available",
    "calibrate",
    "check",
    "citations",
    "compare",
    "draw",
    "ensemble",
    "errors",
    "evidence",
    "evidence_table",
    "export",
    "hypothesis_scan",
    "lesion",
    "library",
    "load",
    "loop_gains",
    "module_from",
    "morris",
    "population",
    "published_trials",
    "read_observations",
    "saltelli_design",
    "simulate",
    "sobol",
    "sobol_cost",
    "sobol_indices",
    "trial",
    "with_module",
    "write_petab",
]
