"""The options of the commands for event cameras, and how their values are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

from liafseq.cli.options import DATA, NETWORK, TRAINING, option, parse_pairs
from liafseq.tasks.dvs.config import DvsRun
from liafseq.tasks.dvs.names import DATA_SETS

__all__ = ["CHANNELS", "build_dvs_run", "parse_channels"]

COMPRESSION = "Compression"
CHANNELS = ",".join(map(str, DvsRun.channels))

# Data
Data = Annotated[str, option("--data", DATA, f"The data set: {', '.join(DATA_SETS)}.", metavar="NAME")]
DataDir = Annotated[
    Path | None,
    option(
        "--data-dir", DATA, "Folder of a published data set, as its authors publish it.", metavar="FOLDER"
    ),
]
DataOptions = Annotated[
    list[str] | None,
    option(
        "--data-option",
        DATA,
        "Option of the data set, such as motion=slow (digits) or scale=8 (mnist-dvs). Repeatable.",
        metavar="NAME=VALUE",
    ),
]
RecordingCount = Annotated[
    int, option("--recordings", DATA, "Training recordings, validation included; 0: all.")
]
TestRecordings = Annotated[int, option("--test-recordings", DATA, "Test recordings; 0: all.")]
ValidFraction = Annotated[
    float, option("--valid-fraction", DATA, "Part of the training recordings held out for validation.")
]
DataSeed = Annotated[
    int, option("--data-seed", DATA, "Seed of generated recordings, of splits and of the validation part.")
]

# Compression
Compress = Annotated[
    str,
    option(
        "--compress",
        COMPRESSION,
        "time, count: frames of equal time or number of events; voxel: bilinear in time; synapse: "
        "spatio-temporal compression.",
        metavar="time|count|voxel|synapse",
    ),
]
Steps = Annotated[int, option("--steps", COMPRESSION, "Time steps T of every recording; 0 with --step-us.")]
StepUs = Annotated[
    int,
    option("--step-us", COMPRESSION, "Microseconds a step, so that T grows with the recording; 0: --steps."),
]
TauUs = Annotated[
    float, option("--tau-us", COMPRESSION, "Time constant of --compress synapse in microseconds.")
]
Pool = Annotated[int, option("--pool", COMPRESSION, "Add up blocks of this many pixels a side.")]

# Network
Channels = Annotated[str, option("--channels", NETWORK, "Maps of each convolutional block.", metavar="16,32")]
KernelSize = Annotated[int, option("--kernel-size", NETWORK, "Side of the convolutions' kernels; odd.")]
Normalization = Annotated[
    str, option("--normalization", NETWORK, "After each convolution.", metavar="batch|none")
]
Synapse = Annotated[
    bool,
    option("--synapse", NETWORK, "Synaptic blocks: a learned exponential synapse behind each convolution."),
]
HiddenSize = Annotated[
    int, option("--hidden-size", NETWORK, "Units of the recurrent models over flattened frames.")
]
Layers = Annotated[int, option("--layers", NETWORK, "Recurrent layers on top of one another.")]
Head = Annotated[
    str,
    option(
        "--head", NETWORK, "What answers: all pixels of the last maps, or their mean.", metavar="flat|mean"
    ),
]
Aggregate = Annotated[
    str, option("--aggregate", NETWORK, "Over the steps, before the head.", metavar="mean|last|max")
]

# Training
Shift = Annotated[
    int, option("--shift", TRAINING, "Training recordings are moved by up to so many pixels by chance.")
]
Turn = Annotated[float, option("--turn", TRAINING, "They are turned by up to so many degrees by chance.")]
Zoom = Annotated[
    float, option("--zoom", TRAINING, "They are enlarged or made smaller by up to this part by chance.")
]
Epochs = Annotated[int, option("--epochs", TRAINING, "Passes over the training recordings.")]
BatchSize = Annotated[int, option("--batch-size", TRAINING, "Recordings a step.")]


def parse_channels(text: str) -> tuple[int, ...]:
    """Numbers of maps from ``16,32``.

    >>> parse_channels("16, 32")
    (16, 32)
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        raise ValueError(f"--channels: expected whole numbers such as 16,32, got {text!r}")
    return tuple(map(int, parts))


def build_dvs_run(given: Mapping[str, Any], **changes: Any) -> DvsRun:
    """The run of a command's parameters, errors in the names of the options."""
    renamed = {
        **given,
        "num_layers": given["layers"],
        "channels": parse_channels(given["channels"]),
        "data_options": parse_pairs(given["data_option"] or (), "--data-option"),
        "data_dir": None,
    }
    if given["data_dir"] is not None:
        # The run must be the same whatever folder it is continued from.
        path = Path(given["data_dir"]).expanduser().absolute()
        if not path.exists():
            raise FileNotFoundError(f"--data-dir: no such file or folder: {path}")
        renamed["data_dir"] = str(path)
    if given["step_us"] and given["steps"] == DvsRun.steps:
        renamed["steps"] = 0  # the default gives way
    values = {field.name: renamed[field.name] for field in fields(DvsRun) if field.name in renamed}
    values.update(changes)
    try:
        return DvsRun(**values)
    except (TypeError, ValueError) as error:
        field, space, rest = str(error).partition(" ")
        if field in given or field == "num_layers":
            name = "layers" if field == "num_layers" else field.replace("_", "-")
            raise ValueError(f"--{name}{space}{rest}") from error
        raise
