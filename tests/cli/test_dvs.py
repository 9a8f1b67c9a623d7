"""``liafseq train|compare|data|evaluate|show`` on event recordings."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SMALL = (
    "--data", "digits", "--recordings", 40, "--test-recordings", 20, "--epochs", 1, "--steps", 3, "--pool", 4,
    "--channels", "4", "--hidden-size", 4, "--batch-size", 10,
)  # fmt: skip


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIAFSEQ_CACHE", str(tmp_path / "cache"))


def test_train_evaluate_show(call: Callable[..., Any]) -> None:
    trained = call("train", "dvs", "--model", "conv-lif", *SMALL)
    assert trained.exit_code == 0, trained.output
    (folder,) = Path("runs").iterdir()
    assert folder.name.startswith("conv-lif-digits-s0-")
    result = json.loads((folder / "result.json").read_text())
    accuracy = result["test"]["digits"]["metrics"]["accuracy"]
    assert result["facts"] == {"steps": 3.0}
    lines = trained.stdout.splitlines()
    assert lines[0].split() == ["model", "digits"]
    assert lines[1].split() == ["conv-lif", f"{100 * accuracy:.1f}"]
    assert lines[2].startswith("Test accuracy in percent of 20 recordings; ")

    evaluated = call("evaluate", folder)
    assert evaluated.stdout.splitlines()[1].split() == [folder.name, f"{100 * accuracy:.1f}"]
    assert evaluated.stdout.endswith("Accuracy in percent of the test recordings.\n")
    shown = call("show", folder, "--example", 2, "--out", "a.png")
    assert shown.exit_code == 0, shown.output
    assert Path("a.png").read_bytes().startswith(b"\x89PNG")


def test_a_gated_convolution_is_a_model_with_settings(call: Callable[..., Any]) -> None:
    model = "conv-liaf:gated=true:feedback=output"
    trained = call("train", "dvs", "--model", model, *SMALL)
    assert trained.exit_code == 0, trained.output
    (folder,) = Path("runs").iterdir()
    plain = call("train", "dvs", "--model", "conv-liaf:feedback=output", *SMALL, "--out", "plain")
    assert plain.exit_code == 0, plain.output
    weights = [
        json.loads((run / "result.json").read_text())["cost"]["weights"] for run in (folder, Path("plain"))
    ]
    # input and recurrent kernels of 4 channels, and the head of 5 x 5 maps and 10 classes
    head = 10 * 4 * 5 * 5
    assert weights[0] - head == 2 * (weights[1] - head) > 0
    assert call("evaluate", folder).exit_code == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("conv-liaf:gated=true",), "gated=True needs feedback='output'"),
        (("conv-liaf:gated=true:feedback=output", "--synapse"), "synapse=True cannot be with gated=True"),
    ],
)
def test_what_a_gate_cannot_be_with_is_one_line(
    call: Callable[..., Any], words: tuple[str, ...], expected: str
) -> None:
    result = call("train", "dvs", "--model", *words, *SMALL)
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("liafseq: ")
    assert expected in line


def test_compare_writes_table_report_and_the_command_that_repeats_it(call: Callable[..., Any]) -> None:
    words = (
        "compare",
        "dvs",
        "--models",
        "conv-liaf,gru",
        "--seeds",
        2,
        "--jobs",
        1,
        "--out",
        "study",
        *SMALL,
    )
    compared = call(*words)
    assert compared.exit_code == 0, compared.output
    results = json.loads(Path("study/results.json").read_text())
    assert [row["model"] for row in results["runs"]] == ["conv-liaf", "gru"] * 2
    assert results["summary"][0]["cost"]["macs"] > 0
    assert set(results["floor"]) == {"digits"}
    assert compared.stdout.splitlines()[0].split()[:2] == ["model", "digits"]
    for name in ("report.html", "report.md", "table.md", "accuracy.png"):
        assert Path("study", name).stat().st_size > 100
    again = call(*results["command"][1:], "--out", "study", "--jobs", 1)
    assert again.exit_code == 0, again.output
    assert json.loads(Path("study/results.json").read_text())["runs"] == results["runs"]


def test_data_show_and_inspect(call: Callable[..., Any]) -> None:
    shown = call("data", "dvs", "show", "--data", "digits", "--index", 3, "--out", "digit.png")
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.startswith("digits/train#3: class ")
    assert "events: " in shown.stdout
    assert Path("digit.png").read_bytes().startswith(b"\x89PNG")
    folder = Path("mini/Train/7")
    folder.mkdir(parents=True)
    (folder / "00001.bin").write_bytes(bytes([1, 2, 0x80, 0, 5, 3, 4, 0, 0, 9]))
    fine = call("data", "dvs", "inspect", "--data", "nmnist", "--data-dir", "mini")
    assert fine.exit_code == 0, fine.output
    assert fine.stdout.splitlines()[1].split() == ["7", "1", "2", "2", "2", "2", "0"]
    (folder / "00002.bin").write_bytes(bytes([99, 2, 0x80, 0, 5]))
    wrong = call("data", "dvs", "inspect", "--data", "nmnist", "--data-dir", "mini")
    assert wrong.exit_code == 2
    assert "00002.bin: byte 0: event 0: x is 99, outside the sensor" in wrong.stderr
    assert wrong.stdout == fine.stdout


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("train", "dvs", "--model", "conv-gru"), "unknown model: 'conv-gru', did you mean"),
        (("train", "dvs", "--data", "mnist"), "--data must be one of digits, gestures"),
        (("train", "dvs", "--data", "nmnist"), "--data-dir must name the folder of nmnist"),
        (("train", "dvs", "--data", "nmnist", "--data-dir", "no"), "--data-dir: no such file or folder"),
        (("train", "dvs", "--channels", "8,x"), "--channels: expected whole numbers"),
        (("train", "dvs", "--steps", 0), "one of steps and step_us must be above 0"),
        (("train", "dvs", "--kernel-size", 2), "--kernel-size must be odd, got 2"),
        (("train", "dvs", "--model", "gru", "--synapse"), "--synapse is for the spiking convolutions"),
        (("train", "dvs", "--option", "decay=2"), "decay should be"),
        (("train", "dvs", "--data-option", "motion=fast"), "motion"),
        (("compare", "dvs", "--models", "conv-liaf,conv-liaf"), "--models: conv-liaf is named twice"),
        (("data", "dvs", "show", "--index", 99_999), "--index: digits has recordings 0 to 1437, got 99999"),
        (("data", "dvs", "show", "--split", "valid"), "--split: expected train or test"),
        (("data", "dvs", "show", "--data-dir", "."), "--data-dir is for published data sets"),
        (("data", "dvs", "download", "--data", "mnist-dvs", "--out", "x"), "tonic does not offer MNIST-DVS"),
    ],
)
def test_mistakes_are_one_clear_line(call: Callable[..., Any], words: tuple[object, ...], text: str) -> None:
    done = call(*words)
    assert done.exit_code == 2
    assert text in done.stderr
    assert done.stderr.startswith("liafseq: ")
    assert len(done.stderr.splitlines()) == 1
    assert not Path("runs").exists() or not any(Path("runs").rglob("result.json"))
