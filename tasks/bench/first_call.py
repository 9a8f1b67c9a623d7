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
from typing import Any

from liafseq.tasks.bench.config import BenchConfig, Shape

__all__ = ["first_call"]

LATER = 3


def first_call(name: str, shape: Shape, config: BenchConfig) -> dict[str, float]:
    """Seconds of the first step of a new process with an empty cache of compiled code, with the
    cache that this has filled, and of a later step. The import of torch is not counted."""
    argument = json.dumps(
        {
            "name": name,
            "shape": [shape.batch, shape.steps, shape.inputs, shape.hidden],
            "config": {"dtype": config.dtype, "device": config.device, "threads": config.threads},
            "options": dict(config.options.get(name, {})),
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "NUMBA_CACHE_DIR": folder, "TRITON_CACHE_DIR": folder}
        empty = _start(argument, environment)
        filled = _start(argument, environment)
    return {"empty_cache": empty[0], "filled_cache": filled[0], "later": statistics.median(filled[1:])}


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
    return json.loads(done.stdout.splitlines()[-1])


def _measure(given: Mapping[str, Any]) -> list[float]:
    """In the fresh process: seconds of the first steps."""
    import torch

    from liafseq.tasks.bench.competitors import build, draw, synchronizer

    shape, name = Shape(*given["shape"]), given["name"]
    options = {key: tuple(v) if isinstance(v, list) else v for key, v in given["options"].items()}
    config = BenchConfig(shapes=(shape,), options={name: options}, **given["config"])
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    layer, x = build(name, shape, config), draw(shape, config)
    synchronize = synchronizer(config.device)
    seconds = []
    for _ in range(1 + LATER):
        start = time.perf_counter()
        layer(x)[0].sum().backward()
        synchronize()
        seconds.append(time.perf_counter() - start)
    return seconds


if __name__ == "__main__":
    print(json.dumps(_measure(json.loads(sys.argv[1]))))
