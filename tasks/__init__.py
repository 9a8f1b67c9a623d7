"""Tasks: what the layers are trained and compared on, and everything that is written once for all of them.

``load`` gives a trained network from a run folder, ``compare`` runs a study, ``compare_suite`` one over
several tasks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from liafseq.tasks.study.api import compare
    from liafseq.tasks.study.suite import compare_suite
    from liafseq.tasks.training.run import Trained, load

__all__ = ["Trained", "compare", "compare_suite", "load"]


def __getattr__(name: str) -> Any:
    # torch is imported at the first use: the command line answers without it
    if name == "compare":
        from liafseq.tasks.study.api import compare

        return compare
    if name == "compare_suite":
        from liafseq.tasks.study.suite import compare_suite

        return compare_suite
    if name in ("Trained", "load"):
        from liafseq.tasks.training import run

        return getattr(run, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
