"""A trained network as a folder for the hub: whole, read again, described by a card."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard, PyTorchModelHubMixin

from liafseq.tasks import Trained, load
from liafseq.tasks.export import hub
from liafseq.tasks.storage.files import new_folder
from liafseq.tasks.study.api import compare
from liafseq.tasks.task import find
from liafseq.tasks.training.run import run

from ..small_stories import easy, write_easy_tasks

FILES = ["README.md", "config.json", "data.json", "model.safetensors", "result.json"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    source = tmp_path_factory.mktemp("babi")
    write_easy_tasks(source)
    folder = tmp_path_factory.mktemp("run") / "one"
    run(find("babi"), easy(source, epochs=2), folder)
    return load(folder)


@pytest.fixture
def folder(trained: Trained, tmp_path: Path) -> Path:
    assert trained.save_pretrained(tmp_path / "out") is None
    return tmp_path / "out"


def same(one: Trained, other: Trained) -> bool:
    theirs = other.network.state_dict()
    return all(torch.equal(tensor, theirs[name]) for name, tensor in one.network.state_dict().items())


def test_a_folder_is_read_again(trained: Trained, folder: Path, tmp_path: Path) -> None:
    assert isinstance(trained, PyTorchModelHubMixin)
    assert sorted(path.name for path in folder.iterdir()) == FILES
    again = Trained.from_pretrained(folder)
    assert same(trained, again)
    assert (again.config, again.epoch) == (trained.config, trained.epoch)
    assert again.vocabulary.answers == trained.vocabulary.answers
    assert again.evaluate().scores == trained.evaluate().scores
    again.save_pretrained(tmp_path / "twice")
    for name in FILES:
        assert (tmp_path / "twice" / name).read_bytes() == (folder / name).read_bytes()


def test_the_card_says_what_the_run_was(folder: Path) -> None:
    card = ModelCard.load(folder / "README.md")
    assert card.data.library_name == "liafseq"
    assert card.data.tags == ["liafseq", "babi", "gru"]  # a GRU does not spike
    outcome = json.loads((folder / "result.json").read_text())
    assert [(result.dataset_config, result.metric_value) for result in card.data.eval_results] == [
        (part, score["metrics"]["accuracy"]) for part, score in outcome["test"].items()
    ]
    for text in (
        "## Scores", "| MAC |", "epochs 2", "seed 0", "- Seed: 0", "liafseq predict FOLDER",
        f"of {outcome['parameters']:,} weights", "liafseq train babi --model gru --source",
    ):  # fmt: skip
        assert text.lower() in card.text.lower(), text


def test_a_study_gives_the_spread(tmp_path: Path) -> None:
    write_easy_tasks(tmp_path / "data")
    config = easy(tmp_path / "data", epochs=1)
    study = compare(
        "babi", "liaf", tmp_path / "study", seeds=2, source=config.source, tasks=(1,), epochs=1, hidden_size=4
    )
    load(tmp_path / "study" / study.runs[1].key).save_pretrained(tmp_path / "out")
    spread = study.summary[0].mean["accuracy"]
    assert spread is not None
    card = ModelCard.load(tmp_path / "out" / "README.md")
    assert f"Over 2 seeds of its study: mean accuracy {100 * spread.mean:.1f} ± " in card.text
    assert "spiking-neural-network" in card.data.tags


def test_changed_weights_have_no_scores(trained: Trained, tmp_path: Path) -> None:
    other = load(trained.folder)
    with torch.no_grad():
        next(other.network.parameters()).add_(1.0)
    other.save_pretrained(tmp_path / "out")
    assert "result.json" not in [path.name for path in (tmp_path / "out").iterdir()]
    card = ModelCard.load(tmp_path / "out" / "README.md")
    assert card.data.eval_results is None
    assert "None are known of these weights" in card.text
    assert same(other, load(tmp_path / "out"))


def test_what_is_there_is_not_touched(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileExistsError, match=r"mine: holds files already \(letter.txt\)"):
        trained.save_pretrained(tmp_path / "mine")
    with pytest.raises(FileExistsError, match="file: is there already"):
        trained.save_pretrained(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    trained.save_pretrained(tmp_path / "empty")
    assert len(list((tmp_path / "empty").iterdir())) == len(FILES)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]


def test_a_folder_is_whole_or_not_there(tmp_path: Path) -> None:
    def stopped() -> None:
        with new_folder(tmp_path / "a" / "out") as folder:
            (folder / "one").write_text("1")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        stopped()
    assert list((tmp_path / "a").iterdir()) == []


def test_it_is_pushed_and_fetched(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for the hub."""

    class Api:
        def __init__(self, token: Any = None) -> None: ...

        def create_repo(self, repo_id: str, **_: Any) -> Any:
            return SimpleNamespace(repo_id=repo_id)

        def upload_folder(self, *, repo_id: str, folder_path: Path, **_: Any) -> str:
            shutil.copytree(folder_path, tmp_path / "hub" / repo_id)
            return "commit"

    def download(repo_id: str, *, allow_patterns: list[str], **_: Any) -> str:
        assert set(FILES) <= set(allow_patterns)
        return str(tmp_path / "hub" / repo_id)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.hub_mixin.HfApi", Api)
    monkeypatch.setattr(hub, "snapshot_download", download)
    assert trained.push_to_hub("me/liaf") == "commit"
    assert sorted(path.name for path in (tmp_path / "hub" / "me" / "liaf").iterdir()) == FILES
    assert same(trained, Trained.from_pretrained("me/liaf"))
    assert trained.save_pretrained(tmp_path / "b", push_to_hub=True, repo_id="me/b") == "commit"

    path = tmp_path / "hub" / "me" / "liaf" / "config.json"
    content = json.loads(path.read_text())
    content["config"]["model"]["name"] = "subprocess:Popen"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="only models with a registered name are loaded"):
        Trained.from_pretrained("me/liaf")


def test_without_the_hub_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="local"):
        Trained.from_pretrained("me/nothing", local_files_only=True, cache_dir=tmp_path)


def test_configuration_and_card_are_the_runs(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be None"):
        trained.save_pretrained(tmp_path / "out", config={"a": 1})  # type: ignore[arg-type]


def test_a_configuration_cannot_ask_for_more_than_the_file_has(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["config"]["hidden_size"] = 10**6
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="not the weights of this model"):
        Trained.from_pretrained(folder)
