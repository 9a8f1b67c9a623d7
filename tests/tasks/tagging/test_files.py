"""Tagged sentences out of files: each format, its errors, and bytes that are none of it."""

from __future__ import annotations

import json
import sys
import types

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liafseq.tasks.config import FieldError
from liafseq.tasks.tagging.config import TaggingConfig
from liafseq.tasks.tagging.files import read

from .made_tags import TEST, TRAIN, write


def found(source, **fields):
    return read(TaggingConfig(source=str(source), **fields))


@pytest.mark.parametrize("kind", ["columns", "jsonl", "lines"])
def test_all_formats_say_the_same(tmp_path, kind):
    rows = found(write(tmp_path / "data", kind))
    assert {part: len(sentences) for part, sentences in rows.items()} == {"train": TRAIN, "test": TEST}
    other = found(write(tmp_path / "other", "jsonl"))
    for part, sentences in rows.items():
        assert [(row.words, row.tags) for row in sentences] == [(r.words, r.tags) for r in other[part]]
    assert all((row.intent is None) == (kind == "columns") for row in rows["train"])


def test_columns_by_number(tmp_path):
    (tmp_path / "a.conll").write_text("-DOCSTART- -X- O\n\n1 the B-NP\n2 cat I-NP\n\n\n3 sat B-VP\n")
    (rows,) = found(tmp_path / "a.conll", word_column="2", tag_column="3").values()
    assert [(row.words, row.tags) for row in rows] == [
        (("the", "cat"), ("B-NP", "I-NP")),
        (("sat",), ("B-VP",)),
    ]
    assert rows[1].where.endswith("a.conll:7")


def test_universal_dependencies(tmp_path):
    lines = ["# text = vámonos", "1-2\tvámonos\t_\t_", "1\tvamos\tir\tVERB", "2\tnos\tnosotros\tPRON", ""]
    (tmp_path / "a.conllu").write_text("\n".join(lines))
    (rows,) = found(tmp_path / "a.conllu").values()
    assert rows[0].words == ("vamos", "nos")
    assert rows[0].tags == ("VERB", "PRON")


def test_words_with_odd_spaces_stay_whole(tmp_path):
    (tmp_path / "a.txt").write_text("10\u00a0000 CD\nx NN\n", encoding="utf-8")
    (rows,) = found(tmp_path / "a.txt").values()
    assert rows[0].words == ("10\u00a0000", "x")


@pytest.mark.parametrize(
    ("text", "fields", "expected"),
    [
        ("a B\nb\n", {}, "a.txt:2: expected 2 columns, got 1"),
        ("a\n", {}, "a.txt:1: expected 2 columns, got 1"),
        ("a x B\n\nb x\n", {}, "a.txt:3: expected 3 columns, got 2"),
        ("a\tx\n\tx\n", {}, "a.txt:2: the word is empty"),
        ("a B\n", {"tag_column": "3"}, "a.txt:1: no column 3 of the tag, only 2"),
    ],
)
def test_errors_of_columns(tmp_path, text, fields, expected):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(ValueError, match=expected):
        found(tmp_path / "a.txt", **fields)


def test_a_column_that_is_no_number(tmp_path):
    (tmp_path / "a.txt").write_text("a B\n")
    with pytest.raises(FieldError, match="tag_column must be the number of a column, from 1, got 'tag'"):
        found(tmp_path / "a.txt", tag_column="tag")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"words": ["a"]}, "a.jsonl:1: no column 'tags'"),
        ({"words": ["a"], "tags": ["O", "O"]}, "a.jsonl:1: expected a tag for each of 1 words, got 2 tags"),
        ({"words": "a", "tags": ["O"]}, "a.jsonl:1: expected a list as 'words'"),
        ({"words": [], "tags": []}, "a.jsonl:1: expected a list as 'words', with a word at least"),
        ({"words": [None], "tags": ["O"]}, "a.jsonl:1: expected texts as 'words', got None"),
        ({"words": ["a"], "tags": ["O"], "intent": " "}, "a.jsonl:1: 'intent' is empty"),
    ],
)
def test_errors_of_jsonl(tmp_path, row, expected):
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    with pytest.raises(ValueError, match=expected):
        found(tmp_path / "a.jsonl")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("seq.out", "O\n", "seq.out: expected 12 lines, got 1"),
        ("seq.in", "a\n" * 12, "seq.out:1: expected 1 tags, got"),
        ("label", "x\n" * 3 + "\n" + "x\n" * 8, "label:4: is empty"),
    ],
)
def test_errors_of_lines(tmp_path, name, text, expected):
    folder = write(tmp_path / "data", "lines")
    (folder / "test" / name).write_text(text)
    with pytest.raises(ValueError, match=expected):
        found(folder)


def test_what_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        found(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match=r"has no seq\.in; expected"):
        found(tmp_path)
    (tmp_path / "a.csv").write_text("a,b\n")
    with pytest.raises(ValueError, match=r"expected a file of \.txt"):
        found(tmp_path / "a.csv")


def test_another_encoding(tmp_path):
    (tmp_path / "a.txt").write_bytes("a O\ncafé O\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"a\.txt:2: byte 7 is not UTF-8"):
        found(tmp_path / "a.txt")


class Labels:
    names = ("O", "B-to")


class Column:
    feature = Labels()


class Table(list):
    features = types.MappingProxyType({"words": None, "tags": Column(), "intent": Labels()})


def test_the_hub_names_classes(monkeypatch):
    rows = Table([{"words": ["to", "Rome"], "tags": [0, 1], "intent": 1}])
    stub = types.SimpleNamespace(load_dataset=lambda *_: {"train": rows, "test": rows})
    monkeypatch.setitem(sys.modules, "datasets", stub)
    sentences = found("hub:someone/tags")
    assert sentences["test"][0].tags == ("O", "B-to")
    assert sentences["test"][0].intent == "B-to"


FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
VALID = {
    "a.txt": b"the DT B-NP\ncat NN I-NP\n\nsat VB B-VP\n",
    "a.conllu": b"# x\n1\tthe\t_\tDET\n2\tcat\t_\tNOUN\n\n1\tsat\t_\tVERB\n",
    "a.jsonl": b'{"words": ["a", "b"], "tags": ["O", "B-x"], "intent": "q"}\n{"words": ["c"], "tags": [1]}\n',
}


@pytest.mark.parametrize("name", VALID)
def test_fuzzed_files(tmp_path, name):
    path = tmp_path / name

    def attempt(content):
        path.write_bytes(content)
        try:
            (rows,) = found(path).values()
        except ValueError as error:
            rows, text = [], str(error)
        else:
            text = str(path)
        assert text.startswith(str(path))
        for row in rows:
            assert 0 < len(row.words) == len(row.tags)
            assert all(row.words)

    @FUZZ
    @given(st.binary(max_size=200))
    def random_bytes(content):
        attempt(content)

    @FUZZ
    @given(st.data())
    def mutated(data):
        content = bytearray(VALID[name])
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, len(content)))
            cut = data.draw(st.integers(0, 8))
            content[at : at + cut] = data.draw(st.binary(max_size=4))
        attempt(bytes(content))

    random_bytes()
    mutated()
