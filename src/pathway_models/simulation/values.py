"""Numbers of ids: names that are looked up once, and an array that differs from row to row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from .._types import Array


@dataclass(frozen=True, eq=False)
class Values:
    """A number for each of `names`.

    >>> (Values.of({"k": 1.0, "n": 2.0}) | Values.of({"n": 3.0})).mapping()
    {'k': 1.0, 'n': 3.0}
    """

    names: tuple[str, ...] = ()
    numbers: Array = field(default_factory=lambda: np.zeros(0))

    @staticmethod
    def of(numbers: Mapping[str, float]) -> Values:
        """Those of a mapping."""
        return Values(tuple(numbers), np.array(list(numbers.values()), dtype=float))

    def __or__(self, other: Values) -> Values:
        """These, with the numbers of `other` in place of and beside them, as for dicts."""
        names, where = _union(self.names, other.names)
        numbers = np.empty(len(names))
        numbers[: len(self.names)] = self.numbers
        numbers[where] = other.numbers
        return Values(names, numbers)

    def mapping(self) -> dict[str, float]:
        """As a dict."""
        return dict(zip(self.names, self.numbers.tolist(), strict=True))


@lru_cache(maxsize=256)
def _union(
    first: tuple[str, ...], second: tuple[str, ...]
) -> tuple[tuple[str, ...], np.ndarray[Any, np.dtype[np.intp]]]:
    """The names of both, and where those of the second are among them."""
    places = {k: i for i, k in enumerate(dict.fromkeys((*first, *second)))}
    return tuple(places), np.array([places[k] for k in second], dtype=np.intp)
