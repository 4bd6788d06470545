"""A folder of the user's beside ours: modules, coupled models, contexts, observations, evidence; how they clash."""

from __future__ import annotations

import html
import json
import os
import re
import shlex
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import jsonschema
import matplotlib as mpl
import pytest

import pathway_models as pm
from helpers import cores
from pathway_models._cli.main import main
from pathway_models._cli.new import write_module
from pathway_models._cli.schema import schemas
from pathway_models.errors import InvalidValueError, ModelError, PathwayModelsError
from pathway_models.evidence.observations import observations_paths, read_observations
from pathway_models.models.collection import OURS, VARIABLE

mpl.use("Agg")
PAGE = Path(__file__).parents[2] / "docs" / "own-module.md"
BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COUPLED = "coupled/epilepsy_astrocyte.toml"
ROW = "gain_astrocyte__response_to_excitability__GLU"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the page builds."""
    folder = tmp_path_factory.mktemp("own")
    write_module(folder, "astrocyte")
    for _, path, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if path:
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may break."""
    return Path(shutil.copytree(finished, tmp_path / "own"))


def edited(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_every_command_of_the_page_runs(finished: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In an empty folder, in their order; Sobol analyses with n=2 in one process, runs of a week."""
    monkeypatch.chdir(tmp_path)
    cores(monkeypatch, 1)
    for language, path, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if path:
            Path(path).parent.mkdir(exist_ok=True)
            Path(path).write_text(text, encoding="utf-8")
        elif language == "sh":
            for line in text.splitlines():
                words = shlex.split(line.replace("--n 64", "--n 2 --workers 1").replace("--weeks 4", "--weeks 1"))
                assert words[0] == "pathway-models"
                assert main(words[1:]) == 0, line
        else:
            exec(compile(text.replace("n=64", "n=2"), str(PAGE), "exec"), {})
    assert Path("epilepsy_astrocyte.xml").exists()
    assert "astrocytes_on_diet" in Path("evidence.csv").read_text(encoding="utf-8")


def test_without_its_wires_the_coupled_model_is_ours(finished: Path) -> None:
    """The wire back is cut: what epilepsy has rests where it rests in epilepsy."""
    theirs = pm.library(finished).load("epilepsy_astrocyte").with_parameters({ROW: 0.0}).steady_state()
    for state, value in pm.load("epilepsy").steady_state().items():
        assert theirs[state] == pytest.approx(value, rel=1e-6, abs=1e-9)


def test_ours_stay_as_they_are_and_are_found_beside(finished: Path) -> None:
    both = pm.library(finished)
    assert both.load("epilepsy").sbml == pm.load("epilepsy").sbml
    assert set(both.available()) == {*pm.available(), "astrocyte", "epilepsy_astrocyte"}
    with pytest.raises(pm.errors.UnknownNameError, match="astrocyte"):
        pm.load("astrocyte")


def test_the_environment_variable_names_folders(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, f"{finished}{os.pathsep}")
    assert pm.load("astrocyte").folders == (finished,)
    monkeypatch.setenv(VARIABLE, str(finished / "nowhere"))
    with pytest.raises(ModelError, match=rf"there is no folder .*nowhere \({VARIABLE}"):
        pm.load("epilepsy")


def test_folders_keep_their_order_and_those_named_are_instead_of_those_of_the_environment(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(finished / "nowhere"))
    (tmp_path / "contexts.toml").touch()
    for folders in ((finished, tmp_path), (tmp_path, finished)):
        assert pm.library(*folders, folders[0]).folders == folders


def test_a_file_of_another_length_is_read_again_though_its_time_is_the_same(folder: Path) -> None:
    path = folder / "modules/astrocyte/model.ant"
    before = path.stat()
    assert pm.library(folder).load("astrocyte").quantities["tau_response"].value == 6
    edited(path, "tau_response = 6", "tau_response = 60")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert pm.library(folder).load("astrocyte").quantities["tau_response"].value == 60


def test_an_edited_table_of_evidence_changes_what_a_module_cites(folder: Path) -> None:
    edited(folder / "modules/astrocyte/parameters.tsv", "assumed\t\tHours", "derived\tmine:a1\tHours")
    library, table = pm.library(folder), folder / "evidence/responses.tsv"
    library.load("astrocyte")
    edited(table, "not a published work\t", "not a published work\tdoi:10.1000/182")
    assert "10.1000/182" in library.load("astrocyte").sbml


def test_an_edited_file_is_read_again(folder: Path) -> None:
    library = pm.library(folder)
    assert library.load("astrocyte").quantities["tau_response"].value == 6
    edited(folder / "modules/astrocyte/model.ant", "tau_response = 6", "tau_response = 8")
    assert library.load("astrocyte").quantities["tau_response"].value == 8
    assert library.load("epilepsy_astrocyte").quantities["astrocyte__tau_response"].value == 8


def test_nothing_is_written_into_the_folder(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    pm.library(folder).load("epilepsy_astrocyte")
    assert sorted(folder.rglob("*")) == before


def test_observations_and_evidence_of_both_count(finished: Path) -> None:
    library = pm.library(finished)
    model = library.load("epilepsy_astrocyte")
    ids = [o.id for o in read_observations(model)]
    assert ids[:-1] == [o.id for o in read_observations(pm.load("epilepsy"))]
    assert ids[-1] == "astrocytes_on_diet"
    assert "mine:a1" in pm.evidence.evidence_table("responses", library=library).index
    assert "mine:a1" not in pm.evidence.evidence_table("responses").index


def test_a_report_says_how_to_repeat_it_with_the_folder(finished: Path, tmp_path: Path) -> None:
    model = pm.library(finished).load("astrocyte")
    result = pm.sobol(model, outcomes=["response"], weeks=1, n=2, execution=pm.Execution(workers=1, progress=False))
    page = html.unescape(result.report_html(tmp_path / "page.html").read_text(encoding="utf-8"))
    assert f"pm.library('{finished}').load('astrocyte')" in page


def test_rows_can_be_added_to_a_model_of_ours(folder: Path) -> None:
    own = (folder / "coupled/epilepsy_astrocyte-observations.tsv").read_text(encoding="utf-8")
    (folder / "modules/nlrp3_il1b").mkdir()
    path = folder / "modules/nlrp3_il1b/observations.tsv"
    path.write_text(own.replace("astrocytes\t", "IL1B\t").replace("ketogenic_diet:ratio=4", ""), encoding="utf-8")
    model = pm.library(folder).load("nlrp3_il1b")
    assert observations_paths(model)[-1] == path
    assert len(read_observations(model)) == len(read_observations(pm.load("nlrp3_il1b"))) + 1


def test_rows_of_what_is_extended_come_first_in_whatever_folder(finished: Path, tmp_path: Path) -> None:
    added = tmp_path / "coupled/epilepsy-observations.tsv"
    added.parent.mkdir()
    added.touch()
    found = pm.library(finished, tmp_path).observations("epilepsy_astrocyte")
    assert found[1:] == (added, finished / "coupled/epilepsy_astrocyte-observations.tsv")


def test_a_context_of_ones_own_extends_ours(folder: Path) -> None:
    mild = '[mild]\ntitle = "Mild"\nextends = "epilepsy"\ninputs = { seizure_drive = 0.5 }\n'
    (folder / "contexts.toml").write_text(mild, encoding="utf-8")
    contexts = pm.library(folder).load("epilepsy_astrocyte", context="mild").contexts
    settings = {**contexts["epilepsy"].settings, "seizure_drive": 0.5}
    assert contexts["mild"] == replace(contexts["epilepsy"], name="mild", title="Mild", settings=settings)


def test_contexts_that_extend_each_other_are_refused(folder: Path) -> None:
    ring = '[a]\ntitle = ""\nextends = "b"\n[b]\ntitle = ""\nextends = "a"\n'
    (folder / "contexts.toml").write_text(ring, encoding="utf-8")
    with pytest.raises(ModelError, match=r"extends: a ring of a, b$"):
        pm.library(folder).load("astrocyte")


@pytest.mark.parametrize(
    ("place", "old", "new"),
    [
        ("aliases: IL1B", "astrocytes =", 'IL1B = "astrocyte.response"\nastrocytes ='),
        (
            "inputs: seizure_drive",
            "[aliases]",
            '[inputs.seizure_drive]\ntitle = "Drive"\nreference = 1.0\nlow = 0.0\nhigh = 2.0\n[aliases]',
        ),
    ],
)
def test_a_name_of_what_is_extended_is_taken(folder: Path, place: str, old: str, new: str) -> None:
    edited(folder / COUPLED, old, new)
    with pytest.raises(ModelError, match=rf"{place} is there already in .*; take another name"):
        pm.library(folder).load("epilepsy_astrocyte")


def _wire_without_a_rule(folder: Path) -> None:
    edited(folder / COUPLED, 'combine = "sum"', "")


def _wire_from_nowhere(folder: Path) -> None:
    edited(folder / COUPLED, '"astrocyte.response"\nto', '"astrocyte.respons"\nto')


def _module_of_ours(folder: Path) -> None:
    shutil.copytree(folder / "modules/astrocyte", folder / "modules/safety")


def _coupled_of_ours(folder: Path) -> None:
    (folder / COUPLED).rename(folder / "coupled/epilepsy.toml")


def _context_of_ours(folder: Path) -> None:
    (folder / "contexts.toml").write_text('[epilepsy]\ntitle = "Mine"\n', encoding="utf-8")


def _another_name_inside(folder: Path) -> None:
    edited(folder / "modules/astrocyte/model.ant", "model astrocyte()", "model glia()")


def _wrong_syntax(folder: Path) -> None:
    edited(folder / "modules/astrocyte/model.ant", "response' =", "response' = =")


def _no_description(folder: Path) -> None:
    (folder / "modules/astrocyte/module.toml").unlink()


def _alias_of_ours(folder: Path) -> None:
    edited(folder / COUPLED, "astrocytes = ", "IL1B = ")


def _wrong_unit(folder: Path) -> None:
    edited(folder / "modules/astrocyte/model.ant", "- response)/tau_response", "- response)")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_wire_without_a_rule, ["epilepsy_astrocyte.toml: several wires drive excitability.GLU", 'combine = "sum"']),
        (_wire_from_nowhere, ["epilepsy_astrocyte.toml: unknown wire source 'astrocyte.respons'; did you mean"]),
        (_module_of_ours, ["two models are named 'safety': modules/safety/module.toml and /", "own/modules/safety"]),
        (_coupled_of_ours, ["two models are named 'epilepsy': coupled/epilepsy.toml and /", "own/coupled/epilepsy"]),
        (_context_of_ours, ["two contexts have one name: contexts.toml: epilepsy and /", "own/contexts.toml: epi"]),
        (_another_name_inside, ["astrocyte/model.ant: the model is named 'glia'"]),
        (_wrong_syntax, ["modules/astrocyte: model.ant is not valid Antimony"]),
        (_no_description, ["modules/astrocyte: a module needs a module.toml"]),
        (_alias_of_ours, ["epilepsy_astrocyte.toml: aliases: IL1B is there already"]),
        (_wrong_unit, ["astrocyte/model.ant: warning in line", "unit"]),
    ],
)
def test_faults_are_sentences_that_name_the_files(folder: Path, spoil: object, words: list[str]) -> None:
    spoil(folder)  # type: ignore[operator]
    with pytest.raises(PathwayModelsError) as found:
        pm.library(folder).load("epilepsy_astrocyte")
    for word in words:
        assert word in str(found.value)
    assert [words[0] in f.message for f in pm.check(folder)].count(True) == 1


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("model.ant", "response = 1 dim", "response = 2 dim", "response starts at 2 and rests at 1 in health"),
        ("parameters.tsv", "assumed\t\tHours", "assumed\tmine:a2\tHours", "no evidence table has the row 'mine:a2'"),
        ("parameters.tsv", "assumed\t\tHours", "measured\t\tHours", "tau_response is measured, and names no evidence"),
        ("parameters.tsv", "assumed\t\tHours", "derived\t\tHours", "tau_response is derived, and names no evidence"),
        (
            "parameters.tsv",
            "tau_response\t2",
            "tau_response\t9",
            "tau_response is 6 in model.ant, outside of its range",
        ),
        ("module.toml", "share_adapted = 0.5", "share_adapted = 0.4", "hypotheses.adaptation: the settings of its def"),
        ("module.toml", 'note = "Default', 'for = ["x:1"]\nnote = "Default', "no evidence table has the row 'x:1'"),
        ("module.toml", 'note = "Default', 'against = ["x:2"]\nnote = "Default', "no evidence table has the row 'x:2'"),
    ],
)
def test_check_finds_what_loading_lets_pass(folder: Path, file: str, old: str, new: str, words: str) -> None:
    module = folder / "modules/astrocyte"
    assert pm.check(module) == ()
    edited(module / file, old, new)
    assert [f.severity for f in pm.check(module) if words in f.message] == ["error"]


def test_check_reads_the_observations_and_the_own_contexts_of_a_folder_and_no_other_one(
    folder: Path, tmp_path: Path
) -> None:
    write_module(tmp_path / "other", "neuron")
    edited(tmp_path / "other/modules/neuron/model.ant", "response = 1 dim", "response = 2 dim")
    assert pm.check(folder, library=pm.library(tmp_path / "other")) == ()
    edited(folder / "coupled/epilepsy_astrocyte-observations.tsv", "\tself\t", "\titself\t")
    assert ["itself" in f.message for f in pm.check(folder)] == [True]


def test_a_new_module_is_never_written_over_another(tmp_path: Path) -> None:
    write_module(tmp_path, "mine")
    for name, words in (
        ("mine", "File exists"),
        ("safety", "a model of ours"),
        ("a__b", "cannot be named"),
        ("time", "Antimony"),
    ):
        with pytest.raises(PathwayModelsError, match=words):
            write_module(tmp_path, name)


def test_a_model_without_a_rest_is_named_with_its_context(folder: Path) -> None:
    edited(folder / "modules/astrocyte/model.ant", "= (response - adaptation)/", "= 1 dimensionless/")
    found = pm.check(folder / "modules/astrocyte")
    named = [f.message.partition(":")[0] for f in found]
    assert named == [f"astrocyte, context {name}" for name in pm.load("excitability").contexts]


def test_the_folder_of_a_module_is_no_model(finished: Path) -> None:
    with pytest.raises(ModelError, match=r"is a module; .*library\(FOLDER\).load\('astrocyte'\)"):
        pm.load(finished / "modules/astrocyte")


def test_a_folder_that_is_no_library(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds none of modules, coupled"):
        pm.library(tmp_path)
    with pytest.raises(InvalidValueError, match="folder is 5"):
        pm.library(5)  # type: ignore[arg-type]


# ---- the format ----------------------------------------------------------------------------------------------------


def documents() -> dict[str, list[object]]:
    """Our files as JSON has them, by the name of their schema."""
    root = OURS.roots[0]
    tomls = {"module.toml": root.glob("modules/*/module.toml"), "coupled.toml": root.glob("coupled/*.toml")}
    found: dict[str, list[object]] = {k: [tomllib.loads(p.read_text("utf-8")) for p in v] for k, v in tomls.items()}
    found["contexts.toml"] = [tomllib.loads((root / "contexts.toml").read_text("utf-8"))]
    evidence = ("measurements.tsv", "responses.tsv", "judging.tsv", "optimist.tsv")
    for file in ("parameters.tsv", "annotations.tsv", "observations.tsv", *evidence):
        found[file] = [_rows(p) for p in sorted(root.glob(f"*/*{file}")) + sorted(root.glob(f"modules/*/{file}"))]
    return found


def _rows(path: Path) -> list[dict[str, object]]:
    header, *lines = (line.split("\t") for line in path.read_text(encoding="utf-8").splitlines())
    numbers = {"parameters.tsv": {"low", "high"}, "judging.tsv": {"size"}}.get(path.name, set())
    return [
        {k: (float(v) if v else None) if k in numbers else v for k, v in zip(header, line, strict=True)}
        for line in lines
    ]


@pytest.mark.parametrize("file", schemas())
def test_our_files_have_the_documented_format(file: str) -> None:
    schema = schemas()[file]
    jsonschema.Draft202012Validator.check_schema(schema)
    made = documents()[file]
    assert made
    for document in made:
        jsonschema.validate(document, schema)


def test_the_schema_refuses_what_the_readers_refuse() -> None:
    for wrong in ({"title": "a"}, {"title": "a", "summary": 5}, {"title": "a", "summary": "b", "sumary": "c"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schemas()["module.toml"])


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "coupled.toml"]) == 0
    wire = json.loads(capsys.readouterr().out)["properties"]["wire"]["items"]
    assert wire["properties"]["combine"]["enum"] == ["", "sum", "product"]
    assert wire["required"] == ["from", "to"]


def test_our_own_folder_is_checked_like_a_users() -> None:
    assert pm.check(pm.library().modules["acupuncture"]) == ()
