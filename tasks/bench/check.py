"""Is the layer that is timed right? Its results against ``liafseq.ops.reference``, in the same dtype.

A spiking neuron is a step function: where a membrane potential lies within rounding of a threshold
two right results may differ, and all that follows in that sequence differs with them. The check
therefore compares each sequence up to the first step at which any potential *of the reference* comes
within ``Tolerance.margin`` of a place where the dynamics jump: a threshold, an edge of the
rectangular surrogate, a kink of the activation. Sequences do not touch each other, so the others
still count in full. The gradients are those of a loss that weighs exactly these outputs, and
each final state where the whole sequence counts; so every gradient is compared without exception.
Of a few draws of the input, the first with enough such steps is taken, and that input is timed.
Where no sequence counts in full the final state is compared at the end of the longest part.

In 16 bits rounding alone soon separates two right results of a spiking layer. The comparison above is then
made without autocast, in float32; with it, the layer must stay near the reference of the same precision over
the first steps, in norm.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from liafseq import surrogate
from liafseq._modules.time_loop import call_of
from liafseq.neurons import Neuron
from liafseq.ops import reference
from liafseq.tasks.bench.competitors import HALVES, draw
from liafseq.tasks.bench.config import BenchConfig, Shape
from liafseq.tasks.bench.results import Tolerance, Verdict

__all__ = ["Check", "tolerance"]


TOLERANCES = {
    "float32": Tolerance(output=1e-5, gradient=5e-5, margin=1e-5),
    "float64": Tolerance(output=1e-12, gradient=1e-10, margin=1e-11),
}
STEPS, NEAR = 8, 0.5
"""In 16 bits: the first steps, and the largest norm of the difference, relative."""
DRAWS = 8
ENOUGH = 0.5
TOO_LITTLE = 0.02

KINKS: dict[str, tuple[float, ...]] = {
    "relu": (0.0,), "leaky_relu": (0.0,), "relu6": (0.0, 6.0), "selu": (0.0,), "hardtanh": (-1.0, 1.0),
    "hardsigmoid": (-3.0, 3.0),
}  # fmt: skip


def tolerance(config: BenchConfig) -> Tolerance:
    """What is allowed, in 16 bits without autocast."""
    return TOLERANCES["float32" if config.dtype in HALVES else config.dtype]


class Check:
    """The reference's results for one layer and shape, to compare the layer with.

    Attributes:
        x: the input that was drawn, (T, N, I).
        firing_rate: spikes per neuron and step, in the reference.
    """

    def __init__(self, layer: nn.Module, shape: Shape, config: BenchConfig) -> None:
        self.layer = layer
        self.tolerance = tolerance(config)
        self.half = HALVES.get(config.dtype)
        best = -1.0
        for seed in range(DRAWS):
            x = draw(shape, config, seed)
            results, keep, rate = self._reference(x)
            compared = float(keep.double().mean())
            if compared > best:
                best, self.x, self.keep, self.firing_rate, expected = compared, x, keep, rate, results
            if best >= ENOUGH and bool(self.keep[-1].any()):
                break
        self.compared = best
        self.weights = [torch.randn_like(expected[0]) * self.keep.unsqueeze(-1)]
        self.weights += [torch.randn_like(state) * self.keep[-1].unsqueeze(-1) for state in expected[1:]]
        self.gradients = self._gradients(expected, self.x, self.weights)
        self.expected = [tensor.detach() for tensor in expected]

    def __call__(self, mode: str) -> Verdict:
        """Runs the layer as ``mode`` does and compares."""
        if self.compared < TOO_LITTLE:
            return self._verdict(False, math.inf, "too few steps can be compared")
        with torch.set_grad_enabled(mode == "training"):
            found = self._run(self.x)
        pairs = [("output", found[0], self.expected[0], self.keep)]
        pairs += [
            (name, state, expected, self.keep[-1])
            for name, state, expected in zip(("h_n", "c_n"), found[1:], self.expected[1:], strict=True)
        ]
        worst = [self._compare(n, a.detach(), b, mask, self.tolerance.output) for n, a, b, mask in pairs]
        if not bool(self.keep[-1].any()):
            worst += self._compare_part(mode)
        if mode == "training":
            actual = self._gradients(found, self.x, self.weights)
            worst += [
                self._compare(f"gradient of {name}", actual[name], expected, None, self.tolerance.gradient)
                for name, expected in self.gradients.items()
            ]
        units, deviation, where = max(worst)
        if self.half is not None and units <= 1:
            units, deviation, where = max(self._compare_halves(mode))
        return self._verdict(units <= 1, deviation, where)

    def _verdict(self, ok: bool, deviation: float, where: str) -> Verdict:
        known = deviation if math.isfinite(deviation) else None
        return Verdict(ok=ok, deviation=known, where=where, compared=self.compared)

    def _run(self, x: Tensor) -> list[Tensor]:
        """Without the autocast that an instance's own ``forward`` may have."""
        output, (h_n, c_n) = type(self.layer).forward(self.layer, x)
        return [output, h_n[0], c_n[0]]

    def _reference(self, x: Tensor) -> tuple[list[Tensor], Tensor, float]:
        """Output and final states, which steps (T, N) count, and the firing rate."""
        layer: Any = self.layer
        threshold = layer.neuron_parameters()["threshold"].detach()
        watch = _Watch(layer.neuron, threshold, self.tolerance.margin)
        results = reference.run(call_of(layer, x, "_l0", None, None, x.shape[1]), watch)
        return list(results), watch.keep(), watch.firing_rate()

    def _gradients(
        self, results: Sequence[Tensor], x: Tensor, weights: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        named = {"input": x, **dict(self.layer.named_parameters())}
        found = torch.autograd.grad(results, list(named.values()), weights, allow_unused=True)
        return {
            name: torch.zeros_like(tensor) if gradient is None else gradient
            for (name, tensor), gradient in zip(named.items(), found, strict=True)
        }

    def _compare_part(self, mode: str) -> Iterator[tuple[float, float, str]]:
        """The final states of the longest part that counts, a run of its own."""
        lengths = self.keep.sum(0)
        row, steps = int(lengths.argmax()), int(lengths.max())
        part = self.x.detach()[:steps]
        with torch.set_grad_enabled(mode == "training"):
            found = self._run(part)
        with torch.no_grad():
            expected, _, _ = self._reference(part)
        for name, a, b in zip(("h_n", "c_n"), found[1:], expected[1:], strict=True):
            yield self._compare(name, a[row].detach(), b[row], None, self.tolerance.output)

    def _compare_halves(self, mode: str) -> Iterator[tuple[float, float, str]]:
        """With autocast, the first steps: in norm, because rounding moves single spikes."""
        x = self.x.detach()[:STEPS].requires_grad_()
        with torch.set_grad_enabled(mode == "training"):
            output, (_, c_n) = self.layer(x)
            with torch.autocast(x.device.type, self.half):
                call = call_of(self.layer, x, "_l0", None, None, x.shape[1])  # type: ignore[arg-type]
            right, _, right_c = reference.run(call)
        found, expected = (output, c_n[0]), (right, right_c)
        pairs = {"output": (output, right), "c_n": (c_n[0], right_c)}
        if mode == "training":
            weights = [torch.randn_like(tensor) for tensor in expected]
            actual = self._gradients(found, x, weights)
            for name, gradient in self._gradients(expected, x, weights).items():
                pairs[f"gradient of {name}"] = actual[name], gradient
        for name, pair in pairs.items():
            a, b = (tensor.detach() for tensor in pair)
            where = f"{name} in {str(self.half).removeprefix('torch.')}"
            if a.shape != b.shape or not bool(a.isfinite().all()):
                yield math.inf, math.inf, where
                continue
            deviation = float((a - b).norm()) / (float(b.norm()) or 1.0)
            yield deviation / NEAR, deviation, where

    @staticmethod
    def _compare(
        name: str, found: Tensor, expected: Tensor, mask: Tensor | None, tolerance: float
    ) -> tuple[float, float, str]:
        """Deviation in units of the tolerance, deviation, name; infinite where they cannot be compared."""
        if found.shape != expected.shape or found.dtype != expected.dtype:
            return math.inf, math.inf, f"{name} (shape or dtype)"
        if not bool(found.isfinite().all()):
            return math.inf, math.inf, f"{name} (not finite)"
        if mask is not None:
            found, expected = found[mask], expected[mask]
        if not expected.numel():
            return 0.0, 0.0, name
        scale = float(expected.abs().max()) or 1.0
        deviation = float((found - expected).abs().max()) / scale
        return deviation / tolerance, deviation, name


class _Watch:
    """The reference's spike function, which also notes how near the potentials come to a jump."""

    def __init__(self, neuron: Neuron, threshold: Tensor, margin: float) -> None:
        self.neuron = neuron
        self.margin = margin
        self.level = itertools.cycle(range(1, neuron.levels + 1))
        half = neuron.surrogate_width / 2
        self.jumps = [0.0, -half, half] if neuron.surrogate == "rectangular" else [0.0]
        kinks = KINKS.get(neuron.activation, ()) if neuron.analog else ()
        # relative to u - theta, which is what a spike function sees
        self.kinks = [kink if neuron.threshold_related else kink - threshold for kink in kinks]
        self.near: list[Tensor] = []
        self.spikes: list[Tensor] = []

    def __call__(self, x: Tensor, kind: str, width: float) -> Tensor:
        s = surrogate.spike(x, kind, width)
        with torch.no_grad():
            first = next(self.level) == 1
            near = torch.zeros(x.shape[0], dtype=torch.bool, device=x.device)
            for jump in [*self.jumps, *(self.kinks if first else ())]:
                near |= ((x - jump).abs() < self.margin).any(-1)
            if first:
                self.near.append(near)
            else:
                self.near[-1] |= near
            self.spikes.append(s.detach().mean())
        return s

    def keep(self) -> Tensor:
        """(T, N): the steps before which, and at which, nothing was near a jump."""
        return torch.stack(self.near).logical_not().cumprod(0).bool()

    def firing_rate(self) -> float:
        return float(torch.stack(self.spikes).mean()) * self.neuron.levels
