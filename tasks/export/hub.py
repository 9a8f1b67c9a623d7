"""A trained network as a folder for the Hugging Face hub.

The folder holds ``model.safetensors``, ``config.json``, ``data.json`` (vocabulary, classes), ``result.json``
and ``README.md``, the model card. :func:`liafseq.tasks.load` and the commands read it as they read a run's.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import PyTorchModelHubMixin, snapshot_download

from liafseq.tasks.storage.files import new_folder, read_json, write_atomic, write_json
from liafseq.tasks.training.folder import CONFIG, DATA, RESULT, WEIGHTS, intact, weights_file

if TYPE_CHECKING:
    from liafseq.tasks.results import Outcome
    from liafseq.tasks.training.trained import Trained

__all__ = ["CARD", "OnHub", "write_folder"]

CARD = "README.md"
FILES = [CONFIG, DATA, RESULT, WEIGHTS, CARD]


class OnHub(PyTorchModelHubMixin, library_name="liafseq"):
    """``save_pretrained``, ``from_pretrained`` and ``push_to_hub`` of a trained network."""

    def __new__(cls, *_: Any, **__: Any) -> OnHub:
        # The mixin's own would keep the arguments as the configuration; a run has one.
        return object.__new__(cls)

    def save_pretrained(  # type: ignore[override]
        self: Any,
        save_directory: str | Path,
        *,
        repo_id: str | None = None,
        push_to_hub: bool = False,
        config: None = None,
        model_card_kwargs: None = None,
        **push_to_hub_kwargs: Any,
    ) -> str | None:
        """Writes a folder for the hub: weights, configuration, vocabulary, scores and a model card.

        Args:
            save_directory: the folder: not there, or empty.
            repo_id: where it is pushed; by default the folder's name.
            push_to_hub: whether it is pushed too.
            config, model_card_kwargs: None: both follow from the run.
            push_to_hub_kwargs: arguments of ``push_to_hub``.

        Returns:
            The address of the commit, if it is pushed.

        Raises:
            FileExistsError: there is something in the folder.
            ValueError: ``config`` or ``model_card_kwargs``.
        """
        if config is not None or model_card_kwargs is not None:
            raise ValueError("config and model_card_kwargs must be None: both are made from the run")
        folder = write_folder(self, Path(save_directory))
        if not push_to_hub:
            return None
        return str(self.push_to_hub(repo_id or folder.name, **push_to_hub_kwargs))

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        force_download: bool = False,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        revision: str | None = None,
    ) -> Trained:
        """The trained network of a folder, or of a model of the hub, ``OWNER/NAME``.

        Nothing is unpickled. A model of the hub may name a layer of an installed package, as ``liafseq
        models`` lists them, but no class by its path: that would import what a stranger names.

        Args:
            pretrained_model_name_or_path: the folder or the model; a folder that is there comes first.
            force_download, token, cache_dir, local_files_only, revision: of ``snapshot_download``.

        Raises:
            FileNotFoundError: the folder is none of a trained network.
            ValueError: a damaged file, or a class named by its path.
            OSError: the hub has no such model, or is not reached.
        """
        from liafseq.tasks.training.trained import load

        if Path(pretrained_model_name_or_path).is_dir():
            return load(pretrained_model_name_or_path)
        folder = snapshot_download(
            str(pretrained_model_name_or_path), revision=revision, cache_dir=cache_dir, token=token,
            force_download=force_download, local_files_only=local_files_only, allow_patterns=FILES,
        )  # fmt: skip
        _check_model(Path(folder))
        return load(folder)


def write_folder(trained: Trained, path: Path) -> Path:
    """Writes a trained network as a folder for the hub, whole or not at all.

    Scores are told only of the weights that the run has scored: not of a run that has not finished, nor of
    a network that was trained further.

    Raises:
        FileExistsError: there is something at this place.
    """
    from liafseq.tasks.export.card import card
    from liafseq.tasks.storage.checkpoint import save_tensors

    outcome = _scored(trained)
    about = read_json(trained.folder / CONFIG)
    with new_folder(path) as folder:
        save_tensors(folder / WEIGHTS, trained.network.state_dict(), {"epoch": trained.epoch})
        write_json(folder / CONFIG, about)
        write_json(folder / DATA, trained.data.kept())
        if outcome is not None:
            outcome.write(folder / RESULT)
        write_atomic(folder / CARD, card(trained, outcome, about.get("versions", {})))
    return path


def _scored(trained: Trained) -> Outcome | None:
    """The scores of these very weights, if there are any."""
    import torch

    from liafseq.tasks.storage.checkpoint import load_tensors

    outcome = intact(trained.folder)
    if outcome is None:
        return None
    of_run, _ = load_tensors(weights_file(trained.folder))
    own = trained.network.state_dict()
    same = own.keys() == of_run.keys() and all(torch.equal(own[name].cpu(), of_run[name]) for name in own)
    return outcome if same else None


def _check_model(folder: Path) -> None:
    """Sees that a downloaded configuration names its model by a registered name."""
    content = read_json(folder / CONFIG)
    config = content.get("config") if isinstance(content, dict) else None
    model = config.get("model") if isinstance(config, dict) else None
    name = model.get("name") if isinstance(model, dict) else model
    if not isinstance(name, str) or ":" in name or "." in name:
        raise ValueError(
            f"{folder / CONFIG}: the model is {name!r}; of the hub only models with a registered name are "
            "loaded. If you trust it: liafseq.tasks.load of this folder"
        )
