"""Files that people write: a slip of the pen is an error that names file, place and what is allowed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import pathway_models as pm
from pathway_models._files.authored import read_rows, read_toml
from pathway_models._files.data import sbml_root
from pathway_models.errors import ModelError
from pathway_models.models import collection as _library
from pathway_models.modules.module import ModuleFile, read_module

MODULE = "acupuncture"


def edited(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text, old
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of a module's folder that a test may break."""
    return Path(shutil.copytree(sbml_root() / "modules" / MODULE, tmp_path / "sbml" / "modules" / MODULE))


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the whole library in the place of ours."""
    root = Path(shutil.copytree(_library.OURS.roots[0], tmp_path / "sbml", ignore=shutil.ignore_patterns("*-comp.xml")))
    cached: list[Callable[..., Any]] = [_library._found, _library._module, _library._texts, _library._model]
    cached.append(_library._every_input)
    monkeypatch.setattr(_library, "sbml_root", lambda: root)
    for function in cached:
        function.cache_clear()  # type: ignore[attr-defined]
    yield root
    for function in cached:
        function.cache_clear()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("title =", "titel =", ["unknown key 'titel'; did you mean 'title'?", "Allowed: epilepsy, hypotheses, inputs"]),
        ("[inputs.session]\ntitle =", "[inputs.session]\nname =", ["inputs.session: unknown key 'name'"]),
        ("\nlow =", "\nlo =", ["inputs.session: unknown key 'lo'; did you mean 'low'?", "high, low, title"]),
        ("\nlow = 0.0", "\nlow = 'none'", ["inputs.session.low: 'none' is no number"]),
        ("\nlow = 0.0", "\nlow = '0'", ["inputs.session.low: '0' is no number"]),
        ("\nlow = 0.0", "\nlow = true", ["inputs.session.low: True is no number"]),
        ("\nlow = 0.0", "\nlow = 5.0", ["inputs.session: low 5 to high", "must hold 0"]),
        ("[inputs.session]", "[inputs.sesion]", ["inputs: unknown name 'sesion'; did you mean 'session'"]),
        ('default = "weak"', 'default = "waek"', ["hypotheses.efficacy.default", "'waek'; did you mean 'weak'?"]),
        ("settings = { efficacy", "settings = { eficacy", ["alternatives.", "'eficacy'; did you mean 'efficacy'"]),
        ("settings = { efficacy =", "settings = { efficacy = 'much' } #", ["settings.efficacy: 'much' is no number"]),
        ("title =", "title", ["line 1"]),
        ("title =", "title = 5 #", ["title: 5 is not text"]),
    ],
)
def test_a_slip_in_a_module_file(folder: Path, old: str, new: str, words: list[str]) -> None:
    edited(folder / "module.toml", old, new)
    with pytest.raises(ModelError) as found:
        read_module(folder)
    assert str(found.value).startswith(f"modules/{MODULE}/module.toml: ")
    for word in words:
        assert word in str(found.value)


def test_a_key_that_is_needed_and_missing(tmp_path: Path) -> None:
    path = tmp_path / "module.toml"
    path.write_text('title = "a"\nsummary = "b"\n[inputs.x]\nlow = 1.0\n', encoding="utf-8")
    with pytest.raises(ModelError, match=r"module.toml: inputs.x: key 'title' is missing$"):
        read_toml(path, ModuleFile)
    path.write_text('title = "a"\n', encoding="utf-8")
    with pytest.raises(ModelError, match=r"module.toml: key 'summary' is missing$"):
        read_toml(path, ModuleFile)
    path.write_text('title = "a"\nsummary = "b"\nirreversible = "x"\n', encoding="utf-8")
    with pytest.raises(ModelError, match="irreversible: 'x' is not a list"):
        read_toml(path, ModuleFile)
    path.write_text('title = "a"\nsummary = "b"\ninputs = 5\n', encoding="utf-8")
    with pytest.raises(ModelError, match="inputs: 5 is not a table"):
        read_toml(path, ModuleFile)


@pytest.mark.parametrize(
    ("column", "cell", "words"),
    [
        ("low", "o.5", ["low: 'o.5' is no number"]),
        ("low", "", ["None to 1", "low below high"]),
        ("low", "7", ["7.0 to 1.0", "low below high"]),
        ("low", "0", ["low is 0", "loguniform needs a low end above 0"]),
        ("high", "inf", ["low below high"]),
        ("low", "nan", ["low: nan is no number"]),
        ("distribution", "log-uniform", ["distribution: unknown value 'log-uniform'; did you mean 'loguniform'"]),
        ("kind", "guessed", ["kind: unknown value 'guessed'", "assumed, derived, fitted, measured"]),
    ],
)
def test_a_slip_in_a_table_of_parameters(folder: Path, column: str, cell: str, words: list[str]) -> None:
    path = folder / "parameters.tsv"
    header, *rows = path.read_text(encoding="utf-8").splitlines()
    place = next(i for i, row in enumerate(rows) if row.startswith("gain_vagal\t"))
    cells = dict(zip(header.split("\t"), rows[place].split("\t"), strict=True))
    cells |= {"low": "0.1", "high": "1", "distribution": "loguniform", "kind": "assumed", column: cell}
    rows[place] = "\t".join(cells.values())
    path.write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    with pytest.raises(ModelError) as found:
        read_module(folder)
    assert str(found.value).startswith(f"modules/{MODULE}/parameters.tsv:")
    assert "gain_vagal" in str(found.value) or f":{place + 2}: " in str(found.value)
    for word in words:
        assert word in str(found.value)


def test_rows_and_columns_of_a_table(folder: Path) -> None:
    path = folder / "parameters.tsv"
    whole = path.read_text(encoding="utf-8")
    first = whole.splitlines()[1]
    for text, message in (
        (whole.replace("\tlow\t", "\tlo\t", 1), r"parameters.tsv:1: .*'low' is missing; 'lo' is unknown"),
        (whole.replace("\tlow\thigh\t", "\thigh\tlow\t", 1), "their order is another"),
        (whole + first + "\n", f"id '{first.split()[0]}' is double"),
        (whole + "one\ttwo\n", "2 cells; the header has 7"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ModelError, match=message):
            read_module(folder)


@dataclass(frozen=True)
class Row:
    """A row with a number that is needed and one that is not."""

    id: str
    needed: float
    free: float | None


def test_an_empty_cell_is_nothing_or_no_number_where_one_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("id\tneeded\tfree\nx\t1\t\n", encoding="utf-8")
    assert read_rows(path, Row) == [Row(id="x", needed=1.0, free=None)]
    path.write_text("id\tneeded\tfree\nx\t1\t\ny\t\t2\n", encoding="utf-8")
    with pytest.raises(ModelError, match=r"a.tsv:3: needed: '' is no number$"):
        read_rows(path, Row)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("modules =", "module =", ["epilepsy.toml: unknown key 'module'; did you mean 'modules'"]),
        ('from = "seizure_drive"', 'form = "seizure_drive"', ["wire[0]: unknown key 'form'; did you mean 'from'"]),
        ("reference = 0.0", "refernce = 0.0", ["inputs.seizure_drive: unknown key 'refernce'"]),
        ("reference = 0.0\n", "", ["inputs.seizure_drive: key 'reference' is missing"]),
        (
            'IL1B = "nlrp3_il1b.IL1B"',
            'IL1B = "nlrp3_il1b.IL1"',
            ["aliases.IL1B: unknown", "'nlrp3_il1b.IL1B'"],
        ),
        ('to = "excitability.seizure_drive"', 'to = "excitability.GABA"', ["seizure_drive -> excitability.GABA"]),
        ("title =", 'extends = "epilepsi"\ntitle =', ["extends: unknown model 'epilepsi'; did you mean 'epilepsy'"]),
        ('"ketone_katp", "ampk', '"keton_katp", "ampk', ["modules: unknown module 'keton_katp'", "'ketone_katp'"]),
        ("title =", 'extends = "epilepsy_core"\ntitle =', ["a ring of epilepsy_core, epilepsy"]),
        ('to = "excitability.seizure_drive"', 'to = "seizure_drive"', ["'seizure_drive'", "module.input"]),
    ],
)
def test_a_slip_in_a_coupled_model(library: Path, old: str, new: str, words: list[str]) -> None:
    edited(library / "coupled" / "epilepsy.toml", old, new)
    with pytest.raises(ModelError) as found:
        pm.load("epilepsy")
    assert str(found.value).startswith("coupled/epilepsy")
    for word in words:
        assert word in str(found.value)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("module_overlays = true", "module_overlay = true", ["epilepsy: unknown key 'module_overlay'; did you mean"]),
        ("module_overlays = true", "module_overlays = 1", ["epilepsy.module_overlays: 1 is not true or false"]),
        ("{ seizure_drive = 1.0,", "{ seizure_driev = 1.0,", ["'seizure_driev'; did you mean 'seizure_drive'"]),
        ("{ seizure_drive = 1.0,", "{ seizure_drive = 'on',", ["epilepsy.inputs.seizure_drive: 'on' is no number"]),
        ('"excitability.IL1B",', '"excitability.IL1",', ["'excitability.IL1'; did you mean 'excitability.IL1B'"]),
        ('"safety.count_hazards"', '"saftey.count_hazards"', ["unknown variable 'saftey.count_hazards'"]),
        ("switch =", "swich =", ["epilepsy.loop: unknown key 'swich'; did you mean 'switch'"]),
    ],
)
def test_a_slip_in_the_contexts(library: Path, old: str, new: str, words: list[str]) -> None:
    edited(library / "contexts.toml", old, new)
    with pytest.raises(ModelError) as found:
        pm.load("excitability")
    assert str(found.value).startswith("contexts.toml: ")
    for word in words:
        assert word in str(found.value)
