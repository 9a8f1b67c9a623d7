"""Rows of tables and of folders per class."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liafseq.tasks.sequences.tables import Row, read

CSV = 'text,label\n"a, ""b""\nc",x\n\n d ,y\n'
TSV = "label\ttext\nx\ta, b\n"
JSONL = '{"text": "a", "label": 1}\n\n{"text": "b\\u00e9", "label": "y", "other": [1]}\n'


def rows(path: Path, content: str | bytes) -> list[tuple[str, str, str]]:
    """Text, class and place of each row of a file."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (found,) = read(str(path)).values()
    return [(row.text("text"), row.text("label"), row.where.removeprefix(f"{path}")) for row in found]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", CSV, [('a, "b"\nc', "x", ":3"), ("d", "y", ":5")]),
        ("a.CSV", CSV.replace("\n", "\r\n"), [('a, "b"\nc', "x", ":3"), ("d", "y", ":5")]),
        ("a.csv", "\ufeff" + CSV, [('a, "b"\nc', "x", ":3"), ("d", "y", ":5")]),
        ("a.tsv", TSV, [("a, b", "x", ":2")]),
        ("a.jsonl", JSONL, [("a", "1", ":1"), ("b\u00e9", "y", ":3")]),
    ],
)
def test_rows_of_a_file(tmp_path: Path, name: str, content: str, expected: Any) -> None:
    assert rows(tmp_path / name, content) == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", ": is empty; expected a line with the names of the columns"),
        ("a.csv", "text,label,text\na,b,c\n", ":1: the column 'text' is there twice"),
        ("a.csv", "text,label\na,b,c\n", ":2: expected 2 values, got 3"),
        ("a.csv", "text,label\na\n", ":2: expected 2 values, got 1"),
        ("a.csv", 'text,label\n"a,b\n', ":2: unexpected end of data"),
        ("a.csv", "words,label\na,b\n", ":2: no column 'text'; the columns are words, label"),
        ("a.csv", "text,label\na,b\n ,b\n", ":3: 'text' is empty"),
        ("a.csv", "text,label\na,b\ncaf\u00e9,b\n".encode("latin-1"), ":3: byte 18 is not UTF-8 (0xe9)"),
        ("a.jsonl", '{"text": "a", "label": 1}\n{"text"\n', ":2: not JSON: Expecting ':' delimiter"),
        ("a.jsonl", "[1]\n", ":1: expected an object, got list"),
        ("a.jsonl", "[" * 100_000, ":1: not JSON: "),
        ("a.jsonl", '{"text": "a"}\n', ":1: no column 'label'; the columns are text"),
        ("a.jsonl", '{"text": ["a"], "label": 1}\n', ":1: expected a text as 'text', got ['a']"),
        ("a.jsonl", '{"text": "a", "label": true}\n', ":1: expected a text as 'label', got True"),
        ("a.jsonl", '{"text": "\\ud800", "label": 1}\n', ":1: 'text' has half of a character"),
        ("a.xlsx", "text,label", ": expected a file of .csv, .tsv, .jsonl, or a folder per class"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(f"{tmp_path / name}{message}")):
        rows(tmp_path / name, content)


def test_a_folder_per_class(tmp_path: Path) -> None:
    for name in ("train/pos/2.txt", "train/pos/1.txt", "train/neg/3.txt", "test/pos/4.txt", "train/neg/x.md"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.stem)
    found = read(str(tmp_path), text_column="body", label_column="class")
    texts = {part: [(row["body"], row["class"]) for row in rows] for part, rows in found.items()}
    assert texts == {"train": [("3", "neg"), ("1", "pos"), ("2", "pos")], "test": [("4", "pos")]}
    assert found["test"][0].where == str(tmp_path / "test/pos/4.txt")


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected a folder per class, or files of"):
        read(str(tmp_path))


def test_rows_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.load_dataset", lambda *_: {"train": [{"text": "a"}, {"text": ""}]})
    first, second = read("hub:owner/name")["train"]
    assert first.text("text") == "a"
    with pytest.raises(ValueError, match="hub:owner/name train row 1: 'text' is empty"):
        second.text("text")


def test_numbers_are_texts() -> None:
    assert Row({"a": 3.5, "b": 7}, "here").text("a") == "3.5"
    assert Row({"a": 3.5, "b": 7}, "here").text("b") == "7"


@pytest.mark.parametrize(("name", "valid"), [("a.csv", CSV), ("a.tsv", TSV), ("a.jsonl", JSONL)])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(data=st.data())
def test_any_bytes_are_read_or_refused(tmp_path: Path, name: str, valid: str, data: st.DataObject) -> None:
    content = bytearray(valid.encode())
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(content)))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    found, refused = [], ""
    try:
        found = rows(tmp_path / name, bytes(content))
    except ValueError as error:
        refused = str(error)
    assert str(tmp_path / name) in refused or not refused
    for text, label, _ in found:
        assert text.strip()
        assert label.strip()
        (text + label).encode()
