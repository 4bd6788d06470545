"""Broken and hostile files: one clear error within seconds, nothing written outside the target."""

from __future__ import annotations

import io
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pathway_models as pm
from helpers import from_sbml, sbml
from pathway_models._files import whole as _files
from pathway_models._sbml import files, formulas
from pathway_models._sbml import omex as _omex
from pathway_models._sbml import sbml as _sbml
from pathway_models.errors import ModelError, ModelWarning, PathwayModelsError

SECONDS = 10.0
DECAY = "compartment c = 2; species S in c; S = 1; k = 1; J: S -> ; k*S*c"
CORE = "http://www.sbml.org/sbml/level3/version2/core"
MATHML = "http://www.w3.org/1998/Math/MathML"
MANIFEST = (
    '<?xml version="1.0"?><omexManifest xmlns="http://identifiers.org/combine.specifications/omex-manifest">{}'
    "</omexManifest>"
)
SBML_FORMAT = "http://identifiers.org/combine.specifications/sbml"


def load(path: Path) -> pm.Model:
    """What `pm.load` does with a path."""
    return from_sbml(files.model_text(path), name=path.stem)


@pytest.fixture(autouse=True)
def _in_time() -> Iterator[None]:
    start = time.process_time()  # of the processor: other work on the machine does not count
    yield
    assert time.process_time() - start < SECONDS


def refused(path: Path, pattern: str) -> None:
    """`load` raises one line that fits the pattern, and `check` raises or finds an error."""
    with pytest.raises(ModelError, match=pattern) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    try:
        found = {f.severity for f in pm.check(path)}
    except PathwayModelsError:
        return
    assert found & {"error", "fatal"}


def written(folder: Path, text: str, name: str = "odd.xml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def model(inner: str, extra: str = "") -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>{extra}<sbml xmlns="{CORE}" level="3" version="2">{inner}</sbml>'


# ---- SBML ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_truncated_xml(tmp_path: Path, share: float) -> None:
    text = sbml(DECAY)
    refused(written(tmp_path, text[: int(len(text) * share)]), "odd is not valid SBML")


def test_wrong_namespace(tmp_path: Path) -> None:
    refused(written(tmp_path, sbml(DECAY).replace("http://www.sbml.org/sbml/", "http://example.org/")), "odd")


def test_unknown_level(tmp_path: Path) -> None:
    refused(written(tmp_path, sbml(DECAY).replace('level="3"', 'level="7"')), "odd is not valid SBML")


def test_undefined_identifier(tmp_path: Path) -> None:
    refused(written(tmp_path, sbml(DECAY).replace("<ci> k </ci>", "<ci> nobody </ci>")), "nobody")


@pytest.mark.parametrize("length", [2, 30, 2000])
def test_circular_rules_are_named(tmp_path: Path, length: int) -> None:
    parameters = "".join(f'<parameter id="p{i}" constant="false"/>' for i in range(length))
    rules = "".join(
        f'<assignmentRule variable="p{i}"><math xmlns="{MATHML}"><ci>p{(i + 1) % length}</ci></math></assignmentRule>'
        for i in range(length)
    )
    inner = f"<listOfParameters>{parameters}</listOfParameters><listOfRules>{rules}</listOfRules>"
    refused(written(tmp_path, model(f"<model>{inner}</model>")), "rules are circular: p0 <- p1 <- ")


def test_circle_through_an_initial_assignment(tmp_path: Path) -> None:
    text = sbml("a = 1; b = 2*a; S = 1; S' = -b*S").replace(
        "<listOfInitialAssignments>",
        f'<listOfInitialAssignments><initialAssignment symbol="a"><math xmlns="{MATHML}"><ci>b</ci></math>'
        "</initialAssignment>",
    )
    refused(written(tmp_path, text), "circular: . <- . <- .")


def test_long_chain_of_rules_is_no_circle() -> None:
    parameters = "".join(f'<parameter id="p{i}" constant="false"/>' for i in range(2000))
    rules = "".join(
        f'<assignmentRule variable="p{i}"><math xmlns="{MATHML}"><ci>p{i + 1}</ci></math></assignmentRule>'
        for i in range(1999)
    )
    inner = f"<listOfParameters>{parameters}</listOfParameters><listOfRules>{rules}</listOfRules>"
    document = _sbml.parse(model(f"<model>{inner}</model>"))
    reads = formulas.reads_at_start(document.getModel())
    order, circle = formulas.in_order(reads)
    assert (circle, formulas.longest_chain(reads, order)) == ((), 1999)


def test_local_parameter_named_as_its_reaction_is_no_circle() -> None:
    text = sbml("S = 1; g = 1; J: S -> ; g*S").replace(
        "</kineticLaw>",
        '<listOfLocalParameters><localParameter id="J" value="2"/></listOfLocalParameters></kineticLaw>',
    )
    text = text.replace("<ci> g </ci>", "<ci> J </ci>")
    document = _sbml.read(text)  # held: libSBML frees a model with it
    assert formulas.in_order(formulas.reads_at_start(document.getModel()))[1] == ()


@pytest.mark.parametrize(
    "bomb",
    [
        '<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        '<!DOCTYPE x [<!ENTITY file SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE sbml SYSTEM "http://example.org/sbml.dtd">',
    ],
    ids=["expansion", "file", "download"],
)
def test_entities_are_refused(tmp_path: Path, bomb: str) -> None:
    refused(written(tmp_path, model("<model/>", bomb)), "odd is refused .*DOCTYPE")


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    math = "<apply><minus/>" * 100_000 + "<ci>k</ci>" + "</apply>" * 100_000
    rule = f'<assignmentRule variable="k"><math xmlns="{MATHML}">{math}</math></assignmentRule>'
    refused(written(tmp_path, model(f"<model><listOfRules>{rule}</listOfRules></model>")), "nested deeper than 1,000")


def test_hundred_thousand_species_are_refused(tmp_path: Path) -> None:
    rest = 'compartment="c" initialAmount="1" hasOnlySubstanceUnits="true" boundaryCondition="false" constant="false"'
    species = "".join(f'<species id="S{i}" {rest}/>' for i in range(100_000))
    refused(written(tmp_path, model(f"<model><listOfSpecies>{species}</listOfSpecies></model>")), "more than 20,000")


def test_file_above_the_limit_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_files, "MAX_BYTES", 1_000_000)
    path = tmp_path / "big.xml"
    with path.open("wb") as file:
        file.truncate(2_000_000)
    refused(path, r"cannot read .*big\.xml: it has more than 1 MB")


def test_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "windows.xml"
    path.write_bytes(b"\xef\xbb\xbf" + sbml(DECAY).replace("\n", "\r\n").encode())
    assert load(path).states == ("S",)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is empty"),
        (b" \n\n", "it is empty"),
        (b"\x1f\x8b\x08\x00rest", "packed with gzip"),
        (b"PK\x03\x04rest", r"zip archive; a COMBINE archive is named \.omex"),
        (sbml(DECAY).encode("utf-16"), "UTF-16"),
        (sbml(DECAY).encode("utf-16-le"), "UTF-16"),
        (sbml(DECAY).encode("utf-16-be"), "UTF-16"),
        (b"<!DOCTYPE html><html><body>404<br></body></html>", "web page"),
        (b"<HTML><body>404</body></HTML>", "web page"),
        (bytes(range(128, 256)), "not UTF-8 text"),
    ],
)
@pytest.mark.parametrize("suffix", [".xml", ".ant"])
def test_something_else_is_called_by_its_name(tmp_path: Path, data: bytes, reason: str, suffix: str) -> None:
    path = tmp_path / f"odd{suffix}"
    path.write_bytes(data)
    refused(path, f"cannot read .*odd{suffix}: .*{reason}")


def test_a_folder_and_a_link_to_itself_are_refused(tmp_path: Path) -> None:
    refused(tmp_path, "Is a directory")
    link = tmp_path / "link.xml"
    link.symlink_to(link)
    refused(link, "cannot read")


@pytest.mark.parametrize("level", [(1, 2), (2, 1)])
def test_old_levels_are_read(tmp_path: Path, level: tuple[int, int]) -> None:
    document = _sbml.libsbml.readSBMLFromString(sbml(DECAY))
    assert document.setLevelAndVersion(*level, False)
    path = written(tmp_path, _sbml.libsbml.writeSBMLToString(document))
    assert load(path).states == ("S",)


def test_level_2_that_declares_packages_of_level_3_is_read(tmp_path: Path) -> None:
    """COPASI wrote such files; libSBML calls them invalid though nothing of the package is used."""
    document = _sbml.libsbml.readSBMLFromString(sbml(DECAY))
    assert document.setLevelAndVersion(2, 4, False)
    text = _sbml.libsbml.writeSBMLToString(document)
    layout = "http://www.sbml.org/sbml/level3/version1/layout/version1"
    declared = text.replace("<sbml ", f'<sbml xmlns:layout="{layout}" layout:required="false" ', 1)
    for text in (declared, declared.replace("<model ", "<layout:listOfLayouts/><model ", 1)):
        path = written(tmp_path, text)
        with pytest.warns(ModelWarning, match="taken without the packages that may be ignored.*layout"):
            assert load(path).states == ("S",)
        assert {f.severity for f in pm.check(path)} & {"error"}
    bomb = declared.replace("<sbml ", '<!DOCTYPE a [<!ENTITY b "c">]><sbml ', 1)
    refused(written(tmp_path, bomb, "bomb.xml"), "DOCTYPE")


# ---- comp ------------------------------------------------------------------------------------------------------


def hierarchical(source: str) -> str:
    comp = "http://www.sbml.org/sbml/level3/version1/comp/version1"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><sbml xmlns="{CORE}" xmlns:comp="{comp}" level="3" version="2" '
        'comp:required="true"><model id="top"><comp:listOfSubmodels><comp:submodel comp:id="A" comp:modelRef="part"/>'
        "</comp:listOfSubmodels></model><comp:listOfExternalModelDefinitions><comp:externalModelDefinition "
        f'comp:id="part" comp:source="{source}"/></comp:listOfExternalModelDefinitions></sbml>'
    )


def test_external_definition_beside_the_file_is_flattened_in(tmp_path: Path) -> None:
    written(tmp_path, sbml("S = 1; k = 1; S' = -k*S"), "part.xml")
    made = load(written(tmp_path, hierarchical("part.xml")))
    assert made.states == ("A__S",)


@pytest.mark.parametrize(
    ("source", "pattern"),
    [
        ("gone.xml", "names 'gone.xml', and there is no such file"),
        ("../part.xml", "outside its folder"),
        ("/etc/passwd", "outside its folder"),
        ("https://example.org/part.xml", "only files beside the document"),
        ("urn:miriam:biomodels.db:BIOMD0000000001", "only files beside the document"),
    ],
)
def test_external_definition_elsewhere_is_refused(tmp_path: Path, source: str, pattern: str) -> None:
    written(tmp_path, sbml("S = 1"), "part.xml")
    folder = tmp_path / "inner"
    folder.mkdir()
    with pytest.raises(ModelError, match=pattern):
        load(written(folder, hierarchical(source)))


def test_external_definition_of_itself_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="could not flatten"):
        load(written(tmp_path, hierarchical("odd.xml")))


# ---- Antimony --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["model (", "S -> ; k*", "\x00\x01"])
def test_broken_antimony(tmp_path: Path, text: str) -> None:
    refused(written(tmp_path, text, "odd.ant"), "odd.ant is not valid Antimony|cannot read|has no value")


def test_deep_antimony_is_refused(tmp_path: Path) -> None:
    refused(written(tmp_path, "y := " + "(" * 5000 + "1" + ")" * 5000, "odd.ant"), "nested deeper than 1,000")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("odd.ant", "which imports it in turn"),
        ("other.ant", "which imports it in turn"),
        ("nowhere.ant", "no such file"),
        ("/etc/passwd", "lies outside its folder"),
        ("../part.ant", "lies outside its folder"),
        ("bomb.xml", "DOCTYPE"),
    ],
)
def test_imports_of_antimony_stay_in_the_folder_and_end(tmp_path: Path, name: str, reason: str) -> None:
    written(tmp_path, "model part()\n S = 1; S' = -S\nend\n", "part.ant")
    folder = tmp_path / "inner"
    folder.mkdir()
    written(folder, 'import "odd.ant"\n', "other.ant")
    written(folder, model("<model/>", "<!DOCTYPE sbml>"), "bomb.xml")
    refused(written(folder, f'import "{name}"\nmodel odd()\n k = 1\nend\n', "odd.ant"), reason)


def test_an_import_in_a_comment_is_none(tmp_path: Path) -> None:
    text = '// import "/etc/passwd"\n/* import "odd.ant" */\nmodel odd()\n S = 1; S\' = -S # import "x"\nend\n'
    assert load(written(tmp_path, text, "odd.ant")).states == ("S",)


# ---- archives --------------------------------------------------------------------------------------------------


def archive(path: Path, members: dict[str, bytes | str], *, formats: dict[str, str] | None = None) -> Path:
    listed = "".join(f'<content location="./{k}" format="{v}"/>' for k, v in (formats or {}).items())
    with zipfile.ZipFile(path, "w") as file:
        if formats is not None:
            file.writestr("manifest.xml", MANIFEST.format(listed))
        for name, data in members.items():
            file.writestr(name, data)
    return path


def everything(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.mark.parametrize(
    "name", ["../evil.xml", "/tmp/evil.xml", "a/../../evil.xml", "C:\\evil.xml", "..\\evil.xml", "a/b/../../../evil"]
)
def test_members_outside_the_archive_are_refused(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path / "odd.omex", {name: sbml(DECAY)}, formats={"m.xml": SBML_FORMAT})
    before = everything(tmp_path)
    refused(path, "odd.omex is refused: its member .* lies outside")
    assert everything(tmp_path) == before
    assert not Path("/tmp/evil.xml").exists()


def test_links_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "odd.omex"
    info = zipfile.ZipInfo("m.xml")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("manifest.xml", MANIFEST.format(f'<content location="./m.xml" format="{SBML_FORMAT}"/>'))
        file.writestr(info, "/etc/passwd")
    refused(path, "is a link")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "odd.omex", {"m.xml": sbml(DECAY)}, formats={"m.xml": SBML_FORMAT})
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("m.xml", "other")
    refused(path, "two members 'm.xml'")


def test_oversized_member_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_omex, "MAX_BYTES", 1_000_000)
    path = tmp_path / "odd.omex"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("manifest.xml", MANIFEST.format(f'<content location="./m.xml" format="{SBML_FORMAT}"/>'))
        file.writestr("m.xml", b" " * 20_000_000)
    assert path.stat().st_size < 50_000
    refused(path, "'m.xml' unpacks to more than 1,000,000 bytes")


def test_many_members_are_refused(tmp_path: Path) -> None:
    members: dict[str, bytes | str] = {f"f{i}.txt": "" for i in range(_omex.MAX_MEMBERS + 1)}
    refused(archive(tmp_path / "odd.omex", members), "1,001 members; allowed are 1,000")


@pytest.mark.parametrize(
    ("data", "pattern"),
    [(b"", "no readable COMBINE"), (b"PK\x03\x04 rubbish", "no readable COMBINE"), (b"<sbml/>", "no readable COMBINE")],
)
def test_something_that_is_no_archive(tmp_path: Path, data: bytes, pattern: str) -> None:
    path = tmp_path / "odd.omex"
    path.write_bytes(data)
    refused(path, pattern)


def test_damaged_archive(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("manifest.xml", MANIFEST.format("") * 50)
    data = bytearray(buffer.getvalue())
    data[60:90] = bytes(30)
    path = tmp_path / "odd.omex"
    path.write_bytes(bytes(data))
    refused(path, "no readable COMBINE archive")
    assert zlib.crc32(data)


def _no_manifest(folder: Path) -> Path:
    return archive(folder / "odd.omex", {"m.xml": sbml(DECAY)})


def _no_model(folder: Path) -> Path:
    return archive(folder / "odd.omex", {"a.txt": "x"}, formats={"a.txt": "text/plain"})


def _missing_model(folder: Path) -> Path:
    return archive(folder / "odd.omex", {}, formats={"m.xml": SBML_FORMAT})


def _two_models(folder: Path) -> Path:
    members: dict[str, bytes | str] = {"a.xml": sbml(DECAY), "b.xml": sbml(DECAY.replace("k = 1", "k = 2"))}
    return archive(folder / "odd.omex", members, formats={"a.xml": SBML_FORMAT, "b.xml": SBML_FORMAT})


def _way_out(folder: Path) -> Path:
    return archive(folder / "odd.omex", {}, formats={"../../../etc/passwd": SBML_FORMAT})


def _broken_model(folder: Path) -> Path:
    return archive(folder / "odd.omex", {"m.xml": sbml(DECAY)[:300]}, formats={"m.xml": SBML_FORMAT})


def _manifest_no_text(folder: Path) -> Path:
    return archive(folder / "odd.omex", {"manifest.xml": b"\xff\xfe\x81"})


def _archive_in_archive(folder: Path) -> Path:
    omex = "http://identifiers.org/combine.specifications/omex"
    return archive(folder / "odd.omex", {"a.omex": b"PK"}, formats={"a.omex": omex})


def _entities_in_manifest(folder: Path) -> Path:
    return archive(folder / "odd.omex", {"manifest.xml": '<!DOCTYPE a [<!ENTITY b "c">]><a/>'})


@pytest.mark.parametrize(
    ("make", "pattern"),
    [
        (_no_manifest, "has no manifest"),
        (_no_model, "holds no SBML or Antimony model"),
        (_missing_model, "'m.xml' is named and not in the archive"),
        (_two_models, "names no master: a.xml, b.xml"),
        (_way_out, "is named and not in the archive"),
        (_broken_model, "odd is not valid SBML"),
        (_entities_in_manifest, "DOCTYPE"),
        (_manifest_no_text, "odd.omex: manifest.xml: not UTF-8 text"),
        (_archive_in_archive, "holds no SBML or Antimony model"),
    ],
)
def test_archive_without_a_usable_model(tmp_path: Path, make: Callable[[Path], Path], pattern: str) -> None:
    refused(make(tmp_path), pattern)


def test_master_model_of_a_plain_archive(tmp_path: Path) -> None:
    path = archive(tmp_path / "plain.omex", {"sub/m.xml": sbml(DECAY)}, formats={"sub/m.xml": SBML_FORMAT})
    assert load(path).states == ("S",)
    assert load(path).name == "plain"
