"""``liafseq`` on tagged sentences."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ..tasks.tagging.made_tags import write

Call = Callable[..., Any]
SMALL = ("--hidden-size", 8, "--embedding-size", 8, "--epochs", 2, "--batch-size", 8, "--min-count", 1)


def test_from_training_to_a_picture(call: Call, tmp_path: Path) -> None:
    source, out = write(tmp_path / "wishes", "lines"), tmp_path / "run"
    result = call("train", "tagging", "--model", "gru", "--source", source, *SMALL, "--out", out)
    assert result.exit_code == 0, result.output
    assert "token accuracy  intent accuracy" in result.stdout
    assert "Always the most frequent answer: 0.0 (wishes)." in result.stdout
    result = call("predict", out, "fly to Rome")
    assert result.exit_code == 0, result.output
    assert "fly/" in result.stdout
    result = call("evaluate", out, "--errors", tmp_path / "errors.csv")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "errors.csv").exists()
    result = call("show", out, "--example", 1)
    assert result.exit_code == 0, result.output
    assert (out / "show-1.png").read_bytes().startswith(b"\x89PNG")


def test_a_study_has_no_column_for_what_the_data_has_not(call: Call, tmp_path: Path) -> None:
    for kind, expected in (("columns", False), ("jsonl", True)):
        source = write(tmp_path / kind, kind)
        result = call(
            "compare",
            "tagging",
            "--models",
            "gru,liaf",
            "--source",
            source,
            *SMALL,
            "--out",
            tmp_path / f"s{kind}",
        )
        assert result.exit_code == 0, result.output
        assert ("intents" in result.stdout) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a O\nb\n", "a.txt:2: expected 2 columns, got 1"),
        ("a O\n\nb O\n\nc O\n", "expected two tags at least"),
    ],
)
def test_bad_data_is_one_line(call: Call, tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "a.txt").write_text(text)
    result = call("train", "tagging", "--source", tmp_path / "a.txt", "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert expected in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
