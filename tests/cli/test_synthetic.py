"""The commands on generated problems."""

from __future__ import annotations

import json
from pathlib import Path

SMALL = ("--epochs", 1, "--hidden-size", 4, "--sequences", 40, "--test-sequences", 10, "--threads", 1)


def test_train_evaluate_predict_show_compare(call, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    trained = call("train", "synthetic", "--model", "gru", "--out", "run", *SMALL)
    assert trained.exit_code == 0, trained.output
    assert trained.stdout.splitlines()[0].split() == ["model", "copying10", "loss"]
    assert json.loads(call("evaluate", "run", "--json").stdout)["scores"]["copying10"]["count"] == 40
    assert call("evaluate", "run", "--errors", "wrong.csv").exit_code == 0
    assert Path("wrong.csv").read_text().startswith("run,part,index,example,expected,given")
    assert len(call("predict", "run", "1 2 3 4 - - ? ? ? ?").stdout.split()) == 4
    assert call("show", "run", "--example", 1).exit_code == 0
    assert Path("run/show-1.png").read_bytes().startswith(b"\x89PNG")
    study = call("compare", "synthetic", "--problem", "adding", "--models", "lif,gru", "--out", "s", *SMALL)
    assert study.exit_code == 0, study.output
    assert "adding10" in Path("s/report.md").read_text()


def test_bad_input(call, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = call("train", "synthetic", "--problem", "mqar", "--items", 9)
    assert result.exit_code == 2
    assert "--items must be at most 8 for mqar, got 9" in result.stderr
    assert not Path("runs").exists()
