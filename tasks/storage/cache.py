"""Where liafseq keeps what can be made again."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_dir

__all__ = ["cache_folder"]


def cache_folder(folder: str | os.PathLike[str] | None = None) -> Path:
    """The folder for what can be made again; it may not be there yet.

    ``folder`` itself where it is given; else the environment variable ``LIAFSEQ_CACHE``; else the
    user's cache folder as the system has it: on Linux ``liafseq`` in ``XDG_CACHE_HOME``, which is
    ``~/.cache`` where it is not set.

    >>> cache_folder("somewhere").name
    'somewhere'
    """
    chosen = folder or os.environ.get("LIAFSEQ_CACHE") or user_cache_dir("liafseq", appauthor=False)
    return Path(chosen).expanduser()
