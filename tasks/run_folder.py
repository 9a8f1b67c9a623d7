"""What every adapter does with a run's folder: claim it, read its configuration; and torch for a run."""

from __future__ import annotations

import json
import logging
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

from liafseq.tasks.metrics import METRICS, read_metrics
from liafseq.tasks.storage.files import read_json, write_atomic, write_json

__all__ = ["CONFIG", "LOG", "RESULT", "claim", "finished", "intact", "read_config", "run_task", "torch_for"]

CONFIG, RESULT = "config.json", "result.json"
LOG = logging.getLogger("liafseq")
"""Tells what was repaired; a study's workers pass it on to the command that started them."""
Config = TypeVar("Config")


def claim(folder: Path, task: str, config: Any) -> None:
    """Makes a run's folder and its ``config.json``, or checks that the folder is of this very run.

    Args:
        folder: of the run.
        task: the adapter, ``"babi"`` or ``"dvs"``.
        config: the run, a dataclass with ``to_json`` and ``from_json``.

    A damaged ``config.json`` is made again where the folder's name tells that it is of this run.

    Raises:
        ValueError: the folder is of another run, or its configuration is damaged.
        OSError: the folder cannot be made or written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / CONFIG).exists() and not _made_again(folder, config):
        there = read_config(folder, task, type(config).from_json)
        if there != config:
            ours, theirs = config.to_json(), there.to_json()
            differ = [name for name in ours if ours[name] != theirs[name]]
            what = ", ".join(f"{name} {theirs[name]!r} (asked: {ours[name]!r})" for name in differ)
            raise ValueError(f"{folder}: holds another run: {what}; give another folder, or delete it")
        return
    write_json(folder / CONFIG, {"task": task, "config": config.to_json(), "versions": _versions()})


def _made_again(folder: Path, config: Any) -> bool:
    """Whether ``config.json`` is damaged, and may be made again: the name has a hash of the run."""
    try:
        read_json(folder / CONFIG)
    except ValueError as error:
        if folder.name == config.key():
            LOG.warning("%s; made again", error)
            return True
    return False


def finished(folder: Path) -> dict[str, Any] | None:
    """The result of a finished run; None where the run has not finished.

    What can be made again is, and told of: a damaged ``result.json`` counts as none, so that the run
    is evaluated again; a damaged ``metrics.jsonl`` is written from ``resume.safetensors``.
    """
    if not (folder / RESULT).exists():
        return None
    result = _result(folder)
    if result is None:
        LOG.warning("%s: damaged; the run is evaluated again", folder / RESULT)
        return None
    try:
        read_metrics(folder / METRICS)
    except (OSError, ValueError) as error:
        from liafseq.tasks.storage.checkpoint import read_state

        try:
            lines = read_state(folder / "resume.safetensors")["metrics"]
        except (OSError, ValueError, TypeError, KeyError):
            LOG.warning("%s; not to be made again without resume.safetensors", error)
        else:
            write_atomic(folder / METRICS, "".join(json.dumps(line) + "\n" for line in lines))
            LOG.warning("%s; made again from resume.safetensors", error)
    return result


def intact(folder: Path) -> dict[str, Any] | None:
    """The result of a finished run none of whose small files is damaged; None otherwise. Needs no torch."""
    result = _result(folder)
    if result is None:
        return None
    try:
        for name, read in ((CONFIG, read_json), (METRICS, read_metrics)):
            if (folder / name).exists():
                read(folder / name)
    except (OSError, ValueError):
        return None
    return result


def _result(folder: Path) -> dict[str, Any] | None:
    try:
        result = read_json(folder / RESULT)
    except (OSError, ValueError):
        return None
    return result if isinstance(result, dict) and "accuracy" in result else None


def run_task(folder: str | Path) -> str:
    """The adapter whose run a folder holds.

    Raises:
        FileNotFoundError: the folder is no run folder.
        ValueError: its ``config.json`` is damaged.
    """
    path = Path(folder) / CONFIG
    if not path.is_file():
        raise FileNotFoundError(f"{folder}: not a run folder: it has no {CONFIG}")
    content = read_json(path)
    if not isinstance(content, Mapping) or not isinstance(content.get("task"), str):
        raise ValueError(f"{path}: not the configuration of a run")
    return content["task"]


def read_config(folder: str | Path, task: str, from_json: Callable[[Any], Config]) -> Config:
    """The configuration of a run folder.

    Raises:
        FileNotFoundError: the folder is no run folder.
        ValueError: its ``config.json`` is damaged or of another adapter's run.
    """
    path = Path(folder) / CONFIG
    if not path.is_file():
        raise FileNotFoundError(f"{folder}: not a run folder: it has no {CONFIG}")
    content = read_json(path)
    if not isinstance(content, Mapping) or content.get("task") != task or "config" not in content:
        named = {"babi": "bAbI"}.get(task, task)
        raise ValueError(f"{path}: not the configuration of a {named} run")
    try:
        return from_json(content["config"])
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("liafseq", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found


@contextmanager
def torch_for(config: Any) -> Iterator[None]:
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
