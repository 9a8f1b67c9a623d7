"""The commands on signals."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROWS = [("up", range(6)), ("down", range(6, 0, -1))]
SMALL = ("--epochs", 2, "--hidden-size", 4, "--batch-size", 8)


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    lines = [
        ",".join([name, *(f"{value + 0.1 * row}" for value in values)])
        for row in range(20)
        for name, values in ROWS
    ]
    path = tmp_path / "ramps.csv"
    path.write_text("\n".join(lines))
    return path


def test_train_evaluate_predict_show(call: Callable[..., Any], table: Path) -> None:
    trained = call("train", "signals", "--source", table, "--model", "gru", "--out", "run", *SMALL)
    assert trained.exit_code == 0, trained.output
    assert trained.stdout.splitlines()[0].split() == ["model", "ramps", "macro-F1"]
    found = json.loads(call("evaluate", "run", "--json").stdout)
    assert found["scores"]["ramps"]["count"] == 8
    assert call("evaluate", "run", "--errors", 3).exit_code == 0
    assert call("predict", "run", "1 2 3").stdout.strip() in ("up", "down")
    assert call("predict", "run", table).stdout.split()[0] in ("up", "down")
    shown = call("show", "run", "--example", 1)
    assert shown.exit_code == 0, shown.output
    assert Path("run/show-1.png").read_bytes().startswith(b"\x89PNG")


def test_compare(call: Callable[..., Any], table: Path) -> None:
    study = call("compare", "signals", "--source", table, "--models", "lif,gru", "--out", "study", *SMALL)
    assert study.exit_code == 0, study.output
    report = Path("study/report.md").read_text()
    assert "macro-F1" in report


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("--source none.npz", "--source: no such file or folder: "),
        ("--source bad.csv", "bad.csv:2: value 1: expected a number, got 'x'"),
        ("--labels word", "--labels"),
        ("--mels 0", "--mels must be at least 1, got 0"),
    ],
)
def test_bad_input(call: Callable[..., Any], options: str, expected: str) -> None:
    Path("bad.csv").write_text("a,1\nb,x\n")
    result = call("train", "signals", *options.split())
    assert result.exit_code == 2
    assert expected in result.stderr
    assert not Path("runs").exists()
