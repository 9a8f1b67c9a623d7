"""The official names of the 20 bAbI tasks and of their files (bAbI v1.2, arXiv:1502.05698)."""

from __future__ import annotations

__all__ = ["SPACE_BEFORE_TAB", "SPLITS", "TASK_NAMES", "check_task", "file_name"]

TASK_NAMES: dict[int, str] = {
    1: "single-supporting-fact",
    2: "two-supporting-facts",
    3: "three-supporting-facts",
    4: "two-arg-relations",
    5: "three-arg-relations",
    6: "yes-no-questions",
    7: "counting",
    8: "lists-sets",
    9: "simple-negation",
    10: "indefinite-knowledge",
    11: "basic-coreference",
    12: "conjunction",
    13: "compound-coreference",
    14: "time-reasoning",
    15: "basic-deduction",
    16: "basic-induction",
    17: "positional-reasoning",
    18: "size-reasoning",
    19: "path-finding",
    20: "agents-motivations",
}
"""The number of a task and its name in the official file names."""

SPLITS = ("train", "test", "valid")
"""The parts of the data; ``valid`` is in the variants that have it."""

SPACE_BEFORE_TAB = frozenset({1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14})
"""Tasks whose official files have a space between the question mark and the tab."""


def check_task(task: int) -> int:
    """The task's number; ValueError unless it is 1 to 20.

    >>> check_task(7)
    7
    """
    if isinstance(task, bool) or not isinstance(task, int) or task not in TASK_NAMES:
        raise ValueError(f"task must be a whole number from 1 to 20, got {task!r}")
    return task


def file_name(task: int, split: str) -> str:
    """The official name of a task's file.

    >>> file_name(15, "train")
    'qa15_basic-deduction_train.txt'
    """
    check_task(task)
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    return f"qa{task}_{TASK_NAMES[task]}_{split}.txt"
