"""``liafseq compare dvs``: several models head-to-head on the recordings of an event camera."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from liafseq.cli import dvs_options as d
from liafseq.cli import options as o
from liafseq.cli.head_to_head import head_to_head
from liafseq.tasks.dvs.config import DvsRun
from liafseq.tasks.models import is_spiking_convolution, model_names

__all__ = ["DEFAULTS", "compare_dvs", "plan"]

DEFAULTS: dict[str, Any] = {
    "models": "conv-liaf,conv-lif,conv-dalif,conv-lstm,conv3d,gru",
    "data": DvsRun.data,
    "epochs": DvsRun.epochs,
    "recordings": DvsRun.recordings,
}
"""What ``liafseq compare dvs`` does without options: a few minutes on two cores."""

RUNNER = "liafseq.tasks.dvs.adapter:run"


def compare_dvs(
    models: Annotated[
        str, typer.Option("--models", "-m", help=f"Models, or all: {', '.join(model_names('dvs'))}.")
    ] = DEFAULTS["models"],
    seeds: Annotated[int, typer.Option("--seeds", help="Runs of each model, seeds 0, 1, ...", min=1)] = 1,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", help="Processes at a time; by default 2, or 1 on one core.", min=1),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the study and its runs.", metavar="FOLDER")
    ] = Path("runs/compare-dvs"),
    data: d.Data = DEFAULTS["data"],
    data_dir: d.DataDir = None,
    data_option: d.DataOptions = None,
    recordings: d.RecordingCount = DEFAULTS["recordings"],
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
    epochs: d.Epochs = DEFAULTS["epochs"],
    batch_size: d.BatchSize = DvsRun.batch_size,
    learning_rate: o.LearningRate = DvsRun.learning_rate,
    weight_decay: o.WeightDecay = DvsRun.weight_decay,
    schedule: o.Schedule = DvsRun.schedule,
    warmup: o.Warmup = DvsRun.warmup,
    clip: o.Clip = DvsRun.clip,
    patience: o.Patience = DvsRun.patience,
    seed: o.Seed = DvsRun.seed,
    search: o.Searched = 0,
    device: o.Device = DvsRun.device,
    devices: o.Devices = DvsRun.devices,
    nodes: o.Nodes = DvsRun.nodes,
    precision: o.Precision = DvsRun.precision,
    threads: o.Threads = DvsRun.threads,
    engine: o.Engine = "local",
    ray_address: o.RayAddress = "auto",
) -> None:
    """Train and evaluate several models on the same event recordings, head-to-head.

    Prints a table of accuracy, weights and operations, and writes results.json, report.html, report.md,
    table.md, plots and a folder for each run. Stopped at any moment, the same command goes on where it
    was. With --search each model's settings are searched first, by validation accuracy. Without
    options: the default comparison on generated recordings, a few minutes.

    Example: liafseq compare dvs --data gestures --models conv-liaf,conv-lstm,conv3d --seeds 3
    """
    from liafseq.cli.repeat import command_words

    given = dict(locals())
    head_to_head(
        given,
        lambda: plan(given),
        command=lambda _: command_words(compare_dvs, given, "compare dvs"),
        baseline=_baseline,
        runner=RUNNER,
    )


def plan(given: Mapping[str, Any]) -> list[DvsRun]:
    """The runs of the command's parameters: by seed, then model."""
    models = o.parse_models(given["models"], "dvs")
    neuron = o.parse_neuron_options(given["option"], models, "dvs")
    return [
        d.build_dvs_run(
            given,
            model=model,
            seed=given["seed"] + seed,
            options=neuron[model],
            synapse=given["synapse"] and is_spiking_convolution(model),
        )
        for seed in range(given["seeds"])
        for model in models
    ]


def _baseline(runs: Sequence[DvsRun]) -> dict[str, float]:
    """What the most frequent training class scores; opening the data also finds what is wrong with it
    before any run begins."""
    import numpy as np

    from liafseq.tasks.dvs.data import open_split

    run = runs[0]
    train, test = open_split(run, "train"), open_split(run, "test")
    common = int(np.bincount(train.labels).argmax())
    return {run.data: float((test.labels == common).mean())}
