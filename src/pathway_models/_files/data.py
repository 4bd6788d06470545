"""The folder of data, and the constants in it that belong to no model: each a row with unit, kind, source and note."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias

from .._types import Frozen
from ..errors import ModelError
from .authored import read_rows

Kind: TypeAlias = Literal["measured", "derived", "assumed"]


@cache
def sbml_root() -> Path:
    """The folder `sbml/`: inside the installed package, or at the root of a checkout."""
    here = Path(__file__).resolve().parents[1]
    for folder in (here / "sbml", here.parents[1] / "sbml"):
        if (folder / "modules").is_dir():
            return folder
    raise ModelError(f"the folder sbml/ is missing beside {here}; reinstall pathway-models")


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A constant beside the models: `source` are ids of the evidence tables, joined by `;`, empty where there is none.

    `kind` is 'measured' (it stands in the first row), 'derived' (it follows from the rows) or 'assumed'.
    """

    id: str
    value: float
    unit: str
    kind: Kind
    source: str
    note: str


@cache
def facts(name: str) -> Mapping[str, Fact]:
    """A table of constants below `sbml/`, by id; `ModelError` that names the line of a bad row.

    >>> facts("treatments/constants.tsv")["energy_of_fat"].unit
    'kcal/g'
    """
    return Frozen({f.id: f for f in read_rows(sbml_root() / name, Fact)})
