"""The metrics of each epoch for other tools."""

from __future__ import annotations

import csv
from importlib.util import find_spec
from pathlib import Path

import pytest

from liafseq.tasks.task import find
from liafseq.tasks.training.log import read_log
from liafseq.tasks.training.logger import check_logger
from liafseq.tasks.training.run import run

from ..small_stories import tiny, write_stories

with_tensorboard = pytest.mark.skipif(find_spec("tensorboard") is None, reason="TensorBoard is not installed")


def test_a_csv_file_has_a_row_for_each_epoch(tmp_path: Path) -> None:
    write_stories(tmp_path / "data")
    folder = tmp_path / "run"
    run(find("babi"), tiny(tmp_path / "data"), folder, logger="csv")
    with (folder / "log" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    lines = read_log(folder / "metrics.jsonl")
    assert [int(row["step"]) for row in rows] == [line.epoch for line in lines]
    for row, line in zip(rows, lines, strict=True):
        assert float(row["loss"]) == pytest.approx(line.loss)
        assert float(row["valid_loss"]) == pytest.approx(line.valid_loss)
        assert float(row["valid_accuracy"]) == pytest.approx(line.valid["accuracy"])


@with_tensorboard
def test_tensorboard_reads_what_was_written(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    write_stories(tmp_path / "data")
    folder = tmp_path / "run"
    run(find("babi"), tiny(tmp_path / "data", epochs=2), folder, logger="tensorboard")
    events = EventAccumulator(str(folder / "log")).Reload()
    lines = read_log(folder / "metrics.jsonl")
    assert [event.step for event in events.Scalars("valid_accuracy")] == [1, 2]
    assert [event.value for event in events.Scalars("loss")] == pytest.approx([line.loss for line in lines])


def test_another_logger_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="expected tensorboard or csv, got 'mlflow'"):
        check_logger("mlflow")
    monkeypatch.setitem(__import__("sys").modules, "tensorboard", None)
    with pytest.raises(ValueError, match="tensorboard is not installed: pip install tensorboard"):
        check_logger("tensorboard")
