"""The commands on a person's own texts."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ..tasks.text.made_texts import pairs, rows, write

Call = Callable[..., Any]
SMALL = (
    "--epochs", 2, "--hidden-size", 4, "--embedding-size", 4, "--batch-size", 16, "--learning-rate", 0.02
)  # fmt: skip


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_train_predict_show_and_evaluate(call: Call) -> None:
    write(Path("pets/train.csv"), rows(60))
    write(Path("pets/test.csv"), rows(12, 3))
    trained = call("train", "text", "--model", "liaf", "--source", "pets", *SMALL, "--out", "run")
    assert trained.exit_code == 0, trained.output
    assert trained.stdout.splitlines()[0].split() == ["model", "pets", "macro-F1"]
    assert "Test accuracy in percent of 12 texts; " in trained.stdout
    said = call("predict", "run", "a cat on the mat")
    assert said.stdout.strip() in ("cat", "dog", "owl")
    shown = call("show", "run", "--example", 1, "--out", "text.png")
    assert shown.exit_code == 0, shown.output
    assert Path("text.png").read_bytes().startswith(b"\x89PNG\r\n")
    listed = call("evaluate", "run", "--errors", "wrong.csv")
    assert listed.exit_code == 0, listed.output
    result = json.loads(Path("run/result.json").read_text())
    accuracy = result["test"]["pets"]["metrics"]["accuracy"]
    assert len(list(csv.reader(Path("wrong.csv").read_text().splitlines()))) - 1 == round(12 * (1 - accuracy))
    write(Path("other.jsonl"), rows(30, 4))
    other = call("evaluate", "run", "--source", "other.jsonl", "--json")
    assert json.loads(other.stdout)["scores"]["other"]["count"] == 6


def test_a_path_into_an_archive_and_the_hub_are_sources(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    write(Path("pets/train.csv"), rows(60))
    shutil.make_archive("data", "gztar", ".", "pets")
    inside = call("train", "text", "--model", "gru", "--source", "data.tar.gz/pets/train.csv", *SMALL)
    assert inside.exit_code == 0, inside.output
    monkeypatch.setattr("datasets.load_dataset", lambda *_: {"train": rows(60)})
    hub = call("train", "text", "--model", "gru", "--source", "hub:me/pets", *SMALL)
    assert hub.exit_code == 0, hub.output


def test_a_study_of_pairs(call: Call) -> None:
    write(Path("a.tsv"), pairs(60))
    compared = call(
        "compare", "text", "--source", "a.tsv", "--pair-column", "other", "--models", "liaf,gru", *SMALL,
        "--out", "study",
    )  # fmt: skip
    assert compared.exit_code == 0, compared.output
    rows_of = [line.split()[0] for line in compared.stdout.splitlines() if line.startswith(("liaf", "gru"))]
    assert sorted(rows_of[:2]) == ["gru", "liaf"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("--source none.csv", "--source: no such file or folder: "),
        ("--source a.csv --text-column words", "a.csv:2: no column 'words'; the columns are text, label"),
        ("--source a.csv --label-column text", "--label-column"),
        ("--source one.csv", "one.csv: expected two classes at least, got 'x' alone"),
        ("--source latin.csv", "latin.csv:2: byte 14 is not UTF-8 (0xe9)"),
        ("--pair-column other", "--pair-column"),
        ("--source a.csv --vectors none.txt", "none.txt"),
        ("--source a.csv --pooling steps", "--pooling"),
    ],
)
def test_bad_input_is_one_line(call: Call, options: str, expected: str) -> None:
    write(Path("a.csv"), rows(30))
    Path("one.csv").write_text("text,label\na,x\nb,x\nc,x\n")
    Path("latin.csv").write_bytes("text,label\ncaf\u00e9,x\n".encode("latin-1"))
    result = call("train", "text", "--model", "gru", *options.split(), *SMALL, "--out", "run")
    assert result.exit_code == 2, result.output
    assert expected in result.stderr.splitlines()[-1]
