"""A model against the published experiments: the runs, the comparison, the report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .._types import Brief
from ..ensembles.execution import Execution
from ..models.hypotheses import alternative_in_force, changed_hypotheses
from ..models.model import Model
from ..modules.flat import require_model
from .claims import read_claims
from .figure import plot_evidence
from .observations import Observation, Use, arrange, read_observations
from .predictions import Predictor
from .scores import (
    DISPUTED,
    FAILED,
    NO_ERROR,
    OUTSIDE,
    RIGHT,
    WITHIN_ONE,
    WITHIN_TWO,
    WRONG,
    Claim,
    Score,
)
from .tables import column_names
from .tallies import ByChance, by_chance, totals

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

REPORT_COLUMNS = column_names(
    "id use observable comparison prediction observed error z ratio at_least at_most verdict group source "
    "expected_under hypotheses context treatments hours numerical_error note"
)
COARSER = 100.0  # a run at this many times the tolerances bounds the numerical error


@dataclass(frozen=True, kw_only=True, repr=False)
class EvidenceReport(Brief):
    """A model against its observations: table, sentences, figure. Rows of use 'fit' are no test of the model.

    Attributes:
        model: its name.
        title: what it is.
        rows: each observation with what the model gives for it.

    Example:
        >>> import pathway_models as pm
        >>> found = pm.evidence.report(pm.load("acupuncture"))
        >>> len(found.to_dataframe()) == len(found.rows)
        True
    """

    model: str
    title: str
    rows: tuple[Score, ...]

    def to_dataframe(self) -> pd.DataFrame:
        """One row per observation; `prediction`, `observed`, `error` on the scale of `comparison`.

        Directions have their prediction in percent of the baseline; it is right from `at_least` to `at_most`. `group`
        names the first of the rows that contradict each other and the works for each way. `ratio` is predicted over
        observed, `hypotheses` lists those in force that are not the default.
        """
        import pandas as pd

        return pd.DataFrame([_record(row) for row in self.rows], columns=list(REPORT_COLUMNS))

    def totals(self, use: Use) -> dict[str, int]:
        """Verdict -> number of rows; those with the majority of a group of rows that contradict each other are one.

        Args:
            use: which rows: 'fit' or 'check'.
        """
        return totals(self._of(use))

    def by_chance(self, use: Use) -> ByChance:
        """How many of the directions come out right without the model.

        Args:
            use: which rows: 'fit' or 'check'.
        """
        return by_chance(self._of(use))

    def summary(self) -> str:
        """Plain sentences: how many rows the model meets, tests ('check') apart from what set it ('fit')."""
        uses: tuple[tuple[Use, str], ...] = (
            ("check", "Rows not used to set the model"),
            ("fit", "Rows used to set the model, no test of it"),
        )
        parts = [f"{self.model}: {len(self.rows)} observations."]
        parts += [f"{text}: {_sentence(self._of(use))}" for use, text in uses]
        return "\n".join(parts)

    def _of(self, use: Use) -> list[Score]:
        return [row for row in self.rows if row.observation.use == use]

    def plot(self) -> Figure:
        """Predicted over observed with the observed error on a log axis, and directions as right, wrong or disputed."""
        return plot_evidence(self.model, self.rows)


def _record(row: Score) -> dict[str, Any]:
    o = row.observation
    return {
        "id": o.id,
        "use": o.use,
        "observable": o.observable,
        "comparison": o.comparison,
        "prediction": row.prediction,
        "observed": math.nan if o.value is None else o.value,
        "error": math.nan if o.error is None else o.error,
        "z": row.z,
        "ratio": row.ratio,
        "at_least": row.wanted[0],
        "at_most": row.wanted[1],
        "verdict": row.verdict,
        "group": row.claim.group,
        "source": ";".join(o.source),
        "expected_under": _text(o.expected_under),
        "hypotheses": row.hypotheses,
        "context": o.context,
        "treatments": o.treatments,
        "hours": o.hours,
        "numerical_error": math.nan if o.numeric else row.numerical_error,
        "note": f"{o.note} [{row.message}]" if row.message else o.note,
    }


def _sentence(rows: Sequence[Score]) -> str:
    if not rows:
        return "none."
    counts = totals(rows)
    one, two, outside = counts[WITHIN_ONE], counts[WITHIN_TWO], counts[OUTSIDE]
    parts = []
    if one + two + outside:
        parts.append(f"{one} of {one + two + outside} numbers within one error and {one + two} within two")
    if counts[NO_ERROR]:
        close = sum(0.8 <= row.ratio <= 1.25 for row in rows if row.verdict == NO_ERROR)
        parts.append(f"{close} of {counts[NO_ERROR]} numbers without an error within 25 percent")
    if counts[RIGHT] + counts[WRONG]:
        parts.append(_directions(rows, counts))
    if counts[DISPUTED]:
        parts.append(f"{counts[DISPUTED]} directions disputed by other works")
    if counts[FAILED]:
        parts.append(f"{counts[FAILED]} not simulated")
    return "; ".join(parts) + "."


def _directions(rows: Sequence[Score], counts: Mapping[str, int]) -> str:
    chance = by_chance(rows)
    text = (
        f"{counts[RIGHT]} of {chance.directions} directions right (if nothing changes {chance.nothing}, if everything "
        f"good goes up {chance.good}, by their frequencies {chance.frequencies:.1f}"
    )
    other = sum(row.verdict == WRONG and not row.expected for row in rows)
    return f"{text}; wrong, but expected under another hypothesis: {other})" if other else f"{text})"


def report(model: Model, observations: Sequence[Observation] | None = None) -> EvidenceReport:
    """Run published experiments on a model, under its hypotheses; a row's own hypotheses win.

    Rows of one condition share a run. A run that fails makes rows of verdict 'failed', not an exception. A baseline
    'healthy' is the rest of the healthy context without the row's settings.

    Args:
        model: what `pathway_models.load` gives.
        observations: what `read_observations` gives; None for all that the library has of the model.

    Returns:
        Predictions beside what was published: table, sentences, figure.

    Raises:
        ModelError: for a model without observations, and for a file that breaks the schema.

    Example:
        >>> import pathway_models as pm
        >>> print(report(pm.load("acupuncture")).summary().splitlines()[0].split(":")[0])
        acupuncture
    """
    require_model(model)
    rows = read_observations(model) if observations is None else observations
    claims = read_claims(model, rows)
    predictor = Predictor(model, rows, Execution(workers=1, progress=False))
    itself = np.zeros((1, 0))
    numbers = predictor(itself)[0]
    why = predictor.failures | predictor.broken
    errors = np.abs(numbers - predictor(itself, factor=COARSER)[0])
    return EvidenceReport(
        model=model.name,
        title=model.title,
        rows=tuple(
            _score(model, row, float(numbers[i]), float(errors[i]), why.get(i, ""), claims)
            for i, row in enumerate(rows)
        ),
    )


def _score(
    model: Model, row: Observation, number: float, error: float, message: str, claims: Mapping[str, Claim]
) -> Score:
    variant = arrange(model, row)
    return Score(
        observation=row,
        prediction=number,
        hypotheses=_text(changed_hypotheses(variant)),
        expected=_expected(variant, row),
        message="" if math.isfinite(number) else message,
        claim=claims[row.id],
        numerical_error=math.nan if row.numeric else error,
    )


def _expected(model: Model, row: Observation) -> bool:
    by_id = {h.id: h for h in model.hypothesis_set}
    return all(alternative_in_force(model, by_id[name]) == alternative for name, alternative in row.expected_under)


def _text(pairs: Sequence[tuple[str, str]]) -> str:
    return ";".join(f"{k}={v}" for k, v in pairs)
