"""How far two courses of one model are apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

AGREES = 1e-4  # of a variable's largest value
DISAGREE = 1e-5  # two tight settings that differ by more say nothing
MATTERS = 1e-9  # of the largest variable of its kind
Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a tool made of a file: courses by SBML id, or the `reason` why there are none; CPU seconds."""

    courses: dict[str, Array] = field(default_factory=dict)
    reason: str = ""
    species: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    compiling: float = float("nan")


def distances(course: Answer, exact: Answer) -> dict[str, float]:
    """Largest difference over the largest value, of every variable that moves, matters, and that both have."""
    found = {}
    sizes = {k: _largest(v) for k, v in exact.courses.items() if moves(v)}
    for kind in (sizes.keys() & exact.species, sizes.keys() - exact.species):
        largest = max((sizes[k] for k in kind), default=0.0)
        for name in kind & course.courses.keys():
            if sizes[name] > MATTERS * largest:
                found[name] = _difference(course.courses[name], exact.courses[name]) / sizes[name]
    return found


def _largest(course: Array) -> float:
    return float(np.max(np.abs(course[np.isfinite(course)]), initial=0.0))


def _difference(course: Array, exact: Array) -> float:
    """Where the exact course is a number; infinite where this one is none there."""
    there = np.isfinite(exact)
    gap = np.abs(course[there] - exact[there])
    return float(np.max(np.where(np.isfinite(gap), gap, np.inf), initial=0.0))


def apart(course: Answer, exact: Answer) -> float:
    """The largest distance of all variables."""
    return max(distances(course, exact).values(), default=0.0)


def moves(course: Array) -> bool:
    """Whether it is more than a constant."""
    known = course[np.isfinite(course)]
    return bool(known.size and np.ptp(known) > 0)
