"""Bad input: exit code 2, one clear line on standard error, no trace."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from liafseq.tasks.storage.lock import folder_lock

BAD = {
    "unknown model": ("compare babi --models liaaf", "'liaaf', did you mean 'liaf'?"),
    "unknown model to train": ("train babi --model gruu", "did you mean 'gru'?"),
    "empty model": ("compare babi --models liaf,,gru", "--models: expected names such as liaf,gru"),
    "model twice": ("compare babi --models gru,gru", "--models: gru is named twice"),
    "task 0": ("compare babi --tasks 0", "--tasks: bAbI has tasks 1 to 20, got 0"),
    "task 21": ("train babi --tasks 1-21", "--tasks: bAbI has tasks 1 to 20, got 21"),
    "task twice": ("train babi --tasks 1-3,2", "--tasks: task 2 is named twice"),
    "backwards": ("train babi --tasks 3-1", "the range 3-1 runs backwards"),
    "no number": ("data babi show --tasks one", "expected numbers and ranges such as 1,4-6"),
    "a word for a number": ("train babi --epochs many", "'--epochs'"),
    "no epochs": ("train babi --epochs 0", "--epochs must be at least 1"),
    "no layers": ("compare babi --layers 0", "--layers must be at least 1"),
    "nan": ("train babi --learning-rate nan", "--learning-rate must be finite"),
    "schedule": ("train babi --schedule sine", "--schedule must be one of cosine, constant"),
    "readout": ("compare babi --models gru --readout both", "needs a second state, which gru has not"),
    "match": ("compare babi --match sizes", "--match must be one of hidden, params, got 'sizes'"),
    "search parts": (
        "compare babi --tasks 1,6 --search 2 --search-on 2",
        "--search-on: no run of the study is on these parts of the search alone: task 2",
    ),
    "joint search": (
        "compare babi --joint --tasks 1,6 --search 2 --search-on 1",
        "--search-on: no run of the study is on these parts of the search alone: task 1",
    ),
    "joint search on all": (
        "compare babi --joint --tasks 1,6 --search 2 --search-on 1,6",
        "--search-on: no run of the study is on these parts of the search alone: task 1, task 6",
    ),
    "search parts alone": ("compare babi --search-on 1", "--search-on: is for --search N"),
    "no search part": ("compare babi --search 2 --search-on 0", "--search-on: bAbI has tasks 1"),
    "no seeds": ("compare babi --seeds 0", "--seeds must be at least 1, got 0"),
    "no jobs": ("compare babi --jobs 0", "--jobs must be at least 1, got 0"),
    "option without value": ("compare babi --option decay", "--option: expected NAME=VALUE"),
    "option of another model": ("compare babi --models gru,lif --option liaf:decay=1", "not among gru, lif"),
    "option for torch's own": ("compare babi --models gru --option decay=1", "no model with neuron options"),
    "no such source": ("compare babi --source nowhere", "--source: no such file or folder: "),
    "no such vectors": ("train babi --vectors nowhere", "--vectors: no such file or folder: "),
    "no such device": ("train babi --model gru --device tpux", "device='tpux'"),
    "unknown command": ("compare bobi", "No such command 'bobi'"),
    "unknown option": ("compare babi --model gru", "No such option: --model"),
    "no run": ("evaluate", "Missing argument 'RUN...'"),
    "not a run": ("evaluate nowhere", "nowhere: not a run folder"),
    "split": ("evaluate nowhere --split tests", "--split: expected test, valid or train"),
    "story": ("compare babi --story people", "--story: expected NAME=VALUE"),
    "no effect": ("train babi --hops 2", "--hops: is for --model-kind story"),
    "no effect, event cameras": ("train dvs --tau-us 5", "--tau-us: is for --compress synapse"),
    "an option twice": ("train babi --option decay=0.1 --option decay=0.2", "--option: decay is given twice"),
    "no folder": ("train babi --out=", "--out: expected a folder, got ''"),
    "no folder for a study": ("compare babi --out=", "--out: expected a folder, got ''"),
    "threads": ("train babi --threads 1000000", "--threads must be at most 1024, got 1000000"),
    "questions": ("train babi --questions 99999999999", "--questions must be at most 100000000"),
    "no such generator option": ("train babi --story cats=2", "--story: no option 'cats'"),
    "impossible generator option": ("train babi --story people=9", "--story: people must be 1 to 8"),
    "no number of people": ("train babi --story people=many", "--story: people must be a whole"),
    "machines for a study": ("compare babi --nodes 2", "--nodes: is for train"),
    "logger of a study": ("compare babi --logger paper", "--logger: expected tensorboard or csv"),
    "logger": ("train babi --logger paper", "--logger: expected tensorboard or csv, got 'paper'"),
    "no such file of settings": ("train babi --config nowhere.toml", "--config: nowhere.toml: No such file"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def check(result: Any, expected: str) -> None:
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("liafseq: ")
    assert expected in line


@pytest.mark.parametrize(("command", "expected"), BAD.values(), ids=BAD)
def test_one_line(call: Callable[..., Any], command: str, expected: str) -> None:
    check(call(*command.split()), expected)
    assert not list(Path().glob("runs/*/*"))


def test_a_folder_that_is_a_file(call: Callable[..., Any]) -> None:
    Path("file").touch()
    for command in ("compare babi", "train babi --model gru", "data babi generate"):
        check(call(*command.split(), "--out", "file"), "--out: cannot write into the folder file: ")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="this user may write everywhere")
def test_a_folder_without_permission(call: Callable[..., Any]) -> None:
    Path("closed").mkdir(mode=0o500)
    check(
        call("compare", "babi", "--out", "closed"), "cannot write into the folder closed: Permission denied"
    )


def test_a_malformed_line_is_named_before_any_run_begins(call: Callable[..., Any]) -> None:
    folder = Path("stories")
    folder.mkdir()
    good = "1 Mary went to the kitchen.\n2 Where is Mary?\tkitchen\t1\n"
    (folder / "qa1_single-supporting-fact_train.txt").write_text(good + "3 Where is Mary?\tkitchen\t9\n")
    (folder / "qa1_single-supporting-fact_test.txt").write_text(good)
    expected = "qa1_single-supporting-fact_train.txt:3: supporting fact '9'"
    check(call("compare", "babi", "--tasks", "1", "--source", folder), expected)
    check(call("data", "babi", "inspect", folder, "--tasks", "1"), expected)


def test_a_folder_in_use(call: Callable[..., Any]) -> None:
    with folder_lock("study"):
        options = ("--models", "gru", "--tasks", "1", "--questions", 10, "--test-questions", 5)
        check(
            call("compare", "babi", *options, "--out", "study"), "study is in use by another liafseq command"
        )


def test_a_trace_on_request(call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIAFSEQ_DEBUG", "1")
    with pytest.raises(ValueError, match="did you mean 'gru'"):
        raise call("train", "babi", "--model", "gruu").exception
