"""Texts as tokens: what is read, how it is cut, what is known of it."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liafseq.tasks.lm import data as reading
from liafseq.tasks.lm.config import Continuation, LmConfig
from liafseq.tasks.lm.data import LmData, joined, tokens

LINES = "one fish two fish\nred fish blue fish\n\nthis one has a little car\n" * 10


def config(source: Path | str, **fields) -> LmConfig:
    return LmConfig(model="gru", source=str(source), **fields)


def words(data: LmData, numbers: np.ndarray) -> list[str]:
    return [data.vocabulary.words[at] for at in numbers]


@pytest.mark.parametrize("level", ["char", "word", "byte"])
def test_a_file_is_cut_in_its_order(tmp_path, level):
    path = tmp_path / "fish.txt"
    path.write_text(LINES)
    of = config(path, level=level, test_fraction=0.2, valid_fraction=0.25, least=1)
    data = LmData.of(of)
    parts = [words(data, data.numbers(of, part)) for part in ("train", "valid", "test")]
    whole = [token for part in parts for token in part]
    assert whole == list(tokens(LINES, level))
    assert [len(part) / len(whole) for part in parts] == pytest.approx([0.6, 0.2, 0.2], abs=0.01)
    assert joined(whole, level).rstrip("\n") == LINES.rstrip("\n")


def test_words_as_of_wikitext():
    """A line, also an empty one, ends with <eos>; the end of the file is no further line."""
    assert tokens(" = A = \n \n b <unk> \n", "word") == [
        "=",
        "A",
        "=",
        "<eos>",
        "<eos>",
        "b",
        "<unk>",
        "<eos>",
    ]


def test_the_test_part_decides_nothing(tmp_path, caplog):
    for part, text in (("train", "a b a b c\n" * 5), ("valid", "a d\n"), ("test", "a e f <unk>\n")):
        (tmp_path / f"{part}.txt").write_text(text)
    of = config(tmp_path, level="word")
    data = LmData.of(of)
    assert set(data.vocabulary.words) == {"<unk>", "<pad>", "<eos>", "a", "b", "c"}
    with caplog.at_level(logging.WARNING, "liafseq"):
        assert words(data, data.numbers(of, "test")) == ["a", "<unk>", "<unk>", "<unk>", "<eos>"]
    # The one that is written <unk> is no surprise.
    assert "2 of 5 tokens of the test part are not known from training; they count as <unk>" in caplog.text


def test_rare_words_are_unknown_from_the_start(tmp_path):
    (tmp_path / "a.txt").write_text("often often once\n" * 1 + "often\n" * 30)
    known = {least: LmData.of(config(tmp_path, level="word", least=least)).vocabulary for least in (1, 2)}
    assert "once" in known[1].words
    assert "once" not in known[2].words
    assert len(LmData.of(config(tmp_path, level="word", most_words=1)).vocabulary) == 3


def test_a_folder_without_parts_is_one_text_in_the_order_of_names(tmp_path):
    for name, text in (("b.txt", "second "), ("a.txt", "first "), ("c/d.md", "third "), ("e.png", "no")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text * 3)
    of = config(tmp_path)
    data = LmData.of(of)
    text = "".join("".join(words(data, data.numbers(of, part))) for part in ("train", "valid", "test"))
    assert text == "first " * 3 + "second " * 3 + "third " * 3


def test_what_a_run_keeps_is_enough_for_other_texts(tmp_path):
    (tmp_path / "a.txt").write_text("abcab" * 30)
    (tmp_path / "b.txt").write_text("abz" * 30)
    kept = LmData.of(config(tmp_path / "a.txt")).kept()
    other = config(tmp_path / "b.txt")
    data = LmData.of(other, kept)
    assert data.kept() == kept
    assert set(words(data, data.numbers(other, "test"))) == {"a", "b", "<unk>"}
    with pytest.raises(ValueError, match="not a vocabulary"):
        LmData.of(other, {"words": 3})


def test_bytes_need_no_encoding(tmp_path):
    content = bytes(range(256)) * 2
    (tmp_path / "a.txt").write_bytes(content)
    of = config(tmp_path, level="byte")
    data = LmData.of(of)
    assert len(data.vocabulary) == 258
    numbers = np.concatenate([data.numbers(of, part) for part in ("train", "valid", "test")])
    assert bytes(int(number) - 2 for number in numbers) == content
    assert joined(tokens("\u00e9t\u00e9", "byte"), "byte") == "\u00e9t\u00e9"


def test_the_hub(monkeypatch):
    import datasets

    rows = [{"text": " = Title = \n"}, {"text": ""}, {"text": "a b\n"}]
    monkeypatch.setattr(datasets, "load_dataset", lambda *_: {"train": rows * 4, "test": rows})
    of = config("hub:owner/wiki:small", level="word")
    data = LmData.of(of)
    assert words(data, data.numbers(of, "test")) == ["=", "Title", "=", "<eos>", "<eos>", "a", "b", "<eos>"]
    with pytest.raises(ValueError, match="train row 0: no text as 'body'; the columns are text"):
        LmData.of(config("hub:owner/wiki", text_column="body"))


def test_bad_input_is_told_with_its_place(tmp_path):
    (tmp_path / "latin.txt").write_bytes(b"fine\nna\xefve\n")
    with pytest.raises(ValueError, match=r"latin\.txt:2: byte 7 is not UTF-8"):
        LmData.of(config(tmp_path / "latin.txt"))
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(ValueError, match="expected at least 2 tokens as"):
        LmData.of(config(tmp_path / "empty.txt"))
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileNotFoundError, match="no text file in it"):
        LmData.of(config(tmp_path / "folder"))
    with pytest.raises(FileNotFoundError, match="no such file"):
        LmData.of(config(tmp_path / "nothing.txt"))
    (tmp_path / "folder" / "test.txt").write_text("abc")
    with pytest.raises(FileNotFoundError, match="no train part"):
        LmData.of(config(tmp_path / "folder"))


def test_settings_that_do_not_fit():
    with pytest.raises(ValueError, match="embedding_size must be hidden_size 8 if tied, got 4"):
        LmConfig(model="gru", hidden_size=8, embedding_size=4, tied=True)
    with pytest.raises(ValueError, match="temperature must be at least 0"):
        Continuation(temperature=-1.0)


@settings(max_examples=60, deadline=None)
@given(
    content=st.binary(max_size=300) | st.text(max_size=100).map(str.encode),
    level=st.sampled_from(["char", "word", "byte"]),
)
def test_any_file_gives_a_text_or_one_clear_error(content, level):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any.txt"
        path.write_bytes(content)
        of = config(path, level=level)
        reading._parts.cache_clear()
        reading._vocabulary.cache_clear()
        try:
            data = LmData.of(of)
        except ValueError as error:
            told = str(error)
        else:
            told = "any.txt"
            for part in ("train", "valid", "test"):
                assert data.numbers(of, part).max() < len(data.vocabulary)
        assert "any.txt" in told


def test_wikitext_2_has_the_published_number_of_tokens():
    folder = os.environ.get("LIAFSEQ_REFERENCE_DATA")
    archive = Path(folder or ".") / "text_and_signals.tar.xz"
    if folder is None or not archive.is_file():
        pytest.skip("LIAFSEQ_REFERENCE_DATA does not name a folder with text_and_signals.tar.xz")
    from liafseq.tasks.sequences.sources import place, read_text

    (found,) = place(archive).rglob("wikitext-2")
    counts = {part: len(tokens(read_text(found / f"{part}.txt"), "word")) for part in ("valid", "test")}
    assert counts == {"valid": 217_646, "test": 245_569}
