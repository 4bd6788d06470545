"""The compiled libraries: libSBML imported at its first use, libroadrunner kept from printing, and who may call when.

The Python layer of libSBML alone takes a third of a second to import. SUNDIALS inside libroadrunner prints warnings
to stdout unless it is told where else before it is loaded; what matters of them reaches the user as an error.

A compiled model of libroadrunner keeps the state of its run, and antimony keeps what it read in globals, so that a run
or a conversion has them alone (`alone`). A model per thread would gain nothing: libroadrunner holds Python's own
lock while it integrates (measured with 2.10.0), and each would take 35 MB and 0.2 s for `epilepsy`. libSBML needs no
turns: every call holds Python's lock, and no document is shared between threads.
"""

from __future__ import annotations

import functools
import importlib
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class _AtFirstUse:
    """A module that is imported when an attribute is asked for; many threads may ask at once."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        found = getattr(importlib.import_module(self._name), attribute)
        setattr(self, attribute, found)  # the next look does not come here
        return found


if TYPE_CHECKING:
    import libsbml
else:
    libsbml = _AtFirstUse("libsbml")

for _level in ("WARNING", "ERROR"):
    os.environ.setdefault(f"SUNLOGGER_{_level}_FILENAME", os.devnull)
roadrunner = importlib.import_module("roadrunner")
roadrunner.Logger.setLevel(roadrunner.Logger.LOG_FATAL)


def turns() -> threading.RLock:
    """A lock that a process forked from this one finds free, whatever other threads were doing."""
    lock = threading.RLock()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock


NATIVE = turns()


def alone(function: Callable[P, R]) -> Callable[P, R]:
    """The function, which no two threads are in at the same time, nor in another one that is `alone`."""

    @functools.wraps(function)
    def in_turn(*args: P.args, **kwargs: P.kwargs) -> R:
        with NATIVE:
            return function(*args, **kwargs)

    return in_turn


__all__ = ["alone", "libsbml", "roadrunner", "turns"]
