"""The uncertainty of a parameter inside SBML: an annotation in a namespace of its own.

The package distrib has `required="true"` by its specification: a tool that does not know it must refuse the file, and
`required="false"` is an error of libSBML that antimony refuses. An annotation binds nobody. libSBML, libroadrunner and
COPASI (through its own export) hand it on; a passage through Antimony loses it, as it loses every foreign annotation.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape  # that of xml.sax brings urllib along, a tenth of the import of the package
from typing import Literal, get_args

from ..errors import ModelError, ModelWarning
from .native import libsbml

NAMESPACE = "urn:pathway-models:uncertainty"
ELEMENT = "uncertainty"
PREFIX = "pathway_models"
Law = Literal["loguniform", "uniform", "lognormal", "normal", "fixed"]
Kind = Literal["measured", "derived", "fitted", "assumed"]
LAWS, KINDS = get_args(Law), get_args(Kind)


@dataclass(frozen=True, kw_only=True)
class Uncertainty:
    """Range and law of a parameter, what kind of number it is, and the ids of its evidence rows.

    The value never leaves `low` to `high`; for normal and lognormal laws they are the 2.5 and 97.5 percentiles, at
    which the tails are cut off. Law `fixed` has no range.
    """

    distribution: str
    kind: str
    low: float | None = None
    high: float | None = None
    evidence: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.distribution not in LAWS or self.kind not in KINDS:
            raise ModelError(
                f"distribution {self.distribution!r} and kind {self.kind!r}; allowed are {', '.join(LAWS)} and "
                f"{', '.join(KINDS)}"
            )
        if self.distribution != "fixed" and (self.low is None or self.high is None or not self.low < self.high):
            raise ModelError(f"the range is {self.low} to {self.high}; {self.distribution} needs low below high")


def write_uncertainty(parameter: libsbml.Parameter, uncertainty: Uncertainty) -> None:
    """Put the uncertainty into the annotation of a parameter, in the place of one that is there.

    Every other annotation stays. Raises `ModelError` if libSBML refuses.
    """
    parameter.removeTopLevelAnnotationElement(ELEMENT, NAMESPACE)
    attributes = " ".join(f'{name}="{escape(value)}"' for name, value in _attributes(uncertainty))
    text = f'<{PREFIX}:{ELEMENT} xmlns:{PREFIX}="{NAMESPACE}" {attributes}/>'
    if parameter.appendAnnotation(text) != libsbml.LIBSBML_OPERATION_SUCCESS:
        raise ModelError(f"libSBML could not annotate {parameter.getId()!r} with its uncertainty")


def _attributes(uncertainty: Uncertainty) -> Iterator[tuple[str, str]]:
    yield "distribution", uncertainty.distribution
    if uncertainty.low is not None and uncertainty.high is not None:
        yield "low", f"{uncertainty.low:.15g}"
        yield "high", f"{uncertainty.high:.15g}"
    yield "kind", uncertainty.kind
    if uncertainty.evidence:
        yield "evidence", " ".join(uncertainty.evidence)


def _read(parameter: libsbml.Parameter) -> Uncertainty | None:
    """The uncertainty in the annotation of a parameter, None where there is none.

    Raises `ModelError` for one that names no law or kind of ours, or a range that is none.
    """
    annotation = parameter.getAnnotation()
    if annotation is None:
        return None
    for i in range(annotation.getNumChildren()):
        node = annotation.getChild(i)
        if node.getName() == ELEMENT and node.getURI() == NAMESPACE:
            return _from_node(node, parameter.getId())
    return None


def _from_node(node: libsbml.XMLNode, name: str) -> Uncertainty:
    try:
        low, high = (float(node.getAttrValue(k)) if node.getAttrValue(k) else None for k in ("low", "high"))
        return Uncertainty(
            distribution=node.getAttrValue("distribution"),
            kind=node.getAttrValue("kind"),
            low=low,
            high=high,
            evidence=tuple(node.getAttrValue("evidence").split()),
        )
    except (ModelError, ValueError) as error:
        raise ModelError(f"the uncertainty of {name!r}: {error}") from error


def of_parameters(model: libsbml.Model) -> dict[str, Uncertainty]:
    """Parameter -> uncertainty of a model, where there is one; warns of one that cannot be read."""
    found = {}
    for parameter in model.getListOfParameters():
        try:
            uncertainty = _read(parameter)
        except ModelError as error:
            warnings.warn(f"{error}; it is not used", ModelWarning, stacklevel=4)
            continue
        if uncertainty is not None:
            found[parameter.getId()] = uncertainty
    return found
