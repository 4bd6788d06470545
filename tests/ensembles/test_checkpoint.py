"""The checkpoint folder: resume, refuse, share, a full disk, stored time courses."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_array_equal

import pathway_models as pm
from helpers import GUARD, count_rows, flat, tiny
from pathway_models.ensembles import checkpoint
from pathway_models.errors import InvalidValueError
from pathway_models.simulation.tolerances import OF_ENSEMBLES_ELSEWHERE

DECAY = "x = 1; k = 0.5; j = 2; z := 2*x; x' = -k*x"
FINAL_X = pm.Outcome(variable="x", reduce="final")
K = np.linspace(0.1, 2, 24)
SHORT: dict[str, Any] = {"outcomes": [FINAL_X], "duration": 1, "every": 0.25, "workers": 1, "progress": False}


@pytest.fixture
def decay() -> pm.Model:
    return tiny(DECAY)


@pytest.fixture
def count_runs(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, float]]:
    """Every run of a row, in order."""
    return count_rows(monkeypatch, OF_ENSEMBLES_ELSEWHERE)


def test_a_second_call_takes_everything_from_the_folder(
    decay: pm.Model, tmp_path: Path, count_runs: list[dict[str, float]]
) -> None:
    first = flat(pm.ensemble, decay, {"k": K}, checkpoint=tmp_path, **SHORT)
    assert len(count_runs) == 24
    second = flat(pm.ensemble, decay, {"k": K}, checkpoint=tmp_path, **SHORT)
    assert len(count_runs) == 24
    assert_array_equal(first.values, second.values)
    assert first.cost is not None
    assert second.cost is not None
    assert (first.cost.run, first.cost.reused, second.cost.run, second.cost.reused) == (24, 0, 0, 24)


def test_more_rows_run_only_what_is_new_whatever_the_blocks(
    decay: pm.Model, tmp_path: Path, count_runs: list[dict[str, float]]
) -> None:
    flat(pm.ensemble, decay, {"k": K[:10]}, checkpoint=tmp_path, **SHORT)
    for path in sorted(tmp_path.glob("rows-*.npz"))[1:3]:
        path.unlink()
    count_runs.clear()
    more = flat(pm.ensemble, decay, {"k": K}, checkpoint=tmp_path, **SHORT)
    assert len(count_runs) == 14 + 4
    assert_array_equal(more.values, flat(pm.ensemble, decay, {"k": K}, **SHORT).values)
    fewer = flat(pm.ensemble, decay, {"k": K[:7]}, checkpoint=tmp_path, **SHORT)
    assert_array_equal(fewer.values, more.values[:7])


def test_failed_rows_are_kept_with_their_messages(tmp_path: Path, count_runs: list[dict[str, float]]) -> None:
    model = tiny("k = 0; x = 1; x' = -x; y := sqrt(k)")
    options = {**SHORT, "outcomes": ["y"], "checkpoint": tmp_path}
    first = flat(pm.ensemble, model, {"k": [1.0, -1.0, 4.0]}, **options)
    count_runs.clear()
    second = flat(pm.ensemble, model, {"k": [1.0, -1.0, 4.0]}, **options)
    assert count_runs == []
    assert second.messages == first.messages == {1: "y is not finite"}
    assert_array_equal(first.status, second.status)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"outcomes": ["x"]}, "outcomes: stored"),
        ({"duration": 2}, "schedule: stored"),
        ({"every": 0.5, "outcomes": [pm.Outcome(variable="x")]}, "another grid of output times"),
        ({"limits": pm.Limits(steps=100)}, "limits: stored"),
        ({"start": "steady"}, "start: stored"),
        ({"treatments": [pm.Level(input="j", value=3.0)]}, "schedule: stored"),
    ],
    ids=lambda v: next(iter(v)) if isinstance(v, dict) else v,
)
def test_other_runs_are_refused_and_the_difference_named(
    decay: pm.Model, tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    flat(pm.ensemble, decay, {"k": K}, checkpoint=tmp_path, **SHORT)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(InvalidValueError, match=rf"holds other runs \(.*{named}"):
        flat(pm.ensemble, decay, {"k": K}, checkpoint=tmp_path, **{**SHORT, **change})
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_another_model_other_settings_and_other_rows_are_refused(decay: pm.Model, tmp_path: Path) -> None:
    flat(pm.ensemble, decay, {"k": K}, checkpoint=tmp_path, **SHORT)
    with pytest.raises(InvalidValueError, match=r'settings: stored {"j": null}, now {"j": 3.0}'):
        flat(pm.ensemble, decay.with_parameters(j=3), {"k": K}, checkpoint=tmp_path, **SHORT)
    with pytest.raises(InvalidValueError, match=r"\(another model file\)"):
        flat(pm.ensemble, tiny(DECAY.replace("2*x", "3*x")), {"k": K}, checkpoint=tmp_path, **SHORT)
    with pytest.raises(InvalidValueError, match="other parameter values"):
        flat(pm.ensemble, decay, {"k": np.append(K[:20], 0.3)}, checkpoint=tmp_path, **SHORT)
    with pytest.raises(InvalidValueError, match="parameters: stored"):
        flat(pm.ensemble, decay, {"k": K, "j": K}, checkpoint=tmp_path, **SHORT)


def test_another_version_is_refused(decay: pm.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flat(pm.ensemble, decay, {"k": K}, checkpoint=tmp_path, **SHORT)
    monkeypatch.setattr(checkpoint, "version", lambda name: "999")
    with pytest.raises(InvalidValueError, match="versions: stored"):
        flat(pm.ensemble, decay, {"k": K}, checkpoint=tmp_path, **SHORT)


def full_after(files: int) -> Callable[..., None]:
    """A disk with room for so many blocks; half of the next one is written before it says so."""
    real = checkpoint._save_arrays
    written = []

    def save(path: Path, *arguments: Any) -> None:
        if len(written) == files:
            path.write_bytes(b"PK half")
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(path)
        real(path, *arguments)

    return save


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_is_a_clear_error_and_nothing_finished_is_lost(
    decay: pm.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    options = {**SHORT, "workers": workers}
    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "_save_arrays", full_after(2))
        with pytest.raises(
            pm.ensembles.CheckpointError, match=r"(12|6) of 24 rows are safe in it.*No space left on device"
        ):
            flat(pm.ensemble, decay, {"k": K}, checkpoint=tmp_path, **options)
    assert not list(tmp_path.glob(".*")), "no half file stays"
    resumed = flat(pm.ensemble, decay, {"k": K}, checkpoint=tmp_path, **options)
    assert resumed.cost is not None
    assert resumed.cost.reused == 24 // (4 * workers) * 2
    assert_array_equal(resumed.values, flat(pm.ensemble, decay, {"k": K}, **SHORT).values)


def test_a_folder_that_cannot_be_made_is_a_clear_error(decay: pm.Model, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(pm.ensembles.CheckpointError, match="cannot be used"):
        flat(pm.ensemble, decay, {"k": K}, checkpoint=tmp_path / "file", **SHORT)


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "longer": lambda data: data + b"x",
    "other bytes": lambda data: b"PK damaged" * 60,
    "another type": lambda data: b"[]",
    "a number": lambda data: b"1",
    "no hash": lambda data: b"{}",
    "nested without end": lambda data: b"[" * 100_000,
    "no text": lambda data: b"\xff\xfe",
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", ["rows-*.npz", "run.json", "courses-*.nc"])
@pytest.mark.parametrize("engine", ["roadrunner", "auto"])
def test_a_damaged_file_is_named_with_the_cure(
    decay: pm.Model, tmp_path: Path, name: str, damage: str, engine: str
) -> None:
    options = {**SHORT, "checkpoint": tmp_path, "store": True, "engine": engine}
    runs = flat(pm.ensemble, decay, {"k": K}, **options)
    path = next(iter(tmp_path.glob(name)))
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    with pytest.raises(
        pm.ensembles.CheckpointError, match=rf"damaged {path.name}: delete {path.name}.* and run the same again$"
    ):
        flat(pm.ensemble, decay, {"k": K}, **options).with_outcomes(["x"])
    path.unlink()
    if name == "courses-*.nc":
        path.with_name(path.name.replace("courses", "rows")).with_suffix(".npz").unlink()
    assert_array_equal(flat(pm.ensemble, decay, {"k": K}, **options).values, runs.values)


def test_no_bit_of_a_checkpoint_can_change_unseen(decay: pm.Model, tmp_path: Path) -> None:
    """A flipped bit or a cut anywhere gives the same numbers or a CheckpointError, never anything else."""
    options = {**SHORT, "checkpoint": tmp_path, "store": True}
    whole = flat(pm.ensemble, decay, {"k": K[:2]}, **options).with_outcomes([FINAL_X, "x"]).values
    random = np.random.default_rng(1)
    for path in sorted(tmp_path.iterdir()):
        good = path.read_bytes()
        for place in random.integers(0, len(good), 40):
            flipped = bytearray(good)
            flipped[place] ^= 1 << random.integers(8)
            for bad in (bytes(flipped), good[:place]):
                path.write_bytes(bad)
                try:
                    found = flat(pm.ensemble, decay, {"k": K[:2]}, **options).with_outcomes([FINAL_X, "x"]).values
                except pm.ensembles.CheckpointError:
                    continue
                assert_array_equal(found, whole)
        path.write_bytes(good)


def test_rows_of_another_run_are_refused_though_the_record_is_lost(decay: pm.Model, tmp_path: Path) -> None:
    flat(pm.ensemble, decay, {"k": K}, checkpoint=tmp_path, **SHORT)
    (tmp_path / "run.json").unlink()
    with pytest.raises(InvalidValueError, match="holds other runs"):
        flat(pm.ensemble, decay, {"k": K}, checkpoint=tmp_path, **{**SHORT, "duration": 2})


def test_other_programs_can_read_the_rows(decay: pm.Model, tmp_path: Path) -> None:
    runs = flat(pm.ensemble, decay, {"k": K}, checkpoint=tmp_path, **SHORT)
    with np.load(next(iter(tmp_path.glob("rows-000000000-*.npz")))) as file:
        assert_array_equal(file["values"], runs.values[: len(file["values"])])


def test_two_processes_on_one_folder_give_the_same_bits(decay: pm.Model, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
import numpy as np
import pathway_models as pm
from helpers import tiny
study = pm.Study(tiny({DECAY!r}), outcomes=[pm.Outcome(variable="x", reduce="final")], duration=1, every=0.25)
execution = pm.Execution(workers=1, progress=False, checkpoint={str(tmp_path / "both")!r})
runs = pm.ensemble(study, {{"k": np.linspace(0.1, 2, 24)}}, execution=execution)
print(runs.values.tobytes().hex())
""",
        encoding="utf-8",
    )
    command = [sys.executable, str(script)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate(timeout=GUARD)[0].strip() for process in both]
    expected = flat(pm.ensemble, decay, {"k": K}, **SHORT).values.tobytes().hex()
    assert outputs == [expected, expected]
    assert not list((tmp_path / "both").glob(".*"))


# ---- stored time courses -------------------------------------------------------------------------------------------


def test_new_outcomes_come_from_stored_courses(
    decay: pm.Model, tmp_path: Path, count_runs: list[dict[str, float]]
) -> None:
    runs = flat(pm.ensemble, decay, {"k": K}, checkpoint=tmp_path, store=True, **SHORT)
    count_runs.clear()
    wanted = [pm.Outcome(variable="x", reduce="area"), pm.Outcome(variable="x", reduce="peak", relative=True)]
    other = runs.with_outcomes(wanted, times=[0.0, 0.5])
    assert count_runs == []
    direct = flat(pm.ensemble, decay, {"k": K}, **{**SHORT, "outcomes": wanted, "times": [0.0, 0.5]})
    assert_array_equal(other.values, direct.values)
    assert other.over_time is not None
    assert direct.over_time is not None
    assert_array_equal(other.over_time, direct.over_time)
    assert [o.name for o in other.outcomes] == ["x area", "x peak, relative to untreated"]
    with pytest.raises(InvalidValueError, match="k was not stored"):
        runs.with_outcomes(["k"])


def test_a_foreign_file_keeps_all_that_it_computes(tmp_path: Path) -> None:
    model = tiny("x = 1; k = 1; x' = -k*x; y := 2*x; z := x*x")
    runs = flat(pm.ensemble, model, {"k": [1.0, 2.0]}, checkpoint=tmp_path, store=True, **SHORT)
    late = runs.with_outcomes([pm.Outcome(variable=v, reduce="final") for v in "xyz"]).values
    np.testing.assert_allclose(late[:, 1:], np.column_stack([2 * late[:, 0], late[:, 0] ** 2]), rtol=1e-6)


def test_stored_courses_are_plain_netcdf(decay: pm.Model, tmp_path: Path) -> None:
    flat(pm.ensemble, decay, {"k": K}, checkpoint=tmp_path, store=True, **SHORT)
    path = sorted(tmp_path.glob("courses-*.nc"))[1]
    with xr.open_dataset(path, engine="scipy") as stored:
        start = int(stored["row"][0])
        assert stored["x"].dims == ("row", "time")
        np.testing.assert_allclose(stored["x"][0], np.exp(-K[start] * stored["time"]), rtol=1e-5)


def test_courses_of_failed_rows_stay_empty(tmp_path: Path) -> None:
    model = tiny("k = 0; x = 1; x' = -x; y := sqrt(k)")
    options = {**SHORT, "outcomes": ["y"], "checkpoint": tmp_path, "store": True}
    runs = flat(pm.ensemble, model, {"k": [1.0, -1.0, 4.0]}, **options)
    peak = runs.with_outcomes([pm.Outcome(variable="y", reduce="peak")])
    assert_array_equal(peak.values[:, 0], [1.0, np.nan, 2.0])
    assert peak.messages == {1: "y is not finite"}
    for path in tmp_path.glob("courses-*.nc"):
        with xr.open_dataset(path, engine="scipy") as stored:
            assert_array_equal(np.isnan(stored["x"]).all("time"), stored["row"] == 1)


def test_without_stored_courses_new_outcomes_are_refused(decay: pm.Model, tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match="store="):
        flat(pm.ensemble, decay, {"k": K}, checkpoint=tmp_path, **SHORT).with_outcomes(["x"])
    with pytest.raises(InvalidValueError, match="checkpoint=FOLDER"):
        flat(pm.ensemble, decay, {"k": K}, store=True, **SHORT)


def test_courses_at_asked_times(decay: pm.Model) -> None:
    outcomes = [FINAL_X, pm.Outcome(variable="x", reduce="final", relative=True), "z"]
    runs = flat(pm.ensemble, decay, {"k": K}, **{**SHORT, "outcomes": outcomes, "times": [0.0, 0.3, 1.0]})
    assert runs.courses == ("x", "x, relative to untreated", "z")
    assert runs.over_time is not None
    assert runs.over_time.shape == (24, 3, 3)
    exact = np.exp(-np.outer(K, [0.0, 0.3, 1.0]))
    np.testing.assert_allclose(runs.over_time[:, 0], exact, rtol=1e-5)
    np.testing.assert_allclose(runs.over_time[:, 2], 2 * exact, rtol=1e-5)
    assert_array_equal(runs.over_time[:, 0, -1], runs.values[:, 0])


@pytest.mark.parametrize("times", [[-1.0], [2.0], [0.5, 0.5], [1.0, 0.0]])
def test_times_that_make_no_sense(decay: pm.Model, times: list[float]) -> None:
    with pytest.raises(InvalidValueError, match="time"):
        flat(pm.ensemble, decay, {"k": K}, times=times, **SHORT)
