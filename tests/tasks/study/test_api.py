"""A study from Python."""

from __future__ import annotations

from pathlib import Path

import pytest

import liafseq.tasks
from liafseq.tasks.config import FieldError
from liafseq.tasks.results import read_study
from liafseq.tasks.study.compare import Event

from ..small_stories import TINY, write_stories


def test_models_are_compared_and_a_network_is_loaded(tmp_path: Path) -> None:
    write_stories(tmp_path / "data")
    events: list[Event] = []
    study = liafseq.tasks.compare(
        "babi", "gru,rnn", tmp_path / "study", epochs=1, seeds=2, tasks="1", source=str(tmp_path / "data"),
        on_progress=events.append, **TINY,
    )  # fmt: skip
    assert study == read_study(tmp_path / "study")
    assert (study.models, list(study.seeds()), tuple(study.parts)) == (("gru", "rnn"), [0, 1], ("task 1",))
    assert not study.failed
    assert set(study.floor) == {"task 1"}
    assert [event.kind for event in events].count("finished") == 4
    assert (tmp_path / "study" / "report.html").exists()
    trained = liafseq.tasks.load(tmp_path / "study" / study.runs[0].key)
    assert isinstance(trained, liafseq.tasks.Trained)
    assert trained.evaluate().mean("accuracy") == study.runs[0].done.mean("accuracy")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"epochs": 0}, "epochs"),
        ({"seeds": 0}, "seeds"),
        ({"nonsense": 1}, "nonsense"),
        ({"search": 1}, "search"),
    ],
)
def test_a_bad_setting_names_its_field(tmp_path: Path, fields: dict[str, int], field: str) -> None:
    with pytest.raises(FieldError) as raised:
        liafseq.tasks.compare("babi", ["gru"], tmp_path / "study", questions=10, **fields)
    assert raised.value.field == field
    assert not (tmp_path / "study").exists()


def test_an_unknown_task_or_model(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no task 'chess'; the tasks are babi"):
        liafseq.tasks.compare("chess", "gru", tmp_path)
    with pytest.raises(FieldError, match="models: unknown model: 'grue', did you mean 'gru'"):
        liafseq.tasks.compare("babi", "grue", tmp_path)
