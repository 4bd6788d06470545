"""The sizes of states, and the absolute tolerances that follow from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..modules.flat import FlatModel
from .runner import runner
from .tolerances import Tolerance, checked_absolute, guessed_sizes
from .values import Values


def scales_of(model: FlatModel, text: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The sizes of the states, and typical ones: in health for our own models, at the start for others."""
    engine = runner(text)
    if model.context is not None:
        engine.begin()
        sizes = np.abs(engine.state())
        known = tuple(np.where(sizes > 0, sizes, 1.0))
        return known, known
    engine.begin(Values.of(model.settings))
    guessed, typical = guessed_sizes(engine.state(), len(engine.species))
    return tuple(guessed), tuple(typical)


def absolute_of(
    model: FlatModel, text: str, share: float, relative: float, sizes: Sequence[float], atol: Tolerance | None
) -> tuple[float, ...]:
    """Absolute tolerance of each state, in the unit of libroadrunner."""
    names = runner(text).state_names()
    found = dict(zip(names, (share * relative * s for s in sizes), strict=True))
    asked = checked_absolute(atol, {name: k for k in names for name in _called(model, k)})
    found |= {k: value * volumes(text, model.settings)[k] for k, value in asked.items()}
    return tuple(found.values())


def volumes(sbml: str, settings: Mapping[str, float]) -> dict[str, float]:
    """What the value of each state has to be multiplied by to become that of libroadrunner: a size, or 1."""
    engine = runner(sbml)
    sizes, within = engine.start.values(settings), engine.start.volumes
    return {k: float(sizes[within[k]]) if k in within and k in engine.species else 1.0 for k in engine.state_names()}


def _called(model: FlatModel, key: str) -> tuple[str, ...]:
    """What a state may be called."""
    return (key, key.replace("__", ".", 1), *(alias for alias, target in model.aliases.items() if target == key))
