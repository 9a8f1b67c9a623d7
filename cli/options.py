"""The options that several commands share."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from liafseq.cli.values import parse_models, parse_neuron_options, parse_pairs, parse_tasks
from liafseq.tasks.babi.config import PRESETS, BabiRun
from liafseq.tasks.nodes import elastic

__all__ = [
    "build_run",
    "check_device",
    "cores",
    "make_engine",
    "make_folder",
    "make_search",
    "option",
    "parse_models",
    "parse_neuron_options",
    "parse_pairs",
    "parse_tasks",
    "with_torchrun",
]

DATA, NETWORK, TRAINING, MACHINE = "Data", "Network", "Training", "Machine"


def option(name: str, panel: str, help: str, **more: Any) -> Any:
    """An option of a command, under a heading of its help."""
    return typer.Option(name, help=help, rich_help_panel=panel, **more)


# Data
Tasks = Annotated[
    str, option("--tasks", DATA, "bAbI tasks, 1 to 20: numbers, ranges, or all.", metavar="1,4-6")
]
Source = Annotated[
    str,
    option(
        "--source", DATA, "generated, hub, or the path of the published folder or archive.", metavar="SOURCE"
    ),
]
Variant = Annotated[
    str, option("--variant", DATA, "Part of the published data: en, en-10k, hn, shuffled, ...")
]
Questions = Annotated[int, option("--questions", DATA, "Training questions a task, validation included.")]
TestQuestions = Annotated[int, option("--test-questions", DATA, "Test questions a task.")]
ValidFraction = Annotated[
    float, option("--valid-fraction", DATA, "Part of the training questions held out for validation.")
]
DataSeed = Annotated[int, option("--data-seed", DATA, "Seed of the generator and of the validation part.")]
Stories = Annotated[
    list[str] | None,
    option(
        "--story",
        DATA,
        "Generated stories: people, objects, places or statements. Repeatable.",
        metavar="NAME=N",
    ),
]

# Network
ModelKind = Annotated[
    str,
    option(
        "--model-kind",
        NETWORK,
        "plain: one layer reads the story word by word. story: hops over its sentences, with attention.",
        metavar="plain|story",
    ),
]
Hops = Annotated[int, option("--hops", NETWORK, "Hops over the sentences (--model-kind story).")]
Attention = Annotated[
    str,
    option(
        "--attention",
        NETWORK,
        "To the nearest matching sentences, or unordered, so that the recurrent layer alone knows the order "
        "(--model-kind story).",
        metavar="nearest|unordered",
    ),
]
HiddenSize = Annotated[int, option("--hidden-size", NETWORK, "Units of each recurrent layer.")]
EmbeddingSize = Annotated[
    int | None,
    option(
        "--embedding-size",
        NETWORK,
        f"Size of the word vectors; by default {BabiRun.embedding_size}, "
        f"with --model-kind story {PRESETS['story']['embedding_size']}.",
    ),
]
Layers = Annotated[int, option("--layers", NETWORK, "Recurrent layers on top of one another.")]
Dropout = Annotated[float, option("--dropout", NETWORK, "Dropout probability.")]
Bidirectional = Annotated[bool, option("--bidirectional", NETWORK, "Read the story in both directions.")]
Readout = Annotated[
    str,
    option(
        "--readout", NETWORK, "What answers: the last output, the membrane (LSTM: cell), or both.",
        metavar="output|membrane|both",
    ),
]  # fmt: skip
NeuronOptions = Annotated[
    list[str] | None,
    option(
        "--option",
        NETWORK,
        "Neuron option, for one model or, without MODEL:, for all spiking ones; as decay=0.05, "
        "liaf:activation=relu, lif:decay=0.5,0.9. Repeatable.",
        metavar="MODEL:NAME=VALUE",
    ),
]
Vectors = Annotated[
    str | None, option("--vectors", NETWORK, "Text file of pretrained word vectors.", metavar="FILE")
]

# Training
Epochs = Annotated[
    int | None,
    option(
        "--epochs",
        TRAINING,
        f"Passes over the training questions; by default {BabiRun.epochs}, "
        f"with --model-kind story at most {PRESETS['story']['epochs']}.",
    ),
]
BatchSize = Annotated[int, option("--batch-size", TRAINING, "Questions a step.")]
LearningRate = Annotated[float, option("--learning-rate", TRAINING, "Step size of Adam.")]
WeightDecay = Annotated[float, option("--weight-decay", TRAINING, "Weight decay of Adam.")]
Schedule = Annotated[
    str, option("--schedule", TRAINING, "Learning rate over time.", metavar="cosine|constant")
]
Warmup = Annotated[
    float | None,
    option(
        "--warmup",
        TRAINING,
        f"Part of all steps in which the learning rate rises; by default {BabiRun.warmup}, "
        f"with --model-kind story {PRESETS['story']['warmup']}.",
    ),
]
Clip = Annotated[float, option("--clip", TRAINING, "Largest norm of the gradient; 0: no clipping.")]
Patience = Annotated[
    int | None,
    option(
        "--patience",
        TRAINING,
        "Epochs without a better validation accuracy before a stop; 0: never stop. By default 0, "
        f"with --model-kind story {PRESETS['story']['patience']}.",
    ),
]
Seed = Annotated[int, option("--seed", TRAINING, "Seed of weights, batches and dropout.")]

# Machine
Device = Annotated[str, option("--device", MACHINE, "cpu, cuda, mps, or auto.")]
Devices = Annotated[
    int, option("--devices", MACHINE, "Devices of a machine that share a run, a process each.")
]
Nodes = Annotated[
    int,
    option(
        "--nodes",
        MACHINE,
        "Machines that share a run; the same command on each, by torchrun or with NODE_RANK, MASTER_ADDR and "
        "MASTER_PORT set.",
    ),
]
Precision = Annotated[str, option("--precision", MACHINE, "32-true, bf16-mixed, 16-mixed, 64-true, ...")]
Threads = Annotated[int, option("--threads", MACHINE, "CPU threads of torch in each process.")]

Engine = Annotated[
    str,
    option(
        "--engine",
        MACHINE,
        "Where the runs are done: in processes here, or on a Ray cluster that shares the study's folder.",
        metavar="local|ray",
    ),
]
RayAddress = Annotated[
    str,
    option(
        "--ray-address",
        MACHINE,
        "The Ray cluster: auto (the one of this machine), local (started for this command), or HOST:PORT.",
        metavar="ADDRESS",
    ),
]

# Search
Searched = Annotated[
    int,
    option(
        "--search",
        TRAINING,
        "Configurations tried for each model, the given one first; the best by validation accuracy is used. "
        "0: no search.",
        metavar="N",
    ),
]
SearchTasks = Annotated[
    str | None,
    option(
        "--search-tasks",
        TRAINING,
        "Tasks on which --search tries its configurations; by default all of the study.",
        metavar="TASKS",
    ),
]


def build_run(given: Mapping[str, Any], **changes: Any) -> BabiRun:
    """The run of a command's parameters, errors in the names of the options."""
    renamed = {
        **given,
        "kind": given["model_kind"],
        "num_layers": given["layers"],
        "story_options": parse_pairs(given["story"] or (), "--story"),
    }
    values = {field.name: renamed[field.name] for field in fields(BabiRun) if field.name in renamed}
    # What was not said is as the kind of model wants it.
    preset = PRESETS.get(given["model_kind"], {})
    values = {
        name: preset.get(name, getattr(BabiRun, name)) if value is None and name != "vectors" else value
        for name, value in values.items()
    }
    values.update(changes)
    for name in ("source", "vectors"):
        # The run must be the same whatever folder it is continued from.
        if values[name] not in (None, "generated", "hub"):
            values[name] = str(Path(values[name]).expanduser().absolute())
            if not Path(values[name]).exists():
                raise FileNotFoundError(f"--{name}: no such file or folder: {values[name]}")
    try:
        return BabiRun(**values)
    except (TypeError, ValueError) as error:
        field, space, rest = str(error).partition(" ")
        if field in given or field in ("num_layers", "kind"):
            option = {"num_layers": "layers", "kind": "model-kind"}.get(field, field.replace("_", "-"))
            raise ValueError(f"--{option}{space}{rest}") from error
        raise


def make_engine(engine: str, ray_address: str) -> Any:
    """What does a study's runs; ValueError, in the names of the options, where it cannot be had."""
    from liafseq.tasks.engines import ENGINES, engine_of

    if engine not in ENGINES:
        raise ValueError(f"--engine: expected {' or '.join(ENGINES)}, got {engine!r}")
    if engine == "local" and ray_address != "auto":
        raise ValueError("--ray-address: is for --engine ray")
    try:
        return engine_of(engine, ray_address=ray_address)
    except ImportError as error:
        raise ValueError(f"--engine: {error}") from error


def make_search(configurations: int, tasks: tuple[int, ...] | None = None) -> Any:
    """The search of ``--search N``, on some tasks or all; None for 0.

    The learning rate, dropout and the neuron options are searched; sizes are what a study compares at.
    """
    if not configurations:
        return None
    from liafseq.tasks.search import Among, LogUniform, Search

    if configurations < 2:
        raise ValueError(
            f"--search: expected 0, or at least 2 configurations, of which the first is the given one; "
            f"got {configurations}"
        )
    space = {"learning_rate": LogUniform(1e-3, 1e-2), "dropout": Among((0.0, 0.1, 0.3))}
    return Search(configurations, space, tasks=tasks)


def with_torchrun(given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a command, with torchrun's devices and nodes where it was started by torchrun."""
    size = elastic()
    if size is None or (given["devices"], given["nodes"]) != (1, 1):
        return dict(given)
    return {**given, "devices": size[0], "nodes": size[1]}


def check_device(run: BabiRun) -> None:
    """Sees that this machine has what the run asks for; ValueError where not."""
    if (run.device, run.precision, run.devices, run.nodes) != ("cpu", "32-true", 1, 1):
        from liafseq.tasks.launch import make_fabric

        make_fabric(run.device, run.precision, run.devices, run.nodes)


def make_folder(path: Path, option: str = "--out") -> Path:
    """Makes a folder and sees that files can be written there, before any work is done."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(f"{option}: cannot write into the folder {path}: {reason}") from error
    return path


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
