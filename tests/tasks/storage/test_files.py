"""Files are there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from liafseq.tasks.storage import files
from liafseq.tasks.storage.files import (
    TEMPORARY_SUFFIX,
    read_json,
    remove_leftovers,
    write_atomic,
    write_json,
)


def test_write_atomic_makes_folders_and_replaces(tmp_path):
    path = tmp_path / "a" / "b.txt"
    assert write_atomic(path, "one\r\nä") == path
    assert path.read_bytes() == "one\r\nä".encode()
    write_atomic(path, b"\x00two")
    assert path.read_bytes() == b"\x00two"
    assert [entry.name for entry in path.parent.iterdir()] == ["b.txt"]


def test_a_failed_write_leaves_the_old_file_alone(tmp_path, monkeypatch):
    path = write_atomic(tmp_path / "x", "old")

    def fails(_):
        raise OSError("disk full")

    monkeypatch.setattr(files.os, "fsync", fails)
    with pytest.raises(OSError, match="disk full"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]


def test_the_file_is_whole_before_it_has_its_name(tmp_path, monkeypatch):
    seen = []
    move = Path.replace

    def watched(self, target):
        seen.append((self.parent == tmp_path, self.read_text(), Path(target).exists()))
        return move(self, target)

    monkeypatch.setattr(Path, "replace", watched)
    write_atomic(tmp_path / "x", "content")
    assert seen == [(True, "content", False)]


def test_leftovers_are_removed_and_nothing_else(tmp_path):
    left = tmp_path / f".resume.safetensors.12{TEMPORARY_SUFFIX}"
    left.write_text("half")
    (tmp_path / ".lock").touch()
    (tmp_path / "result.json").touch()
    assert remove_leftovers(tmp_path) == [left]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [".lock", "result.json"]


def test_json_round_trip(tmp_path):
    content = {"accuracy": {"1": 0.1 + 0.2}, "words": ["ä", "<unk>"], "none": None}
    assert read_json(write_json(tmp_path / "x.json", content)) == content


def test_json_refuses_what_is_no_json(tmp_path):
    with pytest.raises(ValueError, match=r"x\.json"):
        write_json(tmp_path / "x.json", {"loss": float("nan")})
    assert not (tmp_path / "x.json").exists()
    (tmp_path / "x.json").write_text('{\n"a": }')
    with pytest.raises(ValueError, match=r"x\.json:2: not valid JSON"):
        read_json(tmp_path / "x.json")
    (tmp_path / "x.json").write_bytes(b'"\xff"')
    with pytest.raises(ValueError, match="UTF-8"):
        read_json(tmp_path / "x.json")
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "missing.json")
