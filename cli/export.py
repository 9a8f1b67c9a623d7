"""``liafseq export``: a trained network in a form that others read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["FORMATS", "export"]

FORMATS = {
    "": "liafseq.tasks.export.hub:write_folder",
    ".onnx": "liafseq.tasks.export.onnx:write_trained",
}
"""How the name of what is written ends, and what writes it: a function of the trained network and the path,
imported where it is used. No ending: a folder."""


def export(
    run: Annotated[
        Path, typer.Argument(help="A run folder, or an exported one.", metavar="RUN", show_default=False)
    ],
    to: Annotated[
        Path,
        typer.Option(
            "--to", help="What is written: a folder, or a file .onnx; nothing may be there.", metavar="PATH"
        ),
    ],
) -> None:
    """Write a trained network as a folder for the Hugging Face hub, or as an ONNX file.

    The folder holds model.safetensors, config.json, data.json, result.json and README.md, a model card made
    from the run; evaluate, predict and show read it as they read a run. An ONNX file takes any number of
    sequences and steps.

    Example: liafseq export runs/liaf-qa1-s0-1a2b3c4d --to exported
    """
    from liafseq.tasks.execution.worker import resolve
    from liafseq.tasks.storage.files import check_new
    from liafseq.tasks.training.folder import read_config

    suffix = to.suffix.lower()
    if suffix not in FORMATS and suffix[1:].isalpha():
        known = ", ".join(["a folder", *(f"a file {name}" for name in FORMATS if name)])
        raise ValueError(f"--to: no format {suffix!r}; what can be written is {known}")
    check_new(to)
    read_config(run)
    from liafseq.tasks.training.trained import load

    try:
        path = resolve(FORMATS.get(suffix, FORMATS[""]))(load(run), to)
    except ModuleNotFoundError as error:  # an extra that is not installed; its text says which
        raise ValueError(f"--to: {error}") from error
    print(f"Written: {path}")
