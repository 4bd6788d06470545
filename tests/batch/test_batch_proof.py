"""The scripts that prove the batch engine: smallest runs, and that they notice what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pathway_models as pm
from helpers import analysis, sbml


def test_our_models(capsys: pytest.CaptureFixture[str]) -> None:
    proof = analysis("engine_proof")
    model = pm.load("acupuncture")
    arms = proof.arms(model)
    assert set(arms) == {"none", "needles"}
    assert not proof.line(model, "needles", arms["needles"], proof.table(model, 8), 3)
    cells = [c.strip() for c in capsys.readouterr().out.split("|")[1:-1]]
    assert cells[:5] == ["acupuncture", "needles", "8", "0", "3"]
    assert 0 < float(cells[6].split()[0]) < 10


def test_public_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    public = analysis("engine_public")
    texts = {
        "good": "k = 0.5; x = 1; x' = -k * x;",
        "event": "x = 1; x' = -x; at (time > 1): x = 2;",
        "rest": "y := 3;",
    }
    for name, body in texts.items():
        (tmp_path / f"{name}.xml").write_text(sbml(body), encoding="utf-8")
    (tmp_path / "text.xml").write_text("no SBML", encoding="utf-8")
    rows = [public.examine(path) for path in public.models(tmp_path)]
    said = {r[0].removesuffix(".xml"): r[1] for r in rows}
    assert said["good"] == "compared"
    assert said["event"].startswith("refused: event")
    assert said["rest"] == "refused: the model has no states"
    assert said["text"].startswith("not loaded")
    assert public.report(rows).splitlines()[0] == "4 models, 1 compared"

    real = public.run_rows

    def wrong(*arguments: object) -> tuple[np.ndarray, dict[int, str]]:
        courses, failed = real(*arguments)
        return courses + 1e-3, failed

    monkeypatch.setattr(public, "run_rows", wrong)
    name, _, ours, plain = public.examine(tmp_path / "good.xml")
    assert ours > 100
    assert plain < 100
    assert f"{name}: batch" in public.report([(name, "compared", ours, plain)])


def test_times_of_a_case_of_the_suite(tmp_path: Path) -> None:
    public = analysis("engine_public")
    (tmp_path / "00001-sbml-l3v1.xml").write_text("", encoding="utf-8")
    (tmp_path / "00001-settings.txt").write_text("start: 0\nduration: 5\nsteps: 50\n", encoding="utf-8")
    (path,) = public.models(tmp_path)
    np.testing.assert_allclose(public.times_of(path), np.linspace(0, 5, 51))
