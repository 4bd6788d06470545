"""Files that somebody else may have written: machine code is compiled anew, checkpoints are refused."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import pathway_models as pm
from helpers import flat, sbml, tiny
from pathway_models._files import whole as _files
from pathway_models.ensembles import processes

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")

SHORT: dict[str, Any] = {"outcomes": ["x"], "duration": 1, "every": 0.25, "workers": 1, "progress": False}
K = np.linspace(0.1, 2, 8)


@pytest.fixture(params=[0o022, 0o002, 0o000], ids="umask {:03o}".format)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.fixture
def decay() -> pm.Model:
    return tiny("x = 1; k = 0.5; x' = -k*x")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module that compiles models, with a cache of its own and a list of what was compiled."""
    found = pytest.importorskip("pathway_models._batch.machine")
    monkeypatch.setenv("PATHWAY_MODELS_CACHE", str(tmp_path / "cache"))
    found.compiled = []
    real = found.translate
    monkeypatch.setattr(found, "translate", lambda module: found.compiled.append(1) or real(module))
    return found


TEXT = sbml("k = 1.25; x = 1; x' = -k * x;")


def as_if_of_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file that is opened belongs to a user who is neither root nor this one."""
    real = os.fstat

    def status(descriptor: int) -> os.stat_result:
        fields = list(real(descriptor))
        fields[4] = 4711
        return os.stat_result(fields)

    monkeypatch.setattr(_files.os, "fstat", status)


# ---- machine code --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("umask")
def test_code_that_we_wrote_is_loaded_whatever_the_umask(machine: Any, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first = machine.machine(TEXT)
        assert machine.machine(TEXT).plan == first.plan
    assert len(machine.compiled) == 1
    assert (tmp_path / "cache").stat().st_mode & 0o022 == 0


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o1777])
def test_a_folder_that_others_may_write_to_is_neither_read_nor_written(machine: Any, tmp_path: Path, mode: int) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(mode)
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"others may write to .*cache.*chmod go-w") as said:
            machine.machine(TEXT)
        assert len([w for w in said if w.category is UserWarning]) == 1  # others come with the first use of libSBML
    assert len(machine.compiled) == 2
    assert not list((tmp_path / "cache").iterdir())


def test_code_that_others_may_write_is_compiled_anew_and_left_alone(machine: Any, tmp_path: Path) -> None:
    machine.machine(TEXT)
    (file,) = (tmp_path / "cache").iterdir()
    file.chmod(0o664)
    before = file.stat()
    with pytest.warns(UserWarning, match="others may write to"):
        machine.machine(TEXT)
    assert len(machine.compiled) == 2
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    file.chmod(0o600)
    machine.machine(TEXT)
    assert len(machine.compiled) == 2


def test_code_of_another_user_is_compiled_anew(machine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.machine(TEXT)
    as_if_of_another_user(monkeypatch)
    with pytest.warns(UserWarning, match="belongs to another user"):
        machine.machine(TEXT)
    assert len(machine.compiled) == 2


def test_a_pipe_in_place_of_code_does_not_hang(machine: Any, tmp_path: Path) -> None:
    machine.machine(TEXT)
    (file,) = (tmp_path / "cache").iterdir()
    file.unlink()
    os.mkfifo(file)
    with pytest.warns(UserWarning, match="no plain file"):
        machine.machine(TEXT)


def test_nothing_is_unpickled_from_a_file() -> None:
    folder = Path(pm.__file__).parent
    text = "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))
    assert "pickle.load" not in text
    assert "allow_pickle=True" not in text


# ---- what workers start with -----------------------------------------------------------------------------------------


def test_a_worker_uses_only_the_machine_code_that_was_written_for_it(decay: pm.Model) -> None:
    with processes._luggage(decay.sbml) as luggage:
        assert luggage is not None
        found = luggage.unpacked()
        assert found is not None
        assert found[0] == decay.sbml
        path = Path(luggage.path)
        assert path.stat().st_mode & 0o077 == 0
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
        assert luggage.unpacked() is None
    assert not path.exists()
    assert luggage.unpacked() is None


def test_workers_whose_machine_code_is_gone_compile_the_model(decay: pm.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    here = flat(pm.ensemble, decay, {"k": K}, **SHORT)
    monkeypatch.setattr(processes.hashlib, "sha256", lambda data, real=processes.hashlib.sha256: real(data + b"x"))
    there = flat(pm.ensemble, decay, {"k": K}, **{**SHORT, "workers": 2})
    assert there.counts == {"ok": 8}
    assert_array_equal(here.values, there.values)


# ---- checkpoints -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("umask")
def test_a_checkpoint_that_we_wrote_is_taken_up_whatever_the_umask(decay: pm.Model, tmp_path: Path) -> None:
    options = {**SHORT, "checkpoint": tmp_path / "run", "store": True}
    first = flat(pm.ensemble, decay, {"k": K}, **options)
    again = flat(pm.ensemble, decay, {"k": K}, **options)
    assert again.cost is not None
    assert again.cost.reused == 8
    assert_array_equal(first.values, again.with_outcomes(["x"]).values)
    assert all(p.stat().st_mode & 0o022 == 0 for p in (tmp_path / "run").iterdir())


WAYS = {
    "group": ("others may write to", lambda file: file.chmod(0o664)),
    "all": ("others may write to", lambda file: file.chmod(0o646)),
    "pipe": ("no plain file", lambda file: (file.unlink(), os.mkfifo(file))),
}


@pytest.mark.parametrize("kind", ["run.json", "rows-*.npz", "courses-*.nc"])
@pytest.mark.parametrize("way", WAYS)
def test_a_file_that_others_may_have_written_is_refused_by_name(
    decay: pm.Model, tmp_path: Path, kind: str, way: str
) -> None:
    options = {**SHORT, "checkpoint": tmp_path, "store": True}
    runs = flat(pm.ensemble, decay, {"k": K}, **options)
    file = next(iter(tmp_path.glob(kind)))
    reason, change = WAYS[way]
    change(file)
    again = partial(flat, pm.ensemble, decay, {"k": K}, **options)
    call = partial(runs.with_outcomes, ["x"]) if kind == "courses-*.nc" else again
    with pytest.raises(pm.ensembles.CheckpointError, match=reason) as said:
        call()
    assert file.name in str(said.value)
    assert "\n" not in str(said.value)


def test_a_checkpoint_of_another_user_is_refused(
    decay: pm.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flat(pm.ensemble, decay, {"k": K}, checkpoint=tmp_path, **SHORT)
    as_if_of_another_user(monkeypatch)
    with pytest.raises(pm.ensembles.CheckpointError, match=r"run\.json belongs to another user \(number 4711\)"):
        flat(pm.ensemble, decay, {"k": K}, checkpoint=tmp_path, **SHORT)


def test_files_of_root_are_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make files of root")
    (tmp_path / "file").write_bytes(b"x")
    monkeypatch.setattr(_files.os, "geteuid", lambda: 4711)
    assert _files.own_bytes(tmp_path / "file") == b"x"
