"""Tasks: what the layers are trained and compared on, and everything that is written once for all of them.

``load`` gives a trained network from a run folder, ``compare`` runs a study, ``compare_suite`` one over
several tasks.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from liafseq.tasks.study.api import compare
    from liafseq.tasks.study.suite import compare_suite
    from liafseq.tasks.training.trained import Trained, load

__all__ = ["Trained", "compare", "compare_suite", "load"]

NEEDED = (
    "filelock", "jinja2", "lightning_fabric", "matplotlib", "platformdirs", "pydantic", "rich", "safetensors",
    "scipy", "typer",
)  # fmt: skip
"""The modules of the extra ``study`` that every task needs: looked for, not imported, which is slow."""

if missing := [name for name in NEEDED if find_spec(name) is None]:
    raise ImportError(
        "the tasks and the command line need the extra 'study': pip install 'liafseq[study]' "
        f"(missing: {', '.join(missing)})"
    )


def __getattr__(name: str) -> Any:
    # torch is imported at the first use: the command line answers without it
    if name == "compare":
        from liafseq.tasks.study.api import compare

        return compare
    if name == "compare_suite":
        from liafseq.tasks.study.suite import compare_suite

        return compare_suite
    if name in ("Trained", "load"):
        from liafseq.tasks.training import trained

        return getattr(trained, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
