"""Which alternatives of contested mechanisms a model has in force."""

from __future__ import annotations

from ..modules.module import Hypothesis
from .model import Model


def changed_hypotheses(model: Model) -> tuple[tuple[str, str], ...]:
    """Hypotheses in force that are not the default, as (name, alternative); 'changed' where no alternative fits."""
    found = []
    for h in model.hypothesis_set:
        name = alternative_in_force(model, h)
        if name != h.default:
            found.append((h.id, name))
    return tuple(found)


def alternative_in_force(model: Model, h: Hypothesis) -> str:
    """The alternative of a hypothesis whose settings the model has, the default first; 'changed' if none fits."""
    published = model.quantities
    for name in (h.default, *h.alternatives):
        settings = h.alternatives[name].settings
        if all((model.settings[k] if k in model.settings else published[k].value) == v for k, v in settings.items()):
            return name
    return "changed"
