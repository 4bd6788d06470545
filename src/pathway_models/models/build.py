"""Generate the SBML files under `sbml/` from what is authored: Antimony modules and coupled TOML files."""

from __future__ import annotations

import sys
from pathlib import Path

import antimony

from .._data import sbml_root
from .._files import read_text
from .._sbml import sbml
from .._sbml.native import libsbml
from ..errors import ModelError, PathwayModelsError
from ..modules.annotate import annotate
from ..modules.coupling import couple, flatten
from ..modules.module import read_module_file
from . import library


def module_sbml(folder: Path) -> str:
    """SBML of a module's `model.ant`, annotated; `ModelError` for a syntax error or any warning, units included."""
    antimony.clearPreviousLoads()
    if antimony.loadAntimonyString(read_text(folder / "model.ant")) < 0:
        raise ModelError(f"{folder.name}/model.ant: {' '.join(antimony.getLastError().split())}")
    made = read_module_file(folder)
    text = annotate(
        antimony.getSBMLString(folder.name),
        folder,
        sbml_root() / "evidence",
        title=made.title,
        summary=made.summary,
    )
    return _checked(_without_generator_comment(text), f"{folder.name}/model.ant")


def coupled_sbml(name: str) -> tuple[str, str]:
    """(flat, hierarchical) SBML of a coupled model; `ModelError` if the flat text has any warning.

    In the hierarchical text libSBML remarks that the stand-ins for ports have no value; they get it when flattened.
    """
    made = library.read_coupled(name)
    modules, wires, shared = library.coupled_parts(made)
    document = couple(name, made.title, modules, wires, shared)
    hierarchical = str(libsbml.writeSBMLToString(document))
    flat = _without_generator_comment(flatten(document, name=name))
    return _checked(flat, name), hierarchical


def _checked(text: str, name: str) -> str:
    for severity, line, message in sbml.findings(text):
        raise ModelError(f"{name}: {severity} in line {line} of the SBML: {message[:400]}")
    return text


def _without_generator_comment(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("<!-- Created by"))


def build(root: Path) -> list[Path]:
    """Write every generated file below `root`; returns those whose text changed."""
    changed = []
    for name in library.module_names():
        folder = root / "modules" / name
        changed += write(folder / "model.xml", module_sbml(folder))
    for name in library.coupled_names():
        flat, hierarchical = coupled_sbml(name)
        changed += write(root / "coupled" / f"{name}.xml", flat)
        changed += write(root / "coupled" / f"{name}-comp.xml", hierarchical)
    return changed


def write(path: Path, text: str) -> list[Path]:
    """Write a generated file; the path in a list if its text changed."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return []
    path.write_text(text, encoding="utf-8")
    return [path]


def main() -> int:
    """Regenerate and say what changed; 2 with one line on an error in an authored file."""
    try:
        changed = build(sbml_root())
    except PathwayModelsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write("".join(f"wrote {p}\n" for p in changed) or "sbml/ is current\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
