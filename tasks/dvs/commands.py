"""``liafseq data dvs``: show, inspect and download recordings."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from liafseq.tasks.commands import FORCE_HELP, field_option, named_by_options, see_free
from liafseq.tasks.dvs.config import DvsConfig

if TYPE_CHECKING:
    from liafseq.tasks.dvs.events import Recordings

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)


def _option(name: str) -> Any:
    return field_option(DvsConfig, name, "recordings")


Data = Annotated[str, _option("data")]
DataDir = Annotated[str | None, _option("data_dir")]
DataOptions = Annotated[list[str] | None, _option("data_options")]
Seed = Annotated[int, _option("data_seed")]
Split = Annotated[str, typer.Option("--split", help="Which recordings.", metavar="train|test")]

DATA: str = DvsConfig.model_fields["data"].default


@app.callback()
def _dvs() -> None:
    """Recordings of event cameras: generated, or from the folder of a published data set.

    Example: liafseq data dvs show --data gestures --index 3 --out gesture.png
    """


@app.command("show")
def show(
    data: Data = DATA,
    data_dir: DataDir = None,
    data_option: DataOptions = None,
    index: Annotated[int, typer.Option("--index", "-n", help="Which recording, from 0.", min=0)] = 0,
    split: Split = "train",
    seed: Seed = 0,
    steps: Annotated[int, typer.Option("--steps", help="Frames of the picture.", min=1, max=64)] = 8,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write a picture, PNG.", metavar="FILE")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help=FORCE_HELP)] = False,
) -> None:
    """Print one recording in numbers, and draw its events over time where --out is given.

    Example: liafseq data dvs show --data digits --index 7 --out digit.png
    """
    if out is not None:
        see_free([out], force)
    recordings = _open(data, split, data_dir, data_option, seed)
    if index >= len(recordings):
        raise ValueError(f"--index: {data} has recordings 0 to {len(recordings) - 1}, got {index}")
    from liafseq.tasks.dvs.pictures import describe, recording_picture

    events = recordings[index]
    name = recordings.classes[int(recordings.labels[index])]
    width, height = recordings.sensor
    print(f"{recordings.title(index)}: class {name}, {width} x {height} pixels")
    for key, value in describe(events, recordings.sensor).items():
        number = f"{value:,.4g}" if isinstance(value, float) else f"{value:,}"
        print(f"{key.replace('_', ' ')}: {number}")
    if out is not None:
        from liafseq.tasks.storage.files import write_atomic

        title = f"{recordings.title(index)}: {name}"
        picture = recording_picture(events, recordings.sensor, title, steps=steps)
        print(f"Written: {write_atomic(out, picture)}")


@app.command("inspect")
def inspect(
    data: Data = DATA,
    data_dir: DataDir = None,
    data_option: DataOptions = None,
    split: Split = "train",
    seed: Seed = 0,
) -> None:
    """Read every recording and count recordings and events by class; report what is malformed.

    Exit code 2 where something is missing or malformed.

    Example: liafseq data dvs inspect --data nmnist --data-dir N-MNIST --split test
    """
    import numpy as np

    from liafseq.tasks.dvs.events import check_events
    from liafseq.tasks.report.table import Table

    recordings = _open(data, split, data_dir, data_option, seed)
    events: dict[int, list[int]] = {label: [] for label in range(len(recordings.classes))}
    durations: dict[int, list[float]] = {label: [] for label in events}
    wrong = []
    for index, label in enumerate(recordings.labels.tolist()):
        try:
            found = recordings[index]
            check_events(found, recordings.sensor, recordings.title(index))
        except (ValueError, OSError) as error:
            wrong.append(" ".join(str(error).split()))
            continue
        events[label].append(len(found))
        durations[label].append((int(found["t"][-1]) - int(found["t"][0])) / 1000 if len(found) else 0.0)
    rows = tuple(
        (
            recordings.classes[label],
            f"{len(counts):,}",
            f"{sum(counts):,}",
            f"{np.mean(counts):,.0f}",
            f"{min(counts):,}",
            f"{max(counts):,}",
            f"{np.mean(durations[label]):,.0f}",
        )
        for label, counts in events.items()
        if counts
    )
    if rows:
        header = ("class", "recordings", "events", "mean", "fewest", "most", "mean ms")
        print(Table(header, rows).plain())
        total = sum(map(sum, events.values()))
        print(f"{sum(map(len, events.values())):,} recordings, {total:,} events.")
    for line in wrong:
        print(f"liafseq: {line}", file=sys.stderr)
    if wrong:
        raise typer.Exit(2)


@app.command("download")
def download(
    data: Annotated[
        str, typer.Option("--data", help="nmnist, cifar10-dvs or dvs128-gesture.", metavar="NAME")
    ],
    out: Annotated[str, typer.Option("--out", "-o", help="Folder for the data set.", metavar="FOLDER")],
) -> None:
    """Fetch a published data set with tonic (pip install 'liafseq[tonic]').

    The folder is new, empty, or one into which this command has fetched before.

    Example: liafseq data dvs download --data dvs128-gesture --out data/gesture
    """
    from liafseq.tasks.dvs.published.download import download as fetch

    if not out.strip():
        raise ValueError("--out: must name a folder, got an empty text")
    try:
        print(f"Downloaded: {fetch(data, out)}")
    except ImportError as error:
        raise ValueError(str(error)) from error


def _open(data: str, split: str, data_dir: str | None, options: list[str] | None, seed: int) -> Recordings:
    """A split as a run with these fields reads it."""
    if split not in ("train", "test"):
        raise ValueError(f"--split: expected train or test, got {split!r}")
    from liafseq.tasks.dvs.data import open_split

    with named_by_options(DvsConfig):
        values: dict[str, Any] = {"data": data, "data_dir": data_dir, "data_options": options or ()}
        return open_split(DvsConfig(**values, data_seed=seed), split)
