"""Markdown as GitHub renders it: tables, numbers to three digits, links to published works."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from functools import cache
from urllib.parse import quote

import pathway_models as pm
from pathway_models.evidence.tables import TABLE_COLUMNS, split_cell

DIGITS = 3
NOTHING = 1e-9  # what is smaller is written as 0: rounding of a solver has no size
ADDRESSES = {
    "doi": "https://doi.org/",
    "pmid": "https://pubmed.ncbi.nlm.nih.gov/",
    "pmcid": "https://www.ncbi.nlm.nih.gov/pmc/articles/",
    "biomodels": "https://www.ebi.ac.uk/biomodels/",
}
SPECIAL = re.compile(r"([\\`*~$\[\]|])")


def number(value: float | None) -> str:
    """A number to three digits; nothing for None and NaN.

    >>> number(0.0012345), number(2163.0), number(1e-15)
    ('0.00123', '2160', '0')
    """
    if value is None or math.isnan(value):
        return ""
    return f"{float(f'{value:.{DIGITS}g}') if abs(value) > NOTHING else 0.0:g}"


def written(value: float | None) -> str:
    """A number as the files of the models have it, to six digits.

    >>> written(0.1756), written(32434.0)
    ('0.1756', '32434')
    """
    return "" if value is None else f"{value:g}"


def words(text: str) -> str:
    """Free text with everything that Markdown would take as markup made harmless."""
    plain = SPECIAL.sub(r"\\\1", " ".join(text.split()))
    return plain.replace("<", "&lt;").replace(">", "&gt;")


def code(text: str) -> str:
    """An id or a setting."""
    return f"`{text}`" if text else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, 'None.' without rows; the cells are Markdown already."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    if not lines:
        return "None."
    return "\n".join([f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *lines])


@cache
def rows() -> dict[str, dict[str, str]]:
    """Every row of the evidence tables by id, with the name of its table."""
    found: dict[str, dict[str, str]] = {}
    for kind in TABLE_COLUMNS:
        frame = pm.evidence.evidence_table("measurements" if kind == "measurements" else "responses")
        for name, row in frame.iterrows():
            found[str(name)] = {"table": kind, **{str(k): str(v) for k, v in row.items()}}
    return found


def address(row: str) -> str:
    """Where the work of an evidence row is: its DOI, PMID or model number, else its address; may be empty."""
    found = dict(part.split(":", 1) for part in reversed(split_cell(rows()[row]["reference"])))
    for kind, start in ADDRESSES.items():
        if kind in found:
            return start + quote(found[kind], safe="/:;.,_-")
    return quote(rows()[row]["url"].split(";")[0].split(" ")[0], safe="/:;.,_-?=&#%~+@")


def link(row: str, topic: str = "") -> str:
    """The id of an evidence row, without the topic if it is this one, linked to the work."""
    target, text = address(row), row.removeprefix(f"{topic}:")
    return f"[{text}]({target})" if target else code(text)


def links(ids: Iterable[str], topic: str = "") -> str:
    """Several linked ids."""
    return ", ".join(link(i, topic) for i in ids)
