"""How exactly a run is solved: the tolerances of each state, and the attempts that a run which fails is given.

The size of a state in a file says little of how small it becomes: prey, virus and drug fall to a billionth of it and
come back. The absolute tolerance therefore lies far below every size, and the relative one decides. On 77 published
models (0 to 100, relative tolerance 5e-9) that costs 2 percent of the time (median; 62 percent in the ninth decile)
against a tenth of the size, and none fails for it. The states of our own models have known sizes, their values in
health, below which they mean nothing; there a tenth of the size is kept.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from .._types import Array
from ..errors import require_range, unknown_name

Tolerance: TypeAlias = "float | Mapping[str, float]"

SINGLE_RUN = 5e-9  # relative tolerance of one run: 28 calls of a day agree with one of 28 days to 1e-6
OF_ENSEMBLES = 1e-6  # of our models: differences between rows are far larger
OF_ENSEMBLES_ELSEWHERE = 1e-8  # of others, some of which are sensitive
KNOWN_SIZE = 0.1  # absolute tolerance of a state of known size: this, times the relative one, times its size
COARSE = 1e-3  # the same, with a typical size in the place of smaller ones, where the usual ones are too fine
UNKNOWN_SIZE = 1e-12  # the same where the file tells a size at the start only
NEGLIGIBLE = 1e-6  # of a typical state: what a state that starts at 0 is taken for
SMALLEST_SIZE = 1e-18  # of a state where all start at 0: an attomole, in moles
ALLOWED_ERROR = 1e-3  # of a range; above it a result warns
MAX_STEPS = 20_000  # between two output points
LEAST_OUTPUTS = 50  # a run with fewer output points may take as many steps as one with so many


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One rung of the ladder on which a run that fails is tried again.

    Attributes:
        relative_tolerance: None as asked.
        coarse: whether absolute tolerances are larger, a thousandth of the relative one times a typical size: where an
            input jumps at a time that is not known, a state near 0 cannot be followed as finely as otherwise.
        absolute_tolerance: of every state, in the unit in which the solver counts it (amounts of species); None as
            asked.
        initial_step: first step in model time; 0 leaves it to the solver.
        method: 'bdf' or 'adams'.

    Raises:
        InvalidValueError: a number out of range.
        UnknownNameError: another method.

    Example:
        >>> Attempt(initial_step=1e-6).method
        'bdf'
    """

    relative_tolerance: float | None = None
    coarse: bool = False
    absolute_tolerance: float | None = None
    initial_step: float = 0.0
    method: Literal["bdf", "adams"] = "bdf"

    def __post_init__(self) -> None:
        if self.relative_tolerance is not None:
            require_range("the relative tolerance of an attempt", self.relative_tolerance, 1e-14, 0.1)
        if self.absolute_tolerance is not None:
            require_range("the absolute tolerance of an attempt", self.absolute_tolerance, sys.float_info.min, 1e300)
        require_range("the first step of an attempt", self.initial_step, 0.0, sys.float_info.max)
        if self.method not in ("bdf", "adams"):
            raise unknown_name("method", self.method, ("bdf", "adams"))


# jumps of inputs are mended by coarse absolute tolerances; a finer relative one takes shorter steps, which mends most
# other failures; a tiny first step mends jumps at a switch; Adams' method lets go of a Jacobian that the solver cannot
# use; the last are the defaults of libroadrunner
LADDER = (
    Attempt(),
    Attempt(coarse=True),
    Attempt(relative_tolerance=1e-9),
    Attempt(relative_tolerance=1e-9, initial_step=1e-7),
    Attempt(method="adams"),
    Attempt(relative_tolerance=1e-6, coarse=True),
    Attempt(relative_tolerance=1e-6, absolute_tolerance=1e-12),
)


def guessed_sizes(initial: Array, species: int) -> tuple[Array, Array]:
    """The size of each state of somebody else's model: its value at the start, or a millionth of a typical one.

    And that typical one (the median), or the value where it is larger. Species come first, then what rate rules move;
    one kind says nothing of the other (a rate constant of 1e6 beside species of 1e-6).
    """
    parts = [_filled(np.abs(part)) for part in np.split(initial, [species])]
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def _filled(sizes: Array) -> tuple[Array, Array]:
    known = sizes[(sizes > 0) & np.isfinite(sizes)]
    typical = float(np.median(known)) if len(known) else 1.0
    least = min(NEGLIGIBLE * typical, float(known.min())) if len(known) else SMALLEST_SIZE
    filled = np.where((sizes > 0) & np.isfinite(sizes), sizes, least)
    return filled, np.maximum(filled, typical)


def checked_relative(rtol: float | None, default: float) -> float:
    """The relative tolerance of a run; `InvalidValueError` outside 1e-14 to 0.1."""
    return default if rtol is None else float(require_range("rtol", rtol, 1e-14, 0.1))


def checked_absolute(atol: Tolerance | None, names: Mapping[str, str]) -> dict[str, float]:
    """Absolute tolerances that were asked for, by state; `names` maps what a state may be called to its id."""
    low, high = sys.float_info.min, sys.float_info.max
    if atol is None:
        return {}
    if not isinstance(atol, Mapping):
        return dict.fromkeys(names.values(), float(require_range("atol", atol, low, high)))
    found = {}
    for name, value in atol.items():
        if name not in names:
            raise unknown_name("state (atol)", name, names)
        found[names[name]] = float(require_range(f"atol of {name}", value, low, high))
    return found
