"""Results of studies that were never run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from liafseq.tasks.statistics import compare_pairs
from liafseq.tasks.study import summarise

LEVELS = {"liaf": 0.90, "lif": 0.80, "gru": 0.91}
HOSTILE = 'ValueError: <script>alert("x")</script> & a | b `c` *d*'


def cost(model: str) -> dict[str, Any]:
    energy = {"liaf": 4_000.0, "lif": 900.0, "gru": 13_000.0}[model]
    return {
        "samples": 64, "parameters": 20_000, "weights": 19_000, "dense_macs": 9e5, "macs": 8e5, "acs": 1e5,
        "neuron_ops": 5.0, "energy_nj": energy, "dense_energy_nj": 2 * energy, "crossing_rate": 0.2,
        "firing_rate": None, "energy_model": {"mac_pj": 4.6, "ac_pj": 0.9}, "uncounted": {},
    }  # fmt: skip


def made_up(
    tasks: list[Any] | None = None, *, seeds: int = 3, costs: bool = True, failed: bool = False
) -> dict[str, Any]:
    """The content of a results.json of liaf, lif and gru."""
    tasks = [1, 6, 12] if tasks is None else tasks
    kind = "questions" if isinstance(tasks[0], int) else "recordings"
    rows = []
    for seed in range(seeds):
        for at, task in enumerate(tasks):
            for model, level in LEVELS.items():
                accuracy = round(level - 0.1 * at + 0.004 * ((seed * 7 + at * 3 + len(model)) % 5), 3)
                test = {str(task): 1_000} if kind == "questions" else 1_000
                row = {
                    "run": f"{model}-{task}-s{seed}", "model": model, "tasks": [task], "seed": seed,
                    "hidden_size": 64, "status": "finished", "accuracy": {str(task): accuracy},
                    "mean_accuracy": accuracy, "parameters": 20_000 + 38_000 * (model == "gru") + at,
                    kind: {"train": 900, "valid": 100, "test": test},
                    "settings": {"model": model, "tasks": [task], "seed": seed},
                    "time": {"train_seconds": 10.0 + seed},
                }  # fmt: skip
                rows.append(row | ({"cost": cost(model)} if costs else {}))
    if failed:
        kept = {key: rows[-1][key] for key in ("run", "model", "tasks", "seed", "hidden_size", "settings")}
        rows[-1] = {**kept, "status": "failed", "error": HOSTILE}
    settings: dict[str, Any] = {"epochs": 10, "batch_size": 64, "learning_rate": 0.003, "hidden_size": 64}
    if kind == "questions":
        settings |= {"source": "generated", "variant": "en-10k", "questions": 1_000, "data_seed": 0}
    else:
        settings |= {"recordings": 0, "compress": "synapse", "steps": 6, "channels": [16, 32]}
    return {
        "settings": settings,
        "versions": {"python": "3.11.7", "liafseq": "0.1.0"},
        "runs": rows,
        "summary": summarise(rows),
        "pairwise": compare_pairs(rows),
        "baseline": {str(task): 0.2 for task in tasks},
        "command": None,
        "time": {"seconds": 100.0, "jobs": 2},
    }


def write_study(folder: Path, results: dict[str, Any], epochs: int = 3) -> Path:
    """A study's folder: results.json, and metrics.jsonl of each run."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results), encoding="utf-8")
    for row in results["runs"]:
        (folder / row["run"]).mkdir(exist_ok=True)
        accuracy = row.get("mean_accuracy", 0.5)
        lines = [
            {"epoch": n, "loss": 1.0, "valid_loss": 1.0, "valid_accuracy": accuracy * n / epochs}
            for n in range(1, epochs + 1)
        ]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / row["run"] / "metrics.jsonl").write_text(text, encoding="utf-8")
    return folder
