"""How many rows a model meets, and how many two models would that know nothing of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .scores import DISPUTED, FAILED, NO_ERROR, OUTSIDE, RIGHT, WITHIN_ONE, WITHIN_TWO, WRONG, Score

VERDICTS = (WITHIN_ONE, WITHIN_TWO, OUTSIDE, NO_ERROR, RIGHT, WRONG, DISPUTED, FAILED)


@dataclass(frozen=True, kw_only=True)
class ByChance:
    """How many of the directions that a model is judged by come out right without it.

    Attributes:
        directions: how many are judged; a group of rows that contradict each other is one.
        nothing: right if nothing ever changes.
        good: right if treatments move everything the favourable way, and disease and harm the other.
        frequencies: expected, if up, down and none are guessed as often as they are published.

    Example:
        >>> ByChance(directions=4, nothing=1, good=2, frequencies=1.5).good
        2
    """

    directions: int
    nothing: int
    good: int
    frequencies: float


def totals(rows: Sequence[Score]) -> dict[str, int]:
    """Verdict -> number of rows, rows with the majority of one group counting as one."""
    verdicts = [r.verdict for r in rows if r.observation.numeric or r.verdict in (DISPUTED, FAILED)]
    verdicts += [_verdict(unit) for unit in _units(rows)]
    return {v: verdicts.count(v) for v in VERDICTS}


def by_chance(rows: Sequence[Score]) -> ByChance:
    """What two null models and the bare frequencies give for the directions among these rows."""
    firsts = [unit[0] for unit in _units(rows)]
    ways = [s.observation.comparison for s in firsts]
    hopes = [s.claim.hope or "none" for s in firsts]
    return ByChance(
        directions=len(ways),
        nothing=ways.count("none"),
        good=sum(hope == way for hope, way in zip(hopes, ways, strict=True)),
        frequencies=sum(ways.count(way) ** 2 for way in set(ways)) / max(len(ways), 1),
    )


def _units(rows: Sequence[Score]) -> list[list[Score]]:
    """Directions that are right or wrong, those of one group together."""
    units: dict[str, list[Score]] = {}
    for row in rows:
        if row.verdict in (RIGHT, WRONG) and not row.observation.numeric:
            units.setdefault(row.claim.group or row.observation.id, []).append(row)
    return list(units.values())


def _verdict(unit: Sequence[Score]) -> str:
    """A group is right if more than half of its rows are."""
    return RIGHT if 2 * sum(row.verdict == RIGHT for row in unit) > len(unit) else WRONG
