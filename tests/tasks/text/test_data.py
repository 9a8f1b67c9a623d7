"""The data of a run on texts: what is read, what is known, what is held out."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liafseq.tasks.task import find
from liafseq.tasks.text.config import TextConfig
from liafseq.tasks.text.data import tokens

from .made_texts import ANIMALS, pairs, rows, write

TEXT = find("text")


def words_of(config: TextConfig, split: str) -> list[tuple[list[str], str]]:
    """The words and the class of each example of a split, out of its batches."""
    data = TEXT.data(config)
    found = []
    examples = data.split(config, split)
    for row in range(len(examples)):
        batch = examples.batch([row])
        words = [data.vocabulary.words[number] for number in batch.values[:, 0]]
        found.append((words, data.classes[int(batch.target[0])]))
    return found


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
def test_each_kind_of_file_holds_the_same(tmp_path: Path, name: str) -> None:
    config = TextConfig(source=str(write(tmp_path / name, rows(60))))
    found = [example for split in ("train", "valid", "test") for example in words_of(config, split)]
    expected = [(row["text"].split(), row["label"]) for row in rows(60)]
    assert sorted(found) == sorted(expected)


def test_a_folder_per_class_holds_the_same(tmp_path: Path) -> None:
    for at, row in enumerate(rows(30)):
        path = tmp_path / "data" / row["label"] / f"{at:02}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(row["text"] + "\n")
    config = TextConfig(source=str(tmp_path / "data"))
    found = [example for split in ("train", "valid", "test") for example in words_of(config, split)]
    assert sorted(found) == sorted((row["text"].split(), row["label"]) for row in rows(30))


def test_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.load_dataset", lambda *_: {"train": rows(30), "test": rows(9, 5)})
    config = TextConfig(source="hub:me/animals")
    assert len(words_of(config, "test")) == 9
    assert config.about() == "animals"


def test_a_division_of_ones_own_is_stratified_and_seeded(tmp_path: Path) -> None:
    source = str(write(tmp_path / "a.csv", rows(90)))
    test = [words_of(TextConfig(source=source, data_seed=seed), "test") for seed in (0, 0, 1)]
    assert Counter(label for _, label in test[0]) == dict.fromkeys(ANIMALS, 6)
    assert test[0] == test[1] != test[2]
    other = words_of(TextConfig(source=source, seed=7, epochs=3), "test")
    assert other == test[0]


def test_official_parts_and_what_is_known_of_the_test_part(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", rows(30))
    write(tmp_path / "test.csv", [*rows(6, 1), {"text": "moon", "label": "owl"}])
    config = TextConfig(source=str(tmp_path))
    assert len(words_of(config, "test")) == 7
    assert words_of(config, "test")[-1] == (["<unk>"], "owl")
    before = TEXT.data(config).kept()
    assert before["classes"] == list(ANIMALS)
    write(tmp_path / "test.csv", [{"text": "another", "label": "owl"}])
    assert len(words_of(config, "test")) == 1  # read again
    assert TEXT.data(config).kept() == before


def test_most_words_and_longest(tmp_path: Path) -> None:
    source = str(write(tmp_path / "a.csv", rows(60)))
    config = TextConfig(source=source, most_words=4, longest=3)
    assert len(TEXT.data(config).vocabulary) == 6
    assert all(len(words) <= 3 for words, _ in words_of(config, "train"))


def test_columns_of_other_names(tmp_path: Path) -> None:
    content = [{"said": row["text"], "who": row["label"], "text": ""} for row in rows(30)]
    source = str(write(tmp_path / "a.csv", content))
    config = TextConfig(source=source, text_column="said", label_column="who")
    assert TEXT.data(config).classes == ANIMALS


def test_pairs_are_two_sequences_of_one_batch(tmp_path: Path) -> None:
    content = pairs(60)
    config = TextConfig(source=str(write(tmp_path / "a.jsonl", content)), pair_column="other")
    data = TEXT.data(config)
    examples = data.split(config, "train")
    batch = examples.batch([3, 0])
    assert batch.values.shape[1] == len(batch.lengths) == 4
    assert batch.target.shape == (2,)
    known = {(row["text"], row["other"]): row["label"] for row in content}
    for at, row in enumerate((3, 0)):
        texts = [
            " ".join(data.vocabulary.words[word] for word in batch.values[: batch.lengths[column], column])
            for column in (at, at + 2)
        ]
        assert known[texts[0], texts[1]] == data.classes[int(batch.target[at])]
        assert examples.lengths[row] == len(" ".join(texts).split())
        assert data.shown(config, "train", row) == (" ||| ".join(texts), texts[1].split())


def test_what_is_kept_is_all_that_is_needed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", rows(60))
    config = TextConfig(source=str(path))
    data = TEXT.data(config)
    path.unlink()
    again = TEXT.data(config, json.loads(json.dumps(data.kept())))
    assert again.vocabulary.words == data.vocabulary.words
    assert again.classes == data.classes
    assert torch.equal(again.batch(config, ["the owl"]).values, data.batch(config, ["the owl"]).values)


@pytest.mark.parametrize("content", [{}, [], {"words": ["a"], "classes": ["x"]}, {"words": 3, "classes": []}])
def test_what_was_kept_is_checked(content: Any) -> None:
    with pytest.raises(ValueError, match="vocabulary: "):
        TEXT.data(TextConfig(), content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,label\na,x\nb,x\nc,x\n", "a.csv: expected two classes at least, got 'x' alone"),
        ("text,label\n", "a.csv: no texts"),
        ("text,label\na,x\n ,y\n", "a.csv:3: 'text' is empty"),
        ("text,class\na,x\n", "a.csv:2: no column 'label'; the columns are text, class"),
        ("text,label\na,x\n", "expected at least 2 examples to hold some out, got 1"),
    ],
)
def test_data_that_cannot_be_learnt(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(content)
    with pytest.raises(ValueError, match=re.escape(message)):
        TEXT.floor(TextConfig(source=str(path)))


def test_an_empty_test_part(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", rows(30))
    (tmp_path / "test.csv").write_text("text,label\n")
    with pytest.raises(ValueError, match="no texts in the test part"):
        TEXT.data(TextConfig(source=str(tmp_path)))


def test_a_class_that_training_has_not_seen_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path / "train.csv", rows(30))
    path = write(tmp_path / "test.csv", [*rows(3), {"text": "a cow", "label": "cow"}])
    config = TextConfig(source=str(tmp_path))
    with caplog.at_level(logging.WARNING, "liafseq"):
        data = TEXT.data(config)
        assert data.split(config, "test").target.tolist() == [0, 1, 2, -1]
    assert caplog.messages == [
        f"{path}:5: the class 'cow' is not in the training part; 1 of 4 test texts have such a class and "
        "count as wrong"
    ]
    assert TEXT.unanswerable(config, data, "texts") is None
    write(path, [{"text": "a cow", "label": "cow"}])
    assert "none of its classes" in TEXT.unanswerable(config, TEXT.data(config), "texts")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pair_column": "other"}, "pair_column is for data of your own"),
        ({"source": "a.csv", "pair_column": "text"}, "pair_column='text' is the column of something else"),
        ({"label_column": "text"}, "label_column='text' is the column of something else"),
        ({"word_dropout": 1.0}, "word_dropout must be below 1"),
        ({"pooling": "steps"}, "pooling must be one of last, mean, max, attention"),
        ({"model": "conv-liaf"}, "model: "),
    ],
)
def test_settings_that_cannot_be(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TextConfig(**fields)


def test_tokens() -> None:
    assert tokens("  The U.S. \u201cwell-known\u201d caf\u00e9\n") == [
        "the", "u", ".", "s", ".", "\u201c", "well-known", "\u201d", "caf\u00e9",
    ]  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.text(max_size=9), st.sampled_from("xyz")), max_size=12),
    st.sampled_from([".csv", ".jsonl"]),
)
def test_any_texts_are_read_or_refused(tmp_path: Path, texts: list[tuple[str, str]], suffix: str) -> None:
    content = [{"text": text, "label": label} for text, label in texts]
    try:
        path = write(tmp_path / f"a{suffix}", content or [{"text": "", "label": ""}])
    except UnicodeEncodeError:
        return
    config = TextConfig(source=str(path), valid_fraction=0.3)
    try:
        data = TEXT.data(config)
    except ValueError:
        return
    for split in ("train", "valid", "test"):
        examples = data.split(config, split)
        assert min(examples.values.lengths.tolist()) > 0
    json.dumps(data.kept()).encode()
