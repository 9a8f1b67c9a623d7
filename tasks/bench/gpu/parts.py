"""The parts of the script: what each would run, and how."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from liafseq.tasks.bench.gpu.parity import CASES, parity
from liafseq.tasks.bench.gpu.speed import MODELS, SPEEDS, kernels, seconds
from liafseq.tasks.bench.gpu.usage import USES
from liafseq.tasks.bench.peers import package_version

__all__ = ["PARTS", "Part", "Row"]

Row = dict[str, Any]
TESTS = "tests/liafseq/ops/test_triton.py"
ONE_CALL = "from liafseq.tasks.bench.gpu.usage import one_call; one_call({})"
SHAPES = {
    "loop": "100",
    "gated loop": "33, 17, 9, True",
    "steps": "300, 5, 70, False",
    "gated steps": "300, 5, 70",
}
CONFLICTS = "l1tex__data_bank_conflicts_pipe_lsu_mem_shared_op_ld.sum"
MINUTES = 10


class Part(NamedTuple):
    """Something to be found out: a title, and by name what finds it."""

    title: str
    work: Mapping[str, Callable[[], Row]]


def _command(words: Sequence[str], **environment: str) -> Row:
    """What a program says at its end; right is an exit code of 0."""
    if shutil.which(words[0]) is None:
        return {"ok": None, "said": f"{words[0]} is not installed"}
    found = subprocess.run(
        list(words), capture_output=True, text=True, check=False, timeout=60 * MINUTES,
        env={**os.environ, **environment},
    )  # fmt: skip
    said = (found.stdout + found.stderr).strip().splitlines()[-3:]
    return {"ok": found.returncode == 0, "said": " / ".join(said)}


def _versions() -> Row:
    own = {name: package_version(name) for name in ("liafseq", "torch", "triton")}
    return {
        "python": platform.python_version(), **own, "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(), "device": torch.cuda.get_device_name(), "ok": True,
    }  # fmt: skip


def _tests(dtype: str) -> Row:
    if not Path(TESTS).exists():
        return {"ok": None, "said": f"{TESTS} is not here: run in the repository"}
    return _command([sys.executable, "-m", "pytest", "-q", TESTS], LIAFSEQ_GPU_DTYPE=dtype)


def _watched(words: Sequence[str], shape: str) -> Row:
    return _command([*words, sys.executable, "-c", ONE_CALL.format(SHAPES[shape])])


CLOCKS = [
    "nvidia-smi",
    "--query-gpu=name,clocks.sm,clocks.max.sm,clocks.mem,power.limit",
    "--format=csv,noheader",
]
_SANITIZER = {
    f"{tool}, {shape}": partial(
        _watched, ["compute-sanitizer", "--tool", tool, "--error-exitcode", "1"], shape
    )
    for tool in ("racecheck", "memcheck", "initcheck")
    for shape in SHAPES
}
_COUNTERS = {shape: partial(_watched, ["ncu", "--metrics", CONFLICTS], shape) for shape in SHAPES}
PARTS = {
    "machine": Part("Versions and clocks", {"versions": _versions, "clocks": partial(_command, CLOCKS)}),
    "usage": Part("Around a layer", USES),
    "tests": Part(
        "The tests on the device", {name: partial(_tests, name) for name in ("float32", "float64")}
    ),
    "sanitizer": Part("compute-sanitizer", _SANITIZER),
    "parity": Part("Errors against float64", {str(case): partial(parity, case) for case in CASES}),
    "speed": Part("Times", {str(case): partial(seconds, case) for case in SPEEDS}),
    "conflicts": Part("Bank conflicts", _COUNTERS),
    "kernels": Part("Kernels of a training step", {model: partial(kernels, model) for model in MODELS}),
}
"""By name, in the order in which they run: the first call inside a capture is the first call."""
