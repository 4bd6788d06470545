"""ODE models, in SBML, of how a ketogenic diet and acupuncture act on drug-resistant epilepsy.

>>> import pathway_models as pm
>>> run = pm.load("epilepsy").simulate([pm.KetogenicDiet(ratio=4)], weeks=1)
>>> run.pm["BHB"].attrs["units"]
'mmol/L'
"""

from importlib.metadata import version as _version

from . import errors
from ._calibrate import Calibration, Profile, calibrate
from ._checkpoint import CheckpointError
from ._citations import citations
from ._combination import Comparison, compare
from ._diets import Fasting, KetogenicDiet, KetoneEster, MCTDiet, ModifiedAtkinsDiet
from ._draw import draw
from ._drugs import Drug, agents
from ._ensemble import Ensemble, ensemble
from ._evidence import EvidenceReport, evidence
from ._evidence_tables import evidence_table
from ._exchange import check, export
from ._exchange_swap import module_from, with_module
from ._groups import GaussianCopula
from ._hypotheses import HypothesisScan, hypothesis_scan
from ._indices import Design, Indices, saltelli_design, sobol_indices
from ._interventions import Dose, Level, Treatment
from ._lesion import lesion
from ._library import available, load
from ._loop import loop_gains
from ._model import Model
from ._module import Hypothesis, Parameter, Port
from ._morris import MorrisResult, morris
from ._observations import Observation, read_observations
from ._outcomes import Outcome
from ._petab import PetabProblem, write_petab
from ._plots import RunAccessor
from ._population import Population, assumptions, population
from ._published_trials import published_trials
from ._rows import Limits
from ._run import simulate
from ._sensitivity import SobolResult, sobol, sobol_cost
from ._stimulation import Electroacupuncture, acupuncture_points
from ._study import CostEstimate
from ._tolerances import Attempt
from ._trial import Trial, trial

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
