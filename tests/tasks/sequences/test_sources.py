"""Where a person's own files are, and their text."""

from __future__ import annotations

import os
import re
import zipfile
from pathlib import Path
from typing import Any, ClassVar

import pytest

from liafseq.tasks.sequences.sources import (
    HUB,
    WHOLE,
    from_hub,
    parts,
    place,
    read_bytes,
    read_text,
    stamp,
)


def write(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        if name.endswith("/"):
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
    return folder


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            ["train.csv", "dev.csv", "test.csv"],
            {"train": "train.csv", "valid": "dev.csv", "test": "test.csv"},
        ),
        (["Training/", "testing/"], {"train": "Training", "test": "testing"}),
        (["train-00.csv", "val_1.csv", "notes.csv"], {"train": "train-00.csv", "valid": "val_1.csv"}),
        (["train.csv", "train.md", "README"], {"train": "train.csv"}),
        (["cats/", "trains/"], {WHOLE: ""}),
        ([], {WHOLE: ""}),
    ],
)
def test_parts_go_by_their_names(tmp_path: Path, names: list[str], expected: dict[str, str]) -> None:
    write(tmp_path, *names)
    assert parts(tmp_path, [".csv"]) == {part: tmp_path / name for part, name in expected.items()}


def test_a_file_is_all(tmp_path: Path) -> None:
    path = write(tmp_path, "train.csv") / "train.csv"
    assert parts(path) == {WHOLE: path}


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        (["test.csv"], FileNotFoundError, "has a test part, but no train part"),
        (["train.csv", "dev.csv", "val.csv"], ValueError, "dev.csv and val.csv could both be the valid part"),
    ],
)
def test_parts_that_cannot_be(tmp_path: Path, names: list[str], error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        parts(write(tmp_path, *names), [".csv"])


def test_no_such_place(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.csv: no such file or folder"):
        place(tmp_path / "nothing.csv")


def pack(path: Path, content: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in content.items():
            archive.writestr(name, text)
    return path


def test_a_path_may_lead_into_an_archive(tmp_path: Path) -> None:
    path = pack(tmp_path / "data.zip", {"texts/train.csv": "one", "texts/test.csv": "two", "README": ""})
    assert place(path / "texts" / "train.csv").read_text() == "one"
    assert {part: file.read_text() for part, file in parts(path / "texts").items()} == {
        "train": "one",
        "test": "two",
    }
    assert sorted(file.name for file in place(path).iterdir()) == ["README", "texts"]
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        place(path / "texts" / "other.csv")


def test_an_archive_of_one_folder_stands_for_it(tmp_path: Path) -> None:
    path = pack(tmp_path / "data.zip", {"texts/train.csv": "one"})
    assert [file.name for file in parts(path).values()] == ["train.csv"]


def test_a_broken_archive(tmp_path: Path) -> None:
    path = tmp_path / "data.zip"
    path.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(ValueError, match=r"data\.zip"):
        place(path / "train.csv")


def test_the_stamp_changes_with_the_files(tmp_path: Path) -> None:
    write(tmp_path, "data/train.csv", "data/cats/1.txt")
    stamps = [stamp(str(tmp_path / "data"))]
    (tmp_path / "data" / "cats" / "1.txt").write_text("longer than before")
    stamps.append(stamp(str(tmp_path / "data")))
    (tmp_path / "data" / "cats" / "2.txt").write_text("new")
    stamps.append(stamp(str(tmp_path / "data")))
    os.utime(tmp_path / "data" / "train.csv", ns=(1, 1))
    stamps.append(stamp(str(tmp_path / "data")))
    assert len(set(stamps)) == 4
    assert stamp(str(tmp_path / "data")) == stamps[-1]


def test_the_stamp_of_a_path_into_an_archive_is_the_archives(tmp_path: Path) -> None:
    path = pack(tmp_path / "data.zip", {"train.csv": "one"})
    before = stamp(str(path / "train.csv"))
    pack(path, {"train.csv": "another"})
    assert before != stamp(str(path / "train.csv")) != ()


def test_what_is_no_file_has_no_stamp() -> None:
    assert stamp(f"{HUB}owner/name") == stamp("nowhere") == ()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\xef\xbb\xbfa\r\nb\rc\n", "a\nb\nc\n"),
        ("caf\u00e9".encode(), "caf\u00e9"),
        (b"", ""),
    ],
)
def test_text(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    assert read_text(path) == expected


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("latin-1", ":2: byte 7 is not UTF-8 (0xe9)"), ("utf-16", ":1: byte 0 is not UTF-8 (0xff)")],
)
def test_another_encoding_is_told_with_line_and_byte(tmp_path: Path, encoding: str, expected: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("one\ncaf\u00e9\n".encode(encoding))
    with pytest.raises(ValueError, match=re.escape(f"{path}{expected}")):
        read_text(path)


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert read_bytes(path, 5) == b"12345"
    with pytest.raises(ValueError, match="a: has 5 bytes; expected at most 4"):
        read_bytes(path, 4)


class Table(list[dict[str, Any]]):
    """A part of a data set of the hub, whose classes are numbers with names."""

    class Names:
        names = ("no", "yes")

    features: ClassVar = {"text": object(), "label": Names()}


def test_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def load(*arguments: Any) -> Any:
        asked.append(arguments)
        rows = Table([{"text": "a", "label": 1}, {"text": "b", "label": -1}])
        return {"train": rows, "validation": rows, "test": rows, "unsupervised": rows}

    monkeypatch.setattr("datasets.load_dataset", load)
    found = from_hub("hub:owner/name:config")
    assert list(found) == ["train", "valid", "test"]
    # -1: of a test part whose answers are kept secret
    assert list(found["valid"]) == [{"text": "a", "label": "yes"}, {"text": "b", "label": -1}]
    from_hub("hub:owner/name")
    assert asked == [("owner/name", "config"), ("owner/name", None)]


def test_a_hub_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: Any) -> Any:
        raise ConnectionError("no network")

    monkeypatch.setattr("datasets.load_dataset", load)
    with pytest.raises(FileNotFoundError, match="hub:owner/name: ConnectionError: no network"):
        from_hub("hub:owner/name")
    monkeypatch.setattr("datasets.load_dataset", lambda *_: {"test": Table()})
    with pytest.raises(FileNotFoundError, match="has no train part, only test"):
        from_hub("hub:owner/name")
