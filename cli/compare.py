"""``liafseq compare``: several models head-to-head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from liafseq.cli import options as o
from liafseq.cli.head_to_head import head_to_head
from liafseq.tasks.babi.config import BabiRun

__all__ = ["DEFAULTS", "app", "plan"]

DEFAULTS: dict[str, Any] = {
    "models": "liaf,lif,dalif,gru,lstm,rnn",
    "tasks": "1,6,12",
    "questions": 10_000,
    "test_questions": 1_000,
    "hidden_size": BabiRun.hidden_size,
    "batch_size": BabiRun.batch_size,
    "learning_rate": BabiRun.learning_rate,
}
"""What ``liafseq compare babi`` does without options: a few minutes on two cores."""

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _compare() -> None:
    """Train and evaluate several models on the same questions; table, plots, report.

    Example: liafseq compare babi --models liaf,gru --tasks 1,6 --seeds 3
    """


@app.command("babi")
def babi(
    models: Annotated[
        str, typer.Option("--models", "-m", help="Models, or all: liaf, lif, dalif, mlif, rnn, gru, lstm.")
    ] = DEFAULTS["models"],
    seeds: Annotated[
        int, typer.Option("--seeds", help="Runs of each model and task, seeds 0, 1, ...", min=1)
    ] = 1,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            help="Runs at a time; by default 2, or 1 on one core; with Ray as many as there is room for.",
            min=1,
        ),
    ] = None,
    match: Annotated[
        str,
        typer.Option(
            "--match",
            help="hidden: the same hidden size for all; params: as many weights, within 2%, as the first "
            "model has with --hidden-size.",
            metavar="hidden|params",
        ),
    ] = "hidden",
    joint: Annotated[
        bool, typer.Option("--joint", help="One model for all tasks instead of one each.")
    ] = False,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the study and its runs.", metavar="FOLDER")
    ] = Path("runs/compare-babi"),
    tasks: o.Tasks = DEFAULTS["tasks"],
    source: o.Source = BabiRun.source,
    variant: o.Variant = BabiRun.variant,
    questions: o.Questions = DEFAULTS["questions"],
    test_questions: o.TestQuestions = DEFAULTS["test_questions"],
    valid_fraction: o.ValidFraction = BabiRun.valid_fraction,
    data_seed: o.DataSeed = BabiRun.data_seed,
    story: o.Stories = None,
    hidden_size: o.HiddenSize = DEFAULTS["hidden_size"],
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
    batch_size: o.BatchSize = DEFAULTS["batch_size"],
    learning_rate: o.LearningRate = DEFAULTS["learning_rate"],
    weight_decay: o.WeightDecay = BabiRun.weight_decay,
    schedule: o.Schedule = BabiRun.schedule,
    warmup: o.Warmup = None,
    clip: o.Clip = BabiRun.clip,
    patience: o.Patience = None,
    seed: o.Seed = BabiRun.seed,
    search: o.Searched = 0,
    search_tasks: o.SearchTasks = None,
    device: o.Device = BabiRun.device,
    devices: o.Devices = BabiRun.devices,
    nodes: o.Nodes = BabiRun.nodes,
    precision: o.Precision = BabiRun.precision,
    threads: o.Threads = BabiRun.threads,
    engine: o.Engine = "local",
    ray_address: o.RayAddress = "auto",
) -> None:
    """Train and evaluate several models on the same bAbI questions, head-to-head.

    Prints a table and writes results.json, report.html, report.md, table.md, plots and a folder for each
    run. Stopped at any moment, the same command goes on where it was; what is finished is not
    repeated, what failed is tried again. With --search each model's settings are searched first, by
    validation accuracy. Without options: the default comparison, a few minutes.

    Example: liafseq compare babi --models liaf,lif,gru --tasks 1,6 --seeds 3 --jobs 2
    """
    from liafseq.cli.repeat import command_words
    from liafseq.tasks.babi.stories.names import TASK_NAMES
    from liafseq.tasks.study import BABI_RUNNER

    given = dict(locals())
    head_to_head(
        given,
        lambda: plan(given),
        command=lambda runs: command_words(babi, given | {"epochs": runs[0].epochs}, "compare babi"),
        baseline=_baseline,
        runner=BABI_RUNNER,
        settle=_match if match == "params" else None,
        titles=TASK_NAMES,
    )


def plan(given: Mapping[str, Any]) -> list[BabiRun]:
    """The runs of the command's parameters: by seed, then task, then model, so that a table can be
    read early."""
    models, tasks = o.parse_models(given["models"]), o.parse_tasks(given["tasks"])
    if given["match"] not in ("hidden", "params"):
        raise ValueError(f"--match: expected hidden or params, got {given['match']!r}")
    neuron = o.parse_neuron_options(given["option"], models)
    groups = [tasks] if given["joint"] else [(task,) for task in tasks]
    return [
        o.build_run(given, model=model, tasks=group, seed=given["seed"] + seed, options=neuron[model])
        for seed in range(given["seeds"])
        for group in groups
        for model in models
    ]


def _match(runs: Sequence[BabiRun]) -> list[BabiRun]:
    """The runs with hidden sizes that give each as many weights as the first model has."""
    from dataclasses import replace

    from liafseq.tasks.babi.adapter import count_parameters, match_parameters

    first = runs[0].model
    targets: dict[tuple[int, ...], int] = {}
    sizes: dict[tuple[str, tuple[int, ...]], int] = {}
    matched = []
    for run in runs:
        key = (run.model, run.tasks)
        if run.model == first and run.tasks not in targets:
            targets[run.tasks] = count_parameters(run)
            sizes[key] = run.hidden_size
        if key not in sizes:
            sizes[key] = match_parameters(run, targets[run.tasks]).hidden_size
        matched.append(replace(run, hidden_size=sizes[key]))
    return matched


def _baseline(runs: Sequence[BabiRun]) -> dict[str, float]:
    """What the most frequent training answer scores; reading the data also finds what is wrong with
    it before any run begins."""
    from liafseq.tasks.babi.stories.survey import majority_accuracy

    run = runs[0]
    return {
        str(task): majority_accuracy(
            task,
            run.source,
            variant=run.variant,
            questions=run.questions,
            test_questions=run.test_questions,
            seed=run.data_seed,
            options=dict(run.story_options),
        )
        for task in sorted({task for run in runs for task in run.tasks})
    }
