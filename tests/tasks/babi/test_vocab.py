"""Words and answers as numbers."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

from liafseq.tasks.babi.vocab import Vocabulary, tokens
from liafseq.tasks.sequences.words import PAD, UNKNOWN, read_vectors


def test_tokens():
    assert tokens("Lily isn't a well-known swan .") == ["lily", "isn't", "a", "well-known", "swan", "."]
    assert tokens(" What is Gertrude afraid of?\t") == ["what", "is", "gertrude", "afraid", "of"]
    assert tokens("  ") == []


def test_order_is_by_frequency_then_alphabet_and_answers_by_alphabet():
    vocabulary = Vocabulary.of(["b a", "c b.", "c b."], ["no", "football,milk", "no"])
    assert vocabulary.words == (UNKNOWN, PAD, "b", ".", "c", "a")
    assert vocabulary.answers == ("football,milk", "no")
    assert Vocabulary.of({"b a": 1, "c b.": 2}, ["no", "football,milk"]).words == vocabulary.words


def test_unknown_words_and_answers():
    vocabulary = Vocabulary.of(["Mary is here."], ["here"])
    assert vocabulary.numbers("MARY went, .") == [vocabulary.words.index("mary"), 0, 0, 4 - 2]
    assert vocabulary.answer("Here") == -1
    # Looking up is no learning.
    assert len(vocabulary.vocab.stoi) == len(vocabulary.words) == 6


def test_special_words_in_the_text_are_only_words():
    vocabulary = Vocabulary.of(["<unk> and <pad>"], ["x"])
    assert vocabulary.numbers("<pad>") == [vocabulary.words.index(word) for word in ("<", "pad", ">")]


def test_json_round_trip():
    vocabulary = Vocabulary.of(["Mary is here.", "Is Mary in the café?"], ["yes", "no"])
    copy = Vocabulary.from_json(json.loads(json.dumps(vocabulary.to_json())))
    assert copy.words == vocabulary.words
    assert copy.answers == vocabulary.answers
    assert copy.numbers("The café is gone.") == vocabulary.numbers("The café is gone.")
    assert copy.answer("yes") == vocabulary.answer("yes") == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "v.json: not a vocabulary"),
        ({"words": ["<unk>", "<pad>"]}, "v.json: not a vocabulary"),
        ({"words": ["a", "b"], "answers": []}, "must begin with <unk>, <pad>"),
        ({"words": ["<unk>", "<pad>", "a", "a"], "answers": []}, "'a' is twice among the words"),
        ({"words": ["<unk>", "<pad>"], "answers": ["a", "a"]}, "'a' is twice among the answers"),
        ({"words": ["<unk>", "<pad>", 3], "answers": []}, "words must be texts"),
    ],
)
def test_other_json_is_refused(content, message):
    with pytest.raises(ValueError, match=message):
        Vocabulary.from_json(content, "v.json")


def test_vectors_of_known_words_and_random_ones_for_the_rest(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("3 2\nmary 1.5 -2\nothers 7 8\nhere 3 4e-1\nmary 9 9\n")
    vocabulary = Vocabulary.of(["Mary is here"], ["x"])
    torch.manual_seed(0)
    vectors = vocabulary.load_vectors(path, 2)
    assert vectors.shape == (5, 2)
    assert vectors[vocabulary.words.index("mary")].tolist() == [1.5, -2.0]
    assert vectors[vocabulary.words.index("here")].tolist() == pytest.approx([3.0, 0.4])
    rest = vectors[[0, 1, vocabulary.words.index("is")]]
    assert rest.unique().numel() == 6
    assert [entry.name for entry in tmp_path.iterdir()] == ["vectors.txt"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a 1 2\na 1\n", r"v\.txt:2: expected a word and 2 numbers, got 1"),
        ("a 1 x\n", r"v\.txt:1: could not convert"),
        ("a 1 nan\n", r"v\.txt:1: a number that is not finite"),
        ("b 1 2\n", "has none of the 1 words"),
    ],
)
def test_bad_vectors(tmp_path, text, message):
    path = tmp_path / "v.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_vectors(path, 2, {"a": 0})


def test_torchtext_loads_without_a_warning():
    code = "import liafseq.tasks.babi.vocab"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
