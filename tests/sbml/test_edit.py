"""Changes of a parsed model: units that mean the same, events, formulas that cannot be read."""

from __future__ import annotations

from itertools import chain, pairwise
from random import Random

import libsbml
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import sbml
from pathway_models._sbml import edit, units
from pathway_models._sbml import sbml as _sbml
from pathway_models._sbml.formulas import in_order, tree
from pathway_models.errors import ModelError

READS = st.dictionaries(st.sampled_from("abcdefg"), st.lists(st.sampled_from("abcdefg"), unique=True, max_size=3))
GIVEN = _sbml.read(sbml("unit a = 1e-3 mole/litre; unit half = mole; const x = 1 a; const y = 1 half"))
GIVEN.getModel().getUnitDefinition("half").getUnit(0).setExponent(0.5)


def meaning(key: str) -> libsbml.UnitDefinition:
    return GIVEN.getModel().getElementBySId(key).getDerivedUnitDefinition()


def test_a_unit_that_means_the_same_is_not_defined_twice() -> None:
    document = _sbml.read(sbml("unit b = mole/metre^3; const z = 1 b"))
    assert units.unit_id(document.getModel(), meaning("x")) == "b"
    assert document.getModel().getNumUnitDefinitions() == 1


def test_a_root_of_a_unit_is_another_unit_and_goes_to_another_document() -> None:
    document = _sbml.read(sbml("const z = 1 dimensionless"))
    new = units.unit_id(document.getModel(), meaning("y"))
    assert units.unit_key(meaning("y")) == (1.0, {("mole", 0.5)})
    assert units.unit_key(document.getModel().getUnitDefinition(new)) == units.unit_key(meaning("y"))


def test_a_new_unit_is_copied_whole_under_a_free_id() -> None:
    other = _sbml.read(sbml("unit mine = second; const x = 1 mine"))
    unit = other.getModel().getUnitDefinition("mine").getUnit(0)
    unit.setScale(3)
    unit.setMultiplier(2.5)
    unit.setExponent(-2)
    model = _sbml.read(sbml("unit unit_2 = mole; const z = 1 unit_2")).getModel()
    assert units.unit_id(model, other.getModel().getElementBySId("x").getDerivedUnitDefinition()) == "unit_3"
    assert units.unit_key(model.getUnitDefinition("unit_3")) == (pytest.approx(2500**-2), {("second", -2.0)})


def test_a_unit_that_is_not_declared_has_no_id() -> None:
    assert units.unit_id(GIVEN.getModel(), None) == ""


def test_what_an_event_sets_is_not_constant_any_more() -> None:
    document = _sbml.read(sbml("const k = 1; x = 1; x' = -k*x"))
    edit.add_event(document.getModel(), "switch", "time >= 1", {"k": "2"})
    assert not document.getModel().getParameter("k").getConstant()
    _sbml.parse(_sbml.write(document))


@given(READS, st.randoms())
@settings(deadline=None)
def test_each_id_follows_what_it_reads_or_there_is_a_circle(reads: dict[str, list[str]], random: Random) -> None:
    order, circle = in_order(reads)
    assert in_order({k: random.sample(v, len(v)) for k, v in reads.items()}) == (order, circle)
    assert not (order and circle)
    assert circle[:1] == circle[-1:]
    assert all(b in reads[a] for a, b in pairwise(circle))
    if not circle:
        assert sorted(order) == sorted({*reads, *chain(*reads.values())})
        assert all(order.index(n) < order.index(k) for k in reads for n in reads[k])


def test_a_formula_that_cannot_be_read_is_named() -> None:
    with pytest.raises(ModelError, match=r"'k \*': .*syntax error"):
        tree("k *")
