"""A package that is not ours adds a task in one file, and a model: all commands work on them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent / "package"
MODELS = "liaf,liaf:gated=true,gru,own=parity.models:Leaky:keep=0.9"
SMALL = ("--sequences", "120", "--hidden-size", "8", "--epochs", "1", "--steps", "4")

Call = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Call:
    """Calls the command where the package is installed in a folder of its own."""
    site, work = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("work")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation",
         "--disable-pip-version-check", "--target", str(site), str(_copy(tmp_path_factory))],
        check=True, capture_output=True, text=True,
    )  # fmt: skip

    def run(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "liafseq.cli.main", *arguments],
            capture_output=True, text=True, cwd=work, check=False, timeout=300,
            env={**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert done.returncode == code, done.stderr[-3000:]
        return done

    run.work = work  # type: ignore[attr-defined]
    return run


def _copy(factory: pytest.TempPathFactory) -> Path:
    """A copy, so that building leaves nothing in the repository."""
    import shutil

    return Path(shutil.copytree(PACKAGE, factory.mktemp("source") / "package"))


def test_the_task_is_one_short_file() -> None:
    assert len((PACKAGE / "parity" / "task.py").read_text().splitlines()) <= 80


def test_it_is_listed_with_its_options_and_metrics(call: Call) -> None:
    assert "parity of bits" in call("tasks").stdout
    told = call("tasks", "parity").stdout
    assert "Metric: error rate in %, lower is better." in told
    assert "--steps" in told
    assert "Training sequences." in call("train", "parity", "--help").stdout
    assert "keep" in call("models", "parity.models:Leaky").stdout


def test_train_and_evaluate(call: Call) -> None:
    out = call("train", "parity", "--model", "parity.models:Leaky:keep=0.9", *SMALL, "--out", "one").stdout
    assert out.splitlines()[0].split() == ["model", "short", "long", "mean", "loss"]
    assert "Test error rate in percent of 400 sequences" in out
    evaluated = call("evaluate", "one").stdout
    assert evaluated.splitlines()[1].split()[1:] == out.splitlines()[1].split()[1:]
    assert (
        json.loads(call("evaluate", "one", "--json", "--steps", "3").stdout)["scores"]["short"]["count"]
        == 200
    )


def test_compare_with_report(call: Call) -> None:
    words = call("compare", "parity", "--models", MODELS, *SMALL, "--out", "study").stdout.split()
    assert {"liaf", "liaf:gated=true", "gru", "own", "short", "long", "mean", "loss"} <= set(words)
    folder = call.work / "study"  # type: ignore[attr-defined]
    study = json.loads((folder / "results.json").read_text())
    assert study["metrics"][0] == {"name": "error", "unit": "%", "higher_is_better": False}
    assert {run["model"] for run in study["runs"]} == {"liaf", "liaf:gated=true", "gru", "own"}
    assert len(study["pairwise"]) == 6
    report = (folder / "report.html").read_text()
    assert "error rate" in report
    assert "accuracy" not in report
    assert "questions" not in report


def test_what_is_wrong_is_said_in_a_line(call: Call) -> None:
    for words, expected in (
        (("--steps", "0"), "--steps must be at least 1, got 0"),
        (("--model", "parity.models:Leaky:keep=2"), "keep should be from 0 to 1, got 2"),
        (("--model", "parity.models:Lea"), "parity.models:Lea cannot be imported"),
        (("--model", "parity.models:Leaky:kept=1"), "did you mean 'keep'?"),
    ):
        (line,) = call("train", "parity", *words, code=2).stderr.splitlines()
        assert expected in line
