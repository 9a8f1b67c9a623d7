"""Language models by commands, and the options of ``liafseq predict``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_text_from_training_to_its_continuation(call: Callable[..., Any]) -> None:
    text = Path("cats.txt")
    text.write_text("the cat sat on the mat.\nthe dog sat on the log.\n" * 60)
    small = ("--source", text, "--hidden-size", 16, "--batch-size", 8, "--window", 16, "--epochs", 1)
    trained = call("train", "lm", "--model", "gru", *small, "--out", "run")
    assert trained.exit_code == 0, trained.output
    assert "Test bits per token of" in trained.stdout
    assert "Always the training frequencies: " in trained.stdout
    said = call("predict", "run", "the cat", "--length", 3, "--top-k", 1, "--temperature", 1)
    assert said.exit_code == 0, said.output
    assert said.stdout.startswith("the cat")
    assert len(said.stdout) == len("the cat") + 3 + 1
    bad = call("predict", "run", "the cat", "--temperature", -1)
    assert (bad.exit_code, bad.stderr) == (2, "liafseq: --temperature must be at least 0, got -1.0\n")
    short = call("train", "lm", *small, "--batch-size", 5000)
    assert short.exit_code == 2
    assert short.stderr.startswith(
        "liafseq: --batch-size=5000, with window=16: needs a training text of more"
    )
    assert call("show", "run", "-k", 2).exit_code == 0
    assert Path("run/show-2.png").read_bytes().startswith(b"\x89PNG")
    scored = json.loads(call("evaluate", "run", "--json").stdout)
    assert scored["scores"]["cats-char"]["metrics"]["perplexity"] > 1
    study = call("compare", "lm", "--models", "gru,lif", *small, "--out", "study")
    assert study.exit_code == 0, study.output
    assert "training frequencies" in study.stdout + Path("study/report.md").read_text()


def test_options_of_predict_are_for_the_tasks_that_have_them(call: Callable[..., Any]) -> None:
    call("train", "babi", "--model", "gru", "--questions", 60, "--test-questions", 20, "--epochs", 1,
         "--hidden-size", 4, "--embedding-size", 4, "--out", "run")  # fmt: skip
    refused = call("predict", "run", "Where is Mary?", "--top-k", 3)
    assert (refused.exit_code, refused.stderr) == (2, "liafseq: --top-k is not for babi runs\n")
    assert call("predict", "run", "Mary went to the kitchen. Where is Mary?").exit_code == 0
