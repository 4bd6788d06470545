"""Files are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pathway_models._files.whole import whole_file, write_whole
from pathway_models.errors import ModelError


def test_what_breaks_off_leaves_the_old_file_and_no_draft(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old", encoding="utf-8")

    def broken_off() -> None:
        with whole_file(tmp_path / "a.txt") as part:
            part.write_text("half", encoding="utf-8")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken_off()
    assert [p.read_text(encoding="utf-8") for p in tmp_path.iterdir()] == ["old"]


def test_a_draft_ends_as_the_file_does_for_writers_that_take_the_format_from_there(tmp_path: Path) -> None:
    with whole_file(tmp_path / "a.svg") as part:
        assert (part.parent, part.suffix) == (tmp_path, ".svg")


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link.txt").symlink_to(tmp_path / "a.txt")
    write_whole(tmp_path / "link.txt", "new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "new"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"  # and no device: as root a fault would replace that of the machine
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert write_whole(pipe, "text").is_fifo()
        assert os.read(reader, 9) == b"text"
    finally:
        os.close(reader)


@pytest.mark.parametrize("name", ["", "missing/a.txt"])
def test_what_cannot_be_written_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match=f"cannot write {tmp_path / name}: "):
        write_whole(tmp_path / name, "text")
    assert list(tmp_path.iterdir()) == []
