"""Lays out the package as it is installed, so that its docstrings are read without importing it.

``tasks/`` and ``cli/`` stand beside ``liafseq/`` and are installed inside it; in ``build/package`` they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def on_config(config: Any) -> Any:
    inside = ROOT / "build" / "package" / "liafseq"
    inside.mkdir(parents=True, exist_ok=True)
    for old in inside.iterdir():
        old.unlink()
    for path in [*(ROOT / "liafseq").iterdir(), ROOT / "tasks", ROOT / "cli"]:
        link = inside / path.name
        if path.name != "__pycache__" and not link.is_symlink():
            link.symlink_to(path)
    return config
