"""Generate `docs/models/` and the tables of README.md from the same files that make the models."""

from __future__ import annotations

import sys
from pathlib import Path

from pages import FOLDER, names, page, report
from pathway_models._files.data import sbml_root
from pathway_models.errors import PathwayModelsError
from pathway_models.models.build import write
from readme import with_blocks


def write_pages(folder: Path) -> list[Path]:
    """Write page and figure of every model, and remove those of models that are gone; returns changed texts."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = [p for name in names() for p in write(folder / f"{name}.md", page(name))]
    for name in names():
        _plot(name, folder / f"{name}.png")
    for path in (*folder.glob("*.md"), *folder.glob("*.png")):
        if path.stem not in names():
            path.unlink()
    return changed


def _plot(name: str, path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    found = report(name)
    if found is not None:
        figure = found.plot()
        figure.savefig(path, dpi=100, metadata={"Software": None})
        plt.close(figure)


def main() -> int:
    """Regenerate pages and README of a checkout and say what changed; 2 with one line on an error."""
    root = sbml_root().parent
    try:
        changed = write_pages(root / FOLDER)
        readme = root / "README.md"
        changed += write(readme, with_blocks(readme.read_text(encoding="utf-8")))
    except PathwayModelsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write("".join(f"wrote {p}\n" for p in changed) or "docs/models and README.md are current\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
