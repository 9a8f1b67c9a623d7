"""How what was said becomes settings and runs, from the command line and from a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from liafseq.tasks.babi.config import PRESETS, BabiConfig
from liafseq.tasks.config import FieldError, pairs
from liafseq.tasks.models import known
from liafseq.tasks.settings import Settings, flags_of
from liafseq.tasks.study.plan import StudyOptions, plan
from liafseq.tasks.task import find

Call = Callable[..., Any]


def planned(**changes: Any) -> list[BabiConfig]:
    task = find("babi")
    own = {name: value for name, value in changes.items() if name in StudyOptions.model_fields}
    given = {name: value for name, value in changes.items() if name not in own}
    options = StudyOptions(**{"models": task.study.models, **own})
    return plan(task, BabiConfig(**{**task.study.settings, **given}), options)


@pytest.mark.parametrize(
    ("text", "tasks"),
    [("1", (1,)), ("20,1-3", (20, 1, 2, 3)), (" 4 - 6 , 1", (4, 5, 6, 1)), ("all", tuple(range(1, 21)))],
)
def test_tasks(text: str, tasks: tuple[int, ...]) -> None:
    assert BabiConfig(tasks=text).tasks == tasks


@pytest.mark.parametrize("text", ["", ",", "1,", "-1", "1-", "1.5", "1--2", "\u0661", "99999999999", "1-2-3"])
def test_not_tasks(text: str) -> None:
    with pytest.raises(FieldError, match="tasks: "):
        BabiConfig(tasks=text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("decay=0.05", 0.05),
        ("decay=0.5,0.9", (0.5, 0.9)),
        ("decay=1", 1),
        ("feedback=none", None),
        ("learn-decay=True", True),
        ("reset=soft", "soft"),
        ("activation= relu", "relu"),
    ],
)
def test_values(text: str, value: object) -> None:
    ((_, found),) = pairs([text])
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("texts", [["=1"], ["a b=1"], ["decay="], ["decay=1", "decay=2"]])
def test_not_values(texts: list[str]) -> None:
    with pytest.raises(ValueError, match=r"NAME=VALUE|twice"):
        pairs(texts)


def test_a_comparison_without_options() -> None:
    runs = planned()
    labels = {run.model.label for run in runs}
    assert {"liaf", "liaf:gated=true", "lif", "gru"} <= labels
    assert len({run.tasks for run in runs}) >= 2
    assert {run.source for run in runs} == {"generated"}
    assert len({run.key() for run in runs}) == len(runs)


def test_all_models() -> None:
    assert [run.model.label for run in planned(models="all", tasks=(1,))] == list(known(["layer"]))


def test_a_plan_of_seeds_tasks_and_models() -> None:
    runs = planned(models="gru,lstm", tasks="1,6", seeds=2, seed=5, num_layers=2, hidden_size=8)
    assert [(run.seed, run.tasks, run.model.label) for run in runs[:5]] == [
        (5, (1,), "gru"),
        (5, (1,), "lstm"),
        (5, (6,), "gru"),
        (5, (6,), "lstm"),
        (6, (1,), "gru"),
    ]
    assert len(runs) == 8
    assert {(run.num_layers, run.hidden_size) for run in runs} == {(2, 8)}


def test_joint_training_is_one_run_for_all_tasks() -> None:
    (run,) = planned(models="gru", tasks="1-3", joint=True)
    assert run.tasks == (1, 2, 3)


def test_options_of_models() -> None:
    runs = planned(
        models="liaf,slow=liaf:decay=0.9,gru,lif",
        tasks="1",
        options=("threshold=0.5", "liaf:decay=0.1", "lif:threshold=0.7"),
    )
    assert {run.model.label: dict(run.model.options) for run in runs} == {
        "liaf": {"decay": 0.1, "threshold": 0.5},
        "slow": {"decay": 0.9, "threshold": 0.5},
        "gru": {},
        "lif": {"threshold": 0.7},
    }


VALUES = {
    "tasks": "4", "source": "hub", "variant": "en", "questions": 5, "test-questions": 6,
    "valid-fraction": 0.5, "data-seed": 7, "hidden-size": 8, "embedding-size": 9, "layers": 2, "dropout": 0.5,
    "bidirectional": True,
    "readout": "both", "epochs": 11, "batch-size": 12, "learning-rate": 0.5, "weight-decay": 0.25,
    "schedule": "constant", "warmup": 0.125, "clip": 2.0, "patience": 3, "seed": 13,
    "device": "auto", "devices": 2, "nodes": 2, "precision": "64-true", "threads": 4,
}  # fmt: skip


def words_of(values: dict[str, Any]) -> list[Any]:
    words: list[Any] = []
    for name, value in values.items():
        words += [f"--{name}"] if value is True else [f"--{name}", value]
    return words


def printed(call: Call, *words: object) -> dict[str, Any]:
    import tomllib

    result = call(*words, "--print-config")
    assert result.exit_code == 0, result.stderr
    found: dict[str, Any] = tomllib.loads(result.stdout)
    return found


def test_every_option_reaches_the_settings(call: Call) -> None:
    """No option is taken and then forgotten: each is printed as it was said."""
    found = printed(call, "train", "babi", "--model", "lstm", *words_of(VALUES))
    assert found == {**VALUES, "model": "lstm", "tasks": [4], "model-kind": "plain"}
    story = {"model-kind": "story", "hops": 3, "roles": 3, "heads": 4, "attention": "unordered"}
    found = printed(call, "train", "babi", *words_of(story), "--story", "people=3")
    assert {name: found[name] for name in story} == story
    assert found["story"] == ["people=3"]
    own = {"models": "gru,lif", "seeds": 2, "joint": True, "match": "params", "search": 3, "search-on": "1,6",
           "jobs": 4, "engine": "ray", "ray-address": "local"}  # fmt: skip
    found = printed(call, "compare", "babi", *words_of(own), "--option", "lif:decay=0.5")
    assert {name: found[name] for name in own} == own
    assert found["option"] == ["lif:decay=0.5"]


def test_settings_are_printed_and_read_again(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(call("train", "babi", "--model", "lif:decay=0.5,0.9", "--tasks", "1,6",
                         "--story", "people=3", "--print-config").stdout)  # fmt: skip
    again = call("train", "babi", "--config", file, "--print-config")
    assert again.stdout == file.read_text()
    # The command line wins.
    assert "tasks = [2]" in call("train", "babi", "--config", file, "--tasks", "2", "--print-config").stdout


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("epochs = 0", "--epochs must be at least 1, got 0"),
        ('epochs = "many"', "--epochs must be a whole number, got 'many'"),
        ("epoch = 3", "no option 'epoch'; the options are"),
        ("epochs = ", "not valid TOML"),
    ],
)
def test_a_file_that_is_wrong(call: Call, tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(text)
    result = call("train", "babi", "--config", file)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert expected in line


def test_what_was_not_said_is_as_the_kind_of_network_wants_it(call: Call) -> None:
    found = printed(call, "train", "babi", "--model-kind", "story", "--epochs", 7)
    assert found["epochs"] == 7
    assert found["embedding-size"] == PRESETS["story"]["embedding_size"]
    assert found["patience"] == PRESETS["story"]["patience"]
    assert printed(call, "train", "babi")["patience"] == 0


def test_each_option_says_what_it_is() -> None:
    for kind in (StudyOptions, *(find(name).Config for name in ("babi", "dvs"))):
        flags = flags_of(kind)
        assert issubclass(kind, Settings)
        assert all(info.description and info.description.endswith((".", "...")) for info in flags.values()), [
            name for name, info in flags.items() if not (info.description or "").endswith((".", "..."))
        ]
        # Nothing but what a search alone sets is hidden from the commands.
        assert set(kind.model_fields) - set(flags) <= {"score_test"}


def test_the_study_repeats_itself(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small = (
        "--seeds",
        1,
        "--questions",
        30,
        "--test-questions",
        10,
        "--hidden-size",
        4,
        "--embedding-size",
        4,
    )
    words = ("compare", "babi", "--models", "gru,rnn", "--tasks", "1,6", "--epochs", 1, *small)
    first = call(*words, "--out", "one", "--json")
    assert first.exit_code == 0, first.output
    study = json.loads(first.stdout)
    again = call(*study["command"][1:], "--out", "two", "--json")
    assert again.exit_code == 0, again.output
    other = json.loads(again.stdout)
    for runs in (study["runs"], other["runs"]):
        for run in runs:
            run["outcome"].pop("time")
    assert other["runs"] == study["runs"]
