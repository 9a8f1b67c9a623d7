"""``liafseq train``: one model, one run folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from liafseq.cli import options as o
from liafseq.tasks.babi.config import BabiRun
from liafseq.tasks.models import check_model
from liafseq.tasks.nodes import first_process

__all__ = ["app", "train_here"]

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _train() -> None:
    """Train one model and evaluate it on the test questions.

    Example: liafseq train babi --model liaf --tasks 1
    """


@app.command("babi")
def babi(
    model: Annotated[
        str, typer.Option("--model", "-m", help="liaf, lif, dalif, mlif, rnn, gru or lstm.", metavar="NAME")
    ] = BabiRun.model,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Run folder; by default runs/ and a name of its own.", metavar="FOLDER"
        ),
    ] = None,
    tasks: o.Tasks = "1",
    source: o.Source = BabiRun.source,
    variant: o.Variant = BabiRun.variant,
    questions: o.Questions = BabiRun.questions,
    test_questions: o.TestQuestions = BabiRun.test_questions,
    valid_fraction: o.ValidFraction = BabiRun.valid_fraction,
    data_seed: o.DataSeed = BabiRun.data_seed,
    story: o.Stories = None,
    hidden_size: o.HiddenSize = BabiRun.hidden_size,
    embedding_size: o.EmbeddingSize = None,
    model_kind: o.ModelKind = BabiRun.kind,
    hops: o.Hops = BabiRun.hops,
    attention: o.Attention = BabiRun.attention,
    layers: o.Layers = BabiRun.num_layers,
    dropout: o.Dropout = BabiRun.dropout,
    bidirectional: o.Bidirectional = BabiRun.bidirectional,
    readout: o.Readout = BabiRun.readout,
    option: o.NeuronOptions = None,
    vectors: o.Vectors = None,
    epochs: o.Epochs = None,
    batch_size: o.BatchSize = BabiRun.batch_size,
    learning_rate: o.LearningRate = BabiRun.learning_rate,
    weight_decay: o.WeightDecay = BabiRun.weight_decay,
    schedule: o.Schedule = BabiRun.schedule,
    warmup: o.Warmup = None,
    clip: o.Clip = BabiRun.clip,
    patience: o.Patience = None,
    seed: o.Seed = BabiRun.seed,
    device: o.Device = BabiRun.device,
    devices: o.Devices = BabiRun.devices,
    nodes: o.Nodes = BabiRun.nodes,
    precision: o.Precision = BabiRun.precision,
    threads: o.Threads = BabiRun.threads,
) -> None:
    """Train one model on bAbI questions and evaluate it on the test questions.

    Several tasks are learnt jointly, by one model. The run folder holds config.json, metrics.jsonl,
    checkpoint.safetensors and result.json. Stopped at any moment, the same command goes on where it was.
    Started by torchrun, its processes share the run.

    Example: liafseq train babi --model liaf --tasks 1 --epochs 10 --option decay=0.05
    """
    given = o.with_torchrun(dict(locals()))
    check_model(model, "babi")
    neuron = o.parse_neuron_options(option, [model])
    run = o.build_run(given, model=model, tasks=o.parse_tasks(tasks), options=neuron[model])
    o.check_device(run)
    folder = o.make_folder(out if out is not None else Path("runs") / run.key())
    from liafseq.tasks.babi.adapter import run as train

    result = train_here(train, run, folder)
    if result is None:
        return
    header = [f"task {task}" for task in result["accuracy"]]
    row = [f"{100 * value:.1f}" for value in result["accuracy"].values()]
    if len(row) > 1:
        header, row = [*header, "mean"], [*row, f"{100 * result['mean_accuracy']:.1f}"]
    from liafseq.cli.progress import print_table

    print_table(["model", *header], [[run.model, *row]])
    print(f"Test accuracy in percent; {result['parameters']:,} weights; best epoch {result['best_epoch']}.")
    print(f"Run folder: {folder}")


def train_here(train: Callable[..., dict[str, Any]], run: Any, folder: Path) -> dict[str, Any] | None:
    """Trains by an adapter's ``run`` in this process; None in the helper processes of several devices,
    which print nothing."""
    from liafseq.cli.progress import TrainProgress, resumable
    from liafseq.tasks.storage.lock import folder_lock

    try:
        if not first_process():
            train(run, folder)
            return None
        # Ten seconds: a command that was killed a moment ago may still be going away.
        with resumable(), folder_lock(folder, wait=10.0), TrainProgress(run) as progress:
            return train(run, folder, progress=progress)
    except (ArithmeticError, RuntimeError) as error:
        if os.environ.get("LIAFSEQ_DEBUG"):
            raise
        text = " ".join(f"{error}".split())
        print(f"liafseq: the run failed: {type(error).__name__}: {text}", file=sys.stderr)
        raise typer.Exit(1) from None
