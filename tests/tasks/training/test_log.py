"""The lines of metrics.jsonl: read whole, or refused with their number."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from liafseq.tasks.metrics import read_metrics, so_far


def line(epoch: int, accuracy: float = 0.5) -> str:
    return json.dumps({"epoch": epoch, "loss": 1.0, "valid_loss": 2.0, "valid_accuracy": accuracy})


def test_lines_are_read_in_order(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(line(1) + "\n" + line(2, 0.75) + "\n")
    assert [found["epoch"] for found in read_metrics(path)] == [1, 2]
    assert so_far(tmp_path) == {"epochs_run": 2, "best_epoch": 2, "valid_accuracy": 0.75}


@pytest.mark.parametrize(
    "second",
    ["{", "[]", "3", line(3), line(1), '{"epoch": 2}', line(2).replace("0.5", '"high"'), ""],
    ids=["cut", "list", "number", "an epoch left out", "an epoch twice", "no loss", "text", "empty"],
)
def test_a_line_that_is_none_is_named(tmp_path: Path, second: str) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(line(1) + "\n" + second + "\n")
    with pytest.raises(ValueError, match=r"metrics\.jsonl:2: not the metrics of epoch 2"):
        read_metrics(path)
    assert so_far(tmp_path) == {"epochs_run": 0, "best_epoch": None, "valid_accuracy": None}


def test_no_metrics_yet(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_metrics(tmp_path / "metrics.jsonl")
    assert so_far(tmp_path)["epochs_run"] == 0
