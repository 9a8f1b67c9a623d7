"""Help, version, and what is imported for them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from liafseq.cli.main import app

COMMANDS = [
    (),
    ("train",),
    ("train", "babi"),
    ("evaluate",),
    ("compare",),
    ("compare", "babi"),
    ("compare", "suite"),
    ("train", "dvs"),
    ("compare", "dvs"),
    ("predict",),
    ("report",),
    ("show",),
    ("list",),
    ("models",),
    ("tasks",),
    ("data",),
    ("data", "babi"),
    ("data", "babi", "generate"),
    ("data", "babi", "show"),
    ("data", "babi", "inspect"),
    ("data", "dvs"),
    ("data", "dvs", "show"),
    ("bench",),
]
PLAIN = set("\x1b─│╭╮╰╯━█")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_has_an_example_and_is_plain(call: Callable[..., Any], command: tuple[str, ...]) -> None:
    result = call(*command, "--help")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert f"Example: liafseq {' '.join(command)}".strip() in result.stdout
    assert f"Usage: liafseq {' '.join(command)}".strip() in result.stdout
    assert not PLAIN & set(result.stdout)


def test_examples_are_commands_that_parse(call: Callable[..., Any]) -> None:
    """Each example of the help, with an option that ends it before any work."""
    for command in COMMANDS:
        text = " ".join(call(*command, "--help").stdout.split())
        example = text.partition("Example: liafseq ")[2].partition(" Options:")[0].partition(" Set ")[0]
        example = example.partition(" Arguments:")[0]
        result = call(*example.split(), "--help")
        assert result.exit_code == 0, (example, result.stderr)
        unknown = call(*example.split(), "--no-such-option")
        assert unknown.exit_code == 2
        assert "No such option: --no-such-option" in unknown.stderr


def test_the_commands_stand_in_their_order(call: Callable[..., Any]) -> None:
    text = call("--help").stdout
    order = ("train", "evaluate", "predict", "compare", "report", "show", "list", "data", "models", "bench")
    places = [text.index(f"\n  {name} ") for name in order]
    assert places == sorted(places)


def test_without_a_command_there_is_help(call: Callable[..., Any]) -> None:
    for command in ((), ("train",), ("data", "babi")):
        result = call(*command)
        assert result.exit_code == 2
        assert "Usage: liafseq" in result.output


def test_version(call: Callable[..., Any]) -> None:
    result = call("--version")
    assert (result.exit_code, result.stdout) == (0, f"liafseq {metadata.version('liafseq')}\n")


def heavy(arguments: list[str]) -> str:
    """Which large packages a command has imported, and how it ended."""
    code = f"""
import sys
from liafseq.cli.main import app
try:
    app({arguments!r}, prog_name="liafseq")
except SystemExit as end:
    heavy = {{"torch", "datasets", "matplotlib", "numpy", "lightning_fabric"}} & set(sys.modules)
    print("HEAVY", sorted(heavy), "CODE", end.code)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    "arguments", [["--help"], ["compare", "babi", "--help"], ["train", "babi", "--model", "x"]]
)
def test_nothing_heavy_is_imported_for_help_and_errors(arguments: list[str]) -> None:
    assert heavy(arguments).startswith("HEAVY [] CODE")


@pytest.mark.parametrize("command", ["train", "compare"])
def test_wrong_data_is_found_before_torch_is_loaded(command: str, tmp_path: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / f"qa1_single-supporting-fact_{split}.txt").write_text("1 Where is Mary?\tkitchen\t9\n")
    asked = [command, "babi", "--source", str(tmp_path), "--tasks", "1", "--out", str(tmp_path / "out")]
    assert heavy(asked) == "HEAVY [] CODE 2"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("liafseq train b", ["babi"]),
        ("liafseq train babi --schedule ", ["cosine", "constant"]),
        ("liafseq compare babi --models g", ["gru"]),
        ("liafseq models conv-l", ["conv-liaf", "conv-lif", "conv-lstm"]),
    ],
)
def test_the_shell_completes_values(words: str, expected: list[str]) -> None:
    count = len(words.split()) - (not words.endswith(" "))
    asked = {"_LIAFSEQ_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(count)}
    result = CliRunner().invoke(app, env=asked, prog_name="liafseq")
    assert result.stdout.split() == expected
