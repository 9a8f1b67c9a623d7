"""The lines of metrics.jsonl: read whole, or refused with their number."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from liafseq.tasks.results import Reached
from liafseq.tasks.task import ACCURACY
from liafseq.tasks.training.log import log_text, reached, read_log


def line(epoch: int, accuracy: float = 0.5) -> str:
    content = {"epoch": epoch, "loss": 1.0, "valid_loss": 2.0, "valid": {"accuracy": accuracy}}
    return json.dumps({**content, "learning_rate": 0.1, "seconds": 3.0, "left_out": 0})


def test_lines_are_read_in_order(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(line(1) + "\n" + line(2, 0.75) + "\n")
    log = read_log(path)
    assert [found.epoch for found in log] == [1, 2]
    assert log_text(log) == path.read_text()
    assert reached(tmp_path, ACCURACY) == Reached(epochs_run=2, best_epoch=2, valid=0.75)


@pytest.mark.parametrize(
    "second",
    ["{", "[]", "3", line(3), line(1), '{"epoch": 2}', line(2).replace("0.5", '"high"'), ""],
    ids=["cut", "list", "number", "an epoch left out", "an epoch twice", "no loss", "text", "empty"],
)
def test_a_line_that_is_none_is_named(tmp_path: Path, second: str) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(line(1) + "\n" + second + "\n")
    with pytest.raises(ValueError, match=r"metrics\.jsonl:2: not the metrics of epoch 2"):
        read_log(path)
    assert reached(tmp_path, ACCURACY) == Reached(epochs_run=0, best_epoch=None, valid=None)


def test_no_metrics_yet(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_log(tmp_path / "metrics.jsonl")
    assert reached(tmp_path, ACCURACY).epochs_run == 0
