"""The generated pages and the tables of README.md are current, complete and well formed."""

from __future__ import annotations

import math
import re
from pathlib import Path

import libsbml
import pytest

import diagram
import docs
import equations
import page_markdown
import pages
import pathway_models as pm
import readme as _readme
from helpers import at_rest, sbml
from pathway_models.errors import ModelError
from pathway_models.models.collection import OURS

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / pages.FOLDER
NAMES = pages.names()
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![\w.]*\w)")
CLOSE = 0.01  # numbers are printed to three digits; a solver on another machine may move the last one
each_model = pytest.mark.parametrize("name", NAMES)
each_module = pytest.mark.parametrize("name", tuple(OURS.modules))


def assert_agrees(committed: str, made: str) -> None:
    """The same text; its numbers within one percent."""
    for number, (old, new) in enumerate(zip(committed.splitlines(), made.splitlines(), strict=False), 1):
        same = NUMBER.sub("#", old) == NUMBER.sub("#", new)
        pairs = zip(NUMBER.findall(old), NUMBER.findall(new), strict=False)
        close = same and all(math.isclose(float(a), float(b), rel_tol=CLOSE) for a, b in pairs)
        assert close, f"line {number} is not current: run `make docs`\n{old}\n{new}"
    assert len(committed.splitlines()) == len(made.splitlines()), "run `make docs`"


def read(name: str) -> str:
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8")


# ---- current and complete ----


@each_model
def test_pages_are_current(name: str) -> None:
    assert_agrees(read(name), pages.page(name))


def test_every_model_has_a_page_and_nothing_else_is_there() -> None:
    assert {p.stem for p in FOLDER.glob("*.md")} == set(NAMES)
    assert {p.stem for p in FOLDER.glob("*.png")} == {n for n in NAMES if pages.report(n)}


def test_the_tables_of_the_readme_are_current() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert_agrees(readme, _readme.with_blocks(readme))


def test_small_changes_of_a_solver_do_not_matter_and_others_do() -> None:
    assert_agrees("| `k_2` | 1.23 | -0.5 |", "| `k_2` | 1.235 | -0.501 |")
    for other in ("| `k_3` | 1.23 | -0.5 |", "| `k_2` | 1.33 | -0.5 |", "| `k_2` | 1.23 | 0.5 |", "| `k_2` | 1.23 |"):
        with pytest.raises(AssertionError, match="make docs"):
            assert_agrees("| `k_2` | 1.23 | -0.5 |", other)


def test_writing_twice_changes_nothing_and_removes_what_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "no_such_model.md").write_text("old", encoding="utf-8")
    assert {p.stem for p in docs.write_pages(tmp_path)} == set(NAMES)
    monkeypatch.setattr(docs, "_plot", lambda *_: None)  # figures once are enough: the texts are compared
    assert docs.write_pages(tmp_path) == []
    assert not (tmp_path / "no_such_model.md").exists()
    assert all((tmp_path / f"{n}.png").stat().st_size > 5_000 for n in NAMES if pages.report(n))


# ---- well formed ----


@each_model
def test_links_resolve(name: str) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", read(name))
    assert targets
    for target in targets:
        if not re.match(r"https?://[\w.-]+/\S+", target):
            path, _, anchor = target.partition("#")
            assert (FOLDER / path).exists(), target
            assert anchor in ("", "hypotheses")


@each_model
def test_tables_have_even_rows(name: str) -> None:
    widths: list[int] = []
    for line in read(name).splitlines():
        if not line.startswith("|"):
            widths = []
            continue
        widths.append(len(re.findall(r"(?<!\\)\|", line)))
        assert widths[0] == widths[-1], line


@each_module
def test_module_pages_hold_everything(name: str) -> None:
    text, module = read(name), OURS.module(name)
    for p in module.parameters:
        assert f"| `{p.id}` |" in text
    for port in (*module.inputs, *module.outputs):
        assert f"| `{port.id}` |" in text
    for h in module.hypotheses:
        assert f"### `{h.id}`" in text
    cited = {i for p in module.parameters for i in p.source.split(";") if i}
    assert {i.strip() for i in cited} <= set(re.findall(r"\w+:[\w-]+", text.split("## Works")[1]))


@each_model
def test_diagrams_are_sound(name: str) -> None:
    block = read(name).split("```mermaid\n")[1].split("```")[0]
    nodes = set(re.findall(r"^(\w+)[\[(]", block, flags=re.MULTILINE))
    arrows = re.findall(r"^(\w+) (?:-->|--x|-\.->)(?:\|\"[^\"|]*\"\|)? (\w+)$", block, flags=re.MULTILINE)
    assert arrows
    assert {end for pair in arrows for end in pair} <= nodes
    styled = [
        int(i) for found in re.findall(r"^linkStyle ([\d,]+)", block, flags=re.MULTILINE) for i in found.split(",")
    ]
    assert all(i < len(arrows) for i in styled)
    assert len(styled) == len(set(styled))
    lines = [line for line in block.splitlines() if re.match(r"\w+ -", line)]
    assert len(lines) == len(arrows)


# ---- README blocks ----


MARKED = "a\n" + "\n".join(f"<!-- {b}:start -->\nSTALE\n<!-- {b}:end -->" for b in _readme.BLOCKS) + "\nz\n"


def test_blocks_are_replaced_between_their_markers() -> None:
    made = _readme.with_blocks(MARKED)
    assert made.startswith("a\n")
    assert made.endswith("\nz\n")
    assert "STALE" not in made
    assert all(f"`{name}`" in made for name in NAMES)
    assert _readme.with_blocks(made) == made


@pytest.mark.parametrize("text", ["", MARKED.replace("models:end", "models:stop"), MARKED + MARKED])
def test_missing_and_double_markers_are_errors(text: str) -> None:
    with pytest.raises(ModelError, match="models:start"):
        _readme.with_blocks(text)


# ---- parts ----


def test_free_text_is_no_markup() -> None:
    assert page_markdown.words("a*b | <c>  $d$ [e]") == r"a\*b \| &lt;c&gt; \$d\$ \[e\]"


def test_rows_link_to_their_work() -> None:
    assert page_markdown.address("nlrp3_il1b:p036") == "https://pubmed.ncbi.nlm.nih.gov/26168875"
    assert page_markdown.link("nlrp3_il1b:p036", "nlrp3_il1b").startswith("[p036](https://")
    assert all(re.fullmatch(r"(https?://\S+)?", page_markdown.address(row)) for row in page_markdown.rows())


@pytest.mark.parametrize("text", ["(a^b)^c", "a^(b^c)", "((a + 1)^2)^(h / 2) * x", "x^2 - b * (y^2)^2"])
def test_powers_of_powers_keep_their_brackets(text: str) -> None:
    assert equations.formula(libsbml.parseL3Formula(text)).replace(" ", "") == text.replace(" ", "")


def test_equations_are_those_of_the_sbml() -> None:
    text = sbml(
        "compartment c = 2; species A in c; species B in c; A = 1; B = 0; k = 1; y = 1; y' = -y\n"
        "J: 2 A -> B; c*k*A; J2: B -> ; c*B; var z := piecewise(A, A > 1, sqrt(B)) + 1"
    )
    found = equations.equations(text)
    assert found.rates["A"].right == "(- 2*J)/c" or found.rates["A"].right == "- 2*J/c"
    assert found.rates["B"].right == "(J - J2)/c"
    assert found.rates["y"].right.replace(" ", "") == "-y"
    assert found.laws["J"].right == "c * k * A"
    assert found.assigned["z"].left == "z"
    assert found.listing().splitlines()[0] == f"d/dt A = {found.rates['A'].right}"


@pytest.mark.parametrize("context", ["healthy", "epilepsy"])
@each_module
def test_equations_rest_where_the_model_rests(name: str, context: str) -> None:
    """The printed equations, evaluated, are those that the solver runs."""
    model = pm.load(name, context=context)
    rest = at_rest(model, (*model.states, *model.anchors))
    given = {k: q.value for k, q in model.quantities.items()} | dict(model.settings) | rest
    values = equations.Values(model.sbml, given)
    for state in model.states:
        if state in equations.equations(model.sbml).rates:
            assert values.of(state) == pytest.approx(0, abs=1e-4 * max(1.0, abs(rest[state]))), state


def test_signs_of_influences() -> None:
    signs = equations.influences(pm.load("nlrp3_il1b"))
    assert signs["MCC950", "CASP1"] == signs["BHB", "CASP1"] == signs["caspase1_inhibitor", "IL1B"] == -1
    assert signs["seizure_drive", "NFKB"] == signs["CASP1", "IL1B"] == signs["NFKB", "TNF"] == 1
    assert ("MCC950", "NFKB") not in signs
    assert ("NFKB", "NFKB") not in signs


def test_arrows_follow_the_signs() -> None:
    assert diagram.ARROWS == {1: "-->", -1: "--x", 0: "-.->"}
    assert "MCC950 --x CASP1" in read("nlrp3_il1b")
