"""``liafseq data dvs``, by itself and as a part of another command."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from liafseq.tasks.dvs.commands import app
from liafseq.tasks.dvs.config import DvsConfig

MOUNTED = typer.Typer()
MOUNTED.add_typer(app, name="dvs")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def call(*words):
    return CliRunner().invoke(app, list(map(str, words)))


def nmnist(**files):
    folder = Path("mini/Train/7")
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / f"{name}.bin").write_bytes(bytes(data))


def test_show():
    shown = call("show", "--data", "digits", "--index", 3, "--out", "digit.png")
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.startswith("digits/train#3: class ")
    assert "events: " in shown.stdout
    assert Path("digit.png").read_bytes().startswith(b"\x89PNG")
    again = CliRunner().invoke(MOUNTED, ["dvs", "show", "--index", "3"])
    assert again.stdout == shown.stdout.replace("Written: digit.png\n", "")


def test_a_picture_does_not_replace_a_file_without_force():
    Path("mine.png").write_text("mine")
    refused = call("show", "--out", "mine.png")
    assert isinstance(refused.exception, FileExistsError)
    assert str(refused.exception) == "--out: mine.png is there already; --force writes over it"
    assert Path("mine.png").read_text() == "mine"
    assert call("show", "--out", "mine.png", "--force").exit_code == 0
    assert Path("mine.png").read_bytes().startswith(b"\x89PNG")


def test_inspect_counts_and_names_what_is_malformed():
    nmnist(a=[1, 2, 0x80, 0, 5, 3, 4, 0, 0, 9])
    fine = call("inspect", "--data", "nmnist", "--data-dir", "mini")
    assert fine.exit_code == 0, fine.output
    assert fine.stdout.splitlines()[1].split() == ["7", "1", "2", "2", "2", "2", "0"]
    nmnist(b=[99, 2, 0x80, 0, 5])
    wrong = call("inspect", "--data", "nmnist", "--data-dir", "mini")
    assert wrong.exit_code == 2
    assert "b.bin: byte 0: event 0: x is 99, outside the sensor" in wrong.stderr
    assert wrong.stdout == fine.stdout


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("show", "--index", 99_999), "--index: digits has recordings 0 to 1437, got 99999"),
        (("show", "--split", "valid"), "--split: expected train or test"),
        (("show", "--data-dir", "."), "--data-dir is for published data sets"),
        (("show", "--data", "mnist"), "--data must be one of digits, gestures"),
        (("show", "--data", "nmnist"), "--data-dir must name the folder of nmnist"),
        (("show", "--data-seed", -1), "--data-seed must be at least 0, got -1"),
        (("show", "--data-option", "motion"), "--data-option: expected NAME=VALUE"),
        (("show", "--data-option", "moton=slow"), "--data-option: digits has no option 'moton'"),
        (("show", "--data-option", "seed=3"), "--data-option: "),
        (("show", "--data-option", "motion=fast"), "motion must be one of saccades, slow"),
        (("inspect", "--data", "nmnist", "--data-dir", "no"), "no: no such folder"),
        (
            ("inspect", "--data", "nmnist", "--data-dir", ".", "--data-option", "size=3"),
            "--data-option: nmnist has no option 'size'",
        ),
        (("download", "--data", "mnist-dvs", "--out", "x"), "tonic does not offer MNIST-DVS"),
        (("download", "--data", "nmnist", "--out", ""), "--out: must name a folder"),
        (("download", "--data", "nmnist", "--out", "full"), "full: holds other files (a.txt)"),
    ],
)
def test_mistakes_are_one_clear_line(words, text):
    Path("full").mkdir()
    Path("full/a.txt").write_text("mine")
    done = call(*words)
    assert isinstance(done.exception, ValueError | OSError), done.output
    assert text in str(done.exception)
    assert len(str(done.exception).splitlines()) == 1
    assert not Path("x").exists()
    assert [path.name for path in Path("full").iterdir()] == ["a.txt"]


def test_help_says_what_the_fields_say():
    told = " ".join(
        CliRunner().invoke(MOUNTED, ["dvs", "inspect", "--help"], env={"COLUMNS": "400"}).stdout.split()
    )
    for name in ("data", "data_dir", "data_options"):
        assert DvsConfig.model_fields[name].description in told
    assert "Seed of generated recordings, of splits and of the validation part." in told
