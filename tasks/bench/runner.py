"""Runs a benchmark: for each shape it draws, checks and times; what is wrong gets no speed."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

import torch

from liafseq.tasks.bench.check import Check, tolerance
from liafseq.tasks.bench.competitors import build, draw, layer_step, placed, synchronizer
from liafseq.tasks.bench.config import BASELINES, FLOOR, LIMIT, BenchConfig, Mode, Shape, floor_label
from liafseq.tasks.bench.first_call import first_call
from liafseq.tasks.bench.floor import (
    floor_step,
    floor_weights,
    limit_share,
    operations,
    product_step,
    weights,
)
from liafseq.tasks.bench.memory import training_memory
from liafseq.tasks.bench.one_step import one_step
from liafseq.tasks.bench.peers import PEERS, SPIKING, build_peer, package_version
from liafseq.tasks.bench.results import Bench, FirstCall, Host, OneStep, Speed, StepMemory, Timing, Verdict
from liafseq.tasks.bench.timing import speed, time_rounds
from liafseq.tasks.study.machine import machine

__all__ = ["bench", "check_device", "first_calls", "memory", "one_steps", "start"]

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
    packages = ("liafseq", "torch", "triton" if cuda else "llvmlite", *config.peers)
    return Bench(
        config=config,
        tolerance=tolerance(config),
        machine=Host(**machine().model_dump(), device=device, threads=threads),
        versions={"python": platform.python_version(), **{name: package_version(name) for name in packages}},
    )


def bench(
    config: BenchConfig, on_group: Callable[[tuple[Timing, ...]], object] | None = None
) -> tuple[Timing, ...]:
    """Times every competitor at every shape and mode; the floors are among them.

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


def one_steps(config: BenchConfig) -> tuple[OneStep, ...]:
    """One step of one sequence, of layers and cells."""
    with _threads(config):
        return one_step(config)


def _shape_rows(shape: Shape, config: BenchConfig) -> Iterator[tuple[Timing, ...]]:
    """The rows of a shape, mode by mode."""
    makers = {spec.label: partial(build, spec, shape, config) for spec in config.models}
    makers |= {name: partial(_peer, name, shape, config) for name in config.peers}
    ours = [spec.label for spec in config.models if spec.model().spiking]
    layers: dict[str, Any] = {}
    checks: dict[str, Check] = {}
    inputs: dict[str, torch.Tensor] = {}
    rates: dict[str, float] = {}
    unusable: dict[str, str] = {}
    for label, make in makers.items():
        if label in ours:
            layers[label] = make()
            checks[label] = check = Check(layers[label], shape, config)
            inputs[label], rates[label] = check.x, check.firing_rate
            continue
        inputs[label] = draw(shape, config)
        try:
            layers[label], emitted = _usable(label, make, shape, inputs[label])
        except RuntimeError as error:
            unusable[label] = str(error)
        else:
            rates |= {label: emitted} if label in SPIKING else {}
    hidden = shape.hidden
    rows = {label: layers[label].options.rows(hidden) for label in ours}
    floors = {floor_label(n, hidden): n for n in sorted({hidden, *rows.values()})}
    names = {**dict.fromkeys(floors, FLOOR), **{spec.label: spec.name for spec in config.models}}
    size = {label: weights(layer) for label, layer in layers.items()}
    size |= {label: floor_weights(shape, n) for label, n in floors.items()}
    for mode in config.modes:
        found = {label: _checked(check, mode) for label, check in checks.items()}
        good = [label for label in layers if label not in found or found[label][1] == "ok"]
        steps = {label: layer_step(layers[label], (inputs[label],), mode) for label in good}
        steps |= {label: floor_step(shape, config, mode, n) for label, n in floors.items()}
        steps[LIMIT] = product_step(config)
        with _tf32(config):
            times = time_rounds(steps, config.rounds, config.min_time, synchronizer(config.device))
        # once more, because a kernel that keeps buffers may go wrong only after some calls
        for label in [label for label in checks if label in times]:
            found[label] = _checked(checks[label], mode)
        group = []
        for label in (*layers, *unusable, *floors):
            work = operations(size[label], shape, mode) if label in size else None
            own = None if label in floors else floor_label(rows.get(label, hidden), hidden)
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
                    operations=work,
                    speed=_speed(label, times, own, work) if label in times and status == "ok" else None,
                )
            )
        yield tuple(group)


def _peer(name: str, shape: Shape, config: BenchConfig) -> torch.nn.Module:
    return placed(build_peer(name, shape.inputs, shape.hidden), config)


def _usable(
    name: str, make: Callable[[], torch.nn.Module], shape: Shape, x: torch.Tensor
) -> tuple[torch.nn.Module, float]:
    """A layer that is not ours, after one training step, and the mean of its output; RuntimeError where it
    does not give (T, N, H)."""
    try:
        layer = make()
        output, _ = layer(x)
        output.sum().backward()
    except Exception as error:  # whatever another package raises
        raise RuntimeError(" ".join(f"{name}: {type(error).__name__}: {error}".split())) from error
    if tuple(output.shape) != (shape.steps, shape.batch, shape.hidden):
        raise RuntimeError(f"{name}: its output has shape {tuple(output.shape)}")
    return layer, float(output.detach().mean())


def _checked(check: Check, mode: Mode) -> Checked:
    try:
        verdict = check(mode)
    except (RuntimeError, TypeError, ValueError, ArithmeticError) as error:
        return None, "failed", " ".join(f"{type(error).__name__}: {error}".split())
    return verdict, "ok" if verdict.ok else "wrong", None


def _speed(label: str, times: Mapping[str, list[float]], floor: str | None, work: int | None) -> Speed:
    """The speed of a row, against its own floor and the limit of its own operations."""
    against = {other: times[other] for other in (*BASELINES, *PEERS) if other in times and other != label}
    if floor is not None:
        against[FLOOR] = times[floor]
    if work is not None:
        against[LIMIT] = [limit_share(work) * seconds for seconds in times[LIMIT]]
    return speed(times[label], against)


@contextmanager
def _threads(config: BenchConfig) -> Iterator[None]:
    before = torch.get_num_threads()
    try:
        if config.threads is not None:
            torch.set_num_threads(config.threads)
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _tf32(config: BenchConfig) -> Iterator[None]:
    """torch's products and cuDNN's layers alike, which by default are not; what is checked stays precise."""
    if torch.device(config.device).type != "cuda":
        yield
        return
    backends: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [backend.allow_tf32 for backend in backends]
    try:
        for backend in backends:
            backend.allow_tf32 = config.tf32
        yield
    finally:
        for backend, value in zip(backends, before, strict=True):
            backend.allow_tf32 = value
