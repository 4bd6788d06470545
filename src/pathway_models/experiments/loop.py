"""The gain of the vicious circle for many rows of parameters at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import replace

import numpy as np

from .._types import Array
from ..ensembles.ensemble import Ensemble, ensemble
from ..ensembles.outcomes import Outcome
from ..ensembles.plan import Table, check_table
from ..errors import ModelError
from ..models.model import Model
from ..simulation.job import imposed_input

LOOP_STEP = 0.02  # relative rise of the imposed seizure rate, by which the gain is read
AT_REST = {"duration": 1.0, "every": 1.0}  # nothing moves there; an hour is as good as any

Call = Callable[..., Ensemble]  # (model, columns, treatments, outcomes=, duration=, every=)


def loop_gains(
    model: Model,
    rows: Table,
    *,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: bool = True,
) -> Array:
    """`Model.loop_gain` for each row of parameter values (`rows` as in `ensemble`), dimensionless; NaN without a rest.

    From 1 on the untreated state of a row is not stable: such a brain goes to many more or to hardly any seizures
    without treatment, and is no chronic patient. The gain is read from a rise by 2 percent, so that it differs from
    `Model.loop_gain` in the third digit. Raises `ModelError` for a model without a loop, and as `ensemble` does.

    >>> import pathway_models as pm
    >>> model = pm.load("excitability")
    >>> gains = pm.loop_gains(model, {"share_structural": [0.1, 0.9]}, workers=1, progress=False)
    >>> bool(gains[0] > gains[1] > 0)
    True
    """
    if not has_loop(model):
        raise ModelError(f"{model.name} has no feedback loop in the context {model.context!r}")

    def call(*what: object, **how: object) -> Ensemble:
        return ensemble(*what, workers=workers, executor=executor, progress=progress, **how)  # type: ignore[arg-type]

    names, table = check_table(model, rows)
    columns = dict(zip(names, table.T, strict=True))
    anchors = tuple(dict.fromkeys(model.anchors.values()))
    runs = call(model, columns, (), outcomes=[Outcome(variable=v, reduce="final", label=v) for v in anchors], **AT_REST)
    return gains_from_rest(model, columns, dict(zip(anchors, runs.values.T, strict=True)), call)


def has_loop(model: Model) -> bool:
    """Whether the context of the model names a loop."""
    context = model.contexts.get(model.context or "")
    return context is not None and len(context.loop) >= 3


def gains_from_rest(model: Model, columns: Mapping[str, Array], rest: Mapping[str, Array], call: Call) -> Array:
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
    runs = call(raised, {**columns, **anchors}, (), outcomes=[rate], **AT_REST)
    lost = np.any([np.isnan(rest[v]) for v in model.anchors.values()], axis=0)
    return np.where(lost, np.nan, np.log(runs.values[:, 0]) / math.log(1 + LOOP_STEP))
