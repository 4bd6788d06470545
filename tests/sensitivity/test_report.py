"""The HTML report: whole and self-contained, escaped, its sentences and its code right."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_array_equal

import pathway_models as pm
from helpers import flat, from_sbml, sbml, tiny
from pathway_models._cli import text as words_of
from pathway_models.ensembles import code
from pathway_models.ensembles.outcomes import ValueAt
from pathway_models.errors import InvalidValueError, ModelError, UnknownNameError
from pathway_models.sensitivity.html import bullets, facts, table
from pathway_models.sensitivity.page import report_text
from pathway_models.simulation.tolerances import Attempt
from pathway_models.treatments.text import treatment_from_text

BODY = "a = 2; b = 3; c = 1; y := a + b*time; z := a*b; w := a*0 + 1"
HERE: dict[str, Any] = {"workers": 1, "progress": False}
RANGES = {"a": (1.0, 3.0), "b": (0.0, 1.0)}
VOID = {"meta", "img", "br", "hr", "link"}


class Page(HTMLParser):
    """Open and closed tags, references, text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.problems: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.links += [v for k in ("src", "href") if (v := values.get(k))]
        self.ids += [v for v in [values.get("id")] if v]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def blocks(text: str) -> list[str]:
    """The code in a report."""
    return [html.unescape(c) for c in re.findall(r"<pre><code>(.*?)</code></pre>", text, re.DOTALL)]


@pytest.fixture(autouse=True)
def _closed_figures() -> Iterator[None]:
    plt.close("all")  # of other tests
    yield
    assert plt.get_fignums() == [], "the report leaves no figure open"


@pytest.fixture(scope="module")
def result() -> pm.sensitivity.SobolResult:
    """Two outcomes that vary and one that does not, with pairs and times."""
    return flat(
        pm.sobol,
        tiny(BODY),
        outcomes=["y", "z", "w"],
        n=64,
        parameters=RANGES,
        second_order=True,
        duration=1,
        times=[0.3, 1],
        **HERE,
    )


@pytest.fixture(scope="module")
def text(result: pm.sensitivity.SobolResult) -> str:
    return report_text(result, 15)


# ---- the page ------------------------------------------------------------------------------------------------------


def test_the_page_is_whole_and_needs_nothing_else(text: str) -> None:
    page = Page(text)
    assert (page.open, page.problems) == ([], [])
    assert len(set(page.ids)) == len(page.ids)
    assert page.links
    assert all(link.startswith(("data:image/svg+xml;base64,", "#")) for link in page.links)
    assert "<script" not in text
    assert "@import" not in text
    assert "url(" not in text


def test_it_has_every_part(text: str) -> None:
    found = [html.unescape(h) for h in re.findall(r"<h2[^>]*>(.*?)</h2>", text)]
    assert found == [
        "In short", "At a glance", "y", "z", "w", "Over time", "Model and design", "Cost", "Failures",
        "How to repeat it", "How to read it",
    ]  # fmt: skip
    for words in ("scrambled Sobol sequence, seed 1", "Versions: pathway-models", "Noise floor", "It does not vary"):
        assert words in text


def test_figures_are_there_once_for_each_question(text: str) -> None:
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", text)
    for outcome in ("y", "z"):
        assert sum(c.startswith(f"{outcome}: ") for c in captions) == 4 + 1  # bars, tornado, trace, pairs; over time
    assert sum(c.startswith("w: ") for c in captions) == 1
    assert text.count("<img") == len(captions)


def test_the_same_result_gives_the_same_page(result: pm.sensitivity.SobolResult, text: str) -> None:
    assert report_text(result, 15) == text


def test_whatever_is_in_a_name_is_text() -> None:
    nasty = '<script>alert("&")</script> $x_{'
    outcome = pm.Outcome(variable="y", label=nasty)
    groups = {nasty: ["a"], "b & <i>": ["b"]}
    found = flat(pm.sobol,
        replace(tiny(BODY), title=nasty), outcomes=[outcome, "z"], n=32, parameters=RANGES, groups=groups,
        second_order=True, duration=1, times=[1], **HERE,
    )  # fmt: skip
    page = Page(written := report_text(found, 15))
    assert (page.open, page.problems) == ([], [])
    assert "<script" not in written
    assert "<i>" not in written
    assert sum(nasty in w for w in page.words) > 5


def test_pieces_escape_what_they_are_given() -> None:
    for piece in (bullets([("<b>", "")]), table(["<b>"], [["<b>"]]), facts([("<b>", "<b>")])):
        assert "<b>" not in piece
        assert "&lt;b&gt;" in piece
    assert bullets([("", ""), ("a", "warn")]) == '<ul>\n<li class="warn">a</li>\n</ul>'


def test_a_file_that_cannot_be_written_is_a_clear_error(result: pm.sensitivity.SobolResult, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot write .*missing.*No such file"):
        result.report_html(tmp_path / "missing" / "a.html")
    assert result.report_html(tmp_path / "a.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_failures_are_counted_with_their_messages() -> None:
    found = flat(pm.sobol,
        tiny("k = 0; a = 1; y := a*sqrt(k)"), outcomes=["y"], n=64,
        parameters={"k": (-0.1, 1.0), "a": (0.5, 2.0)}, duration=1, **HERE,
    )  # fmt: skip
    written = report_text(found, 15)
    failed = int((~found.runs.ok).sum())
    assert failed > 0
    counts = [int(c) for c in re.findall(r'<td class="n">(\d+)</td></tr>', written[written.index("<h2>Failures") :])]
    assert sum(counts) == failed
    assert f"{found.indices.n_dropped} of 64 base rows were dropped" in written
    assert "of the range of k" in written


def test_many_parameters_stay_readable() -> None:
    names = [f"k{i}" for i in range(300)]
    body = "; ".join(f"{n} = 1" for n in names) + f"; y := {' + '.join(names)}"
    found = flat(pm.sobol, tiny(body), outcomes=["y"], n=2, duration=1, every=1, resamples=20, **HERE)
    written = report_text(found, 15)
    assert "the 15 largest of 300" in written
    assert written.count("<tr><td>k") == 2 * 300, "all indices and all ranges"
    assert len(written) < 500_000


# ---- how to repeat it ----------------------------------------------------------------------------------------------


def repeated(text: str) -> pm.sensitivity.SobolResult:
    space: dict[str, Any] = {}
    exec(compile(text.replace("pm.Execution(", "pm.Execution(workers=1, progress=False, "), "report", "exec"), space)
    found: pm.sensitivity.SobolResult = space["result"]
    return found


def assert_same(a: pm.sensitivity.SobolResult, b: pm.sensitivity.SobolResult) -> None:
    assert_array_equal(a.runs.values, b.runs.values)
    assert_array_equal(a.indices.ST_high, b.indices.ST_high)
    assert (a.factors, a.outcomes, a.runs.times) == (b.factors, b.outcomes, b.runs.times)


def test_the_python_of_a_file_gives_the_same_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "my model.xml"
    path.write_text(sbml(BODY), encoding="utf-8")
    model = pm.load(path).with_parameters(c=4.0)
    outcomes = ["y", pm.Outcome(variable="z", reduce="peak", label="largest, of z")]
    found = flat(pm.sobol,
        model, [pm.Level(input="c", value=2.0, at=0.5)], outcomes=outcomes, n=8, seed=7,
        groups={"both": ["a", "b"]}, parameters={"a": (1.0, 3.0), "b": None}, duration=1, every=0.1, times=[0.3, 1],
        resamples=50, **HERE,
    )  # fmt: skip
    (python,) = blocks(report_text(found, 15))
    assert_same(repeated(python), found)
    capsys.readouterr()


def test_the_python_of_a_library_model_gives_the_same_numbers(capfd: pytest.CaptureFixture[str]) -> None:
    model = (
        pm.load("acupuncture", context="healthy").with_hypothesis("efficacy", "vns_like").with_parameters(tau_session=3)
    )
    outcomes = [pm.Outcome(variable="vagal_drive", reduce="peak", label="a, b")]
    found = flat(pm.sobol,
        model, [treatment_from_text("electroacupuncture:weeks=1")], outcomes=outcomes, n=8, seed=0, weeks=1,
        parameters={"gain_vagal": None, "share_fast_vagal": (0.2, 0.4)}, second_order=True, times=[24.0, 168.0], **HERE,
    )  # fmt: skip
    (python,) = blocks(report_text(found, 15))
    assert_same(repeated(python), found)
    capfd.readouterr()


def test_new_outcomes_are_in_the_code(tmp_path: Path) -> None:
    first = flat(
        pm.sobol,
        tiny(BODY),
        outcomes=["y"],
        n=8,
        parameters=RANGES,
        duration=1,
        checkpoint=tmp_path,
        store=True,
        **HERE,
    )
    text = report_text(first.with_outcomes(["z"], times=[0.5]), 15)
    assert "outcomes=['z']" in blocks(text)[0]
    assert "times=[0.5]" in blocks(text)[0]
    assert f"The finished runs are in {tmp_path}" in html.unescape(text)


class Pulse:
    """A treatment of a user's own, no dataclass."""

    def schedule(self) -> list[pm.Level]:
        return [pm.Level(input="c", value=2.0)]


def test_classes_of_a_user_are_named_in_the_code() -> None:
    found = flat(pm.sobol, tiny(BODY), [Pulse()], outcomes=["y"], n=2, parameters=RANGES, duration=1, **HERE)
    (python,) = blocks(report_text(found, 15))
    assert "# Pulse is a class of your own: import it here" in python
    assert "[Pulse(...)]" in python


def test_long_lists_have_one_item_a_line() -> None:
    lines = code.call("f", [("outcomes", [f"quite_a_long_name_{i}" for i in range(9)])]).split("\n")
    assert (len(lines), lines[1], lines[-2]) == (13, "    outcomes=[", "    ],")
    lines = code.call("f", [("factors", {f"quite_a_long_name_{i}": (1.0, 2.0) for i in range(9)})]).split("\n")
    assert lines[2] == "        'quite_a_long_name_0': (1.0, 2.0),"


def test_values_as_code() -> None:
    for value in (1, 0.1, None, "a'b", [1.0], (1.0,), {"a": (1.0, 2.0)}, True):
        assert eval(code.literal(value)) == value
    assert code.literal(np.array([1.0, 2.0])) == "[1.0, 2.0]"
    assert code.literal(np.float64(0.5)) == "0.5"
    for made in (
        pm.KetogenicDiet(ratio=3),
        pm.treatments.Fasting(hours=43),
        pm.sensitivity.GaussianCopula(correlations={("a", "b"): 0.5}),
        pm.Limits(attempts=(Attempt(method="adams"),)),
        ValueAt(variable="x", at=3.0),
    ):
        assert eval(code.literal(made), {"pm": pm}) == made


def test_the_code_says_how_it_was_run() -> None:
    model = tiny("k = 1; y = 1; y' = -k*y")
    study = pm.Study(model, outcomes=["y"], duration=1)
    limits = pm.Limits(steps=9999)
    on = pm.Execution(workers=1, progress=False, engine="batch", rtol=1e-4, atol=1e-8, limits=limits)
    result = pm.sobol(study, n=2, factors={"k": (0.5, 2.0)}, execution=on)
    assert result.analysis.code().split("\n")[-2:] == [
        "    execution=pm.Execution(engine='batch', rtol=0.0001, atol=1e-08, limits=pm.Limits(steps=9999)),",
        ")",
    ]


# ---- words of the command line -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("IL1B", pm.Outcome(variable="IL1B")),
        ("IL1B:reduce=peak,relative=yes", pm.Outcome(variable="IL1B", reduce="peak", relative=True)),
        ("IL1B:window=24", pm.Outcome(variable="IL1B", window=24.0)),
        ("IL1B:label=a, b=c", pm.Outcome(variable="IL1B", label="a, b=c")),
        ("IL1B:reduce=final,label=x", pm.Outcome(variable="IL1B", reduce="final", label="x")),
    ],
)
def test_outcomes_as_text(text: str, expected: pm.Outcome) -> None:
    assert words_of.outcome_named(text) == expected


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("IL1B:colour=red", UnknownNameError, "colour"),
        ("IL1B:reduce=median", UnknownNameError, "median"),
        ("IL1B:reduce", InvalidValueError, "reduce=VALUE"),
        ("IL1B:window=long", InvalidValueError, "window=long"),
        ("IL1B:relative=1", InvalidValueError, "yes or no"),
    ],
)
def test_outcomes_that_make_no_sense(text: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        words_of.outcome_named(text)


def test_parameters_and_times_as_text() -> None:
    assert words_of.parameters_named(None) is None
    assert words_of.parameters_named(["a", "b=-1:2"]) == {"a": None, "b": (-1.0, 2.0)}
    assert words_of.times_named(None) == []
    assert words_of.times_named("0, 24,168") == [0.0, 24.0, 168.0]
    for text in ("b=1", "b=1:x", "b="):
        with pytest.raises(InvalidValueError, match="NAME=LOW:HIGH"):
            words_of.parameters_named([text])
    with pytest.raises(InvalidValueError, match="names a twice"):
        words_of.parameters_named(["a", "a=1:2"])
    with pytest.raises(InvalidValueError, match="--times 1,x"):
        words_of.times_named("1,x")


def test_a_changed_library_model_is_a_file_of_its_own() -> None:
    model = pm.load("acupuncture")
    assert code.changes(model) == (True, {}, {})
    other = from_sbml(model.sbml.replace("</sbml>", "<!-- changed --></sbml>"), name="acupuncture")
    assert code.changes(other)[0] is False
