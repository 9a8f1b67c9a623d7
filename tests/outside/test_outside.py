"""A package that is not ours adds a task in one file, and a model: all commands work on them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from liafseq.cli.main import app
from liafseq.tasks import registry, task

PACKAGE = Path(__file__).parent / "package"
OWN = "parity.models:Leaky:keep=0.9"
SMALL = ("--sequences", "120", "--hidden-size", "8", "--epochs", "1", "--steps", "4")

Call = Callable[..., Any]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the package is installed."""
    folder = tmp_path_factory.mktemp("site")
    # A copy, so that building leaves nothing in the repository.
    source = shutil.copytree(PACKAGE, tmp_path_factory.mktemp("source") / "package")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation",
         "--disable-pip-version-check", "--target", str(folder), str(source)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return folder


@pytest.fixture
def call(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Call]:
    """Calls the command in this process, which looks for packages anew."""
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.chdir(tmp_path)
    caches = (task._points, task.find, registry._all)
    for cache in caches:
        cache.cache_clear()

    def run(*arguments: str, code: int = 0) -> Any:
        result = CliRunner().invoke(app, list(arguments), prog_name="liafseq")
        assert result.exit_code == code, result.output
        return result

    yield run
    for cache in caches:
        cache.cache_clear()


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
    out = call("train", "parity", "--model", OWN, *SMALL, "--out", "one").stdout
    assert out.splitlines()[0].split() == ["model", "short", "long", "mean", "loss"]
    assert "Test error rate in percent of 400 sequences" in out
    evaluated = call("evaluate", "one").stdout
    assert evaluated.splitlines()[1].split()[1:] == out.splitlines()[1].split()[1:]
    scores = json.loads(call("evaluate", "one", "--json", "--steps", "3").stdout)["scores"]
    assert scores["short"]["count"] == 200


def test_compare_with_report(site: Path, tmp_path: Path) -> None:
    """As a person calls it: a process, and workers of its own."""
    models = f"gru,rnn,own={OWN}"
    done = subprocess.run(
        [sys.executable, "-m", "liafseq.cli.main", "compare", "parity", "--models", models, *SMALL,
         "--out", "study"],
        capture_output=True, text=True, cwd=tmp_path, check=False, timeout=300,
        env={**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    labels = {"gru", "rnn", "own"}
    assert {*labels, "short", "long", "mean", "loss"} <= set(done.stdout.split())
    study = json.loads((tmp_path / "study" / "results.json").read_text())
    assert study["metrics"][0] == {"name": "error", "unit": "%", "higher_is_better": False}
    assert {run["model"] for run in study["runs"]} == labels
    assert len(study["pairwise"]) == 3
    report = (tmp_path / "study" / "report.html").read_text()
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
