"""Outcomes and runs that were never computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from liafseq.tasks.results import Cost, Counts, Outcome, Run, RunTime, Score


def score(accuracy: float, count: int = 100) -> Score:
    return Score(count=count, loss=0.5, metrics={"accuracy": accuracy})


def outcome(
    model: str,
    seed: int,
    test: Mapping[str, float],
    *,
    valid: float = 0.5,
    cost: Cost | None = None,
    **fields: Any,
) -> Outcome:
    """The outcome with these test accuracies by part."""
    parts = tuple(test)
    counts = Counts(train=90, valid=10, test=dict.fromkeys(parts, 100))
    values: dict[str, Any] = {
        "parts": parts, "best_epoch": 1, "epochs_run": 1, "parameters": 100, "examples": counts, "facts": {},
        "time": RunTime(train_seconds=1.0),
    }  # fmt: skip
    scores = {part: score(value) for part, value in test.items()}
    return Outcome(
        model=model, seed=seed, test=scores, valid=score(valid, 10), cost=cost, **(values | fields)
    )


def run_of(model: str, seed: int, test: Mapping[str, float | None], **fields: Any) -> Run:
    """A run with these test accuracies by part; one that failed where one is None."""
    good = {part: value for part, value in test.items() if value is not None}
    done = len(good) == len(test)
    return Run(
        key=f"{model}-{'-'.join(test)}-s{seed}",
        model=model,
        name=model,
        parts=tuple(test),
        seed=seed,
        hidden_size=8,
        settings={},
        outcome=outcome(model, seed, good, **fields) if done else None,
        error=None if done else "x",
    )
