"""``liafseq bench``: its table, its JSON, its exit codes. No test depends on a time."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from liafseq import ops

TINY = ("--shapes", "3x4x2x5", "--rounds", 2, "--min-time", 0, "--peers", "none", "--threads", 1)
PLAIN = set("\x1b─│╭╮╰╯━█")
BAD = {
    "shape": ("--shapes 3x4x5", "--shapes: expected batch x steps x input x hidden as in 32x100x64x128"),
    "no batch": ("--shapes 0x4x2x5", "--shapes: expected whole numbers from 1 to"),
    "huge": ("--shapes 3x4x2x99999999999", "--shapes: expected whole numbers from 1 to"),
    "negative": ("--shapes 3x-4x2x5", "--shapes: expected whole numbers"),
    "model": ("--models liaaf", "--models: unknown model: 'liaaf', did you mean 'liaf'?"),
    "mode": ("--mode train", "--mode: expected one or more of training, inference, got 'train'"),
    "rounds": ("--rounds 0", "--rounds must be at least 1, got 0"),
    "threads": ("--threads 0", "--threads must be at least 1, got 0"),
    "dtype": ("--dtype int8", "--dtype must be one of float32, float64, bfloat16, float16, got 'int8'"),
    "device": ("--device tpux", "--device: cannot compute on 'tpux'"),
    "no time": ("--min-time nan", "--min-time must be finite, got nan"),
    "long time": ("--min-time 61", "--min-time must be at most 60, got 61"),
    "sweep": ("--sweep X", "--sweep: expected T, N or H"),
    "sweep value": ("--sweep T=4,many", "--sweep: expected whole numbers from 1 to"),
    "plot": ("--plot bench.png", "--plot: draws a sweep"),
    "peer": ("--peers brian", "--peers: expected one or more of norse, snntorch, spikingjelly"),
    "option": ("--option liaf:decya=1", "model 'liaf' has no option 'decya', did you mean 'decay'?"),
    "value": ("--models liaf:decay=7", "decay should be an initial value to be learned in (0, 1)"),
    "label": ("--models gru=liaf", "--models: gru is the name of another row"),
    "json": ("--json .", "--json: . is a folder"),
    "json place": ("--json file/bench.json", "--json: cannot write into the folder"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # the large product would take longer than all else
    monkeypatch.setattr("liafseq.tasks.bench.floor.SIZE", 16)


def plain(text: str) -> bool:
    return not PLAIN & set(text)


@pytest.mark.parametrize(("arguments", "expected"), BAD.values(), ids=BAD)
def test_one_line(call: Callable[..., Any], arguments: str, expected: str) -> None:
    Path("file").touch()
    result = call("bench", *arguments.split())
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("liafseq: ")
    assert expected in line
    assert [path.name for path in Path().iterdir()] == ["file"]


def test_a_peer_that_is_not_there(call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("liafseq.tasks.bench.peers.find_spec", lambda name: None)  # noqa: ARG005
    result = call("bench", "--peers", "norse")
    assert result.exit_code == 2
    assert result.stderr == "liafseq: --peers: norse is not installed here; pip install norse\n"


def test_help(call: Callable[..., Any]) -> None:
    result = call("bench", "--help")
    assert result.exit_code == 0
    assert plain(result.stdout)
    text = " ".join(result.stdout.split())
    example = text.partition("Example: liafseq ")[2].partition(" Options:")[0].partition(" What is")[0]
    assert call(*example.split(), "--help").exit_code == 0
    assert "No such option" in call(*example.split(), "--no-such-option").stderr
    assert call("--help").stdout.rindex("\n  bench ") > call("--help").stdout.rindex("\n  data ")


def test_table(call: Callable[..., Any]) -> None:
    result = call("bench", *TINY, "--models", "liaf,rnn,lstm")
    assert (result.exit_code, result.stderr) == (0, "")
    assert plain(result.stdout)
    lines = result.stdout.splitlines()
    assert lines[0] == "training, batch 3, steps 4, input 2, hidden 5"
    assert lines[1].split() == [
        "model", "ms", "x", "gru", "quartiles", "x", "lstm", "x", "rnn", "/", "floor", "quartiles", "/",
        "limit", "firing", "deviation",
    ]  # fmt: skip
    assert [line.split()[0] for line in lines[2:7]] == ["liaf", "rnn", "lstm", "gru", "floor"]
    assert lines[8] == lines[0].replace("training", "inference")
    assert float(lines[2].split()[1]) > 0


def test_a_model_with_settings_and_a_file_of_them(call: Callable[..., Any]) -> None:
    Path("b.toml").write_text('models = "gated=liaf:gated=true"\nmode = "training"\nrounds = 1\n')
    result = call("bench", "--config", "b.toml", *TINY, "--rounds", 2)
    assert result.exit_code == 0, result.output
    assert [line.split()[0] for line in result.stdout.splitlines()[2:6]] == [
        "gated",
        "gru",
        "floor",
        "floor,",
    ]
    assert "inference," not in result.stdout
    assert "median of 2 rounds" in result.stdout


def test_json(call: Callable[..., Any]) -> None:
    result = call(
        "bench", *TINY, "--models", "lif,gru", "--mode", "training", "--memory", "--json", "out/b.json",
        "--option", "lif:threshold=0.5", "--dtype", "float64",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "Written: out/b.json" in result.stdout
    found = json.loads(Path("out/b.json").read_text(encoding="utf-8"))
    assert set(found) == {
        "schema_version", "config", "tolerance", "machine", "versions", "complete", "results", "memory"
    }  # fmt: skip
    assert found["schema_version"] == 1
    assert found["complete"] is True
    assert found["config"]["shapes"] == ["3x4x2x5"]
    assert found["config"]["models"][0] == {"name": "lif", "label": "lif", "options": {"threshold": 0.5}}
    assert found["machine"]["threads"] == 1
    assert found["versions"]["torch"] == torch.__version__
    lif, gru, floor = found["results"]
    assert set(lif) == {
        "shape", "mode", "model", "name", "status", "check", "firing_rate", "operations", "speed"
    }  # fmt: skip
    assert lif["operations"] == 3 * 2 * 3 * 4 * 5 * (2 + 5)
    assert set(lif["speed"]) == {"seconds", "times", "ratios"}
    assert lif["shape"] == {"batch": 3, "steps": 4, "inputs": 2, "hidden": 5}
    assert set(lif["check"]) == {"ok", "deviation", "where", "compared"}
    assert set(lif["speed"]["seconds"]) == set(lif["speed"]["ratios"]["gru"]) == {"median", "q1", "q3"}
    assert set(lif["speed"]["ratios"]) == {"gru", "floor", "limit"}
    assert "check" not in gru
    assert floor["model"] == "floor"
    assert [row["model"] for row in found["memory"]] == ["lif", "gru"]
    assert set(found["memory"][0]) == {"shape", "model", "extra_bytes", "kept_bytes"}
    assert [path.name for path in Path("out").iterdir()] == ["b.json"]


@pytest.mark.parametrize("fault", [1e-3, math.nan])
def test_a_wrong_layer_has_no_speed(
    call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, fault: float
) -> None:
    right = ops.recurrence

    def wrong(*args: Any, **kwargs: Any) -> Any:
        output, h, c = right(*args, **kwargs)
        return output + fault, h, c

    monkeypatch.setattr(ops, "recurrence", wrong)
    result = call("bench", *TINY, "--models", "liaf,gru", "--json", "b.json")
    assert result.exit_code == 1
    rows = [line.split() for line in result.stdout.splitlines() if line.startswith("liaf")]
    assert len(rows) == 2
    for row in rows:
        assert row[1] == "WRONG"
        assert len(row) == 4  # name, WRONG, firing rate, deviation
    assert result.stderr.count("liafseq: liaf WRONG (") == 2
    assert "output" in result.stderr
    for row in json.loads(Path("b.json").read_text())["results"]:
        assert ("speed" in row) == (row["model"] != "liaf")


def test_one_step(call: Callable[..., Any]) -> None:
    result = call("bench", *TINY, "--models", "lif,gru", "--one-step", "--json", "b.json")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    at = lines.index("one step of one sequence, input 64, hidden 64")
    against = ["us", "/", "lstm", "/", "gru"]
    assert lines[at + 1].split() == ["training", *against, "inference", *against]
    rows = [line.split() for line in lines[at + 2 : at + 8]]
    parts = [[name, part] for name in ("lif", "gru", "lstm") for part in ("layer", "cell")]
    assert [row[:2] for row in rows] == parts
    assert all(len(row) == 8 for row in rows)
    assert rows[2][4] == rows[3][4] == rows[4][3] == "1.00"
    found = json.loads(Path("b.json").read_text())["one_step"]
    assert [(row["model"], row["part"]) for row in found] == 2 * [tuple(part) for part in parts]
    assert set(found[0]) == {"model", "part", "mode", "speed"}


def test_16_bits(call: Callable[..., Any]) -> None:
    result = call("bench", *TINY, "--models", "liaf,gru", "--dtype", "bfloat16", "--mode", "inference")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "bfloat16 by torch.autocast" in " ".join(result.stdout.split())


def test_sweep(call: Callable[..., Any]) -> None:
    result = call(
        "bench", *TINY, "--models", "liaf,gru", "--sweep", "N=1,2", "--plot", "bench.png", "--json", "b.json"
    )
    assert result.exit_code == 0, result.output
    assert Path("bench.png").read_bytes().startswith(b"\x89PNG")
    rows = json.loads(Path("b.json").read_text())["results"]
    assert {row["shape"]["batch"] for row in rows} == {1, 2}
    assert "Written: b.json, bench.png" in result.stdout


def test_what_is_known_is_written_when_the_rest_fails(
    call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("liafseq.tasks.bench.runner.training_memory", stop)
    result = call("bench", *TINY, "--models", "gru", "--memory", "--json", "b.json")
    assert result.exit_code == 130
    found = json.loads(Path("b.json").read_text())
    assert found["complete"] is False
    assert len(found["results"]) == 4
