"""The commands that repeat a study."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

__all__ = ["commands", "study_command"]

# Fields of a bAbI run whose option has another name; the others are named as their field.
_NAMES = {"num_layers": "layers", "kind": "model-kind"}
_OWN = {"model", "tasks", "seed", "options", "story_options", "hidden_size"}
# Fields that no option sets, with the only values that the command gives them.
_FIXED = {"roles": 2, "heads": 8, "score_test": True}


def commands(results: Mapping[str, Any]) -> list[str | list[str]]:
    """Paragraphs, and lists of commands."""
    words = study_command(results)
    runs = [row["run"] for row in results["runs"] if row["status"] == "finished" and row.get("run")]
    found: list[str | list[str]] = []
    if words is None:
        found.append(
            "The command of this study was not recorded. config.json in each run's folder holds all of "
            "that run's settings."
        )
    else:
        found.append(
            "The study, with the versions above. Stopped at any moment, the same command goes on where it "
            "was. On another machine the figures may differ in the last digits, and with them single answers."
        )
        found.append([shlex.join([*words, "--out", "repeated"])])
    found.append("This report again, and what one network holds while it reads its first test example:")
    again = ["liafseq report FOLDER"]
    again += [f"liafseq show {shlex.quote('FOLDER/' + runs[0])} --example 0"] if runs else []
    found.append(again)
    return found


def study_command(results: Mapping[str, Any]) -> list[str] | None:
    """The words of the command that repeats a study, without ``--out``; None where it is not known.

    Results that do not hold it, of an older version or of a study started from Python, are turned back
    into a command where they are of bAbI.
    """
    if results.get("command"):
        return [str(word) for word in results["command"]]
    settings = results["settings"]
    if "questions" not in settings or not results["runs"]:
        return None
    if any(settings.get(name, value) != value for name, value in _FIXED.items()):
        return None
    return _from_settings(results)


def _from_settings(results: Mapping[str, Any]) -> list[str]:
    settings, rows = results["settings"], results["runs"]
    models = list(dict.fromkeys(row["model"] for row in rows))
    tasks = sorted({task for row in rows for task in row["tasks"]})
    seeds = sorted({row["seed"] for row in rows})
    words = ["liafseq", "compare", "babi", "--models", ",".join(models)]
    words += ["--tasks", ",".join(map(str, tasks)), "--seeds", str(len(seeds)), "--seed", str(seeds[0])]
    words += ["--joint"] if any(len(row["tasks"]) > 1 for row in rows) else []
    if "hidden_size" in settings:
        words += ["--hidden-size", str(settings["hidden_size"])]
    else:
        words += ["--hidden-size", str(rows[0]["hidden_size"]), "--match", "params"]
    for name, value in settings.items():
        if name not in _OWN and name not in _FIXED and value is not None and value is not False:
            option = _NAMES.get(name, name).replace("_", "-")
            words += [f"--{option}"] if value is True else [f"--{option}", str(value)]
    for name, value in (settings.get("story_options") or {}).items():
        words += ["--story", f"{name}={value}"]
    for model in models:
        row = next(row for row in rows if row["model"] == model)
        own = {**(settings.get("options") or {}), **((row.get("settings") or {}).get("options") or {})}
        for name, value in own.items():
            words += ["--option", f"{model}:{name}={_text(value)}"]
    return words


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(map(_text, value))
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
