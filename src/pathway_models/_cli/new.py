"""The command `new`: a module to start from, in a folder of the user's."""

from __future__ import annotations

import argparse
import sys
from importlib.resources import files
from pathlib import Path

from .._files.whole import read_text, write_whole
from .._sbml.antimony import from_antimony
from ..errors import InvalidValueError, ModelError
from ..models.collection import BAD_NAME, NAME, OURS

SKELETON = "skeleton"


def new_command(parser: argparse.ArgumentParser) -> None:
    """The options of `new`."""
    parser.add_argument("what", choices=("module",), help="what to start")
    parser.add_argument("name", help="its name: letters, digits and single underscores")
    parser.add_argument("--folder", type=Path, default=Path(), help="your library (default: this folder)")
    parser.set_defaults(run=_new)


def _new(arguments: argparse.Namespace) -> int:
    folder = write_module(arguments.folder, arguments.name)
    sys.stdout.write(f"wrote {folder}\nnext: pathway-models check {folder}\n")
    return 0


def write_module(library: Path, name: str) -> Path:
    """Write a commented module that passes `check` into `library/modules/name`; never over another."""
    if not NAME.fullmatch(name):
        raise InvalidValueError(BAD_NAME.format(name))
    if name in (*OURS.modules, *OURS.coupled):
        raise InvalidValueError(f"{name} is a model of ours; give yours another name")
    texts = {p.name: read_text(p).replace("NAME", name) for p in Path(str(files(__package__) / SKELETON)).iterdir()}
    try:
        from_antimony(texts["model.ant"], Path("model.ant"))
    except ModelError as error:  # a word of Antimony, or the name of something within the module
        raise InvalidValueError(
            f"a module cannot be named {name!r}: the name stands for something in Antimony or in the module"
        ) from error
    folder = library / "modules" / name
    try:
        folder.mkdir(parents=True)
        for file, text in texts.items():
            write_whole(folder / file, text)
    except OSError as error:
        raise ModelError(f"cannot write {folder}: {error.strerror}") from error
    return folder
