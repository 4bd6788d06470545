"""Many runs of one model: outcomes, rows, the choice of an engine, processes, checkpoints."""

from ..simulation.tolerances import Attempt
from .checkpoint import CheckpointError
from .execution import Execution
from .outcomes import Outcome
from .rows import Limits
from .runs import Cost, Ensemble, ensemble
from .study import Study

__all__ = [
    "Attempt",
    "CheckpointError",
    "Cost",
    "Ensemble",
    "Execution",
    "Limits",
    "Outcome",
    "Study",
    "ensemble",
]
