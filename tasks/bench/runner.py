"""Runs a benchmark: for each shape it draws, checks and times; what is wrong gets no speed."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import torch

from liafseq.tasks.bench.check import TOLERANCES, Check
from liafseq.tasks.bench.competitors import build, draw, floor_step, layer_step, synchronizer
from liafseq.tasks.bench.config import BASELINES, FLOOR, BenchConfig, Mode, Shape
from liafseq.tasks.bench.first_call import first_call
from liafseq.tasks.bench.memory import training_memory
from liafseq.tasks.bench.peers import PEERS, build_peer, package_version
from liafseq.tasks.bench.results import Bench, FirstCall, Host, Speed, StepMemory, Timing, Verdict
from liafseq.tasks.bench.timing import quartiles, ratios, time_rounds
from liafseq.tasks.study.machine import machine

__all__ = ["bench", "check_device", "first_calls", "memory", "start"]

Status = Literal["ok", "wrong", "failed"]
Checked = tuple[Verdict | None, Status, str | None]
"""What a check found, and why it could not where it raised an error."""


def check_device(device: str) -> None:
    """Raises ValueError where this machine cannot compute on ``device``."""
    try:
        torch.ones(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = f"{error}".strip().splitlines()[0]
        raise ValueError(f"--device: cannot compute on {device!r}: {reason}") from error


def start(config: BenchConfig) -> Bench:
    """A benchmark of which nothing is measured yet: the choices, the machine and the versions."""
    with _threads(config):
        threads = torch.get_num_threads()
    cuda = torch.device(config.device).type == "cuda"
    device = torch.cuda.get_device_name(config.device) if cuda else config.device
    packages = ("liafseq", "torch", "numba", *config.peers)
    return Bench(
        config=config,
        tolerance=TOLERANCES[config.dtype],
        machine=Host(**machine().model_dump(), device=device, threads=threads),
        versions={"python": platform.python_version(), **{name: package_version(name) for name in packages}},
    )


def bench(
    config: BenchConfig, on_group: Callable[[tuple[Timing, ...]], object] | None = None
) -> tuple[Timing, ...]:
    """Times every competitor at every shape and mode; the floor is one of them.

    Args:
        on_group: called with the rows of each shape and mode as soon as they are known.
    """
    rows: tuple[Timing, ...] = ()
    with _threads(config):
        for shape in config.measured:
            for group in _shape_rows(shape, config):
                rows += group
                if on_group is not None:
                    on_group(group)
    return rows


def memory(config: BenchConfig, shape: Shape) -> tuple[StepMemory, ...]:
    """Bytes of a training step of every model."""
    rows = []
    with _threads(config):
        for spec in config.models:
            found = training_memory(build(spec, shape, config), draw(shape, config))
            rows.append(
                StepMemory(shape=shape, model=spec.label, extra_bytes=found.extra, kept_bytes=found.kept)
            )
    return tuple(rows)


def first_calls(config: BenchConfig, shape: Shape) -> tuple[FirstCall, ...]:
    """Seconds of the first training step in a fresh process, of every spiking model."""
    return tuple(first_call(spec, shape, config) for spec in config.models if spec.model().spiking)


def _shape_rows(shape: Shape, config: BenchConfig) -> Iterator[tuple[Timing, ...]]:
    """The rows of a shape, mode by mode."""
    names = {spec.label: spec.name for spec in config.models}
    layers: dict[str, Any] = {spec.label: build(spec, shape, config) for spec in config.models}
    spiking = [spec.label for spec in config.models if spec.model().spiking]
    checks = {label: Check(layers[label], shape, config) for label in spiking}
    inputs = {label: checks[label].x if label in checks else draw(shape, config) for label in layers}
    rates = {label: check.firing_rate for label, check in checks.items()}
    unusable: dict[str, str] = {}
    for name in config.peers:
        try:
            inputs[name] = draw(shape, config)
            layers[name], rates[name] = _usable_peer(name, shape, config, inputs[name])
        except RuntimeError as error:
            unusable[name] = str(error)
    for mode in config.modes:
        found = {label: _checked(check, mode) for label, check in checks.items()}
        good = [label for label in layers if label not in found or found[label][1] == "ok"]
        steps = {label: layer_step(layers[label], inputs[label], mode) for label in good}
        steps[FLOOR] = floor_step(shape, config, mode)
        times = time_rounds(steps, config.rounds, config.min_time, synchronizer(config.device))
        # once more, because a kernel that keeps buffers may go wrong only after some calls
        for label in [label for label in checks if label in times]:
            found[label] = _checked(checks[label], mode)
        group = []
        for label in (*layers, *unusable, FLOOR):
            verdict, status, reason = found.get(label, (None, "ok", None))
            group.append(
                Timing(
                    shape=shape,
                    mode=mode,
                    model=label,
                    name=names.get(label, label),
                    status="unusable" if label in unusable else status,
                    error=unusable.get(label, reason),
                    check=verdict,
                    firing_rate=rates.get(label),
                    speed=_speed(label, times) if status == "ok" and label not in unusable else None,
                )
            )
        yield tuple(group)


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


def _checked(check: Check, mode: Mode) -> Checked:
    try:
        verdict = check(mode)
    except (RuntimeError, TypeError, ValueError, ArithmeticError) as error:
        return None, "failed", " ".join(f"{type(error).__name__}: {error}".split())
    return verdict, "ok" if verdict.ok else "wrong", None


def _speed(label: str, times: Mapping[str, list[float]]) -> Speed:
    own = times[label]
    against = [other for other in (*BASELINES, *PEERS, FLOOR) if other in times and other != label]
    return Speed(
        seconds=quartiles(own),
        times=tuple(own),
        ratios={other: ratios(own, times[other]) for other in against},
    )


@contextmanager
def _threads(config: BenchConfig) -> Iterator[None]:
    before = torch.get_num_threads()
    try:
        if config.threads is not None:
            torch.set_num_threads(config.threads)
        yield
    finally:
        torch.set_num_threads(before)
