"""Cut wires: what they deliver, which groups there are, and that nothing else changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import pathway_models as pm
from helpers import flat, from_sbml, tiny_module
from pathway_models.errors import InvalidValueError, ModelError, UnknownNameError
from pathway_models.experiments.lesions import connections, holding
from pathway_models.modules.coupling import SharedInput, Wire, couple, flatten

# At rest with drive 1: X = 1, Y = 3 and C = 2 (the receiver's references are 1.5 and 0.5), so Z = 3 + 2 = 5.
SENDER = tiny_module(
    "sender",
    "var drive = 1 dimensionless; const tau = 0.5 time_unit; substanceOnly species X in brain; X has dimensionless;"
    "X = 1 dimensionless; X' = (drive - X)/tau; Y := 3 dimensionless*X; Y has dimensionless;"
    "C := 2 dimensionless*X; C has dimensionless",
    inputs=("drive",),
    outputs=("X", "Y", "C"),
)
RECEIVER = tiny_module(
    "receiver",
    "var feed = 1.5 dimensionless; var level_C = 0.5 dimensionless; const tau = 0.5 time_unit;"
    "substanceOnly species Z in brain; Z has dimensionless; Z = 5 dimensionless; Z' = (feed + level_C - Z)/tau;"
    "W := 2 dimensionless*Z; W has dimensionless",
    inputs=("feed", "level_C"),
    outputs=("Z", "W"),
)
WIRES = (
    Wire(source="drive", target="sender.drive"),
    Wire(source="sender.Y", target="receiver.feed"),
    Wire(source="sender.C", target="receiver.level_C"),
)
Y, C = "gain_Y_to_receiver__feed", "gain_C_to_receiver__level_C"
TREBLED = [pm.Level(input="drive", value=3.0)]
FINAL = pm.Outcome(variable="receiver__Z", reduce="final", label="Z")


@pytest.fixture(scope="module")
def pair() -> pm.Model:
    shared = [SharedInput(id="drive", title="a drive", reference=1.0, low=0.0, high=9.0)]
    model = from_sbml(flatten(couple("pair", "a pair", (SENDER, RECEIVER), WIRES, shared), name="pair"), name="pair")
    return replace(
        model,
        constants=tuple(replace(p, kind="gain") if p.id.startswith("gain_") else p for p in model.constants),
    )


def _table(model: pm.Model, **options: object) -> dict[tuple[str, str], float]:
    found = flat(pm.lesion, model, TREBLED, outcomes=[FINAL], duration=20, workers=1, progress=False, **options)  # type: ignore[arg-type]
    return dict(zip(zip(found["group"], found["kept"], strict=True), found["Z"].round(4), strict=True))


def test_a_cut_wire_delivers_its_untreated_value(pair: pm.Model) -> None:
    """Trebled drive: Z = 9 + 6. Without Y it keeps 3 from there; without all it stays at 5."""
    assert _table(pair, groups="wire") == {
        ("intact", "all"): 15,
        ("drive_to_sender__drive", "without"): 5,
        ("Y_to_receiver__feed", "without"): 9,
        ("C_to_receiver__level_C", "without"): 11,
        ("all groups", "none"): 5,
    }


def test_or_the_reference_as_if_it_had_never_been_there(pair: pm.Model) -> None:
    table = _table(pair, groups={"Y": [Y]}, held="reference")
    assert table == {("intact", "all"): 15, ("Y", "without"): 7.5, ("all groups", "none"): 7.5}


def test_only_cuts_every_other_group(pair: pm.Model) -> None:
    table = _table(pair, groups={"Y": [Y], "C": [C]}, only=True)
    assert (table["Y", "only"], table["C", "only"], table["all groups", "none"]) == (11, 9, 5)


def test_groups_by_module_are_the_wires_that_leave_it(pair: pm.Model) -> None:
    assert [w.source_module for w in connections(pair)] == ["drive", "sender", "sender"]
    table = _table(pair)
    assert (table["drive", "without"], table["sender", "without"]) == (5, 5)


def test_nothing_changes_while_no_wire_is_cut(pair: pm.Model) -> None:
    cut = holding(pair)
    a, b = (m.simulate(TREBLED, duration=5, every=1) for m in (pair, cut))
    np.testing.assert_allclose(a["receiver__Z"], b["receiver__Z"], rtol=1e-9)


def test_a_gain_that_the_user_set_stays(pair: pm.Model) -> None:
    """At half gain the wire C delivers 0.5 + 0.5*(6 - 0.5) = 3.25 under treatment, 1.25 before."""
    half = pair.with_parameters({C: 0.5})
    assert _table(half, groups={"Y": [Y]})["intact", "all"] == pytest.approx(12.25)
    assert _table(half, groups={"Y": [Y]})["Y", "without"] == pytest.approx(6.25)
    assert _table(half, groups={"Y": [Y], "C": [C]}, held="reference") == {
        ("intact", "all"): 12.25,
        ("Y", "without"): 1.5 + 3.25,
        ("C", "without"): 9 + 0.5,
        ("all groups", "none"): 1.5 + 0.5,
    }


def test_each_of_several_wires_into_one_input_is_cut_alone() -> None:
    """feed = 1.5 + (Y - 1.5) + (C - 1) is Y + C - 1: 4 at rest, 14 under treatment, and level_C is 0.5."""
    joined = Wire(source="sender.C", target="receiver.feed", combine="sum", reference=1.0)
    shared = [SharedInput(id="drive", title="a drive", reference=1.0, low=0.0, high=9.0)]
    wires = (*WIRES[:2], joined)
    model = from_sbml(flatten(couple("pair", "", (SENDER, RECEIVER), wires, shared), name="pair"), name="pair")
    gains = {w.gain for w in wires}
    parameters = tuple(replace(p, kind="gain") if p.id in gains else p for p in model.constants)
    table = _table(replace(model, constants=parameters), groups={"Y": [Y], "C": [joined.gain]})
    assert table == {
        ("intact", "all"): 9 + 6 - 1 + 0.5,
        ("Y", "without"): 3 + 6 - 1 + 0.5,
        ("C", "without"): 9 + 2 - 1 + 0.5,
        ("all groups", "none"): 3 + 2 - 1 + 0.5,
    }


def test_what_is_refused(pair: pm.Model) -> None:
    with pytest.raises(UnknownNameError, match="grouping"):
        _table(pair, groups="species")
    with pytest.raises(UnknownNameError, match="gain_Y_to_receiver__feed"):
        _table(pair, groups={"a": ["gain_Y_to_receiver__fed"]})
    with pytest.raises(InvalidValueError, match="none of them empty"):
        _table(pair, groups={"a": []})
    with pytest.raises(UnknownNameError, match="held"):
        _table(pair, held="zero")
    with pytest.raises(ModelError, match="no wires"):
        pm.lesion(pm.load("acupuncture"), outcomes=["vagal_drive"], weeks=1)
