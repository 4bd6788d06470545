"""Write models for others, and check anybody's SBML."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from . import _sbml
from ._model import Model
from .errors import ModelError, unknown_name

FORMATS = ("sbml", "antimony")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One remark on a file: severity (fatal, error, warning, ...), line, message."""

    severity: str
    line: int
    message: str


def export(model: Model, path: str | Path, *, format: str = "sbml") -> Path:
    """Write `model` with its settings (context, hypotheses, parameters) as flat SBML L3V2 or as Antimony.

    Returns the path. Raises `UnknownNameError` for another format and `ModelError` if the file cannot be written.

    >>> import pathway_models as pm, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pm.export(pm.load("acupuncture"), f"{folder}/a.xml").name
    'a.xml'
    """
    if format not in FORMATS:
        raise unknown_name("format", format, FORMATS)
    text = model.to_sbml() if format == "sbml" else model.to_antimony()
    target = Path(path)
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ModelError(f"cannot write {target}: {error.strerror}") from error
    return target


def check(path: str | Path) -> tuple[Finding, ...]:
    """What libSBML says of a file, units included; an empty tuple is a clean bill.

    Raises `ModelError` if the file cannot be read.

    >>> import pathway_models as pm, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pm.check(pm.export(pm.load("nlrp3_il1b"), f"{folder}/a.xml"))
    ()
    """
    return tuple(Finding(severity=s, line=n, message=m) for s, n, m in _sbml.findings(_sbml.read_text(path)))
