"""What the commands print and write: tables, files, figures."""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from .._files.whole import whole_file
from ..errors import AccuracyWarning, InvalidValueError, ModelError, ModelWarning

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

BROKEN_PIPE = 141  # 128 and the number of SIGPIPE


def show(
    frame: pd.DataFrame, arguments: argparse.Namespace, *, index: bool, most: int | None = None, by: str = ""
) -> None:
    """The table to the file, and to the terminal: as JSON, or to three decimals with the first `most` rows each."""
    out: Path | None = getattr(arguments, "out", None)
    if out is not None:
        save(lambda part: frame.to_csv(part, index=index), out)
    if arguments.json:
        rows = frame.reset_index() if index else frame
        sys.stdout.write(json.dumps(json.loads(rows.to_json(orient="records", double_precision=15)), indent=1) + "\n")
        return
    short = frame if most is None else frame.groupby(by, sort=False).head(most).round(3)
    short = short.replace(0.0, 0.0)  # -0.0 is equal to 0.0, and no number to show
    sys.stdout.write(short.to_string(index=index, float_format="{:.4g}".format, max_colwidth=70) + "\n")
    if len(short) < len(frame):
        sys.stderr.write(f"the first {most} of each {by}; --out FILE.csv or --json gives all {len(frame)} rows\n")


def save(write: Callable[[Path], object], path: Path) -> None:
    """Write a file, whole or not at all; raises `ModelError` or `InvalidValueError` with its name."""
    try:
        with whole_file(path) as part:
            write(part)
    except OSError as error:
        raise ModelError(f"cannot write {path}: {error.strerror or error}") from error
    except ValueError as error:  # matplotlib: a format that it does not know
        raise InvalidValueError(f"cannot write {path}: {error}") from error


def plot(figure: Figure, path: Path) -> None:
    """Write a figure; the ending decides the format."""
    save(lambda part: figure.savefig(part, dpi=150), path)


def without_display() -> None:
    """Draw into files only."""
    import matplotlib

    matplotlib.use("Agg")


def check_files(
    table: Path | None,
    *,
    endings: Sequence[str] = (".csv",),
    page: Path | None = None,
    figure: Path | None = None,
) -> None:
    """Say before the runs, not after them, that a file cannot be written, or would not be what its name says."""
    if table is not None and table.suffix and table.suffix.lower() not in endings:
        raise InvalidValueError(f"cannot write {table}: allowed endings are {', '.join(endings)}")
    if figure is not None:
        from matplotlib.backend_bases import FigureCanvasBase

        known = sorted(FigureCanvasBase.get_supported_filetypes())
        if figure.suffix and figure.suffix[1:].lower() not in known:
            raise InvalidValueError(f"cannot write {figure}: allowed formats are {', '.join(known)}")
    for path in (table, page, figure):
        if path is not None and not path.parent.is_dir():
            raise ModelError(f"cannot write {path}: there is no folder {path.parent}")


# ---- streams ---------------------------------------------------------------------------------------------------------


def say(text: str) -> None:
    """A line on stderr."""
    sys.stderr.write(f"pathway-models: {' '.join(text.split())}\n")


def print_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Our warnings as a line of the command, others as Python shows them."""
    if issubclass(category, ModelWarning | AccuracyWarning):
        say(f"warning: {message}")
    else:
        sys.stderr.write(warnings.formatwarning(message, category, filename, lineno, line))


def flush(status: int) -> int:
    """The exit status once all output is written: as given, or that of `write_failure`."""
    try:
        sys.stdout.flush()
    except OSError as error:
        return write_failure(error)
    return status


def write_failure(error: OSError) -> int:
    """The exit status for output that could not be written: 141 for a reader that left, 1 with a line for a full disk.

    141 is what other tools of a shell end with. The rest of the output is thrown away: Python would try again.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return BROKEN_PIPE
    say(f"cannot write the output: {error.strerror or error}")
    return 1
