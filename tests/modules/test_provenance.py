"""Every measured constant is the number of its evidence row, every derived one follows from its rows."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

import derived
import derived_more  # noqa: F401  (registers its rules)
from derived import ALIGNED, DERIVED, READINGS, Rows
from evidence_units import UnknownUnitError, converted, parse_unit
from pathway_models._files import read_text
from pathway_models._sbml import sbml
from pathway_models._sbml.units import unit_key
from pathway_models.evidence import tables as _evidence_tables
from pathway_models.models.library import OURS
from pathway_models.modules.module import Parameter

NAMES = tuple(OURS.modules)
CONSTANTS = {f"{n}.{p.id}": p for n in NAMES for p in OURS.module(n).parameters}
MEASURED, COMPUTED = ([k for k, p in CONSTANTS.items() if p.kind == kind] for kind in ("measured", "derived"))
DIGITS = r"[-+]?(\d+)(?:\.(\d+))?(?:[eE]([-+]?\d+))?"


@cache
def evidence() -> dict[str, dict[str, str]]:
    """All rows of both tables."""
    tables = [_evidence_tables.evidence_table(kind) for kind in ("measurements", "responses")]
    return {str(i): {k: str(v) for k, v in row.items()} for t in tables for i, row in t.iterrows()}


@cache
def units(name: str) -> dict[str, tuple[float, tuple[tuple[str, int], ...]]]:
    """Parameter -> its unit in the SBML of a module, as a factor to SI and dimensions."""
    document = sbml.parse(OURS.module(name).sbml, name=name)
    found = {p.getId(): unit_key(p.getDerivedUnitDefinition()) for p in document.getModel().getListOfParameters()}
    return {k: (key[0], tuple(sorted(key[1]))) for k, key in found.items() if key}


@cache
def antimony(name: str) -> str:
    return read_text(OURS.roots[0] / "modules" / name / "model.ant")


def rows_of(p: Parameter) -> Rows:
    cited = {i: evidence()[i] for i in _evidence_tables.split_cell(p.source)}
    return Rows(rows=cited, constants={k: c.value for k, c in CONSTANTS.items()}, unit=units(p.module)[p.id])


def printed_value(text: str, key: str) -> tuple[float, float]:
    """A constant as model.ant prints it: value, and half a unit of its last digit."""
    found = re.search(rf"\bconst\s+{key}\s*=\s*({DIGITS})", text)
    if not found:
        raise ValueError(f"model.ant gives {key} no number")
    return float(found[1]), 0.5 * 10.0 ** (int(found[4] or 0) - len(found[3] or ""))


def assert_agrees(value: float, p: Parameter) -> None:
    printed, half_digit = printed_value(antimony(p.module), p.id)
    assert printed == p.value, f"model.xml has {p.value:g}, model.ant {printed:g}"
    message = f"{p.module}.{p.id} is {printed:g} {p.unit}, its rows give {value:.6g}"
    assert abs(value - printed) <= half_digit * (1 + 1e-9), message


def reading(name: str) -> float:
    """A measured constant as its row has it."""
    p = CONSTANTS[name]
    rows = rows_of(p)
    return READINGS[name](rows) if name in READINGS else rows.value(next(iter(rows.rows)), rows.unit)


# ---- the promise ----


@pytest.mark.parametrize("name", MEASURED)
def test_measured_constants_are_the_number_of_their_row(name: str) -> None:
    assert_agrees(reading(name), CONSTANTS[name])


@pytest.mark.parametrize("name", COMPUTED)
def test_derived_constants_follow_from_their_rows(name: str) -> None:
    assert name in DERIVED, f"no function for {name} in derived.py"
    assert_agrees(DERIVED[name](rows_of(CONSTANTS[name])), CONSTANTS[name])


@pytest.mark.parametrize("name", COMPUTED)
def test_derived_constants_rest_on_published_numbers(name: str) -> None:
    """On a row, or on constants that rest on one: what is computed from assumptions alone is assumed."""

    def rests(key: str) -> bool:
        rows = rows_of(CONSTANTS[key])
        DERIVED[key](rows)
        return any(u in rows.rows or _sourced(u) for u in rows.used)

    def _sourced(key: str) -> bool:
        return CONSTANTS[key].kind == "measured" or (CONSTANTS[key].kind == "derived" and rests(key))

    assert rests(name)


@pytest.mark.parametrize("name", ALIGNED)
def test_modules_agree_on_shared_numbers(name: str) -> None:
    assert_agrees(ALIGNED[name](rows_of(CONSTANTS[name])), CONSTANTS[name])


def test_something_is_looked_at() -> None:
    assert MEASURED
    assert COMPUTED


@pytest.mark.parametrize("registry", [READINGS, DERIVED], ids=["readings", "derived"])
def test_no_rule_is_left_over(registry: dict[str, derived.Rule]) -> None:
    """A rule for a constant that is gone, or of another kind, is a mistake."""
    kinds = {k: c.kind for k, c in CONSTANTS.items()}
    wanted = "measured" if registry is READINGS else "derived"
    assert {name: kinds.get(name, "no such constant") for name in registry if kinds.get(name) != wanted} == {}


# ---- the instruments ----


@pytest.mark.parametrize(
    ("value", "unit", "into", "expected"),
    [
        (15, "seizures/day", "1/h", 0.625),
        (0.0025, "1/s", "1/h", 9.0),
        (6.25, "uM", "mmol/L", 0.00625),
        (0.012, "mM/min", "mmol/L/h", 0.72),
        (3.0, "per day, arbitrary mass units", "1/h", 0.125),
        (0.0055, "1/(AU h)", "1/h", 0.0055),
        (1.06, "1/min or 1/(AU min)", "1/h", 63.6),
        (4, "vesicles/min per active VPS34 fraction", "1/h", 240),
        (0.8, "mM (tissue)", "mmol/L", 0.8),
        (0.0525, "1/(mM s)", "1/(mM h)", 189.0),
        (-30, "percent", "", -0.3),
        (2, "weeks", "h", 336),
        (50, "ng/mL", "g/L", 5e-5),
    ],
)
def test_units_convert(value: float, unit: str, into: str, expected: float) -> None:
    assert converted(value, unit, into) == pytest.approx(expected, rel=1e-12)


def test_unknown_and_other_units_are_errors() -> None:
    with pytest.raises(UnknownUnitError, match="furlong"):
        parse_unit("furlong/h")
    with pytest.raises(ValueError, match="dimensions"):
        converted(1.0, "mM", "h")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("const k = 840 h", (840, 0.5)), ("const k = 0.0072 mM", (0.0072, 5e-5)), ("const k = 1.9e-3 mM", (1.9e-3, 5e-5))],
)
def test_printed_digits(text: str, expected: tuple[float, float]) -> None:
    assert printed_value(text, "k") == pytest.approx(expected)


def test_a_wrong_digit_is_noticed() -> None:
    p = CONSTANTS[MEASURED[0]]
    _, half_digit = printed_value(antimony(p.module), p.id)
    with pytest.raises(AssertionError, match="its rows give"):
        assert_agrees(reading(MEASURED[0]) + 1.5 * half_digit, p)


def test_rules_see_only_cited_rows() -> None:
    with pytest.raises(KeyError, match="no source of this constant"):
        Rows(rows={}, constants={}).value("ketone_katp:KK_P001", "mM")


def test_patterns() -> None:
    rows = {
        "a:life": {"value": "30", "unit": "min", "note": "k about 1.4 per h"},
        "a:slow": {"value": "0.5", "unit": "umol/g/min"},
    }
    per_hour = (1 / 3600, (("second", -1),))
    mM_per_hour = (1 / 3600, (("metre", -3), ("mole", 1), ("second", -1)))
    assert derived.rate_of_half_life("a:life")(Rows(rows, {}, per_hour)) == pytest.approx(2 * derived.LN2)
    assert derived.per_tissue("a:slow")(Rows(rows, {}, mM_per_hour)) == pytest.approx(30.0)
    with pytest.raises(ValueError, match="does not say"):
        Rows(rows, {}).printed("a:life", "tau N h")


def test_evidence_root_is_the_checkout() -> None:
    """The numbers are followed in the files that are edited, not in an installed copy."""
    assert OURS.roots[0] == Path(__file__).resolve().parents[2] / "sbml"
