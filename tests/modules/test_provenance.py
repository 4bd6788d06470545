"""Every measured constant is the number of its evidence row, every derived one follows from its rows."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

import pathway_models as pm
from pathway_models._files.data import sbml_root
from pathway_models._files.whole import read_text
from pathway_models.errors import InvalidValueError, ModelError, UnknownNameError
from pathway_models.evidence import derived as derivations_
from pathway_models.evidence.derived import derivation, derivations, entries
from pathway_models.evidence.tables import evidence_ids
from pathway_models.evidence.units import UnknownUnitError, convert, parse_unit
from pathway_models.models.collection import OURS

NAMES = tuple(OURS.modules)
CONSTANTS = {f"{n}.{p.id}": p for n in NAMES for p in OURS.module(n).parameters}
FOLLOWING = [
    k for k, p in CONSTANTS.items() if p.kind in ("measured", "derived") or p.id in entries(k.partition(".")[0])
]
DIGITS = r"[-+]?(\d+)(?:\.(\d+))?(?:[eE]([-+]?\d+))?"


@cache
def antimony(name: str) -> str:
    return read_text(sbml_root() / "modules" / name / "model.ant")


def printed_value(text: str, key: str) -> tuple[float, float]:
    """A constant as model.ant prints it: value, and half a unit of its last digit."""
    found = re.search(rf"\bconst\s+{key}\s*=\s*({DIGITS})", text)
    if not found:
        raise ValueError(f"model.ant gives {key} no number")
    return float(found[1]), 0.5 * 10.0 ** (int(found[4] or 0) - len(found[3] or ""))


# ---- the promise ----


@pytest.mark.parametrize("name", FOLLOWING)
def test_constants_follow_from_their_rows_to_the_printed_digit(name: str) -> None:
    found, p = derivation(name), CONSTANTS[name]
    printed, half_digit = printed_value(antimony(p.module), p.id)
    assert printed == p.value == found.value
    assert abs(found.computed - printed) <= half_digit * (1 + 1e-9), str(found)


@pytest.mark.parametrize("name", [k for k, p in CONSTANTS.items() if p.kind == "derived"])
def test_derived_constants_rest_on_published_numbers(name: str) -> None:
    """On a row, or on constants that rest on one: what is computed from assumptions alone is assumed."""

    def rests(key: str) -> bool:
        sources = [i.source for i in derivation(key).inputs if i.source]
        return any(
            s in evidence_ids(OURS) or (CONSTANTS[s].kind in ("measured", "derived") and rests(s)) for s in sources
        )

    assert rests(name)


def test_every_kind_of_constant_is_looked_at() -> None:
    """A table for a constant that is gone is an error of reading; one for a free assumption is a mistake."""
    assert {CONSTANTS[k].kind for k in FOLLOWING} == {"measured", "derived", "assumed"}
    for name in [k for k in FOLLOWING if CONSTANTS[k].kind == "assumed"]:
        assert {i.source for i in derivation(name).inputs} <= set(CONSTANTS), name


def test_the_table_of_a_coupled_model_holds_what_its_modules_derive() -> None:
    model = pm.load("epilepsy").with_parameters({"mtor_autophagy.Kd_rapamycin_MTORC1": 9.0})
    table = derivations(model)
    modules = set(OURS.read_coupled("epilepsy").modules)
    assert set(table.index) == {k for k in FOLLOWING if k.partition(".")[0] in modules}
    row = table.loc["mtor_autophagy.Kd_rapamycin_MTORC1"]
    assert (row["value"], row["unit"]) == (9.0, "nmol/L")
    assert row["sources"] == "mtor_autophagy:MTA_P188, mtor_autophagy:MTA_P187"


# ---- what cannot be derived ----


def test_an_assumption_follows_from_nothing() -> None:
    with pytest.raises(InvalidValueError, match=r"acupuncture\.efficacy is fitted: nothing gives its value"):
        derivation("acupuncture.efficacy")
    with pytest.raises(UnknownNameError, match="'Kd_rapamycin'; did you mean 'Kd_rapamycin_MTORC1'"):
        derivation("mtor_autophagy.Kd_rapamycin")
    with pytest.raises(UnknownNameError, match="unknown module 'mtor'"):
        derivation("mtor.Kd_rapamycin_MTORC1")


KD = "inputs.a = { row = 'mtor_autophagy:MTA_P188'"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{KD}, ino = 'h' }}", "unknown key 'ino'; did you mean 'into'"),
        (f"{KD} }}\nformula = 'a * b'", r"the formula names \['a', 'b'\], the inputs are \['a'\]"),
        (f"{KD}, says = 'Kd N' }}", "MTA_P188 does not say 'Kd N'"),
        (f"{KD}, into = 'mmol/L' }}", "has the dimensions"),
        (f"{KD}, read = 'low' }}", "has no number in 'low', but ''"),
        (f"{KD}, read = 'fold' }}", "is no fold and no percent change"),
        ("inputs.a = { row = 'clinical:C001' }", "'clinical:C001' is no source of it"),
        ("inputs.a = { constant = 'mtor_autophagy.K' }", "'mtor_autophagy.K' is no constant of the library"),
        (f"{KD} }}\nfunction = 'fit'", "unknown function 'fit'"),
    ],
)
def test_a_slip_in_a_table_of_derivations_is_named(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "modules" / "mtor_autophagy"
    folder.mkdir(parents=True)
    (folder / "derivations.toml").write_text(f"[Kd_rapamycin_MTORC1]\n{text}\n")
    monkeypatch.setattr(derivations_, "sbml_root", lambda: tmp_path)
    entries.cache_clear()
    try:
        with pytest.raises((ModelError, InvalidValueError), match=message):
            derivation("mtor_autophagy.Kd_rapamycin_MTORC1")
    finally:
        entries.cache_clear()


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
    assert convert(value, unit, into) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("unit", "into"), [("L", "mL"), ("mM", "umol/L"), ("mol", "mmol")])
def test_a_thousand_is_no_thousand_and_a_rounding(unit: str, into: str) -> None:
    assert convert(3.0, unit, into) == 3000


def test_unknown_and_other_units_are_errors() -> None:
    with pytest.raises(UnknownUnitError, match="furlong"):
        parse_unit("furlong/h")
    with pytest.raises(InvalidValueError, match="dimensions"):
        convert(1.0, "mM", "h")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("const k = 840 h", (840, 0.5)), ("const k = 0.0072 mM", (0.0072, 5e-5)), ("const k = 1.9e-3 mM", (1.9e-3, 5e-5))],
)
def test_printed_digits(text: str, expected: tuple[float, float]) -> None:
    assert printed_value(text, "k") == pytest.approx(expected)


def test_evidence_root_is_the_checkout() -> None:
    """The numbers are followed in the files that are edited, not in an installed copy."""
    assert sbml_root() == Path(__file__).resolve().parents[2] / "sbml"
