"""What there is to say against a text: libSBML's complaints in words of the case at hand, and their cures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import ModelError
from .native import libsbml

_FIRST_OF_SBML = 10_000  # libSBML's errors below are of XML
_CURES = (
    (r"L3 package", "drop the declaration from the root element; load and export does"),
    (r"circular", "break the circle: give one of the variables a rate rule, or solve the equations"),
    (r"sboTerm|SBO", "take a term of the branch that the element asks for, or drop the attribute"),
    (
        r"literal numbers|has not been set, then the unit",
        "declare the unit of the parameter, and of numbers in formulas",
    ),
    (r"should be declared|units of time should", "declare the unit (model, parameter or compartment)"),
    (r"\bunits?\b", "make both sides agree: give numbers a unit, and convert with a parameter that has one"),
    (r"undeclared|not declared|does not refer|refers to|must refer", "correct the id or declare what it names"),
    (r"metaid", "give every element a metaid of its own"),
    (r"well-formed|XML|element", "compare with the specification of the level; a validator shows the place"),
)
_NO_CURE = "see the section of the SBML specification that the message names"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One remark on a file.

    Attributes:
        severity: 'fatal', 'error', 'warning' or 'note'.
        line: of the file; 0 is the whole file.
        message: what there is to say.
        cure: what to do about it.

    Example:
        >>> Finding(severity="note", line=0, message="no units").cure
        ''
    """

    severity: str
    line: int
    message: str
    cure: str = ""


class InvalidSBMLError(ModelError):
    """What libSBML says against a text: its first complaint, how many there are, whether it could read on at all."""

    complaint: str = ""
    count: tuple[bool, int] = (True, 1)  # (while reading, number): complaints while reading hide those of the check
    fatal: bool = True


def findings_of(document: libsbml.SBMLDocument) -> list[Finding]:
    """The log of a document."""
    return [
        Finding(
            severity=error.getSeverityAsString().lower(),
            line=error.getLine(),
            message=case(error.getMessage()),
            cure=cure(error.getMessage()),
        )
        for error in _log(document)
    ]


def case(message: str) -> str:
    """What libSBML says in this case and the section it refers to; its general rule where it says no more."""
    section, _, words = message.partition("Reference: ")[2].partition("\n")
    said = f"{' '.join(words.split()).rstrip('.')} ({section.strip()})" if words.strip() else message
    return " ".join(said.split())


def cure(message: str) -> str:
    """What to do about a finding of libSBML."""
    return next((text for pattern, text in _CURES if re.search(pattern, message)), _NO_CURE)


def first_error(document: libsbml.SBMLDocument) -> str:
    """The first complaint of a document's log, on one line and without its full stop."""
    return next((case(e.getMessage()).rstrip(".")[:400] for e in _errors(document)), "libSBML gives no reason")


def raise_first_error(document: libsbml.SBMLDocument, name: str, *, reading: bool) -> None:
    """`InvalidSBMLError` if the log of a document holds an error."""
    errors = list(_errors(document))
    if errors:
        line, complaint = errors[0].getLine(), case(errors[0].getMessage())[:400]
        worst = max(e.getSeverity() for e in errors) >= libsbml.LIBSBML_SEV_FATAL
        invalid = InvalidSBMLError(f"{name} is not valid SBML (line {line}): {complaint}")
        invalid.complaint = f"line {line}: {complaint}"
        invalid.count = (reading, len(errors))
        invalid.fatal = worst or document.getModel() is None or any(e.getErrorId() < _FIRST_OF_SBML for e in errors)
        raise invalid


def _errors(document: libsbml.SBMLDocument) -> Iterator[libsbml.SBMLError]:
    return (e for e in _log(document) if e.getSeverity() >= libsbml.LIBSBML_SEV_ERROR)


def _log(document: libsbml.SBMLDocument) -> Iterator[libsbml.SBMLError]:
    return (document.getError(i) for i in range(document.getNumErrors()))
