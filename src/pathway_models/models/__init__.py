"""Models ready to be asked: the library, other people's SBML and PEtab files, a module in another's place."""

from .._sbml.sbml import Quantity
from ..modules.coupling import SharedInput, Wire
from ..modules.experiments import Experiments, Measurement, Period
from ..modules.flat import Context
from ..modules.module import Alternative, Hypothesis, Module, Parameter, Port
from .collection import Library, available, library, load
from .coupled import CoupledFile
from .model import Model

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
    "library",
    "load",
]
