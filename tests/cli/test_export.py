"""``liafseq export``, and the other commands on what it writes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_leaves

from liafseq.tasks import load
from liafseq.tasks.config import replace
from liafseq.tasks.export.card import train_command
from liafseq.tasks.models import ModelSpec
from liafseq.tasks.settings import flags_of
from liafseq.tasks.task import find, installed
from liafseq.tasks.toml import lines

Call = Callable[..., Any]
TINY = ("--tasks", "1,6", "--questions", 60, "--test-questions", 20, "--epochs", 1, "--hidden-size", 4)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_an_exported_folder_is_used_as_a_run(call: Call) -> None:
    trained = call("train", "babi", "--model", "liaf:gated=true", *TINY, "--out", "run")
    assert trained.exit_code == 0, trained.output
    question = "Mary went to the kitchen. Where is Mary?"
    answered, scored = call("predict", "run", question).stdout, call("evaluate", "run").stdout
    exported = call("export", "run", "--to", "out")
    assert exported.stdout == "Written: out\n", exported.output
    shutil.rmtree("run")
    assert call("predict", "out", question).stdout == answered
    assert call("evaluate", "out").stdout.split()[-10:] == scored.split()[-10:]
    assert "out" in call("list", ".").stdout
    # never over what is there
    refused = call("export", "out", "--to", "out")
    assert (refused.exit_code, refused.stderr) == (
        2, "liafseq: out: holds files already (README.md); give another place, or delete it\n"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("task", "options"),
    [
        ("synthetic", ("--sequences", 60, "--test-sequences", 20)),
        pytest.param("lm", ("--source", "text.txt", "--batch-size", 2), marks=pytest.mark.exhaustive),
    ],
)
def test_an_onnx_file_answers_as_the_network(call: Call, task: str, options: tuple[object, ...]) -> None:
    pytest.importorskip("onnxscript", reason="exports to ONNX need it")
    runtime = pytest.importorskip("onnxruntime", reason="runs what is exported")
    Path("text.txt").write_text("abcd efgh\n" * 200)
    tiny = ("--epochs", 1, "--hidden-size", 4, "--out", "run")
    trained = call("train", task, "--model", "liaf", *options, *tiny)
    assert trained.exit_code == 0, trained.output
    exported = call("export", "run", "--to", "model.onnx")
    assert (exported.stdout, exported.stderr) == ("Written: model.onnx\n", "")
    found = load("run")
    batch, _ = found.task.sample(found.config, found.data, 5)
    inputs = [item for item in tuple(batch)[:-1] if item is not None]
    if task == "lm":  # a state at rest, and another number of sequences
        inputs = [inputs[0].expand(-1, 3).contiguous(), torch.zeros(1, 3, 4), torch.zeros(1, 3, 4)]
    with torch.no_grad():
        expected = found.network(*inputs[:1], *([tuple(inputs[1:])] if task == "lm" else inputs[1:]))
    session = runtime.InferenceSession("model.onnx")
    names = [entry.name for entry in session.get_inputs()]
    got = session.run(None, {name: item.numpy() for name, item in zip(names, inputs, strict=True)})
    for one, other in zip(tree_leaves(expected), got, strict=True):
        torch.testing.assert_close(one, torch.from_numpy(other), atol=1e-5, rtol=1e-5)


def test_without_the_extra_a_line_says_what_to_install(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("liafseq.tasks.export.onnx._NEEDED", ("onnx", "a_package_that_nobody_has"))
    assert call("train", "babi", "--model", "liaf", *TINY, "--out", "run").exit_code == 0
    result = call("export", "run", "--to", "model.onnx")
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert "pip install 'liafseq[onnx]'" in result.stderr
    assert not Path("model.onnx").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("nothing", "--to", "out"), "nothing: not a run folder"),
        (("nothing", "--to", "model.onx"), "--to: no format '.onx'; what can be written is a folder"),
        (("nothing",), "Missing option '--to'"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(call: Call, words: tuple[str, ...], expected: str) -> None:
    result = call("export", *words)
    (line,) = result.stderr.splitlines()
    assert result.exit_code == 2
    assert expected in line


@pytest.mark.parametrize("task", installed(), ids=lambda task: task.name)
def test_the_command_of_the_card_gives_the_same_run(call: Call, task: Any) -> None:
    config = task.Config()
    first = config.model.label
    changed = replace(
        config, model=ModelSpec.parse(f"{first}:decay=0.5" if "li" in first else first), epochs=3, seed=2,
        learning_rate=0.5, threads=2,
    )  # fmt: skip
    flags = flags_of(task.Config)
    for one in (config, changed):
        command = train_command(SimpleNamespace(task=task, config=one))  # type: ignore[arg-type]
        shown = call(*command[1:], "--print-config")
        assert shown.exit_code == 0, shown.output
        assert shown.stdout.splitlines() == lines(flags, [one])


def test_lists_and_words_stand_in_the_command() -> None:
    babi = find("babi")
    config = babi.Config(tasks=(1, 6), questions=100)
    command = " ".join(train_command(SimpleNamespace(task=babi, config=config)))  # type: ignore[arg-type]
    assert "--tasks 1,6" in command
    assert "--questions 100" in command
