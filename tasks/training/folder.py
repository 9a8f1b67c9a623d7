"""A run's folder: claimed for a run, read again, what can be made again is."""

from __future__ import annotations

import logging
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from liafseq.tasks import task as tasks
from liafseq.tasks.config import Config, replace
from liafseq.tasks.results import Outcome
from liafseq.tasks.storage.files import read_json, write_atomic, write_json
from liafseq.tasks.training.log import METRICS, Epoch, log_text, read_log

__all__ = ["CONFIG", "DATA", "LOG", "RESULT", "WEIGHTS", "claim",
           "finished", "intact", "kept", "read_config", "torch_for", "weights_file"]  # fmt: skip

CONFIG, RESULT, DATA = "config.json", "result.json", "data.json"
CHECKPOINT, RESUME = "checkpoint.safetensors", "resume.safetensors"
WEIGHTS = "model.safetensors"
"""The weights in an exported folder, by the name that the Hugging Face hub knows."""

OWN = {CONFIG, RESULT, DATA, METRICS, RESUME, CHECKPOINT, "error.txt", ".lock", "log"}
"""What a run writes."""

LOG = logging.getLogger("liafseq")
"""Tells what was repaired; a study's workers pass it on to the command that started them."""


def claim(folder: Path, task: str, config: Config) -> None:
    """Makes a run's folder and its ``config.json``, or sees that the folder is of this very run.

    A folder whose run never reached a checkpoint may be used again with other settings. A damaged
    ``config.json`` is made again where the folder's name tells that it is of this run.

    Raises:
        ValueError: the folder is of another run, a study or other files, or its configuration is damaged.
        OSError: the folder cannot be made or written to.
    """
    check_free(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / CONFIG).exists() and not _made_again(folder, config):
        there_task, there = read_config(folder)
        if (there_task.name, there) == (task, config):
            return
        if (folder / RESUME).exists() or (folder / RESULT).exists():
            raise ValueError(
                f"{folder}: holds another run: {_difference(there_task.name, there, task, config)}; give "
                "another folder, or delete it"
            )
        for name in (DATA, METRICS):  # of a run that never reached a checkpoint
            (folder / name).unlink(missing_ok=True)
    about = {
        "task": task,
        "config": config.to_json(),
        # a later version may have others
        "defaults": config.model.defaults,
        "versions": versions(),
    }
    write_json(folder / CONFIG, about)


def check_free(folder: Path) -> None:
    """Sees that a folder is a run's, empty, or not there; ValueError where it holds something else."""
    if not folder.is_dir() or (folder / CONFIG).exists():
        return
    foreign = sorted(
        path.name for path in folder.iterdir() if path.name not in OWN and not path.name.startswith(".")
    )
    if foreign:
        what = "a study" if {"results.json", "suite.json"} & set(foreign) else f"other files ({foreign[0]})"
        raise ValueError(f"{folder}: holds {what}, not a run; give another folder")


def _difference(theirs_task: str, there: Config, task: str, config: Config) -> str:
    if theirs_task != task:
        return f"of task {theirs_task!r} (asked: {task!r})"
    ours, theirs = config.to_json(), there.to_json()
    if (there.model.name, there.model.label) == (config.model.name, config.model.label):
        # the options one by one, as the model has them
        del ours["model"], theirs["model"]
        ours |= config.model.defaults | dict(config.model.options)
        theirs |= there.model.defaults | dict(there.model.options)
    differ = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
    return ", ".join(f"{name} {theirs.get(name)!r} (asked: {ours.get(name)!r})" for name in differ)


def _made_again(folder: Path, config: Config) -> bool:
    """Whether ``config.json`` is damaged, and may be made again: the name has a hash of the run."""
    try:
        read_json(folder / CONFIG)
    except ValueError as error:
        if folder.name == config.key():
            LOG.warning("%s; made again", error)
            return True
    return False


def finished(folder: Path) -> Outcome | None:
    """The result of a finished run; None where the run has not finished.

    What can be made again is, and told of: a damaged ``result.json`` counts as none, so that the run
    is evaluated again; a damaged ``metrics.jsonl`` is written from ``resume.safetensors``.
    """
    if not (folder / RESULT).exists():
        return None
    outcome = _outcome(folder)
    if outcome is None:
        LOG.warning("%s: damaged; the run is evaluated again", folder / RESULT)
        return None
    try:
        read_log(folder / METRICS)
    except (OSError, ValueError) as error:
        from liafseq.tasks.storage.checkpoint import read_state

        try:
            lines = [Epoch(**line) for line in read_state(folder / RESUME)["log"]]
        except (OSError, ValueError, TypeError, KeyError):
            LOG.warning("%s; not to be made again without %s", error, RESUME)
        else:
            write_atomic(folder / METRICS, log_text(lines))
            LOG.warning("%s; made again from %s", error, RESUME)
    return outcome


def intact(folder: Path) -> Outcome | None:
    """The result of a finished run none of whose small files is damaged; None otherwise. Needs no torch."""
    outcome = _outcome(folder)
    if outcome is None:
        return None
    try:
        if (folder / CONFIG).exists():
            read_json(folder / CONFIG)
        if (folder / METRICS).exists():
            read_log(folder / METRICS)
    except (OSError, ValueError):
        return None
    return outcome


def kept(folder: Path, config: Config) -> Outcome | None:
    """The result of a finished run, as :func:`intact` gives it, if it is of this very configuration.

    The folder's name tells the options that were given; the defaults of the others may have changed.
    """
    outcome = intact(folder)
    if outcome is None or not (folder / CONFIG).exists():
        return outcome
    try:
        return outcome if read_config(folder)[1] == config else None
    except ValueError:
        return None


def _outcome(folder: Path) -> Outcome | None:
    try:
        return Outcome.read(folder / RESULT)
    except (OSError, ValueError):
        return None


def read_config(folder: str | Path) -> tuple[tasks.Task[Any, Any], Any]:
    """The task and the configuration of a run folder.

    A default of the model's options that was another when the run was made is among the options.

    Raises:
        FileNotFoundError: the folder is no run folder.
        ValueError: its ``config.json`` is damaged, or of a task that is not installed.
    """
    path = Path(folder) / CONFIG
    if not path.is_file():
        raise FileNotFoundError(f"{folder}: not a run folder: it has no {CONFIG}")
    content = read_json(path)
    if not (isinstance(content, Mapping) and isinstance(content.get("task"), str) and "config" in content):
        raise ValueError(f"{path}: not the configuration of a run")
    try:
        task = tasks.find(content["task"])
        config = task.Config.from_json(content["config"])
        model = config.model.with_defaults(content.get("defaults", {}))
        return task, config if model == config.model else replace(config, model=model)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def weights_file(folder: Path) -> Path:
    """The weights of a run's folder, or of an exported one."""
    return folder / WEIGHTS if (folder / WEIGHTS).is_file() else folder / CHECKPOINT


def versions() -> dict[str, str]:
    """The versions that a run depends on."""
    found = {"python": platform.python_version()}
    for package in ("liafseq", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found


@contextmanager
def torch_for(config: Config) -> Iterator[None]:
    """torch with a run's ``threads``; random state and threads are the caller's again after it."""
    import torch

    threads = torch.get_num_threads()
    devices = [torch.cuda.current_device()] if config.device != "cpu" and torch.cuda.is_available() else []
    torch.set_num_threads(config.threads)
    try:
        with torch.random.fork_rng(devices):
            yield
    finally:
        torch.set_num_threads(threads)
