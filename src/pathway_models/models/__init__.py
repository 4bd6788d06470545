"""Models ready to be asked: the library, other people's SBML and PEtab files, models of fewer states."""

from .._sbml.sbml import Quantity
from ..modules.coupling import SharedInput, Wire
from ..modules.experiments import Experiments, Measurement, Period
from ..modules.flat import Context
from ..modules.module import Alternative, Hypothesis, Module, Parameter, Port
from .collection import Library, available, library, load
from .coupled import CoupledFile
from .model import Model
from .reduced import can_be_quasi_steady, paced, reduced

__all__ = [
    "Alternative",
    "Context",
    "CoupledFile",
    "Experiments",
    "Hypothesis",
    "Library",
    "Measurement",
    "Model",
    "Module",
    "Parameter",
    "Period",
    "Port",
    "Quantity",
    "SharedInput",
    "Wire",
    "available",
    "can_be_quasi_steady",
    "library",
    "load",
    "paced",
    "reduced",
]
