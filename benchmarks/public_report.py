"""The tables of public_models.py in Markdown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from public_distance import AGREES, DISAGREE, MATTERS
from public_runs import DURATION, POINTS, TIGHT

COLUMNS = (
    *("file", "verdict", "reason", "libroadrunner", "copasi", "spread"),
    *("d_here", "d_libroadrunner", "d_copasi", "variable", "at_here", "at_libroadrunner", "at_copasi"),
    *("missing", "warnings", "s_here", "s_libroadrunner", "compile_here", "compile_libroadrunner"),
)
COUNTED = ("number", "of these libroadrunner runs with its defaults")
Row: TypeAlias = dict[str, Any]
VERDICTS = {
    "agrees": f"run, and agree with the reference to {AGREES:g}",
    "sensitive": f"run, beyond {AGREES:g}, no further from it than the nearer one of the two defaults",
    "worse": f"run, beyond {AGREES:g} and **further than the nearer one of the two defaults**",
    "ill-posed": f"run, but two tight settings differ by more than {DISAGREE:g}: nobody can say",
    "no reference": "run, but libroadrunner has no two tight courses",
    "refused": "refused with a reason",
    "error": "another error, the time limit, or a process that died",
}


def report(rows: Sequence[Row], *, compile_times: bool) -> str:
    """The tables in Markdown."""
    by_verdict = {key: [r for r in rows if r["verdict"] == key] for key in VERDICTS}
    nothing = by_verdict["refused"] + by_verdict["error"]
    reasons = Counter(_kind(r) for r in nothing)
    counted = [("all", rows), ("run", [r for r in rows if r not in nothing])]
    counted += [(text, by_verdict[key]) for key, text in VERDICTS.items()]
    counted += [("run, and something that moves is not in the result", [r for r in rows if r["missing"]])]
    tables = [
        _table(("files", *COUNTED), [_counted(*c) for c in counted]),
        _table(
            ("give nothing, because", *COUNTED),
            [_counted(kind, [r for r in nothing if _kind(r) == kind]) for kind, _ in reasons.most_common()],
        ),
        _table(
            ("only libroadrunner runs", "reason here"),
            [(r["file"], r["reason"][:200]) for r in nothing if r["libroadrunner"] == "runs"],
        ),
        *(_far(key, by_verdict[key]) for key in ("worse", "sensitive", "ill-posed")),
        _compile_times(rows) if compile_times else "",
    ]
    return "\n".join(t for t in tables if t)


def _table(head: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    """A Markdown table with an empty line after it; nothing without lines."""
    cells = [[str(c).replace("|", "\\|") for c in line] for line in [head, *lines]]
    text = [f"| {' | '.join(line)} |" for line in cells]
    return "\n".join([text[0], "|" + "---|" * len(head), *text[1:], ""]) if lines else ""


def _counted(what: str, rows: Sequence[Row]) -> tuple[str, int, int]:
    return what, len(rows), sum(r["libroadrunner"] == "runs" for r in rows)


def _kind(row: Row) -> str:
    """The reason without what differs from file to file."""
    stem = re.escape(Path(row["file"]).stem)
    text = re.sub(rf"{stem}(\.\w+)?:?|\S*/\S*|'[^']*'|\(line \d+\)|\b\d[\d.e+-]*", "", row["reason"])
    return " ".join(text.split())[:120]


def _far(verdict: str, rows: Sequence[Row]) -> str:
    """The variable that is furthest from the reference in each file, and the tools' distances there."""
    numbers = ("at_here", "at_libroadrunner", "at_copasi", "spread")
    lines = [(r["file"], r["variable"], *(f"{r[k]:.2g}" for k in numbers)) for r in rows]
    lines.sort(key=lambda line: -float(line[2]))
    return _table((verdict, "variable", "here", "libroadrunner", "COPASI", "two tight settings"), lines)


def _compile_times(rows: Sequence[Row]) -> str:
    """CPU seconds until the first run can begin, here and on libroadrunner; the slowest ten."""
    both = [r for r in rows if r["compile_here"] > 0 and r["compile_libroadrunner"] > 0]
    if not both:
        return ""
    ratio = {r["file"]: r["compile_here"] / r["compile_libroadrunner"] for r in both}
    slowest = sorted(both, key=lambda r: -r["compile_here"])[:10]
    lines = [
        (r["file"], f"{r['compile_here']:.1f}", f"{r['compile_libroadrunner']:.1f}", f"{ratio[r['file']]:.2f}")
        for r in slowest
    ]
    middle = f"{np.median(list(ratio.values())):.2f}"
    head = ("reading and compiling", "here, s", "libroadrunner, s", "ratio")
    return _table(head, [(f"median of {len(both)} files", "", "", middle), *lines])


def title(name: str, which: str) -> str:
    """What was run, on what, and how it is judged."""
    packages = ("pathway-models", "libroadrunner", "python-copasi", "python-libsbml")
    return (
        f"# Public models: {name}\n\n{which}. From 0 to {DURATION:g}, {POINTS} points, with the defaults of each.\n"
        f"{', '.join(f'{k} {_version(k)}' for k in packages)}.\n"
        "Reference: libroadrunner at the tightest of "
        f"{', '.join(f'{relative:g}/{absolute:g}' for relative, absolute, _ in TIGHT)}"
        " (relative tolerance, absolute one in sizes of a state) that agrees with another of them.\n"
        "Distance: largest difference over the largest value of a variable, of the variables above "
        f"{MATTERS:g} of the largest of their kind.\n"
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"
