"""The runs of a study, and sizes that are matched."""

from __future__ import annotations

from pathlib import Path

import pytest

from liafseq.tasks.babi.config import BabiConfig
from liafseq.tasks.babi.stories import sources
from liafseq.tasks.config import FieldError
from liafseq.tasks.study.plan import StudyOptions, match_parameters, matched, parameters, plan
from liafseq.tasks.task import find

from ..small_stories import tiny, write_stories

BABI = find("babi")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stories")
    write_stories(folder)
    return folder


def test_runs_stand_by_seed_then_part_then_model() -> None:
    config = BabiConfig(tasks=(1, 6), seed=5)
    options = StudyOptions(models="gru,fast=liaf:decay=0.1", seeds=2, options=("liaf:gated=true",))
    found = [(c.seed, c.tasks, c.model.label) for c in plan(BABI, config, options)]
    assert found == [
        (seed, (task,), model) for seed in (5, 6) for task in (1, 6) for model in ("gru", "fast")
    ]
    assert dict(plan(BABI, config, options)[1].model.options) == {"decay": 0.1, "gated": True}
    joint = plan(BABI, config, StudyOptions(models="gru", joint=True))
    assert [c.tasks for c in joint] == [(1, 6)]


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"models": "liff"}, "models", "models: unknown model: 'liff', did you mean 'lif'"),
        ({"models": "conv-lif"}, "models", "models: model 'conv-lif' is not for this task; its models are"),
        ({"models": "gru", "options": ("decay=1",)}, "options", "options: no model with neuron options"),
        ({"models": "liaf", "options": ("lif:decay=1",)}, "options", "which is not among liaf"),
        ({"seeds": 0}, "seeds", "seeds must be at least 1, got 0"),
        ({"match": "size"}, "match", "match must be one of hidden, params, got 'size'"),
    ],
)
def test_bad_options(fields: dict, field: str, message: str) -> None:
    with pytest.raises(FieldError, match=message) as raised:
        plan(BABI, BabiConfig(), StudyOptions(**fields))
    assert raised.value.field == field


def test_parameters_are_counted_as_built_and_cheaply(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny(source, num_layers=2, bidirectional=True)
    first = parameters(BABI, config)
    monkeypatch.setattr(sources, "load", None)  # the second time nothing is read
    assert parameters(BABI, tiny(source, model="lstm", seed=5)) > parameters(BABI, tiny(source))
    assert parameters(BABI, config) == first


@pytest.mark.parametrize("model", ["liaf", "dalif", "mlif", "rnn", "lstm"])
def test_matched_parameters(source: Path, model: str) -> None:
    target = parameters(BABI, tiny(source, hidden_size=64))
    config = tiny(source, model=model)
    found = match_parameters(BABI, config, target)
    assert found.model == config.model
    assert found.hidden_size != 64
    count = parameters(BABI, found)
    assert abs(count - target) <= 0.02 * target
    for near in (-1, 1):  # no other size is nearer
        other = tiny(source, model=model, hidden_size=found.hidden_size + near)
        assert abs(parameters(BABI, other) - target) >= abs(count - target)


def test_parameters_that_cannot_be_matched(source: Path) -> None:
    with pytest.raises(
        ValueError, match=r"no hidden size gives gru 160 .* within 2\.0%; the nearest is hidden_size=\d"
    ):
        match_parameters(BABI, tiny(source), 160)
    with pytest.raises(ValueError, match="at least 1"):
        match_parameters(BABI, tiny(source), 0)


def test_all_models_of_a_study_are_as_large_as_the_first(source: Path) -> None:
    runs = [
        tiny(source, model=model, hidden_size=40, seed=seed) for seed in (0, 1) for model in ("lstm", "gru")
    ]
    found = matched(BABI, runs)
    assert [config.model.label for config in found] == ["lstm", "gru"] * 2
    assert found[0] == runs[0]
    assert found[1].hidden_size == found[3].hidden_size > 40
    counts = [parameters(BABI, config) for config in found]
    assert max(counts) / min(counts) < 1.02
