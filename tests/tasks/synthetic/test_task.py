"""Generated problems: what is right, by a second way of counting; and runs on them."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
import torch

from liafseq.tasks.sequences.ragged import IGNORED
from liafseq.tasks.synthetic.config import Problem, SyntheticConfig
from liafseq.tasks.synthetic.data import SyntheticData
from liafseq.tasks.task import find
from liafseq.tasks.training.run import run
from liafseq.tasks.training.trained import load

TASK = find("synthetic")
PROBLEMS = get_args(Problem)
FEW: dict[str, Any] = {"sequences": 60, "test_sequences": 20, "length": 12}
SMALL = FEW | {"model": "gru", "epochs": 1, "hidden_size": 4, "embedding_size": 4}


def answer(problem: str, steps: list[str]) -> list[str]:
    """The right answers to a sequence, as a person would find them."""
    if problem == "adding":
        return [f"{sum(float(step[:-1]) for step in steps if step[-1] == '*'):.2f}"]
    if problem == "copying":
        return steps[: steps.count("?")]
    if problem == "recall":
        return steps[:1]
    if problem == "parity":
        return [("even", "odd")[steps.count("1") % 2]]
    if problem == "counting":
        return [str(steps.count("*"))]
    known: dict[str, str] = {}
    found = []
    for at, step in enumerate(steps):
        if step in known:
            found.append(known[step])
        elif step[0] == "k":
            known[step] = steps[at + 1]
    return found


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("split", ["train", "test"])
def test_answers_are_right(problem: str, split: str) -> None:
    config = SyntheticConfig(problem=problem, test_length=15, **FEW)
    data = SyntheticData.of(config)
    examples = data.split(config, split)
    seen = set()
    for row in range(len(examples)):
        _, steps = data.shown(config, split, row)
        assert len(steps) == config.steps(split)
        right, expected = examples.target[row], answer(problem, list(steps))
        if problem == "adding":
            assert [float(right)] == pytest.approx([float(expected[0])], abs=0.01)
        else:
            assert [data.classes[at] for at in right[right != IGNORED].tolist()] == expected
        assert torch.allclose(data.read(steps)[:, 0].float(), examples.values[row].float(), atol=1e-3)
        seen.add(" ".join(expected))
    assert len(seen) > 1


@pytest.mark.parametrize("problem", ["parity", "counting"])
def test_answers_of_each_step(problem: str) -> None:
    config = SyntheticConfig(problem=problem, answers="step", **FEW)
    data = SyntheticData.of(config)
    _, steps = data.shown(config, "valid", 0)
    found = [data.classes[at] for at in data.split(config, "valid").target[0].tolist()]
    assert found == [answer(problem, list(steps[: at + 1]))[0] for at in range(len(steps))]


def texts(config: SyntheticConfig, split: str) -> list[str]:
    data = SyntheticData.of(config)
    return [data.shown(config, split, row)[0] for row in range(len(data.split(config, split)))]


def test_parts_share_no_sequence_and_follow_the_seed() -> None:
    config = SyntheticConfig(problem="parity", length=9, sequences=300, test_sequences=100)
    train, valid, test = (set(texts(config, split)) for split in ("train", "valid", "test"))
    assert not train & test
    assert not train & valid
    assert not valid & test
    other = SyntheticConfig(problem="parity", length=9, sequences=200, test_sequences=100, epochs=3)
    assert texts(other, "test") == texts(config, "test")
    assert texts(SyntheticConfig(data_seed=1, **FEW), "test") != texts(SyntheticConfig(**FEW), "test")


def test_marks_of_adding_are_one_in_each_half() -> None:
    config = SyntheticConfig(problem="adding", **FEW | {"length": 5})
    marks = SyntheticData.of(config).split(config, "train").values.flat[:, 1].view(-1, 5)
    assert (marks[:, :2].sum(1) == 1).all()
    assert (marks[:, 2:].sum(1) == 1).all()


def test_floor() -> None:
    many = {"sequences": 400, "test_sequences": 4000}
    assert TASK.floor(SyntheticConfig(**many)) == {"copying10": pytest.approx(1 / 8, abs=0.01)}
    adding = SyntheticConfig(problem="adding", **many)
    assert TASK.floor(adding) == {"adding10": pytest.approx(0.0784, abs=0.02)}
    sums = SyntheticData.of(adding).split(adding, "test").scored
    assert float((sums - 1).square().mean()) == pytest.approx(1 / 6, abs=0.01)


def test_a_sum_is_right_when_it_is_near() -> None:
    config = SyntheticConfig(problem="adding", **FEW)
    batch = SyntheticData.of(config).split(config, "test").batch(range(3))
    off = torch.tensor([0.03, -0.03, 0.05])
    tally = TASK.step(lambda *_: (batch.target + off)[:, None], batch)
    assert (tally.count, tally.sums.tolist()) == (3, [2])
    assert float(tally.loss) == pytest.approx(0.0043, rel=1e-3)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_run_predict_mistakes_picture(problem: str, tmp_path) -> None:
    config = SyntheticConfig(problem=problem, **SMALL)
    outcome = run(TASK, config, tmp_path / "run")
    score = outcome.test[config.about()]
    assert set(score.metrics) == {"accuracy", "loss"}
    found = load(tmp_path / "run")
    data, network = found.data, found.network
    assert json.loads((tmp_path / "run" / "data.json").read_text()) == data.kept()
    text, steps = data.shown(config, "test", 0)
    assert len(found.predict(text).split()) == len(answer(problem, list(steps)))
    mistakes = list(TASK.mistakes(config, data, network, "test", problem))
    assert all(one.expected != one.given for one in mistakes)
    if problem not in ("copying", "mqar"):
        assert len(mistakes) == round(20 * (1 - score.metrics["accuracy"]))
    options = {"neurons": 4, "part": problem, "split": "test"}
    if problem == "adding":
        with pytest.raises(ValueError, match="no pictures"):
            TASK.trace(config, data, network, 0, **options)
    else:
        assert TASK.trace(config, data, network, 0, **options)[0].startswith(b"\x89PNG")


def test_recall_is_learnt(tmp_path) -> None:
    config = SyntheticConfig(
        problem="recall", model="gru", length=5, symbols=4, sequences=600, test_sequences=100, test_length=8,
        hidden_size=32, epochs=6, batch_size=16, learning_rate=0.01,
    )  # fmt: skip
    assert run(TASK, config, tmp_path / "run").test["recall5"].metrics["accuracy"] > 0.9


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"problem": "mqar", "items": 9}, "items must be at most 8 for mqar, got 9"),
        ({"problem": "counting", "items": 4, "test_length": 3}, "items must be at most 3 for counting"),
        ({"problem": "adding", "length": 1}, "length must be at least 2 for adding, got 1"),
        ({"answers": "step"}, "answers=step is for parity and counting, not for copying"),
        ({"length": 10**6}, "sequences and test sequences must be 99 at most of this length"),
        ({"problem": "sorting"}, "problem"),
    ],
)
def test_settings_that_do_not_fit(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        SyntheticConfig(**options)


def test_too_few_sequences() -> None:
    config = SyntheticConfig(problem="parity", length=3)
    with pytest.raises(ValueError, match="parity has too few different sequences of length 3"):
        TASK.floor(config)


@pytest.mark.parametrize(
    ("problem", "text", "expected"),
    [
        ("parity", "0 1 2", "step 3: expected one of 0 1, got '2'"),
        ("parity", "", "step 1: expected one of 0 1, got ''"),
        ("adding", "0.5* 1.5", "step 2: expected 0 to 1, or as 0.5\\*, got '1.5'"),
        ("copying", "0 1 - -", "no step asks for an answer"),
    ],
)
def test_sequences_that_cannot_be_read(problem: str, text: str, expected: str) -> None:
    config = SyntheticConfig(problem=problem, **SMALL)
    data = SyntheticData.of(config)
    with pytest.raises(ValueError, match=expected):
        TASK.predict(config, data, TASK.network(config, data), text)


def test_other_words_than_learnt() -> None:
    kept = SyntheticData.of(SyntheticConfig()).kept()
    SyntheticData.of(SyntheticConfig(length=50), kept)
    with pytest.raises(ValueError, match="other words or answers than copying"):
        SyntheticData.of(SyntheticConfig(symbols=9), kept)
