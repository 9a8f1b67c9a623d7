"""Ways to call the command: in this process, and as the process that a person starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from liafseq.cli.main import app
from liafseq.tasks.execution import engines

from ..tasks.here import here


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Calls the command in this process, runs of studies too; the result has exit_code, stdout, stderr."""
    monkeypatch.setattr(engines, "run_jobs", here)

    def run(*arguments: object) -> Any:
        return CliRunner().invoke(app, list(map(str, arguments)), prog_name="liafseq")

    return run


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts the command as a process in ``tmp_path``."""

    def run(*arguments: object, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "liafseq.cli.main", *map(str, arguments)],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
            # Where the tests run in a shell's background, it is ignored, and a child would ignore it too.
            preexec_fn=None if os.name == "nt" else lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    return run
