"""Machine code on disk, of both engines: taken again, mended, apart by CPU, and never a reason to fail."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from helpers import sbml
from pathway_models._batch import machine
from pathway_models._files import cache
from pathway_models.simulation import runner

TEXT = "k = 1.25; x = 1; x' = -k * x;"


def by_batch(text: str) -> object:
    return machine.machine(text).plan


def by_roadrunner(text: str) -> object:
    engine = runner.Runner(text)
    engine.begin()
    return engine.advance((0.0, 1.0), ("x",)).tolist()


@pytest.fixture(params=[by_batch, by_roadrunner])
def made(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], object]:
    """An engine that keeps everything in an empty folder."""
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(runner, "WORTH_KEEPING", 0.0)
    return request.param


def not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on compiling is a failure; an empty RoadRunner may still be made, to load machine code into."""
    monkeypatch.setattr(machine, "translate", lambda module: pytest.fail("compiled again"))
    make = runner.roadrunner.RoadRunner
    monkeypatch.setattr(
        runner.roadrunner, "RoadRunner", lambda *text: pytest.fail("compiled again") if text else make()
    )


def test_the_second_time_nothing_is_compiled(
    made: Callable[[str], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = made(sbml(TEXT))
    assert len(list((tmp_path / "cache").iterdir())) == 1
    not_compiled(monkeypatch)
    assert made(sbml(TEXT)) == first


def test_a_damaged_file_is_made_anew(made: Callable[[str], object], tmp_path: Path) -> None:
    first = made(sbml(TEXT))
    (file,) = (tmp_path / "cache").iterdir()
    good = file.read_bytes()
    for bad in (b"", good[:100], good[:-3], good[:5000] + b"x" + good[5001:]):
        file.write_bytes(bad)
        assert made(sbml(TEXT)) == first
        assert len(file.read_bytes()) == len(good)


def test_a_folder_that_cannot_be_written_is_no_error(
    made: Callable[[str], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = made(sbml(TEXT))
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / "file" / "folder"))
    assert made(sbml(TEXT)) == first


@pytest.mark.skipif(os.name == "nt", reason="modes of files")
def test_a_folder_that_others_may_write_to_is_not_used(made: Callable[[str], object], tmp_path: Path) -> None:
    first = made(sbml(TEXT))
    (file,) = (tmp_path / "cache").iterdir()
    file.unlink()
    file.parent.chmod(0o777)
    with pytest.warns(UserWarning, match="others may write to"):
        assert made(sbml(TEXT)) == first
    assert not list(file.parent.iterdir())


def test_small_models_of_libroadrunner_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path))
    by_roadrunner(sbml(TEXT))
    assert not list(tmp_path.iterdir())


def test_other_cpus_have_other_files(monkeypatch: pytest.MonkeyPatch) -> None:
    name, features, lanes = cache.host()
    hosts = [(name, features, lanes), ("other", features, lanes), (name, "-" + features, lanes), (name, features, 2)]
    names = set()
    for here in hosts:
        monkeypatch.setattr(cache, "host", lambda here=here: here)
        names.add(cache.name_of("batch", TEXT))
    assert len(names) == len(hosts)


def test_the_oldest_files_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setattr(cache, "CACHED_BYTES", 250)
    for i, name in enumerate(("a.batch", "b.roadrunner", "c.batch")):
        cache.keep(name, b"x" * 68)  # and 32 of the checksum
        os.utime(tmp_path / name, (i, i))
    cache.keep("d.batch", b"x" * 68)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c.batch", "d.batch"]


def test_files_of_others_in_the_folder_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setattr(cache, "CACHED_BYTES", 10)
    for name in ("thesis.pdf", "notes", ".hidden.batch"):
        (tmp_path / name).write_bytes(b"x" * 500)
        os.utime(tmp_path / name, (0, 0))
    cache.keep("a.batch", b"x" * 68)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".hidden.batch", "notes", "thesis.pdf"]


def test_a_model_that_is_compiled_for_one_run_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setattr(runner, "WORTH_KEEPING", 0.0)
    runner.Runner(sbml(TEXT), once=True)
    assert not list(tmp_path.iterdir())


def written(folder: str) -> int:
    """Write a file of the cache many times; read it after each."""
    os.environ[cache.CACHE_VARIABLE] = folder
    for _ in range(40):
        cache.keep("one.batch", b"x" * 100_000)
        assert cache.stored("one.batch") == b"x" * 100_000
    return os.getpid()


def test_processes_may_write_the_same_file_at_once(tmp_path: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(written, [str(tmp_path)] * 4))
    assert [p.name for p in tmp_path.iterdir()] == ["one.batch"]  # no half-written files are left
