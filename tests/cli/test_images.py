"""``liafseq train|compare|predict|show|evaluate`` on images."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..tasks.images import image_writers as writers

SMALL = ("--channels", "4", "--steps", "2", "--epochs", "2")


def test_from_files_to_answers(call: Callable[..., Any], tmp_path: Path) -> None:
    writers.write_classes(tmp_path / "data" / "train", 40)
    writers.write_classes(tmp_path / "data" / "test", 8, seed=1)
    run = tmp_path / "run"
    trained = call("train", "images", "--source", tmp_path / "data", *SMALL, "--crop", "1", "--out", run)
    assert trained.exit_code == 0, trained.output
    assert "8 images" in trained.stdout
    said = call("predict", run, tmp_path / "data" / "test" / "upper" / "000.png")
    assert said.stdout.strip() in ("upper", "lower")
    for words in (
        ("evaluate", run, "--errors", tmp_path / "wrong.csv"),
        ("show", run, "--example", "1", "--out", tmp_path / "a.png"),
    ):
        done = call(*words)
        assert done.exit_code == 0, done.output
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    missing = call("predict", run, tmp_path / "none.png")
    assert (missing.exit_code, "no such file" in missing.stderr) == (2, True)


def test_a_study(call: Callable[..., Any], tmp_path: Path) -> None:
    writers.write_classes(tmp_path / "data", 40)
    words = ("compare", "images", "--source", tmp_path / "data", "--models", "conv-liaf,conv-relu", *SMALL)
    done = call(*words, "--out", tmp_path / "study")
    assert done.exit_code == 0, done.output
    assert "conv-relu" in done.stdout
    assert json.loads((tmp_path / "study" / "results.json").read_text())["task"] == "images"


def test_bad_input_is_one_line(call: Callable[..., Any], tmp_path: Path) -> None:
    for words, text in (
        (("--model", "gru", "--network", "resnet"), "=resnet is not for gru"),
        (("--source", tmp_path / "none"), "--source: no such file or folder"),
        (("--source", tmp_path), "expected PNG or JPEG files, got none"),
        (("--network", "resnet", "--model", "conv3d"), "--network=resnet is not for conv3d"),
    ):
        done = call("train", "images", *words, "--out", tmp_path / "run")
        assert done.exit_code == 2
        assert text in done.stderr
        assert done.stderr.count("\n") == 1
