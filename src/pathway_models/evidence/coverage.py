"""What the clinical review states, and what of it the models hold."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from .._files.authored import read_rows
from ..models.collection import OURS

if TYPE_CHECKING:
    import pandas as pd

Verdict = Literal["covered", "partly", "switch", "statement only", "not covered"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CoverageRow:
    """A row of coverage.tsv: a statement of the clinical review, and what of the models implements it."""

    id: Annotated[str, "a name of its own"]
    section: Annotated[str, "of the clinical review"]
    statement: Annotated[str, "in our words"]
    elements: Annotated[str, "what implements it, joined by ;"]
    signs: Annotated[str, "rows of statements.tsv that ask for its direction, joined by ;"]
    verdict: Annotated[Verdict, "switch: an alternative that is off; statement only: one whose size nobody printed"]
    note: Annotated[str, "what is missing, and why"]


def coverage() -> pd.DataFrame:
    """The statements of the clinical review that the library was made for, and how far it holds them.

    Returns:
        One row per statement, index `id`: section (of the review), statement, elements (variables, inputs and gains of
        `epilepsy`, `hypothesis:`, `treatment:`, `analysis:` and `pm:` names, joined by ;), signs (rows of
        `statements.tsv`), verdict ('covered', 'partly', 'switch': an alternative that is off by default, 'statement
        only': one whose size nobody has published, 'not covered'), note (what is missing, and why).

    Raises:
        ModelError: a table that breaks its schema, with file and line.

    Example:
        >>> coverage().loc["circuits", "verdict"]
        'not covered'
    """
    import pandas as pd

    (folder,) = OURS.evidence
    rows = [asdict(row) for row in read_rows(folder / "coverage.tsv", CoverageRow)]
    return pd.DataFrame(rows).set_index("id")
