"""Models of fewer states, which rest where the whole one does, and the model to look for them with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from .._types import Frozen
from ..errors import InvalidValueError, require_kind
from ..modules.flat import Context, require_model
from ..modules.reduction import felt, paced_text, reduced_text, solvable
from .model import Model


def reduced(model: Model, *, constant: Sequence[str] = (), quasi_steady: Sequence[str] = ()) -> Model:
    """The model with fewer states: some keep the value that they have at rest, some follow the others at once.

    Every id stays, and so do all constants, hypotheses and contexts. The rest of a context is searched in the whole
    model, for each row of parameters, and the reduced one starts there: it rests wherever the whole one does. Inputs
    that move no state and no output any more are gone, and a treatment that acts on such alone is refused.

    Args:
        model: a model with contexts, such as those of the library.
        constant: states that stay as they are at rest (names as in `Model.resolve`).
        quasi_steady: states whose rate is linear in them, a - b*x, and which become a/b.

    Returns:
        The reduced model.

    Raises:
        UnknownNameError: what is no state of the model.
        InvalidValueError: a model without contexts or that is reduced already, a state that is named twice or cannot be
            quasi-steady, states that would follow from each other in a circle.

    Example:
        >>> import pathway_models as pm
        >>> whole = pm.load("nlrp3_il1b")
        >>> small = pm.models.reduced(whole, constant=["microglia"], quasi_steady=["NFKB"])
        >>> len(whole.states) - len(small.states)
        2
    """
    _check(model)
    gone, fast = (tuple(model.resolve(name) for name in _listed(names)) for names in (constant, quasi_steady))
    return shrunk(replace(model, sbml=reduced_text(model.sbml, gone, fast)), model.sbml, gone, fast)


def shrunk(model: Model, whole: str, gone: Sequence[str], fast: Sequence[str]) -> Model:
    """A model of a reduced text with the `whole` one; its constants take their value at each context's rest."""
    own, moving = {key: key for key in gone}, felt(model.sbml, [p.id for p in model.output_ports]) - {*gone, *fast}

    def anchored(context: Context) -> Context:
        return replace(context, anchors=Frozen({**context.anchors, **own}))

    return replace(
        model,
        whole=whole,
        contexts=Frozen({name: anchored(context) for name, context in model.contexts.items()}),
        input_ports=tuple(p for p in model.input_ports if p.id in moving),
    )


def paced(model: Model) -> Model:
    """The model with a constant `pace_of_<state>` in front of the rate of every state, 1 as it is.

    With 0 the state stays at its rest, with 1000 it is close to quasi-steady: what to make constant or quasi-steady is
    found as rows of one model. The rest is that of the model, whatever the paces.

    Args:
        model: a model with contexts that is not reduced.

    Returns:
        The model with the constants.

    Raises:
        InvalidValueError: another model.

    Example:
        >>> import pathway_models as pm
        >>> model = pm.models.paced(pm.load("nlrp3_il1b"))
        >>> slow = model.with_parameters(pace_of_NFKB=0.0).simulate([pm.Drug(name="LPS")], weeks=1)
        >>> bool(abs(slow["NFKB"][-1] / slow["NFKB"][0] - 1) < 1e-9)
        True
    """
    _check(model)
    return replace(model, sbml=paced_text(model.sbml), whole=model.sbml)


def can_be_quasi_steady(model: Model) -> Mapping[str, frozenset[str]]:
    """The states of a model whose rate is linear in them, each with the states that it would follow at once.

    States that follow from each other in a circle cannot all be quasi-steady.

    Args:
        model: any model whose reactions have no parameters of their own.

    Returns:
        State -> states.

    Raises:
        InvalidValueError: what is no model, a reaction with parameters of its own.

    Example:
        >>> import pathway_models as pm
        >>> "NFKB" in can_be_quasi_steady(pm.load("nlrp3_il1b"))
        True
    """
    require_model(model)
    return solvable(model.sbml)


def _check(model: Model) -> None:
    require_model(model)
    if model.context is None:
        raise InvalidValueError(f"{model.name} has no contexts, and so no rest to start from")
    if model.whole:
        raise InvalidValueError(f"{model.name} is reduced already; reduce the model that it was made of")


def _listed(names: Sequence[str]) -> Sequence[str]:
    require_kind("the states", names, (list, tuple), '["microglia"]')
    return names
