"""The gain of the vicious circle, for one model or for many rows of parameters at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from .._types import Array
from ..ensembles.execution import Execution, execution_without_checkpoint
from ..ensembles.outcomes import Outcome
from ..ensembles.plan import Table, check_table
from ..ensembles.runs import ensemble
from ..ensembles.study import Study
from ..errors import ModelError
from ..models.model import Model
from ..modules.flat import require_model

LOOP_STEP = 0.02  # relative change of the imposed seizure rate on either side, by which the gain is read
AT_REST: Mapping[str, Any] = {"duration": 1.0, "every": 1.0}  # nothing moves there; an hour is as good as any


def loop_gains(model: Model, rows: Table | None = None, *, execution: Execution | None = None) -> Array:
    """Gain of the vicious circle at rest: relative change of the seizure rate per relative change that is fed back.

    Below 1 the untreated state is stable, and a small effect on the open loop grows by 1/(1 - gain). From 1 on such a
    brain goes to many more or to hardly any seizures without treatment, and is no chronic patient. The loop is opened
    at rest, the imposed rate moved by 2 percent to either side, the response read.

    Args:
        model: a model with a loop in its context.
        rows: parameter values as in `ensemble`; without them the model as it is, in one row.
        execution: workers, engine, tolerances, limits; no checkpoint.

    Returns:
        One number per row, dimensionless; NaN without a rest.

    Raises:
        ModelError: the model has no loop in its context; the others are those of `ensemble`.
        InvalidValueError: a checkpoint.

    Example:
        >>> import pathway_models as pm
        >>> model = pm.load("excitability")
        >>> gains = pm.loop_gains(model, {"share_structural": [0.1, 0.9]}, execution=pm.Execution(workers=1))
        >>> bool(gains[0] > gains[1] > 0)
        True
    """
    require_model(model)
    if not has_loop(model):
        raise ModelError(f"{model.name} has no feedback loop in the context {model.context!r}")
    on = execution_without_checkpoint(execution, "a loop gain")
    some = model.constants[0]
    as_it_is = {some.id: [model.settings.get(some.id, some.value)]}
    names, table = check_table(model, as_it_is if rows is None else rows)
    columns = dict(zip(names, table.T, strict=True))
    anchors = tuple(dict.fromkeys(model.anchors.values()))
    outcomes = [Outcome(variable=v, reduce="final", label=v) for v in anchors]
    runs = ensemble(Study(model, outcomes=outcomes, **AT_REST), columns, execution=on)
    return gains_from_rest(model, columns, dict(zip(anchors, runs.values.T, strict=True)), on)


def has_loop(model: Model) -> bool:
    """Whether the context of the model names a loop."""
    context = model.contexts.get(model.context or "")
    return context is not None and len(context.loop) >= 3


def gains_from_rest(
    model: Model, columns: Mapping[str, Array], rest: Mapping[str, Array], execution: Execution
) -> Array:
    """The gains, from the anchors' variables at rest: two more rests, with the loop open and the imposed rate moved."""
    context = model.contexts[model.context or ""]
    opened = replace(
        model,
        whole="",  # what is constant in a reduced model stays so: rests are its own
        contexts={context.name: replace(context, anchors={}, held={})},
        settings={**model.settings, context.loop["switch"]: 0.0},
    )
    anchors = {k: np.nan_to_num(rest[v], nan=1.0) for k, v in model.anchors.items()}
    drives = (1 - LOOP_STEP, 1 + LOOP_STEP)
    given = {k: np.tile(v, 2) for k, v in {**columns, **anchors}.items()}
    count = len(next(iter(given.values()))) // 2
    given[_imposed_input(model, context.loop["input"])] = np.repeat(drives, count)
    rate = Outcome(variable=context.loop["output"], reduce="final")
    runs = ensemble(Study(opened, outcomes=[rate], **AT_REST), given, execution=execution)
    low, high = runs.values[:, 0].reshape(2, count)
    lost = np.any([np.isnan(rest[v]) for v in model.anchors.values()], axis=0)
    return np.where(lost, np.nan, np.log(high / low) / math.log(drives[1] / drives[0]))


def _imposed_input(model: Model, port: str) -> str:
    """The input to set: of a coupled model the shared one that is wired to the port."""
    return port if any(p.id == port for p in model.input_ports) else port.rsplit("__", 1)[-1]
