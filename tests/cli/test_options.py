"""How the values of options are read, and which runs a comparison makes of them."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from liafseq.cli import compare as compare_command
from liafseq.cli.options import parse_models, parse_pairs, parse_tasks
from liafseq.tasks.babi.config import PRESETS, BabiRun
from liafseq.tasks.models import model_names


def plan(**changes: Any) -> list[BabiRun]:
    parameters = inspect.signature(compare_command.babi).parameters.values()
    return compare_command.plan({**{p.name: p.default for p in parameters}, **changes})


@pytest.mark.parametrize(
    ("text", "tasks"),
    [("1", (1,)), ("20,1-3", (20, 1, 2, 3)), (" 4 - 6 , 1", (4, 5, 6, 1)), ("all", tuple(range(1, 21)))],
)
def test_tasks(text: str, tasks: tuple[int, ...]) -> None:
    assert parse_tasks(text) == tasks


@pytest.mark.parametrize("text", ["", ",", "1,", "-1", "1-", "1.5", "1--2", "\u0661", "99999999999", "1-2-3"])
def test_not_tasks(text: str) -> None:
    with pytest.raises(ValueError, match="--tasks"):
        parse_tasks(text)


def test_models() -> None:
    assert parse_models(" gru,liaf ") == ("gru", "liaf")
    assert parse_models("all") == model_names()


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
    (found,) = parse_pairs([text], "--option").values()
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("texts", [["=1"], ["a b=1"], ["decay="], ["decay=1", "decay=2"]])
def test_not_values(texts: list[str]) -> None:
    with pytest.raises(ValueError, match="--option"):
        parse_pairs(texts, "--option")


def test_a_comparison_without_options() -> None:
    runs = plan()
    models = {"liaf", "lif", "dalif", "gru", "lstm", "rnn"}
    assert {run.model for run in runs} >= models
    assert len({run.tasks for run in runs}) >= 2
    assert {run.source for run in runs} == {"generated"}
    assert len({run.key() for run in runs}) == len(runs)


def test_a_plan_of_seeds_tasks_and_models() -> None:
    runs = plan(models="gru,lstm", tasks="1,6", seeds=2, seed=5, layers=2, hidden_size=8)
    assert [(run.seed, run.tasks, run.model) for run in runs[:5]] == [
        (5, (1,), "gru"),
        (5, (1,), "lstm"),
        (5, (6,), "gru"),
        (5, (6,), "lstm"),
        (6, (1,), "gru"),
    ]
    assert len(runs) == 8
    assert {(run.num_layers, run.hidden_size) for run in runs} == {(2, 8)}


def test_joint_training_is_one_run_for_all_tasks() -> None:
    (run,) = plan(models="gru", tasks="1-3", joint=True)
    assert run.tasks == (1, 2, 3)


def test_every_setting_of_a_run_reaches_it() -> None:
    """No option is taken and then forgotten."""
    changes = {
        "variant": "en", "questions": 5, "test_questions": 6, "valid_fraction": 0.5, "data_seed": 7,
        "story": ["people=3"], "hidden_size": 8, "embedding_size": 9, "layers": 2, "dropout": 0.5,
        "bidirectional": True, "readout": "both", "epochs": 11, "batch_size": 12, "learning_rate": 0.5,
        "weight_decay": 0.25, "schedule": "constant", "warmup": 0.125, "clip": 2.0, "patience": 3,
        "device": "auto", "devices": 2, "nodes": 2, "precision": "64-true", "threads": 4, "hops": 3,
        "attention": "unordered",
    }  # fmt: skip
    (run,) = plan(models="lstm", tasks="4", seed=13, **changes)
    assert run == BabiRun(
        model="lstm", tasks=(4,), seed=13, num_layers=2, story_options=(("people", 3),),
        **{name: value for name, value in changes.items() if name not in ("layers", "story")},
    )  # fmt: skip
    default = BabiRun(model="lstm").to_json()
    same = {name for name, value in run.to_json().items() if value == default[name]}
    # A search alone sets score_test; the story model has its own test below.
    assert same == {"model", "source", "options", "vectors", "score_test", "kind", "roles", "heads"}


def test_a_kind_of_model_brings_its_presets_where_nothing_is_said() -> None:
    (plain,) = plan(models="gru", tasks="4")
    assert (plain.kind, plain.epochs, plain.patience) == ("plain", BabiRun.epochs, BabiRun.patience)
    (story,) = plan(models="gru", tasks="4", model_kind="story")
    assert story.kind == "story"
    assert {name: getattr(story, name) for name in PRESETS["story"]} == PRESETS["story"]
    said = {"epochs": 3, "patience": 0, "warmup": 0.0, "embedding_size": 7}
    (story,) = plan(models="gru", tasks="4", model_kind="story", **said)
    assert {name: getattr(story, name) for name in said} == said
    with pytest.raises(ValueError, match="--model-kind"):
        plan(models="gru", model_kind="stories")
