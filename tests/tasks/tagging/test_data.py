"""Data of a run: vocabularies of the training part alone, parts, what is unseen, the embedded sentences."""

from __future__ import annotations

import json
import logging

import pytest
import torch

from liafseq.tasks.tagging import python
from liafseq.tasks.tagging.config import FEATURES, TaggingConfig
from liafseq.tasks.tagging.data import CHARACTERS, TaggingData

from .made_tags import TEST, TRAIN, write


@pytest.fixture
def config(tmp_path):
    return TaggingConfig(source=str(write(tmp_path / "data", "lines")), min_count=1)


def test_parts_divide_all_sentences(config):
    data = TaggingData.of(config)
    sizes = {split: len(data.split(config, split)) for split in ("train", "valid", "test")}
    assert sizes == {"train": TRAIN - 4, "valid": 4, "test": TEST}
    seeded = TaggingConfig(source=config.source, data_seed=5)
    where = [row.where for row in data.sentences(config, "valid")]
    assert where == [row.where for row in TaggingData.of(config).sentences(config, "valid")]
    assert where != [row.where for row in data.sentences(seeded, "valid")]


def test_the_test_part_decides_nothing(config, tmp_path, caplog):
    before = TaggingData.of(config).kept()
    path = tmp_path / "data" / "test"
    (path / "seq.in").write_text("zebra Rome\n" + "to Rome\n" * (TEST - 1))
    (path / "seq.out").write_text("B-animal B-to\n" + "O I-to\n" * (TEST - 1))
    (path / "label").write_text("zoo\n" + "flight\n" * (TEST - 1))
    data = TaggingData.of(config)
    assert data.kept() == before
    with caplog.at_level(logging.WARNING, "liafseq"):
        examples = data.split(config, "test")
    assert "seq.in:1: the tag 'B-animal' is not in the training part; 1 of 12 test sentences" in caplog.text
    assert "seq.in:1: the intent 'zoo' is not in the training part" in caplog.text
    batch = examples.batch([0])
    assert batch.values[0, 0, 0] == 0
    # tag, type of span (one behind those known), length of span, intent
    assert batch.target[:, 0].tolist() == [[-1, 1, 1, -1], [data.tags.index("B-to"), 0, 1, -1]]


@pytest.mark.parametrize("features", FEATURES)
def test_a_run_folder_knows_the_words(config, features):
    config = TaggingConfig(source=config.source, word_features=features)
    data = TaggingData.of(config)
    again = TaggingData.of(config, json.loads(json.dumps(data.kept())))
    assert again.kept() == data.kept()
    words = ("San", "Unheard", "x9")
    assert torch.equal(again.numbers(words), data.numbers(words))
    with pytest.raises(ValueError, match="not a vocabulary"):
        TaggingData.of(config, {"words": []})


def test_rare_words_are_unknown(config):
    data = TaggingData.of(TaggingConfig(source=config.source, min_count=10**6))
    assert data.vocabulary.words == ("<unk>", "<pad>")


def test_features_of_a_word(config):
    data = TaggingData.of(config)
    rome, lower = data.numbers(["Rome"])[0], data.numbers(["rome"])[0]
    assert (rome != lower).tolist() == [False, False, False, True]  # the shape alone
    characters = TaggingData.of(TaggingConfig(source=config.source, word_features="characters"))
    long = characters.numbers(["a" * 100, "a"])
    assert long.shape == (2, 1 + CHARACTERS)
    assert long[1, 2:].tolist() == [1] * (CHARACTERS - 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a O\n\nb O\n\nc O\n", "expected two tags at least, got 'O' alone"),
        ("\n\n", "no sentences"),
        ("a O\n", "expected at least 2 examples"),
    ],
)
def test_too_little(tmp_path, text, expected):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(ValueError, match=expected):
        TaggingData.of(TaggingConfig(source=str(tmp_path / "a.txt")))


def test_all_sentences_have_an_intent_or_none(config, tmp_path):
    (tmp_path / "data" / "test" / "label").unlink()
    with pytest.raises(ValueError, match=r"test/seq\.in:1: has no intent; others have"):
        TaggingData.of(config)


def test_embedded_sentences():
    found = python.sentences()
    assert len(found["train"]) > 1500
    assert len(found["test"]) > 200
    words = {part: {row.words for row in rows} for part, rows in found.items()}
    assert not words["train"] & words["test"]
    assert not set(python.MODULES["train"]) & set(python.MODULES["test"])
    tags = {tag for rows in found.values() for row in rows for tag in row.tags}
    assert tags == {
        "argument", "attribute", "builtin", "definition", "global", "import", "keyword", "local", "number",
        "operator", "parameter", "string",
    }  # fmt: skip


def test_roles_of_names(tmp_path, monkeypatch):
    source = (
        "import os\nclass A:\n  def f(self, x, *, key=1):\n    '''No word.'''\n"
        "    from sys import path as p\n"
        "    try:\n      y = len(x)  # no word\n    except OSError as error:\n"
        "      y = os.join(self.y, key=p)\n    return [error for z in y if z]\n"
    )
    (tmp_path / "module.py").write_text(source)
    monkeypatch.setattr(python.sysconfig, "get_path", lambda _: str(tmp_path))
    (row,) = python._functions("module")
    roles = [(word, tag) for word, tag in zip(row.words, row.tags, strict=True) if word.isidentifier()]
    assert [pair for pair in roles if pair[1] != "keyword"] == [
        ("f", "definition"), ("self", "parameter"), ("x", "parameter"), ("key", "parameter"),
        ("sys", "import"), ("path", "import"), ("p", "import"),
        ("y", "local"), ("len", "builtin"), ("x", "parameter"), ("OSError", "builtin"), ("error", "local"),
        ("y", "local"), ("os", "global"), ("join", "attribute"), ("self", "parameter"), ("y", "attribute"),
        ("key", "argument"), ("p", "local"),
        ("error", "local"), ("z", "local"), ("y", "local"), ("z", "local"),
    ]  # fmt: skip
