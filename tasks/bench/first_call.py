"""What a layer's first training step costs in a fresh process, compiling included."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping

from liafseq.tasks.bench.config import BenchConfig, Shape
from liafseq.tasks.bench.results import FirstCall
from liafseq.tasks.config import replace
from liafseq.tasks.models import ModelSpec

__all__ = ["first_call"]

LATER = 3


def first_call(spec: ModelSpec, shape: Shape, config: BenchConfig) -> FirstCall:
    """The first step of a new process with an empty cache of compiled code; the import of torch is not
    counted."""
    alone = replace(config, models=(spec,), shapes=(shape,), sweep=None)
    argument = json.dumps(alone.to_json())
    with tempfile.TemporaryDirectory() as folder:
        first, *later = _start(argument, {**os.environ, "TRITON_CACHE_DIR": folder})
    return FirstCall(shape=shape, model=spec.label, first=first, later=statistics.median(later))


def _start(argument: str, environment: Mapping[str, str]) -> list[float]:
    done = subprocess.run(
        [sys.executable, "-m", __name__, argument],
        capture_output=True,
        text=True,
        env=dict(environment),
        check=False,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RuntimeError(f"the first call failed in a fresh process: {reason}")
    seconds: list[float] = json.loads(done.stdout.splitlines()[-1])
    return seconds


def _measure(config: BenchConfig) -> list[float]:
    """In the fresh process: seconds of the first steps of the first model."""
    import torch

    from liafseq.tasks.bench.competitors import build, draw, synchronizer

    if config.threads is not None:
        torch.set_num_threads(config.threads)
    shape = config.shapes[0]
    layer, x = build(config.models[0], shape, config), draw(shape, config)
    synchronize = synchronizer(config.device)
    seconds = []
    for _ in range(1 + LATER):
        start = time.perf_counter()
        layer(x)[0].sum().backward()
        synchronize()
        seconds.append(time.perf_counter() - start)
    return seconds


if __name__ == "__main__":
    print(json.dumps(_measure(BenchConfig.from_json(json.loads(sys.argv[1])))))
