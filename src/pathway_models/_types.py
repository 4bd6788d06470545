"""Types that the whole package shares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, TypeAlias, TypeVar

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
K = TypeVar("K")
V = TypeVar("V", covariant=True)
SHOWN = 60  # characters of a value in a short text
LISTED = 3  # entries of a tuple or a mapping in it


class Frozen(Mapping[K, V]):
    """A mapping that cannot be changed; unlike `types.MappingProxyType` it can be pickled and copied.

    >>> Frozen({"k": 1.0}) == {"k": 1.0}
    True
    """

    __slots__ = ("_entries",)

    def __init__(self, entries: Mapping[K, V]) -> None:
        self._entries = dict(entries)

    def __getitem__(self, key: K) -> V:
        return self._entries[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return repr(self._entries)


class Brief:
    """A dataclass (with `repr=False`) that shows its fields on one line: sizes in place of arrays and long texts."""

    def __repr__(self) -> str:
        shown = (f"{f.name}={brief(getattr(self, f.name))}" for f in fields(self) if f.repr)  # type: ignore[arg-type]
        return f"{type(self).__name__}({', '.join(shown)})"


def brief(value: Any) -> str:
    """A value in few characters.

    >>> brief(np.zeros((24, 3))), brief({"k": 1.0}), brief(range(5)), brief(tuple(range(5)))
    ('<24 x 3 array>', "{'k': 1.0}", 'range(0, 5)', '<5 entries>')
    """
    if isinstance(value, np.ndarray):
        return f"<{' x '.join(map(str, value.shape))} array>"
    if isinstance(value, tuple | list | Mapping) and len(value) > LISTED:
        return f"<{len(value)} entries>"
    text = repr(value)
    if len(text) <= SHOWN and "\n" not in text:
        return text
    return f"{text[:SHOWN]}..." if isinstance(value, str) else f"<{type(value).__name__}>"
