"""The gain of the vicious circle for many rows of parameters at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from .._types import Array
from ..ensembles.execution import Execution
from ..ensembles.outcomes import Outcome
from ..ensembles.plan import Table, check_table
from ..ensembles.runs import ensemble
from ..ensembles.study import Study
from ..errors import ModelError
from ..models.model import Model
from ..simulation.job import imposed_input

LOOP_STEP = 0.02  # relative rise of the imposed seizure rate, by which the gain is read
AT_REST: Mapping[str, Any] = {"duration": 1.0, "every": 1.0}  # nothing moves there; an hour is as good as any


def loop_gains(model: Model, rows: Table, *, execution: Execution | None = None) -> Array:
    """Gain of the vicious circle for each row of parameter values: relative change per relative change fed back.

    From 1 on the untreated state of a row is not stable: such a brain goes to many more or to hardly any seizures
    without treatment, and is no chronic patient. Below 1 a small effect on the open loop grows by 1/(1 - gain). The
    gain is read from a rise by 2 percent.

    Args:
        model: a model with a loop in its context.
        rows: parameter name -> values, one per row, in the unit of the model.
        execution: workers, engine, tolerances, limits; see `Execution`.

    Returns:
        The gains (rows), dimensionless; NaN without a rest.

    Raises:
        ModelError: for a model without a loop, and as `ensemble`.

    Example:
        >>> import pathway_models as pm
        >>> model = pm.load("excitability")
        >>> gains = pm.loop_gains(model, {"share_structural": [0.1, 0.9]}, execution=pm.Execution(workers=1))
        >>> bool(gains[0] > gains[1] > 0)
        True
    """
    if not has_loop(model):
        raise ModelError(f"{model.name} has no feedback loop in the context {model.context!r}")
    names, table = check_table(model, rows)
    columns = dict(zip(names, table.T, strict=True))
    anchors = tuple(dict.fromkeys(model.anchors.values()))
    outcomes = [Outcome(variable=v, reduce="final", label=v) for v in anchors]
    runs = ensemble(Study(model, outcomes=outcomes, **AT_REST), columns, execution=execution)
    return gains_from_rest(model, columns, dict(zip(anchors, runs.values.T, strict=True)), execution)


def has_loop(model: Model) -> bool:
    """Whether the context of the model names a loop."""
    context = model.contexts.get(model.context or "")
    return context is not None and len(context.loop) >= 3


def gains_from_rest(
    model: Model, columns: Mapping[str, Array], rest: Mapping[str, Array], execution: Execution | None
) -> Array:
    """The gains, from the anchors' variables at rest: one more rest with the loop open and the imposed rate raised."""
    context = model.contexts[model.context or ""]
    opened = {context.loop["switch"]: 0.0, imposed_input(model, context.loop["input"]): 1 + LOOP_STEP}
    raised = replace(
        model,
        contexts={context.name: replace(context, anchors={}, held={})},
        settings={**model.settings, **opened},
    )
    anchors = {k: np.nan_to_num(rest[v], nan=1.0) for k, v in model.anchors.items()}
    rate = Outcome(variable=context.loop["output"], reduce="final")
    runs = ensemble(Study(raised, outcomes=[rate], **AT_REST), {**columns, **anchors}, execution=execution)
    lost = np.any([np.isnan(rest[v]) for v in model.anchors.values()], axis=0)
    return np.where(lost, np.nan, np.log(runs.values[:, 0]) / math.log(1 + LOOP_STEP))
