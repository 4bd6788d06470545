"""Does every model file of a folder run, and are its numbers right?

Takes all SBML, Antimony, OMEX and PEtab files below FOLDER. Each runs from 0 to 100 with 51 points through this
library, on libroadrunner and on COPASI with their defaults, and on libroadrunner at tight tolerances, every tool in a
process of its own with a limit of processor time. The distance of a course from the tight one is the largest difference
over the largest value, for variables that matter. Prints Markdown; --out writes one line of numbers for each file.
Run: python benchmarks/public_models.py FOLDER [--commit C] [--out TSV] [--workers 2] [--limit 60] [--sample N --seed 1]
"""

from __future__ import annotations

import argparse
import csv
import io
import math
import multiprocessing
import os
import random
import resource
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, TypeAlias

import xarray
from tqdm import tqdm

from public_distance import AGREES, DISAGREE, Answer, apart, distances, moves
from public_report import COLUMNS, Row, report, title
from public_runs import TIGHT, Answers, copasi, here, libroadrunner

SUFFIXES = (".xml", ".sbml", ".ant", ".omex", ".yaml")
Found: TypeAlias = dict[str, Answer]
Tool: TypeAlias = Callable[[Path], Answers]
Tools: TypeAlias = Mapping[str, Tool]
TOOLS = ("here", "libroadrunner", "copasi")
# Forked: a fresh interpreter would import for two seconds for every file. Nothing here has started a thread.
PATIENCE = 1800.0  # seconds of the clock without an answer, before a process counts as hung
FORK = multiprocessing.get_context("fork")


# ---- processes ---------------------------------------------------------------------------------------------------


def model_files(folder: Path) -> list[Path]:
    """All files below the folder that may be models; of YAML files only PEtab problems."""
    found = sorted(p for p in folder.rglob("*") if p.suffix in SUFFIXES and p.is_file())
    return [p for p in found if p.suffix != ".yaml" or "parameter_file" in p.read_text(encoding="utf-8")]


def _child(tool: Tool, path: Path, pipe: Connection, limit: float) -> None:
    """Give the answers of a tool, each within `limit` seconds of the processor: other work on it shall not count."""
    silent = os.open(os.devnull, os.O_WRONLY)  # the tools print from C++
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    waiting = tool(path)
    while True:
        due = math.ceil(time.process_time() + limit)
        resource.setrlimit(resource.RLIMIT_CPU, (due, resource.getrlimit(resource.RLIMIT_CPU)[1]))
        answer = next(waiting, None)
        if answer is None:
            return
        pipe.send(answer)


@dataclass
class Job:
    """A tool at work on a file, and when its next answer is due."""

    path: Path
    label: str
    process: Any
    due: float


def answers(paths: Sequence[Path], tools: Tools, workers: int, limit: float) -> Iterator[tuple[Path, Found]]:
    """For every file, when all tools are through with it, their answers by label.

    A tool that dies or takes longer than `limit` for an answer loses only what it had not yet given.
    """
    waiting = deque((path, label) for path in paths for label in tools)
    running: dict[Connection, Job] = {}
    found: dict[Path, Found] = {path: {} for path in paths}
    left = dict.fromkeys(paths, len(tools))
    while waiting or running:
        while waiting and len(running) < workers:
            path, label = waiting.popleft()
            receiver, process = _start(tools[label], path, limit)
            running[receiver] = Job(path, label, process, time.monotonic() + PATIENCE)
        soonest = min(job.due for job in running.values())
        ready = wait(list(running), timeout=max(0.0, soonest - time.monotonic()))
        for pipe, job in list(running.items()):
            reason = None
            if pipe in ready:
                reason = _receive(pipe, job, found[job.path])
                job.due = time.monotonic() + PATIENCE
            elif time.monotonic() > job.due:
                reason = "hangs"
            if reason is None:
                continue
            job.process.kill()
            job.process.join()
            pipe.close()
            del running[pipe]
            if reason:
                found[job.path].setdefault(job.label, Answer(reason=f"error: {reason}"))
            left[job.path] -= 1
            if not left[job.path]:
                yield job.path, found.pop(job.path)


def _start(tool: Tool, path: Path, limit: float) -> tuple[Connection, Any]:
    receiver, sender = FORK.Pipe(duplex=False)
    process = FORK.Process(target=_child, args=(tool, path, sender, limit), daemon=True)
    process.start()
    sender.close()  # before the next fork, so that the end of this process closes the pipe
    return receiver, process


def _receive(pipe: Connection, job: Job, found: Found) -> str | None:
    """Note the answer that came (None), or say how the process ended (empty where it was through)."""
    try:
        label, answer = pipe.recv()
    except EOFError:
        job.process.join()
        code = job.process.exitcode
        return "" if code == 0 else "the time limit" if code == -signal.SIGXCPU else f"the process died ({code})"
    found[label] = answer
    return None


# ---- comparison --------------------------------------------------------------------------------------------------


def reference(found: Found) -> tuple[Answer | None, float]:
    """The tighter one of the two courses of libroadrunner that are nearest to each other, and their distance."""
    tight = [a for i in range(len(TIGHT)) if (a := found.get(f"tight {i}")) and not a.reason]
    pairs = [(apart(b, a), a) for a, b in combinations(tight, 2)]
    spread, exact = min(pairs, key=lambda pair: pair[0], default=(math.nan, None))
    return exact, spread


def compare(name: str, found: Found) -> Row:
    """One line of the table: what happened, and how far each tool is from the reference."""
    ours, plain, theirs = (found.get(k, Answer(reason="not run")) for k in TOOLS)
    exact, spread = reference(found)
    row: Row = dict.fromkeys(COLUMNS, "") | {
        "file": name,
        "reason": " ".join(ours.reason.split()),
        "libroadrunner": plain.reason or "runs",
        "copasi": theirs.reason or "runs",
        "spread": spread,
        "warnings": " | ".join(" ".join(w.split())[:200] for w in ours.warnings),
        "s_here": ours.seconds,
        "s_libroadrunner": plain.seconds,
        "compile_here": ours.compiling,
        "compile_libroadrunner": plain.compiling,
    }
    if ours.reason:
        return row | {"verdict": "refused" if ours.reason.startswith("refused") else "error"}
    if exact is None:
        return row | {"verdict": "no reference"}
    far = [distances(a, exact) for a in (ours, plain, theirs)]
    worse = {k: d for k, d in far[0].items() if d > AGREES and d > min(f.get(k, math.inf) for f in far[1:])}
    variable = max(worse or far[0], key=far[0].__getitem__, default="")
    row |= {f"d_{k}": max(f.values(), default=math.nan) for k, f in zip(TOOLS, far, strict=True)}
    row |= {f"at_{k}": f.get(variable, math.nan) for k, f in zip(TOOLS, far, strict=True)}
    row |= {"variable": variable, "missing": " ".join(_missing(ours, exact))}
    if not spread <= DISAGREE:
        return row | {"verdict": "ill-posed"}
    if worse:
        return row | {"verdict": "worse"}
    return row | {"verdict": "agrees" if max(far[0].values(), default=0.0) <= AGREES else "sensitive"}


def _missing(ours: Answer, exact: Answer) -> list[str]:
    """What moves and is not in our result."""
    return sorted(k for k, v in exact.courses.items() if k not in ours.courses and moves(v))


# ---- command -----------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the files and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name", help="of the collection; default the folder's")
    parser.add_argument("--commit", help="of the collection, for the table")
    parser.add_argument("--out", type=Path, help="write a TSV, one line for each file")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds of the processor for an answer of one tool")
    parser.add_argument("--sample", type=int, help="only so many files, drawn")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", help="only files whose path holds one of these")
    parser.add_argument("--compile-times", action="store_true", help="a second run, and a table of compile times")
    asked = parser.parse_args(arguments)
    paths = [p for p in model_files(asked.folder) if not asked.only or any(k in str(p) for k in asked.only)]
    total = len(paths)
    random.Random(asked.seed).shuffle(paths)  # what is done when somebody stops it is a fair sample
    paths = paths[: asked.sample]
    if not paths:
        sys.stderr.write(f"public_models: no model files in {asked.folder}\n")
        return 2
    drawn = f"{len(paths)} of {total} files, drawn with seed {asked.seed}" if asked.sample else f"{total} files"
    which = f"{drawn}, commit {asked.commit}" if asked.commit else drawn
    rows = _measured(paths, asked)
    print(title(asked.name or asked.folder.resolve().name, which))
    print(report(rows, compile_times=asked.compile_times))
    return 0


def _measured(paths: Sequence[Path], asked: argparse.Namespace) -> list[Row]:
    tools: Tools = {
        "here": partial(here, compile_times=asked.compile_times),
        "libroadrunner": libroadrunner,
        "copasi": copasi,
    }
    xarray.Dataset(coords={"time": [0.0]})  # its late imports happen here, once, and not in every process
    rows = []
    with asked.out.open("w", encoding="utf-8", newline="") if asked.out else nullcontext(io.StringIO()) as file:
        table = csv.DictWriter(file, COLUMNS, delimiter="\t", lineterminator="\n")
        table.writeheader()
        done = answers(paths, tools, asked.workers, asked.limit)
        for path, found in tqdm(done, total=len(paths), file=sys.stderr, mininterval=10.0):
            row = compare(str(path.relative_to(asked.folder)), found)
            rows.append(row)
            table.writerow({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()})
            file.flush()
    return sorted(rows, key=lambda r: r["file"])


if __name__ == "__main__":
    sys.exit(main())
