"""``liafseq report``, and the commands that a report gives to repeat a study."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from liafseq.tasks.results import read_study
from liafseq.tasks.study import compare

Call = Callable[..., Any]


class Asked(Exception):
    """Carries what the command would have run."""


@pytest.fixture
def asked(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], Any]:
    """What ``run_study`` is called with by a command line, instead of the work."""

    def stop(*positional: Any, **named: Any) -> None:
        raise Asked(positional, named)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(compare, "run_study", stop)

    def run(words: list[str]) -> Any:
        result = call(*words, "--out", "study")
        assert isinstance(result.exception, Asked), result.output
        return result.exception.args

    return run


STUDIES = {
    "defaults": "",
    "what a reader wants to know": "--models liaf,gru --tasks 1,6 --seeds 2 --epochs 3 --questions 300",
    "network": "--models lstm,lif --layers 2 --dropout 0.1 --bidirectional --readout both --hidden-size 8",
    "neuron options": "--models liaf,lif --option decay=0.05 --option liaf:activation=relu "
    "--option lif:decay=0.5,0.9 --option learn_decay=false --option feedback=none",
    "stories": "--models gru --tasks 1 --story people=3 --story places=4 --data-seed 7 --seed 5 --seeds 3",
    "jointly": "--models gru,rnn --tasks 1,6 --joint --patience 2 --warmup 0.1 --schedule constant",
    "equal weights": "--models gru,rnn --tasks 1 --questions 300 --test-questions 100 --match params "
    "--hidden-size 16",
    "a path with a space": "--models gru --tasks 1 --vectors 'my vectors.txt' --embedding-size 3",
    "elsewhere": "--models gru --tasks 1 --questions 300 --jobs 2 --precision bf16-mixed",
}


@pytest.mark.parametrize("options", STUDIES.values(), ids=STUDIES)
def test_the_command_repeats_the_study(asked: Callable[[list[str]], Any], options: str) -> None:
    Path("my vectors.txt").write_text("the 1 2 3\n")
    options = f"--test-questions 100 {options}" if "--test-questions" not in options else options
    (_, runs, _), named = asked(["compare", "babi", *shlex.split(options)])
    words = named["command"]
    assert words[0] == "liafseq"
    assert not {"--out", "--jobs"} & set(words)
    # As a person copies it out of the report.
    again, other = asked(shlex.split(shlex.join(words))[1:])
    assert list(again[1]) == list(runs)
    assert other["command"] == words


def test_compare_and_report(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = (
        "--models gru,rnn --seeds 1 --tasks 1 --questions 60 --test-questions 30 --epochs 1 --hidden-size 4 "
        "--jobs 1"
    )
    result = call("compare", "babi", *options.split(), "--out", "study")
    assert result.exit_code == 0, result.output
    written = next(line for line in result.stdout.splitlines() if line.startswith("Written: "))
    assert written.startswith("Written: study/report.html, study/report.md, ")
    study = read_study("study")
    assert study.command is not None
    assert shlex.join(study.command) == (
        "liafseq compare babi --models gru,rnn --seeds 1 --tasks 1 --questions 60 --test-questions 30 "
        "--hidden-size 4 --epochs 1"
    )
    assert study.time.machine.cores >= 1
    first = Path("study/report.html").read_bytes()
    assert shlex.join(study.command).encode() in first

    Path("study/report.html").unlink()
    again = call("report", "study")
    assert again.exit_code == 0, again.output
    assert again.stdout.startswith("Written: study/report.html, study/report.md, ")
    assert Path("study/report.html").read_bytes() == first

    elsewhere = call("report", "study", "--out", "other/mine.html")
    assert elsewhere.exit_code == 0, elsewhere.output
    assert {path.name for path in Path("other").iterdir()} == {
        "mine.html", "mine.md", "mine-accuracy.png", "mine-learning-curves.png", "mine-cost.png",
        "mine-time.png",
    }  # fmt: skip
    assert "(mine-accuracy.png)" in Path("other/mine.md").read_text()


def test_results_that_lack_a_part_are_one_line(call: Call, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(json.dumps({"task": "babi", "runs": [{"model": "gru"}]}))
    result = call("report", tmp_path)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert "results.json: not a study: title: Field required" in line
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["report", "nowhere"], "nowhere: not the folder of a finished study: no results.json"),
        (["report", "broken"], "broken/results.json:1: not valid JSON"),
        (["report"], "Missing argument 'DIR'"),
        (["report", "broken", "--out", "x.pdf"], "results.json"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("broken").mkdir()
    Path("broken/results.json").write_text("{")
    result = call(*words)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert expected in line
    assert not list(tmp_path.glob("**/*.html"))
