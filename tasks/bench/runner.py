"""Runs a benchmark: for each shape it draws, checks and times; what is wrong gets no speed."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from liafseq.tasks.bench.check import TOLERANCES, Check, Verdict
from liafseq.tasks.bench.competitors import build, draw, floor_step, layer_step, synchronizer
from liafseq.tasks.bench.config import BASELINES, BenchConfig, Shape
from liafseq.tasks.bench.first_call import first_call
from liafseq.tasks.bench.memory import training_memory
from liafseq.tasks.bench.peers import PEERS, build_peer, package_version
from liafseq.tasks.bench.timing import ratios, spread, time_rounds

__all__ = ["FLOOR", "bench", "check_device", "describe", "first_calls", "is_wrong", "memory"]

FLOOR = "floor"
Row = dict[str, Any]


def check_device(device: str) -> None:
    """Raises ValueError where this machine cannot compute on ``device``."""
    try:
        torch.ones(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = f"{error}".strip().splitlines()[0]
        raise ValueError(f"--device: cannot compute on {device!r}: {reason}") from error


def is_wrong(row: Row) -> bool:
    return row["status"] in ("wrong", "failed")


def describe(config: BenchConfig) -> dict[str, Any]:
    """The choices, the machine and the versions, as JSON takes them."""
    with _threads(config):
        threads = torch.get_num_threads()
    cuda = torch.device(config.device).type == "cuda"
    return {
        "config": {**asdict(config), "shapes": [str(shape) for shape in config.shapes]},
        "tolerance": asdict(TOLERANCES[config.dtype]),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "threads": threads,
            "device": torch.cuda.get_device_name(config.device) if cuda else config.device,
            "system": platform.platform(),
        },
        "versions": {
            "python": platform.python_version(),
            **{name: package_version(name) for name in ("liafseq", "torch", "numba", *config.peers)},
        },
    }


def bench(config: BenchConfig, on_group: Callable[[list[Row]], object] | None = None) -> list[Row]:
    """Times every competitor at every shape and mode.

    Args:
        on_group: called with the rows of each shape and mode as soon as they are known.

    Returns:
        One row for each shape, mode and competitor (the floor among them): ``status`` is ``ok``,
        ``wrong`` (the check failed) or ``failed`` (it raised an error; a peer's is ``unusable``);
        only an ``ok`` row has ``seconds``, ``times`` and ``ratios``.
    """
    rows: list[Row] = []
    with _threads(config):
        for shape in config.shapes:
            for group in _shape_rows(shape, config):
                rows += group
                if on_group is not None:
                    on_group(group)
    return rows


def memory(config: BenchConfig, shape: Shape) -> list[Row]:
    """Bytes of a training step of every model."""
    rows = []
    with _threads(config):
        for name in config.models:
            found = training_memory(build(name, shape, config), draw(shape, config))
            rows.append(
                {"shape": asdict(shape), "model": name, "extra_bytes": found.extra, "kept_bytes": found.kept}
            )
    return rows


def first_calls(config: BenchConfig, shape: Shape) -> list[Row]:
    """Seconds of the first training step in a fresh process, of every spiking model."""
    spiking = [name for name in config.models if name not in BASELINES]
    return [
        {"shape": asdict(shape), "model": name, "seconds": first_call(name, shape, config)}
        for name in spiking
    ]


def _shape_rows(shape: Shape, config: BenchConfig) -> Iterator[list[Row]]:
    layers: dict[str, Any] = {name: build(name, shape, config) for name in config.models}
    checks = {name: Check(layers[name], shape, config) for name in config.models if name not in BASELINES}
    inputs = {name: checks[name].x if name in checks else draw(shape, config) for name in layers}
    rates = {name: check.firing_rate for name, check in checks.items()}
    unusable: dict[str, str] = {}
    for name in config.peers:
        try:
            inputs[name] = draw(shape, config)
            layers[name], rates[name] = _usable_peer(name, shape, config, inputs[name])
        except RuntimeError as error:
            unusable[name] = str(error)
    for mode in config.modes:
        found = {name: _verdict(check, mode) for name, check in checks.items()}
        good = [name for name in layers if name not in found or found[name][1] == "ok"]
        steps = {name: layer_step(layers[name], inputs[name], mode) for name in good}
        steps[FLOOR] = floor_step(shape, config, mode)
        times = time_rounds(steps, config.rounds, config.min_time, synchronizer(config.device))
        # once more, because a kernel that keeps buffers may go wrong only after some calls
        for name in [name for name in checks if name in times]:
            found[name] = _verdict(checks[name], mode)
        group = []
        for name in (*layers, *unusable, FLOOR):
            row: Row = {"shape": asdict(shape), "mode": mode, "model": name, "status": "ok"}
            if name in found:
                verdict, row["status"], error = found[name]
                if verdict is not None:
                    row["check"] = _plain(verdict)
                if error:
                    row["error"] = error
            if name in rates:
                row["firing_rate"] = rates[name]
            if name in unusable:
                row |= {"status": "unusable", "error": unusable[name]}
            if row["status"] == "ok":
                row |= _figures(name, times)
            group.append(row)
        yield group


def _usable_peer(name: str, shape: Shape, config: BenchConfig, x: torch.Tensor) -> tuple[Any, float]:
    """The peer's layer, after one training step, and its firing rate; RuntimeError where it does not
    give (T, N, H)."""
    layer = build_peer(name, shape.inputs, shape.hidden, config.device, getattr(torch, config.dtype))
    try:
        output, _ = layer(x)
        output.sum().backward()
    except Exception as error:  # whatever another package raises
        raise RuntimeError(f"{name}: {type(error).__name__}: {error}") from error
    if tuple(output.shape) != (shape.steps, shape.batch, shape.hidden):
        raise RuntimeError(f"{name}: its output has shape {tuple(output.shape)}")
    return layer, float(output.detach().mean())


def _verdict(check: Check, mode: str) -> tuple[Verdict | None, str, str]:
    try:
        verdict = check(mode)
    except (RuntimeError, TypeError, ValueError, ArithmeticError) as error:
        return None, "failed", " ".join(f"{type(error).__name__}: {error}".split())
    return verdict, "ok" if verdict.ok else "wrong", ""


def _plain(verdict: Verdict) -> dict[str, Any]:
    """The verdict as JSON takes it: an infinite deviation is null."""
    plain = asdict(verdict)
    if verdict.deviation == float("inf"):
        plain["deviation"] = None
    return plain


def _figures(name: str, times: dict[str, list[float]]) -> Row:
    against = [other for other in (*BASELINES, *PEERS, FLOOR) if other in times and other != name]
    return {
        "seconds": spread(times[name])._asdict(),
        "times": times[name],
        "ratios": {other: ratios(times[name], times[other])._asdict() for other in against},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


@contextmanager
def _threads(config: BenchConfig) -> Iterator[None]:
    before = torch.get_num_threads()
    try:
        if config.threads is not None:
            torch.set_num_threads(config.threads)
        yield
    finally:
        torch.set_num_threads(before)
