"""What holds for all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

if not torch.cuda.is_available():
    # Triton settles at its import whether its functions are compiled or interpreted; torch imports it, too.
    os.environ.setdefault("TRITON_INTERPRET", "1")

if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    # The workers share the cores. What needs more threads asks for them.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # The event camera's loops are compiled by numba, whose cache on disk is not made for processes that write
    # at the same time. Set before anything imports numba.
    folder = Path(__file__).parent.parent / ".pytest_cache" / f"numba-{worker}"
    os.environ.setdefault("NUMBA_CACHE_DIR", str(folder))


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIAFSEQ_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
