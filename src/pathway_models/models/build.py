"""Write the SBML files under `sbml/` from what is authored: Antimony modules and coupled TOML files."""

from __future__ import annotations

import sys
from pathlib import Path

from .._files.data import sbml_root
from .._files.whole import write_whole
from ..errors import PathwayModelsError
from ..modules.generate import check_text, coupled_sbml, module_sbml
from .collection import OURS


def build(root: Path) -> list[Path]:
    """Write every generated file below `root`; returns those whose text changed."""
    changed = []
    for name in OURS.modules:
        folder = root / "modules" / name
        changed += write(folder / "model.xml", module_sbml(folder, OURS.evidence))
    for name in OURS.coupled:
        made = OURS.read_coupled(name)
        flat, hierarchical = coupled_sbml(name, made.title, *OURS.parts(name))
        changed += write(root / "coupled" / f"{name}.xml", check_text(made.reduced(flat), name))
        if not made.reduction:
            changed += write(root / "coupled" / f"{name}-comp.xml", hierarchical)
    return changed


def write(path: Path, text: str) -> list[Path]:
    """Write a generated file; the path in a list if its text changed."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return []
    return [write_whole(path, text)]


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
