"""The data of a run: what the vocabulary knows, what is held out for validation."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from liafseq.tasks.babi.config import BabiConfig
from liafseq.tasks.storage.checkpoint import load_tensors
from liafseq.tasks.task import find
from liafseq.tasks.training.run import run

from ..small_stories import easy, tiny, write_easy_task, write_easy_tasks, write_stories

BABI = find("babi")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("babi")
    write_easy_tasks(folder)
    return folder


def encoded(config: BabiConfig, split: str, *tasks: int) -> Any:
    data = BABI.data(config)
    return data.questions(config, split, tasks or config.tasks).data


def test_the_vocabulary_is_of_the_training_data_only(source: Path) -> None:
    vocabulary = BABI.data(easy(source, tasks=(1, 4))).vocabulary
    assert vocabulary.answers == ("garden", "kitchen", "office")
    assert "moon" not in vocabulary.words


def test_validation_is_held_out_of_every_task_and_shares_no_story(source: Path) -> None:
    config = easy(source, tasks=(1, 4), valid_fraction=0.25)
    train, valid = (encoded(config, split) for split in ("train", "valid"))
    assert len(train) + len(valid) == 600
    assert len(valid) == pytest.approx(150, abs=4)
    # A whole task's list of where its stories start: none is as another.
    assert not {tuple(train.story[:, 0].tolist())} & {tuple(valid.story[:, 0].tolist())}
    for task in config.tasks:
        parts = [encoded(config, split, task) for split in ("train", "valid")]
        starts = [set(part.story[:, 0].tolist()) for part in parts]
        assert not starts[0] & starts[1]
        assert len(parts[1]) == pytest.approx(75, abs=2)


def test_a_validation_part_of_the_source_is_used(source: Path, tmp_path: Path) -> None:
    shutil.copytree(source, tmp_path / "data")
    write_easy_task(tmp_path / "data", 1, "valid", 20, 9)
    config = easy(tmp_path / "data")
    assert [len(encoded(config, split)) for split in ("train", "valid")] == [300, 40]


def test_the_data_seed_and_no_other_changes_the_validation_part(source: Path) -> None:
    def held(**fields: Any) -> Any:
        return encoded(easy(source, **fields), "valid").story.tolist()

    assert held(seed=1) == held()
    assert held(data_seed=1) != held()


def test_files_that_change_are_read_again(source: Path, tmp_path: Path) -> None:
    shutil.copytree(source, tmp_path / "data")
    config = easy(tmp_path / "data")
    assert len(encoded(config, "test")) == 60
    write_easy_task(tmp_path / "data", 1, "test", 10, 1)
    assert len(encoded(config, "test")) == 20


def test_vectors_begin_the_embedding(tmp_path: Path) -> None:
    write_stories(tmp_path / "data")
    path = tmp_path / "vectors.txt"
    path.write_text("mary " + " ".join(["9.0"] * 16) + "\n")
    fields = {"vectors": str(path), "epochs": 1, "learning_rate": 1e-9}
    run(BABI, tiny(tmp_path / "data", embedding_size=16, **fields), tmp_path / "run")
    weight = load_tensors(tmp_path / "run" / "checkpoint.safetensors")[0]["embedding.weight"]
    words = json.loads((tmp_path / "run" / "data.json").read_text())["words"]
    torch.testing.assert_close(weight[words.index("mary")], torch.full((16,), 9.0))
    assert weight[words.index("went")].abs().max() < 5
    with pytest.raises(ValueError, match="expected a word and 8 numbers, got 16"):
        run(BABI, tiny(tmp_path / "data", embedding_size=8, **fields), tmp_path / "other")
