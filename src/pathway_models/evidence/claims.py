"""What rows ask of a prediction: the size that was printed, which rows contradict each other, what an optimist says."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Annotated, Any, Literal, TypeVar

from .._files.authored import read_rows
from ..models.collection import Library
from ..models.model import Model
from .observations import Observation
from .scores import NONE_THRESHOLD, Claim, Standing, in_percent
from .tables import evidence_rows

T = TypeVar("T")
SIMILAR_TIMES = 1.25  # longest over shortest of two times that count as one
SIGNS = {"up": 1, "down": -1}
YEAR = re.compile(r"\b(?:19|20)\d\d\b")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class JudgingRow:
    """A row of judging.tsv: what no rule finds of an observation."""

    row: Annotated[str, "model.observation"]
    group: Annotated[str, "the same word for rows that claim the same quantity under the same conditions; or empty"]
    size: Annotated[float | None, "published change in percent; 0: the printed number is of another quantity; or empty"]
    note: Annotated[str, "why"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class OptimistRow:
    """A row of optimist.tsv: which way a quantity has to move to be good, or an input that does harm."""

    name: Annotated[str, "module.variable, or an input"]
    kind: Annotated[Literal["observable", "input"], "what is named"]
    good: Annotated[Literal["up", "down"], "the favourable way; an input that is good down does harm"]
    note: Annotated[str, "section of the clinical review, or why"]


def read_claims(model: Model, rows: Sequence[Observation]) -> Mapping[str, Claim]:
    """Observation id -> what it asks of a prediction, beside the other rows of the model."""
    library = Library(folders=model.folders)
    evidence = evidence_rows(library)
    named = _named(model, library)
    keys = {o.id: model.resolve(o.observable) for o in rows}
    sizes = {o.id: _size(o, evidence, named.get(o.id)) for o in rows}
    groups = _groups(model, rows, evidence, named)
    hopes = _table(library, "optimist.tsv", OptimistRow, "name")
    found = {}
    for o in rows:
        group, standing = groups.get(o.id, ("", ""))
        others = [p for p in rows if keys[p.id] == keys[o.id] and p is not o and not _same(o, p, groups)]
        logs = [abs(math.log1p(s / 100)) for p in others if (s := sizes[p.id]) and _claimed(p) != "none"]
        found[o.id] = Claim(
            size=None if o.numeric or o.comparison == "none" else sizes[o.id],
            elsewhere=in_percent(median(logs)) if logs else None,
            group=group,
            standing=standing,
            hope=_hope(o, _qualified(model, keys[o.id]), hopes),
        )
    return found


def _same(one: Observation, other: Observation, groups: Mapping[str, tuple[str, Standing]]) -> bool:
    return one.id in groups and groups[one.id][0] == groups.get(other.id, ("",))[0]


def _table(library: Library, name: str, kind: type[T], key: str) -> dict[str, T]:
    """The rows of a table in all folders, the last of a key wins."""
    paths = [path for folder in library.evidence if (path := folder / name).exists()]
    return {getattr(row, key): row for path in paths for row in read_rows(path, kind, key)}


def _named(model: Model, library: Library) -> dict[str, JudgingRow]:
    """Observation id -> what judging.tsv says of it, in this model or in those that it extends."""
    names = library.lineage(model.name) if model.name in library.coupled else (model.name,)
    pairs = ((key.partition("."), row) for key, row in _table(library, "judging.tsv", JudgingRow, "row").items())
    return {name: row for (owner, _, name), row in pairs if owner in names}


def _qualified(model: Model, key: str) -> str:
    """A variable as `module.variable`."""
    return key.replace("__", ".", 1) if "__" in key else f"{model.name}.{key}"


# ---- sizes ----


def _size(row: Observation, evidence: Mapping[str, Mapping[str, str]], named: JudgingRow | None) -> float | None:
    """Published change in percent; None where none is printed. Of several that go the way of the row, the smallest."""
    if row.numeric:
        return _observed(row) or None
    if named and named.size is not None:
        return named.size or None
    printed = [p for i in row.source if (p := _printed(evidence.get(i, {}))) is not None]
    along = [p for p in printed if p * SIGNS.get(row.comparison, 0) > 0]
    return min(along, key=lambda p: abs(math.log1p(p / 100)), default=None)


def _observed(row: Observation) -> float | None:
    """The change in percent of a row with a number; None where it is no change, or to 0 or less."""
    if row.value is None or row.comparison not in ("fold", "percent_change"):
        return None
    percent = row.value if row.comparison == "percent_change" else 100 * (row.value - 1)
    return percent if percent > -100 else None


def _printed(row: Mapping[str, str]) -> float | None:
    """The relative change in percent that a row of the evidence prints; None for any other number."""
    try:
        value = float(row.get("value", ""))
    except ValueError:
        return None
    percent = {"fold": 100 * (value - 1), "percent_change": value}.get(row.get("metric", ""))
    return percent if percent is not None and percent > -100 else None


# ---- rows that contradict each other ----


def _groups(
    model: Model,
    rows: Sequence[Observation],
    evidence: Mapping[str, Mapping[str, str]],
    named: Mapping[str, JudgingRow],
) -> dict[str, tuple[str, Standing]]:
    """Observation id -> the votes of its group, and where it stands; of rows that nothing contradicts nothing.

    A vote is a work. The name of a group is that of its first row.
    """
    works = {o.id: frozenset(_work(evidence.get(i, {}).get("citation", i)) for i in o.source) for o in rows}
    found: dict[str, tuple[str, Standing]] = {}
    for members in _alike(model, [o for o in rows if _claimed(o)], works, named):
        votes: dict[str, set[tuple[str, str]]] = {}
        for o in members:
            votes.setdefault(_claimed(o), set()).update(works[o.id])
        if len(votes) < 2:
            continue
        counts = {way: len(voters) for way, voters in votes.items()}
        most = [way for way, n in counts.items() if n == max(counts.values())]
        text = f"{members[0].id} ({', '.join(f'{n} {way}' for way, n in counts.items())})"
        for o in members:
            standing: Standing = "tie" if len(most) > 1 else "majority" if _claimed(o) == most[0] else "minority"
            found[o.id] = (text, standing)
    return found


def _work(citation: str) -> tuple[str, str]:
    """First word and year, which spellings of one work share."""
    year = YEAR.search(citation)
    return citation.partition(" ")[0], year[0] if year else ""


def _claimed(row: Observation) -> str:
    """Up, down or none; a number counts as none within its error and within 5 percent; empty where it is no change."""
    if not row.numeric:
        return row.comparison
    percent = _observed(row)
    if percent is None:
        return ""
    error = 0.0 if row.error is None else row.error * (100 if row.comparison == "fold" else 1)
    return "none" if abs(percent) <= max(error, 100 * NONE_THRESHOLD) else "up" if percent > 0 else "down"


def _alike(
    model: Model,
    rows: Iterable[Observation],
    works: Mapping[str, frozenset[tuple[str, str]]],
    named: Mapping[str, JudgingRow],
) -> Iterator[list[Observation]]:
    """Rows that ask the same of one condition at one time, or that judging.tsv puts together."""
    listed, blocks = list(rows), list[list[Observation]]()
    asked = {o.id: _question(model, o) for o in listed}
    for row in listed:
        mine = [b for b in blocks if any(_alike_pair(asked, row, other, works, named) for other in b)]
        blocks = [b for b in blocks if b not in mine] + [[*(o for b in mine for o in b), row]]
    yield from blocks


def _alike_pair(
    asked: Mapping[str, tuple[Any, ...]],
    one: Observation,
    other: Observation,
    works: Mapping[str, frozenset[tuple[str, str]]],
    named: Mapping[str, JudgingRow],
) -> bool:
    words = [named[o.id].group if o.id in named else "" for o in (one, other)]
    if words[0] and words[0] == words[1]:
        return True
    if asked[one.id] != asked[other.id]:
        return False
    early, late = sorted((one.hours, other.hours))
    # two times in one work are its time course, and no contradiction
    return early == late or (late <= SIMILAR_TIMES * early and not works[one.id] & works[other.id])


def _question(model: Model, row: Observation) -> tuple[Any, ...]:
    """What two rows must share to claim the same: the start of a run is the untreated state."""
    baseline = "untreated" if row.baseline == "self" else row.baseline
    return (model.resolve(row.observable), baseline, row.reduce, *row.condition)


# ---- the optimist ----


def _hope(row: Observation, name: str, table: Mapping[str, OptimistRow]) -> Literal["up", "down", ""]:
    """Treatments do good, disease and what is harmful harm; of what is in no table, and without either, nothing."""
    if name not in table:
        return ""
    good = table[name].good
    inputs = {item.input.rpartition(".")[2] for t in row.schedule for item in t.schedule()}
    harm = any(i in table and table[i].kind == "input" for i in inputs)
    if harm or (not inputs and row.baseline == "healthy" and row.context != "healthy"):
        return "down" if good == "up" else "up"
    return good if inputs else ""
