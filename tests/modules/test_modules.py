"""Each module of the library: its files agree, its tables are complete, it rests, and it survives its inputs' ends."""

from __future__ import annotations

import csv
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import pathway_models as pm
from pathway_models._files.data import sbml_root
from pathway_models._files.whole import read_text
from pathway_models._sbml import sbml
from pathway_models._sbml.uncertainty import KINDS, LAWS
from pathway_models.errors import ModelError
from pathway_models.models.collection import OURS
from pathway_models.modules.generate import coupled_sbml, module_sbml
from pathway_models.modules.laws import sample
from pathway_models.modules.module import read_module, read_module_file

NAMES = tuple(OURS.modules)
PATHWAYS = ("ampk_pgc1a", "gaba_gad67", "ketone_katp", "mtor_autophagy", "nlrp3_il1b")
FURTHER_PATHWAYS = ("bdnf_trkb", "gut_brain", "serotonin")
TOPICS = {*PATHWAYS, *FURTHER_PATHWAYS, "clinical"}
EVIDENCE = re.compile(r"(\w+):([\w-]+)")
REST_TOLERANCE = 1e-6  # of the scale of a state
REST_HOURS = 10_000.0
DRAWS = 20
PUSH = 0.01  # of the scale of a state; the pool of energy-rich phosphate is full at 1.03

# The scope groups the tests of one module, so that it is compiled once.
each_module = pytest.mark.parametrize("name", NAMES, scope="module")
each_pathway = pytest.mark.parametrize("name", PATHWAYS, scope="module")


def folder(name: str) -> Path:
    return sbml_root() / "modules" / name


def cases(pairs: Iterator[tuple[str, ...]]) -> list:
    return [pytest.param(*pair, id="-".join(pair)) for pair in pairs]


def alternatives() -> Iterator[tuple[str, str, str]]:
    for name in NAMES:
        for h in OURS.module(name).hypotheses:
            for key in h.alternatives:
                yield name, h.id, key


def level_ends() -> Iterator[tuple[str, str, str]]:
    for name in NAMES:
        for port in OURS.module(name).inputs:
            if port.role == "level":
                yield from ((name, port.id, end) for end in ("low", "high"))


@cache
def healthy(name: str) -> pm.Model:
    return pm.load(name, context="healthy")


@cache
def epileptic(name: str) -> pm.Model:
    return pm.load(name, context="epilepsy")


def own_rest(name: str) -> set[str]:
    """Of the adverse effects: parameters that are the resting level of a state. A drawn one moves the rest itself."""
    return {f"{state}_rest" for state in healthy(name).states} if name == "safety" else set()


@cache
def drawn(name: str) -> tuple[pm.Model, ...]:
    """The healthy module with sets of parameters from its ranges, the same in every run."""
    uncertain = [p for p in OURS.module(name).parameters if p.uncertain and p.id not in own_rest(name)]
    unit = np.random.default_rng(20_240_131).random((DRAWS, len(uncertain)))
    columns = [sample(p, unit[:, j]) for j, p in enumerate(uncertain)]
    rows = ({p.id: float(column[i]) for p, column in zip(uncertain, columns, strict=True)} for i in range(DRAWS))
    return tuple(healthy(name).with_parameters(row) for row in rows)


def drift(model: pm.Model) -> dict[str, float]:
    """How far each state goes from its published start, in its scale, with every input at its reference."""
    run = model.simulate(duration=REST_HOURS, every=REST_HOURS / 20, start="file")
    return {k: float(abs(run[k] - model.quantities[k].value).max()) / scale(model, k) for k in model.states}


def scale(model: pm.Model, state: str) -> float:
    """The published value of a state; 1 for the states that rest at 0."""
    return abs(model.quantities[state].value) or 1.0


def assert_rests(model: pm.Model, label: str = "") -> None:
    moved = {k: v for k, v in drift(model).items() if not v < REST_TOLERANCE}
    assert not moved, f"{model.name} {label}: {moved}"


def assert_sound(run: xr.Dataset, model: pm.Model) -> None:
    """Everything finite, no state below 0."""
    broken = [k for k, v in run.data_vars.items() if not np.isfinite(v).all()]
    negative = {k: float(run[k].min()) for k in model.states if run[k].min() < -1e-6}
    assert not broken
    assert not negative


# ---- files ----


@each_module
def test_sbml_is_what_the_antimony_gives(name: str) -> None:
    assert read_text(folder(name) / "model.xml") == module_sbml(folder(name), OURS.evidence), "run `make sbml`"


@each_module
def test_libsbml_finds_nothing_units_included(name: str) -> None:
    assert sbml.findings(OURS.module(name).sbml) == []


def test_findings_see_a_wrong_unit() -> None:
    """The test above can fail: an amount plus a time is reported."""
    text = OURS.module("acupuncture").sbml
    wrong = text.replace('id="tau_session" value="12" units="time_unit"', 'id="tau_session" value="12" units="volume"')
    assert wrong != text
    assert any("unit" in found.message for found in sbml.findings(wrong))


@pytest.mark.parametrize("name", tuple(OURS.coupled))
def test_coupled_sbml_is_current(name: str) -> None:
    made, root = OURS.read_coupled(name), OURS.roots[0] / "coupled"
    flat, hierarchical = coupled_sbml(name, made.title, *OURS.parts(name))
    assert read_text(root / f"{name}.xml") == made.reduced(flat), "run `make models`"
    assert (root / f"{name}-comp.xml").exists() != bool(made.reduction)
    if not made.reduction:
        assert read_text(root / f"{name}-comp.xml") == hierarchical, "run `make models`"
    assert sbml.findings(made.reduced(flat)) == []


@each_pathway
def test_a_pathway_has_8_to_20_states(name: str) -> None:
    assert 8 <= len(pm.load(name).states) <= 20


def test_the_library_has_eight_pathways_the_stimulus_the_readout_and_adverse_effects() -> None:
    assert sorted(NAMES) == sorted([*PATHWAYS, *FURTHER_PATHWAYS, "acupuncture", "excitability", "safety"])
    assert set(NAMES) | set(OURS.coupled) == set(pm.available())


# ---- tables ----


def copied(name: str, target: Path) -> Path:
    """A copy of a module's folder that a test may break."""
    return Path(shutil.copytree(folder(name), target / name))


def table(path: Path) -> list[str]:
    return (path / "parameters.tsv").read_text(encoding="utf-8").splitlines()


def write_table(path: Path, lines: list[str]) -> None:
    (path / "parameters.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


@each_module
def test_every_constant_has_one_row_and_every_row_a_constant(name: str) -> None:
    m = pm.load(name)
    constants = [k for k, q in m.quantities.items() if q.constant and q.kind == "parameter"]
    ids = [p.id for p in m.constants]
    assert sorted(ids) == sorted(constants)
    assert ids == [line.split("\t")[0] for line in table(folder(name))[1:]]


@each_module
def test_a_missing_row_is_an_error(name: str, tmp_path: Path) -> None:
    path = copied(name, tmp_path)
    header, first, *rest = table(path)
    write_table(path, [header, *rest])
    with pytest.raises(ModelError, match=f"no row for {first.split()[0]}$"):
        read_module(path)


@each_module
def test_a_row_without_a_constant_is_an_error(name: str, tmp_path: Path) -> None:
    path = copied(name, tmp_path)
    header, first, *rest = table(path)
    stranger = "\t".join(["k_nowhere", *first.split("\t")[1:]])
    write_table(path, [header, first, *rest, stranger])
    with pytest.raises(ModelError, match="'k_nowhere' is no constant"):
        read_module(path)


def test_a_row_for_an_input_or_a_state_is_an_error(tmp_path: Path) -> None:
    for number, variable in enumerate(("BHB", "GABAA", "KCC2")):
        path = copied("gaba_gad67", tmp_path / str(number))
        lines = table(path)
        write_table(path, [*lines, "\t".join([variable, *lines[1].split("\t")[1:]])])
        with pytest.raises(ModelError, match=f"'{variable}' is no constant"):
            read_module(path)


@pytest.mark.parametrize(("column", "word"), [("distribution", "gaussian"), ("kind", "guessed")])
def test_an_unknown_law_or_kind_is_an_error(column: str, word: str, tmp_path: Path) -> None:
    path = copied("acupuncture", tmp_path)
    header, first, *rest = table(path)
    cells = dict(zip(header.split("\t"), first.split("\t"), strict=True)) | {column: word}
    write_table(path, [header, "\t".join(cells.values()), *rest])
    with pytest.raises(ModelError, match=word):
        read_module(path)


@each_module
def test_ranges_hold_their_values(name: str) -> None:
    for p in OURS.module(name).parameters:
        assert p.distribution in LAWS, p.id
        if p.distribution == "fixed":
            assert p.low is None, p.id
            assert p.high is None, p.id
            continue
        assert p.low is not None, p.id
        assert p.high is not None, p.id
        assert p.low < p.high, p.id
        assert p.low <= p.value <= p.high, p.id
        assert p.low > 0 or not p.distribution.startswith("log"), p.id


@each_module
def test_rows_say_where_they_come_from(name: str) -> None:
    for p in OURS.module(name).parameters:
        assert p.kind in KINDS, p.id
        for source in filter(None, p.source.split(";")):
            found = EVIDENCE.fullmatch(source.strip())
            assert found, f"{p.id}: {source!r}"
            assert found[1] in TOPICS, f"{p.id}: {source!r}"
        if p.kind == "measured" or (p.kind == "derived" and p.uncertain):
            assert p.source, f"{p.id} is {p.kind} and has no source"
        if p.kind in ("derived", "assumed", "fitted"):
            assert p.note, f"{p.id} is {p.kind} and has no note"


@each_module
def test_every_row_has_seven_cells(name: str) -> None:
    rows = csv.reader(table(folder(name)), delimiter="\t", quoting=csv.QUOTE_NONE)
    assert {len(row) for row in rows} == {7}


@each_module
def test_ports_and_overlay_fit_the_model(name: str) -> None:
    m = OURS.module(name)
    for port in m.inputs:
        assert port.low <= port.reference <= port.high, port.id
        assert port.title, port.id
    constants = {p.id for p in m.parameters}
    assert set(m.epilepsy) <= constants
    for key, entry in read_module_file(folder(name)).epilepsy.items():
        assert entry.note, key
        assert not entry.source or EVIDENCE.fullmatch(entry.source), key


@each_module
def test_every_free_parameter_is_an_input(name: str) -> None:
    """What is neither constant nor computed can only be set from outside, so a treatment or a wire must reach it."""
    m = pm.load(name)
    free = {k for k, q in m.quantities.items() if q.kind == "parameter" and not q.constant and not q.ruled}
    assert free == {p.id for p in m.input_ports if p.role == "level"}


# ---- hypotheses ----


@each_module
def test_hypotheses_are_well_formed(name: str) -> None:
    m = OURS.module(name)
    values = {p.id: p.value for p in m.parameters}
    for h in m.hypotheses:
        assert h.default in h.alternatives, h.id
        assert len(h.alternatives) >= 2, h.id
        settings = [a.settings for a in h.alternatives.values()]
        assert len({frozenset(s) for s in settings}) == 1, f"{h.id}: alternatives set different constants"
        assert len({tuple(sorted(s.items())) for s in settings}) == len(settings), f"{h.id}: two are the same"
        assert set(settings[0]) <= set(values), h.id
        assert dict(h.alternatives[h.default].settings) == {k: values[k] for k in settings[0]}, h.id


@each_module
def test_hypotheses_name_their_evidence(name: str) -> None:
    for h in OURS.module(name).hypotheses:
        for key, a in h.alternatives.items():
            for source in (*a.supports, *a.opposes):
                found = EVIDENCE.fullmatch(source)
                assert found, f"{h.id}.{key}: {source!r}"
                assert found[1] in TOPICS, f"{h.id}.{key}: {source!r}"
            assert not set(a.supports) & set(a.opposes), f"{h.id}.{key}: for and against"
            assert a.note or a.supports, f"{h.id}.{key}: neither evidence nor a note"


def test_hypothesis_ids_are_unique_over_all_modules() -> None:
    counts = Counter(h.id for name in NAMES for h in OURS.module(name).hypotheses)
    assert [k for k, n in counts.items() if n > 1] == []


def test_no_constant_belongs_to_two_hypotheses() -> None:
    for name in NAMES:
        counts = Counter(k for h in OURS.module(name).hypotheses for k in h.alternatives[h.default].settings)
        assert [k for k, n in counts.items() if n > 1] == [], name


@pytest.mark.parametrize(("name", "hypothesis", "alternative"), cases(alternatives()), scope="module")
def test_every_alternative_runs_and_rests(name: str, hypothesis: str, alternative: str) -> None:
    sick = pm.load(name, context="epilepsy").with_hypothesis(hypothesis, alternative)
    assert_sound(sick.simulate(duration=500, every=25), sick)
    assert_rests(pm.load(name, context="healthy").with_hypothesis(hypothesis, alternative))


# ---- rest ----


@each_module
def test_health_rests_at_the_published_state(name: str) -> None:
    assert_rests(healthy(name))


@each_module
def test_health_rests_for_every_draw_of_the_parameters(name: str) -> None:
    for number, model in enumerate(drawn(name)):
        assert_rests(model, f"draw {number}")


def irreversible(name: str) -> list[str]:
    """States of a module that do not come back by themselves."""
    found: list[str] = list(read_module_file(folder(name)).irreversible)
    return [*found, *(k for k in healthy(name).states if k.endswith("_hazard"))]  # cumulative hazards only grow


@each_module
def test_health_is_returned_to_after_a_push(name: str) -> None:
    """The rest attracts: one percent more of every state at once is forgotten, whatever is drawn."""
    model = healthy(name)
    pushed = [k for k in model.states if k not in irreversible(name)]
    push = [pm.Dose(input=k, amount=PUSH * scale(model, k), times=(0.0,)) for k in pushed]
    slow = {"safety", "excitability"}  # lipids adapt, and DNA is methylated, over up to nine months
    hours = 2 * REST_HOURS * (10 if name in slow else 1)
    for number, chosen in enumerate((model, *drawn(name))):
        run = chosen.simulate(push, duration=hours, every=hours, start="file")
        back = [k for k in model.states if k not in irreversible(name)]
        left = {k: float(abs(run[k][-1] - model.quantities[k].value)) / scale(model, k) for k in back}
        lost = sum(float(abs(run[k][-1] - model.quantities[k].value)) for k in irreversible(name))  # keeps up a little
        assert {k: v for k, v in left.items() if not v < 10 * REST_TOLERANCE + lost} == {}, f"draw {number}"


@each_module
def test_health_is_the_reference_of_the_outputs(name: str) -> None:
    """Whatever is called relative to health is 1 there, whatever is drawn (0 where the title says so)."""
    model = healthy(name)
    expected = dict(filter(None, (reference(p.id, p.title) for p in model.output_ports)))
    for chosen in (model, *drawn(name)[:5]):
        run = chosen.simulate(duration=1.0, every=1.0, start="file")
        for key, value in expected.items():
            assert float(run[key][-1]) == pytest.approx(value, abs=1e-6), key


def reference(key: str, title: str) -> tuple[str, float] | None:
    """(output, value in health) where the title promises one."""
    if found := re.search(r"healthy = ([01])\b", title):
        return key, float(found[1])
    return (key, 1.0) if re.search(r"relative to (rest|the fed mean)", title) else None


def test_enough_outputs_promise_a_reference() -> None:
    """The test above looks at something."""
    ports = [p for name in NAMES for p in OURS.module(name).outputs]
    assert sum(reference(p.id, p.title) is not None for p in ports) >= 40


@each_pathway
def test_epilepsy_is_another_rest(name: str) -> None:
    """The context does something: at least one state rests elsewhere than in health."""
    model = epileptic(name)
    moved = {k: abs(v - model.quantities[k].value) / scale(model, k) for k, v in model.steady_state().items()}
    assert max(moved.values()) > 0.01


# ---- ends of the inputs ----


@pytest.mark.parametrize(("name", "port", "end"), cases(level_ends()), scope="module")
def test_inputs_may_stay_at_their_ends(name: str, port: str, end: str) -> None:
    model = epileptic(name)
    level = pm.Level(input=port, value=float(model.inputs.loc[port, end]))
    assert_sound(model.simulate([level], duration=2_000, every=50), model)


@pytest.mark.parametrize("end", ["low", "high"])
@each_module
def test_all_inputs_may_stay_at_their_ends_together(name: str, end: str) -> None:
    model = epileptic(name)
    ports = [p for p in model.input_ports if p.role == "level"]
    levels = [pm.Level(input=p.id, value=getattr(p, end)) for p in ports]
    assert_sound(model.simulate(levels, duration=2_000, every=50), model)


@pytest.mark.parametrize(
    ("name", "port"),
    [pytest.param(n, p.id, id=f"{n}-{p.id}") for n in NAMES for p in OURS.module(n).inputs if p.role == "dose"],
)
def test_the_highest_dose_may_be_given_every_day(name: str, port: str) -> None:
    model = epileptic(name)
    dose = pm.Dose(input=port, amount=float(model.inputs.loc[port, "high"]), times=tuple(24.0 * np.arange(28)))
    assert_sound(model.simulate([dose], duration=28 * 24, every=6), model)
