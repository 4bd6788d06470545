"""ODE models, in SBML, of how a ketogenic diet and acupuncture act on drug-resistant epilepsy.

>>> import pathway_models as pm
>>> run = pm.load("epilepsy").simulate([pm.KetogenicDiet(ratio=4)], weeks=1)
>>> run.pm["BHB"].attrs["units"]
'mmol/L'
"""

from importlib.metadata import version as _version

from . import errors
from ._citations import citations
from ._combination import Comparison, compare
from ._diets import Fasting, KetogenicDiet, KetoneEster, MCTDiet, ModifiedAtkinsDiet
from ._drugs import Drug, agents
from ._ensemble import Ensemble, ensemble
from ._evidence import EvidenceReport, evidence
from ._evidence_tables import evidence_table
from ._exchange import check, export
from ._indices import Design, Indices, saltelli_design, sobol_indices
from ._interventions import Dose, Level, Treatment
from ._library import available, load
from ._model import Model
from ._module import Hypothesis, Parameter, Port
from ._observations import Observation, read_observations
from ._outcomes import Outcome
from ._plots import RunAccessor
from ._sensitivity import SobolResult, sobol
from ._simulate import simulate
from ._stimulation import Electroacupuncture, acupuncture_points

__version__ = _version("pathway-models")

__all__ = [
    "Comparison",
    "Design",
    "Dose",
    "Drug",
    "Electroacupuncture",
    "Ensemble",
    "EvidenceReport",
    "Fasting",
    "Hypothesis",
    "Indices",
    "KetogenicDiet",
    "KetoneEster",
    "Level",
    "MCTDiet",
    "Model",
    "ModifiedAtkinsDiet",
    "Observation",
    "Outcome",
    "Parameter",
    "Port",
    "RunAccessor",
    "SobolResult",
    "Treatment",
    "acupuncture_points",
    "agents",
    "available",
    "check",
    "citations",
    "compare",
    "ensemble",
    "errors",
    "evidence",
    "evidence_table",
    "export",
    "load",
    "read_observations",
    "saltelli_design",
    "simulate",
    "sobol",
    "sobol_indices",
]
