"""``liafseq train dvs`` and ``liafseq data dvs``: recordings of event cameras."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from liafseq.cli import dvs_options as d
from liafseq.cli import options as o
from liafseq.cli.train import train_here
from liafseq.tasks.dvs.config import DvsRun
from liafseq.tasks.models import check_model, model_names

if TYPE_CHECKING:
    from liafseq.tasks.dvs.events import Recordings

__all__ = ["data_app", "train"]

data_app = typer.Typer(no_args_is_help=True)

SplitOption = Annotated[str, typer.Option("--split", help="Which recordings.", metavar="train|test")]


def train(
    model: Annotated[
        str, typer.Option("--model", "-m", help=", ".join(model_names("dvs")) + ".", metavar="NAME")
    ] = DvsRun.model,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Run folder; by default runs/ and a name of its own.", metavar="FOLDER"
        ),
    ] = None,
    data: d.Data = DvsRun.data,
    data_dir: d.DataDir = None,
    data_option: d.DataOptions = None,
    recordings: d.RecordingCount = DvsRun.recordings,
    test_recordings: d.TestRecordings = DvsRun.test_recordings,
    valid_fraction: d.ValidFraction = DvsRun.valid_fraction,
    data_seed: d.DataSeed = DvsRun.data_seed,
    compress: d.Compress = DvsRun.compress,
    steps: d.Steps = DvsRun.steps,
    step_us: d.StepUs = DvsRun.step_us,
    tau_us: d.TauUs = DvsRun.tau_us,
    pool: d.Pool = DvsRun.pool,
    channels: d.Channels = d.CHANNELS,
    kernel_size: d.KernelSize = DvsRun.kernel_size,
    normalization: d.Normalization = DvsRun.normalization,
    synapse: d.Synapse = DvsRun.synapse,
    hidden_size: d.HiddenSize = DvsRun.hidden_size,
    layers: d.Layers = DvsRun.num_layers,
    head: d.Head = DvsRun.head,
    aggregate: d.Aggregate = DvsRun.aggregate,
    dropout: o.Dropout = DvsRun.dropout,
    option: o.NeuronOptions = None,
    shift: d.Shift = DvsRun.shift,
    turn: d.Turn = DvsRun.turn,
    zoom: d.Zoom = DvsRun.zoom,
    epochs: d.Epochs = DvsRun.epochs,
    batch_size: d.BatchSize = DvsRun.batch_size,
    learning_rate: o.LearningRate = DvsRun.learning_rate,
    weight_decay: o.WeightDecay = DvsRun.weight_decay,
    schedule: o.Schedule = DvsRun.schedule,
    warmup: o.Warmup = DvsRun.warmup,
    clip: o.Clip = DvsRun.clip,
    patience: o.Patience = DvsRun.patience,
    seed: o.Seed = DvsRun.seed,
    device: o.Device = DvsRun.device,
    devices: o.Devices = DvsRun.devices,
    precision: o.Precision = DvsRun.precision,
    threads: o.Threads = DvsRun.threads,
) -> None:
    """Train one model on the recordings of an event camera and evaluate it on the test recordings.

    The run folder holds config.json, metrics.jsonl, checkpoint.safetensors and result.json. Stopped at any
    moment, the same command goes on where it was.

    Example: liafseq train dvs --model conv-liaf --data nmnist --data-dir N-MNIST --steps 6
    """
    given = dict(locals())
    check_model(model, "dvs")
    neuron = o.parse_neuron_options(option, [model], "dvs")
    run = d.build_dvs_run(given, model=model, options=neuron[model])
    o.check_device(run)
    folder = o.make_folder(out if out is not None else Path("runs") / run.key())
    from liafseq.tasks.dvs.adapter import run as train_run

    result = train_here(train_run, run, folder)
    if result is None:
        return
    from liafseq.cli.progress import print_table
    from liafseq.tasks.costs import cost_columns

    header, [cells] = cost_columns([result])
    print_table(["model", run.data, *header], [[run.model, f"{100 * result['mean_accuracy']:.1f}", *cells]])
    print(
        f"Test accuracy in percent of {result['recordings']['test']:,} recordings in {result['steps']:g} "
        f"steps; {result['parameters']:,} weights; best epoch {result['best_epoch']}."
    )
    print(f"Run folder: {folder}")


@data_app.callback()
def _data() -> None:
    """Recordings of event cameras: generated, or from the folder of a published data set.

    Example: liafseq data dvs show --data gestures --index 3 --out gesture.png
    """


@data_app.command("show")
def show(
    data: d.Data = DvsRun.data,
    data_dir: d.DataDir = None,
    data_option: d.DataOptions = None,
    index: Annotated[int, typer.Option("--index", "-n", help="Which recording, from 0.", min=0)] = 0,
    split: SplitOption = "train",
    seed: d.DataSeed = DvsRun.data_seed,
    steps: Annotated[int, typer.Option("--steps", help="Frames of the picture.", min=1, max=64)] = 8,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write a picture, PNG.", metavar="FILE")
    ] = None,
) -> None:
    """Print one recording in numbers, and draw its events over time where --out is given.

    Example: liafseq data dvs show --data digits --index 7 --out digit.png
    """
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


@data_app.command("inspect")
def inspect(
    data: d.Data = DvsRun.data,
    data_dir: d.DataDir = None,
    data_option: d.DataOptions = None,
    split: SplitOption = "train",
    seed: d.DataSeed = DvsRun.data_seed,
) -> None:
    """Read every recording and count recordings and events by class; report what is malformed.

    Exit code 2 where something is missing or malformed.

    Example: liafseq data dvs inspect --data nmnist --data-dir N-MNIST --split test
    """
    import sys

    import numpy as np

    from liafseq.cli.progress import print_table
    from liafseq.tasks.dvs.events import check_events

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
    rows = [
        [
            recordings.classes[label],
            f"{len(counts):,}",
            f"{sum(counts):,}",
            f"{np.mean(counts):,.0f}",
            f"{min(counts):,}",
            f"{max(counts):,}",
            f"{np.mean(durations[label]):,.0f}",
        ]
        for label, counts in events.items()
        if counts
    ]
    if rows:
        print_table(["class", "recordings", "events", "mean", "fewest", "most", "mean ms"], rows)
        total = sum(map(sum, events.values()))
        print(f"{sum(map(len, events.values())):,} recordings, {total:,} events.")
    for line in wrong:
        print(f"liafseq: {line}", file=sys.stderr)
    if wrong:
        raise typer.Exit(2)


@data_app.command("download")
def download(
    data: Annotated[
        str, typer.Option("--data", help="nmnist, cifar10-dvs or dvs128-gesture.", metavar="NAME")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the data set.", metavar="FOLDER")],
) -> None:
    """Fetch a published data set with tonic (pip install 'liafseq[tonic]').

    Example: liafseq data dvs download --data dvs128-gesture --out data/gesture
    """
    o.make_folder(out)
    from liafseq.tasks.dvs.published.download import download as fetch

    print(f"Downloaded: {fetch(data, out)}")


def _open(data: str, split: str, data_dir: Path | None, options: list[str] | None, seed: int) -> Recordings:
    from liafseq.tasks.dvs.names import GENERATED
    from liafseq.tasks.dvs.sources import open_recordings

    if split not in ("train", "test"):
        raise ValueError(f"--split: expected train or test, got {split!r}")
    if data in GENERATED and data_dir is not None:
        raise ValueError(f"--data-dir is for published data sets; {data} is generated")
    named = o.parse_pairs(options or (), "--data-option")
    return open_recordings(data, split, data_dir, seed=seed, **named)
