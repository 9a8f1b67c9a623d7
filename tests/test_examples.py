"""The programs of examples/ run, and print what they are there to show."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs a program of the repository's root; gives its lines."""
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.syspath_prepend(str(ROOT / "examples"))  # as python examples/NAME.py has it

    def lines(name: str) -> list[str]:
        importlib.import_module(f"examples.{name}").main()
        return capsys.readouterr().out.splitlines()

    return lines


def number(text: str, before: str) -> float:
    """The number before a text."""
    return float(text.partition(before)[0].split()[-1].replace(",", ""))


def test_every_program_is_run() -> None:
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert {path.stem for path in (ROOT / "examples").glob("*.py")} <= tested


def test_drop_in_language_model(run) -> None:
    lstm, liaf = run("drop_in_language_model")
    assert number(liaf, " weights") < 0.3 * number(lstm, " weights")
    for line in (lstm, liaf):
        assert number(line, " bits per character") < 0.5
        assert line.endswith("the cat sat on the mat. the dog ")


def test_text_classifier(run) -> None:
    accuracy, *cost = run("text_classifier")
    assert number(accuracy, "%") > 95
    assert any("LIAF" in line for line in cost)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_export_onnx(run) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason="the extra onnx")
    difference, own, exported = run("export_onnx")
    assert float(difference.split()[-1]) < 1e-5
    assert number(own, " ms,") > 0
    assert number(exported, " ms") > 0


def test_streaming(run) -> None:
    pieces, cell, rate = run("streaming")
    assert pieces.endswith("True")
    assert cell.endswith("True")
    assert 0 < float(rate.rsplit(maxsplit=1)[-1]) < 1


def test_signals_steps(run) -> None:
    score, steps = run("signals_steps")
    assert number(score, "%") > 85
    assert set(steps.split(": ")[1].split()) == {"rise", "fall"}


def test_own_task(run) -> None:
    liaf, gru = run("own_task")
    assert liaf.startswith("liaf:gated=true: ")
    assert number(liaf, "%") > 95
    assert number(gru, "%") > 95


def test_own_model(run) -> None:
    own, gru = run("own_model")
    assert own.startswith("examples.own_model:Average:keep=0.8: ")
    assert number(own, "%") > 25  # of six places
    assert number(gru, "%") > 25


def test_images_coding(run) -> None:
    *codings, answer = run("images_coding")
    assert [line.partition(":")[0] for line in codings] == ["direct", "rate", "latency"]
    assert all(number(line, "%") > 75 for line in codings)
    assert answer.split()[1] == answer.split()[-1]


def test_lm_continue(run) -> None:
    for line in run("lm_continue"):
        assert number(line, " bits per character") < 0.5
        assert "'the cat sat on the " in line


def test_tagging_slots(run) -> None:
    liaf, gru, said = run("tagging_slots")
    assert number(liaf, "% span F1") > 95
    assert number(gru, "% span F1") > 95
    assert said == "flight: fly/O from/O Lima/B-from to/O New/B-to York/I-to"


def test_text_own_file(run) -> None:
    liaf, gru, good, bad, mistakes = run("text_own_file")
    assert number(liaf, "%") > 95
    assert number(gru, "%") > 95
    assert (good, bad) == ("a lovely old film: five stars", "the story was awful: one stars")
    assert number(mistakes, " mistakes") < 6


def test_synthetic_copying(run) -> None:
    gru, lif, gated, said = run("synthetic_copying")
    assert number(gru, "% of the symbols") > 60
    assert number(gated, "% of the symbols") > 60 > number(lif, "% of the symbols")
    assert said.startswith("2 0 1 3: ")


def test_nir_roundtrip(run) -> None:
    pytest.importorskip("nir", reason="nir is not installed: pip install 'liafseq[nir]'")
    nodes, layers, same, refused = run("nir_roundtrip")
    assert nodes.endswith("lif1.w_in, lif1.lif, lif1.w_rec, output")
    assert layers == "layers: ConvLIF, AvgPool2d, Flatten, LIF"
    assert number(same, "%") > 99
    assert refused.startswith("LIAF: modules[0]: LIAF emits an analog value")


def needs(package: str) -> None:
    pytest.importorskip(package, reason=f"{package} is not installed: pip install 'liafseq[ecosystem]'")


def test_trainer_text(run) -> None:
    needs("transformers")
    needs("accelerate")  # by which its Trainer places models
    accuracy, same = run("trainer_text")
    assert number(accuracy, "%") > 95
    assert same.endswith("True")


def test_trainer_text_draws_only_what_a_checkpoint_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("transformers")
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    program = importlib.import_module("examples.trainer_text")
    model = program.Classifier(program.Config())
    kept = {name: value + 1 for name, value in model.state_dict().items() if name != "rnn.bias_ih_l0"}
    model.save_pretrained(tmp_path, state_dict=dict(kept))
    found = program.Classifier.from_pretrained(tmp_path).state_dict()
    assert (found.pop("rnn.bias_ih_l0").abs() <= 32**-0.5).all()
    assert found.keys() == kept.keys()
    assert all(found[name].equal(value) for name, value in kept.items())


def test_lightning_text(run) -> None:
    needs("lightning")
    accuracy, same = run("lightning_text")
    assert number(accuracy, "%") > 95
    assert same.endswith("True")


def test_accelerate_text(run) -> None:
    needs("accelerate")
    (accuracy,) = run("accelerate_text")
    assert accuracy.startswith("accuracy on 500 new sentences: ")
    assert number(accuracy, "%") > 95
