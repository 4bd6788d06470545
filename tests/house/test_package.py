"""The package as a whole: import time and weight, names, typing marker, examples in docstrings and README."""

from __future__ import annotations

import contextlib
import doctest
import importlib
import inspect
import io
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points, version
from importlib.resources import files
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import pytest

import pathway_models as pm
from helpers import GUARD

ROOT = Path(__file__).resolve().parents[2]
MODULES = ["pathway_models", *(m.name for m in pkgutil.walk_packages(pm.__path__, "pathway_models."))]
ROOMS = (
    "errors",
    "ensembles",
    "evidence",
    "exchange",
    "experiments",
    "inference",
    "models",
    "sensitivity",
    "treatments",
    "trials",
)
ATTEMPTS = 8
README = ROOT / "README.md"


def fresh(code: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run code in a new interpreter."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=GUARD, check=False, cwd=folder
    )


def test_import_takes_less_than_that_of_the_packages_it_needs_at_once() -> None:
    """Seconds of the importing thread in a fresh interpreter, as a ratio, the best of up to eight attempts.

    Not the clock on the wall, a ratio, and the best instead of the mean, so that neither other work on the machine nor
    its speed counts.
    """
    code = (
        "import time; start = time.thread_time(); import numpy, pandas, xarray, roadrunner, antimony; "
        "needed = time.thread_time(); import pathway_models; "
        "print((time.thread_time() - needed) / (needed - start))"
    )
    ratios: list[float] = []
    while len(ratios) < ATTEMPTS and min(ratios, default=2.0) >= 1.0:
        done = fresh(code)
        assert done.returncode == 0, done.stderr
        ratios.append(float(done.stdout))
    assert min(ratios) < 1.0, ratios


@pytest.mark.parametrize("heavy", ["matplotlib.pyplot", "tellurium", "SALib", "tqdm", "scipy.stats"])
def test_import_leaves_out_what_is_needed_later_or_never(heavy: str) -> None:
    done = fresh(f"import sys, pathway_models; print({heavy!r} in sys.modules)")
    assert done.stdout.strip() == "False", done.stderr


def test_late_rooms_and_what_stands_at_the_front_of_them_are_there_from_the_first_use_on() -> None:
    code = (
        "import pathway_models as pm, sys; before = 'pathway_models.trials' in sys.modules; pm.trial, pm.trials.Trial; "
    )
    done = fresh(code + "print(before, pm.trial is pm.trials.trial, set(pm.__all__) <= set(dir(pm)))")
    assert done.stdout.split() == ["False", "True", "True"], done.stderr
    with pytest.raises(AttributeError, match="has no attribute 'simulate'"):
        pm.simulate  # noqa: B018


def test_import_writes_nothing() -> None:
    done = fresh("import pathway_models")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_version_is_that_of_the_metadata() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert pm.__version__ == version("pathway-models") == declared
    assert re.fullmatch(r"\d+\.\d+\.\d+", declared)


def test_the_typing_marker_is_in_the_package() -> None:
    assert files("pathway_models").joinpath("py.typed").is_file()
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]
    assert wheel["wheel"]["packages"] == ["src/pathway_models"]
    assert wheel["wheel"]["force-include"]["sbml"] == "pathway_models/sbml"


def test_the_command_points_at_main() -> None:
    (command,) = entry_points(group="console_scripts", name="pathway-models")
    assert command.load() is importlib.import_module("pathway_models._cli.main").main


def test_all_is_complete_and_importable() -> None:
    assert len(set(pm.__all__)) == len(pm.__all__)
    namespace: dict[str, object] = {}
    exec("from pathway_models import *", namespace)
    assert set(pm.__all__) <= set(namespace)
    public = {
        name
        for name in dir(pm)
        if not name.startswith("_") and not (inspect.ismodule(getattr(pm, name)) and name not in ROOMS)
    }
    assert public == set(pm.__all__)


def test_errors_share_one_base() -> None:
    found = [e for e in vars(pm.errors).values() if inspect.isclass(e) and issubclass(e, Exception)]
    errors = [e for e in found if not issubclass(e, Warning)]
    assert len(errors) == 6
    assert all(issubclass(e, pm.errors.PathwayModelsError) for e in errors)
    assert all(issubclass(e, UserWarning) for e in found if e not in errors)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name: str) -> None:
    """Every example of the module runs and gives what it says."""
    module = importlib.import_module(name)
    examples = sum(len(t.examples) for t in doctest.DocTestFinder().find(module))
    report = io.StringIO()
    with contextlib.redirect_stdout(report):
        outcome = doctest.testmod(module)
    plt.close("all")
    assert outcome.failed == 0, report.getvalue()
    assert outcome.attempted == examples
    source = Path(inspect.getsourcefile(module) or "").read_text(encoding="utf-8")
    assert examples == len(re.findall(r"^\s*>>> ", source, re.MULTILINE)), "an example hides where nothing runs it"


def readme_blocks(text: str) -> list[tuple[str, str]]:
    """(language, code) of the fenced blocks."""
    return re.findall(r"^```[ ]*(\S*)[^\n]*\n(.*?)^```[ ]*$", text, re.MULTILINE | re.DOTALL)


def test_python_in_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python blocks one after the other in an empty folder; Sobol analyses and trials are cut, and in one process."""
    blocks = readme_blocks(README.read_text(encoding="utf-8"))
    code = [text for language, text in blocks if language.lower() in ("python", "py", "pycon")]
    if blocks:
        assert code, "the README has fenced blocks, but none is marked as python"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    namespace: dict[str, object] = {"__name__": "readme"}
    for i, text in enumerate(code):
        plain = doctest.script_from_examples(text) if text.lstrip().startswith(">>>") else text
        short = re.sub(r"\bn=\d+", "n=2", plain).replace("workers=2", "workers=1")
        short = short.replace("pm.sobol(model, treatments, ", "pm.sobol(model, treatments, weeks=1, ")
        short = re.sub(r"\bpopulation\(model, \d+", "population(model, 4", short)
        exec(compile(short, f"README.md, python block {i + 1}", "exec"), namespace)
    plt.close("all")


def test_blocks_of_a_readme_are_found() -> None:
    text = "a\n```python\nx = 1\n```\nb\n```sh\nmake\n```\n```py title=1\ny = 2\nz = 3\n```\n"
    assert readme_blocks(text) == [("python", "x = 1\n"), ("sh", "make\n"), ("py", "y = 2\nz = 3\n")]
