from __future__ import annotations

import os
from pathlib import Path

# numba's cache on disk is not made for processes that write at the same time: each worker of
# pytest-xdist has its own. Set before anything imports numba.
if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    folder = Path(__file__).parent.parent / ".pytest_cache" / f"numba-{worker}"
    os.environ.setdefault("NUMBA_CACHE_DIR", str(folder))
