"""A run of any task on sequences that is stopped and started again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from liafseq.tasks.task import find
from liafseq.tasks.training.log import read_log
from liafseq.tasks.training.run import run


def signals(folder: Path) -> dict[str, Any]:
    y = np.arange(40) % 2
    x = np.random.default_rng(0).normal(size=(40, 6, 1)) + y[:, None, None]
    np.savez(folder / "signals.npz", x=x, y=y)
    return {"source": str(folder / "signals.npz")}


def text(folder: Path) -> dict[str, Any]:
    rows = [f"{('red', 'blue')[n % 2]} one {n},{'ab'[n % 2]}" for n in range(40)]
    (folder / "texts.csv").write_text("\n".join(["text,label", *rows]))
    return {"source": str(folder / "texts.csv")}


def tagging(folder: Path) -> dict[str, Any]:
    sentences = [f"a{n % 3} B-x\nb O\n" for n in range(40)]
    (folder / "words.conll").write_text("\n".join(sentences))
    return {"source": str(folder / "words.conll")}


def lm(folder: Path) -> dict[str, Any]:
    (folder / "cats.txt").write_text("the cat sat on the mat.\nthe dog sat on the log.\n" * 60)
    return {"source": str(folder / "cats.txt"), "batch_size": 4, "window": 16}


def synthetic(_: Path) -> dict[str, Any]:
    return {"length": 5, "sequences": 60}


def untimed(folder: Path) -> list[Any]:
    return [line.model_copy(update={"seconds": 0}) for line in read_log(folder / "metrics.jsonl")]


@pytest.mark.parametrize("make", [signals, text, tagging, lm, synthetic])
def test_a_stopped_run_ends_where_an_unstopped_one_does(make: Any, tmp_path: Path) -> None:
    task = find(make.__name__)
    config = task.Config(model="liaf", hidden_size=4, epochs=3, dropout=0.1, **make(tmp_path))

    class Stopped(Exception):
        pass

    def stop(told: Any) -> None:
        if told.epoch == 2:
            raise Stopped

    whole = run(task, config, tmp_path / "whole")
    with pytest.raises(Stopped):
        run(task, config, tmp_path / "parts", progress=stop)
    parts = run(task, config, tmp_path / "parts")
    assert {**parts.to_json(), "time": 0} == {**whole.to_json(), "time": 0}
    assert untimed(tmp_path / "parts") == untimed(tmp_path / "whole")
    one, other = ((tmp_path / name / "checkpoint.safetensors").read_bytes() for name in ("whole", "parts"))
    assert one == other
