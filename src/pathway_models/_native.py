"""The two compiled libraries: libSBML loaded at its first use, libroadrunner kept from printing.

The Python layer of libSBML alone takes a third of a second to import. SUNDIALS inside libroadrunner prints warnings
to stdout unless it is told where else before it is loaded; what matters of them reaches the user as an error.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING


def _lazy(name: str) -> ModuleType:
    """The module if it is loaded, else one that loads itself when an attribute is asked for."""
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {name!r}; reinstall pathway-models", name=name)
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


if TYPE_CHECKING:
    import libsbml
else:
    libsbml = _lazy("libsbml")

for _level in ("WARNING", "ERROR"):
    os.environ.setdefault(f"SUNLOGGER_{_level}_FILENAME", os.devnull)
roadrunner = importlib.import_module("roadrunner")
roadrunner.Logger.setLevel(roadrunner.Logger.LOG_FATAL)

__all__ = ["libsbml", "roadrunner"]
