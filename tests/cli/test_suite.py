"""``liafseq compare`` over several tasks as a person runs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ..tasks.small_stories import write_stories

Call = Callable[..., Any]

SUITE = """
models = "gru,rnn"
epochs = 1
embedding-size = 4
hidden-size = 4
batch-size = 16
[[task]]
task = "babi"
tasks = "1"
source = "data"
[[task]]
task = "babi"
label = "other"
tasks = "1"
source = "data"
data-seed = 1
"""


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file of two tasks, in the folder where commands run."""
    monkeypatch.chdir(tmp_path)
    write_stories(tmp_path / "data")
    Path("suite.toml").write_text(SUITE)
    return "suite.toml"


def test_one_study_is_printed_written_reported_and_listed(call: Call, suite: str) -> None:
    result = call("compare", "--config", suite, "--seeds", 1)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["task", "metric", "gru", "rnn"]
    assert [line.split()[0] for line in lines[1:3]] == ["babi", "other"]
    assert lines[3].startswith("mean rank  ")
    assert lines[5].split() == ["model", "mean", "rank", "weights", "operations", "energy", "training"]
    assert lines[-1].startswith("Written: runs/compare-suite/report.html, ")
    assert "babi gru task 1 seed 0: " in result.stderr
    assert "other rnn task 1 seed 0: " in result.stderr
    folder = Path("runs/compare-suite")
    found = json.loads((folder / "suite.json").read_text())
    assert [entry["seeds"] for entry in found["entries"]] == [[0], [0]]

    listed = call("list", "runs").stdout
    rows = [[cell.strip() for cell in line.split("  ") if cell] for line in listed.splitlines()]
    mean = f"{found['ranks']['mean']['gru']:.2f}"
    assert [str(folder), "babi, other", "gru", mean] in rows
    assert f"{folder}/other" in listed
    (folder / "report.html").unlink()
    again = call("report", folder)
    assert again.exit_code == 0, again.output
    html = (folder / "report.html").read_text()
    assert "babi/report.html" in html
    assert "http-equiv" in html
    assert call("report", folder / "other").exit_code == 0


def test_print_config_repeats_itself_and_does_nothing(call: Call, suite: str) -> None:
    first = call("compare", "--config", suite, "--print-config", "--epochs", 3, "--match", "params")
    assert first.exit_code == 0, first.output
    top, *tables = first.stdout.split("[[task]]")
    assert "epochs = 3\n" in top
    assert 'match = "params"\n' in top
    assert len(tables) == 2
    Path("again.toml").write_text(first.stdout)
    assert call("compare", "--config", "again.toml", "--print-config").stdout == first.stdout
    packaged = call("compare", "suite", "--print-config")
    assert packaged.exit_code == 0, packaged.output
    assert packaged.stdout.count("[[task]]") >= 2
    assert not Path("runs").exists()


def test_a_dry_run_names_the_runs_and_does_nothing(call: Call, suite: str) -> None:
    result = call("compare", "--config", suite, "--dry-run", "--seeds", 2, "--search", 2)
    assert result.exit_code == 0, result.output
    *keys, last = result.stdout.splitlines()
    assert [key.split("-")[0] for key in keys] == ["babi/gru", "babi/rnn"] * 2 + [
        "other/gru",
        "other/rnn",
    ] * 2
    assert last == "16 runs."
    assert not Path("runs").exists()


def test_equal_weights_on_every_task(call: Call, suite: str) -> None:
    words = ("--match", "params", "--hidden-size", 64, "--seeds", 1, "--out", "equal", "--json")
    result = call("compare", "--config", suite, *words)
    assert result.exit_code == 0, result.output
    for entry in json.loads(result.stdout)["entries"]:
        gru, rnn = (one["parameters"][0] for one in entry["summary"])
        assert abs(gru - rnn) <= 0.02 * gru
    assert "Size**: as many parameters for all models" in Path("equal/report.md").read_text()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--config", "suite.toml", "--epochs", 0), "--epochs must be at least 1, got 0"),
        (
            ("--config", "suite.toml", "--models", "grue"),
            "--models: unknown model: 'grue', did you mean 'gru'",
        ),
        (("--config", "none.toml"), "--config: none.toml: No such file"),
        (
            ("--config", "wrong.toml"),
            "--config: wrong.toml: [[task]] 2 (dvs): no option 'foo'; the options are",
        ),
        (("suite", "--out", ""), "--out: expected a folder, got ''"),
        (("--seeds", 3), "No such option: --seeds"),
    ],
)
@pytest.mark.usefixtures("suite")
def test_bad_input_is_one_line(call: Call, words: Any, expected: str) -> None:
    Path("wrong.toml").write_text('[[task]]\ntask = "babi"\n[[task]]\ntask = "dvs"\nfoo = 1\n')
    result = call("compare", *words)
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert expected in line
    assert not Path("runs").exists()
